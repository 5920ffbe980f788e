"""The best number of blocks: what must be said of curves whose answer is known, and the page's numbers."""

import numpy as np
import pandas as pd
import pytest
from executed import glued, table

from reuselab.book import pages
from reuselab.claims import layers
from reuselab.claims.layers import Curves

RHOS, RETRAINS, BLOCKS = (0.0, 0.5, 1.0), (0, 1, 2, 3, 4, 5), 5


def made(peaks, seeds=6, noise=0.01, seed=0):
    """Curves whose accuracy falls by 0.1 for each block away from `peaks` [rho], with noise."""
    distance = np.abs(np.subtract.outer(peaks, RETRAINS))[:, None, :]
    return Curves(
        RHOS,
        RETRAINS,
        0.9
        - 0.1 * distance
        + np.random.default_rng(seed).normal(0, noise, (len(peaks), seeds, len(RETRAINS))),
    )


def shuffled(curves, seed=0):
    """The same accuracies with every seed's dealt out anew over rho and retrain."""
    rng = np.random.default_rng(seed)
    accuracy = curves.accuracy.swapaxes(0, 1).reshape(curves.accuracy.shape[1], -1)
    return Curves(
        curves.rhos,
        curves.retrains,
        rng.permuted(accuracy, axis=1).reshape(-1, len(curves.rhos), len(curves.retrains)).swapaxes(0, 1),
    )


def test_both_halves_of_the_claim_hold_where_they_were_put():
    curves = made([4, 2, 0])
    assert curves.best_of_means.tolist() == [4, 2, 0] and (curves.best == [[4], [2], [0]]).all()
    assert layers.verdict(curves, BLOCKS) == ("holds", "holds")
    test = layers.converse(curves)
    assert test.order == pytest.approx(-1) and test.right == (1, 1, 1) and test.p < 0.001
    assert (
        (np.diag(test.told) == 6).all()
        and test.told.to_numpy().sum() == 18
        and test.chance == pytest.approx(1 / 3)
    )


def test_a_living_figure_is_told_the_mean_and_interval_at_each_cut():
    curves = made([4, 2, 0])
    told = layers.by_cut(curves)[1][2]
    mean, low, high = (told[end] for end in ("mean", "low", "high"))
    assert mean == pytest.approx(curves.accuracy[1, :, 2].mean(), abs=1e-4) and low < mean < high
    assert told["share"] == 1
    alone = layers.by_cut(made([4, 2, 0], seeds=1))[0][0]
    assert alone["low"] is None and alone["high"] is None


@pytest.mark.parametrize("seed", range(8))
def test_neither_half_holds_on_shuffled_accuracies(seed):
    lower, indicative = layers.verdict(
        shuffled(made([4, 2, 0], seeds=12, noise=0.05, seed=seed), seed), BLOCKS
    )
    assert lower != "holds" and indicative == "does not hold"


def test_the_opposite_does_not_hold_and_a_switch_tells_only_its_two_sides():
    assert layers.verdict(made([1, 2, 4]), BLOCKS) == (
        "does not hold",
        "holds in part",
    )  # tells rho, but rises with it
    switch = layers.converse(made([3, 3, 0]))
    assert switch.right[0] == pytest.approx(2 / 3) and switch.p < 0.01
    assert switch.told.to_numpy().tolist() == [[6, 0, 0], [6, 0, 0], [0, 0, 6]]


def test_two_seeds_decide_nothing():
    assert layers.verdict(made([4, 2, 0], seeds=2), BLOCKS) == ("undecided", "undecided")


def test_a_best_number_that_never_changes_tells_nothing():
    test = layers.converse(made([3, 3, 3]))
    assert test.order == 0 and test.p == 1 and test.right[0] == pytest.approx(1 / 3)


