"""Which photographs a page runs on: the best image set at hand, else none, and it shows the run that is kept."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from reuselab.book.kept import kept, references
from reuselab.claims.parameters import AUTO, KEPT
from reuselab.experiment import bases


def choose(name: str, values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of page `name` with a `base` that is here, and with as many photographs as it has where not `given`.

    For the base `AUTO` that is the first of the page's image sets that is here and serves; else `KEPT`, the run that is kept.
    Raises ValueError or FileNotFoundError, in one line, where the page can neither run nor show a kept run.
    """
    page = _module(name)
    for base in page.PHOTOGRAPHS if values["base"] == AUTO else [values["base"]]:
        if base == KEPT or (values["base"] == AUTO and not bases.present(base)):
            continue
        own = values | {"base": base}
        try:
            limits = _most(own, page.shown(own))
            own |= {key: min(values[key], most) for key, most in limits.items() if key not in given}
            page.check(own)
        except (ValueError, FileNotFoundError):
            if values["base"] != AUTO:
                raise
        else:
            return own
    if not references(name):
        raise FileNotFoundError(
            f"page {name} has no photographs to run on, and no run of it is kept; "
            f"{_fetch(page.PHOTOGRAPHS[-1])} gets some"
        )
    return values | {"base": KEPT}


def _most(values: Mapping[str, Any], classes: list[str]) -> dict[str, int]:
    """How many photographs there are for Alice beside Bob's, and to judge on, in a task of two of `classes`."""
    base = values["base"]

    def least(split: str) -> int:
        whole = bases.load(base, split)
        counts = whole.labels.bincount(minlength=len(whole.classes))
        return int(counts[[whole.classes.index(name) for name in classes]].min())

    train, test = least("train"), least("test")
    if min(2 * train - values["bob_pairs"], 2 * test) < 10:
        raise ValueError(
            f"base {base} has too few photographs of some of {', '.join(classes)}: "
            f"{train:,} of one to train on, {test:,} to judge on"
        )
    return {"alice_pairs": 2 * train - values["bob_pairs"], "test_pairs": 2 * test}


def used(name: str, values: Mapping[str, Any]) -> list[str]:
    """The image sets that page `name` is computed from with these parameters."""
    named = [values.get("base"), values.get("bob_base"), *(values.get("bob_bases") or [])]
    sets = [base for base in named if base not in (None, "", KEPT)]
    if hasattr(_module(name), "PHOTOGRAPHS"):
        sets += [more for base in sets for more in _module(name).sets(base)]
    return list(dict.fromkeys(sets))


def told(name: str, base: str) -> str:
    """On which photographs page `name` was computed, and how to have it computed on the best."""
    best, *_, last = _module(name).PHOTOGRAPHS
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


def _module(name: str) -> ModuleType:
    return import_module(f"reuselab.claims.{name}")


def _fetch(base: str) -> str:
    """The command that gets an image set."""
    return f"reuselab data fetch {bases.SAME.get(base, base)}"


def _title(base: str) -> str:
    from reuselab.sources.registry import SETS  # three seconds of torchvision that other pages don't spend

    name = bases.SAME.get(base, base)
    return SETS[name].title if name in SETS else f"image set {base}"
