"""The picture of the first screen: whose label, whose blocks, and what Bob gets."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from reuselab.experiment import bases, models, pairs
from reuselab.figures.style import (
    ALICE_COLOR,
    BOB_COLOR,
    INK,
    METHOD_COLORS,
    REFERENCE_COLOR,
    band,
    drawn,
    light_grid,
    name_lines,
    read_on_the_right,
)

NAMES = {"Alice": "reusing Alice", "random network": "Alice untrained", "scratch": "Bob alone"}


@drawn
def scene(alice_base: str, bob_base: str, network: str, retrain: int) -> Figure:
    """A pair of images with Alice's and Bob's label; below it the blocks of the network, cut for Bob."""
    drawing = Figure(figsize=(4, 3.7))
    _scene(drawing.subplots(2, 1, height_ratios=[2.2, 1]), alice_base, bob_base, network, retrain)
    return drawing


@drawn
def accuracy(table: pd.DataFrame) -> Figure:
    """Bob's mean accuracy against rho, by what he starts from (`NAMES`), with 95 % intervals over seeds."""
    drawing = Figure(figsize=(5, 3.7))
    _accuracy(drawing.add_subplot(), table)
    return drawing


@drawn
def both(table: pd.DataFrame, alice_base: str, bob_base: str, network: str, retrain: int) -> Figure:
    """`scene` and `accuracy` side by side."""
    drawing = Figure(figsize=(9, 3.7))
    left, right = drawing.subfigures(1, 2, width_ratios=[4, 5], squeeze=False).flat
    _scene(left.subplots(2, 1, height_ratios=[2.2, 1]), alice_base, bob_base, network, retrain)
    _accuracy(right.add_subplot(), table)
    return drawing


def card(
    question: str, table: pd.DataFrame, alice_base: str, bob_base: str, network: str, retrain: int
) -> Figure:
    """`scene` and `accuracy` below the book's question, as social cards are: 1200 x 630 at 100 dpi."""
    drawing = Figure(figsize=(12, 6.3))
    top, below = drawing.subfigures(2, 1, height_ratios=[1, 5.3], squeeze=False).flat
    top.text(0.5, 0.35, question, ha="center", va="center", fontsize=34, weight="bold")
    left, right = below.subfigures(1, 2, width_ratios=[4, 5], squeeze=False).flat
    _scene(left.subplots(2, 1, height_ratios=[2.2, 1]), alice_base, bob_base, network, retrain)
    _accuracy(right.add_subplot(), table)
    return drawing


def _scene(panels: Sequence[Axes], alice_base: str, bob_base: str, network: str, retrain: int) -> None:
    picture, strip = panels
    halves = bases.load(alice_base, "train"), bases.load(bob_base, "train")
    sample = pairs.sample(halves, 1, pairs.joint(len(halves[0].classes), 0.0), seed=4)
    image = sample[:][0, 0].numpy()
    picture.imshow(image, cmap="gray")
    labels = sample.first.classes[sample.alice_labels[0]], sample.second.classes[sample.bob_labels[0]]
    for name, label, shade, at in zip(("Alice", "Bob"), labels, (ALICE_COLOR, BOB_COLOR), (0.25, 0.75)):
        picture.text(at, 1.06, f"{name}: “{label}”", transform=picture.transAxes, ha="center", fontsize=13)
        picture.plot(
            [at - 0.2, at + 0.2], [1.015] * 2, color=shade, lw=4, transform=picture.transAxes, clip_on=False
        )
    picture.axvline(image.shape[1] / 2 - 0.5, color="white", lw=1)
    picture.axis("off")
    _blocks(strip, models.blocks(network), retrain)


def _blocks(axes: Axes, names: Sequence[str], retrain: int) -> None:
    frozen = len(names) - retrain
    for i, _ in enumerate(names):
        shade = ALICE_COLOR if i < frozen else BOB_COLOR
        rounded = "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch((i + 0.08, 0.3), 0.84, 0.45, boxstyle=rounded, fc=shade, ec="none"))
    axes.plot([frozen] * 2, [0.05, 1], color=INK, lw=1.5, ls="--")
    for at, words in ((frozen / 2, "Alice's, frozen"), (frozen + retrain / 2, "Bob retrains")):
        axes.text(at, 0, words, ha="center", va="bottom", fontsize=11)
    axes.set(xlim=(0, len(names)), ylim=(-0.1, 1.05))
    axes.axis("off")


def _accuracy(axes: Axes, table: pd.DataFrame) -> None:
    labels = []
    for method, name in NAMES.items():
        rows = table[table.method == method]
        band(axes, rows, METHOD_COLORS[method])
        labels.append((rows[rows.rho == rows.rho.min()].bob_accuracy.mean(), name, INK))
    name_lines(axes, [*labels, (0.1, "guessing", INK)], gap=0.08)
    axes.axhline(0.1, color=REFERENCE_COLOR, ls=":", lw=1.5)
    axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.05), xlabel="ρ, correlation of the two labels")
    read_on_the_right(axes, "Bob's accuracy")
    light_grid(axes)
