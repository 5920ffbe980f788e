"""The drawings of the page on all pairs of tasks, of its kept run."""

import numpy as np
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


@pytest.mark.parametrize(
    "held, title",
    [(figures.HELD[0], "Alice: cat or dog, accuracy"), (figures.HELD[1], "Bob: cat or dog; without Alice")],
)
def test_one_task_writes_the_gain_of_every_other_in_points(rows, held, title):
    svg = figures.one_task(rows, held, "cat|dog").svg
    gain, tasks = claim.gains(rows).mean(0), claim.tasks(rows)
    at = tasks.index("cat|dog"), tasks.index("bird|ship")
    value = gain[at] if held == figures.HELD[0] else gain[at[::-1]]
    points = f"{round(100 * value):+d}" if round(100 * value) else "0"
    assert title in svg and f">{points}<" in svg and len(svg) < 80_000


def test_the_triangle_of_a_task_holds_every_value_once_below_the_diagonal():
    table = figures._triangle(["a", "b", "c"], ["b|a", "a|c", "b|c"], np.array([1.0, 2.0, 3.0]))
    assert np.array_equal(table, [[np.nan] * 3, [1, np.nan, np.nan], [2, 3, np.nan]], equal_nan=True)


@pytest.mark.hostile("input")
def test_a_class_with_an_endless_name_fits_into_both_drawings(rows):
    endless = "$<b>" + "x" * 500
    tasks = {task: task.replace("airplane", endless) for task in claim.tasks(rows)}
    named = rows.replace({"alice": tasks}).rename(columns=tasks)
    for shown in (figures.heat_maps(named), figures.one_task(named, figures.HELD[0], f"{endless}|dog")):
        assert "$&lt;b&gt;xxx" in shown.svg and "x" * 40 not in shown.svg
