"""The book as one PDF."""

import json
import re
import sys
import types

import pytest
from bs4 import BeautifulSoup
from looking import CHROMIUM

from reuselab.book import print as printing

STATE = {
    "box": {"_model_name": "VBoxModel", "children": ["IPY_MODEL_slider", "IPY_MODEL_stack"]},
    "slider": {
        "_model_name": "SelectionSliderModel",
        "description": "noise",
        "_options_labels": ["0", "0.5"],
        "index": 1,
    },
    "stack": {"_model_name": "StackModel", "children": ["IPY_MODEL_a", "IPY_MODEL_b"], "selected_index": 1},
    "a": {"_model_name": "HTMLModel", "value": "<svg>no noise</svg>"},
    "b": {"_model_name": "HTMLModel", "value": "<svg>half noise</svg>"},
}
WIDGETS = json.dumps({"state": {name: {"state": state} for name, state in STATE.items()}})
PAGE = """<html><head><title>{title}</title><script>alert(1)</script>{state}</head><body><nav>menu</nav>
<article class="bd-article"><h1 id="top">{title}</h1>{body}</article></body></html>"""
FIRST = """<a href="../notebooks/second.html#top">on</a> <a href="#top">up</a> <a href="notes.csv">notes</a>
<a href="https://example.org/#top">away</a>"""
SECOND = """<a href="../book/first.html">back</a>
<svg><clipPath id="clip"></clipPath><g clip-path="url(#clip)"></g></svg>
<details class="hide"><div class="cell_input">code</div></details><details>an answer</details>
<script type="application/vnd.jupyter.widget-view+json">{"model_id": "box"}</script>"""
NAMES = ["book/first", "notebooks/second"]


@pytest.fixture
def small_book(tmp_path):
    state = f'<script type="application/vnd.jupyter.widget-state+json">{WIDGETS}</script>'
    for name, body in zip(NAMES, (FIRST, SECOND)):
        (tmp_path / name).parent.mkdir()
        text = PAGE.format(title=name, body=body, state=state if name == NAMES[1] else "")
        (tmp_path / f"{name}.html").write_text(text)
    return tmp_path


def test_the_whole_holds_every_article_in_order_and_nothing_around_them(small_book):
    page = BeautifulSoup(printing.whole(small_book, NAMES), "html.parser")
    assert [heading.text for heading in page("h1")] == NAMES
    assert not page("nav") and not page("script")


def test_links_lead_within_the_whole_to_one_place_each_or_out_of_the_book_or_nowhere(small_book):
    page = BeautifulSoup(printing.whole(small_book, NAMES), "html.parser")
    links = {link.text: link.get("href") for link in page("a")}
    assert links == {
        "on": "#notebooks-second.top",
        "up": "#book-first.top",
        "notes": None,
        "away": "https://example.org/#top",
        "back": "#book-first.",
    }
    names = [tag["id"] for tag in page(id=True)]
    assert len(names) == len(set(names)) and {links[text][1:] for text in ("on", "up", "back")} <= {*names}
    assert page.find("g")["clip-path"] == "url(#notebooks-second.clip)"


def test_an_explorer_is_printed_at_its_default_frame_with_the_values_of_its_sliders(small_book):
    text = printing.whole(small_book, NAMES)
    assert "half noise" in text and "no noise" not in text and "noise: 0.5" in text


def test_code_stays_folded_and_prose_does_not(small_book):
    code, answer = BeautifulSoup(printing.whole(small_book, NAMES), "html.parser")("details")
    assert not code.has_attr("open") and answer.has_attr("open")


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium to print with")
def test_a_book_is_printed_a_chapter_a_page_and_nothing_else_is_left(small_book, tmp_path_factory):
    pdf = tmp_path_factory.mktemp("printed") / "book.pdf"
    before = {*small_book.rglob("*")}
    css = printing.places.SOURCES / "book" / "_static" / "reuselab.css"
    (small_book / "book" / "first.html").write_text(
        (small_book / "book" / "first.html")
        .read_text()
        .replace("<head>", f"<head><style>{css.read_text()}</style>")
    )
    printing.write(small_book, NAMES, pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 2
    assert {*small_book.rglob("*")} == before


def test_without_a_browser_printing_is_refused_before_any_work(small_book, monkeypatch):
    monkeypatch.setattr(printing, "chromium", lambda: None)
    with pytest.raises(FileNotFoundError, match="needs a Chromium"):
        printing.write(small_book, NAMES, small_book / "book.pdf")


@pytest.mark.parametrize("fetched", [True, False])
def test_the_systems_chromium_prints_else_the_one_that_playwright_fetched(tmp_path, monkeypatch, fetched):
    class Started:
        chromium = types.SimpleNamespace(executable_path=str(tmp_path / "fetched"))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setitem(sys.modules, "playwright.sync_api", types.SimpleNamespace(sync_playwright=Started))
    monkeypatch.setenv("PATH", str(tmp_path))
    if fetched:
        (tmp_path / "fetched").touch()
    assert printing.chromium() == (Started.chromium.executable_path if fetched else None)
    (tmp_path / "chromium").touch(0o755)
    assert printing.chromium() == str(tmp_path / "chromium")


def test_every_page_of_a_printed_book_leads_to_the_pdf_and_of_another_none(small_book):
    footer = "<footer>MIT.<!-- pdf --><!-- end --> Built.</footer>"
    for name in NAMES:
        (small_book / f"{name}.html").write_text(footer)
    printing.link(small_book)
    printing.link(small_book)
    for name in NAMES:
        [link] = BeautifulSoup((small_book / f"{name}.html").read_text(), "html.parser")("a")
        assert (small_book / name).parent.joinpath(link["href"]).resolve() == small_book / "book.pdf"
    assert "<!-- pdf --><!-- end -->" in (printing.places.SOURCES / "_config.yml").read_text()


def test_without_a_built_book_printing_ends_with_one_line_and_status_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing.build, "BUILD", tmp_path)
    with pytest.raises(SystemExit) as ended:
        printing.main()
    assert ended.value.code == 2
    assert re.fullmatch(
        r"reuselab: there is no whole book in .*: `make book` builds it\n", capsys.readouterr().err
    )
