"""What stands around a page's text: numbers and links of figures, the page of functions, buttons."""

import json
import os
import re
import types

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document

import reuselab
from reuselab.book import api, around, build, calls, dress, pages
from reuselab.figures.style import Shown

STILL = r'<div class="rl-still">.*?</figure></div>'  # of a living figure, whose number stands below it
URL = "https://github.com/Owner/companion"
IMPORTS = """from reuselab.book import pages
from reuselab.claims import layers as claim
from reuselab.figures import layers as figures
from reuselab.runs.study import grid, study
"""
CELLS = [
    IMPORTS,
    "table = study(grid(rho=rhos))\npages.keep(table, 'made')",
    "others = study(grid(rho=rhos))\npages.keep(others.drop(columns='seed'), 'made_others')",
    "curves = {n: claim.Curves.of(table[table.n == n]) for n in sizes}\nname = table.columns",
    "figures.ridge(curves, 5)",
    "named = {name: claim.Curves.of(others) for name in sizes}\nfigures.told(named)",
    "still = figures.one_rho(named)",
    "living('made', still)",
    "figures.ridge(rhos, 5)",
]


# What notebooks call.


def test_a_figure_has_its_own_tables_behind_it_through_all_that_is_computed_between():
    shown = calls.behind(CELLS)
    ridge, told, one_rho = (f"reuselab.figures.layers.{name}" for name in ("ridge", "told", "one_rho"))
    assert shown[4] == calls.Behind((ridge,), ("made",))
    assert shown[5] == calls.Behind((told,), ("made_others",))
    assert shown[7] == calls.Behind((one_rho,), ("made_others",))
    assert shown[8] == calls.Behind((ridge,), ())


def test_what_a_kept_table_was_made_of_has_that_table_behind_it():
    parts = "drawn = study(grid(rho=rhos))\nfigures.ridge(drawn, 5)"
    joined = "table = claim.converse(drawn, rhos)\npages.keep(table, 'made')"
    shown = calls.behind([IMPORTS, parts, joined, "figures.ridge(rhos, 5)"])
    assert shown[1].tables == ("made",) and shown[3].tables == ()


def test_a_name_is_found_where_it_is_defined_whatever_module_offers_it():
    def home(dotted):
        return getattr(calls.find(dotted), "name", None)

    assert home("reuselab.grid") == home("reuselab.runs.study.grid") == "reuselab.runs.study.grid"
    assert home("reuselab.models.blocks") == "reuselab.experiment.models.blocks"
    assert home("reuselab.claims.layers.Curves.of") == "reuselab.claims.layers.Curves"
    assert (
        home("reuselab.claims.layers.DRAWS") is home("reuselab.claims.layers") is home("numpy.mean") is None
    )


def test_every_function_that_draws_on_a_page_and_every_name_of_the_package_has_an_entry(monkeypatch):
    used = api.used()
    monkeypatch.setattr(api, "used", lambda: used)
    told = "\n".join(api.text())
    parts = dict(part.split("\n", 1) for part in told.split("```{py:currentmodule} ")[1:])
    for name, users in used.items():
        home, _, own = name.rpartition(".")
        [entry] = re.findall(rf"^`+{{py:\w+}} {own}\b.*?^`{{5}}$", parts[home], re.S | re.M)
        assert all(f"notebooks/{page}`" in entry for page in users)
    drawing = {
        name for page in pages.pages() for shown in calls.behind(calls.code(page)) for name in shown.drawing
    }
    offered = {calls.find(f"reuselab.{name}") for name in reuselab.__all__} - {None}
    assert drawing | {one.name for one in offered} <= used.keys() and len(offered) > 8


def test_a_docstring_is_shown_as_it_is():
    shown = api.plain_docstring("All *of* it, <b>$x$</b> and `rho_a`.\n\nA second {role}`one`.")
    assert shown.split("\n\n")[0] == r"All \*of\* it\, \<b\>\$x\$\<\/b\> and `rho_a`\."
    assert shown.split("\n\n")[1].startswith(r"A second \{role\}`one`")


