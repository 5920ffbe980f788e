"""The page where both papers meet: planted problems whose law is known, the exact case, its protocol."""

import numpy as np
import pandas as pd
import pytest
from executed import table

from reuselab.claims import evidence, luck_explained, problems
from reuselab.experiment.cell import Cell
from reuselab.theory import linear

DECISIONS = luck_explained.DECISIONS
PROBLEMS = 24


def planted(*, follows=1.0, noise=0.0, seeds=8):
    """Problems whose gain is `follows` times what theory predicts; the best cut is another in each."""
    rng, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        for i in range(PROBLEMS):
            size, inputs = 50, (100.0, 400.0)[i % 2]
            cosines = rng.permutation([0.95, 0.7, 0.3] if i % 3 else [0.1, 0.2, 0.3])
            for retrain, cosine in enumerate([*cosines, 0.5], start=1):
                theory = float(linear.linear_transfer_gain(size / inputs, np.arccos(cosine), 0.0))
                gain = 0.3 * follows * theory * (retrain < 4) + noise * rng.standard_normal()
                row = {"network": "mlp", "rho": i / 100, "phi": 0.0, "bob_pairs": size, "seed": seed}
                row |= {"retrain": retrain, "bob_accuracy": 0.5 + gain, "inputs": inputs, "cosine": cosine}
                row |= {"alignment": 0.5, "cka": rng.random(), "norm": -cosine}
                rows.append(row | {"r2": 0.4 if retrain == 4 else 0.4 + theory})
    return pd.DataFrame(rows)


def verdict(what, rows):
    decision = DECISIONS[what]
    return evidence.judge({"digits": decision.values(rows)}, decision.matters).verdict[0]


@pytest.mark.parametrize("what", [what for what in DECISIONS if what.startswith("theory")])
def test_each_decision_holds_where_gains_follow_theory_and_not_where_they_oppose_it(what):
    assert verdict(what, planted(noise=0.001)) == "holds"
    assert verdict(what, planted(follows=-1.0, noise=0.001)) == "does not hold"


def test_gains_that_are_noise_show_no_law():
    noise = planted(follows=0.0, noise=0.1)
    for what in DECISIONS:
        assert verdict(what, noise) != "holds"


def test_what_is_measured_ranks_gains_that_follow_it_and_a_share_below_0_counts_as_0():
    rows = planted()
    assert luck_explained.size(rows, "measured").min() > 0.8
    rows["r2"] = -20.0
    assert (luck_explained.points(rows).measured == 0).all()


def test_a_point_lies_at_its_own_n_over_d_and_gains_over_scratch_of_its_own_problem():
    given = luck_explained.points(planted())
    assert set(given.gamma.round(6)) == {0.5, 0.125} and given.retrain.max() == 3
    assert np.allclose(given.gain, 0.3 * given.theory)
    assert np.allclose(given.theory, given.cosine**2 - given.gamma)


def test_one_law_is_told_from_two():
    for networks, names in ((False, ["a", "b"]), (True, ["a, mlp", "b, mlp"])):
        same = luck_explained.one_law({"a": planted(), "b": planted()}, "theory", networks=networks)
        assert same.set.tolist() == names and (same.law == luck_explained.THEIRS).all()
        assert set(same.own) == set(same.others) == {"+1.000 [+1.000, +1.000]"}
        assert luck_explained.one_or_several(same).startswith("One law")
    other = luck_explained.one_law({"a": planted(), "b": planted(follows=-1.0)}, "theory")
    assert (other.law == luck_explained.ITS_OWN).all() and other.others.str.startswith("-").all()
    assert luck_explained.one_or_several(other) == "Several laws hold: a and b have their own."


def test_a_law_is_open_where_intervals_are_wide_and_one_set_alone_cannot_tell():
    wide = luck_explained._alike(pd.DataFrame({"own": [0.5, 0.5], "others": [0.6, 0.1]}))
    assert wide["law"] == luck_explained.OPEN
    assert "open" in luck_explained.one_or_several(pd.DataFrame([{"set": "a"} | wide]))
    assert "cannot tell" in luck_explained.one_or_several(luck_explained.one_law({"a": planted()}, "theory"))


def test_a_line_is_judged_on_seeds_that_it_was_not_fitted_to():
    """Gains that are noise: a line fitted to what it is judged on would explain some of each seed."""
    noise = luck_explained.one_law({"a": planted(follows=0.0, noise=0.1, seeds=3)}, "theory")
    assert float(noise.own[0].split()[0]) < 0


def test_each_measure_ranks_gains_on_its_own():
    told = luck_explained.alone({"a": planted()}).set_index("measure").a
    means = told.str.replace("within", "0").str.split().str[0].astype(float)
    assert means["effective cos(theta)"] == -means["norm of the features"] > 0.5
    assert means["kernel-target alignment"] == 0 and abs(means["CKA with an Alice of Bob's task"]) < 0.2


def test_whose_the_features_are_is_told_below_the_top_and_at_it():
    def path(*held):
        row = {"rho": 0.0, "phi": 0.0, "pixels": 0.4, "gamma": 0.2}
        return pd.DataFrame([row | {"kept": k, "held": h, "gain": h - 0.4} for k, h in enumerate(held, 1)])

    told = luck_explained.whose({"a": path(0.6, 0.2), "b": path(0.5, 0.1)})
    assert told["answer"].startswith("Below the top, her features serve anybody")
    assert [told[name] for name in ("above", "gained_above", "below", "gained_below")] == ["2", "2", "2", "0"]
    assert (told["far"], told["below_top"], told["at_top"], told["sets"]) == ("0 of 0", "2", "0", "2")
    near = luck_explained.whose({"a": pd.concat([path(0.6, 0.2), path(0.7, 0.6).assign(rho=0.9)])})
    assert (near["far"], near["near"]) == ("1 of 2", "2 of 2")
    assert (
        luck_explained.scratch({"a": path(0.6), "b": path(0.5)}) == "0.20 and 0.40 on a, 0.20 and 0.40 on b"
    )
    assert luck_explained.whose({"a": path(0.6, 0.5)})["answer"].startswith("Whose they are depends")


