"""When does transfer help, and do distances between the data sets tell (Tahir, Ganguli & Rotskoff 2025, B2 to
B4)?"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from reuselab.check import Rule, integer, number, several, shorten
from reuselab.claims import evidence, registry
from reuselab.claims.deep_linear import FEWEST, NEAR, D, agreement, agreement_in_words, testable
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
    theta, methods = np.deg2rad(degrees), ("scratch", *METHODS)
    risks = [linear.simulate(round(g * d), d, theta, sigma, methods, instances, seed) for g in gammas]
    scratch, *others = np.stack(risks, axis=2)
    return {method: scratch - risk for method, risk in zip(METHODS, others)}


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
    draws, tables = MORE * instances, []
    for gamma_source, ridge, risk, expected in _finite(
        d, degrees, sigma, gamma_sources, sigma_source, draws, seed + 1
    ):
        row = {
            "gamma_source": "infinite" if gamma_source is None else f"{gamma_source:g}",
            "ridge": ridge,
            "degrees": degrees,
            "risk": risk.mean(0),
            "error": risk.std(0, ddof=1) / np.sqrt(draws),
            "draws": draws,
            "expected": expected,
        }
        tables.append(pd.DataFrame(row))
    return pd.concat(tables, ignore_index=True)


def _finite(
    d: int,
    degrees: Sequence[float],
    sigma: float,
    gamma_sources: Sequence[float | None],
    sigma_source: float,
    draws: int,
    seed: int,
) -> Iterator[tuple[float | None, float, np.ndarray, np.ndarray]]:
    """(gamma_source, ridge, risks [draws, degrees] of linear transfer at gamma 1/2, their exact means)."""
    n, theta = round(0.5 * d), np.deg2rad(degrees)
    for gamma_source, ridge in product(gamma_sources, RIDGES):
        source: dict[str, Any] = {"gamma_source": gamma_source, "sigma_source": sigma_source}
        risk = linear.simulate(n, d, theta, sigma, "linear", draws, seed, ridge=ridge, **source)
        yield gamma_source, ridge, risk, linear.linear_transfer_risk(n, d, theta, sigma, ridge, **source)


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


# The evidence.

EVIDENCE_SETS = ("simulated",)
_D, _SIGMA = 200, 0.3  # of all noise, the source's too
_GAMMAS, _LITTLE, _MIDDLE = (0.1, 0.3, 0.5, 0.7), 0.1, 0.5
_ANGLES = (15, 30, 85)  # two of strong overlap, one of weak
_SOURCES = (0.5, 1.5, None)
_STEPS = (0, 6, 12, 13, 19, 25, 26, 30, 34, 37)  # of `sweep_steps`: first, middle and last of each sweep
_SWEPT = {UNITS: "units", LENGTH: "length", ANGLE: "degrees"}
_LENGTHS = (1.0, 2.0, 3.0)


def evidence_rows(
    name: str, seed: int = evidence.FIRST_SEED, draws: int = 400, finite_draws: int = 1000
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Draw by draw, columns linear and fine_tune: gains over the diagram, along sweeps and by descent from
    sources of some lengths; linear transfer's risk from finite sources and with ridges."""
    diagram = gains(simulated(_GAMMAS, _D, _ANGLES, _SIGMA, draws, seed), _GAMMAS, _ANGLES)
    diagram = diagram[(diagram.degrees <= STRONG) | (diagram.gamma == _MIDDLE)]
    swept = sweeps(D, _SIGMA, draws, seed)
    tables = [
        _by_method(diagram.assign(study="diagram"), "gamma", "degrees"),
        _by_method(swept[swept.step.isin(_STEPS)].rename(columns={"sweep": "study"}), *_SWEPT.values()),
    ]
    for length in _LENGTHS:
        gain = _gains(D, np.deg2rad(30), _SIGMA, draws, seed, length, 1.0, solver="descent")
        tables.append(pd.DataFrame({"study": "descent", "length": length, "draw": range(draws), **gain}))
    axes = {"draw": range(finite_draws), "degrees": _ANGLES[1:]}
    for source, ridge, risk, _ in _finite(_D, _ANGLES[1:], _SIGMA, _SOURCES, _SIGMA, finite_draws, seed):
        index = pd.MultiIndex.from_product(axes.values(), names=axes)
        setting = {"study": "finite", "gamma_source": source or np.inf, "ridge": ridge}
        tables.append(pd.DataFrame({**setting, "linear": risk.ravel()}, index).reset_index())
    shared = {"d": _D, "d_sweeps": D, "sigma": _SIGMA, "first_seed": seed, "draws": draws}
    return pd.concat(tables, ignore_index=True), shared | {"finite_draws": finite_draws}


