"""How long pages would take on this machine: each is rehearsed, with all that takes long cut short and its time extrapolated.

A rehearsal runs a page's own code. A study is only planned: of each kind of cell that it would run one is timed, and its
rows are made up. A training ends after a few steps, judging after a few images, an explorer after one frame, a simulation after a few
draws; what is left out is owed, in proportion. Anything else runs as it is and is timed, so a page that changes is never priced by what it was.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from timeit import timeit
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from reuselab.book import explore
from reuselab.book import pages as page
from reuselab.experiment import attribution, bases, train
from reuselab.experiment import cell as cells_
from reuselab.experiment.cell import Cell
from reuselab.runs import store
from reuselab.runs import study as studies
from reuselab.theory import linear as fate
from reuselab.theory import relu, shallow

IMAGES, DRAWS, SEEDS, STEPS, PAIRS = 256, 5, 1, 50, 8  # as many are tried
SECONDS = 0.05  # after which a training has shown its speed
STARTED = time.process_time()  # seconds until a new process is ready


class _Enough(Exception):
    """A training has shown its speed."""


@dataclass
class Rehearsal:
    """What one page would take.

    owed: seconds left out so far. work: core-seconds by row and by Alice. pools: of processes, started. error: what the page raised.
    kinds: what each kind of Alice and of Bob takes, and gives.
    """

    owed: float = 0.0
    work: dict[str, float] = field(default_factory=dict)
    pools: int = 0
    error: str = ""
    kinds: dict[tuple[str, Cell], tuple[float, Any]] = field(default_factory=dict)

    def timed(self, function: Callable, *args: Any, **named: Any) -> tuple[float, Any]:
        """(seconds that the whole call would take, what the shortened one gave)."""
        owed, start = self.owed, _now()
        found = function(*args, **named)
        return _now() - start + self.owed - owed, found

    def part(self, share: float, function: Callable, *args: Any, **named: Any) -> Any:
        """`function(...)`, which is `share` of the whole call: the rest is owed."""
        seconds, found = self.timed(function, *args, **named)
        self.owed += seconds * (1 / share - 1)
        return found

    def free(self, function: Callable, *args: Any) -> tuple[float, Any]:
        """`timed`, at no cost to the page."""
        owed, start = self.owed, _now()
        found = self.timed(function, *args)
        self.owed = owed - (_now() - start)
        return found

    def study(self, real: Callable, cells: Sequence[Cell], *_: Any, **__: Any) -> pd.DataFrame:
        """The cells that are not kept, priced by their kind, and a table of what is kept and of made-up rows."""
        return self.free(self._planned, list(cells))[1]

    def _planned(self, cells: list[Cell]) -> pd.DataFrame:
        with store.Store() as kept:
            found = {
                name: measures
                for name, (_, measures, _) in kept.find([store.digest(cell) for cell in cells]).items()
            }
        rng, rows, before = np.random.default_rng(0), [], len(self.work)
        for cell in cells:
            measures = found.get(store.digest(cell))
            if measures is None:
                self.work[studies.alice_name(cell.alice_cell())] = self._price(
                    "alice", _alike(cell.alice_cell()), cells_.train_alice
                )[0]
                plain = replace(
                    _alike(cell),
                    alice_task="own",
                    alice_recipe=replace(Cell().alice_recipe, device=cell.alice_recipe.device),
                )
                seconds, row = self._price("bob", plain, _bob)
                self.work[store.digest(cell)] = seconds
                measures = {
                    name: value * rng.uniform(0.8, 1)
                    for name, value in row.items()
                    if name not in cells_.RULES
                }
            rows.append(cell.flat() | measures)
        self.pools += len(self.work) > before
        return pd.DataFrame(rows)

    def _price(self, who: str, kind: Cell, function: Callable) -> tuple[float, Any]:
        if (who, kind) not in self.kinds:
            with cells_.repeatable():
                _warm()
                self.kinds[who, kind] = self.timed(function, kind)
        return self.kinds[who, kind]

    def train(self, real: Callable, net, images, labels, recipe, seed) -> list[float]:
        steps, marks, optimizer = recipe.epochs * max(1, len(labels) // recipe.batch), [], train._optimizer

        def watched(*args):
            found, schedule = optimizer(*args)
            if found:
                step = schedule.step

                def counted():
                    step()
                    marks.append(_now())
                    if len(marks) > 1 and marks[-1] - marks[0] > SECONDS:
                        raise _Enough

                schedule.step = counted
            return found, schedule

        train._optimizer = watched
        try:
            return real(net, images, labels, recipe, seed)
        except _Enough:
            self.owed += (steps - len(marks)) * (marks[-1] - marks[0]) / (len(marks) - 1)
            return [1.0] * recipe.epochs
        finally:
            train._optimizer = optimizer

    def judge(self, real: Callable, net, images) -> Any:
        found = self.part(min(1, IMAGES / len(images)), real, net, _First(images))
        return found if found is None else found[torch.arange(len(images), device=found.device) % len(found)]

    def maps(self, real: Callable, net, images) -> tuple[dict, torch.Tensor]:
        n, few = len(images), replace(images, index=images.index[:PAIRS])
        found, gaps = self.part(len(few) / n, real, net, few)
        return {name: found[name][torch.arange(n) % len(few)] for name in found}, gaps[
            torch.arange(n) % len(few)
        ]

    def answers(self, real: Callable, net, images, *change) -> torch.Tensor:
        few = replace(images, index=images.index[:IMAGES])
        return self.part(len(few) / len(images), real, net, few, *change)[
            torch.arange(len(images)) % len(few)
        ]

    def simulate(
        self, real: Callable, n, d, theta, sigma, method="scratch", draws=20, *args, **named
    ) -> np.ndarray:
        few = min(draws, DRAWS)
        found = self.part(few / draws, real, n, d, theta, sigma, method, few, *args, **named)
        return found[np.arange(draws) % few] * np.random.default_rng(n).uniform(
            0.8, 1, (draws, *[1] * (found.ndim - 1))
        )

    def fit(self, real: Callable, w, v, batch, steps, lr):
        return self.part(min(1, STEPS / steps), real, w, v, batch, min(steps, STEPS), lr)

    def sgd(self, real: Callable, roots, task, lam, steps, *args) -> np.ndarray:
        return self.part(min(1, STEPS / steps), real, roots, task, lam, min(steps, STEPS), *args)

    def experiment(self, real: Callable, setting, seeds, *axes) -> tuple[pd.DataFrame, ...]:
        workers = 1 if relu.device().type != "cpu" else os.cpu_count() or 1
        tables = self.free(real, setting, SEEDS, *axes, 1)
        self.work[f"{setting} {seeds} {axes}"], self.pools = (
            tables[0] * seeds / SEEDS,
            self.pools + (workers > 1),
        )
        rng, measured = (
            np.random.default_rng(0),
            {*relu.METHODS, "overlap", "student_overlap", "random_overlap", "source_risk"},
        )
        return tuple(
            pd.concat(
                [
                    table.assign(
                        seed=seed, **{c: table[c] * rng.uniform(0.8, 1) for c in measured & {*table}}
                    )
                    for seed in range(seeds)
                ],
                ignore_index=True,
            )
            for table in tables[1]
        )

    def explorer(self, real: Callable, draw, *axes) -> Any:
        draw(*(values[0] for _, values in axes))
        return self.part(
            1 / max(1, np.prod([len(values) for _, values in axes]) - 1),
            draw,
            *(values[-1] for _, values in axes),
        )


CUT = {
    studies.study: Rehearsal.study,
    train.train: Rehearsal.train,
    train._outputs: Rehearsal.judge,
    train.calibrate: Rehearsal.judge,
    attribution.maps: Rehearsal.maps,
    attribution.answers: Rehearsal.answers,
    fate.simulate: Rehearsal.simulate,
    relu.fit: Rehearsal.fit,
    relu.experiment: Rehearsal.experiment,
    shallow.train: Rehearsal.sgd,
    explore.explorer: Rehearsal.explorer,
}


class _First:
    """The first `IMAGES` of some images, batch by batch."""

    def __init__(self, images):
        self.images = images

    def __len__(self) -> int:
        return min(IMAGES, len(self.images))

    def __getitem__(self, batch: slice) -> torch.Tensor:
        return self.images[batch.start : min(batch.stop, len(self))]


def _now() -> float:
    """Seconds; without a GPU those of this process alone (its one thread), whatever else the machine does."""
    if not torch.cuda.is_initialized():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


@cache
def _warm() -> float:
    """Seconds of a process's first training beside those of any other: PyTorch imports then what it needs."""
    tiny = Cell.of(alice_pairs=10, alice_epochs=1)
    first, again = (timeit(lambda: cells_.train_alice(tiny), timer=_now, number=1) for _ in range(2))
    return max(0.0, first - again)


