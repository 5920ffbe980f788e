"""Gradient descent on deep linear networks, many side by side: W_1 [nets, D, width], ..., W_L [nets, width,
1].

The loss of a network is sum_i spectrum_i (beta_i - optimum_i)^2 / 2 with beta = W_1 ... W_L: a regression,
its inputs turned to their principal axes, with which gradient descent commutes."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reuselab.check import Rule, integer, number

Array = np.ndarray
POSITIVE = number(0, above=True)
RULES: dict[str, Rule] = {
    "steps": integer(0, 10**9),
    "lr": POSITIVE,
    "tolerance": POSITIVE,
    "max_steps": integer(1, 10**9),
    "scale": POSITIVE,
    "width": integer(1, 10_000),
    "fineness": number(1),
}


@dataclass(frozen=True)
class Options:
    """How long and how finely to descend. ValueError for a value out of range.

    steps: None runs until every gradient (with respect to beta) is below `tolerance`, or warns
    (RuntimeWarning) after `max_steps`; a number stops after exactly so many, converged or not. lr: None is
    half the stable step at the current weights, and the shorter the larger gradient times `fineness` is:
    finite steps break the conservation law, by an amount in the risk that falls as 1 / `fineness`. A number
    is a fixed rate, stable while lr lambda_max (|W_1|^2 + |W_2|^2) < 1 at depth 2, lambda_max the largest of
    `spectrum` over 2. scale, width: layer norm of the start from scratch, and hidden units. Rank-one weights
    stay so: no width changes a risk."""

    steps: int | None = None
    lr: float | None = None
    tolerance: float = 1e-8
    max_steps: int = 200_000
    scale: float = 1e-5
    width: int = 1
    fineness: float = 300.0

    def __post_init__(self):
        for name, value in vars(self).items():
            if value is not None:
                RULES[name](name, value)


def balanced(start: Array, inner: Array) -> list[Array]:
    """Rank-one layers of equal norm whose product is `start` [nets, D]; inner: unit vectors [nets, L - 1,
    width]."""
    norm = np.linalg.norm(start, axis=1)[:, None]
    size = norm ** (1 / (inner.shape[1] + 1))
    vectors = [start / norm, *np.moveaxis(inner, 1, 0), np.ones_like(norm)]
    return [size[:, :, None] * a[:, :, None] * b[:, None, :] for a, b in pairwise(vectors)]


def descend(
    layers: list[Array], trained: Sequence[Array], spectrum: Array, optimum: Array, options: Options
) -> Array:
    """beta [nets, D] after descent on `trained`, a tail of `layers`; spectrum and optimum [nets, D]. Changes
    the layers in place.

    ValueError where a learning rate diverges.
    """
    limit = options.max_steps if options.steps is None else options.steps
    for step in range(limit + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            beta, gradients = _gradients(layers, spectrum, optimum)
            slope, rate = _slope_and_rate(layers, gradients[-len(trained)], spectrum, options)
        if not np.all(np.isfinite(slope)):
            raise ValueError("lr must be smaller here: the descent diverged")
        if step == options.steps or (options.steps is None and np.all(slope <= options.tolerance)):
            return beta
        for W, gradient in zip(trained, gradients[-len(trained) :]):
            W -= rate * gradient
    warnings.warn(
        f"{np.sum(slope > options.tolerance)} of {len(slope)} descents not converged after {limit} steps: "
        f"gradient up to {slope.max():.1e}, tolerance {options.tolerance:.1e}",
        RuntimeWarning,
        stacklevel=4,
    )
    return beta


def _gradients(layers: list[Array], spectrum: Array, optimum: Array) -> tuple[Array, list[Array]]:
    """beta [nets, D] and the gradient of the loss in every layer."""
    right = [np.ones((len(spectrum), 1))]
    for W in reversed(layers):
        right.append(np.einsum("rij,rj->ri", W, right[-1]))
    left, gradients = spectrum * (right[-1] - optimum), []
    for W, r in zip(layers, right[-2::-1]):
        gradients.append(left[:, :, None] * r[:, None, :])
        left = np.einsum("rij,ri->rj", W, left)
    return right[-1], gradients


def _slope_and_rate(
    layers: list[Array], gradient: Array, spectrum: Array, options: Options
) -> tuple[Array, Array | float]:
    """Size of the gradient with respect to beta [nets], and the learning rate, which broadcasts against a
    layer."""
    depth = len(layers)
    size = np.max([np.einsum("rij,rij->r", W, W) for W in layers], axis=0) ** 0.5
    slope = np.linalg.norm(gradient, axis=(1, 2)) / size ** (depth - 1)
    if options.lr is not None:
        return slope, options.lr
    top = spectrum.max(1)
    curvature = depth * (top * size ** (2 * depth - 2) + options.fineness * slope * size ** (depth - 2))
    return slope, (0.5 / curvature)[:, None, None]