def _by_method(rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Gains with a column for each method; keys: what settings differ in."""
    return (
        rows.rename(columns={"instance": "draw"})
        .pivot(index=["study", *keys, "draw"], columns="method", values="gain")
        .reset_index()
    )


def _diagram(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.study == "diagram"]


def _strong(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Gain at each strong overlap and gamma."""
    rows = _diagram(table)
    return evidence.by_setting(rows[rows.degrees <= STRONG], method, "gamma", "degrees")


def _more(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Gain with little data less that with a middling amount, at each strong overlap."""
    rows = _diagram(table)
    little, middle = (
        evidence.by_setting(rows[(rows.gamma == gamma) & (rows.degrees <= STRONG)], method, "degrees")
        for gamma in (_LITTLE, _MIDDLE)
    )
    return little - middle


def _loss(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Loss at weak overlap."""
    rows = _diagram(table)
    return -evidence.by_setting(rows[rows.degrees >= WEAK], method, "gamma", "degrees")


def _missed(table: pd.DataFrame) -> pd.DataFrame:
    """Risk of linear transfer less its exact mean, in every setting of source and ridge."""
    rows = table[table.study == "finite"].reset_index(drop=True)
    expected = np.empty(len(rows))
    for source, group in rows.groupby("gamma_source"):
        known = {} if np.isinf(source) else {"gamma_source": source, "sigma_source": _SIGMA}
        keys = group[["degrees", "ridge"]].drop_duplicates()
        exact = linear.linear_transfer_risk(
            round(_D / 2), _D, np.deg2rad(keys.degrees), _SIGMA, keys.ridge, **known
        )
        expected[group.index] = group.merge(keys.assign(exact=exact)).exact
    return evidence.by_setting(
        rows.assign(missed=rows.linear - expected), "missed", "gamma_source", "ridge", "degrees"
    )


def _sweep(table: pd.DataFrame, method: str, study: str) -> pd.DataFrame:
    return evidence.by_setting(table[table.study == study], method, _SWEPT.get(study, "length"))


def _change(table: pd.DataFrame, method: str, study: str) -> pd.DataFrame:
    """What the gain changes from that at 1, at the other steps of a sweep."""
    steps, plain = _sweep(table, method, study), f"{_SWEPT[study]} 1"
    return steps.drop(columns=plain).sub(steps[plain], axis=0)


def _falling(table: pd.DataFrame, method: str, study: str) -> pd.DataFrame:
    """What the gain loses from each step to the next, named by that."""
    return -_sweep(table, method, study).diff(axis=1).iloc[:, 1:]


_WELL = (
    "abstract: 'when the feature space overlap between the source and target tasks is sufficiently strong, "
    "both linear transfer and fine-tuning improve performance, especially in the low data limit'"
)
_FATE = (
    "our reading of the abstract: 'when the target task is well represented by the feature space of the "
    "pre-trained model, transfer learning outperforms training from scratch'"
)
_UNITS = "share of the target's variance"
DECISIONS = {
    **{
        f"{told}: helps at strong overlap": evidence.Decision(
            "B2",
            _WELL,
            f"gain, {_UNITS}, at 15 and 30 degrees and gamma 0.1 to 0.7, in every setting",
            0.02,
            "gamma above 0.7: the claim is about little data",
            partial(_strong, method=method),
        )
        for method, told in METHODS.items()
    },
    **{
        f"{told}: most with little data": evidence.Decision(
            "B2",
            _WELL,
            f"gain at gamma 0.1 less that at 0.5, {_UNITS}, at 15 and at 30 degrees",
            0.05,
            "gamma near 1, where scratch meets its noise and linear transfer gains as much again",
            partial(_more, method=method),
        )
        for method, told in METHODS.items()
    },
    **{
        f"{told}: hurts at weak overlap": evidence.Decision(
            "B2",
            "our reading of 'sufficiently strong' in the abstract",
            f"loss at 85 degrees and gamma 0.5, {_UNITS}",
            0.05,
            "other gammas: one is enough",
            partial(_loss, method=method),
        )
        for method, told in METHODS.items()
    },
    "finite source and ridge": evidence.Decision(
        "B3",
        "public notes on the paper: ridge regularisation, and a source task learnt from a finite sample; the "
        "exact mean is ours",
        f"risk of linear transfer less its exact mean at d = 200, {_UNITS}, in every setting",
        0.01,
        "a source of gamma near 1, where means converge slowly",
        _missed,
        equal=True,
    ),
    **{
        f"{told}: {scaled} not matter": evidence.Decision(
            "B4",
            _FATE,
            f"what the gain changes as {changed}, {_UNITS}",
            0.01,
            "nothing",
            partial(_change, method=method, study=study),
            equal=True,
        )
        for study, scaled, changed in (
            (UNITS, "units of y do", "y is measured in units of 0.001 and 1,000"),
            (LENGTH, "the source's length does", "the source vector has length 0.03 and 32"),
        )
        for method, told in METHODS.items()
    },
    **{
        f"{told}: falls with the angle, Kullback-Leibler kept": evidence.Decision(
            "B4",
            _FATE,
            f"what the gain loses from 0 to 32, to 64 and to 88 degrees, {_UNITS}, at each step",
            0.05,
            "nothing",
            partial(_falling, method=method, study=ANGLE),
        )
        for method, told in METHODS.items()
    },
    "fine-tuning: overlap and norm decide": evidence.Decision(
        "B4",
        "ours",
        f"what the gain of gradient descent loses from a source of length 1 to 2 and to 3, {_UNITS}, at 30 "
        "degrees, at each step",
        0.05,
        "nothing",
        partial(_falling, method="fine_tune", study="descent"),
        decides=False,
    ),
}
