"""Cells, grids and studies: the same in, the same out."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest
import torch

from reuselab.experiment import bases, cell, train
from reuselab.experiment.cell import Cell
from reuselab.runs.study import grid, study

SMALL = {
    "test_pairs": 200,
    "alice_pairs": 100,
    "alice_epochs": 2,
    "alice_device": "cpu",
    "bob_pairs": 40,
    "bob_epochs": 3,
    "bob_batch": 20,
    "bob_device": "cpu",
}
OTHER = {  # for each parameter a value that is not its default
    "base": "fashion",
    "bob_base": "mnist",
    "rho": 0.3,
    "bob_rho": 0.1,
    "phi": -0.2,
    "layout": "stacked",
    "swap": True,
    "network": "mlp",
    "retrain": 3,
    "init": "alice",
    "probe": True,
    "alice_task": "shuffled",
    "alice_start": 2,
    "test_pairs": 77,
    "attribute": 9,
    "seed": 5,
    **{
        f"{who}_{name}": value
        for who in ("alice", "bob")
        for name, value in {
            "pairs": 123,
            "epochs": 7,
            "batch": 11,
            "optimizer": "sgd",
            "lr": 0.5,
            "momentum": 0.1,
            "weight_decay": 0.2,
            "schedule": "cosine",
            "label_smoothing": 0.3,
            "augment": True,
            "precision": "bfloat16",
            "device": "cpu",
        }.items()
    },
}
SINGLE = {
    "alice_classes": "0|1",
    "bob_classes": "2|3",
    "bob_task": "shuffled",
}  # of single images; tests/test_photos.py
BOBS = {
    name
    for name in OTHER
    if name in ("retrain", "init", "probe", "attribute") or (name.startswith("bob_") and name != "bob_base")
}


def small(**changed):
    return Cell.of(**SMALL | changed)


def test_bobs_own_pairs_follow_their_own_rho_and_stay_the_same_whatever_alices():
    """At bob_rho = 0 her label tells nothing of his, in what he learns from and in what he is judged on."""
    for split in ("train", "test"):
        pairs_of = [cell._bobs(small(rho=rho, bob_rho=0.0), split, 4000)[0] for rho in (0.0, 1.0)]
        assert torch.equal(pairs_of[0].index, pairs_of[1].index)
        same = (pairs_of[1].alice_labels == pairs_of[1].bob_labels).double().mean().item()
        assert abs(same - 0.1) < 4.5 * (0.09 / 4000) ** 0.5
    leaking = cell._bobs(small(rho=1.0), "train", 100)[0]
    assert torch.equal(leaking.alice_labels, leaking.bob_labels)
    row = cell.run(small(rho=1.0, bob_rho=0.0))
    assert row["ceiling"] == pytest.approx(0.1) and row["bob_rho"] == 0.0


# Names and values.


def test_of_and_flat_are_inverse():
    assert set(Cell().flat()) == {*OTHER, *SINGLE}, "no parameter is left out here"
    assert Cell.of() == Cell() and Cell.of(**OTHER).flat() == Cell().flat() | OTHER
    for c in (Cell(), Cell.of(**OTHER), Cell.of(layout="alone", **SINGLE), small()):
        assert Cell.of(**c.flat()) == c and hash(Cell.of(**c.flat())) == hash(c)


@pytest.mark.parametrize("name", OTHER)
def test_one_name_sets_one_parameter(name):
    assert OTHER[name] != Cell().flat()[name]
    assert Cell.of(**{name: OTHER[name]}).flat() == Cell().flat() | {name: OTHER[name]}


@pytest.mark.parametrize("name", OTHER)
def test_cells_share_an_alice_exactly_when_they_differ_in_bobs_parameters(name):
    """test_pairs concerns neither's training, but two cells with other test pairs keep apart."""
    assert (Cell.of(**{name: OTHER[name]}).alice_cell() == Cell().alice_cell()) == (name in BOBS)


