"""Cells to rows: a grid of experiments, each run once and kept, on this machine's cores or a Dask cluster."""

import ctypes
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
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
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
from tqdm import tqdm

from reuselab import places
from reuselab.check import Failed, integer, known, number, shorten
from reuselab.experiment import bases, train
from reuselab.experiment import cell as cells_
from reuselab.experiment.cell import Cell
from reuselab.experiment.models import Network
from reuselab.runs import cohort as cohorts
from reuselab.runs.store import Outcome, Store, identities, image_sets, row_name, sha256, source

LARGEST = 1_000_000
OTHER_IMAGES = "a worker has other images than this study began with"
INTERRUPTIONS = (signal.SIGHUP, signal.SIGINT, signal.SIGALRM, signal.SIGTERM)
_ONE = threading.Lock()
source()  # read together with the code that it names, before anybody edits that


def grid(**axes: Any) -> list[Cell]:
    """Every combination of the axes, as cells: a list is an axis, anything else a value that all cells share.

    `grid(rho=[0, 0.5], retrain=[1, 2], seed=range(5), base="digits")` gives 20 cells. The names are
    `Cell.flat`'s. Raises ValueError for an unknown name, an impossible value, an empty axis or one that
    repeats an item, and for more than `LARGEST` cells.
    """
    lists: dict[str, list[Any]] = {}
    size = 1
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
    """Raise ValueError or FileNotFoundError, in one line, unless this machine can run the cells.

    It must have their devices and their image sets, and these must hold enough images for Alice and for Bob.
    """
    for name in _devices(cells):
        train.device(name)
    for name in _image_sets(cells):
        bases.load(name, "train")
    alone = [cell for cell in cells if cell.layout == cells_.ALONE]
    for cell in {
        replace(cell.alice_cell(), bob_classes=cell.bob_classes, bob_recipe=cell.bob_recipe, seed=0): None
        for cell in alone
    }:
        cells_.enough(cell)
    published = [cell for cell in cells if cell.alice_task == cells_.IMAGENET]
    for cell in {replace(cell.alice_cell(), seed=0): None for cell in published}:
        cells_.train_alice(cell)  # fetches her weights, once


def _devices(cells: Sequence[Cell]) -> set[str]:
    return {recipe.device for cell in cells for recipe in (cell.alice_recipe, cell.bob_recipe)}


def _any_on_cuda(cells: Sequence[Cell]) -> bool:
    return any(train.device(name).type == "cuda" for name in _devices(cells))


def _image_sets(cells: Sequence[Cell]) -> set[str]:
    return set().union(*map(image_sets, cells))


def study(
    cells: Sequence[Cell],
    workers: int | None = None,
    client: Any = None,
    home: str | Path | None = None,
    time_limit: float | None = None,
    *,
    retry_failed: bool = False,
    cohort: int | None = None,
) -> pd.DataFrame:
    """The rows of `cells`, in their order, one a cell: every parameter and every measure a column.

    A row that is kept in `home` (default: `store.folder()`) is not computed again; a new one is kept as soon
    as it is finished. Each Alice is trained once for all Bobs who reuse her. The table does not depend on
    where it was made.

    workers: processes of one thread each (default: one a core; with 1, or where a cell runs on a GPU, this
    process). client: a `dask.distributed.Client` whose workers run the cells instead, one at a time each;
    where workers declare a resource GPU, a cell takes 1 of it. time_limit: seconds for one training and its
    judging; a cell over it has failed. retry_failed: run cells again that are known to fail. cohort: networks
    of one shape and recipe that are trained as one, at most (see `cohort`); 1: each alone. By default as many
    as pay and fit into memory on a CUDA device of this process, and 1 elsewhere. Where there is a time_limit
    each is alone. A cohort's rows are those of its cells alone to rounding, which may move an accuracy by a
    test pair or two; the other rows are to the bit what they are without.

    Raises ValueError for what cannot be run, before any work; Failed when cells failed, after all others are
    finished and kept, or when the disk is full; KeyboardInterrupt with a summary. Whatever ends a study,
    finished rows stay.
    """
    cells = _checked(cells)
    if workers is not None:
        integer(1, 1024)("workers", workers)
    if time_limit is not None:
        number(0, 1e7, above=True)("time_limit", time_limit)
    if cohort is not None:
        integer(1, 4096)("cohort", cohort)
    if client is None:
        ready(cells)
    elif not hasattr(client, "get_executor"):
        raise ValueError(f"client must be a dask.distributed.Client, not {shorten(client)}")
    if time_limit or (cohort is None and (client or not _any_on_cuda(cells))):
        cohort = 1
    images = _images(cells, client)
    with Store(home) as store:
        made = _Study(store, cells, images, cohort, retry_failed=retry_failed)
        return made.table(workers, client, time_limit)


