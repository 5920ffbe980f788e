"""ReLU networks: closed forms against sampling, transfer against plain linear algebra, and the page's
table."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV

from reuselab.theory import relu

SMALL = relu.Setting(d=6, teacher_width=6, student_width=16, steps=20, source_steps=20)


def random_net(width, d, seed):
    rng = np.random.default_rng(seed)
    return relu.Net(rng.standard_normal((width, d)), rng.standard_normal(width))


def output(net, x):
    return np.maximum(x @ net.w.T, 0) @ net.v


def test_the_arc_cosine_gram_is_the_mean_product_of_two_relus():
    rng, n = np.random.default_rng(0), 200_000
    u, w = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    x = rng.standard_normal((n, 3))
    products = np.maximum(x @ u.T, 0)[:, :, None] * np.maximum(x @ w.T, 0)[:, None, :]
    residuals = (products.mean(0) - relu.gram(u, w)) / (products.std(0) / np.sqrt(n))
    assert np.abs(residuals).max() < 3.5  # Bonferroni at 1 % over 20
    assert 0.2 < (residuals**2).mean() < 2.5


@pytest.mark.parametrize("angle, expected", [(0, 1 / 2), (np.pi / 2, 1 / (2 * np.pi)), (np.pi, 0)])
def test_the_gram_at_special_angles(angle, expected):
    u, w = np.array([[2.0, 0.0]]), 3 * np.array([[np.cos(angle), np.sin(angle)]])
    assert relu.gram(u, w) == pytest.approx(6 * expected, abs=1e-14)
    assert relu.gram(np.zeros((1, 2)), w) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(2, 6))
def test_a_gram_is_symmetric_positive_and_rotation_invariant(seed, width, d):
    w = random_net(width, d, seed).w
    turn = np.linalg.qr(np.random.default_rng(seed + 1).standard_normal((d, d)))[0]
    k = relu.gram(w, w)
    assert np.allclose(k, k.T) and np.allclose(np.diag(k), (w**2).sum(1) / 2)
    assert np.linalg.eigvalsh(k).min() > -1e-12 * k.max()
    assert np.allclose(relu.gram(w @ turn, w @ turn), k, atol=1e-12 * k.max())


def test_risk_is_the_mean_square_difference_of_the_functions():
    n, one, two = 200_000, random_net(5, 4, 1), random_net(7, 4, 2)
    x = np.random.default_rng(3).standard_normal((n, 4))
    squares = (output(one, x) - output(two, x)) ** 2
    assert abs(squares.mean() - relu.risk(one, two)) < 3 * squares.std() / np.sqrt(n)


def test_the_exact_teacher_has_no_risk_and_power_one():
    source = relu.teacher(20, 30, 0)
    assert relu.risk(source, source) < 1e-12
    assert relu.power(source) == pytest.approx(1)
    nobody = relu.Net(source.w, np.zeros(30))
    assert relu.risk(nobody, source) == pytest.approx(1)
    order = np.random.default_rng(0).permutation(30)
    assert relu.risk(relu.Net(2 * source.w[order], source.v[order] / 2), source) < 1e-12


def test_the_overlap_is_the_share_that_least_squares_explains():
    n, target, features = 100_000, random_net(5, 6, 4), random_net(8, 6, 5).w
    x = np.random.default_rng(6).standard_normal((n, 6))
    y, z = output(target, x), np.maximum(x @ features.T, 0)
    left = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
    exact = relu.overlap(target, features)
    influence = left**2 - (1 - exact) * y**2
    assert 0.2 < exact < 0.99
    assert abs(1 - (left**2).sum() / (y**2).sum() - exact) < 4 * influence.std() / np.sqrt(n) / (y**2).mean()


@pytest.mark.parametrize("seed", range(3))
def test_overlap_is_one_without_ablation_and_falls_with_it(seed):
    source = relu.teacher(30, 30, seed)
    found = [relu.overlap(relu.ablated(source, mu, seed), source.w) for mu in (0, 0.25, 0.5, 0.75, 1)]
    assert found[0] == pytest.approx(1, abs=1e-9)
    assert (np.diff(found) < 0).all() and found[-1] > 0
    assert relu.overlap(source, np.vstack([source.w, source.w])) == pytest.approx(1, abs=1e-9)


def test_ablation_is_nested_counted_and_keeps_power_and_span():
    source = relu.teacher(10, 20, 7)
    quarter, half = (relu.ablated(source, mu, 7) for mu in (0.25, 0.5))
    changed = [(net.w != source.w).any(1) for net in (quarter, half)]
    assert [c.sum() for c in changed] == [5, 10] and (changed[1] >= changed[0]).all()
    assert relu.power(half) == pytest.approx(1)
    inside = relu.ablated(source, 0.5, 7, replace=False)
    assert (inside.v == 0).sum() == 10 and relu.power(inside) == pytest.approx(1)
    assert relu.overlap(inside, source.w) == pytest.approx(1, abs=1e-9)


def test_silent_neurons_get_no_head():
    assert np.array_equal(relu.solve(np.zeros((4, 3)), np.ones((4, 2))), np.zeros((3, 2)))


def left_out(z, y, penalty):
    """Mean squared error on each row of a ridge regression fitted to all others, one by one."""
    errors = []
    for i in range(len(z)):
        rest, labels = np.delete(z, i, 0), np.delete(y, i)
        gram = rest.T @ rest + penalty * np.eye(z.shape[1])
        errors.append(y[i] - z[i] @ np.linalg.solve(gram, rest.T @ labels))
    return np.mean(np.square(errors))


@pytest.mark.parametrize("n, width", [(40, 12), (30, 30), (12, 40)])
@pytest.mark.parametrize("signal", [0.0, 0.2, 3.0])
def test_the_ridge_is_the_one_that_leaving_one_out_prefers(n, width, signal):
    """On wide designs a clamped closed form chose 1e-10 for the ridge where labels are noise."""
    rng = np.random.default_rng(9)
    z = rng.standard_normal((n, width))
    y = signal * z[:, 0] + rng.standard_normal(n)
    penalties = np.linalg.norm(z, 2) ** 2 * relu.PENALTIES
    errors = np.array([left_out(z, y, penalty) for penalty in penalties])
    heads = relu.solve(z, np.stack([y, -2 * y], 1))
    assert np.allclose(heads[:, 1], -2 * heads[:, 0])
    fits = [np.linalg.solve(z.T @ z + p * np.eye(width), z.T @ y) for p in penalties]
    chosen = int(np.argmin([np.abs(fit - heads[:, 0]).max() for fit in fits]))
    assert np.allclose(fits[chosen], heads[:, 0], atol=1e-4 * np.abs(heads).max())
    assert errors[chosen] <= errors.min() * (1 + 1e-6)


@pytest.mark.parametrize("n, width", [(60, 20), (40, 40), (20, 60)])
def test_a_last_layer_is_scikit_learns_ridge_on_relu_features(n, width):
    target, w = relu.teacher(10, 10, 1), random_net(width, 10, 2).w
    x, y = relu.sample([target, relu.teacher(10, 10, 3)], n, 0.3, 4)
    z = np.maximum(x @ w.T, 0)
    alphas = np.linalg.norm(z, 2) ** 2 * relu.PENALTIES
    for column, heads in zip(y.T, relu.solve(z, y).T):
        reference = RidgeCV(alphas, fit_intercept=False).fit(z, column)
        assert np.allclose(reference.coef_, heads, rtol=1e-6, atol=1e-9 * np.abs(heads).max())


def test_a_last_layer_ends_at_one_minus_overlap():
    target, features = relu.teacher(8, 8, 10), random_net(6, 8, 11).w
    x, y = relu.sample([target], 100_000, 0.5, 12)
    found = relu.risk(relu.Net(features, relu.solve(np.maximum(x @ features.T, 0), y)[:, 0]), target)
    limit = 1 - relu.overlap(target, features)
    assert limit <= found < limit + 20 * 6 * (limit + 0.25) / 100_000


def test_networks_trained_side_by_side_do_not_touch_each_other():
    start, targets = relu.fresh_student(SMALL, 0), [relu.teacher(6, 6, seed) for seed in range(2)]
    x, y = relu.sample(targets, 30, 0.1, 0)
    both = relu.trained([start, start], x, y, SMALL)
    for i in range(2):
        alone = relu.trained([start], x, y[:, [i]], SMALL)[0]
        assert np.allclose(both[i].w, alone.w, atol=1e-4) and np.allclose(both[i].v, alone.v, atol=1e-4)


def test_training_lowers_the_risk_of_the_source_student():
    setting = relu.Setting(d=8, teacher_width=4, student_width=32, source_steps=300)
    source = relu.teacher(8, 4, 0)
    before, after = relu.fresh_student(setting, 0), relu.pretrained(source, setting, 0)
    assert relu.risk(after, source) < 0.05 < relu.risk(before, source)


@pytest.mark.parametrize("own_inputs", [False, True])
def test_gradients_by_hand_are_those_of_autograd(own_inputs):
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    w, v, y = drawn(3, 20, 5).requires_grad_(), drawn(3, 20).requires_grad_(), drawn(30, 3)
    x = drawn(*[3] * own_inputs, 30, 5)
    (relu.outputs(w, v, x) - y).square().mean(0).sum().backward()
    for by_hand, weights in zip(relu.gradients(w, v, x, y), (w, v)):
        torch.testing.assert_close(by_hand, weights.grad, rtol=1e-12, atol=1e-12)


def test_the_exponent_of_a_power_law():
    n = np.array([100, 200, 400, 800])
    rng = np.random.default_rng(13)
    exact = relu.exponent(n, [3 * n**-1.18, 5 * n**-1.18])
    assert np.allclose(exact, -1.18)
    noisy = [relu.exponent(n, n**-1.18 * np.exp(0.1 * rng.standard_normal((6, 4)))) for _ in range(400)]
    covered = np.mean([low <= -1.18 <= high for _, low, high in noisy])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)
    assert np.isnan(relu.exponent(n, [n**-1.0])[1])


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: relu.gram(np.ones((2, 3)), np.ones((2, 4))), "equally many columns"),
        (lambda: relu.gram(np.ones(3), np.ones((2, 3))), "two matrices"),
        (lambda: relu.Setting(d=1), "d must be a whole number from 2"),
        (lambda: relu.Setting(sigma=-0.1), "sigma must be a number from 0 to 10"),
        (lambda: relu.Setting(replace=1), "replace must be true or false"),
        (lambda: relu.Setting(lr=0), "lr must be a number above 0 to 1"),
        (
            lambda: relu.ablated(relu.teacher(4, 4, 0), 1.1, 0),
            "each item of ablations must be a number from 0 to 1",
        ),
        (lambda: relu.ablated(relu.teacher(4, 4, 0), 1.0, 0, replace=False), "ablations must leave a neuron"),
        (lambda: relu.exponent([10], [[0.1]]), "two or more sample sizes"),
        (lambda: relu.exponent([10, 20], [[0.1, 0.0]]), "above 0"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call()
