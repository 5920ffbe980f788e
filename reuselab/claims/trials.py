"""What `reuselab.advise` itself would have lost, on problems whose accuracy at every cut is known.

The protocol, written before the seeds that decide were run.

- Problems: on digits, turned and fashion, two seeds that no table of `problems` has (the pages on pairs use
  them with another Alice), an MLP and a CNN, `COUPLINGS`, and `SIZES`, Bob's pairs, made and trained as in
  `problems`. Accuracies on 1,000 pairs of unseen images.
  Fashion's images are twelve times as large: two couplings and, for want of time, the MLP alone. Two seeds
  of the Alices below were planned, and one was run. Both was settled before any of their rows was looked at.
- The advice: `advisor.race` and `advisor.recommended`, the code of the command, with `SHARES` of the time
  that training every cut takes as its budget. Retrained blocks start fresh, as Bob's do. Once as it is, and
  once with weight 0: by accuracy alone. Classes of which Bob has one image are left out of what it is shown.
  With 10 and 1,000 pairs nothing is advised: these rows are for the rules of thumb.
- Time is the processor's, on one thread: that of other programs does not count. What the race takes includes
  running her frozen blocks, the alignments, and timing a step of each cut.
- The weight was fitted on pilot problems of digits, with seeds 7 and 8. So turned and fashion are unseen.
- Which Alice: `ALICES` of the 45 tasks of two classes of CIFAR-10, drawn at random, are candidates for every
  third of the 45 tasks as Bob's, unless it is her own. Cells and accuracies are those of open_images at
  preset quick, whose matrix is kept; her network is trained again, for the features below Bob's cut.
- Pets: `mobilenet`'s photographs and network, seed FIRST_SEED, the command's own recipe and 60 seconds;
  the true accuracy of each candidate is that after the whole recipe on all of Bob's photographs, on the
  photographs of `mobilenet.Pool.draw` that he is judged on. With 400 photographs, for want of time, that of
  the candidates in `WHOLE` alone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch

from reuselab import advisor, places, stats
from reuselab.claims import evidence, mobilenet, problems
from reuselab.experiment import cell as experiment
from reuselab.experiment import models, train
from reuselab.experiment.cell import ALONE, Cell
from reuselab.runs import store
from reuselab.runs.study import bob_images
from reuselab.theory import features

SEEDS = 2  # from FIRST_SEED + 4
SIZES = {10: 60, 30: 60, 100: 40, 400: 20, 1000: 10}  # Bob's pairs, and his epochs
ADVISED = (30, 100, 400)
SHARES = {"a tenth": 1 / 10, "a third": 1 / 3}  # of the time that training every cut takes
WEIGHTS = {"race, accuracy alone": 0.0, "advise": advisor.WEIGHT}
COUPLINGS = dict.fromkeys(("digits", "turned"), problems.COUPLINGS) | {"fashion": problems.FEWER["fashion"]}
NETWORKS = dict.fromkeys(("digits", "turned"), problems.NETWORKS) | {"fashion": ("mlp",)}
TRUTH = "truth"  # the rule of a row that holds Bob's true accuracy
MEASURES = ["probe", "logme", "h_score", "r2", "alignment"]  # of each cut, in the rows of `TRUTH`
COLUMNS = [
    *problems.KEYS,
    "rule",
    "share",
    "advised",
    "accuracy",
    "low",
    "high",
    "probability",
    "judged",
    "epochs",
    "seconds",
]
PETS, MINUTE = (30, 100, 400), 60.0
WHOLE = {400: 3}  # with so many photographs only candidates of so few blocks were trained to the end
ALICES, ALICE_SEEDS, THIRD = 10, 1, 3
TOP = 3
CHANCE, NAME = "chance", "name"  # of rankings: an order at random; by Wu-Palmer's similarity of the tasks
RANKERS = [NAME, "leep", "nce", "logme", "h_score", "probe", "r2", "alignment", "cosine", CHANCE]
MATRIX = places.SOURCES / "results" / "quick" / "cifar10" / "open_images_summary.csv"

SETS = (*COUPLINGS, "cifar10", "pets")


def evidence_rows(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of one of `SETS`, and what they share."""
    if name == "cifar10":
        return _which_alice()
    if name == "pets":
        return _pets()
    images = evidence.SETS[name][0]
    parts = []
    first = evidence.FIRST_SEED + 4
    seeds = range(first, first + SEEDS)
    for seed, network, (rho, phi) in product(seeds, NETWORKS[name], COUPLINGS[name]):
        alice = Cell.of(**images, **problems.RECIPE, network=network, rho=rho, phi=phi, seed=seed)
        parts.append(_saved(_problems, alice))
    shared = images | problems.RECIPE | {f"bob_epochs at {n}": epochs for n, epochs in SIZES.items()}
    return pd.concat(parts, ignore_index=True), shared | {"weight": advisor.WEIGHT}


