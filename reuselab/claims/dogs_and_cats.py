"""One Alice and Bobs at a range of distances in meaning, and one Bob and such Alices.

Mohamud & Brink 2026, A6; and A4 on photographs.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata, zscore

from reuselab import stats
from reuselab.check import choice
from reuselab.claims import baselines, mobilenet, registry, semantics
from reuselab.claims.baselines import ALICE
from reuselab.claims.parameters import AUTO, KEPT, check_cells, rules
from reuselab.experiment import bases, models, train
from reuselab.experiment.cell import ALONE, Cell
from reuselab.runs.study import grid, study

TASK = "dog|cat"
# The other tasks, from far to near in meaning, fixed before the kept run but after a pilot with four of them
# (see the page). Only the last, and the control, share classes with TASK.
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
LEAST_SEEDS = 3

RULES = rules(
    "network", "alice_pairs", "alice_epochs", "bob_pairs", "bob_epochs", "retrains", "test_pairs", "seeds"
) | {"base": bases.base_rule(AUTO, KEPT), "alice_recipe": choice(*train.RECIPES)}
PHOTOGRAPHS = ("pet_species", OTHERS)  # the page runs on the first of these that is at hand and serves


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line.

    A kept run needs no photographs.
    """
    if values["base"] != KEPT:
        cuts(values["network"], values["retrains"])
        check_cells(values, [setting | {"layout": ALONE} for *_, setting in settings(values["base"])])


def shown(values: Mapping[str, Any]) -> list[str]:
    """The classes of `base` that the page needs."""
    return list(chain(*bases.groups(TASK, bases.load(values["base"], "train").classes)))


def sets(base: str) -> list[str]:
    """The image sets that the tasks are of: `base`, and `OTHERS` where it has not got all their classes."""
    image_sets: dict[str, None] = {}
    for *_, sides in settings(base):
        image_sets |= {name: None for name in (sides["base"], sides["bob_base"]) if name}
    return list(image_sets)


def cuts(network: str, retrains: Sequence[int]) -> None:
    """Refuse `retrains` unless they are numbers of top blocks that leave one below, one of them above 0.

    Raises ValueError, in one line.
    """
    blocks = len(models.blocks(network))
    if not 0 < max(retrains) < blocks:
        raise ValueError(
            f"retrains must be numbers from 0 to {blocks - 1}, at least one above 0: "
            f"{network} has {blocks} blocks; not {list(retrains)}"
        )


def settings(base: str) -> list[tuple[str, str, str, dict[str, str]]]:
    """What the page runs, (direction, kind, task, the cell's parameters that say so).

    Raises ValueError, in one line, for a `base` without dogs and cats.
    """
    bases.groups(TASK, bases.load(base, "train").classes)
    pairs = [
        (direction, kind, task, _sides(base, *who))
        for kind, tasks in KINDS.items()
        for task in tasks
        for direction, who in zip(DIRECTIONS, ((TASK, task), (task, TASK)))
    ]
    same = _sides(base, TASK, TASK)
    controls = [
        (direction, CONTROL, TASK, same | {f"{who}_task": "shuffled"})
        for direction, who in zip(DIRECTIONS, ("bob", "alice"))
    ]
    return pairs + controls


def _sides(base: str, alice: str, bob: str) -> dict[str, str]:
    """The parameters of a cell in which Alice learns one task and Bob another."""
    alice_base, bob_base = _base(base, alice), _base(base, bob)
    return {
        "base": alice_base,
        "bob_base": bob_base if bob_base != alice_base else "",
        "alice_classes": alice,
        "bob_classes": bob,
    }


def _base(base: str, task: str) -> str:
    classes = bases.load(base, "train").classes
    return base if set(chain(*bases.groups(task))) <= set(classes) else OTHERS


