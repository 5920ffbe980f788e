"""Claim A5: what follows from made shares, and the page's numbers."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from reuselab.book import build as book
from reuselab.claims import attribution as claim
from reuselab.claims import registry
from reuselab.experiment import cell
from reuselab.experiment.attribution import METHODS
from reuselab.experiment.cell import Cell
from reuselab.runs.study import study

PAGES = book.BUILD / "pages" / "smoke"
SMALL = {
    "test_pairs": 200,
    "alice_pairs": 100,
    "alice_epochs": 2,
    "bob_pairs": 40,
    "bob_epochs": 3,
    "bob_batch": 20,
}


def test_a_kept_alice_is_the_one_that_was_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    c = Cell.of(**SMALL, retrain=1)
    trained = claim.kept_alice(c).state_dict()
    study([c], workers=1)
    monkeypatch.setattr(cell, "train_alice", None)
    kept = claim.kept_alice(c).state_dict()
    assert all(torch.equal(kept[name], trained[name]) for name in trained)
    (seen,) = claim.explain([c], claim.conflicts(c, 7))
    assert len(seen.pairs) == 7 and not (seen.pairs.alice_labels == seen.pairs.bob_labels).any()
    assert {name: part.shape for name, part in seen.maps.items()} == dict.fromkeys(METHODS, (7, 1, 8, 16))


# The verdict.


def table(seed=0, noise=0.02, rows=lambda rho, k: 0.2 + 0.1 * k - 0.3 * rho * (k > 0), seeds=5):
    """Rows of a study in which the share on Bob's half is `rows(rho, k)` for every method, and both checks
    follow it.
    """
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
    made = table()
    assert claim.verdicts(made) == dict.fromkeys(METHODS, "holds") and claim.verdict(made) == "holds"


def test_the_claim_does_not_hold_on_shuffled_shares_and_holds_in_part_where_half_of_it_does():
    """Shuffled: the checks are shuffled alike, so that every method may speak; what it says then has no
    trend.
    """
    made = table()
    columns = [name for name in made if name.startswith("share_")]
    made[columns] = made[columns].sample(frac=1, random_state=1).to_numpy()
    assert all(claim.means_something(made, method) for method in METHODS)
    assert claim.verdict(made) == "does not hold"
    assert claim.verdict(table(rows=lambda rho, k: 0.2 + 0.1 * k)) == "holds in part", "no trend with rho"
    assert claim.trends(made, "occlusion").keys() == {
        "Bob's half, with k",
        *(f"Alice's half, with rho at k = {k}" for k in (1, 2, 3, 4)),
    }
    assert claim.verdict(table(rows=lambda rho, k: 0.8 - 0.1 * k + 0.1 * rho)) == "does not hold", (
        "the claim turned round"
    )


def test_a_method_that_fails_the_check_is_no_evidence():
    made = table()
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


def test_the_check_is_the_rank_correlation_of_the_means_and_its_interval_covers_it():
    made = table(noise=0.2)
    means = made.groupby(["rho", "retrain"]).mean(numeric_only=True)
    value, low, high = claim.rank_check(made, "occlusion", "share_lost")
    assert value == pytest.approx(spearmanr(means.share_occlusion, means.share_lost).statistic)
    assert -1 <= low < value and low < high <= 1 and high - low > 0.02
    made.loc[(made.rho == 0) & (made.retrain < 2) & (made.seed == 0), "share_lost"] = np.nan
    left = means[
        ~((means.index.get_level_values("rho") == 0) & (means.index.get_level_values("retrain") < 2))
    ]
    assert claim.rank_check(made, "occlusion", "share_lost")[0] == pytest.approx(
        spearmanr(left.share_occlusion, left.share_lost).statistic
    )


def test_disagreements_name_the_place_where_two_methods_part():
    made = table(noise=0).assign(
        agreement_integrated_gradients_gradient_input=0.9,
        agreement_integrated_gradients_occlusion=0.5,
        agreement_gradient_input_occlusion=0.4,
    )
    made.loc[(made.rho == 0.5) & (made.retrain == 3), "share_occlusion"] += 0.2
    rows = claim.disagreements(made).set_index(["one", "other"])
    assert rows.loc[
        ("integrated_gradients", "gradient_input"), ["rank", "agreement", "gap"]
    ].tolist() == pytest.approx([1, 0.9, 0])
    apart = rows.loc[("gradient_input", "occlusion")]
    assert (apart.gap_rho, apart.gap_k, apart.gap) == (0.5, 3, pytest.approx(-0.2)) and apart["rank"] < 1


# The page.


def test_the_page_meets_its_expectations(built):
    expected = pd.read_csv(book.ROOT / "results" / "smoke" / "attribution.csv").set_index(["rho", "retrain"])
    rows = pd.read_csv(PAGES / "attribution.csv")
    measures = [name for name in expected if name != "tolerance"]
    found = rows.groupby(["rho", "retrain"])[measures].mean()
    assert found.index.equals(expected.index)
    for measure in measures:
        difference = (found[measure] - expected[measure]).abs()
        assert (difference <= expected.tolerance).all(), difference
    assert rows.completeness_gap.max() < 0.1
    read = rows[rows.rho == 0].groupby("retrain").decodable_bob.mean()
    assert read[0] < 0.25 and read[3] > 0.9, "her head drops his half, her second convolution holds it"
    verdict = pd.read_csv(PAGES / "attribution_claims.csv").set_index("claim").verdict["A5"]
    assert (
        verdict
        == claim.verdict(rows)
        == pd.read_csv(registry.EXPECTED / "smoke" / "claims.csv").set_index("claim").verdict["A5"]
    )
