"""An Alice who learnt ImageNet: her weights, her Bobs' photographs, and what decides (A6)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from made import made

from reuselab.check import Failed
from reuselab.claims import evidence, mobilenet
from reuselab.claims.mobilenet import ALICE, CELLS, CUTS, LABELS, SCRATCH, SOLVED, TRAINED, UNTRAINED
from reuselab.experiment import models, zoo
from reuselab.sources import readers, registry, weights

CATS, DOGS = range(281, 286), range(151, 269)  # ImageNet's classes


def table(lead=0.0, gain=0.0, fewer=0.0, noise=0.01):
    """Rows of a study in which Alice leads scratch by `lead`, with 20 labels `fewer` more than with 400,
    and her features lead the untrained ones by `gain`."""
    rng, rows = np.random.default_rng(0), []
    more = {20: fewer / 2, 400: -fewer / 2}
    for (method, retrain), (counts, seeds) in CELLS.items():
        for labels in counts:
            level = lead + more.get(labels, 0) if method == ALICE else 0
            rows += [(method, TRAINED, retrain, labels, seed, level) for seed in range(seeds)]
    for method, level in ((ALICE, gain), (UNTRAINED, 0)):
        seeds = range(mobilenet.SOLVED_SEEDS)
        rows += [
            (method, SOLVED, k, labels, seed, level) for k in CUTS for labels in LABELS for seed in seeds
        ]
    made_rows = pd.DataFrame(rows, columns=["method", "head", "retrain", "labels", "seed", "accuracy"])
    return made_rows.assign(accuracy=made_rows.accuracy + 0.5 + noise * rng.standard_normal(len(rows)))


def verdicts(what, *tables):
    decision = mobilenet.DECISIONS[f"ImageNet's network, {what}"]
    values = {str(i): decision.values(rows).to_numpy() for i, rows in enumerate(tables)}
    return list(evidence.judge(values, decision.matters).verdict)


@pytest.mark.parametrize(
    "what, put",
    [
        ("over scratch", "lead"),
        ("over her untrained self", "gain"),
        ("worth more the fewer labels", "fewer"),
    ],
)
def test_each_decision_finds_what_was_put_into_made_rows_and_nothing_else(what, put):
    assert verdicts(what, table(**{put: 0.2}), table(**{put: -0.2})) == ["holds", "does not hold"]
    others = dict.fromkeys({"lead", "gain", "fewer"} - {put}, 0.2)
    assert verdicts(what, table(**others)) == ["does not hold"]
    assert verdicts(what, table(**{put: 0.05}, noise=0.3)) == ["undecided"]


def test_a_lead_is_that_of_the_same_seed_and_labels_where_scratch_was_run():
    rows = table(lead=0.3, fewer=0.2, noise=0)
    lead = mobilenet._lead(rows)
    assert list(lead) == [20, 400] and np.allclose(lead, [0.4, 0.2])


def made_pool():
    return mobilenet.Pool(made((18, 18), (64, 64), 3), aside=6, tests=8)


def test_no_photograph_is_both_learnt_from_and_judged_on_or_was_set_aside():
    own = made_pool()
    few, judged = own.draw(6, seed=1)
    many, also_judged = own.draw(20, seed=1)
    assert {*few.tolist()} < {*many.tolist()} and judged.equal(also_judged)
    assert not {*many.tolist()} & {*judged.tolist()}
    assert min(*many, *judged) >= own.aside and not judged.equal(own.draw(6, seed=2)[1])


@pytest.mark.parametrize("name, kinds, per_class", [("pets", 3, 40), ("cifar10", 10, 120)])
def test_the_photographs_set_apart_are_as_many_of_each_class(name, kinds, per_class, monkeypatch):
    def load(name, split):
        base = made((per_class // 2,) * 4 if name == "pets" else (130,) * 10, (64, 64), 3, seed=len(split))
        other = ("Beagle", *reversed(mobilenet.BREEDS))
        return replace(base, classes=other if name == "pets" else base.classes)

    monkeypatch.setattr(mobilenet.bases, "load", load)
    own = mobilenet.pool(name)
    assert own.base.labels.bincount().tolist() == [per_class] * kinds
    assert own.base.labels[: own.aside].bincount().tolist() == [mobilenet.ASIDE[name] // kinds] * kinds
    assert "Beagle" not in own.base.classes


@pytest.fixture
def small(monkeypatch):
    """The study with few photographs, one learning rate, and an Alice who learnt nothing."""
    net = models.build(mobilenet.NETWORK, (3, 64, 64), 1000, seed=5)
    half = torch.full((3, 1, 1), 0.5)
    teacher = mobilenet.Teacher(net, half, half, "made")
    cells = {(ALICE, 1): ((4, 8), 2), (SCRATCH, 6): ((8,), 1)}
    changes = {"LABELS": (4, 8), "STEPS": 8, "RATES": (1e-3,), "SOLVED_SEEDS": 2, "CELLS": cells}
    for name, value in changes.items():
        monkeypatch.setattr(mobilenet, name, value)
    monkeypatch.setattr(mobilenet, "imagenet", lambda: teacher)
    monkeypatch.setattr(mobilenet, "pool", lambda name: made_pool())
    return teacher


def test_a_study_has_a_row_for_each_bob_and_leaves_alice_as_she_was(small):
    before = {name: weight.clone() for name, weight in small.net.state_dict().items()}
    rows, facts = mobilenet.evidence_rows("made")
    counts = rows.groupby(["method", "head"]).size().to_dict()
    assert counts == {
        (ALICE, SOLVED): 20,
        (UNTRAINED, SOLVED): 20,
        (ALICE, TRAINED): 4,
        (SCRATCH, TRAINED): 1,
    }
    assert rows.accuracy.between(0, 1).all() and rows.seed.min() >= evidence.FIRST_SEED > mobilenet.PILOT
    assert facts["weights"] == "made" and facts["rates"]["scratch, 6 blocks, 8 labels"] == 1e-3
    assert all(weight.equal(before[name]) for name, weight in small.net.state_dict().items())


@pytest.mark.parametrize("name", mobilenet.SETS)
def test_a_kept_table_has_a_row_for_each_bob_of_the_study(name):
    path = evidence.path_of("dogs_and_cats", name)
    if not path.exists():
        pytest.skip("not run")
    keys = ["method", "head", "retrain", "labels", "seed"]
    expected = table()[keys].assign(seed=lambda rows: rows.seed + evidence.FIRST_SEED)
    kept = pd.read_csv(path)
    assert sorted(kept[keys].itertuples(index=False)) == sorted(expected.itertuples(index=False))
    assert kept.accuracy.between(0, 1).all()


@pytest.mark.hostile("input")
def test_without_her_file_and_torchvisions_one_line_names_both(data_folder, monkeypatch):
    def unreachable(_):
        raise Failed("torchvision's cannot be had")

    monkeypatch.setattr(zoo, "_fetch", unreachable)
    with pytest.raises(
        Failed, match=r"^.*mobilenet_v2\.safetensors is missing, and torchvision's cannot be had$"
    ):
        mobilenet.imagenet()


def test_without_her_file_torchvisions_weights_serve_with_the_colours_that_they_expect(
    data_folder, monkeypatch
):
    monkeypatch.setattr(models, "pretrained", lambda name, shape: models.build(name, shape, 1000, 0))
    alice = mobilenet.imagenet()
    assert alice.origin == "torchvision" and alice.mean.shape == alice.deviation.shape == (3, 1, 1)
    assert alice.mean[0] == pytest.approx(0.485) and alice.deviation[2] == pytest.approx(0.225)


@pytest.mark.hostile("input")
def test_another_file_in_its_place_is_refused_before_anything_else_is_tried(data_folder):
    path = data_folder / weights.MOBILENET
    path.parent.mkdir()
    path.write_bytes(b"other")
    with pytest.raises(Failed, match="SHA-256"):
        mobilenet.imagenet()


def test_her_network_calls_cats_cats_and_dogs_dogs_though_none_is_a_breed_of_hers():
    names = [
        f"{breed}_{i}" for breed in ("Abyssinian", "Bengal", "american_bulldog") for i in range(100, 107)
    ]
    files = [registry.folder() / "oxford-iiit-pet" / "images" / f"{name}.jpg" for name in names]
    for file in (registry.folder() / weights.MOBILENET, *files):
        if not file.exists():
            pytest.skip(f"{file} is missing")
    alice = mobilenet.imagenet()
    images = torch.stack([readers.square(path, 256)[:, 16:240, 16:240] for path in files])
    with torch.no_grad():
        classes = alice.net.eval()((images / 255 - alice.mean) / alice.deviation).argmax(1).tolist()
    cats, dogs = classes[:14], classes[14:]
    assert np.mean([k in CATS for k in cats]) >= 0.8 and np.mean([k in DOGS for k in dogs]) >= 0.8
