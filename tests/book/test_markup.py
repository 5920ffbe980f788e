"""Nothing typed is ever markup: one page in which all that a book shows is fed with hostile text.

Its second section is made as its first, whose text is harmless. So what differs was made by a text.
"""

import ast
import json
import re
from collections import Counter

import nbformat
import pandas as pd
import pytest
from looking import READY
from matplotlib.figure import Figure
from nbclient import NotebookClient

from reuselab.book import build, pages
from reuselab.figures import style

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "'&amp;\" onload='alert(1)'",
    "</SCRIPT ><svg/onload=alert(1)>",
    "</style></title></text></td></textarea><a href=//evil.example>x</a>",
    "<!-- <script> ]]> -->",
    "$\\frac{$",
    "\\(\\href{javascript:alert(1)}{x}\\) $$\\require{evil}$$",
    "{raw}`html` {glue:text}`plain_0` {{ x }} {% raw %}",
    "``` ~~~ ::: |x| # * - + _ 1.",
    "[a](javascript:alert(1)) ![i](http://evil.example/i.png) http://evil.example <http://evil.example>",
    '%s {0} \\n \\x00 &lt;b&gt; #010101 id="a_1"',
    "a\u202eb \U0001f600 \u00e9",
    "two\nlines",
    "x" * 500,
]
# As long, with as many lines, and words alone.
HARMLESS = [re.sub(r"[^\w\n ]", "x", text) for text in HOSTILE]
SECTIONS = {"harmless": HARMLESS, "hostile": HOSTILE}

SETUP = """
import sys
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from myst_nb import glue
from reuselab.book import pages
from reuselab.book.explore import explorer
from reuselab.figures import style

@style.drawn
def drawing(texts):
    figure = Figure(figsize=(8, 4))
    axes = figure.add_subplot()
    for name in texts:
        axes.plot([0, 1], label="label " + name)
    axes.set_xticks(range(len(texts)), texts)
    axes.set(title=texts[0], xlabel=texts[1], ylabel=texts[2])
    figure.suptitle(texts[3])
    figure.legend()
    style.name_lines(axes, [(0, name, "red") for name in texts])
    return figure
"""
CELLS = [
    "pages.show(pd.DataFrame({'cell': texts, 'list': [[text] for text in texts], texts[0]: 0.5}))",
    "named = [pd.Index(these, name=these[0]) for these in (texts[:1], texts)]\n"
    "pages.show(pd.DataFrame([texts], *named), index=True)",
    "pages.provenance('smoke with classes = ' + ' '.join(texts), 1)",
    "pd.DataFrame({text: [text] for text in texts})",
    "drawing(texts, caption=' '.join(texts))",
    "explorer(lambda *two: style.Shown('', ' '.join(two), ''), (texts[4], texts), (texts[0], texts[:2]))",
    "print(*texts)\nprint(*texts, file=sys.stderr)\n' '.join(texts)",
    "raise ValueError(' '.join(texts))",
]


