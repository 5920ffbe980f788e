"""Claim A6's analysis on made rows whose answer is known, and its cells (Mohamud & Brink 2026, A6)."""

import numpy as np
import pandas as pd
import pytest
from made import made
from photographs import execute, smoke
from scipy import stats as laws

from reuselab import stats
from reuselab.book import kept, pages
from reuselab.claims import dogs_and_cats as claim
from reuselab.claims import parameters
from reuselab.claims.baselines import ALICE
from reuselab.claims.dogs_and_cats import CONTROL, DIRECTIONS, KINDS, RIVALS, TASK, TRAINED
from reuselab.experiment import bases
from reuselab.runs.study import study

TASKS = [(kind, task) for kind, tasks in KINDS.items() for task in tasks] + [(CONTROL, TASK)]


def rows(lead, scratch=-0.05, best=None, seeds=5, noise=0.01):
    """Rows of a study in which Alice leads the random network by lead(kind), and k* is best(kind)."""
    rng, found = np.random.default_rng(0), []
    for direction in DIRECTIONS:
        for kind, task in TASKS:
            for seed in range(seeds):
                level = {ALICE: lead(kind), "random network": 0, "raw pixels": -0.1, "scratch": scratch}
                found += [
                    (
                        direction,
                        kind,
                        task,
                        method,
                        k,
                        seed,
                        0.6 + level[method] + noise * rng.standard_normal(),
                    )
                    for method in (ALICE, *RIVALS)
                    for k in (1, 2, 3)
                ]
                found += [
                    (
                        direction,
                        kind,
                        task,
                        TRAINED,
                        k,
                        seed,
                        0.6 - 0.1 * abs(k - (best or (lambda kind: 2))(kind)),
                    )
                    for k in range(4)
                ]
                found.append((direction, kind, task, TRAINED, 5, seed, 0.6 + scratch))
    return pd.DataFrame(found, columns=["direction", "kind", "task", "method", "retrain", "seed", "accuracy"])


RISING = dict(zip((*KINDS, CONTROL), (0.0, 0.03, 0.06, 0.12, 0.0))).get


def test_a_lead_that_rises_with_nearness_holds_in_every_part():
    parts = claim.parts(rows(RISING))
    assert list(parts.verdict) == ["holds"] * 4 and claim.verdict(parts) == "holds"
    assert list(parts.direction) == [*DIRECTIONS, "one Alice", "one Alice"]


def test_leads_are_paired_and_mean_over_cuts():
    table = rows(RISING, noise=0.0)
    leads = claim.leads(table)
    assert len(leads) == len(DIRECTIONS) * len(TASKS) * 5 * len(RIVALS)
    for over, offset in {"random network": 0, "raw pixels": 0.1, "scratch": 0.05}.items():
        some = leads[(leads.over == over) & (leads.kind == "other animals")]
        np.testing.assert_allclose(some.lead, 0.06 + offset, atol=1e-12)
    shifted = table.assign(accuracy=table.accuracy + 0.01 * table.seed)
    pd.testing.assert_frame_equal(claim.leads(shifted), leads, atol=1e-12)


def test_no_lead_anywhere_is_undecided_and_a_loss_against_scratch_does_not_hold():
    verdicts = claim.parts(rows(lambda kind: 0.0, scratch=0.1)).verdict
    assert list(verdicts) == ["undecided"] * 3 + ["does not hold"]
    assert claim.verdict(pd.DataFrame({"verdict": verdicts})) == "does not hold"
    assert claim.verdict(claim.parts(rows(lambda kind: 0.0, scratch=0.0))) == "undecided"


def test_a_lead_that_falls_with_nearness_does_not_hold():
    falling = dict(zip((*KINDS, CONTROL), (0.12, 0.06, 0.03, 0.01, 0.0)))
    assert list(claim.parts(rows(falling.get)).verdict[:2]) == ["does not hold"] * 2


def test_a_lead_over_the_random_network_alone_holds_in_part():
    parts = claim.parts(rows(RISING, scratch=0.2)).set_index("part")
    assert parts.verdict["effective, over scratch"] == "does not hold"
    assert claim.verdict(parts) == "holds in part"


def test_two_seeds_decide_nothing():
    assert claim.verdict(claim.parts(rows(RISING, seeds=2))) == "undecided"


def test_the_control_has_no_say_in_the_trend():
    table = rows(RISING)
    wild = table.assign(accuracy=table.accuracy.where(table.kind != CONTROL, 0.99))
    assert claim.trend(wild, "one Alice") == claim.trend(table, "one Alice")


def test_effective_is_told_of_each_related_kind_with_wider_intervals():
    table = rows(RISING)
    by_hand = (
        claim.leads(table)
        .query("direction == 'one Alice' and over == 'scratch' and kind == 'other animals'")
        .groupby("seed")
        .lead.mean()
    )
    found = claim.effective(table, "scratch")
    assert set(found) == set(claim.RELATED) and found["other animals"] == pytest.approx(
        stats.interval(by_hand, 1 - 0.05 / 2)
    )


