"""Claims B1 and C1: their rules on made tables, and the page's numbers."""

import numpy as np
import pandas as pd
import pytest
from executed import glued, table

from reuselab.claims import deep_linear as claim

SIZES = ([10, 40, 58, 90], 60, [0, 45], [0.0, 0.5])


@pytest.fixture(scope="module")
def risks():
    return claim.risks(claim.simulated(*SIZES, 400, 1), *SIZES)


def test_risks_follow_their_closed_forms_and_wrong_ones_are_refused(risks):
    b1 = claim.closed_forms(risks)
    assert b1["verdict"] == "holds" and b1["settings"] == 2 * 3 * 2 * 2  # n = 58 is too near to d = 60
    wrong = claim.closed_forms(risks.assign(expected=1.2 * risks.expected))
    assert wrong["verdict"] == "does not hold" and wrong["largest"] > wrong["bound"]


def test_what_has_no_mean_or_no_variance_is_left_out_and_nothing_left_is_undecided():
    """With 2 samples linear transfer has no mean, with 4 no variance: the claim failed there by luck."""
    sizes = ([2, 4, 40], 20, [45], [0.3])
    b1 = claim.closed_forms(claim.risks(claim.simulated(*sizes, 400, 1), *sizes))
    assert np.isfinite(b1["largest"]) and b1["settings"] == 2
    sizes = ([20], 20, [45], [0.3])
    b1 = claim.closed_forms(claim.risks(claim.simulated(*sizes, 3, 1), *sizes))
    assert b1["verdict"] == "undecided" and b1["few"].startswith("0 settings")


def test_a_mean_over_few_skewed_draws_decides_nothing(risks):
    """At d = 16 five draws refuted the closed forms, with 11 standard errors of at most 10."""
    assert claim.closed_forms(risks.assign(instances=5, expected=0.0))["few"].startswith("5 draws")
    assert claim.closed_forms(risks.assign(instances=5, expected=0.0))["verdict"] == "undecided"


@pytest.mark.parametrize(
    "mean, verdict",
    [(0.50, "holds"), (0.20, "does not hold"), (0.35, "does not hold"), (0.80, "does not hold")],
)
def test_the_scale_holds_near_the_flow_form_alone(mean, verdict):
    forms = pd.DataFrame({"mean": [mean], "error": 0.01, "draws": 30, "flow": 0.5, "published": 0.2})
    assert claim.scale(forms)["verdict"] == verdict
    wide = forms.assign(error=1.0)
    assert claim.scale(wide)["verdict"] == "undecided"


def test_gradient_descent_stops_where_the_conserved_scale_says():
    forms = claim.forms(8, [2, 3], 5)
    c1 = claim.scale(forms)
    assert c1["flow"] < c1["bound"] and len(forms) == 2 * len(claim.SETTINGS)
    assert ((forms["mean"] - forms.flow) / forms.error).abs().mean() < 2


def test_the_page_meets_its_formulas(built):
    """By hand: scratch at n = 2 d, and descent nearer to the flow form than to c = 1."""
    rows = table("deep_linear").query("method == 'scratch' and gamma == 2 and sigma == 0.5 and degrees == 0")
    assert (abs(rows.risk - 0.25 * 60 / 59) < 4.5 * rows.error).all() and len(rows) == 1
    forms = table("deep_linear_forms")
    assert (forms["mean"] - forms.flow).abs().mean() < (forms["mean"] - forms.published).abs().mean()


def test_the_pages_verdicts_are_those_of_its_tables(built):
    rows = table("deep_linear")
    rows["expected"] = pd.to_numeric(rows.expected)
    kept = table("deep_linear_claims").set_index("claim").verdict
    assert glued("deep_linear", "b1") == claim.closed_forms(rows)["verdict"] == kept["B1"]
    assert glued("deep_linear", "c1") == claim.scale(table("deep_linear_forms"))["verdict"] == kept["C1"]