def _saved(make: Callable[..., Iterable[pd.DataFrame]], *given: Any) -> pd.DataFrame:
    """What `make` gives, or gave to an earlier call that was stopped."""

    def made() -> pd.DataFrame:
        with experiment.repeatable():
            return pd.concat(make(*given), ignore_index=True)

    path = store.folder() / "trials" / make.__name__
    return problems.saved(path, made, (given, SIZES, SHARES, advisor.WEIGHT))


def _problems(alice: Cell) -> Iterator[pd.DataFrame]:
    """For each number of Bob's pairs the rows of `TRUTH`, and those of each race."""
    alice_net = experiment.train_alice(alice)
    for size, epochs in SIZES.items():
        bob = replace(alice, bob_recipe=replace(alice.bob_recipe, pairs=size, epochs=epochs))
        truth = pd.DataFrame(_true(replace(bob, retrain=k), alice_net) for k in range(1, len(alice_net) + 1))
        parts = [truth]
        if size in ADVISED:
            parts = [truth.merge(_told(bob, alice_net), on="retrain"), *_races(bob, alice_net, truth)]
        told = pd.concat(parts, ignore_index=True).assign(
            **{key: bob.flat()[key] for key in problems.PROBLEM}
        )
        yield told.reindex(columns=[*COLUMNS, *MEASURES, "told_seconds"])


def _true(bob: Cell, alice_net: models.Network) -> dict[str, Any]:
    start = time.process_time()
    bob_net = experiment.train_bob(bob, alice_net)
    seconds = time.process_time() - start
    images, labels = bob_images(bob, "test")
    accuracy = train.accuracy(bob_net, images, labels)
    return {"retrain": bob.retrain, "rule": TRUTH, "accuracy": accuracy, "seconds": seconds}


def _shown(bob: Cell) -> tuple[torch.Tensor, torch.Tensor]:
    """Bob's training images and labels, less the classes of which he has one image."""
    pairs, labels = bob_images(bob, "train")
    kept = (labels.bincount() > 1)[labels]
    return pairs[:][kept], labels[kept].unique(return_inverse=True)[1]


def _told(bob: Cell, alice_net: models.Network) -> pd.DataFrame:
    """`advisor.estimates` at each cut, and the seconds that they take."""
    start = time.process_time()
    told = advisor.estimates(alice_net, *_shown(bob))
    return told.assign(told_seconds=time.process_time() - start)


def _races(bob: Cell, alice_net: models.Network, truth: pd.DataFrame) -> Iterator[pd.DataFrame]:
    images, labels = _shown(bob)
    how = advisor.Training(bob.bob_recipe, advisor.FRESH, bob.seed, time.process_time)
    for (share, part), (rule, weight) in product(SHARES.items(), WEIGHTS.items()):
        rows = _raced(alice_net, images, labels, how, part * truth.seconds.sum(), weight)
        yield rows.assign(rule=rule, share=share)


