"""What a built book adds to executed notebooks: numbers and links of figures, times, the notebooks to run."""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from reuselab.book import calls, pages, words
from reuselab.book.around import Address, address

A_MINUTE = 220  # words
CAPTION = re.compile(r"<figcaption>(.*) <code>([\w.]+)</code></figcaption></figure>\Z", re.S)
ASKS = re.compile(r'data-asks="([^"]+)"')  # by `living`
VIEW = "application/vnd.jupyter.widget-view+json"
NO_PROSE = re.compile(r"^(`{3,}|:{3,}).*?^\1|^---$.*?^---$|<[^>]*>", re.S | re.M)
TITLE = re.compile(r"^# .*\n", re.M)


def dress(done: Path, target: Path) -> None:
    """Write the executed notebook `done` to `target`: figures numbered and linked, times below the title."""
    name, notebook = done.stem, nbformat.read(done, 4)
    titled = notebook.cells[0]
    titled.source = _below_title(titled.source, times(name, (cell.source for cell in prose(notebook))))
    figures = 0
    source = calls.code(name)
    behind = dict(zip(source, calls.behind(source)))
    kept = {table.stem for table in tables(done)}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (here := behind.get(cell.source)):
            here = replace(here, tables=tuple(table for table in here.tables if table in kept))
            for output in list(cell.outputs):
                figures += number(cell.outputs, output, figures + 1, here)
    nbformat.write(notebook, target)


def number(outputs: list[Any], output: Any, at: int, behind: calls.Behind) -> bool:
    """Give `output` its number `at` where it is a figure: in its caption, or in a line below what moves."""
    data = output.get("data", {})
    shown = data.get("text/html", "")
    label = f"<strong>Figure {at}.</strong>"
    if caption := CAPTION.search(shown):
        links = _links([f"reuselab.{caption[2]}"], behind.tables)
        told = f"<figcaption>{label} {caption[1]} {links}</figcaption></figure>"
        figure = shown[: caption.start()] + told
        data["text/html"] = figure.replace("<figure ", f'<figure id="figure-{at}" ', 1)
        return True
    if VIEW in data or shown.startswith('<div class="rl-living"'):
        links = _links(behind.drawing, behind.tables)
        asks = ASKS.search(shown)
        moves = f'<span class="rl-screen">{asks[1] if asks else "This figure moves."}</span>'
        line = f'<p class="rl-below" id="figure-{at}">{label} {moves} {links}</p>'
        below = nbformat.v4.new_output("display_data", {"text/html": line})
        outputs.insert(outputs.index(output) + 1, below)
        return True
    return False


def _links(functions: Iterable[str], tables: Iterable[str]) -> str:
    """Links to the functions that draw a figure, and to its tables."""
    code = [
        f'<a href="../book/api.html#{name}"><code>{name.removeprefix("reuselab.")}</code></a>'
        for name in functions
    ]
    data = [f'<a href="{table}.csv" download><code>{table}.csv</code></a>' for table in tables]
    return f'<span class="rl-behind">{" · ".join(code + data)}</span>'


def tables(done: Path) -> list[Path]:
    """What the executed notebook `done` kept as tables."""
    return [*done.parent.glob(f"{done.stem}.csv"), *done.parent.glob(f"{done.stem}_*.csv")]


def prose(notebook: nbformat.NotebookNode) -> list[Any]:
    """The cells of text."""
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def times(name: str, texts: Iterable[str]) -> str:
    """How long a page takes to read and, where it has a notebook, to run; and where the notebook is. HTML."""
    read = sum(len(NO_PROSE.sub("", text).split()) for text in texts) / A_MINUTE
    told = [f"{words.counted(max(1, round(read)), 'minute')} to read"]
    if name in pages.pages():
        took = words.minutes(name)
        told += [f"{took} to run"] if took else []
        told.append(f'<a href="{name}.ipynb" download>{name}.ipynb</a>')
    return f'<p class="rl-times">{" · ".join(told)}</p>'


def _below_title(text: str, shown: str) -> str:
    raw = f"\n```{{raw}} html\n{shown}\n```\n"
    return TITLE.sub(lambda title: title[0] + raw, text + "\n", count=1)


def publish(source: Path, executed: Mapping[str, Path]) -> None:
    """Put beside the pages their notebooks, to be run, and their tables."""
    folder, at = source / "extra" / "notebooks", address()
    folder.mkdir(parents=True)
    for name, done in executed.items():
        (folder / f"{name}.ipynb").write_text(nbformat.writes(to_run(name, at)) + "\n")
        for table in tables(done):
            shutil.copy(table, folder)
    for document in ("reading", "running", "scale", "laboratory"):
        path = source / "book" / f"{document}.md"
        path.write_text(_below_title(path.read_text(), times(document, [path.read_text()])))


def to_run(name: str, at: Address | None) -> nbformat.NotebookNode:
    """Notebook `name`, not executed. Where the book has an address it installs the module if that lacks."""
    notebook = pages.read(name)
    if at:
        install = f"""\
try:
    import reuselab
except ImportError:
    %pip install --quiet "reuselab[book] @ git+{at.repository}"
"""
        notebook.cells.insert(1, nbformat.v4.new_code_cell(install.rstrip(), id="install"))
    return notebook
