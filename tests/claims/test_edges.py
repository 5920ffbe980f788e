"""Every page at the edge values of its parameters: refused in one line, or drawn with an honest verdict.

The values are made from the words of each rule. Nothing is trained, and what only costs time is at its least:
the edges are about what a page can draw and judge. `make edges` tries all, `make test` all that a rule
refuses and a few of the others.
"""

import json
import math
import os
import random
import re
import warnings
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import photographs
import pytest
import yaml

from reuselab.book import pages
from reuselab.check import Rule
from reuselab.claims import module, registry
from reuselab.experiment import train
from reuselab.runs import study

# A page's parameters where they cost the least, but enough for every test.
SMALL: dict[str, dict[str, Any]] = {
    "pairs": {"draws": 5000, "rhos": [0.0, 0.5, 1.0], "phis": [0.0, 0.5], "test_pairs": 50, "bob_pairs": 20},
    "shallow": {
        "alphas": [-1, -0.5, 0, 0.5, 1],
        "steps": 20,
        "samples": [4, 8],
        "bobs": 2,
        "hidden_steps": 10,
        "seeds": 3,
    },
    "task_correlation": {"retrains": [1, 3], "alice_pairs": 50, "bob_pairs": 20, "test_pairs": 50},
    "zero_correlation": {
        "networks": ["mlp"],
        "bob_samples": [20],
        "bob_pairs": 30,
        "alice_pairs": 50,
        "test_pairs": 50,
        "draws": 1000,
    },
    "layers": {"retrains": [1, 3], "alice_pairs": 50, "bob_samples": [20], "test_pairs": 50},
    "attribution": {"alice_pairs": 50, "bob_pairs": 20, "test_pairs": 50, "attribute": 4},
    "deep_linear": {"d": 20, "degrees": [0, 45], "depths": [2], "instances": 100, "descents": 3},
    "phase_diagram": {
        "d": 20,
        "gammas": [0.3, 0.5, 1.5],
        "degrees": [5, 85],
        "sigmas": [0.5],
        "depths": [2],
        "instances": 4,
    },
    "nonlinear": {
        "d": 4,
        "teacher_width": 4,
        "student_width": 6,
        "samples": [8, 16, 32],
        "decay_samples": [8, 16, 32],
        "source_steps": 5,
        "steps": 5,
    },
    "dogs_and_cats": {"base": "cifar10", "alice_pairs": 20, "bob_pairs": 10, "test_pairs": 20},
    "open_images": {
        "base": "cifar10",
        "classes": ["automobile", "truck", "cat", "dog"],
        "alice_pairs": 20,
        "bob_pairs": 10,
        "test_pairs": 20,
    },
}
# Claims that cannot be decided on fewer than three of these.
NEEDED = {
    ("task_correlation", "rhos"): ["A2"],
    ("attribution", "rhos"): ["A5"],
    ("nonlinear", "samples"): ["B5"],
    ("nonlinear", "ablations"): ["B5"],
    **{
        (page, "seeds"): [name for name, claim in registry.CLAIMS.items() if claim.page == page]
        for page in SMALL
    },
}
# Of these a value of 1,000 or more is accepted and not drawn: it costs time alone.
TIME = ("pairs", "samples", "draws", "seeds", "steps", "instances", "descents", "stops", "bobs", "d", "width")
WRONG = (None, "x", {}, [], True, math.nan, math.inf, -math.inf, [[0]], ["x"], 10**30, "a\nb")
NUMBER = r"-?[\d,.]*\d(?:e[+-]?\d+)?"
UNDEFINED = re.compile(r"(?<!\w)[+-]?(nan|inf)(?!\w)")


@cache
def smoke(page: str) -> dict[str, Any]:
    presets = yaml.safe_load((pages.NOTEBOOKS / "presets.yml").read_text())
    return pages.defaults(page) | presets[page]["smoke"]


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
    if "above" in words:
        bounds[0] = float(np.nextafter(bounds[0], math.inf))
    return bounds + [None] * ("null" in words)


def edges(page: str) -> list[tuple[str, str, Any]]:
    """(parameter, which edge, value) for every parameter of `page`, around its values at smoke."""
    values = []
    for name, rule in module(page).RULES.items():
        usual = smoke(page)[name]
        if not isinstance(usual, list):
            values += [(name, end, value) for end, value in zip(("least", "greatest"), ends(rule))]
            continue
        items = ends(rule)
        values += [(name, "only one", [item]) for item in dict.fromkeys([*items, *usual])]
        values += [(name, "both ends", list(dict.fromkeys(items))), (name, "two", usual[:2])]
        values += [(name, "backwards", usual[::-1]), (name, "repeated", usual * 2)]
        values += [(name, "one more", list(dict.fromkeys([*usual, item]))) for item in items]
    return values


