"""Intervals, and the test of a trend: it must say holds where a rise was made, and does not hold where it was shuffled (claim A2)."""

import numpy as np
import pytest
from scipy import stats as laws

from reuselab import stats


def rising(seeds=5, levels=5, noise=0.01, seed=0):
    return np.linspace(0.2, 0.9, levels) + np.random.default_rng(seed).normal(0, noise, (seeds, levels))


def test_an_interval_is_students_and_one_value_has_none():
    values = [1.0, 2.0, 4.0]
    assert stats.interval(values) == pytest.approx((7 / 3, *laws.t.interval(0.95, 2, 7 / 3, laws.sem(values))))
    assert stats.interval([3.0])[0] == 3 and np.isnan(stats.interval([3.0])[1:]).all()


def test_an_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(1, 2, (2000, 5))
    covered = np.mean([low <= 1 <= high for _, low, high in map(stats.interval, draws)])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_a_rise_holds_and_its_size_and_fit_are_told():
    found = stats.trend(rising())
    assert found.verdict == "holds" and found.p < 1e-6 and found.r2 > 0.99
    assert found.rise[1] < 0.7 < found.rise[2]


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
    found = stats.trend(dipped)
    assert found.verdict == "holds in part" and found.fall[2] < 0
    assert stats.trend(rising(seeds=2)).verdict == stats.trend(rising(levels=2)).verdict == "undecided"


@pytest.mark.parametrize("verdicts, whole", [
    (["holds", "holds"], "holds"), (["does not hold"] * 2, "does not hold"), (["holds", "does not hold"], "holds in part"),
    (["holds", "undecided"], "undecided"), (["holds in part", "holds"], "holds in part")])
def test_verdicts_combine(verdicts, whole):
    assert stats.combine(verdicts) == whole


def test_residuals_of_noise_stay_below_the_bound_and_a_bias_does_not():
    draws = np.random.default_rng(2).normal(3, 1, (50, 20))
    largest, bound = stats.residual(draws, 3)
    assert largest < bound and bound == pytest.approx(laws.t.isf(0.01 / 40, 49))
    assert stats.residual(draws + np.where(np.arange(20) == 7, 1.0, 0.0), 3)[0] > bound
    assert stats.residual(np.ones((5, 2)), 1)[0] == 0 and np.isinf(stats.residual(np.ones((5, 2)), 1.1)[0])
