"""The advisor: planted answers, and problems that cannot be."""

from collections import OrderedDict

import pandas as pd
import pytest
import torch
import torchvision
from torch import nn

from reuselab import advisor
from reuselab.experiment.models import Network
from reuselab.experiment.train import Recipe

RECIPE = Recipe(epochs=40, batch=20, lr=2e-2)
BUDGET = 1000


class Times(nn.Module):
    """Its input times a number: a block without weights."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def problem(seed=0, n=80):
    """Two classes, told by which half of the image is bright."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    images = torch.randn(n, 1, 4, 4, generator=generator)
    images[:, 0, :2] += 3 * (2 * labels - 1)[:, None, None]
    return images, labels


def network(middle):
    """Flattened pixels, `middle`, a linear head of three classes."""
    torch.manual_seed(0)
    return Network(OrderedDict(flat=nn.Flatten(), middle=middle, head=nn.Linear(16, 3)))


def blind():
    """A layer that lets nothing through."""
    layer = nn.Linear(16, 16)
    nn.init.zeros_(layer.weight)
    return layer


def test_where_her_features_hold_the_labels_the_head_is_retrained_or_no_worse():
    images, labels = problem()
    advice = advisor.advise(network(Times(1.0)), images, labels, recipe=RECIPE, budget=BUDGET)
    assert advice.reuse and advice.table.accuracy.max() == 1
    assert set(advice.table.retrain) == {1, 2, 3}
    assert ((advice.table.low <= advice.table.accuracy) & (advice.table.accuracy <= advice.table.high)).all()


def test_a_planted_best_cut_is_advised():
    """Her middle block lets nothing through: with it Bob guesses, above it he starts anew."""
    images, labels = problem()
    told = advisor.advise(network(blind()), images, labels, init="fresh", recipe=RECIPE, budget=BUDGET)
    rows = told.table.set_index("retrain")
    assert told.retrain > 1
    assert rows.accuracy[1] < 0.8 and rows.accuracy[told.retrain] > 0.95
    assert rows.probe[1] < 0.8 < rows.probe[2]


def test_a_network_that_lets_nothing_through_is_not_reused():
    images, labels = problem()
    net = Network(OrderedDict(blind=nn.Sequential(nn.Flatten(), blind()), head=nn.Linear(16, 2)))
    told = advisor.advise(net, images, labels, init="fresh", recipe=RECIPE, budget=BUDGET)
    assert (told.retrain, told.reuse) == (2, False)
    assert told.sentence.startswith("Do not reuse this network")


def test_the_sentence_says_why_a_more_accurate_candidate_is_passed_over():
    rows = pd.DataFrame({"retrain": [1, 2], "init": "fresh", "epochs": 3, "accuracy": [0.8, 0.9], "low": 0.7})
    rows = rows.assign(high=0.95, judged=100, alignment=[0.9, 0.1], seconds=1.0)
    chosen, best = rows.loc[advisor.recommended(rows)], rows.loc[1]
    assert chosen.retrain == 1 and "less well aligned" in advisor._sentence(chosen, best, 3)
    assert "aligned" not in advisor._sentence(best, best, 3)


def clock(monkeypatch, tick):
    """A clock that is `tick` seconds on whenever it is read."""
    monkeypatch.setattr(advisor.time, "perf_counter", map(tick.__mul__, range(10_000)).__next__)


def test_every_candidate_takes_part_in_the_first_round_however_short_the_budget(monkeypatch):
    clock(monkeypatch, tick=0.1)
    told = advisor.advise(network(blind()), *problem(n=24), recipe=Recipe(epochs=8, batch=20), budget=5)
    assert len(told.table) == 4 and (told.table.epochs >= 1).all()


@pytest.mark.hostile("input")
def test_a_budget_in_which_not_all_can_be_tried_is_refused_with_what_it_would_take(monkeypatch):
    clock(monkeypatch, tick=4)
    with pytest.raises(ValueError, match=r"^a budget of 5 s is too small: .* takes about [0-9]+ s .*$"):
        advisor.advise(network(blind()), *problem(n=24), recipe=RECIPE, budget=5)


def test_images_are_shrunk_for_a_short_budget_and_the_sentence_says_so(monkeypatch):
    """An epoch of each of the three candidates on 256 pixels takes half of the budget."""
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    net = Network(OrderedDict(below=pooled, head=nn.Linear(16, 2)))
    monkeypatch.setattr(
        advisor, "_step", lambda asked, *_: 0.8 * (asked.below[len(asked.alice)].shape[2] / 256) ** 2
    )
    images, labels = problem(n=24)
    large = images.repeat_interleave(64, 2).repeat_interleave(64, 3)
    told = advisor.advise(net, large, labels, recipe=Recipe(epochs=8, batch=20), budget=6)
    assert told.sentence.endswith("images were shrunk from 256 to 128 pixels.")


