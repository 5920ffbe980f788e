"""How many blocks should Bob retrain? Does that number tell the correlation (Mohamud & Brink 2026, A4)?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata, spearmanr

from reuselab import stats
from reuselab.claims import evidence, registry
from reuselab.claims.parameters import check_cells, rules
from reuselab.experiment import models
from reuselab.experiment.cell import Cell

LEVEL = 0.01
FEWEST_SEEDS = 3
DRAWS = 2000  # of a bootstrap, and permutations of a test

RULES = rules(
    "base",
    "bob_bases",
    "network",
    "rhos",
    "phis",
    "retrains",
    "inits",
    "alice_pairs",
    "alice_epochs",
    "bob_samples",
    "bob_epochs",
    "test_pairs",
    "seeds",
    "first_seed",
)


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    if len(values["rhos"]) < 2:
        raise ValueError(f"rhos must hold two or more, for a number to tell them apart, not {values['rhos']}")
    check_cells(values)
    contrasted(values["retrains"], len(models.blocks(values["network"])))


@dataclass(frozen=True)
class Curves:
    """Bob's accuracy [rho, seed, retrain] over the sorted levels of each; no seed lacks a level."""

    rhos: tuple[float, ...]
    retrains: tuple[int, ...]
    accuracy: NDArray[np.float64]

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Curves":
        """From a study's rows, one setting of all but rho, retrain and seed.

        Raises ValueError where a row is missing or double.
        """
        rows = table.set_index(["rho", "seed", "retrain"]).bob_accuracy
        levels = [sorted(set(rows.index.get_level_values(name))) for name in rows.index.names]
        full = pd.MultiIndex.from_product(levels)
        if len(rows) != len(full) or not rows.index.isin(full).all() or rows.index.has_duplicates:
            raise ValueError("every rho needs every retrain of every seed, once")
        return cls(
            tuple(levels[0]),
            tuple(levels[2]),
            rows.reindex(full).to_numpy().reshape([len(level) for level in levels]),
        )

    @property
    def best(self) -> NDArray[np.int64]:
        """k*, the number of retrained blocks with the highest accuracy, [rho, seed]; of equals the fewest."""
        return np.array(self.retrains)[self.accuracy.argmax(axis=2)]

    @property
    def best_of_means(self) -> NDArray[np.int64]:
        """k* of the mean over seeds, [rho]."""
        return np.array(self.retrains)[self.accuracy.mean(axis=1).argmax(axis=1)]