def test_a_path_is_a_mean_over_seeds_of_the_cuts_of_one_coupling():
    given = luck_explained.points(planted())
    paths = luck_explained.paths(given, "mlp", 50)
    assert paths.groupby(["rho", "phi"]).kept.agg(list).tolist() == [[1, 2, 3]] * PROBLEMS
    first = given[(given.rho == 0) & (given.retrain == 3)]
    assert np.isclose(paths.held[0], (first.cosine**2).mean()) and np.allclose(paths.pixels, 0.25)


def test_where_theory_is_right_is_told_of_each_number_of_pairs():
    for follows, right in ((1.0, "1.00 [1.00, 1.00]"), (-1.0, "0.00 [0.00, 0.00]")):
        told = luck_explained.where_right({"a": planted(follows=follows)})
        assert set(told["told right"]) == {right} and told["Bob's pairs"].tolist() == [50]


def test_where_theory_is_right_most_and_least_is_told_in_words():
    right = luck_explained.where_right({"a": planted(), "b": planted(follows=-1.0)})
    told = luck_explained.extremes(right)
    assert told["most"] == "1.00 of the cuts of the mlp on a with 50 pairs, n / d = 0.5"
    assert told["least"].startswith("0.00 of the cuts of the mlp on b")
    alike = luck_explained.extremes(luck_explained.where_right({"a": planted(), "b": planted()}))
    assert alike["most"].endswith("(and as often in 1 other row of the table)")
    assert "0.50 with mlp" in luck_explained.answers(right)["network"]


def test_in_the_exact_case_both_papers_agree():
    exact = luck_explained.exact_case(6, 300)
    assert np.allclose(exact.rho, exact["cos(theta)"], atol=1e-12)
    assert np.allclose(exact.risk, exact.formula, atol=1e-10)
    assert (abs(exact["mean"] - exact.expected) < 4.5 * exact.error).all()


def test_the_problems_of_one_alice_have_a_row_for_each_size_and_cut_scratch_among_them():
    alice = Cell.of(network="mlp", rho=0.5, alice_pairs=100, alice_epochs=1, test_pairs=50, seed=3)
    rows = problems.problems(alice, {20: 1, 30: 1})
    assert list(rows) == [*problems.KEYS, *problems.MEASURED]
    assert rows.groupby("bob_pairs").retrain.agg(list).tolist() == [[1, 2, 3, 4]] * 2
    assert rows[["bob_accuracy", "cosine", "alignment", "cka"]].stack().between(0, 1 + 1e-12).all()
    assert np.allclose(rows.cka[rows.retrain == 4], 1) and rows.groupby("retrain").cka.nunique().max() == 1
    assert (rows.inputs == 128).all() and (rows.norm > 0).all()
    assert (rows[rows.bob_pairs == 20].r2.nunique(), rows.seed.unique().tolist()) == (4, [3])


def test_the_protocol_uses_seeds_that_no_pilot_used_and_each_alice_once():
    seeds = range(problems.FIRST_SEED, problems.FIRST_SEED + 2)
    cells = list(problems.alices("turned", seeds))
    assert len(set(cells)) == len(cells) and {cell.bob_base for cell in cells} == {"turned"}
    tasks = [
        {*c.alice_classes.split("|"), *c.bob_classes.split("|")} for c in problems.alices("cifar10", seeds)
    ]
    assert [len(classes) for classes in tasks] == [4] * len(tasks) and tasks[0] != tasks[-1]
    assert set(luck_explained.EVIDENCE_SETS) <= set(evidence.SETS)


def test_an_evidence_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    made, alice = [], Cell.of(network="mlp", seed=1)

    def once(cell, sizes):
        made.append(cell)
        return pd.DataFrame([{"seed": cell.seed}])

    monkeypatch.setattr(problems, "problems", once)
    assert [problems._saved(tmp_path, alice).seed[0] for _ in range(2)] == [1, 1] and len(made) == 1


@pytest.mark.hostile("input")
def test_too_few_pairs_to_judge_features_by_are_refused():
    with pytest.raises(ValueError, match="bob_samples must be 12 or more each, not 10"):
        luck_explained.check({"bob_samples": [10, 30]})


KEPT = luck_explained.kept()


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_table_has_every_problem_of_the_protocol(name):
    rows = KEPT[name]
    seeds = range(problems.FIRST_SEED, problems.FIRST_SEED + problems.SEEDS[name])
    alices = {(c.network, c.rho, c.phi, c.seed) for c in problems.alices(name, seeds)}
    assert set(rows[["network", "rho", "phi", "seed"]].itertuples(index=False, name=None)) == alices
    assert not rows.duplicated(problems.KEYS).any()
    assert (rows.groupby(["network", "rho", "phi", "seed"]).bob_pairs.nunique() == len(problems.SIZES)).all()


def test_the_page_keeps_its_problems_and_its_exact_case(built):
    exact = table("luck_explained_exact")
    assert np.allclose(exact.risk, exact.formula, atol=1e-10)
    assert set(problems.KEYS) <= set(table("luck_explained"))
