"""The trainer: it learns, obeys its recipe and repeats itself."""

import copy
from math import cos, pi

import pytest
import torch
from torch.nn import functional as F

from reuselab.experiment import bases, models, pairs, train
from reuselab.experiment.train import Recipe

DIGITS, UNSEEN = ((bases.load("digits", split),) * 2 for split in ("train", "test"))
SHAPE = 1, 8, 16
BRIEF = Recipe(pairs=96, epochs=2, batch=32, device="cpu")


def brief(**changed):
    return Recipe(**{"pairs": 96, "epochs": 2, "batch": 32, "device": "cpu"} | changed)


@pytest.fixture(scope="module")
def data():
    return pairs.sample(DIGITS, 96, pairs.joint(10, 0.3), seed=1)


def trained(data, recipe, name="cnn", seed=2, frozen=0):
    """A network after training on Alice's labels, its history, and how it started."""
    net = models.build(name, SHAPE, 10, 1, frozen)
    start = copy.deepcopy(net)
    return net, train.train(net, data, data.alice_labels, recipe, seed), start


def weights(net):
    return torch.cat([w.detach().flatten() for w in net.parameters()])


@pytest.mark.parametrize("name, bar", [("cnn", 0.9), ("mlp", 0.85)])
def test_a_recipe_learns_alices_digit_but_not_bobs(name, bar):
    data = pairs.sample(DIGITS, 1500, pairs.joint(10, 0), seed=3)
    net, history, _ = trained(data, Recipe(pairs=1500, epochs=5, device="cpu"), name)
    test = pairs.sample(DIGITS, 2000, pairs.joint(10, 0), draw=UNSEEN, seed=4)
    chance = 4.5 * (0.1 * 0.9 / 2000) ** 0.5
    assert len(history) == 5 and history[0] > 2 * history[-1]
    assert train.accuracy(net, test, test.alice_labels) > bar
    assert abs(train.accuracy(net, test, test.bob_labels) - 0.1) < chance


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
def test_every_optimizer_under_every_schedule_lowers_the_loss(optimizer, schedule, data):
    _, history, _ = trained(
        data, brief(optimizer=optimizer, schedule=schedule, epochs=6, lr=0.05 if optimizer == "sgd" else 3e-3)
    )
    assert len(history) == 6 and history[-1] < 0.9 * history[0]


@pytest.mark.parametrize(
    "schedule, rates",
    [
        ("constant", [1] * 10),
        ("cosine", [0.5 + 0.5 * cos(pi * step / 10) for step in range(10)]),
        ("onecycle", None),
    ],
)
def test_a_schedule_gives_the_rates_of_its_name(schedule, rates, data, monkeypatch):
    seen = []

    class Watched(torch.optim.SGD):
        def step(self, *args):
            seen.append(self.param_groups[0]["lr"])
            super().step(*args)

    monkeypatch.setitem(train.OPTIMIZERS, "sgd", Watched)
    trained(data, brief(optimizer="sgd", schedule=schedule, lr=0.02, epochs=5, batch=48))
    assert len(seen) == 10
    if rates:
        assert seen == pytest.approx([0.02 * rate for rate in rates])
    else:
        top = seen.index(max(seen))
        assert 0 < top < 5 and max(seen) == pytest.approx(0.02) and seen[-1] < 1e-6
        assert seen == sorted(seen[:top]) + sorted(seen[top:], reverse=True)


