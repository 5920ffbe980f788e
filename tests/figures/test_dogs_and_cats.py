"""The drawings of the page on dogs and cats say which tasks, kinds and photographs they show."""

import re

import pytest
from made import made

from reuselab.book import kept
from reuselab.claims import dogs_and_cats as claim
from reuselab.experiment.bases import Base
from reuselab.figures import dogs_and_cats as figures


@pytest.fixture(scope="module")
def rows():
    return kept.best_run("dogs_and_cats")[1]["summary"]


def texts(shown):
    return re.findall(r">([^<>\n]+)</text>", shown.svg)


def test_dogs_and_cats_stand_on_top_of_the_photographs_and_classes_of_no_task_are_left_out():
    names = ("truck", "cat", "bus", "dog")
    base = made([12] * 4, size=(4, 4), channels=3)
    assert texts(figures.photographs(Base(base.images, base.labels, names))) == ["dog", "cat", "truck"]


def test_leads_stand_from_the_nearest_task_to_the_farthest_and_the_control(rows):
    words = texts(figures.leads_by_task(rows))
    tasks = [task.replace("|", " or ") for task in figures.TASKS]
    assert tasks[0] == "dog or cat" and [word for word in words if word in tasks] == tasks
    assert claim.CONTROL in words


def test_every_kind_and_method_is_named_in_the_accuracies(rows):
    words = texts(figures.accuracy_by_kind(rows))
    assert {*claim.KINDS, claim.CONTROL, claim.ALICE, *claim.RIVALS} <= set(words)


@pytest.mark.parametrize(
    "direction, title",
    [
        ("one Alice", "Alice: dog or cat; Bob: deer or frog"),
        ("one Bob", "Alice: deer or frog; Bob: dog or cat"),
    ],
)
def test_one_task_says_who_learns_what(rows, direction, title):
    assert title in texts(figures.one_task(rows, direction, "deer|frog"))


def test_the_best_numbers_of_blocks_have_a_dot_for_every_task_in_both_directions(rows):
    drawn = figures.best_blocks(rows)
    assert [word for word in texts(drawn) if word.startswith(("one", "many"))] == [*figures.PANELS.values()]
    dots = [shade for shade in figures.KINDS.values() if drawn.svg.count(f"fill: {shade.lower()}")]
    assert len(dots) == len(claim.KINDS)
