"""What a notebook says about itself: its parameters, its table, its provenance."""

import ast
import hashlib
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jupytext
import pandas as pd
import papermill
import yaml
from nbformat import NotebookNode
from pandas.io.formats.style import Styler

from reuselab.book import photographs
from reuselab.check import known, shorten, text
from reuselab.claims import module
from reuselab.claims.parameters import AUTO
from reuselab.experiment import bases
from reuselab.runs.study import machine

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PRESETS = ("smoke", "quick", "paper")
STARTED = time.perf_counter()


def pages() -> list[str]:
    """The names of the book's notebooks."""
    return sorted(path.stem for path in NOTEBOOKS.glob("*.md"))


def read(name: str) -> NotebookNode:
    """Notebook `name`, from its text. ValueError, with the nearest match, for one that does not exist."""
    known("page", name, pages())
    return jupytext.read(NOTEBOOKS / f"{name}.md")


def defaults(name: str) -> dict[str, Any]:
    """The values in the page's parameters cell: the preset quick."""
    return {
        key: ast.literal_eval(parameter["default"])
        for key, parameter in papermill.inspect_notebook(read(name)).items()
    }


def parameters(name: str, preset: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of page `name`: its defaults, over them the preset's, over these the `given` ones.

    Raises ValueError or FileNotFoundError, in one line, before anything runs: for a parameter that the page
    does not have, a value that cannot be, an image set or a device that is not there.
    """
    known("preset", preset, PRESETS)
    values = defaults(name)
    for key in given:
        known("parameter", key, [key for key in values if key != "preset"])
    presets = yaml.safe_load((NOTEBOOKS / "presets.yml").read_text())
    values |= presets[name].get(preset, {}) | given
    page = module(name)
    for key, value in values.items():
        (page.RULES | {"preset": text()})[key](key, value)
    if hasattr(page, "PHOTOGRAPHS"):
        values = photographs.choose(name, values, given)
    page.check(values)
    changed = ", ".join(f"{key} = {shorten(value)}" for key, value in given.items())
    return values | {"preset": preset + (f" with {changed}" if changed else "")}


def at_hand(name: str, **values: Any) -> tuple[Any, ...]:
    """`values` (base, alice_pairs, bob_pairs, test_pairs) of page `name`, as `photographs.choose` says."""
    chosen = photographs.choose(name, defaults(name) | values, {}) if values["base"] == AUTO else values
    return tuple(chosen[key] for key in values)


def keep(table: pd.DataFrame, name: str) -> None:
    """Write `table` as NAME.csv into the folder REUSELAB_OUT, where one is set."""
    if folder := os.environ.get("REUSELAB_OUT"):
        table.to_csv(Path(folder) / f"{name}.csv", index=False)


def show(table: pd.DataFrame, *, precision: int = 3, index: bool = False, kind: str = "") -> Styler:
    """`table` as a page shows it: floats with `precision` digits, NaN as nothing; its index if asked."""
    styled = table.style.format(precision=precision, na_rep="")
    styled = styled.set_table_attributes(f'class="dataframe {kind}"')
    return styled if index else styled.hide(axis="index")


def provenance(preset: str, seeds: int | str, *base_names: str, name: str = "") -> Styler:
    """How this page came about, one row a fact.

    With the page's `name` it is kept as a table too, for a reference run.
    """
    this_machine = machine()
    image_sets = dict.fromkeys(base for base in base_names if base)
    today, seconds = time.strftime("%Y-%m-%d", time.gmtime()), time.perf_counter() - STARTED
    facts = {
        "preset": preset,
        "seeds": seeds,
        "images": ", ".join(f"{base} ({bases.digest(base)[:12]})" for base in image_sets) or "none",
        "device": this_machine["device"],
        "versions": this_machine["versions"],
        "source": f"reuselab {version('reuselab')} ({source_digest()[:12]})",
        "made": f"{today}, in {seconds:.0f} seconds (rows kept from earlier runs were not computed again)",
    }
    table = pd.DataFrame({"fact": list(facts), "value": list(facts.values())})
    if name:
        keep(table, f"{name}_provenance")
    return show_facts(table)


def show_facts(table: pd.DataFrame) -> Styler:
    """A table of columns fact and value, as `provenance` keeps it."""
    return show(table.set_index("fact").rename_axis(None), index=True, kind="facts").hide(axis="columns")


def source_digest() -> str:
    """SHA-256 over the module's source files."""
    sha = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        sha.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return sha.hexdigest()
