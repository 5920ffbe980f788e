"""The drawings of the page on speed, from the tables that `make bench` and `make gpu` keep."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reuselab.figures.style import ALICE_COLOR, BOB_COLOR, INK, NARROW, drawn, light_grid, log_across
from reuselab.runs.goals import CONTENDERS

COLORS = dict(zip(CONTENDERS, (BOB_COLOR, INK, ALICE_COLOR)))
AXES = {"cells": "cells", "image pairs": "pairs of images", "pixels": "pixels of an image", "width": "width"}
ASYMPTOTIC = 8  # the scale from which on the exponent is fitted: below it fixed costs weigh


def exponent(rows: pd.DataFrame) -> float:
    """p of seconds ~ scale^p, by least squares on the logarithms."""
    far = rows[rows.scale >= ASYMPTOTIC]
    return float(np.polyfit(np.log(far.scale), np.log(far.seconds), 1)[0])


@drawn
def rates(rival: pd.DataFrame) -> Figure:
    """Cells a minute of each contender, a line for each network, with how many times the plain loop's."""
    works = list(dict.fromkeys(rival.work))
    drawing = Figure(figsize=(NARROW, 1.1 + 0.75 * len(works)))
    axes = drawing.subplots()
    for height, work in enumerate(works):
        for place, row in enumerate(rival[rival.work == work].itertuples()):
            rate, at = 60 * row.cells / row.seconds, height + 0.25 * (place - 1)
            axes.plot(rate, at, "o", ms=7, color=COLORS[row.contender])
            words = f"{row.ratio:.1f} times"
            axes.annotate(
                words, (rate, at), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9
            )
    axes.set_yticks(range(len(works)), works)
    axes.invert_yaxis()
    log_across(axes)
    axes.margins(x=0.2, y=0.15)
    axes.set_xlabel("cells a minute")
    light_grid(axes, "x")
    for name, shade in COLORS.items():
        axes.plot([], [], "o", color=shade, label=name)
    drawing.legend(loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return drawing


@drawn
def cost(table: pd.DataFrame) -> Figure:
    """Seconds of both against each size, on logarithmic axes; p: seconds grow as its p-th power."""
    drawing = Figure(figsize=(8, 3))
    for axes, (axis, words) in zip(drawing.subplots(1, len(AXES), sharey=True), AXES.items()):
        for place, (who, rows) in enumerate(table[table.axis == axis].groupby("contender", sort=False)):
            axes.plot(rows.scale, rows.seconds, "o-", ms=4, color=COLORS[who])
            axes.text(
                0.04,
                0.96 - 0.1 * place,
                f"{who}: p = {exponent(rows):.2f}",
                color=COLORS[who],
                transform=axes.transAxes,
                va="top",
                fontsize=9,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([1, 8, 64], ["1x", "8x", "64x"])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.margins(y=0.3)
        axes.set_title(words, fontsize=10)
        light_grid(axes, "both")
    drawing.axes[0].set_ylabel("seconds")
    return drawing
