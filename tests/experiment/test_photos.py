"""Single photographs: who is shown which, and cells that share nothing but the network (Mohamud & Brink 2026,
A6).
"""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from made import made

from reuselab.claims import baselines
from reuselab.experiment import bases, cell, models, photos
from reuselab.experiment.cell import Cell
from reuselab.runs import study

SMALL = dict(
    layout="alone",
    alice_pairs=60,
    alice_epochs=1,
    bob_pairs=20,
    bob_epochs=1,
    test_pairs=40,
    alice_device="cpu",
    bob_device="cpu",
)


def test_a_sample_is_balanced_and_shows_no_photograph_twice():
    base = made([30, 40, 50, 60])
    sample = photos.sample(base, [[0, 2], [1, 3]], 50, seed=3)
    assert torch.bincount(sample.labels).tolist() == [25, 25]
    assert torch.bincount(base.labels[sample.index]).tolist() == [13, 13, 12, 12]
    assert len(sample.index.unique()) == len(sample) == 50
    group = torch.tensor([0, 1, 0, 1])
    assert torch.equal(group[base.labels[sample.index]], sample.labels)


@pytest.mark.hostile("input")
def test_more_are_asked_for_than_there_are():
    with pytest.raises(ValueError, match="31 photographs of class 0 are asked for, but there are 30"):
        photos.sample(made([30, 40]), [[0], [1]], 62)


def test_alice_and_bob_have_other_photographs_and_the_same_in_every_study():
    base = made([30, 30])
    hers, his = (photos.sample(base, [[0], [1]], 30, last=last, seed=5) for last in (False, True))
    assert not torch.isin(hers.index, his.index).any()
    assert torch.equal(photos.sample(base, [[0], [1]], 30, seed=5).index, hers.index)
    assert not torch.equal(photos.sample(base, [[0], [1]], 30, seed=6).index, hers.index)
    fewer = photos.sample(base, [[1], [0]], 10, seed=5)
    assert torch.isin(fewer.index, hers.index).all(), "a class keeps its order whatever the task"


