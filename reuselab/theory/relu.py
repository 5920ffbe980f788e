"""Transfer between two-layer ReLU networks: the nonlinear check of "features are fate".

A network is f(x) = sum_j v_j max(w_j . x, 0) with directions w [width, d] and heads v [width]; x ~ N(0, I_d).
Teachers have unit directions and E f^2 = 1. The target keeps the source teacher's neurons but for a fraction
mu, which are ablated: new ones take their place, or, with `replace=False`, nothing. Risk is the noise-free
excess E (f_hat - f_target)^2, gain is risk(scratch) - risk(transfer). Every expectation over x is exact:
products of ReLUs average to the arc-cosine kernel. Setting: Tahir, Ganguli & Rotskoff 2025, section 4, as
described in public notes; the recipe is this project's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.linear_model import RidgeCV
from torch import Tensor

from reuselab.check import Rule, boolean, integer, number, several
from reuselab.stats import interval

METHODS = ("scratch", "random", "linear", "fine_tune")
PENALTIES = np.logspace(
    -10, 0, 31
)  # of `solve`, as shares of the largest eigenvalue of the features' Gram matrix
SPAN = 1e-12  # directions of the Gram matrix below this share of its largest eigenvalue are no features
RULES: dict[str, Rule] = {
    "d": integer(2, 10_000),
    "teacher_width": integer(2, 10_000),
    "student_width": integer(2, 100_000),
    "samples": several(integer(4, 10_000_000)),
    "ablations": several(number(0, 1)),
    "decay_samples": several(integer(4, 10_000_000)),
    "sigma": number(0, 10),
    "replace": boolean(),
    "steps": integer(1, 1_000_000),
    "source_steps": integer(1, 1_000_000),
    "lr": number(0, 1, above=True),
    "source_lr": number(0, 1, above=True),
}


def check_ablation(mu: float, width: int, *, replace: bool) -> None:
    """ValueError where all `width` neurons are ablated and nothing takes their place."""
    if not replace and round(mu * width) >= width:
        raise ValueError(f"ablations must leave a neuron where replace is false; {mu:g} ablates all {width}")


class Net(NamedTuple):
    """Directions w [width, d] and heads v [width] of one network."""

    w: np.ndarray
    v: np.ndarray


@dataclass(frozen=True)
class Setting:
    """Sizes and recipe. `source_steps` batches of `batch` fresh noiseless source samples, `steps` full-batch
    target steps.

    Adam throughout, its rate falling linearly to 0 from `source_lr` and from `lr`. Raises ValueError for a
    value out of range."""

    d: int = 50
    teacher_width: int = 50
    student_width: int = 200
    sigma: float = 0.1
    replace: bool = True
    steps: int = 300
    lr: float = 0.005
    source_steps: int = 1000
    source_lr: float = 0.03
    batch: int = 512

    def __post_init__(self):
        for name, value in vars(self).items():
            if name in RULES:
                RULES[name](name, value)


def gram(u: ArrayLike, w: ArrayLike) -> np.ndarray:
    """E max(u_i . x, 0) max(w_j . x, 0) over x ~ N(0, I): [len(u), len(w)] for u [., d], w [., d].

    |u| |w| (sin phi + (pi - phi) cos phi) / (2 pi), phi the angle between u and w: half the arc-cosine kernel
    of order 1 of Cho & Saul (2009). ValueError unless both are matrices over the same inputs."""
    u, w = np.asarray(u, dtype=float), np.asarray(w, dtype=float)
    if u.ndim != 2 or w.ndim != 2 or u.shape[1] != w.shape[1]:
        raise ValueError(
            f"directions must be two matrices with equally many columns, not {u.shape} and {w.shape}"
        )
    norms = np.outer(np.linalg.norm(u, axis=1), np.linalg.norm(w, axis=1))
    cos = np.clip(u @ w.T / np.where(norms > 0, norms, 1), -1, 1)
    phi = np.arccos(cos)
    return norms * (np.sin(phi) + (np.pi - phi) * cos) / (2 * np.pi)


def power(net: Net) -> float:
    """E f^2 = v' K(w, w) v."""
    return float(net.v @ gram(net.w, net.w) @ net.v)


def risk(net: Net, target: Net) -> float:
    """E (f_net - f_target)^2, exact: the power of the two networks side by side, the second with its sign
    turned."""
    return max(power(Net(np.vstack([net.w, target.w]), np.concatenate([net.v, -target.v]))), 0.0)


def overlap(target: Net, features: ArrayLike) -> float:
    """Share of E f_target^2 that lies in the span of the neurons with directions `features` [width, d], from
    0 to 1.

    k' K^+ k / E f_target^2 with K = K(features, features), k = K(features, w) v: the squared norm, in L2 of
    the Gaussian inputs, of the target's projection. 1 - overlap is the least risk, per power, of any head on
    these features."""
    values, vectors = np.linalg.eigh(gram(features, features))
    spanned = values > SPAN * values[-1]
    moments = vectors[:, spanned].T @ (gram(features, target.w) @ target.v)
    return float(np.clip((moments**2 / values[spanned]).sum() / power(target), 0, 1))


