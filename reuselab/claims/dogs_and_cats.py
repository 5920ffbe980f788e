"""One Alice and Bobs at a range of distances in meaning, and one Bob and such Alices (Mohamud & Brink 2026, A6; and A4 on photographs)."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import permutation_test, rankdata

from reuselab import stats
from reuselab.check import choice
from reuselab.claims import baselines, semantics
from reuselab.claims.baselines import ALICE
from reuselab.claims.parameters import AUTO, KEPT, check_cells, rules
from reuselab.experiment import bases, models, train
from reuselab.experiment.cell import ALONE
from reuselab.runs.study import grid, study

TASK = "dog|cat"
# The other tasks, from far to near in meaning, fixed before the kept run but after a pilot with four of them (see the page).
# Only the last, and the control, share classes with TASK.
KINDS = {
    "vehicles": ("automobile|truck", "airplane|ship", "airplane|truck"),
    "animal or vehicle": ("horse|truck", "bird|airplane", "frog|ship"),
    "other animals": ("deer|horse", "bird|frog", "deer|frog"),
    "same classes": (TASK,),
}
CONTROL = "shuffled control"
RELATED = ("other animals", "same classes")
DIRECTIONS = ("one Alice", "one Bob")
RIVALS = ("random network", "raw pixels", "scratch")
TRAINED = "top trained"
OTHERS = "cifar10"  # has all classes, and a tree of kinds that tells how near they are


RULES = rules(
    "network", "alice_pairs", "alice_epochs", "bob_pairs", "bob_epochs", "retrains", "test_pairs", "seeds"
) | {"base": choice(*bases.NAMES, AUTO, KEPT), "alice_recipe": choice(*train.RECIPES)}
PHOTOGRAPHS = ("pet_species", "cifar10")  # the page runs on the first of these that is at hand and serves


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line. A kept run needs no photographs."""
    if values["base"] != KEPT:
        cuts(values["network"], values["retrains"])
        check_cells(values, [setting | {"layout": ALONE} for *_, setting in settings(values["base"])])


def shown(values: Mapping[str, Any]) -> list[str]:
    """The classes of `base` that the page needs."""
    return list(chain(*bases.groups(TASK, bases.load(values["base"], "train").classes)))


def run(base: str, seeds: int, retrains: Sequence[int], **recipe: Any) -> pd.DataFrame:
    """Bob's accuracy for every task in both `DIRECTIONS`, one row each: direction, kind, task, method, retrain, seed, accuracy.

    "one Alice": she learns TASK and Bob has `task`; "one Bob": the other way round. In the control the labels of the other one are
    dealt at random. method: Alice and `RIVALS` (see `baselines.rivals`), Bob's head solved at the cut `retrain`; TRAINED: his top
    `retrain` blocks trained instead, none of them at 0, and all of them (scratch). base: the photographs of TASK; those of classes that it has not got are
    CIFAR-10's. retrains: fewer than all blocks; solved where above 0. recipe: more of the cells' parameters, for all.
    """
    found = []
    for direction, kind, task, parameters in settings(base):
        shared = recipe | parameters | {"layout": ALONE, "seed": range(seeds)}
        entries = baselines.lineup(
            grid(**shared, probe=True, retrain=[k for k in retrains if k]), only=[ALICE, *RIVALS]
        )
        entries += [(TRAINED, cell, cell) for cell in grid(**shared, retrain=list(retrains))]
        whole = grid(**shared, retrain=len(models.blocks(recipe["network"])))
        entries += [
            (TRAINED, cell, scratch) for _, cell, scratch in baselines.lineup(whole, only=["scratch"])
        ]
        found += [(direction, kind, task, *entry) for entry in entries]
    rows = study([rival for *_, rival in found])
    return pd.DataFrame(
        {
            "direction": [direction for direction, *_ in found],
            "kind": [kind for _, kind, *_ in found],
            "task": [task for _, _, task, *_ in found],
            "method": [method for *_, method, _, _ in found],
            "retrain": [cell.retrain for *_, cell, _ in found],
            "seed": rows.seed,
            "accuracy": rows.bob_accuracy.round(4),
        }
    )


