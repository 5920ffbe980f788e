"""The matrix of all pairs of tasks, on made gains whose answer is known, and on a run that is small."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from made import made
from photographs import execute, smoke
from scipy import stats as laws
from served import lay, made_files

from reuselab.book import kept, pages
from reuselab.claims import open_images as claim
from reuselab.claims import parameters, semantics
from reuselab.experiment import bases
from reuselab.experiment.bases import Base
from reuselab.sources import openimages

CLASSES = ("automobile", "truck", "ship", "cat", "dog", "bird")


def made_rows(classes=CLASSES, seeds=3, slope=0.0, sharing=0.0, shared_slope=0.0, noise=0.05):
    """Rows in which a gain is `slope` times nearness, with noise.

    Where two tasks share a class it is `sharing`, and `shared_slope` times nearness, more.
    """
    tasks, rng, rows = semantics.tasks(classes), np.random.default_rng(0), []
    near = {kind: semantics.similarities("cifar10", tasks, kind).values for kind in claim.KINDS}

    def add(method, seed, alice, own, values):
        rows.append(
            {"method": method, "seed": seed, "alice": alice, "alice_accuracy": own} | dict(zip(tasks, values))
        )

    for seed in range(seeds):
        alone = rng.uniform(0.5, 0.7, len(tasks))
        add("random network", seed, claim.NOBODY, 0.0, alone)
        add("raw pixels", seed, claim.NOBODY, 0.0, alone - 0.02)
        more = (sharing + shared_slope * near["wu-palmer"]) * ~semantics.disjoint(tasks)
        gains = slope * near["wu-palmer"] + more + rng.normal(0, noise, (len(tasks), len(tasks)))
        for task, values in zip(tasks, alone + gains):
            add("Alice", seed, task, 0.8, values)
    for kind in claim.KINDS:
        for task, values in zip(tasks, near[kind]):
            add(kind, 0, task, 0.0, values)
    return pd.DataFrame(rows).round(4)


# What the rows say.


def test_a_gain_is_bobs_accuracy_less_that_without_alice_on_the_same_seed():
    rows = made_rows(slope=1, noise=0)
    assert claim.classes(rows) == list(CLASSES) and claim.tasks(rows) == semantics.tasks(CLASSES)
    np.testing.assert_allclose(claim.gains(rows), np.broadcast_to(claim.near(rows), (3, 15, 15)), atol=2e-4)
    np.testing.assert_allclose(claim.gains(rows, "raw pixels") - claim.gains(rows), 0.02, atol=2e-4)
    one = rows[(rows.method == "Alice") & (rows.seed == 2) & (rows.alice == "cat|dog")]["ship|bird"].item()
    own = rows[(rows.method == "random network") & (rows.seed == 2)]["ship|bird"].item()
    order = claim.tasks(rows)
    assert claim.gains(rows)[2, order.index("cat|dog"), order.index("ship|bird")] == pytest.approx(one - own)
    assert claim.gains(rows.sample(frac=1, random_state=0)).tolist() == claim.gains(rows).tolist(), (
        "whatever the order of the rows"
    )


@pytest.mark.parametrize(
    "truth, expected",
    [
        ({"slope": 0.3}, "holds"),
        ({}, "undecided"),
        ({"slope": -0.3}, "does not hold"),
        ({"shared_slope": 0.5}, "holds in part"),
    ],
)
def test_the_verdict_is_what_was_put_in(truth, expected):
    rows = made_rows(**truth)
    tests = claim.tests(rows, draws=999)
    assert claim.verdict(tests, 3, claim.least_p(rows, draws=999)) == expected
    assert tests[tests.decides == "yes"].pairs.tolist() == [claim.ALL, claim.APART]
    assert (tests.least <= tests.most).all()
    assert tests[tests.permuted == "tasks"].pairs.tolist() == ["all"]


def test_a_gain_by_sharing_a_class_does_not_pass_for_meaning():
    """It correlates with nearness; but who shares a class stays when classes are permuted.

    With tasks permuted one by one it would pass.
    """
    rows = made_rows(sharing=0.3)
    tests = claim.tests(rows, draws=999)
    assert tests.correlation[0] > 0.4 and abs(tests.correlation[1]) < 0.3
    assert claim.verdict(tests, 3) == "undecided"
    assert tests[tests.permuted == "tasks"].p.item() < 0.01


def test_centring_leaves_no_row_or_column_to_take_for_meaning():
    """Good Alices and easy Bobs: a number added to whole rows and columns changes no centred test."""
    rows, more = made_rows(slope=0.3), made_rows(slope=0.3)
    own = more.method == "Alice"
    good = dict(zip(claim.tasks(rows), np.random.default_rng(1).normal(0, 0.3, 15)))
    more.loc[own, claim.tasks(rows)] += more[own].alice.map(good).to_numpy()[:, None] + np.array(
        [*good.values()]
    )
    before, after = (claim.tests(table, draws=99).query("values == 'centred'") for table in (rows, more))
    assert np.allclose(before.correlation, after.correlation) and (before.correlation > 0.3).all()


@pytest.mark.parametrize(
    "correlation, p, outcome",
    [
        (0.1, 0.0099, "rises"),
        (0.1, 0.01, "undecided"),
        (0.0, 0.001, "undecided"),
        (-0.1, 0.0099, "falls"),
        (-0.1, 0.01, "undecided"),
    ],
)
def test_a_rise_or_a_fall_is_a_correlation_with_p_below_1_percent(monkeypatch, correlation, p, outcome):
    monkeypatch.setattr(semantics, "class_mantel", lambda *_, **__: (correlation, p))
    tests = claim.tests(made_rows(seeds=1), draws=9)
    assert (tests[tests.permuted == "classes"].outcome == outcome).all()


@pytest.mark.parametrize(
    "deciding, expected",
    [
        (("rises", "rises"), "holds"),
        (("rises", "undecided"), "holds in part"),
        (("falls", "rises"), "holds in part"),
        (("undecided", "undecided"), "undecided"),
        (("undecided", "falls"), "does not hold"),
        (("falls", "falls"), "does not hold"),
        (("rises", "no test"), "undecided"),
    ],
)
def test_the_rule_counts_the_deciding_tests_alone(deciding, expected):
    for beside in ("rises", "falls"):
        tests = pd.DataFrame({"decides": ["yes", "yes", "no"], "outcome": [*deciding, beside]})
        assert claim.verdict(tests, 3) == expected
        assert claim.verdict(tests, 2) == claim.verdict(tests, 3, least=0.01) == "undecided"


def test_the_least_p_counts_classes_that_change_places_unseen():
    """Cat with dog and automobile with truck: 2 x 2 of 720. Of four classes no test can decide."""
    assert claim.least_p(made_rows()) == 4 / 720
    assert claim.least_p(made_rows(("cat", "dog", "automobile", "truck"))) == 4 / 24


def test_ends_and_bins_are_means_over_their_pairs():
    rows = made_rows(slope=0.5, noise=0)
    now, disjoint = claim.near(rows), semantics.disjoint(claim.tasks(rows))
    ends, bins = claim.ends(rows), claim.by_nearness(rows)
    low, high = np.quantile(now[disjoint], [0.2, 0.8])
    assert ends["far"][0] == pytest.approx(0.5 * now[disjoint & (now <= low)].mean(), abs=1e-4)
    assert ends["near"][0] == pytest.approx(0.5 * now[disjoint & (now >= high)].mean(), abs=1e-4)
    assert ends["rise"][0] == pytest.approx(ends["near"][0] - ends["far"][0]) and ends["same"][
        0
    ] == pytest.approx(0.5, abs=1e-4)
    assert bins.n.sum() == 15 * 14 and bins[~bins.share].n.sum() == disjoint.sum()
    assert np.allclose(bins["mean"], 0.5 * bins.near, atol=1e-4)


def test_near_classes_and_tasks_stand_side_by_side():
    rows = made_rows()
    order = claim.class_order(rows)
    assert sorted(order) == sorted(CLASSES)
    for pair in (("cat", "dog"), ("automobile", "truck")):
        assert abs(order.index(pair[0]) - order.index(pair[1])) == 1
    assert {*order[:3]} in ({"cat", "dog", "bird"}, {"automobile", "truck", "ship"})
    assert sorted(claim.task_order(rows)) == list(range(15))


# A run, and its table kept and read again.

RECIPE = {
    "network": "mlp",
    "alice_pairs": 40,
    "alice_epochs": 2,
    "bob_pairs": 20,
    "retrain": 1,
    "test_pairs": 20,
}


@pytest.fixture
def photographs(monkeypatch, tmp_path):
    """CIFAR-10 of made pictures, and an empty folder of studies."""

    def load(name, split):
        base = made([60] * 6, channels=3, seed=int(split == "test"))
        return Base(base.images, base.labels, CLASSES)

    load = {split: load("cifar10", split) for split in ("train", "test")}
    monkeypatch.setattr(bases, "_splits", lambda name: load)
    monkeypatch.setattr(bases, "present", lambda name: name == "cifar10")
    monkeypatch.setattr("reuselab.runs.study.cores", lambda: 1)
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))


def test_a_run_has_a_row_for_every_alice_and_its_table_is_read_again_as_it_was(photographs, tmp_path):
    rows = claim.run("cifar10", CLASSES[:4], 2, **RECIPE)
    assert list(rows.columns) == claim.KEYS + semantics.tasks(CLASSES[:4])
    assert rows.groupby("method").size().to_dict() == {
        "Alice": 12,
        "random network": 2,
        "raw pixels": 2,
        "wu-palmer": 6,
        "path": 6,
    }
    assert (
        claim.gains(rows).shape == (2, 6, 6)
        and np.isfinite(claim.gains(rows)).all()
        and claim.gains(rows).any()
    )
    np.testing.assert_allclose(
        claim.near(rows, "path"),
        semantics.similarities("cifar10", semantics.tasks(CLASSES[:4]), "path"),
        atol=1e-4,
    )
    rows.to_csv(tmp_path / "kept.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "kept.csv"), rows)


# What cannot be run is refused before any work.


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "base, classes, message",
    [
        ("fashion", [], "^no base with a tree of kinds 'fashion'; there is cifar10, cifar100, openimages$"),
        (
            "cifar10",
            ["cta", "dog", "ship", "bird"],
            r"^no class 'cta' \(did you mean cat\?\); there is automobile",
        ),
        (
            "cifar10",
            ["cat", "dog", "ship"],
            "^classes must name at least 4, so that two tasks may share none, not 3$",
        ),
    ],
)
def test_classes_that_make_no_matrix_are_refused_in_one_line(photographs, base, classes, message):
    for refused in (
        lambda: claim.chosen(base, classes),
        lambda: pages.parameters("open_images", "smoke", {"base": base, "classes": classes}),
    ):
        with pytest.raises(ValueError, match=message):
            refused()


@pytest.mark.hostile("input")
@pytest.mark.parametrize("classes", ["cat", ["cat", 3], ["cat", "cat"]])
def test_a_list_of_classes_is_one(classes):
    with pytest.raises(ValueError, match=r"^classes must be a list of names, none twice, or "):
        pages.parameters("open_images", "smoke", {"classes": classes})


def test_without_names_the_first_ten_classes_are_taken(photographs):
    assert claim.chosen("cifar10", []) == list(CLASSES)


@pytest.mark.hostile("input")
def test_too_few_photographs_of_any_class_are_refused_before_the_run(photographs):
    with pytest.raises(ValueError, match=r"are asked for, but there are 60$"):
        pages.parameters("open_images", "smoke", {"base": "cifar10", "alice_pairs": 200})


def test_a_few_classes_of_open_images_are_passed_over_where_others_serve(data_folder, monkeypatch):
    """Three classes of four pictures are at hand: not taken unasked, and refused where they are asked for."""
    lay(data_folder / "openimages", made_files())
    assert pages.parameters("open_images", "quick", {})["base"] == parameters.KEPT
    with pytest.raises(ValueError, match=r"^classes must name at least 4"):
        pages.parameters("open_images", "quick", {"base": "openimages"})
    monkeypatch.setattr(bases, "present", lambda name: True)
    load, ten = bases.load, made([100] * 10, (4, 4), 3)
    monkeypatch.setattr(
        bases,
        "load",
        lambda name, split: ten if name == "cifar10" else load(name, split),
    )
    monkeypatch.setattr(
        semantics,
        "CIFAR10",
        openimages.Tree(
            "",
            {"": ()} | {f"class {k}": ("",) for k in range(10)},
            {f"class {k}": f"class {k}" for k in range(10)},
        ),
    )
    assert pages.parameters("open_images", "quick", {})["base"] == "cifar10"


def test_classes_of_open_images_are_a_matrix_too(data_folder, monkeypatch):
    lay(data_folder / "openimages", made_files(12, 12))
    monkeypatch.setattr(claim, "LEAST", 3)
    monkeypatch.setattr("reuselab.runs.study.cores", lambda: 1)
    monkeypatch.setenv("REUSELAB_HOME", str(data_folder / "home"))
    rows = claim.run(
        "openimages",
        [],
        1,
        network="mlp",
        alice_pairs=12,
        alice_epochs=1,
        bob_pairs=10,
        retrain=1,
        test_pairs=20,
    )
    assert claim.tasks(rows) == ["Dog|Cat", "Dog|Bird", "Cat|Bird"] and claim.gains(rows).shape == (1, 3, 3)
    assert claim.near(rows)[1, 2] == pytest.approx((1 + 6 / 8) / 2)


@pytest.mark.parametrize(
    "classes", [("automobile", "truck", "cat", "dog"), ("automobile", "truck", "cat", "dog", "bird")]
)
def test_where_nearness_is_constant_there_is_no_test(classes):
    """As centred nearness is for few classes, over the pairs that share none."""
    tests = claim.tests(made_rows(classes), draws=99)
    assert (
        "no test" in set(tests.outcome) and (tests.outcome == "no test").tolist() == tests.p.isna().tolist()
    )
    assert claim.verdict(tests.assign(outcome=["rises", "no test", *tests.outcome[2:]]), 3) == "undecided"


@pytest.mark.hostile("input", 2)
def test_classes_that_exist_nowhere_are_refused_rather_than_answered_by_the_kept_run(
    photographs, monkeypatch
):
    """With photographs at hand by what is wrong, without any by what is missing."""
    wrong = {"classes": ["cta", "dog", "ship", "bird"]}
    with pytest.raises(FileNotFoundError, match="page open_images needs photographs for its classes"):
        pages.parameters("open_images", "quick", wrong | {"base": parameters.KEPT})
    monkeypatch.setattr(bases, "present", lambda name: name == "cifar10")
    with pytest.raises(ValueError, match=r"^no class 'cta' \(did you mean cat\?\)"):
        pages.parameters("open_images", "quick", wrong)


# The page, on made photographs.


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return smoke("open_images", tmp_path_factory.mktemp("page"), network="mlp", alice_epochs=2)


def test_the_page_has_a_row_for_every_alice_and_each_of_them_learns(page):
    """Animals against vehicles are easy: accuracies are 4.5 standard errors above chance."""
    rows = page.tables["open_images_summary"]
    assert rows.groupby("method").size()[["Alice", *claim.RIVALS]].tolist() == [30, 3, 3]
    easy = ["automobile|cat", "automobile|dog", "automobile|bird", "truck|cat", "truck|dog", "truck|bird"]
    alices = rows[(rows.method == "Alice") & rows.alice.isin(easy)]
    assert len(alices) == 18 and alices.alice_accuracy.mean() > 0.5 + 4.5 * np.sqrt(0.25 / (18 * 60))
    assert page.glued["classes"] == "5" and page.glued["pairs"] == "90"


def by_hand(rows):
    """Claim A7's outcomes and verdict from the page's rule, all permutations of its classes by name."""
    tasks = list(rows.columns[4:])
    names = list(dict.fromkeys("|".join(tasks).split("|")))
    accuracy = rows[rows.method == "Alice"].groupby("alice")[tasks].mean().loc[tasks]
    gain = (accuracy - rows[rows.method == "random network"][tasks].mean()).to_numpy().round(9)
    near = rows[rows.method == "wu-palmer"].set_index("alice").loc[tasks, tasks].to_numpy()
    sets = [frozenset(task.split("|")) for task in tasks]
    outcomes = []
    for mask in (
        np.array([[alice != bob for bob in sets] for alice in sets]),
        np.array([[not alice & bob for bob in sets] for alice in sets]),
    ):
        correlations = []
        for order in permutations(names):
            new = dict(zip(names, order))
            at = [sets.index(frozenset(new[name] for name in task)) for task in sets]
            correlations.append(laws.spearmanr(near[mask], gain[np.ix_(at, at)][mask]).statistic)
        seen, correlations = correlations[0], np.array(correlations)
        rises = seen > 0 and (correlations >= seen - 1e-12).mean() < 0.01
        falls = seen < 0 and (correlations <= seen + 1e-12).mean() < 0.01
        outcomes.append("rises" if rises else "falls" if falls else "undecided")
    if "rises" in outcomes:
        return outcomes, "holds" if outcomes == ["rises", "rises"] else "holds in part"
    return outcomes, "does not hold" if "falls" in outcomes else "undecided"


def test_the_pages_outcomes_are_those_computed_by_hand_from_its_table(page):
    """Of five classes p may be no less than 1 %, whatever was gained; then the verdict is undecided."""
    rows = page.tables["open_images_summary"]
    outcomes, verdict = by_hand(rows)
    assert claim.tests(rows).outcome[:2].tolist() == outcomes
    expected = verdict if claim.least_p(rows) < 0.01 else "undecided"
    assert page.glued["verdict"] == page.tables["open_images_claims"].verdict[0] == expected


def test_a_cell_of_the_living_matrix_is_told_what_the_rows_say():
    rows = made_rows()
    told = claim.by_cell(rows)
    hers, his = "|".join(told["tasks"][1]), "|".join(told["tasks"][4])
    of_pair = rows[(rows.method == "Alice") & (rows.alice == hers)][his]
    alone = rows[rows.method == "random network"][his].mean()
    assert told["accuracy"][1][4][0] == pytest.approx(of_pair.mean(), abs=1e-4)
    assert told["gain"][1][4] == pytest.approx(of_pair.mean() - alone, abs=1e-4)
    assert told["rivals"]["random network"][4] == pytest.approx(alone, abs=1e-4)
    assert (
        told["near"][1][4] == rows[(rows.method == "wu-palmer") & (rows.alice == hers)][his].round(3).item()
    )


@pytest.mark.parametrize("slope", [-0.3, 0.0, 0.3])
def test_made_rows_have_the_verdict_computed_by_hand(slope):
    rows = made_rows(slope=slope)
    tests = claim.tests(rows)
    assert by_hand(rows) == (tests.outcome[:2].tolist(), claim.verdict(tests, 3, claim.least_p(rows)))


def test_without_photographs_the_page_shows_its_kept_run_and_says_so(data_folder):
    page = execute("open_images", pages.parameters("open_images", "smoke", {}), data_folder)
    where, run = kept.best_run("open_images")
    assert f"was computed earlier and kept, as the reference run {where}" in page.glued["shown"]
    row = page.tables["open_images_claims"].iloc[0]
    assert (row.preset, row.images) == (f"{parameters.KEPT}: {where}", "cifar10")
    assert (row.verdict, row.effect) == tuple(run["claims"].loc[0, ["verdict", "effect"]])
    pd.testing.assert_frame_equal(page.tables["open_images_summary"], run["summary"])
