"""Evidence: studies that decide claims, made once, with seeds of their own, and kept.

A page's module says what its study runs (`evidence_cells`, or `evidence_rows` where no network reuses
Alice's) and what would decide its claims (`DECISIONS`), both written down before the seeds were run. `python
-m reuselab.claims.evidence [PAGE ...] [--set NAME ...]` makes the tables that are missing in
results/evidence, and goes on where an earlier call was stopped.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as laws

from reuselab import places, stats
from reuselab.claims import module, registry
from reuselab.experiment.cell import Cell
from reuselab.runs.study import grid, machine, study

FOLDER = places.SOURCES / "results" / "evidence"
FIRST_SEED = 10_000  # pilots have smaller ones
# The image sets of Alice's half and of Bob's, and how many seeds each gets.
SETS: dict[str, tuple[dict[str, str], int]] = {
    "digits": ({"base": "digits"}, 20),
    "turned": ({"base": "digits", "bob_base": "turned"}, 20),
    "fashion": ({"base": "fashion"}, 10),
    "cifar10": ({"base": "cifar10"}, 5),
}
NETWORK, CUTS, CHANCE = "cnn", range(1, 5), 0.1  # cuts: numbers of retrained blocks that reuse some of hers
RHOS, PHIS = (0.0, 0.25, 0.5, 0.75, 1.0), (0.25, 0.5, 0.75)
COMMON = {"alice_pairs": 4000, "alice_epochs": 8, "bob_pairs": 100, "bob_epochs": 40, "test_pairs": 1000}
KEYS = ["method", "rho", "bob_rho", "phi", "retrain", "bob_pairs", "seed"]
RESAMPLES, STABLE, LEVEL = 2000, 0.95, 0.025

Entry = tuple[str, Cell]  # a method's name, its cell


@dataclass(frozen=True)
class Decision:
    """What decides a part of a claim, written down before the evidence's seeds were run.

    said: the source's words and where, or "ours". quantity: what `values` gives for each seed of a table,
    positive as predicted: a series, or a frame [seeds, settings] where every setting must show it. matters:
    the smallest effect that would matter. excluded: what is shown and decides nothing. equal: `values` are
    differences that must be smaller than `matters`, either way. The rule is that of `judge`; the claim's part
    holds where it holds on all of `SETS`.
    """

    claim: str
    said: str
    quantity: str
    matters: float
    excluded: str
    values: Callable[[pd.DataFrame], pd.Series | pd.DataFrame]
    equal: bool = False


# What a study runs.


def alices(cells: Iterable[Cell]) -> Iterator[Entry]:
    """Bobs who reuse Alice."""
    return (("Alice", cell) for cell in cells)


def untrained(cells: Iterable[Cell], start: int = 0) -> Iterator[Entry]:
    """Bobs who reuse her network before she trained, calibrated on her pairs; start: another draw of it."""
    name = f"random network {start}" if start else "random network"
    for cell in cells:
        recipe = replace(Cell().alice_recipe, pairs=cell.alice_recipe.pairs)
        yield name, replace(cell, alice_task="none", alice_start=start, alice_recipe=recipe)


def scratch(cells: Iterable[Cell]) -> Iterator[Entry]:
    """Bobs who train all blocks, fresh: nothing of her is left, so one untrained Alice serves."""
    return (("scratch", cell) for _, cell in untrained(cells))


def entries(page: str, name: str) -> list[Entry]:
    """All cells of the page's study on image set `name`, each with the method that it stands for."""
    images, seeds = SETS[name]
    shared = COMMON | images | {"network": NETWORK, "seed": range(FIRST_SEED, FIRST_SEED + seeds)}
    return list(dict.fromkeys(module(page).evidence_cells(lambda **axes: grid(**{**shared, **axes}))))


def sets(page: str) -> tuple[str, ...]:
    """The image sets of a page's evidence: `EVIDENCE_SETS` of its module, else those of `SETS`."""
    return getattr(module(page), "EVIDENCE_SETS", tuple(SETS))


def path_of(page: str, name: str) -> Path:
    """Where the table of a page's study on an image set is kept."""
    return FOLDER / f"{page}_{name}.csv"


