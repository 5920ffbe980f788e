"""What drawings share: palette, lines and their names, and inline SVG whose ink follows the page."""

import html
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from typing import Any, Literal
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogFormatter

from reuselab.stats import summary

# Okabe and Ito's palette, told apart by every kind of colour vision; INK is the page's own text colour.
INK = "#010101"
ALICE_COLOR, BOB_COLOR, REFERENCE_COLOR = "#0072B2", "#D55E00", "#808080"
RETRAIN_COLORS = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#D55E00")
METHOD_COLORS = {  # the last number of retrained blocks is scratch, too
    "Alice": ALICE_COLOR,
    "Bob's labels": RETRAIN_COLORS[2],
    "shuffled labels": RETRAIN_COLORS[4],
    "random network": RETRAIN_COLORS[3],
    "raw pixels": RETRAIN_COLORS[0],
    "scratch": BOB_COLOR,
    "chance": REFERENCE_COLOR,
    "linear transfer": ALICE_COLOR,
    "fine-tuning": RETRAIN_COLORS[2],
    "best ridge": RETRAIN_COLORS[3],
}
ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
ALONE = 6.2  # inches: the most of a single column of panels, whose words are read on a phone too
NARROW = 4.6  # where the drawing has a legend or small words
GREEK = {
    "rho": "ρ",
    "phi": "φ",
    "alpha": "α",
    "gamma": "γ",
    "kappa": "κ",
    "theta": "θ",
    "sigma": "σ",
    "mu": "μ",
}
WORD = re.compile(rf"\b(?:{'|'.join(GREEK)})\b")
NO_SYMBOL = "\u2060"  # within a word that is a name; no page has it
TEXT_SHADE = re.compile("|".join((*RETRAIN_COLORS, REFERENCE_COLOR)), re.I)
ROOM = 32  # letters that names of heights may take beside panels, in all
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
    """A drawn figure as a page shows it: inline SVG, and a caption that names the function which drew it.

    panels: the same drawing in parts, which stand below one another where there is no room beside.
    """

    svg: str
    caption: str
    source: str
    panels: str = ""

    def _repr_html_(self) -> str:
        caption = (
            f"<figcaption>{html.escape(self.caption)} <code>{html.escape(self.source)}</code></figcaption>"
            if self.caption
            else ""
        )
        return f"<figure class='rl-figure'>{self.panels or self.svg}{caption}</figure>"


def drawn(draw: Callable[..., Figure]) -> Callable[..., Shown]:
    """Let `draw` work in the book's style and give it a keyword `caption`, which screen readers get too.

    Every text in the drawing is shown as it is: none is a formula, and none is markup in the SVG.
    """

    @wraps(draw)
    def wrapper(*args, caption: str = "", **options) -> Shown:
        with mpl.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's own fonts draw the text
            drawing, caption = draw(*args, **options), typeset(caption)
            _number_all(drawing)
            if _columns(drawing) == 1 and isinstance(drawing.get_layout_engine(), ConstrainedLayoutEngine):
                drawing.set_figwidth(min(drawing.get_figwidth(), ALONE))
            label = caption or draw.__name__.replace("_", " ")
            svg = _raw(drawing)
            return Shown(
                _svg(svg, drawing.get_figwidth(), label),
                caption,
                f"{draw.__module__.removeprefix('reuselab.')}.{draw.__name__}",
                _panels(svg, drawing, label),
            )

    return wrapper


def _columns(drawing: Figure) -> int:
    """How many panels stand beside one another."""
    places = [axes.get_subplotspec() for axes in drawing.axes]
    return max((place.colspan.stop for place in places if place), default=1)


def _number_all(drawing: Figure) -> None:
    """Let panels that share their heights all have numbers there: on a phone each stands alone.

    Names in place of numbers are said again only where all of them take little room.
    """
    for axes in drawing.axes:
        group, formatter = axes.get_shared_y_axes().get_siblings(axes), axes.yaxis.get_major_formatter()
        named = isinstance(formatter, FuncFormatter)  # by `set_yticks`
        names = formatter.format_ticks(list(axes.get_yticks())) if named else [""]
        if len(group) > 1 and max(map(len, names)) * _columns(drawing) <= ROOM:
            side = "right" if any(map(_read_right, group)) else "left"
            axes.tick_params(labelleft=side == "left", labelright=side == "right")


def _read_right(axes: Axes) -> bool:
    return axes.yaxis.get_label_position() == "right" or axes.yaxis.get_tick_params().get("labelright", False)


def typeset(text: str) -> str:
    """`text` with the letters of `GREEK` in place of their names, but for those within a name (`short`)."""
    return WORD.sub(lambda word: GREEK[word[0]], text).replace(NO_SYMBOL, "")


def on_page(shade: str) -> str:
    """`shade` for text: halfway to the page's ink, so that it reaches 4.5 : 1 on light and dark ground."""
    return f"color-mix(in srgb, {shade} 50%, currentColor)"


def _raw(drawing: Figure) -> str:
    """Matplotlib's SVG; each part of the figure that `_panels` may cut out has an id."""
    for i, part in enumerate(_parts(drawing)):
        part.set_gid(f"part_{i}")
    with io.StringIO() as out:
        FigureCanvasSVG(drawing).print_svg(  # `savefig` would lay out all texts twice
            out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        svg = out.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)


