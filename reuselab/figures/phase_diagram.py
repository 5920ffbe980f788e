"""The figures of the phase diagram: where transfer helps, in theory and simulation, and what distances
tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from reuselab.claims.phase_diagram import METHODS
from reuselab.figures.deep_linear import FINE_TUNED, LINEAR, RIDGE, SCRATCH
from reuselab.figures.style import REFERENCE_COLOR, RETRAIN_COLORS, drawn, log_across
from reuselab.stats import summary
from reuselab.theory import linear

GAIN: dict[str, Any] = {"cmap": "RdBu", "vmin": -1, "vmax": 1}


@drawn
def theory_and_simulation(
    gammas: Sequence[float], thetas: Sequence[float], sigma: float, simulated: dict[str, np.ndarray]
) -> Figure:
    """Phase diagrams of linear transfer and fine-tuning: theory above, simulation below, the boundary drawn
    on both.

    thetas: radians. simulated: mean gain, [len(gammas), len(thetas)], for "linear" and "fine_tune".
    """
    drawing = Figure(figsize=(8, 6.2))
    panels = drawing.subplots(2, 2, sharex=True, sharey=True)
    for column, (method, name) in enumerate((("linear", "linear transfer"), ("fine_tune", "fine-tuning"))):
        for row, values in enumerate((_theory(method, gammas, thetas, sigma), simulated[method])):
            image = _phase(panels[row, column], values, gammas, thetas)
            _boundary(panels[row, column], gammas, sigma, method)
            panels[row, column].set_title(f"{name}, {('theory', 'simulation')[row]}")
    _phase_axes(drawing, panels, image)
    return drawing


@drawn
def phase_diagram(
    sigma: float, gamma_source: float | None, depth: int, form: str, sigma_source: float = 0.0
) -> Figure:
    """Gains of linear transfer and of fine-tuning in theory over gamma and theta, with their boundaries."""
    gammas, thetas = np.linspace(0.025, 1.975, 40), np.deg2rad(np.linspace(1, 89, 45))
    source = {"gamma_source": gamma_source, "sigma_source": sigma_source}
    drawing = Figure(figsize=(8, 3.6), layout="none")  # type: ignore[arg-type]
    panels = drawing.subplots(
        1,
        2,
        sharex=True,
        sharey=True,
        squeeze=False,
        gridspec_kw={"left": 0.08, "right": 0.98, "bottom": 0.15, "top": 0.91, "wspace": 0.18},
    )
    for axes, method, name in zip(
        panels[0], ("linear", "fine_tune"), ("linear transfer", f"fine-tuning, depth {depth}, {form}")
    ):
        image = _phase(axes, _theory(method, gammas, thetas, sigma, depth, form, **source), gammas, thetas)
        _boundary(axes, gammas, sigma, method, depth=depth, form=form, **source)
        axes.set_title(name)
    _phase_axes(drawing, panels, image)
    return drawing


def _theory(method, gammas, thetas, sigma, depth=2, form="flow", **source) -> np.ndarray:
    gamma, theta = np.meshgrid(gammas, thetas, indexing="ij")
    if method == "linear":
        return linear.linear_transfer_gain(gamma, theta, sigma, **source)
    return linear.fine_tuning_gain(gamma, theta, sigma, depth, form, **source)


def _phase(axes: Axes, values: np.ndarray, gammas: ArrayLike, thetas: ArrayLike):
    columns, rows = np.argsort(gammas), np.argsort(thetas)
    shown = np.clip(values, -1, 1)[np.ix_(columns, rows)].T
    x, y = np.take(gammas, columns), np.rad2deg(np.take(thetas, rows))
    return axes.pcolormesh(x, y, shown, shading="nearest", rasterized=True, **GAIN)


def _boundary(axes: Axes, gammas: ArrayLike, sigma: float, method: str, **options) -> None:
    """The angle up to which transfer helps, where there is one."""
    gamma = np.linspace(np.min(gammas), np.max(gammas), 600)
    if method == "linear":
        options = {key: value for key, value in options.items() if key not in ("depth", "form")}
    axes.plot(
        gamma, np.rad2deg(linear.boundary(sigma, gamma=gamma, method=method, **options)), color="black", lw=2
    )


def _phase_axes(drawing: Figure, panels: np.ndarray, image) -> None:
    for axes in panels[-1]:
        axes.set_xlabel("gamma = n / d")
    for axes in panels[:, 0]:
        axes.set_ylabel("angle (degrees)")
    drawing.colorbar(image, ax=panels, label="gain, clipped to -1 ... 1", shrink=0.9)


@drawn
def boundaries(sigmas: Sequence[float], depths: Sequence[int]) -> Figure:
    """The angle up to which fine-tuning helps, at gamma from 0 to 1: a panel a noise, a line a depth, c = 1
    dashed."""
    drawing = Figure(figsize=(8, 3))
    gamma = np.linspace(0.01, 0.97, 200)
    for axes, sigma in zip(drawing.subplots(1, len(sigmas), sharey=True, squeeze=False)[0], sigmas):
        for depth, shade in zip(depths, RETRAIN_COLORS[1:]):
            angle = np.rad2deg(linear.boundary(sigma, gamma=gamma, method="fine_tune", depth=depth))
            axes.plot(gamma, angle, color=shade, label=f"depth {depth}")
        axes.axhline(60, color=REFERENCE_COLOR, ls="--", label="published")
        axes.set(xlabel="gamma", title=f"noise {sigma:g}", ylim=(0, 90))
    drawing.axes[0].set_ylabel("angle (degrees)")
    drawing.axes[0].legend(frameon=False, fontsize=8)
    return drawing


@drawn
def distance_sweeps(sweeps: pd.DataFrame) -> Figure:
    """Simulated gains against Kullback-Leibler distance, Wasserstein distance and overlap, a line a sweep, a
    row a method.

    sweeps: rows of `claims.phase_diagram.sweeps`. Bands: 95 % intervals over instances.
    """
    drawing = Figure(figsize=(8, 5.4))
    panels = drawing.subplots(len(METHODS), 3, sharex="col", sharey="row")
    axis_names = {
        "kl": "Kullback-Leibler (nats)",
        "w2": "Wasserstein (units of y)",
        "overlap": "overlap cos² theta",
    }
    for row, (method, name) in zip(panels, METHODS.items()):
        group = sweeps[sweeps.method == method]
        for axes, column in zip(row, axis_names):
            _sweeps(axes, group, column)
        row[0].set_ylabel(f"gain, {name}")
        row[0].set_ylim(-1.05, 1.05)
    for axes, (column, name) in zip(panels[-1], axis_names.items()):
        axes.set_xlabel(name)
        if column != "overlap":
            log_across(axes)
    drawing.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return drawing


def _sweeps(axes: Axes, group: pd.DataFrame, column: str) -> None:
    for (name, rows), shade in zip(group.groupby("sweep", sort=False), (LINEAR, RIDGE, SCRATCH)):
        means = summary(rows, "step", "gain")
        at = rows.groupby("step")[column].first()
        axes.plot(at, means["mean"], "o-", ms=3, color=shade, label=name)
        axes.fill_between(at, means["low"], means["high"], color=shade, alpha=0.2, lw=0)
    axes.axhline(0, color=REFERENCE_COLOR, lw=0.8)


@drawn
def source_circle(sigma: float, distance: float = 0.9, gamma: float = 0.5) -> Figure:
    """Limit gains for source vectors at one `distance` from the target, against the way round it."""
    drawing = Figure(figsize=(8, 3.2))
    axes = drawing.add_subplot()
    way = np.linspace(0, 180, 361)
    source = 1 + distance * np.exp(1j * np.deg2rad(way))
    theta, length = np.angle(source), np.abs(source)
    axes.plot(way, linear.linear_transfer_gain(gamma, theta, sigma), color=LINEAR, label="linear transfer")
    tuned = linear.fine_tuning_gain(gamma, theta, sigma, length=length)
    axes.plot(way, tuned, color=FINE_TUNED, label="fine-tuning")
    axes.axhline(0, color=REFERENCE_COLOR, lw=0.8)
    axes.set(xlabel="way round the target (degrees)", ylabel="gain over scratch", ylim=(-1, 1))
    axes.legend(frameon=False, fontsize=9)
    return drawing


@drawn
def source_overlap(d: int, sigma_source: float) -> Figure:
    """Mean squared cosine of the learnt and the true source against gamma_s: exact, dashed the limit."""
    drawing = Figure(figsize=(6, 3.2))
    axes = drawing.add_subplot()
    gamma = np.linspace(0.1, 4, 79)
    axes.plot(gamma, linear.source_overlap(d, gamma, sigma_source), color=LINEAR)
    axes.plot(gamma, linear.source_overlap(None, gamma, sigma_source), color=REFERENCE_COLOR, ls="--")
    axes.set(xlabel="source samples a dimension", ylabel="mean squared cosine", ylim=(0, 1.02))
    return drawing


@drawn
def source_lengths(lengths: pd.DataFrame) -> Figure:
    """Gain against the length of the source: gradient descent as points with 95 % intervals, limits as lines.

    lengths: rows of `claims.phase_diagram.lengths`.
    """
    drawing = Figure(figsize=(8, 3.4))
    axes = drawing.add_subplot()
    for (method, rows), shade in zip(lengths.groupby("method", sort=False), (LINEAR, FINE_TUNED)):
        axes.plot(rows.length, rows.limit, color=shade, label=method)
        bars = [rows["mean"] - rows.low, rows.high - rows["mean"]]
        axes.errorbar(rows.length, rows["mean"], bars, fmt="o", ms=4, lw=1.2, color=shade)
    axes.axhline(0, color=REFERENCE_COLOR, lw=0.8)
    axes.set(xlabel="length of the source vector, the target's being 1", ylabel="gain over scratch")
    axes.legend(frameon=False, fontsize=9)
    return drawing
