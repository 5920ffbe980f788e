"""Shallow models, whose features correlate: Alice regresses on one group of inputs, Bob on the other (Mohamud
& Brink 2026, A1).

Inputs x ~ N(0, Sigma) are two groups of k features; alpha from -1 to 1 couples them. Alice's task is beta . x
over her group, Bob's the sign of beta . x over his; both have E (task)^2 > 0 and |beta| = 1. Weights are
vectors [2k], her group first. The two groups, alpha and the two kinds of coupling are the paper's; the
formulas, the recipe and the sizes are this project's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy import stats as laws

from reuselab.check import Rule, choice, integer, number, several
from reuselab.theory import relu

COUPLINGS = ("pairwise", "global")
TASKS = ("mean", "random", "rough")
BATCH, TESTS, HIDDEN_TESTS = 16, 10, 2000
SETTING = ["model", "coupling", "alpha", "rule", "strength", "measure", "n"]
RULES: dict[str, Rule] = {
    "k": integer(1, 400),
    "length": number(0.01, 100),
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
    """The inputs, and Alice's two rules: ridge penalties, and numbers of steps after which she stops without
    a penalty.

    steps, lr: stochastic gradient descent of the ridge rule, and its rate for both. Raises ValueError for
    what cannot be."""

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
        check_rate(self.k, self.length, self.shift, self.ridges, self.lr)

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


def _side(k: int) -> int:
    """Pixels along one side of a patch of `k`. ValueError where k is no square."""
    side = round(k**0.5)
    if side**2 != k:
        raise ValueError(f"k must be a square, the pixels of a patch, not {k}")
    return side


def check_rate(k: int, length: float, shift: int, ridges: Sequence[float], lr: float) -> None:
    """ValueError for a rate at which gradient descent may not converge, or k that is no square."""
    top = max(np.linalg.eigvalsh(covariance(1, k, length, shift))[-1], 2) + max(ridges)
    most = 1 / (top + (2 * k + top) / BATCH)
    if lr > most:
        raise ValueError(
            f"lr must be at most {most:.3g} for these inputs, or descent may not converge, not {lr:g}"
        )


def vector(task: str, k: int, seed: int = 0) -> np.ndarray:
    """beta [k] of length 1: "mean" weighs every pixel alike, "rough" turns its sign from pixel to pixel,
    "random" is Gaussian."""
    choice(*TASKS)("task", task)
    row, column = np.divmod(np.arange(k), _side(k))
    beta = {
        "mean": np.ones(k),
        "rough": (-1.0) ** (row + column),
        "random": np.random.default_rng(seed).standard_normal(k),
    }[task]
    return beta / np.linalg.norm(beta)


def covariance(alpha: float, k: int, length: float = 0.0, shift: int = 0) -> np.ndarray:
    """(1 - |alpha|) I + |alpha| S K S, [2k, 2k], S = diag(1, ..., sign(alpha), ...): a convex combination.

    K_ij = exp(-|p_i - p_j|^2 / (2 length^2)) over pixel positions of two square patches, Bob's `shift` pixels
    to the right of Alice's (0: over it). length 0 is the pairwise coupling: K joins each feature with its
    partner, whatever the shift. Eigenvalues are 1 - |alpha| or more. ValueError for alpha out of -1 to 1 or,
    with a length, k that is no square."""
    RULES["alphas"]("alphas", [alpha])
    if length == 0:
        kernel = np.tile(np.eye(k), (2, 2))
    else:
        places = np.stack(np.divmod(np.arange(k), _side(k)), 1)
        places = np.vstack([places, places + np.array([0, shift])])
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
    """Alice's weights [p] for the task `task` [p]: gradient descent on E (w . x - task . x)^2 / 2 + lam |w|^2
    / 2 from w = 0.

    (I - (I - lr A)^steps) A^+ Sigma task with A = Sigma + lam I; endless steps give ridge regression, lam = 0
    early stopping. The same is the exact mean of stochastic gradient descent on fresh samples (`train`)."""
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
    """Alices trained by stochastic gradient descent from zero, each on its own fresh samples, `BATCH` a step:
    w [settings, seeds, p].

    roots [settings, p, p]. For one step w moves by lr (Sigma (task - w) - lam w) on average, whatever w is:
    hence `alice`."""
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
    """How often two Gaussians of correlation r have one sign: 1/2 + arcsin(r) / pi. Bob's accuracy with Alice
    unchanged."""
    return 0.5 + np.arcsin(r) / np.pi


def right_sign(r: ArrayLike, n: ArrayLike) -> np.ndarray:
    """P(c > 0) for Bob's least-squares factor c on n samples: Student's t with n degrees at r sqrt(n / (1 -
    r^2)). Exact."""
    r = np.asarray(r, dtype=float)
    with np.errstate(divide="ignore"):
        return laws.t.cdf(r * np.sqrt(n / (1 - r**2)), n)


def tuned(r: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Bob's expected accuracy with the last layer of the linear model fine-tuned: 1/2 + (2 P(c > 0) - 1)
    arcsin(r) / pi."""
    return 0.5 + (2 * right_sign(r, n) - 1) * np.arcsin(r) / np.pi


