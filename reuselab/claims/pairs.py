"""What the page on the generator may be asked."""

from collections.abc import Mapping
from typing import Any

from reuselab.check import integer
from reuselab.claims.parameters import check_cells, rules

RULES = rules(
    "base", "bob_base", "rhos", "phis", "network", "bob_pairs", "bob_epochs", "test_pairs", "seeds"
) | {"draws": integer(1000, 10_000_000)}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
