"""On whom Bob relies, from a study's rows with `attribute`: trends, checks of the measure, the verdict (Mohamud & Brink 2026, A5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr
from torch import Tensor

from reuselab import stats
from reuselab.check import integer
from reuselab.claims.parameters import check_cells, rules
from reuselab.experiment import attribution, models
from reuselab.experiment import cell as cells
from reuselab.experiment.attribution import METHODS
from reuselab.experiment.cell import Cell
from reuselab.experiment.pairs import Pairs
from reuselab.runs.store import Store
from reuselab.runs.study import alice_name, with_weights

CHECKS = ("share_changed", "share_lost")
RESAMPLES = 2000


RULES = rules(
    "base",
    "bob_base",
    "network",
    "rhos",
    "phi",
    "retrains",
    "init",
    "alice_pairs",
    "alice_epochs",
    "bob_pairs",
    "bob_epochs",
    "test_pairs",
    "seeds",
) | {"attribute": integer(1, 1_000_000)}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)


def trends(table: pd.DataFrame, method: str) -> dict[str, stats.Trend]:
    """What the claim predicts of one method's shares, each as a rise that `stats.trend` tests.

    "Bob's half, with k": at the lowest rho. "Alice's half, with rho at k = ...": of every Bob who reuses blocks and trains
    others. table: rows of a study with `attribute`.
    """
    everything = len(models.blocks(table["network"].iloc[0]))
    share = f"share_{method}"
    least = table[table.rho == table.rho.min()]
    found = {"Bob's half, with k": stats.trend(least.pivot(index="seed", columns="retrain", values=share))}
    for k, rows in table[table.retrain.between(1, everything - 1)].groupby("retrain"):
        found[f"Alice's half, with rho at k = {k}"] = stats.trend(
            1 - rows.pivot(index="seed", columns="rho", values=share)
        )
    return found


def rank_check(table: pd.DataFrame, method: str, against: str) -> tuple[float, float, float]:
    """Rank correlation over (rho, k) of a method's share and the share `against`, both means over seeds, with the 95 % interval
    of a bootstrap over seeds: (value, low, high).

    against: a column of `CHECKS`; where it is missing for a seed, that (rho, k) does not count. NaN with fewer than three
    seeds or four (rho, k).
    """
    wide = [
        table.pivot(index="seed", columns=["rho", "retrain"], values=column)
        for column in (f"share_{method}", against)
    ]
    whole = wide[0].notna().all() & wide[1].notna().all()
    one, other = (values.loc[:, whole].to_numpy() for values in wide)
    seeds, count = one.shape
    if seeds < 3 or count < 4:
        return (np.nan,) * 3
    some = np.vstack([np.arange(seeds), np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))])
    ranks = [rankdata(values[some].mean(1), axis=1) - (count + 1) / 2 for values in (one, other)]
    found = (ranks[0] * ranks[1]).sum(1) / np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return float(found[0]), *map(float, np.quantile(found[1:], (0.025, 0.975)))


def _rank(rows: pd.DataFrame, one: str, other: str) -> float:
    """Rank correlation of two columns; NaN with fewer than four rows that have both."""
    rows = rows.dropna(subset=[one, other])
    return float(spearmanr(rows[one], rows[other]).statistic) if len(rows) > 3 else np.nan


def means_something(table: pd.DataFrame, method: str) -> bool:
    """Whether a method may speak: its share ranks Bobs as both checks do, intervals above zero."""
    return all(rank_check(table, method, against)[1] > 0 for against in CHECKS)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    """The rule, fixed beforehand: for each method "no evidence" unless it `means_something`, else its trends combined."""
    return {
        method: stats.combine([t.verdict for t in trends(table, method).values()])
        if means_something(table, method)
        else "no evidence"
        for method in METHODS
    }


def verdict(table: pd.DataFrame) -> str:
    """The methods that may speak, combined; "undecided" where none may."""
    spoken = [found for found in verdicts(table).values() if found != "no evidence"]
    return stats.combine(spoken) if spoken else "undecided"


def effect(table: pd.DataFrame) -> str:
    """For the scoreboard: the rise with k and the least rise with rho, of the method that ranks Bobs best, with 95 % intervals."""
    best = max(METHODS, key=lambda method: rank_check(table, method, CHECKS[0])[0])
    with_k, *with_rho = trends(table, best).values()
    least = min((t.rise for t in with_rho), default=(np.nan,) * 3)
    return f"{best.replace('_', ' ')}: share on Bob's half with k {{:+.2f}} [{{:+.2f}}, {{:+.2f}}], ".format(
        *with_k.rise
    ) + "on Alice's with rho at least {:+.2f} [{:+.2f}, {:+.2f}]".format(*least)


def disagreements(table: pd.DataFrame) -> pd.DataFrame:
    """For each two methods: rank correlation of their shares over all Bobs, patchwise agreement of their maps (mean and 95 %
    interval over seeds) and where that is least, and the widest gap between their shares, with its (rho, k)."""
    rows = []
    for one, other in combinations(METHODS, 2):
        column = f"agreement_{one}_{other}"
        by = table.groupby(["rho", "retrain"])
        gap = by[f"share_{one}"].mean() - by[f"share_{other}"].mean()
        wide, least = gap.abs().idxmax(), by[column].mean().idxmin()
        rows.append(
            {
                "one": one,
                "other": other,
                "rank": _rank(table, f"share_{one}", f"share_{other}"),
                **dict(
                    zip(("agreement", "low", "high"), stats.interval(table.groupby("seed")[column].mean()))
                ),
                "least": by[column].mean()[least],
                "least_rho": least[0],
                "least_k": least[1],
                "gap": gap[wide],
                "gap_rho": wide[0],
                "gap_k": wide[1],
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Explained:
    """Some pairs, the class that one Bob names for each, int64 [n], and his attributions by method, float32 [n, C, H, W]."""

    pairs: Pairs
    answers: Tensor
    maps: dict[str, Tensor]


def explain(some: list[Cell], pairs: Pairs) -> list[Explained]:
    """Every cell's Bob on the same `pairs`; those next to each other with the same Alice share her."""
    found, alice, known = [], None, None
    with cells.repeatable():
        for cell in some:
            if cell.alice_cell() != known:
                alice, known = kept_alice(cell), cell.alice_cell()
            bob = cells.train_bob(cell, alice)
            found.append(Explained(pairs, attribution.answers(bob, pairs), attribution.maps(bob, pairs)[0]))
    return found


def conflicts(cell: Cell, n: int) -> Pairs:
    """`n` pairs of unseen images with unlike labels, whatever the cell's rho: there it shows whose half Bob reads."""
    drawn = cells.draw(replace(cell, rho=0.0), "test", 4 * n + 20, cell.seed)
    return replace(drawn, index=drawn.index[drawn.alice_labels != drawn.bob_labels][:n])


def kept_alice(cell: Cell) -> models.Network:
    """The cell's Alice: with the weights that a study kept, or trained."""
    with Store() as store:
        weights = store.alice(alice_name(cell.alice_cell()))
    return cells.train_alice(cell) if weights is None else with_weights(cell, weights)
