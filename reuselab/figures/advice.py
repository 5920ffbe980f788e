"""How far rules fall short of the best cut, and the decision tree that follows from it."""

from collections.abc import Mapping
from textwrap import wrap

import pandas as pd
from matplotlib.figure import Figure

from reuselab.claims import advice as claim
from reuselab.figures.style import BOB_COLOR, INK, REFERENCE_COLOR, RETRAIN_COLORS, drawn, light_grid

COLORS = dict(zip(claim.ACTIONS, (*RETRAIN_COLORS[1:4], BOB_COLOR)))
ADVISED = RETRAIN_COLORS[4]
WIDTH, LINE = 4.4, 0.19  # inches: of the tree, and of a line of its words


@drawn
def regrets(told: Mapping[str, pd.DataFrame], goal: float) -> Figure:
    """Mean regret of each rule in points, with its interval: a panel each of `claims.advice.summary`."""
    first = max(told.values(), key=len)
    drawing = Figure(figsize=(8, 0.7 + 0.34 * len(first)))
    panels = drawing.subplots(1, len(told), sharey=True, squeeze=False)[0]
    heights = {rule: -height for height, rule in enumerate(first.rule)}
    for axes, (name, rows) in zip(panels, told.items()):
        for row in rows.itertuples():
            shade = ADVISED if row.rule.startswith("advise,") else COLORS.get(row.rule, INK)
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
    """The decision tree from above: Bob's task, his labelled images, and the advice with its regret.

    So narrow that its words are read on a phone.
    """
    blocks = [_leaf_words(leaf) for _, leaf in leaves.iterrows()]
    heads = ~leaves.task.duplicated()
    lines = sum(map(len, blocks)) + 0.5 * len(blocks) + 1.6 * heads.sum()
    drawing = Figure(figsize=(WIDTH, LINE * (lines + 0.5)))
    drawing.set_layout_engine("none")
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(-lines, 0.5))
    apart, height, trunk = claim.disagree(leaves), 0.0, 0.0
    for (index, leaf), words in zip(leaves.iterrows(), blocks):
        if heads[index]:
            height -= 0.6
            axes.text(0.05, height, f"Bob's task: {leaf.task}", weight="bold", va="center", fontsize=10)
            trunk, height = height - 0.5, height - 1.0
        axes.plot([0.15, 0.15, 0.32], [trunk, height, height], color=REFERENCE_COLOR, lw=1.2)
        axes.plot(0.42, height, "o", color=COLORS[leaf.rule], ms=9)
        if leaf.tie:
            axes.plot(0.42, height, "o", color=COLORS[leaf.rival], ms=9, fillstyle="right", mec="none")
        for number, line in enumerate(words):
            last = number == len(words) - 1
            shade = BOB_COLOR if last and apart[index] else REFERENCE_COLOR if last else INK
            axes.text(0.58, height, line, va="center", fontsize=10, color=shade)
            height -= 1
        height -= 0.5
    return drawing


def _leaf_words(leaf: pd.Series) -> list[str]:
    """A leaf in short lines, the last of them what it loses."""
    advice = wrap(f"{leaf.labels} images: {claim.advised(leaf)}", 44)
    return [*advice, f"loses {claim.points(leaf, 'here', 'here_low', 'here_high')}"]
