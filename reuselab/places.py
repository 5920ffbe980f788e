"""Where files lie: the project's own, in a checkout or carried by the installed package, and what is made."""

import errno
import os
import tempfile
from pathlib import Path

from reuselab.check import shorten

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").exists() else None
SOURCES = CHECKOUT or PACKAGE / "carried"  # notebooks, book and results; setup.py carries them


def made() -> Path:
    """Where what is built goes: `_build` of the checkout, or where there is none, of the current folder."""
    return (CHECKOUT or Path.cwd()) / "_build"


def need_checkout() -> None:
    """End a command that keeps something in the project's own `results` where there is only its copy."""
    if not CHECKOUT:
        raise SystemExit(
            "reuselab: this writes into a checkout's results/, and reuselab is installed without one"
        )


def shorten_temporary() -> None:
    """Take /tmp for temporary files where the name of their folder leaves no room for that of a socket."""
    if not has_room_for_sockets(tempfile.gettempdir()) and os.access("/tmp", os.W_OK | os.X_OK):
        os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"


def has_room_for_sockets(folder: str) -> bool:
    """Whether a socket can lie in a folder of this name: the system allows about 104 bytes in all."""
    return len(os.fsencode(folder)) <= 70


def writable(folder: Path) -> Path:
    """`folder`, made where it is not there. ValueError, in one line, where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"cannot write into {folder}: {error.strerror}") from None
    return folder


def regular(path: Path) -> Path:
    """`path`, to be opened. Raises OSError where a pipe is there, which would be waited for, or a device."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path


def named(variable: str) -> Path | None:
    """The folder that an environment variable names, if it does. ValueError for the home of nobody."""
    given = os.environ.get(variable)
    try:
        return Path(given).expanduser() if given else None
    except RuntimeError:
        raise ValueError(f"{variable} is {shorten(given)}, and there is no such user's home") from None
