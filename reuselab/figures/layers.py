"""The drawings of the page on layers."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reuselab.claims.layers import Converse, Curves, bootstrap
from reuselab.figures.style import BOB_COLOR, INK, REFERENCE_COLOR, drawn, retrain_color, retrain_label
from reuselab.stats import interval


@drawn
def ridge(panels: Mapping[str, Curves], blocks: int, columns: int = 2) -> Figure:
    """Bob's mean accuracy over rho and retrained blocks, in `panels`, and on it the ridge of optima.

    Circles: how often a number of blocks is best when the seeds are drawn anew (area proportional). The line
    joins the best of the means. A rho is a column, whatever its distance from the next.
    """
    rows = -(-len(panels) // columns)
    drawing = Figure(figsize=(8, 0.6 + 2.5 * rows))
    grid = drawing.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (name, curves) in zip(grid.flat, panels.items()):
        shown = axes.imshow(
            curves.accuracy.mean(axis=1).T, cmap="cividis", vmin=0, vmax=1, aspect="auto", origin="lower"
        )
        _optima(axes, curves)
        axes.set_title(name, fontsize=10)
        axes.set_xticks(range(len(curves.rhos)), [f"{rho:g}" for rho in curves.rhos])
        axes.set_yticks(range(len(curves.retrains)), [retrain_label(k, blocks) for k in curves.retrains])
        axes.tick_params(length=0)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for axes in grid[-1]:
        axes.set_xlabel("rho")
    drawing.colorbar(shown, ax=grid, shrink=0.8, label="Bob's mean test accuracy").outline.set_visible(False)
    return drawing


def _optima(axes: Axes, curves: Curves) -> None:
    share = bootstrap(curves).to_numpy()
    x, y = np.nonzero(share)
    axes.scatter(x, y, s=260 * share[x, y], facecolors="none", edgecolors=BOB_COLOR, lw=2)
    best = [curves.retrains.index(k) for k in curves.best_of_means]
    axes.plot(range(len(best)), best, color=BOB_COLOR, lw=1.2)


@drawn
def one_rho(curves: Curves, rho: float, blocks: int, scale: tuple[float, float] = (0, 1.05)) -> Figure:
    """Bob's accuracy against the number of retrained blocks at one rho: every seed, mean and 95 % interval.

    Below: how often each number is best in the bootstrap.
    """
    drawing = Figure(figsize=(8, 4.6))
    axes, bars = drawing.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    at, places = curves.rhos.index(rho), np.arange(len(curves.retrains))
    axes.plot(places, curves.accuracy[at].T, color=REFERENCE_COLOR, lw=0.8, alpha=0.6)
    for place, (k, values) in enumerate(zip(curves.retrains, curves.accuracy[at].T)):
        mean, low, high = interval(values)
        axes.errorbar(
            place, mean, [[mean - low], [high - mean]], fmt="o", color=retrain_color(k), ms=8, capsize=4
        )
    share = bootstrap(curves).loc[rho]
    bars.bar(places, share, color=[retrain_color(k) for k in curves.retrains], width=0.6)
    for place, value in enumerate(share):
        bars.text(place, value + 0.04, f"{value:.0%}", ha="center", fontsize=9, color=INK)
    axes.set(ylabel="test accuracy", ylim=scale)
    axes.set_title(f"rho = {rho:g}: best with {retrain_label(int(curves.best_of_means[at]), blocks)}")
    bars.set(ylabel="best in", ylim=(0, 1.35), yticks=[])
    bars.set_xticks(places, [retrain_label(k, blocks) for k in curves.retrains])
    return drawing


@drawn
def told(tests: Mapping[str, Converse]) -> Figure:
    """Which rho the best number of blocks tells, against the true one, each seed judged by the others.

    A panel for each test.
    """
    columns = min(2, len(tests))
    drawing = Figure(figsize=(8, 3.4 * -(-len(tests) // columns)))
    grid = drawing.subplots(-(-len(tests) // columns), columns, squeeze=False)
    for axes, (name, test) in zip(grid.flat, tests.items()):
        counts = test.told.to_numpy()
        axes.imshow(counts, cmap="cividis", vmin=0, vmax=counts.sum(axis=1).max())
        for true, told_rho in np.argwhere(counts).tolist():
            count = int(counts[true, told_rho])
            shade = "black" if count > counts.sum(axis=1).max() / 2 else "white"
            axes.text(told_rho, true, str(count), ha="center", va="center", fontsize=9, color=shade)
        axes.set_title(f"{name}: {test.right[0]:.0%} right", fontsize=10)
        axes.set_xticks(range(len(counts)), test.told.columns)
        axes.set_yticks(range(len(counts)), test.told.index)
        axes.set(xlabel="rho told", ylabel="true rho")
        axes.tick_params(length=0)
    for axes in grid.flat[len(tests) :]:
        axes.axis("off")
    return drawing
