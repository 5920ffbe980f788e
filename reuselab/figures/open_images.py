"""The drawings of the page on all pairs of tasks; all draw the rows of `claims.open_images.run`."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reuselab.claims import open_images as claim
from reuselab.figures.style import ALICE_COLOR, BOB_COLOR, INK, REFERENCE_COLOR, drawn, short

GAIN, NEAR = "PuOr_r", "cividis"  # colour maps: orange above 0, purple below it; and of nearness
HELD = ("Alice's task", "Bob's task")
ROW = 0.46  # inches, the height of a class in `one_task`


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


@drawn
def one_task(rows: pd.DataFrame, held: str, task: str) -> Figure:
    """`task` held fixed as Alice's or as Bob's, against every other.

    Below the diagonal gains (mean over seeds), above it nearness. The cell of two classes is the other's
    task of these; `task` itself is framed.
    """
    names, tasks = claim.class_order(rows), claim.tasks(rows)
    this, size = tasks.index(task), len(names)
    gain, near = claim.gains(rows).mean(0), claim.near(rows)[this]
    width = 0.085 * _longest(names)  # inches
    height = ROW * size + 0.7 * width + 0.8
    drawing = Figure(figsize=(8, height))
    drawing.set_layout_engine("none")
    place = ((width + 0.1) / 8, 0.35 / height, 1 - (1.6 * width + 0.1) / 8, ROW * size / height)
    axes = drawing.add_axes(place)
    gains = _triangle(names, tasks, gain[this] if held == HELD[0] else gain[:, this])
    picture = axes.imshow(gains, interpolation="none", aspect="auto", **_gain_colors(gain))
    _write(axes, gains, picture, lambda value: f"{round(100 * value):+d}".replace("+0", "0"))
    nears = _triangle(names, tasks, near).T
    picture = axes.imshow(nears, interpolation="none", aspect="auto", cmap=NEAR, vmin=0, vmax=1)
    _write(axes, nears, picture, lambda value: f"{value:.2f}".lstrip("0"))
    i, j = (names.index(name) for name in task.split("|"))
    for x, y in ((i, j), (j, i)):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc="none", ec=BOB_COLOR, lw=3))
    axes.set_xticks(range(size), map(short, names), rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(size), map(short, names))
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        "below the diagonal: Bob's gain, in points of accuracy; above it: nearness of the two tasks",
        fontsize=10,
    )
    drawing.suptitle(_title(rows, held, task), fontsize=11, x=0.01, y=1 - 0.08 / height, ha="left")
    return drawing


def _longest(names: list[str]) -> int:
    return max(len(short(name)) for name in names)


def _triangle(names: list[str], tasks: list[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The value of every task below the diagonal, in the row and column of its classes; NaN elsewhere."""
    table = np.full((len(names),) * 2, np.nan)
    for task, value in zip(tasks, values):
        column, row = sorted(names.index(name) for name in task.split("|"))
        table[row, column] = value
    return table


def _write(axes: Axes, values: NDArray[np.float64], picture: AxesImage, words) -> None:
    """Every value in its cell, dark on light and light on dark."""
    brightness = picture.to_rgba(values)[..., :3] @ (0.3, 0.6, 0.1)
    for i, j in np.argwhere(np.isfinite(values)):
        ink = "#111111" if brightness[i, j] > 0.5 else "#ffffff"
        axes.text(j, i, words(values[i, j]), ha="center", va="center", fontsize=10, color=ink)


def _title(rows: pd.DataFrame, held: str, task: str) -> str:
    words = " or ".join(map(short, task.split("|")))
    if held == HELD[0]:
        accuracy = rows[(rows.method == claim.ALICE) & (rows.alice == task)].alice_accuracy.mean()
        return f"Alice: {words}, accuracy {accuracy:.2f}. Each cell a Bob."
    this = claim.tasks(rows).index(task)
    alone = ", ".join(
        f"{claim.accuracies(rows, rival)[:, 0, this].mean():.2f} ({rival})" for rival in claim.RIVALS
    )
    return f"Bob: {words}; without Alice {alone}. Each cell an Alice."


def _gain_colors(gain: NDArray[np.float64]) -> dict[str, Any]:
    """Colours of all gains, the same in every drawing: they end where 1 % of the pairs go beyond."""
    most = max(0.01, float(np.quantile(abs(gain), 0.99)))
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
