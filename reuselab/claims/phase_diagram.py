"""When does transfer help, and do distances between the data sets tell (Tahir, Ganguli & Rotskoff 2025, B2 to
B4)?"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from reuselab.check import Rule, integer, number, several, shorten
from reuselab.claims import registry
from reuselab.claims.deep_linear import FEWEST, NEAR, agreement, agreement_in_words, testable
from reuselab.claims.parameters import check_memory
from reuselab.stats import combine, interval
from reuselab.theory import linear

RULES = {
    "d": integer(2 * FEWEST, 2_000),
    "gammas": several(number(0.05, 10)),
    "degrees": several(number(0, 180)),
    "sigma": number(0, 10),
    "sigmas": several(number(0, 10)),
    "gamma_sources": several(
        Rule(
            "a number from 0.05 to 100, or null for an infinite sample",
            lambda value: value is None or number(0.05, 100).test(value),
        )
    ),
    "sigma_source": number(0, 10),
    "depths": several(integer(2, 10)),
    "instances": integer(3, 1_000),
    "seed": integer(0, 2**32 - 1),
}
LEVEL = 0.01  # of every test; widened for the number of its intervals (Bonferroni)
METHODS = {"linear": "linear transfer", "fine_tune": "fine-tuning"}
STRONG, WEAK = 30, 60  # degrees: overlap is strong up to the one, weak from the other
RIDGES = (0.0, 0.1, 1.0)
MORE = 10  # draws of a finite source for each instance: linear transfer's risk is skewed, a chi-square
# Sweeps of the distances, at gamma 1/2: degrees, source lengths and units of each step.
UNITS, LENGTH, ANGLE = "units of y", "length of the source", "angle, KL kept"
APART = 1.5  # distance of the two vectors while the angle turns
SAME = 1e-6  # gains that differ by less, as a share of the target's variance, are the same


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    d, draws = values["d"], MORE * values["instances"]
    sources = [gamma for gamma in values["gamma_sources"] if gamma is not None]
    if None not in values["gamma_sources"] and not testable(np.round(np.multiply(sources, d)), d).any():
        raise ValueError(
            f"gamma_sources must hold null, or one that gives {FEWEST} samples or more, {NEAR} or more away "
            f"from d = {d}, for a mean to be tested, not only {shorten(values['gamma_sources'])}"
        )
    check_memory(
        d_and_gammas=d**2 * max(values["gammas"]),
        d_and_gamma_sources=d**2 * max(sources, default=0),
        gammas_and_degrees_and_instances=draws * len(values["gammas"]) * len(values["degrees"]),
    )


def simulated(
    gammas: Sequence[float], d: int, degrees: Sequence[float], sigma: float, instances: int, seed: int
) -> dict[str, np.ndarray]:
    """Gains over scratch [instances, gammas, degrees] of linear transfer and fine-tuning, all on the same
    draws."""
    theta = np.deg2rad(degrees)

    def risk(method):
        draws = [linear.simulate(round(g * d), d, theta, sigma, method, instances, seed) for g in gammas]
        return np.stack(draws, axis=1)

    scratch = risk("scratch")
    return {method: scratch - risk(method) for method in METHODS}


def gains(
    simulated: Mapping[str, np.ndarray], gammas: Sequence[float], degrees: Sequence[float]
) -> pd.DataFrame:
    """The draws as rows: method, gamma, degrees, instance, gain."""
    tables = []
    for method, sample in simulated.items():
        index = pd.MultiIndex.from_product(
            [range(len(sample)), gammas, degrees], names=["instance", "gamma", "degrees"]
        )
        tables.append(pd.DataFrame({"method": method, "gain": sample.ravel()}, index=index).reset_index())
    return pd.concat(tables, ignore_index=True)


def regions(gains: pd.DataFrame) -> pd.DataFrame:
    """The parts of B2, a row a method and part: method, part, verdict, and why where there is nothing to look
    at. gains: rows of `gains`.

    helps: every interval at the least angle and gamma < 1 lies above zero. most with little data: there the
    gain at the least gamma exceeds that at the gamma nearest to 1/2. can hurt: some interval at the widest
    angle lies below zero. A part whose interval lies on the other side does not hold; else it is undecided,
    also where no angle is strong (weak) enough to look."""
    rows = []
    for method, group in gains.groupby("method", sort=False):
        curves = group.pivot(index="instance", columns=["degrees", "gamma"], values="gain")
        angles, levels = group.degrees, group.gamma
        near, wide = curves[angles.min()], curves[angles.max()]
        count = len(curves.columns)
        near_bounds = [_bounds(near[g], count) for g in near if g < 1]
        wide_bounds = [_bounds(wide[g], count) for g in wide]
        middle = min(near, key=lambda g: abs(g - 0.5))
        more = _bounds(near[levels.min()] - near[middle], 1)
        no_strong = "" if angles.min() <= STRONG else f"no angle up to {STRONG}°"
        no_weak = "" if angles.max() >= WEAK else f"no angle from {WEAK}°"
        verdicts = {
            "helps": (no_strong or ("" if near_bounds else "no gamma below 1"), every_above(near_bounds)),
            "most with little data": (
                no_strong or ("" if middle > levels.min() else "no two gammas up to 1/2"),
                every_above([more]),
            ),
            "can hurt": (no_weak, _some_below(wide_bounds)),
        }
        for part, (why, verdict) in verdicts.items():
            verdict = "undecided" if why else verdict
            rows.append({"method": METHODS[str(method)], "part": part, "verdict": verdict, "why": why})
    return pd.DataFrame(rows)


def every_above(bounds: Sequence[tuple[float, float]]) -> str:
    """Holds where every interval lies above zero, does not hold where one lies below, else undecided."""
    if any(high < 0 for _, high in bounds):
        return "does not hold"
    return "holds" if bounds and all(low > 0 for low, _ in bounds) else "undecided"


def _some_below(bounds: Sequence[tuple[float, float]]) -> str:
    """Holds where some interval lies below zero, does not hold where all lie above, else undecided."""
    if any(high < 0 for _, high in bounds):
        return "holds"
    return "does not hold" if all(low > 0 for low, _ in bounds) else "undecided"


def _bounds(values: ArrayLike, count: int) -> tuple[float, float]:
    return interval(values, 1 - LEVEL / count)[1:]


def finite(
    d: int,
    degrees: Sequence[float],
    sigma: float,
    gamma_sources: Sequence[float | None],
    sigma_source: float,
    instances: int,
    seed: int,
) -> pd.DataFrame:
    """Linear transfer at gamma 1/2 from finite sources and with ridges, simulated `MORE` times `instances`
    times.

    A row a setting: gamma_source, ridge, degrees, mean risk, its standard error, draws, and the exact
    expectation."""
    n, theta, draws, tables = round(0.5 * d), np.deg2rad(degrees), MORE * instances, []
    for gamma_source, ridge in product(gamma_sources, RIDGES):
        source: dict[str, Any] = {"gamma_source": gamma_source, "sigma_source": sigma_source}
        risk = linear.simulate(n, d, theta, sigma, "linear", draws, seed + 1, ridge=ridge, **source)
        row = {
            "gamma_source": "infinite" if gamma_source is None else f"{gamma_source:g}",
            "ridge": ridge,
            "degrees": degrees,
            "risk": risk.mean(0),
            "error": risk.std(0, ddof=1) / np.sqrt(draws),
            "draws": draws,
            "expected": linear.linear_transfer_risk(n, d, theta, sigma, ridge, **source),
        }
        tables.append(pd.DataFrame(row))
    return pd.concat(tables, ignore_index=True)


def exact_means(finite: pd.DataFrame, d: int) -> dict[str, Any]:
    """B3: `agreement` with the exact means, where they are finite and sources `testable`."""
    source = pd.to_numeric(finite.gamma_source, errors="coerce")
    fast = source.isna() | testable((source * d).round(), d)
    return agreement(finite[np.isfinite(finite.expected) & fast], "draws")


def sweep_steps() -> pd.DataFrame:
    """The steps of three sweeps, columns sweep, degrees, length, units: what changes is named, all else is
    kept.

    While the angle turns, the source's length keeps the distance of the two vectors, and so
    Kullback-Leibler's, at `APART`."""
    angle = np.linspace(0, 88, 12)
    theta = np.deg2rad(angle)
    length_apart = np.cos(theta) + np.sqrt(APART**2 - np.sin(theta) ** 2)
    steps: dict[str, tuple[Any, Any, Any]] = {
        UNITS: (30.0, 1.0, np.logspace(-3, 3, 13)),
        LENGTH: (30.0, np.logspace(-1.5, 1.5, 13), 1.0),
        ANGLE: (angle, length_apart, 1.0),
    }
    tables = []
    for name, columns in steps.items():
        degrees, length, units = np.broadcast_arrays(*columns)
        tables.append(pd.DataFrame({"sweep": name, "degrees": degrees, "length": length, "units": units}))
    return pd.concat(tables, ignore_index=True)


