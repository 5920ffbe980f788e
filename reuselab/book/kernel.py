"""The kernel of a page: this Python, begun as a fork of a process that has imported what takes seconds."""

import multiprocessing
import os
import threading
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from reuselab.runs.study import deaf

PRELOADED = ["reuselab.book.explore", "reuselab.book.pages", "torch._dynamo", __name__]


class Kernel(AsyncKernelManager):
    """A kernel that says into the file `last_words`, not on our stderr, how it died.

    It is this Python, whatever else a machine calls "python3", and imports nothing from where it runs.
    """

    last_words = Unicode(config=True)

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**get_kernel_dict(["--InteractiveShellApp.ignore_cwd=True"]))

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        self.provisioner = _Forks(kernel_spec=self.kernel_spec, parent=self)
        await super().start_kernel(last_words=self.last_words, **options)


class _Forks(LocalProvisioner):
    process: Any = None

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
        arguments = [*cmd[3:], f"--IPKernelApp.parent_handle={os.getpid()}"]  # after python -m ipykernel
        self.process = _Process(target=_serve, args=[arguments, options["env"], options["last_words"]])
        with deaf():
            self.process.start()
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class _Process(ForkServerProcess):
    """A process with the methods of subprocess.Popen that a provisioner calls."""

    pid: int
    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, signum: int) -> None:
        os.kill(self.pid, signum)


def _serve(arguments: list[str], environment: Mapping[str, str], last_words: str) -> None:
    """Be a kernel: leader of a group of processes, in its client's environment as it is now."""
    os.setsid()
    end_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    with open(last_words, "w") as words:
        os.dup2(words.fileno(), 2)
    IPKernelApp.launch_instance(arguments)


def end_with_parent() -> None:
    """This process does not outlive the one that asked for it."""
    parent: Any = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
