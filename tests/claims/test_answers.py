"""What pages say under their questions follows the rows: made ones, then the same with the opposite sign."""

import numpy as np
import pandas as pd
import pytest

from reuselab import stats
from reuselab.claims import (
    attribution,
    deep_linear,
    dogs_and_cats,
    layers,
    nonlinear,
    open_images,
    pairs,
    task_correlation,
    zero_correlation,
)
from reuselab.claims.baselines import ALICE
from reuselab.theory import relu

SEEDS = range(3)
NOISE = {0: -0.01, 1: 0.0, 2: 0.01}  # by seed, far below every made effect


def rows(**effects):
    """Rows of all seeds: columns seed, and each of `effects` with the seed's noise."""
    return pd.DataFrame([{"seed": s} | {name: e + NOISE[s] for name, e in effects.items()} for s in SEEDS])


@pytest.mark.parametrize(
    "bounds, said", [((1, 0.5, 2), "up"), ((-1, -2, -0.5), "down"), ((0, -1, 1), stats.UNTOLD)]
)
def test_a_wording_goes_by_the_side_of_zero_that_an_interval_lies_on(bounds, said):
    assert stats.by_sign(bounds, "up", "down") == said


def test_a_single_seed_tells_nothing():
    assert stats.by_sign(stats.interval([0.5]), "up", "down") == stats.UNTOLD


def curves(best):
    """Bob's accuracies by rho, seed and k, highest at k = `best` of each rho."""
    accuracy = [[[0.9 if k == top else 0.5 for k in range(4)] for _ in SEEDS] for top in best]
    return layers.Curves((0.0, 1.0), (0, 1, 2, 3), np.array(accuracy))


def test_layers_says_whether_the_best_number_moves_and_which_loses_least():
    stays = layers.answers({25: curves([3, 0]), 100: curves([3, 0])})
    moves = layers.answers({25: curves([3, 0]), 100: curves([2, 0])})
    assert stays["pairs"].startswith("No: ") and "from 3 to 2 at ρ = 0" in moves["pairs"]
    assert layers.answers({100: curves([1, 1])})["fixed"].startswith("Retrain 1. That loses 0.00")
    assert "3 at ρ = 0, 3 at ρ = 1" in stays["seeds"]


@pytest.mark.parametrize(
    "change, said", [(0.2, "It helps"), (-0.2, "It hurts"), (0.0, "This run does not tell")]
)
def test_pairs_says_what_a_ghost_does(change, said):
    alone = pd.concat(
        [rows(bob_accuracy=0.5).assign(phi=0.0), rows(bob_accuracy=0.5 + change).assign(phi=0.3)]
    )
    alone.loc[(alone.phi > 0) & (alone.seed == 0), "bob_accuracy"] -= 0.01
    assert pairs._ghost(alone.assign(method="scratch", rho=0.0)).startswith(said)


@pytest.mark.parametrize("gain, said", [(0.3, "No: the source's training helps"), (-0.3, "Better: ")])
@pytest.mark.parametrize("tuned, better", [(0.3, "Fine-tuning"), (-0.3, "A new last layer")])
def test_nonlinear_says_which_features_and_which_way_are_better(gain, said, tuned, better):
    table = rows(linear=1.0, random=1 + gain, fine_tune=1 - tuned)
    table["random"] += 0.01 * table.seed
    table["fine_tune"] += 0.01 * table.seed
    told = nonlinear.answers(table.assign(mu=0.0, n=20), relu.Setting(d=4, teacher_width=4, student_width=6))
    assert told["random"].startswith(said) and told["most"].startswith(better)
    assert told["replace"].startswith("An overlap of 1.00")


def bobs(lead, most=0.3):
    """Accuracies at two cuts: Alice's `lead` and what Bob's labels bring, over the untrained network."""
    both = [
        rows(**{"random network": 0.5, ALICE: 0.5 + lead, "Bob's labels": 0.5 + most}).assign(retrain=k)
        for k in (1, 2)
    ]
    table = pd.concat(both).set_index(["retrain", "seed"])
    table[ALICE] += 0.01 * table.index.get_level_values("seed")
    return table