def test_lower_over_upper_is_the_paired_contrast_by_hand():
    accuracy = np.zeros((1, 3, 6))
    accuracy[0, :, 1:3], accuracy[0, :, 3:5] = (
        [[0.1, 0.3], [0.2, 0.2], [0.0, 0.4]],
        [[0.5, 0.7], [0.7, 0.7], [0.8, 0.8]],
    )
    mean, low, high = layers.lower_over_upper(Curves((0.0,), RETRAINS, accuracy), BLOCKS)
    assert (
        mean == pytest.approx(0.5) and low < 0.5 < high
    )  # differences 0.4, 0.5, 0.6: Alice unchanged and scratch don't count
    assert high - low == pytest.approx(2 * 4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    with pytest.raises(ValueError, match="retrains must hold"):
        layers.lower_over_upper(Curves((0.0,), (0, 1, 2), accuracy[..., :3]), BLOCKS)


def test_the_bootstrap_is_certain_of_a_clear_best_and_torn_between_equals():
    share = layers.bootstrap(made([4, 2, 0]))
    assert (
        np.allclose(share.sum(axis=1), 1) and share.loc[0.0, 4] == share.loc[0.5, 2] == share.loc[1.0, 0] == 1
    )
    torn = np.full((1, 2, 6), 0.1)
    torn[0, 0, 1], torn[0, 1, 4] = 0.8, 0.7  # two seeds: the second wins only where it is drawn twice
    assert layers.bootstrap(Curves((0.0,), RETRAINS, torn)).loc[0.0, 4] == pytest.approx(1 / 4, abs=0.05)


def test_curves_need_every_row_once():
    rows = pd.DataFrame(
        [(rho, seed, k, 0.5) for rho in (0.0, 1.0) for seed in range(2) for k in (0, 1)],
        columns=["rho", "seed", "retrain", "bob_accuracy"],
    )
    rows.loc[0, "bob_accuracy"] = 0.7
    assert Curves.of(rows.sample(frac=1, random_state=1)).accuracy[0, 0, 0] == 0.7
    for broken in (rows[1:], pd.concat([rows, rows[:1]])):
        with pytest.raises(ValueError, match="every rho needs every retrain"):
            Curves.of(broken)


@pytest.mark.hostile("input", 3)
def test_a_page_with_no_contrast_to_make_is_refused_before_the_work():
    for retrains in ([0], [0, 1, 2], [3, 5]):
        with pytest.raises(ValueError, match=r"^retrains must hold numbers from 1 to 2 and from 3 to 4"):
            pages.parameters("layers", "smoke", {"retrains": retrains})


def test_permutations_are_all_counted_where_they_are_few():
    """Three seeds of three rhos have 6 ** 3 orders; the falling one is the least, once."""
    assert layers.converse(made([4, 2, 0], seeds=3, noise=0)).p == pytest.approx(1 / 216)


def test_the_page_has_one_row_a_cell(built):
    rows = table("layers")
    assert len(rows) == 2 * 3 * 4 * 3 == len(rows[["bob_pairs", "rho", "retrain", "seed"]].drop_duplicates())


def test_an_untrained_alice_unchanged_tells_bob_nothing(built):
    """An answer by class without the task is right on 10 % of the classes, give or take 10 %."""
    untrained = table("layers_others").query("alice_task == 'none' and retrain == 0")
    assert len(untrained) == 6 and untrained.bob_accuracy.max() < 0.4


def test_the_pages_verdict_is_that_of_its_rows(built):
    rows = table("layers").query("init == 'fresh' and bob_pairs == 100")
    curves = Curves.of(rows)
    expected = layers.judge(curves, BLOCKS, "smoke", "digits")
    assert table("layers_claims").iloc[0].to_dict() == expected
    verdicts = tuple(glued("layers", key) for key in ("lower", "indicative"))
    assert verdicts == layers.verdict(curves, BLOCKS)


@pytest.mark.hostile("input")
def test_one_rho_is_refused_before_any_work():
    with pytest.raises(ValueError, match=r"^rhos must hold two or more"):
        pages.parameters("layers", "smoke", {"rhos": [0.0]})
