"""Bob's rivals, what his accuracy is made of, and claim A3: on made data, on small cells, and on the page."""

import functools
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
import torch
from executed import glued, table
from made import made
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from reuselab import stats
from reuselab.book import build as book
from reuselab.book import kept as kept_runs
from reuselab.book import pages
from reuselab.claims import baselines, coupling
from reuselab.claims import zero_correlation as claim
from reuselab.claims.baselines import ALICE
from reuselab.claims.zero_correlation import TERMS
from reuselab.experiment import bases, cell, models, pairs, train
from reuselab.experiment.cell import Cell
from reuselab.runs.study import study

SMALL = {
    "probe": True,
    "test_pairs": 1000,
    "alice_pairs": 500,
    "alice_epochs": 4,
    "alice_device": "cpu",
    "bob_pairs": 60,
    "bob_epochs": 3,
    "bob_device": "cpu",
}
DIGITS = (bases.load("digits", "train"),) * 2


def small(**changed):
    return Cell.of(**SMALL | changed)


# The rivals.


def test_a_rival_differs_from_bob_in_what_its_name_says_and_in_nothing_else():
    bob = small(network="cnn", retrain=2, alice_optimizer="sgd", alice_lr=0.1)
    plain = {
        f"alice_{field.name}": field.default
        for field in fields(train.Recipe)
        if field.name not in ("pairs", "device")
    }
    untrained = {"alice_task": "none", **plain}
    alone = {"retrain": 5, "init": "fresh", **untrained}
    expected = {
        "Alice": {},
        "random network": untrained,
        "shuffled labels": {"alice_task": "shuffled"},
        "Bob's labels": {"alice_task": "bob"},
        "random network 1": untrained | {"alice_start": 1},
        "random network 2": untrained | {"alice_start": 2},
        "raw pixels": alone | {"probe": True},
        "scratch": alone | {"probe": False},
    }
    rivals = baselines.rivals(bob, starts=2)
    assert {name: rival.flat() for name, rival in rivals.items()} == {
        name: bob.flat() | changed for name, changed in expected.items()
    }


def test_rivals_that_take_nothing_from_alice_are_one_cell_for_every_cut_and_recipe():
    several = [
        baselines.rivals(small(retrain=k, **recipe))
        for k in (1, 3)
        for recipe in baselines.OPTIMIZERS.values()
    ]
    for name in ("raw pixels", "scratch"):
        assert len({rivals[name] for rivals in several}) == 1
    assert len({rivals["random network"] for rivals in several}) == 2, "one for each cut"


def test_every_optimizer_is_a_recipe_of_its_own_and_the_default_is_alices():
    recipes = [small(**recipe).alice_recipe for recipe in baselines.OPTIMIZERS.values()]
    assert len(set(recipes)) == len(recipes)
    assert small(**baselines.OPTIMIZERS["AdamW"]).alice_recipe == small().alice_recipe


def test_rows_carry_the_cut_and_the_recipe_that_a_rival_is_compared_with(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "study", functools.partial(study, workers=1, home=tmp_path))
    cells = [
        small(network="mlp", retrain=k, alice_epochs=0, **baselines.OPTIMIZERS[recipe])
        for k in (1, 3)
        for recipe in ("SGD", "AdamW")
    ]
    rows = baselines.compare(
        [*cells, small(network="mlp", retrain=2, alice_epochs=0, alice_lr=0.7)], only=[ALICE, "raw pixels"]
    )
    assert list(rows.method) == [ALICE, "raw pixels"] * 5
    assert list(rows.retrain) == [1] * 4 + [3] * 4 + [2] * 2
    assert list(rows.optimizer) == ["SGD", "SGD", "AdamW", "AdamW"] * 2 + ["other"] * 2
    assert rows[rows.method == "raw pixels"].bob_accuracy.nunique() == 1


# What an Alice can be taught, by what comes of it.


def judged(net, which=1000):
    test = cell.draw(small(), "test", which, 77)
    return train.accuracy(net, test, test.alice_labels), train.accuracy(net, test, test.bob_labels)


def test_alice_learns_the_task_she_is_told_and_no_other():
    """An answer by class without the task is right on 10 % of the classes, give or take 10 %."""
    learned = {
        task: judged(cell.train_alice(small(alice_task=task, alice_epochs=10)))
        for task in ("own", "bob", "shuffled", "none")
    }
    assert learned["own"][0] > 0.8 and learned["bob"][1] > 0.8
    assert max(learned["own"][1], learned["bob"][0], *learned["shuffled"], *learned["none"]) < 0.4


