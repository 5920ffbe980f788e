"""The drawings of the page on all pairs of tasks, in the style and palette of `figures`; all draw the rows of `claim.run`."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reuselab.claims import open_images as claim
from reuselab.claims import semantics
from reuselab.figures.style import ALICE, BOB, INK, REFERENCE, drawn

GAIN, NEAR = "PuOr_r", "cividis"  # colour maps: orange above 0, purple below it; and of nearness
HELD = ("Alice's task", "Bob's task")


@drawn
def gain_by_nearness(rows: pd.DataFrame) -> Figure:
    """Bob's gain against how near his task is to Alice's: a dot for each pair (mean over seeds), means of bins with 95 % intervals over seeds."""
    drawing = Figure(figsize=(8, 4.2))
    axes = drawing.add_subplot()
    now, gain, disjoint = (
        claim.near(rows),
        claim.gains(rows).mean(0),
        semantics.disjoint(claim.tasks(rows)),
    )
    bins, jitter = claim.by_nearness(rows), np.random.default_rng(0).uniform(-0.006, 0.006, now.shape)
    for share, shade, name in ((True, BOB, "one class in common"), (False, ALICE, "none in common")):
        mask = ~disjoint & ~np.eye(len(now), dtype=bool) if share else disjoint
        axes.plot(
            (now + jitter)[mask], gain[mask], ".", color=shade, ms=3, alpha=0.4, mec="none", rasterized=True
        )
        some = bins[bins.share == share]
        axes.errorbar(
            some.near,
            some["mean"],
            [some["mean"] - some.low, some.high - some["mean"]],
            color=shade,
            marker="o",
            ms=6,
            capsize=0,
        )
        axes.text(
            0.01,
            0.99 - 0.08 * (not share),
            name,
            transform=axes.transAxes,
            color=shade,
            weight="bold",
            va="top",
        )
    mean, low, high = claim.ends(rows)["same"]
    axes.errorbar([1], [mean], [[mean - low], [high - mean]], color=INK, marker="D", ms=6)
    axes.annotate("Alice's\nown task", (1, mean), xytext=(9, 0), textcoords="offset points", va="center")
    axes.axhline(0, color=REFERENCE, lw=1.2)
    low, high = np.quantile(gain, [0.003, 0.997])
    axes.set(
        xlim=(now.min() - 0.03, 1.1),
        ylim=(min(low, bins.low.min()) - 0.01, max(high, bins.high.max()) + 0.01),
        xlabel="nearness of the two tasks in meaning (Wu-Palmer)",
        ylabel="gain: accuracy with Alice\nless with a random network",
    )
    axes.grid(axis="y", color=REFERENCE, alpha=0.25, lw=0.6)
    return drawing


@drawn
def heat_maps(rows: pd.DataFrame) -> Figure:
    """Gains (mean over seeds) and nearness of every Alice, down, and Bob, across, in the order of a clustering by nearness alone.

    Dots tell the two classes of each task.
    """
    order, names, count = claim.task_order(rows), claim.class_order(rows), len(claim.tasks(rows))
    strip, top = 1.6 * len(names), 0.25 + 0.055 * max(map(len, names))  # widths in cells, heights in inches
    cell = 7.6 / (strip + 2 * count + 3)
    height = top + (count + strip) * cell + 0.85
    drawing = Figure(figsize=(8, height), layout="none")

    def panel(x, y, wide, high):  # in cells, from the upper left corner of Alice's dots
        return drawing.add_axes(
            (
                0.04 + x * cell / 8,
                1 - (top + (y + high) * cell) / height,
                wide * cell / 8,
                high * cell / height,
            )
        )

    gain, now = (values[np.ix_(order, order)] for values in (claim.gains(rows).mean(0), claim.near(rows)))
    hers = panel(0, 0, strip, count)
    _members(hers, rows, order, names)
    hers.set_ylabel("Alice's task")
    most = _most(rows)
    for x, title, values, looks in (
        (strip + 1, "Bob's gain", gain, {"cmap": GAIN, "vmin": -most, "vmax": most}),
        (strip + count + 3, "nearness of the tasks", now, {"cmap": NEAR, "vmin": 0, "vmax": 1}),
    ):
        axes = panel(x, 0, count, count)
        picture = axes.imshow(values, interpolation="none", aspect="auto", **looks)
        axes.set_title(title)
        axes.axis("off")
        his = panel(x, count + 1, count, strip)
        _members(his, rows, order, names, across=True)
        his.set_xlabel("Bob's task", loc="left")
        his.tick_params(labelleft=x < strip + 2)
        bar = drawing.colorbar(
            picture,
            cax=drawing.add_axes(
                (0.04 + (x + count / 3) * cell / 8, 0.26 / height, 2 / 3 * count * cell / 8, 0.09 / height)
            ),
            orientation="horizontal",
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)
    return drawing


@drawn
def one_task(rows: pd.DataFrame, held: str, task: str) -> Figure:
    """`task` held fixed as Alice's or as Bob's, against every other: below the diagonal gains (mean over seeds), above it nearness.

    The cell of two classes is the other's task of these; `task` itself is framed.
    """
    names, tasks = claim.class_order(rows), claim.tasks(rows)
    this, hers = tasks.index(task), held == HELD[0]
    gain, now = claim.gains(rows).mean(0), claim.near(rows)[this]
    values = gain[this] if hers else gain[:, this]
    at = {frozenset(other.split("|")): k for k, other in enumerate(tasks)}
    size = len(names)
    half = {"gain": np.full((size, size), np.nan), "near": np.full((size, size), np.nan)}
    for i in range(size):
        for j in range(i):
            k = at[frozenset((names[i], names[j]))]
            half["gain"][i, j], half["near"][j, i] = values[k], now[k]
    wide = 0.085 * max(map(len, names))  # inches
    height = 0.46 * size + 0.7 * wide + 0.8
    drawing = Figure(figsize=(8, height), layout="none")
    axes = drawing.add_axes(
        ((wide + 0.1) / 8, 0.35 / height, 1 - (1.6 * wide + 0.1) / 8, 0.46 * size / height)
    )
    most = _most(rows)
    for kind, looks in (
        ("gain", {"cmap": GAIN, "vmin": -most, "vmax": most}),
        ("near", {"cmap": NEAR, "vmin": 0, "vmax": 1}),
    ):
        picture = axes.imshow(half[kind], interpolation="none", aspect="auto", **looks)
        for i, j in np.argwhere(np.isfinite(half[kind])):
            value, shade = (
                half[kind][i, j],
                np.dot(picture.cmap(picture.norm(half[kind][i, j]))[:3], (0.3, 0.6, 0.1)),
            )
            axes.text(
                j,
                i,
                f"{round(100 * value):+d}".replace("+0", "0")
                if kind == "gain"
                else f"{value:.2f}".lstrip("0"),
                ha="center",
                va="center",
                fontsize=10,
                color="#111111" if shade > 0.5 else "#ffffff",
            )
    i, j = sorted(names.index(name) for name in task.split("|"))
    for x, y in ((i, j), (j, i)):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc="none", ec=BOB, lw=3))
    axes.set_xticks(range(size), names, rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        "below the diagonal: Bob's gain, in points of accuracy; above it: nearness of the two tasks",
        fontsize=10,
    )
    drawing.suptitle(_title(rows, this, hers), fontsize=11, x=0.01, y=1 - 0.08 / height, ha="left")
    return drawing


def _title(rows: pd.DataFrame, this: int, hers: bool) -> str:
    task = claim.tasks(rows)[this]
    if hers:
        own = rows[(rows.method == claim.ALICE) & (rows.alice == task)].alice_accuracy.mean()
        return f"Alice: {task.replace('|', ' or ')}, accuracy {own:.2f}. Each cell a Bob."
    alone = {rival: claim.accuracies(rows, rival)[:, 0, this].mean() for rival in claim.RIVALS}
    return (
        f"Bob: {task.replace('|', ' or ')}; without Alice "
        + ", ".join(f"{value:.2f} ({rival})" for rival, value in alone.items())
        + ". Each cell an Alice."
    )


def _most(rows: pd.DataFrame) -> float:
    """Where the colours of gains end: the same in every drawing."""
    return max(0.01, float(np.quantile(abs(claim.gains(rows).mean(0)), 0.99)))


def _members(
    axes: Axes, rows: pd.DataFrame, order: NDArray[np.int32], names: list[str], across: bool = False
) -> None:
    """A dot for each class of each task, in line with the matrix; the names of the classes beside."""
    dots = np.array(
        [(at, names.index(name)) for at, k in enumerate(order) for name in claim.tasks(rows)[k].split("|")]
    )
    x, y = dots.T if across else dots.T[::-1]
    limits, ticks = (-0.5, len(order) - 0.5), dict(ticks=range(len(names)), labels=names, fontsize=7)
    axes.plot(x, y, "o", color=INK, ms=2.6, mec="none")
    for edge in np.arange(len(names)):
        (axes.axhline if across else axes.axvline)(edge, color=REFERENCE, lw=0.4, alpha=0.5, zorder=0)
    if across:
        axes.set(xlim=limits, ylim=(len(names) - 0.5, -0.5), xticks=[])
        axes.set_yticks(**ticks)
    else:
        axes.set(ylim=limits[::-1], xlim=(-0.5, len(names) - 0.5), yticks=[])
        axes.set_xticks(**ticks, rotation=90)
        axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
