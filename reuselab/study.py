"""Cells to rows: a grid of experiments, run over this machine's cores."""

import itertools
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from pebble import ProcessPool
from tqdm import tqdm

from reuselab import cell as cells_
from reuselab import train
from reuselab.cell import Cell
from reuselab.check import integer, known


def grid(**axes: Any) -> list[Cell]:
    """Every combination of the axes, as cells: a list is an axis, anything else a value that all cells share.

    `grid(rho=[0, 0.5], retrain=[1, 2], seed=range(5), base="digits")` gives 20 cells. The names are `Cell.flat`'s.
    Raises ValueError for an unknown name, an impossible value, an empty axis or one that repeats an item.
    """
    lists = {name: list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else [value] for name, value in axes.items()}
    for name, items in lists.items():
        known("parameter", name, cells_.RULES)
        for item in items:
            cells_.RULES[name](name, item)
        if not items or len(set(items)) < len(items):
            raise ValueError(f"axis {name} must hold at least one item and none twice")
    return [Cell.of(**dict(zip(lists, values))) for values in itertools.product(*lists.values())]


def study(cells: Sequence[Cell], workers: int | None = None) -> pd.DataFrame:
    """The rows of `cells`, in their order, one a cell: every parameter and every measure a column.

    Each Alice is trained once for all Bobs who reuse her. workers: processes of one thread each (default: one a core;
    with 1, or where the cells run on a GPU, this process). The table does not depend on it.
    """
    if workers is not None:
        integer(1, 1024)("workers", workers)
    if not len(cells):
        raise ValueError("a study needs at least one cell")
    order = {cell: i for i, cell in enumerate(cells)}
    if workers is None:
        workers = 1 if train.device(cells[0].alice.device).type != "cpu" else os.cpu_count() or 1
    run = _here(order) if workers == 1 or len(order) == 1 else _processes(order, workers)
    rows = dict(tqdm(run, total=len(order), unit="cell", disable=None))
    return pd.DataFrame([rows[cell] for cell in cells])


def _by_alice(cells: Iterable[Cell]) -> dict[Cell, list[Cell]]:
    """Cells grouped by the Alice they share."""
    groups: dict[Cell, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.alices(), []).append(cell)
    return groups


def _here(cells: Iterable[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    for alice, bobs in _by_alice(cells).items():
        with cells_.one_thread():
            net = cells_.train_alice(alice)
        for bob in bobs:
            yield bob, cells_.run(bob, net)


def _processes(cells: Iterable[Cell], workers: int) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Alices first, and each Alice's Bobs as soon as she is trained."""
    groups = _by_alice(cells)
    with ProcessPool(max_workers=workers, context=multiprocessing.get_context("spawn")) as pool:
        alices = {pool.schedule(alice_weights, args=[alice]): alice for alice in groups}
        bobs = {}
        for future in as_completed(alices):
            weights = future.result()
            bobs |= {pool.schedule(bob_row, args=[bob, weights]): bob for bob in groups[alices[future]]}
        for future in as_completed(bobs):
            yield bobs[future], future.result()


def alice_weights(alice: Cell) -> bytes:
    """Her trained weights, as safetensors."""
    with cells_.one_thread():
        net = cells_.train_alice(alice).to("cpu", memory_format=torch.contiguous_format)
    return safetensors.torch.save(net.state_dict())


def bob_row(bob: Cell, weights: bytes) -> dict[str, Any]:
    """The row of `bob`, who reuses the Alice of these weights."""
    alice = cells_.untrained_alice(bob)
    alice.load_state_dict(safetensors.torch.load(weights))
    return cells_.run(bob, alice)
