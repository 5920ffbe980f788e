"""Do the risks of deep linear networks follow closed forms (Tahir, Ganguli & Rotskoff 2025, B1; ours, C1)?"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats as laws

from reuselab.check import integer, number, several, shorten
from reuselab.claims import evidence, registry
from reuselab.claims.parameters import check_memory
from reuselab.stats import few, interval
from reuselab.theory import linear

RULES = {
    "d": integer(16, 2_000),
    "gammas": several(number(0.05, 10)),
    "degrees": several(number(0, 180)),
    "sigmas": several(number(0, 10)),
    "depths": several(integer(2, 10)),
    "instances": integer(3, 10_000),
    "descents": integer(3, 1_000),
    "seed": integer(0, 2**32 - 1),
}
LEVEL = 0.01  # of every test
D = 100  # dimensions of the networks that are trained by gradient descent
NEAR = 10  # samples either side of n = d where a mean over noisy draws converges too slowly to be tested
FEWEST = 10  # samples: with four or fewer linear transfer's risk has no variance
FEWEST_DRAWS = 100  # of a skewed risk, for a mean that a test may call normal
# Target gamma, degrees and noise; where the source is learnt from a sample, its gamma and noise.
SETTINGS: tuple[tuple, ...] = ((0.5, 90, 1.0), (0.5, 45, 0.3, 0.5, 0.3), (0.25, 45, 0.5, 2.0, 0.8))
STOPS = (100, 300, 1000, 5000)  # gradient steps, of fixed learning rate `RATE`
RATE = 0.01


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    d, axes = values["d"], [values[name] for name in ("gammas", "degrees", "sigmas")]
    sizes = np.array([round(gamma * d) for gamma in values["gammas"]])
    if not testable(sizes, d).any():
        raise ValueError(
            f"gammas must hold one that gives {FEWEST} samples or more, {NEAR} or more away from d = {d}, "
            f"for a mean to be tested, not only {shorten(values['gammas'])}"
        )
    check_memory(
        d_and_gammas=sizes.max() * d,
        gammas_and_degrees_and_sigmas_and_instances=values["instances"] * math.prod(map(len, axes)),
        descents_and_depths=values["descents"] * D * max(values["depths"]),
    )


def testable(n: ArrayLike, d: ArrayLike) -> NDArray[np.bool_]:
    """Where a mean over noisy draws converges fast enough to be tested."""
    return (np.abs(np.subtract(n, d)) >= NEAR) & (np.asarray(n) >= FEWEST)


def simulated(
    samples: Sequence[int],
    d: int,
    degrees: Sequence[float],
    sigmas: Sequence[float],
    instances: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Risks [samples, instances, degrees, sigmas] of every method, all on the same draws, solved in closed
    form."""
    theta, sigma = np.meshgrid(np.deg2rad(degrees), sigmas, indexing="ij")
    risks = [linear.simulate(n, d, theta, sigma, linear.METHODS, instances, seed) for n in samples]
    return dict(zip(linear.METHODS, np.stack(risks, axis=1)))


def risks(
    draws: Mapping[str, np.ndarray],
    samples: Sequence[int],
    d: int,
    degrees: Sequence[float],
    sigmas: Sequence[float],
) -> pd.DataFrame:
    """A row a method and setting: the simulated mean with its 95 % interval and standard error, and the exact
    expectation.

    draws: of `simulated`. expected: nan for fine-tuning, whose formula is a limit; infinite where there is no
    mean."""
    rows = []
    for (a, n), (i, degree), (j, sigma) in product(*map(enumerate, (samples, degrees, sigmas))):
        where = {"n": n, "d": d, "gamma": n / d, "degrees": degree, "sigma": sigma}
        expected = {
            "scratch": linear.scratch_risk(n, d, sigma),
            "linear": linear.linear_transfer_risk(n, d, np.deg2rad(degree), sigma),
        }
        for method, risk in draws.items():
            sample = risk[a, :, i, j]
            mean, low, high = interval(sample)
            row = {
                "method": method,
                **where,
                "instances": len(sample),
                "risk": mean,
                "low": low,
                "high": high,
            }
            error = sample.std(ddof=1) / np.sqrt(len(sample))
            rows.append(row | {"error": error, "expected": float(expected.get(method, np.nan))})
    return pd.DataFrame(rows)


