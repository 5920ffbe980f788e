"""What drawings share: palette, lines and their names, and inline SVG whose ink follows the page."""

import html
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from reuselab.stats import summary

# Okabe and Ito's palette, told apart by every kind of colour vision; INK is the page's own text colour.
INK = "#010101"
ALICE_COLOR, BOB_COLOR, REFERENCE_COLOR = "#0072B2", "#D55E00", "#808080"
RETRAIN_COLORS = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7")
METHOD_COLORS = {
    "Alice": ALICE_COLOR,
    "Bob's labels": RETRAIN_COLORS[2],
    "shuffled labels": RETRAIN_COLORS[5],
    "random network": RETRAIN_COLORS[3],
    "raw pixels": RETRAIN_COLORS[0],
    "scratch": BOB_COLOR,
    "chance": REFERENCE_COLOR,
}
FLAT_LINES = {"raw pixels": "--", "scratch": "-.", "chance": ":"}  # the same at every cut


STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reuselab",
    "text.parse_math": False,  # a name with $ in it is a name, no formula
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
            f"<figcaption>{html.escape(self.caption)} <code>{html.escape(self.source)}</code></figcaption>"
            if self.caption
            else ""
        )
        return f"<figure class='rl-figure'>{self.svg}{caption}</figure>"


def drawn(draw: Callable[..., Figure]) -> Callable[..., Shown]:
    """Let `draw` work in the book's style and give it a keyword `caption`, which screen readers get too.

    Every text in the drawing is shown as it is: none is a formula, and none is markup in the SVG.
    """

    @wraps(draw)
    def wrapper(*args, caption: str = "", **options) -> Shown:
        with mpl.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's own fonts draw the text
            return Shown(
                _svg(draw(*args, **options), caption or draw.__name__),
                caption,
                f"{draw.__module__.removeprefix('reuselab.')}.{draw.__name__}",
            )

    return wrapper


def _svg(drawing: Figure, label: str) -> str:
    """Inline SVG: ink in the page's own colour, no ids that a second figure could repeat."""
    with io.StringIO() as out:
        FigureCanvasSVG(drawing).print_svg(  # `savefig` would lay out all texts twice
            out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        svg = out.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r"<[^>]*>", _tag, svg)
    svg = re.sub(r">\s+<", "><", svg.replace("<g/>", ""))  # a third of a figure with many numbers
    width = drawing.get_figwidth()
    attributes = (
        f"role='img' aria-label='{html.escape(label, quote=True)}' "
        f"style='min-width: {3.6 * width:g}rem; max-width: {6.5 * width:g}rem'"
    )
    return svg.replace("<svg ", f"<svg {attributes} ", 1)


def _tag(tag: re.Match[str]) -> str:
    """`tag` as `_svg` wants it. What stands between tags is text, and stays."""
    attributes = re.sub(r' id="[^"]*_\d+"| transform="rotate\(-0 [^"]*"', "", tag[0])
    return attributes.replace(INK, "currentColor")


def short(name: str) -> str:
    """`name`, which no rule of ours keeps short, in one line of at most 40 characters."""
    line = " ".join(name.split())
    return line if len(line) <= 40 else line[:39] + "…"


def retrain_label(retrain: int, blocks: int) -> str:
    """Words for the number of retrained blocks out of `blocks`."""
    return {0: "Alice unchanged", 1: "head only", blocks: "from scratch"}.get(retrain, f"top {retrain}")


def retrain_color(retrain: int) -> str:
    """The colour of a number of retrained blocks, the same in every figure."""
    return RETRAIN_COLORS[min(retrain, len(RETRAIN_COLORS) - 1)]


def band(axes: Axes, rows: pd.DataFrame, shade: str, value: str = "bob_accuracy", by: str = "rho") -> None:
    """The mean of `value` over the rows with each `by`, a line with dots, in its 95 % interval."""
    draw_band(axes, summary(rows, by, value), shade)


def draw_band(axes: Axes, means: pd.DataFrame, shade: str) -> None:
    """A line with dots in its interval. means: columns mean, low and high; the index is across."""
    axes.plot(means.index, means["mean"], color=shade, marker="o", ms=4)
    axes.fill_between(means.index, means["low"], means["high"], color=shade, alpha=0.2, lw=0)


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


def light_grid(axes: Axes, axis: Literal["both", "x", "y"] = "y") -> None:
    """Faint lines to read values by."""
    axes.grid(axis=axis, color=REFERENCE_COLOR, alpha=0.25, lw=0.6)


def log_across(axes: Axes) -> None:
    """A logarithmic scale across, its numbers in plain text: Matplotlib's own are formulas."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(LogFormatter())


def read_on_the_right(axes: Axes, label: str) -> None:
    """Heights, called `label`, are read on the right: names of lines stand on the left."""
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(label)
    axes.spines[["left", "right"]].set_visible(False)
