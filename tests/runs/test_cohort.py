"""Cohorts: a member comes out as it does alone, whatever the network, and a study keeps its rows by cell."""

import copy
import json
import signal
from collections import Counter, OrderedDict
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
import torch
from torch import nn

from reuselab.check import Failed
from reuselab.experiment import bases, models, pairs, photos, train
from reuselab.experiment.cell import Cell
from reuselab.experiment.train import Recipe
from reuselab.runs import cohort
from reuselab.runs import study as studies
from reuselab.runs.store import Store
from reuselab.runs.study import grid, study

DIGITS = bases.load("digits", "train")
BRIEF = Recipe(pairs=40, epochs=5, batch=20, lr=0.01, device="cpu")  # ten steps
SGD = replace(BRIEF, **train.RECIPES["sgd"] | {"batch": 20, "lr": 0.05, "precision": "float32"})
TINY = dict(alice_pairs=40, alice_epochs=2, bob_pairs=40, bob_epochs=2, bob_batch=20, test_pairs=40)
CPU = dict(alice_device="cpu", bob_device="cpu")
CELLS = grid(rho=[0, 0.5], retrain=[1, 2], seed=range(2), **TINY, **CPU)


def in_float64(images):
    """The same images, shown as float64."""
    shown = type(images)

    class Shown(shown):
        def __getitem__(self, batch):
            return shown.__getitem__(self, batch).double()

        def to(self, device):
            return self

    return Shown(**vars(images))


def joined(seed):
    return in_float64(pairs.sample((DIGITS, DIGITS), 40, pairs.joint(10, 0.3), seed=seed))


def single(seed):
    return in_float64(photos.sample(DIGITS, [[2], [3, 5]], 40, seed=seed))


def small_resnet(shape, classes):
    """ResNet-18 with 4 to 16 channels in place of 64 to 512."""
    from torchvision.models.resnet import BasicBlock

    def stage(inputs, outputs, stride):
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        first = BasicBlock(inputs, outputs, stride, None if inputs == outputs else shortcut)
        return nn.Sequential(first, BasicBlock(outputs, outputs))

    convolution = nn.Conv2d(shape[0], 4, 3, padding=1, bias=False)
    return OrderedDict(
        stem=nn.Sequential(convolution, nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        stage1=stage(4, 4, 1),
        stage2=stage(4, 8, 2),
        stage3=stage(8, 12, 2),
        stage4=stage(12, 16, 2),
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes)),
    )


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    monkeypatch.setitem(models.NETWORKS, "small_resnet", small_resnet)


def tasks(name, frozen, recipe=BRIEF, images=joined):
    """Two networks in float64, each with images and a seed of its own, and normalisation calibrated."""
    made = []
    for seed in range(2):
        own = images(seed)
        net = models.build(name, own.shape, 10, seed, frozen).double()
        train.calibrate(net, images(10 + seed))
        made.append(cohort.Task(net, own, own.bob_labels, recipe, 20 + seed))
    return made


def apart(together, alone):
    """The largest difference of a weight or statistic from what `train.train` makes of the same task."""
    histories = cohort.train_together(together)
    largest = 0.0
    for mine, own, history in zip(together, alone, histories):
        assert history == pytest.approx(train.train(*own), rel=1e-5)
        for name, value in own.net.state_dict().items():
            largest = max(largest, float((mine.net.state_dict()[name] - value).abs().max()))
    return largest


@pytest.mark.parametrize("name", ["mlp", "cnn", "small_resnet"])
@pytest.mark.parametrize("retrain", [1, 3, None])
def test_a_member_comes_out_as_it_does_alone(name, retrain):
    together = tasks(name, 0 if retrain is None else len(models.blocks(name)) - retrain)
    before = copy.deepcopy(together)
    assert apart(together, copy.deepcopy(before)) < 1e-4
    for task, old in zip(together, before):
        changed = [not torch.equal(*both) for both in zip(task.net.parameters(), old.net.parameters())]
        assert changed == [weight.requires_grad for weight in task.net.parameters()]


