"""The engine against the plain loop of `plain.py`, on the same work in one run (`make bench`).

Each contender works in a process of its own, after a small piece of the same work that is not counted. The
plain loop has all cores, and the numbers of threads and DataLoader workers that are best for it here.
`--keep` keeps the tables in results/bench, those of a GPU in results/gpu; `--few` does a hundredth of the
work, a check that it runs.
"""

import itertools
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import bench_study, plain
from reuselab import guard, places, stats
from reuselab.check import Failed, known
from reuselab.experiment import bases, models, pairs, train
from reuselab.experiment import cell as cells_
from reuselab.experiment.cell import Cell
from reuselab.runs import exchange
from reuselab.runs.goals import CONTENDERS, ENGINE, ONE, PLAIN
from reuselab.runs.study import cores, grid, machine, study

RESULTS = Path(__file__).resolve().parent.parent / "results"
SCALES = (1, 2, 4, 8, 16, 32, 64)
SIDE = 2048  # of the matrices whose product is the peak

# Pairs are whole batches: both contenders then take as many steps. rho is of no matter to the time.
SMALL = {"rho": 0.75, "retrain": [1, 2, 3], "alice_pairs": 2048, "test_pairs": 1000}
LARGE = {"rho": 0.75, "retrain": [1, 2], "alice_epochs": 2, "bob_epochs": 10, "test_pairs": 500}
FEW = {"alice_pairs": 200, "alice_epochs": 1, "bob_epochs": 2, "test_pairs": 100, "seed": [0, 1]}


def works(device: str) -> dict[str, dict[str, Any]]:
    """The axes of each piece of work. A GPU has more of it, on photographs where they are at hand."""
    if device == "cpu":
        return {
            "cnn": SMALL | {"network": "cnn", "seed": range(6)},
            "mlp": SMALL | {"network": "mlp", "seed": range(6)},
            "resnet18": LARGE | {"network": "resnet18", "alice_pairs": 1024, "seed": range(3)},
        }
    photographs = (
        {"base": "cifar10", "alice_pairs": 10_240} if bases.present("cifar10") else {"alice_pairs": 4096}
    )
    recipe = {f"alice_{name}": value for name, value in train.RECIPES["sgd"].items()}
    return {
        "cnn": SMALL | {"network": "cnn", "seed": range(16)},
        "mlp": SMALL | {"network": "mlp", "seed": range(16)},
        "resnet18": LARGE | recipe | photographs | {"network": "resnet18", "seed": range(3)},
    }


def cells_of(work: Mapping[str, Any], device: str, *, few: bool = False) -> list[Cell]:
    """The cells of a piece of work."""
    return grid(**{**work, **(FEW if few else {})}, alice_device=device, bob_device=device)


