"""Living figures: closed forms that JavaScript computes in the page, in `book/_static/living`."""

import html
import json
import os
from typing import Any

from reuselab import places
from reuselab.figures import style
from reuselab.figures.style import RETRAIN_COLORS, Shown

STATIC = places.SOURCES / "book" / "_static"
SHARED = ("library", "formulas")
PALETTE = {
    "alice": style.ALICE_COLOR,
    "bob": style.BOB_COLOR,
    "helps": style.ALICE_COLOR,
    "hurts": style.BOB_COLOR,
    "point": RETRAIN_COLORS[3],
    "scratch": RETRAIN_COLORS[5],
    "linear": RETRAIN_COLORS[1],
    "tuned": RETRAIN_COLORS[2],
    "ridge": RETRAIN_COLORS[3],
}


class Living:
    """A living figure over a still one, which stands where scripts do not run, and in print."""

    def __init__(self, page: str, figure: str, still: Shown, given: dict[str, Any]):
        text = html.escape(json.dumps(given | {"palette": PALETTE}, allow_nan=False))
        self.scripts = [*SHARED, page]
        self.html = (
            f'<div class="rl-living" data-script="{html.escape(page)}" data-figure="{html.escape(figure)}" '
            f'data-given="{text}"><div class="rl-still">{still._repr_html_()}</div></div>'
        )

    def _repr_html_(self) -> str:
        """In the book its policy adds the scripts; a live notebook gets a frame that holds them."""
        if os.environ.get("REUSELAB_OUT"):
            return self.html
        scripts = [(STATIC / "living" / f"{name}.js").read_text() for name in self.scripts]
        whole = f"<style>{(STATIC / 'reuselab.css').read_text()}</style>{self.html}"
        whole += "".join(f"<script>{script}</script>" for script in scripts)
        frame = "width: 100%; height: 60rem; border: 0; background: white"
        return f'<iframe style="{frame}" srcdoc="{html.escape(whole)}"></iframe>'


def living(page: str, still: Shown, *, figure: str = "", **given: Any) -> Living:
    """The living figure `figure` (by default `page`) of `book/_static/living/PAGE.js`, told what is `given`.

    Raises ValueError where that is no JSON: infinite or not a number.
    """
    return Living(page, figure or page, still, given)
