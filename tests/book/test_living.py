"""Living figures in the built book, opened straight from disk: by keyboard, by hand, without scripts."""

import json
import re

import pytest
from looking import READY

from reuselab.book.living import STATIC, living
from reuselab.book.policy import LIVING
from reuselab.figures.style import Shown

# Page, figure, and a number that its first slider changes.
FIGURES = [
    ("phase_diagram", "phase_diagram"),
    ("phase_diagram", "distances"),
    ("deep_linear", "deep_linear"),
    ("shallow", "shallow"),
    ("pairs", "pairs"),
]


@pytest.fixture(scope="module")
def folder(built):
    return built.parent / "notebooks"


@pytest.fixture(scope="module")
def window(browser):
    """A window on the disk alone, where motion is unwelcome; what goes wrong in it is noted."""
    context = browser.new_context(offline=True, reduced_motion="reduce")
    view = context.new_page()
    view.wrong = wrong = []
    view.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))
    view.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    view.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or wrong.append(asked.url))
    yield view
    context.close()


@pytest.fixture
def visit(window, folder):
    def open_figure(page, figure):
        window.wrong.clear()
        uri = (folder / f"{page}.html").as_uri()
        if window.url != uri:
            window.goto(uri)
            window.evaluate(READY)
        return window.locator(f".rl-living[data-figure={figure}]")

    yield open_figure
    assert not window.wrong


@pytest.mark.parametrize("page, figure", FIGURES)
def test_each_slider_says_its_value_and_moves_the_numbers(visit, page, figure):
    root = visit(page, figure)
    assert not root.locator(".rl-still").is_visible()
    changed = []
    for slider in root.locator("input[type=range]").all():
        before, said = root.inner_text(), slider.get_attribute("aria-valuetext")
        slider.press("ArrowLeft" if slider.evaluate("it => it.value === it.max") else "ArrowRight")
        assert slider.get_attribute("aria-label") and slider.get_attribute("aria-valuetext") != said
        assert slider.get_attribute("aria-valuetext") in root.locator("output").all_inner_texts()
        changed.append(root.locator(".rl-numbers").inner_text() != before)
    assert changed and all(changed)
    assert all(root.locator("svg.rl-plot").evaluate_all("plots => plots.map(it => it.ariaLabel !== '')"))


@pytest.mark.parametrize("page, figure", FIGURES)
def test_where_motion_is_unwelcome_a_press_of_play_is_one_step(visit, page, figure):
    root = visit(page, figure)
    slider, button = root.locator("input[type=range]").first, root.locator(".rl-play").first
    low, high = (float(slider.get_attribute(end)) for end in ("min", "max"))
    slider.press("Home")
    button.press("Enter")
    assert float(slider.input_value()) == pytest.approx(low + (high - low) / 10, abs=0.01)
    assert button.get_attribute("aria-label").startswith("step")


def test_where_motion_is_welcome_play_sweeps_to_the_end(browser, folder):
    view = browser.new_page()
    view.goto((folder / "phase_diagram.html").as_uri())
    root = view.locator(".rl-living[data-figure=distances]")
    root.locator("input[type=range]").first.press("End")
    root.locator("input[type=range]").first.press("ArrowLeft")
    root.locator(".rl-play").first.press("Enter")
    view.wait_for_function("() => document.querySelector('[data-figure=distances] input').value === '180'")
    view.close()


def test_a_dragged_source_crosses_the_boundary(visit):
    root = visit("phase_diagram", "phase_diagram")
    names, view = ("source", "target"), root.page
    for slider, key in zip(root.locator("input[type=range]").all()[:3], ("Home", "End", "Home")):
        slider.press(key)
    linear = root.locator(".rl-numbers tbody tr").nth(1)
    assert "helps" in linear.inner_text(), names
    plane = root.locator("svg.rl-plot").first
    plane.scroll_into_view_if_needed()
    view.evaluate("scrollBy(0, -150)")
    box, grip = plane.bounding_box(), plane.locator(".rl-handle").nth(1).bounding_box()
    view.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    view.mouse.down()
    view.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4, steps=4)
    view.mouse.up()
    theta, length = root.locator("input[type=range]").all()[:2]
    assert 80 <= float(theta.input_value()) <= 100 and float(length.input_value()) < 1.9
    slider = root.locator("input[type=range]").nth(2)
    slider.press("End")
    assert "hurts" in linear.inner_text()


def test_a_guess_is_drawn_by_keyboard_before_the_curve_is_shown(visit):
    root = visit("deep_linear", "guess")
    drawing = root.locator("svg.rl-plot")
    before = drawing.get_attribute("aria-valuetext")
    for key in ("ArrowRight", "ArrowUp", "ArrowUp"):
        drawing.press(key)
    said = drawing.get_attribute("aria-valuetext")
    assert said != before and "1.20" in said and "curve" not in said
    root.locator("button").press("Enter")
    assert "off by" in root.locator("[role=status]").inner_text()
    assert "curve" in drawing.get_attribute("aria-valuetext")


@pytest.mark.parametrize("page", sorted({page for page, _ in FIGURES}))
def test_without_scripts_and_on_paper_the_still_picture_stands(browser, folder, visit, page):
    context = browser.new_context(java_script_enabled=False)
    view = context.new_page()
    view.goto((folder / f"{page}.html").as_uri())
    assert all(still.is_visible() for still in view.locator(".rl-still svg").all())
    context.close()
    root = visit(page, next(figure for at, figure in FIGURES if at == page))
    root.page.emulate_media(media="print")
    assert root.locator(".rl-still").is_visible() and not root.locator("input").first.is_visible()
    root.page.emulate_media(media="screen")


def test_only_pages_with_a_living_figure_load_its_scripts_and_none_weighs_3_MB(folder):
    for path in folder.glob("*.html"):
        text = path.read_text()
        wanted = set(" ".join(LIVING.findall(text)).split())
        assert set(re.findall(r"_static/living/(\w+)\.js", text)) == wanted
        assert len(text.encode()) < 3e6


def test_a_live_notebook_has_the_figure_in_a_frame_of_its_own(browser, monkeypatch):
    monkeypatch.delenv("REUSELAB_OUT", raising=False)
    shown = living("deep_linear", Shown("<svg/>", "", ""), figure="guess", sigma=0.3)
    view = browser.new_page()
    view.set_content(shown._repr_html_())
    view.frame_locator("iframe").locator(".rl-alive svg.rl-plot").wait_for()
    view.close()


@pytest.mark.hostile("input")
def test_what_a_living_figure_is_told_is_no_markup(monkeypatch):
    monkeypatch.setenv("REUSELAB_OUT", "somewhere")
    text = "'\"><script>alert(1)</script>&lt;"
    made = living("pairs", Shown("", text, ""), labels=[text])._repr_html_()
    assert "<script" not in made and json.dumps(text)[1:9] not in made


def test_a_number_that_is_no_json_is_refused():
    with pytest.raises(ValueError):
        living("pairs", Shown("", "", ""), share=float("nan"))


def test_scripts_of_living_figures_are_small():
    assert sum(path.stat().st_size for path in (STATIC / "living").glob("*.js")) < 150_000
