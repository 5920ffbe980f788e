"""Which photographs a page runs on: the best image set at hand, or none, and then it shows its kept run.

A page of photographs says the facts in its module of `claims`: PHOTOGRAPHS, the image sets that it may
run on, the best first; `shown(values)`, the classes that it needs of one; `sets(base)`, the image sets
that its tasks are of; and `check(values)`, which refuses parameters that cannot be together.
"""

import base64
import io
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from PIL import Image
from torch import Tensor

from reuselab.book.kept import best_run, references
from reuselab.claims import module
from reuselab.claims.parameters import AUTO, KEPT
from reuselab.experiment import bases
from reuselab.sources.registry import SETS

LEAST = 10  # photographs of a task, to train on beside Bob's and to judge on


def choose(name: str, values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of page `name` with a `base` that is here, and no more photographs than it has.

    For the base `AUTO` that is the first of the page's image sets that is here and serves; else `KEPT`,
    its kept run. Numbers of photographs that are `given` stay. Raises ValueError or FileNotFoundError, in
    one line, where the page can neither run nor show a kept run, and where parameters are `given` that
    the kept run has not got.
    """
    page = module(name)
    asked = [key for key in given if key != "base"]
    refusals = []
    for base in _candidates(page, values["base"]):
        try:
            return _fitted(page, values | {"base": base}, given)
        except (ValueError, FileNotFoundError) as refusal:
            refusals.append(refusal)
    if refusals and (asked or values["base"] != AUTO):
        raise refusals[-1]
    return values | {"base": _kept(name, asked)}


def _candidates(page: ModuleType, base: str) -> list[str]:
    if base == AUTO:
        return [name for name in page.PHOTOGRAPHS if bases.present(name)]
    return [] if base == KEPT else [base]


def _fitted(page: ModuleType, values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with no more photographs than there are, but for numbers that are `given`."""
    limits = _limits(values, page.shown(values))
    fitted = values | {key: min(values[key], most) for key, most in limits.items() if key not in given}
    page.check(fitted)
    return fitted


def _limits(values: Mapping[str, Any], classes: list[str]) -> dict[str, int]:
    """How many photographs a task of two of `classes` has for Alice beside Bob's, and to judge on.

    Raises ValueError where these are fewer than `LEAST`.
    """
    train, test = (_fewest(values["base"], split, classes) for split in ("train", "test"))
    limits = {"alice_pairs": 2 * train - values["bob_pairs"], "test_pairs": 2 * test}
    if min(limits.values()) < LEAST:
        raise ValueError(
            f"base {values['base']} has too few photographs of some of {', '.join(classes)}: "
            f"{train:,} of one to train on, {test:,} to judge on"
        )
    return limits


def _fewest(base: str, split: str, classes: list[str]) -> int:
    """The number of photographs of the one of `classes` that has the fewest."""
    images = bases.load(base, split)
    counts = images.labels.bincount(minlength=len(images.classes))
    return min(int(counts[images.classes.index(name)]) for name in classes)


def _kept(name: str, asked: list[str]) -> str:
    """`KEPT`; FileNotFoundError where no run of the page is kept, and where parameters are `asked` for."""
    fetch = f"{_fetch(module(name).PHOTOGRAPHS[-1])} gets some"
    if not references(name):
        raise FileNotFoundError(
            f"page {name} has no photographs to run on, and no run of it is kept; {fetch}"
        )
    if asked:
        raise FileNotFoundError(
            f"page {name} needs photographs for its {', '.join(asked)}: its kept run has its own; {fetch}"
        )
    return KEPT


def used(name: str, values: Mapping[str, Any]) -> list[str]:
    """The image sets that page `name` is computed from with these parameters."""
    named = [values.get("base"), values.get("bob_base"), *(values.get("bob_bases") or [])]
    sets = [base for base in named if base not in (None, "", KEPT)]
    page = module(name)
    if hasattr(page, "PHOTOGRAPHS"):
        sets += [more for base in sets for more in page.sets(base)]
    return list(dict.fromkeys(sets))


def thumbnails(base: str, classes: Iterable[str], count: int = 4) -> dict[str, list[str]]:
    """The first `count` photographs of each class of an image set as addresses of data, none for `KEPT`."""
    if base == KEPT:
        return {}
    images = bases.load(base, "train")
    order, start = images.by_class
    first = {name: start[images.classes.index(name)] for name in classes}
    return {name: [_address(images.images[i]) for i in order[at : at + count]] for name, at in first.items()}


def _address(image: Tensor) -> str:
    """`image`, uint8 [C, H, W], in at most 64 pixels a side."""
    picture = Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy())
    picture.thumbnail((64, 64))
    with io.BytesIO() as out:
        picture.save(out, "JPEG", quality=85)
        return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def told(name: str, base: str) -> str:
    """On which photographs page `name` was computed, and how to have it computed on the best."""
    best, *_, last = module(name).PHOTOGRAPHS
    if base == KEPT:
        return (
            f"What you see was computed earlier and kept, as the reference run {best_run(name)[0]}; its "
            f"provenance stands below. A run of your own needs photographs: {_fetch(last)} gets some."
        )
    words = (
        f"All but the kept run at the end was computed with this page, on the photographs of {title(base)}"
    )
    sets = used(name, {"base": base})
    if len(sets) > 1:
        words += (
            f"; classes that {title(base)} has not got are those of {title(sets[-1])}, "
            "so that near and far are also another set"
        )
    words += "."
    if base != best:
        words += f" They stand in for {title(best)} until that is here ({_fetch(best)})."
    return words


def title(base: str) -> str:
    """The name of an image set in words."""
    return SETS[bases.origin(base)].title


def _fetch(base: str) -> str:
    """The command that gets an image set."""
    return f"reuselab data fetch {bases.origin(base)}"
