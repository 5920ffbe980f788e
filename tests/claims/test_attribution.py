"""Whose half Bob reads: what is said of made studies, how sure the check is, and the page's numbers (A5)."""

import numpy as np
import pandas as pd
import pytest
import torch
from executed import glued, table
from scipy.stats import spearmanr

from reuselab.claims import attribution as claim
from reuselab.experiment import cell
from reuselab.experiment.attribution import METHODS
from reuselab.experiment.cell import Cell
from reuselab.runs.study import study

SMALL = {"test_pairs": 200, "alice_pairs": 100, "alice_epochs": 2, "bob_pairs": 40, "bob_epochs": 3}


def test_a_kept_alice_is_the_one_that_was_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    bob_cell = Cell.of(**SMALL, retrain=1)
    trained = claim.kept_alice(bob_cell).state_dict()
    study([bob_cell], workers=1)
    monkeypatch.setattr(cell, "train_alice", None)
    kept = claim.kept_alice(bob_cell).state_dict()
    assert all(torch.equal(kept[name], trained[name]) for name in trained)
    (explained,) = claim.explain([bob_cell], claim.conflicts(bob_cell, 7))
    assert (
        len(explained.pairs) == 7 and not (explained.pairs.alice_labels == explained.pairs.bob_labels).any()
    )
    assert {name: part.shape for name, part in explained.maps.items()} == dict.fromkeys(
        METHODS, (7, 1, 8, 16)
    )
    at = explained.maps["occlusion"][3, 0]
    table = made_study().assign(bob_accuracy=0.5)
    told = claim.redrawn({(0.5, 1): explained}, table)
    left, right = told["maps"][0][0][3][METHODS.index("occlusion")]
    shown = np.concatenate([np.reshape(left, (8, 8)), np.reshape(right, (8, 8))], 1)
    np.testing.assert_allclose(shown, 100 * at / at.abs().max(), atol=0.51)
    assert np.shape(told["pictures"]) == (7, 2, 64) and told["answers"][0][0][3].isdigit()
    of_rho_and_k = table[(table.rho == 0.5) & (table.retrain == 1)]
    assert told["shares"][0][0]["changed"]["mean"] == pytest.approx(
        of_rho_and_k.share_changed.mean(), abs=1e-4
    )


# The verdict.


def made_study(seed=0, noise=0.02, rows=lambda rho, k: 0.2 + 0.1 * k - 0.3 * rho * (k > 0), seeds=5):
    """A study in which the share on Bob's half is `rows(rho, k)` for every method, and both checks follow."""
    rng = np.random.default_rng(seed)
    made = []
    for rho in (0.0, 0.25, 0.5, 0.75, 1.0):
        for k in range(6):
            for s in range(seeds):
                share = rows(rho, k)
                made.append(
                    {
                        "rho": rho,
                        "retrain": k,
                        "seed": s,
                        "network": "cnn",
                        "share_changed": share + rng.normal(0, noise),
                        "share_lost": share + rng.normal(0, noise),
                        **{f"share_{m}": share + rng.normal(0, noise) for m in METHODS},
                    }
                )
    return pd.DataFrame(made)


def test_the_claim_holds_on_shares_made_to_follow_it():
    made = made_study()
    assert claim.verdicts(made) == dict.fromkeys(METHODS, "holds") and claim.verdict(made) == "holds"


def test_the_claim_is_undecided_on_shuffled_shares_and_holds_in_part_where_half_of_it_is_refuted():
    """The checks are shuffled alike, so that every method may speak; what it says then has no trend."""
    made = made_study()
    columns = [name for name in made if name.startswith("share_")]
    made[columns] = made[columns].sample(frac=1, random_state=1).to_numpy()
    assert all(claim.means_something(made, method) for method in METHODS)
    assert claim.verdict(made) == "undecided"
    assert claim.verdict(made_study(rows=lambda rho, k: 0.2 + 0.1 * k + 0.1 * rho)) == "holds in part", (
        "a fall with rho"
    )
    assert claim.trends(made, "occlusion").keys() == {
        "Bob's half, with k",
        *(f"Alice's half, with rho at k = {k}" for k in (1, 2, 3, 4)),
    }
    assert claim.verdict(made_study(rows=lambda rho, k: 0.8 - 0.1 * k + 0.1 * rho)) == "does not hold", (
        "the claim turned round"
    )


