"""The drawings of the page on robustness; all draw what `claims.robustness` makes of the kept study."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.claims.robustness import CHOICES, EFFECTS, USUAL
from reuselab.figures.style import BOB_COLOR, INK, REFERENCE_COLOR, RETRAIN_COLORS, drawn, light_grid

LOOKS: dict[str, dict[str, Any]] = {  # of the verdicts
    "holds": {"color": RETRAIN_COLORS[2], "marker": "o"},
    "undecided": {"color": REFERENCE_COLOR, "marker": "o", "markerfacecolor": "none"},
    "does not hold": {"color": BOB_COLOR, "marker": "X"},
}
LEVELS = [(choice, level) for choice, levels in CHOICES.items() for level in levels]


@drawn
def overview(judged: pd.DataFrame) -> Figure:
    """A panel for each effect: the effect under every specification, smallest first, coloured by verdict."""
    drawing = Figure(figsize=(8, 5.4))
    panels = drawing.subplots(2, -(-len(EFFECTS) // 2))
    for axes, what in zip(panels.flat, EFFECTS):
        _effects(axes, _sorted(judged, what), EFFECTS[what].matters)
        axes.set_title(what, fontsize=10)
        axes.set_xticks([])
    _legend(drawing)
    drawing.supxlabel("specifications, smallest effect first", fontsize=10)
    return drawing


@drawn
def specifications(judged: pd.DataFrame, what: str) -> Figure:
    """One effect under every specification, smallest first; below it a mark for each level chosen.

    A large mark is a choice that is not the usual one.
    """
    rows = _sorted(judged, what)
    drawing = Figure(figsize=(8, 8))
    above, below = drawing.subplots(2, 1, sharex=True, height_ratios=[2, 3])
    _effects(above, rows, EFFECTS[what].matters)
    above.set_ylabel("effect")
    above.set_title(what)
    for column, row in enumerate(rows.to_dict("records")):
        for height, (choice, level) in enumerate(LEVELS):
            if row[choice] == level:
                usual = level == USUAL[choice]
                look = {"color": REFERENCE_COLOR, "marker": "."} if usual else LOOKS[row["verdict"]]
                below.plot(column, height, ms=3 if usual else 7, ls="", **look)
    firsts = [height for height, (choice, level) in enumerate(LEVELS) if level == USUAL[choice]]
    for height in firsts[1:]:
        below.axhline(height - 0.5, color=REFERENCE_COLOR, lw=0.6, alpha=0.5)
    below.set_yticks(range(len(LEVELS)), [f"{choice}: {level}" for choice, level in LEVELS], fontsize=10)
    below.set_ylim(len(LEVELS) - 0.5, -0.5)
    below.set_xticks([])
    below.tick_params(length=0)
    below.spines[["left", "bottom"]].set_visible(False)
    _legend(drawing)
    return drawing


@drawn
def moves(moved: pd.DataFrame) -> Figure:
    """How far each level that is not the usual one moves each effect, the largest in colour."""
    rows = [(choice, level) for choice, level in LEVELS if level != USUAL[choice]]
    drawing = Figure(figsize=(8, 4.8))
    panels = drawing.subplots(1, len(EFFECTS), sharey=True)
    for axes, what in zip(panels, EFFECTS):
        of_what = moved[moved.what == what].reset_index(drop=True)
        matters = EFFECTS[what].matters
        axes.axvspan(-matters, matters, color=REFERENCE_COLOR, alpha=0.2, lw=0)
        axes.axvline(0, color=REFERENCE_COLOR, lw=0.8)
        for place, row in of_what.iterrows():
            height = rows.index((row["choice"], row["level"]))
            shade = INK if place else BOB_COLOR
            axes.plot([row["low"], row["high"]], [height] * 2, color=shade, lw=1.2)
            axes.plot(row["mean"], height, "o", color=shade, ms=5)
        claim, words = what.split(": ", 1)
        axes.set_title(f"{claim}: {_folded(words)}", fontsize=9.5)
        light_grid(axes, "x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.tick_params(axis="x", labelsize=9.5)
    panels[0].set_yticks(range(len(rows)), [f"{choice}: {level}" for choice, level in rows], fontsize=10)
    panels[0].invert_yaxis()
    drawing.supxlabel("change of the effect", fontsize=10)
    return drawing


def _folded(words: str) -> str:
    """In two lines, as even as the words allow."""
    spaces = [place for place, letter in enumerate(words) if letter == " "]
    middle = min(spaces, key=lambda place: abs(place - len(words) / 2))
    return f"{words[:middle]}\n{words[middle + 1 :]}"


def _sorted(judged: pd.DataFrame, what: str) -> pd.DataFrame:
    return judged[judged.what == what].sort_values("mean", kind="stable").reset_index(drop=True)


def _effects(axes: Axes, rows: pd.DataFrame, matters: float) -> None:
    """Effects with their intervals, coloured by verdict, over the band of those too small to matter."""
    axes.axhspan(0, matters, color=REFERENCE_COLOR, alpha=0.2, lw=0)
    axes.axhline(0, color=REFERENCE_COLOR, lw=0.8)
    for column, row in enumerate(rows.to_dict("records")):
        look = LOOKS[row["verdict"]]
        axes.plot([column] * 2, [row["low"], row["high"]], color=look["color"], lw=1.4)
        axes.plot(column, row["mean"], ms=6, ls="", **look)
    light_grid(axes)
    axes.set_xlim(-0.7, len(rows) - 0.3)


def _legend(drawing: Figure) -> None:
    keys = [drawing.axes[0].plot(np.nan, ms=6, ls="", label=word, **look)[0] for word, look in LOOKS.items()]
    drawing.legend(handles=keys, loc="outside upper right", ncol=len(keys), frameon=False, fontsize=10)
