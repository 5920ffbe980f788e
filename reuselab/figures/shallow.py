"""The drawings of the shallow models' page, in the style and palette of `figures`."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats as laws

from reuselab.claims.shallow import noise
from reuselab.figures.style import ALICE_COLOR, BOB_COLOR, INK, REFERENCE_COLOR, RETRAIN_COLORS, drawn
from reuselab.stats import interval, summary
from reuselab.theory import shallow
from reuselab.theory.shallow import COUPLINGS, Setting

FINE = (RETRAIN_COLORS[0], RETRAIN_COLORS[2], RETRAIN_COLORS[1], RETRAIN_COLORS[4])
UNTRAINED = RETRAIN_COLORS[3]
SHADES = (RETRAIN_COLORS[0], RETRAIN_COLORS[1], RETRAIN_COLORS[4], RETRAIN_COLORS[2], BOB_COLOR)
# Alphas of a drawn curve, closer together towards -1 and 1, where weights turn fast.
DENSE = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 101))


@drawn
def couplings(setting: Setting, alpha: float) -> Figure:
    """Both covariances at `alpha` and at -alpha, as heat maps; grey lines part Alice's group from Bob's."""
    drawing = Figure(figsize=(8, 2.5))
    panels = drawing.subplots(1, 4)
    for axes, (coupling, sign) in zip(panels, [(c, s) for c in COUPLINGS for s in (1, -1)]):
        image = axes.imshow(setting.sigma(coupling, sign * alpha), cmap="cividis", vmin=-1, vmax=1)
        axes.axhline(setting.k - 0.5, color=REFERENCE_COLOR, lw=0.8)
        axes.axvline(setting.k - 0.5, color=REFERENCE_COLOR, lw=0.8)
        axes.set_title(f"{coupling}, {sign * alpha:+g}", fontsize=10)
        ends = [(setting.k - 1) / 2, 1.5 * setting.k - 0.5]
        axes.set_xticks(ends, ["Alice's", "Bob's"], fontsize=9)
        axes.set_yticks(
            ends if axes is panels[0] else [],
            ["Alice's", "Bob's"] if axes is panels[0] else [],
            fontsize=9,
            rotation=90,
            va="center",
        )
        axes.tick_params(length=0)
    bar = drawing.colorbar(image, ax=panels, fraction=0.02, ticks=[-1, 0, 1])
    bar.set_label("covariance")
    bar.outline.set_visible(False)
    return drawing


@drawn
def weights(table: pd.DataFrame, setting: Setting) -> Figure:
    """w2 / w1 against alpha: closed forms as lines, trained Alices as points with 95 % intervals; a row a
    coupling, a column a rule.

    table: rows of `shallow.linear`.
    """
    drawing = Figure(figsize=(8, 6.4))
    panels = drawing.subplots(2, 2, sharex=True, sharey=True)
    for row, coupling in zip(panels, COUPLINGS):
        for axes, (rule, name) in zip(
            row, (("ridge", "ridge, penalty {:g}"), ("stop", "stopped after {:g} steps"))
        ):
            strengths = [strength_of for kind, *strength_of in setting.rules if kind == rule]
            for i, (strength, lam, steps) in enumerate(strengths):
                shade = SHADES[i % len(SHADES)]
                axes.plot(
                    DENSE,
                    shallow.theory(setting, coupling, DENSE, lam, steps)[0],
                    color=shade,
                    lw=1.6,
                    label=name.format(strength),
                )
                group = table[
                    (table.coupling == coupling) & (table.rule == rule) & (table.strength == strength)
                ]
                _points(
                    axes,
                    pd.DataFrame(
                        {alpha: _ratio(part) for alpha, part in group.groupby("alpha")},
                        index=["mean", "low", "high"],
                    ).T,
                    shade,
                )
            axes.set_title(coupling)
            _zero(axes)
            axes.legend(frameon=False, fontsize=9, loc="upper left", handlelength=1.2, labelcolor="linecolor")
        row[0].set_ylabel("Alice's weights, w₂ / w₁")
    for axes in panels[1]:
        axes.set(xlabel="alpha", ylim=(-1.12, 1.12))
    return drawing


def _ratio(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Ratio of mean weights over seeds, with the 95 % interval of its first-order expansion."""
    own_weight = rows[rows.measure == "own weight"].value.to_numpy()
    bob_weight = rows[rows.measure == "bob's weight"].value.to_numpy()
    ratio = bob_weight.mean() / own_weight.mean()
    return interval(ratio + (bob_weight - ratio * own_weight) / own_weight.mean())