def _checked(cells: Any) -> list[Cell]:
    cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
    if not cells:
        raise ValueError("a study needs at least one cell")
    for cell in cells:
        if not isinstance(cell, Cell):
            raise ValueError(f"a study needs a list of cells, not of {shorten(cell)}")
    return cells


def _images(cells: list[Cell], client: Any) -> dict[str, str]:
    """The identities of the cells' image sets: as they lie here, else as on a Dask worker."""
    images = identities(_image_sets(cells))
    missing = [name for name, identity in images.items() if not identity]
    if client is not None and missing:
        images |= client.submit(identities, missing, pure=False).result()
    return images


class Differs(Exception):
    """What a worker has is not what the client named the rows by."""


class _Job(NamedTuple):
    """Alice's training, for the Bobs who wait for it, or with her weights (a Dask future) one Bob's.

    kind: jobs of one kind may run as a cohort; None: alone.
    """

    alice_cell: Cell
    bob_cells: list[Cell]
    alice_weights: Any = None
    deferred: bool = False
    kind: Hashable = None


class _Study:
    """The client's side of one study: what is known, what is left, and what comes in."""

    def __init__(
        self,
        store: Store,
        cells: list[Cell],
        images: dict[str, str],
        cohort: int | None,
        *,
        retry_failed: bool,
    ):
        self.store, self.cells, self.images, self.retry_failed = store, cells, images, retry_failed
        self.cohort = cohort
        self.rooms: dict[Hashable, int] = {}
        self.names = {cell: row_name(cell, images) for cell in cells}
        self.rows: dict[Cell, dict[str, Any]] = {}
        self.failed: dict[Cell, str] = {}

    def table(self, workers: int | None, client: Any, limit: float | None) -> pd.DataFrame:
        left = self._look_up(list(self.names))
        with tqdm(
            total=len(self.names), initial=len(self.names) - len(left), unit="cell", disable=None
        ) as self.bar:
            try:
                self.store.see(self.images)
                if left:
                    with _heeded() as interrupted, _pool(left, workers, client, limit) as pool:
                        self._run(_by_alice(left), pool, interrupted)
            except KeyboardInterrupt:
                self._look_up(list(self.names))  # a row may have been kept, and not yet counted
                raise KeyboardInterrupt(self._so_far()) from None
            except (sqlite3.Error, OSError) as error:
                raise Failed(f"cannot write into {self.store.home} ({error}): {self._so_far()}") from None
        if self.failed:
            cell, trace = next(iter(self.failed.items()))
            raise Failed(
                f"{len(self.failed):,} of {len(self.names):,} cells failed and the others are kept; "
                f"the first, {_told(cell)}, with {_last(trace)}; `--retry-failed` runs them again"
            )
        return pd.DataFrame([cell.flat() | self.rows[cell] for cell in self.cells])

    def _so_far(self) -> str:
        return f"{len(self.rows):,} of {len(self.names):,} cells done; run the same command to go on"

    def _look_up(self, cells: list[Cell]) -> list[Cell]:
        """Take what is kept of `cells`, and return the others."""
        outcomes = self.store.find(self.names[cell] for cell in cells)
        for cell in cells:
            outcome = outcomes.get(self.names[cell], Outcome("", {}, ""))
            if outcome.status == "done":
                self.rows[cell] = outcome.measures
            elif outcome.status == "failed" and not self.retry_failed:
                self.failed[cell] = outcome.error
        return [cell for cell in cells if cell not in self.rows and cell not in self.failed]

    def _run(self, jobs: list[_Job], pool: "_Pool", interrupted: threading.Event) -> None:
        """Bobs before further Alices: rows come in early, and few Alices are in memory at a time."""
        waiting = deque(job._replace(kind=self._kind(job.alice_cell, "alice")) for job in jobs)
        running: dict[Future, list[_Job]] = {}
        while waiting or running:
            if interrupted.is_set():
                raise KeyboardInterrupt
            while waiting and len(running) < pool.room:
                alike = self._alike(waiting)
                if begun := [job for each in alike if (job := self._begin(each, waiting, pool))]:
                    running[self._submit(begun, pool)] = begun
            done = wait(running, return_when=FIRST_COMPLETED).done if running else set()
            while done:  # no future is kept: Dask would compute it again when it loses the worker that did
                self._take(done.pop(), running, waiting, pool)

    def _kind(self, cell: Cell, who: str) -> Hashable:
        return None if self.cohort == 1 else cohorts.kind(cell, who)

    def _alike(self, waiting: deque[_Job]) -> list[_Job]:
        """The next job, and those of its kind that may run with it, taken from `waiting`."""
        alike = [waiting.popleft()]
        others: list[_Job] = []
        if (kind := alike[0].kind) is not None:
            size = self.cohort or self._room(alike[0])
            while waiting and len(alike) < size:
                job = waiting.popleft()
                (alike if job.kind == kind else others).append(job)
            waiting.extendleft(reversed(others))
        return alike

    def _room(self, job: _Job) -> int:
        if job.kind not in self.rooms:
            who, cell = ("bob", job.bob_cells[0]) if job.alice_weights else ("alice", job.alice_cell)
            try:
                self.rooms[job.kind] = cohorts.room(cell, who)
            except Exception:  # what is wrong with a cell, it says where it runs
                return 1
        return self.rooms[job.kind]

    def _begin(self, job: _Job, waiting: deque[_Job], pool: "_Pool") -> _Job | None:
        """The job, if it must run now. Other clients' rows are taken, and what they run is put off once."""
        if job.alice_weights:
            return job
        with self.store.transaction():
            left = self._look_up(job.bob_cells)
            free = self.store.claim([self.names[cell] for cell in left], force=job.deferred)
        self.bar.update(len(job.bob_cells) - len(left))
        job = job._replace(bob_cells=left, deferred=True)
        if not free:
            waiting.append(job)
        elif left and (weights := self.store.alice(self._alice_name(job))):
            self._queue(job, pool.hold(weights), waiting)
        elif left:
            return job
        return None

    def _submit(self, jobs: list[_Job], pool: "_Pool") -> Future:
        made_of = source(), self._images_of(jobs[0].alice_cell)
        if jobs[0].alice_weights:
            cells, weights = [job.bob_cells[0] for job in jobs], [job.alice_weights for job in jobs]
            return pool.submit(made_of, bob_row if len(jobs) == 1 else bob_rows, *cells, *weights)
        function = train_alice if len(jobs) == 1 else train_alices
        return pool.submit(made_of, function, *(job.alice_cell for job in jobs))

    def _take(
        self, future: Future, running: dict[Future, list[_Job]], waiting: deque[_Job], pool: "_Pool"
    ) -> None:
        """Keep what came of jobs that ran as one. Where a cohort failed, each of it is tried alone."""
        jobs = running.pop(future)
        result, provenance, error = self._outcome(future, jobs[0].alice_cell)
        if len(jobs) == 1:
            self._finish(jobs[0], result, provenance, error, waiting, pool)
        elif error:
            waiting.extendleft(job._replace(kind=None) for job in reversed(jobs))
        else:
            each = round(provenance["seconds"] / len(jobs), 4)
            provenance |= {"seconds": each, "cohort": len(jobs)}
            with _put_off():
                for job, own in zip(jobs, result):
                    self._finish(job, own, provenance, error, waiting, pool)

    def _finish(
        self,
        job: _Job,
        result: Any,
        provenance: dict[str, Any],
        error: str,
        waiting: deque[_Job],
        pool: "_Pool",
    ) -> None:
        """Keep what came of a job: rows, or an Alice whose Bobs are next."""
        if error or job.alice_weights:
            for bob_cell in job.bob_cells:
                self._keep(bob_cell, result, error, provenance)
        else:
            self.store.keep_alice(self._alice_name(job), result)
            self._queue(job, pool.hold(result), waiting)

    def _queue(self, job: _Job, alice_weights: Any, waiting: deque[_Job]) -> None:
        waiting.extendleft(
            _Job(job.alice_cell, [cell], alice_weights, kind=self._kind(cell, "bob"))
            for cell in reversed(job.bob_cells)
        )

    def _images_of(self, cell: Cell) -> dict[str, str]:
        return {name: self.images[name] for name in image_sets(cell)}

    def _alice_name(self, job: _Job) -> str:
        return alice_name(job.alice_cell, self.images)

    def _outcome(self, future: Future, cell: Cell) -> tuple[Any, dict[str, Any], str]:
        """(result, provenance, traceback or "") of a job on the images of `cell`."""
        try:
            result, provenance = future.result()
        except CancelledError:
            raise Failed(f"the Dask cluster was lost: {self._so_far()}") from None
        except FileNotFoundError as gone:  # an image set that was there when the study began
            raise Failed(f"{gone}: {self._so_far()}") from None
        except Differs as difference:
            raise Failed(f"{difference}: {self._so_far()}") from None
        except Exception as error:  # also what no worker lived to tell: of the images it died of
            here, begun = identities(image_sets(cell)), self._images_of(cell)
            if any(here[name] not in ("", begun[name]) for name in begun):
                raise Failed(f"{OTHER_IMAGES}: {self._so_far()}") from None
            return {}, {}, "".join(traceback.format_exception(error))
        return result, provenance, ""

    def _keep(self, cell: Cell, measures: dict[str, Any], error: str, provenance: dict[str, Any]) -> None:
        measures = json.loads(json.dumps(measures), parse_constant=lambda _: None)  # NaN is kept as missing
        made = provenance | {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        self.store.keep(cell, self.images, measures, error, made)
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
    return [_Job(alice_cell, bob_cells) for alice_cell, bob_cells in groups.items()]


def _told(cell: Cell) -> str:
    """What of `cell` is not the default."""
    plain = Cell().flat()
    told = [f"{name} = {value}" for name, value in cell.flat().items() if value != plain[name]]
    return ", ".join(told) or "the default cell"


def _last(trace: str) -> str:
    return trace.strip().splitlines()[-1]


def alice_name(alice_cell: Cell, images: Mapping[str, str] | None = None) -> str:
    """The name under which an Alice's weights are kept: from `row_name` and the code that trained her."""
    return sha256(f"{source()} {row_name(alice_cell, images)}".encode())


# Where it runs.


class _Pool(NamedTuple):
    """Where jobs run.

    submit: starts `work` with what it is given, and gives its future. room: how many may be under way. hold:
    keeps an Alice's weights near.
    """

    submit: Callable[..., Future]
    room: int
    hold: Callable[[bytes], Any] = bytes


@contextmanager
def _pool(cells: list[Cell], workers: int | None, client: Any, limit: float | None) -> Iterator[_Pool]:
    """Leaving it stops what still runs, at once."""
    if client is not None:
        with _dask(client, limit) as pool:
            yield pool
        return
    if workers is None:
        cpu = all(train.device(name).type == "cpu" for name in _devices(cells))
        workers = cores() if cpu else 1
    workers = min(workers, len(cells))
    if workers == 1 and limit is None:
        yield _Pool(_at_once, 1)
        return
    with _processes(workers, limit) as pool:
        yield pool


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _dask(client: Any, limit: float | None) -> Iterator[_Pool]:
    threads = sum(client.nthreads().values())
    told = client.scheduler_info(n_workers=-1)["workers"].values()
    gpus = any(worker["resources"].get("GPU") for worker in told)
    executor = client.get_executor(pure=False, **({"resources": {"GPU": 1}} if gpus else {}))
    try:
        yield _Pool(
            lambda *job: executor.submit(work, *job, limit=limit),
            max(64, 4 * threads),
            lambda weights: client.submit(bytes, weights, pure=False),
        )
    finally:
        executor.shutdown(wait=False)


def forks() -> Any:
    """The context of forks of one process that has imported what takes seconds, kept for what follows."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch._dynamo"])  # the second is what a first step imports
    return context


@contextmanager
def _processes(workers: int, limit: float | None) -> Iterator[_Pool]:
    from pebble import ProcessPool  # a study in this process does without

    context = forks()
    begun = context.Semaphore(0)
    pool = ProcessPool(workers, initializer=_begin, initargs=[begun, dict(os.environ)], context=context)
    try:
        _start(pool, workers, begun)
        yield _Pool(lambda *job: pool.schedule(work, job, timeout=limit), 2 * workers)
    finally:
        pool.stop()
        pool.join()


def _start(pool: Any, workers: int, begun: Any) -> None:
    """Return when the workers have begun: one that is stopped earlier says so on stderr."""
    from pebble import ProcessExpired

    try:
        with deaf():
            first = pool.schedule(source)
            for _ in range(workers):
                while not begun.acquire(timeout=0.1) and not _lost(first):
                    pass
        first.result()
    except (ProcessExpired, BrokenProcessPool) as error:
        raise Failed(
            f"the worker processes do not start ({error.__cause__ or error}): "
            'a script needs `if __name__ == "__main__":` around a study'
        ) from None


def _lost(future: Future) -> bool:
    return future.done() and future.exception() is not None


def _begin(begun: Any, environment: dict[str, str]) -> None:
    """A worker has its client's environment as it is now, and says that it has begun."""
    begun.release()
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def _heeded() -> Iterator[threading.Event]:
    """Ctrl-C is raised as ever, and remembered: Python drops what is raised in a finalizer."""
    heard = threading.Event()

    usual: Any = signal.getsignal(signal.SIGINT)

    def hear(*received: Any) -> None:
        heard.set()
        usual(*received)

    here = callable(usual) and threading.current_thread() is threading.main_thread()
    if here:
        signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        if here:
            signal.signal(signal.SIGINT, usual)


@contextmanager
def _put_off() -> Iterator[None]:
    """What would interrupt this is heard after it: Ctrl-C, that the terminal was closed, an alarm."""
    heard: list[int] = []
    usual: dict[signal.Signals, Any] = {}
    try:
        for number in INTERRUPTIONS if threading.current_thread() is threading.main_thread() else ():
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                usual[number] = signal.signal(number, lambda rung, _: heard.append(rung))
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    if heard:
        signal.raise_signal(min(heard))


@contextmanager
def deaf() -> Iterator[None]:
    """Processes begun in here never hear Ctrl-C, and this one not before they are: ending them is its part.

    Nor that their terminal was closed. Blocking the signals is for them; it does not keep Python from raising
    what another thread was told.
    """
    heard: list[int] = []
    signals = {signal.SIGINT, signal.SIGHUP}
    here = threading.current_thread() is threading.main_thread()
    resource_tracker.ensure_running()  # which would unblock it later
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number)) if here else None
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        if here:
            signal.signal(signal.SIGINT, before or signal.default_int_handler)
    if heard:
        signal.raise_signal(heard[0])