def test_one_related_kind_that_loses_is_not_hidden_by_one_that_may_not():
    loses = {**dict.fromkeys(KINDS, 0.0), "other animals": -0.1, CONTROL: 0.0}
    table = rows(loses.get)
    wide = (table.kind == "same classes") & (table.method == ALICE)
    table.loc[wide, "accuracy"] += 0.3 * (table.seed[wide] - 2)
    assert claim.parts(table).set_index("part").verdict["effective, over random network"] == "does not hold"


def test_the_best_number_of_blocks_and_whether_it_tells_nearness():
    kinds = list(KINDS)
    table = rows(RISING, best=lambda kind: 3 - kinds.index(kind) if kind in kinds else 0)
    best = claim.best(table).set_index(["direction", "kind"])
    assert (best.k.loc["one Alice", "vehicles"] == 3).all() and (
        best.k.loc["one Bob", "same classes"] == 0
    ).all()
    for correlation, p in claim.tells(table).values():
        assert correlation < -0.9 and p < 0.001
    for correlation, p in claim.tells(rows(RISING, best=lambda kind: 1)).values():
        assert np.isnan(correlation) and np.isnan(p)


def test_scratch_counts_as_training_all_blocks():
    curves = claim.curves(rows(RISING, noise=0.0))
    assert list(curves) == [0, 1, 2, 3, 5]
    np.testing.assert_allclose(curves[5], 0.55)


@pytest.mark.hostile("input")
@pytest.mark.parametrize("retrains", [[0], [1, 5], [6]])
def test_cuts_that_leave_nothing_of_alice_or_solve_nothing_are_refused(retrains):
    with pytest.raises(
        ValueError, match="retrains must be numbers from 0 to 4, at least one above 0: cnn has 5 blocks"
    ):
        claim.cuts("cnn", retrains)


def test_nearness_orders_the_kinds_and_is_1_for_the_same_task():
    for kind in ("wu-palmer", "path"):
        near = claim.nearness(kind)
        assert near[TASK] == 1 and len(near) == sum(map(len, KINDS.values()))
        levels = [np.mean([near[task] for task in tasks]) for tasks in KINDS.values()]
        assert levels == sorted(levels)


@pytest.fixture
def photographs(monkeypatch):
    """CIFAR-10's classes with made pictures, and pets of two kinds."""
    ten = bases.Base(
        **vars(made([200] * 10, channels=3))
        | {
            "classes": (
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            )
        }
    )
    two = bases.Base(**vars(made([200, 150], size=(12, 12), channels=3)) | {"classes": ("cat", "dog")})
    here = {"cifar10": ten, "pet_species": two}
    monkeypatch.setattr(bases, "_splits", lambda name: dict.fromkeys(bases.SPLITS, here[name]))