def test_a_method_that_fails_the_check_is_no_evidence():
    made = made_study()
    alone = made.assign(share_occlusion=made.share_occlusion.sample(frac=1, random_state=0).to_numpy())
    assert claim.verdicts(alone) == {
        "integrated_gradients": "holds",
        "gradient_input": "holds",
        "occlusion": "no evidence",
    }
    assert claim.verdict(alone) == "holds"
    none = made.assign(share_changed=made.share_changed.sample(frac=1, random_state=0).to_numpy())
    assert set(claim.verdicts(none).values()) == {"no evidence"} and claim.verdict(none) == "undecided"
    assert claim.verdict(made[made.seed == 0]) == "undecided"


def test_the_check_is_the_rank_correlation_within_seeds_on_fishers_scale():
    made = made_study(noise=0.2)

    def expected(rows):
        of_seeds = [
            spearmanr(seed.share_occlusion, seed.share_lost).statistic for _, seed in rows.groupby("seed")
        ]
        return np.tanh(np.arctanh(of_seeds).mean())

    value, low, high = claim.rank_check(made, "occlusion", "share_lost")
    assert value == pytest.approx(expected(made))
    assert -1 <= low < value < high <= 1 and high - low > 0.02
    few_blocks_at_0 = (made.rho == 0) & (made.retrain < 2)
    made.loc[few_blocks_at_0 & (made.seed == 0), "share_lost"] = np.nan
    left_out = claim.rank_check(made, "occlusion", "share_lost")[0]
    assert left_out == pytest.approx(expected(made[~few_blocks_at_0]))
    assert np.isnan(claim.rank_check(made[made.seed < 2], "occlusion", "share_lost")).all()


@pytest.mark.parametrize("seeds", [3, 4, 5])
@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_the_checks_interval_covers_as_often_as_it_says(seeds, noise):
    """At least .93 of 2,000 made studies, within two standard errors. The bootstrap had .75 to .84."""
    rng = np.random.default_rng(seeds)
    shares = np.linspace(0.1, 0.8, 15)

    def correlations(*size):
        noisy = shares + noise * rng.normal(size=(2, *size, len(shares)))
        return spearman(*noisy)

    truth = np.arctanh(correlations(50_000)).mean()
    intervals = [claim.over_seeds(of_seeds, len(shares)) for of_seeds in correlations(2000, seeds)]
    covered = np.mean([low <= np.tanh(truth) <= high for _, low, high in intervals])
    assert covered >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 2000)


def spearman(first, second):
    """Spearman's correlation along the last axis."""
    first, second = (array.argsort(-1).argsort(-1) - (array.shape[-1] - 1) / 2 for array in (first, second))
    return (first * second).sum(-1) / (first**2).sum(-1)


def test_perfect_orders_leave_the_check_an_interval_below_one():
    value, low, high = claim.over_seeds([1.0, 1.0, 1.0], 9)
    assert 0.98 < low <= value <= high < 1


def test_disagreements_name_the_place_where_two_methods_part():
    made = made_study(noise=0).assign(
        agreement_integrated_gradients_gradient_input=0.9,
        agreement_integrated_gradients_occlusion=0.5,
        agreement_gradient_input_occlusion=0.4,
    )
    made.loc[(made.rho == 0.5) & (made.retrain == 3), "share_occlusion"] += 0.2
    rows = claim.disagreements(made).set_index(["first", "second"])
    assert rows.loc[
        ("integrated_gradients", "gradient_input"), ["rank", "agreement", "gap"]
    ].tolist() == pytest.approx([1, 0.9, 0])
    apart = rows.loc[("gradient_input", "occlusion")]
    assert (apart.gap_rho, apart.gap_k, apart.gap) == (0.5, 3, pytest.approx(-0.2)) and apart["rank"] < 1


# The page.


def test_her_head_drops_his_half_and_her_second_convolution_holds_it(built):
    rows = table("attribution")
    assert rows.completeness_gap.max() < 0.1
    read = rows[rows.rho == 0].groupby("retrain").decodable_bob.mean()
    assert read[0] < 0.25 and read[3] > 0.9


def test_the_pages_verdict_is_that_of_its_rows(built):
    rows = table("attribution")
    assert len(rows) == 3 * 3 * 3 == len(rows[["rho", "retrain", "seed"]].drop_duplicates())
    expected = claim.judge(rows, "smoke", "digits")
    assert table("attribution_claims").iloc[0].to_dict() == expected
    assert glued("attribution", "verdict") == expected["verdict"]
    for method, verdict in claim.verdicts(rows).items():
        assert glued("attribution", f"verdict_{method}") == verdict
