"""Networks as blocks, and reuse: frozen means frozen."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from reuselab.experiment import bases, models, pairs, train
from reuselab.experiment.train import Recipe

SHAPE = 1, 8, 16
DEPTH = {"cnn": 5, "mlp": 4}
DIGITS = (bases.load("digits", "train"),) * 2
BRIEF = Recipe(pairs=64, epochs=2, batch=16, device="cpu")
EVERY = [
    (name, retrain, init)
    for name, depth in DEPTH.items()
    for retrain in range(depth + 1)
    for init in ("fresh", "alice")
]


@pytest.fixture(scope="module")
def data():
    return pairs.sample(DIGITS, BRIEF.pairs, pairs.joint(10, 0.3), seed=1)


@pytest.fixture(scope="module")
def alices(data):
    """A trained Alice of each kind."""
    nets = {name: models.build(name, SHAPE, 10, 1) for name in DEPTH}
    for net in nets.values():
        train.train(net, data, data.alice_labels, BRIEF, 1)
    return nets


def same(one: nn.Module, other: nn.Module) -> bool:
    """Parameters and buffers agree to the bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


# Networks.


def test_blocks_are_named_in_order_and_end_in_a_head():
    assert list(models.blocks("cnn")) == ["conv1", "conv2", "conv3", "dense", "head"]
    assert list(models.blocks("mlp")) == ["dense1", "dense2", "dense3", "head"]
    assert all(list(models.blocks(name)) == models.build(name, (3, 32, 64), 4, 1).blocks for name in DEPTH)


