"""How many layers should Bob retrain? Told from his few labelled images without training every cut.

First what frozen outputs tell (`estimates`), then a race among the cuts and a network from scratch (`race`):
all train for an eighth of the epochs on three quarters of the images, the better half for a quarter, the
better half of those for half. What wins on the images held out is the advice.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
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
HELD_OUT = 0.25  # share of the images
SIDE = 4  # features are pooled to at most so many places a side
BATCH = 64
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
    init: whether retrained blocks start as hers ("alice") or "fresh". budget: seconds; a round that would
    outlast it is not begun, and the dearest candidates of the first are left out.

    The table's columns: retrain, init ("fresh" with all blocks: from scratch), accuracy that is to be
    expected and its 95 % interval low, high (both of the images held out, in the candidate's last round),
    epochs of that round, seconds that a whole training would take, and the columns of `estimates`. Raises
    ValueError, in one line, for images or a network that cannot be used.
    """
    BUDGET("budget", budget)
    start = time.perf_counter()
    problem = _problem(network, images, labels)
    told = _estimates(problem, seed)
    rows = _race(problem, recipe, init, seed, budget - (time.perf_counter() - start))
    last = rows.groupby(["retrain", "init"], as_index=False).last()
    best = max(last.to_dict("records"), key=lambda row: (row["epochs"], *_score(row)))
    table = last.merge(told, on="retrain", how="left").sort_values(["retrain", "init"], ignore_index=True)
    reuse = (best["retrain"], best["init"]) != (len(problem.alice), FRESH)
    untried = len(_candidates(len(problem.alice), init)) - len(last)
    sentence = _sentence(best, len(problem.alice), untried, reuse=reuse)
    return Advice(int(best["retrain"]), reuse, table, sentence)


def _sentence(best: dict[str, Any], blocks: int, untried: int, *, reuse: bool) -> str:
    k = int(best["retrain"])
    what = (
        f"Retrain {'all' if k == blocks else f'the top {k} of'} {blocks} blocks"
        if reuse
        else "Do not reuse this network: train all blocks from scratch"
    )
    return (
        f"{what}; expect an accuracy of {best['accuracy']:.2f} "
        f"[{best['low']:.2f}, {best['high']:.2f}] after about {best['seconds']:.0f} s of training."
        + (f" The budget left {untried} dearer candidates untried, scratch among them." if untried else "")
    )


def estimates(
    network: nn.Module, images: Tensor | train.Images, labels: Tensor, *, seed: int = 0
) -> pd.DataFrame:
    """What her frozen blocks below each cut promise, without training a network. A row a cut.

    Columns: retrain (all blocks: of the pixels), probe (accuracy of a linear model on the features, five-fold
    cross-validated), logme, h_score, r2, alignment (of `features`), and leep and nce of her whole network, in
    every row. Features are averaged to at most 4 x 4 places. Raises ValueError as `advise` does.
    """
    return _estimates(_problem(network, images, labels), seed)


def rank(alices: Mapping[str, tuple[nn.Module, Tensor]], labels: Tensor, *, seed: int = 0) -> pd.DataFrame:
    """Several Alices for one Bob, the best first, by the best probe among her cuts.

    alices: by name, her network and Bob's images as it takes them. Columns: alice, retrain (of that cut),
    probe, and the others of `estimates` there. Raises ValueError as `advise` does.
    """
    rows = []
    for name, (network, images) in alices.items():
        told = estimates(network, images, labels, seed=seed).iloc[:-1]  # but for the pixels
        rows.append({"alice": name} | told.loc[told.probe.idxmax()].to_dict())
    ranked = pd.DataFrame(rows).astype({"retrain": int})
    return ranked.sort_values(["probe", "logme"], ascending=False, ignore_index=True)


def race(
    network: nn.Module,
    images: Tensor | train.Images,
    labels: Tensor,
    recipe: train.Recipe,
    *,
    init: str = ALICE,
    seed: int = 0,
) -> pd.DataFrame:
    """The record of a race in which nobody drops out, from which any race can be replayed.

    A row a candidate and a round, whole trainings among them: retrain, init, epochs, accuracy with its
    interval low, high, probability (mean, of the true class), and seconds of a whole training as this round
    tells them. Raises ValueError as `advise` does.
    """
    problem = _problem(network, images, labels)
    learn, judged = _split(problem.labels, seed)
    return pd.DataFrame(
        _round(problem, candidate, part, recipe, learn, judged, seed)
        for part in (*RUNGS, 1)
        for candidate in _candidates(len(problem.alice), init)
    )


@dataclass(frozen=True)
class _Problem:
    """Alice's network and, by the number of blocks above, what her frozen blocks make of Bob's images."""

    alice: Network
    below: dict[int, Tensor]
    labels: Tensor
    outputs: Tensor

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


@torch.no_grad()
def _problem(network: nn.Module, images: Tensor | train.Images, labels: Tensor) -> _Problem:
    shown = images if isinstance(images, Tensor) else images[:]
    _check(shown, labels)
    alice = deepcopy(network).cpu().eval()
    alice = alice if isinstance(alice, Network) else Network(zoo.cut(alice))
    alice.to(memory_format=torch.channels_last).eval()
    x = shown.float().cpu()
    below = {len(alice): x}
    try:
        for above, block in zip(range(len(alice) - 1, -1, -1), alice):
            x = torch.cat([block(part) for part in x.split(BATCH)])
            below[above] = x
    except RuntimeError as error:
        reason = (str(error) or "no reason given").splitlines()[0]
        shape = " x ".join(map(str, shown.shape[1:]))
        raise ValueError(f"the network does not take images of {shape}: {reason}") from None
    return _Problem(alice, below, labels.cpu(), below.pop(0).flatten(1))


