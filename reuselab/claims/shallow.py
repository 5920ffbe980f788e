"""Linear models, and features that correlate (Mohamud & Brink 2026, A1)."""

from collections.abc import Mapping
from typing import Any

from reuselab.check import integer, number, several
from reuselab.claims.parameters import SEEDS
from reuselab.theory import shallow

RULES = shallow.RULES | {
    "lr": number(0, 1, above=True),
    "steps": integer(1, 1_000_000),
    "samples": several(integer(4, 10_000_000)),
    "seeds": SEEDS,
}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    shallow.check(**values)
