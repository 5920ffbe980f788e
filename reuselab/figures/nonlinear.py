"""The drawings of the nonlinear page, in the style and palette of `figures`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike

from reuselab.claims.nonlinear import NAMES
from reuselab.figures.style import ALICE_COLOR, INK, METHOD_COLORS, REFERENCE_COLOR, RETRAIN_COLORS, drawn
from reuselab.stats import summary
from reuselab.theory import relu

COLORS = {
    "scratch": METHOD_COLORS["scratch"],
    "random": METHOD_COLORS["random network"],
    "linear": METHOD_COLORS["linear transfer"],
    "fine_tune": METHOD_COLORS["fine-tuning"],
}
OVERLAPS = {
    "overlap": ("source teacher's neurons", RETRAIN_COLORS[4]),
    "student_overlap": ("source student's features", COLORS["linear"]),
    "random_overlap": ("random features", COLORS["random"]),
}


@drawn
def overlap_of_a_neuron(apart: float, count: int) -> Figure:
    """Overlap of one ReLU neuron with `count` others, `apart` degrees from each other in a plane, against its
    angle with the first; dashed: that of linear neurons with the first alone."""
    turns = np.linspace(-180, 180, 181)

    def neurons(degrees: ArrayLike) -> np.ndarray:
        radians = np.deg2rad(np.atleast_1d(degrees))
        return np.stack([np.cos(radians), np.sin(radians)], 1)

    features = neurons(apart * np.arange(count))
    drawing = Figure(figsize=(6, 3.4))
    axes = drawing.add_subplot()
    axes.plot(
        turns,
        [relu.overlap(relu.Net(neurons(turn), np.ones(1)), features) for turn in turns],
        color=ALICE_COLOR,
    )
    axes.plot(turns, np.cos(np.deg2rad(turns)) ** 2, color=REFERENCE_COLOR, ls="--")
    axes.set(
        xlabel="angle of the target neuron (degrees)",
        ylabel="overlap",
        ylim=(0, 1.02),
        xticks=range(-180, 181, 90),
    )
    return drawing


@drawn
def overlap_against_ablation(table: pd.DataFrame) -> Figure:
    """Overlap of the target with three feature spaces against the ablated fraction mu, with 95 % intervals
    over seeds.

    table: rows of `relu.transfer`.
    """
    drawing = Figure(figsize=(8, 3.6))
    axes = drawing.add_subplot()
    rows = table.drop_duplicates(["seed", "mu"])
    for column, (_, shade) in OVERLAPS.items():
        _band(axes, summary(rows, "mu", column), shade)
    axes.set(
        xlabel="mu, ablated share of the source teacher's neurons",
        ylabel="overlap, share of E f²",
        ylim=(0, 1.04),
    )
    _name_lines(
        axes,
        [(rows[rows.mu == rows.mu.max()][column].mean(), *look) for column, look in OVERLAPS.items()],
        gap=0.09,
    )
    _bare(axes)
    return drawing


@drawn
def risk_against_samples(table: pd.DataFrame, mus: Sequence[float]) -> Figure:
    """Risk against target samples for every method, both axes logarithmic, a panel for each mu of `mus`; 95 %
    intervals.

    Dotted: where ridge on these features ends with endless data, 1 - overlap with random features or the
    student's."""
    drawing = Figure(figsize=(8, 4.2))
    panels = drawing.subplots(1, len(mus), sharey=True, squeeze=False)[0]
    for axes, mu in zip(panels, mus):
        _risks(axes, table[table.mu == mu])
        rows = table[table.mu == mu].overlap
        axes.set_title(f"mu {mu:g}, overlap {rows.mean():.2f}", fontsize=9)
        axes.set(xlabel="n, target samples")
    panels[0].set_ylabel("risk, E (f̂ - f)²")
    last = table[(table.mu == mus[-1]) & (table.n == table.n.max())]
    _name_lines(
        panels[-1], [(last[method].mean(), name, COLORS[method]) for method, name in NAMES.items()], gap=0.08
    )
    return drawing


@drawn
def gain_against_overlap(gains: pd.DataFrame) -> Figure:
    """Gain over scratch against the measured overlap, a panel for each method, a line for each n; 95 %
    intervals over seeds.

    gains: columns method, mu, n, seed, overlap, gain.
    """
    drawing = Figure(figsize=(8, 4))
    methods = list(dict.fromkeys(gains.method))
    sizes = sorted(gains.n.unique())
    panels = drawing.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods):
        for n in sizes:
            group = gains[(gains.method == method) & (gains.n == n)]
            rows = summary(group, "mu", "gain").set_index(group.groupby("mu").overlap.mean())
            _band(axes, rows.sort_index(), _shade(sizes.index(n)))
        axes.axhline(0, color=REFERENCE_COLOR, lw=1.2)
        axes.set(xlabel="overlap, measured")
        axes.set_title(method)
        _bare(axes)
    panels[0].set_ylabel("gain in risk over scratch")
    top = gains[(gains.method == methods[-1]) & (gains.mu == gains.mu.min())].groupby("n").gain.mean()
    _name_lines(panels[-1], [(top[n], f"n = {n}", _shade(sizes.index(n))) for n in sizes], gap=0.075)
    return drawing


