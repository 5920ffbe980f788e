"""Intervals, the test of a trend (holds where a rise was made, not where it was shuffled), Mantel's test."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as laws

from reuselab import stats


def rising(seeds=5, levels=5, noise=0.01, seed=0):
    return np.linspace(0.2, 0.9, levels) + np.random.default_rng(seed).normal(0, noise, (seeds, levels))


def test_an_interval_is_students_and_one_value_has_none():
    values = [1.0, 2.0, 4.0]
    assert stats.interval(values) == pytest.approx(
        (7 / 3, *laws.t.interval(0.95, 2, 7 / 3, laws.sem(values)))
    )
    assert stats.interval([3.0])[0] == 3 and np.isnan(stats.interval([3.0])[1:]).all()


def test_an_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(1, 2, (2000, 5))
    covered = np.mean([low <= 1 <= high for _, low, high in map(stats.interval, draws)])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_a_rise_holds_and_its_size_and_fit_are_told():
    trend = stats.trend(rising())
    assert trend.verdict == "holds" and trend.p < 1e-6 and trend.r2 > 0.99
    assert trend.rise[1] < 0.7 < trend.rise[2]


@pytest.mark.parametrize("seed", range(10))
def test_a_rise_does_not_hold_once_it_is_shuffled(seed):
    assert stats.trend(np.random.default_rng(seed).permuted(rising(), axis=1)).verdict != "holds"


def test_shuffled_curves_pass_for_a_trend_no_oftener_than_the_level_says():
    rng = np.random.default_rng(1)
    passed = np.mean([stats.trend(rng.permuted(rising(), axis=1)).p < stats.TREND_LEVEL for _ in range(400)])
    assert passed <= stats.TREND_LEVEL + 4 * np.sqrt(stats.TREND_LEVEL / 400)


def test_a_fall_does_not_hold_a_dip_holds_in_part_and_two_curves_decide_nothing():
    assert stats.trend(1 - rising()).verdict == "does not hold"
    dipped = rising(noise=0.005)
    dipped[:, 3] -= 0.3
    trend = stats.trend(dipped)
    assert trend.verdict == "holds in part" and trend.fall[2] < 0
    assert stats.trend(rising(seeds=2)).verdict == stats.trend(rising(levels=2)).verdict == "undecided"


@pytest.mark.parametrize(
    "verdicts, whole",
    [
        (["holds", "holds"], "holds"),
        (["does not hold"] * 2, "does not hold"),
        (["holds", "does not hold"], "holds in part"),
        (["holds", "undecided"], "undecided"),
        (["holds in part", "holds"], "holds in part"),
        (["holds"] + ["does not hold"] * 3, "holds in part"),
        (["does not hold", "undecided"], "does not hold"),
        (["holds in part", "undecided"], "holds in part"),
        (["holds", "does not hold", "undecided"], "holds in part"),
        (["undecided"] * 2, "undecided"),
    ],
)
def test_verdicts_combine(verdicts, whole):
    assert stats.combine(verdicts) == stats.combine(verdicts[::-1]) == whole


def test_a_tally_tells_one_of_four_from_three_of_four():
    assert stats.tally(["holds"] + ["does not hold"] * 3) == "1 of 4 hold"
    assert stats.tally(["holds"] * 3 + ["holds in part"]) == "3 of 4 hold"


def test_residuals_of_noise_stay_below_the_bound_and_a_bias_does_not():
    draws = np.random.default_rng(2).normal(3, 1, (50, 20))
    largest, bound = stats.residual(draws, 3)
    assert largest < bound and bound == pytest.approx(laws.t.isf(0.01 / 40, 49))
    assert stats.residual(draws + np.where(np.arange(20) == 7, 1.0, 0.0), 3)[0] > bound
    assert stats.residual(np.ones((5, 2)), 1)[0] == 0 and np.isinf(stats.residual(np.ones((5, 2)), 1.1)[0])


# Mantel's test.


def matrices(n=5, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(n, n))
    return first, first + rng.normal(size=(n, n))


def brute_mantel(first, second):
    """Spearman's correlation off the diagonal under every permutation of both, the identity first."""
    off = ~np.eye(len(first), dtype=bool)
    return np.array(
        [
            laws.spearmanr(first[off], second[np.ix_(order, order)][off]).statistic
            for order in map(list, permutations(range(len(first))))
        ]
    )


@pytest.mark.parametrize(
    "alternative, far", [("two-sided", np.abs), ("greater", np.positive), ("less", np.negative)]
)
@pytest.mark.parametrize("seed", range(3))
def test_mantels_test_is_that_of_all_permutations(seed, alternative, far):
    first, second = matrices(seed=seed)
    np.fill_diagonal(second, np.nan)
    all_of_them = brute_mantel(first, second)
    expected = (far(all_of_them) >= far(all_of_them[0]) - 1e-12).mean()
    assert stats.mantel(first, second, alternative=alternative) == pytest.approx((all_of_them[0], expected))
    r, p = stats.mantel(
        first, second, draws=119, seed=seed, alternative=alternative
    )  # one too few to count all 120
    assert (
        r == pytest.approx(all_of_them[0])
        and abs(p - expected) < 4 * np.sqrt(0.25 / 119)
        and round(p * 120, 9) % 1 == 0
    )