@drawn
def bob(table: pd.DataFrame, setting: Setting, rule: str, strength: float) -> Figure:
    """Bob's accuracy against alpha with the linear model of one rule: closed forms as lines, simulation as
    points with intervals."""
    drawing = Figure(figsize=(8, 4.2))
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, coupling in zip(panels, COUPLINGS):
        for shade, _, rows in _bobs(axes, table, setting, coupling, rule, strength):
            _points(axes, summary(rows, "alpha", "value"), shade)
        axes.set_title(coupling)
    panels[0].set_ylabel("Bob's accuracy")
    panels[0].legend(frameon=False, fontsize=9, loc="lower right", labelcolor="linecolor", handlelength=1.2)
    return drawing


def _bobs(
    axes: Axes, table: pd.DataFrame, setting: Setting, coupling: str, rule: str, strength: float
) -> list[tuple]:
    """Draw the closed forms of one rule; returns (shade, n, rows of the simulation) of every Bob."""
    _, _, lam, steps = next(each for each in setting.rules if each[:2] == (rule, strength))
    r = shallow.theory(setting, coupling, DENSE, lam, steps)[1]
    group = table[(table.coupling == coupling) & (table.rule == rule) & (table.strength == strength)]
    axes.plot(DENSE, shallow.accuracy(r), color=BOB_COLOR, lw=1.6, label="unchanged")
    bobs = [(BOB_COLOR, 0, group[(group.n == 0) & (group.measure == "unchanged")])]
    for i, n in enumerate(sorted(set(group.n) - {0})):
        shade = FINE[i % len(FINE)]
        axes.plot(DENSE, shallow.tuned(r, n), color=shade, lw=1.6, label=f"fine-tuned, n = {n}")
        bobs.append((shade, n, group[(group.n == n) & (group.measure == "fine-tuned")]))
    _accuracy(axes)
    return bobs


@drawn
def hidden(table: pd.DataFrame) -> Figure:
    """One hidden layer: Bob's accuracy above; below what his task lacks in the layer, closed form, and his
    risk, exact and simulated.

    table: rows of `shallow.hidden`. All with 95 % intervals over seeds.
    """
    drawing = Figure(figsize=(8, 7))
    panels, n = drawing.subplots(2, 2, sharex=True, sharey="row"), table.n.max()
    looks = {
        "unchanged": (0, BOB_COLOR, "Alice unchanged"),
        "fine-tuned": (n, RETRAIN_COLORS[1], "new last layer on hers"),
        "untrained": (n, UNTRAINED, "new last layer, untrained"),
    }
    for (upper, lower), coupling in zip(panels.T, COUPLINGS):
        group = table[table.coupling == coupling]
        for measure, (size, shade, name) in looks.items():
            _band(
                upper,
                summary(group[(group.measure == measure) & (group.n == size)], "alpha", "value"),
                shade,
                label=name,
            )
        _accuracy(upper)
        upper.set(title=coupling, xlabel="")
        for measure, shade, name in (
            ("share", RETRAIN_COLORS[1], "floor, her layer"),
            ("untrained share", UNTRAINED, "floor, untrained layer"),
        ):
            rows = 1 - group[group.measure == measure].set_index(["alpha", "seed"]).value
            _band(lower, summary(rows.reset_index(), "alpha", "value"), shade, ls="--", label=name, marker="")
        risk = group[(group.measure == "fine-tuned risk") & (group.n == n)]
        exact = risk.groupby("alpha").expected.mean()
        lower.plot(exact.index, exact, color=INK, lw=1.4, label=f"risk of n = {n}, exact")
        _points(lower, summary(risk, "alpha", "value"), INK)
        _zero(lower)
        lower.set(xlabel="alpha", ylim=(0, max(1.05, 1.1 * exact.max())))
    panels[0, 0].legend(
        frameon=False, fontsize=9, loc="lower right", labelcolor="linecolor", handlelength=1.2
    )
    panels[1, 0].legend(
        frameon=False, fontsize=9, loc="lower center", labelcolor="linecolor", handlelength=1.6
    )
    panels[0, 0].set_ylabel("Bob's accuracy")
    panels[1, 0].set_ylabel("share of Bob's task missed")
    return drawing