@pytest.mark.hostile("input")
def test_more_images_than_memory_holds_are_refused_before_a_block_sees_them_all(monkeypatch):
    images, labels = problem(n=24)
    monkeypatch.setattr(advisor, "MEMORY", 4 * 24 * (16 + 16 + 16))
    advisor._within(*advisor.checked(network(blind()), images, labels), labels, advisor.Training(RECIPE), 60)
    monkeypatch.setattr(advisor, "MEMORY", advisor.MEMORY - 1)
    with pytest.raises(ValueError, match=r"^24 images of 4 pixels, .* more than .*: give fewer$"):
        advisor.advise(network(blind()), images, labels)
    with pytest.raises(ValueError, match=r"give fewer$"):
        advisor.estimates(network(blind()), images, labels)


def test_images_are_shrunk_where_memory_is_short(monkeypatch):
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    net = Network(OrderedDict(below=pooled, head=nn.Linear(16, 2)))
    images, labels = problem(n=24)
    large = images.repeat_interleave(32, 2).repeat_interleave(32, 3)
    monkeypatch.setattr(advisor, "MEMORY", 4 * 24 * 100**2)
    told, _ = advisor._within(*advisor.checked(net, large, labels), labels, advisor.Training(RECIPE), 60)
    assert told.below[2].shape[2] == 64


@pytest.mark.parametrize(
    "cost, seconds, round_",
    [(1, 12, (3, 4)), (1, 11, (3, 2)), (1, 5, (3, 1)), (1, 2.5, (2, 1)), (1, 0, (1, 1))],
)
def test_a_round_takes_as_many_parts_as_time_allows_and_else_fewer_epochs(cost, seconds, round_):
    assert advisor._planned(cost, seconds, wanted=3, most=4) == round_


def finalists(error, *rows):
    """Rows of a race whose accuracies have the standard error `error`."""
    table = pd.DataFrame(rows, columns=["retrain", "accuracy", "alignment"])
    return table.assign(low=table.accuracy - 2 * error, high=table.accuracy + 2 * error)


@pytest.mark.parametrize(
    "error, rows, advised",
    [
        (0.10, [(1, 0.80, 0.6), (2, 0.84, 0.4)], 0),  # few images: the features decide
        (0.001, [(1, 0.80, 0.6), (2, 0.84, 0.4)], 1),  # many: the accuracy does
        (0.10, [(1, 0.80, 0.4), (2, 0.84, 0.4)], 1),
        (0.10, [(3, 0.80, 0.4), (2, 0.80, 0.4)], 1),  # equals: the fewest blocks
    ],
)
def test_the_features_decide_where_few_images_tell_no_accuracies_apart(error, rows, advised):
    assert advisor.recommended(finalists(error, *rows)) == advised


def test_without_weight_the_accuracy_alone_decides():
    assert advisor.recommended(finalists(0.1, (1, 0.80, 0.9), (2, 0.81, 0.1)), weight=0) == 1


def test_where_there_is_time_every_image_is_held_out_once():
    told = advisor.advise(network(blind()), *problem(n=24), recipe=Recipe(epochs=8, batch=20), budget=BUDGET)
    assert (told.table.judged == 24).all()


def test_torchvisions_networks_are_cut_by_the_rule_and_left_as_they_were():
    net = torchvision.models.mobilenet_v2(num_classes=5)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    images = torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    told = advisor.estimates(net, images, torch.arange(12) % 3)
    assert told.retrain.tolist() == [1, 2, 3, 4, 5, 6] and told.notna().all(axis=None)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_fresh_blocks_are_drawn_anew_and_the_head_has_bobs_classes():
    alice = network(blind())
    one, same = (advisor.fresh(alice, 7, seed=1) for _ in range(2))
    assert one.middle.weight.any() and one.head.out_features == 7
    assert torch.equal(one.head.weight, same.head.weight)


IMAGES, LABELS = problem(n=8)
CANNOT_BE = [
    ((IMAGES[0], LABELS), {}, "images [n, C, H, W] and labels [n] are needed"),
    ((IMAGES, LABELS[:5]), {}, "images [n, C, H, W] and labels [n] are needed"),
    ((IMAGES * float("nan"), LABELS), {}, "images must be finite numbers"),
    ((IMAGES, LABELS - 1), {}, "labels must be whole numbers from 0"),
    ((IMAGES, LABELS * 0), {}, "two classes or more are needed"),
    ((IMAGES[:3], LABELS[:3]), {}, "with two images or more of each"),
    ((IMAGES.repeat(1, 1, 2, 1), LABELS), {}, "the network does not take images of 1 x 8 x 4"),
    ((IMAGES, LABELS), {"budget": 1}, "budget must be a number from 5 to 86400, not 1"),
]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("given, options, message", CANNOT_BE, ids=[message for *_, message in CANNOT_BE])
def test_what_cannot_be_advised_is_refused_in_one_line(given, options, message):
    with pytest.raises(ValueError) as refusal:
        advisor.advise(network(blind()), *given, **options)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)