def theory(
    setting: Setting, coupling: str, alphas: Iterable[float], lam: float, steps: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each alpha: w2 / w1, Alice's mean weight along beta on Bob's group over that on her own, and r of
    her output with Bob's task."""
    alice_task, bob_task = setting.tasks
    sigmas = [setting.sigma(coupling, alpha) for alpha in alphas]
    weights = [alice(sigma, alice_task, lam, steps, setting.lr) for sigma in sigmas]
    return (
        np.array([w @ bob_task / (w @ alice_task) for w in weights]),
        np.array([correlation(w, bob_task, sigma) for w, sigma in zip(weights, sigmas)]),
    )


def smoothness(setting: Setting, beta: np.ndarray) -> float:
    """beta' K beta, how smooth the task `beta` [k] is over the pixels: 1 without correlation."""
    k = len(beta)
    return float(beta @ covariance(1, k, setting.length)[:k, :k] @ beta)


def advantage(setting: Setting, beta: np.ndarray, alpha: float, lam: float, n: int) -> float:
    """What the global coupling gains a fine-tuned Bob in accuracy over the pairwise one.

    For the task `beta` [k], in closed form.
    """
    none = np.zeros(len(beta))
    alice_task, bob_task = np.concatenate([beta, none]), np.concatenate([none, beta])
    accuracies = {}
    for coupling in COUPLINGS:
        sigma = setting.sigma(coupling, alpha)
        r = correlation(alice(sigma, alice_task, lam), bob_task, sigma)
        accuracies[coupling] = float(tuned(r, n))
    return accuracies["global"] - accuracies["pairwise"]


def reuse(
    w: np.ndarray, roots: np.ndarray, task: np.ndarray, n: int, bobs: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulated accuracy [settings, seeds] of `bobs` Bobs for each Alice of w [settings, seeds, p], each on
    `TESTS` new samples.

    n = 0: her model unchanged. Else its output times c, by least squares on n samples of Bob's own.
    """
    accuracies = []
    for alices, half in zip(w, roots):
        x = rng.standard_normal((len(alices), bobs, n + TESTS, len(half))) @ half
        output, label = (x @ alices[:, None, :, None])[..., 0], x @ task
        c = 1.0 if n == 0 else (output * label)[..., :n].sum(2, keepdims=True)
        accuracies.append((c * output[..., n:] * label[..., n:] > 0).mean((1, 2)))
    return np.array(accuracies)


def spread(r: np.ndarray, n: int, bobs: int) -> np.ndarray:
    """Standard deviation of `reuse` for an Alice of correlation r: the sign of c differs between Bobs, the
    rest is binomial."""
    a, p = np.arcsin(r) / np.pi, right_sign(r, n) if n else 1.0
    return np.sqrt((4 * p * (1 - p) * a**2 + (0.25 - a**2) / TESTS) / bobs)


def linear(
    setting: Setting, alphas: Sequence[float], samples: Sequence[int], bobs: int, seeds: int, first: int = 1
) -> pd.DataFrame:
    """The linear model over couplings, alphas and Alice's rules: rows of `SETTING`, seed, value, expected,
    spread.

    measure: "own weight", "bob's weight" (beta . w over either group), "unchanged" and "fine-tuned" (Bob's
    accuracies). expected: exact, for weights over training, for an accuracy given the trained Alice. Every
    setting has draws of its own; `first` begins them."""
    places = [(coupling, alpha) for coupling in COUPLINGS for alpha in alphas]
    sigmas = np.stack([setting.sigma(*place) for place in places])
    roots, (alice_task, bob_task) = np.stack([root(sigma) for sigma in sigmas]), setting.tasks
    tables = []
    for i, (rule, strength, lam, steps) in enumerate(setting.rules):
        rng = np.random.default_rng([i, first])
        w = train(roots, alice_task, lam, steps, setting.lr, seeds, rng)
        mean = np.stack([alice(sigma, alice_task, lam, steps, setting.lr) for sigma in sigmas])[:, None]
        r = np.stack([correlation(alices, bob_task, sigma) for alices, sigma in zip(w, sigmas)])
        measured: list[tuple] = [
            ("own weight", 0, w @ alice_task, mean @ alice_task),
            ("bob's weight", 0, w @ bob_task, mean @ bob_task),
            ("unchanged", 0, reuse(w, roots, bob_task, 0, bobs, rng), accuracy(r), spread(r, 0, bobs)),
        ]
        for n in samples:
            value = reuse(w, roots, bob_task, n, bobs, rng)
            measured.append(("fine-tuned", n, value, tuned(r, n), spread(r, n, bobs)))
        tables += [rows("linear", places, rule, strength, *measure) for measure in measured]
    return pd.concat(tables, ignore_index=True)


def rows(
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
    """Long rows, as of `linear`, for value [places, seeds] at `places`, (coupling, alpha) of each."""
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
    """Alices with one hidden layer of ReLUs: first weights untrained [seeds, width, p], trained [settings,
    seeds, width, p], heads.

    Adam on fresh samples, rate falling to 0. A seed has the same start and the same draws in every setting:
    it is paired."""
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

    measure: Bob's accuracy "unchanged", "fine-tuned" (a new last layer on n samples) and "untrained" (the
    same on the layer she began with), without an exact law; "unchanged risk" and "fine-tuned risk", E (f -
    beta . x)^2 / E (beta . x)^2 on `HIDDEN_TESTS` new samples, whose exact value given the network follows
    from the arc-cosine kernel; "share" and "untrained share" of Bob's task in the span of the layer, the same
    in closed form, not simulated."""
    places = [(coupling, alpha) for coupling in COUPLINGS for alpha in alphas]
    roots, (alice_task, bob_task) = np.stack([root(setting.sigma(*place)) for place in places]), setting.tasks
    start, w, v = hidden_alices(roots, alice_task, width, steps, lr, seeds)
    measured: dict[tuple[str, int], list] = {}
    for i, seed in product(range(len(places)), range(seeds)):
        net = relu.Net(w[i, seed], v[i, seed])
        for key, values in _one_hidden(roots[i], bob_task, start[seed], net, samples, seed, i).items():
            measured.setdefault(key, []).append(values)
    shape = (len(places), seeds)
    tables = []
    for key, triples in measured.items():
        columns = [np.reshape(column, shape) for column in zip(*triples)]
        tables.append(rows("hidden", places, "adam", steps, *key, *columns))
    return pd.concat(tables, ignore_index=True)


def _one_hidden(
    half: np.ndarray,
    bob_task: np.ndarray,
    start: np.ndarray,
    net: relu.Net,
    samples: Sequence[int],
    seed: int,
    place: int,
) -> dict[tuple[str, int], tuple[float, float, float]]:
    """(value, expected, spread) of every measure for one Alice. In z = Sigma^(-1/2) x all inputs are N(0, I):
    weights times `half`."""
    size = np.linalg.norm(bob_task @ half)
    b = bob_task @ half / size
    target = relu.Net(np.stack([b, -b]), np.array([1.0, -1.0]))
    layers = {"untrained": start @ half, "fine-tuned": net.w @ half}
    z = np.random.default_rng([seed, place, 3]).standard_normal((HIDDEN_TESTS, len(b)))
    nets = {("unchanged", 0): relu.Net(layers["fine-tuned"], net.v / size)}
    for n in samples:
        x = np.random.default_rng([seed, n, 2]).standard_normal((n, len(b)))
        for name, w in layers.items():
            nets[name, n] = relu.Net(w, relu.solve(np.maximum(x @ w.T, 0), (x @ b)[:, None])[:, 0])
    measured = {}
    for (name, n), bob_net in nets.items():
        output, label = np.maximum(z @ bob_net.w.T, 0) @ bob_net.v, z @ b
        right = (1 + np.sign(output * label)) / 2  # where all neurons are silent, a coin decides
        measured[name, n] = right.mean(), np.nan, np.nan
        if name != "untrained":
            square = (output - label) ** 2
            error = square.std(ddof=1) / len(z) ** 0.5
            measured[f"{name} risk", n] = square.mean(), relu.risk(bob_net, target), error
    for name, w in {"share": layers["fine-tuned"], "untrained share": layers["untrained"]}.items():
        measured[name, 0] = relu.overlap(target, w), np.nan, np.nan
    return measured
