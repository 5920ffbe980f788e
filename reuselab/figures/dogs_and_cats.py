"""The drawings of the page on dogs and cats; all but the first draw rows of `claims.dogs_and_cats.run`."""

from collections.abc import Iterable
from itertools import chain

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab import stats
from reuselab.claims import dogs_and_cats as claim
from reuselab.experiment.bases import Base, groups
from reuselab.figures.style import (
    ALICE_COLOR,
    FLAT_LINES,
    INK,
    METHOD_COLORS,
    REFERENCE_COLOR,
    RETRAIN_COLORS,
    band,
    drawn,
    name_lines,
)

KINDS = dict(
    zip(
        (*claim.KINDS, claim.CONTROL),
        (RETRAIN_COLORS[4], RETRAIN_COLORS[3], RETRAIN_COLORS[2], ALICE_COLOR, REFERENCE_COLOR),
    )
)
TASKS = [task for kind in reversed(claim.KINDS) for task in claim.KINDS[kind]]  # from near to far
COLUMNS = 10  # photographs of a class
PANELS = {"one Alice": "one Alice, many Bobs", "one Bob": "many Alices, one Bob"}


@drawn
def photographs(base: Base) -> Figure:
    """The first photographs of each class of `base` that a task has, a row each; dogs and cats on top."""
    order, start = base.by_class
    classes = dict.fromkeys(chain(*(chain(*groups(task)) for task in TASKS)))
    names = [name for name in classes if name in base.classes]
    first = [start[base.classes.index(name)] for name in names]
    wall = torch.stack([base.images[order[at : at + COLUMNS]] for at in first])
    rows, columns, channels, height, width = wall.shape
    drawing = Figure(figsize=(8, 0.7 * rows))
    axes = drawing.add_subplot()
    picture = wall.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    axes.imshow(picture.numpy(), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks(height * (np.arange(rows) + 0.5), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return drawing


@drawn
def leads_by_task(rows: pd.DataFrame) -> Figure:
    """Bob's lead over the random network for each task, near ones on top, a panel for each direction.

    Means over cuts, with 95 % intervals over seeds.
    """
    leads = claim.leads(rows)
    leads = leads[leads.over == "random network"]
    tasks = [(kind, task) for kind in reversed(claim.KINDS) for task in claim.KINDS[kind]]
    tasks.append((claim.CONTROL, claim.TASK))
    drawing = Figure(figsize=(8, 0.9 + 0.36 * len(tasks)))
    panels = drawing.subplots(1, 2, sharex=True, sharey=True)
    titles = (f"Alice: {_words(claim.TASK)}; Bob:", f"Bob: {_words(claim.TASK)}; Alice:")
    for axes, direction, title in zip(panels, claim.DIRECTIONS, titles):
        for at, (kind, task) in enumerate(tasks):
            of_task = leads[(leads.direction == direction) & (leads.kind == kind) & (leads.task == task)]
            mean, low, high = stats.interval(of_task.lead)
            axes.plot([low, high], [at, at], color=KINDS[kind], lw=2)
            axes.plot(mean, at, "o", color=KINDS[kind], ms=7)
        axes.axvline(0, color=REFERENCE_COLOR, lw=1.2)
        axes.set_title(title)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=REFERENCE_COLOR, alpha=0.25, lw=0.6)
    names = [kind if kind == claim.CONTROL else _words(task) for kind, task in tasks]
    panels[0].set_yticks(range(len(tasks)), names)
    for label, (kind, _) in zip(panels[0].get_yticklabels(), tasks):
        label.set_color(KINDS[kind])
    panels[0].set_ylim(len(tasks) - 0.5, -0.5)
    drawing.supxlabel("accuracy, Bob with Alice less random network", fontsize=11)
    return drawing


@drawn
def accuracy_by_kind(rows: pd.DataFrame) -> Figure:
    """One Alice: Bob's accuracy against the cut, a panel for each kind of task, a line for each method.

    Means over its tasks, with 95 % intervals over seeds.
    """
    solved = rows[(rows.direction == "one Alice") & (rows.method != claim.TRAINED)]
    kinds = [*reversed(claim.KINDS), claim.CONTROL]
    drawing = Figure(figsize=(8, 3.6))
    panels = drawing.subplots(1, len(kinds), sharex=True, sharey=True)
    for axes, kind in zip(panels, kinds):
        _methods(axes, solved[solved.kind == kind], gap=0.035 if axes is panels[0] else None)
        axes.set_title(kind, fontsize=9, color=KINDS[kind])
        axes.tick_params(labelright=axes is panels[-1])
    drawing.supxlabel("k, top blocks that Bob replaces by a solved head", fontsize=11)
    return drawing


@drawn
def one_task(rows: pd.DataFrame, direction: str, task: str) -> Figure:
    """One task: accuracy against the cut with a solved head, and against the number of trained top blocks.

    A circle is at k*; 95 % intervals over seeds.
    """
    of_task = rows[(rows.direction == direction) & (rows.task == task) & (rows.kind != claim.CONTROL)]
    drawing = Figure(figsize=(8, 3.6))
    solved, trained = drawing.subplots(1, 2, sharey=True)
    _methods(solved, of_task[of_task.method != claim.TRAINED], gap=0.04)
    alice, bob = (claim.TASK, task) if direction == "one Alice" else (task, claim.TASK)
    solved.set_title(f"Alice: {_words(alice)}; Bob: {_words(bob)}", fontsize=10)
    solved.set_xlabel("top blocks replaced by a solved head")
    curves = claim.curves(of_task)
    long = curves.melt(var_name="retrain", value_name="accuracy", ignore_index=False)
    _line(trained, long.reset_index(), "Alice")
    means = curves.mean()
    trained.plot(means.idxmax(), means.max(), "o", ms=12, mfc="none", mec=INK, mew=1.5)
    _cut_axes(trained, means.index)
    trained.set_xlabel("top blocks trained")
    trained.tick_params(labelright=True)
    solved.set_ylim(rows.accuracy.min() - 0.02, rows.accuracy.max() + 0.02)
    return drawing


@drawn
def best_blocks(rows: pd.DataFrame) -> Figure:
    """k*, the best number of trained top blocks, against nearness in meaning, a panel for each direction.

    A dot is a task, its mean over seeds.
    """
    best, most = claim.best(rows), claim.curves(rows).columns.max()
    drawing = Figure(figsize=(8, 3.4))
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, direction in zip(panels, claim.DIRECTIONS):
        for kind, tasks in best[best.direction == direction].groupby("kind"):
            axes.plot(tasks.near, tasks.k, "o", color=KINDS[kind], ms=8, alpha=0.9)
        axes.set_title(PANELS[direction], fontsize=10)
        axes.set(
            xlim=(0, 1.05), ylim=(-0.3, most + 0.3), xlabel="nearness of the tasks in meaning (Wu-Palmer)"
        )
        axes.grid(color=REFERENCE_COLOR, alpha=0.25, lw=0.6)
    panels[0].set_ylabel("k*")
    return drawing


def _words(task: str) -> str:
    return task.replace("|", " or ")


def _methods(axes: Axes, solved: pd.DataFrame, gap: float | None) -> None:
    """A line for each method against the cut, named at the left where there is a `gap` between names."""
    for method, rows in solved.groupby("method"):
        _line(axes, rows, method)
    if gap is not None:
        first = solved[solved.retrain == solved.retrain.min()].groupby("method").accuracy.mean()
        name_lines(
            axes, [(height, method, METHOD_COLORS[method]) for method, height in first.items()], gap=gap
        )
    _cut_axes(axes, solved.retrain)


def _line(axes: Axes, rows: pd.DataFrame, method: str) -> None:
    of_seeds = rows.groupby(["retrain", "seed"], as_index=False).accuracy.mean()
    if method in FLAT_LINES:
        axes.plot(
            of_seeds.groupby("retrain").accuracy.mean(), color=METHOD_COLORS[method], ls=FLAT_LINES[method]
        )
    else:
        band(axes, of_seeds, METHOD_COLORS[method], "accuracy", "retrain")


def _cut_axes(axes: Axes, cuts: Iterable[int]) -> None:
    axes.set_xticks(sorted(set(cuts)))
    axes.grid(axis="y", color=REFERENCE_COLOR, alpha=0.25, lw=0.6)
    axes.yaxis.tick_right()
    axes.spines["left"].set_visible(False)
    axes.tick_params(right=False, labelright=False)