@pytest.mark.parametrize(
    "recipe, images",
    [
        (SGD, joined),
        (SGD, single),
        (replace(BRIEF, optimizer="adam", schedule="constant", batch=15), joined),
        (replace(BRIEF, schedule="cosine", batch=100), single),
    ],
)
def test_whatever_the_recipe_and_the_images(recipe, images):
    together = tasks("cnn", 2, recipe, images)
    assert apart(together, copy.deepcopy(together)) < 1e-4


def test_also_where_what_the_frozen_blocks_give_outgrows_the_memory(monkeypatch):
    monkeypatch.setattr(train, "FEATURE_BYTES", 0)
    together = tasks("small_resnet", 3, replace(BRIEF, epochs=2))
    assert apart(together, copy.deepcopy(together)) < 1e-4


def test_in_bfloat16_a_member_is_as_near_as_bfloat16_is():
    together = tasks("cnn", 0, replace(BRIEF, precision="bfloat16"))
    alone = copy.deepcopy(together)
    for history, own in zip(cohort.train_together(together), alone):
        assert history == pytest.approx(train.train(*own), rel=0.02)


def test_where_nothing_trains_nothing_changes():
    together = tasks("cnn", 5)
    before = copy.deepcopy(together)
    assert cohort.train_together(together) == [[], []]
    for task, old in zip(together, before):
        assert all(torch.equal(*both) for both in zip(task.net.parameters(), old.net.parameters()))


@pytest.mark.parametrize("frozen, recipe", [(1, BRIEF), (2, replace(BRIEF, epochs=6))])
def test_networks_that_train_otherwise_are_no_cohort(frozen, recipe):
    with pytest.raises(ValueError, match="a cohort needs networks of one shape, one recipe and equally many"):
        cohort.train_together([*tasks("cnn", 2), *tasks("cnn", frozen, recipe)])


def test_cells_are_of_one_kind_where_only_data_weights_and_judging_differ():
    alice, bob = partial(cohort.kind, who="alice"), partial(cohort.kind, who="bob")
    cell = Cell(retrain=2)
    data = replace(cell, rho=0.5, phi=0.2, seed=3, alice_start=1, swap=True)
    assert alice(data) == alice(cell) != bob(cell) == bob(data)
    assert bob(replace(data, init="alice", alice_task="none", attribute=50)) == bob(cell)
    assert bob(replace(cell, retrain=3)) != bob(cell) != bob(replace(cell, network="mlp"))
    assert (
        alice(replace(cell, retrain=3, bob_recipe=BRIEF))
        == alice(cell)
        != alice(replace(cell, alice_recipe=BRIEF))
    )
    assert bob(replace(cell, probe=True)) is None
    one, like, other = (
        Cell(layout="alone", alice_classes=task, bob_classes="5|6") for task in ("1|2", "3+8|4", "1|2|3")
    )
    assert alice(one) == alice(like) != alice(other) and bob(one) == bob(like)


def test_a_cohort_is_as_large_as_keeps_a_gpu_busy_and_fits():
    images = pairs.sample((DIGITS, DIGITS), 40, pairs.joint(10, 0.3), seed=0)

    def fits(memory, frozen=0):
        net = models.build("cnn", images.shape, 10, 0, frozen)
        return cohort.fits(cohort.Task(net, images, images.bob_labels, BRIEF, 0), memory)

    assert 1 == fits(0) < fits(2**26) < fits(2**27) < fits(2**40) == cohort.LARGEST
    assert fits(2**26) < fits(2**26, frozen=4)


