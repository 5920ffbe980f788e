"""Shallow models: the anchors exactly, and closed forms against simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as laws

from reuselab.theory import relu, shallow

ALPHAS = [-1, -0.6, -0.2, 0, 0.2, 0.6, 1]
SMALL = shallow.Setting(k=4, ridges=[0.3], stops=[15], steps=60)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-0.99, 0.99), st.floats(0.001, 10), st.sampled_from([1, 4, 9]), st.sampled_from(shallow.TASKS)
)
def test_the_anchors_of_her_weights_and_of_his_accuracy(a, lam, k, task):
    """w2 / w1 = lam a / (1 - a^2 + lam), and accuracy 1/2 + arcsin((a w1 + w2) / |w|_Sigma) / pi, for any k
    and beta."""
    setting = shallow.Setting(k=k, task=task)
    ratio, r = shallow.theory(setting, "pairwise", [a], lam, np.inf)
    q = lam * a / (1 - a**2 + lam)
    assert ratio[0] == pytest.approx(q, abs=1e-12)
    assert r[0] == pytest.approx((a + q) / np.sqrt(1 + q**2 + 2 * a * q), abs=1e-9)
    sigma = np.array([[1, a], [a, 1]])
    assert np.allclose(shallow.covariance(a, 1), sigma)
    assert np.allclose(
        np.linalg.solve(sigma + lam * np.eye(2), sigma[:, 0]), shallow.alice(sigma, np.array([1, 0]), lam)
    )


@pytest.mark.parametrize("coupling", shallow.COUPLINGS)
@pytest.mark.parametrize("lam, steps", [(0.1, np.inf), (1.0, 200), (0.0, 7)])
def test_the_limits_of_her_weights(coupling, lam, steps):
    setting = shallow.Setting(k=9)
    ratio, r = shallow.theory(setting, coupling, [-1, 0, 1], lam, steps)
    assert np.allclose(ratio, [-1, 0, 1], atol=1e-12)
    assert np.allclose(shallow.accuracy(r), [0, 0.5, 1], atol=0.06 if coupling == "global" else 1e-6)
    assert shallow.accuracy(r)[1] == 0.5
    for alpha, sign in ((-1, -1), (1, 1)):  # not only along beta: feature by feature
        w = shallow.alice(setting.sigma(coupling, alpha), setting.tasks[0], lam, steps, setting.lr)
        assert np.allclose(w[9:], sign * w[:9], atol=1e-12)


def test_without_shrinkage_she_ignores_him_and_side_by_side_she_never_reaches_him():
    ratio, _ = shallow.theory(SMALL, "pairwise", [-0.99, 0.5, 0.99], 0.0, np.inf)
    assert np.allclose(ratio, 0, atol=1e-9)
    beside = shallow.Setting(k=4, shift=2)
    assert (np.abs(shallow.theory(beside, "global", [-1, 1], 0.3, np.inf)[0]) < 0.9).all()


def test_early_stopping_is_gradient_descent_step_by_step():
    sigma, own = SMALL.sigma("global", -0.6), SMALL.tasks[0]
    w = np.zeros(8)
    for _ in range(25):
        w = w - 0.05 * (sigma @ (w - own) + 0.2 * w)
    assert np.allclose(shallow.alice(sigma, own, 0.2, 25, 0.05), w, atol=1e-14)
    assert np.allclose(shallow.alice(sigma, own, 0.2, 5000, 0.05), shallow.alice(sigma, own, 0.2), atol=1e-12)


@pytest.mark.parametrize("length, shift", [(0, 0), (0.5, 0), (1.5, 0), (1.5, 3), (20, 0), (20, 1)])
def test_sigma_is_a_covariance_at_each_alpha(length, shift):
    for alpha in np.linspace(-1, 1, 21):
        sigma = shallow.covariance(alpha, 9, length, shift)
        assert np.array_equal(sigma, sigma.T) and np.allclose(np.diag(sigma), 1)
        assert np.linalg.eigvalsh(sigma)[0] > 1 - abs(alpha) - 1e-9
        half = shallow.root(sigma)
        assert np.allclose(half @ half, sigma, atol=1e-9)
    turned = shallow.covariance(-0.5, 9, length, shift)
    assert np.allclose(turned[:9, 9:], -shallow.covariance(0.5, 9, length, shift)[:9, 9:])
    assert np.allclose(turned[:9, :9], shallow.covariance(0.5, 9, length, shift)[:9, :9])


def test_the_kernel_falls_with_the_distance_of_pixels():
    sigma = shallow.covariance(1, 4, 1.5, 2)
    by_hand = [1, *(np.exp(-d / 4.5) for d in (1, 1, 2)), *(np.exp(-d / 4.5) for d in (4, 9, 5, 10))]
    assert np.allclose(sigma[0], by_hand)


@pytest.mark.parametrize("r", [-0.9, -0.2, 0.0, 0.5])
@pytest.mark.parametrize("n", [1, 4, 30])
def test_students_t_says_how_often_the_sign_is_right(r, n):
    draws, rng = 20_000, np.random.default_rng(n)
    s, e = rng.standard_normal((2, draws, n))
    t = r * s + np.sqrt(1 - r**2) * e
    p = float(shallow.right_sign(r, n))
    share = ((s * t).sum(1) > 0).mean()
    assert abs(share - p) < 3.9 * np.sqrt(p * (1 - p) / draws) + 1e-9  # Bonferroni at 0.1 % over 12
    assert shallow.right_sign(-r, n) == pytest.approx(1 - p)
    if n == 1:
        assert p == pytest.approx(shallow.accuracy(r))


def test_fine_tuning_one_number_is_even_in_r_and_costs_where_the_sign_was_right():
    r = np.linspace(0.01, 1, 50)
    assert np.allclose(shallow.tuned(r, 8), shallow.tuned(-r, 8))
    assert (shallow.tuned(r, 8) <= shallow.accuracy(r)).all()
    assert shallow.tuned(0.0, 8) == 0.5 and shallow.tuned(1.0, 8) == 1
    assert (np.diff(shallow.tuned(r, 8)) > 0).all()


def test_simulated_accuracies_have_the_mean_and_the_spread_of_the_formulas():
    sigma, (own, his), draws = SMALL.sigma("global", -0.3), SMALL.tasks, 4000
    w = shallow.alice(sigma, own, 0.3)
    r = shallow.correlation(w, his, sigma)
    for n, expected in ((0, shallow.accuracy(r)), (3, shallow.tuned(r, 3))):
        found = shallow.reuse(
            np.tile(w, (1, draws, 1)), shallow.root(sigma)[None], his, n, 4, np.random.default_rng(n)
        )[0]
        spread = shallow.spread(r, n, 4)
        assert abs(found.mean() - expected) < 3.3 * spread / np.sqrt(draws)
        assert abs(found.var() / spread**2 - 1) < 4 * np.sqrt(2 / draws)


def test_training_on_samples_has_the_closed_form_as_its_mean():
    sigma, (own, _), seeds = SMALL.sigma("global", 0.6), SMALL.tasks, 400
    w = shallow.train(shallow.root(sigma)[None], own, 0.3, 20, 0.05, seeds, np.random.default_rng(0))[0]
    z = (w.mean(0) - shallow.alice(sigma, own, 0.3, 20, 0.05)) / (w.std(0, ddof=1) / np.sqrt(seeds))
    assert np.abs(z).max() < laws.norm.isf(0.005 / len(z))


def test_a_hidden_layers_risk_and_floor_are_those_of_sampling():
    half, (_, his), rng = shallow.root(SMALL.sigma("global", -0.6)), SMALL.tasks, np.random.default_rng(0)
    start, net = rng.standard_normal((5, 8)), relu.Net(rng.standard_normal((5, 8)), rng.standard_normal(5))
    found = shallow._one_hidden(half, his, start, net, [20], 0, 0)
    x = rng.standard_normal((100_000, 8)) @ half
    label, active = x @ his / np.linalg.norm(his @ half), np.maximum(x @ net.w.T, 0)
    error = (active @ net.v / np.linalg.norm(his @ half) - label) ** 2
    value, expected, spread = found["unchanged risk", 0]
    assert abs(error.mean() - expected) < 3.3 * error.std() / np.sqrt(len(x))
    assert abs(value - expected) < 3.3 * spread
    floor = ((label - active @ np.linalg.lstsq(active, label, rcond=None)[0]) ** 2).mean()
    assert found["share", 0][0] == pytest.approx(1 - floor, abs=0.01)
    assert found["fine-tuned risk", 20][1] >= 1 - found["share", 0][0] - 1e-9


def test_hidden_alices_learn_their_task_alone_or_side_by_side():
    roots, own = (
        np.stack([shallow.root(SMALL.sigma("pairwise", alpha)) for alpha in (0, 0.5)]),
        SMALL.tasks[0],
    )
    start, w, v = shallow.hidden_alices(roots, own, 8, 300, 0.02, 2)
    _, alone, _ = shallow.hidden_alices(roots[:1], own, 8, 300, 0.02, 2)
    assert np.allclose(w[0], alone[0], atol=1e-4)
    target = relu.Net(np.stack([own, -own]), np.array([1.0, -1.0]))
    assert all(relu.risk(relu.Net(w[0, i], v[0, i]), target) < 0.05 for i in range(2))
    assert start.shape == (2, 8, 8) and w.shape == (2, 2, 8, 8)


def test_the_global_coupling_helps_smooth_tasks_and_harms_rough_ones():
    setting = shallow.Setting(k=9)
    mean, rough = shallow.vector("mean", 9), shallow.vector("rough", 9)
    assert shallow.smoothness(setting, mean) > 1 > shallow.smoothness(setting, rough)
    gains = [shallow.advantage(setting, beta, 0.1, 0.3, 64) for beta in (mean, rough)]
    assert gains[0] > 0 > gains[1]


def test_the_tables_repeat_and_do_not_depend_on_the_global_seed():
    arguments = (SMALL, ALPHAS, [4], 3, 2)
    np.random.seed(1)
    one = pd.concat([shallow.linear(*arguments), shallow.hidden(SMALL, ALPHAS, [4], 3, 5, 0.01, 2)])
    np.random.seed(2)
    two = pd.concat([shallow.linear(*arguments), shallow.hidden(SMALL, ALPHAS, [4], 3, 5, 0.01, 2)])
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert len(one) == 2 * 7 * 2 * (2 * 4 + 7)
    assert not one.value.head(20).equals(shallow.linear(*arguments, first=2).value.head(20))


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: shallow.Setting(k=3), "k must be a square"),
        (lambda: shallow.Setting(k=0), "k must be a whole number from 1"),
        (lambda: shallow.Setting(length=0), "length must be a number from 0.01"),
        (lambda: shallow.Setting(task="smooth"), "task must be one of mean, random, rough"),
        (lambda: shallow.Setting(ridges=[0.0]), "each item of ridges must be a number above 0"),
        (lambda: shallow.Setting(stops=[0]), "each item of stops must be a whole number from 1"),
        (lambda: shallow.Setting(lr=0.5), "lr must be at most"),
        (lambda: shallow.covariance(1.1, 4), "each item of alphas must be a number from -1 to 1"),
        (lambda: shallow.root(np.array([[1.0, 2.0], [2.0, 1.0]])), "no negative eigenvalue"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call()
