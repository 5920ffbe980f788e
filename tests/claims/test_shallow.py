"""Claim A1: its tests on made tables, what is refused, and the page's numbers."""

import numpy as np
import pandas as pd
import pytest
from executed import glued, table
from scipy import stats as laws

from reuselab.book import pages
from reuselab.claims import shallow as claim
from reuselab.theory import shallow

ALPHAS = [-1, -0.6, -0.2, 0, 0.2, 0.6, 1]
SMALL = shallow.Setting(k=4, ridges=[0.3], stops=[15], steps=60)
AGREE, WEIGHTS = "theory and simulation agree", "weights from [1, 0] to [1, 1] and [1, -1]"


def made(seeds=8, seed=0, bias=0.0):
    """A table made to hold: closed forms and Gaussian noise of a known size; `bias` is what theory does not
    know of."""
    rng, tables = np.random.default_rng(seed), []
    places = [(coupling, alpha) for coupling in shallow.COUPLINGS for alpha in ALPHAS]
    for rule, strength, lam, steps in SMALL.rules:
        ratio, r = (
            np.concatenate([shallow.theory(SMALL, c, ALPHAS, lam, steps)[i] for c in shallow.COUPLINGS])[
                :, None
            ]
            for i in (0, 1)
        )
        own = 0.5 + 0.01 * rng.standard_normal((len(places), seeds))
        slip = 0.01 * rng.standard_normal(own.shape) * (np.abs([a for _, a in places]) < 1)[:, None]
        tests = [
            ("own weight", 0, own, 0.5, np.nan),
            ("bob's weight", 0, (ratio + slip) * own, ratio * 0.5, np.nan),
        ]
        tests += [
            (name, n, mean + bias + 0.01 * rng.standard_normal(own.shape), mean, 0.01)
            for name, n, mean in (
                ("unchanged", 0, shallow.accuracy(r)),
                ("fine-tuned", 64, shallow.tuned(r, 64)),
            )
        ]
        tables += [shallow.rows("linear", places, rule, strength, *each) for each in tests]
    return pd.concat(tables, ignore_index=True)


def test_the_tests_say_holds_of_a_table_made_to_hold():
    tests = claim.tests(made())
    assert set(tests.part) == {*claim.PARTS, AGREE, WEIGHTS}
    assert (tests.verdict == "holds").all(), tests
    assert claim.verdict(tests) == "holds"


def test_no_part_holds_of_shuffled_rows():
    table = made()
    for _, rows in table.groupby(["measure", "n"]):
        table.loc[rows.index, "value"] = np.random.default_rng(1).permutation(rows.value)
    tests = claim.tests(table)
    assert not (tests.verdict == "holds").any(), tests
    assert "does not hold" in set(tests.verdict) and claim.verdict(tests) in ("does not hold", "undecided")


@pytest.mark.parametrize(
    "part, spoil",
    [
        (
            "theory and simulation agree",
            lambda t: t.assign(value=t.value + np.where(t.measure == "fine-tuned", 0.02, 0)),
        ),
        (
            "unchanged, useless at alpha = 0",
            lambda t: t.assign(
                value=t.value + np.where((t.measure == "unchanged") & (t.alpha == 0), 0.06, 0)
            ),
        ),
        (
            "unchanged, hurt by negative alpha",
            lambda t: t.assign(value=np.where((t.measure == "unchanged") & (t.alpha == -0.2), 0.6, t.value)),
        ),
        (
            "fine-tuned, exploits the weakest alpha",
            lambda t: t.assign(value=np.where((t.measure == "fine-tuned") & (t.alpha == 0.2), 0.4, t.value)),
        ),
        (
            "fine-tuned, flips the sign",
            lambda t: t.assign(value=np.where((t.measure == "fine-tuned") & (t.alpha == -0.6), 0.4, t.value)),
        ),
        (
            "fine-tuned, most of all global",
            lambda t: t.assign(coupling=t.coupling.map({"global": "pairwise", "pairwise": "global"})),
        ),
        ("Bob's accuracy rises with alpha", lambda t: t.assign(alpha=-t.alpha)),
        (
            "weights from [1, 0] to [1, 1] and [1, -1]",
            lambda t: t.assign(
                value=t.value * np.where((t.measure == "bob's weight") & (t.alpha == 1), 0.9, 1)
            ),
        ),
    ],
)
def test_each_part_can_fail(part, spoil):
    assert claim.tests(spoil(made())).set_index("part").verdict[part] in ("does not hold", "holds in part")


