"""Agreement of the pages' tables with the kept ones, on tables made by hand and on what is kept."""

import numpy as np
import pandas as pd
import pytest

from reuselab.book import agreement, build, reference
from reuselab.book.agreement import ALONE, MEAN, SIZE
from reuselab.book.kept import RESULTS
from reuselab.claims.parameters import KEPT

PROCESSORS = ("new", "old", "older")
FACTOR = 6


def table(shift=0.0, noise=0.0, seed=0):
    """Bob's accuracies in 5 cells of 8 seeds, on 1,000 test pairs; a processor shifts few of them by one."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product([[0.0, 0.25, 0.5, 0.75, 1.0], range(8)], names=["rho", "seed"])
    accuracy = np.linspace(0.2, 0.9, len(cells)).round(3) + shift + noise * rng.standard_normal(len(cells))
    return pd.DataFrame({"bob_accuracy": accuracy.round(3)}, index=cells).reset_index().assign(network="cnn")


def on_processor(i):
    """The same table, with one image more right or wrong in a fifth of the rows."""
    flips = np.random.default_rng(i).choice([-0.001, 0, 0.001], 40, p=[0.1, 0.8, 0.1])
    return table().assign(bob_accuracy=lambda rows: (rows.bob_accuracy + flips).round(3))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a page's tables; kept are those of three processors."""
    for module in (agreement, reference):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    kept = tmp_path / "results" / "smoke"
    kept.mkdir(parents=True)
    rows = reference.rows({name: on_processor(i) for i, name in enumerate(PROCESSORS)})
    rows.to_csv(kept / "layers.csv", index=False, float_format="%.5g")
    pd.DataFrame({"processor": PROCESSORS}).to_csv(kept / "processors.csv", index=False)
    pd.DataFrame({"page": ["layers"], "images": ["digits"]}).to_csv(kept / "images.csv", index=False)
    pd.DataFrame({"kind": [ALONE, MEAN, SIZE], "factor": FACTOR}).to_csv(kept / "tolerances.csv", index=False)
    return tmp_path


def lines(folder, rows):
    rows.to_csv(folder / "layers.csv", index=False)
    return agreement.disagreements(agreement.compare("layers", folder))


def test_another_processor_agrees(folder):
    assert lines(folder, on_processor(17)) == []
    assert agreement.told("layers", "smoke", folder).startswith("40 numbers, and their means, agree")


def test_a_number_that_is_off_gets_a_line_with_its_cell_and_its_tolerance(folder):
    rows = on_processor(0)
    rows.loc[3, "bob_accuracy"] += 0.1
    first, *_ = lines(folder, rows)
    assert first.startswith(
        "layers: rho = 0, seed = 3: bob_accuracy: found 0.353, kept 0.25367, tolerance 0.0"
    )


def test_a_small_shift_of_all_numbers_is_a_disagreement_of_their_mean(folder):
    rows = on_processor(0).assign(bob_accuracy=lambda rows: rows.bob_accuracy + 0.002)
    assert [line.split(": ")[2] for line in lines(folder, rows)] == [f"bob_accuracy, {MEAN}"]


def test_numbers_of_another_draw_are_a_disagreement_though_their_mean_is_the_same(folder):
    rows = table(noise=0.004)
    rows.bob_accuracy += (table().bob_accuracy - rows.bob_accuracy).mean().round(3)
    assert any(SIZE in line for line in lines(folder, rows))


def test_what_is_on_one_side_alone_is_a_disagreement(folder):
    whole = on_processor(0)
    assert lines(folder, whole[:-1])[0].startswith("layers: rho = 1, seed = 7: rows: found 0, kept 1")
    more = pd.concat([whole, whole[-1:].assign(seed=8)])
    assert lines(folder, more)[0].startswith("layers: rho = 1, seed = 8: rows: found 1, kept 0")
    assert len(lines(folder, whole.assign(bob_accuracy=np.nan))) == 40
    without = lines(folder, whole.drop(columns="bob_accuracy"))
    assert without == ["layers: all: column bob_accuracy: found 0, kept 1, tolerance 0"]
    (folder / "layers.csv").unlink()
    held = agreement.compare("layers", folder)
    assert agreement.disagreements(held) == ["layers: all: the table: found 0, kept 1, tolerance 0"]


def test_one_image_may_turn_where_none_did_on_the_kept_processors(folder):
    same = reference.rows({name: table() for name in PROCESSORS})
    same.to_csv(folder / "results" / "smoke" / "layers.csv", index=False)
    assert len(same) == 40
    rows = table()
    rows.loc[0, "bob_accuracy"] += 0.001
    assert lines(folder, rows) == []


@pytest.mark.parametrize(
    "preset, images, reason",
    [
        (f"{KEPT}: quick/cifar10", "cifar10", "it shows its kept run"),
        ("smoke", "fashion", "it shows a run on fashion"),
    ],
)
def test_a_page_that_was_not_computed_on_the_same_images_is_not_asked(folder, preset, images, reason):
    pd.DataFrame({"preset": [preset], "images": [images]}).to_csv(folder / "layers_claims.csv", index=False)
    assert (
        agreement.told("layers", "smoke", folder)
        == f"Not asked: {reason}, and rows are kept of a run on digits."
    )


def test_a_page_at_another_preset_says_how_to_ask(folder):
    assert "`reuselab check layers`" in agreement.told("layers", "quick", folder)


@pytest.mark.parametrize(
    "name", ["attribution", "layers", "nonlinear", "task_correlation_rivals", "zero_correlation"]
)
def test_each_kept_processor_agrees_with_the_others(name):
    factors = pd.read_csv(RESULTS / "smoke" / "tolerances.csv", index_col="kind").factor
    ratios = reference.ratios(name)
    assert (ratios.ratio.fillna(0) < ratios.kind.map(factors)).all()


def test_at_least_four_processors_are_kept_with_what_made_them():
    processors = pd.read_csv(RESULTS / "smoke" / "processors.csv")
    assert len(processors) >= 4
    assert processors.variables.is_unique and processors.versions.notna().all()


def test_nearly_all_planted_faults_were_noticed():
    mutants = pd.read_csv(build.ROOT / "results" / "mutants.csv")
    assert len(mutants) >= 20
    assert mutants.noticed.mean() >= 0.95
