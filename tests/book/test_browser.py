"""The built book in headless Chromium: served from its folder, with every other address closed."""

import functools
import html
import http.server
import re
import statistics
import threading
from urllib.parse import unquote

import pytest
from looking import READY

from reuselab.book import build
from reuselab.book.print import documents

PHONE, TABLET, DESKTOP = ({"width": width, "height": 900} for width in (390, 768, 1280))
HEAVIEST = 3_000_000  # bytes of a page's HTML

# What judges whether everybody can read a page: npm package, version and published checksum, its file.
AXE = {
    (
        "axe-core",
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ): ("axe.min.js",)
}
GRAVE = """async rules => {
  const options = rules.length ? { runOnly: rules } : {};
  const { violations } = await axe.run(document, { ...options, resultTypes: ['violations'] });
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 120)).join(' | ')}`);
}"""

# Figures and tables that are wider than their place. Code and formulas may scroll in theirs.
CUT = """() => [...document.querySelectorAll('.bd-article :is(figure, table, .output, .widget-subarea)')]
  .filter(box => box.clientWidth && !box.closest('details:not([open])'))
  .flatMap(box => [box, box.parentElement])
  .filter(box => box.scrollWidth > box.clientWidth + 1
    && ['auto', 'scroll', 'hidden'].includes(getComputedStyle(box).overflowX)
    && !box.querySelector(':scope > pre, :scope > .highlight'))
  .map(box => `${box.className || box.tagName}: ${box.scrollWidth} in ${box.clientWidth}`)"""

# Whether the explorer shows one frame, and another than `drawn`.
ANOTHER_FRAME = """drawn => {
  const frames = [...document.querySelectorAll('.widget-subarea .rl-figure')];
  const shown = frames.filter(frame => frame.getClientRects().length);
  return shown.length === 1 && shown[0].innerHTML !== drawn;
}"""


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
    yield view, wrong
    view.close()


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


@pytest.fixture(scope="module")
def axe():
    return (build.vendor(AXE, "axe") / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("document", documents())
def test_a_page_stands_alone_and_fits_its_sliders_change_the_picture_and_everybody_can_read_it(
    visit, document, axe
):
    """On a phone, and when its window is then as wide as a desktop's, in one visit.

    Nothing is serious or critical by axe-core; in the dark colours alone differ.
    """
    view = visit(document, PHONE)
    assert view.locator(".bd-article h1").count() == 1
    assert view.locator("mjx-container").count() >= view.locator(".math").count()
    assert view.locator("mjx-merror, [data-mjx-error]").count() == 0
    for size, key in ((PHONE, "ArrowLeft"), (TABLET, "ArrowRight"), (DESKTOP, "ArrowRight")):
        view.set_viewport_size(size)
        view.evaluate("() => new Promise(requestAnimationFrame)")
        assert view.evaluate(CUT) == []
        if document.startswith("notebooks/") and size != TABLET:
            move_sliders(view, key)
        assert view.evaluate("document.documentElement.scrollWidth") <= size["width"]
    view.add_style_tag(content="* { transition: none !important }")
    view.evaluate(axe)
    assert view.evaluate(GRAVE, []) == []
    view.emulate_media(color_scheme="dark")
    view.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    assert view.evaluate(GRAVE, ["color-contrast"]) == []


def test_no_link_within_the_book_leads_nowhere(built):
    pages = {path: path.read_text() for path in built.parent.rglob("*.html") if "_static" not in path.parts}
    names = {path: set(re.findall(r'\sid="([^"]+)"', text)) for path, text in pages.items()}
    for page, text in pages.items():
        for link in set(re.findall(r'\shref="([^"]+)"', text)):
            place, _, anchor = html.unescape(link).partition("#")
            if re.match(r"[a-z]+:|//", place):
                continue
            target = (page.parent / unquote(place.partition("?")[0])).resolve() if place else page
            assert target.exists(), f"{page.name} has no {link}"
            known = not anchor or target not in names or unquote(anchor) in names[target]
            assert known, f"{page.name} has no {link}"


def test_a_page_is_no_burden_on_a_phone(built):
    heavy = {path.name: path.stat().st_size for path in built.parent.rglob("*.html")}
    assert max(heavy.values()) < HEAVIEST, heavy


@pytest.mark.parametrize("document", documents())
def test_a_pages_sentences_are_short(built, document):
    """Half of them have at most 22 words. Lists, tables, code and formulas are not counted."""
    text = (built.parent / f"{document}.html").read_text()
    article = text[text.index("<article") : text.index("</article>")]
    article = re.sub(r"<table.*?</table>", "", article, flags=re.S)
    told = " ".join(re.sub(r"<[^>]+>", "", part) for part in re.findall(r"<p>(.*?)</p>", article, re.S))
    lengths = [len(sentence.split()) for sentence in re.split(r"(?<=[.?!])\s+", html.unescape(told))]
    assert statistics.median(lengths) < 22


def move_sliders(view, key):
    """Those of explorers; a page may have none, and living figures are moved by test_living.py."""
    if not view.locator("script[type$='widget-view+json']").count():
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
