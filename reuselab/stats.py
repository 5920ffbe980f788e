"""Intervals over seeds, the test of a trend, and Mantel's test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, permutations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import isotonic_regression

from reuselab.check import known

TREND_LEVEL = 0.01
FALL_LEVEL = 0.05
FEWEST = 3  # curves, and levels of each, that a test of a trend needs
UNTOLD = "this run does not tell"  # of an interval that includes zero


def interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of `values` and its two-sided t-interval: (mean, low, high). With one value the bounds are NaN."""
    values = np.asarray(values, dtype=float)
    mean, n = values.mean(), len(values)
    half = stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(mean), float(mean - half), float(mean + half)


def bounds(values: ArrayLike) -> dict[str, float | None]:
    """`interval` of `values` as mean, low and high of a JSON object, which has None for NaN."""
    numbers = (None if np.isnan(number) else round(number, 4) for number in interval(values))
    return dict(zip(("mean", "low", "high"), numbers))


def summary(table: pd.DataFrame, by: str | Sequence[str], value: str) -> pd.DataFrame:
    """Columns mean, low, high (95 % t-interval) and n of `value` in each group of `by`."""

    def describe(values):
        return pd.Series([*interval(values), len(values)], index=["mean", "low", "high", "n"])

    return table.groupby(by)[value].apply(describe).unstack().astype({"n": int})


@dataclass(frozen=True)
class Trend:
    """How monotone several curves over the same levels are.

    p: Page's trend test (1963) of equal levels against a rise, NaN without a test. r2: share of each curve's
    variance that its best rising (isotonic) fit explains, mean over curves. rise: last level minus first, and
    fall: the worst step from one level to the next, each (mean, low, high) over curves; the interval of
    `fall` is widened for the number of steps (Bonferroni). few: why there is no test, of `few`.
    """

    p: float
    r2: float
    rise: tuple[float, float, float]
    fall: tuple[float, float, float]
    few: str = ""

    @property
    def p_in_words(self) -> str:
        """p, or that there is no test."""
        return "no test" if self.few else f"{self.p:.1g}"

    @property
    def verdict(self) -> str:
        """The rule.

        holds: p < 0.01 and no step falls; holds in part: p < 0.01 but a step falls (its interval is below
        zero); does not hold: the interval of the rise from end to end lies below zero; else undecided, and so
        with fewer than three curves or three levels.
        """
        if self.p < TREND_LEVEL:
            return "holds in part" if self.fall[2] < 0 else "holds"
        return "does not hold" if not self.few and self.rise[2] < 0 else "undecided"


def trend(curves: ArrayLike) -> Trend:
    """Test for a rise: `curves` [n, levels], one curve a seed, levels in the predicted order.

    With fewer than three curves or three levels there is no test: p is NaN and the verdict undecided. Levels
    are called as the columns of a table are.
    """
    name = getattr(getattr(curves, "columns", None), "name", None) or "level"
    curves = np.asarray(curves, dtype=float)
    n, levels = curves.shape
    lacking = few({"seed": n, name: levels})
    steps = [interval(step, 1 - FALL_LEVEL / (levels - 1)) for step in np.diff(curves, axis=1).T]
    return Trend(
        p=np.nan if lacking else float(stats.page_trend_test(curves).pvalue),
        r2=float(np.mean([_isotonic_r2(curve) for curve in curves])),
        rise=interval(curves[:, -1] - curves[:, 0]),
        fall=min(steps, key=lambda step: step[2] if n > 1 else step[0], default=(np.nan,) * 3),
        few=lacking,
    )


def few(counts: Mapping[str, int], fewest: int = FEWEST) -> str:
    """Why nothing is tested, in words: "1 rho and 2 seeds, where a test needs 3"; "" where all are enough."""
    lacking = [f"{n} {name}" + "s" * (n != 1) for name, n in counts.items() if n < fewest]
    return f"{' and '.join(lacking)}, where a test needs {fewest}" if lacking else ""


def in_words(interval: Sequence[float], form: str = "+.3f") -> str:
    """(mean, low, high) as "+0.012 [+0.001, +0.020]", or a mean alone; what is not a number is not shown.

    An interval of differences (`form` has signs) is said to be near zero where each number rounds to it.
    """
    mean, *bounds = interval
    if np.isnan(mean):
        return "nothing to compare"
    if len(bounds) and form.startswith("+") and all(float(f"{number:{form}}") == 0 for number in interval):
        return f"within {10.0 ** -int(form[-2]) / 2:g} of zero"
    shown = [f"{bound:{form}}" for bound in bounds if not np.isnan(bound)]
    return f"{mean:{form}}" + (f" [{', '.join(shown)}]" if shown else "")


def by_sign(interval: Sequence[float], above: str, below: str, across: str = UNTOLD) -> str:
    """One of three wordings for (mean, low, high): above zero, below it, or across it or without bounds."""
    _, low, high = interval
    return above if low > 0 else below if high < 0 else across


def _isotonic_r2(curve: np.ndarray) -> float:
    """1 - SS(residual) / SS(total) of the best non-decreasing fit; 1 for a constant curve."""
    total = ((curve - curve.mean()) ** 2).sum()
    residual = ((curve - isotonic_regression(curve).x) ** 2).sum()
    return float(1 - residual / total) if total > 0 else 1.0


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's correlation of two lists of numbers; 0 where one of them does not vary."""
    if min(np.ptp(np.asarray(values)) for values in (first, second)) == 0:
        return 0.0
    return float(stats.spearmanr(first, second).statistic)