# The executed notebooks.


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A made page with a figure, an explorer and a living figure, executed."""
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path)
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# A made page"),
        nbformat.v4.new_markdown_cell("Ten words " * 5 * dress.A_MINUTE),
        *map(nbformat.v4.new_code_cell, CELLS),
    ]
    import jupytext

    jupytext.write(notebook, tmp_path / "made.md", fmt="md:myst")
    shown = Shown("<svg></svg>", "See <b> this.", "figures.layers.ridge")._repr_html_()
    outputs = {
        4: {"text/html": shown},
        5: {dress.VIEW: {"model_id": "1"}},
        7: {"text/html": '<div class="rl-living" data-scripts="library">' + shown + "</div>"},
    }
    executed = pages.read("made")
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    for i, data in outputs.items():
        code[i].outputs = [nbformat.v4.new_output("display_data", data)]
    nbformat.write(executed, tmp_path / "made.ipynb")
    for table in ("made", "made_others"):
        (tmp_path / f"{table}.csv").touch()
    return tmp_path / "made.ipynb"


def test_figures_are_numbered_and_linked_to_their_function_and_their_table(made, tmp_path):
    dress.dress(made, tmp_path / "dressed.ipynb")
    cells = [cell for cell in nbformat.read(tmp_path / "dressed.ipynb", 4).cells if cell.get("outputs")]
    figures = [BeautifulSoup(cell.outputs[-1]["data"]["text/html"], "html.parser") for cell in cells]
    assert [[tag["id"] for tag in figure(id=True)] for figure in figures] == [
        [f"figure-{i}"] for i in (1, 2, 3)
    ]
    links = [
        [link["href"].rpartition(".")[2] + "|" + link["href"] for link in figure("a")] for figure in figures
    ]
    assert [[link.partition("|")[2] for link in found] for found in links] == [
        ["../book/api.html#reuselab.figures.layers.ridge", "made.csv"],
        ["../book/api.html#reuselab.figures.layers.told", "made_others.csv"],
        ["../book/api.html#reuselab.figures.layers.one_rho", "made_others.csv"],
    ]
    assert figures[0].figcaption.text.startswith("Figure 1. See <b> this. figures.layers.ridge")


def test_a_page_says_how_long_it_takes_to_read_and_where_its_notebook_is(made, tmp_path):
    dress.dress(made, tmp_path / "dressed.ipynb")
    title, *_, told = nbformat.read(tmp_path / "dressed.ipynb", 4).cells[0].source.split("\n")[:4]
    assert title == "# A made page"
    assert told == '<p class="rl-times">10 minutes to read · <a href="made.ipynb" download>made.ipynb</a></p>'


def test_code_and_a_head_of_its_own_take_no_time_to_read():
    text = "---\nblob_workers: true\n---\n# Title\n\nWords.\n\n```python\n" + "code " * 9999 + "\n```\n"
    assert dress.times("laboratory", [text]) == '<p class="rl-times">1 minute to read</p>'
    assert dress._below_title(text, "<p>1</p>").startswith(
        "---\nblob_workers: true\n---\n# Title\n\n```{raw} html"
    )


# The address.


def test_the_published_notebook_is_the_page_and_installs_the_module_where_there_is_an_address():
    [*plain], [title, install, *rest] = (
        dress.to_run("layers", at).cells for at in (None, around.Address("Owner", "companion"))
    )
    assert [cell.source for cell in (title, *rest)] == [cell.source for cell in plain]
    assert f'%pip install --quiet "reuselab[book] @ git+{URL}"' in install.source


@pytest.mark.hostile("input", 4)
@pytest.mark.parametrize("url", ["github.com/a/b", "https://example.org/a/b", "https://github.com/a", 3])
def test_an_address_that_is_none_is_refused_in_one_line(url):
    with pytest.raises(
        ValueError, match=r"^repository: url in _config.yml is .*, not https://github\.com/.*$"
    ):
        around.address({"repository": {"url": url}})


OWNER = "https://github.com/owner/"


@pytest.mark.hostile("input", 10)
@pytest.mark.parametrize(
    "given",
    [OWNER + "name", [OWNER + "name"]]
    + [
        {"url": url}
        for url in (
            *(OWNER + name for name in ("..", ".git", ".git.git/", "nä", "b\n", "n" * 101)),
            *(f"https://github.com/{owner}/name" for owner in ("-", "a-", "a--b", "Öwn", "a_b", "o" * 40)),
        )
    ],
)
def test_a_repository_that_github_cannot_have_is_refused_in_one_line(given):
    with pytest.raises(ValueError, match=r"^repository: url in _config.yml is .*$"):
        around.address({"repository": given})


def test_a_persons_own_site_is_in_no_folder():
    own, other = (
        around.address({"repository": {"url": OWNER + name}}) for name in ("Owner.github.io", "b.git/")
    )
    assert (own.book, other.book) == ("https://owner.github.io/", "https://owner.github.io/b/")


def test_without_the_line_a_book_has_no_address_and_with_it_one():
    config = yaml.safe_load((build.ROOT / "_config.yml").read_text())
    before = json.dumps(config)
    around.configure(config)
    assert json.dumps(config) == before and around.address() is None
    config["repository"] = {"url": URL}
    around.configure(config)
    assert config["html"]["baseurl"] == "https://owner.github.io/companion/"
    theme = config["sphinx"]["config"]["html_theme_options"]
    assert theme["repository_url"] == URL and theme["use_repository_button"]


def surrounded(url):
    """The head and the buttons of the page layers in a book with this address; None for one without."""
    download = {"label": "download-source-button", "url": "../_sources/notebooks/layers.ipynb"}
    context = {
        "body": '<div class="x"><style type="text/css">\n.a {}\n</style>\n'
        '<th id="T_1_level0_row0">a</th></div>'
        '<summary><p class="collapsed admonition-title">Show</p></summary>',
        "docstitle": "Whose features?",
        "header_buttons": [{"buttons": [download]}],
        "title": "How <em>many</em> layers?",
    }
    document = new_document("layers")
    document += nodes.paragraph(text='Says "what" it is.')
    theme = {"repository_url": url} if url else {}
    app = types.SimpleNamespace(config=types.SimpleNamespace(html_theme_options=theme))
    around.surround(app, "notebooks/layers", "page.html", context, document)
    buttons = [button for group in context["header_buttons"] for button in group["buttons"]]
    return context, {button.get("text"): button["url"] for button in buttons}


def test_with_the_line_buttons_open_the_pages_notebook_and_without_it_none_is_there():
    _, alone = surrounded(None)
    assert alone == {None: "layers.ipynb"}
    _, buttons = surrounded(URL)
    binder = "https://mybinder.org/v2/gh/Owner/companion/main?urlpath"
    published = "https://owner.github.io/companion/notebooks/layers.ipynb"
    assert buttons == alone | {
        "Live code": f"{binder}=doc/tree/notebooks/layers.ipynb",
        "Binder": f"{binder}=lab/tree/notebooks/layers.ipynb",
        "Colab": f"https://colab.research.google.com/#fileId={published}",
    }


def test_a_page_has_a_description_and_with_the_line_a_social_card():
    for url in (None, URL):
        head = BeautifulSoup(surrounded(url)[0]["metatags"], "html.parser")
        told = {tag.get("name") or tag["property"]: tag["content"] for tag in head("meta")}
        assert told.pop("description") == 'Says "what" it is.'
        assert bool(told) == bool(url)
    assert told["og:title"] == "How many layers?"
    assert told["og:image"] == f"https://owner.github.io/companion/{around.CARD}"
    assert (build.ROOT / "book" / around.CARD).read_bytes()[16:24] == bytes(
        [0, 0, 4, 176, 0, 0, 2, 118]
    )  # pixels


def test_styles_of_tables_stand_in_the_head_and_summaries_hold_no_paragraphs():
    context, _ = surrounded(None)
    assert context["metatags"].endswith('<style type="text/css">\n.a {}\n</style>\n')
    assert context["body"] == (
        '<div class="x"><th id="T_1_level0_row0" scope="row">a</th></div>'
        '<summary><span class="collapsed admonition-title">Show</span></summary>'
    )


def test_a_map_of_the_site_is_written_where_the_book_has_an_address(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "layers.html").write_text("")
    around.sitemap(tmp_path)
    assert not (tmp_path / "sitemap.xml").exists()
    monkeypatch.setattr(around, "address", lambda: around.Address("Owner", "companion"))
    around.sitemap(tmp_path)
    site = "https://owner.github.io/companion/"
    found = re.findall("<loc>(.*?)</loc>", (tmp_path / "sitemap.xml").read_text())
    assert found == [site, f"{site}notebooks/layers.html"]


def test_binder_makes_the_notebooks_that_the_buttons_open():
    script = build.ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK) and "jupytext --to ipynb notebooks/*.md" in script.read_text()
    assert (build.ROOT / "requirements.lock").exists() and "-r requirements.lock" in script.read_text()


# The built book.


@pytest.mark.parametrize("name", pages.pages())
def test_every_figure_of_a_page_has_a_number_and_leads_to_the_function_that_draws_it(built, name):
    text = (built.parent / "notebooks" / f"{name}.html").read_text()
    text = re.sub(STILL, "", text, flags=re.S)
    _, *figures = re.split(r'(?= id="figure-\d+")', text)
    numbers = [int(re.match(r' id="figure-(\d+)"', figure)[1]) for figure in figures]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers
    assert all('<a href="../book/api.html#reuselab.figures.' in figure for figure in figures)
    assert not re.search("<figcaption>(?!<strong>Figure)", text)
