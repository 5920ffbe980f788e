"""The first paper's Bobs on the second paper's phase diagram."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from reuselab.claims.luck_explained import LAWS
from reuselab.figures.phase_diagram import GAIN
from reuselab.figures.style import (
    INK,
    METHOD_COLORS,
    REFERENCE_COLOR,
    RETRAIN_COLORS,
    drawn,
    light_grid,
    log_across,
    short,
)
from reuselab.theory import linear

FULL = 0.3  # the gain in accuracy that is drawn as strongly as a gain of 1 in theory
STRONG = 0.1  # likewise along the paths, where most gains are small


@drawn
def whose(paths: Mapping[str, pd.DataFrame]) -> Figure:
    """How much of Bob's task her blocks hold, cut by cut, and what he gains by keeping them.

    paths: of `claims.luck_explained.paths`, a panel an image set.
    """
    columns, rows = min(len(paths), 2), -(-len(paths) // 2)
    drawing = Figure(figsize=(8, 0.5 + 2.7 * rows))
    panels = drawing.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(paths) :]:
        axes.remove()
    for axes, (name, means) in zip(panels, paths.items()):
        dots = _paths(axes, means)
        axes.set(title=short(name), xlabel="blocks of hers that he keeps", ylabel="share of his task")
    looks: dict[str, Any] = {
        "shrink": 0.6,
        "extend": "both",
        "ticks": [-STRONG, 0, STRONG],
        "format": "{x:g}",
    }
    drawing.colorbar(dots, ax=panels[: len(paths)], label="Bob's gain over scratch", **looks)
    return drawing


def _paths(axes: Axes, means: pd.DataFrame) -> PathCollection:
    """The paths of one image set, and what scratch has: the share in the pixels, and theory's n / d."""
    pixels, theory, most = means.pixels.mean(), means.gamma.mean(), means.kept.max()
    ends = [0.05, most + 0.12]  # the couplings' names lie beyond
    axes.plot(ends, [pixels] * 2, color=METHOD_COLORS["raw pixels"], zorder=1)
    axes.plot(ends, [theory] * 2, color=INK, ls=":", lw=1.4, zorder=1)
    for height, other, name in ((pixels, theory, "pixels"), (theory, pixels, "n / d")):
        above = height >= other or other - height > 0.1
        axes.text(
            0.12, height + (0.015 if above else -0.02), name, va="bottom" if above else "top", fontsize=9
        )
    for end, shade in ((1.02, 0.9), (-0.04, 0.1)):
        axes.axhspan(pixels, end, color=colormaps[GAIN["cmap"]](shade), alpha=0.09, lw=0)
    at = -1.0
    for (rho, phi), path in sorted(means.groupby(["rho", "phi"]), key=lambda one: one[1].held.iloc[-1]):
        axes.plot(path.kept, path.held, color=REFERENCE_COLOR, lw=1, zorder=2)
        at = max(path.held.iloc[-1], at + 0.095)
        axes.text(most + 0.2, at, f"phi = {phi:g}" if phi else f"rho = {rho:g}", va="center", fontsize=9)
    limits = {**GAIN, "vmin": -STRONG, "vmax": STRONG}
    axes.set(ylim=(-0.04, 1.02), xticks=range(1, most + 1), xlim=(0.05, most + 1.1))
    return axes.scatter(
        means.kept, means.held, c=means.gain, s=75, edgecolors=REFERENCE_COLOR, lw=0.8, zorder=3, **limits
    )


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
        axes.plot(gamma, np.rad2deg(linear.boundary(0.0, gamma=gamma)), color=INK, lw=2)
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
