"""A cell: one Alice-and-Bob experiment, whole. `run(cell)` turns it into a row."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch

from reuselab.check import Rule, boolean, choice, integer, known, measured, number, optional, text
from reuselab.experiment import attribution, bases, models, pairs, photos
from reuselab.experiment import train as trainer
from reuselab.experiment.train import Recipe

IMAGENET_CLASSES = 1000
ALONE, IMAGENET = "alone", "imagenet"

RULES: dict[str, Rule] = {
    "base": bases.base_rule(),
    "bob_base": bases.base_rule(""),
    "rho": pairs.RHO,
    "bob_rho": optional(pairs.RHO),
    "phi": pairs.PHI,
    "alice_classes": text(),
    "bob_classes": text(),
    "layout": choice(*pairs.LAYOUTS, ALONE),
    "swap": boolean(),
    "network": models.NETWORK,
    "retrain": integer(0, 1_000),
    "init": choice("fresh", "alice"),
    "probe": boolean(),
    "alice_task": choice("own", "bob", "shuffled", "none", IMAGENET),
    "bob_task": choice("own", "shuffled"),
    "alice_start": integer(0, 1_000),
    "test_pairs": integer(10, 100_000_000),
    "attribute": integer(0, 1_000_000),
    "seed": integer(0, 2**32 - 1),
    **{f"{who}_{name}": rule for who in ("alice", "bob") for name, rule in trainer.RULES.items()},
}


@dataclass(frozen=True)
class Cell:
    """All parameters of one experiment. Raises ValueError, in one line, for a value that cannot be.

    base, bob_base: image sets of Alice's and of Bob's half ("": the same). rho, phi: correlation of the
    labels and of the pixels. bob_rho: that of the labels in Bob's own pairs, to train on and to be judged
    on (None: rho). layout, swap: where Bob's half lies; "alone": single images instead of pairs, his others
    than hers.
    alice_classes, bob_classes: with that layout, a task as groups of classes, "dog|cat" (see `bases.groups`;
    "": every class).
    network, retrain, init: what is reused (see `models.reuse`).
    probe: a linear head, solved (`train.solve`), in place of the `retrain` top blocks; of all of them: on raw
    pixels.
    alice_task: her own labels, Bob's, her own shuffled, or none: she stays as she began, normalisation
    calibrated; or "imagenet": she comes with the weights that torchvision publishes (see
    `models.pretrained`).
    bob_task: his own labels or, as a control, his own shuffled, in training and test.
    alice_start: which draw of her initial weights; all else that is random stays. alice_recipe, bob_recipe:
    how each trains.
    test_pairs: pairs of unseen images that both are judged on. attribute: of how many of these Bob's answer
    is attributed to the halves (see `attribution.measures`); 0: none. seed: of everything.
    """

    base: str = "digits"
    bob_base: str = ""
    rho: float = 0.0
    bob_rho: float | None = None
    phi: float = 0.0
    alice_classes: str = ""
    bob_classes: str = ""
    layout: str = "beside"
    swap: bool = False
    network: str = "cnn"
    retrain: int = 1
    init: str = "fresh"
    probe: bool = False
    alice_task: str = "own"
    bob_task: str = "own"
    alice_start: int = 0
    test_pairs: int = 2000
    attribute: int = 0
    seed: int = 0
    alice_recipe: Recipe = field(default_factory=Recipe)
    bob_recipe: Recipe = field(default_factory=lambda: Recipe(pairs=100, epochs=60, batch=50))

    def __post_init__(self):
        for field_ in fields(self):
            value = getattr(self, field_.name)
            if field_.type is Recipe:
                Rule("a Recipe", lambda given: isinstance(given, Recipe))(field_.name, value)
            else:
                RULES[field_.name](field_.name, value)
                default = getattr(Cell, field_.name)
                kind = float if default is None else type(default)
                object.__setattr__(self, field_.name, value if value is None else kind(value))
        top = len(models.blocks(self.network))
        if self.retrain > top:
            raise ValueError(
                f"retrain must be a whole number from 0 to {top}, the blocks of {self.network}, "
                f"not {self.retrain}"
            )
        for task in filter(None, (self.alice_classes, self.bob_classes)):
            bases.groups(task)
        of_pairs = (self.rho, self.bob_rho, self.phi, self.swap, self.attribute)
        if self.layout == ALONE and of_pairs != (0, None, 0, False, 0):
            raise ValueError(
                "rho, bob_rho, phi, swap and attribute are of pairs: with layout alone they must "
                "stay as they are"
            )
        if self.layout != ALONE and (self.alice_classes, self.bob_classes, self.bob_task) != ("", "", "own"):
            raise ValueError(
                "alice_classes, bob_classes and bob_task are of single images: they need layout alone"
            )
        if self.attribute > self.test_pairs:
            raise ValueError(
                f"attribute must not be above test_pairs, {self.test_pairs:,}, as {self.attribute:,} is"
            )

    @classmethod
    def of(cls, **flat: Any) -> "Cell":
        """A cell from flat names, a recipe's with a prefix: `Cell.of(rho=0.5, bob_epochs=30)`.

        ValueError for an unknown one.
        """
        for name in flat:
            known("parameter", name, RULES)
            RULES[name](name, flat[name])
        cell = cls()

        def recipe(who: str) -> Recipe:
            given = {
                name.removeprefix(f"{who}_"): value for name, value in flat.items() if name.startswith(who)
            }
            own = {name: value for name, value in given.items() if name in trainer.RULES}
            return replace(getattr(cell, f"{who}_recipe"), **own)

        own = {f.name for f in fields(cls)}
        plain = {name: value for name, value in flat.items() if name in own}
        return cls(**plain, alice_recipe=recipe("alice"), bob_recipe=recipe("bob"))

    def flat(self) -> dict[str, Any]:
        """Every parameter under one name, recipes with their owner's prefix: the first columns of a row."""
        nested = asdict(self)
        recipes = {
            f"{who}_{name}": value
            for who in ("alice", "bob")
            for name, value in nested.pop(f"{who}_recipe").items()
        }
        return nested | recipes

    def alice_cell(self) -> "Cell":
        """The same cell with Bob's own parameters at their defaults: what cells that share an Alice share."""
        plain = Cell()
        bobs = ["bob_rho", "retrain", "init", "probe", "attribute", "bob_task", "bob_recipe"]
        if self.layout == ALONE and self.alice_task != "bob":
            bobs.append("bob_classes")
        return replace(self, **{name: getattr(plain, name) for name in bobs})


