"""What a notebook says about itself: its parameters, its table, its provenance."""

import ast
import hashlib
import html
import json
import os
import platform
import time
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pandas as pd
import papermill
import yaml
from IPython.display import HTML
from nbformat import NotebookNode
from packaging.requirements import Requirement
from pandas.api.types import is_float, is_numeric_dtype
from pandas.io.formats.style import Styler

from reuselab import places
from reuselab.book import photographs, words
from reuselab.check import known, shorten, text
from reuselab.claims import evidence, module, registry
from reuselab.claims.parameters import AUTO
from reuselab.experiment import bases
from reuselab.figures.style import typeset
from reuselab.runs import exchange
from reuselab.runs.study import machine

NOTEBOOKS = places.SOURCES / "notebooks"
PRESETS = ("smoke", "quick", "paper")
STARTED = time.perf_counter()
UNDECIDED = (
    "Undecided: the effect is neither surely large enough to matter nor surely smaller, so its interval may "
    "lie above zero; or fewer than 95 % of the resamples of the seeds agree."
)


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
    """Write `table` as NAME.csv into the folder REUSELAB_OUT, if one is set; no text in it is a formula."""
    if folder := os.environ.get("REUSELAB_OUT"):
        exchange.with_texts(table, exchange.no_formula).to_csv(Path(folder) / f"{name}.csv", index=False)


def show(table: pd.DataFrame, *, precision: int = 3, index: bool = False, kind: str = "") -> Styler:
    """`table` as a page shows it: floats with `precision` digits, NaN as nothing, its index if asked for.

    Numbers stand at the right of their columns, all else at the left.

    Whatever a cell or a name holds is shown as text, and is no markup; Greek letters stand for their names.
    """

    def plain(value: Any) -> str:
        if is_float(value):
            return "" if np.isnan(value) else f"{value:.{precision}f}"
        return html.escape(typeset(str(value)))

    def name(value: Any) -> str | None:
        return None if value is None else plain(value)

    styled = table.rename_axis(index=name, columns=name).style.format(plain)
    styled.format_index(plain, axis="index").format_index(plain, axis="columns")
    styled.set_table_attributes(f'class="dataframe {kind}"')
    left = [{"selector": "", "props": "text-align: left"}]
    words = [column for column, dtype in table.dtypes.items() if not is_numeric_dtype(dtype)]
    styled.set_table_styles(dict.fromkeys(words, left))
    return styled if index else styled.hide(axis="index")


def claims(name: str) -> list[str]:
    """The claims that page `name` tests."""
    return [claim for claim, told in registry.CLAIMS.items() if told.page == name]


def in_one_minute(name: str) -> HTML:
    """The box that opens page `name`: its claims, what the evidence found, and what for."""
    entries = [_claim_in_one_minute(claim) for claim in claims(name)]
    if about := getattr(module(name), "ABOUT", ""):
        entries.append(_entry("The idea", about))
    return HTML(
        '<aside class="rl-minute" aria-label="In one minute"><p class="rl-title">In one minute</p>'
        f"{''.join(entries)}</aside>"
    )


def _claim_in_one_minute(claim: str) -> str:
    told = words.findings(claim)
    found = "".join(
        f"<li>{words.mark(one.verdict)} {html.escape(typeset(one.sentence))}</li>"
        for finding in told
        for one in finding.parts or (finding,)
    )
    uses = [
        f"{one.where[0].upper()}{one.where[1:]}: {one.use[0].lower()}{one.use[1:]}" for one in told if one.use
    ]
    meaning = _entry("If you reuse networks", " ".join(uses)) if uses else ""
    claimed = _entry(f"The claim ({claim})", words.words(claim).said)
    more = html.escape(words.beside(claim, intervals=True))
    more = f"<p>{more}</p>" if more else ""
    return f"{claimed}<p><strong>What we found.</strong></p><ul>{found}</ul>{more}{meaning}"


def _entry(title: str, text: str) -> str:
    return f"<p><strong>{html.escape(title)}.</strong> {html.escape(text)}</p>"


def show_evidence(*claims: str) -> Styler:
    """The verdicts on `claims`, and what decides them."""
    verdicts = "; ".join(f"{claim} {evidence.verdict(claim)}" for claim in claims)
    board = evidence.board(*claims)
    if len(claims) == 1:
        board = board.drop(columns="claim")
    return show(board, kind="facts").set_caption(f"The evidence: {verdicts}. {UNDECIDED}")


def show_claims(rows: pd.DataFrame, name: str) -> Styler:
    """Keep what this run of page `name` found on its claims (rows of `registry.row`), and show it."""
    keep(rows, f"{name}_claims")
    return show(rows[["claim", "verdict", "effect"]].rename(columns={"verdict": "on this run"}), kind="facts")


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
    """SHA-256 over the module's files."""
    return hashlib.sha256(json.dumps(digests(places.PACKAGE, "**/*.py")).encode()).hexdigest()


def digests(folder: Path, *patterns: str) -> dict[str, str]:
    """SHA-256 of each file in `folder` that one of the glob `patterns` names, by its path there."""
    paths = {path for pattern in patterns for path in folder.glob(pattern)}
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file() and "__pycache__" not in path.parts
    }


@cache
def versions() -> dict[str, str]:
    """Version of Python and of every installed package that the book needs, or that one of these needs."""
    installed = {"Python": platform.python_version()}
    wanted = [("reuselab", "book")]
    for name, extra in wanted:
        with suppress(PackageNotFoundError):
            package = distribution(name)
            installed[package.name] = package.version
            for needed in map(Requirement, package.requires or ()):
                if not needed.marker or needed.marker.evaluate({"extra": extra}):
                    wanted += {(needed.name, more) for more in needed.extras or {""}} - set(wanted)
    return installed
