"""What Bob must beat, each rival given the care that he gets, and where his accuracy comes from (Mohamud & Brink 2026, A3)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from reuselab import models, stats
from reuselab.cell import Cell
from reuselab.study import study

ALICE = "Alice"
TERMS = ("raw pixels", "architecture", "initialisation", "optimizer", "her labels")


def rivals(cell: Cell, starts: int = 0) -> dict[str, Cell]:
    """Bob as `cell` says, under the name "Alice", and those that he is measured against, by name.

    random network: hers before training. shuffled labels, Bob's labels: an Alice who learnt these. raw pixels: a probe without a network.
    scratch: all blocks trained, nothing reused. `starts` more random networks are "random network 1" and so on.
    All draw the same pairs; a rival that takes nothing from her is the same cell for every cut.
    """
    everything = len(models.blocks(cell.network))
    untrained = replace(cell, alice_task="none")
    alone = replace(untrained, retrain=everything, init="fresh")
    return {
        ALICE: cell,
        "random network": untrained,
        **{f"random network {i}": replace(untrained, alice_start=i) for i in range(1, starts + 1)},
        "shuffled labels": replace(cell, alice_task="shuffled"),
        "Bob's labels": replace(cell, alice_task="bob"),
        "raw pixels": replace(alone, probe=True),
        "scratch": replace(alone, probe=False),
    }


def compare(cells: Sequence[Cell], starts: int = 0, only: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of `cells` and of their rivals (all, or those in `only`), with a column `method`, one row a cell and method.

    A rival's row carries the retrain of the cell that it is compared with.
    """
    named = [(name, cell, rival) for cell in cells for name, rival in rivals(cell, starts).items() if only is None or name in only]
    table = study([rival for _, _, rival in named])
    return table.assign(method=[name for name, _, _ in named], retrain=[cell.retrain for _, cell, _ in named])


def wide(table: pd.DataFrame, by: Sequence[str] = ("retrain", "seed")) -> pd.DataFrame:
    """Bob's accuracy with one column a method, and chance; the index is `by`. table: from `compare`."""
    accuracy = table.pivot(index=list(by), columns="method", values="bob_accuracy")
    return accuracy.assign(chance=table.groupby(list(by)).chance.first())


def decompose(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Where Bob's accuracy over chance comes from: the columns `TERMS` and their sum, `whole`; rows as in `accuracies`.

    From chance to raw pixels, on to random networks (the mean of all starts but hers: the architecture), to the one that
    Alice began with (the initialisation), to hers after training on labels without meaning (the optimizer), to hers after
    her own task (her labels). Each term is a difference of paired accuracies, so they sum to the whole exactly.
    accuracies: from `wide`, with at least one other start. The order of the steps is ours: another order splits the whole otherwise.
    """
    others = accuracies.filter(regex=r"^random network \d+$").mean(axis=1)
    steps = np.stack([accuracies.chance, accuracies["raw pixels"], others, accuracies["random network"],
                      accuracies["shuffled labels"], accuracies[ALICE]])
    terms = pd.DataFrame(np.diff(steps, axis=0).T, columns=list(TERMS), index=accuracies.index)
    return terms.assign(whole=accuracies[ALICE] - accuracies.chance)


def better(accuracies: pd.DataFrame, than: str, level: float = 0.05) -> pd.DataFrame:
    """Bob's lead over the column `than` for each group of the index but seed: mean, low, high, verdict.

    Intervals are widened for the number of groups (Bonferroni). holds: above zero; does not hold: below it; else undecided.
    """
    groups = [name for name in accuracies.index.names if name != "seed"]
    lead = (accuracies[ALICE] - accuracies[than]).groupby(groups)
    rows = pd.DataFrame({key: stats.interval(values, 1 - level / lead.ngroups) for key, values in lead},
                        index=["mean", "low", "high"]).T.rename_axis(groups)
    return rows.assign(verdict=np.select([rows.low > 0, rows.high < 0], ["holds", "does not hold"], "undecided"))
