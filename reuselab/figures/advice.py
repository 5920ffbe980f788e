"""How far rules fall short of the best cut, and the decision tree that follows from it."""

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.claims import advice as claim
from reuselab.figures.style import BOB_COLOR, INK, REFERENCE_COLOR, RETRAIN_COLORS, drawn, light_grid

COLORS = dict(zip(claim.ACTIONS, (*RETRAIN_COLORS[1:4], BOB_COLOR)))


@drawn
def regrets(told: Mapping[str, pd.DataFrame], goal: float) -> Figure:
    """Mean regret of each rule in points, with its interval: a panel each of `claims.advice.summary`."""
    first = next(iter(told.values()))
    drawing = Figure(figsize=(8, 0.7 + 0.34 * len(first)))
    panels = drawing.subplots(1, len(told), sharey=True, squeeze=False)[0]
    heights = {rule: -height for height, rule in enumerate(first.rule)}
    for axes, (name, rows) in zip(panels, told.items()):
        for row in rows.itertuples():
            shade = COLORS.get(row.rule, INK)
            axes.plot([100 * row.low, 100 * row.high], [heights[row.rule]] * 2, color=shade)
            axes.plot(100 * row.mean, heights[row.rule], "o", color=shade)
        axes.axvline(goal, color=REFERENCE_COLOR, ls="--", lw=1)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks([0, 1, 3, 10, 30], ["0", "1", "3", "10", "30"])
        axes.set(title=name, xlim=(0, 70))
        light_grid(axes, "x")
    panels[0].set_yticks(list(heights.values()), list(heights))
    drawing.supxlabel("accuracy points lost to the best cut", fontsize=10)
    return drawing


@drawn
def tree(leaves: pd.DataFrame) -> Figure:
    """The decision tree: Alice's task, Bob's labelled images, and the advice with its regret."""
    drawing = Figure(figsize=(8.6, 0.6 + 0.62 * len(leaves)))
    drawing.set_layout_engine("none")
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 10), ylim=(-len(leaves) + 0.4, 0.9))
    heads = {0.1: "What is Bob's task?", 2.4: "Labelled images", 4.2: "Advice, and accuracy points lost"}
    for x, words in heads.items():
        axes.text(x, 0.7, words, weight="bold", va="center", fontsize=10)
    shades = claim.disagree(leaves).map({True: BOB_COLOR, False: REFERENCE_COLOR})
    leaf_heights = pd.Series(-np.arange(len(leaves), dtype=float), leaves.index)
    for task, rows in leaves.groupby("task", sort=False):
        middle = leaf_heights[rows.index].mean()
        axes.text(0.1, middle, fill(task, 16), va="center", fontsize=10)
        for index, leaf in rows.iterrows():
            _leaf(axes, leaf, middle, leaf_heights[index], shades[index])
    return drawing


def _leaf(axes: Axes, leaf: pd.Series, middle: float, height: float, shade: str) -> None:
    axes.plot([1.85, 2.3], [middle, height], color=REFERENCE_COLOR, lw=1.2)
    axes.text(2.4, height, leaf.labels, va="center", fontsize=10)
    axes.plot([3.65, 3.9], [height, height], color=REFERENCE_COLOR, lw=1.2)
    axes.plot(4.0, height, "o", color=COLORS[leaf.rule], ms=8)
    if leaf.tie:
        axes.plot(4.0, height, "o", color=COLORS[leaf.rival], ms=8, fillstyle="right", mec="none")
    regret = claim.points(leaf, "here", "here_low", "here_high")
    unseen = "" if np.isnan(leaf.regret) else f"; chosen on other image sets, {100 * leaf.regret:.1f}"
    axes.text(4.2, height + 0.16, claim.advised(leaf), va="center", fontsize=9.5)
    axes.text(4.2, height - 0.2, f"loses {regret}{unseen}", va="center", fontsize=9, color=shade)