def run(base: str, seeds: int, retrains: Sequence[int], **recipe: Any) -> pd.DataFrame:
    """Bob's accuracy for every task in both `DIRECTIONS`.

    One row each: direction, kind, task, method, retrain, seed, accuracy. "one Alice": she learns TASK and
    Bob has `task`; "one Bob": the other way round. In the control Bob's labels, or Alice's, are dealt at
    random. method: Alice and `RIVALS` (see `baselines.rivals`), Bob's head solved at the cut `retrain`;
    TRAINED: his top `retrain` blocks trained instead, none of them at 0, and all of them (scratch). base:
    the photographs of TASK; those of classes that it has not got are CIFAR-10's. retrains: fewer than all
    blocks; solved where above 0. recipe: more of the cells' parameters, for all.
    """
    labels, cells = [], []
    for direction, kind, task, setting in settings(base):
        shared = recipe | setting | {"layout": ALONE, "seed": range(seeds)}
        for method, retrain, cell in _lineup(shared, retrains):
            labels.append((direction, kind, task, method, retrain))
            cells.append(cell)
    rows = study(cells)
    return pd.DataFrame(labels, columns=["direction", "kind", "task", "method", "retrain"]).assign(
        seed=rows.seed.to_numpy(), accuracy=rows.bob_accuracy.round(4).to_numpy()
    )


def _lineup(shared: dict[str, Any], retrains: Sequence[int]) -> Iterator[tuple[str, int, Cell]]:
    """(method, retrain, cell) of a task: Bob and his rivals, heads solved; Bobs who train, scratch last."""
    solved = grid(**shared, probe=True, retrain=[k for k in retrains if k])
    for method, cell, rival in baselines.lineup(solved, only=[ALICE, *RIVALS]):
        yield method, cell.retrain, rival
    for cell in grid(**shared, retrain=list(retrains)):
        yield TRAINED, cell.retrain, cell
    whole = grid(**shared, retrain=len(models.blocks(shared["network"])))
    for _, cell, scratch in baselines.lineup(whole, only=["scratch"]):
        yield TRAINED, cell.retrain, scratch


# What the rows say.


def leads(rows: pd.DataFrame) -> pd.DataFrame:
    """Bob's lead over each of `RIVALS`, mean over all cuts, paired by seed.

    Columns direction, kind, task, over, seed, lead.
    """
    keys = ["direction", "kind", "task", "seed"]
    solved = rows[rows.method != TRAINED]
    accuracy = solved.groupby([*keys, "method"], sort=False).accuracy.mean().unstack()
    lead = -accuracy[list(RIVALS)].sub(accuracy[ALICE], axis=0)
    return lead.rename_axis(columns="over").stack().rename("lead").reset_index()


def kind_leads(rows: pd.DataFrame, direction: str, over: str = "random network") -> pd.DataFrame:
    """Bob's lead over the rival `over`, mean over a kind's tasks and all cuts: index seed, columns kinds."""
    lead_over = leads(rows).query("direction == @direction and over == @over")
    return lead_over.groupby(["seed", "kind"]).lead.mean().unstack()[[*KINDS, CONTROL]]


def rise(
    rows: pd.DataFrame, direction: str, low: str = "vehicles", high: str = "other animals"
) -> tuple[float, float, float]:
    """How much more Bob leads the random network on the kind `high` than on `low`, with its 95 % interval."""
    lead = kind_leads(rows, direction)
    return stats.interval(lead[high] - lead[low])


def nearness(kind: str = "wu-palmer") -> dict[str, float]:
    """How near each task is in meaning to TASK (`semantics.similarity`)."""
    return {task: semantics.similarity(OTHERS, TASK, task, kind) for task in chain(*KINDS.values())}


def task_table() -> pd.DataFrame:
    """The tasks from near to far: kind, the other task, and its nearness by both measures."""
    wu_palmer, path = nearness("wu-palmer"), nearness("path")
    return pd.DataFrame(
        [
            {
                "kind": kind,
                "the other task": task.replace("|", " or "),
                "nearness (Wu-Palmer)": wu_palmer[task],
                "(path)": path[task],
            }
            for kind in reversed(KINDS)
            for task in KINDS[kind]
        ]
    )