def combine(verdicts: Sequence[str]) -> str:
    """One verdict on a claim that has several parts.

    holds: every part holds. does not hold: a part does not hold, and none holds even in part. undecided:
    nothing speaks against the claim, but a part is undecided. holds in part: the rest, where something holds,
    whole or in part, and something does not; `tally` says how much.
    """
    parts = set(verdicts)
    if parts <= {"holds", "undecided"}:
        return "undecided" if "undecided" in parts else "holds"
    return "holds in part" if parts & {"holds", "holds in part"} else "does not hold"


def tally(verdicts: Sequence[str]) -> str:
    """How many parts of a claim hold, in words: "1 of 4 hold". A part that holds in part does not count."""
    return f"{list(verdicts).count('holds')} of {len(verdicts)} hold"


def residual(sample: ArrayLike, expected: ArrayLike, level: float = 0.01) -> tuple[float, float]:
    """The largest distance of a mean from its expectation in standard errors, and its Bonferroni bound.

    sample: [n, ...], n independent draws of every setting. expected: broadcasts against [...]. A setting
    without spread counts 0 where it meets its expectation to 1e-9, else infinity. The bound is Student's t
    with n - 1 degrees.
    """
    sample = np.asarray(sample, dtype=float)
    n, distance = len(sample), np.abs(sample.mean(0) - expected)
    error = sample.std(0, ddof=1) / np.sqrt(n)
    flat = error < 1e-12
    standard = np.where(flat, np.where(distance < 1e-9, 0.0, np.inf), distance / np.where(flat, 1, error))
    return float(standard.max()), float(stats.t.isf(level / 2 / standard.size, n - 1))


def mantel(
    first: ArrayLike,
    second: ArrayLike,
    draws: int = 9999,
    seed: int = 0,
    alternative: str = "two-sided",
    orders: Iterable[ArrayLike] | None = None,
    mask: ArrayLike | None = None,
) -> tuple[float, float]:
    """Mantel's test (1967) that two K x K matrices about the same K things are related: (correlation, p).

    The correlation is Spearman's, over the entries off the diagonal; the matrices need not be symmetric, K is
    at least 3. p: how often it is as far from 0 (or with `alternative` "greater" as high, with "less" as low)
    when rows and columns of `second` are permuted together. All K! permutations are counted where they are no
    more than `draws`; else the identity and `draws` random ones. Where the things cannot be exchanged one by
    one, `orders` [D, K] are the permutations to count: a whole group of them, or the identity and random
    draws of one. mask: bool [K, K], which entries off the diagonal to look at; no permutation may change it.
    Raises ValueError for matrices that are not square, not of one size, not finite where looked at, or
    constant there, and for orders or a mask that are not as said.
    """
    known("alternative", alternative, ("two-sided", "greater", "less"))
    matrices = [np.asarray(matrix, dtype=float) for matrix in (first, second)]
    for matrix in matrices:
        if matrix.ndim != 2 or len(matrix) < 3 or matrix.shape[0] != matrix.shape[1]:
            shape = " x ".join(map(str, matrix.shape))
            raise ValueError(f"Mantel's test needs square matrices of at least 3 x 3, not {shape}")
    n = len(matrices[0])
    if len(matrices[1]) != n:
        raise ValueError(f"Mantel's test compares matrices of one size, not {n} and {len(matrices[1])}")
    mask = ~np.eye(n, dtype=bool) & (True if mask is None else np.asarray(mask, dtype=bool))
    fixed, permuted = (_standard_ranks(matrix, mask) for matrix in matrices)
    correlations = np.concatenate(
        [
            np.einsum("ij,dij->d", fixed, permuted[order[:, :, None], order[:, None, :]])
            for order in _checked(_orders(n, draws, seed) if orders is None else orders, mask)
        ]
    )
    correlation = (fixed * permuted).sum()
    far = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
    return float(correlation), float((far(correlations) >= far(correlation) - 1e-12).mean())


def _checked(orders: Iterable[ArrayLike], mask: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """`orders` in blocks [D, K] that fit in memory; ValueError unless they are permutations of `mask`."""
    n, identity, has_identity = len(mask), np.arange(len(mask)), False
    orders = iter(orders)
    while block := list(islice(orders, max(1, 10**6 // n**2))):
        order = np.array(block)
        if order.shape[1:] != (n,) or (np.sort(order, axis=1) != identity).any():
            raise ValueError(f"Mantel's test needs orders that are permutations of {n} things")
        if (mask[order[:, :, None], order[:, None, :]] != mask).any():
            raise ValueError("Mantel's test needs a mask that no permutation changes")
        has_identity |= bool((order == identity).all(1).any())
        yield order
    if not has_identity:
        raise ValueError("Mantel's test needs the identity among the orders")


def _orders(n: int, draws: int, seed: int) -> Iterator[ArrayLike]:
    """All n! permutations where they are no more than `draws`, else the identity and `draws` random ones."""
    if n < 20 and factorial(n) <= draws:
        return permutations(range(n))
    rng = np.random.default_rng(seed)
    return chain([range(n)], (rng.permutation(n) for _ in range(draws)))


def _standard_ranks(matrix: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ranks of the entries in `mask`, [K, K], with mean 0 and sum of squares 1; 0 elsewhere."""
    if not mask.any() or not np.isfinite(matrix[mask]).all() or np.ptp(matrix[mask]) == 0:
        raise ValueError("Mantel's test needs finite entries off the diagonal that are not all the same")
    ranks = np.zeros_like(matrix)
    ranks[mask] = stats.rankdata(matrix[mask])
    ranks[mask] -= ranks[mask].mean()
    return ranks / np.linalg.norm(ranks)