def teacher(d: int, width: int, seed: int) -> Net:
    """A source teacher: directions uniform on the sphere, heads of one size and turning sign, E f^2 = 1.

    Half of the heads each way: else the mean of f, which any learner gets at once, would differ between
    teachers."""
    return _unit_power(_directions(width, d, np.random.default_rng([seed, 0])), np.resize([1.0, -1.0], width))


def ablated(source: Net, mu: float, seed: int, *, replace: bool = True) -> Net:
    """The target: round(mu * width) neurons of `source` ablated, E f^2 = 1 again. Nested: what mu ablates,
    more mu does too.

    With `replace` a new direction, same head, stands in for each; without, the target is a part of the
    source, and mu = 1 would leave nothing (ValueError)."""
    RULES["ablations"]("ablations", [mu])
    check_ablation(mu, len(source.v), replace=replace)
    width, d = source.w.shape
    rng = np.random.default_rng([seed, 1])
    fresh, gone = _directions(width, d, rng), rng.permutation(width) < round(mu * width)
    v = source.v if replace else np.where(gone, 0, source.v)
    return _unit_power(np.where(gone[:, None], fresh, source.w), v)


def _directions(width: int, d: int, rng: np.random.Generator) -> np.ndarray:
    w = rng.standard_normal((width, d))
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def _unit_power(w: np.ndarray, v: np.ndarray) -> Net:
    return Net(w, v / np.sqrt(power(Net(w, v))))