def test_a_network_sees_the_training_split_at_mean_0_and_contrast_1():
    base = made([50, 50, 50], channels=3)
    sample = photos.sample(base, [[0], [1], [2]], 150)
    x = sample[:]
    assert x.shape == (150, 3, 8, 8) and x.dtype == torch.float32
    assert abs(x.mean()) < 1e-5 and abs(x.std(correction=0) - 1) < 1e-5
    dark = photos.sample(base, [[0], [1]], 20, draw=bases.Base(base.images // 2, base.labels, base.classes))
    assert dark[:].mean() < -0.3, "a test split is measured by the training split"


def test_a_cell_on_single_images_gives_the_same_row_twice_and_bob_learns():
    one = Cell.of(
        **SMALL
        | dict(
            alice_classes="0,1|2,3",
            bob_classes="6|9",
            alice_pairs=400,
            alice_epochs=4,
            bob_pairs=60,
            test_pairs=80,
        ),
        probe=True,
    )
    row = cell.run(one)
    assert row == cell.run(one)
    assert row["chance"] == row["ceiling"] == 0.5
    assert row["alice_accuracy"] > 0.9 and row["bob_accuracy"] > 0.8
    control = cell.run(replace(one, bob_task="shuffled"))
    assert abs(control["bob_accuracy"] - 0.5) < 4 * 0.5 / 80**0.5
    assert control["alice_accuracy"] == row["alice_accuracy"]


def test_tasks_may_have_other_numbers_of_classes():
    row = cell.run(Cell.of(**SMALL | dict(test_pairs=100), alice_classes="", bob_classes="0|1|2,3"))
    assert row["chance"] == pytest.approx(1 / 3)


def test_bobs_share_an_alice_whatever_their_task():
    one = Cell.of(**SMALL, alice_classes="0|1", bob_classes="2|3")
    assert one.alice_cell() == replace(one, bob_classes="4|5", bob_task="shuffled", retrain=3).alice_cell()
    assert one.alice_cell() != replace(one, alice_classes="0|2").alice_cell()
    taught = replace(one, alice_task="bob")
    assert taught.alice_cell() != replace(taught, bob_classes="4|5").alice_cell()


def test_an_alice_of_bobs_task_has_none_of_his_photographs():
    one = Cell.of(**SMALL | dict(alice_pairs=100), alice_classes="0|1", bob_classes="2|3", alice_task="bob")
    hers = cell.draw(one, "train", 100, 7, "bob")
    assert set(bases.load("digits", "train").labels[hers.index].tolist()) == {2, 3}
    with pytest.raises(ValueError, match="250 photographs for Alice leave fewer than 20 for Bob"):
        study.ready([Cell.of(**SMALL | dict(alice_pairs=250), alice_classes="2|3", bob_classes="2|3")])


def test_rivals_without_alice_do_not_depend_on_her_task():
    one, other = (
        baselines.rivals(Cell.of(**SMALL, alice_classes=task, bob_classes="2|3")) for task in ("0|1", "4|5")
    )
    assert all(one[name] == other[name] for name in ("raw pixels", "scratch"))
    assert one["random network"] != other["random network"]


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "given, told",
    [
        (dict(layout="alone", rho=0.5), "rho, phi, swap and attribute are of pairs"),
        (dict(alice_classes="0|1"), "need layout alone"),
        (dict(layout="alone", alice_classes="0"), "two groups of classes or more"),
        (dict(layout="alone", bob_classes="0|1,0"), "twice"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_in_one_line(given, told):
    with pytest.raises(ValueError, match=told) as refusal:
        Cell.of(**given)
    assert "\n" not in str(refusal.value)


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "given, told",
    [
        (dict(bob_classes="0|seven"), "seven"),
        (dict(test_pairs=1000), "are asked for, but there are"),
        (dict(alice_pairs=400, alice_classes="2|3"), "are asked for, but there are"),
    ],
)
def test_a_study_refuses_before_any_work(given, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        study.study([Cell.of(**SMALL | dict(alice_classes="0|1", bob_classes="2|3") | given)], home=tmp_path)


def test_an_alice_of_imagenet_brings_her_blocks_and_no_accuracy(monkeypatch, tmp_path):
    hers = models.build("resnet18_original", (1, 8, 8), 1000, seed=9)
    monkeypatch.setattr(models, "pretrained", lambda name, shape: hers)
    one = Cell.of(
        **SMALL,
        alice_classes="0|1",
        bob_classes="2|3",
        network="resnet18_original",
        alice_task="imagenet",
        probe=True,
        retrain=2,
    )
    row = study.study([one], workers=1, home=tmp_path).iloc[0]
    assert pd.isna(row.alice_accuracy) and row.bob_accuracy > 0.5
    assert row.bob_accuracy == cell.run(one)["bob_accuracy"], "her weights survive being kept"


@pytest.mark.hostile("input", 2)
def test_imagenet_weights_are_refused_before_any_work_where_they_cannot_serve(tmp_path):
    one = Cell.of(**SMALL, alice_classes="0|1", bob_classes="2|3", alice_task="imagenet")
    with pytest.raises(ValueError, match="no ImageNet weights for cnn"):
        study.study([one], home=tmp_path)
    with pytest.raises(ValueError, match="need colour images"):
        study.study([replace(one, network="resnet18_original")], home=tmp_path)


def test_the_same_images_under_another_name_are_not_other_photographs():
    """The turned digits are the digits."""
    one = Cell.of(
        **SMALL | dict(alice_pairs=250),
        base="digits",
        bob_base="turned",
        alice_classes="2|3",
        bob_classes="2|3",
    )
    with pytest.raises(ValueError, match="250 photographs for Alice leave fewer than 20 for Bob"):
        study.ready([one])
    study.ready([replace(one, alice_task="none", alice_recipe=replace(one.alice_recipe, pairs=60))])


def test_imagenets_alice_needs_no_photographs_of_her_own():
    one = Cell.of(
        **SMALL | dict(alice_pairs=100_000), alice_classes="2|3", bob_classes="2|3", alice_task="imagenet"
    )
    assert cell.enough(one) is None
