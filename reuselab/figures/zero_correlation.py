"""The drawings of the page on zero correlation; all draw what `claims.zero_correlation.summarise` gives."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from reuselab.claims.zero_correlation import TERMS
from reuselab.experiment import models
from reuselab.figures.style import (
    ALICE_COLOR,
    BOB_COLOR,
    FLAT_LINES,
    INK,
    METHOD_COLORS,
    REFERENCE_COLOR,
    draw_band,
    drawn,
    light_grid,
    name_lines,
    retrain_color,
)


@drawn
def accuracy_against_cut(summary: pd.DataFrame) -> Figure:
    """Bob's accuracy against the number of blocks he drops, a panel for each network, a line for each method.

    95 % intervals. Thin: networks drawn at random anew.
    """
    rows = summary[summary.quantity == "accuracy"]
    networks = list(dict.fromkeys(rows["network"]))
    drawing = Figure(figsize=(8, 4.6))
    panels = drawing.subplots(
        1,
        len(networks),
        sharey=True,
        squeeze=False,
        width_ratios=[len(models.blocks(name)) for name in networks],
    )[0]
    for axes, name in zip(panels, networks):
        for method, group in rows[rows["network"] == name].groupby("name"):
            _method(axes, group.sort_values("retrain"), method)
        axes.set_title(name)
        axes.set(xticks=sorted(rows[rows["network"] == name].retrain.unique()), ylim=(0, 1.03))
        light_grid(axes)
        axes.yaxis.tick_right()
        axes.spines["left"].set_visible(False)
        axes.tick_params(right=False, labelright=axes is panels[-1])
    panels[-1].set_ylabel("Bob's test accuracy")
    panels[-1].yaxis.set_label_position("right")
    drawing.supxlabel("k, top blocks that Bob replaces by a solved head", fontsize=11)
    first = rows[(rows["network"] == networks[0]) & (rows.retrain == rows.retrain.min())].set_index("name")[
        "mean"
    ]
    name_lines(
        panels[0],
        [(first[method], method, shade) for method, shade in METHOD_COLORS.items() if method in first],
        gap=0.06,
    )
    return drawing


def _method(axes: Axes, group: pd.DataFrame, method: str) -> None:
    if method not in METHOD_COLORS:  # another start of the random network
        axes.plot(group.retrain, group["mean"], color=METHOD_COLORS["random network"], lw=0.8)
        return
    shade = METHOD_COLORS[method]
    draw_band(axes, group.set_index("retrain"), shade)
    if method in FLAT_LINES:
        axes.lines[-1].set(ls=FLAT_LINES[method], marker="")


@drawn
def decomposition(summary: pd.DataFrame) -> Figure:
    """From chance to Bob's accuracy, term by term, a panel for each network and cut; 95 % intervals.

    Blue adds, orange takes away.
    """
    rows = summary[summary.quantity == "term"]
    networks = list(dict.fromkeys(rows["network"]))
    cuts = sorted(rows.retrain.unique())
    drawing = Figure(figsize=(8, 0.5 + 2.1 * len(networks)))
    panels = drawing.subplots(len(networks), len(cuts), sharex=True, sharey=True, squeeze=False)
    for i, (line, name) in enumerate(zip(panels, networks)):
        for j, (axes, cut) in enumerate(zip(line, cuts)):
            group = rows[(rows["network"] == name) & (rows.retrain == cut)].set_index("name")
            if len(group):
                _waterfall(axes, group, _chance(summary, name))
                axes.set_title(f"{name}, k = {cut}", fontsize=10)
            else:
                axes.axis("off")
                panels[max(0, i - 1), j].tick_params(labelbottom=True)
        line[0].set_yticks(range(len(TERMS)), TERMS)
    drawing.supxlabel("accuracy, from chance to Bob's", fontsize=11)
    return drawing


def _chance(summary: pd.DataFrame, network: str) -> float:
    rows = summary[(summary["network"] == network) & (summary.quantity == "accuracy")]
    return rows[rows["name"] == "chance"]["mean"].min()


def _waterfall(axes: Axes, terms: pd.DataFrame, start: float) -> None:
    """Bars laid end to end from `start`, the first term on top; the interval is that of the bar's length."""
    for at, name in enumerate(TERMS):
        mean, low, high = terms.loc[name, ["mean", "low", "high"]]
        axes.barh(at, mean, left=start, color=ALICE_COLOR if mean >= 0 else BOB_COLOR, height=0.62)
        axes.plot([start + low, start + high], [at, at], color=INK, lw=1.2)
        axes.plot([start + mean] * 2, [at - 0.31, at + 1], color=REFERENCE_COLOR, lw=0.8)
        if abs(mean) > 0.5:
            axes.annotate(
                f"{mean:+.2f}", (start + mean / 2, at), color="white", ha="center", va="center", fontsize=8
            )
        else:
            right = max(start, start + mean, start + np.nan_to_num(high))
            axes.annotate(
                f"{mean:+.2f}",
                (right, at),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        start += mean
    axes.set(xlim=(0, 1.2), ylim=(len(TERMS) - 0.4, -0.6), xticks=[0, 0.5, 1])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


@drawn
def lead_against_samples(
    summary: pd.DataFrame, over: Sequence[str] = ("random network", "raw pixels")
) -> Figure:
    """Bob's lead against the number of his pairs, a panel for each rival in `over`, a line for each cut."""
    rows = summary[summary.quantity == "lead"]
    drawing = Figure(figsize=(8, 3.8))
    panels = drawing.subplots(1, len(over), sharey=True, squeeze=False)[0]
    for axes, rival in zip(panels, over):
        for cut, group in rows[rows["name"] == rival].groupby("retrain"):
            _lead(axes, group, retrain_color(cut))
        _samples(axes, rows.bob_pairs)
        axes.set_title(f"over {rival}")
    panels[0].set_ylabel("accuracy, Bob with Alice less rival")
    last = rows[(rows["name"] == over[-1]) & (rows.bob_pairs == rows.bob_pairs.max())].set_index("retrain")[
        "mean"
    ]
    _cuts(panels[-1], last)
    return drawing


def _lead(axes: Axes, group: pd.DataFrame, shade: str) -> None:
    draw_band(axes, group.sort_values("bob_pairs").set_index("bob_pairs"), shade)


def _samples(axes: Axes, sizes: pd.Series) -> None:
    ticks = sorted(sizes.unique())
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axhline(0, color=REFERENCE_COLOR, lw=1.2)
    light_grid(axes)
    axes.set_xlabel("Bob's pairs")


def _cuts(axes: Axes, heights: pd.Series) -> None:
    """The cuts' names at the right edge, spread about their mean so that none covers another."""
    low, high = axes.get_ylim()
    heights, gap, at, places = heights.sort_values(), 0.08 * (high - low), -np.inf, []
    for height in heights:
        at = max(at + gap, height)
        places.append(at)
    lift = np.mean(places) - heights.mean()
    for cut, place in zip(heights.index, places):
        axes.annotate(
            f"k = {cut}",
            (1, place - lift),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            color=retrain_color(cut),
            va="center",
            annotation_clip=False,
        )


@drawn
def optimizers(summary: pd.DataFrame) -> Figure:
    """What training added to the network Alice began with: a panel for each cut, a row for each optimizer.

    95 % intervals. Pink: training on shuffled labels (the optimizer). Blue: her own labels on top of that.
    Beside the name, Alice's accuracy on her task.
    """
    rows = summary[summary.quantity == "term"]
    names = list(dict.fromkeys(rows["optimizer"]))
    cuts = sorted(rows.retrain.unique())
    alice_accuracy = summary[summary.quantity == "own"].groupby("optimizer")["mean"].mean()
    drawing = Figure(figsize=(8, 1.3 + 0.42 * len(names)))
    panels = drawing.subplots(1, len(cuts), sharex=True, sharey=True, squeeze=False)[0]
    shades = {"optimizer": METHOD_COLORS["shuffled labels"], "her labels": ALICE_COLOR}
    for axes, cut in zip(panels, cuts):
        for shift, (term, shade) in zip((-0.14, 0.14), shades.items()):
            group = rows[(rows.retrain == cut) & (rows["name"] == term)].set_index("optimizer").loc[names]
            at = np.arange(len(names)) + shift
            axes.hlines(at, group.low, group.high, color=shade, lw=2)
            axes.plot(group["mean"], at, "o", color=shade, ms=5)
        axes.axvline(0, color=REFERENCE_COLOR, lw=1.2)
        axes.set_title(f"k = {cut}", fontsize=10)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        light_grid(axes, "x")
    panels[0].set_yticks(range(len(names)), [f"{name}  ({alice_accuracy[name]:.2f})" for name in names])
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    drawing.supxlabel(
        "accuracy added by training: on shuffled labels (pink), then by her own labels (blue)", fontsize=11
    )
    return drawing


@drawn
def one_cut(summary: pd.DataFrame, retrain: int, bob_pairs: int) -> Figure:
    """One cut and one size of Bob's sample: his accuracy with Alice and with two rivals.

    Beside it his lead over the random network for every size of his sample; 95 % intervals.
    """
    drawing = Figure(figsize=(8, 3.4))
    bars, axes = drawing.subplots(1, 2, width_ratios=[1.2, 1])
    here = summary[
        (summary.retrain == retrain) & (summary.bob_pairs == bob_pairs) & (summary.quantity == "accuracy")
    ].set_index("name")
    for at, name in enumerate(("Alice", "random network", "raw pixels")):
        row = here.loc[name]
        bars.barh(at, row["mean"], color=METHOD_COLORS[name], height=0.55)
        bars.plot([row.low, row.high], [at, at], color=INK, lw=1.5)
        bars.annotate(
            f"{name}  {row['mean']:.3f}",
            (0, at - 0.4),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=10,
        )
    chance = here.loc["chance", "mean"]
    bars.vlines([chance] * 3, np.arange(3) - 0.27, np.arange(3) + 0.27, color="white", ls=":", lw=1.5)
    bars.annotate("chance", (chance, 2.3), ha="center", va="top", fontsize=8, color=REFERENCE_COLOR)
    bars.set(xlim=(0, 1), ylim=(2.7, -0.6), yticks=[], xlabel="Bob's test accuracy")
    bars.set_title(f"k = {retrain}, {bob_pairs:,} pairs", fontsize=10)
    bars.spines["left"].set_visible(False)
    leads = summary[(summary.quantity == "lead") & (summary["name"] == "random network")]
    _lead(axes, leads[leads.retrain == retrain], retrain_color(retrain))
    _samples(axes, leads.bob_pairs)
    axes.axvline(bob_pairs, color=REFERENCE_COLOR, ls=":", lw=1.5)
    finite = leads[["mean", "low", "high"]]
    axes.set_ylim(min(-0.05, finite.min().min()), max(0.05, finite.max().max()))
    axes.set_title("lead over the random network", fontsize=10)
    return drawing
