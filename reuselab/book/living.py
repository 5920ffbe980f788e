"""Living figures: what JavaScript computes in the page, in `book/_static/living`."""

import html
import json
import os
from typing import Any

import numpy as np

from reuselab import places
from reuselab.experiment import pairs
from reuselab.experiment.bases import Base
from reuselab.figures import style
from reuselab.figures.style import METHOD_COLORS, Shown

STATIC = places.SOURCES / "book" / "_static"
PALETTE = {
    "alice": style.ALICE_COLOR,
    "bob": style.BOB_COLOR,
    "helps": style.ALICE_COLOR,
    "hurts": style.BOB_COLOR,
    "point": style.RETRAIN_COLORS[3],
    "scratch": METHOD_COLORS["scratch"],
    "linear": METHOD_COLORS["linear transfer"],
    "tuned": METHOD_COLORS["fine-tuning"],
    "ridge": METHOD_COLORS["best ridge"],
    "untrained": METHOD_COLORS["random network"],
    "pixels": METHOD_COLORS["raw pixels"],
    "chance": METHOD_COLORS["chance"],
}


class Living:
    """A living figure over what stands still where scripts do not run, and in print: HTML."""

    def __init__(self, scripts: list[str], figure: str, still: str, given: dict[str, Any], asks: str = ""):
        text = html.escape(json.dumps(given | {"palette": PALETTE}, allow_nan=False))
        self.scripts = ["library", *scripts]
        self.html = (
            f'<div class="rl-living" data-scripts="{" ".join(self.scripts)}" '
            f'data-figure="{html.escape(figure)}" data-asks="{html.escape(asks)}" data-given="{text}">'
            f'<div class="rl-still">{still}</div></div>'
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


def living(page: str, still: Shown, *, figure: str = "", asks: str = "", **given: Any) -> Living:
    """The living figure `figure` (by default `page`) of `book/_static/living/PAGE.js`, told what is `given`.

    asks: what a reader is to do, in place of "This figure moves." below it.

    Raises ValueError where that is no JSON: infinite or not a number.
    """
    return Living(["formulas", page], figure or page, still._repr_html_(), given, asks)


def redrawn(train: tuple[Base, Base], count: int = 6, seed: int = 1) -> dict[str, Any]:
    """What a page needs to draw `count` pairs anew for every rho and phi, in grey levels.

    images: of each pair Alice's, Bob's of her class, and Bob's of any class. chosen: the rho from which on
    Bob's class is Alice's. statistics: mean and deviation of each half's pixels, as in `pairs.Pairs`.
    """
    equal, any_class = (
        pairs.sample(train, count, pairs.joint(len(train[0].classes), rho), seed=seed) for rho in (1, 0)
    )
    images = [
        equal.first.images[equal.index[:, 0].long()],
        equal.second.images[equal.index[:, 1].long()],
        any_class.second.images[any_class.index[:, 1].long()],
    ]
    names = zip(equal.alice_labels.tolist(), equal.bob_labels.tolist(), any_class.bob_labels.tolist())
    grey = [image.float().mean(1).flatten(1).round(decimals=2) for image in images]
    return {
        "classes": len(train[0].classes),
        "share": float(train[0].moments[2].max()),
        "side": equal.first.images.shape[-1],
        "images": [list(each) for each in zip(*(half.tolist() for half in grey))],
        "labels": [[train[0].classes[a], train[1].classes[b], train[1].classes[c]] for a, b, c in names],
        "chosen": np.linspace(0.1, 0.9, count).round(2).tolist(),
        "statistics": equal.statistics.mean(2).flatten(2).double().numpy().round(4).tolist(),
        "white": float(max(image.max() for image in grey)),
    }
