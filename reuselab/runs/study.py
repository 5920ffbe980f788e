"""Cells to rows: a grid of experiments, each run once and kept, on this machine's cores or on a Dask cluster."""

import ctypes
import hashlib
import itertools
import json
import multiprocessing
import os
import platform
import signal
import sqlite3
import subprocess
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from pebble import ProcessExpired, ProcessPool
from tqdm import tqdm

from reuselab.check import Failed, integer, known, number, shorten
from reuselab.experiment import bases, train
from reuselab.experiment import cell as cells_
from reuselab.experiment.cell import Cell
from reuselab.experiment.models import Network
from reuselab.runs.store import Store, digest, source

LARGEST = 1_000_000
_ONE = threading.Lock()


def grid(**axes: Any) -> list[Cell]:
    """Every combination of the axes, as cells: a list is an axis, anything else a value that all cells share.

    `grid(rho=[0, 0.5], retrain=[1, 2], seed=range(5), base="digits")` gives 20 cells. The names are `Cell.flat`'s.
    Raises ValueError for an unknown name, an impossible value, an empty axis or one that repeats an item, and for more
    than `LARGEST` cells.
    """
    lists, size = {}, 1
    for name, value in axes.items():
        known("parameter", name, cells_.RULES)
        axis = isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim)
        lists[name] = items = list(value[: LARGEST + 1]) if axis else [value]
        if (size := size * max(1, len(items))) > LARGEST:
            raise ValueError(f"a grid must have no more than {LARGEST:,} cells")
        for item in items:
            cells_.RULES[name](name, item)
        if not items or len(set(items)) < len(items):
            raise ValueError(f"axis {name} must hold at least one item and none twice")
    return [Cell.of(**dict(zip(lists, values))) for values in itertools.product(*lists.values())]


def ready(cells: Sequence[Cell]) -> None:
    """Raise ValueError or FileNotFoundError, in one line, unless this machine has the cells' devices and image sets, and these enough images."""
    for name in {recipe.device for cell in cells for recipe in (cell.alice_recipe, cell.bob_recipe)}:
        train.device(name)
    for name in {base for cell in cells for base in (cell.base, cell.bob_base) if base}:
        bases.load(name, "train")
    for cell in dict.fromkeys(
        replace(cell.alice_cell(), bob_classes=cell.bob_classes, bob_recipe=cell.bob_recipe, seed=0)
        for cell in cells
        if cell.layout == cells_.ALONE
    ):
        cells_.enough(cell)
    for cell in dict.fromkeys(
        replace(cell.alice_cell(), seed=0) for cell in cells if cell.alice_task == cells_.IMAGENET
    ):
        cells_.train_alice(cell)  # fetches her weights, once


def study(
    cells: Sequence[Cell],
    workers: int | None = None,
    client: Any = None,
    home: str | Path | None = None,
    time_limit: float | None = None,
    retry_failed: bool = False,
) -> pd.DataFrame:
    """The rows of `cells`, in their order, one a cell: every parameter and every measure a column.

    A row that is kept in `home` (default: `store.folder()`) is not computed again; a new one is kept as soon as it is
    finished. Each Alice is trained once for all Bobs who reuse her. The table does not depend on where it was made.

    workers: processes of one thread each (default: one a core; with 1, or where a cell runs on a GPU, this process).
    client: a `dask.distributed.Client` whose workers run the cells instead, one at a time each; where workers declare a
    resource GPU, a cell takes 1 of it. time_limit: seconds for one training and its judging; a cell over it has failed.
    retry_failed: run cells again that are known to fail.

    Raises ValueError for what cannot be run, before any work; Failed when cells failed, after all others are finished and
    kept, or when the disk is full; KeyboardInterrupt with a summary. Whatever ends a study, finished rows stay.
    """
    cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
    if not cells:
        raise ValueError("a study needs at least one cell")
    for cell in cells:
        if not isinstance(cell, Cell):
            raise ValueError(f"a study needs a list of cells, not of {shorten(cell)}")
    if workers is not None:
        integer(1, 1024)("workers", workers)
    if time_limit is not None:
        number(0, 1e7, above=True)("time_limit", time_limit)
    if client is None:
        ready(cells)
    elif not hasattr(client, "get_executor"):
        raise ValueError(f"client must be a dask.distributed.Client, not {shorten(client)}")
    with Store(home) as store:
        return _Study(store, cells, retry_failed).table(workers, client, time_limit)


class _Job(NamedTuple):
    """Alice's training, for the Bobs who wait for it, or, with her weights, one Bob's."""

    alice: Cell
    bobs: list[Cell]
    weights: Any = None
    deferred: bool = False


