"""The drawings of the page on attribution."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reuselab.claims.attribution import Explained
from reuselab.experiment import models
from reuselab.experiment.attribution import METHODS
from reuselab.experiment.pairs import Pairs
from reuselab.figures.style import (
    ALICE_COLOR,
    BOB_COLOR,
    INK,
    REFERENCE_COLOR,
    band,
    drawn,
    light_grid,
    name_lines,
    retrain_color,
    retrain_label,
    short,
)
from reuselab.stats import interval

NAMES = {
    "integrated_gradients": "integrated gradients",
    "gradient_input": "gradient × input",
    "occlusion": "occlusion",
}
SIGNED = "RdBu_r"  # red for the answer, blue against it: told apart by every kind of colour vision


@drawn
def share_against_rho(table: pd.DataFrame) -> Figure:
    """Attribution's share on Bob's half against rho: a panel a method, a line for each k; 95 % intervals."""
    drawing = Figure(figsize=(8, 4))
    panels = drawing.subplots(1, len(METHODS), sharey=True)
    blocks = len(models.blocks(table["network"].iloc[0]))
    for axes, method in zip(panels, METHODS):
        for k, group in table.groupby("retrain"):
            band(axes, group, retrain_color(k), f"share_{method}")
        axes.axhline(0.5, color=REFERENCE_COLOR, lw=1, ls=":")
        axes.set(title=NAMES[method], xlabel="rho", ylim=(0, 1), xticks=(table.rho.min(), table.rho.max()))
        _bare(axes)
    at_low = table[table.rho == table.rho.min()].groupby("retrain")[f"share_{METHODS[0]}"].mean()
    name_lines(
        panels[0], [(height, retrain_label(k, blocks), retrain_color(k)) for k, height in at_low.items()]
    )
    _right(panels, "share on Bob's half")
    return drawing


@drawn
def share_against_check(table: pd.DataFrame, notes: Sequence[str]) -> Figure:
    """The share of attribution on Bob's half against the share of changed answers that swapping it causes.

    A panel a method, with its note of `notes`. A point for each (rho, k), with 95 % intervals over seeds, in
    k's colour; the higher rho, the larger.
    """
    drawing = Figure(figsize=(8, 3.7))
    panels = drawing.subplots(1, len(METHODS), sharey=True)
    blocks = len(models.blocks(table["network"].iloc[0]))
    for axes, method, note in zip(panels, METHODS, notes):
        axes.plot([0, 1], [0, 1], color=REFERENCE_COLOR, lw=1, zorder=0)
        for (rho, k), group in table.groupby(["rho", "retrain"]):
            (x, *_), (y, low, high) = interval(group.share_changed), interval(group[f"share_{method}"])
            axes.plot([x, x], [low, high], color=retrain_color(k), lw=1.2)
            axes.plot(x, y, "o", ms=4 + 6 * rho, color=retrain_color(k), mec=INK, mew=0.5)
        axes.set_title(f"{NAMES[method]}\n{note}")
        axes.set(xlim=(-0.03, 1.03), ylim=(0, 1), xticks=(0, 0.5, 1), xlabel="share of changed answers")
        _bare(axes)
    for i, k in enumerate(sorted(table.retrain.unique())[::-1]):
        panels[0].text(
            0.02, 0.96 - 0.075 * i, retrain_label(k, blocks), color=retrain_color(k), fontsize=9, va="top"
        )
    _right(panels, "share of attribution")
    return drawing


@drawn
def accuracy_without(table: pd.DataFrame, rhos: Sequence[float]) -> Figure:
    """Bob's accuracy against k, whole and with a half taken away, a panel for each rho of `rhos`.

    95 % intervals over seeds. Solid: a half comes from another pair. Dashed: it is grey.
    """
    drawing = Figure(figsize=(8, 3.8))
    panels = drawing.subplots(1, len(rhos), sharey=True, squeeze=False)[0]
    for axes, rho in zip(panels, rhos):
        rows = table[table.rho == rho]
        band(axes, rows, REFERENCE_COLOR, "bob_accuracy", "retrain")
        axes.lines[-1].set_linewidth(6)
        for whose, shade in (("alice", ALICE_COLOR), ("bob", BOB_COLOR)):
            band(axes, rows, shade, f"bob_accuracy_swapped_{whose}", "retrain")
            blanked = rows.groupby("retrain")[f"bob_accuracy_blank_{whose}"].mean()
            axes.plot(blanked, color=shade, ls="--", lw=1.3)
        axes.set(
            title=f"rho = {rho:g}",
            xlabel="k, retrained blocks",
            ylim=(0, 1.04),
            xticks=sorted(rows.retrain.unique()),
        )
        _bare(axes)
    lines = [panels[0].lines[i] for i in (0, 1, 3)]
    drawing.legend(
        lines,
        ["whole pair", "Alice's half taken away", "Bob's half taken away"],
        loc="outside upper right",
        ncols=3,
        frameon=False,
    )
    _right(panels, "Bob's accuracy")
    return drawing


@drawn
def decodable_by_depth(table: pd.DataFrame) -> Figure:
    """What a linear probe reads after each of Alice's blocks, her label and Bob's, a panel for each rho.

    95 % intervals over seeds. Dashed: the best guess at Bob's label from hers alone.
    """
    drawing = Figure(figsize=(8, 3.6))
    rhos = sorted(table.rho.unique())
    panels = drawing.subplots(1, len(rhos), sharey=True, squeeze=False)[0]
    names = ["pixels", *models.blocks(table["network"].iloc[0])]
    rows = table.assign(depth=len(names) - 1 - table.retrain)
    for axes, rho in zip(panels, rhos):
        for whose, shade in (("alice", ALICE_COLOR), ("bob", BOB_COLOR)):
            band(axes, rows[rows.rho == rho], shade, f"decodable_{whose}", "depth")
        axes.plot(
            rows[rows.rho == rho].groupby("depth").ceiling.mean(), color=REFERENCE_COLOR, ls="--", lw=1.2
        )
        depths = sorted(rows.depth.unique())
        axes.set(title=f"rho = {rho:g}", ylim=(0, 1.04), xticks=depths)
        axes.set_xticklabels([names[depth] for depth in depths], rotation=60)
        _bare(axes)
    for height, name, shade in (
        (0.42, "Alice's label", ALICE_COLOR),
        (0.34, "Bob's label", BOB_COLOR),
        (0.26, "Alice's label alone", REFERENCE_COLOR),
    ):
        panels[0].text(0.04, height, name, color=shade, transform=panels[0].transAxes, fontsize=10)
    _right(panels, "accuracy of the probe")
    return drawing


@drawn
def maps_of_a_pair(bobs: dict[str, Explained], which: int = 0) -> Figure:
    """One pair, as several Bobs see it: a column for each, headed by his answer, a row for each method.

    Red: for the answer; blue: against it; each map over its own largest value. The line parts the halves.
    """
    _, height, width = next(iter(bobs.values())).pairs.shape
    across = min(1.6, 6.6 / len(bobs))
    drawing = Figure(
        figsize=(1.45 + across * len(bobs), 0.5 + (across * height / width + 0.12) * (len(METHODS) + 1))
    )
    grid = drawing.subplots(len(METHODS) + 1, len(bobs), squeeze=False)
    for column, (name, bob) in zip(grid.T, bobs.items()):
        _picture(column[0], bob.pairs, which)
        column[0].set_title(f"{name}\nsays {_class(bob, which)}", fontsize=9, loc="center")
        for axes, method in zip(column[1:], METHODS):
            _map(axes, bob.maps[method][which], bob.pairs)
    for axes, name in zip(grid[:, 0], ["the pair", *NAMES.values()]):
        axes.text(-0.06, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=9)
    return drawing


@drawn
def one_bob(bob: Explained, rho: float, retrain: int, table: pd.DataFrame, count: int = 2) -> Figure:
    """`count` pairs as one Bob sees them, a row each, with the maps of each method.

    Above the maps, each method's share on Bob's half over all seeds.
    """
    drawing = Figure(figsize=(8, 0.75 + 1.05 * count))
    rows = table[(table.rho == rho) & (table.retrain == retrain)]
    grid = drawing.subplots(count, len(METHODS) + 1, squeeze=False)
    for i, row in enumerate(grid):
        _picture(row[0], bob.pairs, i)
        row[0].set_title(f"{_labels_of(bob.pairs, i)}: says {_class(bob, i)}", fontsize=9, loc="center")
        for axes, method in zip(row[1:], METHODS):
            _map(axes, bob.maps[method][i], bob.pairs)
            if not i:
                axes.set_title(
                    f"{NAMES[method]}\n{rows[f'share_{method}'].mean():.2f} on Bob's half",
                    fontsize=9,
                    loc="center",
                )
    blocks = len(models.blocks(table["network"].iloc[0]))
    drawing.suptitle(
        f"rho = {rho:g}, {retrain_label(retrain, blocks)}: accuracy {rows.bob_accuracy.mean():.2f}",
        fontsize=10,
    )
    return drawing


def _class(bob: Explained, which: int) -> str:
    return short(bob.pairs.second.classes[bob.answers[which]])


def _labels_of(pairs: Pairs, which: int) -> str:
    hers, his = pairs.first.classes[pairs.alice_labels[which]], pairs.second.classes[pairs.bob_labels[which]]
    return f"{short(hers)} | {short(his)}"


def _picture(axes: Axes, pairs: Pairs, which: int) -> None:
    picture = pairs[which : which + 1][0].permute(1, 2, 0).numpy()
    low, high = picture.min(), picture.max()
    axes.imshow(((picture - low) / (high - low)).squeeze(), cmap="gray")
    _parted(axes, pairs)


def _map(axes: Axes, attribution: Tensor, pairs: Pairs) -> None:
    """One map, its channels summed."""
    sums = attribution.sum(0).numpy()
    largest = np.abs(sums).max() or 1.0
    axes.imshow(sums, cmap=SIGNED, vmin=-largest, vmax=largest)
    _parted(axes, pairs)


def _parted(axes: Axes, pairs: Pairs) -> None:
    """No ticks, and a line between the halves."""
    _, height, width = pairs.shape
    line = axes.axvline if pairs.layout == "beside" else axes.axhline
    line((width if pairs.layout == "beside" else height) / 2 - 0.5, color=REFERENCE_COLOR, lw=1.5)
    axes.axis("off")


def _bare(axes: Axes) -> None:
    axes.spines[["left", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    light_grid(axes)


def _right(panels: Sequence[Axes], label: str) -> None:
    """Heights are read on the right of the last panel."""
    panels[-1].yaxis.tick_right()
    panels[-1].tick_params(axis="y", length=0, labelright=True)
    panels[-1].yaxis.set_label_position("right")
    panels[-1].set_ylabel(label)
