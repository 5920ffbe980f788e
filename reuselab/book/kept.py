"""The reference runs that the repository keeps: pages show them, apart from their own run."""

from pathlib import Path

import pandas as pd

from reuselab import places
from reuselab.claims.parameters import KEPT

RESULTS = places.SOURCES / "results"
SECONDS = RESULTS / "seconds.csv"
REFERENCE = ("summary", "claims", "provenance")


def best_run(name: str) -> tuple[str, dict[str, pd.DataFrame]]:
    """The best kept run of page `name`, preset paper before quick: where, as "quick/cifar10", and its tables.

    ("", {}) where none is kept.
    """
    return next(iter(references(name).items()), ("", {}))


def references(name: str) -> dict[str, dict[str, pd.DataFrame]]:
    """The kept runs of page `name` by preset and variant, as "quick/fashion": each its tables `REFERENCE`.

    `make reference` writes them.
    """
    summaries = sorted(RESULTS.glob(f"*/*/{name}_{REFERENCE[0]}.csv"))
    return {path.parent.relative_to(RESULTS).as_posix(): _tables(path.parent, name) for path in summaries}


def origin(name: str) -> tuple[str, str]:
    """What the scoreboard says of a verdict taken from the page's kept run: its preset, and its image set."""
    where, tables = best_run(name)
    return f"{KEPT}: {where}", tables["claims"].images[0]


def seconds(preset: str) -> pd.Series:
    """How long pages took at `preset` where it was timed, by page; "step" is a training to scale them by."""
    return pd.read_csv(SECONDS).query("preset == @preset").set_index("page").seconds


def _tables(folder: Path, name: str) -> dict[str, pd.DataFrame]:
    return {part: pd.read_csv(folder / f"{name}_{part}.csv") for part in REFERENCE}
