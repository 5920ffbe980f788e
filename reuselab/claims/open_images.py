"""Every task of two classes for Alice, every one for Bob: does his gain follow how near the two are in a tree of kinds (Mohamud & Brink 2026, A7)?"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

from reuselab import stats
from reuselab.check import Rule, choice, known
from reuselab.claims import baselines, semantics
from reuselab.claims.baselines import ALICE
from reuselab.claims.parameters import AUTO, KEPT, check_cells, rules
from reuselab.experiment import bases, train
from reuselab.experiment.cell import ALONE
from reuselab.runs.study import grid, study
from reuselab.sources.openimages import KINDS

RIVALS = ("random network", "raw pixels")
NOBODY = "nobody"  # in place of Alice's task where there is no Alice
MOST, LEAST = 10, 4  # classes: taken where none are named, and needed for tasks that share none
KEYS = ["method", "seed", "alice", "alice_accuracy"]
LEVEL, AS_IS = 0.01, "as they are"
WIDTH = 0.1  # of a bin of nearness
DECIDING = ("all", "no class shared")


RULES = rules("network", "alice_pairs", "alice_epochs", "bob_pairs", "retrain", "test_pairs", "seeds") | {
    "base": choice(*bases.NAMES, AUTO, KEPT),
    "alice_recipe": choice(*train.RECIPES),
    "classes": Rule(
        "a list of names, none twice, or [] for the first ten",
        lambda value: (
            isinstance(value, (list, tuple))
            and all(isinstance(name, str) for name in value)
            and len(set(value)) == len(value)
        ),
    ),
}
PHOTOGRAPHS = ("openimages", "cifar10")  # the page runs on the first of these that is at hand and serves


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line. A kept run needs no photographs."""
    if values["base"] != KEPT:
        twos = map("|".join, pairwise(shown(values)))
        check_cells(values, [{"layout": ALONE, "alice_classes": two, "bob_classes": two} for two in twos])


def shown(values: Mapping[str, Any]) -> list[str]:
    """The classes of `base` that the page needs."""
    return chosen(values["base"], values["classes"])


def sets(base: str) -> list[str]:
    """The image sets that the tasks are of."""
    return [base]


def chosen(base: str, classes: Sequence[str]) -> list[str]:
    """The classes of `base` to make tasks of: those named, or for none its first `MOST`.

    Raises ValueError, in one line, for a base without a tree of kinds, a class that it or the tree has not got, and fewer than
    `LEAST` classes; FileNotFoundError for a base that is not here.
    """
    tree, own = semantics.tree(base), bases.load(base, "train").classes
    found = list(classes) or list(own[:MOST])
    for name in found:
        known("class", name, own)
        tree.label(name)
    if len(found) < LEAST:
        raise ValueError(
            f"classes must name at least {LEAST}, so that two tasks may share none, not {len(found)}"
        )
    return found


def run(base: str, classes: Sequence[str], seeds: int, **recipe: Any) -> pd.DataFrame:
    """Bob's accuracy for every Alice, and how near each two tasks are: columns `KEYS`, and one for each of Bob's T tasks of two classes.

    method: "Alice", a row for each seed and each task of hers; `RIVALS`, a row a seed, without her (see `baselines.rivals`: the random
    network has normalisation calibrated on photographs of his classes); and "wu-palmer" and "path", `semantics.similarities`,
    a row for each task of hers, of seed 0. Bob has a solved head in place of the top `retrain` blocks. recipe: more of the
    cells' parameters, for all. A table that was kept is the same to the digit.
    """
    tasks = semantics.tasks(chosen(base, classes))
    shared = recipe | {"base": base, "layout": ALONE, "probe": True, "seed": range(seeds)}
    entries = baselines.lineup(grid(**shared, alice_classes=tasks, bob_classes=tasks), only=[ALICE])
    for task in tasks:
        entries += baselines.lineup(grid(**shared, alice_classes=task, bob_classes=task), only=RIVALS)
    found = study([rival for *_, rival in entries])
    found["method"] = [method for method, *_ in entries]
    found.loc[found.method != ALICE, ["alice_classes", "alice_accuracy"]] = NOBODY, 0.0
    rows = ["method", "seed", "alice_classes"]
    table = found.pivot(index=rows, columns="bob_classes", values="bob_accuracy")[tasks].rename_axis(
        columns=None
    )
    table.insert(0, "alice_accuracy", found.groupby(rows).alice_accuracy.first())
    table = table.rename_axis(index=KEYS[:3]).reset_index()
    for kind in KINDS:
        near = semantics.similarities(base, tasks, kind).rename_axis("alice").reset_index()
        table = pd.concat([table, near.assign(method=kind, seed=0, alice_accuracy=0.0)], ignore_index=True)
    return table.round(4)


