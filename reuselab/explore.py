"""Explorers: figures behind sliders. They are ordinary ipywidgets, so they move without a kernel too."""

from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import HTML, Layout, SelectionSlider, Stack, VBox, jslink

from reuselab.figures import Shown


def explorer(draw: Callable[..., Shown], outer: tuple[str, Sequence[Any]], inner: tuple[str, Sequence[Any]]) -> VBox:
    """Two sliders over `draw(x, y)`, drawn beforehand for every x of `outer` and y of `inner`, each a (label, values).

    A frame is an HTML widget in a Stack; a slider's index is linked to the Stack's in JavaScript. The inner slider
    drives the inner Stack of every outer value, so that moving one slider keeps the other where it is.
    """
    sliders = [SelectionSlider(options=[_option(value) for value in values], index=len(values) // 2, description=label,
                               style={"description_width": "9em"}, layout=Layout(width="26em", max_width="100%"))
               for label, values in (outer, inner)]
    stacks = [Stack([HTML(draw(x, y)._repr_html_()) for y in inner[1]], selected_index=sliders[1].index) for x in outer[1]]
    book = Stack(stacks, selected_index=sliders[0].index)
    jslink((sliders[0], "index"), (book, "selected_index"))
    for stack in stacks:
        jslink((sliders[1], "index"), (stack, "selected_index"))
    return VBox([*sliders, book])


def _option(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
