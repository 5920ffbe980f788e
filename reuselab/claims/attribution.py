"""On whose half does Bob rely, and can attribution tell (A5: ours, after Mohamud & Brink 2026)?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from reuselab import stats
from reuselab.check import integer
from reuselab.claims import evidence, registry
from reuselab.claims.parameters import check_cells, check_reuse, rules
from reuselab.experiment import attribution, models
from reuselab.experiment import cell as cells
from reuselab.experiment.attribution import METHODS
from reuselab.experiment.cell import Cell
from reuselab.experiment.pairs import Pairs
from reuselab.runs.store import Store
from reuselab.runs.study import alice_name, with_weights

CHECKS = ("share_changed", "share_lost")

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
    "first_seed",
) | {"attribute": integer(1, 1_000_000)}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
    check_reuse(values["network"], values["retrains"])


def trends(table: pd.DataFrame, method: str) -> dict[str, stats.Trend]:
    """What the claim predicts of one method's shares, each as a rise that `stats.trend` tests.

    "Bob's half, with k": at the lowest rho. "Alice's half, with rho at k = ...": of every Bob who reuses
    blocks and trains others. table: rows of a study with `attribute`.
    """
    everything = len(models.blocks(table["network"].iloc[0]))
    share = f"share_{method}"
    least = table[table.rho == table.rho.min()]
    curves = {"Bob's half, with k": least.pivot(index="seed", columns="retrain", values=share)}
    for k, rows in table[table.retrain.between(1, everything - 1)].groupby("retrain"):
        on_hers = 1 - rows.pivot(index="seed", columns="rho", values=share)
        curves[f"Alice's half, with rho at k = {k}"] = on_hers
    return {half: stats.trend(curve) for half, curve in curves.items()}


def rank_check(table: pd.DataFrame, method: str, against: str) -> tuple[float, float, float]:
    """Whether a method's share ranks Bobs as the share `against` does: correlation and 95 % interval.

    Spearman's correlation over (rho, k) within each seed; its mean and t-interval over seeds are taken on
    Fisher's scale and brought back, so that they stay between -1 and 1. A perfect order counts as half a swap
    of neighbours short of it, since its place on that scale is infinite. against: a column of `CHECKS`; where
    it is missing for a seed, that (rho, k) does not count. NaN with fewer than three seeds or four (rho, k).

    What the interval covers is the mean on Fisher's scale. Measured coverage, 4,000 made studies each of 3, 4
    and 5 seeds with 9 or 18 (rho, k) and mean correlations of .22 to .86: .944 to .958. (The same interval
    without Fisher's scale: .920 to .948.) At means of .95 to .995 it is .897 to .954. Where nearly every seed
    has the perfect order, the interval shrinks to a point and covers little (.05 to .07, at 9 (rho, k) and a
    mean above .999); its sign stays right.
    """
    shares, checks = (
        table.pivot(index="seed", columns=["rho", "retrain"], values=column)
        for column in (f"share_{method}", against)
    )
    whole = shares.notna().all() & checks.notna().all()
    shares, checks = shares.loc[:, whole], checks.loc[:, whole]
    seeds, count = shares.shape
    if seeds < 3 or count < 4:
        return np.nan, np.nan, np.nan
    correlations = [stats.rank_correlation(shares.loc[seed], checks.loc[seed]) for seed in shares.index]
    return over_seeds(correlations, count)


def over_seeds(correlations: ArrayLike, count: int) -> tuple[float, float, float]:
    """Mean and 95 % t-interval of rank correlations, each over `count` things, taken on Fisher's scale."""
    largest = 1 - 6 / (count**3 - count)  # half a swap of neighbours short of 1
    mean, low, high = np.tanh(stats.interval(np.arctanh(np.clip(correlations, -largest, largest))))
    return float(mean), float(low), float(high)


def _rank(rows: pd.DataFrame, first: str, second: str) -> float:
    """Rank correlation of two columns; NaN with fewer than four rows that have both."""
    rows = rows.dropna(subset=[first, second])
    return stats.rank_correlation(rows[first], rows[second]) if len(rows) > 3 else np.nan


def means_something(table: pd.DataFrame, method: str) -> bool:
    """Whether a method may speak: its share ranks Bobs as both checks do, intervals above zero."""
    return all(rank_check(table, method, against)[1] > 0 for against in CHECKS)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    """For each method "no evidence" unless it `means_something`, else its trends combined."""
    return {method: _verdict_of(table, method) for method in METHODS}


def _verdict_of(table: pd.DataFrame, method: str) -> str:
    if not means_something(table, method):
        return "no evidence"
    return stats.combine([trend.verdict for trend in trends(table, method).values()])


def verdict(table: pd.DataFrame) -> str:
    """The methods that may speak, combined; "undecided" where none may."""
    of_methods = [verdict for verdict in verdicts(table).values() if verdict != "no evidence"]
    return stats.combine(of_methods) if of_methods else "undecided"


def effect(table: pd.DataFrame) -> str:
    """In words: the rise with k and the least rise with rho, of the method that ranks Bobs best."""
    best = max(METHODS, key=lambda method: np.nan_to_num(rank_check(table, method, CHECKS[0])[0], nan=-2))
    with_k, *with_rho = trends(table, best).values()
    least = min((trend.rise for trend in with_rho), default=(np.nan,) * 3)
    return (
        f"{best.replace('_', ' ')}: share on Bob's half with k {stats.in_words(with_k.rise, '+.2f')}, "
        f"on Alice's with rho at least {stats.in_words(least, '+.2f')}"
    )


def _few(table: pd.DataFrame) -> str:
    """Why nothing is tested: too few of what is compared, or no method may speak; "" where something is."""
    lacking = stats.few({"seed": table.seed.nunique()})
    bobs = len(table.groupby(["rho", "retrain"]))
    of_trends = (trend.few for trend in trends(table, METHODS[0]).values())
    silent = not any(means_something(table, method) for method in METHODS)
    mute = "no method ranks Bobs as the loss of a half does" if silent else ""
    return lacking or stats.few({"Bob": bobs}, 4) or next(filter(None, of_trends), "") or mute


def judge(table: pd.DataFrame, preset: str, images: str) -> dict[str, Any]:
    """The scoreboard's row of A5."""
    return registry.row("A5", verdict(table), effect(table), preset, images, few=_few(table))


def disagreements(table: pd.DataFrame) -> pd.DataFrame:
    """Where each two methods part, a row for each pair of them.

    Columns: first, second; rank, the rank correlation of their shares over all Bobs; agreement, low, high,
    that of their maps patch by patch, with its 95 % interval over seeds; least, least_rho, least_k, where
    that is least; gap, gap_rho, gap_k, the widest gap between their shares.
    """
    return pd.DataFrame([_disagreement(table, *pair) for pair in combinations(METHODS, 2)])


def _disagreement(table: pd.DataFrame, first: str, second: str) -> dict[str, Any]:
    column, by_bob = f"agreement_{first}_{second}", table.groupby(["rho", "retrain"])
    gaps = by_bob[f"share_{first}"].mean() - by_bob[f"share_{second}"].mean()
    widest, least = gaps.abs().idxmax(), by_bob[column].mean().idxmin()
    agreement, low, high = stats.interval(table.groupby("seed")[column].mean())
    return {
        "first": first,
        "second": second,
        "rank": _rank(table, f"share_{first}", f"share_{second}"),
        "agreement": agreement,
        "low": low,
        "high": high,
        "least": by_bob[column].mean()[least],
        "least_rho": least[0],
        "least_k": least[1],
        "gap": gaps[widest],
        "gap_rho": widest[0],
        "gap_k": widest[1],
    }


@dataclass(frozen=True)
class Explained:
    """Pairs as one Bob sees them.

    answers: the class that he names for each, int64 [n]; maps: his attributions by method, float32 [n, C, H,
    W].
    """

    pairs: Pairs
    answers: Tensor
    maps: dict[str, Tensor]


def explain(bob_cells: list[Cell], pairs: Pairs) -> list[Explained]:
    """Every cell's Bob on the same `pairs`; those next to each other with the same Alice share her."""
    explained = []
    with cells.repeatable():
        for _, same_alice in groupby(bob_cells, Cell.alice_cell):
            of_hers = list(same_alice)
            alice_net = kept_alice(of_hers[0])
            for cell in of_hers:
                bob_net = cells.train_bob(cell, alice_net)
                answers, (maps, _) = attribution.answers(bob_net, pairs), attribution.maps(bob_net, pairs)
                explained.append(Explained(pairs, answers, maps))
    return explained


def redrawn(explained: Mapping[tuple[float, int], Explained], table: pd.DataFrame) -> dict[str, Any]:
    """What a living figure is told of Bobs by (rho, k), who all see the same pairs.

    pictures: grey levels of 0 to 255, of each half, row by row; maps [rho][k][pair][method][half]:
    attributions, channels summed, in percent of the largest; shares [rho][k]: `stats.bounds` by what is
    asked, of `table`.
    """
    rhos, retrains = (sorted(set(levels)) for levels in zip(*explained))
    pairs = explained[rhos[0], retrains[0]].pairs

    def halves(images: Tensor) -> list[Any]:
        """[..., H, W] as [..., 2, pixels of a half], whole numbers."""
        return torch.stack(images.chunk(2, dim=-1), -3).flatten(-2).round().int().tolist()

    grey = pairs[:].mean(1)
    low, high = grey.amin((1, 2), keepdim=True), grey.amax((1, 2), keepdim=True)
    rows = table.groupby(["rho", "retrain"])
    asked = ["changed", *METHODS]
    return {
        "rhos": rhos,
        "retrains": retrains,
        "pictures": halves(255 * (grey - low) / (high - low).clamp_min(1e-12)),
        "labels": [
            [pairs.first.classes[hers], pairs.second.classes[his]]
            for hers, his in zip(pairs.alice_labels.tolist(), pairs.bob_labels.tolist())
        ],
        "answers": [
            [[pairs.second.classes[answer] for answer in explained[rho, k].answers] for k in retrains]
            for rho in rhos
        ],
        "maps": [[halves(_percent(explained[rho, k].maps)) for k in retrains] for rho in rhos],
        "shares": [
            [
                {name: stats.bounds(rows.get_group((rho, k))[f"share_{name}"]) for name in asked}
                | {"accuracy": stats.bounds(rows.get_group((rho, k)).bob_accuracy)}
                for k in retrains
            ]
            for rho in rhos
        ],
    }


def _percent(maps: Mapping[str, Tensor]) -> Tensor:
    """Of `Explained`: [n, methods, H, W], each in percent of its largest."""
    sums = torch.stack([maps[method] for method in METHODS], 1).sum(2)
    return 100 * sums / sums.abs().amax((2, 3), keepdim=True).clamp_min(1e-12)


def conflicts(cell: Cell, n: int) -> Pairs:
    """`n` pairs of unseen images with unlike labels, whatever the rho: they show whose half he reads."""
    drawn = cells.draw(replace(cell, rho=0.0), "test", 4 * n + 20, cell.seed)
    assert isinstance(drawn, Pairs)
    return replace(drawn, index=drawn.index[drawn.alice_labels != drawn.bob_labels][:n])


def kept_alice(cell: Cell) -> models.Network:
    """The cell's Alice: with the weights that a study kept, or trained."""
    with Store() as store:
        weights = store.alice(alice_name(cell.alice_cell()))
    return cells.train_alice(cell) if weights is None else with_weights(cell, weights)


def answers(table: pd.DataFrame, names: Mapping[str, str]) -> dict[str, str]:
    """What the page's questions get for an answer; names: of `METHODS`, in words."""
    ranks = {name: rank_check(table, method, CHECKS[0])[0] for method, name in names.items()}
    told = ", ".join(f"{name} {stats.in_words([rank], '.2f')}" for name, rank in ranks.items())
    known = [name for name, rank in ranks.items() if not np.isnan(rank)]
    nearest = max(known, key=lambda name: ranks[name]).capitalize() if known else "None can be told"
    rows = table[(table.rho == table.rho.min()) & (table.retrain > 0)]
    less = (rows.bob_accuracy_blank_alice - rows.bob_accuracy_swapped_alice).groupby(rows.seed).mean()
    bounds = stats.interval(less)
    said = stats.by_sign(bounds, "The other image", "Silence", "This run does not tell")
    return {
        "nearest": f"{nearest}. Rank correlations with the share of changed answers: {told}.",
        "silent": (
            f"{said}: with her half silent he is better by {stats.in_words(bounds)} of accuracy than with "
            "another pair's half, mean over all who retrain."
        ),
    }


# The evidence.

EVIDENCE_SETS = ("digits", "turned")
EVIDENCE_MEASURES = ("bob_accuracy", "share_lost", *(f"share_{method}" for method in METHODS))
_RHOS = [0.0, 0.25, 0.5, 0.75]


def evidence_cells(grid: Callable[..., list[Cell]]) -> Iterator[evidence.Entry]:
    """Every Bob who trains a block or more, at every rho; his own pairs at hers."""
    some = list(range(1, len(models.blocks(evidence.NETWORK)) + 1))
    yield from evidence.alices(grid(rho=_RHOS, retrain=some, attribute=100))


def _on_his_half(table: pd.DataFrame) -> pd.Series:
    """Rise of the share on Bob's half with k at rho = 0, by seed, by integrated gradients."""
    rows = table[table.rho == 0]
    return evidence.rise(rows.pivot(index="seed", columns="retrain", values="share_integrated_gradients"))


def _on_her_half(table: pd.DataFrame) -> pd.Series:
    """Rise of the share on Alice's half with rho, by seed, mean over the cuts, by integrated gradients."""
    rows = table[table.retrain.isin(evidence.CUTS)]
    return -evidence.rise(rows.groupby(["seed", "rho"]).share_integrated_gradients.mean().unstack())


def _as_a_lost_half(table: pd.DataFrame) -> pd.Series:
    """Rank correlation, by seed, of that share and the one that counts lost accuracy, over all (rho, k)."""
    return table.groupby("seed")[["share_integrated_gradients", "share_lost"]].apply(
        lambda rows: _rank(rows, "share_integrated_gradients", "share_lost")
    )


_SEEN = "ours; the paper uses attribution to see where transfer comes from"
DECISIONS = {
    "attribution ranks Bobs as the loss of a half does": evidence.Decision(
        "A5",
        _SEEN,
        "Spearman's correlation over all rho and k: share of integrated gradients on Bob's half, and his "
        "half's share of the accuracy that is lost when either half is blank",
        0.3,
        "Bobs who lose hardly anything without either half",
        _as_a_lost_half,
    ),
    "on his own half, the more so the more he retrains": evidence.Decision(
        "A5",
        _SEEN,
        "rise with k = 1 to 5 of the share of integrated gradients on Bob's half, rho = 0",
        0.05,
        "nothing",
        _on_his_half,
    ),
    "on her half, the more so the more is correlated": evidence.Decision(
        "A5",
        _SEEN,
        "rise with rho from 0 to .75 of the share of integrated gradients on Alice's half, mean over k = 1 "
        "to 4; Bob's own pairs at her rho, so that her half tells of his label",
        0.05,
        "rho = 1, where the two tasks are one",
        _on_her_half,
    ),
}
