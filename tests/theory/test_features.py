"""Measures of overlap: closed forms, independent implementations, and honesty where images are few."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from scipy.linalg import lstsq
from torch import nn

from reuselab.experiment import train
from reuselab.experiment.photos import Photos
from reuselab.theory import features, linear

RNG = np.random.default_rng(0)


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def labels_of(n, classes=4, seed=1):
    return np.random.default_rng(seed).integers(classes, size=n)


def turned(d, seed=2):
    return np.linalg.qr(gaussian(d, d, seed))[0]


def test_cka_is_that_of_the_definition_with_centring_matrices():
    x, y = gaussian(30, 7), gaussian(30, 50, 1) + 1
    centre = np.eye(30) - 1 / 30

    def hsic(k, m):
        return np.trace(k @ centre @ m @ centre)

    k, m = x @ x.T, y @ y.T
    assert features.cka(x, y) == pytest.approx(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))


def test_cka_of_features_with_themselves_is_1_and_turning_scaling_shifting_change_nothing():
    x, y = gaussian(40, 6), gaussian(40, 60, 1)
    assert features.cka(x, x) == pytest.approx(1)
    assert features.cka(3 * x @ turned(6) + 5, y) == pytest.approx(features.cka(x, y))
    assert features.cka(y, x) == pytest.approx(features.cka(x, y))
    stretched = x * [10, 1, 1, 1, 1, 1]
    assert abs(features.cka(stretched, y) - features.cka(x, y)) > 0.01  # not of every invertible map


def test_cka_of_one_direction_with_many_is_its_share():
    """Of orthonormal centred columns: y one of d of equal length gives 1 / sqrt(d)."""
    q = np.linalg.qr(gaussian(20, 5) - gaussian(20, 5).mean(0))[0]
    assert features.cka(q, q[:, :1]) == pytest.approx(1 / np.sqrt(5))
    assert features.cka(q[:, :2], q[:, 2:]) == pytest.approx(0, abs=1e-12)
    assert features.cka(np.ones((20, 3)), q) == 0


def test_alignment_is_1_for_the_labels_themselves_and_0_for_a_factor_crossed_with_them():
    labels = np.tile([0, 1, 2], 4)
    crossed = np.repeat([0, 1, 2, 3], 3)
    assert features.alignment(features.one_hot(labels), labels) == pytest.approx(1)
    assert features.alignment(features.one_hot(crossed), labels) == pytest.approx(0, abs=1e-12)


def test_alignment_is_that_of_kernels():
    x, labels = gaussian(25, 4), labels_of(25)
    same = (labels[:, None] == labels).astype(float)
    same += -same.mean(0) - same.mean(1)[:, None] + same.mean()
    kernel = (x - x.mean(0)) @ (x - x.mean(0)).T
    expected = (kernel * same).sum() / np.linalg.norm(kernel) / np.linalg.norm(same)
    assert features.alignment(x, labels) == pytest.approx(expected)


def test_the_norm_is_the_root_of_the_summed_variances_and_scales():
    x = gaussian(50, 8) + 3
    assert features.norm(x) == pytest.approx(np.sqrt(x.var(0).sum()))
    assert features.norm(2 * x) == pytest.approx(2 * features.norm(x))


def test_the_ridge_is_the_head_that_a_probe_solves():
    """`train.solve` takes targets of -1 and 1: its answers are 2 y - 1."""
    images, labels = torch.from_numpy(gaussian(40, 12)).float()[:, :, None, None], labels_of(40)
    shown = Photos(images, torch.from_numpy(labels), torch.arange(40), 0.0, 1.0)
    net = train.solve(nn.Sequential(OrderedDict(flat=nn.Flatten())), shown, torch.from_numpy(labels), 4)
    new = gaussian(10, 12, 5)
    solved = net(torch.from_numpy(new).float()[:, :, None, None]).numpy()
    x = images.flatten(1).double().numpy()
    assert np.allclose(2 * features.ridge(x, features.one_hot(labels), new) - 1, solved, atol=1e-4)


def test_r2_is_that_of_ridge_regressions_written_out():
    x, labels = gaussian(30, 5), labels_of(30)
    x[:, 0] += labels
    y, told, held = features.one_hot(labels), np.zeros((30, 4)), []
    for fit, part in features._parts(30, 5):
        mean, sd, centre = x[fit].mean(0), x[fit].std(0), y[fit].mean(0)
        z, errors = (x[fit] - mean) / sd, []
        for penalty in features.PENALTIES:
            hat = 1 / len(fit) + z @ np.linalg.solve(z.T @ z + penalty * np.eye(5), z.T)
            left = y[fit] - centre - (hat - 1 / len(fit)) @ (y[fit] - centre)
            errors.append(((left / (1 - np.diag(hat))[:, None]) ** 2).sum())
        penalty = features.PENALTIES[np.argmin(errors)]
        weights = np.linalg.solve(z.T @ z + penalty * np.eye(5), z.T @ (y[fit] - centre))
        within = x[part].clip(x[fit].min(0), x[fit].max(0))
        told[part] = centre + (within - mean) / sd @ weights
        held.append(part)
    expected = 1 - ((y - told) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
    assert sorted(np.concatenate(held)) == list(range(30))
    assert features.r2(x, labels) == pytest.approx(expected)


def test_features_that_hold_the_labels_tell_all_and_new_images_judge_them():
    labels, new_labels = labels_of(200), labels_of(100, seed=9)
    mixed = gaussian(4, 10, 3)
    x, new = features.one_hot(labels) @ mixed, features.one_hot(new_labels) @ mixed
    assert features.r2(x, labels) > 0.99 and features.r2(x, labels, new, new_labels) > 0.99
    assert features.r2(x, labels, new, (new_labels + 1) % 4) < 0
    assert features.overlap(x, labels).cosine > 0.99 and features.overlap(x, labels).rank == 3


def test_features_that_are_all_but_constant_on_few_images_do_not_carry_the_answer_away():
    """As pixels at the border and units that hardly ever fire: R^2 fell to -4,000 and below."""
    labels = np.tile([0, 1, 2], 10)
    x = np.hstack([features.one_hot(labels), 1e-7 * abs(gaussian(30, 40))])
    x[np.arange(0, 30, 3), 3 + np.arange(10)] = 1.0
    assert features.r2(x, labels) > 0.5
    assert features.r2(x[:15], labels[:15], x[15:], labels[15:]) > 0.5


@pytest.mark.parametrize("n, d", [(30, 500), (100, 1000), (100, 20)])
def test_features_that_tell_nothing_are_not_taken_for_more(n, d):
    """Also where they outnumber the images, and least squares fits every label."""
    x, labels = gaussian(n, d), labels_of(n)
    assert features.r2(x, labels) < 0.08 and features.overlap(x, labels).cosine ** 2 < 0.08


def test_the_overlap_is_that_of_the_best_number_of_leading_directions():
    """A target in the second of ten directions of falling length, half noise: r = 2, cos^2 = 1/2."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1500, 10)) * np.arange(20, 0, -2)
    sign = x[:, 1] > 0
    labels = np.where(rng.random(1500) < 0.5, sign, rng.random(1500) < 0.5).astype(int)
    cosine, rank = features.overlap(x @ turned(10), labels)
    # A sign's correlation with its Gaussian is sqrt(2 / pi), that of the labels with the sign 1/2.
    assert 2 <= rank <= 4 and cosine == pytest.approx(np.sqrt(2 / np.pi) / 2, abs=0.05)


