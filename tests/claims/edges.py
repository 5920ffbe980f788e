"""Edge values of every parameter of every page, made from the words of its rule."""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from reuselab.book import pages
from reuselab.check import Rule
from reuselab.claims import module

NUMBER = r"-?[\d,.]*\d(?:e[+-]?\d+)?"
WRONG = (None, "x", {}, [], True, math.nan, math.inf, [[0]], ["x"], 10**30)


def ends(rule: Rule) -> list[Any]:
    """What passes `rule` at its ends: the least and the greatest number, the first and the last word."""
    words = rule.expected.removeprefix("a list of one or more items, each ")
    if words == "true or false":
        return [True, False]
    if words.startswith("one of "):
        options = ["" if word == "''" else word for word in words.removeprefix("one of ").split(", ")]
        return options[:: max(1, len(options) - 1)]
    kind = int if "whole number" in words else float
    bounds = [kind(bound.replace(",", "")) for bound in re.findall(rf"(?:from|above|to) ({NUMBER})", words)]
    if "above" in words and bounds:
        bounds[0] = float(np.nextafter(bounds[0], math.inf))
    return bounds + [None] * ("null" in words)


def edges(page: str) -> Iterator[tuple[str, str, Any]]:
    """(parameter, which edge, value) for every parameter of `page`, around its values at smoke."""
    rules, smoke = module(page).RULES, pages.parameters(page, "smoke", {})
    for name, rule in rules.items():
        value, words = smoke[name], rule.expected
        for wrong in WRONG:
            yield name, f"wrong: {wrong!r}", wrong
        if not isinstance(value, list):
            yield from ((name, end, at) for end, at in zip(("least", "greatest", "none"), ends(rule)))
            yield name, "a list", [value]
            continue
        items = ends(rule)
        yield from ((name, f"only {item!r}", [item]) for item in [*items, *value])
        yield name, "ends", list(dict.fromkeys(items))
        yield name, "two", value[:2]
        yield name, "doubled", value * 2
        yield name, "repeated", [*value, value[0]]
        yield name, "backwards", value[::-1]
        yield from ((name, f"and {item!r}", list(dict.fromkeys([*value, item]))) for item in items)
        yield name, "an item", value[0]
