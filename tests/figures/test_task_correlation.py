"""The drawings of the page on task correlation."""

import pandas as pd
import pytest

from reuselab.figures import task_correlation as figures


@pytest.fixture
def study():
    cells = [(rho, k, seed) for rho in (0.0, 1.0) for k in (1, 3, 5) for seed in (0, 1)]
    rows = pd.DataFrame(cells, columns=["rho", "retrain", "seed"])
    return rows.assign(
        network="cnn", bob_accuracy=0.5 + 0.1 * rows.seed, alice_accuracy=0.9, ceiling=0.6, chance=0.1
    )


def test_every_number_of_blocks_and_every_reference_is_named(study):
    svg = figures.accuracy_against_rho(study).svg
    for name in ("head only", "top 3", "from scratch", "Alice, her own task", "label alone", "chance"):
        assert name in svg


def test_gains_have_a_panel_for_each_rival(study):
    gains = pd.concat(
        [study.assign(gain=0.1 * study.retrain, over=over) for over in ("scratch", "random network")]
    )
    svg = figures.gains(gains).svg
    assert "gain over scratch" in svg and "gain over random network" in svg


def test_one_bobs_blocks_say_whose_they_are(study):
    svg = figures.one_bob(study, 1.0, 3).svg
    assert svg.count("Bob trains") == 3 and "0.550" in svg
