"""Do the risks of deep linear networks follow closed forms (Tahir, Ganguli & Rotskoff 2025, B1, B3; ours, C1)?"""

from collections.abc import Mapping
from typing import Any

from reuselab.check import integer, number, several

RULES = {
    "d": integer(16, 10_000),
    "gammas": several(number(0.05, 10)),
    "degrees": several(number(0, 180)),
    "sigmas": several(number(0, 10)),
    "depths": several(integer(2, 10)),
    "instances": integer(3, 10_000),
    "descents": integer(3, 10_000),
    "seed": integer(0, 2**32 - 1),
}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    del values
