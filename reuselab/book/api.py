"""The page of functions: those that the package offers and that pages call, from their own docstrings."""

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from itertools import groupby
from pathlib import Path

from reuselab import places
from reuselab.book import calls, pages
from reuselab.book.words import plain

# Parts of the page, by the folder or module of `reuselab` that they tell of.
PARTS = {
    "figures": "Drawing",
    "claims": "Deciding",
    "experiment": "Pairs, networks, training",
    "runs": "Studies",
    "advisor": "Advice",
    "theory": "Theory",
    "stats": "Intervals",
    "book": "What a page says of itself",
}
BENCHMARKS = ("figures.benchmarks.rates", "figures.benchmarks.cost")  # called by no notebook


def write(folder: Path) -> None:
    """The part that book/api.md includes, into the book's staged `folder`."""
    (folder / "functions.md").write_text("\n".join(text()))


def used() -> dict[str, list[str]]:
    """The functions and classes of the page, dotted, each with the pages that call it."""
    offered = (calls.find(f"reuselab.{name}") for name in (*calls.offered(), *BENCHMARKS))
    users: dict[str, list[str]] = {definition.name: [] for definition in offered if definition}
    for page in pages.pages():
        for name in calls.called(calls.code(page)):
            users.setdefault(name, []).append(page)
    return users


def text() -> Iterator[str]:
    """The page in MyST: a part for each of `PARTS`, in it the modules with their functions."""
    users = used()
    definitions = sorted(filter(None, map(calls.find, users)), key=lambda each: each.name)
    for part, title in PARTS.items():
        yield f"## {title}\n"
        inside = [each for each in definitions if each.home.split(".")[1] == part]
        for home, functions in groupby(inside, key=lambda each: each.home):
            yield f"### {home.removeprefix('reuselab.')}\n"
            yield f"```{{py:currentmodule}} {home}\n```\n"
            for function in functions:
                yield entry(function, users[function.name])


def entry(of: calls.Definition, users: list[str]) -> str:
    """A function or class in MyST: how it is called, its docstring, who calls it, its source.

    The source has no colours: they would be four fifths of the page.
    """
    kind = "class" if isinstance(of.node, ast.ClassDef) else "function"
    told = [plain_docstring(ast.get_docstring(of.node) or "")]
    if of.node.name in calls.offered():
        told.append(f"`from reuselab import {of.node.name}`")
    if users:
        told.append("Called on " + ", ".join(f"{{doc}}`../notebooks/{page}`" for page in users) + ".")
    where = f"{of.file.relative_to(places.PACKAGE.parent).as_posix()}, line {of.node.lineno}"
    folded = f":::{{dropdown}} {plain(where)}\n:class-container: rl-source\n"
    source = f"{folded}```{{code-block}} text\n{source_of(of)}\n```\n:::"
    body = "\n\n".join([*told, source])
    return f"`````{{py:{kind}}} {of.node.name}{signature(of.node)}\n{body}\n`````\n"


def signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The arguments with their defaults and without their types; what is `drawn` has a caption too."""
    if isinstance(node, ast.ClassDef):
        return ""
    arguments = deepcopy(node.args)
    for each in ast.walk(arguments):
        if isinstance(each, ast.arg):
            each.annotation = None
    if any(ast.unparse(decorator).endswith("drawn") for decorator in node.decorator_list):
        arguments.kwonlyargs.append(ast.arg("caption"))
        arguments.kw_defaults.append(ast.Constant(""))
    return f"({ast.unparse(arguments)})"


def plain_docstring(docstring: str) -> str:
    """A docstring in MyST that shows it as it is, its paragraphs and what stands in backticks apart."""
    return "\n\n".join(
        "".join(part if part.startswith("`") else _plain(part) for part in re.split("(`[^`]*`)", paragraph))
        for paragraph in docstring.split("\n\n")
    )


def _plain(part: str) -> str:
    """`plain`, which keeps the spaces at the ends."""
    ends = re.fullmatch(r"(\s*)(.*?)(\s*)", part, re.S)
    return f"{ends[1] and ' '}{plain(ends[2])}{ends[3] and ' '}"  # type: ignore[index]


def source_of(of: calls.Definition) -> str:
    """The text of a function or class, with its decorators."""
    first = min([of.node.lineno, *(each.lineno for each in of.node.decorator_list)])
    return "\n".join(of.file.read_text().splitlines()[first - 1 : of.node.end_lineno])
