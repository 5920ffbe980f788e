"""How near two tasks are in meaning, from a tree of kinds alone, and whether transfer follows it.

A task is written "dog|cat", or "dog,cat|automobile,truck": groups of classes to be told apart
(`bases.groups`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain, combinations, permutations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from reuselab import stats
from reuselab.check import known
from reuselab.experiment import bases
from reuselab.sources import openimages, registry
from reuselab.sources.openimages import Tree

BASES = ("cifar10", "cifar100", "openimages")

# The ten classes' places in the official hierarchy of Open Images, by its names there, up to the root.
CIFAR10 = Tree(
    "Entity",
    {
        "Entity": (),
        "Animal": ("Entity",),
        "Vehicle": ("Entity",),
        "Mammal": ("Animal",),
        "Carnivore": ("Mammal",),
        "Reptile": ("Animal",),
        "Aircraft": ("Vehicle",),
        "Land vehicle": ("Vehicle",),
        "Watercraft": ("Vehicle",),
        "Airplane": ("Aircraft",),
        "Car": ("Land vehicle",),
        "Bird": ("Animal",),
        "Cat": ("Carnivore",),
        "Deer": ("Mammal",),
        "Dog": ("Carnivore",),
        "Frog": ("Reptile",),
        "Horse": ("Mammal",),
        "Boat": ("Watercraft",),
        "Truck": ("Land vehicle",),
    },
    {
        "Airplane": "airplane",
        "Car": "automobile",
        "Bird": "bird",
        "Cat": "cat",
        "Deer": "deer",
        "Dog": "dog",
        "Frog": "frog",
        "Horse": "horse",
        "Boat": "ship",
        "Truck": "truck",
    },
)


def tree(base: str) -> Tree:
    """The tree of kinds over the classes of an image set.

    "cifar10" and "openimages" have their places in that of Open Images, "cifar100" in its superclasses.
    Raises ValueError for any other base, FileNotFoundError, in one line, where what tells the tree is not
    there; for "cifar10" that is nothing.
    """
    known("base with a tree of kinds", base, BASES)
    if base == "cifar10":
        return CIFAR10
    if base == "openimages":
        return openimages.hierarchy(bases.folder() / base)
    of_class, names = registry.superclasses()
    classes = bases.load(base, "train").classes
    parents: dict[str, tuple[str, ...]] = {"": ()} | {f"superclass {name}": ("",) for name in names}
    return Tree(
        "",
        parents | {name: (f"superclass {names[k]}",) for name, k in zip(classes, of_class.tolist())},
        {name: name for name in classes},
    )


def tree_digest(base: str) -> str:
    """SHA-256 over the tree of kinds of an image set, or "" where it has none or that is not there."""
    try:
        there = tree(base)
    except (ValueError, FileNotFoundError):
        return ""
    return hashlib.sha256(repr((there.root, there.parents, there.names)).encode()).hexdigest()


# Tasks.


def tasks(classes: Iterable[str]) -> list[str]:
    """All tasks of two classes, [K (K - 1) / 2], in the order of `classes`: "airplane|automobile", ..."""
    return ["|".join(pair) for pair in combinations(classes, 2)]


def disjoint(tasks: Sequence[str]) -> NDArray[np.bool_]:
    """Which of every two tasks share no class, bool [T, T]."""
    classes = [set(chain(*bases.groups(task))) for task in tasks]
    return np.array([[alices.isdisjoint(bobs) for bobs in classes] for alices in classes])


def similarity(base: str, alice_task: str, bob_task: str, kind: str = "wu-palmer") -> float:
    """How near two tasks with as many groups are: above 0, at most 1, and 1 only for the same task.

    The order in which a task is written does not count. kind: how near two classes are, one of those of
    `openimages.similarity`. Two groups: the mean over both of the mean, over the classes of the one, of
    the similarity to the nearest class of the other (the best-match average). Two tasks: the mean over
    their groups, matched one to one so that it is largest. Raises ValueError, in one line, for a text
    that is no task, a class that the base's tree does not have, and tasks of unequal numbers of groups.
    """
    return float(similarities(base, [alice_task, bob_task], kind).iloc[0, 1])


def similarities(base: str, tasks: Sequence[str], kind: str = "wu-palmer") -> pd.DataFrame:
    """`similarity` of every two of T tasks, float64 [T, T], labelled by the tasks."""
    tasks_groups = [bases.groups(task) for task in tasks]
    counts = sorted({len(groups) for groups in tasks_groups})
    if len(counts) > 1:
        raise ValueError(f"tasks are compared that have as many groups, not {' and '.join(map(str, counts))}")
    groups = list(dict.fromkeys(chain(*tasks_groups)))
    of_groups = _group_similarities(base, groups, kind)
    members = [[groups.index(group) for group in task_groups] for task_groups in tasks_groups]
    of_tasks = [[_matched(of_groups[np.ix_(alice, bob)]) for bob in members] for alice in members]
    return pd.DataFrame(of_tasks, index=tasks, columns=tasks)


def _group_similarities(base: str, groups: Sequence[tuple[str, ...]], kind: str) -> NDArray[np.float64]:
    """How near every two of G groups of classes are, [G, G]."""
    classes = list(dict.fromkeys(chain(*groups)))
    of_classes = openimages.similarities(tree(base), classes, kind)
    members = [[classes.index(name) for name in group] for group in groups]
    return np.array([[_best_match(of_classes[np.ix_(a, b)]) for b in members] for a in members])


def _best_match(near: NDArray[np.float64]) -> float:
    """The mean over both groups of the mean similarity of their classes to the nearest of the other."""
    return (near.max(0).mean() + near.max(1).mean()) / 2


def _matched(near: NDArray[np.float64]) -> float:
    """The mean similarity of the groups of two tasks, matched one to one so that it is largest."""
    return near[linear_sum_assignment(near, maximize=True)].mean()


# Does transfer follow meaning?


def task_numbers(k: int) -> NDArray[np.int64]:
    """The number, in `tasks`, of the task of every two of k classes: int64 [k, k], diagonal 0."""
    first, second = np.triu_indices(k, 1)
    number = np.zeros((k, k), dtype=np.int64)
    number[first, second] = number[second, first] = np.arange(len(first))
    return number


def class_orders(k: int, draws: int = 9999, seed: int = 0) -> NDArray[np.int64]:
    """What permutations of k classes do to the T = k (k - 1) / 2 tasks of two of them, int64 [D, T].

    Tasks are in the order of `tasks`. All k! permutations where these are at most `draws`, else the identity
    and `draws` random ones.
    """
    first, second = np.triu_indices(k, 1)
    if k < 20 and factorial(k) <= draws:
        classes = np.array(list(permutations(range(k))))
    else:
        shuffled = np.random.default_rng(seed).permuted(np.tile(np.arange(k), (draws, 1)), axis=1)
        classes = np.vstack([np.arange(k), shuffled])
    return task_numbers(k)[classes[:, first], classes[:, second]]


def class_mantel(
    similarities: ArrayLike,
    gains: ArrayLike,
    classes: Sequence[str],
    draws: int = 9999,
    seed: int = 0,
    alternative: str = "two-sided",
    mask: ArrayLike | None = None,
) -> tuple[float, float]:
    """Whether gains follow similarities: (correlation, p).

    Both are [T, T] over `tasks(classes)`, Alice's in rows, Bob's in columns. Mantel's test
    (`stats.mantel`) that permutes classes, and the tasks with them. Tasks that share a class are no
    independent things: with the 45 tasks of ten classes permuted one by one, random effects of classes
    pass for meaning at p <= 0.05 more than once in four studies, and a gain by sharing a class nearly
    always. Tasks with themselves are left out; mask: bool [T, T], which of the other entries to look at,
    as `disjoint`. Raises ValueError as `stats.mantel` does, and for matrices of another number of tasks.
    """
    orders = class_orders(len(classes), draws, seed)
    if len(np.asarray(gains)) != orders.shape[1]:
        raise ValueError(
            f"{len(classes)} classes have {orders.shape[1]} tasks of two, not {len(np.asarray(gains))}"
        )
    return stats.mantel(similarities, gains, alternative=alternative, orders=orders, mask=mask)


def centred(gains: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float64]:
    """`gains` [T, T] less what each row and each column adds to them, by least squares.

    A row adds how good that Alice is, a column how much that Bob gains. Over the entries in `mask`
    [default: all off the diagonal]; NaN elsewhere.
    """
    gains = np.asarray(gains, dtype=float)
    identity = np.eye(len(gains))
    looked_at = (identity == 0) & (True if mask is None else np.asarray(mask, dtype=bool))
    rows, columns = np.nonzero(looked_at)
    design = np.hstack([identity[rows], identity[columns]])
    fit = np.linalg.lstsq(design, gains[looked_at], rcond=None)[0]
    rest = np.full(gains.shape, np.nan)
    rest[looked_at] = gains[looked_at] - design @ fit
    return rest
