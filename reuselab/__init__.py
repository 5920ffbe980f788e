"""Generator, models and trainers of a reproducible companion to two papers on the reuse of pre-trained networks."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# What a notebook or a script needs, each imported when it is first asked for: PyTorch takes seconds.
_HOMES = {
    "experiment.bases": ("load",),
    "experiment.cell": ("Cell", "run"),
    "experiment.models": ("build", "reuse"),
    "experiment.pairs": ("joint", "sample"),
    "experiment.train": ("Recipe", "accuracy", "train"),
    "runs.study": ("grid", "study"),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_WHERE)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
