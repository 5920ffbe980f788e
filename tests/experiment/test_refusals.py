"""Bad input to the Python API: each is refused in one line that names what was expected."""

import re

import numpy as np
import pytest
import torch
from made import made

from reuselab import check
from reuselab.experiment import bases, cell, models, pairs, train
from reuselab.experiment.cell import Cell
from reuselab.experiment.train import Recipe
from reuselab.runs.study import grid

DIGITS = (bases.load("digits", "train"),) * 2
INDEPENDENT = pairs.joint(10, 0)
NOT_JOINT = "a joint distribution must be a matrix of probabilities that sum to 1"
NOT_AXIS = "must hold at least one item and none twice"


def draw(n=10, labels=INDEPENDENT, sets=DIGITS, **how):
    return pairs.sample(sets, n, labels, **how)


def net(name="cnn", shape=(1, 8, 16), classes=10):
    return models.build(name, shape, classes, 0)


SETS = "digits, turned, mnist, fashion, cifar10, cifar100, pets, pet_species, openimages"
REFUSED = [  # what is called, the whole message
    # Cells.
    (lambda: Cell(rho=1.5), "rho must be a number from 0 to 1, not 1.5"),
    (lambda: Cell(rho=-0.1), "rho must be a number from 0 to 1, not -0.1"),
    (lambda: Cell(rho="0.5"), "rho must be a number from 0 to 1, not '0.5'"),
    (lambda: Cell(rho=float("nan")), "rho must be a number from 0 to 1, not nan"),
    (lambda: Cell(rho=True), "rho must be a number from 0 to 1, not True"),
    (lambda: Cell(phi=-1.01), "phi must be a number from -1 to 1, not -1.01"),
    (lambda: Cell(phi=None), "phi must be a number from -1 to 1, not None"),
    (lambda: Cell(swap=1), "swap must be true or false, not 1"),
    (lambda: Cell(seed=-1), "seed must be a whole number from 0 to 4,294,967,295, not -1"),
    (lambda: Cell(seed=2**32), "seed must be a whole number from 0 to 4,294,967,295, not 4294967296"),
    (lambda: Cell(test_pairs=9), "test_pairs must be a whole number from 10 to 100,000,000, not 9"),
    (lambda: Cell(test_pairs=100.0), "test_pairs must be a whole number from 10 to 100,000,000, not 100.0"),
    (lambda: Cell(retrain=6), "retrain must be a whole number from 0 to 5, the blocks of cnn, not 6"),
    (
        lambda: Cell(retrain=5, network="mlp"),
        "retrain must be a whole number from 0 to 4, the blocks of mlp, not 5",
    ),
    (
        lambda: Cell(base="fasion"),
        f"base must be one of {SETS}, not 'fasion' (did you mean fashion?)",
    ),
    (
        lambda: Cell(base=""),
        f"base must be one of {SETS}, not ''",
    ),
    (
        lambda: Cell(bob_base="Digits"),
        re.compile(rf"bob_base must be one of {SETS}, '', not 'Digits' \(did you mean digits\?\)"),
    ),
    (
        lambda: Cell(network="resnet"),
        re.compile(
            r"network must be one of cnn, mlp, resnet18, resnet18_original, or a classifier of torchvision "
            r"by its name, not 'resnet' \(did you mean resnet\d+\?\)"
        ),
    ),
    (
        lambda: Cell(layout="besides"),
        "layout must be one of beside, stacked, alone, not 'besides' (did you mean beside?)",
    ),
    (lambda: Cell(init="Alice"), "init must be one of fresh, alice, not 'Alice' (did you mean alice?)"),
    (
        lambda: Cell.of(rhos=0.5),
        re.compile(
            r"no parameter 'rhos' \(did you mean rho\?\); there is base, bob_base, rho, .*, bob_device"
        ),
    ),
    (
        lambda: Cell.of(bob_epoch=3),
        re.compile(r"no parameter 'bob_epoch' \(did you mean bob_epochs\?\); there is .*"),
    ),
    (lambda: Cell.of(epochs=3), re.compile(r"no parameter 'epochs'.*; there is .*")),
    (
        lambda: Cell.of(bob_epochs=-1),
        re.compile(r"(bob_)?epochs must be a whole number from 0 to 10,000, not -1"),
    ),
    # Recipes.
    (lambda: Recipe(pairs=5), "pairs must be a whole number from 10 to 100,000,000, not 5"),
    (lambda: Recipe(epochs=True), "epochs must be a whole number from 0 to 10,000, not True"),
    (lambda: Recipe(batch=1), "batch must be a whole number from 2 to 65,536, not 1"),
    (lambda: Recipe(lr=0), "lr must be a number above 0 to 100, not 0"),
    (lambda: Recipe(lr=float("inf")), "lr must be a number above 0 to 100, not inf"),
    (lambda: Recipe(momentum=1), "momentum must be a number from 0 to 0.9999, not 1"),
    (lambda: Recipe(weight_decay=-1e-3), "weight_decay must be a number from 0 to 10, not -0.001"),
    (lambda: Recipe(label_smoothing=1), "label_smoothing must be a number from 0 to 0.99, not 1"),
    (
        lambda: Recipe(optimizer="addam"),
        "optimizer must be one of sgd, adam, adamw, not 'addam' (did you mean adam?)",
    ),
    (
        lambda: Recipe(schedule="one-cycle"),
        "schedule must be one of constant, cosine, onecycle, not 'one-cycle' (did you mean onecycle?)",
    ),
    (lambda: Recipe(augment=1), "augment must be true or false, not 1"),
    (
        lambda: Recipe(precision="float16"),
        "precision must be one of float32, bfloat16, not 'float16' (did you mean bfloat16?)",
    ),
    (lambda: Recipe(device="gpu"), re.compile("device must be one of auto, cpu, cuda, mps, not 'gpu'.*")),
    # Grids.
    (lambda: grid(rho=[]), f"axis rho {NOT_AXIS}"),
    (lambda: grid(seed=range(0)), f"axis seed {NOT_AXIS}"),
    (lambda: grid(rho=[0, 0.5, 0.0]), f"axis rho {NOT_AXIS}"),
    (lambda: grid(rho=[0, 2]), "rho must be a number from 0 to 1, not 2"),
    (lambda: grid(seeds=[0, 1]), re.compile(r"no parameter 'seeds' \(did you mean seed\?\); there is .*")),
    # The generator.
    (lambda: pairs.joint(10, 2), "rho must be a number from 0 to 1, not 2"),
    (lambda: pairs.mixing(1.5), "phi must be a number from -1 to 1, not 1.5"),
    (lambda: pairs.cramers_v(np.ones((2, 2))), NOT_JOINT),
    (lambda: pairs.mutual_information([[1.5, -0.5]]), NOT_JOINT),
    (lambda: pairs.ceiling([0.5, 0.5]), NOT_JOINT),
    (lambda: draw(labels=np.full((10, 10), np.nan)), NOT_JOINT),
    (
        lambda: draw(labels=pairs.joint(5, 0)),
        "the joint distribution is 5 x 5, but the image sets have 10 and 10 classes",
    ),
    (
        lambda: draw(sets=(DIGITS[0], made([2, 3]))),
        "the joint distribution is 10 x 10, but the image sets have 10 and 2 classes",
    ),
    (lambda: draw(0), "n must be a whole number from 1 to 100,000,000, not 0"),
    (lambda: draw(2.5), "n must be a whole number from 1 to 100,000,000, not 2.5"),
    (lambda: draw(phi=-2), "phi must be a number from -1 to 1, not -2"),
    (lambda: draw(layout="stack"), "no layout 'stack' (did you mean stacked?); there is beside, stacked"),
    # Image sets.
    (
        lambda: bases.load("digit", "train"),
        f"no base 'digit' (did you mean digits?); there is {SETS}",
    ),
    (lambda: bases.load("digits", "tests"), "no split 'tests' (did you mean test?); there is train, test"),
    # Networks and reuse.
    (lambda: net("cn"), re.compile(r"network must be one of cnn, mlp, .*, not 'cn' \(did you mean cnn\?\)")),
    (lambda: models.reuse(net(), net(), 6), "retrain must be a whole number from 0 to 5, not 6"),
    (lambda: models.reuse(net(), net(), -1), "retrain must be a whole number from 0 to 5, not -1"),
    (lambda: models.reuse(net(), net(), 1, "bob"), "no init 'bob'; there is fresh, alice"),
    (
        lambda: models.reuse(net(), net("mlp"), 1),
        re.compile(r"Alice's blocks \['conv1', .*\] are not Bob's \['dense1', .*\]"),
    ),
    (
        lambda: models.reuse(net(), net(classes=4), 0),
        "Alice's block head does not fit Bob's task: retrain it",
    ),
    (
        lambda: models.reuse(net(), net(shape=(3, 8, 16)), 4),
        "Alice's block conv1 does not fit Bob's task: retrain it",
    ),
    # Rules by themselves.
    (
        lambda: check.several(pairs.RHO)("rhos", []),
        "rhos must be a list of one or more items, each a number from 0 to 1, not []",
    ),
    (
        lambda: check.several(pairs.RHO)("rhos", 0.5),
        "rhos must be a list of one or more items, each a number from 0 to 1, not 0.5",
    ),
    (
        lambda: check.several(pairs.RHO)("rhos", [0, 2]),
        "each item of rhos must be a number from 0 to 1, not 2",
    ),
    (lambda: check.several(pairs.RHO, 2)("rhos", [1, 0, 1]), "rhos must hold at most 2 items, not 3"),
    (lambda: check.several(pairs.RHO)("rhos", [1, 0, 1]), "rhos must not repeat an item, as [1, 0, 1] does"),
    (lambda: check.text()("title", 3), "title must be a Unicode text of up to 40,000 characters, not 3"),
    (
        lambda: check.text()("title", 3 * [30 * "x"]),
        "title must be a Unicode text of up to 40,000 characters, not ['"
        + 30 * "x"
        + "', '"
        + 21 * "x"
        + "...",
    ),
]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("call, message", REFUSED, ids=[getattr(m, "pattern", m)[:60] for _, m in REFUSED])
def test_bad_input_is_refused_in_one_line_that_names_what_was_expected(call, message):
    with pytest.raises(ValueError) as refusal:
        call()
    said = str(refusal.value)
    assert "\n" not in said
    if isinstance(message, str):
        assert said == message
    else:
        assert message.fullmatch(said)