@drawn
def residuals(residuals: pd.DataFrame) -> Figure:
    """Standardised residuals in order against those of pure noise, with the Bonferroni bound.

    residuals: of `claims.shallow.residuals`.
    """
    drawing = Figure(figsize=(8, 4))
    axes, bound = drawing.add_subplot(), noise(residuals)["bound"]
    rows = residuals[~residuals.fixed].sort_values("z")
    rows = rows.assign(noise=laws.norm.ppf((np.arange(len(rows)) + 0.5) / len(rows)))
    for (name, test), shade in zip(
        KINDS.items(), (ALICE_COLOR, BOB_COLOR, RETRAIN_COLORS[2], RETRAIN_COLORS[4])
    ):
        part = rows[test(rows)]
        axes.plot(part.noise, part.z, ".", color=shade, ms=5, label=f"{name} ({len(part)})")
    axes.axline((0, 0), slope=1, color=REFERENCE_COLOR, lw=1)
    for height in (-bound, bound):
        axes.axhline(height, color=REFERENCE_COLOR, lw=1.2, ls="--")
    axes.annotate(
        "Bonferroni bound, 1 %",
        (0.5, bound),
        xycoords=("axes fraction", "data"),
        xytext=(0, -4),
        textcoords="offset points",
        color=REFERENCE_COLOR,
        ha="center",
        va="top",
        fontsize=9,
    )
    axes.set(
        xlabel="distance expected of noise, standard errors",
        ylabel="distance measured",
        ylim=(-1.15 * bound, 1.15 * bound),
    )
    axes.legend(
        frameon=False,
        fontsize=9,
        loc="lower right",
        bbox_to_anchor=(1, 0.08),
        labelcolor="linecolor",
        handlelength=0.6,
    )
    return drawing


KINDS = {
    "Alice's weights": lambda rows: rows.measure == "bob's weight",
    "Bob, Alice unchanged": lambda rows: rows.measure == "unchanged",
    "Bob, fine-tuned": lambda rows: rows.measure == "fine-tuned",
    "risks with a hidden layer": lambda rows: rows.model == "hidden",
}


@drawn
def tasks(points: pd.DataFrame, alpha: float, n: int) -> Figure:
    """What the global coupling gains a fine-tuned Bob over the pairwise one, against how smooth his task is;
    closed form.

    points: columns task ("mean", "random", "rough"), smooth, gain.
    """
    drawing = Figure(figsize=(8, 3.8))
    axes = drawing.add_subplot()
    for (task, name, shade), size in zip(
        (
            ("random", "random tasks", RETRAIN_COLORS[0]),
            ("rough", "turning from pixel to pixel", RETRAIN_COLORS[4]),
            ("mean", "all pixels alike", RETRAIN_COLORS[1]),
        ),
        (4, 9, 9),
    ):
        rows = points[points.task == task]
        axes.plot(
            rows.smooth,
            rows.gain,
            "o",
            color=shade,
            ms=size,
            mec="none",
            alpha=0.7 if task == "random" else 1,
        )
        at = rows.loc[rows.smooth.idxmax()]
        right = at.smooth > points.smooth.max() / 2
        axes.annotate(
            name,
            (at.smooth, at.gain),
            xytext=(-9, 0) if right else (-4, -9),
            textcoords="offset points",
            color=shade,
            ha="right" if right else "left",
            va="center" if right else "top",
        )
    axes.axhline(0, color=REFERENCE_COLOR, lw=1.2)
    axes.axvline(1, color=REFERENCE_COLOR, lw=1, ls=":")
    axes.set(xlabel="how smooth the task is, beta' K beta", ylabel="accuracy, global less pairwise")
    axes.margins(y=0.2)
    axes.set_title(f"alpha = {alpha:g}, fine-tuned on n = {n}")
    return drawing


