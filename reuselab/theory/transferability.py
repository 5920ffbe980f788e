"""How well a network's outputs or features suit labels, told from arrays and without training a network.

A higher score is meant to promise a higher accuracy after transfer. Labels are int [n], from 0.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

TOLERANCE, STEPS = 1e-6, 200  # of LogME's fixed point: relative change of alpha / beta, and its end
ALMOST_NOTHING = 1e-12


def _one_hot(labels: ArrayLike) -> NDArray[np.float64]:
    """A row an example and a column a class that occurs, [n, K]."""
    labels = np.asarray(labels)
    return (labels[:, None] == np.unique(labels)).astype(float)


def leep(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """LEEP: mean log-likelihood of the labels where her classes stand between (Nguyen et al. 2020).

    probabilities: what her head gives each of her K_s classes, [n, K_s], rows that sum to 1. The joint
    distribution of his and her class is counted with these as weights; in nats, at most 0.
    """
    hers, his = np.asarray(probabilities, dtype=float), _one_hot(labels)
    joint = his.T @ hers  # [K, K_s]
    given_hers = joint / np.maximum(joint.sum(0), np.finfo(float).tiny)
    return float(np.log((hers @ given_hers.T)[his.astype(bool)]).mean())


def nce(source_labels: ArrayLike, labels: ArrayLike) -> float:
    """NCE: minus the conditional entropy of his labels given hers, in nats (Tran et al. 2019).

    source_labels: her most likely class for each of his images, int [n].
    """
    return leep(_one_hot(source_labels), labels)


def h_score(features: ArrayLike, labels: ArrayLike, shrinkage: float | None = None) -> float:
    """H-score: tr(cov(f)^-1 cov(E[f | y])), variance between classes in her units (Bao et al. 2019).

    features: [n, d]. shrinkage: by how much cov(f) is drawn towards a multiple of the identity, which it
    needs where n is not far above d; None: Ledoit and Wolf's, and then the score is multiplied by 1 -
    shrinkage (Ibrahim et al. 2022). 0: none, with a pseudo-inverse where cov(f) is singular.
    """
    x, his = np.asarray(features, dtype=float), _one_hot(labels)
    x = x - x.mean(0)
    n, d = x.shape
    alpha = float(ledoit_wolf_shrinkage(x, assume_centered=True)) if shrinkage is None else shrinkage
    # In the basis of cov(f)'s own directions, of which no others carry variance between classes.
    _, s, directions = np.linalg.svd(x, full_matrices=False)
    spread = (1 - alpha) * s**2 / n + alpha * (s**2).sum() / (n * d)
    real = s > ALMOST_NOTHING * max(s.max(), ALMOST_NOTHING) * max(n, d)
    counts = his.sum(0)
    means = (his.T @ x / counts[:, None]) @ directions.T  # [K, r]
    between = (counts / n) @ means**2
    return float((1 - alpha) * (between[real] / spread[real]).sum())


def logme(features: ArrayLike, labels: ArrayLike) -> float:
    """LogME: log evidence per example of a Bayesian linear model, mean over classes (You et al. 2021).

    features: f [n, d]. Each class's labels, 1 or 0, are f w + noise, w ~ N(0, 1 / alpha), noise ~
    N(0, 1 / beta); alpha and beta are those that make the labels most likely.
    """
    x, his = np.asarray(features, dtype=float), _one_hot(labels)
    n = len(x)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    s2, z2 = (s**2)[:, None], (u.T @ his) ** 2  # [r, 1], [r, K]
    beyond = np.maximum((his**2).sum(0) - z2.sum(0), 0)  # of the labels, what no weights reach
    ratio = np.ones(his.shape[1])  # alpha / beta
    for _ in range(STEPS):
        known = (s2 / (s2 + ratio)).sum(0)
        weights = (s2 * z2 / (s2 + ratio) ** 2).sum(0)
        residual = (z2 * (ratio / (s2 + ratio)) ** 2).sum(0) + beyond
        alpha = known / np.maximum(weights, ALMOST_NOTHING)
        beta = (n - known) / np.maximum(residual, ALMOST_NOTHING)
        before, ratio = ratio, np.maximum(alpha / beta, ALMOST_NOTHING)
        if (abs(ratio - before) <= TOLERANCE * before).all():
            break
    evidence = (
        len(s) * np.log(alpha)
        + n * np.log(beta / (2 * np.pi))
        - beta * residual
        - alpha * weights
        - np.log(alpha + beta * s2).sum(0)
    ) / 2
    return float(evidence.mean() / n)
