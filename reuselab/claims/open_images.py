"""Every task of two classes for Alice, every one for Bob: does his gain follow nearness in meaning?

Mohamud & Brink 2026, A7.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from reuselab import stats
from reuselab.check import Rule, choice, known
from reuselab.claims import baselines, registry, semantics
from reuselab.claims.baselines import ALICE
from reuselab.claims.parameters import AUTO, KEPT, check_cells, rules
from reuselab.experiment import bases, train
from reuselab.experiment.cell import ALONE
from reuselab.runs.study import grid, study
from reuselab.sources.openimages import KINDS

RIVALS = ("random network", "raw pixels")
NOBODY = "nobody"  # in place of Alice's task where there is no Alice
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")  # of CIFAR-10
MOST, LEAST = 10, 4  # classes: taken where none are named, and needed for tasks that share none
LEAST_SEEDS = 3
KEYS = ["method", "seed", "alice", "alice_accuracy"]
LEVEL = 0.01
WIDTH = 0.1  # of a bin of nearness
ALL, APART = "all", "no class shared"  # the pairs of tasks that a test looks at
AS_IS, CENTRED = "as they are", "centred"

# The tests, by the columns of `tests`; those that do not decide say how far the answer depends on choices.
TESTS = pd.DataFrame(
    [
        ("yes", ALL, "wu-palmer", AS_IS, "classes"),
        ("yes", APART, "wu-palmer", AS_IS, "classes"),
        ("no", ALL, "wu-palmer", CENTRED, "classes"),
        ("no", APART, "wu-palmer", CENTRED, "classes"),
        ("no", ALL, "path", AS_IS, "classes"),
        ("no", APART, "path", AS_IS, "classes"),
        ("no", ALL, "wu-palmer", AS_IS, "tasks"),
    ],
    columns=["decides", "pairs", "nearness", "values", "permuted"],
)

RULES = rules("network", "alice_pairs", "alice_epochs", "bob_pairs", "retrain", "test_pairs", "seeds") | {
    "base": bases.base_rule(AUTO, KEPT),
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
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line.

    A kept run needs no photographs.
    """
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

    Raises ValueError, in one line, for a base without a tree of kinds, a class that it or the tree has
    not got, and fewer than `LEAST` classes; FileNotFoundError for a base that is not here.
    """
    tree, there = semantics.tree(base), bases.load(base, "train").classes
    names = list(classes) or list(there[:MOST])
    for name in names:
        known("class", name, there)
        tree.label(name)
    if len(names) < LEAST:
        raise ValueError(
            f"classes must name at least {LEAST}, so that two tasks may share none, not {len(names)}"
        )
    return names


def run(base: str, classes: Sequence[str], seeds: int, **recipe: Any) -> pd.DataFrame:
    """Bob's accuracy for every Alice, and how near each two tasks are.

    Columns `KEYS`, and one for each of Bob's T tasks of two classes. method: "Alice", a row for each seed
    and each task of hers; `RIVALS`, a row a seed, without her (see `baselines.rivals`: the random network
    has normalisation calibrated on photographs of his classes); and "wu-palmer" and "path",
    `semantics.similarities`, a row for each task of hers, of seed 0. Bob has a solved head in place of
    the top `retrain` blocks. recipe: more of the cells' parameters, for all. A table that was kept is the
    same to the digit.
    """
    names = semantics.tasks(chosen(base, classes))
    shared = recipe | {"base": base, "layout": ALONE, "probe": True, "seed": range(seeds)}
    entries = baselines.lineup(grid(**shared, alice_classes=names, bob_classes=names), only=[ALICE])
    for task in names:
        entries += baselines.lineup(grid(**shared, alice_classes=task, bob_classes=task), only=RIVALS)
    rows = study([rival for *_, rival in entries]).assign(method=[method for method, *_ in entries])
    rows.loc[rows.method != ALICE, ["alice_classes", "alice_accuracy"]] = NOBODY, 0.0
    nearness = [
        semantics.similarities(base, names, kind)
        .rename_axis("alice")
        .reset_index()
        .assign(method=kind, seed=0, alice_accuracy=0.0)
        for kind in KINDS
    ]
    return pd.concat([_matrix(rows, names), *nearness], ignore_index=True).round(4)


def _matrix(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Bob's accuracies of a study with a column for each of his tasks, `names`, after the columns `KEYS`."""
    grouped = rows.groupby(["method", "seed", "alice_classes", "bob_classes"])
    accuracy = grouped.bob_accuracy.first().unstack()[names].rename_axis(columns=None)
    alice = rows.groupby(["method", "seed", "alice_classes"]).alice_accuracy.first()
    accuracy.insert(0, "alice_accuracy", alice)
    return accuracy.rename_axis(index=KEYS[:3]).reset_index()


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
    of_method, alices = rows[rows.method == method], tasks(rows) if method == ALICE else [NOBODY]
    order = np.lexsort((of_method.alice.map({name: i for i, name in enumerate(alices)}), of_method.seed))
    return of_method[tasks(rows)].to_numpy()[order].reshape(-1, len(alices), len(tasks(rows)))


