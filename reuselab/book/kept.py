"""The reference runs that the repository keeps: pages show them, apart from their own run."""

from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).resolve().parents[2] / "results"
REFERENCE = ("summary", "claims", "provenance")


def kept(name: str) -> tuple[str, dict[str, pd.DataFrame]]:
    """The best of the `references` of page `name`, preset paper before quick: where it is kept, as "quick/cifar10", and its tables."""
    return next(iter(references(name).items()), ("", {}))


def references(name: str) -> dict[str, dict[str, pd.DataFrame]]:
    """The reference runs of page `name` that the repository keeps, by preset and variant, as "quick/fashion".

    Each is its tables summary, claims and provenance. `make reference` writes them; a page only shows them, apart from its own run.
    """
    return {
        path.parent.relative_to(RESULTS).as_posix(): {
            part: pd.read_csv(path.with_name(f"{name}_{part}.csv")) for part in REFERENCE
        }
        for path in sorted(RESULTS.glob(f"*/*/{name}_{REFERENCE[0]}.csv"))
    }
