"""The drawings of the page on all pairs of tasks, of its kept run."""

import pytest

from reuselab.book import kept
from reuselab.claims import open_images as claim
from reuselab.figures import open_images as figures


@pytest.fixture(scope="module")
def rows():
    return kept.best_run("open_images")[1]["summary"]


def test_gains_by_nearness_name_both_groups_of_pairs(rows):
    svg = figures.gain_by_nearness(rows).svg
    assert "one class in common" in svg and "none in common" in svg and "own task" in svg


def test_heat_maps_are_two_pictures_with_their_scales(rows):
    assert figures.heat_maps(rows).svg.count("<image") >= 4


@pytest.mark.hostile("input")
def test_a_class_with_an_endless_name_fits_into_the_drawing(rows):
    endless = "$<b>" + "x" * 500
    tasks = {task: task.replace("airplane", endless) for task in claim.tasks(rows)}
    named = rows.replace({"alice": tasks}).rename(columns=tasks)
    shown = figures.heat_maps(named)
    assert "$&lt;b&gt;xxx" in shown.svg and "x" * 40 not in shown.svg
