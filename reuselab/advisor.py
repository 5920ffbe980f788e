"""How many layers should Bob retrain? Told from his few labelled images without training every cut.

A race among the cuts and a network from scratch: all train for up to an eighth of the recipe's epochs, the
better half for up to a quarter, the better half of those for up to half. Each is judged on images held out,
on up to four parts of them in turn. A training step of every cut is timed beforehand, so that all take part
in the first round within the budget (`_within`, `race`).
What is better is said by the accuracy and, the more the fewer images judge it, by how well the frozen
features below the cut are aligned with the labels (`score`). The other `estimates` are shown beside it and
decide nothing.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from reuselab.check import number
from reuselab.experiment import models, train, zoo
from reuselab.experiment.models import Network
from reuselab.experiment.photos import Photos
from reuselab.theory import features as overlap
from reuselab.theory import transferability

ALICE, FRESH = "alice", "fresh"
RUNGS = (8, 4, 2)  # a round lasts the recipe's epochs over these
PARTS = 4  # that the images are divided into; one at a time is held out
REPEATS = (PARTS, 2, 1)  # how many of them are, the most that time allows
SHARES = (0.4, 0.6, 1.0)  # of the time left that a round may take
SAFE = 0.8  # of the budget is planned with: other programs may slow the machine down
FEWEST_EPOCHS = 2  # of the first round; with less, images are halved down to `SMALLEST` pixels a side
SMALLEST = 64
SIDE, COARSE = 4, 2  # features are pooled to at most so many places a side; COARSE where seconds count
BATCH = 64
# Standard errors of an accuracy that a whole unit of alignment counts for: the one number that was fitted, on
# pilot problems of digits (seeds 7 and 8, out of 0, 5, 10, 20 and 40); `claims.trials` judges it on others.
WEIGHT = 20.0
MEMORY = 2**31  # bytes that images, and what her blocks make of them, may take
FEWEST = 6  # images, for `features.r2` to hold some out
RECIPE = train.Recipe(epochs=24, batch=20, lr=2e-3)
BUDGET = number(5, 86_400)


@dataclass(frozen=True)
class Advice:
    """What to do, and why.

    retrain: number of blocks, from the head down, that Bob should retrain; reuse: whether the rest, or her
    weights to start from, should be hers. table: a row a candidate (see `advise`). sentence: both in words.
    """

    retrain: int
    reuse: bool
    table: pd.DataFrame
    sentence: str


def advise(
    network: nn.Module,
    images: Tensor | train.Images,
    labels: Tensor,
    *,
    init: str = ALICE,
    recipe: train.Recipe = RECIPE,
    budget: float = 60,
    seed: int = 0,
) -> Advice:
    """How many blocks of Alice's `network` Bob should retrain, or that he should not reuse it.

    network: a `Network`, whose blocks are the cuts, or any classifier that `zoo.cut` can divide; it stays as
    it is. images: as it takes them, float [n, C, H, W], or pairs or photographs. labels: int64 [n], from 0.
    init: whether retrained blocks start as hers ("alice") or "fresh". budget: seconds. Where they are short,
    fewer epochs and parts are taken and images are shrunk, and the sentence says so: only machines that have
    time enough for all give the same advice.

    The table's columns: retrain, init ("fresh" with all blocks: from scratch), accuracy and its 95 % interval
    low, high (of the `judged` images held out, in the candidate's last round), epochs of that round, seconds
    that a whole training would take, and the columns of `estimates`, all but the alignment of features
    averaged to 2 x 2. Raises ValueError, in one line, for images or a network that cannot be used, and for a
    budget in which not every candidate can be tried.
    """
    BUDGET("budget", budget)
    start, how = time.perf_counter(), Training(recipe, init, seed)
    alice, shown = checked(network, images, labels)
    problem, costs = _within(alice, shown, labels, how, budget)
    last = race(problem, how, costs, budget - (time.perf_counter() - start))
    told = estimates_of(problem, seed, COARSE)
    last["seconds"] *= shown[0].numel() / problem.below[len(alice)][0].numel()
    finalists = last[last.epochs == last.epochs.max()]
    chosen, best = finalists.loc[recommended(finalists)], finalists.loc[finalists.accuracy.idxmax()]
    table = last.merge(told.drop(columns="alignment"), on="retrain", how="left").sort_values(
        ["retrain", "init"], ignore_index=True
    )
    sentence = _sentence(chosen, best, len(alice)) + _shrunk(shown, problem)
    return Advice(int(chosen.retrain), not _scratch(chosen, len(alice)), table, sentence)


def recommended(finalists: pd.DataFrame, weight: float = WEIGHT) -> Any:
    """The index of the candidate to take, of those that trained equally long (rows of `race`).

    That with the highest `score`; of equals the one with the fewest retrained blocks.
    """
    ordered = finalists.assign(score=score(finalists, weight)).sort_values("retrain", kind="stable")
    return ordered.score.round(9).idxmax()


def score(rows: pd.DataFrame, weight: float = WEIGHT) -> pd.Series:
    """What candidates that trained equally long are ranked by, in units of accuracy.

    The accuracy, and `weight` of its standard errors (a quarter of the best one's 95 % interval) times the
    alignment: few images cannot tell accuracies apart, and then the features decide.
    """
    best = rows.loc[rows.accuracy.idxmax()]
    return rows.accuracy + weight * (best.high - best.low) / 4 * rows.alignment


def _scratch(row: Any, blocks: int) -> bool:
    return row.retrain == blocks and row.init == FRESH


def _what(row: Any, blocks: int) -> str:
    if _scratch(row, blocks):
        return "train all blocks from scratch"
    return f"retrain {'all' if row.retrain == blocks else f'the top {row.retrain} of'} {blocks} blocks"


def _sentence(chosen: Any, best: Any, blocks: int) -> str:
    what = _what(chosen, blocks)
    what = f"Do not reuse this network: {what}" if _scratch(chosen, blocks) else what.capitalize()
    rival = (
        f"; to {_what(best, blocks)} gave {best.accuracy:.2f}, but what lies below that cut is less well "
        "aligned with the labels"
    )
    trained = "1 epoch" if chosen.epochs == 1 else f"{chosen.epochs} epochs"
    rival = "" if best.name == chosen.name else rival
    return (
        f"{what}: after {trained} the accuracy on {chosen.judged} images held out is "
        f"{chosen.accuracy:.2f} [{chosen.low:.2f}, {chosen.high:.2f}]{rival}. "
        f"A whole training takes about {max(1, chosen.seconds):.0f} s."
    )


def _shrunk(shown: Tensor, problem: "Problem") -> str:
    """What to add where images were shrunk."""
    side, full = problem.below[len(problem.alice)].shape[2], shown.shape[2]
    return (
        f" To keep to the budget and to memory, images were shrunk from {full} to {side} pixels."
        if side < full
        else ""
    )


def estimates(
    network: nn.Module, images: Tensor | train.Images, labels: Tensor, *, seed: int = 0
) -> pd.DataFrame:
    """What her frozen blocks below each cut promise, without training a network. A row a cut.

    Columns: retrain (all blocks: of the pixels), probe (accuracy of a linear model on the features, five-fold
    cross-validated), logme, h_score, r2, alignment (of `features`), and leep and nce of her whole network, in
    every row. Features are averaged to at most 4 x 4 places. Raises ValueError as `advise` does.
    """
    alice, shown = checked(network, images, labels)
    _holds(alice, shown)
    return estimates_of(problem_of(alice, shown, labels), seed)


def rank(alices: Mapping[str, tuple[nn.Module, Tensor]], labels: Tensor, *, seed: int = 0) -> pd.DataFrame:
    """Several Alices for one Bob, the best first, by the most r2 among her cuts.

    alices: by name, her network and Bob's images as it takes them. Columns: alice, retrain (of that cut),
    r2, and the others of `estimates` there. Raises ValueError as `advise` does.
    """
    rows = []
    for name, (network, images) in alices.items():
        told = estimates(network, images, labels, seed=seed).iloc[:-1]  # but for the pixels
        rows.append({"alice": name} | told.loc[told.r2.idxmax()].to_dict())
    ranked = pd.DataFrame(rows).astype({"retrain": int})
    return ranked.sort_values(["r2", "probe"], ascending=False, ignore_index=True)


@dataclass(frozen=True)
class Training:
    """How candidates train: Bob's recipe, where retrained blocks start, the seed, and what clock is read."""

    recipe: train.Recipe
    init: str = ALICE
    seed: int = 0
    clock: Callable[[], float] = field(default_factory=lambda: time.perf_counter)


@dataclass(frozen=True)
class Problem:
    """Alice's network and, by the number of blocks above, what her frozen blocks make of Bob's images.

    alignment: of each of these with the labels (see `features`).
    """

    alice: Network
    below: dict[int, Tensor]
    labels: Tensor
    outputs: Tensor
    alignment: dict[int, float]

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def checked(network: nn.Module, images: Tensor | train.Images, labels: Tensor) -> tuple[Network, Tensor]:
    """A copy of the network in its blocks, and the images, float32 [n, C, H, W]."""
    shown = images if isinstance(images, Tensor) else images[:]
    _check(shown, labels)
    alice = deepcopy(network).cpu().eval()
    alice = alice if isinstance(alice, Network) else Network(zoo.cut(alice))
    alice.to(memory_format=torch.channels_last).eval()
    return alice, shown.float().cpu()


@torch.no_grad()
def problem_of(alice: Network, x: Tensor, labels: Tensor) -> Problem:
    below = {len(alice): x}
    with _fitting(x):
        for above, block in zip(range(len(alice) - 1, -1, -1), alice):
            x = torch.cat([block(part) for part in x.split(BATCH)])
            below[above] = x
    told, outputs = labels.cpu(), below.pop(0).flatten(1)
    aligned = {above: overlap.alignment(pooled(x, SIDE), told.numpy()) for above, x in below.items()}
    return Problem(alice, below, told, outputs, aligned)


@contextmanager
def _fitting(images: Tensor) -> Iterator[None]:
    """Refuse images that the network does not take."""
    try:
        yield
    except RuntimeError as error:
        shape, reason = " x ".join(map(str, images.shape[1:])), str(error) or "no reason given"
        raise ValueError(f"the network does not take images of {shape}: {reason.splitlines()[0]}") from None


@torch.no_grad()
def _bytes(alice: Network, images: Tensor) -> int:
    """What the images, and what each of her blocks makes of them, take in memory."""
    one, numbers = images[:1], 0
    with _fitting(images):
        for block in alice:
            numbers += one.numel()
            one = block(one)
    return 4 * len(images) * numbers


def _holds(alice: Network, images: Tensor) -> None:
    """Refuse images that, with what her blocks make of them, take more than `MEMORY`."""
    if (needed := _bytes(alice, images)) > MEMORY:
        raise ValueError(
            f"{len(images):,} images of {images.shape[2]} pixels, and what the blocks make of them, take "
            f"{needed / 2**30:.1f} GiB, more than {MEMORY / 2**30:g}: give fewer"
        )


def _within(
    alice: Network, shown: Tensor, labels: Tensor, how: Training, budget: float
) -> tuple[Problem, dict[int, float]]:
    """The problem, with images small enough for the budget, and what an epoch takes, by blocks to retrain."""
    start = time.perf_counter()
    x, enough = shown, SHARES[0] * SAFE * budget / FEWEST_EPOCHS
    while _takes(alice, smaller := F.avg_pool2d(x, 2)):
        if _bytes(alice, x) <= MEMORY:
            costs = costs_of(alice, x, labels, how, enough)
            if len(costs) == len(alice):
                break
        x = smaller
    else:
        _holds(alice, x)
        costs = costs_of(alice, x, labels, how)
    first = sum(costs[retrain] for retrain, _ in _candidates(len(alice), how.init))
    spent = time.perf_counter() - start
    if first > SAFE * (budget - spent):
        raise ValueError(
            f"a budget of {budget:.0f} s is too small: to try each candidate once takes about "
            f"{first / SAFE + spent + 1:.0f} s with these {len(labels)} images on this machine"
        )
    return problem_of(alice, x, labels), costs


@torch.no_grad()
def _takes(alice: Network, images: Tensor) -> bool:
    if min(images.shape[2:]) < SMALLEST:
        return False
    try:
        alice(images[:2])
    except RuntimeError:
        return False
    return True


def costs_of(
    alice: Network, x: Tensor, labels: Tensor, how: Training, enough: float = math.inf
) -> dict[int, float]:
    """Seconds of an epoch on all images by the number of blocks retrained, the dearest first.

    From one training step of each; ends where all candidates so far take more than `enough`.
    """
    few = torch.linspace(0, len(labels) - 1, min(how.recipe.batch, len(labels))).long()
    problem, steps = problem_of(alice, x[few], labels[few]), len(labels) / len(few)
    costs: dict[int, float] = {}
    for retrain in range(len(alice), 0, -1):
        costs[retrain] = steps * _step(problem, retrain, how)
        if sum(costs.get(k, 0) for k, _ in _candidates(len(alice), how.init)) > enough:
            break
    return costs


def _step(problem: Problem, retrain: int, how: Training) -> float:
    """Seconds of a training step on all of the problem's images."""
    everything = torch.arange(len(problem.labels))
    one = replace(how.recipe, epochs=1, batch=max(2, len(everything)))
    return train_candidate(problem, (retrain, ALICE), replace(how, recipe=one), everything)[1]


def _check(images: Tensor, labels: Tensor) -> None:
    if images.ndim != 4 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"images [n, C, H, W] and labels [n] are needed, not {list(images.shape)}, {list(labels.shape)}"
        )
    if not torch.isfinite(images.float()).all():
        raise ValueError("images must be finite numbers")
    enough(labels)


def enough(labels: Tensor) -> None:
    """Refuse labels of images that are too few to advise by."""
    if labels.is_floating_point() or len(labels) == 0 or labels.min() < 0:
        raise ValueError("labels must be whole numbers from 0")
    counts = labels.bincount()
    if len(counts) < 2 or counts.min() < 2 or len(labels) < FEWEST:
        raise ValueError(
            f"two classes or more are needed, with two images or more of each and {FEWEST} or more in all"
        )


def estimates_of(problem: Problem, seed: int, side: int = SIDE) -> pd.DataFrame:
    """`estimates` of a problem, of features averaged to at most `side` x `side` places."""
    labels = problem.labels.numpy()
    hers = problem.outputs.softmax(1).double().numpy()
    of_head = {"leep": transferability.leep(hers, labels)}
    of_head["nce"] = transferability.nce(hers.argmax(1), labels)
    rows = []
    for retrain, below in sorted(problem.below.items()):
        x = pooled(below, side)
        row = {"retrain": retrain, "probe": _probe(x, labels, seed)}
        row |= {"logme": transferability.logme(x, labels), "h_score": transferability.h_score(x, labels)}
        row |= {"r2": overlap.r2(x, labels, folds=min(5, len(x) // 3))}
        row |= {"alignment": problem.alignment[retrain]}
        rows.append(row | of_head)
    return pd.DataFrame(rows)


def pooled(x: Tensor, side: int) -> np.ndarray:
    """Features [n, d], maps averaged to at most `side` x `side`."""
    if x.ndim == 4:
        x = F.adaptive_avg_pool2d(x, (min(side, x.shape[2]), min(side, x.shape[3])))
    return x.flatten(1).double().numpy()


def _probe(x: np.ndarray, labels: np.ndarray, seed: int) -> float:
    folds = StratifiedKFold(min(5, np.bincount(labels).min()), shuffle=True, random_state=seed)
    targets = 2.0 * (labels[:, None] == np.arange(labels.max() + 1)) - 1
    probe = make_pipeline(StandardScaler(), RidgeCV(train.PENALTIES))
    guesses = cross_val_predict(probe, x, targets, cv=list(folds.split(x, labels)))
    return float((guesses.argmax(1) == labels).mean())


def _candidates(blocks: int, init: str) -> list[tuple[int, str]]:
    """(retrain, init) from the cheapest to the dearest; all blocks fresh is scratch."""
    cuts = [(k, init) for k in range(1, blocks)]
    return [*cuts, *([(blocks, ALICE)] if init == ALICE else []), (blocks, FRESH)]


def race(
    problem: Problem, how: Training, costs: Mapping[int, float], budget: float, weight: float = WEIGHT
) -> pd.DataFrame:
    """The last round of each candidate: a row each, as in the first columns of `advise`'s table.

    costs: of `costs_of`. Each round that the budget, in seconds, allows has the half of the candidates before
    with the highest `score`.
    """
    start, parts = how.clock(), _parts(problem.labels, how.seed)
    running = _candidates(len(problem.alice), how.init)
    seconds = {candidate: costs[candidate[0]] for candidate in running}  # of an epoch
    rows: list[dict[str, Any]] = []
    epochs, repeats = 0, 1
    for part, share in zip(RUNGS, SHARES):
        left = SAFE * budget - (how.clock() - start)
        cost = sum(seconds[candidate] for candidate in running)
        planned = _planned(cost, share * left, max(1, how.recipe.epochs // part), len(parts))
        if rows and (planned[0] <= epochs or planned[1] < repeats):
            break
        epochs, repeats = planned
        entered: list[dict[str, Any]] = []
        for candidate in running:
            if rows and how.clock() - start > budget:
                entered = []  # an unfinished round tells nothing beside the one before it
                break
            entered.append(_round(problem, candidate, epochs, parts[:repeats], how))
            seconds[candidate] = entered[-1]["seconds"] / how.recipe.epochs
        if not entered:
            break
        rows += entered
        table = pd.DataFrame(entered)
        table = table.assign(score=score(table, weight)).sort_values(
            ["score", "probability"], ascending=False
        )
        better = table[: max(2, (len(table) + 1) // 2)]
        running = list(zip(better.retrain.tolist(), better.init))
        running.sort(key=lambda candidate: (candidate[0], candidate[1] == FRESH))
    return pd.DataFrame(rows).groupby(["retrain", "init"], as_index=False).last()


def _planned(cost: float, seconds: float, wanted: int, most: int) -> tuple[int, int]:
    """(epochs, parts to hold out) of a round in which an epoch of all candidates takes `cost`."""
    for repeats in REPEATS:
        if repeats <= most and cost * repeats * wanted <= seconds:
            return wanted, repeats
    return max(1, min(wanted, int(seconds / cost))), 1


def _parts(labels: Tensor, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Which images candidates learn from, and which judge them, about equally many of each class."""
    folds = StratifiedKFold(min(PARTS, int(labels.bincount().min())), shuffle=True, random_state=seed)
    return [
        (torch.from_numpy(learn), torch.from_numpy(judged))
        for learn, judged in folds.split(np.arange(len(labels)), labels.numpy())
    ]


def _round(
    problem: Problem,
    candidate: tuple[int, str],
    epochs: int,
    parts: list[tuple[Tensor, Tensor]],
    how: Training,
) -> dict[str, Any]:
    """A row of `race`: one candidate trained for so many epochs beside each of the parts held out."""
    retrain, init = candidate
    brief = replace(how, recipe=replace(how.recipe, epochs=epochs))
    right, chances, seconds = 0, [], 0.0
    for learn, judged in parts:
        top, spent = train_candidate(problem, candidate, brief, learn)
        asked = photos_of(problem, retrain, judged)
        told = train.predict(top, asked).float().softmax(1).cpu()
        right += int((told.argmax(1) == asked.labels).sum())
        chances.append(told[torch.arange(len(judged)), asked.labels])
        seconds += spent * how.recipe.epochs / epochs * len(problem.labels) / len(learn) / len(parts)
    chance = torch.cat(chances)
    bounds = binomtest(right, len(chance)).proportion_ci(method="wilson")
    return {
        "retrain": retrain,
        "init": init,
        "epochs": epochs,
        "accuracy": right / len(chance),
        "low": float(bounds.low),
        "high": float(bounds.high),
        "judged": len(chance),
        "probability": chance.mean().item(),
        "alignment": problem.alignment[retrain],
        "seconds": seconds,
    }


def train_candidate(
    problem: Problem, candidate: tuple[int, str], how: Training, learn: Tensor
) -> tuple[Network, float]:
    """The candidate's retrained blocks, and the seconds that their training took."""
    retrain, init = candidate
    bob = models.reuse(problem.alice, fresh(problem.alice, problem.classes, how.seed), retrain, init)
    top = Network(OrderedDict(list(bob.named_children())[-retrain:]))
    known = photos_of(problem, retrain, learn)
    start = how.clock()
    train.train(top, known, known.labels, how.recipe, how.seed)
    return top, how.clock() - start


def photos_of(problem: Problem, retrain: int, index: Tensor) -> Photos:
    """What lies below a cut, of the images with these indices, as images of the retrained blocks."""
    return Photos(problem.below[retrain][index], problem.labels[index], index, 0.0, 1.0)


def fresh(network: Network, classes: int, seed: int) -> Network:
    """The same blocks under a head of `classes` outputs, with weights drawn anew as their layers draw them.

    Parameters of modules that cannot draw their own are drawn with the mean and the spread that they have.
    Raises ValueError where the last block has no weighted layer to be replaced.
    """
    net = Network(OrderedDict((name, deepcopy(block)) for name, block in network.named_children()))
    net.requires_grad_(requires_grad=True)
    head = [(name, m) for name, m in net[-1].named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    if not head:
        raise ValueError("the network's last block has no linear layer or convolution")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in net.modules():
            if callable(draw := getattr(module, "reset_parameters", None)):
                draw()
            else:
                for weight in module.parameters(recurse=False):
                    with torch.no_grad():
                        weight.normal_(weight.mean().item(), weight.std(correction=0).item())
        _replace(net, *head[-1], classes)
    return net


def _replace(net: Network, name: str, layer: nn.Linear | nn.Conv2d, classes: int) -> None:
    """Another last layer, of `classes` outputs, in the head."""
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        new: nn.Module = nn.Linear(layer.in_features, classes, bias)
    else:
        new = nn.Conv2d(layer.in_channels, classes, layer.kernel_size, layer.stride, bias=bias)  # type: ignore[arg-type]
    whole = f"{net.blocks[-1]}.{name}" if name else net.blocks[-1]
    parent, _, last = whole.rpartition(".")
    setattr(net.get_submodule(parent), last, new)