# What the rows say.


def tasks(rows: pd.DataFrame) -> list[str]:
    """The T tasks, each Alice's in a row and Bob's in a column."""
    return [*rows.columns[len(KEYS) :]]


def classes(rows: pd.DataFrame) -> list[str]:
    """The classes that the tasks are made of, so that `semantics.tasks` of them are `tasks`."""
    return list(dict.fromkeys("|".join(tasks(rows)).split("|")))


def near(rows: pd.DataFrame, kind: str = "wu-palmer") -> NDArray[np.float64]:
    """How near every two tasks are, [T, T]."""
    return rows[rows.method == kind].set_index("alice").loc[tasks(rows), tasks(rows)].to_numpy()


def accuracies(rows: pd.DataFrame, method: str = ALICE) -> NDArray[np.float64]:
    """Bob's accuracy, [S, T, T] (seed, Alice's task, his), or for a rival [S, 1, T]."""
    own, alices = rows[rows.method == method], tasks(rows) if method == ALICE else [NOBODY]
    order = np.lexsort((own.alice.map({name: i for i, name in enumerate(alices)}), own.seed))
    return own[tasks(rows)].to_numpy()[order].reshape(-1, len(alices), len(tasks(rows)))


def gains(rows: pd.DataFrame, over: str = "random network") -> NDArray[np.float64]:
    """Bob's accuracy with Alice less that of the rival `over`, same seed, photographs and cut: [S, T, T]."""
    return accuracies(rows) - accuracies(rows, over)


