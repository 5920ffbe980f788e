"""What Bob must beat, each rival given the care that he gets (Mohamud & Brink 2026, A2, A3, A6 and A7)."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reuselab.experiment import models
from reuselab.experiment.cell import ALONE, Cell
from reuselab.experiment.train import Recipe
from reuselab.runs.study import study

ALICE = "Alice"

# How Alice may train. Learning rates: of three each, the one with which she learnt her own task best on
# digits (2,000 pairs, 8 epochs, seeds 1000 and 1001; a recipe with decay takes the rate of the one without).
# Bob had no say.
OPTIMIZERS = {
    name: dict(zip(("alice_optimizer", "alice_lr", "alice_momentum", "alice_weight_decay"), values))
    for name, values in {
        "SGD": ("sgd", 0.3, 0.0, 0.0),
        "SGD, momentum": ("sgd", 0.03, 0.9, 0.0),
        "SGD, momentum, decay": ("sgd", 0.03, 0.9, 5e-3),
        "Adam": ("adam", 4e-3, 0.9, 0.0),
        "AdamW": ("adamw", 4e-3, 0.9, 1e-2),
        "AdamW, strong decay": ("adamw", 4e-3, 0.9, 1.0),
    }.items()
}


def rivals(cell: Cell, starts: int = 0) -> dict[str, Cell]:
    """Bob as `cell` says, under the name "Alice", and those that he is measured against, by name.

    random network: hers before training. shuffled labels, Bob's labels: an Alice who learnt these. raw
    pixels: a probe without a network. scratch: all blocks trained, nothing reused. `starts` more random
    networks are "random network 1" and so on. All draw the same pairs. A rival that takes nothing from her is
    the same cell for every cut and every recipe of hers; with layout alone, for every task of hers too.
    """
    plain_recipe = Recipe(pairs=cell.alice_recipe.pairs, device=cell.alice_recipe.device)
    untrained = replace(cell, alice_task="none", alice_recipe=plain_recipe)
    without = replace(untrained, retrain=len(models.blocks(cell.network)), init="fresh")
    if cell.layout == ALONE and cell.bob_base in ("", cell.base):
        without = replace(without, alice_classes=cell.bob_classes)
    return {
        ALICE: cell,
        "random network": untrained,
        **{f"random network {i}": replace(untrained, alice_start=i) for i in range(1, starts + 1)},
        "shuffled labels": replace(cell, alice_task="shuffled"),
        "Bob's labels": replace(cell, alice_task="bob"),
        "raw pixels": replace(without, probe=True),
        "scratch": replace(without, probe=False),
    }


def lineup(
    cells: Sequence[Cell], starts: int = 0, only: Sequence[str] | None = None
) -> list[tuple[str, Cell, Cell]]:
    """(method, cell, rival) for each of `cells` and each of its rivals, all or those in `only`."""
    return [
        (name, cell, rival)
        for cell in cells
        for name, rival in rivals(cell, starts).items()
        if only is None or name in only
    ]


def rows(entries: Sequence[tuple[str, Cell, Cell]]) -> pd.DataFrame:
    """The rows of the rivals in `entries`, from `lineup`, with two more columns, method and optimizer.

    A rival's row carries the retrain of the cell that it is compared with, and as `optimizer` the name in
    `OPTIMIZERS` of that cell's Alice, or "other".
    """
    table = study([rival for _, _, rival in entries])
    compared = pd.DataFrame([cell.flat() for _, cell, _ in entries])
    recipes = {tuple(recipe.values()): name for name, recipe in OPTIMIZERS.items()}
    keys = compared[list(next(iter(OPTIMIZERS.values())))].itertuples(index=False, name=None)
    return table.assign(
        method=[name for name, _, _ in entries],
        retrain=compared.retrain,
        optimizer=[recipes.get(key, "other") for key in keys],
    )


def compare(cells: Sequence[Cell], starts: int = 0, only: Sequence[str] | None = None) -> pd.DataFrame:
    """The `rows` of `cells` and of their rivals (all, or those in `only`), one a cell and method."""
    return rows(lineup(cells, starts, only))


def wide(table: pd.DataFrame, by: Sequence[str] = ("retrain", "seed")) -> pd.DataFrame:
    """Bob's accuracy with one column a method, and chance; the index is `by`. table: from `compare`."""
    accuracy = table.pivot(index=list(by), columns="method", values="bob_accuracy")
    return accuracy.assign(chance=table.groupby(list(by)).chance.first())
