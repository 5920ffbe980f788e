"""Shallow models, whose features correlate: Alice regresses on one group of inputs, Bob on the other (Mohamud & Brink 2026, A1).

Inputs x ~ N(0, Sigma) are two groups of k features; alpha from -1 to 1 couples them. Alice's task is beta . x over her group,
Bob's the sign of beta . x over his; both have E (task)^2 > 0 and |beta| = 1. Weights are vectors [2k], her group first. The two
groups, alpha and the two kinds of coupling are the paper's; the formulas, the recipe and the sizes are this project's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy import stats as laws

from reuselab.check import Rule, choice, integer, number, several
from reuselab.stats import combine, interval, trend
from reuselab.theory import relu

COUPLINGS = ("pairwise", "global")
TASKS = ("mean", "random", "rough")
LEVEL = 0.01  # of every test; widened for the number of its intervals (Bonferroni)
USELESS = 0.05  # an accuracy within this of 1/2 counts as useless
BATCH, TESTS, HIDDEN_TESTS = 16, 10, 2000
SETTING = ["model", "coupling", "alpha", "rule", "strength", "measure", "n"]
RULES: dict[str, Rule] = {
    "k": integer(1, 400),
    "length": number(0, 100, above=True),
    "shift": integer(0, 1000),
    "task": choice(*TASKS),
    "alphas": several(number(-1, 1)),
    "ridges": several(number(0, 100, above=True)),
    "stops": several(integer(1, 100_000)),
    "bobs": integer(1, 10_000),
    "width": integer(1, 10_000),
    "hidden_steps": integer(1, 1_000_000),
    "hidden_lr": number(0, 1, above=True),
}


@dataclass(frozen=True)
class Setting:
    """The inputs, and Alice's two rules: ridge penalties, and numbers of steps after which she stops without a penalty.

    steps, lr: stochastic gradient descent of the ridge rule, and its rate for both. Raises ValueError for what cannot be.
    """

    k: int = 9
    length: float = 1.5
    shift: int = 0
    task: str = "mean"
    ridges: Sequence[float] = (0.1, 0.3, 1.0)
    stops: Sequence[int] = (10, 40, 160)
    steps: int = 400
    lr: float = 0.05

    def __post_init__(self):
        for name, value in vars(self).items():
            (RULES | relu.RULES)[name](name, value)
        check(**vars(self))

    @property
    def target(self) -> np.ndarray:
        """beta [k], the same for both."""
        return vector(self.task, self.k)

    @property
    def rules(self) -> list[tuple[str, float, float, int]]:
        """(rule, strength, ridge penalty, steps) of every Alice."""
        return [
            *(("ridge", lam, lam, self.steps) for lam in self.ridges),
            *(("stop", stop, 0.0, stop) for stop in self.stops),
        ]

    @property
    def tasks(self) -> tuple[np.ndarray, np.ndarray]:
        """Alice's task [beta, 0] and Bob's [0, beta], each [2k]."""
        none = np.zeros(self.k)
        return np.concatenate([self.target, none]), np.concatenate([none, self.target])

    def sigma(self, coupling: str, alpha: float) -> np.ndarray:
        """Sigma [2k, 2k] at `alpha`."""
        return covariance(alpha, self.k, 0.0 if coupling == "pairwise" else self.length, self.shift)


def check(
    k: int = 1,
    alphas: Sequence[float] = (-1, -0.5, 0, 0.5, 1),
    length: float = 1.0,
    shift: int = 0,
    ridges: Sequence[float] = (),
    lr: float = 0.0,
    width: int | None = None,
    **_: Any,
) -> None:
    """Refuse values that are possible one by one and not together: k that is no square, alphas that leave a limit out,
    a rate at which gradient descent would not converge."""
    if round(k**0.5) ** 2 != k:
        raise ValueError(f"k must be a square, the pixels of a patch, not {k}")
    if (
        not {-1, 0, 1} <= set(alphas)
        or min(alphas, key=lambda a: not -1 < a < 0) >= 0
        or not any(0 < a < 1 for a in alphas)
    ):
        raise ValueError(
            "alphas must hold -1, 0, 1 and a value on either side of 0, not "
            + ", ".join(f"{a:g}" for a in alphas)
        )
    if lr and ridges:
        top = max(np.linalg.eigvalsh(covariance(1, k, length, shift))[-1], 2) + max(ridges)
        most = 1 / (top + (2 * k + top) / BATCH)
        if lr > most:
            raise ValueError(
                f"lr must be at most {most:.3g} for these inputs, or descent may not converge, not {lr:g}"
            )


def vector(task: str, k: int, seed: int = 0) -> np.ndarray:
    """beta [k] of length 1: "mean" weighs every pixel alike, "rough" turns its sign from pixel to pixel, "random" is Gaussian."""
    choice(*TASKS)("task", task)
    row, column = np.divmod(np.arange(k), round(k**0.5))
    beta = {
        "mean": np.ones(k),
        "rough": (-1.0) ** (row + column),
        "random": np.random.default_rng(seed).standard_normal(k),
    }[task]
    return beta / np.linalg.norm(beta)


def covariance(alpha: float, k: int, length: float = 0.0, shift: int = 0) -> np.ndarray:
    """(1 - |alpha|) I + |alpha| S K S, [2k, 2k], S = diag(1, ..., sign(alpha), ...): a convex combination.

    K_ij = exp(-|p_i - p_j|^2 / (2 length^2)) over pixel positions of two square patches, Bob's `shift` pixels to the right of
    Alice's (0: over it). length 0 is the pairwise coupling: K joins each feature with its partner, whatever the shift.
    Eigenvalues are 1 - |alpha| or more. ValueError for alpha out of -1 to 1 or, with a length, k that is no square.
    """
    RULES["alphas"]("alphas", [alpha])
    if length == 0:
        kernel = np.tile(np.eye(k), (2, 2))
    else:
        check(k)
        places = np.stack(np.divmod(np.arange(k), round(k**0.5)), 1)
        places = np.vstack([places, places + [0, shift]])
        kernel = np.exp(-((places[:, None] - places) ** 2).sum(2) / (2 * length**2))
    sign = np.repeat([1.0, -1.0 if alpha < 0 else 1.0], k)
    return (1 - abs(alpha)) * np.eye(2 * k) + abs(alpha) * kernel * np.outer(sign, sign)


def root(sigma: np.ndarray) -> np.ndarray:
    """The symmetric square root [p, p] of a covariance. ValueError where an eigenvalue is negative."""
    values, vectors = np.linalg.eigh(sigma)
    if values[0] < -1e-9 * values[-1]:
        raise ValueError(f"a covariance has no negative eigenvalue, this has {values[0]:.3g}")
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def alice(
    sigma: np.ndarray, task: np.ndarray, lam: float = 0.0, steps: float = np.inf, lr: float = 1.0
) -> np.ndarray:
    """Alice's weights [p] for the task `task` [p]: gradient descent on E (w . x - task . x)^2 / 2 + lam |w|^2 / 2 from w = 0.

    (I - (I - lr A)^steps) A^+ Sigma task with A = Sigma + lam I; endless steps give ridge regression, lam = 0 early stopping.
    The same is the exact mean of stochastic gradient descent on fresh samples (`train`).
    """
    values, vectors = np.linalg.eigh(sigma)
    values = np.maximum(values, 0)
    bent = np.where(values + lam > 1e-12, values + lam, 1)
    left = 0.0 if np.isinf(steps) else (1 - lr * bent) ** steps
    return vectors @ (values / bent * (1 - left) * (vectors.T @ task))


def train(
    roots: np.ndarray,
    task: np.ndarray,
    lam: float,
    steps: int,
    lr: float,
    seeds: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Alices trained by stochastic gradient descent from zero, each on its own fresh samples, `BATCH` a step: w [settings, seeds, p].

    roots [settings, p, p]. For one step w moves by lr (Sigma (task - w) - lam w) on average, whatever w is: hence `alice`.
    """
    settings, p = roots.shape[:2]
    w = np.zeros((settings, seeds, p))
    for _ in range(steps):
        x = (rng.standard_normal((settings, seeds * BATCH, p)) @ roots).reshape(settings, seeds, BATCH, p)
        miss = x @ (task - w)[..., None]
        w = (1 - lr * lam) * w + lr / BATCH * (np.swapaxes(miss, 2, 3) @ x)[..., 0, :]
    return w


