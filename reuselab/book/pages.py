"""What a notebook says about itself: its parameters, its table, its provenance."""

import ast
import hashlib
import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import jupytext
import pandas as pd
import papermill
import yaml
from nbformat import NotebookNode
from pandas.io.formats.style import Styler

from reuselab.check import Rule, choice, integer, known, number, several, shorten, text
from reuselab.claims import baselines
from reuselab.claims import dogs_and_cats as kinship
from reuselab.claims import open_images as matrix
from reuselab.claims import registry as claims
from reuselab.experiment import bases, cell, train
from reuselab.runs.study import grid, machine, ready
from reuselab.theory import relu, shallow

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PRESETS = ("smoke", "quick", "paper")
RESULTS = NOTEBOOKS.parent / "results"
REFERENCE = ("summary", "claims", "provenance")
STARTED = time.perf_counter()

# Pages of photographs run on the first of these image sets that is here and serves, if any does; else they show the run that is kept.
PHOTOGRAPHS = {"dogs_and_cats": ("pet_species", "cifar10"), "open_images": ("openimages", "cifar10")}
AUTO, KEPT = "auto", claims.KEPT
_BASE = choice(*bases.NAMES, AUTO, KEPT)

# A page's parameters are a cell's, one value or, in the plural, several; those of the ReLU networks and of the shallow models; and these.
PLURALS = {**{f"{name}s": name for name in cell.RULES}, "bob_samples": "bob_pairs"}
RULES: dict[str, Rule] = {
    **cell.RULES,
    **{plural: several(cell.RULES[name]) for plural, name in PLURALS.items()},
    **relu.RULES,
    **shallow.RULES,
    "classes": Rule(
        "a list of names, none twice, or [] for the first ten",
        lambda value: (
            isinstance(value, (list, tuple))
            and all(isinstance(name, str) for name in value)
            and len(set(value)) == len(value)
        ),
    ),
    "alice_recipe": choice(*train.RECIPES),
    "attribute": integer(1, 1_000_000),
    "seeds": integer(1, 1000),
    "draws": integer(1000, 10_000_000),
    "d": integer(16, 10_000),
    "gammas": several(number(0.05, 10)),
    "degrees": several(number(0, 180)),
    "sigmas": several(number(0, 10)),
    "depths": several(integer(2, 10)),
    "gamma_sources": several(
        Rule(
            "a number from 0.05 to 100, or null for an infinite sample",
            lambda value: value is None or number(0.05, 100).test(value),
        )
    ),
    "sigma_source": number(0, 10),
    "instances": integer(3, 10_000),
    "descents": integer(3, 10_000),
    "optimizers": several(choice(*baselines.OPTIMIZERS)),
    "optimizer_seeds": integer(1, 1000),
    "starts": integer(1, 20),
    "preset": text(),
}


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
        key: ast.literal_eval(found["default"])
        for key, found in papermill.inspect_notebook(read(name)).items()
    }


