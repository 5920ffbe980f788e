"""Clients for the fault tests: processes whose cells note that they ran, and fail, hang or die by seed.

Each is a fork of one process that has imported everything, and so are the processes that it starts itself.
"""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import util
from pathlib import Path

import psutil

from reuselab import cli
from reuselab.book.kernel import PRELOADED
from reuselab.runs import study
from reuselab.runs.study import grid

RAISES, HANGS, DIES, DIES_ONCE = 101, 102, 103, 104
TINY = dict(
    network="mlp",
    test_pairs=100,
    alice_pairs=50,
    alice_epochs=1,
    alice_device="cpu",
    bob_pairs=50,
    bob_epochs=1,
    bob_device="cpu",
)
PHOTOGRAPHS = dict(
    base="pets",
    layout="alone",
    alice_classes="Abyssinian|Pug",
    bob_classes="Great Pyrenees|Pug",
    test_pairs=10,
    alice_pairs=10,
    alice_epochs=1,
    alice_device="cpu",
    bob_pairs=10,
    bob_epochs=1,
    bob_device="cpu",
)
STUDIES = {
    "pairs": grid(rho=[0, 1], retrain=[1, 2, 3], seed=range(2), **TINY),
    "photographs": grid(retrain=[1, 2, 3], seed=range(4), **PHOTOGRAPHS),
}

PATIENCE = 120  # seconds that a busy machine may take for anything

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["distributed", "pytest", *PRELOADED])

original = study.bob_row


def bob_row(bob, weights):
    """A Bob who meets the fate of his seed; the folder FAULTY notes which rows ran in which process."""
    folder = Path(os.environ["FAULTY"])
    with (folder / "ran").open("a") as ran:
        ran.write(f"{study.row_name(bob)} {os.getpid()}\n")
    if (folder / "healed").exists():
        return original(bob, weights)
    time.sleep(float(os.environ.get("FAULTY_DELAY", 0)))
    if bob.seed == RAISES:
        raise RuntimeError("no luck")
    while bob.seed == HANGS:
        time.sleep(0.01)
    if bob.seed == DIES or (bob.seed == DIES_ONCE and not (folder / "died").exists()):
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return original(bob, weights)


def no_start(*_):
    """A worker that ends before it has begun."""
    os._exit(1)


def wait_for(condition):
    """Return what `condition()` gives when that is true; an error where it isn't for a long time."""
    until = time.monotonic() + PATIENCE
    while not (true := condition()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.002)
    return true


def ran(folder):
    """The names of the rows that ran, in order."""
    path = folder / "ran"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def pids(folder):
    """The processes in which cells ran."""
    path = folder / "ran"
    return {int(line.split()[1]) for line in path.read_text().splitlines()} if path.exists() else set()


def alive(pid):
    """Whether the process is there, and no zombie that nobody has asked for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants(pid):
    """The processes that were begun by this one and by those."""
    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


class Backwards(datetime):
    """A clock that loses an hour each time it is read."""

    read = 0

    @classmethod
    def now(cls, zone=None):
        cls.read += 1
        return datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=cls.read)


def client(
    home, folder, environment, delay=0.0, workers=1, file_size=None, clock=None, cells=STUDIES["pairs"]
):
    """What a client process does: a study. Its exit status tells how it ended, FOLDER/said what it said."""
    os.environ |= environment | {"FAULTY": str(folder), "FAULTY_DELAY": str(delay)}
    util.spawnv_passfds = fork_in_place_of_exec
    study.bob_row = bob_row
    if file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if clock:
        study.datetime = Backwards
        study.time.time = lambda: Backwards.now().timestamp()
    try:
        study.study(cells, workers=workers, home=home)
    except study.Failed as error:
        (folder / "said").write_text(str(error))
        raise SystemExit(1) from None


def command(folder, environment, arguments):
    """The command `reuselab`, leader of a group of processes; what it prints goes to FOLDER/out and err.

    It ends as an interpreter does, not as a fork: whatever that would print is printed.
    """
    os.setsid()
    os.environ |= environment
    util.spawnv_passfds = fork_in_place_of_exec
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["reuselab", *arguments]
    for descriptor, name in enumerate(("out", "err"), 1):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), descriptor)
    try:
        cli.main()
    except SystemExit as stop:
        ctypes.pythonapi.Py_Exit(stop.code or 0)


def fork_in_place_of_exec(_, arguments, kept):
    """A process that multiprocessing starts, python -c PROGRAM, with the descriptors `kept`.

    As long as there is a file FAULTY/held, it has not begun.
    """
    if pid := os.fork():
        return pid
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor > 2 and descriptor not in kept:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        while Path(os.environ["FAULTY"], "held").exists():
            time.sleep(0.01)
        exec(arguments[-1], {})
    finally:
        os._exit(0)


def start(target, *arguments, **options):
    """Begin `target` (home, folder, environment; options) in a process of its own."""
    process = PROCESSES.Process(target=target, args=[*arguments, dict(os.environ)], kwargs=options)
    process.start()
    return process


def page():
    """What the page does whose kernel dies: a study, whose third Bob once takes the process with him."""
    study.bob_row = bob_row
    return study.study(grid(seed=[0, 1, DIES_ONCE, 2], **PHOTOGRAPHS), workers=1)


def mounted(folder, size):
    """Whether a RAM disk of `size` could be mounted on `folder`."""
    return (
        os.getuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
        ).returncode
        == 0
    )