def sets(base: str) -> list[str]:
    """The image sets that the tasks are of: `base`, and where it has not got all their classes `OTHERS` too."""
    return list(
        dict.fromkeys(
            name
            for *_, parameters in settings(base)
            for name in (parameters["base"], parameters["bob_base"])
            if name
        )
    )


def cuts(network: str, retrains: Sequence[int]) -> None:
    """Raise ValueError, in one line, unless `retrains` are numbers of top blocks that leave one below, and one of them is above 0."""
    blocks = len(models.blocks(network))
    if not 0 < max(retrains) < blocks:
        raise ValueError(
            f"retrains must be numbers from 0 to {blocks - 1}, at least one above 0: {network} has {blocks} blocks; not {list(retrains)}"
        )


def settings(base: str) -> list[tuple[str, str, str, dict[str, str]]]:
    """(direction, kind, task, the cell's parameters that say so). ValueError, in one line, for a `base` without dogs and cats."""
    bases.groups(TASK, bases.load(base, "train").classes)

    def parameters(alice: str, bob: str) -> dict[str, str]:
        hers, his = _base(base, alice), _base(base, bob)
        return {
            "base": hers,
            "bob_base": his if his != hers else "",
            "alice_classes": alice,
            "bob_classes": bob,
        }

    found = []
    for kind, tasks in KINDS.items():
        for task in tasks:
            found += [
                ("one Alice", kind, task, parameters(TASK, task)),
                ("one Bob", kind, task, parameters(task, TASK)),
            ]
    return found + [
        ("one Alice", CONTROL, TASK, parameters(TASK, TASK) | {"bob_task": "shuffled"}),
        ("one Bob", CONTROL, TASK, parameters(TASK, TASK) | {"alice_task": "shuffled"}),
    ]


def _base(base: str, task: str) -> str:
    classes = bases.load(base, "train").classes
    return base if all(name in classes for group in bases.groups(task) for name in group) else OTHERS


# What the rows say.


def leads(rows: pd.DataFrame) -> pd.DataFrame:
    """Bob's lead over each of `RIVALS`, mean over all cuts, paired by seed: columns direction, kind, task, over, seed, lead."""
    keys = ["direction", "kind", "task", "seed"]
    mean = rows[rows.method != TRAINED].groupby([*keys, "method"], sort=False).accuracy.mean().unstack()
    long = (-mean[list(RIVALS)].sub(mean[ALICE], axis=0)).rename_axis(columns="over").stack().rename("lead")
    return long.reset_index()


def by_kind(rows: pd.DataFrame, over: str = "random network") -> dict[tuple[str, str], str]:
    """Bob's lead over `over` for each (direction, kind), mean over its tasks and all cuts, in words with its 95 % interval over seeds."""
    some = leads(rows).query("over == @over").groupby(["direction", "kind", "seed"], sort=False).lead.mean()
    return {
        key: "{:+.3f} [{:+.3f}, {:+.3f}]".format(*stats.interval(values))
        for key, values in some.groupby(["direction", "kind"], sort=False)
    }


def rise(
    rows: pd.DataFrame, direction: str, low: str = "vehicles", high: str = "other animals"
) -> tuple[float, float, float]:
    """How much Bob's lead over the random network is larger for the kind `high` than for `low`, with its 95 % interval over seeds."""
    some = (
        leads(rows)
        .query("direction == @direction and over == 'random network'")
        .groupby(["seed", "kind"])
        .lead.mean()
        .unstack()
    )
    return stats.interval(some[high] - some[low])


def nearness(kind: str = "wu-palmer") -> dict[str, float]:
    """How near each task is in meaning to TASK (`semantics.similarity`)."""
    return {
        task: semantics.similarity(OTHERS, TASK, task, kind) for tasks in KINDS.values() for task in tasks
    }


def trend(rows: pd.DataFrame, direction: str, over: str = "random network") -> stats.Trend:
    """Test that Bob's lead rises from the farthest kind to the nearest; a kind is the mean of its tasks."""
    some = leads(rows).query("direction == @direction and over == @over and kind != @CONTROL")
    return stats.trend(some.groupby(["seed", "kind"]).lead.mean().unstack()[list(KINDS)])