def trend(rows: pd.DataFrame, direction: str, kinds: Sequence[str] = tuple(KINDS)) -> stats.Trend:
    """Test that Bob's lead over the random network rises from the farthest of `kinds` to the nearest."""
    return stats.trend(kind_leads(rows, direction)[list(kinds)])


def effective(rows: pd.DataFrame, over: str) -> dict[str, tuple[float, float, float]]:
    """With one Alice, Bob's lead over `over` for each of the kinds `RELATED`.

    Means with 95 % t-intervals over seeds, widened for the number of kinds (Bonferroni).
    """
    lead = kind_leads(rows, "one Alice", over)
    return {kind: stats.interval(lead[kind], 1 - 0.05 / len(RELATED)) for kind in RELATED}


# Claim A6.


def parts(rows: pd.DataFrame) -> pd.DataFrame:
    """The parts of claim A6: direction, part, effect (in words, with intervals) and verdict.

    Rises with nearness (`trend`, from the farthest kind to the nearest): holds, or in part, as the trend
    does; does not hold where the interval of the rise lies below zero; else undecided. Effective, over a
    random network and over scratch (`effective`): holds where the intervals of both kinds lie above zero;
    does not hold where one lies below; else undecided. Fewer than three seeds leave every part undecided.
    """
    table = pd.DataFrame(
        [_rise_part(rows, direction) for direction in DIRECTIONS]
        + [_effective_part(rows, over) for over in ("random network", "scratch")]
    )
    return table if rows.seed.nunique() >= LEAST_SEEDS else table.assign(verdict="undecided")


def _rise_part(rows: pd.DataFrame, direction: str) -> dict[str, str]:
    tested = trend(rows, direction)
    return {
        "direction": direction,
        "part": "rises with nearness",
        "effect": f"{stats.in_words(tested.rise)}, p = {tested.p_in_words}",
        "verdict": tested.verdict,
    }


def _effective_part(rows: pd.DataFrame, over: str) -> dict[str, str]:
    intervals = effective(rows, over).values()
    lowest, highest = min(low for _, low, _ in intervals), min(high for *_, high in intervals)
    return {
        "direction": "one Alice",
        "part": f"effective, over {over}",
        "effect": f"at least {stats.in_words(min(intervals))}",
        "verdict": "does not hold" if highest < 0 else "holds" if lowest > 0 else "undecided",
    }


def verdict(parts: pd.DataFrame) -> str:
    """Claim A6's, over its `parts`.

    Theirs where they agree; "holds in part" where one of them holds, at least in part. Else one of them does
    not hold, and so the claim does not.
    """
    verdicts = set(parts.verdict)
    if len(verdicts) == 1:
        return verdicts.pop()
    return "holds in part" if verdicts & {"holds", "holds in part"} else "does not hold"


def judge(rows: pd.DataFrame, preset: str, images: str) -> dict[str, Any]:
    """The row of claim A6 for the scoreboard (`registry.row`)."""
    rise_of_lead = stats.in_words(trend(rows, "one Alice").rise)
    least_lead = stats.in_words(min(effective(rows, "random network").values()))
    effect = (
        f"lead over a random network rises from far to near by {rise_of_lead}; "
        f"with related tasks at least {least_lead}"
    )
    few = stats.few({"seed": rows.seed.nunique()})
    return registry.row("A6", verdict(parts(rows)), effect, preset, images, few=few)