def gains(rows: pd.DataFrame, over: str = "random network") -> NDArray[np.float64]:
    """Bob's accuracy with Alice less that of the rival `over`, same seed, photographs and cut: [S, T, T]."""
    return accuracies(rows) - accuracies(rows, over)


def looked_at(rows: pd.DataFrame, pairs: str) -> NDArray[np.bool_]:
    """Which pairs of tasks are `ALL`, or `APART`, [T, T]: never a task with itself."""
    return semantics.disjoint(tasks(rows)) if pairs == APART else ~np.eye(len(tasks(rows)), dtype=bool)


def tests(rows: pd.DataFrame, draws: int = 9999) -> pd.DataFrame:
    """Whether gains (mean over seeds) rise with nearness, a row a test of `TESTS`; the first two decide.

    Columns: decides; pairs; nearness; values, as they are or both `semantics.centred`; permuted, classes
    (`semantics.class_mantel`) or tasks; correlation, Spearman's; least and most of it over the seeds; p
    against none or a fall; outcome, "rises" where the correlation is above 0 with p < 0.01, "falls" where
    it is below 0 with as small a p against none or a rise, "no test" where nearness or gains are all the
    same, else "undecided".
    """
    results = [_test(rows, test, draws) for test in TESTS.to_dict("records")]
    return pd.concat([TESTS, pd.DataFrame(results)], axis=1)


def _test(rows: pd.DataFrame, test: Mapping[str, str], draws: int) -> dict[str, Any]:
    mask, nearness, of_seeds = looked_at(rows, test["pairs"]), near(rows, test["nearness"]), gains(rows)
    gain = of_seeds.mean(0)
    if test["values"] == CENTRED:
        nearness, gain = semantics.centred(nearness, mask), semantics.centred(gain, mask)
        of_seeds = np.array([semantics.centred(of_seed, mask) for of_seed in of_seeds])
    nearness, gain, of_seeds = nearness.round(9), gain.round(9), of_seeds.round(9)
    if min(np.ptp(nearness[mask]), np.ptp(gain[mask])) == 0:
        return dict.fromkeys(("correlation", "least", "most", "p"), np.nan) | {"outcome": "no test"}

    def mantel(alternative: str) -> tuple[float, float]:
        if test["permuted"] == "tasks":
            return stats.mantel(nearness, gain, draws=draws, alternative=alternative)
        names = classes(rows)
        return semantics.class_mantel(nearness, gain, names, draws=draws, alternative=alternative, mask=mask)

    correlation, p = mantel("greater")
    each = [stats.rank_correlation(nearness[mask], of_seed[mask]) for of_seed in of_seeds]
    if correlation < 0:
        outcome = "falls" if mantel("less")[1] < LEVEL else "undecided"
    else:
        outcome = "rises" if correlation > 0 and p < LEVEL else "undecided"
    return {"correlation": correlation, "least": min(each), "most": max(each), "p": p, "outcome": outcome}