def test_mantels_test_of_ties_and_symmetric_matrices():
    first, second = (np.round(m + m.T) for m in matrices(6, seed=4))
    all_of_them = brute_mantel(first, second)
    assert stats.mantel(first, second) == pytest.approx(
        (all_of_them[0], (abs(all_of_them) >= abs(all_of_them[0]) - 1e-12).mean())
    )


def test_mantels_test_finds_what_is_there_and_rarely_what_is_not():
    first, second = matrices(12, seed=1)
    r, p = stats.mantel(first, second, draws=999)
    assert r > 0.5 and p == 0.001
    assert stats.mantel(first, second, draws=999) == (r, p) and stats.mantel(first, first**3)[
        0
    ] == pytest.approx(1)
    rng = np.random.default_rng(2)
    passed = [stats.mantel(*rng.normal(size=(2, 8, 8)), draws=99, seed=s)[1] <= 0.1 for s in range(200)]
    assert abs(np.mean(passed) - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 200)


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "first, second, message",
    [
        (np.eye(4)[:3], np.ones((3, 3)), "needs square matrices of at least 3 x 3, not 3 x 4"),
        (np.ones((2, 2)), np.ones((2, 2)), "not 2 x 2"),
        (matrices(4)[0], matrices(5)[0], "compares matrices of one size, not 4 and 5"),
        (matrices(4)[0], np.eye(4), "not all the same"),
        (np.full((4, 4), np.nan), matrices(4)[0], "needs finite entries"),
    ],
)
def test_mantels_test_refuses_what_it_cannot_compare(first, second, message):
    with pytest.raises(ValueError, match=message):
        stats.mantel(first, second)


def test_mantels_test_over_given_orders_is_that_of_a_group():
    """Rotations of six things: a group of six permutations, brute force over them."""
    first, second = matrices(6, seed=5)
    orders = [[(i + shift) % 6 for i in range(6)] for shift in range(6)]
    off = ~np.eye(6, dtype=bool)
    correlations = np.array(
        [laws.spearmanr(first[off], second[np.ix_(order, order)][off]).statistic for order in orders]
    )
    assert stats.mantel(first, second, orders=orders) == pytest.approx(
        (correlations[0], (abs(correlations) >= abs(correlations[0]) - 1e-12).mean())
    )
    assert stats.mantel(first, second, orders=iter(orders[::-1])) == pytest.approx(
        stats.mantel(first, second, orders=orders)
    )


def test_mantels_test_looks_only_where_the_mask_says():
    first, second = matrices(6, seed=6)
    orders = [[(i + shift) % 6 for i in range(6)] for shift in range(6)]
    steps = (np.arange(6)[:, None] - np.arange(6)) % 6
    mask = np.isin(steps, [0, 1, 2])  # the diagonal is left out all the same
    spoiled = np.where(np.isin(steps, [1, 2]), second, np.nan)
    correlations = np.array(
        [
            laws.spearmanr(
                first[seen := np.isin(steps, [1, 2])], second[np.ix_(order, order)][seen]
            ).statistic
            for order in orders
        ]
    )
    assert stats.mantel(first, spoiled, orders=orders, mask=mask) == pytest.approx(
        (correlations[0], (abs(correlations) >= abs(correlations[0]) - 1e-12).mean())
    )


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "more, message",
    [
        ({"mask": np.arange(16).reshape(4, 4) % 3 == 0}, "needs a mask that no permutation changes"),
        ({"orders": [[1, 0, 2, 3]]}, "needs the identity among the orders"),
        ({"orders": [[0, 1, 2, 2]]}, "orders that are permutations of 4 things"),
        ({"orders": [[0, 1, 2]]}, "orders that are permutations of 4 things"),
        ({"orders": []}, "needs the identity among the orders"),
        ({"mask": np.zeros((4, 4))}, "finite entries"),
    ],
)
def test_mantels_test_refuses_orders_and_masks_that_make_no_test(more, message):
    with pytest.raises(ValueError, match=message):
        stats.mantel(*matrices(4), **more)


def test_a_rise_that_is_not_shown_is_undecided_and_only_a_fall_speaks_against_it():
    assert stats.trend(np.random.default_rng(3).normal(0, 1, (5, 5))).verdict == "undecided"
    assert stats.trend(np.zeros((5, 5))).verdict == "undecided"


def test_what_is_too_few_is_said_in_words():
    assert stats.few({"seed": 3, "rho": 3}) == ""
    assert stats.few({"seed": 2, "rho": 1}) == "2 seeds and 1 rho, where a test needs 3"
    curves = pd.DataFrame(rising(levels=1), columns=pd.Index([0.5], name="rho"))
    assert stats.trend(curves).few == "1 rho, where a test needs 3"
    assert stats.trend(curves).p_in_words == "no test"


def test_what_is_no_number_is_not_shown():
    assert stats.in_words((0.5, 0.25, 0.75)) == "+0.500 [+0.250, +0.750]"
    assert stats.in_words((0.5, np.nan, np.nan)) == "+0.500"
    assert stats.in_words([np.nan]) == "nothing to compare"


def test_an_interval_that_would_be_shown_as_zero_is_said_to_be_near_it():
    assert stats.in_words((-0.0004, -0.00045, 0.0001)) == "within 0.0005 of zero"
    assert stats.in_words((0.0, 0.0, 0.0), ".1f") == "0.0 [0.0, 0.0]"
    assert stats.in_words((0.0, 0.0, 0.001)) == "+0.000 [+0.000, +0.001]"
    assert stats.in_words([0.0], "+.2f") == "+0.00"