def _alike(cell: Cell) -> Cell:
    """The cell that stands for all which take as long: other draws, other correlations, other classes."""
    tasks = {"alice_classes": cell.base, "bob_classes": cell.bob_base or cell.base}
    first = {
        key: "|".join(bases.load(base, "train").classes[: task.count("|") + 1])
        for key, base in tasks.items()
        if (task := getattr(cell, key))
    }
    return replace(cell, seed=0, rho=0.0, phi=0.5 * bool(cell.phi), alice_start=0, bob_task="own", **first)


def _bob(kind: Cell) -> dict[str, Any]:
    return cells_.run(kind, cells_.untrained_alice(kind))


@contextmanager
def _cut(one: Rehearsal) -> Iterator[None]:
    """All of the module's modules see the shortened functions."""
    places = [
        (module, name, value)
        for key, module in list(sys.modules.items())
        if key.startswith("reuselab.") and key != __name__
        for name, value in vars(module).items()
        if callable(value) and not isinstance(value, type) and value in CUT
    ]
    try:
        for module, name, value in places:
            setattr(module, name, lambda *args, real=value, **named: CUT[real](one, real, *args, **named))
        yield
    finally:
        for module, name, value in places:
            setattr(module, name, value)


class Cost(NamedTuple):
    """Seconds of a page's own, core-seconds by row and by Alice, seconds until its pools of processes work, what went wrong."""

    own: float
    work: dict[str, float]
    pools: float
    error: str