def sweeps(d: int, sigma: float, instances: int, seed: int) -> pd.DataFrame:
    """Simulated gains along `sweep_steps` at gamma 1/2, a row a step, method and instance; all steps on the
    same draws.

    Sources and labels are really scaled: the source vector has its `length`, every y its `units`. gain is a
    share of the target's variance; kl, w2 and overlap stand beside it."""
    tables = []
    for i, step in enumerate(sweep_steps().itertuples()):
        theta = np.deg2rad(step.degrees)
        kl, w2 = linear.distances(theta, sigma, step.length, step.units)
        row = {"sweep": step.sweep, "step": i, "degrees": step.degrees, "length": step.length}
        row |= {"units": step.units, "kl": float(kl), "w2": float(w2), "overlap": np.cos(theta) ** 2}
        for method, gain in _gains(d, theta, sigma, instances, seed, step.length, step.units).items():
            tables.append(pd.DataFrame({**row, "method": method, "instance": range(instances), "gain": gain}))
    return pd.concat(tables, ignore_index=True)


def _gains(
    d: int, theta: float, sigma: float, instances: int, seed: int, length: float, units: float, **how: Any
) -> dict[str, np.ndarray]:
    """Gains [instances] of both methods at gamma 1/2, as shares of the target's variance; how: a solver for
    the transfer."""
    data = round(0.5 * d), d, theta, sigma
    scratch = linear.simulate(*data, "scratch", instances, seed, units=units)
    return {
        method: (scratch - linear.simulate(*data, method, instances, seed, length=length, units=units, **how))
        / units**2
        for method in METHODS
    }