def test_the_residuals_of_noise_look_like_noise_and_those_of_a_bias_do_not():
    passed = [
        (told["largest"] < told["bound"], told["low"] < told["square"] < told["high"])
        for told in (claim.noise(claim.residuals(made(seed=seed))) for seed in range(15))
    ]
    assert np.mean(passed, 0).min() >= 0.8
    assert not all(
        word == "holds"
        for word in claim.tests(made(bias=0.01)).query("part == 'theory and simulation agree'").verdict
    )
    off = made()
    fixed = off.measure == "bob's weight"
    off.loc[fixed, "value"] = off.expected[fixed] + 0.1
    tests = claim.residuals(off)
    assert np.isinf(tests.z[tests.fixed]).all() and tests.fixed.sum() == fixed.sum() / 8


def test_a_part_whose_interval_includes_its_zero_is_undecided():
    table = made()
    noisy = (table.measure == "fine-tuned") & (table.alpha == 0.2)
    table.loc[noisy, "value"] = 0.5 + 0.3 * np.random.default_rng(0).standard_normal(noisy.sum())
    verdicts = claim.tests(table).set_index("part").verdict
    assert verdicts["fine-tuned, exploits the weakest alpha"] == "undecided"
    assert claim.verdict(claim.tests(table)) == "undecided"


@pytest.mark.parametrize("order", [ALPHAS, ALPHAS[::-1], [0, 1, -1, 0.2, -0.2], [-0.2, 0.2, 0, -1, 1]])
def test_the_order_of_the_alphas_does_not_matter(order):
    pages.parameters("shallow", "smoke", {"alphas": order})
    for side in (1, -1):
        half = [alpha for alpha in order if alpha in (-1, 0, 1) or side * alpha > 0]
        with pytest.raises(ValueError, match="on either side"):
            pages.parameters("shallow", "smoke", {"alphas": half})


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: pages.parameters("shallow", "quick", {"k": 8}), "k must be a square"),
        (
            lambda: pages.parameters("shallow", "quick", {"alphas": [-1, 0, 1]}),
            "alphas must hold -1, 0, 1 and a value between on either side",
        ),
        (lambda: pages.parameters("shallow", "quick", {"alphas": [-0.5, 0, 0.5]}), "alphas must hold"),
        (lambda: pages.parameters("shallow", "quick", {"k": 100}), "lr must be at most"),
        (lambda: pages.parameters("shallow", "quick", {"width": 0}), "width must be a whole number from 1"),
        (lambda: pages.parameters("shallow", "quick", {"samples": []}), "samples must be a list"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_page_meets_its_closed_forms(built):
    """By hand from its table: the anchors of the linear model."""
    rows = table("shallow")
    for column in ("value", "expected", "z"):
        rows[column] = pd.to_numeric(rows[column])
    exact = rows[rows.z.notna()]
    assert (exact.z.abs() < laws.norm.isf(0.005 / len(exact))).all() and 0.6 < (exact.z**2).mean() < 1.5
    linear = rows.query("model == 'linear' and coupling == 'pairwise' and rule == 'ridge'").set_index(
        ["measure", "alpha"]
    )
    for a in (-0.6, 0.2):
        q = 0.3 * a / (1 - a**2 + 0.3)
        assert linear.expected["bob's weight", a] / linear.expected["own weight", a] == pytest.approx(
            q, abs=0.01
        )
        r = (a + q) / np.sqrt(1 + q**2 + 2 * a * q)
        assert linear.value["unchanged", a] == pytest.approx(0.5 + np.arcsin(r) / np.pi, abs=0.06)


def test_the_pages_verdict_is_that_of_its_parts(built):
    parts = table("shallow_tests")
    assert set(parts.part) == {*claim.PARTS, AGREE, WEIGHTS}
    assert glued("shallow", "verdict") == claim.verdict(parts) == table("shallow_claims").verdict[0]