def test_every_task_is_run_both_ways_and_sides_may_have_other_photographs(photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    monkeypatch.setattr(claim, "study", lambda cells: study(cells, workers=1))
    recipe = dict(alice_pairs=20, alice_epochs=1, bob_pairs=10, bob_epochs=1, test_pairs=20)
    table = claim.run("pet_species", 1, [0, 2], network="cnn", **recipe)
    assert len(table) == len(DIRECTIONS) * len(TASKS) * (4 + 3)
    assert sorted(claim.curves(table)) == [0, 2, 5]
    assert claim.sets("pet_species") == ["pet_species", "cifar10"] and claim.sets("cifar10") == ["cifar10"]
    assert set(table.method) == {ALICE, *RIVALS, TRAINED} and table.accuracy.between(0, 1).all()
    assert set(zip(table.kind, table.task)) == set(TASKS)


def test_a_page_takes_the_best_photographs_at_hand_or_the_kept_run(photographs, monkeypatch):
    defaults = pages.defaults("dogs_and_cats")
    sizes = {key: defaults[key] for key in ("alice_pairs", "bob_pairs", "test_pairs")}
    for here, base in (
        ({"pet_species", "cifar10"}, "pet_species"),
        ({"cifar10"}, "cifar10"),
        (set(), parameters.KEPT),
    ):
        monkeypatch.setattr(bases, "present", here.__contains__)
        values = pages.parameters("dogs_and_cats", "quick", {})
        assert values["base"] == base
        at_hand = pages.at_hand("dogs_and_cats", base=parameters.AUTO, **sizes)
        assert at_hand == (base, *(values[key] for key in sizes))
    assert pages.at_hand("dogs_and_cats", base="cifar10", **sizes) == ("cifar10", *sizes.values())


def test_a_small_set_is_taken_as_far_as_it_goes_unless_more_is_asked_for(photographs):
    values = pages.parameters("dogs_and_cats", "quick", {"base": "pet_species"})
    assert values["alice_pairs"] == 2 * 150 - values["bob_pairs"] and values["test_pairs"] == 300
    with pytest.raises(ValueError, match="photographs of dog are asked for, but there are 150"):
        pages.parameters("dogs_and_cats", "quick", {"base": "pet_species", "alice_pairs": 1000})


@pytest.mark.hostile("input")
def test_too_many_photographs_are_refused_before_any_work(photographs):
    with pytest.raises(ValueError, match="photographs"):
        claim.check(
            dict(
                base="cifar10",
                network="cnn",
                retrains=[0, 1],
                alice_pairs=100_000,
                bob_pairs=10,
                test_pairs=20,
                seeds=1,
            ),
        )
    claim.check(dict(base=parameters.KEPT, alice_pairs=100_000))


# The page, on made photographs.


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return smoke("dogs_and_cats", tmp_path_factory.mktemp("page"), network="mlp", bob_epochs=4)


def test_the_page_has_a_row_for_every_task_method_and_seed(page):
    table = page.tables["dogs_and_cats_summary"]
    assert len(table) == len(DIRECTIONS) * len(TASKS) * 3 * (len((ALICE, *RIVALS)) + len((2, 4)))
    assert not table.duplicated(["direction", "kind", "task", "method", "retrain", "seed"]).any()
    assert "photographs of CIFAR-10" in page.glued["shown"]


def test_a_probe_tells_animals_from_vehicles_and_nobody_tells_labels_dealt_at_random(page):
    """Four and a half standard errors of three seeds, and of three tasks where these are easy."""
    accuracy = page.tables["dogs_and_cats_summary"].query("direction == 'one Alice'")
    test_pairs = 60
    easy = accuracy.query("kind == 'animal or vehicle'").groupby("method").accuracy.mean()
    assert (
        easy[[ALICE, "random network", "raw pixels"]] > 0.5 + 4.5 * np.sqrt(0.25 / (9 * test_pairs))
    ).all()
    control = accuracy.query("kind == @CONTROL").groupby(["method", "retrain"]).accuracy.mean()
    assert (abs(control - 0.5) < 4.5 * np.sqrt(0.25 / (3 * test_pairs))).all()


def by_hand(table):
    """The four parts of claim A6 and its verdict, from the page's rule, without the module."""
    solved = table[table.method != TRAINED]
    accuracy = solved.pivot_table("accuracy", ["direction", "seed", "kind"], "method")

    def lead(direction, over):
        return (accuracy[ALICE] - accuracy[over])[direction].unstack()[list(KINDS)]

    def interval(values, level):
        return laws.t.interval(level, len(values) - 1, values.mean(), laws.sem(values))

    verdicts = []
    for direction in DIRECTIONS:
        curves = lead(direction, "random network")
        steps = [interval(curves[b] - curves[a], 1 - 0.05 / 3) for a, b in zip(list(KINDS), list(KINDS)[1:])]
        rise = interval(curves["same classes"] - curves["vehicles"], 0.95)
        if laws.page_trend_test(curves).pvalue < 0.01:
            verdicts.append("holds in part" if min(high for _, high in steps) < 0 else "holds")
        else:
            verdicts.append("does not hold" if rise[1] < 0 else "undecided")
    for over in ("random network", "scratch"):
        curves = lead("one Alice", over)
        low, high = zip(*(interval(curves[kind], 0.975) for kind in ("other animals", "same classes")))
        verdicts.append("holds" if min(low) > 0 else "does not hold" if min(high) < 0 else "undecided")
    if len(set(verdicts)) == 1:
        return verdicts, verdicts[0]
    return verdicts, "holds in part" if "holds" in " ".join(verdicts).replace(
        "does not hold", ""
    ) else "does not hold"


def test_the_pages_verdict_is_the_one_computed_by_hand_from_its_table(page):
    verdicts, verdict = by_hand(page.tables["dogs_and_cats_summary"])
    assert list(claim.parts(page.tables["dogs_and_cats_summary"]).verdict) == verdicts
    assert page.glued["verdict"] == page.tables["dogs_and_cats_claims"].verdict[0] == verdict


@pytest.mark.parametrize("lead", [lambda kind: 0.0, RISING, lambda kind: -0.2 * len(kind)])
def test_made_rows_have_the_verdict_computed_by_hand(lead):
    for scratch in (-0.05, 0.0, 0.2):
        table = rows(lead, scratch=scratch)
        assert by_hand(table) == (list(claim.parts(table).verdict), claim.verdict(claim.parts(table)))


def test_without_photographs_the_page_shows_its_kept_run_and_says_so(data_folder):
    page = execute("dogs_and_cats", pages.parameters("dogs_and_cats", "smoke", {}), data_folder)
    where, run = kept.best_run("dogs_and_cats")
    assert f"was computed earlier and kept, as the reference run {where}" in page.glued["shown"]
    row = page.tables["dogs_and_cats_claims"].iloc[0]
    assert (row.preset, row.images) == (f"{parameters.KEPT}: {where}", "cifar10")
    assert (row.verdict, row.effect) == tuple(run["claims"].loc[0, ["verdict", "effect"]])
    pd.testing.assert_frame_equal(page.tables["dogs_and_cats_summary"], run["summary"])