def least_p(rows: pd.DataFrame, draws: int = 9999) -> float:
    """The least p that any gains could reach: the share of permutations of classes that it cannot tell."""
    nearness = near(rows)
    orders = semantics.class_orders(len(classes(rows)), draws)
    unseen = [(nearness[np.ix_(order, order)] == nearness).all() for order in orders]
    return float(np.mean(unseen))


def verdict(tests: pd.DataFrame, seeds: int, least: float = 0.0) -> str:
    """Claim A7's, over the two deciding `tests`: all pairs, and pairs that share no class.

    holds: gains rise with nearness over both; holds in part: over one of the two; does not hold: over
    neither, and over one they fall; else undecided, and so with fewer than three seeds, no test, or
    classes so few that `least_p` is no less than 0.01.
    """
    outcomes = tests[tests.decides == "yes"].outcome
    if seeds < LEAST_SEEDS or least >= LEVEL or (outcomes == "no test").any():
        return "undecided"
    if (outcomes == "rises").any():
        return "holds" if (outcomes == "rises").all() else "holds in part"
    return "does not hold" if (outcomes == "falls").any() else "undecided"


def judge(rows: pd.DataFrame, tests: pd.DataFrame, preset: str, images: str) -> dict[str, Any]:
    """The row of claim A7 for the scoreboard (`registry.row`). tests: of `rows`."""
    over_all, over_apart = (correlation_in_words(test) for test in tests.to_dict("records")[:2])
    rise = stats.in_words(ends(rows)["rise"])
    effect = (
        f"Spearman's correlation {over_all} over all pairs, {over_apart} over those that share no class; "
        f"gain of the nearest fifth of these less the farthest {rise}"
    )
    seeds, least = len(gains(rows)), least_p(rows)
    few = stats.few({"seed": seeds}, LEAST_SEEDS) or (
        f"of {len(classes(rows))} classes no p can be below {least:.2g}" if least >= LEVEL else ""
    )
    return registry.row("A7", verdict(tests, seeds, least), effect, preset, images, few=few)


def correlation_in_words(test: Mapping[str, Any]) -> str:
    """A row of `tests` as the page tells it: the correlation, its range over the seeds, and p."""
    if test["outcome"] == "no test":
        return "no test"
    return "{correlation:+.2f} (seeds {least:+.2f} to {most:+.2f}; p = {p:.2g})".format(**test)


def words(rows: pd.DataFrame) -> dict[str, str]:
    """The numbers that the page's text names before its tests, by the names it has for them."""
    count = len(tasks(rows))
    sizes = {
        "classes": len(classes(rows)),
        "tasks": count,
        "pairs": count * (count - 1),
        "seeds": len(gains(rows)),
    }
    return {name: f"{size:,}" for name, size in sizes.items()} | {
        f"gain_{end}": stats.in_words(interval) for end, interval in ends(rows).items()
    }