def effective(rows: pd.DataFrame, over: str) -> dict[str, tuple[float, float, float]]:
    """With one Alice, Bob's lead over `over` for each of the kinds `RELATED`, with its 95 % interval over seeds (t, widened for their number)."""
    some = (
        leads(rows)
        .query("direction == 'one Alice' and over == @over and kind in @RELATED")
        .groupby(["kind", "seed"])
        .lead.mean()
    )
    return {kind: stats.interval(values, 1 - 0.05 / len(RELATED)) for kind, values in some.groupby("kind")}


def parts(rows: pd.DataFrame) -> pd.DataFrame:
    """The parts of claim A6, a row each: direction, part, effect (in words, with intervals) and verdict; the rules were fixed before the run.

    Rises with nearness: the verdict of `trend`; the effect is from the farthest kind to the nearest. Effective, over a random network and over
    scratch: holds where `effective` lies above zero for both kinds, does not hold where it lies below for one, else is undecided.
    Fewer than three seeds leave every part undecided.
    """
    found = []
    for direction in DIRECTIONS:
        rise = trend(rows, direction)
        found.append(
            (
                direction,
                "rises with nearness",
                "{:+.3f} [{:+.3f}, {:+.3f}], p = ".format(*rise.rise) + f"{rise.p:.1g}",
                rise.verdict,
            )
        )
    for over in ("random network", "scratch"):
        each = effective(rows, over).values()
        _, low, high = zip(*each)
        verdict = "does not hold" if min(high) < 0 else "holds" if min(low) > 0 else "undecided"
        found.append(
            (
                "one Alice",
                f"effective, over {over}",
                "at least {:+.3f} [{:+.3f}, {:+.3f}]".format(*min(each)),
                verdict,
            )
        )
    table = pd.DataFrame(found, columns=["direction", "part", "effect", "verdict"])
    return table if rows.seed.nunique() >= 3 else table.assign(verdict="undecided")


def verdict(parts: pd.DataFrame) -> str:
    """Claim A6's, over its `parts`: theirs where they agree; in part where some part holds, at least in part; else it does not hold."""
    found = set(parts.verdict)
    if len(found) == 1:
        return found.pop()
    return "holds in part" if found & {"holds", "holds in part"} else "does not hold"


# The best number of retrained blocks, A4's question.


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the Bobs who train the top k blocks, in the last column all of them (scratch): index direction, kind, task, seed; columns k."""
    return rows[rows.method == TRAINED].pivot(
        index=["direction", "kind", "task", "seed"], columns="retrain", values="accuracy"
    )


def best(rows: pd.DataFrame) -> pd.DataFrame:
    """k*, the number of retrained blocks with the highest accuracy (of equals the fewest), mean over seeds: direction, kind, task, k, near."""
    found = (
        curves(rows)
        .idxmax(axis=1)
        .groupby(["direction", "kind", "task"], sort=False)
        .mean()
        .rename("k")
        .reset_index()
    )
    return found[found.kind != CONTROL].assign(near=lambda table: table.task.map(nearness()))


def tells(
    rows: pd.DataFrame, without: Sequence[str] = (), draws: int = 9999
) -> dict[str, tuple[float, float]]:
    """Per direction, Spearman's correlation of k* and nearness over the tasks but those of the kinds `without`, and its p against a fall,
    the tasks permuted; NaN if all k* are one."""
    found = {}
    for direction, table in best(rows).query("kind not in @without").groupby("direction", sort=False):
        if table.k.nunique() == 1:
            found[direction] = np.nan, np.nan
            continue
        k, near = (
            (ranks - ranks.mean()) / np.linalg.norm(ranks - ranks.mean())
            for ranks in map(rankdata, (table.k, table.near))
        )
        test = permutation_test(
            (k,),
            lambda k, axis: (k * near).sum(axis),
            permutation_type="pairings",
            vectorized=True,
            alternative="less",
            n_resamples=draws,
            rng=np.random.default_rng(0),
        )
        found[direction] = float(test.statistic), float(test.pvalue)
    return found
