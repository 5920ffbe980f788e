"""The house: what stands on which floor, who may import whom, and how many places a page needs."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

import reuselab
from reuselab.book import pages
from reuselab.book.build import ROOT
from reuselab.claims import module

PACKAGE = ROOT / "reuselab"
# From the ground up. `reuselab` itself, which offers names of all floors, stands on the roof.
FLOORS = (
    ("check", "places", "stats"),
    ("sources",),
    ("experiment",),
    ("runs",),
    ("theory",),
    ("advisor", "given"),
    ("claims",),
    ("figures",),
    ("book",),
    ("guard",),
    ("cli", "gpu"),
    ("__init__",),
)
HEIGHT = {name: height for height, floor in enumerate(FLOORS) for name in floor}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# What a page consists of; `a_page_needs_no_other_place` adds a made one with these alone.
PLACES = (
    "notebooks/{}.md",
    "reuselab/claims/{}.py",
    "reuselab/figures/{}.py",
    "tests/claims/test_{}.py",
)


WORDS = {"len", "str", "sorted", "min", "max", "sum", "round", "join", "format", "replace", "lower"}


def floor_of(file: str) -> str:
    """The floor of a file of the package, by its path in there."""
    return Path(file).parts[0].removesuffix(".py")


def imports(file: str) -> Iterator[str]:
    """The floors that a file imports from, functions and type checks included; "__init__" for the package."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__"]
        else:
            continue
        for parts in (name.split(".") for name in names):
            if parts[0] == "reuselab":
                yield parts[1] if len(parts) > 1 and parts[1] in HEIGHT else "__init__"


def test_every_module_stands_on_a_floor():
    assert {floor_of(file) for file in FILES} == set(HEIGHT)


@pytest.mark.parametrize("file", FILES)
def test_imports_run_downwards_only(file):
    upwards = {floor for floor in imports(file) if HEIGHT[floor] > HEIGHT[floor_of(file)]}
    assert not upwards, f"{file} imports from above: {', '.join(sorted(upwards))}"


def test_the_experiment_is_read_in_half_an_hour():
    lines = sum(len(path.read_text().splitlines()) for path in (PACKAGE / "experiment").glob("*.py"))
    assert lines < 1800


def test_the_package_offers_about_a_dozen_names():
    assert all(hasattr(reuselab, name) for name in reuselab.__all__) and len(reuselab.__all__) <= 16


@pytest.mark.parametrize("name", pages.pages())
def test_a_page_has_one_name_everywhere(name):
    missing = [place.format(name) for place in PLACES if not (ROOT / place.format(name)).exists()]
    assert not missing
    assert f"- file: notebooks/{name}\n" in (ROOT / "_toc.yml").read_text()
    assert name in yaml.safe_load((pages.NOTEBOOKS / "presets.yml").read_text())


@pytest.mark.parametrize("name", pages.pages())
def test_a_pages_parameters_are_those_its_module_has_rules_for(name):
    assert {*module(name).RULES, "preset"} == set(pages.defaults(name))


@pytest.mark.parametrize("name", pages.pages())
def test_a_page_imports_its_own_modules_and_no_other_pages(name):
    source = pages.read(name)
    code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
    found = {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module in ("reuselab.claims", "reuselab.figures")
        for alias in node.names
        if alias.name in pages.pages()
    }
    assert found == {("reuselab.claims", name), ("reuselab.figures", name)}


def test_nothing_that_serves_all_pages_names_one():
    """So that a new page needs no line there. The registry of claims says which page tests which."""
    generic = [
        file
        for file in FILES
        if floor_of(file) in ("runs", "claims", "figures", "book", "cli")
        and Path(file).stem not in pages.pages()
        and file != "claims/registry.py"
    ]
    named = []
    for file in generic:
        for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in ("reuselab.claims", "reuselab.figures"):
                named += [(file, alias.name) for alias in node.names if alias.name in pages.pages()]
            elif isinstance(node, ast.Constant) and node.value in pages.pages():
                named.append((file, node.value))
    assert named == []


NOTEBOOK = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A made page

```{code-cell} ipython3
:tags: [parameters]

preset = "quick"
throws = 10
```

```{code-cell} ipython3
from reuselab.book import pages
from reuselab.claims import made as claim
from reuselab.figures import made as figures

table = claim.throw(throws)
pages.keep(table, "made")
figures.mean(table)
```
"""
CLAIM = """import pandas as pd

from reuselab.check import integer

RULES = {"throws": integer(1, 100)}


def check(values):
    pass


def throw(throws):
    return pd.DataFrame({"seed": range(throws), "score": 0.5})
"""
FIGURE = """def mean(table):
    return table.score.mean()
"""


def test_a_page_needs_no_other_place(tmp_path):
    """A copy of the project with a made page in the places that CONTRIBUTING.md names runs it by its name."""
    for folder in ("reuselab", "notebooks", "results"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("requirements.lock", "_toc.yml", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    for place, text in zip(PLACES, (NOTEBOOK, CLAIM, FIGURE)):
        (tmp_path / place.format("made")).write_text(text)
    with open(tmp_path / "notebooks" / "presets.yml", "a") as presets:
        presets.write("made:\n  smoke: {throws: 3}\n  paper: {throws: 100}\n")
    run = (
        "import sys; from pathlib import Path; from photographs import execute; "
        "from reuselab.book import pages; "
        "execute('made', pages.parameters('made', 'smoke', {}), Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", run, tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'tests'}"},
        check=True,
        capture_output=True,
    )
    assert pd.read_csv(tmp_path / "made.csv").score.tolist() == [0.5] * 3


@pytest.mark.parametrize("name", pages.pages())
def test_what_a_page_computes_can_be_unfolded(name):
    """A removed cell only glues what is there: names, their items, and their words.

    But for the box that opens the page: it shows what is kept, and computes nothing.
    """
    cells = [cell for cell in pages.read(name).cells if cell.cell_type == "code"]
    first, *cells = cells
    assert first.source == f'from reuselab.book import pages\n\npages.in_one_minute("{name}")'
    assert not any("remove-input" in cell.metadata.get("tags", []) for cell in cells)
    for cell in cells:
        if "remove-cell" in cell.metadata.get("tags", []):
            assert all(map(only_glues, ast.parse(cell.source).body)), cell.source


def only_glues(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.For):
        return all(map(only_glues, statement.body))
    call = statement.value if isinstance(statement, ast.Expr) else None
    glues = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "glue"
    return glues and all(is_word(node) for argument in call.args for node in ast.walk(argument))


def is_word(node: ast.AST) -> bool:
    """Whether a part of an expression looks something up or puts it into words, and decides nothing."""
    if isinstance(node, ast.Call):
        return (isinstance(node.func, ast.Name) and node.func.id in WORDS) or (
            isinstance(node.func, ast.Attribute) and node.func.attr in WORDS
        )
    return not isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.IfExp, ast.Lambda))