def _raced(
    network: models.Network,
    images: torch.Tensor,
    labels: torch.Tensor,
    how: advisor.Training,
    budget: float,
    weight: float,
) -> pd.DataFrame:
    """The candidates' last rounds, which of them is advised, and the seconds that all took."""
    start = how.clock()
    alice, shown = advisor.checked(network, images, labels)
    problem, costs = advisor.problem_of(alice, shown, labels), advisor.costs_of(alice, shown, labels, how)
    rows = advisor.race(problem, how, costs, budget - (how.clock() - start), weight)
    chosen = advisor.recommended(rows[rows.epochs == rows.epochs.max()], weight)
    return rows.assign(advised=rows.index == chosen, seconds=how.clock() - start)


# Which Alice?


def _which_alice() -> tuple[pd.DataFrame, dict[str, Any]]:
    """A row for each seed, candidate and Bob: what each measure says of her, and his true accuracy."""
    matrix = pd.read_csv(MATRIX)
    names = list(matrix.columns[matrix.columns.str.contains("|", regex=False)])
    candidates = sorted(np.random.default_rng(0).choice(names, ALICES, replace=False).tolist())
    recipe = {"base": "cifar10", "layout": ALONE, "network": "cnn", "alice_pairs": 2000, "alice_epochs": 10}
    recipe |= {"bob_pairs": 100, "retrain": 2, "test_pairs": 400, "probe": True}
    cells = [
        Cell.of(**recipe, seed=seed, alice_classes=alice, bob_classes=alice)
        for seed, alice in product(range(ALICE_SEEDS), candidates)
    ]
    told = pd.concat([_saved(_candidate, cell, names[::THIRD]) for cell in cells], ignore_index=True)
    true = matrix[matrix.method == mobilenet.ALICE].melt(["seed", "alice"], names, "bob", "accuracy")
    near = matrix[matrix.method == "wu-palmer"].melt("alice", names, "bob", NAME)
    table = told.merge(true, on=["seed", "alice", "bob"]).merge(near, on=["alice", "bob"])
    return table, recipe | {"accuracies": MATRIX.relative_to(places.SOURCES).as_posix()}


def _candidate(cell: Cell, bobs: Sequence[str]) -> Iterator[pd.DataFrame]:
    """A row for each of the tasks `bobs` but her own."""
    alice_net = experiment.train_alice(cell).eval()
    for bob in bobs:
        if bob != cell.alice_classes:
            told = _of_alice(replace(cell, bob_classes=bob), alice_net)
            yield pd.DataFrame([{"seed": cell.seed, "alice": cell.alice_classes, "bob": bob} | told])


def _of_alice(bob: Cell, alice_net: models.Network) -> dict[str, float]:
    """What `advisor.estimates`, and the cosine of `features`, say of the features below Bob's cut."""
    photos, labels = bob_images(bob, "train")
    problem = advisor.problem_of(alice_net, photos[:], labels)
    one = replace(problem, below={bob.retrain: problem.below[bob.retrain]})
    told = advisor.estimates_of(one, seed=0).iloc[0].drop("retrain").to_dict()
    pooled = advisor.pooled(one.below[bob.retrain], advisor.SIDE)
    return told | {"cosine": features.overlap(pooled, labels.numpy()).cosine}


# Photographs of pets.


def _pets() -> tuple[pd.DataFrame, dict[str, Any]]:
    """A row for each number of photographs and candidate: what the race says, and the true accuracy."""
    shared = {"network": mobilenet.NETWORK, "weights": mobilenet.imagenet().origin, "pixels": mobilenet.SIDE}
    shared |= {"recipe": str(advisor.RECIPE), "budget": MINUTE}
    return pd.concat([_saved(_photographs, size) for size in PETS], ignore_index=True), shared


def _photographs(size: int) -> Iterator[pd.DataFrame]:
    alice, own = mobilenet.imagenet(), mobilenet.pool("pets")
    images, labels = (own.base.images / 255 - alice.mean) / alice.deviation, own.base.labels
    how = advisor.Training(advisor.RECIPE, clock=time.process_time)
    learn, judged = own.draw(size, evidence.FIRST_SEED)
    rows = _raced(alice.net, images[learn], labels[learn], how, MINUTE, advisor.WEIGHT)
    both = torch.cat([learn, judged])
    problem = advisor.problem_of(*advisor.checked(alice.net, images[both], labels[both]), labels[both])
    told = [
        _after(problem, (row.retrain, row.init), size, how) if row.retrain <= WHOLE.get(size, 9) else {}
        for row in rows.itertuples()
    ]
    yield rows.join(pd.DataFrame(told, rows.index)).assign(labels=size)


