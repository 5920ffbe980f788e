"""Claim B5: the page's tables, its three tests on made gains, and its numbers."""

import numpy as np
import pandas as pd
import pytest
import torch
from executed import glued, table

from reuselab.book import pages
from reuselab.claims import nonlinear as claim
from reuselab.theory import relu

SMALL = relu.Setting(d=6, teacher_width=6, student_width=16, steps=20, source_steps=20)


def test_the_tables_repeat_to_the_bit_whatever_the_workers_and_the_global_seed():
    arguments = (SMALL, 2, [8, 16], [0.0, 0.5], [8, 16])
    torch.manual_seed(1)
    first = claim.experiment(*arguments, workers=1)
    torch.manual_seed(2)
    again, elsewhere = claim.experiment(*arguments, workers=1), claim.experiment(*arguments, workers=2)
    for tables in (again, elsewhere):
        for one, two in zip(first, tables):
            pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert len(first[0]) == 2 * 2 * 2 and len(first[1]) == 2 * 2


def made_gains(little=0.5, fall=0.1, rise=0.2, seeds=6, noise=0.05):
    """Gains over scratch and over random features that rise with overlap (mu falls) and fall with n."""
    rng, rows = np.random.default_rng(0), []
    for method, against in claim.PAIRS:
        for seed in range(seeds):
            for mu in (0.0, 0.5, 1.0):
                for i, n in enumerate((20, 60, 180)):
                    gain = little - fall * i - rise * mu + noise * rng.standard_normal()
                    rows.append((claim.NAMES[method], claim.NAMES[against], seed, mu, n, gain))
    return pd.DataFrame(rows, columns=["method", "against", "seed", "mu", "n", "gain"])


def verdicts(gains, what):
    tests = claim.tests(gains)
    return set(tests[tests.what == what].verdict)


def test_the_tests_say_holds_of_gains_made_to_hold():
    tests = claim.tests(made_gains())
    assert set(tests.verdict) == {"holds"} and len(tests) == 3 * len(claim.PAIRS)
    assert claim.verdict(tests) == claim.verdict(tests, "random") == "holds"
    falls = tests[tests.what == "falls with n"]
    assert (falls.low < falls["mean"]).all() and (falls["mean"] < falls.high).all()
    assert (falls["mean"] < 0).all()


def test_an_interval_with_zero_is_undecided_and_one_below_it_does_not_hold():
    positive = "positive with little data"
    assert verdicts(made_gains(little=-1.0), positive) == {"does not hold"}
    assert verdicts(made_gains(little=0.0, noise=1.0), positive) == {"undecided"}
    assert claim.verdict(claim.tests(made_gains(little=0.0, noise=1.0))) != "holds"
    assert set(claim.tests(made_gains(seeds=2)).verdict) == {"undecided"}


def test_gains_that_fall_with_overlap_or_rise_with_data_do_not_hold():
    assert verdicts(made_gains(rise=-0.2), "rises with overlap") == {"does not hold"}
    assert verdicts(made_gains(fall=-0.1), "falls with n") == {"does not hold"}


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: claim.experiment(SMALL, 0, [8], [0.0], [8]), "seeds must be a whole number from 1"),
        (lambda: claim.experiment(SMALL, 1, [2], [0.0], [8]), "each item of samples must be a whole number"),
        (lambda: claim.experiment(SMALL, 1, [8], [0.0, 0.0], [8]), "ablations must not repeat an item"),
        (lambda: pages.parameters("nonlinear", "quick", {"replace": False}), "ablations must leave a neuron"),
        (
            lambda: pages.parameters("nonlinear", "smoke", {"decay_samples": []}),
            "decay_samples must be a list",
        ),
        (lambda: pages.parameters("nonlinear", "smoke", {"decay_samples": [20]}), "two or more sample sizes"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_no_linear_head_beats_what_its_features_hold(built):
    rows = table("nonlinear")
    assert (rows.linear >= 1 - rows.student_overlap - 1e-9).all()
    assert (rows.random >= 1 - rows.random_overlap - 1e-9).all()


def test_the_pages_verdict_is_that_of_its_table(built):
    tests = claim.tests(claim.gains(table("nonlinear")))
    assert list(tests.verdict) == list(table("nonlinear_tests").verdict)
    assert glued("nonlinear", "verdict") == claim.verdict(tests) == table("nonlinear_claims").verdict[0]
    assert glued("nonlinear", "verdict_random") == claim.verdict(tests, "random")