def test_shuffled_labels_are_hers_in_another_order_for_other_images():
    data = cell.draw(small(), "train", 400, 5)
    dealt = cell._shuffled(small(alice_task="shuffled"), data.alice_labels)
    assert torch.equal(dealt.sort().values, data.alice_labels.sort().values)
    assert abs((dealt == data.alice_labels).double().mean() - 0.1) < 4.5 * (0.09 / 400) ** 0.5


@pytest.mark.parametrize("network", ["cnn", "mlp"])
def test_an_untrained_alice_has_the_weights_that_training_begins_with(network):
    untrained = small(network=network, alice_task="none")
    start, calibrated = cell.untrained_alice(untrained), cell.train_alice(untrained)
    no_epochs = cell.train_alice(small(network=network, alice_epochs=0))
    second_start = cell.train_alice(small(network=network, alice_task="none", alice_start=1))
    nets = (calibrated, no_epochs, second_start)
    for (name, weight), same, also_same, drawn_anew in zip(
        start.named_parameters(), *(net.parameters() for net in nets)
    ):
        assert torch.equal(weight, same) and torch.equal(weight, also_same)
        constant = not name.endswith("weight") or weight.unique().numel() == 1
        assert constant or not torch.equal(weight, drawn_anew)


def test_calibration_gives_normalisation_the_statistics_of_its_inputs():
    data = cell.draw(small(), "train", 300, 5)
    net = models.build("cnn", data.shape, 10, 1)
    train.calibrate(net, data)
    inputs = data[:]
    for block in list(net)[:3]:
        convolved = block[1](block[0](inputs)).detach()
        torch.testing.assert_close(block[2].running_mean, convolved.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(block[2].running_var, convolved.var((0, 2, 3)), atol=1e-5, rtol=1e-3)
        inputs = torch.relu(
            torch.nn.functional.batch_norm(
                convolved, convolved.mean((0, 2, 3)), convolved.var((0, 2, 3), correction=0)
            )
        )


# The solver.


@pytest.mark.parametrize("blocks", [0, 1, 2, 4])
def test_the_solved_head_is_ridge_on_standardised_features(blocks):
    """Beside scikit-learn's own pipeline, on pairs that it was fitted to and on new ones."""
    data, new = cell.draw(small(), "train", 150, 5), cell.draw(small(), "test", 100, 6)
    lower = cell.train_alice(small(alice_task="none"))[:blocks]
    probe = train.solve(lower, data, data.bob_labels, 10)
    with torch.no_grad():
        features, fresh = (lower.eval()(images[:]).flatten(1).double().numpy() for images in (data, new))
    scaler = StandardScaler().fit(features)
    targets = np.where(np.eye(10)[data.bob_labels.numpy()] > 0, 1.0, -1.0)
    ridge = RidgeCV(train.PENALTIES).fit(scaler.transform(features), targets)
    for images, x in ((data, features), (new, fresh)):
        np.testing.assert_allclose(
            train.predict(probe, images).numpy(), ridge.predict(scaler.transform(x)), atol=2e-4
        )


def test_the_solver_takes_absent_classes_and_constant_features():
    base = made([30, 30, 30, 1])
    base.images[:, :, :4] = 7
    data = pairs.sample((base, base), 60, np.pad(np.full((3, 3), 1 / 9), ((0, 1), (0, 1))), seed=1)
    probe = train.solve(cell.untrained_alice(small())[:0], data, data.bob_labels, 4)
    logits = train.predict(probe, data)
    assert logits.shape == (60, 4) and torch.isfinite(logits).all() and 3 not in logits.argmax(1)
    assert train.accuracy(probe, data, data.bob_labels) > 0.9


def test_solving_bobs_head_leaves_alice_as_she_was():
    alice = cell.train_alice(small())
    before = {name: value.clone() for name, value in alice.state_dict().items()}
    trains = [w.requires_grad for w in alice.parameters()]
    cell.run(small(retrain=2), alice)
    assert all(torch.equal(before[name], value) for name, value in alice.state_dict().items())
    assert trains == [w.requires_grad for w in alice.parameters()]


# What is computed from accuracies.


def imagined(leads, seeds=5, noise=0.01):
    """Accuracies as `wide` gives them: at cut k + 1 Alice leads every rival by leads[k], with noise."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(1, len(leads) + 1), range(seeds)], names=["retrain", "seed"])
    columns = ["raw pixels", "random network", "random network 1", "random network 2", "shuffled labels"]
    rivals = pd.DataFrame(0.5 + noise * rng.normal(size=(len(index), len(columns))), index, columns)
    lead = np.repeat(leads, seeds) + noise * rng.normal(size=len(index))
    return rivals.assign(**{ALICE: 0.5 + lead, "chance": 0.1})


def test_the_terms_sum_to_the_whole_and_each_is_its_difference():
    accuracies = imagined([0.3, -0.2])
    terms = claim.decompose(accuracies)
    np.testing.assert_allclose(terms[list(TERMS)].sum(axis=1), accuracies[ALICE] - 0.1, atol=1e-12)
    np.testing.assert_allclose(terms.whole, accuracies[ALICE] - 0.1, atol=1e-12)
    others = (accuracies["random network 1"] + accuracies["random network 2"]) / 2
    expected = [
        accuracies["raw pixels"] - 0.1,
        others - accuracies["raw pixels"],
        accuracies["random network"] - others,
        accuracies["shuffled labels"] - accuracies["random network"],
        accuracies[ALICE] - accuracies["shuffled labels"],
    ]
    for name, values in zip(TERMS, expected):
        np.testing.assert_allclose(terms[name], values, atol=1e-12)


def test_a_lead_is_a_paired_interval_widened_for_the_number_of_cuts():
    accuracies = imagined([0.1, 0.02, -0.1])
    summary = claim.better(accuracies, "random network")
    for k, row in summary.iterrows():
        expected = stats.interval((accuracies[ALICE] - accuracies["random network"])[k], 1 - 0.05 / 3)
        assert (row["mean"], row.low, row.high) == pytest.approx(expected)
    assert list(summary.verdict[[1, 3]]) == ["holds", "does not hold"]


@pytest.mark.parametrize(
    "leads, verdict",
    [
        ([0.2, 0.1, 0.3], "holds"),
        ([0.2, -0.1, 0.3], "holds in part"),
        ([-0.2, -0.1], "holds in part"),
        ([0.2, 0.0], "holds in part"),
        ([-0.4, -0.4], "does not hold"),
    ],
)
def test_the_verdict_says_what_was_made(leads, verdict):
    assert claim.verdict(imagined(leads)) == verdict
    assert claim.verdict(imagined(leads, seeds=2)) == "undecided"


def test_the_scoreboard_tells_the_least_and_the_largest_lead_and_their_cuts():
    row = claim.judge(
        {"cnn": imagined([0.1, 0.3], noise=0.001), "mlp": imagined([0.2, -0.2])}, "smoke", "digits"
    )
    assert row["verdict"] == "holds" and row["effect"].startswith("cnn: lead over chance at least +0.5")
    assert "over a random network from +0.10" in row["effect"] and row["effect"].endswith(
        "; mlp: holds in part"
    )
    assert row["effect"].count("(k = 1)") == 2 and row["effect"].count("(k = 2)") == 1


def test_the_verdict_is_does_not_hold_where_bobs_answers_are_shuffled():
    """Shuffled answers are right by luck, at chance. At most 1 in 20 such runs may seem to hold anywhere."""
    rng = np.random.default_rng(1)
    accuracies = imagined([0.3, 0.3, 0.3])
    labels = rng.integers(10, size=2000)

    def shuffled(accuracy):
        answers = np.where(rng.random(2000) < accuracy, labels, (labels + 1) % 10)
        return (rng.permutation(answers) == labels).mean()

    verdicts = [
        claim.verdict(accuracies.assign(**{ALICE: [shuffled(accuracy) for accuracy in accuracies[ALICE]]}))
        for _ in range(20)
    ]
    assert claim.verdict(accuracies) == "holds"
    assert verdicts.count("does not hold") >= 17 and "holds" not in verdicts


def test_a_summary_holds_accuracies_leads_and_terms_paired_by_seed():
    accuracies = imagined([0.3, -0.2])
    long = (
        accuracies.drop(columns="chance")
        .melt(ignore_index=False, var_name="method", value_name="bob_accuracy")
        .reset_index()
    )
    long = long.assign(chance=0.1, network="cnn", optimizer="AdamW", bob_pairs=60, alice_accuracy=0.9)
    summary = claim.summarise(long).set_index(["quantity", "name", "retrain"])
    for k in (1, 2):
        for quantity, name, values in (
            ("accuracy", ALICE, accuracies[ALICE]),
            ("accuracy", "chance", accuracies.chance),
            ("lead", "chance", accuracies[ALICE] - 0.1),
            ("lead", "raw pixels", accuracies[ALICE] - accuracies["raw pixels"]),
            ("term", "optimizer", accuracies["shuffled labels"] - accuracies["random network"]),
            ("own", ALICE, accuracies[ALICE] * 0 + 0.9),
        ):
            assert tuple(summary.loc[(quantity, name, k), ["mean", "low", "high"]]) == pytest.approx(
                stats.interval(values[k])
            ), (quantity, name, k)
    assert set(summary.n) == {5} and ("lead", ALICE, 1) not in summary.index


# That nothing is correlated.


def test_independent_halves_pass_for_independent_and_coupled_ones_do_not():
    def verdicts(rho, phi, seed=0):
        sample = pairs.sample(DIGITS, 20_000, pairs.joint(10, rho), phi=phi, seed=seed)
        return list(coupling.independence(sample, DIGITS).verdict)

    assert verdicts(0, 0) == ["independent"] * 4
    assert verdicts(0.1, 0) == ["dependent"] * 4
    assert verdicts(0, 0.1) == ["independent", "dependent", "dependent", "dependent"]


# The page.


def test_the_pages_summary_comes_from_its_rows(built):
    rows = table("zero_correlation")
    assert not rows.duplicated(["network", "optimizer", "bob_pairs", "method", "retrain", "seed"]).any()
    summary = table("zero_correlation_summary")
    settings = ["network", "optimizer", "bob_pairs", "retrain"]
    terms = summary[summary.quantity == "term"]
    terms = terms.pivot_table(index=settings, columns="name", values="mean").dropna()
    assert len(terms) == 4 + 3
    np.testing.assert_allclose(terms[list(TERMS)].sum(axis=1), terms.whole, atol=1e-9)


def test_the_pages_verdict_is_that_of_its_rows(built):
    accuracies = claim.by_network(table("zero_correlation"), "AdamW", 100)
    assert list(accuracies) == ["cnn", "mlp"]
    expected = claim.judge(accuracies, "smoke", "digits")
    assert table("zero_correlation_claims").iloc[0].to_dict() == expected
    assert glued("zero_correlation", "verdict") == expected["verdict"] == claim.verdict(accuracies["cnn"])
    assert set(table("zero_correlation_proof").verdict) == {"independent"}


def test_kept_reference_runs_are_whole_and_say_where_they_come_from(built):
    for name, kept in kept_runs.references("zero_correlation").items():
        facts = kept["provenance"].set_index("fact").value
        assert {"preset", "seeds", "images", "device", "versions", "source", "made"} <= set(facts.index), name
        assert (
            (kept["claims"].claim == "A3").all()
            and len(kept["claims"]) == 1
            and kept["claims"].preset[0] == facts.preset
        )
        assert list(kept["summary"]) == list(table("zero_correlation_summary")), name
        assert (kept["summary"].low <= kept["summary"].high).all()


def test_a_reference_run_is_found_where_one_is_kept_and_only_there(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_runs, "RESULTS", tmp_path)
    assert kept_runs.references("zero_correlation") == {}
    values = pages.parameters("zero_correlation", "smoke", {})
    before = book.key("zero_correlation", values)
    (tmp_path / "quick" / "fashion").mkdir(parents=True)
    for part in kept_runs.REFERENCE:
        pd.DataFrame({"fact": ["preset"], "value": [part]}).to_csv(
            tmp_path / "quick" / "fashion" / f"zero_correlation_{part}.csv", index=False
        )
    references = kept_runs.references("zero_correlation")
    assert (
        list(references) == ["quick/fashion"] and references["quick/fashion"]["claims"].value[0] == "claims"
    )
    assert kept_runs.references("task_correlation") == {}
    assert book.key("zero_correlation", values) != before, "the page is made anew when a reference run is"


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "name, value, told",
    [
        ("networks", ["cnn", "mpl"], "did you mean mlp?"),
        ("optimizers", ["adam"], "did you mean Adam?"),
        ("bob_samples", [5], "from 10"),
        ("starts", 0, "from 1 to 20"),
        ("optimizer_seeds", 0, "from 2"),
        ("rhos", [0.0], "no parameter"),
    ],
)
def test_what_the_page_cannot_run_is_refused_in_one_line(name, value, told):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as refusal:
        pages.parameters("zero_correlation", "smoke", {name: value})
    assert told in str(refusal.value)
