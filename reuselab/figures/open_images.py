"""The drawings of the page on all pairs of tasks; all draw the rows of `claims.open_images.run`."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reuselab.claims import open_images as claim
from reuselab.figures.style import ALICE_COLOR, BOB_COLOR, INK, REFERENCE_COLOR, drawn, short

GAIN, NEAR = "PuOr_r", "cividis"  # colour maps: orange above 0, purple below it; and of nearness


@drawn
def gain_by_nearness(rows: pd.DataFrame) -> Figure:
    """Bob's gain against how near his task is to Alice's: a dot for each pair, its mean over seeds.

    Lines: means of bins of nearness, with 95 % intervals over seeds.
    """
    near, gain = claim.near(rows), claim.gains(rows).mean(0)
    disjoint = claim.looked_at(rows, claim.APART)
    sharing = claim.looked_at(rows, claim.ALL) & ~disjoint
    jitter = np.random.default_rng(0).uniform(-0.006, 0.006, near.shape)
    bins = claim.by_nearness(rows)
    drawing = Figure(figsize=(8, 4.2))
    axes = drawing.add_subplot()
    for line, (mask, shade, name) in enumerate(
        ((sharing, BOB_COLOR, "one class in common"), (disjoint, ALICE_COLOR, "none in common"))
    ):
        axes.plot(
            (near + jitter)[mask], gain[mask], ".", color=shade, ms=3, alpha=0.4, mec="none", rasterized=True
        )
        of_bins = bins[bins.share] if mask is sharing else bins[~bins.share]
        _interval(axes, of_bins.near, of_bins["mean"], of_bins.low, of_bins.high, color=shade, marker="o")
        axes.text(
            0.01, 0.99 - 0.08 * line, name, transform=axes.transAxes, color=shade, weight="bold", va="top"
        )
    mean, low, high = claim.ends(rows)["same"]
    _interval(axes, [1], np.array([mean]), np.array([low]), np.array([high]), color=INK, marker="D")
    axes.annotate("Alice's\nown task", (1, mean), xytext=(9, 0), textcoords="offset points", va="center")
    axes.axhline(0, color=REFERENCE_COLOR, lw=1.2)
    least, most = np.quantile(gain, [0.003, 0.997])
    axes.set(
        xlim=(near.min() - 0.03, 1.1),
        ylim=(min(least, bins.low.min()) - 0.01, max(most, bins.high.max()) + 0.01),
        xlabel="nearness of the two tasks in meaning (Wu-Palmer)",
        ylabel="gain: accuracy with Alice\nless with a random network",
    )
    axes.grid(axis="y", color=REFERENCE_COLOR, alpha=0.25, lw=0.6)
    return drawing


def _interval(axes: Axes, x, mean, low, high, **looks) -> None:
    axes.errorbar(x, mean, [mean - low, high - mean], ms=6, capsize=0, **looks)


@drawn
def heat_maps(rows: pd.DataFrame) -> Figure:
    """Gains (mean over seeds) and nearness of every Alice, down, and Bob, across.

    In the order of a clustering by nearness alone. Dots tell the two classes of each task.
    """
    order, names, count = claim.task_order(rows), claim.class_order(rows), len(claim.tasks(rows))
    strip, top = 1.6 * len(names), 0.25 + 0.055 * _longest(names)  # widths in cells, heights in inches
    cell = 7.6 / (strip + 2 * count + 3)
    height = top + (count + strip) * cell + 0.85
    drawing = Figure(figsize=(8, height))
    drawing.set_layout_engine("none")

    def panel(x: float, y: float, width: float, high: float) -> Axes:
        """Axes at (x, y) in cells from the upper left corner of Alice's dots."""
        left, bottom = 0.04 + x * cell / 8, 1 - (top + (y + high) * cell) / height
        return drawing.add_axes((left, bottom, width * cell / 8, high * cell / height))

    alices = panel(0, 0, strip, count)
    _members(alices, rows, order, names)
    alices.set_ylabel("Alice's task")
    ordered = np.ix_(order, order)
    gain, near = claim.gains(rows).mean(0)[ordered], claim.near(rows)[ordered]
    for x, title, values, looks in (
        (strip + 1, "Bob's gain", gain, _gain_colors(gain)),
        (strip + count + 3, "nearness of the tasks", near, {"cmap": NEAR, "vmin": 0, "vmax": 1}),
    ):
        axes = panel(x, 0, count, count)
        picture = axes.imshow(values, interpolation="none", aspect="auto", **looks)
        axes.set_title(title)
        axes.axis("off")
        bobs = panel(x, count + 1, count, strip)
        _members(bobs, rows, order, names, across=True)
        bobs.set_xlabel("Bob's task", loc="left")
        bobs.tick_params(labelleft=x < strip + 2)
        place = (0.04 + (x + count / 3) * cell / 8, 0.26 / height, 2 / 3 * count * cell / 8, 0.09 / height)
        bar = drawing.colorbar(picture, cax=drawing.add_axes(place), orientation="horizontal")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)
    return drawing


def _longest(names: list[str]) -> int:
    return max(len(short(name)) for name in names)


def _gain_colors(gain: NDArray[np.float64]) -> dict[str, Any]:
    """Colours of all gains."""
    most = claim.most(gain)
    return {"cmap": GAIN, "vmin": -most, "vmax": most}


def _members(
    axes: Axes, rows: pd.DataFrame, order: NDArray[np.int32], names: list[str], *, across: bool = False
) -> None:
    """A dot for each class of each task, in line with the matrix; the names of the classes beside."""
    tasks = claim.tasks(rows)
    dots = [(at, names.index(name)) for at, k in enumerate(order) for name in tasks[k].split("|")]
    along, classes = np.array(dots).T
    limits = (-0.5, len(order) - 0.5)
    rule = axes.axhline if across else axes.axvline
    for edge in range(len(names)):
        rule(edge, color=REFERENCE_COLOR, lw=0.4, alpha=0.5, zorder=0)
    if across:
        axes.plot(along, classes, "o", color=INK, ms=2.6, mec="none")
        axes.set(xlim=limits, ylim=(len(names) - 0.5, -0.5), xticks=[])
        axes.set_yticks(range(len(names)), map(short, names), fontsize=7)
    else:
        axes.plot(classes, along, "o", color=INK, ms=2.6, mec="none")
        axes.set(ylim=limits[::-1], xlim=(-0.5, len(names) - 0.5), yticks=[])
        axes.set_xticks(range(len(names)), map(short, names), fontsize=7, rotation=90)
        axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
