"""How many blocks should Bob retrain, and does that number tell how his task is correlated with Alice's (Mohamud & Brink 2026, A4)?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from reuselab import stats
from reuselab.claims.parameters import check_cells, rules

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
)


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)


@dataclass(frozen=True)
class Curves:
    """Bob's accuracy [rho, seed, retrain] over the sorted levels of each; every seed has every rho and every retrain."""

    rhos: tuple[float, ...]
    retrains: tuple[int, ...]
    accuracy: NDArray[np.float64]

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Curves":
        """From a study's rows: one setting of all but rho, retrain and seed. ValueError where a row is missing or double."""
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
    """How often each number of blocks is best when the seeds are drawn anew, with replacement: rows rho, columns retrain.

    The k* of each draw is that of the drawn seeds' mean accuracy; each row sums to 1.
    """
    n = curves.accuracy.shape[1]
    drawn = np.random.default_rng(seed).integers(n, size=(draws, n))
    best = curves.accuracy[:, drawn].mean(axis=2).argmax(axis=2)
    share = np.stack([(best == k).mean(axis=1) for k in range(len(curves.retrains))], axis=1)
    return pd.DataFrame(
        share, index=pd.Index(curves.rhos, name="rho"), columns=pd.Index(curves.retrains, name="retrain")
    )


def lower_over_upper(curves: Curves, blocks: int) -> tuple[float, float, float]:
    """What keeping only Alice's lower blocks gains over keeping upper ones too, at the lowest rho: mean and 95 % t-interval.

    Mean accuracy of the Bobs who retrain half of the `blocks` or more, but not all, minus that of those who retrain fewer,
    but at least the head; paired by seed. No k is picked by its result. ValueError where one of the two groups is empty.
    """
    k = np.array(curves.retrains)
    lower, upper = (2 * k >= blocks) & (k < blocks), (2 * k < blocks) & (k > 0)
    if not lower.any() or not upper.any():
        raise ValueError(
            f"retrains must hold numbers from 1 to {(blocks - 1) // 2} and from {(blocks + 1) // 2} to {blocks - 1}, "
            f"not only {list(curves.retrains)}"
        )
    first = curves.accuracy[0]
    return stats.interval(first[:, lower].mean(axis=1) - first[:, upper].mean(axis=1))


@dataclass(frozen=True)
class Converse:
    """Whether k* tells rho. order: Spearman's rank correlation of k* and rho over all seeds; p: of none against a fall.

    told: counts of the true rho (rows) and the rho that k* tells (columns), each seed judged by the others.
    right: share told right, with its 95 % t-interval over seeds; chance: one over the number of rhos.
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

    p: within each seed the rhos are permuted, which keeps what its Bobs have in common. Which rho a k* tells is learnt
    from the other seeds: the rho under which it is most frequent (add-one smoothing; of equals the lowest).
    """
    best, levels = curves.best, np.arange(len(curves.rhos))
    n = best.shape[1]
    ranks = rankdata(best).reshape(best.shape) - (best.size + 1) / 2
    rhos = (levels - levels.mean())[:, None]
    permuted = np.random.default_rng(seed).permuted(np.tile(ranks, (draws, 1, 1)), axis=1)
    order, chances = (ranks * rhos).sum(), (permuted * rhos).sum(axis=(1, 2))
    p = ((chances <= order + 1e-9).sum() + 1) / (draws + 1)
    scale = np.sqrt((ranks**2).sum() * (rhos**2).sum() * n)
    told = np.zeros((len(levels), len(levels)), dtype=int)
    right = np.zeros(n)
    for left_out in range(n):
        others = np.delete(best, left_out, axis=1)
        likely = np.array([[(row == k).sum() + 1 for row in others] for k in best[:, left_out]]).argmax(
            axis=1
        )
        told[levels, likely] += 1
        right[left_out] = (likely == levels).mean()
    names = [f"{rho:g}" for rho in curves.rhos]
    return Converse(
        float(order / scale) if scale > 0 else 0.0,
        float(p),
        pd.DataFrame(told, index=pd.Index(names, name="true rho"), columns=pd.Index(names, name="told rho")),
        stats.interval(right),
    )


def verdict(curves: Curves, blocks: int) -> tuple[str, str]:
    """(lower layers preferable at the lowest rho, best number of blocks indicative of rho): the rules, fixed beforehand.

    First: holds if the interval of `lower_over_upper` lies above zero, does not hold if below, else undecided.
    Second: holds if p < 0.01 and the interval of the share told right lies above chance; holds in part if
    only one of these; else does not hold. Both are undecided with fewer than three seeds.
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
