"""Do ReLU networks show the same (Tahir, Ganguli & Rotskoff 2025, B5)?"""

from collections.abc import Mapping
from typing import Any

from reuselab.claims.parameters import SEEDS
from reuselab.theory import relu

RULES = relu.RULES | {"seeds": SEEDS}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    relu.check(**values)
