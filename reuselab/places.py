"""Where files lie: the project's own, in a checkout or carried by the installed package, and what is made."""

import os
from pathlib import Path

from reuselab.check import shorten

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").exists() else None
SOURCES = CHECKOUT or PACKAGE / "carried"  # notebooks, book and results; setup.py carries them


def made() -> Path:
    """Where what is built goes: `_build` of the checkout, or where there is none, of the current folder."""
    return (CHECKOUT or Path.cwd()) / "_build"


def named(variable: str) -> Path | None:
    """The folder that an environment variable names, if it does. ValueError for the home of nobody."""
    given = os.environ.get(variable)
    try:
        return Path(given).expanduser() if given else None
    except RuntimeError:
        raise ValueError(f"{variable} is {shorten(given)}, and there is no such user's home") from None
