"""How near tasks are in meaning, by hand, and the test of what follows it.

Permuting classes is calibrated, permuting tasks is not.
"""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats as laws
from served import lay, made_files, real_folder, serve_cifar100, server  # noqa: F401

from reuselab import stats
from reuselab.claims import semantics
from reuselab.sources import openimages
from reuselab.sources import registry as data

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


# Trees.


def test_the_ten_classes_have_the_places_of_the_official_hierarchy():
    official, ours = openimages.hierarchy(real_folder()), semantics.tree("cifar10")
    assert {
        name: {official.names[label] for label in official.parents[official.label(name)]}
        for name in ours.parents
    } == {name: set(above) for name, above in ours.parents.items()}
    assert tuple(ours.names.values()) == CIFAR10
    for kind in openimages.KINDS:
        np.testing.assert_array_equal(
            openimages.similarities(ours, CIFAR10, kind),
            openimages.similarities(official, [*ours.names], kind),
        )


def test_superclasses_are_a_tree_of_kinds(data_folder, server, monkeypatch):  # noqa: F811
    """In the made set, fine k stands under coarse 7 k modulo 20: 0 and 20 share theirs."""
    serve_cifar100(server, monkeypatch)
    data.fetch("cifar100")
    tree = semantics.tree("cifar100")
    assert len(tree.parents) == 121 and tree.depth("fine 3") == 3
    assert semantics.similarity("cifar100", "fine 0|fine 1", "fine 20|fine 1") == pytest.approx(
        (2 / 3 + 1) / 2
    )
    assert semantics.similarity("cifar100", "fine 0|fine 1", "fine 2|fine 3") == pytest.approx(1 / 3)


def test_open_images_bring_their_own_hierarchy(data_folder):
    with pytest.raises(FileNotFoundError, match="holds no hierarchy of Open Images"):
        semantics.tree("openimages")
    lay(data_folder / "openimages", made_files())
    assert semantics.similarity("openimages", "Dog|Car", "Cat|Bird") == pytest.approx((6 / 8 + 2 / 6) / 2)
    with pytest.raises(
        ValueError, match=r"^no base with a tree of kinds 'digits'; there is cifar10, cifar100, openimages$"
    ):
        semantics.tree("digits")


# Similarity of tasks. Depths: cat and dog 5, deer and horse 4, bird and frog 3 (frog under Reptile: 4),
# automobile and truck 4.


@pytest.mark.parametrize(
    "alice, bob, wu_palmer, path",
    [
        ("dog|cat", "dog|cat", 1, 1),
        ("dog|cat", "cat|dog", 1, 1),
        ("dog,cat|ship", "ship|cat,dog", 1, 1),
        (
            "dog|cat",
            "cat|horse",
            (1 + 6 / 9) / 2,
            (1 + 1 / 4) / 2,
        ),  # cat with cat, dog with horse, under Mammal
        ("dog|cat", "deer|horse", 6 / 9, 1 / 4),
        ("dog|automobile", "truck|horse", (6 / 9 + 6 / 8) / 2, (1 / 4 + 1 / 3) / 2),  # crosswise
        ("automobile|truck", "cat|dog", 2 / 9, 1 / 8),  # the root
        (
            "dog,cat|ship",
            "dog|ship",
            ((1 + (1 + 8 / 10) / 2) / 2 + 1) / 2,
            ((1 + (1 + 1 / 3) / 2) / 2 + 1) / 2,
        ),
        (
            "dog,cat|ship",
            "horse,truck|ship",
            ((6 / 9 + (6 / 9 + 2 / 9) / 2) / 2 + 1) / 2,
            ((1 / 4 + (1 / 4 + 1 / 8) / 2) / 2 + 1) / 2,
        ),
    ],
)
def test_similarities_of_tasks_are_those_computed_by_hand(alice, bob, wu_palmer, path):
    for kind, expected in zip(openimages.KINDS, (wu_palmer, path)):
        assert semantics.similarity("cifar10", alice, bob, kind) == pytest.approx(expected)
        assert semantics.similarity("cifar10", bob, alice, kind) == pytest.approx(expected)


@pytest.mark.parametrize("kind", openimages.KINDS)
def test_45_tasks_have_a_symmetric_matrix_with_ones_on_its_diagonal_alone(kind):
    tasks = semantics.tasks(CIFAR10)
    table = semantics.similarities("cifar10", tasks, kind)
    assert (
        len(tasks) == 45
        and tasks[0] == "airplane|automobile"
        and tasks[-1] == "ship|truck"
        and len(set(tasks)) == 45
    )
    assert [*table.index] == [*table.columns] == tasks
    assert (
        (table.values == table.values.T).all()
        and ((table.values == 1) == np.eye(45, dtype=bool)).all()
        and (table.values > 0).all()
    )
    assert table.loc["cat|dog", "bird|ship"] == semantics.similarity("cifar10", "dog|cat", "bird|ship", kind)


