"""The first paper's Bobs on the second paper's phase diagram."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.claims.luck_explained import LAWS
from reuselab.figures.phase_diagram import GAIN
from reuselab.figures.style import (
    BOB_COLOR,
    INK,
    REFERENCE_COLOR,
    RETRAIN_COLORS,
    drawn,
    light_grid,
    log_across,
    short,
)
from reuselab.theory import linear

FULL = 0.5  # the gain in accuracy that is drawn as strongly as a gain of 1 in theory


@drawn
def whose(points: Mapping[str, pd.DataFrame], network: str = "cnn", bob_pairs: int = 100) -> Figure:
    """How much of Bob's task her blocks hold, cut by cut, against what his pixels hold; Bob's gain as colour.

    points: rows of `claims.luck_explained.points`, a panel an image set. A line a coupling, means over seeds.
    Dashed: what the pixels hold, measured; dotted: n / d, what theory grants scratch.
    """
    drawing = Figure(figsize=(8, 5.6) if len(points) > 2 else (8, 3.4))
    panels = drawing.subplots(-(-len(points) // 2), 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (name, rows) in zip(panels, points.items()):
        told = rows[(rows.network == network) & (rows.bob_pairs == bob_pairs)]
        dots = _paths(axes, told.assign(held=told.cosine**2, kept=told.retrain.max() + 1 - told.retrain))
        axes.set_title(short(name))
    drawing.supxlabel("blocks of hers that Bob keeps")
    drawing.supylabel("share of his task that they hold")
    drawing.colorbar(dots, ax=panels, label="Bob's gain over scratch", shrink=0.7)
    return drawing


def _paths(axes: Axes, rows: pd.DataFrame):
    """The paths of one image set; held: cos(theta)^2, kept: number of her blocks."""
    means = rows.groupby(["rho", "phi", "kept"])[["held", "gain"]].mean().reset_index()
    for (rho, phi), path in means.groupby(["rho", "phi"]):
        axes.plot(path.kept, path.held, color=REFERENCE_COLOR, lw=1.2, zorder=1)
        axes.annotate(
            f"phi {phi:g}" if phi else f"rho {rho:g}",
            (path.kept.iloc[-1], path.held.iloc[-1]),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    shown = {**GAIN, "vmin": -FULL, "vmax": FULL}
    dots = axes.scatter(
        means.kept, means.held, c=means.gain, s=70, edgecolors=REFERENCE_COLOR, lw=0.8, zorder=2, **shown
    )
    pixels, theory = (rows.cosine_scratch**2).mean(), rows.gamma.mean()
    axes.axhline(pixels, color=BOB_COLOR, ls="--", lw=1.2)
    axes.axhline(theory, color=INK, ls=":", lw=1.2)
    axes.set(ylim=(0, 1), xticks=sorted(means.kept.unique()), xlim=(0.7, means.kept.max() + 0.7))
    return dots


@drawn
def diagram(points: Mapping[str, pd.DataFrame]) -> Figure:
    """Every cut at its own n / d and effective angle, coloured by Bob's gain; behind, theory without noise.

    points: rows of `claims.luck_explained.points`, a panel an image set.
    """
    gamma, theta = np.logspace(-2.2, 0.7, 120), np.deg2rad(np.linspace(0, 90, 91))
    theory = linear.linear_transfer_gain(*np.meshgrid(gamma, theta), 0.0)
    drawing = Figure(figsize=(8, 3.8))
    panels = drawing.subplots(1, len(points), sharey=True, squeeze=False)[0]
    for axes, (name, rows) in zip(panels, points.items()):
        axes.pcolormesh(
            gamma, np.rad2deg(theta), theory, shading="nearest", rasterized=True, alpha=0.35, **GAIN
        )
        axes.plot(gamma, np.rad2deg(linear.boundary(0.0, gamma=gamma)), color="black", lw=2)
        spread = np.exp(np.random.default_rng(0).uniform(-0.12, 0.12, len(rows)))
        shown = {**GAIN, "vmin": -FULL, "vmax": FULL}
        dots = axes.scatter(
            rows.gamma * spread, rows.degrees, c=rows.gain, s=16, lw=0.4, edgecolors=REFERENCE_COLOR, **shown
        )
        log_across(axes)
        axes.set(xlabel="gamma = n / d", title=short(name), ylim=(0, 90))
    panels[0].set_ylabel("effective angle (degrees)")
    drawing.colorbar(dots, ax=panels, label="Bob's gain over scratch", shrink=0.9)
    return drawing


@drawn
def laws(points: Mapping[str, pd.DataFrame]) -> Figure:
    """Bob's gain in accuracy against what each of `LAWS` predicts, a colour an image set, with its line."""
    drawing = Figure(figsize=(8, 3.6))
    for axes, (law, name) in zip(drawing.subplots(1, len(LAWS), sharey=True), LAWS.items()):
        for (images, rows), shade in zip(points.items(), RETRAIN_COLORS[1:]):
            _line(axes, rows, law, shade, short(images))
        axes.axhline(0, color=REFERENCE_COLOR, lw=0.8)
        axes.axvline(0, color=REFERENCE_COLOR, lw=0.8)
        axes.set(xlabel="predicted, share of the target's variance", title=name)
        light_grid(axes)
    drawing.axes[0].set_ylabel("Bob's gain over scratch")
    drawing.axes[-1].legend(frameon=False, fontsize=9)
    return drawing


def _line(axes: Axes, rows: pd.DataFrame, law: str, shade: str, name: str) -> None:
    axes.plot(rows[law], rows.gain, "o", ms=3, alpha=0.5, color=shade, label=name)
    ends = np.array([rows[law].min(), rows[law].max()])
    axes.plot(ends, np.polyval(np.polyfit(rows[law], rows.gain, 1), ends), color=shade)
