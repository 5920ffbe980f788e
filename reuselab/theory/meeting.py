"""Where the two papers meet: pairs of Gaussian images, and networks that are deep and linear.

Alice's half a and Bob's half b are N(0, I_p) each, facing pixels correlate by phi. She learns the task u . a,
he v . b, both vectors of length 1; the correlation of the two tasks over pairs is rho. She sees the whole
pair, as Mohamud & Brink's networks do; her first layers, cut and frozen, leave one feature, and he fits a new
head. Whitened, a pair is x ~ N(0, I_2p), and this is `linear` at d = 2 p, to the letter: a source and a
target vector of length 1, cos(theta) = E (u . a)(v . b) = phi u . v, which is the tasks' correlation rho.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reuselab.check import integer, number

Array = NDArray[np.float64]


class Pairs(NamedTuple):
    """The covariance of a pair's pixels [2p, 2p] (her half first), and both tasks as vectors on them [2p]."""

    covariance: Array
    alice: Array
    bob: Array


def gaussian(p: int, phi: float, alignment: float) -> Pairs:
    """Pairs of images of `p` pixels whose tasks meet at u . v = `alignment`, so that rho = phi * alignment.

    ValueError: p < 2, phi outside (-1, 1), alignment outside [-1, 1].
    """
    integer(2, 10_000)("p", p)
    number(-1 + 1e-9, 1 - 1e-9)("phi", phi)
    number(-1, 1)("alignment", alignment)
    covariance: Array = np.kron(np.array([[1.0, phi], [phi, 1.0]]), np.eye(p))
    alice, bob = np.zeros(2 * p), np.zeros(2 * p)
    alice[0] = 1
    bob[p], bob[p + 1] = alignment, np.sqrt(1 - alignment**2)
    return Pairs(covariance, alice, bob)


def correlation(pairs: Pairs) -> float:
    """rho: the correlation of Alice's task and Bob's over pairs, in the first paper's words."""
    length = np.sqrt([task @ pairs.covariance @ task for task in (pairs.alice, pairs.bob)]).prod()
    return float(pairs.alice @ pairs.covariance @ pairs.bob / length)


def cosine(pairs: Pairs) -> float:
    """cos(theta) between the two tasks where the pixels are white, in the second paper's words."""
    alice, bob = (_root(pairs) @ task for task in (pairs.alice, pairs.bob))
    return float(alice @ bob / np.linalg.norm(alice) / np.linalg.norm(bob))


def _root(pairs: Pairs) -> Array:
    """The symmetric square root of the covariance."""
    values, vectors = np.linalg.eigh(pairs.covariance)
    return (vectors * np.sqrt(values)) @ vectors.T


def layers(task: Array, depth: int, width: int, seed: int) -> list[Array]:
    """A deep linear network that has learnt `task`: balanced layers of rank one, [D, width], ..., [width, 1].

    So gradient flow leaves it from vanishing weights (`descent`): its product is the task.
    """
    rng = np.random.default_rng(seed)
    length, inner = np.linalg.norm(task), rng.standard_normal((depth - 1, width))
    units = [task / length, *(inner / np.linalg.norm(inner, axis=1, keepdims=True)), np.ones(1)]
    return [length ** (1 / depth) * np.outer(one, other) for one, other in pairwise(units)]


def retrained(images: Array, answers: Array, alice: list[Array], retrain: int) -> Array:
    """Bob's weights on the pixels [D]: Alice's lower layers, frozen, under `retrain` layers that he fits.

    Layers that are linear and fitted to the end, from vanishing weights, are one least squares of minimum
    length on the features below the cut; all of them retrained, that is training from scratch.
    """
    integer(1, len(alice))("retrain", retrain)
    below = np.eye(images.shape[1])
    for layer in alice[: len(alice) - retrain]:
        below = below @ layer
    return below @ np.linalg.pinv(images @ below, rcond=1e-10) @ answers


def risk(pairs: Pairs, weights: Array) -> float:
    """The noise-free excess risk of `weights` [2p] on Bob's task: E (w . x - v . b)^2."""
    miss = weights - pairs.bob
    return float(miss @ pairs.covariance @ miss)


def draw(pairs: Pairs, n: int, sigma: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """n pairs [n, 2p] and Bob's answers [n], with noise of standard deviation `sigma`."""
    x = rng.standard_normal((n, len(pairs.bob))) @ _root(pairs)
    return x, x @ pairs.bob + sigma * rng.standard_normal(n)


def best_head(pairs: Pairs, alice: list[Array]) -> Array:
    """Bob's weights on the pixels with endless pairs and one new head: all that her last feature holds."""
    below = np.linalg.multi_dot([*alice[:-1], np.eye(alice[-2].shape[1])])
    moments = below.T @ pairs.covariance @ below
    return below @ np.linalg.pinv(moments, rcond=1e-10) @ below.T @ pairs.covariance @ pairs.bob