def test_disjoint_tasks_share_no_class():
    assert semantics.disjoint(["a|b", "b,c|d", "e|c", "f|g"]).tolist() == [
        [False, False, True, True],
        [False, False, False, True],
        [True, False, False, True],
        [True, True, True, False],
    ]
    assert semantics.disjoint(semantics.tasks(CIFAR10)).sum(0).tolist() == [28] * 45


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "tasks, kind, message",
    [
        (("dgo|cat", "cat|dog"), "path", r"^no class 'dgo' in the hierarchy \(did you mean dog\?\)$"),
        (("dog", "cat|dog"), "path", "^a task tells two groups"),
        (("dog|cat|ship", "cat|dog"), "path", "^tasks are compared that have as many groups, not 2 and 3$"),
        (("dog|cat", "cat|dog"), "wu", "^no similarity 'wu'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(tasks, kind, message):
    with pytest.raises(ValueError, match=message):
        semantics.similarity("cifar10", *tasks, kind)


# Mantel's test over classes.


def brute(similarities, gains, classes, mask):
    """Spearman's correlation under every permutation of the classes, by name; the first is the identity."""
    tasks = [frozenset(task.split("|")) for task in semantics.tasks(classes)]
    found = []
    for order in permutations(classes):
        renamed = dict(zip(classes, order))
        where = [tasks.index(frozenset(renamed[name] for name in task)) for task in tasks]
        found.append(laws.spearmanr(similarities[mask], gains[np.ix_(where, where)][mask]).statistic)
    return np.array(found)


@pytest.mark.parametrize(
    "alternative, far", [("two-sided", np.abs), ("greater", np.positive), ("less", np.negative)]
)
@pytest.mark.parametrize("only_disjoint", [False, True])
def test_permuting_four_classes_is_the_brute_force_over_their_24_permutations(
    alternative, far, only_disjoint
):
    """The gains are not symmetric; the p-value of their transpose is another."""
    classes = CIFAR10[2:6]
    near = semantics.similarities("cifar10", semantics.tasks(classes)).values
    gains = near + np.random.default_rng(0).normal(0, 0.3, near.shape)
    mask = semantics.disjoint(semantics.tasks(classes)) if only_disjoint else ~np.eye(6, dtype=bool)
    for matrix in (gains, gains.T):
        found = brute(near, matrix, classes, mask)
        assert semantics.class_mantel(
            near, matrix, classes, alternative=alternative, mask=mask if only_disjoint else None
        ) == pytest.approx((found[0], (far(found) >= far(found[0]) - 1e-12).mean()))


def test_random_permutations_of_ten_classes_begin_with_the_identity_and_move_tasks_as_classes_go():
    orders, tasks = (
        semantics.class_orders(10, 50),
        [frozenset(task) for task in semantics.tasks("abcdefghij")],
    )
    assert (
        orders.shape == (51, 45)
        and orders[0].tolist() == list(range(45))
        and (np.sort(orders, axis=1) == np.arange(45)).all()
    )
    for order in orders:
        shared = [[len(tasks[i] & tasks[j]) for j in order] for i in order]
        assert shared == [[len(alices & bobs) for bobs in tasks] for alices in tasks]
    assert len({*map(tuple, orders.tolist())}) == 51 and len(semantics.class_orders(4)) == 24


def null_gains(rng, k):
    """Gains [T, T] that know no similarity: what a class gives another is random, a task gives the mean."""
    first, second = np.triu_indices(k, 1)
    gives = rng.normal(size=(k, k))
    return np.mean(
        [gives[np.ix_(i, j)] for i in (first, second) for j in (first, second)], axis=0
    ) + rng.normal(0, 0.1, (len(first),) * 2)


def test_where_nothing_follows_meaning_permuting_classes_says_so_and_permuting_tasks_does_not():
    """250 made studies of ten classes: p is uniform over permutations of classes; of tasks it is not."""
    tasks, rng, n = semantics.tasks(CIFAR10), np.random.default_rng(7), 250
    near, apart = semantics.similarities("cifar10", tasks).values, semantics.disjoint(tasks)
    by_class, of_disjoint, by_task = np.transpose(
        [
            (
                semantics.class_mantel(near, gains := null_gains(rng, 10), CIFAR10, draws=99, seed=i)[1],
                semantics.class_mantel(near, gains, CIFAR10, draws=99, seed=i, mask=apart)[1],
                stats.mantel(near, gains, draws=99, seed=i)[1],
            )
            for i in range(n)
        ]
    )
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        for found in (by_class, of_disjoint):
            assert abs((found <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / n), level
    assert (by_task <= 0.05).mean() > 0.25


def test_gains_that_follow_meaning_are_found_over_ten_classes():
    tasks, rng = semantics.tasks(CIFAR10), np.random.default_rng(1)
    near = semantics.similarities("cifar10", tasks)
    gains = near.values + rng.normal(0, 0.3, near.shape) + 0.1 * null_gains(rng, 10)
    for mask in (None, semantics.disjoint(tasks)):
        r, p = semantics.class_mantel(near, gains, CIFAR10, draws=999, mask=mask)
        assert r > 0.1 and p < 0.05
        assert semantics.class_mantel(near, gains, CIFAR10, draws=999, mask=mask) == (r, p)


@pytest.mark.hostile("input")
def test_matrices_of_another_number_of_tasks_are_refused():
    with pytest.raises(ValueError, match=r"^10 classes have 45 tasks of two, not 6$"):
        semantics.class_mantel(np.eye(6), np.eye(6), CIFAR10)


@pytest.mark.parametrize("only_disjoint", [False, True])
def test_centring_takes_rows_and_columns_out_and_nothing_else(only_disjoint):
    tasks, rng = semantics.tasks("abcdef"), np.random.default_rng(2)
    off = ~np.eye(15, dtype=bool) & (semantics.disjoint(tasks) | (not only_disjoint))
    mask = off if only_disjoint else None
    gains, rows, columns = rng.normal(size=(15, 15)), rng.normal(size=(15, 1)), rng.normal(size=15)
    left = semantics.centred(gains, mask)
    assert (np.isnan(left) == ~off).all()
    np.testing.assert_allclose(np.nansum(left, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nansum(left, axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(semantics.centred(gains + rows + columns, mask), left, atol=1e-12)
    np.testing.assert_allclose(semantics.centred(left, mask), left, atol=1e-12)
