"""What is left for Bob where nothing is correlated, and where it comes from (Mohamud & Brink 2026, A3)."""

from collections.abc import Mapping
from typing import Any

from reuselab.check import choice, integer, several
from reuselab.claims import baselines
from reuselab.claims.parameters import check_cells, rules

RULES = rules(
    "base",
    "bob_base",
    "networks",
    "alice_pairs",
    "alice_epochs",
    "bob_pairs",
    "bob_samples",
    "bob_epochs",
    "test_pairs",
    "seeds",
) | {
    "optimizers": several(choice(*baselines.OPTIMIZERS)),
    "starts": integer(1, 20),
    "draws": integer(1000, 10_000_000),
    "optimizer_seeds": integer(1, 1000),
}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
