"""One drawing function a figure. Figures are inline SVG whose ink follows the page, in light, dark and print."""

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from reuselab.experiment import models, pairs
from reuselab.experiment.bases import Base
from reuselab.experiment.pairs import Pairs
from reuselab.stats import interval, summary

INK = "#010101"
ALICE, BOB, REFERENCE = "#0072B2", "#D55E00", "#808080"
RETRAIN = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reuselab",
    "font.size": 11,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "figure.constrained_layout.use": True,
    "lines.linewidth": 2,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}


@dataclass(frozen=True)
class Shown:
    """A drawn figure as a page shows it: inline SVG, and a caption that names the function which drew it."""

    svg: str
    caption: str
    source: str

    def _repr_html_(self) -> str:
        caption = (
            f"<figcaption>{html.escape(self.caption)} <code>{self.source}</code></figcaption>"
            if self.caption
            else ""
        )
        return f"<figure class='rl-figure'>{self.svg}{caption}</figure>"


def drawn(draw: Callable[..., Figure]) -> Callable[..., Shown]:
    """Let `draw` work in the book's style and give it a keyword `caption`, which also serves screen readers."""

    @wraps(draw)
    def wrapper(*args, caption: str = "", **options) -> Shown:
        with mpl.rc_context(STYLE):
            return Shown(
                _svg(draw(*args, **options), caption or draw.__name__),
                caption,
                f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}",
            )

    return wrapper


def _svg(drawing: Figure, label: str) -> str:
    """Inline SVG: ink in the page's own colour, no ids that a second figure could repeat."""
    with io.StringIO() as out:
        drawing.savefig(
            out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        svg = out.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r' id="[^"]*_\d+"| transform="rotate\(-0 [^"]*"', "", svg).replace(INK, "currentColor")
    svg = re.sub(r">\s+<", "><", svg.replace("<g/>", ""))  # a third of a figure with many numbers
    width = drawing.get_figwidth()
    attributes = (
        f"role='img' aria-label='{html.escape(label, quote=True)}' "
        f"style='min-width: {3.6 * width:g}rem; max-width: {6.5 * width:g}rem'"
    )
    return svg.replace("<svg ", f"<svg {attributes} ", 1)


@drawn
def accuracy_against_rho(table: pd.DataFrame) -> Figure:
    """Bob's mean accuracy against rho, a line for each number of retrained blocks, with 95 % intervals over seeds.

    table: rows of a study. Grey: Alice's own accuracy, the Alice's-label ceiling, chance.
    """
    drawing = Figure(figsize=(8, 4.6))
    axes = drawing.add_subplot()
    _references(axes, table)
    labels = []
    blocks = models.blocks(table["network"].iloc[0])
    for k, group in table.groupby("retrain"):
        band(axes, group, color(k))
        labels.append(
            (group[group.rho == group.rho.min()].bob_accuracy.mean(), retrain_label(k, len(blocks)), color(k))
        )
    name_lines(axes, labels)
    _accuracy_axes(axes, table)
    return drawing


@drawn
def gains(table: pd.DataFrame) -> Figure:
    """Bob's accuracy minus that of the same Bob without Alice's training, paired by seed, with 95 % intervals: a panel for each `over`.

    table: columns rho, retrain, seed, network, over, gain.
    """
    overs = list(dict.fromkeys(table.over))
    drawing = Figure(figsize=(8, 3.6 * len(overs)))
    blocks = models.blocks(table["network"].iloc[0])
    for axes, over in zip(drawing.subplots(len(overs), 1, sharex=True, squeeze=False).flat, overs):
        labels, rows = [], table[table.over == over]
        for k, group in rows.groupby("retrain"):
            band(axes, group, color(k), "gain")
            labels.append(
                (group[group.rho == group.rho.min()].gain.mean(), retrain_label(k, len(blocks)), color(k))
            )
        axes.axhline(0, color=REFERENCE, lw=1.2)
        name_lines(axes, labels, 0.1)
        _rho_axes(axes, table, f"gain over {over}")
        axes.label_outer()
    return drawing