class _Study:
    """The client's side of one study: what is known, what is left, and what comes in."""

    def __init__(self, store: Store, cells: list[Cell], retry_failed: bool):
        self.store, self.cells, self.retry_failed = store, cells, retry_failed
        self.names = {cell: digest(cell) for cell in cells}
        self.rows: dict[Cell, dict[str, Any]] = {}
        self.failed: dict[Cell, str] = {}

    def table(self, workers: int | None, client: Any, limit: float | None) -> pd.DataFrame:
        left = self._look_up(list(self.names))
        with tqdm(
            total=len(self.names), initial=len(self.names) - len(left), unit="cell", disable=None
        ) as self.bar:
            try:
                if left:
                    with _pool(left, workers, client, limit) as pool:
                        self._run(_by_alice(left), pool)
            except KeyboardInterrupt:
                self._look_up(list(self.names))  # a row may have been kept, and not yet counted
                raise KeyboardInterrupt(self._so_far()) from None
            except (sqlite3.Error, OSError) as error:
                raise Failed(f"cannot write into {self.store.home} ({error}): {self._so_far()}") from None
        if self.failed:
            cell, error = next(iter(self.failed.items()))
            raise Failed(
                f"{len(self.failed):,} of {len(self.names):,} cells failed and the others are kept; the first, {_told(cell)}, "
                f"with {_last(error)}; `--retry-failed` runs them again"
            )
        return pd.DataFrame([cell.flat() | self.rows[cell] for cell in self.cells])

    def _so_far(self) -> str:
        return f"{len(self.rows):,} of {len(self.names):,} cells done; run the same command to go on"

    def _look_up(self, cells: list[Cell]) -> list[Cell]:
        """Take what is kept of `cells`, and return the others."""
        found = self.store.find(self.names[cell] for cell in cells)
        for cell in cells:
            status, measures, error = found.get(self.names[cell], ("", {}, ""))
            if status == "done":
                self.rows[cell] = measures
            elif status == "failed" and not self.retry_failed:
                self.failed[cell] = error
        return [cell for cell in cells if cell not in self.rows and cell not in self.failed]

    def _run(self, jobs: list[_Job], pool: "_Pool") -> None:
        """Bobs before further Alices: rows come in early, and few Alices are in memory at a time."""
        waiting, running = deque(jobs), {}
        while waiting or running:
            while waiting and len(running) < pool.room:
                job = waiting.popleft()
                if job.weights is None and not (job := self._begin(job, waiting, pool)):
                    continue
                running[
                    pool.submit(bob_row, job.bobs[0], job.weights)
                    if job.weights
                    else pool.submit(alice_weights, job.alice)
                ] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                job = running.pop(future)
                result, provenance, error = self._outcome(future)
                if error or job.weights:
                    for bob in job.bobs:
                        self._keep(bob, result, error, provenance)
                else:
                    self.store.keep_alice(alice_name(job.alice), result)
                    self._queue(job, pool.hold(result), waiting)

    def _begin(self, job: _Job, waiting: deque[_Job], pool: "_Pool") -> _Job | None:
        """The job, if Alice must be trained now. Other clients' rows are taken, and what they run is put off once."""
        with self.store.transaction():
            bobs = self._look_up(job.bobs)
            free = self.store.claim([self.names[bob] for bob in bobs], force=job.deferred)
        self.bar.update(len(job.bobs) - len(bobs))
        job = job._replace(bobs=bobs, deferred=True)
        if not free:
            waiting.append(job)
        elif bobs and (weights := self.store.alice(alice_name(job.alice))):
            self._queue(job, pool.hold(weights), waiting)
        elif bobs:
            return job

    def _queue(self, job: _Job, weights: Any, waiting: deque[_Job]) -> None:
        waiting.extendleft(_Job(job.alice, [bob], weights) for bob in reversed(job.bobs))

    def _outcome(self, future: Future) -> tuple[Any, dict[str, Any], str]:
        """(result, provenance, traceback or "")."""
        try:
            result, provenance = future.result()
        except CancelledError:
            raise Failed(f"the Dask cluster was lost: {self._so_far()}") from None
        except Exception as error:
            return {}, {}, "".join(traceback.format_exception(error))
        if provenance["source"] != source():
            raise Failed(
                "a worker has other code than this client: install the same version of reuselab on both"
            )
        return result, provenance, ""

    def _keep(self, cell: Cell, measures: dict[str, Any], error: str, provenance: dict[str, Any]) -> None:
        measures = json.loads(json.dumps(measures), parse_constant=lambda _: None)  # NaN is kept as missing
        self.store.keep(
            cell, measures, error, provenance | {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        )
        if error:
            self.failed[cell] = error
        else:
            self.rows[cell] = measures
        self.bar.update()


def _by_alice(cells: list[Cell]) -> list[_Job]:
    """Cells grouped by the Alice they share."""
    groups: dict[Cell, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.alice_cell(), []).append(cell)
    return [_Job(alice, bobs) for alice, bobs in groups.items()]


def _told(cell: Cell) -> str:
    """What of `cell` is not the default."""
    return (
        ", ".join(f"{name} = {value}" for name, value in cell.flat().items() if value != Cell().flat()[name])
        or "the default cell"
    )


def _last(error: str) -> str:
    return error.strip().splitlines()[-1]


def alice_name(alice: Cell) -> str:
    """The digest under which an Alice's weights are kept: of her cell and of the code that trained her."""
    return hashlib.sha256(f"{source()} {digest(alice)}".encode()).hexdigest()


# Where it runs.


class _Pool(NamedTuple):
    """submit: starts a function of this module and gives its future. room: how many may be under way. hold: keeps an Alice near."""

    submit: Callable[..., Future]
    room: int
    hold: Callable[[bytes], Any] = bytes


@contextmanager
def _pool(cells: list[Cell], workers: int | None, client: Any, limit: float | None) -> Iterator[_Pool]:
    """Leaving it stops what still runs, at once."""
    if client is not None:
        threads = sum(client.nthreads().values())
        gpus = any(
            worker["resources"].get("GPU")
            for worker in client.scheduler_info(n_workers=-1)["workers"].values()
        )
        executor = client.get_executor(pure=False, **({"resources": {"GPU": 1}} if gpus else {}))
        try:
            yield _Pool(
                lambda function, *args: executor.submit(work, function, *args, limit=limit),
                max(64, 4 * threads),
                lambda weights: client.submit(bytes, weights, pure=False),
            )
        finally:
            executor.shutdown(wait=False)
        return
    if workers is None:
        cpu = all(
            train.device(name).type == "cpu"
            for name in {r.device for cell in cells for r in (cell.alice_recipe, cell.bob_recipe)}
        )
        workers = os.cpu_count() or 1 if cpu else 1
    workers = min(workers, len(cells))
    if workers == 1 and limit is None:
        yield _Pool(_at_once, 1)
        return
    pool = ProcessPool(workers, context=multiprocessing.get_context("spawn"))
    try:
        with _deaf():
            first = pool.schedule(work, [source])
        first.result()
        yield _Pool(
            lambda function, *args: pool.schedule(work, [function, *args], timeout=limit), 2 * workers
        )
    except ProcessExpired as error:
        raise Failed(
            f'the worker processes do not start ({error}): a script needs `if __name__ == "__main__":` around a study'
        ) from None
    finally:
        pool.stop()
        pool.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are begun in here don't hear Ctrl-C: ending them is their client's business."""
    resource_tracker.ensure_running()  # which would undo it later
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _at_once(function: Callable, *args: Any) -> Future:
    future: Future = Future()
    try:
        future.set_result(work(function, *args))
    except Exception as error:
        future.set_exception(error)
    return future


# What a worker does.


def work(function: Callable, *args: Any, limit: float | None = None) -> tuple[Any, dict[str, Any]]:
    """(`function(*args)`, its provenance), alone in this process: PyTorch's threads and generator are the whole process's.

    limit: seconds until TimeoutError is raised in it, between two steps of Python. (A pool of processes has its own clock.)
    """
    with _ONE, cells_.repeatable(), _deadline(limit) if limit else nullcontext():
        start = time.perf_counter()
        result = function(*args)
        seconds = round(time.perf_counter() - start, 4)
    device = args[0].bob_recipe.device if args else "auto"
    return result, machine(device) | {"source": source(), "seconds": seconds}


@cache
def machine(device: str = "auto") -> dict[str, str]:
    """Where a cell is run: the device's name, the versions of what computes, the state of the checkout ("" without git)."""
    where = train.device(device)
    name = (
        torch.cuda.get_device_name(where)
        if where.type == "cuda"
        else f"{where.type} ({platform.machine()}, {os.cpu_count()} cores)"
    )
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn")
    try:
        git = subprocess.run(
            ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
        ).stdout.strip()
    except OSError:
        git = ""
    return {
        "device": name.replace("cpu", "CPU"),
        "git": git,
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                *(f"{package} {version(package)}" for package in packages),
            ]
        ),
    }


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """TimeoutError in this thread after `seconds`."""
    timer = threading.Timer(
        seconds,
        ctypes.pythonapi.PyThreadState_SetAsyncExc,
        [ctypes.c_ulong(threading.get_ident()), ctypes.py_object(TimeoutError)],
    )
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def alice_weights(alice: Cell) -> bytes:
    """Her trained weights, as safetensors."""
    net = cells_.train_alice(alice).to("cpu", memory_format=torch.contiguous_format)
    return safetensors.torch.save(net.state_dict())


def bob_row(bob: Cell, weights: bytes) -> dict[str, Any]:
    """The measures of `bob`, who reuses the Alice of these weights."""
    return {
        name: value
        for name, value in cells_.run(bob, with_weights(bob, weights)).items()
        if name not in cells_.RULES
    }


def with_weights(cell: Cell, weights: bytes) -> Network:
    """The cell's Alice, trained: her network with the weights that `alice_weights` gave."""
    alice = cells_.untrained_alice(cell)
    alice.load_state_dict(safetensors.torch.load(weights))
    return alice