def closed_forms(risks: pd.DataFrame) -> dict[str, Any]:
    """B1: `agreement` of the settings that are `testable` and have a mean."""
    return agreement(risks[np.isfinite(risks.expected) & testable(risks.n, risks.d)], "instances")


def agreement(means: pd.DataFrame, draws: str) -> dict[str, Any]:
    """Whether means meet their expectations: largest distance in standard errors, its bound, settings,
    verdict, few.

    means: columns risk, error and expected; `draws` is the column of how many each is over. The bound is
    Bonferroni's at 1 %, Student's t. few: why nothing is decided; of fewer than `FEWEST_DRAWS` skewed draws a
    mean is far from normal.
    """
    if means.empty:
        nothing = dict.fromkeys(("largest", "bound"), np.nan)
        return nothing | {"settings": 0, "verdict": "undecided", "few": few({"setting": 0}, 1)}
    count = int(means[draws].min())
    largest, bound = farthest(means.risk - means.expected, means.error, count)
    lacking = few({"draw": count}, FEWEST_DRAWS)
    verdict = "undecided" if lacking else "holds" if largest < bound else "does not hold"
    return {
        "largest": largest,
        "bound": bound,
        "settings": len(means),
        "verdict": verdict,
        "few": lacking,
    }


def agreement_in_words(agreement: Mapping[str, Any]) -> str:
    """The effect of a claim that rests on `agreement`."""
    told = "largest distance {largest:.2f} standard errors of at most {bound:.2f}, {settings:,} settings"
    return told.format(**agreement) if agreement["settings"] else "nothing was compared"


def farthest(distance: pd.Series, error: pd.Series, draws: int) -> tuple[float, float]:
    """The largest |distance| of means over `draws` from what is expected, in standard errors, and its bound.

    The bound is Bonferroni's at 1 %, Student's t with draws - 1 degrees. A mean without spread counts 0 where
    it meets its expectation to 1e-9, else infinity."""
    fixed = error < 1e-12
    exact = np.where(distance.abs() < 1e-9, 0.0, np.inf)
    standard = np.where(fixed, exact, distance.abs() / error.where(~fixed, 1))
    return float(standard.max()), float(laws.t.isf(LEVEL / 2 / len(distance), draws - 1))


def forms(descents: int, depths: Sequence[int], seed: int) -> pd.DataFrame:
    """Gain of fine-tuning by gradient descent at `SETTINGS` and every depth, and what the two forms of the
    scale say.

    A row a setting and depth: label, mean with its 95 % interval, standard error, draws, and a column for
    each of `FORMS`."""
    settings = product(SETTINGS, depths)
    return pd.DataFrame([_descended(descents, depth, seed, *setting) for setting, depth in settings])


def _descended(
    descents: int,
    depth: int,
    seed: int,
    gamma: float,
    degree: float,
    sigma: float,
    gamma_source: float | None = None,
    sigma_source: float = 0.0,
) -> dict[str, Any]:
    theta = np.deg2rad(degree)
    source: dict[str, Any] = {"gamma_source": gamma_source, "sigma_source": sigma_source}
    data = round(gamma * D), D, theta, sigma
    scratch = linear.simulate(*data, draws=descents, seed=seed)
    tuned = linear.simulate(*data, "fine_tune", descents, seed, "descent", depth, **source)
    mean, low, high = interval(scratch - tuned)
    error = (scratch - tuned).std(ddof=1) / np.sqrt(descents)
    origin = "" if gamma_source is None else f", γₛ {gamma_source:g}, σₛ {sigma_source:g}"
    row = {"label": f"L {depth}, γ {gamma:g}, {degree}°, σ {sigma:g}{origin}", "mean": mean}
    row |= {"low": low, "high": high, "error": error, "draws": descents}
    for form in linear.FORMS:
        row[form] = float(linear.fine_tuning_gain(gamma, theta, sigma, depth, form, **source))
    return row