def bootstrap(curves: Curves, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """How often each number of blocks is best when the seeds are drawn anew, with replacement.

    Rows rho, columns retrain. The k* of each draw is that of the drawn seeds' mean accuracy; each row sums to
    1.
    """
    n = curves.accuracy.shape[1]
    drawn = np.random.default_rng(seed).integers(n, size=(draws, n))
    best = curves.accuracy[:, drawn].mean(axis=2).argmax(axis=2)
    share = np.stack([(best == k).mean(axis=1) for k in range(len(curves.retrains))], axis=1)
    return pd.DataFrame(
        share, index=pd.Index(curves.rhos, name="rho"), columns=pd.Index(curves.retrains, name="retrain")
    )


def by_cut(curves: Curves) -> list[list[dict[str, float | None]]]:
    """For a living figure [rho][retrain]: `stats.bounds` of Bob's accuracy, and the share of `bootstrap`."""
    shares = bootstrap(curves).to_numpy().round(3).tolist()
    return [
        [stats.bounds(accuracy) | {"share": share} for accuracy, share in zip(of_rho.T, shares_of_rho)]
        for of_rho, shares_of_rho in zip(curves.accuracy, shares)
    ]


def contrasted(retrains: Sequence[int], blocks: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of `retrains` keep only Alice's lower blocks, and which keep upper ones too.

    Lower: half of the `blocks` or more are retrained, but not all. Upper: fewer, but at least the head.
    ValueError where one of the two groups is empty.
    """
    k = np.array(retrains)
    lower, upper = (2 * k >= blocks) & (k < blocks), (2 * k < blocks) & (k > 0)
    if not lower.any() or not upper.any():
        raise ValueError(
            f"retrains must hold numbers from 1 to {(blocks - 1) // 2} and from {(blocks + 1) // 2} "
            f"to {blocks - 1}, not only {list(retrains)}"
        )
    return lower, upper


def lower_over_upper(curves: Curves, blocks: int) -> tuple[float, float, float]:
    """What keeping only Alice's lower blocks gains at the lowest rho: mean and 95 % t-interval.

    Mean accuracy of the Bobs who keep lower blocks minus that of those who keep upper ones too (see
    `contrasted`), paired by seed. No k is picked by its result.
    """
    lower, upper = contrasted(curves.retrains, blocks)
    at_lowest = curves.accuracy[0]
    return stats.interval(at_lowest[:, lower].mean(axis=1) - at_lowest[:, upper].mean(axis=1))


@dataclass(frozen=True)
class Converse:
    """Whether k* tells rho.

    order: Spearman's rank correlation of k* and rho over all seeds, 0 where k* never changes. p: of none
    against a fall. told: counts of the true rho (rows) and the rho that k* tells (columns), each seed judged
    by the others. right: share told right, with its 95 % t-interval over seeds; chance: one over the number
    of rhos.
    """

    order: float
    p: float
    told: pd.DataFrame
    right: tuple[float, float, float]

    @property
    def chance(self) -> float:
        return 1 / len(self.told)


def converse(curves: Curves, draws: int = DRAWS, seed: int = 0) -> Converse:
    """Test the converse hypothesis: the best number of retrained blocks falls as rho rises.

    p: within each seed the rhos are permuted, which keeps what its Bobs have in common; exact where there are
    no more than `draws` permutations. Which rho a k* tells is learnt from the other seeds (see `tell`).
    """
    best, levels = curves.best, np.arange(len(curves.rhos))

    def rank_sum(*seeds: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return sum((ranks * levels).sum(axis) for ranks in seeds)

    test = permutation_test(
        tuple(rankdata(best).reshape(best.shape).T),
        rank_sum,
        permutation_type="pairings",
        alternative="less",
        n_resamples=draws,
        vectorized=True,
        random_state=np.random.default_rng(seed),
    )
    order = stats.rank_correlation(best.ravel(), levels.repeat(best.shape[1]))
    told = np.stack([tell(best, left_out) for left_out in range(best.shape[1])], axis=1)
    counts = np.zeros((len(levels), len(levels)), dtype=int)
    np.add.at(counts, (levels[:, None], told), 1)
    names = [f"{rho:g}" for rho in curves.rhos]
    return Converse(
        order,
        float(test.pvalue),
        pd.DataFrame(
            counts, index=pd.Index(names, name="true rho"), columns=pd.Index(names, name="told rho")
        ),
        stats.interval((told == levels[:, None]).mean(axis=0)),
    )


def tell(best: NDArray[np.int64], left_out: int) -> NDArray[np.int64]:
    """Which rho each k* of seed `left_out` tells, as its index, [rho]; best: k* by rho and seed, [rho, seed].

    The rho under which that k* is most frequent in the other seeds (add-one smoothing; of equals the lowest).
    """
    known_seeds = np.delete(best, left_out, axis=1)
    frequency = (best[:, left_out, None, None] == known_seeds).sum(axis=2) + 1
    return frequency.argmax(axis=1)


def verdict(curves: Curves, blocks: int) -> tuple[str, str]:
    """(lower layers preferable at the lowest rho, best number of blocks tells rho), by rules fixed before.

    First: holds if the interval of `lower_over_upper` lies above zero, does not hold if below, else
    undecided. Second: holds if p < 0.01 and the interval of the share told right lies above chance; holds in
    part if only one of these; else does not hold. Both are undecided with fewer than three seeds.
    """
    if curves.accuracy.shape[1] < FEWEST_SEEDS:
        return "undecided", "undecided"
    _, low, high = lower_over_upper(curves, blocks)
    test = converse(curves)
    falls, tells = test.p < LEVEL, test.right[1] > test.chance
    return (
        "holds" if low > 0 else "does not hold" if high < 0 else "undecided",
        "holds" if falls and tells else "holds in part" if falls or tells else "does not hold",
    )


def judge(curves: Curves, blocks: int, preset: str, images: str) -> dict[str, Any]:
    """The scoreboard's row of A4: both halves of the claim combined, with their effects."""
    test = converse(curves)
    effect = f"lower over upper layers {stats.in_words(lower_over_upper(curves, blocks))}; "
    effect += f"rank correlation {test.order:+.2f}, told right {stats.in_words(test.right, '.2f')}, "
    effect += f"chance {test.chance:.2f}"
    few = stats.few({"seed": curves.accuracy.shape[1]})
    return registry.row("A4", stats.combine(verdict(curves, blocks)), effect, preset, images, few=few)


def answers(curves: Mapping[int, Curves]) -> dict[str, str]:
    """What the page's questions get for an answer; curves: of every number of Bob's pairs."""
    few, many = min(curves), max(curves)
    return {
        "pairs": _moved(few, curves[few], many, curves[many]),
        "fixed": _fixed(curves[many]),
        "seeds": _alike(curves[many]),
    }


def _moved(few: int, with_few: Curves, many: int, with_many: Curves) -> str:
    """Whether the best number of blocks is another with more pairs, and where."""
    if few == many:
        return f"This run has one number of pairs, {few:,}."
    pairs = zip(with_few.rhos, with_few.best_of_means, with_many.best_of_means)
    moved = [f"from {a} to {b} at ρ = {rho:g}" for rho, a, b in pairs if a != b]
    what = f"from {few:,} to {many:,} pairs the best number of blocks"
    return f"Yes: {what} goes {', '.join(moved)}." if moved else f"No: {what} stays at every ρ."


def _fixed(curves: Curves) -> str:
    """Which number of blocks, the same at every rho, loses least where it loses most."""
    means = curves.accuracy.mean(axis=1)
    lost = means.max(axis=1, keepdims=True) - means
    at = int(lost.max(axis=0).argmin())
    worst = int(lost[:, at].argmax())
    return (
        f"Retrain {curves.retrains[at]}. That loses {lost[:, at].mean():.2f} of accuracy on average, and "
        f"{lost[worst, at]:.2f} at worst, at ρ = {curves.rhos[worst]:g}."
    )


def _alike(curves: Curves) -> str:
    """How many single seeds have the best number of all seeds, at each rho."""
    seeds = curves.accuracy.shape[1]
    alike = (curves.best == curves.best_of_means[:, None]).sum(axis=1)
    told = ", ".join(f"{count} at ρ = {rho:g}" for rho, count in zip(curves.rhos, alike))
    return (
        f"Of this page's {seeds} seeds, so many have alone the best number that they have together: {told}."
    )


# The evidence.

_RHOS = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0]
_SIZES = (100, 25, 400)


def evidence_cells(grid: Callable[..., list[Cell]]) -> Iterator[evidence.Entry]:
    """Every cut at every rho, for three numbers of Bob's pairs, at her rho and at 0; at every phi."""
    cuts = list(range(len(models.blocks(evidence.NETWORK)) + 1))
    for size in _SIZES:
        yield from evidence.alices(grid(bob_pairs=size, rho=_RHOS, bob_rho=[None, 0.0], retrain=cuts))
    yield from evidence.alices(grid(rho=0.0, bob_rho=0.0, phi=evidence.PHIS, retrain=cuts))


def _lower_less_upper(table: pd.DataFrame) -> pd.DataFrame:
    """What lower blocks alone gain [seed, rho], rho below 1: mean over k = 3, 4 less that over 1, 2."""
    rows = evidence.reusing(table[table.bob_pairs == _SIZES[0]])
    lower, upper = (evidence.curve(rows[rows.retrain.isin(ks)], "rho") for ks in ((3, 4), (1, 2)))
    return lower - upper


def _best_falls(table: pd.DataFrame, along: str) -> pd.Series:
    """Spearman's correlation of k*, never 0, and rho or phi by seed, times -1; 0 where k* is constant."""
    plain = table[
        (table.bob_pairs == _SIZES[0]) & (table.bob_rho == 0) & (table.retrain > 0) & (table.rho < 1)
    ]
    plain = plain[plain[{"rho": "phi", "phi": "rho"}[along]] == 0]
    best = plain.pivot_table("bob_accuracy", ["seed", along], "retrain").idxmax(axis=1).unstack()

    def fall(row: pd.Series) -> float:
        return 0.0 if row.nunique() == 1 else -spearmanr(row, best.columns).statistic

    return best.apply(fall, axis=1)


_LOWER = (
    "abstract: 'When there is little correlation between tasks, only reusing lower pre-trained layers is "
    "preferable'"
)
_CONVERSE = "abstract: 'the optimal number of retrained layers is indicative of task and feature correlation'"
DECISIONS = {
    "lower layers at rho = 0": evidence.Decision(
        "A4",
        _LOWER,
        "accuracy, mean over k = 3 and 4, less mean over k = 1 and 2; Bob's own pairs at rho 0",
        0.02,
        "k = 0 and k = 5, which reuse everything or nothing",
        lambda table: _lower_less_upper(table)[0.0],
    ),
    "lower layers, the more so the less correlation": evidence.Decision(
        "A4",
        "ours: the advice is on little correlation",
        "fall of the same difference with rho from 0 to .9",
        0.02,
        "rho = 1, where the two tasks are one",
        lambda table: -evidence.rise(_lower_less_upper(table)),
        decides=False,
    ),
    "best number tells rho": evidence.Decision(
        "A4",
        _CONVERSE,
        "Spearman's correlation of k* and rho, times -1; Bob's own pairs at rho 0",
        0.3,
        "rho = 1; k = 0, which reads her answer as his",
        lambda table: _best_falls(table, "rho"),
    ),
    "best number tells phi": evidence.Decision(
        "A4",
        _CONVERSE,
        "the same for phi, labels uncorrelated",
        0.3,
        "k = 0",
        lambda table: _best_falls(table, "phi"),
        decides=False,
    ),
}