def test_room_is_measured_for_alices_and_for_bobs(monkeypatch):
    assert cohort.room(CELLS[0], "alice") == 1
    monkeypatch.setattr(train, "device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda where: (2**27, 2**30))
    assert 1 < cohort.room(CELLS[0], "alice") < cohort.room(CELLS[0], "bob") < cohort.LARGEST


def spied(monkeypatch):
    """How many Alices and how many rows each cohort of a study makes."""
    sizes = []
    for name in ("alices", "rows"):
        real = getattr(cohort, name)
        monkeypatch.setattr(
            cohort,
            name,
            lambda cells, *given, real=real, name=name: (
                sizes.append((name, len(cells))) or real(cells, *given)
            ),
        )
    return sizes


def test_a_study_in_cohorts_has_the_rows_of_one_without(monkeypatch, tmp_path):
    cells = CELLS + grid(probe=True, **TINY, **CPU) + grid(alice_task="none", seed=[0, 1], **TINY, **CPU)
    alone = study(cells, workers=1, home=tmp_path / "alone")
    sizes = spied(monkeypatch)
    together = study(cells, workers=1, home=tmp_path / "together", cohort=3)
    pd.testing.assert_frame_equal(together, alone, atol=1e-5)
    assert Counter(sizes) == {("alices", 3): 1, ("alices", 2): 1, ("rows", 3): 2, ("rows", 2): 1}
    with Store(tmp_path / "together") as store:
        made = store.table(stale=True).provenance.map(json.loads)
    assert Counter(each.get("cohort") or 1 for each in made) == {3: 6, 2: 2, 1: 3}
    sizes.clear()
    pd.testing.assert_frame_equal(
        study(cells, workers=1, home=tmp_path / "together"), together, check_exact=True
    )
    assert not sizes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGALRM])
def test_all_rows_of_a_cohort_are_kept_before_an_interruption_is_heard(monkeypatch, tmp_path, number):
    keep = studies._Study._keep

    def interrupted(*given):
        keep(*given)
        signal.raise_signal(number)

    monkeypatch.setattr(studies._Study, "_keep", interrupted)
    usual = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            study(CELLS, workers=1, home=tmp_path, cohort=4)
    finally:
        signal.signal(number, usual)
    with Store(tmp_path) as store:
        assert store.counts()["done"] == 4


def test_unasked_a_study_forms_cohorts_on_cuda_alone_and_never_under_a_time_limit(monkeypatch):
    class Client:
        get_executor = None

    monkeypatch.setattr(studies._Study, "table", lambda self, *_: self.cohort)
    assert study(CELLS) == study(CELLS, time_limit=60, cohort=5) == study(CELLS, client=Client()) == 1
    assert study(CELLS, cohort=5) == 5
    monkeypatch.setattr(studies, "_any_on_cuda", lambda cells: True)
    assert study(CELLS) is None
    assert study(CELLS, time_limit=60) == study(CELLS, client=Client()) == 1


def test_a_study_on_a_gpu_forms_cohorts_of_what_there_is_room_for(monkeypatch):
    monkeypatch.setattr(studies, "_any_on_cuda", lambda cells: True)
    monkeypatch.setattr(cohort, "room", lambda cell, who: {"alice": 4, "bob": 2}[who])
    sizes = spied(monkeypatch)
    study(CELLS, workers=1)
    assert Counter(sizes) == {("alices", 4): 1, ("rows", 2): 4}


def test_where_a_cohort_fails_each_is_tried_alone_and_fails_alone(monkeypatch):
    real = studies.cells_.run

    def failing(cell, alice=None):
        return real(cell, alice) if cell != CELLS[0] else 1 / 0

    monkeypatch.setattr(studies.cells_, "run", failing)
    with pytest.raises(Failed, match=r"1 of 8 cells failed and the others are kept; .* ZeroDivisionError"):
        study(CELLS, workers=1, cohort=4)
    monkeypatch.undo()
    assert len(study(CELLS, workers=1, retry_failed=True)) == 8


def test_a_cohort_that_is_stopped_loses_no_row_of_another(monkeypatch, tmp_path):
    real, calls = cohort.rows, []

    def stopped(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(cohort, "rows", stopped)
    with pytest.raises(KeyboardInterrupt, match="4 of 8 cells done"):
        study(CELLS, workers=1, home=tmp_path / "stopped", cohort=4)
    again = study(CELLS, workers=1, home=tmp_path / "stopped", cohort=4)
    assert len(again) == 8 and len(calls) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_a_study_in_cohorts_has_the_rows_of_one_without(monkeypatch, tmp_path):
    cells = grid(rho=[0, 0.5], retrain=[1, 5], seed=range(4), **TINY)
    alone = study(cells, home=tmp_path / "alone", cohort=1)
    sizes = spied(monkeypatch)
    together = study(cells, home=tmp_path / "together")
    assert ("alices", 8) in sizes and ("rows", 8) in sizes
    pd.testing.assert_frame_equal(together, alone, atol=0.06)  # two of 40 test pairs
