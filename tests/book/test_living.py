"""Living figures in the built book, opened straight from disk: by keyboard, by hand, without scripts."""

import json
import re

import pytest
from looking import READY

from reuselab import stats
from reuselab.book.living import PALETTE, STATIC, living
from reuselab.book.policy import LIVING
from reuselab.figures.style import Shown

# Page and figure; each slider changes its numbers.
FIGURES = [
    ("phase_diagram", "phase_diagram"),
    ("phase_diagram", "distances"),
    ("phase_diagram", "finite"),
    ("nonlinear", "nonlinear"),
    ("layers", "layers"),
    ("attribution", "attribution"),
    ("deep_linear", "deep_linear"),
    ("shallow", "shallow"),
    ("pairs", "pairs"),
]


STILL = Shown("", "", "")
NAMES = ['<img src=x onerror="broken=1">', "rho", "'\"`</script><b>", "\\(x\\) $y$"]
SCRIPTS = ("library.js", "formulas.js", "layers.js", "open_images.js")


@pytest.fixture(scope="module")
def folder(built):
    return built.parent / "notebooks"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page of its own with living figures whose names are hostile."""
    table = [[stats.bounds([0.2, 0.4]) | {"share": 0.5}] * 2] * 2
    layers = {"names": NAMES[:2], "cuts": [0, 1], "cut_names": NAMES[:2], "rhos": [0, 1], "seeds": 2}
    matrix = [[0.1, -0.1]] * 2
    cells = {"gain": matrix, "near": matrix, "accuracy": [[[0.5, None, None]] * 2] * 2, "alice": [1, 1]}
    figures = [
        living("layers", STILL, **layers, settings=[{"name": name, "table": table} for name in NAMES]),
        living(
            "open_images", STILL, tasks=[NAMES[:2], NAMES[2:]], **cells, most=0.1, seeds=1,
            rivals={name: [0.5, 0.5] for name in NAMES}, photographs={},
        ),
    ]  # fmt: skip
    scripts = "".join(f"<script>{(STATIC / 'living' / name).read_text()}</script>" for name in SCRIPTS)
    path = tmp_path_factory.mktemp("hostile") / "page.html"
    path.write_text("<!doctype html><meta charset='utf-8'>" + "".join(it.html for it in figures) + scripts)
    return path


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


@pytest.mark.parametrize("page, figure", [("phase_diagram", "distances"), ("layers", "layers")])
def test_where_motion_is_unwelcome_a_press_of_play_is_one_step(visit, page, figure):
    root = visit(page, figure)
    slider, button = root.locator("input[type=range]").first, root.locator(".rl-play").first
    low, high = (float(slider.get_attribute(end)) for end in ("min", "max"))
    slider.press("Home")
    button.press("Enter")
    step = max((high - low) / 10, float(slider.get_attribute("step")))
    assert float(slider.input_value()) == pytest.approx(
        low + step, abs=0.01 + float(slider.get_attribute("step")) / 2
    )
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


def test_the_freeze_line_is_dragged_and_moved_by_keys_through_the_computed_cuts(visit):
    root = visit("layers", "layers")
    line, told = root.locator(".rl-freeze"), root.locator(".rl-numbers tbody tr").nth(1)
    line.press("Home")
    assert line.get_attribute("aria-valuenow") == "0" and "from scratch" in told.inner_text()
    line.press("ArrowRight")
    assert int(line.get_attribute("aria-valuenow")) > 0 and "from scratch" not in told.inner_text()
    line.scroll_into_view_if_needed()
    line.page.evaluate("scrollBy(0, 150)")
    box = line.bounding_box()
    line.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.7 * box["height"])
    line.page.mouse.down()
    line.page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 0.7 * box["height"], steps=3)
    line.page.mouse.up()
    assert line.get_attribute("aria-valuenow") == line.get_attribute("aria-valuemax")
    assert line.get_attribute("aria-valuetext").startswith(told.locator("td").inner_text())


def test_a_cell_of_the_matrix_opens_at_a_click_and_by_enter(visit):
    root = visit("open_images", "open_images")
    matrix, opened = root.locator(".rl-cells").first, root.locator(".rl-opened")
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    matrix.click(position={"x": box["width"] / 2, "y": box["height"] / 4})
    clicked = opened.inner_text()
    numbers = root.locator(".rl-numbers").inner_text()
    matrix.press("ArrowDown")
    assert opened.inner_text() == clicked and "Gain" in root.locator("[role=status]").inner_text()
    matrix.press("Enter")
    assert opened.inner_text() != clicked and root.locator(".rl-numbers").inner_text() != numbers
    his, hers = root.locator(".rl-opened strong").all_inner_texts()[::-1]
    assert root.locator("[role=status]").inner_text().startswith(f"{hers}. {his}.")


def test_the_first_picture_moves_by_itself_but_not_where_motion_is_unwelcome(browser, folder, window):
    page = (folder.parent / "book" / "intro.html").as_uri()
    window.goto(page)
    slider = window.locator("[data-figure=question] input[type=range]")
    assert slider.input_value() == "0"
    slider.press("End")
    low, high = (window.locator("[data-figure=question] figcaption").nth(i).inner_text() for i in (0, 3))
    for caption in (low, high):
        hers, his = re.findall(r"\d", caption)
        assert hers == his
    view = browser.new_page()
    view.goto(page)
    view.wait_for_function("() => document.querySelector('[data-figure=question] input').value !== '0'")
    view.close()


@pytest.mark.hostile("input", 2)
def test_hostile_names_come_out_of_living_figures_as_text(window, hostile):
    window.wrong.clear()
    window.goto(hostile.as_uri())
    window.wait_for_selector(".rl-alive")
    shown = window.locator("body").inner_text()
    assert all(name in shown for name in NAMES)
    assert window.evaluate("window.broken") is None
    assert window.locator("img, b").count() == 0 and not window.wrong


@pytest.mark.parametrize("shade", sorted({*PALETTE.values()}))
def test_text_in_a_living_figures_colours_reaches_4_5_to_1_on_light_and_dark(shade):
    for ink, ground in (("#323232", "#ffffff"), ("#ced6dd", "#14181e"), ("#ced6dd", "#222832")):
        mixed = [(one + other) / 2 for one, other in zip(_channels(shade), _channels(ink))]
        light, dark = sorted((_luminance(mixed), _luminance(_channels(ground))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def _channels(shade):
    return [int(shade[i : i + 2], 16) for i in (1, 3, 5)]


def _luminance(channels):
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear))


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
    assert max(path.stat().st_size for path in (STATIC / "living").glob("*.js")) < 50_000