def parameters(name: str, preset: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of page `name`: its defaults, over them the preset's, over these the `given` ones.

    Raises ValueError or FileNotFoundError, in one line, before anything runs: for a parameter that the page does not
    have, a value that cannot be, an image set or a device that is not there.
    """
    known("preset", preset, PRESETS)
    own = defaults(name)
    for key in given:
        known("parameter", key, [key for key in own if key != "preset"])
    presets = yaml.safe_load((NOTEBOOKS / "presets.yml").read_text())
    values = own | presets[name].get(preset, {}) | given
    for key, value in values.items():
        (_BASE if key == "base" and name in PHOTOGRAPHS else RULES[key])(key, value)
    if name in PHOTOGRAPHS:
        values = _with_photographs(name, values, given)
    check(values, name in PHOTOGRAPHS)
    changed = ", ".join(f"{key} = {shorten(value)}" for key, value in given.items())
    return values | {"preset": preset + (f" with {changed}" if changed else "")}


def at_hand(name: str, **values: Any) -> tuple[Any, ...]:
    """`values`, the parameters base, alice_pairs, bob_pairs and test_pairs of page `name`; where base is `AUTO` those that it takes.

    That is the first of its image sets that is here and serves, with as many photographs as it has; else the run that is kept.
    """
    found = _with_photographs(name, defaults(name) | values, {}) if values["base"] == AUTO else values
    return tuple(found[key] for key in values)


def _with_photographs(name: str, values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with a `base` that is here, and with as many photographs as it has where not `given`."""
    for base in PHOTOGRAPHS[name] if values["base"] == AUTO else [values["base"]]:
        if base == KEPT or (values["base"] == AUTO and not bases.present(base)):
            continue
        try:
            found = (
                values
                | {"base": base}
                | {
                    key: min(values[key], most)
                    for key, most in _most(base, values).items()
                    if key not in given
                }
            )
            check(found, True)
        except (ValueError, FileNotFoundError):
            if values["base"] != AUTO:
                raise
        else:
            return found
    if not references(name):
        raise FileNotFoundError(
            f"page {name} has no photographs to run on, and no run of it is kept; {_fetch(PHOTOGRAPHS[name][-1])} gets some"
        )
    return values | {"base": KEPT}


def _most(base: str, values: Mapping[str, Any]) -> dict[str, int]:
    """How many photographs there are for Alice beside Bob's, and to judge on, in a task of two of the page's classes."""
    own = bases.load(base, "train").classes
    names = (
        matrix.chosen(base, values["classes"])
        if "classes" in values
        else sum(bases.groups(kinship.TASK, own), ())
    )
    train, test = (
        2
        * int(
            bases.load(base, split)
            .labels.bincount(minlength=len(own))[[own.index(name) for name in names]]
            .min()
        )
        for split in ("train", "test")
    )
    if min(train - values["bob_pairs"], test) < 10:
        raise ValueError(
            f"base {base} has too few photographs of some of {', '.join(names)}: {train // 2:,} of one to train on, {test // 2:,} to judge on"
        )
    return {"alice_pairs": train - values["bob_pairs"], "test_pairs": test}


def used(name: str, values: Mapping[str, Any]) -> list[str]:
    """The image sets that page `name` is computed from with these parameters."""
    found = [
        base
        for key in ("base", "bob_base", "bob_bases")
        for base in (values[key] if isinstance(values.get(key), list) else [values.get(key)])
        if base not in (None, "", KEPT)
    ]
    return list(
        dict.fromkeys(
            found + [one for base in found if name == "dogs_and_cats" for one in kinship.sets(base)]
        )
    )


def told(name: str, base: str) -> str:
    """On which photographs page `name` was computed, and how to have it computed on the best."""
    best, *_, last = PHOTOGRAPHS[name]
    if base == KEPT:
        return (
            f"What you see is the kept reference run {kept(name)[0]}, with its provenance below, and no computation of today: "
            f"for that the page needs photographs, and {_fetch(last)} gets some."
        )
    sets = used(name, {"base": base})
    mixed = (
        f"; classes that {_title(base)} has not got are those of {_title(sets[-1])}, so that near and far are also another set"
        if len(sets) > 1
        else ""
    )
    wish = "" if base == best else f" They stand in for {_title(best)} until that is here ({_fetch(best)})."
    return f"What you see up to the kept run was computed with this page, on the photographs of {_title(base)}{mixed}.{wish}"


def _fetch(base: str) -> str:
    """The command that gets an image set."""
    return f"reuselab data fetch {bases.SAME.get(base, base)}"


def _title(base: str) -> str:
    from reuselab.sources.registry import SETS  # three seconds of torchvision that other pages don't spend

    return (
        SETS[bases.SAME.get(base, base)].title if bases.SAME.get(base, base) in SETS else f"image set {base}"
    )


def check(values: Mapping[str, Any], photographs: bool = False) -> None:
    """Refuse what cannot be run together: every cell of the page is made, its images and its device are looked for.

    photographs: the page shows single ones; its tasks are those of `kinship.settings`, or with a parameter `classes` of every two of
    them (see `matrix.chosen`), and there must be enough of each. A kept run needs none.
    """
    relu.check(**values)
    shallow.check(**values)
    axes = {}
    for key, value in values.items():
        if key == "seeds":
            axes["seed"] = range(value)
        elif key in cell.RULES:
            axes[key] = value
        elif key in PLURALS:
            axes[PLURALS[key]] = value
    if photographs and axes["base"] == KEPT:
        return
    tasks = [{}]
    if "classes" in values:
        tasks = [
            {"layout": cell.ALONE, "alice_classes": two, "bob_classes": two}
            for two in map("|".join, pairwise(matrix.chosen(values["base"], values["classes"])))
        ]
    elif photographs:
        kinship.cuts(values["network"], values["retrains"])
        tasks = [setting | {"layout": cell.ALONE} for *_, setting in kinship.settings(values["base"])]
    if axes:
        ready([one for task in tasks for one in grid(**axes | task)])


def keep(table: pd.DataFrame, name: str) -> None:
    """Write `table` as NAME.csv into the folder REUSELAB_OUT, where one is set."""
    if folder := os.environ.get("REUSELAB_OUT"):
        table.to_csv(Path(folder) / f"{name}.csv", index=False)


def show(table: pd.DataFrame, precision: int = 3, index: bool = False, kind: str = "") -> Styler:
    """`table` as a page shows it: floats with `precision` digits, its index only where asked for."""
    styled = table.style.format(precision=precision).set_table_attributes(f'class="dataframe {kind}"')
    return styled if index else styled.hide(axis="index")


def provenance(preset: str, seeds: int | str, *base_names: str, name: str = "") -> Styler:
    """How this page came about, one row a fact; with the page's `name`, also kept as a table, for a reference run."""
    here = machine()
    facts = {
        "preset": preset,
        "seeds": seeds,
        "images": ", ".join(
            f"{base} ({bases.digest(base)[:12]})" for base in dict.fromkeys(filter(None, base_names))
        )
        or "none",
        "device": here["device"],
        "versions": here["versions"],
        "source": f"reuselab {version('reuselab')} ({source_digest()[:12]})",
        "made": f"{time.strftime('%Y-%m-%d', time.gmtime())}, in {time.perf_counter() - STARTED:.0f} seconds (rows kept from earlier runs were not computed again)",
    }
    table = pd.DataFrame({"fact": list(facts), "value": list(facts.values())})
    if name:
        keep(table, f"{name}_provenance")
    return show_facts(table)


def show_facts(table: pd.DataFrame) -> Styler:
    """A table of columns fact and value, as `provenance` keeps it."""
    return show(table.set_index("fact").rename_axis(None), index=True, kind="facts").hide(axis="columns")


def kept(name: str) -> tuple[str, dict[str, pd.DataFrame]]:
    """The best of the `references` of page `name`, preset paper before quick: where it is kept, as "quick/cifar10", and its tables."""
    return next(iter(references(name).items()), ("", {}))


def references(name: str) -> dict[str, dict[str, pd.DataFrame]]:
    """The reference runs of page `name` that the repository keeps, by preset and variant, as "quick/fashion".

    Each is its tables summary, claims and provenance. `make reference` writes them; a page only shows them, apart from its own run.
    """
    return {
        path.parent.relative_to(RESULTS).as_posix(): {
            part: pd.read_csv(path.with_name(f"{name}_{part}.csv")) for part in REFERENCE
        }
        for path in sorted(RESULTS.glob(f"*/*/{name}_{REFERENCE[0]}.csv"))
    }


def source_digest() -> str:
    """SHA-256 over the module's source files."""
    sha = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        sha.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return sha.hexdigest()
