"""What the page on task correlation decides, on made accuracies and on its own tables (A2)."""

import numpy as np
import pandas as pd
import pytest
from executed import glued, table

from reuselab.book import pages
from reuselab.claims import task_correlation as claim

RHOS, BLOCKS = (0.0, 0.25, 0.5, 0.75, 1.0), 5


def made_study(rise=0.5, scratch_rise=0.2, noise=0.01, seeds=5):
    """Rows in which reusing Bobs rise with rho by `rise`, scratch by `scratch_rise`, untrained not."""
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product(
        [RHOS, range(BLOCKS + 1), range(seeds)], names=["rho", "retrain", "seed"]
    )
    rows = rows.to_frame(index=False).assign(network="cnn", chance=0.1)
    slope = np.where(rows.retrain == BLOCKS, scratch_rise, rise)
    rows["bob_accuracy"] = 0.3 + slope * rows.rho + noise * rng.normal(size=len(rows))
    reusers = rows[rows.retrain.between(1, BLOCKS - 1)]
    untrained = reusers.assign(
        bob_accuracy=0.3 + noise * rng.normal(size=len(reusers)), method="random network"
    )
    return rows, pd.concat([reusers.assign(method="Alice"), untrained])


def test_gains_are_paired_by_seed_with_scratch_and_with_the_untrained_network():
    rows, rivals = made_study()
    gains = claim.gains(rows, rivals).set_index(["over", "rho", "retrain", "seed"]).gain
    accuracy = rows.set_index(["rho", "retrain", "seed"]).bob_accuracy
    untrained = rivals[rivals.method == "random network"].set_index(["rho", "retrain", "seed"]).bob_accuracy
    assert len(gains) == 2 * len(RHOS) * (BLOCKS - 1) * 5
    for rho, k, seed in [(0.0, 1, 0), (0.75, 4, 3)]:
        bob = accuracy[rho, k, seed]
        assert gains["scratch", rho, k, seed] == pytest.approx(bob - accuracy[rho, BLOCKS, seed])
        assert gains["random network", rho, k, seed] == pytest.approx(bob - untrained[rho, k, seed])


@pytest.mark.parametrize(
    "rise, scratch_rise, accuracy, gain",
    [
        (0.5, 0.2, "holds", "holds"),
        (0.3, 0.6, "holds", "does not hold"),
        (-0.2, -0.2, "does not hold", "undecided"),
    ],
)
def test_the_verdicts_say_what_was_made(rise, scratch_rise, accuracy, gain):
    rows, rivals = made_study(rise, scratch_rise)
    tests = claim.trends(rows, claim.gains(rows, rivals))
    assert claim.verdict(tests, "accuracy", BLOCKS) == accuracy
    assert claim.verdict(tests, "gain over scratch", BLOCKS) == gain
    judged = claim.judge(tests, BLOCKS, "smoke", "digits")
    assert judged["verdict"] == accuracy
    assert judged["effect"].endswith(f"{gain} ({4 if gain == 'holds' else 0} of 4 hold)")


def test_scratch_does_not_count_for_the_verdict():
    rows, rivals = made_study(scratch_rise=-0.2)
    tests = claim.trends(rows, claim.gains(rows, rivals))
    assert tests["accuracy", BLOCKS].verdict == "does not hold"
    assert claim.verdict(tests, "accuracy", BLOCKS) == "holds"


@pytest.mark.hostile("input")
@pytest.mark.parametrize("retrains", [[0], [5], [0, 5]])
def test_a_page_on_which_nobody_reuses_and_trains_is_refused_before_the_work(retrains):
    with pytest.raises(ValueError, match=r"^retrains must hold a number from 1 to 4, so that a Bob reuses"):
        pages.parameters("task_correlation", "smoke", {"retrains": retrains})


def test_the_experiment_that_the_page_shows_runs_from_its_visible_cells_alone():
    cells = [cell for cell in pages.read("task_correlation").cells if cell.cell_type == "code"]
    by_hand = [cell.source for cell in cells if not cell.metadata.get("tags") and "study(" not in cell.source]
    names = pages.defaults("task_correlation") | {"alice_pairs": 100, "test_pairs": 100, "bob_epochs": 1}
    for source in by_hand[:3]:
        assert max(map(len, source.splitlines())) <= 78, "a reader sees the whole line"
        exec(source, names)
    assert 20 <= sum(source.count("\n") + 1 for source in by_hand[:3]) <= 30
    assert 0 <= names["bob_accuracy"] <= 1


# The page.


def test_the_page_has_one_row_a_cell(built):
    rows = table("task_correlation")
    assert len(rows) == 3 * 4 * 3 == len(rows[["rho", "retrain", "seed"]].drop_duplicates())
    assert {"network", "alice_epochs", "bob_pairs", "bob_accuracy", "ceiling", "chance"} <= set(rows)


def test_alice_unchanged_reads_her_label_as_bobs(built):
    """With k = 0 Bob is right when Alice is and b = a, or by luck: near the ceiling, never far above."""
    rows = table("task_correlation").query("retrain == 0")
    error = np.sqrt(rows.ceiling * (1 - rows.ceiling) / rows.test_pairs)
    lost = rows.ceiling * (1 - rows.alice_accuracy)
    assert (rows.bob_accuracy <= rows.ceiling + 4.5 * error + 0.005).all()
    assert (rows.bob_accuracy >= rows.ceiling - lost - 4.5 * error - 0.005).all()


def test_the_alice_and_bob_trained_by_hand_are_as_good_as_those_of_the_study(built):
    """At rho = .5 the study's Bobs with three fresh blocks score .92 at smoke, with a spread of .01."""
    assert float(glued("task_correlation", "by_hand_ceiling")) == pytest.approx(0.55)
    assert abs(float(glued("task_correlation", "by_hand_bob")) - 0.92) < 0.05


def test_the_pages_verdicts_are_those_of_its_tables(built):
    rows, rivals = table("task_correlation"), table("task_correlation_rivals")
    tests = claim.trends(rows, claim.gains(rows, rivals))
    assert table("task_correlation_claims").iloc[0].to_dict() == claim.judge(tests, BLOCKS, "smoke", "digits")
    for key, what in {
        "verdict": "accuracy",
        "verdict_gain": "gain over scratch",
        "verdict_trained": "gain over random network",
    }.items():
        assert glued("task_correlation", key) == claim.verdict(tests, what, BLOCKS)
