"""Regret of rules that choose a cut, on rows made up so that the answer is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from reuselab.claims import advice


def made(best):
    """Two image sets, three seeds, four cuts; `best` (images, seed) has the most r2 and accuracy."""
    rng = np.random.default_rng(0)
    rows = []
    for images, seed, retrain in product(("one", "two"), range(3), range(1, 5)):
        far = abs(retrain - best(images, seed))
        row = {"images": images, "network": "cnn", "rho": 0.0, "phi": 0.0, "bob_pairs": 100, "seed": seed}
        row |= {"retrain": retrain, "bob_accuracy": 0.9 - 0.1 * far, "r2": 0.8 - 0.2 * far}
        rows.append(row | {"alignment": rng.random(), "cosine": 0.5})
    return pd.DataFrame(rows)


def mean_of(rows):
    return advice.summary(advice.regrets(rows)).set_index("rule")["mean"]


def test_regret_is_what_a_rule_loses_to_the_best_cut():
    mean = mean_of(made(lambda images, seed: 2))
    assert mean["always half"] == pytest.approx(0) and mean["r2 alone"] == pytest.approx(0)
    assert mean["always the head"] == pytest.approx(0.1) and mean["always scratch"] == pytest.approx(0.2)


def test_a_measure_that_tells_the_cut_beats_every_fixed_one_and_the_fit_finds_it():
    mean = mean_of(made(lambda images, seed: seed + 1))
    assert mean["r2 alone"] == pytest.approx(0)
    assert mean["all measures"] < mean["the best fixed share"]


def test_the_best_fixed_share_is_taken_from_the_other_image_sets():
    regret = advice.regrets(made(lambda images, seed: 1 if images == "one" else 4))
    chosen = regret[regret.rule == "the best fixed share"].groupby("images").retrain.unique()
    assert chosen["one"] == [4] and chosen["two"] == [1]


def test_one_image_set_is_refused():
    rows = made(lambda images, seed: 2)
    with pytest.raises(ValueError, match="other image sets"):
        advice.regrets(rows[rows.images == "one"])