def _after(
    problem: advisor.Problem, candidate: tuple[int, str], size: int, how: advisor.Training
) -> dict[str, float]:
    """The accuracy after the whole recipe, on the photographs after the first `size`, and its seconds."""
    learn, judged = torch.arange(size), torch.arange(size, len(problem.labels))
    top, seconds = advisor.train_candidate(problem, candidate, how, learn)
    asked = advisor.photos_of(problem, candidate[0], judged)
    return {"true": train.accuracy(top, asked, asked.labels), "whole_seconds": seconds}


# What the tables say.


def truths(rows: pd.DataFrame) -> pd.DataFrame:
    """Bob's true accuracy at each cut, in column bob_accuracy; rows: a table of these."""
    return rows[rows.rule == TRUTH].rename(columns={"accuracy": "bob_accuracy"}).drop(columns="rule")


def advice(rows: pd.DataFrame) -> pd.DataFrame:
    """The candidate that each race advises, a row each, its rule with the share of the budget in it.

    Of the race by accuracy alone two readings: its most accurate finalist, of equals the surer one; and of
    those at most one standard error below, the one that retrains least.
    """
    raced = rows[rows.rule != TRUTH]
    told = raced[raced.advised.astype(bool) & (raced.rule == "advise")]
    alone = raced[raced.rule == "race, accuracy alone"]
    race = ["images", *problems.PROBLEM, "share"]
    finalists = alone[alone.epochs == alone.groupby(race).epochs.transform("max")]
    surest = finalists.sort_values(["accuracy", "probability"], ascending=False, kind="stable")
    best = surest.groupby(race, as_index=False).head(1)
    limits = best.assign(limit=best.accuracy - (best.high - best.low) / 4)[[*race, "limit"]]
    near = finalists.merge(limits).query("accuracy >= limit")
    fewest = near.loc[near.groupby(race).retrain.idxmin()]
    both = pd.concat([told, best.assign(rule="race alone"), fewest.assign(rule="race, fewest blocks")])
    return both.assign(rule=both.rule + ", " + both.share)


def _standing(score: pd.Series, best: Any) -> float:
    """The chance that the candidate at index `best` is among the first `TOP`, ties broken at random."""
    ahead, level = (score > score[best]).sum(), (score == score[best]).sum()
    return float(np.clip((TOP - ahead) / level, 0, 1))


def by_bob(table: pd.DataFrame) -> pd.DataFrame:
    """How well each measure ranks candidates for each Bob, means over seeds; the index: measure, bob.

    among: how often the truly best one is among the first `TOP`. lost: accuracy that the first of the ranking
    loses to the best; of equals one is taken at random. `CHANCE` is an order at random.
    """
    rows = []
    for (seed, bob), own in table.groupby(["seed", "bob"]):
        best = own.accuracy.idxmax()
        for name in RANKERS:
            score = own[name].round(9) if name in own else pd.Series(0.0, own.index)
            lost = own.accuracy.max() - own.accuracy[score == score.max()].mean()
            row = {"measure": name, "seed": seed, "bob": bob, "among": _standing(score, best)}
            rows.append(row | {"lost": lost})
    return pd.DataFrame(rows).groupby(["measure", "bob"])[["among", "lost"]].mean()


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The means of `by_bob` with their 95 % intervals over Bobs, who share the candidates, by loss.

    Columns measure, among, low, high (both at least 0 and at most 1), lost, lost_low, lost_high.
    """
    told, of = [], by_bob(table)
    for name in RANKERS:
        among, lost = (stats.interval(of.loc[name][column]) for column in ("among", "lost"))
        told.append((name, *np.clip(among, 0, 1), *lost))
    columns = ["measure", "among", "low", "high", "lost", "lost_low", "lost_high"]
    return pd.DataFrame(told, columns=columns).sort_values("lost", kind="stable", ignore_index=True)
