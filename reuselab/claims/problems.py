"""Many problems of Alice and Bob, and how much of Bob's target lies in her features below each cut.

The protocol, written before the seeds that decide were run. On each image set, for each network of hers, each
coupling (rho, phi; Bob's own pairs at the same), each number of Bob's pairs and each seed, one Alice trains;
then for each number of blocks, the head alone to all of them (scratch), a Bob trains by the book's own
trainer and is judged on 1,000 pairs of unseen images. Beside his accuracy stands what `features` measures
of the features below the cut, on his training pairs alone and one part of them by the others: nothing looks
at the pairs that he is judged on. All of them retrained, the features are the pixels. Six seeds were planned
on pairs of digits; for want of time four were run, which was settled before any of their rows was looked at.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from reuselab.claims import evidence
from reuselab.experiment import cell as experiment
from reuselab.experiment import models
from reuselab.experiment.cell import Cell
from reuselab.runs import store
from reuselab.theory import features

SEEDS = {"digits": 4, "turned": 4, "fashion": 4}
NETWORKS = ("mlp", "cnn")
COUPLINGS = ((0.0, 0.0), (0.5, 0.0), (0.9, 0.0), (0.0, 0.5))  # rho, phi
SIZES = {30: 60, 100: 40, 400: 20}  # Bob's pairs, and his epochs
RECIPE = {"alice_pairs": 2000, "alice_epochs": 6, "test_pairs": 1000}
PROBLEM = ["network", "rho", "phi", "bob_pairs", "seed"]
KEYS = [*PROBLEM, "retrain"]
MEASURED = ["bob_accuracy", "seconds", "inputs", "r2", "cosine", "rank", "alignment", "norm"]


def alices(name: str, seeds: Iterable[int]) -> Iterator[Cell]:
    """The cells of the Alices on image set `name`, the seeds outermost, and small networks first."""
    for seed, network, (rho, phi) in product(seeds, NETWORKS, COUPLINGS):
        images = evidence.SETS[name][0]
        yield Cell.of(**images, **RECIPE, network=network, rho=rho, phi=phi, seed=seed)


def problems(alice: Cell, sizes: Mapping[int, int]) -> pd.DataFrame:
    """A row for each number of Bob's pairs and each cut of one Alice: columns KEYS and MEASURED.

    sizes: numbers of Bob's pairs, and for how many epochs he trains on so many.
    seconds: of Bob's training, on one thread. inputs: pixels of a pair. The rest is of `features`.
    """
    rows = []
    with experiment.repeatable():
        alice_net = experiment.train_alice(alice)
        blocks = len(alice_net)
        for size, retrain in product(sizes, range(1, blocks + 1)):
            recipe = replace(alice.bob_recipe, pairs=size, epochs=sizes[size])
            bob = replace(alice, retrain=retrain, bob_recipe=recipe)
            start = time.perf_counter()
            bob_net = experiment.train_bob(bob, alice_net)
            seconds = time.perf_counter() - start
            images, labels = experiment._bobs(bob, "test", bob.test_pairs)
            row = {key: bob.flat()[key] for key in KEYS}
            row |= {"bob_accuracy": experiment.trainer.accuracy(bob_net, images, labels), "seconds": seconds}
            rows.append(row | _measures(bob, alice_net))
    return pd.DataFrame(rows)


@torch.no_grad()
def _measures(bob: Cell, alice_net: models.Network) -> dict[str, float]:
    """What `features` measures of her blocks below Bob's cut, on his own training pairs."""
    pairs, labels = experiment._bobs(bob, "train", bob.bob_recipe.pairs)
    below = alice_net[: len(alice_net) - bob.retrain].eval()
    x, y = below(pairs[:]).flatten(1).double().numpy(), labels.numpy()
    cosine, rank = features.overlap(x, y)
    told = {"inputs": float(np.prod(pairs.shape)), "r2": features.r2(x, y), "cosine": cosine, "rank": rank}
    return told | {"alignment": features.alignment(x, y), "norm": features.norm(x)}


def evidence_rows(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The problems of image set `name`, and what they share; each Alice's are saved when they are done."""
    seeds = range(evidence.FIRST_SEED, evidence.FIRST_SEED + SEEDS[name])
    folder = store.folder() / "problems" / name
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_saved(folder, alice) for alice in alices(name, seeds)]
    shared = evidence.SETS[name][0] | RECIPE | {f"bob_epochs at {n}": epochs for n, epochs in SIZES.items()}
    return pd.concat(parts, ignore_index=True), shared


def _saved(folder: Path, alice: Cell) -> pd.DataFrame:
    """The problems of one Alice, from the file of an earlier call where there is one."""
    path = folder / f"{alice.network}_{alice.rho:g}_{alice.phi:g}_{alice.seed}.csv"
    if not path.exists():
        started = path.with_suffix(".part")
        problems(alice, SIZES).to_csv(started, index=False)
        started.replace(path)
    return pd.read_csv(path)
