"""An Alice who learnt ImageNet, MobileNetV2, and Bobs with few labels (Mohamud & Brink 2026, A6).

Bob tells three breeds of pets apart, none of which is a class of hers, or the ten classes of CIFAR-10.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from reuselab.check import Failed
from reuselab.claims.evidence import FIRST_SEED, Decision
from reuselab.experiment import bases, models, photos, train, zoo
from reuselab.experiment.bases import Base
from reuselab.experiment.models import Network
from reuselab.experiment.photos import Photos
from reuselab.sources import registry, weights

SETS = ("pets", "cifar10")
NETWORK, SIDE = "mobilenet_v2", 64  # pixels, as photographs have on the page
BREEDS = ("Abyssinian", "Bengal", "American Bulldog")
PER_CLASS = 120  # photographs of CIFAR-10's training split; of a breed there are about 200
ASIDE = {"pets": 90, "cifar10": 200}  # photographs that choose the learning rates and nothing else
TESTS = {"pets": 102, "cifar10": 500}

COLOURS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what torchvision's weights expect

LABELS, SOME_LABELS = (20, 50, 100, 200, 400), (20, 400)
ALICE, UNTRAINED, SCRATCH = "Alice", "random network", "scratch"
SOLVED, TRAINED = "solved", "trained"
CUTS, EVERYTHING = range(1, 6), 6  # numbers of blocks that are not hers
SOLVED_SEEDS = 10
# Who is trained: (method, retrain) to label counts and number of seeds; the dearest the least.
CELLS: dict[tuple[str, int], tuple[tuple[int, ...], int]] = {
    (ALICE, 1): (LABELS, 10),
    (SCRATCH, EVERYTHING): (SOME_LABELS, 4),
    (ALICE, 2): (SOME_LABELS, 4),
}
RATES, PILOT = (5e-4, 2e-3, 8e-3), 0  # learning rates to choose from, with a seed that is no evidence's
STEPS, MOST_EPOCHS, BATCH = 2000, 40, 20  # photographs shown in a training, times each is shown, batch


@dataclass(frozen=True)
class Teacher:
    """Her network, what she takes from colours and divides them by, [3, 1, 1], and whose weights it has."""

    net: Network
    mean: Tensor
    deviation: Tensor
    origin: str


def imagenet() -> Teacher:
    """MobileNetV2 as ImageNet taught it: the file in the folder of image sets, else torchvision's download.

    Raises Failed, in one line, where neither can be had or the file is not the one meant.
    """
    path = registry.folder() / weights.MOBILENET
    if path.exists():
        net = zoo.whole(NETWORK, (3, SIDE, SIDE), 1000)
        net.load_state_dict(weights.tensors(path, weights.MOBILENET_SHA256))
        half = torch.full((3, 1, 1), 0.5)
        return Teacher(Network(zoo.cut(net)), half, half, f"sha256 {weights.MOBILENET_SHA256}")
    try:
        theirs = models.pretrained(NETWORK, (3, SIDE, SIDE))
    except Failed as failure:
        raise Failed(f"{path} is missing, and {failure}") from None
    mean, deviation = (torch.tensor(colours)[:, None, None] for colours in COLOURS)
    return Teacher(theirs, mean, deviation, "torchvision")


@dataclass(frozen=True)
class Pool:
    """The photographs of a set's Bobs: the first `aside` choose learning rates, the others are drawn from."""

    base: Base
    aside: int
    tests: int

    def draw(self, labels: int, seed: int) -> tuple[Tensor, Tensor]:
        """Which photographs Bob learns from, those of more labels among them, and on which he is judged.

        Equally many of each class, to within one.
        """
        rest = Base(self.base.images[self.aside :], self.base.labels[self.aside :], self.base.classes)
        learn = photos.sample(rest, self.groups, labels, seed=seed)
        judged = photos.sample(rest, self.groups, self.tests, last=True, seed=seed)
        return self.aside + learn.index, self.aside + judged.index

    @property
    def groups(self) -> list[list[int]]:
        """The classes, each its own group."""
        return [[k] for k in range(len(self.base.classes))]