def _at_once(*job: Any) -> Future:
    future: Future = Future()
    try:
        future.set_result(work(*job))
    except Exception as error:
        future.set_exception(error)
    return future


# What a worker does.


def work(
    made_of: tuple[str, dict[str, str]], function: Callable, *args: Any, limit: float | None = None
) -> tuple[Any, dict[str, Any]]:
    """(`function(*args)`, its provenance), alone in this process, whose threads and generator PyTorch shares.

    made_of: source and identities of the images to compute it from; they stay these to its end, whatever
    happens on the disk. args: a cell, if any, and its Alice's weights. limit: seconds until TimeoutError is
    raised in it, between two steps of Python. (A pool of processes has its own clock.) Raises Differs, before
    it begins, where code or images are others here.
    """
    code, images = made_of
    if code != source():
        raise Differs("a worker has other code than this client, install the same reuselab on both")
    with _ONE, cells_.repeatable(), bases.held(images) as here:
        if here != images:
            raise Differs(OTHER_IMAGES)
        with _deadline(limit) if limit else nullcontext():
            start = time.perf_counter()
            result = function(*args)
            seconds = round(time.perf_counter() - start, 4)
    made = machine(*(cell.bob_recipe.device for cell in args[:1]))
    return result, made | {"source": code, "seconds": seconds}