@drawn
def one_bob(
    table: pd.DataFrame, setting: Setting, alpha: float, coupling: str, rule: tuple[str, float]
) -> Figure:
    """One alpha: the direction of Alice's weights on the left, Bob's accuracies on the right, `alpha`
    marked."""
    drawing = Figure(figsize=(8, 3.8))
    plane, axes = drawing.subplots(1, 2, width_ratios=[1, 1.35])
    _, _, lam, steps = next(each for each in setting.rules if each[:2] == rule)
    ratio = float(shallow.theory(setting, coupling, [alpha], lam, steps)[0][0])
    for end in (-1, 0, 1):
        plane.plot([0, 1], [0, end], color=REFERENCE_COLOR, lw=1, ls=":")
        plane.annotate(
            f"[1, {end}]",
            (1, end),
            xytext=(4, 0),
            textcoords="offset points",
            color=REFERENCE_COLOR,
            va="center",
            fontsize=9,
        )
    plane.annotate(
        "",
        (1, ratio),
        (0, 0),
        arrowprops={"arrowstyle": "-|>", "color": ALICE_COLOR, "lw": 2.4, "shrinkA": 0, "shrinkB": 0},
    )
    plane.set(
        xlim=(0, 1.3),
        ylim=(-1.15, 1.15),
        xlabel="w₁, Alice's group",
        ylabel="w₂, Bob's group",
        xticks=[0, 1],
        yticks=[-1, 0, 1],
    )
    plane.set_title(f"w₂ / w₁ = {ratio:.2f}")
    words = []
    for shade, n, rows in _bobs(axes, table, setting, coupling, *rule):
        mean, low, high = interval(rows[rows.alpha == alpha].value)
        axes.errorbar(alpha, mean, yerr=(high - low) / 2, color=shade, marker="o", ms=7)
        words.append(f"n = {n}: {mean:.2f}" if n else f"unchanged: {mean:.2f}")
    axes.axvline(alpha, color=REFERENCE_COLOR, lw=1, zorder=0)
    axes.legend(frameon=False, fontsize=9, loc="lower right", labelcolor="linecolor", handlelength=1.2)
    axes.set_title(", ".join(words), fontsize=9)
    axes.set_ylabel("Bob's accuracy")
    return drawing


def _points(axes: Axes, rows: pd.DataFrame, shade: str) -> None:
    axes.errorbar(
        rows.index,
        rows["mean"],
        yerr=[rows["mean"] - rows["low"], rows["high"] - rows["mean"]],
        color=shade,
        fmt="o",
        ms=3.5,
        lw=1.2,
    )


def _band(axes: Axes, rows: pd.DataFrame, shade: str, **look) -> None:
    options: dict[str, Any] = {"color": shade, "marker": "o", "ms": 3.5, "lw": 1.6} | look
    axes.plot(rows.index, rows["mean"], **options)
    axes.fill_between(rows.index, rows["low"], rows["high"], color=shade, alpha=0.2, lw=0)


def _accuracy(axes: Axes) -> None:
    axes.axhline(0.5, color=REFERENCE_COLOR, lw=1, ls=":")
    axes.set(xlabel="alpha", ylim=(-0.03, 1.03), xticks=[-1, -0.5, 0, 0.5, 1])
    axes.grid(axis="y", color=REFERENCE_COLOR, alpha=0.25, lw=0.6)


def _zero(axes: Axes) -> None:
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    axes.grid(axis="y", color=REFERENCE_COLOR, alpha=0.25, lw=0.6)
