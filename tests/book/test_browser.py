"""The built book in headless Chromium: served from its folder, with every other address closed."""

import functools
import http.server
import shutil
import threading

import pytest
import yaml

from reuselab.book import build as book

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = (1280, 390)


def documents():
    toc = yaml.safe_load((book.ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="module")
def address(built):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=built.parent)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        try:
            launched = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        except playwright.Error as error:
            pytest.skip(f"no Chromium to look at the book with: {error.message.splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture
def visit(browser, address):
    """Open a document of the book; afterwards nothing may have gone wrong that a reader's console would show."""
    wrong, contexts = [], []

    def open_page(document, width, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        view = context.new_page()
        view.route(
            lambda url: not url.startswith((address, "data:", "blob:")),
            lambda route: (wrong.append(f"left the book: {route.request.url}"), route.abort()),
        )
        view.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))
        view.on(
            "console", lambda message: message.type == "error" and wrong.append(f"console: {message.text}")
        )
        view.on(
            "response",
            lambda response: response.status >= 400 and wrong.append(f"{response.status}: {response.url}"),
        )
        view.goto(f"{address}{document}.html", wait_until="load")
        return view

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("document", documents())
def test_a_page_stands_alone_and_fits_and_its_sliders_change_the_picture(visit, document, width):
    view = visit(document, width)
    view.wait_for_timeout(500)
    assert view.locator(".bd-article h1").count() == 1
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    formulas = view.locator(".math").count()
    if formulas:
        view.wait_for_selector("mjx-container", state="attached")
        assert view.locator("mjx-container").count() >= formulas
    assert view.locator("mjx-merror, [data-mjx-error]").count() == 0
    if document.startswith("notebooks/"):
        move_sliders(view)


def move_sliders(view):
    handles = view.locator(".noUi-handle")
    handles.first.wait_for()
    frame = view.locator(".widget-subarea .rl-figure:visible")
    assert handles.count() >= 2
    for handle in handles.all():
        before, drawn = frame.screenshot(), frame.inner_html()
        handle.focus()
        handle.press("ArrowLeft")
        view.wait_for_timeout(200)
        assert frame.count() == 1
        assert frame.inner_html() != drawn
        assert frame.screenshot() != before


def test_figures_follow_the_dark_mode(visit):
    def ink(scheme):
        view = visit("notebooks/task_correlation", 1280, scheme)
        return view.locator(".rl-figure svg text").first.evaluate(
            "text => [getComputedStyle(text).fill, getComputedStyle(text.closest('.rl-figure')).color]"
        )

    light, dark = ink("light"), ink("dark")
    assert light[0] == light[1] and dark[0] == dark[1]
    assert light != dark