@cache
def machine(device: str = "auto") -> dict[str, str]:
    """Where a cell is run: device, versions of what computes, state of the checkout ("" without git)."""
    where = train.device(device)
    name = (
        torch.cuda.get_device_name(where)
        if where.type == "cuda"
        else f"{where.type} ({platform.machine()}, {os.cpu_count()} cores)"
    )
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn")
    return {
        "device": name.replace("cpu", "CPU"),
        "git": _git(),
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                *(f"{package} {version(package)}" for package in packages),
            ]
        ),
    }


def _git() -> str:
    """State of the checkout. Without one "": an installed package may lie in anybody's repository."""
    if not places.CHECKOUT:
        return ""
    command = ["git", "-C", str(places.CHECKOUT), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


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


def train_alice(alice_cell: Cell) -> bytes:
    """Her trained weights, as safetensors."""
    net = cells_.train_alice(alice_cell).to("cpu").to(memory_format=torch.contiguous_format)
    return safetensors.torch.save(net.state_dict())


def bob_images(bob_cell: Cell, split: str) -> tuple[train.Images, torch.Tensor]:
    """The images of `split`, "train" or "test", that Bob learns from or is judged on, and his labels."""
    n = bob_cell.bob_recipe.pairs if split == "train" else bob_cell.test_pairs
    return cells_._bobs(bob_cell, split, n)


def bob_row(bob_cell: Cell, alice_weights: bytes) -> dict[str, Any]:
    """The measures of a Bob who reuses the Alice of these weights."""
    row = cells_.run(bob_cell, with_weights(bob_cell, alice_weights))
    return {name: value for name, value in row.items() if name not in cells_.RULES}


def train_alices(*alice_cells: Cell) -> list[bytes]:
    """`train_alice` of each, as a cohort."""
    nets = [net.to("cpu").to(memory_format=torch.contiguous_format) for net in cohorts.alices(alice_cells)]
    return [safetensors.torch.save(net.state_dict()) for net in nets]


def bob_rows(*given: Any) -> list[dict[str, Any]]:
    """`bob_row` of each, as a cohort; given: the cells, then as many Alices' weights."""
    bob_cells, weights = given[: len(given) // 2], given[len(given) // 2 :]
    alice_nets = {own: with_weights(cell, own) for cell, own in zip(bob_cells, weights)}
    rows = cohorts.rows(bob_cells, [alice_nets[own] for own in weights])
    return [{name: value for name, value in row.items() if name not in cells_.RULES} for row in rows]


def with_weights(cell: Cell, alice_weights: bytes) -> Network:
    """The cell's Alice, trained: her network with the weights that `train_alice` gave."""
    alice_net = cells_.untrained_alice(cell)
    alice_net.load_state_dict(safetensors.torch.load(alice_weights))
    return alice_net