def sizes(*leads):
    columns = ["bob_pairs", "retrain", "mean", "low", "high"]
    table = [(n, 1, lead, lead - 0.1, lead + 0.1) for n, lead in zip((30, 1000), leads)]
    return pd.DataFrame(table, columns=columns).assign(quantity="lead", name="random network")


@pytest.mark.parametrize(
    "lead, share, kept",
    [(0.15, "53%", "keeps something"), (-0.15, "Nothing", "serves him less than before")],
)
def test_zero_correlation_says_what_alice_brings(lead, share, kept):
    told = zero_correlation.answers({"cnn": bobs(lead)}, sizes(0.3, lead))
    assert told["share"].startswith(share) and f"cnn {kept}" in told["networks"]
    assert told["pairs"].startswith("It is still above zero" if lead > 0 else "It has turned into a loss")


@pytest.mark.parametrize("gain, said", [(0.2, "It pays most"), (-0.2, "It costs least")])
def test_task_correlation_says_where_reuse_pays(gain, said):
    gained = pd.concat([rows(gain=gain - 0.1).assign(rho=0.0), rows(gain=gain).assign(rho=1.0)])
    seeds = np.array([[0], [0.01], [0.02]])
    trends = {
        ("accuracy", k): stats.trend(np.array([0.1, 0.5, 0.1 + rise]) + seeds)
        for k, rise in ((1, 0.8), (3, -0.2))
    }
    told = task_correlation.answers(trends, gained.assign(retrain=1, over="scratch"))
    assert told["pays"].startswith(f"{said} at ρ = 1") and "+0.80 at k = 1, -0.20 at k = 3" in told["matters"]


@pytest.mark.parametrize("less, said", [(0.2, "The other image"), (-0.2, "Silence")])
def test_attribution_says_which_loss_costs_more(less, said, monkeypatch):
    monkeypatch.setattr(attribution, "rank_check", lambda table, method, _: (len(method) / 10, 0, 1))
    table = rows(bob_accuracy_blank_alice=0.5 + less, bob_accuracy_swapped_alice=0.5)
    table["bob_accuracy_blank_alice"] += 0.01 * table.seed
    told = attribution.answers(table.assign(rho=0.0, retrain=1), {"a": "one", "abc": "another"})
    assert told["silent"].startswith(said) and told["nearest"].startswith("Another. ")


@pytest.mark.parametrize("gain, said", [(0.3, "better"), (-0.3, "worse")])
def test_deep_linear_says_how_a_stop_flatters(gain, said):
    stops = pd.DataFrame([{"steps": 100, "mean": gain, "low": gain - 0.1, "high": gain + 0.1}])
    told = deep_linear.flattered(stops.assign(comparison="fine-tuning stopped, scratch converged"), 0.0)
    assert f"looks {said} than it is" in told


@pytest.mark.parametrize("lead, said", [(0.2, "no"), (-0.2, "yes")])
def test_dogs_and_cats_says_whether_scratch_is_better(lead, said):
    table = pd.concat(
        rows(lead=lead).assign(direction="one Alice", kind=kind, task=tasks[0], over=over)
        for kind, tasks in dogs_and_cats.KINDS.items()
        for over in dogs_and_cats.RIVALS
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dogs_and_cats, "leads", lambda _: table)
        told = dogs_and_cats.answers(table)
    assert f"other animals {said} ({lead:+.2f})" in told["scratch"]


@pytest.mark.parametrize("of_alice, who", [(True, "Alice"), (False, "Bob")])
def test_open_images_says_who_decides_a_gain(of_alice, who, monkeypatch):
    gain = np.tile(np.linspace(-0.2, 0.2, 6)[:, None], (1, 6))
    monkeypatch.setattr(open_images, "gains", lambda _: (gain if of_alice else gain.T)[None])
    monkeypatch.setattr(open_images, "_within", lambda *_: "")
    assert open_images.answers(pd.DataFrame())["who"].startswith(f"Who {who} is")
