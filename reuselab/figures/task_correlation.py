"""The drawings of the page on task correlation; all draw the rows of a study."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from reuselab.experiment import models
from reuselab.figures.style import (
    ALICE_COLOR,
    BOB_COLOR,
    INK,
    REFERENCE_COLOR,
    band,
    drawn,
    light_grid,
    name_lines,
    read_on_the_right,
    retrain_color,
    retrain_label,
)
from reuselab.stats import interval


@drawn
def accuracy_against_rho(table: pd.DataFrame) -> Figure:
    """Bob's mean accuracy against rho, a line for each number of retrained blocks; 95 % intervals.

    table: rows of a study. Grey: Alice's own accuracy, the Alice's-label ceiling, chance.
    """
    drawing = Figure(figsize=(8, 4.6))
    axes = drawing.add_subplot()
    _references(axes, table)
    name_lines(axes, _lines_by_retrain(axes, table, "bob_accuracy"))
    _accuracy_axes(axes, table)
    return drawing


@drawn
def gains(table: pd.DataFrame) -> Figure:
    """What Alice's training gains Bob, paired by seed, with 95 % intervals: a panel for each rival in `over`.

    table: columns rho, retrain, seed, network, over, gain; gain is Bob's accuracy less that of the same Bob
    without it.
    """
    overs = list(dict.fromkeys(table.over))
    drawing = Figure(figsize=(8, 3.6 * len(overs)))
    for axes, over in zip(drawing.subplots(len(overs), 1, sharex=True, squeeze=False).flat, overs):
        labels = _lines_by_retrain(axes, table[table.over == over], "gain")
        axes.axhline(0, color=REFERENCE_COLOR, lw=1.2)
        name_lines(axes, labels, gap=0.1)
        _rho_axes(axes, table, f"gain over {over}")
        axes.label_outer()
    return drawing


@drawn
def one_bob(table: pd.DataFrame, rho: float, retrain: int) -> Figure:
    """What Bob reuses, and how accurate that makes him: his blocks above, his curve below, `rho` marked."""
    drawing = Figure(figsize=(8, 4.6))
    strip, axes = drawing.subplots(2, 1, height_ratios=[1, 4])
    blocks = models.blocks(table["network"].iloc[0])
    _blocks(strip, blocks, retrain)
    _references(axes, table)
    if retrain < len(blocks):
        _scratch(axes, table[table.retrain == len(blocks)])
    bob = table[table.retrain == retrain]
    band(axes, bob, retrain_color(retrain))
    mean, low, high = interval(bob[bob.rho == rho].bob_accuracy)
    axes.plot(rho, mean, "o", ms=11, color=retrain_color(retrain), mec=INK)
    who = f"rho = {rho:g}, {retrain_label(retrain, len(blocks))}"
    strip.set_title(f"{who}: Bob's accuracy {mean:.3f}  [{low:.3f}, {high:.3f}]")
    _accuracy_axes(axes, table)
    return drawing


def _lines_by_retrain(axes: Axes, rows: pd.DataFrame, value: str) -> list[tuple[float, str, str]]:
    """A line over rho for each number of retrained blocks; returns the lines' names for `name_lines`."""
    blocks = len(models.blocks(rows["network"].iloc[0]))
    names = []
    for k, group in rows.groupby("retrain"):
        band(axes, group, retrain_color(k), value)
        height = group[group.rho == group.rho.min()][value].mean()
        names.append((height, retrain_label(k, blocks), retrain_color(k)))
    return names


def _scratch(axes: Axes, rows: pd.DataFrame) -> None:
    means = rows.groupby("rho").bob_accuracy.mean()
    if len(means):
        axes.plot(means.index, means, color=BOB_COLOR, lw=1.2, ls="-.")
        name_lines(axes, [(means.iloc[0], "from scratch", BOB_COLOR)])


def _references(axes: Axes, table: pd.DataFrame) -> None:
    """Alice's accuracy, the Alice's-label ceiling and chance, in grey, each named beside its line."""
    lines = {
        "alice_accuracy": ("Alice, her own task", "-", (0, 5)),
        "ceiling": ("Alice's label alone", "--", (62, -12)),
        "chance": ("chance", ":", (0, 5)),
    }
    for column, (name, style, offset) in lines.items():
        means = table.groupby("rho")[column].mean()
        axes.plot(means.index, means, color=REFERENCE_COLOR, ls=style, lw=1.5)
        middle = len(means) // 2
        axes.annotate(
            name,
            (means.index[middle], means.iloc[middle]),
            xytext=offset,
            textcoords="offset points",
            color=REFERENCE_COLOR,
            fontsize=9,
            ha="center",
        )


def _accuracy_axes(axes: Axes, table: pd.DataFrame) -> None:
    _rho_axes(axes, table, "test accuracy")
    axes.set_ylim(0, 1.05)


def _rho_axes(axes: Axes, table: pd.DataFrame, label: str) -> None:
    axes.set_xlabel("rho, correlation of Bob's and Alice's labels (Cramer's V)")
    axes.set_xlim(table.rho.min(), table.rho.max() + 0.01)
    read_on_the_right(axes, label)
    light_grid(axes)


def _blocks(axes: Axes, names: Sequence[str], retrain: int) -> None:
    """A network as a row of boxes: Alice's frozen blocks in blue, Bob's in orange."""
    for i, name in enumerate(names):
        bobs = i >= len(names) - retrain
        shade, owner = (BOB_COLOR, "Bob trains") if bobs else (ALICE_COLOR, "Alice's")
        rounded = "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch((i + 0.08, 0.15), 0.84, 0.7, boxstyle=rounded, fc=shade, ec="none"))
        for words, height, size in ((name, 0.6, 10), (owner, 0.36, 8)):
            axes.text(i + 0.5, height, words, ha="center", va="center", color="white", fontsize=size)
    axes.set(xlim=(0, len(names)), ylim=(0, 1))
    axes.axis("off")