def test_the_error_in_one_direction_is_what_theory_says_of_linear_transfer():
    """Gaussian inputs seen through beta_s alone: E error = R + sigma^2, R of `linear.linear_transfer_risk`.

    The fitted mean costs another 1 / n of it, and a degree of freedom.
    """
    n, d, theta, sigma, draws = 12, 20, np.deg2rad(40), 0.3, 4000
    rng, errors = np.random.default_rng(4), []
    for _ in range(draws):
        x, noise = rng.standard_normal((n + 1, 2)), rng.standard_normal(n + 1)
        y = (np.cos(theta) * x[:, 0] + np.sin(theta) * x[:, 1] + sigma * noise)[:, None]
        errors.append(features._errors(x[:n, :1], y[:n], x[n:, :1], y[n:], 1)[1])
    risk = linear.linear_transfer_risk(n - 1, d, theta, sigma) + sigma**2
    expected = risk * (1 + 1 / n)
    assert abs(np.mean(errors) - expected) < 4 * np.std(errors) / np.sqrt(draws)


def test_errors_are_those_of_least_squares_on_principal_components():
    x, new, y, new_y = gaussian(20, 30), gaussian(6, 30, 1), gaussian(20, 2, 2), gaussian(6, 2, 3)
    directions = np.linalg.svd(x - x.mean(0))[2]
    for r in (1, 5, 18):
        scores = np.column_stack([np.ones(20), (x - x.mean(0)) @ directions[:r].T])
        weights = lstsq(scores, y)[0]
        told = np.column_stack([np.ones(6), (new - x.mean(0)) @ directions[:r].T]) @ weights
        assert features._errors(x, y, new, new_y, 18)[r] == pytest.approx(((told - new_y) ** 2).sum())


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "x, labels, told",
    [
        (np.ones(5), np.zeros(5, int), "table"),
        (np.full((9, 2), np.nan), np.zeros(9, int), "finite"),
        (np.ones((9, 2)), np.zeros(8, int), "go with 8"),
        (np.ones((9, 2)), np.zeros(9), "whole numbers"),
        (np.ones((9, 2)), np.full(9, -1), "from 0 up"),
        (np.ones((5, 2)), np.zeros(5, int), "folds"),
    ],
)
def test_what_is_no_table_or_no_labels_is_refused_in_one_line(x, labels, told):
    for measure in (features.r2, features.overlap):
        with pytest.raises(ValueError, match=told) as refused:
            measure(x, labels)
        assert "\n" not in str(refused.value)
