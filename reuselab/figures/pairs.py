"""The drawings of the page on the generator: pairs, their labels and pixels, learners without Alice."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.experiment import pairs
from reuselab.experiment.bases import Base
from reuselab.experiment.pairs import Pairs
from reuselab.figures.style import (
    METHOD_COLORS,
    REFERENCE_COLOR,
    RETRAIN_COLORS,
    band,
    drawn,
    light_grid,
    name_lines,
    read_on_the_right,
    short,
)


@drawn
def sample_pairs(rows: dict[str, Pairs]) -> Figure:
    """Pairs of each sample, one row a sample, with Alice's and Bob's label above each pair."""
    drawing = Figure(figsize=(8, 0.95 * len(rows)))
    for axes, (name, sample) in zip(drawing.subplots(len(rows), 1, squeeze=False).flat, rows.items()):
        _gallery(axes, sample, columns=len(sample))
        axes.text(-0.01, 0.4, name, transform=axes.transAxes, ha="right", va="center")
    return drawing


@drawn
def generator(train: tuple[Base, Base], rho: float, phi: float, count: int = 8) -> Figure:
    """One setting of the generator: the joint distribution of the labels, and `count` pairs drawn from it."""
    drawing = Figure(figsize=(8, 3.6))
    heat, gallery = drawing.subplots(1, 2, width_ratios=[1, 1.35])
    p = pairs.joint(len(train[0].classes), rho)
    joint_heat(heat, p)
    _gallery(gallery, pairs.sample(train, count, p, phi=phi, seed=1))
    correlation = pairs.pixel_correlation(rho, phi, train[0].moments[2].max())
    drawing.suptitle(
        f"Cramer's V {rho:g} · information {pairs.mutual_information(p):.2f} bit · "
        f"ceiling {pairs.ceiling(p):.2f} · pixels correlate by {phi:g} to {correlation:.2f}",
        fontsize=10,
    )
    return drawing


def joint_heat(axes: Axes, p: np.ndarray) -> None:
    """P(a, b) as a heat map, Alice's label down, Bob's across."""
    axes.imshow(p, cmap="cividis", vmin=0, vmax=1 / min(p.shape))
    axes.set(
        xlabel="Bob's label b", ylabel="Alice's label a", xticks=range(p.shape[1]), yticks=range(p.shape[0])
    )
    axes.tick_params(length=0, labelsize=8)


@drawn
def joint_distributions(classes: int, rhos: Sequence[float]) -> Figure:
    """P(a, b) for several rho side by side."""
    drawing = Figure(figsize=(8, 1.9))
    for axes, rho in zip(drawing.subplots(1, len(rhos), squeeze=False).flat, rhos):
        joint_heat(axes, pairs.joint(classes, rho))
        axes.set_title(f"rho = {rho:g}", fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.label_outer()
    return drawing


@drawn
def pixel_correlations(measured: pd.DataFrame) -> Figure:
    """Correlation of facing pixels, measured against its closed form; one colour a rho.

    measured: columns rho, phi, theory, measured; a row for each pixel and setting.
    """
    drawing = Figure(figsize=(5, 4.4))
    axes = drawing.add_subplot()
    for i, (rho, group) in enumerate(measured.groupby("rho")):
        shade = RETRAIN_COLORS[i % len(RETRAIN_COLORS)]
        axes.plot(group.theory, group.measured, ".", color=shade, ms=5, label=f"rho = {rho:g}")
    ends = [measured.theory.min(), measured.theory.max()]
    axes.plot(ends, ends, color=REFERENCE_COLOR, lw=1, zorder=0)
    axes.set(xlabel="closed form", ylabel="measured")
    axes.legend(frameon=False)
    return drawing


@drawn
def without_alice(table: pd.DataFrame) -> Figure:
    """Accuracy on Bob's label of learners who reuse nothing: against rho at phi = 0, against phi at rho = 0.

    table: rows of `baselines.compare`. 95 % intervals over seeds. Grey: the Alice's-label ceiling and chance.
    """
    drawing = Figure(figsize=(8, 3.8))
    left, right = drawing.subplots(1, 2, sharey=True)
    _learners(left, table[table.phi == 0], "rho")
    _learners(right, table[table.rho == 0], "phi")
    left.set_xlabel("rho, correlation of the labels")
    right.set_xlabel("phi, correlation of the pixels")
    at_left = table[(table.phi == 0) & (table.rho == table.rho.min())]
    names = [
        (acc, method, METHOD_COLORS[method]) for method, acc in _mean_accuracy(at_left, "method").items()
    ]
    names += [
        (at_left.ceiling.mean() + 0.02, "Alice's label alone", REFERENCE_COLOR),
        (at_left.chance.mean() - 0.02, "chance", REFERENCE_COLOR),
    ]
    name_lines(left, names)
    read_on_the_right(right, "test accuracy")
    left.spines["left"].set_visible(False)
    left.tick_params(axis="y", labelleft=False)
    for axes in (left, right):
        axes.set_ylim(0, 1.05)
        axes.tick_params(length=0)
    return drawing


def _learners(axes: Axes, rows: pd.DataFrame, by: str) -> None:
    """Each learner's accuracy against `by`, and in grey the Alice's-label ceiling and chance."""
    for method, group in rows.groupby("method"):
        band(axes, group, METHOD_COLORS[method], by=by)
    for column, style in {"ceiling": "--", "chance": ":"}.items():
        axes.plot(rows.groupby(by)[column].mean(), color=REFERENCE_COLOR, ls=style, lw=1.5)
    light_grid(axes)


def _mean_accuracy(rows: pd.DataFrame, by: str) -> pd.Series:
    return rows.groupby(by).bob_accuracy.mean()


def _gallery(axes: Axes, sample: Pairs, columns: int = 2) -> None:
    """All pairs of `sample` as the network sees them, in `columns`, their two labels above each."""
    channels, height, width = sample.shape
    down, across, rows = height // 2, width // 8, -(-len(sample) // columns)
    wall = np.full((rows * (height + down), columns * (width + across), channels), np.nan)
    pictures = sample[:].permute(0, 2, 3, 1).numpy()
    low, high = pictures.min(), pictures.max()
    for i, picture in enumerate((pictures - low) / (high - low)):
        y, x = i // columns * (height + down) + down, i % columns * (width + across)
        wall[y : y + height, x : x + width] = picture
        labels = sample.first.classes[sample.alice_labels[i]], sample.second.classes[sample.bob_labels[i]]
        axes.text(x + width / 2, y - down / 3, ", ".join(map(short, labels)), ha="center", fontsize=9)
    shown = np.ma.masked_invalid(wall[..., 0]) if channels == 1 else np.nan_to_num(wall, nan=1.0)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
    axes.axis("off")
