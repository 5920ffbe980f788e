"""Evidence: studies that decide claims, made once, with seeds of their own, and kept.

A page's module says what its study runs (`evidence_cells`, or `evidence_rows` for a study of another kind)
and what would decide its claims (`DECISIONS`), both written down before the seeds were run.
`python -m reuselab.claims.evidence [PAGE ...] [--set NAME ...]` makes the tables that are missing in
results/evidence, and goes on where an earlier call was stopped.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
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
MEASURES = ("alice_accuracy", "bob_accuracy")  # of a cell, kept; a page's own are its `EVIDENCE_MEASURES`
RESAMPLES, STABLE, LEVEL = 2000, 0.95, 0.025
NOT_RUN = "not run"

Entry = tuple[str, Cell]  # a method's name, its cell


@dataclass(frozen=True)
class Decision:
    """What decides a part of a claim, written down before the evidence's seeds were run.

    said: the source's words and where, or "ours". quantity: what `values` gives for each seed of a table,
    positive as predicted: a series, or a frame [seeds, settings] where every setting must show it. matters:
    the smallest effect that would matter. excluded: what is shown and decides nothing. equal: `values` are
    differences that must be smaller than `matters`, either way. The rule is that of `judge`. decides: whether
    the claim's own verdict rests on this part.
    """

    claim: str
    said: str
    quantity: str
    matters: float
    excluded: str
    values: Callable[[pd.DataFrame], pd.Series | pd.DataFrame]
    equal: bool = False
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
    rows.round(4).to_csv(path, index=False, float_format="%.7g")
    made = {"made": time.strftime("%Y-%m-%d"), "seconds": round(time.perf_counter() - start)}
    path.with_suffix(".json").write_text(json.dumps(machine() | made | {"cells": shared}, indent=1) + "\n")
    return path


def _study(page: str, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    methods, cells = zip(*entries(page, name))
    rows = study(list(cells)).assign(method=list(methods))
    shared = {key: value for key, value in cells[0].flat().items() if key not in KEYS}
    return rows[[*KEYS, *getattr(module(page), "EVIDENCE_MEASURES", MEASURES)]], shared


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


def power(seeds: NDArray[np.float64], effects: Sequence[float], matters: float, n_sets: int) -> list[float]:
    """How often `judge` finds that an effect holds, for each true size in `effects`, on one of `n_sets`.

    seeds: a sample whose number and spread the studies have. A mean that passes both tests in .95 of the
    resamples lies about 1.64 standard errors over what either asks for.
    """
    n = len(seeds)
    error = seeds.std(ddof=1) / np.sqrt(n)
    asked = max(matters, laws.t.isf(LEVEL / n_sets, n - 1) * error)
    needed = asked + laws.norm.isf(1 - STABLE) * seeds.std() / np.sqrt(n)
    return list(laws.norm.sf((needed - np.asarray(effects)) / error))


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
    """The pages that have evidence: those of claims, and any other that says what it keeps."""
    named = [claim.page for claim in registry.CLAIMS.values()]
    named += sorted(path.stem for path in (places.SOURCES / "notebooks").glob("*.md"))
    return [
        page for page in dict.fromkeys(named) if _decisions(page) or hasattr(module(page), "EVIDENCE_SETS")
    ]


def _decisions(page: str) -> dict[str, Decision]:
    return getattr(module(page), "DECISIONS", {})


@cache
def judged(page: str) -> pd.DataFrame:
    """Every decision of a page on every image set, a row each: claim, what, decides, and `judge`'s columns.

    Where a table is missing the verdict is "not run".
    """
    tables = {name: pd.read_csv(path) for name in sets(page) if (path := path_of(page, name)).exists()}
    missing = pd.DataFrame({"set": [name for name in sets(page) if name not in tables]})
    rows = []
    for what, decision in _decisions(page).items():
        by_set = {name: decision.values(table) for name, table in tables.items()}
        made = judge(by_set, decision.matters, equal=decision.equal) if by_set else pd.DataFrame()
        both = pd.concat([made, missing.assign(verdict=NOT_RUN)])
        rows.append(both.assign(claim=decision.claim, what=what, decides=decision.decides))
    nothing = pd.DataFrame(columns=["claim", "what", "set", "verdict", "decides"])
    return pd.concat(rows, ignore_index=True) if rows else nothing


def board(*claims: str) -> pd.DataFrame:
    """Every decision on `claims` (all, without any) in words.

    Columns: claim, what, set, verdict, effect, seeds, stability. The image sets on which a decision was not
    run share a row.
    """
    claims, rows = claims or tuple(registry.CLAIMS), []
    table = pd.concat(judged(page) for page in dict.fromkeys(registry.CLAIMS[claim].page for claim in claims))
    for (claim, what), part in table[table.claim.isin(claims)].groupby(["claim", "what"], sort=False):
        first = {"claim": claim, "what": what}
        for row in part[part.verdict != NOT_RUN].to_dict("records"):
            effect = stats.in_words((row["mean"], row["low"], row["high"]))
            effect += f" at {row['setting']}" if row["setting"] else ""
            told = {"set": row["set"], "verdict": row["verdict"], "effect": effect}
            rows.append(first | told | {"seeds": f"{row['n']:.0f}", "stability": f"{row['stability']:.2f}"})
        if missing := list(part.set[part.verdict == NOT_RUN]):
            rows.append(first | {"set": ", ".join(missing), "verdict": NOT_RUN})
    columns = ["claim", "what", "set", "verdict", "effect", "seeds", "stability"]
    return pd.DataFrame(rows, columns=columns).fillna("")


def powers(page: str, what: str, effects: Sequence[float]) -> pd.DataFrame:
    """The power of a page's decision on each image set where it was run: set, seeds, a column an effect."""
    decision, rows = _decisions(page)[what], []
    names = [name for name in sets(page) if path_of(page, name).exists()]
    for name in names:
        seeds = decision.values(pd.read_csv(path_of(page, name))).to_numpy()
        chances = power(seeds, effects, decision.matters, len(names))
        rows.append({"set": name, "seeds": len(seeds)} | dict(zip([f"{e:+.2f}" for e in effects], chances)))
    return pd.DataFrame(rows)


def on_sets(claim: str) -> dict[str, str]:
    """The verdict on a claim on each image set where all that decides it was run.

    holds: every part that decides holds there; does not hold: one does not; else undecided.
    """
    table = judged(registry.CLAIMS[claim].page)
    parts = table[(table.claim == claim) & table.decides.astype(bool)]

    def combine(verdicts: pd.Series) -> str:
        ranked = (NOT_RUN, "does not hold", "undecided", "holds")
        return next(verdict for verdict in ranked if (verdicts == verdict).any())

    by_set = parts.groupby("set", sort=False).verdict.agg(combine) if len(parts) else pd.Series(dtype=str)
    return by_set[by_set != NOT_RUN].to_dict()


def verdict(claim: str) -> str:
    """One verdict on a claim: that on all its image sets; else where it holds, and where it does not."""
    by_set = on_sets(claim)
    everywhere = len(by_set) == len(sets(registry.CLAIMS[claim].page))
    told = []
    for word in ("holds", "does not hold"):
        names = [name for name in by_set if by_set[name] == word]
        if names and everywhere and len(names) == len(by_set):
            return word
        told += [f"{word} on {', '.join(names)}"] if names else []
    return "; ".join(told) or ("undecided" if by_set else NOT_RUN)


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
