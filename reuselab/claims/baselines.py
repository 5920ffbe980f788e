"""What Bob must beat, each rival given the care that he gets, and where his accuracy comes from (Mohamud & Brink 2026, A3)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from reuselab import stats
from reuselab.experiment import models
from reuselab.experiment.cell import ALONE, Cell
from reuselab.experiment.train import Recipe
from reuselab.runs.study import study

ALICE = "Alice"
TERMS = ("raw pixels", "architecture", "initialisation", "optimizer", "her labels")

# How Alice may train. Learning rates: of three each, the one with which she learnt her own task best on digits (2,000
# pairs, 8 epochs, seeds 1000 and 1001; a recipe with decay takes the rate of the one without). Bob had no say.
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

    random network: hers before training. shuffled labels, Bob's labels: an Alice who learnt these. raw pixels: a probe without a network.
    scratch: all blocks trained, nothing reused. `starts` more random networks are "random network 1" and so on.
    All draw the same pairs. A rival that takes nothing from her is the same cell for every cut and every recipe of hers;
    with layout alone, for every task of hers too.
    """
    everything = len(models.blocks(cell.network))
    untrained = replace(
        cell,
        alice_task="none",
        alice_recipe=Recipe(pairs=cell.alice_recipe.pairs, device=cell.alice_recipe.device),
    )
    without = replace(untrained, retrain=everything, init="fresh")
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
    """The rows of the rivals in `entries`, from `lineup`, in one study, with two more columns, method and optimizer.

    A rival's row carries the retrain of the cell that it is compared with, and as `optimizer` the name in `OPTIMIZERS` of that cell's Alice, or "other".
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


def decompose(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Where Bob's accuracy over chance comes from: the columns `TERMS` and their sum, `whole`; rows as in `accuracies`.

    From chance to raw pixels, on to random networks (the mean of all starts but hers: the architecture), to the one that
    Alice began with (the initialisation), to hers after training on labels without meaning (the optimizer), to hers after
    her own task (her labels). Each term is a difference of paired accuracies, so they sum to the whole exactly.
    accuracies: from `wide`; a term whose methods are missing is NaN. The order of the steps is ours: another order splits the whole otherwise.
    """
    others = accuracies.filter(regex=r"^random network \d+$").mean(axis=1)
    accuracies = accuracies.reindex(
        columns=["chance", "raw pixels", "random network", "shuffled labels", ALICE]
    )
    steps = np.stack(
        [
            accuracies.chance,
            accuracies["raw pixels"],
            others,
            accuracies["random network"],
            accuracies["shuffled labels"],
            accuracies[ALICE],
        ]
    )
    terms = pd.DataFrame(np.diff(steps, axis=0).T, columns=list(TERMS), index=accuracies.index)
    return terms.assign(whole=accuracies[ALICE] - accuracies.chance)


def better(accuracies: pd.DataFrame, than: str, level: float = 0.05) -> pd.DataFrame:
    """Bob's lead over the column `than` for each group of the index but seed: mean, low, high, verdict.

    Intervals are widened for the number of groups (Bonferroni). holds: above zero; does not hold: below it; else undecided.
    """
    groups = [name for name in accuracies.index.names if name != "seed"]
    lead = (accuracies[ALICE] - accuracies[than]).groupby(groups)
    rows = pd.DataFrame(
        {key: stats.interval(values, 1 - level / lead.ngroups) for key, values in lead},
        index=["mean", "low", "high"],
    ).T.rename_axis(groups)
    return rows.assign(
        verdict=np.select([rows.low > 0, rows.high < 0], ["holds", "does not hold"], "undecided")
    )


def verdict(accuracies: pd.DataFrame) -> str:
    """Claim A3's, over every cut in `accuracies` (from `wide`); the rule was fixed before the run.

    "Random" may mean chance or a random network, so there are two readings, each tested by `better` at every cut. holds:
    both hold at every cut; does not hold: Bob beats chance at none; undecided: fewer than three seeds; else holds in part.
    """
    if accuracies.index.get_level_values("seed").nunique() < 3:
        return "undecided"
    chance, network = (better(accuracies, than).verdict == "holds" for than in ("chance", "random network"))
    if chance.all() and network.all():
        return "holds"
    return "holds in part" if chance.any() else "does not hold"


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """A small table of means over seeds with plain 95 % intervals: what a page draws, and what is kept of a reference run.

    table: from `rows`. Columns: network, optimizer, bob_pairs, quantity, name, retrain, mean, low, high, n. quantity: Bob's "accuracy" with the
    method `name`, his "lead" over it, "term", one of `decompose`'s (both paired by seed), or "own", Alice's accuracy on her task.
    """
    found = []
    for key, group in table.groupby(["network", "optimizer", "bob_pairs"], sort=False):
        accuracies = wide(group)
        leads = -accuracies.drop(columns=ALICE).sub(accuracies[ALICE], axis=0)
        own = (
            group[group.method == ALICE]
            .set_index(["retrain", "seed"])[["alice_accuracy"]]
            .set_axis([ALICE], axis=1)
        )
        for quantity, values in {
            "accuracy": accuracies,
            "lead": leads,
            "term": decompose(accuracies),
            "own": own,
        }.items():
            long = values.melt(ignore_index=False, var_name="name").dropna().reset_index()
            found.append(
                stats.summary(long, ["name", "retrain"], "value")
                .reset_index()
                .assign(quantity=quantity, **dict(zip(("network", "optimizer", "bob_pairs"), key)))
            )
    return pd.concat(found, ignore_index=True)[
        ["network", "optimizer", "bob_pairs", "quantity", "name", "retrain", "mean", "low", "high", "n"]
    ]


def principal(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary with the recipe and the number of pairs at which Bob met all his rivals."""
    first = summary[summary["name"] == "scratch"].iloc[0]
    return summary[
        (summary["optimizer"] == first["optimizer"]) & (summary["bob_pairs"] == first["bob_pairs"])
    ]
