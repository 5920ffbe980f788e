"""A reproducible companion to two papers on the reuse of pre-trained networks."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# What a notebook or a script needs, each imported when it is first asked for: PyTorch takes seconds.
_HOMES = {
    "bases": "experiment",
    "pairs": "experiment",
    "models": "experiment",
    "reuse": "experiment.models",
    "Recipe": "experiment.train",
    "train": "experiment.train",
    "accuracy": "experiment.train",
    "Cell": "experiment.cell",
    "run": "experiment.cell",
    "grid": "runs.study",
    "study": "runs.study",
    "advise": "advisor",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    return import_module(f"{home.__name__}.{name}") if hasattr(home, "__path__") else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