def rehearse(name: str, values: Mapping[str, Any]) -> Cost:
    """What page `name` would take with these parameters."""
    os.environ.pop("REUSELAB_OUT", None)
    one, space = Rehearsal(), {"__name__": "__main__"}

    def run() -> None:
        for cell in page.read(name).cells:
            if cell.cell_type == "code":
                try:
                    exec(cell.source, space)
                except Exception as error:
                    one.error = one.error or f"{type(error).__name__}: {error}"
                if "parameters" in cell.metadata.get("tags", []):
                    space.update(values)

    threads = torch.get_num_threads()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere), _cut(one):
        torch.set_num_threads(1)
        seconds, _ = one.timed(run)
        torch.set_num_threads(threads)
    return Cost(STARTED + seconds, one.work, (STARTED + _warm()) * one.pools, one.error)


def estimate(pages: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, tuple[float, str]], float]:
    """({page: (seconds alone on this machine, what went wrong in its rehearsal)}, seconds of all) for pages with these parameters.

    What two pages share counts with the first. As in a book, two pages run at a time: their own parts side by side, while
    their cells share the cores. Building the HTML is not counted, and a page counts though its executed notebook may still be true.
    On a CPU these are seconds of processors that do nothing else: at the preset smoke, on two busy ones, 0.4 to 1.5 times what pages took.
    """
    workers = 1 if train.device().type != "cpu" else os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = "1"  # as for a page's kernel
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        costs = dict(
            zip(
                pages,
                tqdm(pool.map(rehearse, pages, pages.values()), total=len(pages), unit="page", disable=None),
            )
        )
    seen, found, own, shared = set(), {}, 0.0, 0.0
    for name, cost in costs.items():
        cells = sum(seconds for key, seconds in cost.work.items() if key not in seen) / workers
        seen |= cost.work.keys()
        found[name] = cost.own + cost.pools + cells, cost.error
        own, shared = own + cost.own + cost.pools, shared + cells
    return found, max(own / 2 + shared, max(seconds for seconds, _ in found.values()))
