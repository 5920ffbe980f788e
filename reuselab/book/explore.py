"""Explorers: figures behind sliders. They are ordinary ipywidgets, so they move without a kernel too."""

from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import HTML, Layout, SelectionSlider, Stack, VBox, jslink

from reuselab.figures.style import Shown, typeset


def explorer(draw: Callable[..., Shown], *axes: tuple[str, Sequence[Any]]) -> VBox:
    """A slider for each axis (label, values) over `draw(*values)`, drawn beforehand for all combinations.

    An axis with a single value needs no slider and gets none. A frame is an HTML widget in Stacks nested axis
    by axis. A slider's index is linked in JavaScript to every Stack of its axis, so that moving one keeps the
    others where they are.
    """
    sliders = [
        SelectionSlider(
            options=[_option(value) for value in values],
            index=len(values) // 2,
            description=typeset(label),
            style={"description_width": "9em"},
            layout=Layout(width="26em", max_width="100%"),
        )
        for label, values in axes
    ]

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


def _option(value: Any) -> str:
    if value is None:
        return "infinite"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