def correlation(w: np.ndarray, task: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """r [...] of w . x and task . x for w [..., p]."""
    weighed = sigma @ task
    return np.clip(w @ weighed / np.sqrt(((w @ sigma) * w).sum(-1) * (task @ weighed)), -1, 1)


def accuracy(r: ArrayLike) -> np.ndarray:
    """How often two Gaussians of correlation r have one sign: 1/2 + arcsin(r) / pi. Bob's accuracy with Alice unchanged."""
    return 0.5 + np.arcsin(r) / np.pi


def right_sign(r: ArrayLike, n: ArrayLike) -> np.ndarray:
    """P(c > 0) for Bob's least-squares factor c on n samples: Student's t with n degrees at r sqrt(n / (1 - r^2)). Exact."""
    r = np.asarray(r, dtype=float)
    with np.errstate(divide="ignore"):
        return laws.t.cdf(r * np.sqrt(n / (1 - r**2)), n)


def tuned(r: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Bob's expected accuracy with the last layer of the linear model fine-tuned: 1/2 + (2 P(c > 0) - 1) arcsin(r) / pi."""
    return 0.5 + (2 * right_sign(r, n) - 1) * np.arcsin(r) / np.pi


def theory(
    setting: Setting, coupling: str, alphas: Sequence[float], lam: float, steps: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each alpha: w2 / w1, Alice's mean weight along beta on Bob's group over that on her own, and r of her output with Bob's task."""
    own, his = setting.tasks
    sigmas = [setting.sigma(coupling, alpha) for alpha in alphas]
    weights = [alice(sigma, own, lam, steps, setting.lr) for sigma in sigmas]
    return (
        np.array([w @ his / (w @ own) for w in weights]),
        np.array([correlation(w, his, sigma) for w, sigma in zip(weights, sigmas)]),
    )


def advantage(setting: Setting, beta: np.ndarray, alpha: float, lam: float, n: int) -> tuple[float, float]:
    """What the global coupling gains a fine-tuned Bob over the pairwise one, in closed form, for the task `beta` [k].

    Returns beta' K beta, how smooth the task is over the pixels (1 without correlation), and the gain in accuracy.
    """
    none, found = np.zeros(len(beta)), {}
    for coupling in COUPLINGS:
        sigma = setting.sigma(coupling, alpha)
        w = alice(sigma, np.concatenate([beta, none]), lam)
        found[coupling] = float(tuned(correlation(w, np.concatenate([none, beta]), sigma), n))
    return float(beta @ covariance(1, len(beta), setting.length)[: len(beta), : len(beta)] @ beta), found[
        "global"
    ] - found["pairwise"]


def reuse(
    w: np.ndarray, roots: np.ndarray, task: np.ndarray, n: int, bobs: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulated accuracy [settings, seeds] of `bobs` Bobs for each Alice of w [settings, seeds, p], each on `TESTS` new samples.

    n = 0: her model unchanged. Else its output times c, by least squares on n samples of Bob's own.
    """
    found = []
    for each, half in zip(w, roots):
        x = rng.standard_normal((len(each), bobs, n + TESTS, len(half))) @ half
        output, label = (x @ each[:, None, :, None])[..., 0], x @ task
        c = 1.0 if n == 0 else (output * label)[..., :n].sum(2, keepdims=True)
        found.append((c * output[..., n:] * label[..., n:] > 0).mean((1, 2)))
    return np.array(found)


def spread(r: np.ndarray, n: int, bobs: int) -> np.ndarray:
    """Standard deviation of `reuse` for an Alice of correlation r: the sign of c differs between Bobs, the rest is binomial."""
    a, p = np.arcsin(r) / np.pi, right_sign(r, n) if n else 1.0
    return np.sqrt((4 * p * (1 - p) * a**2 + (0.25 - a**2) / TESTS) / bobs)


def linear(
    setting: Setting, alphas: Sequence[float], samples: Sequence[int], bobs: int, seeds: int
) -> pd.DataFrame:
    """The linear model over couplings, alphas and Alice's rules: rows of `SETTING`, seed, value, expected, spread.

    measure: "own weight", "bob's weight" (beta . w over either group), "unchanged" and "fine-tuned" (Bob's accuracies).
    expected: exact, for weights over training, for an accuracy given the trained Alice. Every setting has draws of its own.
    """
    places = [(coupling, alpha) for coupling in COUPLINGS for alpha in alphas]
    sigmas = np.stack([setting.sigma(*place) for place in places])
    roots, (own, his), tables = np.stack([root(sigma) for sigma in sigmas]), setting.tasks, []
    for i, (rule, strength, lam, steps) in enumerate(setting.rules):
        rng = np.random.default_rng([i, 1])
        w = train(roots, own, lam, steps, setting.lr, seeds, rng)
        mean = np.stack([alice(sigma, own, lam, steps, setting.lr) for sigma in sigmas])[:, None]
        r = np.stack([correlation(each, his, sigma) for each, sigma in zip(w, sigmas)])
        found = [
            (name, 0, w @ on, mean @ on, np.nan) for name, on in (("own weight", own), ("bob's weight", his))
        ]
        found += [
            (
                "fine-tuned" if n else "unchanged",
                n,
                reuse(w, roots, his, n, bobs, rng),
                tuned(r, n) if n else accuracy(r),
                spread(r, n, bobs),
            )
            for n in (0, *samples)
        ]
        tables += [_rows("linear", places, rule, strength, *each) for each in found]
    return pd.concat(tables, ignore_index=True)


def _rows(
    model: str,
    places: list,
    rule: str,
    strength: float,
    measure: str,
    n: int,
    value: np.ndarray,
    expected: ArrayLike = np.nan,
    deviation: ArrayLike = np.nan,
) -> pd.DataFrame:
    """Long rows for value [places, seeds]."""
    flat = {"value": value, "expected": expected, "spread": deviation}
    at = np.repeat(np.arange(len(places)), value.shape[1])
    return pd.DataFrame(
        {
            "model": model,
            "coupling": [places[i][0] for i in at],
            "alpha": [places[i][1] for i in at],
            "rule": rule,
            "strength": strength,
            "measure": measure,
            "n": n,
            "seed": np.tile(np.arange(value.shape[1]), len(places)),
            **{name: np.broadcast_to(column, value.shape).ravel() for name, column in flat.items()},
        }
    )


def hidden_alices(
    roots: np.ndarray, task: np.ndarray, width: int, steps: int, lr: float, seeds: int, batch: int = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alices with one hidden layer of ReLUs: first weights untrained [seeds, width, p], trained [settings, seeds, width, p], heads.

    Adam on fresh samples, rate falling to 0. A seed has the same start and the same draws in every setting: it is paired.
    """
    settings, p = roots.shape[:2]
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(seeds, width, p, generator=generator) / p**0.5
    heads = torch.randn(seeds, width, generator=generator) / width**0.5
    half, target = torch.tensor(roots, dtype=torch.float32)[:, None], torch.tensor(task, dtype=torch.float32)

    def fresh(_):
        x = (torch.randn(seeds, batch, p, generator=generator) @ half).flatten(0, 1)
        return x, (x @ target).T

    w, v = relu.fit(start.repeat(settings, 1, 1), heads.repeat(settings, 1), fresh, steps, lr)
    return start.double().numpy(), *(
        each.double().numpy().reshape(settings, seeds, *each.shape[1:]) for each in (w, v)
    )


def hidden(
    setting: Setting,
    alphas: Sequence[float],
    samples: Sequence[int],
    width: int,
    steps: int,
    lr: float,
    seeds: int,
) -> pd.DataFrame:
    """One hidden layer over couplings and alphas: rows as in `linear`.

    measure: Bob's accuracy "unchanged", "fine-tuned" (a new last layer on n samples) and "untrained" (the same on the layer she
    began with), without an exact law; "unchanged risk" and "fine-tuned risk", E (f - beta . x)^2 / E (beta . x)^2 on `HIDDEN_TESTS`
    new samples, whose exact value given the network follows from the arc-cosine kernel; "share" and "untrained share" of Bob's
    task in the span of the layer, the same in closed form, not simulated.
    """
    places = [(coupling, alpha) for coupling in COUPLINGS for alpha in alphas]
    roots, (own, his) = np.stack([root(setting.sigma(*place)) for place in places]), setting.tasks
    start, w, v = hidden_alices(roots, own, width, steps, lr, seeds)
    found: dict[tuple[str, int], list] = {}
    for i, half in enumerate(roots):
        for seed in range(seeds):
            for key, values in _one_hidden(
                half, his, start[seed], relu.Net(w[i, seed], v[i, seed]), samples, seed, i
            ).items():
                found.setdefault(key, []).append(values)
    shape = (len(places), seeds)
    return pd.concat(
        [
            _rows(
                "hidden", places, "adam", steps, *key, *(np.reshape(column, shape) for column in zip(*rows))
            )
            for key, rows in found.items()
        ],
        ignore_index=True,
    )


def _one_hidden(
    half: np.ndarray,
    his: np.ndarray,
    start: np.ndarray,
    net: relu.Net,
    samples: Sequence[int],
    seed: int,
    place: int,
) -> dict[tuple[str, int], tuple[float, float, float]]:
    """(value, expected, spread) of every measure for one Alice. In z = Sigma^(-1/2) x all inputs are N(0, I): weights times `half`."""
    b = his @ half / np.linalg.norm(his @ half)
    target, (before, after) = relu.Net(np.stack([b, -b]), np.array([1.0, -1.0])), (start @ half, net.w @ half)
    none, rng = np.nan, np.random.default_rng([seed, place, 3])
    z = rng.standard_normal((HIDDEN_TESTS, len(b)))
    nets = {("unchanged", 0): relu.Net(after, net.v / np.linalg.norm(his @ half))}
    for n in samples:
        mine = np.random.default_rng([seed, n, 2]).standard_normal((n, len(b)))
        for name, first in (("fine-tuned", after), ("untrained", before)):
            nets[name, n] = relu.Net(
                first, relu.solve(np.maximum(mine @ first.T, 0), (mine @ b)[:, None])[:, 0]
            )
    found = {}
    for (name, n), each in nets.items():
        output, label = np.maximum(z @ each.w.T, 0) @ each.v, z @ b
        found[name, n] = (
            (1 + np.sign(output * label)).mean() / 2,
            none,
            none,
        )  # where all neurons are silent, a coin decides
        if name != "untrained":
            square = (output - label) ** 2
            found[f"{name} risk", n] = (
                square.mean(),
                relu.risk(each, target),
                square.std(ddof=1) / len(z) ** 0.5,
            )
    return found | {
        ("share", 0): (relu.overlap(target, after), none, none),
        ("untrained share", 0): (relu.overlap(target, before), none, none),
    }


def residuals(table: pd.DataFrame) -> pd.DataFrame:
    """Every setting with an exact expectation, its means, its standardised distance z, and `fixed` where nothing is random.

    z is Gaussian where the spread is known; a weight's is Student's t over seeds, taken to the Gaussian of equal probability.
    A fixed setting has z = 0 where it meets its expectation to 1e-6, else infinity. Alice's own weight is left out: at
    alpha = 1 and -1 it is Bob's over again.
    """
    rows = table[table.expected.notna() & (table.measure != "own weight")]
    rows = rows.assign(gap=rows.value - rows.expected, square=rows.spread**2)
    found = (
        rows.groupby(SETTING, sort=False)
        .agg(
            value=("value", "mean"),
            expected=("expected", "mean"),
            gap=("gap", "mean"),
            sd=("gap", "std"),
            square=("square", "mean"),
            seeds=("gap", "size"),
        )
        .reset_index()
    )
    known = found.square.notna()
    error = np.sqrt(np.where(known, found.square, found.sd**2) / found.seeds)
    fixed = error < 1e-9
    raw = found.gap / np.where(fixed, 1, error)
    bent = -np.sign(raw) * laws.norm.ppf(laws.t.sf(np.abs(raw), np.maximum(found.seeds - 1, 1)))
    z = np.where(fixed, np.where(found.gap.abs() < 1e-6, 0.0, np.inf), np.where(known, raw, bent))
    return found.drop(columns=["square", "sd"]).assign(error=error, z=z, fixed=fixed)


def noise(found: pd.DataFrame) -> dict[str, float]:
    """Do residuals look like noise? Largest |z| with its Bonferroni bound, mean square with its interval, both at `LEVEL`.

    The mean square leaves out fixed settings; times its number it is a chi-square of that many degrees.
    """
    z = found.z[~found.fixed]
    low, high = laws.chi2.ppf([LEVEL / 2, 1 - LEVEL / 2], len(z)) / len(z)
    return {
        "settings": len(found),
        "largest": found.z.abs().max(),
        "bound": laws.norm.isf(LEVEL / 2 / len(found)),
        "square": (z**2).mean(),
        "low": low,
        "high": high,
    }


def tests(table: pd.DataFrame) -> pd.DataFrame:
    """The parts of claim A1, one row for each part and model: part, model, verdict, effect. The rules stand on the page.

    table: rows of `linear`, or of `linear` and `hidden`. Linear accuracies are taken as means over Alice's rules, seed by seed.
    """
    found = [
        ("theory and simulation agree", "all", *_agree(table)),
        ("weights from [1, 0] to [1, 1] and [1, -1]", "linear", *_weights(table)),
    ]
    for model, group in table.groupby("model", sort=False):
        top = group[group.measure == "fine-tuned"].n.max()
        plain, best = (
            group[(group.measure == name) & (group.n == n)].pivot_table(
                "value", "seed", ["coupling", "alpha"]
            )
            for name, n in (("unchanged", 0), ("fine-tuned", top))
        )
        found += [(part, model, *rule(plain, best)) for part, rule in PARTS.items()]
    rows = pd.DataFrame(found, columns=["part", "model", "verdict", "effect"])
    return rows if table.seed.nunique() > 2 else rows.assign(verdict="undecided")


def verdict(found: pd.DataFrame) -> str:
    """A1's: that of all parts where they agree, else "holds in part"."""
    return combine(list(found.verdict))


def _agree(table):
    told = noise(residuals(table))
    fine = told["largest"] < told["bound"] and told["low"] < told["square"] < told["high"]
    return (
        _word(fine),
        "largest {largest:.2f} of at most {bound:.2f}; mean square {square:.2f} in [{low:.2f}, {high:.2f}]; {settings} settings".format(
            **told
        ),
    )


def _weights(table):
    keys = ["coupling", "rule", "strength"]
    his, own = (
        table[table.measure == name].set_index([*keys, "alpha", "seed"]).value
        for name in ("bob's weight", "own weight")
    )
    zero = his.xs(0, level="alpha").groupby(keys).agg(list)
    outside = [low > 0 or high < 0 for low, high in (_bounds(values, len(zero)) for values in zero)]
    ratio = his / own
    ends = max(np.abs(ratio.xs(sign, level="alpha") - sign).max() for sign in (-1, 1))
    curves = ratio.groupby(["coupling", "seed", "alpha"]).mean().unstack()
    rises = [
        trend(sign * curves.loc[coupling, [a for a in sorted(curves, key=abs) if sign * a >= 0]]).verdict
        for coupling in COUPLINGS
        for sign in (-1, 1)
    ]
    return (
        _whole([_word(not any(outside)), _word(ends < 1e-6), *rises]),
        f"at 0: {len(zero) - sum(outside)} of {len(zero)} intervals include 0; at the ends at most {ends:.0e} from 1; rises: {', '.join(sorted(set(rises)))}",
    )


def _rises(plain, best):
    names = [
        trend(part[coupling]).verdict
        for coupling in COUPLINGS
        for part in (plain, best.loc[:, best.columns.get_level_values(1) >= 0])
    ]
    return _whole(names), "; ".join(
        f"{coupling} unchanged {a}, fine-tuned {b}"
        for coupling, a, b in zip(COUPLINGS, names[::2], names[1::2])
    )


def _useless(plain, best):
    found = [(coupling, *_bounds(plain[coupling, 0], len(COUPLINGS))) for coupling in COUPLINGS]
    return _word(all(0.5 - USELESS < low <= 0.5 <= high < 0.5 + USELESS for _, low, high in found)), _said(
        found
    )


def _hurt(plain, best):
    found = [
        (f"{coupling} at {a:g}", *_bounds(plain[coupling, a], 2 * len(_below(plain))))
        for coupling in COUPLINGS
        for a in _below(plain)
    ]
    return _word(all(high < 0.5 for *_, high in found)), "highest: " + _said(
        [max(found, key=lambda each: each[2])]
    )


def _weak(plain, best):
    found = [
        (f"{coupling} at {a:+g}", *_bounds(best[coupling, a] - best[coupling, 0], 4))
        for coupling in COUPLINGS
        for a in _weakest(best)
    ]
    return _word(all(low > 0 for _, low, _ in found)), "above alpha = 0: " + _said(found, "+")


def _flips(plain, best):
    count = 4 * len(_below(plain))
    found = [
        (f"{coupling} at {a:g}", *_bounds(best[coupling, a], count), _bounds(plain[coupling, a], count)[1])
        for coupling in COUPLINGS
        for a in _below(plain)
    ]
    return _word(all(low > 0.5 > high for _, low, _, high in found)), "lowest: " + _said(
        [min(found, key=lambda each: each[1])[:3]]
    )


def _global(plain, best):
    gap = sum(best["global", a] - best["pairwise", a] for a in _weakest(best)) / 2
    found = [("global less pairwise", *_bounds(gap, 1))]
    return _word(found[0][1] > 0), _said(found, "+")


PARTS = {
    "Bob's accuracy rises with alpha": _rises,
    "unchanged, useless at alpha = 0": _useless,
    "unchanged, hurt by negative alpha": _hurt,
    "fine-tuned, exploits the weakest alpha": _weak,
    "fine-tuned, flips the sign": _flips,
    "fine-tuned, most of all global": _global,
}


def _bounds(values: ArrayLike, count: int) -> tuple[float, float]:
    return interval(values, 1 - LEVEL / count)[1:]


def _below(curves: pd.DataFrame) -> list[float]:
    return [a for a in curves.columns.levels[1] if a < 0]


def _weakest(curves: pd.DataFrame) -> list[float]:
    """The alphas nearest to 0 on either side."""
    return [max(_below(curves)), min(a for a in curves.columns.levels[1] if a > 0)]


def _said(found: list, sign: str = "") -> str:
    return ", ".join(f"{name} [{low:{sign}.3f}, {high:{sign}.3f}]" for name, low, high in found)


def _whole(verdicts: list[str]) -> str:
    """One part of several conditions: one that does not hold decides."""
    return "does not hold" if "does not hold" in verdicts else combine(verdicts)


def _word(fine: bool) -> str:
    return "holds" if fine else "does not hold"
