"""What the parameters of pages may be.

Each page's module says which it has, as `RULES`, and refuses in `check` what cannot be together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reuselab.check import Rule, integer, several
from reuselab.claims import registry
from reuselab.experiment import cell
from reuselab.runs.study import grid, ready

# A cell's parameter under the name of a page's that holds several of them.
PLURALS = {**{f"{name}s": name for name in cell.RULES}, "bob_samples": "bob_pairs"}
SEEDS = integer(2, 1000)  # one seed has no interval
MEMORY = 4e9  # bytes of the largest array that a page may make

# Where a page of photographs runs: on the best image set at hand, or nowhere, showing the run that is kept.
AUTO, KEPT = "auto", registry.KEPT


def rules(*names: str) -> dict[str, Rule]:
    """The rules of a cell's parameters by their names, or of several of one by its plural; and of `seeds`."""
    plain = cell.RULES | {"seeds": SEEDS}
    return {name: plain[name] if name in plain else several(cell.RULES[PLURALS[name]]) for name in names}


def check_memory(**numbers: float) -> None:
    """Refuse parameters, named by the keys, that ask for an array of more numbers (8 bytes) than fit.

    Raises ValueError, in one line; "d_and_gammas" names two of them.
    """
    for names, count in numbers.items():
        if 8 * count > MEMORY:
            raise ValueError(
                f"{names.replace('_and_', ' and ')} ask for {8 * count / 1e9:,.0f} GB at once, "
                f"and a page may take {MEMORY / 1e9:.0f}"
            )


def check_cells(values: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]] = ({},)) -> None:
    """Refuse what cannot be run together: every cell is made, its images and its device are looked for.

    values: a page's parameters; those that are no cell's do not count. tasks: more of a cell's parameters, in
    turn. Raises ValueError or FileNotFoundError, in one line.
    """
    axes: dict[str, Any] = {}
    for key, value in values.items():
        if key == "seeds":
            axes["seed"] = range(value)
        elif key in cell.RULES:
            axes[key] = value
        elif key in PLURALS:
            axes[PLURALS[key]] = value
    ready([made for task in tasks for made in grid(**{**axes, **task})])
