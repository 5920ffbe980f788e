"""The built book in headless Chromium: served from its folder, with every other address closed."""

import functools
import http.server
import threading

import pytest
import yaml
from looking import READY

from reuselab.book import build

PHONE, DESKTOP = {"width": 390, "height": 900}, {"width": 1280, "height": 900}

# Whether the explorer shows one frame, and another than `drawn`.
ANOTHER_FRAME = """drawn => {
  const frames = [...document.querySelectorAll('.widget-subarea .rl-figure')];
  const shown = frames.filter(frame => frame.getClientRects().length);
  return shown.length === 1 && shown[0].innerHTML !== drawn;
}"""


def documents():
    toc = yaml.safe_load((build.ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="module")
def address(built):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    serve = functools.partial(Quiet, directory=built.parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


@pytest.fixture(scope="module")
def window(browser, address):
    """One window for all visits, and what goes wrong in it that a reader's console would show."""
    view, wrong = browser.new_page(), []

    def note(happened):
        wrong.append(happened)

    def stop(route):
        note(f"left the book: {route.request.url}")
        route.abort()

    view.route(lambda url: not url.startswith((address, "data:", "blob:")), stop)
    view.on("pageerror", lambda error: note(f"uncaught: {error}"))
    view.on("console", lambda message: note(f"console: {message.text}") if message.type == "error" else None)
    view.on(
        "response", lambda answer: note(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
    )
    return view, wrong


@pytest.fixture
def visit(window, address):
    """Open a document of the book; afterwards nothing may have gone wrong."""
    view, wrong = window
    wrong.clear()

    def open_document(document, size, scheme="light"):
        view.set_viewport_size(size)
        view.emulate_media(color_scheme=scheme)
        view.goto(f"{address}{document}.html", wait_until="load")
        view.evaluate(READY)
        return view

    yield open_document
    assert not wrong


@pytest.mark.parametrize("document", documents())
def test_a_page_stands_alone_and_fits_and_its_sliders_change_the_picture(visit, document):
    """On a phone, and when its window is then as wide as a desktop's."""
    view = visit(document, PHONE)
    assert view.locator(".bd-article h1").count() == 1
    assert view.locator("mjx-container").count() >= view.locator(".math").count()
    assert view.locator("mjx-merror, [data-mjx-error]").count() == 0
    for size, key in ((PHONE, "ArrowLeft"), (DESKTOP, "ArrowRight")):
        view.set_viewport_size(size)
        if document.startswith("notebooks/"):
            move_sliders(view, key)
        assert view.evaluate("document.documentElement.scrollWidth") <= size["width"]


def move_sliders(view, key):
    """Those of explorers; a page may have living figures instead, which test_living.py moves."""
    if not view.locator(".widget-subarea").count() and view.locator(".rl-alive").count():
        return
    handles = view.locator(".noUi-handle")
    handles.first.wait_for()
    frame = view.locator(".widget-subarea .rl-figure:visible")
    before = frame.screenshot()
    for handle in handles.all():
        drawn = frame.inner_html()
        handle.focus()
        handle.press(key)
        view.wait_for_function(ANOTHER_FRAME, arg=drawn)
        after = frame.screenshot()
        assert after != before
        before = after


def test_figures_follow_the_dark_mode(visit):
    def ink(scheme):
        view = visit("notebooks/task_correlation", DESKTOP, scheme)
        return view.locator(".rl-figure svg text").first.evaluate(
            "text => [getComputedStyle(text).fill, getComputedStyle(text.closest('.rl-figure')).color]"
        )

    light, dark = ink("light"), ink("dark")
    assert light[0] == light[1] and dark[0] == dark[1]
    assert light != dark


def test_the_search_finds_a_page_and_quotes_it(visit, address):
    view = visit("book/intro", DESKTOP)
    view.locator("form.bd-search input").first.evaluate(
        "input => { input.value = 'overlap'; input.form.submit(); }"
    )
    view.wait_for_url(f"{address}search.html?q=overlap")
    view.locator("#search-results li p").first.wait_for()


def test_the_button_that_prints_a_page_works(visit):
    view = visit("book/intro", DESKTOP)
    view.evaluate("window.print = () => { window.printed = true }")
    view.locator(".btn-download-pdf-button").evaluate("button => button.click()")
    assert view.evaluate("window.printed")


def test_every_page_with_a_script_says_which_scripts_may_run(built):
    pages = [path for path in built.parent.rglob("*.html") if "_static" not in path.parts]
    policy = '<meta http-equiv="Content-Security-Policy"'
    with_scripts = [text for text in (path.read_text() for path in pages) if "<script" in text]
    assert len(with_scripts) > len(documents())
    assert all(text.index(policy) < text.index("<script") for text in with_scripts)
