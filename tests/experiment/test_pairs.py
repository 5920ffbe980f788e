"""The generator's law.

Bounds: 4.5 standard errors for one number, p > 1e-5 for a chi-square; seeds are fixed.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made import made, real
from scipy.stats import chisquare
from scipy.stats.contingency import association
from sklearn.metrics import mutual_info_score

from reuselab.experiment import bases, pairs

TRAIN, TEST = bases.load("digits", "train"), bases.load("digits", "test")
DIGITS = TRAIN, TRAIN
RHOS = 0.0, 0.1, 0.5, 0.9, 1.0
BOUND = 4.5


def tabulate(a, b, shape):
    """Counts of the pairs (a, b)."""
    counts = np.zeros(shape, int)
    np.add.at(counts, (np.asarray(a), np.asarray(b)), 1)
    return counts


def holds(counts, p):
    """Counts agree with probabilities: none where p is 0, chi-square elsewhere."""
    assert counts[p == 0].sum() == 0
    assert chisquare(counts[p > 0], counts.sum() * p[p > 0]).pvalue > 1e-5


# The labels.


@pytest.mark.parametrize("rho", RHOS)
def test_label_counts_follow_the_joint_distribution(rho):
    drawn = pairs.sample(DIGITS, 200_000, pairs.joint(10, rho), seed=1)
    holds(tabulate(drawn.alice_labels, drawn.bob_labels, (10, 10)), pairs.joint(10, rho))


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("rho", RHOS)
def test_closed_forms_equal_enumeration(classes, rho):
    p = pairs.joint(classes, rho)
    cells = list(itertools.product(range(classes), repeat=2))
    for a, b in cells:
        assert p[a, b] == pytest.approx((1 - rho) / classes**2 + rho * (a == b) / classes, abs=1e-15)
    assert p.sum(0) == pytest.approx(1 / classes) and p.sum(1) == pytest.approx(1 / classes)
    assert pairs.cramers_v(p) == pytest.approx(rho, abs=1e-7)
    bits = sum(p[a, b] * np.log2(p[a, b] * classes**2) for a, b in cells if p[a, b] > 0)
    assert pairs.mutual_information(p) == pytest.approx(bits, abs=1e-12)
    assert pairs.ceiling(p) == pytest.approx(rho + (1 - rho) / classes, abs=1e-12)


def test_ceiling_is_the_best_of_all_rules_from_alices_label_to_bobs():
    p = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(4, 3)
    rules = itertools.product(range(3), repeat=4)
    assert pairs.ceiling(p) == pytest.approx(
        max(sum(p[a, b] for a, b in enumerate(rule)) for rule in rules), abs=1e-12
    )


@pytest.mark.parametrize("rho", RHOS)
def test_scipy_and_sklearn_find_the_same_association_on_the_exact_counts(rho):
    p = pairs.joint(10, rho)
    counts = np.rint(p * 1000).astype(int)
    np.testing.assert_allclose(counts, p * 1000, atol=1e-9)
    assert (
        association(counts, method="cramer")
        == pytest.approx(pairs.cramers_v(p), abs=1e-7)
        == pytest.approx(rho, abs=1e-7)
    )
    nats = mutual_info_score(None, None, contingency=counts)
    assert nats / np.log(2) == pytest.approx(pairs.mutual_information(p), abs=1e-12)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
def test_association_measured_on_a_big_draw_is_rho_within_its_standard_error(rho):
    """Delta method; the bias of both plug-in estimates is of order (K - 1)^2 / n and taken off."""
    n, p = 400_000, pairs.joint(10, rho)
    drawn = pairs.sample(DIGITS, n, p, seed=2)
    counts = tabulate(drawn.alice_labels, drawn.bob_labels, (10, 10))

    def se(influence):
        return np.sqrt((p * influence**2).sum() - (p * influence).sum() ** 2) / np.sqrt(n)

    a, b = p.sum(1, keepdims=True), p.sum(0, keepdims=True)
    influence = (
        2 * p / (a * b)
        - (p**2 / (a**2 * b)).sum(1, keepdims=True)
        - (p**2 / (a * b**2)).sum(0, keepdims=True)
    )
    squared = association(counts, method="cramer") ** 2 * 9
    assert abs(squared - 81 / n - 9 * rho**2) < BOUND * se(influence) + 81 / n
    bits = mutual_info_score(None, None, contingency=counts) / np.log(2)
    bias = 81 / (2 * n * np.log(2))
    assert abs(bits - bias - pairs.mutual_information(p)) < BOUND * se(np.log2(p / (a * b))) + bias
    hits, best = (drawn.bob_labels == drawn.alice_labels).double().mean().item(), pairs.ceiling(p)
    assert abs(hits - best) < BOUND * np.sqrt(best * (1 - best) / n)


@given(
    arrays(
        float,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0]),
    )
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_closed_forms_hold_for_any_joint_matrix_with_empty_rows_too(weights):
    if not weights.any():
        weights = weights + 1
    p = weights / weights.sum()
    v, bits = pairs.cramers_v(p), pairs.mutual_information(p)
    assert 0 <= v <= 1 + 1e-9 and v == pytest.approx(pairs.cramers_v(p.T), abs=1e-7)
    assert bits == pytest.approx(pairs.mutual_information(p.T), abs=1e-12)
    counts = np.rint(weights * 2).astype(int)
    assert bits == pytest.approx(mutual_info_score(None, None, contingency=counts) / np.log(2), abs=1e-9)
    full = counts[counts.any(1)][:, counts.any(0)]
    if min(full.shape) > 1:
        assert v == pytest.approx(association(full, method="cramer"), abs=1e-6)
    assert p.sum(0).max() - 1e-12 <= pairs.ceiling(p) <= 1 + 1e-12
    product = np.outer(p.sum(1), p.sum(0))
    assert pairs.cramers_v(product) < 1e-6 and pairs.mutual_information(product) < 1e-9
    assert pairs.ceiling(product) == pytest.approx(p.sum(0).max())


def test_a_rectangular_matrix_with_an_empty_row_and_column_is_drawn_as_it_stands():
    other = made([3, 1, 4, 2])
    weights = np.random.default_rng(3).integers(0, 4, (10, 4)).astype(float)
    weights[4], weights[:, 2] = 0, 0
    p = weights / weights.sum()
    drawn = pairs.sample((TRAIN, other), 100_000, p, seed=3)
    holds(tabulate(drawn.alice_labels, drawn.bob_labels, (10, 4)), p)


# The images.


def test_each_image_of_a_class_is_equally_likely_and_drawn_apart_from_the_other_half():
    """The whole law, P(a, b) / (n_a n_b), over all pairs of two small image sets with classes of unequal
    size.
    """
    first, second = made([1, 3, 2]), made([2, 1, 4], seed=1)
    p = pairs.joint(3, 0.4)
    drawn = pairs.sample((first, second), 200_000, p, seed=4)
    holds(tabulate(*drawn.index.T.numpy(), (6, 7)), law(first, second, p))


@pytest.mark.parametrize("half", [0, 1])
def test_every_training_digit_is_drawn_uniformly_within_its_class(half):
    drawn = pairs.sample(DIGITS, 300_000, pairs.joint(10, 0.5), seed=5)
    holds(
        np.bincount(drawn.index[:, half], minlength=1297),
        0.1 / np.bincount(TRAIN.labels)[TRAIN.labels.numpy()],
    )


def law(first, second, p):
    """The probability of each pair of images, [N_first, N_second]."""
    a, b = first.labels.numpy(), second.labels.numpy()
    return p[a][:, b] / np.outer(np.bincount(a)[a], np.bincount(b)[b])


def test_test_pairs_come_from_test_images_with_the_moments_of_train():
    drawn = pairs.sample(DIGITS, 5_000, pairs.joint(10, 0), draw=(TEST, TEST), phi=0.5, seed=6)
    assert (
        drawn.first is TEST
        and drawn.second is TEST
        and set(drawn.index.flatten().tolist()) == set(range(500))
    )
    assert torch.equal(drawn.statistics, torch.stack([torch.stack(TRAIN.moments[:2])] * 2))


# The pixels.


@pytest.mark.parametrize("phi", [-1.0, -0.7, -0.2, 0.0, 0.3, 0.8, 1.0])
def test_mixing_is_the_symmetric_root(phi):
    u, v = pairs.mixing(phi)
    assert u**2 + v**2 == pytest.approx(1) and 2 * u * v == pytest.approx(phi) and u >= abs(v) - 1e-12
    root = np.array([[u, v], [v, u]])
    np.testing.assert_allclose(root @ root, [[1, phi], [phi, 1]], atol=1e-12)


def all_pairs(train, p, draw=None, **how):
    """Every pair of images of two sets, with the probability of each."""
    first, second = draw or train
    drawn = pairs.sample(train, 1, p, draw=draw, **how)
    index = torch.cartesian_prod(torch.arange(len(first.labels)), torch.arange(len(second.labels))).int()
    weights = law(first, second, p).ravel()
    return pairs.Pairs(
        drawn.first, drawn.second, index, drawn.phi, drawn.layout, drawn.swap, drawn.statistics
    ), weights


def exact_correlation(everything, weights):
    """Correlation of each pixel with the one that faces it, under the law; NaN where one is constant."""
    x, y = (half.double().flatten(1) for half in everything.halves(slice(None)))
    w = torch.from_numpy(weights)[:, None]
    x, y = (half - (w * half).sum(0) for half in (x, y))
    xx, yy = (w * x * x).sum(0), (w * y * y).sum(0)
    r = torch.where((xx > 1e-6) & (yy > 1e-6), (w * x * y).sum(0) / (xx * yy).sqrt(), torch.nan)
    return r.reshape(everything.first.images.shape[1:]).numpy()


@pytest.mark.parametrize("phi", [-0.6, 0.35, 0.9])
def test_facing_pixels_of_independent_images_correlate_by_exactly_phi(phi):
    """Enumerated: all pairs of two small image sets, each of another size, unequal classes."""
    sets = made([2, 5, 3], (4, 4)), made([4, 1, 6], (6, 5), 3, seed=1)
    r = exact_correlation(*all_pairs(sets, pairs.joint(3, 0), phi=phi))
    assert r.shape == (3, 6, 5)
    np.testing.assert_allclose(r, phi, atol=1e-5)


@pytest.mark.parametrize("rho, phi", [(0, 0.5), (0.6, -0.5)])
def test_pixel_correlation_is_exact_on_test_digits_whose_moments_are_others(rho, phi):
    """Enumerated: all 250,000 pairs of test images. Pixels constant in train are constant when mixed."""
    r = exact_correlation(*all_pairs(DIGITS, pairs.joint(10, rho), (TEST, TEST), phi=phi))
    expected = pairs.pixel_correlation(rho, phi, TEST.moments[2].numpy())
    varies = (TRAIN.moments[1] > 0).numpy() & (TEST.moments[1] > 0).numpy()
    assert varies.sum() > 50 and np.array_equal(np.isnan(r), ~varies)
    np.testing.assert_allclose(r[varies], expected[varies], atol=1e-4)
    if rho == 0:
        np.testing.assert_allclose(expected, phi)


@pytest.mark.parametrize("rho, phi", [(0.0, 0.0), (0.7, 0.0), (0.7, 0.4), (1.0, -0.8), (0.3, 0.95)])
def test_pixel_correlation_is_exact_for_dependent_labels(rho, phi):
    base = made([2, 7, 3, 4])
    r = exact_correlation(*all_pairs((base, base), pairs.joint(4, rho), phi=phi))
    expected = pairs.pixel_correlation(rho, phi, base.moments[2].numpy())
    np.testing.assert_allclose(r, expected, atol=1e-5)
    assert rho == 0 or np.ptp(r) > 0.01, "rho > 0 adds by each pixel's share"


def measured(drawn):
    """Correlation of facing pixels over drawn pairs and its standard error (delta method), NaN where
    constant.
    """
    x, y = (half.double().flatten(1) for half in drawn.halves(slice(None)))
    x, y = ((half - half.mean(0)) / half.std(0, correction=0) for half in (x, y))
    r = (x * y).mean(0)
    return r.numpy(), ((x * y - r / 2 * (x**2 + y**2)).std(0) / len(x) ** 0.5).numpy()


@pytest.mark.parametrize("rho, phi", [(0, 0.5), (0, -0.3), (0.5, 0.3)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_facing_pixels_measured_on_many_pairs_of_digits_correlate_as_the_formula_says(split, rho, phi):
    """Over pixels lit in at least 2 % of images: below that a standard error is itself not known."""
    base = bases.load("digits", split)
    drawn = pairs.sample(DIGITS, 40_000, pairs.joint(10, rho), draw=(base, base), phi=phi, seed=7)
    r, se = measured(drawn)
    lit = ((base.images > 0).double().mean(0) > 0.02).flatten().numpy()
    z = (r - pairs.pixel_correlation(rho, phi, base.moments[2].flatten().numpy()))[lit] / se[lit]
    assert lit.sum() > 45 and se[lit].max() < 0.05 and np.abs(z).max() < BOUND


@pytest.mark.parametrize("phi", [0.6, -0.4])
def test_digits_beside_a_set_of_another_size_correlate_by_phi(phi):
    other = made([20] * 10, (12, 10), 3)
    drawn = pairs.sample((TRAIN, other), 10_000, pairs.joint(10, 0), phi=phi, seed=8)
    assert drawn.shape == (3, 12, 20)
    r, se = measured(drawn)
    lit = ((drawn.first.images > 0).double().mean(0) > 0.02).flatten().numpy()
    assert lit.sum() > 250 and np.abs((r - phi)[lit] / se[lit]).max() < BOUND


def test_real_digits_beside_fashion_correlate_by_phi():
    drawn = pairs.sample((TRAIN, real("fashion")), 8_000, pairs.joint(10, 0), phi=0.5, seed=9)
    assert drawn.shape == (1, 28, 56)
    r, se = measured(drawn)
    lit = np.logical_and(
        *[
            ((base.images > 0).double().mean(0) > 0.05).flatten().numpy()
            for base in (drawn.first, drawn.second)
        ]
    )
    assert lit.sum() > 400 and np.abs((r - 0.5)[lit] / se[lit]).max() < BOUND


@pytest.mark.parametrize("phi", [-1, 1])
def test_at_full_correlation_both_halves_show_the_same_standardised_picture(phi):
    drawn = pairs.sample(DIGITS, 300, pairs.joint(10, 0), phi=phi, seed=10)
    (m, s), _ = drawn.statistics
    x, y = ((half - m)[:, s > 0] / s[s > 0] for half in drawn.halves(slice(None)))
    torch.testing.assert_close(y, phi * x, atol=1e-3, rtol=1e-3)


def test_phi_leaves_labels_and_images_drawn_and_at_0_the_pixels_as_they_are():
    plain, mixed = (pairs.sample(DIGITS, 500, pairs.joint(10, 0.5), phi=phi, seed=11) for phi in (0, 0.5))
    assert torch.equal(plain.index, mixed.index)
    for half, column in zip(plain.halves(slice(None)), (0, 1)):
        assert torch.equal(half, TRAIN.images[plain.index[:, column].long()].float())
    assert (plain[:] - mixed[:]).abs().max() > 0.1


def test_mixing_keeps_each_pixels_mean_and_variance():
    base = made([2, 5, 3])
    everything, weights = all_pairs((base, base), pairs.joint(3, 0), phi=0.7)
    w = torch.from_numpy(weights)[:, None, None, None]
    for half, (mean, std) in zip(everything.halves(slice(None)), everything.statistics):
        m = (w * half).sum(0)
        torch.testing.assert_close(m.float(), mean, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close((w * (half - m) ** 2).sum(0).sqrt().float(), std, atol=1e-3, rtol=1e-4)


# The joined picture.


@pytest.mark.parametrize("rho, phi", [(0.5, 0), (0, 0.3)])
def test_each_half_has_mean_0_and_variance_1_under_the_training_law(rho, phi):
    sets = made([2, 5, 3]), made([1, 2, 2], (5, 6), seed=1)
    everything, weights = all_pairs(sets, pairs.joint(3, rho), phi=phi)
    for half in everything[:].double().chunk(2, dim=3):
        w = torch.from_numpy(weights)[:, None, None, None] / half[0].numel()
        assert (w * half).sum().item() == pytest.approx(0, abs=1e-5)
        assert (w * half**2).sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("layout, shape, dim", [("beside", (3, 12, 20), 3), ("stacked", (3, 24, 10), 2)])
def test_layout_and_swap_put_the_halves_where_they_say(layout, shape, dim, swap):
    other = made([4] * 10, (12, 10), 3)
    drawn = pairs.sample((TRAIN, other), 50, pairs.joint(10, 0.5), layout=layout, swap=swap, seed=12)
    alone = pairs.sample((TRAIN, other), 50, pairs.joint(10, 0.5), seed=12)
    assert drawn.shape == shape and drawn[:].shape == (50, *shape)
    assert torch.equal(drawn.alice_labels, alone.alice_labels) and torch.equal(
        drawn.bob_labels, alone.bob_labels
    )
    raw = (
        TRAIN.resized(3, (12, 10)).images[drawn.index[:, 0].long()],
        other.images[drawn.index[:, 1].long()],
    )
    shown = drawn[:].chunk(2, dim=dim)
    for grey, half in zip(raw, shown[::-1] if swap else shown):
        assert np.corrcoef(grey.flatten(), half.flatten())[0, 1] == pytest.approx(1, abs=1e-5)
    assert torch.equal(drawn.alice_labels, TRAIN.labels[drawn.index[:, 0].long()])
    assert torch.equal(drawn.bob_labels, other.labels[drawn.index[:, 1].long()])


@pytest.mark.parametrize("phi", [0, 0.5])
def test_a_batch_by_index_equals_the_slice(phi):
    drawn = pairs.sample(DIGITS, 60, pairs.joint(10, 0.5), phi=phi, seed=13)
    assert torch.equal(drawn[10:30], drawn[torch.arange(10, 30)])
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn[order], drawn[:][order])
    assert torch.equal(drawn.to("cpu")[:], drawn[:])


def test_a_million_pairs_hold_8_megabytes_and_copy_no_image():
    drawn = pairs.sample(DIGITS, 1_000_000, pairs.joint(10, 0.5), phi=0.2, seed=14)
    assert drawn.index.element_size() * drawn.index.numel() == 8_000_000 and len(drawn) == 1_000_000
    assert drawn.first is TRAIN and drawn.second is TRAIN
    other = made([3] * 10, (12, 12))
    matched = [pairs.sample((TRAIN, other), 10, pairs.joint(10, 0)) for _ in range(2)]
    assert matched[0].first is matched[1].first and matched[0].second is other, "resized once, not per draw"
    moved = drawn.to("cpu")
    assert moved.first.images.data_ptr() == TRAIN.images.data_ptr() and moved.second is moved.first


def test_the_seed_alone_makes_the_draw():
    torch.manual_seed(1), np.random.seed(1)
    one = pairs.sample(DIGITS, 1000, pairs.joint(10, 0.3), seed=15)
    torch.manual_seed(2), np.random.seed(2)
    again, other = (pairs.sample(DIGITS, 1000, pairs.joint(10, 0.3), seed=seed) for seed in (15, 16))
    assert torch.equal(one.index, again.index)
    same = (one.index == other.index).all(1).sum().item()
    assert same < 10, "of 1,000 pairs from 1.7 million, expected 0.001 in common"