def test_one_step_of_sgd_is_the_textbook_step(data):
    net, history, start = trained(
        data,
        brief(
            optimizer="sgd", schedule="constant", lr=0.1, momentum=0.5, weight_decay=0.01, epochs=1, batch=96
        ),
    )
    order = torch.randperm(96, generator=torch.Generator().manual_seed(2))
    start.train()
    loss = F.cross_entropy(start(data[order]), data.alice_labels[order])
    loss.backward()
    expected = torch.cat([(w - 0.1 * (w.grad + 0.01 * w)).detach().flatten() for w in start.parameters()])
    assert history == pytest.approx([loss.item()], rel=1e-5)
    torch.testing.assert_close(weights(net), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_label_smoothing_changes_the_loss_of_the_first_step_by_its_formula(smoothing, data):
    """(1 - e) times the cross-entropy of the label plus e times the mean over all classes."""
    _, history, start = trained(data, brief(label_smoothing=smoothing, epochs=1, batch=96))
    log_p = F.log_softmax(start.train()(data[:]).double(), 1)
    expected = -(1 - smoothing) * log_p[torch.arange(96), data.alice_labels].mean() - smoothing * log_p.mean()
    assert history == pytest.approx([expected.item()], rel=1e-5)


def test_bfloat16_trains_close_to_float32_but_not_the_same(data):
    (full, losses, start), (half, close, _) = (
        trained(data, brief(precision=precision, lr=1e-3)) for precision in ("float32", "bfloat16")
    )
    assert close == pytest.approx(losses, rel=0.01) and close != losses
    moved, apart = (weights(full) - weights(start)).norm(), (weights(full) - weights(half)).norm()
    assert apart < 0.3 * moved
    assert {w.dtype for w in half.parameters()} == {torch.float32}


def crops(image):
    """Every picture that `augmented` may make of one [C, H, W]."""
    _, height, width = image.shape
    padded = F.pad(torch.stack([image, image.flip(2)]), (width // 8,) * 2 + (height // 8,) * 2)
    return padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def test_an_augmented_image_is_a_crop_of_it_or_of_its_mirror_image_and_every_one_occurs():
    image = torch.randn(3, 16, 24, generator=torch.Generator().manual_seed(1))
    chances = torch.rand(4000, 2, 3, generator=torch.Generator().manual_seed(2))
    got = train.augmented(image.expand(4000, -1, -1, -1), chances, None)
    possible = crops(image)
    assert got.shape == (4000, 3, 16, 24) and len(possible) == 2 * 5 * 7
    which = torch.cdist(got.flatten(1), possible.flatten(1)).argmin(1)
    assert torch.equal(got, possible[which])
    counts = torch.bincount(which, minlength=70)
    assert ((counts - 4000 / 70).square() / (4000 / 70)).sum() < 112.3  # chi-square, 69 degrees, 0.1 %


@pytest.mark.parametrize("layout, along", [("beside", 3), ("stacked", 2)])
def test_each_half_is_augmented_on_its_own_and_within_its_own_bounds(layout, along):
    data = pairs.sample(DIGITS, 400, pairs.joint(10, 0), layout=layout, seed=1)
    assert data.halves_along == along
    chances = torch.rand(400, 2, 3, generator=torch.Generator().manual_seed(2))
    got = train.augmented(data[:], chances, along)
    assert got.shape == (400, *data.shape)
    same = torch.stack(
        [
            torch.stack([(crops(before) == after).flatten(1).all(1) for before, after in zip(*halves)])
            for halves in zip(data[:].chunk(2, along), got.chunk(2, along))
        ]
    )
    assert same.any(2).all()
    flipped = same.int().argmax(2) // 9
    assert (
        torch.bincount(2 * flipped[0] + flipped[1]).min() > 60
    )  # each of four is 100 of 400, with a standard error of 9


def test_augmentation_changes_training_images_by_the_seed_alone_and_nothing_else(data, monkeypatch):
    _, losses, _ = trained(data, BRIEF)
    torch.manual_seed(1)
    one, history, _ = trained(data, brief(augment=True))
    torch.manual_seed(2)
    same, again, _ = trained(data, brief(augment=True))
    _, others, _ = trained(data, brief(augment=True), seed=3)
    assert history == again != others and torch.equal(weights(one), weights(same)) and history != losses
    monkeypatch.setattr(train, "augmented", lambda *_: pytest.fail("augmented"))
    train.predict(one, data), train.calibrate(one, data), train.solve(one[:2], data, data.alice_labels, 10)
    assert trained(data, BRIEF)[1] == losses
    monkeypatch.setattr(train, "augmented", lambda x, chances, along: x)
    assert trained(data, brief(augment=True))[1][0] == losses[0]  # the same first order


def test_augmented_images_go_through_the_frozen_blocks_in_every_epoch(data, monkeypatch):
    monkeypatch.setattr(train, "lift", lambda *_: pytest.fail("features kept"))
    seen = []
    monkeypatch.setattr(
        train, "augmented", lambda x, chances, along: seen.append(x + chances[:, :1, :1, None]) or seen[-1]
    )
    net, history, start = trained(data, brief(augment=True, batch=96), frozen=2)
    assert len(seen) == 2 and seen[0].shape == seen[1].shape == (96, *SHAPE)
    for kept, before in zip(net[:2].parameters(), start[:2].parameters()):
        assert torch.equal(kept, before)
    order = torch.randperm(96, generator=torch.Generator().manual_seed(2))
    loss = F.cross_entropy(start.train()(seen[0]), data.alice_labels[order])
    assert history[0] == pytest.approx(loss.item(), rel=1e-5)


def test_convolutions_run_channels_last(data):
    net, _, _ = trained(data, brief(epochs=0))
    for convolution in (net.conv1[0], net.conv2[0]):
        assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert net.conv1(data[:]).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", train.RECIPES)
def test_a_named_recipe_is_one(name):
    assert Recipe(**train.RECIPES[name]).augment == (name == "sgd")


def test_no_epochs_change_nothing(data):
    net, history, start = trained(data, brief(epochs=0))
    assert history == []
    for name, value in net.state_dict().items():
        assert torch.equal(value, start.state_dict()[name])


@pytest.mark.parametrize(
    "name, frozen", [("cnn", 1), ("cnn", 2), ("cnn", 3), ("cnn", 4), ("mlp", 1), ("mlp", 3)]
)
def test_features_computed_once_train_as_the_whole_network_does(name, frozen, data, monkeypatch):
    lifted = train.lift(models.build(name, SHAPE, 10, 1, frozen), data)
    assert (
        isinstance(lifted[0], torch.Tensor)
        and len(lifted[0]) == 96
        and len(lifted[1]) == len(models.blocks(name)) - frozen
    )
    one, losses, _ = trained(data, BRIEF, name, frozen=frozen)
    monkeypatch.setattr(train, "FEATURE_BYTES", 0)
    net = models.build(name, SHAPE, 10, 1, frozen)
    assert train.lift(net, data) == (data, net)
    other, again, _ = trained(data, BRIEF, name, frozen=frozen)
    assert losses == pytest.approx(again, rel=1e-4)
    torch.testing.assert_close(train.predict(one, data), train.predict(other, data), atol=2e-3, rtol=1e-3)


def test_features_that_outgrow_memory_are_not_kept(data, monkeypatch):
    net = models.build("cnn", SHAPE, 10, 1, 1)
    size = 96 * 16 * 4 * 8 * 4
    for limit, kept in ((size, True), (size - 1, False)):
        monkeypatch.setattr(train, "FEATURE_BYTES", limit)
        assert (train.lift(net, data)[0] is not data) == kept


def test_a_network_left_in_evaluation_mode_trains_as_any_other(data):
    net = models.build("cnn", SHAPE, 10, 1).eval()
    history = train.train(net, data, data.alice_labels, BRIEF, 2)
    plain, losses, _ = trained(data, BRIEF)
    assert history == losses and torch.equal(weights(net), weights(plain))


def test_the_order_of_batches_comes_from_the_seed_alone(data):
    torch.manual_seed(1)
    one, losses, _ = trained(data, BRIEF)
    torch.manual_seed(2)
    same, again, _ = trained(data, BRIEF)
    other, others, _ = trained(data, BRIEF, seed=3)
    assert losses == again and torch.equal(weights(one), weights(same))
    assert losses != others and not torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("n, batch, steps", [(96, 32, 3), (96, 95, 1), (96, 4000, 1), (96, 20, 4)])
def test_every_pair_is_seen_once_an_epoch_in_batches_of_at_least_the_asked_size(
    n, batch, steps, data, monkeypatch
):
    seen = []

    class Counting(torch.optim.SGD):
        def step(self, *args):
            seen.append(1)
            super().step(*args)

    monkeypatch.setitem(train.OPTIMIZERS, "sgd", Counting)
    monkeypatch.setattr(train, "FEATURE_BYTES", 0)  # batches are then joined one by one
    drawn, original = [], pairs.Pairs.__getitem__
    monkeypatch.setattr(
        pairs.Pairs, "__getitem__", lambda self, index: drawn.append(index) or original(self, index)
    )
    trained(data, brief(optimizer="sgd", batch=batch, epochs=1))
    drawn = [index for index in drawn if isinstance(index, torch.Tensor)]
    assert len(seen) == len(drawn) == steps
    assert sorted(torch.cat(drawn).tolist()) == list(range(n)) and min(map(len, drawn)) >= min(batch, n)


def test_prediction_does_not_depend_on_the_company_and_accuracy_counts_hits():
    data = pairs.sample(DIGITS, 1500, pairs.joint(10, 0), seed=5)
    net = models.build("cnn", SHAPE, 10, 1).train()
    logits = train.predict(net, data)
    assert logits.shape == (1500, 10) and not logits.requires_grad
    torch.testing.assert_close(logits[1400:], net.eval()(data[1400:]).detach(), atol=1e-5, rtol=1e-4)
    assert train.accuracy(net, data, logits.argmax(1)) == 1
    assert train.accuracy(net, data, (logits.argmax(1) + 1) % 10) == 0
    labels = torch.where(torch.arange(1500) < 375, logits.argmax(1), logits.argmin(1))
    assert train.accuracy(net, data, labels) == 0.25


def test_device_auto_takes_the_best_that_is_there():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert train.device("auto") == train.device() == torch.device(best) and train.device("cpu").type == "cpu"
