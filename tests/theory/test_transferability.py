"""Estimators of transferability, by hand on tiny tables and against what they are defined by."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from reuselab.theory.transferability import h_score, leep, logme, nce

# Two images of each of his classes, and what her two classes are given.
LABELS = [0, 0, 1, 1]
HERS = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.0, 1.0]]


def test_leep_by_hand():
    # His classes given hers, from her column sums 2.0 and 2.0: 1.6 / 2 and 0.4 / 2.
    likely = [0.9 * 0.8 + 0.1 * 0.2, 0.7 * 0.8 + 0.3 * 0.2, 0.4 * 0.2 + 0.6 * 0.8, 0.8]
    assert leep(HERS, LABELS) == pytest.approx(np.log(likely).mean())


def test_nce_by_hand():
    # Her first class holds his 0, 0, her second his 0, 1, 1: H = 3/5 of the entropy of (1/3, 2/3).
    expected = 3 / 5 * (1 / 3 * np.log(1 / 3) + 2 / 3 * np.log(2 / 3))
    assert nce([0, 0, 1, 1, 1], [0, 0, 0, 1, 1]) == pytest.approx(expected)


@pytest.mark.parametrize("score", [leep, lambda hers, labels: nce(np.argmax(hers, 1), labels)])
def test_scores_of_her_head_lie_between_ignorance_and_certainty(score):
    certain, ignorant = np.eye(2)[LABELS], np.eye(2)[[0, 1, 0, 1]]
    assert score(certain, LABELS) == pytest.approx(0)
    assert score(ignorant, LABELS) == pytest.approx(-np.log(2))
    assert score(certain[:, ::-1], LABELS) == pytest.approx(0), "her classes' names are of no account"


def test_h_score_by_hand():
    # One feature: class means -1 and 1, within each class +-1: between 1, in all 2.
    assert h_score([[-2.0], [0.0], [0.0], [2.0]], LABELS, shrinkage=0) == pytest.approx(1 / 2)
    # A second feature that varies within classes alone and on its own adds nothing.
    two = [
        [-2.0, 1.0],
        [0.0, 1.0],
        [0.0, -1.0],
        [2.0, -1.0],
        [-2.0, -1.0],
        [0.0, -1.0],
        [0.0, 1.0],
        [2.0, 1.0],
    ]
    assert h_score(two, LABELS * 2, shrinkage=0) == pytest.approx(1 / 2)


def test_h_score_shrunk_is_what_the_matrices_say():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 5)
    x = rng.standard_normal((15, 6)) @ rng.standard_normal((6, 6)) + labels[:, None]
    covariance = np.cov(x.T, bias=True)
    means = np.array([x[labels == k].mean(0) for k in labels])
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 6 * np.eye(6)
    expected = 0.7 * np.trace(np.linalg.solve(shrunk, np.cov(means.T, bias=True)))
    assert h_score(x, labels, shrinkage=0.3) == pytest.approx(expected)


def test_h_score_by_itself_shrinks_where_there_are_more_features_than_images():
    rng = np.random.default_rng(1)
    noise, labels = rng.standard_normal((20, 100)), np.repeat([0, 1], 10)
    assert h_score(noise, labels, shrinkage=0) == pytest.approx(1), "19 directions hold every label"
    assert h_score(noise, labels) < 0.5


def evidence(x, y, log_alpha, log_beta):
    covariance = np.exp(-log_beta) * np.eye(len(x)) + np.exp(-log_alpha) * x @ x.T
    return multivariate_normal(np.zeros(len(x)), covariance).logpdf(y) / len(x)


def greatest_evidence(x, y):
    """Over alpha and beta, from several starts: there may be two summits."""
    starts = [(log_alpha, 1.0) for log_alpha in (0.0, 4.0, 8.0)]
    return max(
        -minimize(lambda logs: -evidence(x, y, *logs), start, method="Nelder-Mead").fun for start in starts
    )


@pytest.mark.parametrize("d", [3, 12, 60], ids=["few features", "some", "more than images"])
def test_logme_is_the_greatest_evidence(d):
    rng = np.random.default_rng(d)
    x = rng.standard_normal((30, d))
    labels = (x[:, 0] + rng.standard_normal(30) > 0).astype(int)
    greatest = [greatest_evidence(x, (labels == k).astype(float)) for k in (0, 1)]
    assert logme(x, labels) == pytest.approx(np.mean(greatest), abs=1e-4)


def test_logme_prefers_features_that_hold_the_labels_to_noise_and_has_an_end_where_they_fit_wholly():
    rng = np.random.default_rng(2)
    labels = np.arange(40) % 2
    noise, telling = rng.standard_normal((2, 40, 5))
    telling[:, 0] += 3 * labels
    assert logme(telling, labels) > logme(noise, labels) + 0.1
    assert np.isfinite(logme(np.eye(2)[labels], labels))


@pytest.mark.parametrize("score", [logme, h_score])
def test_a_rotation_of_the_features_changes_no_score(score):
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((25, 8)), np.arange(25) % 3
    turn, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    assert score(x @ turn, labels) == pytest.approx(score(x, labels))
