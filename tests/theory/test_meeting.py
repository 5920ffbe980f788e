"""The exact case: on Gaussian pairs both papers say the same, to numerical precision."""

import numpy as np
import pytest

from reuselab.theory import linear, meeting

SETTINGS = [(phi, alignment) for phi in (-0.8, 0.0, 0.5, 0.95) for alignment in (-1, 0.3, 1)]


@pytest.mark.parametrize("phi, alignment", SETTINGS)
def test_rho_of_the_first_paper_is_cos_theta_of_the_second(phi, alignment):
    pairs = meeting.gaussian(6, phi, alignment)
    assert meeting.correlation(pairs) == pytest.approx(phi * alignment, abs=1e-12)
    assert meeting.cosine(pairs) == pytest.approx(phi * alignment, abs=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("phi, alignment", SETTINGS)
def test_a_new_head_on_her_frozen_layers_ends_at_sin_squared_theta(phi, alignment, depth):
    pairs = meeting.gaussian(6, phi, alignment)
    alice = meeting.layers(pairs.alice, depth, 5, seed=depth)
    theta = np.arccos(meeting.correlation(pairs))
    risk = meeting.risk(pairs, meeting.best_head(pairs, alice))
    assert risk == pytest.approx(float(linear.linear_transfer_limit(theta)), abs=1e-10)


@pytest.mark.parametrize("retrain", [1, 2, 3])
def test_draw_by_draw_every_cut_is_the_second_papers_linear_transfer(retrain):
    """One feature survives her first layer, so where the cut lies above it does not matter."""
    pairs, rng = meeting.gaussian(8, 0.7, 0.6), np.random.default_rng(0)
    alice = meeting.layers(pairs.alice, 4, 5, seed=1)
    x, y = meeting.draw(pairs, 11, 0.3, rng)
    feature = x @ pairs.alice
    expected = feature @ y / (feature @ feature) * pairs.alice
    assert np.allclose(meeting.retrained(x, y, alice, retrain), expected, atol=1e-10)


def test_draw_by_draw_in_white_pixels_the_risk_is_that_of_the_second_papers_simulation():
    """The same draw, whitened and turned so that Bob's task is e_1, through `linear`'s own solver."""
    pairs, rng = meeting.gaussian(8, 0.7, 0.6), np.random.default_rng(0)
    root, theta, sigma = meeting._root(pairs), np.arccos(meeting.correlation(pairs)), 0.3
    x, xi = rng.standard_normal((11, 16)), rng.standard_normal(11)
    alice, bob = root @ pairs.alice, root @ pairs.bob
    beside = (alice - bob * (alice @ bob)) / np.linalg.norm(alice - bob * (alice @ bob))
    frame = np.linalg.qr(np.column_stack([bob, beside, rng.standard_normal((16, 14))]))[0]
    frame[:, :2] = np.column_stack([bob, beside])
    own = linear.Draw(x @ frame, xi, np.eye(1, 16)[0], rng)
    angle, noise = np.array([theta]), np.array([sigma])
    theirs = linear._closed(own, angle, noise, 1.0, ("linear",), 2, 0.0, "flow")[0][0]
    network = meeting.layers(pairs.alice, 3, 5, seed=1)
    weights = meeting.retrained(x @ root, x @ bob + sigma * xi, network, 1)
    assert meeting.risk(pairs, weights) == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize("retrain, method", [(1, "linear"), (3, "scratch")])
def test_the_mean_risk_at_finite_n_is_the_second_papers_formula(retrain, method):
    """White pixels for scratch, whose minimum-length fit is the same in no other ones."""
    phi = 0.8 if method == "linear" else 0.0
    pairs, rng, n, sigma, draws = meeting.gaussian(10, phi, 0.9), np.random.default_rng(1), 12, 0.2, 3000
    alice = meeting.layers(pairs.alice, 3, 4, seed=0)
    data = (meeting.draw(pairs, n, sigma, rng) for _ in range(draws))
    risks = [meeting.risk(pairs, meeting.retrained(*own, alice, retrain)) for own in data]
    expected = {
        "linear": linear.linear_transfer_risk(n, 20, np.arccos(phi * 0.9), sigma),
        "scratch": linear.scratch_risk(n, 20, sigma),
    }[method]
    assert abs(np.mean(risks) - expected) < 4 * np.std(risks) / np.sqrt(draws)


@pytest.mark.hostile("input")
@pytest.mark.parametrize("p, phi, alignment", [(1, 0, 0), (4, 1, 0), (4, 0, 2), (4.5, 0, 0)])
def test_pairs_that_cannot_be_are_refused(p, phi, alignment):
    with pytest.raises(ValueError, match=r"^\w+ must be"):
        meeting.gaussian(p, phi, alignment)