def sample(targets: Sequence[Net], n: int, sigma: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x [n, d] and y [n, targets]: every target labels the same inputs, with the same noise."""
    rng = np.random.default_rng([seed, 2, n])
    x, noise = rng.standard_normal((n, targets[0].w.shape[1])), rng.standard_normal((n, 1))
    return x, np.stack([np.maximum(x @ w.T, 0) @ v for w, v in targets], 1) + sigma * noise


def solve(features: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heads [width, targets] that fit each column of `y` [n, targets] on `features` [n, width] by ridge
    regression.

    Minimises |features v - y|^2 + ridge |v|^2 in float64; each column takes the ridge of least leave-one-out
    error (closed form) among `PENALTIES` times the top eigenvalue."""
    features = np.asarray(features, dtype=float)
    top = np.linalg.norm(features, 2) ** 2
    if top == 0:  # every neuron silent on every sample
        return np.zeros((features.shape[1], y.shape[1]))
    ridge = RidgeCV(top * PENALTIES, fit_intercept=False, alpha_per_target=True)
    return ridge.fit(features, y).coef_.reshape(y.shape[1], -1).T


def device() -> torch.device:
    """CUDA where it is there, else the CPU. (Not `train.device`: a worker starts in half the time without
    torchvision.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    w: Tensor, v: Tensor, batch: Callable[[int], Sequence[Tensor]], steps: int, lr: float
) -> tuple[Tensor, Tensor]:
    """Train several networks at once, each on its own: w [nets, width, d], v [nets, width]; returns them
    trained.

    batch(i): inputs x [n, d], shared, or [nets, n, d], and labels y [n, nets] of step i. Adam on the mean
    squared error, rate to 0."""
    w, v = w.clone().requires_grad_(), v.clone().requires_grad_()
    optimizer = torch.optim.Adam([w, v], lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 1 - i / steps)
    for i in range(steps):
        w.grad, v.grad = gradients(w, v, *batch(i))
        optimizer.step()
        schedule.step()
    return w.detach(), v.detach()


@torch.no_grad()
def gradients(w: Tensor, v: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Of each network's mean squared error in w and in v; x, y as in `fit`.

    By hand: the one large array, a neuron by a sample, is then gone through half as often as by autograd.
    """
    hidden = (x @ w.mT).relu_()
    error = 2 / len(y) * ((hidden @ v[..., None])[..., 0] - y.T)
    in_v = (error[:, None] @ hidden)[:, 0]
    fires = hidden.sign_()
    return v[..., None] * (fires.mT @ (error[..., None] * x)), in_v


def outputs(w: Tensor, v: Tensor, x: Tensor) -> Tensor:
    """f(x) [n, nets] for x [n, d], or for inputs of each network's own, x [nets, n, d]."""
    if x.ndim == 3:
        return ((x @ w.mT).relu() @ v[..., None])[..., 0].T
    return ((x @ w.flatten(0, 1).T).relu().unflatten(1, v.shape) * v).sum(2)


def fresh_student(setting: Setting, seed: int) -> Net:
    """An untrained student: Gaussian directions of mean square 1, heads of mean square 1/width. Its
    directions are the random features, its weights where both pre-training and scratch begin."""
    rng = np.random.default_rng([seed, 3])
    width, d = setting.student_width, setting.d
    return Net(rng.standard_normal((width, d)) / np.sqrt(d), rng.standard_normal(width) / np.sqrt(width))


def pretrained(source: Net, setting: Setting, seed: int) -> Net:
    """The source student: trained on `source_steps` * `batch` noiseless samples of the source, none seen
    twice."""
    where = device()
    generator = torch.Generator(where).manual_seed(seed)
    w, v = _tensors([source], where)

    def batch(_):
        x = torch.randn(setting.batch, setting.d, generator=generator, device=where)
        return x, outputs(w, v, x)

    start = _tensors([fresh_student(setting, seed)], where)
    return _nets(*fit(start[0], start[1], batch, setting.source_steps, setting.source_lr))[0]


def trained(starts: Sequence[Net], x: np.ndarray, y: np.ndarray, setting: Setting) -> list[Net]:
    """Every network of `starts` trained full batch on inputs x [n, d] and its own column of y [n,
    len(starts)]."""
    where = device()
    data = [torch.tensor(part, dtype=torch.float32, device=where) for part in (x, y)]
    w, v = _tensors(starts, where)
    return _nets(*fit(w, v, lambda _: data, setting.steps, setting.lr))


def _tensors(nets: Sequence[Net], where: torch.device) -> list[Tensor]:
    return [torch.tensor(np.stack(part), dtype=torch.float32, device=where) for part in zip(*nets)]


def _nets(w: Tensor, v: Tensor) -> list[Net]:
    return [Net(*pair) for pair in zip(w.double().cpu().numpy(), v.double().cpu().numpy())]


def transfer(seed: int, setting: Setting, samples: Sequence[int], ablations: Sequence[float]) -> list[dict]:
    """The rows of one seed, one for each mu and n: overlaps, and the risk of each of `METHODS`, paired on the
    same data."""
    source = teacher(setting.d, setting.teacher_width, seed)
    targets = [ablated(source, mu, seed, replace=setting.replace) for mu in ablations]
    start, student = fresh_student(setting, seed), pretrained(source, setting, seed)
    layers = {"overlap": source.w, "student_overlap": student.w, "random_overlap": start.w}
    spanned = [{name: overlap(target, w) for name, w in layers.items()} for target in targets]
    rows = []
    for n in samples:
        risks = _risks(start, student, targets, n, setting, seed)
        for i, mu in enumerate(ablations):
            row = {"seed": seed, "mu": mu, "n": n, **spanned[i], "source_risk": risk(student, source)}
            rows.append(row | {method: risks[method][i] for method in METHODS})
    return rows


def _risks(
    start: Net, student: Net, targets: Sequence[Net], n: int, setting: Setting, seed: int
) -> dict[str, list[float]]:
    """Risk of every method on each of `targets`, all learnt from the same n inputs."""
    x, y = sample(targets, n, setting.sigma, seed)
    count = len(targets)
    tuned = trained([start] * count + [student] * count, x, np.hstack([y, y]), setting)
    nets = {"scratch": tuned[:count], "fine_tune": tuned[count:]}
    for method, w in {"random": start.w, "linear": student.w}.items():
        nets[method] = [Net(w, head) for head in solve(np.maximum(x @ w.T, 0), y).T]
    return {method: [risk(*pair) for pair in zip(of, targets)] for method, of in nets.items()}


def decay(seed: int, setting: Setting, samples: Sequence[int]) -> list[dict]:
    """Scratch alone, on the source teacher's task, for larger samples: rows seed, n, scratch."""
    task, start = teacher(setting.d, setting.teacher_width, seed), fresh_student(setting, seed)
    nets = [trained([start], *sample([task], n, setting.sigma, seed), setting)[0] for n in samples]
    return [{"seed": seed, "n": n, "scratch": risk(net, task)} for n, net in zip(samples, nets)]


def one_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """`work(*arguments)` on one thread: sums are taken in the same order wherever it runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work(*arguments)
    finally:
        torch.set_num_threads(threads)


def exponent(samples: ArrayLike, risks: ArrayLike) -> tuple[float, float, float]:
    """Slope of log risk against log n: mean over curves `risks` [curves, n] and its 95 % t-interval.

    One least-squares line a curve. ValueError for fewer than two sample sizes or a risk not above 0.
    """
    samples, risks = np.asarray(samples, dtype=float), np.atleast_2d(np.asarray(risks, dtype=float))
    if len(samples) < 2 or risks.shape[1] != len(samples) or not (risks > 0).all() or not (samples > 0).all():
        raise ValueError(
            f"an exponent needs two or more sample sizes and a risk above 0 for each, not {risks.shape}"
        )
    return interval(np.polyfit(np.log(samples), np.log(risks).T, 1)[0])
