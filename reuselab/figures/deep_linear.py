"""The figures of deep linear networks: risks against data, the scale that fine-tuning keeps, stopping
early."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.figures.style import INK, METHOD_COLORS, NARROW, REFERENCE_COLOR, drawn, log_across
from reuselab.stats import interval
from reuselab.theory import linear

SCRATCH, LINEAR = METHOD_COLORS["scratch"], METHOD_COLORS["linear transfer"]
FINE_TUNED, RIDGE = METHOD_COLORS["fine-tuning"], METHOD_COLORS["best ridge"]


@drawn
def risks(
    simulated: dict[str, np.ndarray], gammas: Sequence[float], theta: float, sigma: float, depth: int = 2
) -> Figure:
    """Excess risk against gamma = n/d: theory as lines, simulation as points with 95 % intervals.

    simulated: draws of the risk, [instances, len(gammas)], for "scratch", "linear", "fine_tune".
    """
    drawing = Figure(figsize=(NARROW, 3.8))
    axes = drawing.add_subplot()
    gamma = np.linspace(min(gammas), max(gammas), 400)
    scratch = linear.scratch_limit(gamma, sigma)
    tuned = scratch - linear.fine_tuning_gain(gamma, theta, sigma, depth)
    lines = {
        "from scratch": (scratch, SCRATCH, "scratch"),
        "linear transfer": (
            np.full_like(gamma, linear.linear_transfer_limit(theta)),
            LINEAR,
            "linear",
        ),
        "fine-tuning": (tuned, FINE_TUNED, "fine_tune"),
        "best ridge from scratch": (linear.best_ridge_risk(gamma, sigma), RIDGE, None),
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
    drawing.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return drawing


@drawn
def scratch_risk(sigma: float) -> Figure:
    """Limit risk from scratch against gamma = n/d."""
    drawing = Figure(figsize=(NARROW, 3.2))
    axes = drawing.add_subplot()
    gamma = np.linspace(0.005, 1.995, 400)
    axes.plot(gamma, linear.scratch_limit(gamma, sigma), color=SCRATCH)
    axes.set(xlabel="gamma = n / d, target samples a dimension", ylabel="excess risk", ylim=(0, 2))
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
    drawing = Figure(figsize=(NARROW, 0.42 * len(settings) + 1.3))
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
    labels = settings.label.str.replace(", γₛ", ",\nγₛ")
    axes.set_yticks(y, labels, fontsize=9)
    axes.set_xlabel("gain over scratch")
    axes.axvline(0, color=REFERENCE_COLOR, lw=0.8)
    drawing.legend(loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return drawing


@drawn
def early_stopping(stopped: pd.DataFrame, converged: float) -> Figure:
    """Gain of fine-tuning against the number of steps, by what scratch is compared at.

    stopped: columns steps, comparison, mean, low, high.
    """
    drawing = Figure(figsize=(NARROW, 3.6))
    axes = drawing.add_subplot()
    for (name, rows), shade in zip(stopped.groupby("comparison", sort=False), (SCRATCH, FINE_TUNED)):
        axes.plot(rows.steps, rows["mean"], "o-", color=shade, ms=4, label=name)
        axes.fill_between(rows.steps, rows.low, rows.high, color=shade, alpha=0.2, lw=0)
    axes.axhline(converged, color=REFERENCE_COLOR, ls="--", label="both converged")
    axes.axhline(0, color=REFERENCE_COLOR, lw=0.8)
    log_across(axes)
    axes.set(xlabel="gradient steps", ylabel="gain over scratch")
    axes.legend(frameon=False, fontsize=9)
    return drawing
