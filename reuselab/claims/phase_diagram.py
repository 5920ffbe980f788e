"""When does transfer help (Tahir, Ganguli & Rotskoff 2025, B2 to B4)?"""

from collections.abc import Mapping
from typing import Any

from reuselab.check import Rule, integer, number, several

RULES = {
    "d": integer(16, 10_000),
    "gammas": several(number(0.05, 10)),
    "degrees": several(number(0, 180)),
    "sigma": number(0, 10),
    "sigmas": several(number(0, 10)),
    "gamma_sources": several(
        Rule(
            "a number from 0.05 to 100, or null for an infinite sample",
            lambda value: value is None or number(0.05, 100).test(value),
        )
    ),
    "sigma_source": number(0, 10),
    "depths": several(integer(2, 10)),
    "instances": integer(3, 10_000),
    "seed": integer(0, 2**32 - 1),
}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    del values