def scale(forms: pd.DataFrame) -> dict[str, Any]:
    """C1: largest distance of descent from the flow form and from c = 1, in standard errors, their bound, the
    verdict.

    Holds where descent is within the Bonferroni bound at 1 % of the flow form in every setting and outside
    that of c = 1 in some; undecided where it is within both; else does not hold."""
    draws = int(forms.draws.min())
    flow, bound = farthest(forms["mean"] - forms.flow, forms.error, draws)
    published, _ = farthest(forms["mean"] - forms.published, forms.error, draws)
    verdict = "does not hold" if flow >= bound else "holds" if published > bound else "undecided"
    return {"flow": flow, "published": published, "bound": bound, "verdict": verdict}


def stopped(descents: int, seed: int) -> tuple[pd.DataFrame, float]:
    """Gain of fine-tuning at gamma .9, 67.5 degrees and noise .2 against gradient steps, and that of
    converged networks.

    A row a number of steps and comparison: mean with its 95 % interval.
    """
    data = 90, D, np.deg2rad(67.5), 0.2
    scratch, tuned = (linear.simulate(*data, method, descents, seed) for method in ("scratch", "fine_tune"))
    rows = []
    for steps in STOPS:
        early_scratch, early_tuned = (
            linear.simulate(*data, method, descents, seed, "descent", steps=steps, lr=RATE)
            for method in ("scratch", "fine_tune")
        )
        gains = {
            "fine-tuning stopped, scratch converged": scratch - early_tuned,
            "both stopped": early_scratch - early_tuned,
        }
        for name, gain in gains.items():
            mean, low, high = interval(gain)
            rows.append({"steps": steps, "comparison": name, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows), float((scratch - tuned).mean())


def judge(b1: Mapping[str, Any], c1: Mapping[str, Any], preset: str) -> pd.DataFrame:
    """The rows of claims B1 and C1 for the scoreboard; b1 of `closed_forms`, c1 of `scale`."""
    second = "descent is up to {flow:.1f} standard errors from the flow form, {published:.1f} from c = 1"
    return pd.DataFrame(
        [
            registry.row("B1", b1["verdict"], agreement_in_words(b1), preset, few=b1["few"]),
            registry.row("C1", c1["verdict"], f"{second}; bound {{bound:.1f}}".format(**c1), preset),
        ]
    )


# The evidence.

EVIDENCE_SETS = ("simulated",)
_D, _GAMMAS, _DEGREES, _SIGMAS, _DEPTHS = 200, (0.2, 0.5, 0.8, 1.25, 2.0), (30, 75), (0.3, 1.0), (2, 3, 4)


def evidence_rows(
    name: str, seed: int = evidence.FIRST_SEED, draws: int = 1000, descents: int = 400
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Risks draw by draw: of scratch and linear transfer, and of fine-tuning by descent and in both forms."""
    samples = [round(gamma * _D) for gamma in _GAMMAS]
    risk = simulated(samples, _D, _DEGREES, _SIGMAS, draws, seed)
    axes = {"gamma": _GAMMAS, "draw": range(draws), "degrees": _DEGREES, "sigma": _SIGMAS}
    index = pd.MultiIndex.from_product(axes.values(), names=axes)
    closed = pd.DataFrame({method: risk[method].ravel() for method in ("scratch", "linear")}, index)
    tuned = [_tuned(descents, depth, seed, *setting) for setting, depth in product(SETTINGS, _DEPTHS)]
    rows = pd.concat([closed.reset_index(), *tuned], ignore_index=True)
    return rows, {"d": _D, "d_descent": D, "first_seed": seed, "draws": draws, "descents": descents}


def _tuned(
    descents: int,
    depth: int,
    seed: int,
    gamma: float,
    degree: float,
    sigma: float,
    gamma_source: float = np.inf,
    sigma_source: float = 0.0,
) -> pd.DataFrame:
    """Risk of fine-tuning draw by draw: columns descent and `linear.FORMS`, and the setting's."""
    setting = {
        "gamma": gamma,
        "degrees": degree,
        "sigma": sigma,
        "depth": depth,
        "gamma_source": gamma_source,
    }
    source: dict[str, Any] = {"gamma_source": gamma_source, "sigma_source": sigma_source}
    if np.isinf(gamma_source):
        source["gamma_source"] = None
    data = round(gamma * D), D, np.deg2rad(degree), sigma, "fine_tune", descents, seed
    risks = {form: linear.simulate(*data, depth=depth, form=form, **source) for form in linear.FORMS}
    descent = linear.simulate(*data, "descent", depth, **source)
    return pd.DataFrame({**setting, "draw": range(descents), "descent": descent, **risks})


def _off(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Share by which each draw's risk misses its closed form."""
    rows = table[table[method].notna()]
    n, keys = (rows.gamma * _D).round(), ["gamma", "degrees", "sigma"]
    if method == "scratch":
        rows, keys = rows[rows.degrees == _DEGREES[0]], ["gamma", "sigma"]
        expected = linear.scratch_risk(n[rows.index], _D, rows.sigma)
    else:
        expected = linear.linear_transfer_risk(n, _D, np.deg2rad(rows.degrees), rows.sigma)
    return evidence.by_setting(rows.assign(off=rows[method] / expected - 1), "off", *keys)


def _apart(table: pd.DataFrame, form: str) -> pd.DataFrame:
    """Risk of descent less that of a form, draw by draw, in units of the target's variance."""
    rows = table[table.descent.notna()]
    keys = ("gamma", "degrees", "sigma", "gamma_source", "depth")
    return evidence.by_setting(rows.assign(apart=rows.descent - rows[form]), "apart", *keys)


_CLOSED = (
    "abstract: 'a minimal model of transfer learning in which we can analytically characterize the "
    "transferability phase diagram'; the closed forms are our derivation"
)
_SHARE = "by what share of the closed form the risk misses it, in every setting"
DECISIONS = {
    "scratch": evidence.Decision(
        "B1",
        _CLOSED,
        _SHARE,
        0.05,
        "gamma between 0.8 and 1.25, where means converge slowly, and sigma = 0",
        lambda table: _off(table, "scratch"),
        equal=True,
    ),
    "linear transfer": evidence.Decision(
        "B1",
        _CLOSED,
        _SHARE,
        0.05,
        "angles below 30 degrees, where the risk is next to nothing",
        lambda table: _off(table, "linear"),
        equal=True,
    ),
    "descent ends at the conserved scale": evidence.Decision(
        "C1",
        "ours",
        "risk of gradient descent less that of the flow form on the same draw, in units of the target's "
        "variance, in every setting and at every depth",
        0.01,
        "nothing",
        lambda table: _apart(table, "flow"),
        equal=True,
    ),
    "and not at c = 1": evidence.Decision(
        "C1",
        "ours",
        "risk of gradient descent less that of c = 1 on the same draw, in units of the target's variance, at "
        "gamma 0.5, 90 degrees, sigma 1, where the two forms differ most, at every depth",
        0.05,
        "the other settings: one is enough",
        lambda table: _apart(table[table.degrees == 90], "published"),
    ),
}


def means(
    draws: dict[str, np.ndarray], gammas: Sequence[float], degrees: Sequence[float], sigmas: Sequence[float]
) -> dict[str, list]:
    """The settings and, for each method of `simulated`, its mean risks [gamma][degree][sigma]."""
    risks = {method: risk.mean(1).round(4).tolist() for method, risk in draws.items()}
    return {"gammas": list(gammas), "degrees": list(degrees), "sigmas": list(sigmas)} | risks