def _check(images: Tensor, labels: Tensor) -> None:
    if images.ndim != 4 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"images [n, C, H, W] and labels [n] are needed, not {list(images.shape)}, {list(labels.shape)}"
        )
    if not torch.isfinite(images.float()).all():
        raise ValueError("images must be finite numbers")
    if labels.is_floating_point() or len(labels) == 0 or labels.min() < 0:
        raise ValueError("labels must be whole numbers from 0")
    counts = labels.bincount()
    if len(counts) < 2 or counts.min() < 2 or len(labels) < FEWEST:
        raise ValueError(
            f"two classes or more are needed, with two images or more of each and {FEWEST} or more in all"
        )


def _estimates(problem: _Problem, seed: int) -> pd.DataFrame:
    labels = problem.labels.numpy()
    hers = problem.outputs.softmax(1).double().numpy()
    of_head = {"leep": transferability.leep(hers, labels)}
    of_head["nce"] = transferability.nce(hers.argmax(1), labels)
    rows = []
    for retrain, below in sorted(problem.below.items()):
        x = _pooled(below)
        row = {"retrain": retrain, "probe": _probe(x, labels, seed)}
        row |= {"logme": transferability.logme(x, labels), "h_score": transferability.h_score(x, labels)}
        row |= {
            "r2": overlap.r2(x, labels, folds=min(5, len(x) // 3)),
            "alignment": overlap.alignment(x, labels),
        }
        rows.append(row | of_head)
    return pd.DataFrame(rows)


def _pooled(x: Tensor) -> np.ndarray:
    """Features [n, d], maps averaged to at most `SIDE` x `SIDE`."""
    if x.ndim == 4:
        x = F.adaptive_avg_pool2d(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])))
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


def _race(problem: _Problem, recipe: train.Recipe, init: str, seed: int, budget: float) -> pd.DataFrame:
    learn, judged = _split(problem.labels, seed)
    running, left = _candidates(len(problem.alice), init), budget
    rows: list[dict[str, Any]] = []
    for part in RUNGS:
        entered: list[dict[str, Any]] = []
        for candidate in running:
            known = [row for row in rows if (row["retrain"], row["init"]) == candidate]
            dearest = max((row["seconds"] for row in [*known, *entered[-1:]]), default=0.0) / part
            if (entered or rows) and dearest > left:
                break
            start = time.perf_counter()
            entered.append(_round(problem, candidate, part, recipe, learn, judged, seed))
            left -= time.perf_counter() - start
        if len(entered) < len(running) and rows:
            break  # an unfinished round tells nothing beside the one before it
        rows += entered
        ranked = sorted(entered, key=_score, reverse=True)
        running = [(row["retrain"], row["init"]) for row in ranked[: (len(ranked) + 1) // 2]]
        running.sort(key=lambda candidate: (candidate[0], candidate[1] == FRESH))
    return pd.DataFrame(rows)


def _score(row: dict[str, Any]) -> tuple[float, float]:
    return row["accuracy"], row["probability"]


def _split(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Which images candidates learn from, and which judge them: about equally many of each class."""
    classes = len(labels.unique())
    parts = train_test_split(
        np.arange(len(labels)),
        test_size=max(classes, round(HELD_OUT * len(labels))),
        stratify=labels.numpy(),
        random_state=seed,
    )
    learn, judged = map(torch.from_numpy, parts)
    return learn, judged


def _round(
    problem: _Problem,
    candidate: tuple[int, str],
    part: int,
    recipe: train.Recipe,
    learn: Tensor,
    judged: Tensor,
    seed: int,
) -> dict[str, Any]:
    """A row of `race`: one candidate trained for its `part` of the recipe's epochs."""
    retrain, init = candidate
    start = time.perf_counter()
    bob = models.reuse(problem.alice, fresh(problem.alice, problem.classes, seed), retrain, init)
    top = Network(OrderedDict(list(bob.named_children())[-retrain:]))
    epochs = max(1, recipe.epochs // part)
    known, asked = (_shown(problem, retrain, index) for index in (learn, judged))
    train.train(top, known, known.labels, replace(recipe, epochs=epochs), seed)
    chances = train.predict(top, asked).float().softmax(1).cpu()
    right = int((chances.argmax(1) == asked.labels).sum())
    bounds = binomtest(right, len(judged)).proportion_ci(method="wilson")
    return {
        "retrain": retrain,
        "init": init,
        "epochs": epochs,
        "accuracy": right / len(judged),
        "low": float(bounds.low),
        "high": float(bounds.high),
        "probability": chances[torch.arange(len(judged)), asked.labels].mean().item(),
        "seconds": (time.perf_counter() - start) * recipe.epochs / epochs / (1 - HELD_OUT),
    }


def _shown(problem: _Problem, retrain: int, index: Tensor) -> Photos:
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