def pool(name: str) -> Pool:
    """The photographs of image set `name`, uint8 [N, 3, SIDE, SIDE]. FileNotFoundError without it."""
    base = _breeds() if name == "pets" else _first(bases.load(name, "train"))
    aside = photos.sample(base, [[k] for k in range(len(base.classes))], ASIDE[name]).index
    rest = torch.ones(len(base.labels), dtype=torch.bool).index_fill(0, aside, 0).nonzero().flatten()
    order = torch.cat([aside, rest])
    return Pool(Base(base.images[order], base.labels[order], base.classes), len(aside), TESTS[name])


def _breeds() -> Base:
    """The photographs of `BREEDS`, of both official lists."""
    splits = [bases.load("pets", split) for split in bases.SPLITS]
    images, labels = (torch.cat([getattr(part, what) for part in splits]) for what in ("images", "labels"))
    numbers = torch.tensor([splits[0].classes.index(breed) for breed in BREEDS])
    of_breed = labels[:, None] == numbers
    chosen = of_breed.any(1)
    return Base(images[chosen], of_breed[chosen].int().argmax(1), BREEDS)


def _first(base: Base) -> Base:
    """The first `PER_CLASS` photographs of each class, enlarged."""
    order, start = base.by_class
    chosen = torch.cat([order[int(first) : int(first) + PER_CLASS] for first in start[:-1]])
    return Base(base.images[chosen], base.labels[chosen], base.classes).resized(3, (SIDE, SIDE))


# What is run.


