"""The generator's laws: right ones pass, broken ones don't, and the page's tables follow them."""

import numpy as np
import pytest
from executed import glued, table

from reuselab.book import pages
from reuselab.claims import pairs as claim
from reuselab.experiment import bases, pairs

DIGITS = (bases.load("digits", "train"),) * 2


def test_drawn_labels_follow_their_law_and_a_wrong_law_is_noticed(monkeypatch):
    laws = claim.label_laws(DIGITS, [0.0, 0.5, 1.0], 20_000)
    assert claim.judge_labels(laws).verdict == "holds"
    joint, sample = pairs.joint, pairs.sample
    monkeypatch.setattr(
        pairs, "sample", lambda train, n, law, **more: sample(train, n, joint(10, 0.25), **more)
    )
    assert claim.judge_labels(claim.label_laws(DIGITS, [0.3], 20_000)).verdict == "does not hold"


def test_facing_pixels_follow_their_law_and_a_wrong_law_is_noticed():
    laws = claim.pixel_laws(DIGITS, [0.0, 1.0], [-0.3, 0.3], 5_000)
    assert claim.judge_pixels(laws).verdict == "holds"
    assert claim.judge_pixels(laws.assign(theory=laws.theory + 0.1)).verdict == "does not hold"


def test_the_labels_closed_forms_stand_on_the_page(built):
    laws = table("pairs_labels")
    draws, classes = pages.parameters("pairs", "smoke", {})["draws"], 10
    assert np.allclose(laws.V, laws.rho)
    assert np.allclose(laws.ceiling, laws.rho + (1 - laws.rho) / classes)
    error = np.sqrt(laws.ceiling * (1 - laws.ceiling) / draws)
    assert ((laws["ceiling drawn"] - laws.ceiling).abs() <= 4.5 * error + 0.01).all()


def test_the_pixels_closed_form_stands_on_the_page(built):
    laws = table("pairs_pixels")
    assert ((laws.measured - laws.theory).abs() / laws.error).max() < 5
    assert np.allclose(laws.theory[laws.rho == 0], laws.phi[laws.rho == 0])


def test_the_pages_verdicts_are_those_of_its_tables(built):
    """No accuracy enters: labels and pixels are drawn alike on every processor, so both hold everywhere."""
    of_labels, of_pixels = (
        claim.judge_labels(table("pairs_labels")),
        claim.judge_pixels(table("pairs_pixels")),
    )
    assert glued("pairs", "verdict") == of_labels.verdict == "holds"
    assert glued("pairs", "verdict_pixels") == of_pixels.verdict == "holds"
    assert float(glued("pairs", "residual")) == pytest.approx(of_pixels.worst, abs=0.005)


def test_learners_without_alice_are_on_the_page_for_every_setting(built):
    alone = table("pairs_alone")
    assert set(alone.method) == {"random network", "raw pixels", "scratch"}
    assert not alone.duplicated(["method", "rho", "phi", "seed"]).any()
    assert (alone.groupby(["rho", "phi", "method"]).size() == 3).all()
