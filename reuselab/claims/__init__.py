"""What each page runs, tests and concludes: a module for each page, with the page's name."""

from importlib import import_module
from types import ModuleType


def module(page: str) -> ModuleType:
    """The module with the name of the page: its parameters, what it runs, what it concludes."""
    return import_module(f"{__name__}.{page}")