def at_edge(page: str, parameter: str, value: Any) -> dict[str, Any]:
    """The page's parameters with one at an edge; ValueError or FileNotFoundError where they are refused."""
    return pages.parameters(page, "smoke", SMALL[page] | {parameter: value})


@pytest.fixture(scope="module", autouse=True)
def made_photographs(tmp_path_factory):
    """Made photographs, a home of its own, one process, and nobody trains."""
    folder = tmp_path_factory.mktemp("edges")
    with pytest.MonkeyPatch.context() as patch:
        photographs.lay(folder / "data", patch)
        patch.setenv("REUSELAB_DATA", str(folder / "data"))
        patch.setenv("REUSELAB_HOME", str(folder / "home"))
        patch.setattr(study, "cores", lambda: 1)
        patch.setattr(train, "train", lambda *_, **__: [])
        kept = cache(pages.defaults)
        patch.setattr(pages, "defaults", lambda page: dict(kept(page)))
        yield


@pytest.fixture(scope="module")
def counted():
    """How many edge values of each page were refused and how many drawn, kept where all are tried."""
    counts: Counter[tuple[str, str]] = Counter()
    yield counts
    if os.environ.get("EDGES") == "all":
        table = pd.Series(counts).unstack(fill_value=0).rename_axis("page")
        table.to_csv(Path(__file__).parents[2] / "results" / "edges.csv")


def wrong(page: str, parameter: str) -> list[Any]:
    """What of `WRONG` no rule lets through for this parameter."""
    flag = module(page).RULES[parameter].expected == "true or false"
    right = [[]] if parameter == "classes" else [True] if flag else []
    return [value for value in WRONG if value not in right]


PARAMETERS = [
    pytest.param(page, name, marks=pytest.mark.hostile("input", len(wrong(page, name))))
    for page in SMALL
    for name in module(page).RULES
]
EDGES = [(page, *edge) for page in SMALL for edge in edges(page)]
QUICK = [edge for edge in EDGES if edge[0] not in ("attribution", "dogs_and_cats", "open_images")]
TRIED = EDGES if os.environ.get("EDGES") == "all" else random.Random(0).sample(QUICK, 5)


@pytest.mark.parametrize("page, parameter", PARAMETERS)
def test_what_no_rule_lets_through_is_refused_in_one_line(page, parameter):
    for value in wrong(page, parameter):
        with pytest.raises(ValueError) as refusal:
            pages.parameters(page, "smoke", {parameter: value})
        assert "\n" not in str(refusal.value)
        assert parameter in str(refusal.value) or str(refusal.value).startswith("no class 'x'; there is ")


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "page, parameter, edge, value", TRIED, ids=[f"{p}-{n}-{e}-{json.dumps(v)[:40]}" for p, n, e, v in TRIED]
)
def test_an_edge_value_is_refused_or_drawn_honestly(page, parameter, edge, value, counted, tmp_path):
    try:
        values = at_edge(page, parameter, value)
    except (ValueError, FileNotFoundError) as refusal:
        assert "\n" not in str(refusal)
        counted[page, "refused"] += 1
        return
    if parameter.endswith(TIME) and max(value if isinstance(value, list) else [value]) >= 1000:
        counted[page, "accepted"] += 1
        return
    done, shown = drawn(page, values, tmp_path)
    counted[page, "drawn"] += 1
    assert not [f"{name}: {told}" for name, told in done.glued.items() if UNDEFINED.search(str(told))]
    for name, rows in [*done.tables.items(), *shown]:
        assert defined(rows), f"{name} has a verdict beside what is not a number"
    board = (
        pd.concat(rows for name, rows in done.tables.items() if name.endswith("_claims"))
        if page != "pairs"
        else None
    )
    for claim in NEEDED.get((page, parameter), []) if edge in ("least", "only one", "two") else []:
        row = board.set_index("claim").loc[claim]
        assert row.verdict != "holds" and (row.verdict == "does not hold" or "undecided: " in row.effect)


def drawn(page: str, values: dict[str, Any], out: Path) -> tuple[photographs.Page, list]:
    """The page, run with warnings of numbers as errors, and the tables that it shows."""
    shown: list[tuple[str, pd.DataFrame]] = []
    show = pages.show

    def watched(table, **options):
        shown.append(("a table shown", table))
        return show(table, **options)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        patch.setattr(pages, "show", watched)
        done = photographs.execute(page, values, out)
    plt.close("all")
    return done, shown


def defined(rows: pd.DataFrame) -> bool:
    """Whether no text is "nan" or "inf", nor, in a table of verdicts, a number."""
    texts = [value for value in rows.to_numpy(object).ravel() if isinstance(value, str)]
    numbers = rows.select_dtypes("number").to_numpy(float) if "verdict" in rows else np.zeros(0)
    return bool(np.isfinite(numbers).all()) and not any(map(UNDEFINED.search, texts))