def _seeds(cell: Cell) -> dict[str, int]:
    """One independent stream for each use of randomness."""
    uses = (
        "alice_pairs",
        "alice_weights",
        "alice_order",
        "bob_pairs",
        "bob_weights",
        "bob_order",
        "test_pairs",
        "probe_pairs",
        "alice_shuffle",
        "bob_shuffle",
        "test_shuffle",
    )
    seeds = dict(zip(uses, np.random.SeedSequence(cell.seed).generate_state(len(uses)).tolist()))
    if cell.alice_start:
        seeds["alice_weights"] = int(
            np.random.SeedSequence(cell.seed, spawn_key=(cell.alice_start,)).generate_state(1)[0]
        )
    return seeds


def draw(
    cell: Cell,
    split: str,
    n: int,
    seed: int,
    whose: str = "alice",
    *,
    last: bool = False,
    rho: float | None = None,
) -> trainer.Images:
    """`n` of the cell's pairs from the images of `split`; with layout alone, images for the task of `whose`.

    whose: "alice" or "bob". last: see `photos.sample`. rho: of pairs, in place of the cell's.
    """
    train = _images(cell, "train")
    drawn = train if split == "train" else _images(cell, split)
    if cell.layout == ALONE:
        who = ("alice", "bob").index(whose)
        return photos.sample(
            train[who],
            _groups(cell, whose),
            n,
            draw=drawn[who],
            shape=pairs.common(*train),
            last=last,
            seed=seed,
        )
    classes = len(train[0].classes)
    if classes != len(train[1].classes):
        raise ValueError(
            f"rho needs as many classes on both sides, but {cell.base} has {classes} "
            f"and {cell.bob_base} {len(train[1].classes)}"
        )
    return pairs.sample(
        train,
        n,
        pairs.joint(classes, cell.rho if rho is None else rho),
        draw=drawn,
        phi=cell.phi,
        layout=cell.layout,
        swap=cell.swap,
        seed=seed,
    )