@drawn
def one_bob(table: pd.DataFrame, rho: float, retrain: int) -> Figure:
    """What Bob reuses, and how accurate that makes him: his network's blocks above, his curve below, `rho` marked."""
    drawing = Figure(figsize=(8, 4.6))
    strip, axes = drawing.subplots(2, 1, height_ratios=[1, 4])
    blocks = models.blocks(table["network"].iloc[0])
    _blocks(strip, blocks, retrain)
    _references(axes, table)
    mine, scratch = table[table.retrain == retrain], table[table.retrain == len(blocks)]
    if retrain < len(blocks) and len(scratch):
        axes.plot(*_means(scratch), color=RETRAIN[-1], lw=1.2, ls="-.")
        name_lines(
            axes,
            [(scratch[scratch.rho == scratch.rho.min()].bob_accuracy.mean(), "from scratch", RETRAIN[-1])],
        )
    band(axes, mine, color(retrain))
    mean, low, high = interval(mine[mine.rho == rho].bob_accuracy)
    axes.plot(rho, mean, "o", ms=11, color=color(retrain), mec=INK)
    strip.set_title(
        f"rho = {rho:g}, {retrain_label(retrain, len(blocks))}: Bob's accuracy {mean:.3f}  [{low:.3f}, {high:.3f}]"
    )
    _accuracy_axes(axes, table)
    return drawing


@drawn
def without_alice(table: pd.DataFrame) -> Figure:
    """Accuracy on Bob's label of learners who reuse nothing, against rho at phi = 0 and against phi at rho = 0, with 95 % intervals.

    table: rows of `baselines.compare`. Grey: the Alice's-label ceiling and chance.
    """
    drawing = Figure(figsize=(8, 3.8))
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, axis, other in zip(panels, ("rho", "phi"), ("phi", "rho")):
        rows = table[table[other] == 0]
        for shade, (_, group) in zip(RETRAIN[1:], rows.groupby("method")):
            band(axes, group, shade, by=axis)
        for column, style in {"ceiling": "--", "chance": ":"}.items():
            means = rows.groupby(axis)[column].mean()
            axes.plot(means.index, means, color=REFERENCE, ls=style, lw=1.5)
        axes.set_xlabel(
            {"rho": "rho, correlation of the labels", "phi": "phi, correlation of the pixels"}[axis]
        )
        axes.grid(axis="y", color=REFERENCE, alpha=0.25, lw=0.6)
    first = table[(table.phi == 0) & (table.rho == table.rho.min())]
    names = [
        (group.bob_accuracy.mean(), method, shade)
        for shade, (method, group) in zip(RETRAIN[1:], first.groupby("method"))
    ]
    name_lines(
        panels[0],
        [
            *names,
            (first.ceiling.mean() + 0.02, "Alice's label alone", REFERENCE),
            (first.chance.mean() - 0.02, "chance", REFERENCE),
        ],
    )
    for axes in panels:
        axes.set_ylim(0, 1.05)
        axes.yaxis.tick_right()
        axes.spines[["left", "right"]].set_visible(False)
        axes.tick_params(length=0, labelright=axes is panels[1])
    panels[1].yaxis.set_label_position("right")
    panels[1].set_ylabel("test accuracy")
    return drawing


def retrain_label(retrain: int, blocks: int) -> str:
    """Words for the number of retrained blocks out of `blocks`."""
    return {0: "Alice unchanged", 1: "head only", blocks: "from scratch"}.get(retrain, f"top {retrain}")


def color(retrain: int) -> str:
    """The colour of a number of retrained blocks, the same in every figure (Okabe and Ito's palette)."""
    return RETRAIN[min(retrain, len(RETRAIN) - 1)]


def _means(group: pd.DataFrame) -> tuple[pd.Index, pd.Series]:
    means = group.groupby("rho").bob_accuracy.mean()
    return means.index, means


def band(axes: Axes, group: pd.DataFrame, shade: str, value: str = "bob_accuracy", by: str = "rho") -> None:
    rows = summary(group, by, value)
    axes.plot(rows.index, rows["mean"], color=shade, marker="o", ms=4)
    axes.fill_between(rows.index, rows["low"], rows["high"], color=shade, alpha=0.2, lw=0)


