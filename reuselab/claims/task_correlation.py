"""Does Bob's accuracy rise with the correlation of his task and Alice's (Mohamud & Brink 2026, A2)?"""

from collections.abc import Mapping
from typing import Any

from reuselab.claims.parameters import check_cells, rules

RULES = rules(
    "base",
    "bob_base",
    "network",
    "rhos",
    "phi",
    "retrains",
    "init",
    "alice_pairs",
    "alice_epochs",
    "bob_pairs",
    "bob_epochs",
    "test_pairs",
    "seeds",
)


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
