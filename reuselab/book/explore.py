"""Explorers: figures behind sliders. They are ordinary ipywidgets, so they move without a kernel too."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from ipywidgets import HTML, Button, HBox, IntProgress, Label, Layout, SelectionSlider, Stack, VBox, jslink

from reuselab.check import Failed
from reuselab.experiment.cell import Cell
from reuselab.figures.style import Shown, typeset
from reuselab.runs.study import study

FINE = tuple(np.linspace(0, 1, 21).round(2).tolist())  # every rho that a live slider stops at


def explorer(
    draw: Callable[..., Shown], *axes: tuple[str, Sequence[Any]], live: "Live | None" = None
) -> VBox:
    """A slider for each axis (label, values) over `draw(*values)`, drawn beforehand for all combinations.

    An axis with a single value needs no slider and gets none. A frame is an HTML widget in Stacks nested axis
    by axis. A slider's index is linked in JavaScript to every Stack of its axis, so that moving one keeps the
    others where they are.

    live: what a live notebook has instead, where a kernel can draw and compute.
    """
    if live and not os.environ.get("REUSELAB_OUT"):
        return live.explorer(draw, axes)
    sliders = [_slider(label, values) for label, values in axes]

    def frames(*chosen: Any) -> HTML | Stack:
        if len(chosen) == len(axes):
            return HTML(draw(*chosen)._repr_html_())
        slider, values = sliders[len(chosen)], axes[len(chosen)][1]
        if len(values) == 1:
            return frames(*chosen, values[0])
        stack = Stack([frames(*chosen, value) for value in values], selected_index=slider.index)
        jslink((slider, "index"), (stack, "selected_index"))
        return stack

    return VBox([*(slider for slider, (_, values) in zip(sliders, axes) if len(values) > 1), frames()])


def _slider(label: str, values: Sequence[Any], **more: Any) -> SelectionSlider:
    options = [(_option(value), value) for value in values]
    return SelectionSlider(
        options=options,
        **{"index": len(values) // 2} | more,
        description=typeset(label),
        style={"description_width": "9em"},
        layout=Layout(width="26em", max_width="100%"),
    )


def _option(value: Any) -> str:
    if value is None:
        return "infinite"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


class Live:
    """An explorer in a live notebook: between the values of a study it computes the cells that it lacks.

    table, cells: the study's. parameters: what of a cell each axis sets, in the order of the axes, and which
    values its slider has besides those of the axis. `draw` then takes the grown table too, as `table`.
    """

    def __init__(self, table: pd.DataFrame, cells: Sequence[Cell], **parameters: Sequence[Any]):
        self.table, self.cells, self.parameters = table, list(cells), parameters
        self.known = set(cells)
        self.stopped, self.one = threading.Event(), threading.Lock()
        self.frame, self.told = HTML(), Label()
        self.bar = IntProgress(layout=Layout(visibility="hidden"))
        self.stop = Button(description="Stop", disabled=True)
        self.stop.on_click(lambda _: self.stopped.set())
        self.thread = threading.Thread()

    def explorer(self, draw: Callable[..., Shown], axes: Sequence[tuple[str, Sequence[Any]]]) -> VBox:
        """Its sliders, the picture at their values, and how far the computing is."""
        self.draw, self.sliders = draw, []
        for (label, kept), more in zip(axes, self.parameters.values(), strict=True):
            values = list(dict.fromkeys([*kept, *more]))
            if all(isinstance(value, (int, float)) for value in values):
                values.sort()
            slider = _slider(label, values, index=values.index(kept[len(kept) // 2]), continuous_update=False)
            slider.observe(self.moved, "value")
            self.sliders.append(slider)
        self.moved()
        return VBox([*self.sliders, HBox([self.bar, self.stop, self.told]), self.frame])

    def moved(self, _: Any = None) -> None:
        """Draw what the sliders ask for; first compute, aside, what of it was never run."""
        self.stopped.set()
        values = [slider.value for slider in self.sliders]
        chosen = dict(zip(self.parameters, values))
        wanted = list(dict.fromkeys(Cell.of(**cell.flat() | chosen) for cell in self.cells))
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.compute, args=[wanted, values, self.stopped], daemon=True)
        if self.known.issuperset(wanted) and not self.one.locked():
            self.compute(wanted, values, self.stopped)
        else:
            self.thread.start()

    def compute(self, cells: Sequence[Cell], values: Sequence[Any], stopped: threading.Event) -> None:
        """Run those of `cells` that are not known, one after the other until `stopped`; draw at `values`."""
        with self.one:
            left = [cell for cell in cells if cell not in self.known]
            self.bar.max, self.bar.value = len(left), 0
            self.bar.layout.visibility = "visible" if left else "hidden"
            self.stop.disabled, self.told.value = not left, ""
            try:
                for cell in left:
                    if stopped.is_set():
                        self.told.value = (
                            f"Stopped: {self.bar.value} of {len(left)} cells were computed and kept."
                        )
                        return
                    self.table = pd.concat([self.table, study([cell], workers=1)], ignore_index=True)
                    self.known.add(cell)
                    self.bar.value += 1
                self.frame.value = self.draw(*values, table=self.table)._repr_html_()
            except (Failed, ValueError, OSError) as error:
                self.told.value = str(error)
            finally:
                self.stop.disabled = True