def notebook():
    """Every way to the page for the texts of each section, and the same cells for both."""
    new = nbformat.v4
    cells = [new.new_markdown_cell("# Typed, with $x^2$"), new.new_code_cell(SETUP)]
    for name, texts in SECTIONS.items():
        glued = "\n".join(f"- {{glue:text}}`{name}_{i}`" for i in range(len(texts)))
        table = "\n".join('"' + build.plain(text).replace('"', '""') + '"' for text in texts)
        cells += [
            new.new_markdown_cell(f"## {name}\n\n{glued}\n\n````````{{csv-table}}\n{table}\n````````"),
            new.new_code_cell(f"texts = {texts!r}"),
            new.new_code_cell(
                f"for i, text in enumerate(texts):\n    glue(f'{name}_{{i}}', text, display=False)"
            ),
            *(new.new_code_cell(cell, metadata={"tags": ["raises-exception"]}) for cell in CELLS),
        ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return new.new_notebook(cells=cells, metadata=kernel)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    done = tmp_path_factory.mktemp("markup") / "typed.ipynb"
    nbformat.write(NotebookClient(notebook()).execute(), done)
    return build.build_page(done)


@pytest.fixture(scope="module")
def view(page, browser):
    """A window on the page, ready; `view.happened` is what no text should have brought about."""
    window = browser.new_page()
    window.happened = happened = []
    own = page.parent.as_uri()
    window.on("dialog", lambda dialog: (happened.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    window.on("pageerror", lambda error: happened.append(f"uncaught: {error}"))
    window.on("console", lambda message: message.type == "error" and happened.append(message.text))
    window.on("request", lambda asked: asked.url.startswith((own, "data:")) or happened.append(asked.url))
    window.on("requestfailed", lambda asked: happened.append(f"not there: {asked.url}"))
    window.goto(page.as_uri())
    window.evaluate(READY)
    window.locator("#hostile .noUi-handle").nth(1).wait_for()
    return window


@pytest.fixture(scope="module")
def shown(view):
    """All texts in the hostile section by the elements that show them, white space as one space."""
    read = "elements => elements.map(element => element.textContent.replace(/\\s+/g, ' ').trim())"
    section = view.locator("#hostile")
    texts = {
        place: section.locator(elements).evaluate_all(read)
        for place, elements in {
            "cells": "table[id^=T_] td",
            "names": "table[id^=T_] th",
            "CSV": "td p",
            "list": "li p",
            "figure": "svg text",
            "caption": "figcaption",
            "printed": "pre",
        }.items()
    }
    handle, value = section.locator(".noUi-handle").first, section.locator(".widget-readout").first
    handle.press("Home")
    texts["slider"] = []
    for _ in HOSTILE:
        texts["slider"].append(words(value.text_content()))
        handle.press("ArrowRight")
    return texts


def words(text):
    return " ".join(text.split())


def bare(text):
    """`text` without the signs that the book's typography sets in its own way."""
    return re.sub("[\"'“”‘’–—-]", "", words(text))


@pytest.mark.parametrize("text", [pytest.param(text, marks=pytest.mark.hostile("input")) for text in HOSTILE])
def test_a_text_is_shown_as_it_was_typed(shown, text):
    typed = words(text)
    assert shown["cells"].count(typed) == 2 and typed in shown["names"] and typed in shown["slider"]
    assert all(bare(text) in map(bare, shown[place]) for place in ("list", "CSV"))
    assert all(shown["figure"].count(words(line)) >= 2 for line in text.splitlines())
    assert typed in shown["caption"][0] and sum(typed in printed for printed in shown["printed"]) >= 3


def test_no_text_makes_an_element(view):
    """But for spans: they colour code, by what it says."""

    def made(section):
        tags = f"[...document.querySelectorAll('#{section} *')].map(element => element.tagName)"
        return {tag: count for tag, count in Counter(view.evaluate(tags)).items() if tag != "SPAN"}

    assert made("hostile") == made("harmless")
    assert view.locator("iframe, [onload], [onerror], #hostile :is(img, a:not(.headerlink))").count() == 0
    assert view.locator("mjx-container").count() == 1


def test_no_text_runs_or_asks_for_anything(view, shown):
    assert view.happened == []


@pytest.mark.hostile("input", 3)
def test_a_script_that_got_into_a_page_does_not_run_there(view):
    view.evaluate("""async () => {
        const refused = new Promise(done => {
            const seen = [];
            document.addEventListener('securitypolicyviolation', event => {
                seen.push(event);
                if (seen.length === 3) done();
            });
        });
        const script = document.createElement('script');
        script.textContent = 'window.ran = 1';
        const image = document.createElement('p');
        image.innerHTML = '<img src="data:," onerror="window.ran = 1">';
        const far = document.createElement('script');
        far.src = 'https://evil.example/';
        document.body.append(script, image, far);
        await refused;
    }""")
    assert view.evaluate("window.ran") is None


@pytest.mark.hostile("input")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\tx", "\rx", " =1", "＝1"])
def test_no_text_of_a_kept_table_is_a_formula_and_numbers_stay(text, tmp_path, monkeypatch):
    monkeypatch.setenv("REUSELAB_OUT", str(tmp_path))
    pages.keep(pd.DataFrame({"class": [text, "dog"], "rise": [-0.5, 1.0]}), "made")
    kept = pd.read_csv(tmp_path / "made.csv")
    assert kept["class"].tolist() == [json.dumps(text), "dog"] and kept.rise.tolist() == [-0.5, 1.0]


def test_numbers_of_a_logarithmic_axis_are_no_formulas():
    @style.drawn
    def spanning(low, high):
        drawing = Figure()
        axes = drawing.add_subplot()
        axes.plot([low, high], [0, 1])
        style.log_across(axes)
        return drawing

    decades, within = (spanning(*ends).svg for ends in ((0.001, 1000), (2, 9)))
    assert ">0.01<" in decades and ">100<" in decades and ">4<" in within
    assert "$" not in decades + within


@pytest.mark.parametrize("name", pages.pages())
def test_a_page_makes_no_markup_by_itself(name):
    """It shows all by `pages.show`, figures, explorers and glued text, which show a text as it is."""
    code = "\n".join(cell.source for cell in pages.read(name).cells if cell.cell_type == "code")
    for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
        markup = getattr(call.func, "id", "") in ("HTML", "Markdown", "Latex", "Math", "SVG", "Javascript")
        assert not markup or all(isinstance(argument, ast.Constant) for argument in call.args)
    assert ".style." not in code.replace("figures.style.", "")
