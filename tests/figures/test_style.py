"""What every drawing has: letters for names, and panels that stand below one another on a phone."""

import re

import pytest
from matplotlib.figure import Figure

from reuselab.figures import style


@style.drawn
def three(*, legend: bool):
    drawing = Figure(figsize=(8, 3))
    for i, axes in enumerate(drawing.subplots(1, 3, sharey=True)):
        axes.plot([0, 1], label="a line")
        axes.set_title(f"rho = {i}")
    if legend:
        drawing.legend(["a line"], loc="outside upper right")
    return drawing


def widths(panels):
    return [float(width) for width in re.findall(r'viewBox="\S+ \S+ (\S+) ', panels)]


def test_panels_are_parts_of_one_drawing_and_none_is_lost():
    shown = three(legend=False)
    assert shown.panels.count("<svg") == 3 and abs(sum(widths(shown.panels)) - 8 * 72) < 0.1
    texts = re.findall(r">([^<>]+)</text>", shown.svg)
    assert sorted(texts) == sorted(re.findall(r">([^<>]+)</text>", shown.panels)) and "ρ = 2" in texts
    assert "aria-label='three'" in shown._repr_html_() and not re.search(r"ns\d", shown.panels)


def test_what_belongs_to_all_panels_has_a_strip_of_its_own():
    strip, *panels = widths(three(legend=True).panels)
    assert strip < 8 * 72 / 3 and len(panels) == 3, "as wide as its words, which keep their size"


@style.drawn
def beside(names):
    drawing = Figure(figsize=(8, 3))
    for axes in drawing.subplots(1, 2, sharey=True):
        axes.set_yticks(range(len(names)), names)
    return drawing


@pytest.mark.parametrize("name, times", [("Alice alone", 2), ("SGD, momentum, decay", 1)])
def test_panels_that_share_their_heights_all_have_numbers_but_no_long_names(name, times):
    shown = beside([name, "none"])
    assert shown.svg.count(f">{name}<") == shown.panels.count(f">{name}<") == times
    numbers = re.findall(r">0\.2<", three(legend=False).panels)
    assert len(numbers) == 3


@pytest.mark.hostile("input")
def test_a_class_named_rho_is_no_symbol():
    @style.drawn
    def drawing():
        made = Figure()
        made.add_subplot().set(
            xlabel="rho", ylabel=style.short("rho"), title=f"rho of {style.short('my rho')}"
        )
        return made

    shown = drawing(caption=f"rho of {style.short('phi')}")
    assert set(re.findall(">([^<]*)</text>", shown.svg)) >= {"ρ", "rho", "ρ of my rho"}
    assert shown.caption == "ρ of phi"


def test_letters_stand_for_their_names_and_for_no_part_of_a_word():
    assert style.typeset("alpha and rho of alphabets") == "α and ρ of alphabets"