def _references(axes: Axes, table: pd.DataFrame) -> None:
    """Alice's accuracy, the Alice's-label ceiling and chance, in grey, each named beside its line."""
    lines = {
        "alice_accuracy": ("Alice, her own task", "-", (0, 5)),
        "ceiling": ("Alice's label alone", "--", (62, -12)),
        "chance": ("chance", ":", (0, 5)),
    }
    for column, (name, style, offset) in lines.items():
        means = table.groupby("rho")[column].mean()
        axes.plot(means.index, means, color=REFERENCE, ls=style, lw=1.5)
        at = len(means) // 2
        axes.annotate(
            name,
            (means.index[at], means.iloc[at]),
            xytext=offset,
            textcoords="offset points",
            color=REFERENCE,
            fontsize=9,
            ha="center",
        )


def name_lines(axes: Axes, labels: Sequence[tuple[float, str, str]], gap: float = 0.062) -> None:
    """Names of lines (height, name, colour) at the left edge, spread so that none covers another."""
    at = -np.inf
    for height, name, shade in sorted(labels):
        at = max(at + gap, height)
        axes.annotate(
            name,
            (0, at),
            xytext=(-8, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=shade,
            ha="right",
            va="center",
            annotation_clip=False,
        )


def _accuracy_axes(axes: Axes, table: pd.DataFrame) -> None:
    _rho_axes(axes, table, "test accuracy")
    axes.set_ylim(0, 1.05)


def _rho_axes(axes: Axes, table: pd.DataFrame, ylabel: str) -> None:
    axes.set(xlabel="rho, correlation of Bob's and Alice's labels (Cramer's V)", ylabel=ylabel)
    axes.set_xlim(table.rho.min(), table.rho.max() + 0.01)
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.spines[["left", "right"]].set_visible(False)
    axes.grid(axis="y", color=REFERENCE, alpha=0.25, lw=0.6)


def _blocks(axes: Axes, names: Sequence[str], retrain: int) -> None:
    """A network as a row of boxes: Alice's frozen blocks in blue, Bob's in orange."""
    for i, name in enumerate(names):
        bobs = i >= len(names) - retrain
        axes.add_patch(
            FancyBboxPatch(
                (i + 0.08, 0.15),
                0.84,
                0.7,
                boxstyle="round,pad=0,rounding_size=0.08",
                fc=BOB if bobs else ALICE,
                ec="none",
            )
        )
        axes.text(i + 0.5, 0.6, name, ha="center", va="center", color="white", fontsize=10)
        axes.text(
            i + 0.5,
            0.36,
            "Bob trains" if bobs else "Alice's",
            ha="center",
            va="center",
            color="white",
            fontsize=8,
        )
    axes.set(xlim=(0, len(names)), ylim=(0, 1))
    axes.axis("off")


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
        f"Cramer's V {rho:g} · information {pairs.mutual_information(p):.2f} bit · ceiling {pairs.ceiling(p):.2f} · "
        f"pixels correlate by {phi:g} to {correlation:.2f}",
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
    for axes, rho in zip(drawing.subplots(1, len(rhos)), rhos):
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
        axes.plot(
            group.theory, group.measured, ".", color=RETRAIN[i % len(RETRAIN)], ms=5, label=f"rho = {rho:g}"
        )
    ends = [measured.theory.min(), measured.theory.max()]
    axes.plot(ends, ends, color=REFERENCE, lw=1, zorder=0)
    axes.set(xlabel="closed form", ylabel="measured")
    axes.legend(frameon=False)
    return drawing


def _gallery(axes: Axes, sample: Pairs, columns: int = 2) -> None:
    """All pairs of `sample` as the network sees them, side by side in `columns`, their two labels above each."""
    channels, height, width = sample.shape
    down, across, rows = height // 2, width // 8, -(-len(sample) // columns)
    wall = np.full((rows * (height + down), columns * (width + across), channels), np.nan)
    pictures = sample[:].permute(0, 2, 3, 1).numpy()
    low, high = pictures.min(), pictures.max()
    for i, picture in enumerate((pictures - low) / (high - low)):
        y, x = i // columns * (height + down) + down, i % columns * (width + across)
        wall[y : y + height, x : x + width] = picture
        axes.text(
            x + width / 2,
            y - down / 3,
            f"{sample.first.classes[sample.alice_labels[i]]}, {sample.second.classes[sample.bob_labels[i]]}",
            ha="center",
            fontsize=9,
        )
    axes.imshow(
        np.ma.masked_invalid(wall[..., 0]) if channels == 1 else np.nan_to_num(wall, nan=1.0),
        cmap="gray",
        vmin=0,
        vmax=1,
    )
    axes.axis("off")