def test_a_whole_number_given_for_a_real_one_is_the_same_cell_and_the_same_row():
    whole, real = (
        Cell.of(rho=1, phi=0, bob_lr=1, alice_weight_decay=0),
        Cell.of(rho=1.0, phi=0.0, bob_lr=1.0, alice_weight_decay=0.0),
    )
    assert whole == real and [type(v) for v in whole.flat().values()] == [
        type(v) for v in Cell().flat().values()
    ]


def test_a_cell_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Cell().rho = 0.5


def test_grid_is_every_combination_in_order():
    cells = grid(rho=[0, 0.5], retrain=(1, 2), seed=range(3), base="digits")
    assert [(c.rho, c.retrain, c.seed) for c in cells] == [
        (r, k, s) for r in (0, 0.5) for k in (1, 2) for s in range(3)
    ]
    assert {c.base for c in cells} == {"digits"} and grid() == [Cell()]


# Rows.


def test_a_row_is_the_parameters_then_the_measures():
    c = small(rho=0.25)
    row = cell.run(c)
    assert list(row) == [*c.flat(), "alice_accuracy", "bob_accuracy", "chance", "ceiling"]
    assert {name: row[name] for name in c.flat()} == c.flat()
    assert (row["chance"], row["ceiling"]) == (pytest.approx(0.1), pytest.approx(0.25 + 0.75 / 10))
    for who in ("alice", "bob"):
        assert row[f"{who}_accuracy"] * 200 == pytest.approx(round(row[f"{who}_accuracy"] * 200)), (
            "a share of 200 pairs"
        )


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"network": "mlp", "phi": 0.3, "rho": 0.5, "retrain": 2},
        {"init": "alice", "retrain": 5, "swap": True},
    ],
)
def test_a_cell_gives_the_same_row_twice_whatever_the_threads_and_the_global_seed(changed):
    threads = torch.get_num_threads()
    torch.manual_seed(1)
    row = cell.run(small(**changed))
    try:
        torch.set_num_threads(threads + 1)
        torch.manual_seed(2)
        assert cell.run(small(**changed)) == row
        assert torch.get_num_threads() == threads + 1, "and leaves the threads as they were"
    finally:
        torch.set_num_threads(threads)


