"""Evidence: studies that decide claims on Alice and Bob, made once, with seeds of their own, and kept.

A page's module says what its study runs (`evidence_cells`) and what would decide its claims (`DECISIONS`),
both written down before the seeds were run. `python -m reuselab.claims.evidence [PAGE ...] [--set NAME ...]`
makes the tables that are missing in results/evidence, and goes on where an earlier call was stopped.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

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
NOT_RUN = "not run"

Entry = tuple[str, Cell]  # a method's name, its cell


@dataclass(frozen=True)
class Decision:
    """What decides a part of a claim, written down before the evidence's seeds were run.

    said: the source's words and where, or "ours". quantity: what `values` gives for each seed of a table,
    positive as predicted. matters: the smallest effect that would matter. excluded: what is shown and decides
    nothing. The rule is that of `judge`. decides: whether the claim's own verdict rests on this part.
    """

    claim: str
    said: str
    quantity: str
    matters: float
    excluded: str
    values: Callable[[pd.DataFrame], pd.Series]
    decides: bool = True


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


def judge(by_set: dict[str, NDArray[np.float64]], matters: float) -> pd.DataFrame:
    """The verdict on each image set, from the quantity by seed: set, mean, low, high, n, verdict, stability.

    holds: mean above 0 (t-test, one-sided 2.5 %, Holm over the sets) and at least `matters`; does not hold:
    mean below `matters` (the same test); else undecided. stability: the share of 2,000 bootstrap resamples of
    the seeds with the same verdict; where it is below .95 the verdict is undecided. Low and high: 95 %
    t-interval over seeds, which all draw their own images from one set.
    """
    rng = np.random.default_rng(0)
    resampled = [seeds[rng.integers(len(seeds), size=(RESAMPLES, len(seeds)))] for seeds in by_set.values()]
    verdicts = _verdicts([seeds[None] for seeds in by_set.values()], matters)[:, 0]
    stability = (_verdicts(resampled, matters) == verdicts[:, None]).mean(1)
    table = pd.DataFrame(
        [stats.interval(seeds) for seeds in by_set.values()], columns=["mean", "low", "high"]
    )
    table.insert(0, "set", list(by_set))
    n = [len(seeds) for seeds in by_set.values()]
    return table.assign(
        n=n, verdict=np.where(stability >= STABLE, verdicts, "undecided"), stability=stability
    )


def _verdicts(samples: Sequence[NDArray[np.float64]], matters: float) -> NDArray[np.str_]:
    """Verdicts [sets, resamples] from samples [resamples, seeds] of each set."""
    mean = np.stack([sample.mean(1) for sample in samples])
    holds = (_p_values(samples, 0, "greater") < LEVEL) & (mean >= matters)
    fails = _p_values(samples, matters, "less") < LEVEL
    return np.where(holds, "holds", np.where(fails, "does not hold", "undecided"))


def _p_values(samples: Sequence[NDArray[np.float64]], mean: float, alternative: str) -> NDArray[np.float64]:
    """One-sided t-tests against `mean`, [sets, resamples], corrected by Holm over the sets.

    A sample without spread has p = 0 where it lies on that side, else 1.
    """
    sign = 1 if alternative == "greater" else -1
    plain = []
    for sample in samples:
        p = 1.0 * (sign * (sample.mean(1) - mean) <= 0)
        spread = np.ptp(sample, axis=1) > 0
        p[spread] = ttest_1samp(sample[spread], mean, axis=1, alternative=alternative).pvalue
        plain.append(p)
    stacked = np.stack(plain)
    order = stacked.argsort(axis=0)
    ranked = np.take_along_axis(stacked, order, 0) * np.arange(len(samples), 0, -1)[:, None]
    corrected: NDArray[np.float64] = np.empty_like(ranked)
    np.put_along_axis(corrected, order, np.maximum.accumulate(ranked, axis=0), 0)
    return corrected


def pages() -> list[str]:
    """The pages that have evidence: those of claims, and any other that says what it keeps."""
    named = [claim.page for claim in registry.CLAIMS.values()]
    named += sorted(path.stem for path in (places.SOURCES / "notebooks").glob("*.md"))
    return [
        page for page in dict.fromkeys(named) if _decisions(page) or hasattr(module(page), "EVIDENCE_SETS")
    ]


def _decisions(page: str) -> dict[str, Decision]:
    return getattr(module(page), "DECISIONS", {})


@cache
def judged() -> pd.DataFrame:
    """Every decision on every image set, a row each: claim, what, decides, and the columns of `judge`.

    Where a table is missing the verdict is "not run".
    """
    rows = []
    for page in pages():
        tables = {name: pd.read_csv(path) for name in sets(page) if (path := path_of(page, name)).exists()}
        for what, decision in _decisions(page).items():
            by_set = {name: decision.values(table).to_numpy() for name, table in tables.items()}
            on_sets = judge(by_set, decision.matters) if by_set else pd.DataFrame({"set": []})
            missing = pd.DataFrame({"set": [name for name in sets(page) if name not in tables]})
            both = pd.concat([on_sets, missing.assign(verdict=NOT_RUN)])
            rows.append(both.assign(claim=decision.claim, what=what, decides=decision.decides))
    return pd.concat(rows, ignore_index=True)


def board(*claims: str) -> pd.DataFrame:
    """Every decision on `claims` (all, without any) in words.

    Columns: claim, what, set, verdict, effect, seeds, stability. The image sets on which a decision was not
    run share a row.
    """
    table, rows = judged(), []
    table = table[table.claim.isin(claims or registry.CLAIMS)]
    for (claim, what), part in table.groupby(["claim", "what"], sort=False):
        first = {"claim": claim, "what": what}
        for row in part[part.verdict != NOT_RUN].to_dict("records"):
            effect = stats.in_words((row["mean"], row["low"], row["high"]))
            told = {"set": row["set"], "verdict": row["verdict"], "effect": effect}
            rows.append(first | told | {"seeds": f"{row['n']:.0f}", "stability": f"{row['stability']:.2f}"})
        if missing := list(part.set[part.verdict == NOT_RUN]):
            rows.append(first | {"set": ", ".join(missing), "verdict": NOT_RUN})
    columns = ["claim", "what", "set", "verdict", "effect", "seeds", "stability"]
    return pd.DataFrame(rows, columns=columns).fillna("")


def on_sets(claim: str) -> dict[str, str]:
    """The verdict on a claim on each image set where all that decides it was run.

    holds: every part that decides holds there; does not hold: one does not; else undecided.
    """
    table = judged()
    parts = table[(table.claim == claim) & table.decides]

    def combine(verdicts: pd.Series) -> str:
        ranked = (NOT_RUN, "does not hold", "undecided", "holds")
        return next(verdict for verdict in ranked if (verdicts == verdict).any())

    by_set = parts.groupby("set", sort=False).verdict.agg(combine) if len(parts) else pd.Series(dtype=str)
    return by_set[by_set != NOT_RUN].to_dict()


def verdict(claim: str) -> str:
    """One verdict on a claim: that common to all image sets where it was run; where they differ, on which.

    "not run" without any.
    """
    by_set = on_sets(claim)
    if len(set(by_set.values())) < 2:
        return next(iter(by_set.values()), NOT_RUN)
    first = next(word for word in ("holds", "does not hold") if word in by_set.values())
    return f"{first} on {', '.join(name for name, word in by_set.items() if word == first)}"


def scoreboard() -> pd.DataFrame:
    """Every claim with its verdict, and with that on each image set; columns as below."""
    return pd.DataFrame(
        {
            "claim": key,
            "verdict": verdict(key),
            "evidence": "; ".join(f"{name}: {word}" for name, word in on_sets(key).items()),
            "who": claim.source,
            "what": claim.text,
            "refuted": claim.refuted,
            "page": claim.page,
        }
        for key, claim in registry.CLAIMS.items()
    )


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
