"""Regret of rules that choose a cut, on rows made up so that the answer is known."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from executed import glued, table

from reuselab.claims import advice, trials
from reuselab.experiment.cell import Cell
from reuselab.figures import advice as figures


def made(best):
    """Two image sets, three seeds, four cuts; `best` (images, seed) has the most r2 and accuracy."""
    rng = np.random.default_rng(0)
    rows = []
    for images, seed, retrain in product(("one", "two"), range(3), range(1, 5)):
        far = abs(retrain - best(images, seed))
        row = {"images": images, "network": "cnn", "rho": 0.0, "phi": 0.0, "bob_pairs": 100, "seed": seed}
        row |= {"retrain": retrain, "bob_accuracy": 0.9 - 0.1 * far, "r2": 0.8 - 0.2 * far}
        rows.append(row | {"alignment": rng.random(), "cosine": 0.5})
    return pd.DataFrame(rows)


def mean_of(rows):
    return advice.summary(advice.regrets(rows)).set_index("rule")["mean"]


def test_regret_is_what_a_rule_loses_to_the_best_cut():
    mean = mean_of(made(lambda images, seed: 2))
    assert mean["always half"] == pytest.approx(0) and mean["r2 alone"] == pytest.approx(0)
    assert mean["always the head"] == pytest.approx(0.1) and mean["always scratch"] == pytest.approx(0.2)


def test_a_measure_that_tells_the_cut_beats_every_fixed_one_and_the_fit_finds_it():
    mean = mean_of(made(lambda images, seed: seed + 1))
    assert mean["r2 alone"] == pytest.approx(0)
    assert mean["all measures"] < mean["the best fixed share"]


def test_the_best_fixed_share_is_taken_from_the_other_image_sets():
    regret = advice.regrets(made(lambda images, seed: 1 if images == "one" else 4))
    chosen = regret[regret.rule == "the best fixed share"].groupby("images").retrain.unique()
    assert chosen["one"] == [4] and chosen["two"] == [1]


def test_one_image_set_is_refused():
    rows = made(lambda images, seed: 2)
    with pytest.raises(ValueError, match="other image sets"):
        advice.regrets(rows[rows.images == "one"])


def leaf_rows(best, *, images=("one", "two"), task=advice.FAR, labels="51 to 200"):
    """`made` as `advice.kept` gives it, in one leaf."""
    rows = made(best)
    return rows[rows.images.isin(images)].assign(task=task, labels=labels)


@pytest.mark.parametrize("retrain, words", [(1, "head"), (2, "half"), (3, "lowest"), (4, "do not reuse")])
def test_a_leaf_recommends_what_loses_least_and_says_when_not_to_reuse(retrain, words):
    (leaf,) = advice.tree(leaf_rows(lambda images, seed: retrain)).itertuples()
    assert words in leaf.action and not leaf.tie and leaf.here == leaf.regret == pytest.approx(0)
    assert (leaf.gain < 0) == (retrain == 4) and leaf.sets == 2 and leaf.problems == 6


def test_a_leaf_is_judged_on_the_image_set_that_it_was_not_chosen_on():
    leaves = advice.tree(leaf_rows(lambda images, seed: 1 if images == "one" else 4))
    assert leaves.regret[0] == pytest.approx(0.3) and leaves.here[0] < 0.3
    assert advice.disagree(leaves).all()


def test_of_one_image_set_nothing_is_unseen():
    rows = leaf_rows(lambda images, seed: 4, images=["one"])
    leaves = advice.tree(rows)
    assert np.isnan(leaves.regret[0]) and not advice.disagree(leaves).any()
    assert advice.grown(advice.thumbs(rows)).empty


def test_rules_that_cannot_be_told_apart_are_both_recommended():
    leaves = advice.tree(leaf_rows(lambda images, seed: (3, 4, 3.5)[seed]))
    assert leaves.tie[0] and {leaves.rule[0], leaves.rival[0]} == {
        "always all but the lowest",
        "always scratch",
    }
    assert "lowest" in advice.advised(leaves.iloc[0]) and "scratch" in advice.advised(leaves.iloc[0])


@pytest.mark.parametrize(
    "goal, words",
    [(50, "is reached:"), (11, "is reached by the mean"), (9, "is not reached"), (1, "is missed")],
)
def test_the_headline_holds_the_goal_against_the_interval(goal, words):
    rows = pd.DataFrame({"rule": "a", "images": "one", "seed": range(3), "regret": [0.09, 0.1, 0.11]})
    more = pd.concat([rows, rows.assign(rule="b", regret=2 * rows.regret)])
    told = advice.headline(more, goal)
    assert told["rule"] == "a" and told["reached"].startswith(words) and told["equals"] == "no other rule"


def test_the_sentence_on_the_tree_follows_its_regret():
    leaves = pd.DataFrame({"here": [0.01, 0.02], "regret": [0.2, 0.02]})
    assert "worth following" in advice.worth(leaves, {"rule": "the tree", "equals": advice.NO_OTHER})
    told = advice.worth(leaves, {"rule": "the tree", "equals": "always scratch"})
    assert "cannot be told from always scratch" in told and "worth following" not in told
    assert "cannot be told" in advice.worth(leaves, {"rule": "always half", "equals": "the tree"})
    assert "1 of 2 lose over 5 points" in advice.worth(leaves, {"rule": "always half", "equals": "no other"})


def test_a_branch_in_which_reuse_gains_nothing_is_named_and_so_is_one_that_cannot_tell():
    leaves = pd.DataFrame({"task": ["near", "far", "near"], "labels": ["many", "few", "few"]})
    told = advice.when_not(leaves.assign(gain_low=[-0.2, -0.1, 0.1], gain_high=[-0.1, 0.1, 0.2]))
    assert told == (
        "Scratch wins, so do not reuse: near, many images. "
        "Reuse cannot be told from scratch: far, with any number of images."
    )


def test_the_tree_is_so_narrow_that_its_words_have_11_pixels_on_a_phone(kept):
    shown = figures.tree(advice.tree(kept)).svg
    width = float(re.search(r'viewBox="0 0 ([0-9.]+) ', shown)[1])
    sizes = [float(size) for size in re.findall(r"font-size: ([0-9.]+)px", shown)]
    assert sizes and min(sizes) * 358 / width >= 11


# The advisor's own regret.


def raced(advised, *, fewest=1):
    """`advice.tried` of two sets: of four cuts the third is best, by .1 a step; races advise `advised`."""
    tables = {}
    for images in ("one", "two"):
        rows = []
        for seed, retrain in product(range(2), range(1, 5)):
            keys = {"images": images, "network": "mlp", "rho": 0.0, "phi": 0.0, "bob_pairs": 30, "seed": seed}
            keys |= {"retrain": retrain}
            truth = 0.9 - 0.1 * abs(retrain - 3)
            told = dict.fromkeys(trials.MEASURES, -retrain) | {"told_seconds": 0.2}
            rows.append(keys | {"rule": trials.TRUTH, "accuracy": truth, "seconds": 0.5} | told)
            for rule, share in product(trials.WEIGHTS, trials.SHARES):
                row = {"rule": rule, "share": share, "advised": retrain == advised, "seconds": 0.4}
                row |= {"accuracy": 0.5 if retrain >= fewest else 0.3, "low": 0.4, "high": 0.6, "epochs": 1}
                row["probability"] = 0.1 * retrain
                rows.append(keys | row)
        tables[images] = pd.DataFrame(rows)
    return tables


def test_what_the_command_advises_is_held_to_the_true_accuracies_and_to_the_time_of_every_cut():
    regret = advice.trial_regrets(raced(advised=2, fewest=4))
    told = advice.trial_summary(regret).set_index("rule")
    assert told["mean"]["advise, a third"] == pytest.approx(0.1)
    assert told["mean"]["race, fewest blocks, a tenth"] == pytest.approx(0.1)
    assert told.more["always the head"] == pytest.approx(0.1)  # retrains one, which is two from the best
    assert told.time["advise, a tenth"] == pytest.approx(0.2) and told.time["r2 alone"] == pytest.approx(0.1)
    assert told["mean"]["the best fixed share"] == pytest.approx(0)


def test_the_headline_names_what_loses_more_and_what_loses_less_for_sure():
    words = advice.trial_headline(advice.trial_summary(advice.trial_regrets(raced(advised=2))), goal=11)
    assert "always the head" not in words["equals"] and "the best fixed share" in words["less"]
    assert words["third"].startswith("10.0") and words["third_time"] == "20 %"
    assert words["third_reached"].startswith("is reached")


def candidates(scores):
    """One Bob and five Alices, the best of them the first."""
    table = pd.DataFrame(
        {"seed": 0, "alice": list("abcde"), "bob": "x", "accuracy": [0.9, 0.8, 0.7, 0.6, 0.5]}
    )
    return pd.concat([table, table.assign(bob="y")]).assign(
        **(dict.fromkeys(trials.RANKERS[:-1], 0) | {"r2": scores * 2})
    )


def test_the_pets_are_told_as_far_as_their_candidates_were_trained_to_the_end():
    rows = pd.DataFrame({"retrain": [1, 2, 2], "init": ["alice", "alice", "fresh"], "labels": 30})
    rows = rows.assign(accuracy=0.5, low=0.4, high=0.6, advised=[True, False, False], seconds=9.0)
    rows = rows.assign(true=[0.5, 0.7, 0.3], whole_seconds=5.0)
    told = advice.pets_headline(pd.concat([rows, rows.assign(labels=400, true=[0.5, 0.6, np.nan])]))
    assert "with 30 photographs 20 points to the best of 3 (9 s, against 15 s for training all)" in told
    assert "with 400 photographs 10 points to the best of 2 (9 s)" in told and "60 %" in told
    table = advice.pets_in_words(rows.assign(true=[0.5, 0.7, np.nan])).set_index("candidate")
    assert table.loc["retrain 1"].item() == "0.50 [0.40, 0.60], true 0.50 (advised)"
    assert table.loc["from scratch"].item().endswith("true not run")


@pytest.mark.parametrize(
    "scores, among, lost",
    [
        ([5, 4, 3, 2, 1], 1, 0),
        ([1, 2, 3, 4, 5], 0, 0.4),
        ([1, 1, 2, 2, 0], 0.5, 0.25),  # two ahead, and of two equals one is taken
    ],
)
def test_a_ranking_is_told_by_where_the_best_stands_and_by_what_its_first_loses(scores, among, lost):
    told = trials.ranked(candidates(scores)).set_index("measure")
    assert told.among["r2"] == pytest.approx(among) and told.lost["r2"] == pytest.approx(lost)
    assert told.among[trials.CHANCE] == pytest.approx(3 / 5)


def test_a_problem_is_tried_at_every_cut_and_raced_with_every_budget(monkeypatch):
    monkeypatch.setattr(trials, "SIZES", {10: 1, 30: 2})
    cell = Cell.of(network="mlp", alice_pairs=50, alice_epochs=1, test_pairs=20)
    rows = pd.concat(trials._problems(cell))
    assert (rows[rows.rule == trials.TRUTH].groupby("bob_pairs").size() == 4).all()
    own = rows[rows.rule != trials.TRUTH].groupby(["rule", "share"])
    assert own.ngroups == 4 and (own.advised.sum() == 1).all() and (own.size() == 4).all()


@pytest.fixture(scope="module")
def kept():
    return advice.kept(0.5)


def test_every_kept_problem_has_each_cut_once_and_its_scratch(kept):
    assert not kept.duplicated([*advice.PROBLEM, "retrain"]).any()
    assert kept.bob_accuracy.between(0, 1).all()
    blocks = kept.groupby("network").retrain.transform("max")
    assert (kept.groupby(advice.PROBLEM).retrain.transform("max") == blocks).all()
    assert set(kept.task) == {advice.FAR, advice.NEAR, advice.IMAGENET}


def test_near_is_what_rho_says_and_each_branch_has_its_evidence(kept):
    ours = kept[kept.task != advice.IMAGENET]
    assert ((ours.task == advice.NEAR) == (ours.rho >= 0.5)).all()
    told = advice.rests_on()
    assert list(told["Bob's task"]) == list(advice.RESTS_ON) and (told.evidence != "not run").all()


def test_the_figures_show_each_leaf_and_rule(kept):
    leaves = advice.tree(kept)
    shown = figures.tree(leaves).svg
    assert shown.count("loses ") == len(leaves)
    assert all(f"{labels} images: " in shown for labels in leaves.labels)
    regret = advice.thumbs(kept)
    assert "always half" in figures.regrets(advice.grouped(kept, regret, "labels"), 1.0).svg
    assert figures.ADVISED not in figures.COLORS.values()


@pytest.mark.parametrize("near", [0, 1])
def test_with_every_task_near_or_almost_none_there_is_a_tree_still(near):
    rows = advice.kept(near)
    leaves = advice.tree(rows)
    told = advice.leaves_in_words(leaves)
    assert (advice.FAR in set(leaves.task)) == (near > 0) and len(told) == len(leaves)
    assert not told.astype(str).apply(lambda column: column.str.contains("nan")).any(axis=None)


def test_the_page_says_what_the_kept_rows_say(built, kept):
    measured = advice.measured(kept)
    regret = advice.regrets(measured)
    told = advice.headline(regret, 1.0)
    assert glued("advice", "least") == told["rule"] and glued("advice", "reached") == told["reached"]
    assert np.allclose(table("advice")["mean"], advice.summary(regret)["mean"], atol=1e-6)
    assert len(table("advice_tree")) == len(advice.tree(kept))


def test_what_a_stopped_call_made_is_kept_whole_and_taken_by_the_same_code_alone(tmp_path, monkeypatch):
    ran = []

    def make(size):
        ran.append(size)
        yield pd.DataFrame({"rule": ["race, accuracy alone"], "size": [size]})

    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    for source in ("one", "one", "other"):
        monkeypatch.setattr(trials.store, "source", lambda source=source: source)
        assert trials._saved(make, 30).rule[0] == "race, accuracy alone"
    assert ran == [30, 30] and {path.suffix for path in (tmp_path / "trials").iterdir()} == {".csv"}