def _parts(drawing: Figure) -> list[Any]:
    return [*drawing.axes, *drawing.texts, *drawing.legends]


def _svg(svg: str, width: float, label: str) -> str:
    """Inline SVG: ink in the page's own colour, no ids that a second figure could repeat."""
    attributes = (
        f"role='img' aria-label='{html.escape(label, quote=True)}' style='max-width: {6.5 * width:g}rem'"
    )
    return _clean(svg).replace("<svg ", f"<svg {attributes} ", 1)


def _clean(svg: str) -> str:
    svg = re.sub(r"<[^>]*>", _tag, svg)
    svg = re.sub(r">([^<]*)</text>", lambda text: f">{typeset(text[1])}</text>", svg)
    return re.sub(r">\s+<", "><", svg.replace("<g/>", "").replace("<g />", ""))  # a third of many numbers


def _panels(svg: str, drawing: Figure, label: str) -> str:
    """The drawing cut between its columns of axes, and above and below them; "" where it has but one column.

    What belongs to the whole figure (a title, a legend) keeps a strip of its own.
    """
    if drawing.subfigs or len(drawing.axes) < 2:
        return ""
    points = 72 / drawing.dpi
    boxes = [part.get_tightbbox().extents * points for part in _parts(drawing)]
    width, height = 72 * drawing.get_size_inches()
    grid, rest = boxes[: len(drawing.axes)], boxes[len(drawing.axes) :]
    columns, across = _cut([(box[0], box[2]) for box in grid], width)
    low, high = min(box[1] for box in grid), max(box[3] for box in grid)
    spans = [(low, high)] * len(grid) + [(box[1], box[3]) for box in rest]
    rows, down = _cut(spans, height)
    if len(across) < 2 or any(row == rows[0] for row in rows[len(grid) :]):
        return ""
    cells: dict[tuple[int, int], list[int]] = {}
    for i, row in enumerate(rows):
        cells.setdefault((-row, columns[i] if i < len(grid) else 0), []).append(i)
    drawn_parts, widest = "", max(right - left for left, right in across)
    for (row, column), parts in sorted(cells.items()):
        if row == -rows[0]:
            drawn_parts += _part(svg, parts, across[column], down[-row], height, widest)
        else:
            strip = min(boxes[i][0] for i in parts) - 4, max(boxes[i][2] for i in parts) + 4
            drawn_parts += f"<div class='rl-strip'>{_part(svg, parts, strip, down[-row], height, 0)}</div>"
    return (
        f"<div class='rl-parts' role='img' aria-label='{html.escape(label, quote=True)}' "
        f"style='max-width: {6.5 * width / 72:g}rem'>{drawn_parts}</div>"
    )


def _cut(spans: Sequence[tuple[float, float]], end: float) -> tuple[list[int], list[tuple[float, float]]]:
    """The group of each of the `spans`, of those that meet, and where each group lies between 0 and `end`.

    Groups are parted in the middle of the gap between them.
    """
    groups: list[list[float]] = []
    for low, high in sorted(spans):
        if groups and low < groups[-1][1]:
            groups[-1][1] = max(high, groups[-1][1])
        else:
            groups.append([low, high])
    cuts = [0.0, *((left[1] + right[0]) / 2 for left, right in pairwise(groups)), end]
    of = [sum(low >= group[0] for group in groups) - 1 for low, _ in spans]
    return of, list(pairwise(cuts))


def _part(
    svg: str,
    parts: Sequence[int],
    across: tuple[float, float],
    down: tuple[float, float],
    height: float,
    widest: float,
) -> str:
    """The `parts` of `svg` alone, in the window that they lie in (points, from the left and from below).

    Below one another, parts keep one scale: none takes more of the place than of the `widest`.
    """
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    (whole,) = (group for group in root if group.get("id") == "figure_1")
    kept = {f"part_{i}" for i in parts}
    for group in list(whole):
        if group.get("id") not in kept:
            whole.remove(group)
    width, tall = across[1] - across[0], down[1] - down[0]
    root.set("viewBox", f"{across[0]:.6g} {height - down[1]:.6g} {width:.6g} {tall:.6g}")
    share = f"{100 * width / max(widest, width):.0f}%"
    root.set("style", f"flex: {width:.0f} 1 {width:.0f}px; max-width: min({1.6 * width:.0f}px, {share})")
    root.attrib.pop("width"), root.attrib.pop("height")
    return _clean(ElementTree.tostring(root, "unicode"))


def _tag(tag: re.Match[str]) -> str:
    """`tag` as `_svg` wants it. What stands between tags is text, and stays."""
    attributes = re.sub(r' id="[^"]*_\d+"| transform="rotate\(-0 [^"]*"', "", tag[0])
    if tag[0].startswith("<text"):
        attributes = TEXT_SHADE.sub(lambda shade: on_page(shade[0]), attributes)
    return attributes.replace(INK, "currentColor")


def short(name: str) -> str:
    """`name`, which no rule of ours keeps short, in one line of at most 40 characters, and no symbol."""
    line = " ".join(name.split())
    line = line if len(line) <= 40 else line[:39] + "…"
    return WORD.sub(lambda word: word[0][0] + NO_SYMBOL + word[0][1:], line)


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