def test_the_table_of_refusals_is_long_and_its_messages_differ():
    messages = [getattr(m, "pattern", m) for _, m in REFUSED]
    assert len(messages) >= 25 and len(set(messages)) > 50


@pytest.mark.hostile("input", 3)
@pytest.mark.parametrize(
    "place, name",
    [
        ("MNIST/raw", "mnist"),
        ("FashionMNIST/raw", "fashion"),
        ("cifar-10-batches-py", "cifar10"),
        ("cifar-100-python", "cifar100"),
        ("oxford-iiit-pet", "pets"),
    ],
)
def test_an_image_set_that_is_not_there_is_refused_before_any_training(place, name, data_folder, monkeypatch):
    monkeypatch.setattr(train, "train", lambda *_: pytest.fail("training began"))
    for call in (
        lambda: bases.load(name, "train"),
        lambda: cell.run(Cell(base=name)),
        lambda: cell.run(Cell(bob_base=name)),
    ):
        with pytest.raises(FileNotFoundError) as refusal:
            call()
        assert str(refusal.value) == (
            f"base {name} is not in {data_folder} or is damaged (RuntimeError): "
            f"set REUSELAB_DATA to a folder with {place}, or run reuselab data fetch {name}"
        )


@pytest.mark.hostile("input")
def test_image_sets_with_unequal_numbers_of_classes_are_refused_by_a_cell(monkeypatch):
    monkeypatch.setattr(bases, "load", lambda name, split: DIGITS[0] if name == "digits" else made([2, 3, 4]))
    with pytest.raises(
        ValueError, match=r"^rho needs as many classes on both sides, but digits has 10 and fashion 3$"
    ):
        cell.run(Cell(bob_base="fashion"))


@pytest.mark.hostile("input")
@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"^device {name} is not on this machine$"):
        cell.run(Cell.of(alice_device=name))