def _images(cell: Cell, split: str) -> tuple[bases.Base, bases.Base]:
    """A split of Alice's image set and of Bob's, which may be the same."""
    hers = bases.load(cell.base, split)
    return hers, bases.load(cell.bob_base, split) if cell.bob_base else hers


def enough(cell: Cell) -> None:
    """Raise ValueError, in one line, unless Alice and Bob each find photographs enough (layout alone)."""
    his = draw(cell, "train", cell.bob_recipe.pairs, 0, "bob", last=True)
    draw(cell, "test", cell.test_pairs, 0, "bob")
    if cell.alice_task == IMAGENET:
        return
    hers = draw(cell, "train", cell.alice_recipe.pairs, 0, _taught(cell))
    draw(cell, "test", cell.test_pairs, 0, _taught(cell))
    sets = {bases.origin(name) for name in (cell.base, cell.bob_base or cell.base)}
    if (_taught(cell) == "bob" or len(sets) == 1) and torch.isin(hers.index, his.index).any():
        raise ValueError(
            f"{cell.alice_recipe.pairs:,} photographs for Alice leave fewer than {cell.bob_recipe.pairs:,} "
            "for Bob of the classes that both tasks have"
        )


def _groups(cell: Cell, whose: str) -> list[list[int]]:
    """The classes of a task of "alice" or "bob", as numbers, group by group."""
    name, task = (
        (cell.base, cell.alice_classes)
        if whose == "alice"
        else (cell.bob_base or cell.base, cell.bob_classes)
    )
    classes = bases.load(name, "train").classes
    groups = bases.groups(task, classes) if task else [(one,) for one in classes]
    return [[classes.index(one) for one in group] for group in groups]


def _taught(cell: Cell) -> str:
    """Whose task Alice learns."""
    return "bob" if cell.alice_task == "bob" else "alice"


def untrained_alice(cell: Cell) -> models.Network:
    """Alice's network as she starts."""
    whose = _taught(cell)
    classes = IMAGENET_CLASSES if cell.alice_task == IMAGENET else len(_groups(cell, whose))
    return models.build(
        cell.network, draw(cell, "train", 1, 0, whose).shape, classes, _seeds(cell)["alice_weights"]
    )


def train_alice(cell: Cell) -> models.Network:
    """Alice's network, trained as `cell.alice_task` says."""
    if cell.alice_task == IMAGENET:
        return models.pretrained(cell.network, draw(cell, "train", 1, 0).shape)
    seeds, whose = _seeds(cell), _taught(cell)
    data = draw(cell, "train", cell.alice_recipe.pairs, seeds["alice_pairs"], whose)
    net = untrained_alice(cell)
    if cell.alice_task == "none":
        where = trainer.device(cell.alice_recipe.device)
        trainer.calibrate(net.to(where), data.to(where))
    else:
        labels = getattr(data, f"{whose}_labels")
        trainer.train(
            net,
            data,
            _shuffled(cell, labels, "alice") if cell.alice_task == "shuffled" else labels,
            cell.alice_recipe,
            seeds["alice_order"],
        )
    return net


def _shuffled(cell: Cell, labels: torch.Tensor, use: str = "alice") -> torch.Tensor:
    """The labels dealt anew; use: to "alice", to "bob", or in the "test", each by a stream of its own."""
    generator = torch.Generator().manual_seed(_seeds(cell)[f"{use}_shuffle"])
    return labels[torch.randperm(len(labels), generator=generator)]


def _bobs(cell: Cell, split: str, n: int) -> tuple[trainer.Images, torch.Tensor]:
    """Bob's images of `split`, and his labels."""
    seeds = _seeds(cell)
    stream = "test_pairs" if split == "test" else "bob_pairs" if cell.layout != ALONE else "alice_pairs"
    data = draw(cell, split, n, seeds[stream], "bob", last=True, rho=cell.bob_rho)
    if cell.bob_task == "own":
        return data, data.bob_labels
    return data, _shuffled(cell, data.bob_labels, "test" if split == "test" else "bob")