def fate(sweeps: pd.DataFrame) -> pd.DataFrame:
    """The parts of B4, a row a method and sweep: what the gain does, in words, and the verdict.

    Along units and length, which change the Wasserstein distance, the gain must stay the same: it holds where
    no step's mean change from length and units 1 reaches `SAME`, does not hold where its interval leaves out
    zero, else is undecided. While the angle turns at one Kullback-Leibler distance the gain must fall: the
    interval of what it loses from the least angle to the widest, paired by instance, lies above zero (holds),
    below (does not hold) or across it. Intervals at 1 %, Bonferroni."""
    rows = []
    for (method, sweep), group in sweeps.groupby(["method", "sweep"], sort=False):
        curves = group.pivot(index="instance", columns="step", values="gain")
        words, verdict = _falls(curves) if sweep == ANGLE else _stays(curves, group)
        rows.append({"method": METHODS[str(method)], "sweep": sweep, "verdict": verdict, "gain": words})
    return pd.DataFrame(rows)


def _stays(curves: pd.DataFrame, group: pd.DataFrame) -> tuple[str, str]:
    plain = group[np.isclose(group.length, 1) & np.isclose(group.units, 1)].step.iloc[0]
    change = curves.drop(columns=plain).sub(curves[plain], axis=0)
    largest = change.mean().abs().max()
    if largest < SAME:
        return f"{curves[plain].mean():+.3f}, unchanged", "holds"
    words = f"{curves[plain].mean():+.3f}, changed by up to {largest:.3g}"
    bounds = [_bounds(change[step], change.shape[1]) for step in change]
    moved = any(low > 0 or high < 0 for low, high in bounds)
    return words, "does not hold" if moved else "undecided"


def _falls(curves: pd.DataFrame) -> tuple[str, str]:
    near, far = curves.iloc[:, 0], curves.iloc[:, -1]
    words = "from [{:+.3f}, {:+.3f}] to [{:+.3f}, {:+.3f}]".format(*_bounds(near, 2), *_bounds(far, 2))
    return words, every_above([_bounds(near - far, 1)])


def lengths(
    d: int, sigma: float, instances: int, seed: int, lengths: Sequence[float] = (0.5, 1, 2, 3)
) -> pd.DataFrame:
    """What a source of another length gains at gamma 1/2 and 30 degrees, by gradient descent.

    A row a method and length: mean with its 95 % interval, standard error, and the limit that theory
    predicts."""
    rows, theta = [], np.deg2rad(30)
    for length in lengths:
        formula = {
            "linear": linear.linear_transfer_gain(0.5, theta, sigma, length=length),
            "fine_tune": linear.fine_tuning_gain(0.5, theta, sigma, length=length),
        }
        for method, gain in _gains(d, theta, sigma, instances, seed, length, 1.0, solver="descent").items():
            mean, low, high = interval(gain)
            error = gain.std(ddof=1) / np.sqrt(instances)
            row = {"method": METHODS[method], "length": length, "mean": mean, "low": low, "high": high}
            rows.append(row | {"error": error, "limit": float(formula[method])})
    return pd.DataFrame(rows)


def length_decides(lengths: pd.DataFrame) -> str:
    """What the source's length does to fine-tuning, in words that fit `lengths`."""
    tuned = lengths[lengths.method == METHODS["fine_tune"]]
    shorter, longest = tuned[tuned.length <= 1], tuned.loc[tuned.length.idxmax()]
    if (shorter.low > 0).any() and longest.high < 0:
        return "at one overlap, the length alone turns help into harm"
    if (shorter.low > longest.high).any():
        return "at one overlap, a longer source is worth less"
    return "on this run the intervals overlap, and nothing follows"


def judge(regions: pd.DataFrame, exact: Mapping[str, Any], fate: pd.DataFrame, preset: str) -> pd.DataFrame:
    """The rows of claims B2, B3 and B4 for the scoreboard."""
    parts = "; ".join(
        f"{method}: " + ", ".join(_part_in_words(row) for row in group.to_dict("records"))
        for method, group in regions.groupby("method", sort=False)
    )
    swept = "; ".join(f"{row.method}, {row.sweep}: {row.gain}, {row.verdict}" for row in fate.itertuples())
    return pd.DataFrame(
        [
            registry.row("B2", combine(list(regions.verdict)), parts, preset),
            registry.row("B3", exact["verdict"], agreement_in_words(exact), preset, few=exact["few"]),
            registry.row("B4", combine(list(fate.verdict)), swept, preset),
        ]
    )


def _part_in_words(part: Mapping[str, str]) -> str:
    return f"{part['part']} {part['verdict']}" + (f": {part['why']}" if part["why"] else "")