def answers(rows: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer."""
    gain = gains(rows).mean(0)
    spread = {"Alice": gain.mean(1).std(), "Bob": gain.mean(0).std()}
    more, less = sorted(spread, key=lambda who: -spread[who])
    return {
        "within": " ".join(_within(rows, gain, kind) for kind in ("animals", "all else")),
        "who": (
            f"Who {more} is: the means of {more}s' tasks spread by {spread[more]:.3f} (standard deviation), "
            f"those of {less}s' by {spread[less]:.3f}."
        ),
    }


def _within(rows: pd.DataFrame, gain: NDArray[np.float64], kind: str) -> str:
    """Spearman's correlation of gain and nearness among tasks of `kind` alone: "animals" or "all else"."""
    there = [{name.lower() in ANIMALS for name in task.split("|")} for task in tasks(rows)]
    of_kind = [which == {kind == "animals"} for which in there]
    mask = looked_at(rows, APART) & np.outer(of_kind, of_kind)
    nearness, count = near(rows)[mask], mask.sum()
    if len(set(nearness)) < 2:
        return f"Among {kind}: too few tasks that differ."
    correlation = stats.rank_correlation(nearness, gain[mask])
    return f"Among {kind}: correlation {correlation:+.2f} (Spearman), {count} pairs that share no class."


def by_nearness(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean gain in bins of nearness, with its 95 % t-interval over seeds.

    Columns share (a class or not), near (mean in the bin), mean, low, high, n (pairs).
    """
    nearness, gain = near(rows), gains(rows)
    bins = np.floor(nearness / WIDTH + 1e-9)
    disjoint = looked_at(rows, APART)
    table = []
    for share, mask in ((False, disjoint), (True, looked_at(rows, ALL) & ~disjoint)):
        for number in np.unique(bins[mask]):
            inside = mask & (bins == number)
            interval = stats.interval(gain[:, inside].mean(1))
            table.append((share, nearness[inside].mean(), *interval, inside.sum()))
    return pd.DataFrame(table, columns=["share", "near", "mean", "low", "high", "n"])


def ends(rows: pd.DataFrame, share: float = 0.2) -> dict[str, tuple[float, float, float]]:
    """Mean gain and its 95 % interval over seeds at the ends of nearness.

    far, near: over the farthest and the nearest `share` of the pairs that share no class (ties counted
    in; NaN if these are the same pairs); rise: near less far; same: Bobs with Alice's own task.
    """
    nearness, gain, disjoint = near(rows), gains(rows), looked_at(rows, APART)
    low, high = np.quantile(nearness[disjoint], [share, 1 - share])
    far, close = (gain[:, disjoint & end].mean(1) for end in (nearness <= low, nearness >= high))
    if low == high:
        far = close = np.full(len(gain), np.nan)
    of_seeds = {
        "far": far,
        "near": close,
        "rise": close - far,
        "same": np.diagonal(gain, axis1=1, axis2=2).mean(1),
    }
    return {end: stats.interval(values) for end, values in of_seeds.items()}


# Orders in which near things stand side by side.


def most(gain: NDArray[np.float64]) -> float:
    """Where the colours of gains end: 1 % of the pairs go beyond."""
    return max(0.01, float(np.quantile(abs(gain), 0.99)))


def by_cell(rows: pd.DataFrame) -> dict[str, Any]:
    """What a living figure of the matrix is told, in the order of `task_order`, Alice's task in a row.

    accuracy: `stats.bounds` of Bob's with her, and rivals: his without her, over seeds.
    """
    order, names = task_order(rows), tasks(rows)
    both, gain = np.ix_(order, order), gains(rows).mean(0)
    alices = rows[rows.method == ALICE].groupby("alice").alice_accuracy.mean()
    return {
        "tasks": [names[i].split("|") for i in order],
        "gain": gain[both].round(4).tolist(),
        "most": most(gain),
        "near": near(rows)[both].round(3).tolist(),
        "accuracy": [
            [list(stats.bounds(of_pair).values()) for of_pair in of_alice.T]
            for of_alice in accuracies(rows)[:, order][:, :, order].swapaxes(0, 1)
        ],
        "rivals": {rival: accuracies(rows, rival)[:, 0, order].mean(0).round(4).tolist() for rival in RIVALS},
        "alice": alices[[names[i] for i in order]].round(4).tolist(),
        "seeds": len(accuracies(rows)),
    }


def task_order(rows: pd.DataFrame) -> NDArray[np.int32]:
    """The T tasks as hierarchical clustering by nearness puts them."""
    return _leaves(1 - near(rows))


def class_order(rows: pd.DataFrame) -> list[str]:
    """The classes likewise: two are as near as tasks that differ in them alone."""
    names, nearness = classes(rows), near(rows)
    task = semantics.task_numbers(len(names))
    far = np.zeros(task.shape)
    for i, j in combinations(range(len(names)), 2):
        third = [k for k in range(len(names)) if k not in (i, j)]
        far[i, j] = far[j, i] = 1 - nearness[task[i, third], task[j, third]].mean()
    return [names[i] for i in _leaves(far)]


def _leaves(far: NDArray[np.float64]) -> NDArray[np.int32]:
    """Average linkage, turned so that neighbours are near."""
    return leaves_list(linkage(squareform(far, checks=False), "average", optimal_ordering=True))