def train_bob(cell: Cell, alice_net: models.Network) -> models.Network:
    """Bob's network: Alice's lower blocks under `cell.retrain` blocks, or a probe, trained on his labels."""
    seeds, classes = _seeds(cell), len(_groups(cell, "bob"))
    data, labels = _bobs(cell, "train", cell.bob_recipe.pairs)
    if cell.probe:
        return trainer.solve(alice_net[: len(alice_net) - cell.retrain], data, labels, classes)
    fresh = models.build(cell.network, data.shape, classes, seeds["bob_weights"])
    bob_net = models.reuse(alice_net, fresh, cell.retrain, cell.init)
    trainer.train(bob_net, data, labels, cell.bob_recipe, seeds["bob_order"])
    return bob_net


def run(cell: Cell, alice: models.Network | None = None) -> dict[str, Any]:
    """One row: every parameter, then alice_accuracy, bob_accuracy, chance and ceiling.

    Alice's is of the task that she was taught (NaN for ImageNet). With `attribute`: `attribution.measures`.
    Both are judged on the same pairs of unseen images, or with layout alone each on images of the own task.
    The same cell gives the same row to the bit on one machine's CPU (computed with one thread). Pass `alice`
    to spare her training; None trains her.
    """
    with repeatable():
        alice_net = (alice or train_alice(cell)).to(trainer.device(cell.bob_recipe.device))
        bob_net = train_bob(cell, alice_net)
        images, bob_labels = _bobs(cell, "test", cell.test_pairs)
        law = pairs.joint(len(_groups(cell, "bob")), cell.rho if cell.bob_rho is None else cell.bob_rho)
        row = cell.flat() | {
            "alice_accuracy": _alice_accuracy(cell, alice_net, images),
            "bob_accuracy": trainer.accuracy(bob_net, images, bob_labels),
            "chance": 1 / len(law),
            "ceiling": pairs.ceiling(law),
        }
        if cell.attribute:
            fit = draw(cell, "train", attribution.PROBE_PAIRS, _seeds(cell)["probe_pairs"], rho=cell.bob_rho)
            assert isinstance(fit, pairs.Pairs) and isinstance(images, pairs.Pairs)
            lower = alice_net[: len(alice_net) - cell.retrain]
            row |= attribution.measures(bob_net, lower, fit, images, cell.attribute)
        return row


def measures(cell: Cell) -> dict[str, Rule]:
    """What `run` adds to the parameters of `cell`, in its order, and what each may be; NaN is None here."""
    plain = dict.fromkeys(("alice_accuracy", "bob_accuracy", "chance"), number(0, 1))
    plain["ceiling"] = measured(0, 1)
    if cell.alice_task == IMAGENET:
        plain["alice_accuracy"] = Rule("missing, as Alice is ImageNet's", lambda value: value is None)
    return plain | (attribution.RULES if cell.attribute else {})


def _alice_accuracy(cell: Cell, alice_net: models.Network, images: trainer.Images) -> float:
    """Alice's accuracy on the task that she was taught, on Bob's test pairs or single images of her own."""
    if cell.alice_task == IMAGENET:
        return float("nan")
    whose = _taught(cell)
    if cell.layout == ALONE:
        images = draw(cell, "test", cell.test_pairs, _seeds(cell)["test_pairs"], whose)
    return trainer.accuracy(alice_net, images, getattr(images, f"{whose}_labels"))


@contextmanager
def repeatable() -> Iterator[None]:
    """PyTorch as repeatable as it can be: one CPU thread, so that sums are taken in the same order.

    On CUDA too: deterministic algorithms where there are any, in float32 without TF32; a recipe that wants
    speed asks for bfloat16. Where there is none PyTorch takes the other without a word. The same GPU and
    versions then repeat a row, other ones need not.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads, strict, warn = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", r"[\s\S]*does not have a deterministic implementation")
            yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        torch.set_num_threads(threads)
