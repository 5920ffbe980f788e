"""The figures of "features are fate": risks, gains, phase diagrams (see `figures` for how they are shown)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.figures.style import INK, REFERENCE, RETRAIN, drawn
from reuselab.stats import interval
from reuselab.theory import linear as fate

SCRATCH, LINEAR, FINE_TUNED, RIDGE = RETRAIN[5], RETRAIN[1], RETRAIN[2], RETRAIN[3]
GAIN = {"cmap": "RdBu", "vmin": -1, "vmax": 1}


@drawn
def risks(
    simulated: dict[str, np.ndarray], gammas: Sequence[float], theta: float, sigma: float, depth: int = 2
) -> Figure:
    """Excess risk against gamma = n/d: theory as lines, simulation as points with 95 % intervals.

    simulated: draws of the risk, [instances, len(gammas)], for "scratch", "linear", "fine_tune".
    """
    drawing = Figure(figsize=(8, 4.4))
    axes = drawing.add_subplot()
    gamma = np.linspace(min(gammas), max(gammas), 400)
    scratch = fate.scratch_risk(gamma, 1, sigma, limit=True)
    lines = {
        "from scratch": (scratch, SCRATCH, "scratch"),
        "linear transfer": (
            np.full_like(gamma, fate.linear_transfer_risk(1, 1, theta, sigma, limit=True)),
            LINEAR,
            "linear",
        ),
        "fine-tuning": (scratch - fate.fine_tuning_gain(gamma, theta, sigma, depth), FINE_TUNED, "fine_tune"),
        "best ridge from scratch": (fate.best_ridge_risk(gamma, sigma), RIDGE, None),
    }
    for name, (risk, shade, method) in lines.items():
        axes.plot(
            gamma,
            np.where(risk < 3, risk, np.nan),
            color=shade,
            ls="--" if method is None else "-",
            label=name,
        )
        if method:
            _points(axes, gammas, simulated[method], shade)
    axes.set(
        xlabel="gamma = n / d, target samples a dimension",
        ylabel="excess risk",
        ylim=(0, 2),
        xlim=(0, max(gammas) * 1.02),
    )
    axes.set_title(f"angle {np.rad2deg(theta):g} degrees, noise {sigma:g}")
    axes.legend(frameon=False, fontsize=9)
    return drawing


def _points(axes: Axes, x: Sequence[float], draws: np.ndarray, shade: str, **style) -> None:
    mean, low, high = np.transpose([interval(column) for column in draws.T])
    seen = mean < 2
    axes.errorbar(
        np.asarray(x)[seen],
        mean[seen],
        [(mean - low)[seen], (high - mean)[seen]],
        fmt="o",
        ms=4,
        lw=1.2,
        color=shade,
        **style,
    )


@drawn
def two_forms(settings: pd.DataFrame) -> Figure:
    """Fine-tuning's gain by gradient descent, with 95 % intervals, beside the published and the flow form.

    settings: a row a setting, columns label, mean, low, high, published, flow.
    """
    drawing = Figure(figsize=(8, 0.42 * len(settings) + 1))
    axes = drawing.add_subplot()
    y = np.arange(len(settings))[::-1]
    axes.plot(settings.published, y, "x", color=SCRATCH, ms=9, mew=2, label="published, c = 1")
    axes.plot(settings.flow, y, "|", color=FINE_TUNED, ms=18, mew=3, label="conserved scale")
    axes.errorbar(
        settings["mean"],
        y,
        xerr=[settings["mean"] - settings.low, settings.high - settings["mean"]],
        fmt="o",
        ms=5,
        color=INK,
        lw=1.2,
        label="gradient descent",
    )
    axes.set(yticks=y, yticklabels=settings.label, xlabel="gain over scratch")
    axes.axvline(0, color=REFERENCE, lw=0.8)
    axes.legend(frameon=False, fontsize=9, loc="best")
    return drawing


@drawn
def early_stopping(stopped: pd.DataFrame, converged: float) -> Figure:
    """Gain of fine-tuning against the number of steps, by what scratch is compared at.

    stopped: columns steps, comparison, mean, low, high.
    """
    drawing = Figure(figsize=(8, 3.8))
    axes = drawing.add_subplot()
    for (name, rows), shade in zip(stopped.groupby("comparison", sort=False), (SCRATCH, FINE_TUNED)):
        axes.plot(rows.steps, rows["mean"], "o-", color=shade, ms=4, label=name)
        axes.fill_between(rows.steps, rows.low, rows.high, color=shade, alpha=0.2, lw=0)
    axes.axhline(converged, color=REFERENCE, ls="--", label="both converged")
    axes.axhline(0, color=REFERENCE, lw=0.8)
    axes.set(xscale="log", xlabel="gradient steps", ylabel="gain over scratch")
    axes.legend(frameon=False, fontsize=9)
    return drawing


@drawn
def theory_and_simulation(
    gammas: Sequence[float], thetas: Sequence[float], sigma: float, simulated: dict[str, np.ndarray]
) -> Figure:
    """Phase diagrams of linear transfer and fine-tuning: theory above, simulation below, the boundary drawn on both.

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
    drawing = Figure(figsize=(8, 3.6), layout="none")
    panels = drawing.subplots(
        1,
        2,
        sharex=True,
        sharey=True,
        squeeze=False,
        gridspec_kw={"left": 0.08, "right": 0.98, "bottom": 0.15, "top": 0.91, "wspace": 0.08},
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
        return fate.linear_transfer_gain(gamma, theta, sigma, **source)
    return fate.fine_tuning_gain(gamma, theta, sigma, depth, form, **source)


def _phase(axes: Axes, values: np.ndarray, gammas: Sequence[float], thetas: Sequence[float]):
    return axes.pcolormesh(
        gammas, np.rad2deg(thetas), np.clip(values, -1, 1).T, shading="nearest", rasterized=True, **GAIN
    )


def _boundary(axes: Axes, gammas: Sequence[float], sigma: float, method: str, **options) -> None:
    """The angle up to which transfer helps, where there is one."""
    gamma = np.linspace(min(gammas), max(gammas), 600)
    if method == "linear":
        options = {key: value for key, value in options.items() if key not in ("depth", "form")}
    axes.plot(
        gamma, np.rad2deg(fate.boundary(sigma, gamma=gamma, method=method, **options)), color="black", lw=2
    )


def _phase_axes(drawing: Figure, panels: np.ndarray, image) -> None:
    for axes in panels[-1]:
        axes.set_xlabel("gamma = n / d")
    for axes in panels[:, 0]:
        axes.set_ylabel("angle (degrees)")
    drawing.colorbar(image, ax=panels, label="gain, clipped to -1 ... 1", shrink=0.9)


@drawn
def boundaries(sigmas: Sequence[float], depths: Sequence[int]) -> Figure:
    """The angle up to which fine-tuning helps, at gamma from 0 to 1: a panel a noise, a line a depth, c = 1 dashed."""
    drawing = Figure(figsize=(8, 3))
    gamma = np.linspace(0.01, 0.97, 200)
    for axes, sigma in zip(drawing.subplots(1, len(sigmas), sharey=True, squeeze=False)[0], sigmas):
        for depth, shade in zip(depths, RETRAIN[1:]):
            angle = np.rad2deg(fate.boundary(sigma, gamma=gamma, method="fine_tune", depth=depth))
            axes.plot(gamma, angle, color=shade, label=f"depth {depth}")
        axes.axhline(60, color=REFERENCE, ls="--", label="published")
        axes.set(xlabel="gamma", title=f"noise {sigma:g}", ylim=(0, 90))
    drawing.axes[0].set_ylabel("angle (degrees)")
    drawing.axes[0].legend(frameon=False, fontsize=8)
    return drawing


@drawn
def distance_sweeps(sweeps: pd.DataFrame) -> Figure:
    """Gain of linear transfer against Kullback-Leibler distance, Wasserstein distance and overlap, a line a sweep.

    sweeps: columns sweep, kl, w2, overlap, gain.
    """
    drawing = Figure(figsize=(8, 3.2))
    panels = drawing.subplots(1, 3, sharey=True)
    for axes, column, name in zip(
        panels,
        ("kl", "w2", "overlap"),
        ("Kullback-Leibler (nats)", "Wasserstein (units of y)", "overlap cos² theta"),
    ):
        for (sweep, rows), shade in zip(sweeps.groupby("sweep", sort=False), (LINEAR, RIDGE, SCRATCH)):
            axes.plot(rows[column], rows.gain, "o-", ms=3, color=shade, label=sweep)
        axes.axhline(0, color=REFERENCE, lw=0.8)
        axes.set(xlabel=name, xscale="linear" if column == "overlap" else "log")
    panels[0].set_ylabel("gain")
    drawing.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=9
    )
    return drawing