# Where a contender works.


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` in a process of its own, which ends with this call however that ends.

    Raises Failed, with what was raised there.
    """
    context = multiprocessing.get_context("spawn")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(told, function, args))
    process.start()
    told.close()
    try:
        answer, why = heard.recv()
        process.join()
    except EOFError:
        raise Failed("a contender died in its process") from None
    finally:
        process.kill()
        process.join()
    if why:
        raise Failed(f"a contender failed: {why}")
    return answer


def _tell(told: Any, function: Callable[..., Any], args: Sequence[Any]) -> None:
    try:
        told.send((function(*args), ""))
    except Exception as error:
        told.send((None, f"{type(error).__name__}: {error}"))


def contend(who: str, some_cells: list[Cell]) -> dict[str, Any]:
    """What a contender makes of the cells: rows, seconds, peak memory in MB, numbers of `_warm`; and more.

    Of those that work in one process `stages` of the first seed; of `ONE` the GFLOP needed, and the peak.
    """
    first = [cell for cell in some_cells if cell.seed == some_cells[0].seed]
    work, numbers = _warm(who, first[:2])
    seconds, rows = _timed(partial(work, some_cells))
    told = {"rows": rows, "seconds": seconds, "memory": _memory(some_cells), "numbers": numbers}
    if who != ENGINE:
        told["stages"] = stages(who, first)
    if who == ONE:
        needed = flops(first) * len(some_cells) / len(first)
        told |= {"needed": needed, "peak": peak(some_cells[0].alice_recipe.device)}
    return told


def _warm(who: str, some_cells: list[Cell]) -> tuple[Callable[[list[Cell]], pd.DataFrame], dict[str, int]]:
    """How a contender works, after it did so once; and the numbers that are best here for `PLAIN`.

    These are DataLoader workers and threads of PyTorch: none or a few, and one or all.
    """
    if who != PLAIN:
        work = partial(_engine, one_at_a_time=who == ONE)
        work(some_cells)
        return work, {}
    short = [replace(cell, alice_recipe=replace(cell.alice_recipe, epochs=1)) for cell in some_cells[:1]]
    numbers = list(itertools.product((0, min(8, cores())), (1, cores())))
    took = {pair: _timed(partial(_plain, short, *pair))[0] for pair in numbers}
    workers, threads = min(took, key=lambda pair: took[pair])
    return partial(_plain, workers=workers, threads=threads), {"workers": workers, "threads": threads}


def _plain(some_cells: list[Cell], workers: int, threads: int) -> pd.DataFrame:
    torch.set_num_threads(threads)
    return plain.rows(some_cells, workers)


def _engine(some_cells: list[Cell], *, one_at_a_time: bool) -> pd.DataFrame:
    """A study that finds nothing kept, as it is or with one network at a time in this process."""
    with tempfile.TemporaryDirectory() as home:
        number = 1 if one_at_a_time else None
        return study(some_cells, workers=number, cohort=number, home=home)


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, with all that a GPU still has to do, and what came out."""
    start = time.perf_counter()
    made = function()
    _wait()
    return time.perf_counter() - start, made


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _memory(some_cells: list[Cell]) -> float:
    """The most MB that this process has held: of the GPU's memory where the cells use one."""
    if train.device(some_cells[0].alice_recipe.device).type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


# The work, and how near it comes to what the machine can do.


def peak(device: str) -> float:
    """GFLOP a second of a float32 matrix product, on all cores or on the GPU (no TF32): the best of ten."""
    a, b = torch.randn(2, SIDE, SIDE, device=train.device(device))
    return 2e-9 * SIDE**3 / min(_timed(lambda: a @ b)[0] for _ in range(10))


def flops(some_cells: list[Cell]) -> float:
    """GFLOP of the rows, counted in the engine's loop: frozen blocks are computed once."""
    with FlopCounterMode(display=False) as counter:
        _loop(some_cells)
    return counter.get_total_flops() * 1e-9


def _loop(some_cells: Sequence[Cell]) -> None:
    """The engine's rows without the study."""
    alices: dict[Cell, models.Network] = {}
    for cell in some_cells:
        key = cell.alice_cell()
        if key not in alices:
            alices[key] = cells_.train_alice(key)
        cells_.run(cell, alices[key])


def stages(who: str, some_cells: list[Cell]) -> dict[str, float]:
    """Seconds of each stage of a contender that works in one process, each without those inside it."""
    parts: list[tuple[Any, str, str]] = [(cells_, "draw", "images drawn")]
    if who == PLAIN:
        parts += [
            (plain, "alice", "Alice trained"),
            (plain, "bob", "Bob trained"),
            (plain, "accuracy", "judged"),
        ]
        work = partial(_plain, some_cells, 0, 1)
    else:
        parts += [(cells_, "train_alice", "Alice trained"), (cells_, "train_bob", "Bob trained")]
        parts += [(train, "lift", "frozen blocks, once"), (train, "accuracy", "judged")]
        work = partial(_engine, some_cells, one_at_a_time=True)
    seconds: dict[str, float] = defaultdict(float)
    inside = [0.0]

    def watched(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*args: Any, **named: Any) -> Any:
            inside.append(0.0)
            took, made = _timed(partial(function, *args, **named))
            seconds[stage] += took - inside.pop()
            inside[-1] += took
            return made

        return wrapper

    with ExitStack() as stack:
        for place, name, stage in parts:
            stack.enter_context(patch.object(place, name, watched(getattr(place, name), stage)))
        whole, _ = _timed(work)
    return {**seconds, "the rest": whole - inside[0]}


# The tables.


def rival(name: str, device: str, *, few: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A piece of work by all contenders, and the seconds of its stages.

    A row of the first: contender, cells a minute, ratio to the plain loop, Bob's accuracy less the plain
    loop's (mean over seeds, 95 % interval, whether within one standard error), share of the peak, MB.
    """
    some_cells = cells_of(works(device)[name], device, few=few)
    made = {who: apart(contend, who, some_cells) for who in CONTENDERS}
    needed, most, rows = made[ONE]["needed"], made[ONE]["peak"], []
    for who, told in made.items():
        seconds = told["seconds"]
        rows.append(
            {"work": name, "contender": who, "cells": len(some_cells), "seconds": seconds}
            | {"cells a minute": 60 * len(some_cells) / seconds, "ratio": made[PLAIN]["seconds"] / seconds}
            | _difference(told["rows"], made[PLAIN]["rows"])
            | {"share of peak": needed / seconds / most, "GFLOP/s at peak": most, "MB": told["memory"]}
            | told["numbers"]
        )
    spent = {who: made[who]["stages"] for who in (PLAIN, ONE)}
    by_stage = [(name, who, *part) for who, parts in spent.items() for part in parts.items()]
    seconds_of = pd.DataFrame(by_stage, columns=["work", "contender", "stage", "seconds"])
    return pd.DataFrame(rows).assign(**provenance(device)), seconds_of


def _difference(rows: pd.DataFrame, others: pd.DataFrame) -> dict[str, Any]:
    """Bob's accuracy in `rows` less that in `others`, paired by cell; seeds are what is independent."""
    by_seed = (rows.bob_accuracy - others.bob_accuracy).groupby(rows.seed).mean()
    mean, low, high = stats.interval(by_seed)
    return {
        "accuracy": rows.bob_accuracy.mean(),
        "difference": mean,
        "low": low,
        "high": high,
        "within one error": bool(abs(mean) <= by_seed.std(ddof=1) / len(by_seed) ** 0.5),
    }


def cost(device: str, *, few: bool = False) -> pd.DataFrame:
    """Seconds by axis (cells, image pairs, pixels, width), scale (times the least) and contender."""
    scales = SCALES[: 2 if few else None]
    rows = [row for who in (PLAIN, ENGINE) for row in apart(costs, who, device, scales)]
    return pd.DataFrame(rows, columns=["axis", "scale", "contender", "seconds"])


def costs(who: str, device: str, scales: Sequence[int]) -> list[tuple[str, int, str, float]]:
    """A contender's rows of `cost`: a study of cells, or one training and judging, the better of two."""
    rows = []
    many = cells_of(FEW | {"network": "cnn", "retrain": 2, "seed": range(max(scales))}, device)
    work, _ = _warm(who, many[:2])
    for scale in scales:
        rows.append(("cells", scale, who, _timed(partial(work, many[:scale]))[0]))
    tasks = {
        "image pairs": lambda scale: task("cnn", 100 * scale, 1, 128),
        "pixels": lambda scale: task("cnn", 200, scale, 128),
        "width": lambda scale: task("mlp", 1000, 1, 16 * scale),
    }
    for axis, of_scale in tasks.items():
        for scale in scales:
            network, data = of_scale(scale)
            recipe = train.Recipe(pairs=len(data), epochs=2, batch=100, device=device)
            took = min(_timed(partial(_one, who, network, data, recipe))[0] for _ in range(2))
            rows.append((axis, scale, who, took))
    return rows


def task(network: str, n: int, pixels: int, width: int) -> tuple[Callable[[], models.Network], pairs.Pairs]:
    """A network to build, and n pairs of digits with `pixels` times as many pixels as they have."""
    height, wide = 8, 8
    while height * wide < 64 * pixels:
        height, wide = (2 * height, wide) if height == wide else (height, 2 * wide)
    digits = bases.load("digits", "train").resized(1, (height, wide))
    data = pairs.sample((digits, digits), n, pairs.joint(10, 0.75))
    blocks = (lambda: models.cnn(data.shape, 10)) if network == "cnn" else (lambda: _mlp(data.shape, width))
    return lambda: models.Network(blocks()), data


def _mlp(shape: tuple[int, int, int], width: int) -> Any:
    """`models.mlp` at another width."""
    blocks = models.mlp(shape, 10)
    inputs = nn.Linear(shape[0] * shape[1] * shape[2], width)
    blocks["dense1"] = nn.Sequential(nn.Flatten(), inputs, nn.ReLU())
    for name in ("dense2", "dense3"):
        blocks[name] = nn.Sequential(nn.Linear(width, width), nn.ReLU())
    blocks["head"] = nn.Linear(width, 10)
    return blocks


def _one(who: str, network: Callable[[], models.Network], data: pairs.Pairs, recipe: train.Recipe) -> None:
    net = network()
    with cells_.repeatable():
        if who == PLAIN:
            plain.fit(net, data, data.alice_labels, recipe, 0, 0)
            plain.accuracy(net, data, data.alice_labels, 0)
        else:
            train.train(net, data, data.alice_labels, recipe, 0)
            train.accuracy(net, data, data.alice_labels)


def provenance(device: str) -> dict[str, Any]:
    """Where and when a table is made; load: processes that wanted a core in the last minute, ours too."""
    now = {"made": time.strftime("%Y-%m-%d", time.gmtime()), "cores": cores()}
    return machine(device) | now | {"load": round(os.getloadavg()[0], 1)}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, metavar="[PART]...")
@click.option("--few", is_flag=True, help="a hundredth of the work: a check that it runs")
@click.option("--keep", is_flag=True, help="keep the tables in results")
def main(parts: tuple[str, ...], few: bool, keep: bool) -> None:  # noqa: FBT001
    """The engine against the plain loop. Each PART is study, cost or a network; by default all are done."""
    device = train.device().type
    folder = RESULTS / ("bench" if device == "cpu" else "gpu")
    every = ["study", "cost", *works(device)]
    try:
        for name in parts:
            known("part", name, every)
        if keep:
            places.writable(folder)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(", ".join(f"{name}: {value}" for name, value in provenance(device).items()))
    for name in parts or every:
        if name == "study":
            tables = {name: apart(partial(bench_study.table, few=few))}
        elif name == "cost":
            tables = {name: cost(device, few=few)}
        else:
            tables = dict(zip((f"rival_{name}", f"seconds_{name}"), rival(name, device, few=few)))
        for title, table in tables.items():
            told = table.drop(columns=provenance(device), errors="ignore")
            click.echo(f"\n{title}\n{told.round(3).to_string(index=False)}")
            if keep:
                exchange.write(table.map(_short), folder / f"{title}.csv")


def _short(value: Any) -> Any:
    """A number at four digits."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(guard.guarded(partial(main, standalone_mode=False)))