def _raised(power: float) -> str:
    return f"{power:.2f}".translate(str.maketrans("-.0123456789", "⁻˙⁰¹²³⁴⁵⁶⁷⁸⁹"))


@drawn
def scratch_decay(table: pd.DataFrame, slope: float, reported: float) -> Figure:
    """Scratch risk against samples, both axes logarithmic, with the fitted power law and one of the
    `reported` slope.

    table: rows of `relu.decay`.
    """
    drawing = Figure(figsize=(8, 3.8))
    axes = drawing.add_subplot()
    rows = summary(table, "n", "scratch")
    _band(axes, rows, COLORS["scratch"])
    n = np.array([rows.index.min(), rows.index.max()], dtype=float)
    centre = np.exp(np.log(rows["mean"]).mean() - slope * np.log(rows.index).to_numpy().mean())
    axes.plot(n, centre * n**slope, color=INK, ls="--", lw=1.2)
    axes.plot(n, rows["mean"].iloc[0] * (n / n[0]) ** reported, color=REFERENCE_COLOR, ls=":", lw=1.5)
    axes.set(xlabel="n, samples", ylabel="scratch risk, E (f̂ - f)²")
    _logarithmic(axes, rows.index)
    _name_lines(
        axes,
        [
            (centre * n[1] ** slope, f"fit: n{_raised(slope)}", INK),
            (rows["mean"].iloc[0] * (n[1] / n[0]) ** reported, f"n{_raised(reported)}", REFERENCE_COLOR),
        ],
    )
    _bare(axes)
    return drawing


@drawn
def one_transfer(table: pd.DataFrame, mu: float, n: int) -> Figure:
    """One mu: risk of every method against samples, and at `n` the four risks with their intervals."""
    drawing = Figure(figsize=(8, 4.2))
    axes, bars = drawing.subplots(1, 2, width_ratios=[1.5, 1])
    group = table[table.mu == mu]
    _risks(axes, group)
    risks = table.groupby(["mu", "n"])[list(NAMES)].mean().to_numpy()
    axes.set_ylim(0.6 * risks.min(), 1.5 * risks.max())
    axes.axvline(n, color=REFERENCE_COLOR, lw=1.2, zorder=0)
    axes.set(xlabel="n, target samples", ylabel="risk, E (f̂ - f)²")
    axes.set_title(f"mu = {mu:g}, overlap {group.overlap.mean():.2f}")
    for at, (method, name) in enumerate(NAMES.items()):
        row = summary(group[group.n == n], "n", method).iloc[0]
        bars.barh(at, row["mean"], color=COLORS[method], height=0.6)
        if row["n"] > 1:
            bars.plot([row["low"], row["high"]], [at, at], color=INK, lw=1.5)
        bars.annotate(
            f"{name}  {row['mean']:.3f}",
            (0, at + 0.4),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    bars.set(xlim=(0, 1.1 * risks.max()), yticks=[], xlabel=f"risk at n = {n}")
    bars.spines["left"].set_visible(False)
    bars.set_ylim(-0.5, len(NAMES) - 0.3)
    return drawing


def _risks(axes: Axes, group: pd.DataFrame) -> None:
    for method in NAMES:
        _band(axes, summary(group, "n", method), COLORS[method])
    for method, column in (("random", "random_overlap"), ("linear", "student_overlap")):
        axes.axhline(1 - group[column].mean(), color=COLORS[method], ls=":", lw=1.2)
    _logarithmic(axes, sorted(group.n.unique()))
    _bare(axes)


def _band(axes: Axes, rows: pd.DataFrame, shade: str) -> None:
    """Means as a line, intervals as a band; on a logarithmic axis a bound at or below 0 leaves the
    picture."""
    axes.plot(rows.index, rows["mean"], color=shade, marker="o", ms=4)
    axes.fill_between(rows.index, rows["low"], rows["high"], color=shade, alpha=0.2, lw=0)


def _name_lines(axes: Axes, labels: Sequence[tuple[float, str, str]], gap: float = 0.06) -> None:
    """Names of lines (height, name, colour) at the right edge, at least `gap` of the axis apart."""
    low, high = axes.get_ylim()
    bend = np.log if axes.get_yscale() == "log" else float
    places = [
        ((bend(height) - bend(low)) / (bend(high) - bend(low)), name, shade) for height, name, shade in labels
    ]
    places.sort()
    heights = [places[0][0]]
    for place, *_ in places[1:]:
        heights.append(max(heights[-1] + gap, place))
    lift = np.mean(heights) - np.mean([place for place, *_ in places])
    for height, (_, name, shade) in zip(heights, places):
        axes.annotate(
            name,
            (1, height - lift),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            color=shade,
            va="center",
            annotation_clip=False,
        )


def _logarithmic(axes: Axes, samples: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(list(samples), [str(n) for n in samples])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=8)


def _bare(axes: Axes) -> None:
    axes.grid(axis="y", color=REFERENCE_COLOR, alpha=0.25, lw=0.6)


def _shade(i: int) -> str:
    """Colour i of Okabe and Ito's palette, in turn."""
    return RETRAIN_COLORS[i % len(RETRAIN_COLORS)]