def words(rows: pd.DataFrame) -> dict[str, str]:
    """The numbers that the page's text names; _Alice is with one Alice, _Bob with one Bob."""
    texts = {}
    for direction in DIRECTIONS:
        who, lead, tested = direction.split()[1], kind_leads(rows, direction), trend(rows, direction)
        texts[f"rise_{who}"] = stats.in_words(tested.rise)
        texts[f"step_{who}"] = stats.in_words(rise(rows, direction))
        texts[f"p_apart_{who}"] = trend(rows, direction, list(KINDS)[:-1]).p_in_words
        for kind in lead:
            texts[f"lead_{who}_{kind.split()[0]}"] = stats.in_words(stats.interval(lead[kind]))
    for name, without in (("tells", ()), ("tells_other", ("same classes",))):
        for direction, (correlation, p) in tells(rows, without).items():
            told = "none: one number is best in all" if np.isnan(p) else f"{correlation:+.2f} (p = {p:.2g})"
            texts[f"{name}_{direction.split()[1]}"] = told
    return texts


def answers(rows: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer, with one Alice, mean over all cuts."""
    lead = leads(rows).query("direction == 'one Alice' and kind != @CONTROL")
    over_start = lead[lead.over == "random network"].groupby("task").lead.mean()
    most, least = over_start.idxmax(), over_start.idxmin()
    over_scratch = lead[lead.over == "scratch"].groupby(["seed", "kind"]).lead.mean().unstack()
    told = [
        f"{kind} {stats.by_sign(stats.interval(over_scratch[kind]), 'no', 'yes', 'this run does not tell')} "
        f"({over_scratch[kind].mean():+.2f})"
        for kind in reversed(KINDS)
    ]
    return {
        "tasks": (
            f"Most: {most.replace('|', ' or ')} ({over_start[most]:+.2f}). "
            f"Least: {least.replace('|', ' or ')} ({over_start[least]:+.2f})."
        ),
        "scratch": f"By his lead over scratch: {', '.join(told)}.",
    }


# The best number of retrained blocks, A4's question.


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the Bobs who train the top k blocks, in the last column all of them (scratch).

    Index direction, kind, task, seed; columns k.
    """
    return rows[rows.method == TRAINED].pivot(
        index=["direction", "kind", "task", "seed"], columns="retrain", values="accuracy"
    )


def best(rows: pd.DataFrame) -> pd.DataFrame:
    """k*, the number of retrained blocks with the highest accuracy (of equals the fewest), mean over seeds.

    Columns direction, kind, task, k, near.
    """
    of_seeds = curves(rows).idxmax(axis=1)
    means = of_seeds.groupby(["direction", "kind", "task"], sort=False).mean().rename("k").reset_index()
    return means[means.kind != CONTROL].assign(near=lambda table: table.task.map(nearness()))


def tells(
    rows: pd.DataFrame, without: Sequence[str] = (), draws: int = 9999
) -> dict[str, tuple[float, float]]:
    """Per direction, Spearman's correlation of k* and nearness over the tasks, and its p against a fall.

    Tasks of the kinds `without` are left out; tasks are permuted one by one. NaN if all k* are one.
    """
    table = best(rows).query("kind not in @without")
    return {
        direction: _fall(tasks.k.to_numpy(), tasks.near.to_numpy(), draws)
        for direction, tasks in table.groupby("direction", sort=False)
    }


def _fall(k: NDArray[np.float64], near: NDArray[np.float64], draws: int) -> tuple[float, float]:
    if np.ptp(k) == 0:
        return np.nan, np.nan
    k_ranks, near_ranks = zscore(rankdata(k)), zscore(rankdata(near))
    test = permutation_test(
        (k_ranks,),
        lambda ranks, axis: (ranks * near_ranks).mean(axis),
        permutation_type="pairings",
        vectorized=True,
        alternative="less",
        n_resamples=draws,
        rng=np.random.default_rng(0),
    )
    return float(test.statistic), float(test.pvalue)


# The evidence, with an Alice who learnt ImageNet.

EVIDENCE_SETS, DECISIONS, evidence_rows = mobilenet.SETS, mobilenet.DECISIONS, mobilenet.evidence_rows
