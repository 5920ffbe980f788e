"""The GPU drill: all that only a GPU can show, in slices of minutes, each going on where the last stopped.

`python -m reuselab.gpu` in a checkout; nothing need be installed but torch, torchvision, NumPy, SciPy,
scikit-learn, pandas, pyarrow, safetensors, tqdm and click, and nothing is fetched. `make gpu` repeats it
until all is done. Every stage leaves a table in results/gpu; stages.csv says which are done, on what, in how
many seconds; rows.parquet holds the pages' rows, for `reuselab import`.
"""

import ast
import fcntl
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from reuselab import guard, places
from reuselab.book import kept, photographs
from reuselab.check import Failed, known, number
from reuselab.claims import module
from reuselab.claims.parameters import KEPT
from reuselab.experiment import cell as cells
from reuselab.runs import exchange
from reuselab.runs.goals import AIRBENCH, CIFAR_EPOCHS, CIFAR_GOAL, GOALS
from reuselab.runs.store import Store
from reuselab.runs.study import grid, machine, study

PRESETS = ("smoke", "quick", "paper")
OUT = places.SOURCES / "results" / "gpu"
NOTEBOOKS = places.SOURCES / "notebooks"
AGAIN = 75  # exit status of a slice that leaves something to do: "try again" in sysexits.h
DONE, CUT, FAILED, LEFT_OUT = "done", "cut", "failed", "left out"
GOES_ON, TOO_LONG = "it goes on in the next slice", "it takes longer than a slice"


class Over(BaseException):
    """The slice is over. No handler of errors may take it for one."""


# Stages, each a function that returns its table.


def stages(device: str, preset: str) -> dict[str, Callable[[], pd.DataFrame]]:
    """What the drill does, in order: the pages in that of the book, whose first are of deep networks."""
    listed = re.findall(r"notebooks/(\w+)", (places.SOURCES / "_toc.yml").read_text())
    return {
        "rows": partial(same_rows, device),
        **{f"rival_{name}": partial(rival, name, device) for name in GOALS},
        "cost": partial(cost, device),
        "cifar": partial(cifar, device),
        **{f"page_{name}": partial(page, name, preset, OUT) for name in listed},
    }


def same_rows(device: str) -> pd.DataFrame:
    """For each network Bob's rows on `device`, and how far from them others are.

    Columns: network, cells; off_cpu, off_cohort: the largest difference in an accuracy from the CPU's rows,
    and from those of a cohort on `device`; within: whether both are within what `reuselab import` allows;
    repeats: whether the same cells again give the same rows to the bit.
    """
    table = []
    for network in GOALS:
        asked, on_cpu = (_some_cells(network, where) for where in (device, "cpu"))
        rows, again, there = (_accuracies(list(map(cells.run, some))) for some in (asked, asked, on_cpu))
        with tempfile.TemporaryDirectory() as home:
            together = _accuracies(study(asked, 1, home=home, cohort=len(asked)).to_dict("records"))
        off = {
            f"off_{name}": abs(other - rows).max() for name, other in (("cpu", there), ("cohort", together))
        }
        equal = {"within": max(off.values()) <= exchange.TOLERANCE, "repeats": bool((rows == again).all())}
        table.append({"network": network, "cells": len(asked)} | off | equal)
    return pd.DataFrame(table)


def _some_cells(network: str, device: str) -> list[cells.Cell]:
    return grid(
        network=network,
        rho=0.75,
        retrain=[1, 2],
        alice_pairs=1000,
        alice_epochs=4,
        bob_epochs=20,
        alice_device=device,
        bob_device=device,
        seed=[0, 1],
    )


def _accuracies(rows: list[dict[str, Any]]) -> NDArray[np.float64]:
    return pd.DataFrame(rows)[["alice_accuracy", "bob_accuracy"]].to_numpy()


def rival(name: str, device: str) -> pd.DataFrame:
    """The engine against the plain loop, as `make bench` has it, with the ratio that is the goal."""
    from benchmarks import bench

    table, by_stage = bench.rival(name, device)
    exchange.write(by_stage, OUT / f"seconds_{name}.csv")
    return table.assign(goal=GOALS[name])


def cost(device: str) -> pd.DataFrame:
    """Seconds of both against the size of the work, as `make bench` has them."""
    from benchmarks import bench

    return bench.cost(device)


def cifar(device: str) -> pd.DataFrame:
    """Accuracy and seconds of ResNet-18 on CIFAR-10, beside the goal, and beside airbench."""
    from benchmarks import bench_cifar

    made = bench_cifar.measure(50_000, CIFAR_EPOCHS, 0, device)
    return pd.DataFrame([made | {"goal": CIFAR_GOAL, "airbench_seconds": AIRBENCH}])


