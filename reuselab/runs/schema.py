"""What a row must be that was not made here: the one door for rows of files, and of code that comes back."""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from reuselab.check import Rule, number, shorten, text
from reuselab.experiment import cell as cells
from reuselab.runs import store
from reuselab.runs.store import DONE, UNCHECKED, Row, canonical


def _is_time(value: Any) -> bool:
    try:
        return bool(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return False


LETTERS, HEX = re.compile("[A-Za-z][A-Za-z0-9_]{0,99}"), re.compile("[0-9a-f]{64}")
NAME = Rule("letters, digits and _, up to 100", lambda value: LETTERS.fullmatch(value) is not None)
SOURCE = Rule(
    "64 hexadecimal digits", lambda value: isinstance(value, str) and HEX.fullmatch(value) is not None
)
TEXT = text()
IDENTITY = Rule("a text that is not empty", lambda value: TEXT.test(value) and value != "")
FINITE = Rule("a finite number", lambda value: isinstance(value, float) and math.isfinite(value))
ACCURACY = number(0, 1)
EMPTY = Rule("empty, as no measure of this cell", lambda value: value is None)
PLAIN = Rule(
    "a text, a finite number, true, false or null",
    lambda value: (
        value is None
        or (isinstance(value, int) and abs(value) <= 2**53)
        or FINITE.test(value)
        or TEXT.test(value)
    ),
)
# What a study tells of how a row came about; other code may tell less, or more.
PROVENANCE = {
    "device": TEXT,
    "git": TEXT,
    "versions": TEXT,
    "source": SOURCE,
    "seconds": number(0),
    "time": Rule("a time as 2026-01-31T12:00:00+00:00", _is_time),
}


def checked(
    code: str, images: str, cell: str, provenance: str, measures: Mapping[str, float | str | None]
) -> Row:
    """The row of source `code` with these texts and measures; one that is undefined is None or left out.

    Raises ValueError, in one line that names the column and what was expected, unless it is a whole row. One
    of this code must be what `cells.run` and a study make: every parameter, the identities of its image sets,
    each measure of `cells.measures` in its range and no other, and how it came about. Of other code, whose
    rows count nowhere, no more can be told than that parameters are texts, finite numbers, truth values or
    nothing; that there are measures, finite, none of them called like a parameter of today, and accuracies
    from 0 to 1. Such a row is `UNCHECKED`, and checked whole by the `Store` that is opened by its code.
    """
    SOURCE("source", code)
    identities = _object("images", images, IDENTITY, canonical)
    given = parameters(cell)
    made = _object("provenance", provenance, PLAIN, _dumps)
    here = code == store.source()
    for name in PROVENANCE if here else PROVENANCE.keys() & made:
        PROVENANCE[name](f"{name} in provenance", made.get(name))
    if made.get("source", code) != code:
        raise ValueError(f"source in provenance must be that of the row, not {shorten(made['source'])}")
    rules = cells.measures(_whole(given, identities)) if here else _guessed(measures)
    for name in {**rules, **measures}:
        rules.get(name, EMPTY)(name, measures.get(name))
    values = {name: measures.get(name) for name in rules}
    status = DONE if here else UNCHECKED
    return Row(store.name_of(cell, images), code, status, images, cell, json.dumps(values), "", provenance)


def parameters(cell: str) -> dict[str, Any]:
    """The parameters in a column `cell`, of this code or other. ValueError as `checked` raises it."""
    return _object("cell", cell, PLAIN, canonical)


def _object(column: str, told: str, rule: Rule, dumps: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """`told` as an object of JSON, each value passing `rule`, if it is to the letter what `dumps` writes."""
    try:
        value = json.loads(told)
        same = isinstance(value, dict) and dumps(value) == told
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise ValueError(f"{column} must be an object in JSON as it is exported, not {shorten(told)}")
    for name, item in value.items():
        NAME(f"a name in {column}", name)
        rule(f"{name} in {column}", item)
    return value


def _dumps(value: dict[str, Any]) -> str:
    return json.dumps(value, allow_nan=False)


def _whole(given: dict[str, Any], identities: dict[str, str]) -> cells.Cell:
    """The cell of the parameters `given`, if they are all that it has, and its images those that it needs."""
    if odd := sorted(given.keys() ^ cells.RULES.keys()):
        raise ValueError(f"cell must have every parameter of a cell and no other, as it has with {odd[0]}")
    cell = cells.Cell.of(**given)
    for name, value in cell.flat().items():
        if repr(value) != repr(given[name]):
            raise ValueError(f"{name} in cell must be written {value!r}, not {given[name]!r}")
    if identities.keys() != store.image_sets(cell):
        needed = ", ".join(sorted(store.image_sets(cell)))
        raise ValueError(f"images must be those of {needed}, not {shorten(sorted(identities))}")
    return cell


def _guessed(measures: Mapping[str, float | str | None]) -> dict[str, Rule]:
    """What the measures of other code must be."""
    named = [name for name, value in measures.items() if value is not None and name not in cells.RULES]
    if not named:
        raise ValueError("there must be a measure, not none")
    return {name: ACCURACY if "accuracy" in name else FINITE for name in named}
