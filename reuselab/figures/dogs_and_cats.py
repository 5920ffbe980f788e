"""The drawings of the page on dogs and cats, in the style and palette of `figures`; all but the first draw the rows of `claim.run`."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab import stats
from reuselab.claims import dogs_and_cats as claim
from reuselab.experiment.bases import Base
from reuselab.figures.style import ALICE, INK, REFERENCE, RETRAIN, band, drawn, name_lines
from reuselab.figures.zero_correlation import FLAT, METHODS

KINDS = dict(zip((*claim.KINDS, claim.CONTROL), (RETRAIN[4], RETRAIN[3], RETRAIN[2], ALICE, REFERENCE)))


@drawn
def photographs(base: Base) -> Figure:
    """The first photographs of each class of `base`, a row each."""
    order, start = base.by_class
    shown = [
        name
        for name in base.classes
        if name in "|".join(task for tasks in claim.KINDS.values() for task in tasks).split("|")
    ]
    columns, drawing = 10, Figure(figsize=(8, 0.72 * len(shown)))
    panels = drawing.subplots(len(shown), columns, squeeze=False)
    for line, name in zip(panels, shown):
        first = start[base.classes.index(name)]
        for axes, image in zip(line, base.images[order[first : first + columns]]):
            axes.imshow(image.permute(1, 2, 0), interpolation="nearest")
            axes.axis("off")
        line[0].annotate(
            name,
            (0, 0.5),
            xycoords="axes fraction",
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            annotation_clip=False,
        )
    return drawing


@drawn
def leads_by_task(rows: pd.DataFrame) -> Figure:
    """Bob's lead over the random network for each task, from the nearest in meaning to the farthest, a panel for each direction; mean over cuts, 95 % intervals over seeds."""
    leads = claim.leads(rows)
    leads = leads[leads.over == "random network"]
    tasks = [(kind, task) for kind in reversed(claim.KINDS) for task in claim.KINDS[kind]] + [
        (claim.CONTROL, claim.TASK)
    ]
    drawing = Figure(figsize=(8, 0.9 + 0.36 * len(tasks)))
    panels = drawing.subplots(1, 2, sharex=True, sharey=True)
    titles = {
        "one Alice": f"Alice: {_words(claim.TASK)}; Bob:",
        "one Bob": f"Bob: {_words(claim.TASK)}; Alice:",
    }
    for axes, (direction, title) in zip(panels, titles.items()):
        for at, (kind, task) in enumerate(tasks):
            some = leads[(leads.direction == direction) & (leads.kind == kind) & (leads.task == task)]
            mean, low, high = stats.interval(some.lead)
            axes.plot([low, high], [at, at], color=KINDS[kind], lw=2)
            axes.plot(mean, at, "o", color=KINDS[kind], ms=7)
        axes.axvline(0, color=REFERENCE, lw=1.2)
        axes.set_title(title)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=REFERENCE, alpha=0.25, lw=0.6)
    panels[0].set_yticks(
        range(len(tasks)), [_words(task) if kind != claim.CONTROL else kind for kind, task in tasks]
    )
    for label, (kind, _) in zip(panels[0].get_yticklabels(), tasks):
        label.set_color(KINDS[kind])
    panels[0].set_ylim(len(tasks) - 0.5, -0.5)
    drawing.supxlabel("accuracy, Bob with Alice less random network", fontsize=11)
    return drawing


@drawn
def accuracy_by_kind(rows: pd.DataFrame) -> Figure:
    """One Alice: Bob's accuracy against the cut, a panel for each kind of task, a line for each method; means over its tasks, 95 % intervals over seeds."""
    some = rows[(rows.direction == "one Alice") & (rows.method != claim.TRAINED)]
    kinds = [*reversed(claim.KINDS), claim.CONTROL]
    drawing = Figure(figsize=(8, 3.6))
    panels = drawing.subplots(1, len(kinds), sharex=True, sharey=True)
    for axes, kind in zip(panels, kinds):
        for method, group in some[some.kind == kind].groupby("method"):
            _line(axes, group, method)
        axes.set_title(kind, fontsize=9, color=KINDS[kind])
        _cut_axes(axes, some.retrain)
        axes.tick_params(labelright=axes is panels[-1])
    first = (
        some[(some.kind == kinds[0]) & (some.retrain == some.retrain.min())].groupby("method").accuracy.mean()
    )
    name_lines(panels[0], [(first[method], method, METHODS[method]) for method in first.index], gap=0.035)
    drawing.supxlabel("k, top blocks that Bob replaces by a solved head", fontsize=11)
    return drawing