def page(name: str, preset: str, out: Path) -> pd.DataFrame:
    """What page `name` computes at a preset, without what it shows: its tables land in `out`.

    Its own code cells are run, in order. What draws, shows or needs the notebook stack is stood in for.
    Raises FileNotFoundError where its photographs are not at hand.
    """
    code = _code(name)
    tables: dict[str, int] = {}

    def keep(table: pd.DataFrame, title: str) -> None:
        exchange.with_texts(table, exchange.no_formula).to_csv(out / f"{title}.csv", index=False)
        tables[title] = len(table)

    namespace: dict[str, Any] = {}
    with _without_notebook(code, keep, namespace):
        for tags, source in code:
            exec(compile(source, f"{name}.md", "exec"), namespace)
            if "parameters" in tags:
                namespace |= _parameters(name, preset, namespace)
    return pd.DataFrame({"table": list(tables), "rows": list(tables.values())})


def _code(name: str) -> list[tuple[str, str]]:
    """The code cells of a page, each with its line of tags."""
    text = (NOTEBOOKS / f"{name}.md").read_text()
    return re.findall(r"^```\{code-cell\}.*\n(?::tags: (.*)\n)?([\s\S]*?)^```$", text, re.M)


def _parameters(name: str, preset: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The page's parameters at `preset`, as `pages.parameters` has them; `defaults`: of its own cell."""
    page_module = module(name)
    values = {key: defaults[key] for key in page_module.RULES} | presets(name).get(preset, {})
    if hasattr(page_module, "PHOTOGRAPHS"):
        values = photographs.choose(name, values, {})
        if values["base"] == KEPT:
            raise FileNotFoundError("none of its image sets is here")
    page_module.check(values)
    if values.get("attribute") and not find_spec("captum"):
        raise ModuleNotFoundError("captum is not installed, which attributes")
    return values | {"preset": preset}


def presets(name: str) -> dict[str, dict[str, Any]]:
    """What the presets change in a page: its part of presets.yml, which is simpler than YAML may be."""
    (part,) = re.findall(rf"^{name}:\n((?:[ #].*\n)+)", (NOTEBOOKS / "presets.yml").read_text(), re.M)

    def quoted(word: re.Match) -> str:
        return word[0] if word[0][0] == '"' or word[0] in ("true", "false", "null") else f'"{word[0]}"'

    return {
        preset: json.loads(re.sub(r'"[^"]*"|(?<![\w.])[A-Za-z_]\w*', quoted, values))
        for preset, values in re.findall(r"^  (\w+): (\{[^{}]*\})", part, re.M)
    }


@contextmanager
def _without_notebook(
    code: list[tuple[str, str]], keep: Callable[[pd.DataFrame, str], None], values: Mapping[str, Any]
) -> Iterator[None]:
    """While it lasts, imports of figures, of IPython and of what the book shows give objects that do nothing.

    But for `pages`, which keeps tables by `keep` and knows the photographs at hand from the page's `values`.
    """
    pages, book = MagicMock(), ModuleType("reuselab.book")
    pages.keep, pages.show_claims = keep, lambda table, name: keep(table, f"{name}_claims")
    pages.at_hand = lambda name, **asked: tuple(values[key] for key in asked)
    vars(book).update(kept=kept, photographs=photographs, pages=pages)
    tree = ast.walk(ast.parse("\n".join(source for _, source in code)))
    imported = {node.module or "" for node in tree if isinstance(node, ast.ImportFrom)}
    shown = ("myst_nb", "IPython", "reuselab.figures", "reuselab.book.")
    stand_ins = {name: MagicMock() for name in imported if name.startswith(shown)} | {"reuselab.book": book}
    usual = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(usual)


# Slices.


def drill(
    out: Path, device: str, preset: str, minutes: float | None = None, *, retry_failed: bool = False
) -> bool:
    """Do what is left of the stages, for so many minutes if any are given; whether none is left.

    What is done stays, a page's stage at its preset. A stage that was cut goes on with the rows that it kept;
    one that is cut twice without a new row needs longer than a slice, and has failed. One that lacks its
    images or a package is tried again in each call, a failed one where `retry_failed` says so. Raises Failed
    at the end, when a stage failed; ValueError, in one line before any work, where it cannot go on in `out`.
    """
    with _alone(out):
        return _drill(out, device, preset, minutes, retry_failed=retry_failed)


def _drill(out: Path, device: str, preset: str, minutes: float | None, *, retry_failed: bool) -> bool:
    log, runs = out / "stages.csv", stages(device, preset)
    told = _told(log, preset) if log.exists() else {}
    settled = (DONE,) if retry_failed else (DONE, FAILED)
    left = [name for name in runs if told.get(name, {}).get("status") not in settled]
    with suppress(Over), _rows_of(out) as kept_rows, _slice(minutes):
        for name in left:
            click.echo(f"{name} ...")
            became = _stage(runs[name], out / f"{name}.csv", told.get(name, {}), kept_rows)
            told[name] = became | _made(device) | {"preset": preset}
            exchange.write(pd.DataFrame(told).T.rename_axis("stage").reset_index(), log)
            click.echo(f"{name}: {told[name]['status']} {told[name]['why']}".rstrip())
            if told[name]["why"] in (GOES_ON, TOO_LONG):
                raise Over
    if any(name not in told or told[name]["status"] == CUT for name in runs):
        return False
    if failed := [name for name in runs if told[name]["status"] == FAILED]:
        raise Failed(f"{', '.join(failed)} failed, as {log} says; `--retry-failed` tries them again")
    return True


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other drills out of a folder that can be written."""
    with (places.writable(out) / ".drill").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another drill is at work in {out}: wait until it ends") from None
        yield


def _told(log: Path, preset: str) -> dict[str, dict[str, Any]]:
    """What became of each stage, but for pages at another preset."""
    try:
        table = pd.read_csv(log, keep_default_na=False, dtype={"seconds": float, "kept": int})
        table = exchange.with_texts(table, exchange.unquoted).set_index("stage")
        table[["status", "why", "seconds", "kept"]]
        return table[~table.index.str.startswith("page_") | (table.preset == preset)].T.to_dict()
    except (ValueError, KeyError, AttributeError):
        raise ValueError(f"{log} is damaged: move it away, and all stages begin again") from None


def _stage(
    run: Callable[[], pd.DataFrame], table: Path, before: Mapping[str, Any], kept_rows: Callable[[], int]
) -> dict[str, Any]:
    """What became of a stage: status, why, seconds in all its slices, rows kept when it ended."""
    start, cut_at = time.perf_counter(), before["kept"] if before.get("status") == CUT else None
    status, why = DONE, ""
    try:
        exchange.write(run(), table)
    except Over:
        signal.setitimer(signal.ITIMER_REAL, 0)
        status, why = (FAILED, TOO_LONG) if kept_rows() == cut_at else (CUT, GOES_ON)
    except (FileNotFoundError, ModuleNotFoundError) as missing:
        status, why = LEFT_OUT, str(missing)
    except Exception as error:
        status, why = FAILED, " ".join(f"{type(error).__name__}: {error}".split())
    seconds = time.perf_counter() - start + (0 if cut_at is None else before["seconds"])
    return {"status": status, "why": why, "seconds": round(seconds, 1), "kept": kept_rows()}


def _made(device: str) -> dict[str, str]:
    return machine(device) | {"made": time.strftime("%Y-%m-%d", time.gmtime())}


@contextmanager
def _rows_of(out: Path) -> Iterator[Callable[[], int]]:
    """Begin with the rows in `out`, and write all there at the end; gives how many are kept."""
    rows = out / "rows.parquet"
    try:
        before = exchange.read(rows) if rows.exists() else []
    except ValueError as error:
        raise ValueError(f"{error}; move it away, and its rows are computed again") from None
    with Store() as store:
        store.add(before, exchange.TOLERANCE)
        try:
            yield lambda: store.counts()["done"]
        finally:
            if len(table := store.table(stale=True)):
                exchange.write(table, rows)


@contextmanager
def _slice(minutes: float | None) -> Iterator[None]:
    """Over is raised in here after so many minutes, wherever the program is; and again if it is not heard."""

    def ring(*_: Any) -> None:
        raise Over

    usual = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 60 * (minutes or 0), 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--minutes", type=float, metavar="N", help="stop after N minutes, exit status 75 [default: never]"
)
@click.option("--preset", default="paper", show_default=True, metavar="NAME", help="of the pages")
@click.option("--retry-failed", is_flag=True, help="try stages again that are known to fail")
def main(minutes: float | None, preset: str, retry_failed: bool) -> None:  # noqa: FBT001
    """Show what only a GPU can show, and keep the tables in results/gpu."""
    places.need_checkout()
    try:
        known("preset", preset, PRESETS)
        if minutes is not None:
            number(0, 1e6, above=True)("--minutes", minutes)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not torch.cuda.is_available():
        click.echo("No CUDA GPU is here: the drill has nothing to show.")
        return
    sys.path.append(str(places.CHECKOUT))  # where benchmarks are
    os.environ["REUSELAB_HOME"] = str(places.made() / "gpu")  # other rows would be taken for a GPU's
    try:
        done = drill(OUT, "cuda", preset, minutes, retry_failed=retry_failed)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not done:
        click.echo("The slice is over: the same command goes on.")
        raise click.exceptions.Exit(AGAIN)


def _command() -> None:
    with main.make_context("reuselab.gpu", sys.argv[1:]) as context:
        main.invoke(context)


if __name__ == "__main__":
    sys.exit(guard.guarded(_command))