@pytest.mark.parametrize("shape", [(1, 8, 16), (1, 16, 8), (3, 32, 64), (1, 28, 56)])
def test_networks_have_the_sizes_their_docstrings_say(shape):
    c, h, w = shape
    weights = {
        "cnn": 9 * c * 16
        + 9 * 16 * 32
        + 9 * 32 * 64
        + 2 * (16 + 32 + 64)
        + (64 * (h // 4) * (w // 4) + 1) * 64
        + 65 * 7,
        "mlp": (c * h * w + 1) * 128 + 2 * 129 * 128 + 129 * 7,
    }
    for name, expected in weights.items():
        net = models.build(name, shape, 7, 0)
        assert sum(p.numel() for p in net.parameters()) == expected
        assert net(torch.zeros(2, *shape)).shape == (2, 7)


def test_weights_come_from_the_seed_alone_and_leave_the_global_stream_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = models.build("cnn", SHAPE, 10, 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert same(one, models.build("cnn", SHAPE, 10, 3))
    other = models.build("cnn", SHAPE, 10, 4)
    assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()) if a.ndim > 1)


def test_initial_weights_have_pytorchs_default_spread():
    """Uniform on +-1 / sqrt(fan in), so variance 1 / (3 fan in); its estimate has relative standard error
    sqrt(4 / (5 n)).
    """
    for block in models.build("mlp", SHAPE, 10, 7):
        for layer in block.modules():
            if isinstance(layer, nn.Linear):
                n, fan = layer.weight.numel(), layer.in_features
                assert layer.weight.abs().max() <= fan**-0.5
                assert abs(3 * fan * layer.weight.square().mean().item() - 1) < 4.5 * (4 / 5 / n) ** 0.5


@pytest.mark.parametrize("frozen", range(6))
def test_train_mode_leaves_frozen_blocks_in_evaluation_mode_and_without_gradient(frozen):
    net = models.build("cnn", SHAPE, 10, 0, frozen)
    for mode in (True, False, True):
        net.train(mode)
        for depth, block in enumerate(net):
            assert {m.training for m in block.modules()} == {mode and depth >= frozen}
            assert {p.requires_grad for p in block.parameters()} == {depth >= frozen}


# Reuse.


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name, retrain, init", EVERY)
def test_frozen_blocks_stay_alices_to_the_bit_and_every_other_block_changes(
    name, retrain, init, cached, data, alices, monkeypatch
):
    if not cached:
        monkeypatch.setattr(train, "FEATURE_BYTES", 0)
    alice = copy.deepcopy(alices[name])
    bob = models.reuse(alice, models.build(name, SHAPE, 10, 2), retrain, init)
    started = copy.deepcopy(bob)
    train.train(bob, data, data.bob_labels, BRIEF, 2)
    frozen = DEPTH[name] - retrain
    for depth, (hers, his, start) in enumerate(zip(alice, bob, started)):
        if depth < frozen:
            assert same(hers, his)
        else:
            assert not any(torch.equal(a, b) for a, b in zip(his.parameters(), start.parameters()))
            assert not any(torch.equal(a, b) for a, b in zip(his.buffers(), start.buffers()))
    assert same(alice, alices[name]), "Bob's training leaves Alice alone"


@pytest.mark.parametrize("name, retrain, init", EVERY)
def test_retrained_blocks_start_where_init_says(name, retrain, init, alices):
    built = models.build(name, SHAPE, 10, 2)
    bob = models.reuse(alices[name], copy.deepcopy(built), retrain, init)
    for depth, (hers, own, his) in enumerate(zip(alices[name], built, bob)):
        assert same(his, hers if init == "alice" or depth < DEPTH[name] - retrain else own)


@pytest.mark.parametrize("init", ["fresh", "alice"])
@pytest.mark.parametrize("name", DEPTH)
def test_retraining_nothing_gives_alices_very_outputs(name, init, data, alices):
    bob = models.reuse(alices[name], models.build(name, SHAPE, 10, 2), 0, init)
    assert train.train(bob, data, data.bob_labels, BRIEF, 2) == []
    assert torch.equal(train.predict(bob, data), train.predict(alices[name], data))


@pytest.mark.parametrize("name", DEPTH)
def test_retraining_all_afresh_does_not_depend_on_alice(name, data, alices):
    bobs = []
    for alice in (alices[name], models.build(name, SHAPE, 10, 99)):
        bobs.append(models.reuse(alice, models.build(name, SHAPE, 10, 2), DEPTH[name], "fresh"))
        train.train(bobs[-1], data, data.bob_labels, BRIEF, 2)
    assert same(*bobs)
    scratch = models.build(name, SHAPE, 10, 2)
    train.train(scratch, data, data.bob_labels, BRIEF, 2)
    assert same(bobs[0], scratch), "it is training from scratch"


@pytest.mark.parametrize("init", ["fresh", "alice"])
@pytest.mark.parametrize("retrain", range(1, 6))
def test_a_head_of_another_size_is_fresh(retrain, init, alices):
    built = models.build("cnn", SHAPE, 4, 2)
    bob = models.reuse(alices["cnn"], copy.deepcopy(built), retrain, init)
    assert same(bob[-1], built[-1]) and bob.eval()(torch.zeros(1, *SHAPE)).shape == (1, 4)
    assert [same(*both) for both in zip(bob[:4], alices["cnn"])] == [
        init == "alice" or depth < 5 - retrain for depth in range(4)
    ]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("init", ["fresh", "alice"])
def test_a_head_of_another_size_is_refused_where_nothing_is_retrained(init, alices):
    with pytest.raises(ValueError, match=r"^Alice's block head does not fit Bob's task: retrain it$"):
        models.reuse(alices["cnn"], models.build("cnn", SHAPE, 4, 2), 0, init)


def test_resnet18_in_blocks_is_torchvisions_network_to_the_bit():
    """With torchvision's own network around the same modules: the blocks only name what it does in order."""
    net = models.build("resnet18", (1, 8, 16), 10, seed=4).eval()
    assert net.blocks == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    whole = torchvision.models.resnet18(num_classes=10).eval()
    whole.conv1, whole.bn1, whole.relu = net.stem
    whole.maxpool = torch.nn.Identity()
    for i in range(1, 5):
        setattr(whole, f"layer{i}", net.get_submodule(f"stage{i}"))
    whole.avgpool, _, whole.fc = net.head
    images = torch.randn(3, 1, 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(net(images), whole(images))
