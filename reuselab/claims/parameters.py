"""What the parameters of pages may be.

Each page's module says which it has, as `RULES`, and refuses in `check` what cannot be together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reuselab.check import Rule, integer, several
from reuselab.claims import registry
from reuselab.experiment import bases, cell, models
from reuselab.runs.study import grid, ready

# A cell's parameter under the name of a page's that holds several of them.
PLURALS = {**{f"{name}s": name for name in cell.RULES}, "bob_samples": "bob_pairs"}
SEEDS = integer(2, 1000)  # one seed has no interval
FIRST_SEED = integer(0, 1_000_000)
MEMORY = 8e9  # bytes of the largest array that a page may make

# Where a page of photographs runs: on the best image set at hand, or nowhere, showing the run that is kept.
AUTO, KEPT = "auto", registry.KEPT


def rules(*names: str) -> dict[str, Rule]:
    """The rules of a cell's parameters by their names, or of several of one by its plural; and of seeds."""
    plain = cell.RULES | {"seeds": SEEDS, "first_seed": FIRST_SEED}
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
    _check_sizes(values)
    axes: dict[str, Any] = {}
    for key, value in values.items():
        if key == "seeds":
            first = values.get("first_seed", 0)
            axes["seed"] = range(first, first + value)
        elif key in cell.RULES:
            axes[key] = value
        elif key in PLURALS:
            axes[PLURALS[key]] = value
    made_cells = [made for task in tasks for made in grid(**{**axes, **task})]
    ready(made_cells)
    in_pairs = {(made.base, made.bob_base): made for made in made_cells if made.layout != cell.ALONE}
    for made in in_pairs.values():
        cell.draw(made, "train", 1, 0)  # as many classes on both sides


def _check_sizes(values: Mapping[str, Any]) -> None:
    """Refuse more pairs than fit: each has its index, its labels and an answer for every class."""
    sizes = {name: values.get(name, 0) for name in ("alice_pairs", "bob_pairs", "test_pairs")}
    sizes["bob_samples"] = max(values.get("bob_samples", [0]))
    check_memory(**{name: 40 * size for name, size in sizes.items()})


def check_reuse(network: str, retrains: Sequence[int]) -> None:
    """Refuse `retrains` of which none leaves a Bob who reuses blocks and trains others: ValueError."""
    most = len(models.blocks(network)) - 1
    if not any(1 <= k <= most for k in retrains):
        raise ValueError(
            f"retrains must hold a number from 1 to {most}, so that a Bob reuses blocks and trains others, "
            f"not only {list(retrains)}"
        )


def check_draws(draws: int, least: int, *image_sets: str, measured: int = 1) -> None:
    """Refuse `draws` pairs of two image sets: too few for a chi-square over all classes, or too many to hold.

    least: how many a test of pixels needs. measured: of how many draws one is held at once. Raises
    ValueError, in one line.
    """
    images = [bases.load(name, "train") for name in image_sets]
    least = max(least, 5 * len(images[0].classes) ** 2)
    if draws < least:
        raise ValueError(f"draws must be at least {least:,} for these classes and pixels, not {draws:,}")
    check_memory(draws=draws // measured * max(one.images[0].numel() for one in images))