def evidence_rows(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Bob's accuracy on image set `name`, a row each, and what they share.

    Columns: method (`ALICE`; `UNTRAINED`, her network before she trained, its normalisation calibrated;
    `SCRATCH`), head ("solved" on the pooled features of the frozen blocks, or "trained" with all blocks
    above the cut, which begin as hers), retrain (blocks from the head down that are not frozen), labels,
    seed, accuracy.
    """
    alice, own = imagenet(), pool(name)
    shown = _photos((own.base.images / 255 - alice.mean) / alice.deviation, own.base.labels)
    bobs = _Bobs(own, alice.net, shown)
    seeds = range(FIRST_SEED, FIRST_SEED + SOLVED_SEEDS)
    rows = [row for seed in seeds for row in bobs.solved(seed)]
    rates: dict[str, float] = {}
    for (method, retrain), (counts, number) in CELLS.items():
        for labels in counts:
            rate = bobs.rate(method, retrain, labels)
            rates[f"{method}, {retrain} blocks, {labels} labels"] = rate
            for seed in seeds[:number]:
                accuracy = bobs.trained(method, retrain, labels, seed, rate)
                rows.append((method, TRAINED, retrain, labels, seed, accuracy))
    table = pd.DataFrame(rows, columns=["method", "head", "retrain", "labels", "seed", "accuracy"])
    facts = {"network": NETWORK, "weights": alice.origin, "pixels": SIDE, "classes": list(own.base.classes)}
    facts |= {"photographs": len(own.base.labels), "aside": own.aside, "test_photographs": own.tests}
    return table, facts | {"batch": BATCH, "shown": STEPS, "most_epochs": MOST_EPOCHS, "rates": rates}


def _photos(images: Tensor, labels: Tensor) -> Photos:
    """Photographs as her network sees them, or what its blocks made of them, float32 [N, ...]."""
    return Photos(images, labels, torch.arange(len(labels)), 0.0, 1.0)


def _part(shown: Photos, index: Tensor) -> Photos:
    return replace(shown, images=shown.images[index], labels=shown.labels[index], index=index)


class _Bobs:
    """The Bobs on one image set; what her frozen blocks make of the photographs is computed once."""

    def __init__(self, own: Pool, alice: Network, shown: Photos):
        self.own, self.alice = own, alice
        self.below = {EVERYTHING: shown}
        self.pooled: dict[int, Photos] = {}
        for retrain, features in _outputs(alice, shown):
            self.pooled[retrain] = _photos(features.mean((2, 3)), shown.labels)
            if (ALICE, retrain) in CELLS:
                self.below[retrain] = _photos(features, shown.labels)

    def solved(self, seed: int) -> Iterator[tuple[str, str, int, int, int, float]]:
        """The rows of Bobs whose heads are solved, on her features and on those of her untrained self."""
        untrained = models.build(NETWORK, (3, SIDE, SIDE), 2, seed)
        shown = self.below[EVERYTHING]
        train.calibrate(untrained, _part(shown, torch.arange(self.own.aside)))
        pooled = {
            retrain: _photos(features.mean((2, 3)), shown.labels)
            for retrain, features in _outputs(untrained, shown)
        }
        for labels in LABELS:
            learn, judged = self.own.draw(labels, seed)
            for method, features_by_cut in ((ALICE, self.pooled), (UNTRAINED, pooled)):
                for retrain, features in features_by_cut.items():
                    known, asked = _part(features, learn), _part(features, judged)
                    classes = len(self.own.base.classes)
                    net = train.solve(nn.Sequential(), known, known.labels, classes)
                    accuracy = train.accuracy(net, asked, asked.labels)
                    yield method, SOLVED, retrain, labels, seed, accuracy

    def rate(self, method: str, retrain: int, labels: int) -> float:
        """The learning rate that is best on the photographs set aside, of equals the lowest."""
        return max(RATES, key=lambda rate: self.trained(method, retrain, labels, PILOT, rate))

    def trained(self, method: str, retrain: int, labels: int, seed: int, rate: float) -> float:
        """The accuracy of a Bob who trains his top blocks; of the pilot, on the photographs set aside."""
        bob = models.build(NETWORK, (3, SIDE, SIDE), len(self.own.base.classes), seed)
        if method == ALICE:
            models.reuse(self.alice, bob, retrain, init="alice")
        top = Network(OrderedDict(list(bob.named_children())[-retrain:]))
        learn, judged = self.own.draw(labels, seed)
        if seed == PILOT:
            judged = torch.arange(self.own.aside)
        known, asked = (_part(self.below[retrain], index) for index in (learn, judged))
        recipe = train.Recipe(epochs=min(MOST_EPOCHS, STEPS // labels), batch=BATCH, lr=rate)
        train.train(top, known, known.labels, recipe, seed)
        return train.accuracy(top, asked, asked.labels)


@torch.no_grad()
def _outputs(net: Network, shown: Photos) -> Iterator[tuple[int, Tensor]]:
    """What each block below the head gives, from the lowest up: the blocks above it, float32 [N, C, H, W]."""
    net.to(memory_format=torch.channels_last).eval()
    features = shown.images
    for above, block in zip(range(len(net) - 1, 0, -1), net):
        features = torch.cat([block(part) for part in features.split(100)])
        yield above, features


# What decides.


def _accuracies(table: pd.DataFrame, method: str, head: str) -> pd.DataFrame:
    """Accuracy [seed, labels], mean over the cuts."""
    rows = table[(table.method == method) & (table["head"] == head)]
    return rows.groupby(["seed", "labels"]).accuracy.mean().unstack()


def _lead(table: pd.DataFrame) -> pd.DataFrame:
    """How far the Bobs who reuse her are above scratch, [seed, labels], where both were run."""
    scratch = _accuracies(table, SCRATCH, TRAINED)
    return _accuracies(table, ALICE, TRAINED).loc[scratch.index, scratch.columns] - scratch


def _gain(table: pd.DataFrame) -> pd.DataFrame:
    """How far heads solved on her features are above those on her untrained self's, [seed, labels]."""
    return _accuracies(table, ALICE, SOLVED) - _accuracies(table, UNTRAINED, SOLVED)


_READING = (
    "our reading: the source claims it of an Alice of dogs and cats, here she learnt all of ImageNet; how "
    "much is effective it does not say"
)
DECISIONS = {
    "ImageNet's network, over scratch": Decision(
        "A6",
        _READING,
        "accuracy of Bobs who train the head, or the top two of six blocks, from her weights, above her "
        "others, mean of both, less that of one who trains all six from nothing; mean over 20 and 400 labels",
        0.05,
        "50 to 200 labels, where scratch is not run, and training more of her blocks; with 20 labels scratch "
        "learns nothing, and with 400 a longer training would help it",
        lambda table: _lead(table).mean(axis=1),
        decides=False,
    ),
    "ImageNet's network, over her untrained self": Decision(
        "A6",
        _READING,
        "accuracy of a head solved on her frozen blocks less that on the same blocks before she trained; "
        "mean over five cuts and 20 to 400 labels",
        0.05,
        "nothing",
        lambda table: _gain(table).mean(axis=1),
        decides=False,
    ),
    "ImageNet's network, worth more the fewer labels": Decision(
        "A6",
        "ours: what is usually said of pre-trained networks",
        "the lead over scratch with 20 labels less that with 400",
        0.05,
        "nothing",
        lambda table: _lead(table)[min(SOME_LABELS)] - _lead(table)[max(SOME_LABELS)],
        decides=False,
    ),
}
