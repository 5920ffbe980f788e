"""What the advisor expects of each candidate."""

import pandas as pd
from matplotlib.figure import Figure

from reuselab.figures.style import BOB_COLOR, INK, light_grid


def candidates(table: pd.DataFrame, retrain: int, *, reuse: bool) -> Figure:
    """Expected accuracy and its interval, a row a candidate of `advisor.advise`; the advice in colour."""
    blocks = table.retrain.max()
    drawing = Figure(figsize=(7, 0.9 + 0.4 * len(table)), layout="constrained")
    axes = drawing.subplots()
    for height, row in enumerate(table.itertuples()):
        scratch = row.retrain == blocks and row.init == "fresh"
        advised = row.retrain == retrain and scratch != reuse
        color = BOB_COLOR if advised else INK
        axes.plot([row.low, row.high], [height, height], color=color)
        axes.plot(row.accuracy, height, "o", color=color)
    names = [
        "from scratch" if row.retrain == blocks and row.init == "fresh" else f"retrain {row.retrain}"
        for row in table.itertuples()
    ]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("accuracy on the images held out")
    light_grid(axes, "x")
    return drawing