def apart(rows: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Which pairs of tasks each deciding test looks at, [T, T]: never a task with itself."""
    return dict(zip(DECIDING, (~np.eye(len(tasks(rows)), dtype=bool), semantics.disjoint(tasks(rows)))))


def tests(rows: pd.DataFrame, draws: int = 9999) -> pd.DataFrame:
    """Whether gains (mean over seeds) rise with nearness, a row a test; the first two decide.

    Columns: decides; pairs; nearness; values, as they are or both `semantics.centred`; permuted, classes (`semantics.class_mantel`) or tasks;
    correlation, Spearman's; least and most of it over the seeds; p against none or a fall; found, "rises" where the correlation is above 0
    with p < 0.01, "no test" where nearness or gains are all the same. Those that do not decide say how far the answer depends on choices.
    """
    found, every = [], gains(rows)
    settings = [
        (kind, form, "classes", name)
        for kind, form in (("wu-palmer", AS_IS), ("wu-palmer", "centred"), ("path", AS_IS))
        for name in DECIDING
    ]
    for kind, form, permuted, name in [*settings, ("wu-palmer", AS_IS, "tasks", DECIDING[0])]:
        mask = apart(rows)[name]
        now, mean, *each = (
            (semantics.centred(values, mask) if form == "centred" else values).round(9)
            for values in (near(rows, kind), every.mean(0), *every)
        )
        test, extra = (
            (semantics.class_mantel, {"classes": classes(rows), "mask": mask})
            if permuted == "classes"
            else (stats.mantel, {})
        )
        if min(np.ptp(now[mask]), np.ptp(mean[mask])) == 0:
            r, p, seeds = np.nan, np.nan, [np.nan]
        else:
            r, p = test(now, mean, draws=draws, alternative="greater", **extra)
            seeds = [spearmanr(now[mask], one[mask]).statistic for one in each]
        found.append(
            (
                "yes" if len(found) < len(DECIDING) else "no",
                name,
                kind,
                form,
                permuted,
                r,
                min(seeds),
                max(seeds),
                p,
                "no test" if np.isnan(p) else "rises" if r > 0 and p < LEVEL else "no rise shown",
            )
        )
    return pd.DataFrame(
        found,
        columns=[
            "decides",
            "pairs",
            "nearness",
            "values",
            "permuted",
            "correlation",
            "least",
            "most",
            "p",
            "found",
        ],
    )


def least_p(rows: pd.DataFrame, draws: int = 9999) -> float:
    """The least p that any gains could reach: the share of permutations of classes that leave all nearness as it is."""
    now = near(rows)
    return float(
        np.mean(
            [
                (now[np.ix_(order, order)] == now).all()
                for order in semantics.class_orders(len(classes(rows)), draws)
            ]
        )
    )


def verdict(tests: pd.DataFrame, seeds: int, least: float = 0.0) -> str:
    """Claim A7's; the rule was fixed before the run.

    holds: the correlation is above 0 with p < 0.01 over all pairs and over pairs that share no class; holds in part: over one of
    the two; does not hold: over neither; undecided: fewer than three seeds, no test, or classes so few that `least_p` is no less than 0.01.
    """
    deciding = tests[tests.decides == "yes"].found
    if seeds < 3 or least >= LEVEL or "no test" in set(deciding):
        return "undecided"
    found = (deciding == "rises").tolist()
    return "holds" if all(found) else "holds in part" if any(found) else "does not hold"


def by_nearness(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean gain in bins of nearness, [t-interval over seeds]: columns share (a class or not), near (mean in the bin), mean, low, high, n (pairs)."""
    found, now, every = [], near(rows), gains(rows)
    bins, disjoint = np.floor(now / WIDTH + 1e-9), semantics.disjoint(tasks(rows))
    for share in (False, True):
        mask = ~disjoint & ~np.eye(len(now), dtype=bool) if share else disjoint
        for one in np.unique(bins[mask]):
            some = mask & (bins == one)
            found.append((share, now[some].mean(), *stats.interval(every[:, some].mean(1)), some.sum()))
    return pd.DataFrame(found, columns=["share", "near", "mean", "low", "high", "n"])


def ends(rows: pd.DataFrame, share: float = 0.2) -> dict[str, tuple[float, float, float]]:
    """Mean gain and its 95 % interval over seeds: over the farthest and the nearest `share` of the pairs that share no class (ties
    counted in; NaN if these are the same pairs), the difference of the two, and Bobs with Alice's own task."""
    now, every, mask = near(rows), gains(rows), semantics.disjoint(tasks(rows))
    low, high = np.quantile(now[mask], [share, 1 - share])
    far, close = (
        every[:, mask & some].mean(1) if low < high else np.full(len(every), np.nan)
        for some in (now <= low, now >= high)
    )
    same = np.diagonal(every, axis1=1, axis2=2).mean(1)
    return {
        name: stats.interval(values)
        for name, values in {"far": far, "near": close, "rise": close - far, "same": same}.items()
    }


# Orders in which near things stand side by side.


def task_order(rows: pd.DataFrame) -> NDArray[np.int32]:
    """The T tasks as hierarchical clustering by nearness puts them."""
    return _leaves(1 - near(rows))


def class_order(rows: pd.DataFrame) -> list[str]:
    """The classes likewise: two are as near as tasks that differ in them alone."""
    own, now = classes(rows), near(rows)
    first, second = np.triu_indices(k := len(own), 1)
    task = np.zeros((k, k), dtype=int)
    task[first, second] = task[second, first] = range(len(now))
    third = (
        np.eye(k, dtype=bool)[:, None] | np.eye(k, dtype=bool)[None]
    )  # [k, k, k]: True where the third class is one of the two
    far = 1 - np.ma.array(now[task[:, None], task[None]], mask=third).mean(-1).filled(1)
    return [own[i] for i in _leaves(far)]


def _leaves(far: NDArray[np.float64]) -> NDArray[np.int32]:
    """Average linkage, turned so that neighbours are near."""
    return leaves_list(linkage(squareform(far, checks=False), "average", optimal_ordering=True))
