"""How far claims reach: the specifications, what is made of their rows, and the kept study."""

import numpy as np
import pandas as pd
import pytest
from executed import glued, table

from reuselab.claims import evidence
from reuselab.claims import robustness as claim
from reuselab.figures import robustness as figures
from reuselab.figures.style import typeset

CHOSEN = list(claim.CHOICES)


def cells():
    """(specification, method, cell) of the whole study."""
    return [(chosen, *entry) for chosen in claim.specifications() for entry in claim._entries(chosen)]


def named(entries):
    """What names the rows of the study."""
    rows = pd.DataFrame([chosen for chosen, *_ in entries])
    keys = [{key: getattr(cell, key) for key in ("rho", "retrain", "seed")} for *_, cell in entries]
    return rows.assign(method=[method for _, method, _ in entries]).join(pd.DataFrame(keys))


@pytest.fixture(scope="module")
def made():
    """The study's rows with a made accuracy: MLPs rise by .3, CNNs by .075; no lead with 25 pairs."""
    rows = named(cells())
    noise = 0.001 * np.random.default_rng(0).standard_normal(len(rows))
    by_alice = (rows.method == "Alice") * (0.05 * (rows["Bob's pairs"] != "25") + 0.1 * rows.rho)
    slope = 0.3 * rows.rho * (rows.network == "MLP")
    return rows.assign(bob_accuracy=0.5 + 0.02 * rows.retrain + by_alice + slope + noise)


@pytest.fixture(scope="module")
def drawn(made):
    by_seed = claim.effects(made)
    judged = claim.verdicts(by_seed)
    return judged, claim.moves(by_seed, judged)


def test_every_level_of_every_choice_is_tried_on_both_kinds_of_images_and_no_specification_twice():
    tried = pd.DataFrame(claim.specifications())
    assert not tried.duplicated().any() and dict(tried.iloc[0]) == claim.USUAL
    for images, rows in tried.groupby("images"):
        assert {choice: set(rows[choice]) for choice in CHOSEN[1:]} == {
            choice: set(levels) for choice, levels in claim.CHOICES.items() if choice != "images"
        }, images


def test_every_specification_is_another_experiment_on_seeds_of_its_own():
    entries = cells()
    by_specification = {}
    for chosen, method, cell in entries:
        by_specification.setdefault(tuple(chosen.values()), []).append((method, cell))
    assert len(set(map(tuple, by_specification.values()))) == len(claim.specifications())
    assert min(cell.seed for *_, cell in entries) >= evidence.FIRST_SEED + evidence.SETS["turned"][1]


def test_each_effect_finds_what_was_put_into_made_rows(drawn):
    judged, _ = drawn
    usual = judged[(judged[CHOSEN] == pd.Series(claim.USUAL)).all(axis=1)].set_index("what")["mean"]
    expected = [0.075, 0.5, 0.05, 0.04]
    assert np.allclose(usual.loc[list(claim.EFFECTS)], expected, atol=0.005)


def test_an_mlp_is_cut_in_halves_of_its_own(drawn):
    """Its lower cuts, 2 and 3, are 1.5 blocks from its upper one."""
    judged, _ = drawn
    lower = judged[(judged.what == "A4: lower layers at rho = 0") & (judged.network == "MLP")]
    assert np.allclose(lower["mean"], 0.03, atol=0.005)


def test_the_choice_that_moves_an_effect_most_comes_first_with_the_verdicts_it_turns(drawn):
    _, moved = drawn
    rises = moved[moved.what == "A2: rises with rho"].iloc[0]
    assert (rises.choice, rises.level, rises.flips) == ("network", "MLP", 0)
    assert rises["mean"] == pytest.approx(0.225, abs=0.005) and rises.low < rises["mean"] < rises.high
    untrained = moved[moved.what == "A3: better than her network untrained"].iloc[0]
    assert (untrained.choice, untrained.level) == ("Bob's pairs", "25")
    assert untrained.flips == untrained.twins == 6


def test_the_summary_counts_verdicts_and_names_the_largest_move(drawn):
    rows = claim.summary(*drawn).set_index("effect")
    assert rows.loc["A2: rises with rho", "holds"] == "100%"
    assert rows.loc["A2: rises with rho", "what matters most"] == "network: MLP instead of CNN"
    shares = rows[["holds", "undecided", "does not hold"]].map(lambda share: int(share[:-1])).sum(axis=1)
    assert shares.between(99, 101).all()


def test_figures_show_every_effect_level_and_verdict(drawn):
    judged, moved = drawn
    assert all(typeset(what) in figures.overview(judged).svg for what in claim.EFFECTS)
    shown = figures.specifications(judged, "A2: rises with rho").svg.replace("&#x27;", "'")
    for choice, levels in claim.CHOICES.items():
        assert all(f"{choice}: {level}" in shown for level in levels)
    assert all(verdict in shown for verdict in claim.VERDICTS)
    assert "learning rates: doubled" in figures.moves(moved).svg


def test_the_kept_study_is_whole():
    rows, expected = claim.kept(), named(cells())
    pd.testing.assert_frame_equal(rows[list(expected)], expected, check_dtype=False)
    assert rows.bob_accuracy.between(0, 1).all()


def test_it_is_made_as_evidence_and_decides_nothing():
    assert "robustness" in evidence.pages() and evidence.sets("robustness") == claim.EVIDENCE_SETS
    assert not hasattr(claim, "DECISIONS")


def test_the_page_says_what_the_kept_study_says(built):
    effects = claim.effects(claim.kept())
    judged = claim.verdicts(effects)
    assert np.allclose(table("robustness")["mean"], judged["mean"], atol=1e-4)
    rises = claim.summary(judged, claim.moves(effects, judged)).iloc[0]
    assert glued("robustness", "rises") == rises.holds
    assert glued("robustness", "rises_most") == rises["what matters most"]
