"""What notebooks call, read off their code: functions of the module, and the tables behind their figures."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reuselab import places
from reuselab.book import pages

FIGURES = "reuselab.figures."
COMPUTING = ("reuselab.claims.", "reuselab.runs.", "reuselab.theory.")


@dataclass(frozen=True)
class Definition:
    """A function or a class at the top of a module. home: the dotted name of the module; file: its path."""

    home: str
    file: Path
    node: ast.FunctionDef | ast.ClassDef

    @property
    def name(self) -> str:
        return f"{self.home}.{self.node.name}"


@dataclass(frozen=True)
class Behind:
    """What stands behind a cell's output: the functions that draw it, and the tables that it shows."""

    drawing: tuple[str, ...]
    tables: tuple[str, ...]


@cache
def _module(home: str) -> tuple[Path, ast.Module] | None:
    """Path and text of the module with a dotted name, or None."""
    base = places.PACKAGE.parent.joinpath(*home.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path, ast.parse(path.read_text())
    return None


@cache
def offered() -> dict[str, str]:
    """The names that the package itself offers, each with its home in there."""
    homes = next(
        node.value
        for node in ast.parse((places.PACKAGE / "__init__.py").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES"
    )
    return ast.literal_eval(homes)


@cache
def find(dotted: str) -> Definition | None:
    """The function or class that `dotted` names or lies in, where it is defined; None for anything else."""
    parts = dotted.split(".")
    if parts[1:] and parts[1] in offered():
        parts[:1] = ["reuselab", *offered()[parts[1]].split(".")]
    for end in range(len(parts) - 1, 0, -1):
        home, name = ".".join(parts[:end]), parts[end]
        if module := _module(home):
            return _in_module(home, name, *module)
    return None


def _in_module(home: str, name: str, path: Path, module: ast.Module) -> Definition | None:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return Definition(home, path, node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reuselab"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(f"{node.module}.{alias.name}")
    return None


def code(page: str) -> list[str]:
    """The code cells of page `page`."""
    return [cell.source for cell in pages.read(page).cells if cell.cell_type == "code"]


def called(cells: Sequence[str]) -> list[str]:
    """The functions and classes of the module that the code of `cells` names, by their dotted names."""
    trees = [ast.parse(cell) for cell in cells]
    imports = _imports(trees)
    named = {name for tree in trees for name in _dotted(tree, imports)}
    return sorted({definition.name for definition in map(find, named) if definition})


def behind(cells: Sequence[str]) -> list[Behind]:
    """What stands behind each cell's output.

    A table is behind what is computed from a variable that `pages.keep` writes as that table, and behind what
    the module computed for that variable.
    """
    trees = [ast.parse(cell) for cell in cells]
    imports = _imports(trees)
    kept = _kept(trees, imports)
    reached: dict[str, set[str]] = {}

    def reach(node: ast.AST) -> set[str]:
        from_names = (kept.get(name) or reached.get(name, set()) for name in _names(node, ast.Load))
        drawing = (name for name in _dotted(node, imports) if name.startswith(FIGURES) and find(name))
        return set().union(*from_names, drawing)

    shown = []
    for tree in trees:
        for statement in tree.body:
            got = reach(statement)
            for name in _names(statement, ast.Store):
                more = reached.get(name, set()) if isinstance(statement, ast.AugAssign) else set()
                reached[name] = got | more
        shown.append(_behind(reach(tree.body[-1]) if tree.body else set()))
    return shown


def _behind(reached: set[str]) -> Behind:
    drawing = {name for name in reached if name.startswith(FIGURES)}
    return Behind(tuple(sorted(drawing)), tuple(sorted(reached - drawing)))


def _kept(trees: Sequence[ast.Module], imports: dict[str, str]) -> dict[str, set[str]]:
    """The tables that each variable is written as, and those written of what was made of it directly."""
    kept: dict[str, set[str]] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pages.keep":
            for variable in _names(node.args[0], ast.Load) - imports.keys():
                kept.setdefault(variable, set()).add(ast.literal_eval(node.args[1]))
    computed: set[str] = set()
    parts: dict[str, set[str]] = {}
    for statement in (statement for tree in trees for statement in tree.body):
        made = set().union(*(kept.get(name, set()) for name in _names(statement, ast.Store)))
        for name in computed & _names(statement, ast.Load) if made else ():
            parts.setdefault(name, set()).update(made)
        calls = filter(None, map(find, _dotted(statement, imports)))
        if any(call.home.startswith(COMPUTING) for call in calls):
            computed |= _names(statement, ast.Store)
    return parts | kept


def _imports(trees: Sequence[ast.Module]) -> dict[str, str]:
    """What each imported name of the module stands for, dotted."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reuselab")
        for alias in node.names
    }


def _names(node: ast.AST, use: type[ast.expr_context]) -> set[str]:
    """Variables of the notebook that `node` reads (Load) or sets (Store, with the functions it defines)."""
    nodes = list(ast.walk(node))
    names = {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, use)}
    if use is ast.Store:
        names |= {each.name for each in nodes if isinstance(each, ast.FunctionDef)}
    loops = (each.target for each in nodes if isinstance(each, ast.comprehension))
    inner = {each.id for loop in loops for each in ast.walk(loop) if isinstance(each, ast.Name)}
    return names - inner - {each.arg for each in nodes if isinstance(each, ast.arg)}


def _dotted(node: ast.AST, imports: dict[str, str]) -> Iterator[str]:
    """What `node` names of the module, dotted; the longest form of each."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name | ast.Attribute):
            root, _, rest = ast.unparse(each).partition(".")
            if root in imports:
                yield f"{imports[root]}.{rest}" if rest else imports[root]
