"""Agreement between the pages' tables and the kept ones, on tables made by hand."""

import pandas as pd
import pytest

from reuselab.book import agreement
from reuselab.claims.parameters import KEPT

ROWS = pd.DataFrame(
    {"rho": [0.0, 0.0, 1.0, 1.0], "seed": [0, 1, 0, 1], "bob_accuracy": [0.1, 0.14, 0.9, 0.96]}
)
EXPECTED = pd.DataFrame({"rho": [0.0, 1.0], "bob_accuracy": [0.11, 0.95], "tolerance": [0.011, 0.021]})


@pytest.fixture
def kept_and_own(tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "RESULTS", tmp_path / "results")
    (tmp_path / "results" / "smoke").mkdir(parents=True)
    EXPECTED.to_csv(tmp_path / "results" / "smoke" / "layers.csv", index=False)
    ROWS.to_csv(tmp_path / "layers.csv", index=False)
    return tmp_path


def test_means_over_seeds_within_the_tolerance_agree():
    assert agreement.disagreements("layers", EXPECTED, ROWS) == []


def test_each_number_outside_its_tolerance_gets_a_line():
    sharp = EXPECTED.assign(tolerance=[0.009, 0.019])
    assert agreement.disagreements("layers", sharp, ROWS) == [
        "layers: bob_accuracy 0.120 where rho = 0.0, kept 0.110 within 0.009",
        "layers: bob_accuracy 0.930 where rho = 1.0, kept 0.950 within 0.019",
    ]


def test_a_number_that_is_not_there_is_a_disagreement():
    broken = ROWS.assign(bob_accuracy=[0.1, 0.14, None, None])
    assert agreement.disagreements("layers", EXPECTED, broken) == [
        "layers: bob_accuracy nan where rho = 1.0, kept 0.950 within 0.021"
    ]
    assert agreement.disagreements("layers", EXPECTED, ROWS.drop(columns="bob_accuracy")) == [
        "layers has no column bob_accuracy"
    ]


def test_rows_that_are_not_there_are_a_disagreement():
    few = ROWS[ROWS.rho == 0]
    assert agreement.disagreements("layers", EXPECTED, few) == ["layers has not the rows that are kept"]
    both = EXPECTED.assign(network="cnn"), few.assign(network="cnn")
    assert any(line.startswith("layers: rho") for line in agreement.disagreements("layers", *both))


def test_columns_of_the_kept_table_choose_the_rows():
    """Rows of another network do not come into the mean."""
    rows = pd.concat([ROWS.assign(network="cnn"), ROWS.assign(network="mlp", bob_accuracy=0.5)])
    assert agreement.disagreements("layers", EXPECTED.assign(network="cnn"), rows) == []
    assert len(agreement.disagreements("layers", EXPECTED, rows)) == 2


def test_numbers_may_be_kept_one_a_line():
    lines = EXPECTED.rename(columns={"bob_accuracy": "value"}).assign(measure="bob_accuracy")
    assert agreement.disagreements("layers", lines, ROWS) == []
    assert agreement.disagreements("layers", lines.assign(tolerance=[0.009, 1]), ROWS) == [
        "layers: value 0.120 where rho = 0.0, measure = bob_accuracy, kept 0.110 within 0.009"
    ]


def test_where_nothing_is_kept_it_says_that_nothing_was_compared(kept_and_own):
    assert agreement.compare("quick", kept_and_own) == {}
    assert agreement.summary("quick", {}) == "nothing is kept for the preset quick: nothing was compared"


def test_what_was_compared_is_named(kept_and_own):
    compared = agreement.compare("smoke", kept_and_own)
    assert compared == {"layers": []}
    assert agreement.summary("smoke", compared) == "compared with what is kept for the preset smoke: layers"


def test_a_page_that_shows_its_kept_run_is_not_compared(kept_and_own):
    pd.DataFrame({"claim": ["A4"], "preset": [f"{KEPT}: quick/cifar10"]}).to_csv(
        kept_and_own / "layers_claims.csv", index=False
    )
    assert agreement.compare("smoke", kept_and_own) == {}


def test_a_measure_whose_kept_values_stand_in_the_rows_is_compared_all_the_same():
    rows = pd.DataFrame({"rho": [0.0, 0.0, 1.0, 1.0], "bob_accuracy": [0.1, 0.14, 0.9, 0.96]})
    expected = pd.DataFrame({"rho": [0.0, 1.0], "bob_accuracy": [0.1, 0.9], "tolerance": 0.001})
    assert len(agreement.disagreements("layers", expected, rows)) == 2