@drawn
def one_task(rows: pd.DataFrame, direction: str, task: str) -> Figure:
    """One task: accuracy against the cut with a solved head, and against the number of trained top blocks (circle: k*); 95 % intervals."""
    some = rows[(rows.direction == direction) & (rows.task == task) & (rows.kind != claim.CONTROL)]
    drawing = Figure(figsize=(8, 3.6))
    solved, trained = drawing.subplots(1, 2, sharey=True)
    probes = some[some.method != claim.TRAINED]
    for method, group in probes.groupby("method"):
        _line(solved, group, method)
    first = probes[probes.retrain == probes.retrain.min()].groupby("method").accuracy.mean()
    name_lines(solved, [(first[method], method, METHODS[method]) for method in first.index], gap=0.04)
    _cut_axes(solved, probes.retrain)
    curves = claim.curves(some)
    _line(
        trained,
        curves.melt(var_name="retrain", value_name="accuracy", ignore_index=False).reset_index(),
        "Alice",
    )
    means = curves.mean()
    trained.plot(means.idxmax(), means.max(), "o", ms=12, mfc="none", mec=INK, mew=1.5)
    _cut_axes(trained, means.index)
    who = (claim.TASK, task) if direction == "one Alice" else (task, claim.TASK)
    solved.set_title("Alice: {}; Bob: {}".format(*map(_words, who)), fontsize=10)
    solved.set_xlabel("top blocks replaced by a solved head")
    trained.set_xlabel("top blocks trained")
    trained.tick_params(labelright=True)
    low, high = rows.accuracy.min(), rows.accuracy.max()
    solved.set_ylim(low - 0.02, high + 0.02)
    return drawing


@drawn
def best_blocks(rows: pd.DataFrame) -> Figure:
    """k*, the best number of trained top blocks (mean over seeds), against nearness in meaning, a panel for each direction; a dot is a task."""
    best = claim.best(rows)
    drawing = Figure(figsize=(8, 3.4))
    for axes, direction in zip(drawing.subplots(1, 2, sharey=True), claim.DIRECTIONS):
        some = best[best.direction == direction]
        for kind, group in some.groupby("kind"):
            axes.plot(group.near, group.k, "o", color=KINDS[kind], ms=8, alpha=0.9)
        axes.set_title(
            {"one Alice": "one Alice, many Bobs", "one Bob": "many Alices, one Bob"}[direction], fontsize=10
        )
        axes.set(
            xlim=(0, 1.05),
            ylim=(-0.3, claim.curves(rows).columns.max() + 0.3),
            xlabel="nearness of the tasks in meaning (Wu-Palmer)",
        )
        axes.grid(color=REFERENCE, alpha=0.25, lw=0.6)
        if direction == claim.DIRECTIONS[0]:
            axes.set_ylabel("k*")
    return drawing


def _words(task: str) -> str:
    return task.replace("|", " or ")


def _line(axes: Axes, group: pd.DataFrame, method: str) -> None:
    of_seeds = group.groupby(["retrain", "seed"], as_index=False).accuracy.mean()
    if method in FLAT:
        axes.plot(of_seeds.groupby("retrain").accuracy.mean(), color=METHODS[method], ls=FLAT[method])
    else:
        band(axes, of_seeds, METHODS[method], "accuracy", "retrain")


def _cut_axes(axes: Axes, cuts: pd.Series) -> None:
    axes.set_xticks(sorted(set(cuts)))
    axes.grid(axis="y", color=REFERENCE, alpha=0.25, lw=0.6)
    axes.yaxis.tick_right()
    axes.spines["left"].set_visible(False)
    axes.tick_params(right=False, labelright=False)