def make(page: str, name: str) -> Path:
    """Run the page's study on image set `name`: its table, and its provenance beside it.

    A page whose study is not one of `entries` has `evidence_rows(name)`: the table, and what its rows share.
    """
    start = time.perf_counter()
    rows, shared = getattr(module(page), "evidence_rows", lambda name: _study(page, name))(name)
    path = path_of(page, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.round(4).to_csv(path, index=False)
    made = {"made": time.strftime("%Y-%m-%d"), "seconds": round(time.perf_counter() - start)}
    path.with_suffix(".json").write_text(json.dumps(machine() | made | {"cells": shared}, indent=1) + "\n")
    return path


def _study(page: str, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    methods, cells = zip(*entries(page, name))
    rows = study(list(cells)).assign(method=list(methods))
    shared = {key: value for key, value in cells[0].flat().items() if key not in KEYS}
    return rows[[*KEYS, "alice_accuracy", "bob_accuracy"]], shared


# What its table says.


def reusing(table: pd.DataFrame, method: str = "Alice", *, leaking: bool = False) -> pd.DataFrame:
    """The rows of a method at `CUTS` whose own pairs are at rho 0, or, `leaking`, at Alice's rho."""
    at = table.bob_rho.isna() if leaking else table.bob_rho == 0
    return table[(table.method == method) & at & table.retrain.isin(CUTS)]


def curve(rows: pd.DataFrame, along: str) -> pd.DataFrame:
    """Mean accuracy [seed, rho or phi] over the cuts: below rho = 1, and where the other of the two is 0."""
    plain = rows[(rows[{"rho": "phi", "phi": "rho"}[along]] == 0) & (rows.rho < 1)]
    return plain.groupby(["seed", along]).bob_accuracy.mean().unstack()


def rise(curves: pd.DataFrame) -> pd.Series:
    """Least-squares slope of each row on its columns' names, times their range."""
    levels = curves.columns.to_numpy(dtype=float)
    centred = levels - levels.mean()
    weights = centred / (centred**2).sum() * np.ptp(levels)
    return curves @ pd.Series(weights, index=curves.columns)


def by_setting(rows: pd.DataFrame, value: str, *keys: str) -> pd.DataFrame:
    """Column `value` as [draw, settings], each setting named by its `keys`: "gamma 0.5, degrees 30"."""
    wide = rows.pivot(index="draw", columns=list(keys), values=value)
    told = wide.columns.to_frame().map(lambda level: level if isinstance(level, str) else f"{level:g}")
    return wide.set_axis([", ".join(map(" ".join, zip(keys, levels))) for levels in told.to_numpy()], axis=1)


def judge(
    by_set: Mapping[str, NDArray[np.float64] | pd.Series | pd.DataFrame],
    matters: float,
    *,
    equal: bool = False,
) -> pd.DataFrame:
    """The verdict on each image set, from the quantity by seed: set, mean, low, high, n, verdict, stability,
    setting.

    A quantity is [seeds] or [seeds, settings]. holds: in every setting mean above 0 (t-test, one-sided 2.5 %,
    Holm over the sets) and at least `matters`; does not hold: in some setting mean below `matters` (the same
    test, Bonferroni over the settings); else undecided. Where all must be `equal` it holds with every mean
    above -`matters` and below `matters`, and does not with some mean outside (the same tests). stability: the
    share of 2,000 bootstrap resamples of the seeds with the same verdict; where it is below .95 the verdict
    is undecided. Mean, low and high, a 95 % t-interval over seeds, which all draw their own images from one
    set, are of the setting with the least mean, or with the mean farthest from 0 where all must be equal.
    """
    rng = np.random.default_rng(0)
    samples = [pd.DataFrame(seeds) for seeds in by_set.values()]
    resamples = [_resamples(len(sample), rng) for sample in samples]
    verdicts = _verdicts(samples, [np.ones((1, len(sample))) for sample in samples], matters, equal=equal)[
        :, 0
    ]
    stability = (_verdicts(samples, resamples, matters, equal=equal) == verdicts[:, None]).mean(1)
    worst = [(-sample.mean().abs() if equal else sample.mean()).idxmin() for sample in samples]
    intervals = [stats.interval(sample[setting]) for sample, setting in zip(samples, worst)]
    table = pd.DataFrame(intervals, columns=["mean", "low", "high"])
    table.insert(0, "set", list(by_set))
    return table.assign(
        n=[len(sample) for sample in samples],
        verdict=np.where(stability >= STABLE, verdicts, "undecided"),
        stability=stability,
        setting=[str(setting) if sample.shape[1] > 1 else "" for sample, setting in zip(samples, worst)],
    )


def _resamples(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each of n seeds is drawn: [RESAMPLES, n]."""
    drawn = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(float)


def _verdicts(
    samples: Sequence[pd.DataFrame], weights: Sequence[NDArray[np.float64]], matters: float, *, equal: bool
) -> NDArray[np.str_]:
    """Verdicts [sets, resamples] from the samples [seeds, settings] of each set; weights: of `_resamples`."""
    enough, held, failed = [], [], []
    for sample, weight in zip(samples, weights):
        mean, error = _moments(sample.to_numpy(dtype=float), weight)
        above = partial(_p_values, mean, error, len(sample) - 1)
        below = partial(_p_values, -mean, error, len(sample) - 1)
        within = np.maximum(above(-matters), below(-matters)) if equal else above(0)
        outside = np.minimum(above(matters), below(matters)) if equal else below(-matters)
        enough.append((equal | (mean >= matters)).all(1))
        held.append(within.max(1))
        failed.append(outside.min(1) * sample.shape[1])
    holds = np.stack(enough) & (_holm(np.stack(held)) < LEVEL)
    return np.where(holds, "holds", np.where(_holm(np.stack(failed)) < LEVEL, "does not hold", "undecided"))


def _moments(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and their standard errors [resamples, settings]; values [seeds, settings], weights [resamples,
    seeds]."""
    n, centre = len(values), values.mean(0)
    shift = weights @ (values - centre) / n
    variance = weights @ (values - centre) ** 2 / n - shift**2
    return centre + shift, np.sqrt(np.where(variance > 1e-14 * centre**2, variance, 0) / (n - 1))


def _p_values(
    mean: NDArray[np.float64], error: NDArray[np.float64], freedom: int, least: float
) -> NDArray[np.float64]:
    """One-sided t-tests that means lie above `least`; without spread p = 0 where they do, else 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(laws.t.sf((mean - least) / error, freedom), nan=1.0)


def _holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values [sets, resamples] corrected by Holm over the sets."""
    order = p.argsort(axis=0)
    ranked = np.take_along_axis(p, order, 0) * np.arange(len(p), 0, -1)[:, None]
    corrected: NDArray[np.float64] = np.empty_like(ranked)
    np.put_along_axis(corrected, order, np.maximum.accumulate(ranked, axis=0), 0)
    return corrected


def pages() -> list[str]:
    """The pages whose claims have evidence."""
    return [
        page for page in dict.fromkeys(claim.page for claim in registry.CLAIMS.values()) if _decisions(page)
    ]


def _decisions(page: str) -> dict[str, Decision]:
    return getattr(module(page), "DECISIONS", {})


def board() -> pd.DataFrame:
    """Every decision: claim, what, image set, effect, seeds, verdict (or "not run"), stability."""
    rows: list[dict[str, Any]] = []
    for page in pages():
        tables = {name: pd.read_csv(path) for name in sets(page) if (path := path_of(page, name)).exists()}
        for what, decision in _decisions(page).items():
            first = {"claim": decision.claim, "what": what}
            by_set = {name: decision.values(table) for name, table in tables.items()}
            judged = judge(by_set, decision.matters, equal=decision.equal) if by_set else pd.DataFrame()
            for row in judged.to_dict("records"):
                effect = "{mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(**row)
                effect += f" at {row['setting']}" if row["setting"] else ""
                told = {
                    "seeds": str(row["n"]),
                    "verdict": row["verdict"],
                    "stability": f"{row['stability']:.2f}",
                }
                rows.append(first | {"set": row["set"], "effect": effect} | told)
            if missing := [name for name in sets(page) if name not in tables]:
                rows.append(first | {"set": ", ".join(missing), "verdict": "not run"})
    columns = ["claim", "what", "set", "effect", "seeds", "verdict", "stability"]
    return pd.DataFrame(rows, columns=columns).fillna("")


@click.command()
@click.argument("chosen", metavar="[PAGE ...]", nargs=-1)
@click.option("--set", "names", metavar="NAME", multiple=True, help="image sets [default: all]")
def main(chosen: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Make the tables of the evidence that are not there yet."""
    for page in chosen:
        if page not in pages():
            raise click.UsageError(f"no evidence is made for {page}: there is {', '.join(pages())}")
    wanted = [
        (page, name) for page in chosen or pages() for name in sets(page) if name in (names or sets(page))
    ]
    if strange := set(names) - {name for page in pages() for name in sets(page)}:
        raise click.UsageError(f"no evidence is made on {', '.join(sorted(strange))}")
    for page, name in wanted:
        if not path_of(page, name).exists():
            click.echo(f"making the evidence of {page} on {name}")
            click.echo(make(page, name))


if __name__ == "__main__":
    places.need_checkout()
    main()
