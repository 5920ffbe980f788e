"""Claims B2 to B4: their rules, on made tables and on real draws, and the page's numbers."""

import numpy as np
import pandas as pd
import pytest
from executed import glued, table

from reuselab.claims import phase_diagram as claim
from reuselab.stats import combine

GAMMAS, DEGREES = [0.1, 0.5, 1.5], [5, 45, 85]
FINE, LINEAR = claim.METHODS["fine_tune"], claim.METHODS["linear"]


def made_gains(near=0.5, wide=-0.5, little=0.3, degrees=DEGREES, noise=0.05):
    """Gains of one method: `near` at the least angle and more with little data, `wide` at the widest."""
    rng, instances = np.random.default_rng(0), 20
    sample = np.full((instances, len(GAMMAS), len(degrees)), wide) + noise * rng.standard_normal(
        (instances, len(GAMMAS), len(degrees))
    )
    sample[:, :, 0] += near - wide
    sample[:, 0, 0] += little
    return claim.gains({"linear": sample}, GAMMAS, degrees)


def parts(gains):
    return claim.regions(gains).set_index("part").verdict.to_dict()


def test_the_regions_hold_where_help_and_harm_are_clear():
    assert set(parts(made_gains()).values()) == {"holds"}


@pytest.mark.parametrize(
    "given, part, verdict",
    [
        ({"near": -0.3}, "helps", "does not hold"),
        ({"near": 0.0, "noise": 1.0}, "helps", "undecided"),
        ({"little": -0.3}, "most with little data", "does not hold"),
        ({"little": 0.0, "noise": 1.0}, "most with little data", "undecided"),
        ({"wide": 0.3}, "can hurt", "does not hold"),
        ({"wide": 0.0, "noise": 1.0}, "can hurt", "undecided"),
    ],
)
def test_an_interval_on_the_other_side_refutes_and_one_with_zero_does_not(given, part, verdict):
    assert parts(made_gains(**given))[part] == verdict


def test_angles_that_are_neither_strong_nor_weak_decide_nothing():
    assert set(parts(made_gains(degrees=[45])).values()) == {"undecided"}


def test_the_order_of_gammas_and_angles_does_not_matter():
    gain = claim.simulated(GAMMAS, 60, DEGREES, 0.3, 6, 0)
    turned = claim.simulated(GAMMAS[::-1], 60, DEGREES[::-1], 0.3, 6, 0)
    first = claim.regions(claim.gains(gain, GAMMAS, DEGREES))
    pd.testing.assert_frame_equal(first, claim.regions(claim.gains(turned, GAMMAS[::-1], DEGREES[::-1])))


@pytest.mark.parametrize("instances", [20, 40])
def test_finite_sources_hold_at_two_hundred_and_four_hundred_draws(instances):
    """Compared with the limit, the same code failed at 200 and at 400."""
    finite = claim.finite(200, [5, 45, 85], 0.3, [0.5, 4.0], 0.3, instances, 0)
    assert claim.exact_means(finite, 200)["verdict"] == "holds"
    shifted = finite.assign(expected=finite.expected + 0.05)
    assert claim.exact_means(shifted, 200)["verdict"] == "does not hold"


@pytest.fixture(scope="module")
def sweeps():
    return claim.sweeps(60, 0.3, 20, 0)


def test_sweeps_really_change_the_distances(sweeps):
    steps = sweeps.groupby("sweep")
    w2 = steps.w2.max() / steps.w2.min()
    assert w2[claim.UNITS] > 1000 and w2[claim.LENGTH] > 50
    kl = sweeps[sweeps.sweep == claim.ANGLE].kl
    assert np.ptp(kl) < 1e-9 * kl.max()


def test_overlap_alone_decides_linear_transfer_and_length_decides_fine_tuning_too(sweeps):
    fate = claim.fate(sweeps).set_index(["method", "sweep"]).verdict
    assert (fate[LINEAR] == "holds").all()
    assert fate[FINE, claim.UNITS] == "holds" and fate[FINE, claim.LENGTH] == "does not hold"
    assert combine(list(fate)) == "holds in part"


def test_the_claim_about_distances_can_fail(sweeps):
    longer = sweeps.length > 1
    spoilt = sweeps.assign(gain=np.where(longer & (sweeps.sweep == claim.LENGTH), 0.0, sweeps.gain))
    fate = claim.fate(spoilt).set_index(["method", "sweep"]).verdict
    assert fate[LINEAR, claim.LENGTH] == "does not hold"
    turned = sweeps.assign(gain=np.where(sweeps.sweep == claim.ANGLE, -sweeps.gain, sweeps.gain))
    assert claim.fate(turned).set_index(["method", "sweep"]).verdict[LINEAR, claim.ANGLE] == "does not hold"
    rng = np.random.default_rng(0)
    noisy = sweeps.assign(gain=sweeps.gain + 20 * (sweeps.step > 13) * rng.standard_normal(len(sweeps)))
    assert claim.fate(noisy).set_index(["method", "sweep"]).verdict[LINEAR, claim.ANGLE] == "undecided"


def test_gradient_descent_from_longer_sources_loses_what_the_conserved_scale_says():
    lengths = claim.lengths(100, 0.3, 12, 4)
    assert ((lengths["mean"] - lengths.limit).abs() < 4.5 * lengths.error).all(), lengths
    same = lengths[lengths.method == LINEAR]["mean"]
    assert np.ptp(same) < 1e-6
    assert claim.length_decides(lengths) == "at one overlap, the length alone turns help into harm"


@pytest.mark.parametrize(
    "low, high, words",
    [(-0.4, -0.3, "turns help into harm"), (0.05, 0.2, "worth less"), (0.05, 0.4, "nothing follows")],
)
def test_the_words_on_length_follow_the_intervals(low, high, words):
    rows = {"method": FINE, "length": [1.0, 3.0], "low": [0.3, low], "high": [0.4, high]}
    assert words in claim.length_decides(pd.DataFrame(rows))


def test_the_page_shows_fine_tuning_forget_above_gamma_one(built):
    assert table("phase_diagram").query("method == 'fine_tune' and gamma > 1").gain.abs().max() < 1e-9


def test_the_page_meets_its_formulas(built):
    lengths = table("phase_diagram_lengths")
    assert ((lengths["mean"] - lengths.limit).abs() < 4.5 * lengths.error).all(), lengths
    finite = table("phase_diagram_finite").query("gamma_source == 'infinite' and ridge == 0")
    sine = np.sin(np.deg2rad(finite.degrees)) ** 2
    assert ((finite.risk - sine - (sine + 0.3**2) / (50 - 2)).abs() < 4.5 * finite.error).all()


def test_the_pages_verdicts_are_those_of_its_tables(built):
    kept = table("phase_diagram_claims").set_index("claim").verdict
    recomputed = {
        "B2": combine(list(claim.regions(table("phase_diagram")).verdict)),
        "B3": claim.exact_means(table("phase_diagram_finite"), 100)["verdict"],
        "B4": combine(list(claim.fate(table("phase_diagram_distances")).verdict)),
    }
    for name, verdict in recomputed.items():
        assert glued("phase_diagram", name.lower()) == verdict == kept[name]