def test_an_alices_weights_are_the_same_to_the_bit_and_another_seeds_are_not():
    one, again, other = (cell.train_alice(small(seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one if name.endswith("weight"))


def test_study_gives_every_cells_row_in_order_whatever_the_workers(tmp_path, monkeypatch):
    """To the bit, also from other processes with other hashes and threads."""
    cells = grid(rho=[1, 0], retrain=[2, 0, 5], **SMALL)[::-1] + grid(network="mlp", seed=[3, 1], **SMALL)
    cells += [small(rho=0.5, phi=0.2, retrain=3), cells[0]]
    here = study(cells, workers=1, home=tmp_path / "here")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    apart = study(cells, workers=2, home=tmp_path / "apart")
    pd.testing.assert_frame_equal(here, apart, check_exact=True)
    assert [Cell.of(**row) for row in here[list(Cell().flat())].to_dict("records")] == cells
    pd.testing.assert_frame_equal(here, pd.DataFrame([cell.run(c) for c in cells]), check_exact=True)
    assert here.groupby(["rho", "network", "seed"]).alice_accuracy.nunique().max() == 1


@pytest.mark.parametrize(
    "changed", [{"retrain": 4}, {"init": "alice"}, {"bob_epochs": 0}, {"bob_pairs": 80}, {"bob_lr": 0.1}]
)
def test_changing_bob_does_not_change_alices_accuracy(changed):
    assert cell.run(small(**changed))["alice_accuracy"] == cell.run(small())["alice_accuracy"]


def test_alice_passed_in_is_the_alice_reused():
    c = small(rho=1, retrain=0)
    alice = cell.train_alice(small(seed=9))
    test = cell.draw(c, "test", 200, cell._seeds(c)["test_pairs"])
    row = cell.run(c, alice)
    assert row["alice_accuracy"] == row["bob_accuracy"] == train.accuracy(alice, test, test.alice_labels)
    assert row["alice_accuracy"] != cell.run(c)["alice_accuracy"]


def test_both_are_judged_on_images_that_nobody_trained_on():
    for split in ("train", "test"):
        drawn = cell.draw(small(), split, 10, 0)
        assert drawn.first is drawn.second is bases.load("digits", split)


def test_the_pairs_obey_every_parameter_of_the_cell():
    drawn = cell.draw(small(rho=1, phi=-0.4, layout="stacked", swap=True), "train", 50, 3)
    assert (drawn.phi, drawn.layout, drawn.swap, len(drawn)) == (-0.4, "stacked", True, 50)
    assert torch.equal(drawn.alice_labels, drawn.bob_labels) and not torch.equal(*drawn.index.T), (
        "rho = 1: one label, two images"
    )


def test_alice_bob_and_the_test_draw_apart_and_each_anew_with_the_seed(monkeypatch):
    seen, original = [], cell.draw

    def recorded(c, split, n, seed, *task, **end):
        drawn = original(c, split, n, seed, *task, **end)
        if n >= 40:
            seen.append(drawn.alice_labels[:40])
        return drawn

    monkeypatch.setattr(cell, "draw", recorded)
    for seed in (0, 1):
        cell.run(small(seed=seed, bob_epochs=0, alice_epochs=0))
    assert len(seen) == 6 and not any(torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])


def test_an_alice_reused_as_she_is_serves_bob_by_the_law_of_the_labels():
    """Bob's accuracy with nothing retrained is Alice's at rho = 1 exactly, and chance at rho = 0 within 4.5
    standard errors.
    """
    learned = {"alice_pairs": 1500, "alice_epochs": 5, "test_pairs": 2000, "retrain": 0}
    one, none = (cell.run(small(rho=rho, **learned)) for rho in (1, 0))
    assert one["bob_accuracy"] == one["alice_accuracy"] > 0.85
    assert none["alice_accuracy"] > 0.85 and abs(none["bob_accuracy"] - 0.1) < 4.5 * (0.09 / 2000) ** 0.5


def test_bob_starts_from_alice_and_learns_his_own_task_from_scratch():
    row = cell.run(small(retrain=5, bob_pairs=1500, bob_epochs=5, bob_batch=128, test_pairs=2000))
    assert row["bob_accuracy"] > 0.85


def test_an_untrained_alice_is_calibrated_where_her_recipe_says(monkeypatch):
    """The device "meta" stands in for a GPU; it has no arithmetic, so the statistics are not taken."""
    seen = []

    def watched(batches, net, device):
        seen.extend([device, next(batches).device, *(weight.device for weight in net.parameters())])

    monkeypatch.setattr(train, "device", lambda name: torch.device("meta"))
    monkeypatch.setattr(train, "update_bn", watched)
    cell.train_alice(Cell.of(alice_task="none", alice_pairs=50))
    assert {device.type for device in seen} == {"meta"}


CONTROL = Cell.of(
    layout="alone",
    alice_classes="0|1",
    bob_classes="6|9",
    alice_task="none",
    bob_task="shuffled",
    probe=True,
    retrain=2,
    alice_pairs=40,
    bob_pairs=40,
    test_pairs=40,
)


def test_labels_are_shuffled_by_another_stream_for_each_use():
    """All four begin alike: twenty of one group, twenty of the other."""
    labels = torch.arange(40) // 20
    dealt = [cell._shuffled(CONTROL, labels, use).tolist() for use in ("alice", "bob", "test")]
    dealt.append(cell._shuffled(replace(CONTROL, seed=1), labels, "bob").tolist())
    assert len(set(map(tuple, dealt))) == 4 and all(sorted(deal) == labels.tolist() for deal in dealt)


def test_a_bob_of_shuffled_labels_is_at_chance():
    """Each permutation of balanced answers is right in half of the cases on average, whatever Bob says."""
    alice_net = cell.train_alice(CONTROL)
    right = [cell.run(replace(CONTROL, seed=seed), alice_net)["bob_accuracy"] for seed in range(200)]
    error = np.std(right, ddof=1) / len(right) ** 0.5
    assert abs(np.mean(right) - 0.5) < 3 * error < 0.02
