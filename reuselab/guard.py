"""The edge of the command line: whatever ends a command early leaves one line and an exit status."""

import atexit
import errno
import io
import os
import select
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from reuselab.check import Failed
from reuselab.runs import store

LONGEST = 500  # characters of a message
LOG, LOGS = "reuselab-traceback-", 20  # how a log's name begins, and how many are kept
ROOM = "make room and run the same command again"
RIGHTS = "look at its rights, or name another place"
WAYS_OUT = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: ROOM,
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.EROFS: RIGHTS,
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files, as `ulimit -n 4096` does",
}
# What ends a command, and how Python takes it unless whoever began the command has it ignored.
USUAL: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


def guarded(command: Callable[[], object]) -> int:
    """Run `command`, and return the exit status.

    0: done. 1: it could not be finished. 2: bad input. 130: Ctrl-C; 129, 143: SIGHUP, SIGTERM. All but 0
    come with one line on stderr, unless it is a closed pipe that ends the command. From Ctrl-C on no library
    says anything there.
    """
    voice = sys.stderr
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what no text can
    with _ctrl_c() as heard:
        try:
            command()
            if sys.stdout:
                sys.stdout.flush()
            status, line = 0, ""
        except BaseException as error:
            status, line = (128 + heard[0], _interrupted(error)) if heard else _told(error)
        _drop_what_stdout_cannot_take()
        if line and voice:
            with suppress(OSError):
                voice.write(f"reuselab: {_in_one_line(line)}\n")
                voice.flush()
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C from here on ends it in silence
    return status


@contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """Ctrl-C is raised as ever, remembered and silences stderr; a second one ends everything at once.

    SIGTERM and SIGHUP are taken for it, unless they are ignored. Gives the number of the signal heard.
    """
    heard: list[int] = []

    def press(number: int, frame: Any) -> None:
        if heard:
            import psutil  # nothing else here needs it, and not every machine has it

            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    process.kill()
            os._exit(128 + number)
        heard.append(number)
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        signal.default_int_handler(number, frame)

    def as_ctrl_c(number: int, frame: Any) -> None:
        hear = signal.getsignal(signal.SIGINT)  # a study may have put its own before `press`
        (hear if callable(hear) else press)(number, frame)

    here = threading.current_thread() is threading.main_thread()
    before = {number: usual for number, usual in USUAL.items() if here and signal.getsignal(number) == usual}
    for number in before:
        signal.signal(number, press if number == signal.SIGINT else as_ctrl_c)
    try:
        yield heard
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


def _in_one_line(text: str) -> str:
    """`text` with nothing in it that moves a terminal's cursor or changes its colours."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in " ".join(text.split())
    )


def _interrupted(error: BaseException) -> str:
    return f"interrupted: {error}" if isinstance(error, KeyboardInterrupt) and str(error) else "interrupted"


def _told(error: BaseException) -> tuple[int, str]:
    """Exit status and line of what ended a command."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code, ""
        case click.Abort() | KeyboardInterrupt():
            return 130, _interrupted(error)
        case click.ClickException():
            return 2, error.format_message()
        case Failed():
            return 1, str(error)
        case BrokenPipeError() if _nobody_reads():
            return 1, ""
    return 1, _cause(error)


def _cause(error: BaseException) -> str:
    """What went wrong in words, with the way out; where there is none, with the file that tells more."""
    match error:
        case OSError(errno=int(number)):
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
            way = WAYS_OUT.get(number, "")
        case ModuleNotFoundError():
            what, way = f"{error.name} is not installed", "pip install 'reuselab[book]'"
        case MemoryError():
            what, way = "not enough memory", "ask for less at a time"
        case RecursionError():
            what, way = "something is nested too deep", ""
        case _:
            what, way = f"{type(error).__name__}: {error}", ""
    what = what if len(what) <= LONGEST else what[: LONGEST - 3] + "..."
    return what + (f"; {way}" if way else _log(error))


def _log(error: BaseException) -> str:
    """Keep the traceback in a file; where, in words, or nothing where none can be written."""
    for folder in (store.folder, tempfile.gettempdir):
        with suppress(Exception):
            text = "".join(traceback.format_exception(error))
            descriptor, path = tempfile.mkstemp(".log", LOG, folder())
            with open(descriptor, "w", errors="backslashreplace") as log:
                log.write(text)
            with suppress(OSError):
                others = set(Path(path).parent.glob(f"{LOG}*.log")) - {Path(path)}
                for old in sorted(others, key=os.path.getmtime)[: 1 - LOGS]:
                    old.unlink()
            return f" (traceback in {path})"
    return ""


def _nobody_reads() -> bool:
    """Whether stdout is a pipe that its reader has closed."""
    with suppress(OSError, AttributeError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def _drop_what_stdout_cannot_take() -> None:
    """What a full or closed stdout did not take is tried again when Python ends, which then complains."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
