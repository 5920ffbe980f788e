"""Many problems of Alice and Bob, and how much of Bob's target lies in her features below each cut.

The protocol, written before the seeds that decide were run. On each image set, for each network of hers, each
coupling (rho, phi; Bob's own pairs at the same), each number of Bob's pairs and each seed, one Alice trains;
then for each number of blocks, the head alone to all of them (scratch), a Bob trains by the book's own
trainer and is judged on 1,000 pairs of unseen images. Beside his accuracy stands what `features` measures
of the features below the cut, on his training pairs alone and one part of them by the others: nothing of it
looks at the pairs that he is judged on. All of them retrained, the features are the pixels.

One measure he could not take: `cka`, how alike her features are to those of an Alice who was taught his own
task (from other initial weights), on the images that he is judged on, without their labels.

CIFAR-10 is a task of another kind, as on the pages dogs_and_cats and open_images: single photographs. Each
seed deals her a task of two classes and Bob one of two others; nothing couples them but what photographs have
in common.

Four seeds from 10,000 on digits and turned decided before. On features that are all but constant on few pairs
the ridge of `r2` broke down there; it was mended, looking at a pilot's seed alone, and all was run anew with
seeds from `FIRST_SEED`. For want of time fashion has two couplings of the four, as was settled before any of
its rows was looked at.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from reuselab.claims import evidence, semantics
from reuselab.experiment import cell as experiment
from reuselab.experiment import models
from reuselab.experiment.cell import ALONE, Cell
from reuselab.experiment.train import Images
from reuselab.runs import exchange, store, study
from reuselab.theory import features

FIRST_SEED = evidence.FIRST_SEED + 100
SEEDS = {"digits": 4, "turned": 4, "fashion": 4, "cifar10": 3}
PHOTOGRAPHS = "cifar10"  # the set of single photographs, whose tasks `dealt` gives
NETWORKS = ("mlp", "cnn")
COUPLINGS = ((0.0, 0.0), (0.5, 0.0), (0.9, 0.0), (0.0, 0.5))  # rho, phi
FEWER = {"fashion": ((0.0, 0.0), (0.9, 0.0)), PHOTOGRAPHS: ((0.0, 0.0),)}
SIZES = {30: 60, 100: 40, 400: 20}  # Bob's pairs, and his epochs
RECIPE = {"alice_pairs": 2000, "alice_epochs": 6, "test_pairs": 1000}
PROBLEM = ["network", "rho", "phi", "bob_pairs", "seed"]
KEYS = [*PROBLEM, "retrain"]
MEASURED = ["bob_accuracy", "seconds", "inputs", "r2", "cosine", "rank", "alignment", "norm", "cka"]


def alices(name: str, seeds: Iterable[int]) -> Iterator[Cell]:
    """The cells of the Alices on image set `name`, the seeds outermost, and small networks first."""
    images = evidence.SETS[name][0]
    for seed, network, (rho, phi) in product(seeds, NETWORKS, FEWER.get(name, COUPLINGS)):
        tasks = dealt(seed) if name == PHOTOGRAPHS else {}
        yield Cell.of(**images, **tasks, **RECIPE, network=network, rho=rho, phi=phi, seed=seed)


def dealt(seed: int) -> dict[str, str]:
    """Two tasks of two classes of CIFAR-10 each, hers and Bob's, that share none, drawn by the seed."""
    a, b, c, d = np.random.default_rng(seed).permutation(sorted(semantics.CIFAR10.names.values()))[:4]
    return {"layout": ALONE, "alice_classes": f"{a}|{b}", "bob_classes": f"{c}|{d}"}


def problems(alice: Cell, sizes: Mapping[int, int]) -> pd.DataFrame:
    """A row for each number of Bob's pairs and each cut of one Alice: columns KEYS and MEASURED.

    sizes: numbers of Bob's pairs, and for how many epochs he trains on so many.
    seconds: of Bob's training, on one thread. inputs: pixels of a pair. The rest is of `features`; cka of
    her features with those of an Alice of Bob's own task.
    """
    rows = []
    with experiment.repeatable():
        alice_net = experiment.train_alice(alice)
        own_net = experiment.train_alice(replace(alice, alice_task="bob", alice_start=1))
        images, labels = study.bob_images(alice, "test")
        cuts = range(1, len(alice_net) + 1)
        alike = {
            cut: features.cka(*(_below(net, cut, images) for net in (alice_net, own_net))) for cut in cuts
        }
        for size, retrain in product(sizes, cuts):
            recipe = replace(alice.bob_recipe, pairs=size, epochs=sizes[size])
            bob = replace(alice, retrain=retrain, bob_recipe=recipe)
            start = time.perf_counter()
            bob_net = experiment.train_bob(bob, alice_net)
            seconds = time.perf_counter() - start
            row = {key: bob.flat()[key] for key in KEYS}
            row |= {"bob_accuracy": experiment.trainer.accuracy(bob_net, images, labels), "seconds": seconds}
            rows.append(row | _measures(bob, alice_net) | {"cka": alike[retrain]})
    return pd.DataFrame(rows)


@torch.no_grad()
def _below(net: models.Network, retrain: int, images: Images) -> NDArray[np.float64]:
    """What a network's blocks below a cut make of images: [n, D]."""
    return net[: len(net) - retrain].eval()(images[:]).flatten(1).double().numpy()


def _measures(bob: Cell, alice_net: models.Network) -> dict[str, float]:
    """What `features` measures of her blocks below Bob's cut, on his own training pairs."""
    pairs, labels = study.bob_images(bob, "train")
    x, y = _below(alice_net, bob.retrain, pairs), labels.numpy()
    cosine, rank = features.overlap(x, y)
    told = {"inputs": float(np.prod(pairs.shape)), "r2": features.r2(x, y), "cosine": cosine, "rank": rank}
    return told | {"alignment": features.alignment(x, y), "norm": features.norm(x)}


def evidence_rows(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The problems of image set `name`, and what they share; each Alice's are saved when they are done."""
    seeds = range(FIRST_SEED, FIRST_SEED + SEEDS[name])
    folder = store.folder() / "problems" / name
    parts = [_saved(folder, alice) for alice in alices(name, seeds)]
    shared = evidence.SETS[name][0] | RECIPE | {f"bob_epochs at {n}": epochs for n, epochs in SIZES.items()}
    return pd.concat(parts, ignore_index=True), shared


def _saved(folder: Path, alice: Cell) -> pd.DataFrame:
    """The problems of one Alice."""
    name = f"{alice.network}_{alice.rho:g}_{alice.phi:g}_{alice.seed}"
    return saved(folder / name, lambda: problems(alice, SIZES), (alice, SIZES))


def saved(path: Path, make: Callable[[], pd.DataFrame], of: object) -> pd.DataFrame:
    """What `make` gives, or gave to an earlier call with the same code and the same `of`."""
    named = hashlib.sha256(repr((of, store.source())).encode()).hexdigest()[:16]
    kept = path.with_name(f"{path.name}_{named}.csv")
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        exchange.write(make(), kept)
    return pd.read_csv(kept)
