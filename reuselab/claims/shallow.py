"""What does Alice learn of Bob's features (Mohamud & Brink 2026, A1)?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats as laws

from reuselab.check import integer, number, several
from reuselab.claims import evidence, registry
from reuselab.claims.parameters import SEEDS, check_memory
from reuselab.stats import combine, few, in_words, interval, trend
from reuselab.theory import shallow
from reuselab.theory.shallow import COUPLINGS

LEVEL = 0.01  # of every test; widened for the number of its intervals (Bonferroni)
USELESS = 0.05  # an accuracy within this of 1/2 counts as useless
FEWEST_SEEDS = 3
KINDS = {"mean": 1, "rough": 1, "random": 200}  # tasks to try, of each kind so many
SETTING = ["model", "coupling", "alpha", "rule", "strength", "measure", "n"]
RULES = shallow.RULES | {
    "lr": number(1e-6, 1),
    "steps": integer(1, 1_000_000),
    "samples": several(integer(4, 10_000_000)),
    "seeds": SEEDS,
}
Bounds = tuple[str, float, float]  # what, low, high


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    alphas = values["alphas"]
    inside = [alpha for alpha in alphas if 0 < abs(alpha) < 1]
    if not {-1, 0, 1} <= set(alphas) or len({alpha > 0 for alpha in inside}) < 2:
        raise ValueError(
            "alphas must hold -1, 0, 1 and a value between on either side of 0, not "
            + ", ".join(f"{alpha:g}" for alpha in alphas)
        )
    shallow.check_rate(*(values[name] for name in ("k", "length", "shift", "ridges", "lr")))
    settings, pixels, seeds = 2 * len(alphas), 2 * values["k"], values["seeds"]
    most = max(values["samples"]) + shallow.TESTS
    check_memory(
        k_and_alphas=settings * pixels**2,
        k_and_alphas_and_seeds=settings * seeds * shallow.BATCH * pixels,
        k_and_samples_and_bobs_and_seeds=seeds * values["bobs"] * most * pixels,
        k_and_width_and_alphas_and_seeds=settings * seeds * values["width"] * max(pixels, 64),
        width_and_samples=values["width"] * most,
    )


def eigenvalues(setting: shallow.Setting, alphas: Sequence[float]) -> tuple[bool, float]:
    """(is every Sigma a covariance whose eigenvalues are 1 - |alpha| or more, the least of them at |alpha| <
    1)."""
    least = {
        (coupling, alpha): np.linalg.eigvalsh(setting.sigma(coupling, alpha))[0]
        for coupling in COUPLINGS
        for alpha in alphas
    }
    fine = all(value > 1 - abs(alpha) - 1e-9 for (_, alpha), value in least.items())
    return fine, min(value for (_, alpha), value in least.items() if abs(alpha) < 1)


def task_correlation(setting: shallow.Setting, coupling: str, alpha: float) -> float:
    """Correlation of Alice's task and Bob's."""
    alice_task, bob_task = setting.tasks
    return float(shallow.correlation(alice_task, bob_task, setting.sigma(coupling, alpha)))


def advantages(setting: shallow.Setting, alpha: float, lam: float, n: int) -> pd.DataFrame:
    """What the global coupling gains over the pairwise one for tasks of `KINDS`: columns task, smooth, gain;
    closed form."""
    rows = []
    for kind, count in KINDS.items():
        for seed in range(count):
            beta = shallow.vector(kind, setting.k, seed)
            gain = shallow.advantage(setting, beta, alpha, lam, n)
            rows.append((kind, shallow.smoothness(setting, beta), gain))
    return pd.DataFrame(rows, columns=["task", "smooth", "gain"])


def accuracies(table: pd.DataFrame, measure: str, n: int) -> pd.DataFrame:
    """Bob's accuracy, a row a seed, a column (coupling, alpha): means over Alice's rules."""
    rows = table[(table.measure == measure) & (table.n == n)]
    return rows.pivot_table("value", "seed", ["coupling", "alpha"])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Every setting's mean, expectation and number of seeds, with its `residuals` where it has any."""
    means = table.groupby(SETTING, sort=False).agg(
        value=("value", "mean"), expected=("expected", "mean"), seeds=("value", "size")
    )
    return means.reset_index().merge(residuals(table)[[*SETTING, "error", "z"]], how="left")


def residuals(table: pd.DataFrame) -> pd.DataFrame:
    """Every setting with an exact expectation, its means, its standardised distance z, and `fixed` where
    nothing is random.

    z is Gaussian where the spread is known; a weight's is Student's t over seeds, taken to the Gaussian of
    equal probability. A fixed setting has z = 0 where it meets its expectation to 1e-6, else infinity.
    Alice's own weight is left out: at alpha = 1 and -1 it is Bob's over again."""
    rows = table[table.expected.notna() & (table.measure != "own weight")]
    rows = rows.assign(gap=rows.value - rows.expected, square=rows.spread**2)
    columns = {
        "value": ("value", "mean"),
        "expected": ("expected", "mean"),
        "gap": ("gap", "mean"),
        "sd": ("gap", "std"),
        "square": ("square", "mean"),
        "seeds": ("gap", "size"),
    }
    means = rows.groupby(SETTING, sort=False).agg(**columns).reset_index()
    known = means.square.notna()
    error = np.sqrt(np.where(known, means.square, means.sd**2) / means.seeds)
    fixed = error < 1e-9
    raw = means.gap / np.where(fixed, 1, error)
    bent = -np.sign(raw) * laws.norm.ppf(laws.t.sf(np.abs(raw), np.maximum(means.seeds - 1, 1)))
    z = np.where(fixed, np.where(means.gap.abs() < 1e-6, 0.0, np.inf), np.where(known, raw, bent))
    return means.drop(columns=["square", "sd"]).assign(error=error, z=z, fixed=fixed)


def noise(residuals: pd.DataFrame) -> dict[str, float]:
    """Do residuals look like noise? Largest |z| with its Bonferroni bound, mean square with its interval,
    both at `LEVEL`.

    The mean square leaves out fixed settings; times its number it is a chi-square of that many degrees.
    """
    z = residuals.z[~residuals.fixed]
    low, high = laws.chi2.ppf([LEVEL / 2, 1 - LEVEL / 2], len(z)) / len(z)
    return {
        "settings": len(residuals),
        "largest": residuals.z.abs().max(),
        "bound": laws.norm.isf(LEVEL / 2 / len(residuals)),
        "square": (z**2).mean(),
        "low": low,
        "high": high,
    }


def tests(table: pd.DataFrame) -> pd.DataFrame:
    """The parts of claim A1, one row for each part and model: part, model, verdict, effect. The rules stand
    on the page.

    table: rows of `shallow.linear`, or of `shallow.linear` and `shallow.hidden`. Linear accuracies are taken
    as means over Alice's rules, seed by seed. Fewer than three seeds decide nothing."""
    parts = [
        ("theory and simulation agree", "all", *_agree(table)),
        ("weights from [1, 0] to [1, 1] and [1, -1]", "linear", *_weights(table)),
    ]
    for model, group in table.groupby("model", sort=False):
        top = group[group.measure == "fine-tuned"].n.max()
        plain, best = accuracies(group, "unchanged", 0), accuracies(group, "fine-tuned", top)
        parts += [(part, str(model), *rule(plain, best)) for part, rule in PARTS.items()]
    rows = pd.DataFrame(parts, columns=["part", "model", "verdict", "effect"])
    return rows if table.seed.nunique() >= FEWEST_SEEDS else rows.assign(verdict="undecided")


def verdict(tests: pd.DataFrame) -> str:
    """A1's: "undecided" where a part is, else the parts' combined."""
    verdicts = list(tests.verdict)
    return "undecided" if "undecided" in verdicts else combine(verdicts)


def judge(tests: pd.DataFrame, table: pd.DataFrame, preset: str) -> pd.DataFrame:
    """The row of claim A1 for the scoreboard; tests: of `tests`, from `table`."""
    missed = tests[tests.verdict != "holds"]
    effect = f"{len(tests) - len(missed)} of {len(tests)} parts hold"
    effect += "".join(f"; {row.verdict}: {row.part} ({row.model})" for row in missed.itertuples())
    lacking = few({"seed": table.seed.nunique()})
    effect += f"; {weakest(table)}"
    return pd.DataFrame([registry.row("A1", verdict(tests), effect, preset, few=lacking)])


def weakest(table: pd.DataFrame) -> str:
    """Bob's fine-tuned accuracy at the least alpha above 0 with its 95 % interval, of both models and
    couplings, in words."""
    alpha, n = table.alpha[table.alpha > 0].min(), table[table.measure == "fine-tuned"].n.max()
    words = []
    for model, group in table.groupby("model", sort=False):
        curves = accuracies(group, "fine-tuned", n)
        for coupling in COUPLINGS:
            words.append(f"{model} {coupling} {in_words(interval(curves[coupling, alpha]), '.3f')}")
    return f"fine-tuned at alpha = {alpha:g}: " + ", ".join(words)


def _agree(table: pd.DataFrame) -> tuple[str, str]:
    told = noise(residuals(table))
    fine = told["largest"] < told["bound"] and told["low"] < told["square"] < told["high"]
    words = (
        "largest {largest:.2f} of at most {bound:.2f}; mean square {square:.2f} in [{low:.2f}, {high:.2f}]"
    )
    return "holds" if fine else "does not hold", words.format(**told) + f"; {told['settings']} settings"


def _weights(table: pd.DataFrame) -> tuple[str, str]:
    keys = ["coupling", "rule", "strength"]
    bob_weight, own_weight = (
        table[table.measure == name].set_index([*keys, "alpha", "seed"]).value
        for name in ("bob's weight", "own weight")
    )
    zero = [group for _, group in bob_weight.xs(0, level="alpha").groupby(keys)]
    outside = sum(low > 0 or high < 0 for low, high in (_bounds(values, len(zero)) for values in zero))
    ratio = bob_weight / own_weight
    ends = max(np.abs(ratio.xs(sign, level="alpha") - sign).max() for sign in (-1, 1))
    rises = _ratio_rises(ratio.groupby(["coupling", "seed", "alpha"]).mean().unstack())
    limits = "does not hold" if outside or ends > 1e-6 else "holds"
    words = f"at 0: {len(zero) - outside} of {len(zero)} intervals include 0"
    words += f"; at the ends at most {ends:.0e} from 1"
    return _whole([limits, *rises]), f"{words}; rises: {', '.join(sorted(set(rises)))}"


def _ratio_rises(curves: pd.DataFrame) -> list[str]:
    """Does w2 / w1 rise with |alpha| on either side of 0? A verdict for each coupling and side; a column an
    alpha."""
    verdicts = []
    for coupling in COUPLINGS:
        for sign in (-1, 1):
            side = sorted((alpha for alpha in curves if sign * alpha >= 0), key=abs)
            verdicts.append(trend(sign * curves.loc[coupling, side]).verdict)
    return verdicts


def _rises(plain: pd.DataFrame, best: pd.DataFrame) -> tuple[str, str]:
    verdicts: list[str] = []
    words = []
    for coupling in COUPLINGS:
        tuned = best[coupling].loc[:, best[coupling].columns >= 0]
        both = trend(plain[coupling]).verdict, trend(tuned).verdict
        verdicts += both
        words.append(f"{coupling} unchanged {both[0]}, fine-tuned {both[1]}")
    return _whole(verdicts), "; ".join(words)


def _useless(plain: pd.DataFrame, best: pd.DataFrame) -> tuple[str, str]:
    """Holds where every interval lies within `USELESS` of 1/2 and includes it; does not hold where one leaves
    either out."""
    bounds = [(coupling, *_bounds(plain[coupling, 0], len(COUPLINGS))) for coupling in COUPLINGS]
    inside = all(low > 0.5 - USELESS and high < 0.5 + USELESS for _, low, high in bounds)
    outside = any(low > 0.5 or high < 0.5 for _, low, high in bounds)
    return "does not hold" if outside else "holds" if inside else "undecided", _said(bounds)


def _hurt(plain: pd.DataFrame, best: pd.DataFrame) -> tuple[str, str]:
    unchanged = _bounds_below(plain, 2 * len(_below(plain)))
    highest = max(unchanged, key=lambda bounds: bounds[2])
    return _all_under_half(unchanged), "highest: " + _said([highest])


def _weak(plain: pd.DataFrame, best: pd.DataFrame) -> tuple[str, str]:
    bounds = [
        (f"{coupling} at {alpha:+g}", *_bounds(best[coupling, alpha] - best[coupling, 0], 4))
        for coupling in COUPLINGS
        for alpha in _weakest(best)
    ]
    return _sign([(low, high) for _, low, high in bounds]), "above alpha = 0: " + _said(bounds, "+")


def _flips(plain: pd.DataFrame, best: pd.DataFrame) -> tuple[str, str]:
    count = 4 * len(_below(plain))
    tuned, unchanged = _bounds_below(best, count), _bounds_below(plain, count)
    above_half = _sign([(low, high) for _, low, high in tuned], 0.5)
    lowest = min(tuned, key=lambda bounds: bounds[1])
    return _whole([above_half, _all_under_half(unchanged)]), "lowest: " + _said([lowest])


def _global(plain: pd.DataFrame, best: pd.DataFrame) -> tuple[str, str]:
    gap = sum(best["global", alpha] - best["pairwise", alpha] for alpha in _weakest(best)) / 2
    bounds = _bounds(gap, 1)
    return _sign([bounds]), _said([("global less pairwise", *bounds)], "+")


PARTS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], tuple[str, str]]] = {
    "Bob's accuracy rises with alpha": _rises,
    "unchanged, useless at alpha = 0": _useless,
    "unchanged, hurt by negative alpha": _hurt,
    "fine-tuned, exploits the weakest alpha": _weak,
    "fine-tuned, flips the sign": _flips,
    "fine-tuned, most of all global": _global,
}


def _sign(bounds: Sequence[tuple[float, float]], null: float = 0.0) -> str:
    """Holds where every interval lies above `null`, does not hold where one lies below, else undecided."""
    if any(high < null for _, high in bounds):
        return "does not hold"
    return "holds" if all(low > null for low, _ in bounds) else "undecided"


def _bounds(values: ArrayLike, count: int) -> tuple[float, float]:
    return interval(values, 1 - LEVEL / count)[1:]


def _bounds_below(curves: pd.DataFrame, count: int) -> list[Bounds]:
    """The intervals of every coupling at every alpha below 0, widened for `count` of them."""
    return [
        (f"{coupling} at {alpha:g}", *_bounds(curves[coupling, alpha], count))
        for coupling, alpha in product(COUPLINGS, _below(curves))
    ]


def _all_under_half(bounds: Sequence[Bounds]) -> str:
    return _sign([(-high, -low) for _, low, high in bounds], -0.5)


def _below(curves: pd.DataFrame) -> list[float]:
    return [alpha for alpha in curves.columns.levels[1] if alpha < 0]


def _weakest(curves: pd.DataFrame) -> list[float]:
    """The alphas nearest to 0 on either side."""
    return [max(_below(curves)), min(alpha for alpha in curves.columns.levels[1] if alpha > 0)]


def _said(bounds: Sequence[Bounds], sign: str = "") -> str:
    return ", ".join(f"{name} [{low:{sign}.3f}, {high:{sign}.3f}]" for name, low, high in bounds)


def _whole(verdicts: list[str]) -> str:
    """One part of several conditions: one that does not hold decides."""
    return "does not hold" if "does not hold" in verdicts else combine(verdicts)


def answers(setting: shallow.Setting, lam: float, samples: Sequence[int], alpha: float) -> dict[str, str]:
    """What the page's questions get for an answer, in closed form, a linear Alice with ridge `lam`."""
    over, beside = (replace(setting, shift=shift) for shift in (0, round(setting.k**0.5)))
    reached = [_ratio(each, lam) for each in (over, beside)]
    single = replace(setting, k=1, task="mean", shift=0)
    apart = max(np.abs(np.subtract(*(single.sigma(kind, a) for kind in COUPLINGS))).max() for a in (-1, 0.5))
    r = _tie(setting, lam, "pairwise", -alpha)
    right = ", ".join(f"{shallow.right_sign(abs(r), n):.0%} with {n:,}" for n in samples)
    return {
        "beside": (
            f"{'Yes' if reached[1] > 0.99 else 'No'}: in the global coupling w₂ / w₁ is {reached[1]:.2f} "
            f"side by side, and {reached[0]:.2f} over one another."
        ),
        "turned": f"At α = {-alpha:g}, pairwise, he turns it the right way in {right} samples.",
        "single": f"{'Nothing' if apart < 1e-9 else 'Something'}: covariances differ by {apart:.2g} at most.",
    }


def _ratio(setting: shallow.Setting, lam: float) -> float:
    """Alice's weight along beta on Bob's group over that on her own, global coupling, alpha 1."""
    own, bobs = setting.tasks
    weights = shallow.alice(setting.sigma("global", 1), own, lam)
    return float(weights @ bobs / (weights @ own))


def _tie(setting: shallow.Setting, lam: float, coupling: str, alpha: float) -> float:
    """Correlation of her output and Bob's task."""
    own, bobs = setting.tasks
    sigma = setting.sigma(coupling, alpha)
    return float(shallow.correlation(shallow.alice(sigma, own, lam), bobs, sigma))


# The evidence.

EVIDENCE_SETS = ("simulated",)
_ALPHAS = (-1.0, -0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6, 1.0)
_WEAK, _SAMPLES, _BOBS = 0.1, 64, 16


def evidence_rows(
    name: str, seed: int = evidence.FIRST_SEED, draws: int = 400
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The linear model, a row an Alice (of each rule) with her Bobs: w2 / w1 by rule, Bob's accuracies as
    means over the rules."""
    setting = shallow.Setting()
    table = shallow.linear(setting, _ALPHAS, [_SAMPLES], _BOBS, draws, seed).rename(columns={"seed": "draw"})
    keys = ["coupling", "alpha", "draw"]
    table["rule"] += table.strength.map(" {:g}".format)
    bob_weight, own_weight = (
        table[table.measure == measure].pivot(index=keys, columns="rule", values="value")
        for measure in ("bob's weight", "own weight")
    )
    accuracy = table[table.measure.isin(["unchanged", "fine-tuned"])]
    means = accuracy.pivot_table("value", keys, "measure")
    shared = asdict(setting) | {"n": _SAMPLES, "bobs": _BOBS, "first_seed": seed, "draws": draws}
    return (bob_weight / own_weight).join(means).reset_index(), shared


def _ratios(table: pd.DataFrame, alphas: Sequence[float]) -> pd.DataFrame:
    """w2 / w1 of every rule at some alphas: rows with columns coupling, alpha, draw, rule, ratio."""
    rules = table.columns.drop(["unchanged", "fine-tuned"])
    rows = table.loc[table.alpha.isin(alphas), rules]
    return rows.melt(["coupling", "alpha", "draw"], var_name="rule", value_name="ratio")


def _limits(table: pd.DataFrame) -> pd.DataFrame:
    """What w2 / w1 misses of alpha at -1, 0 and 1."""
    rows = _ratios(table, [-1, 0, 1])
    return evidence.by_setting(rows.assign(miss=rows.ratio - rows.alpha), "miss", "coupling", "alpha", "rule")


def _between(least: float) -> list[float]:
    """The alphas from `least` on that are neither -1 nor 1."""
    return [alpha for alpha in _ALPHAS if least <= alpha < 1 and alpha > -1]


def _rise(rows: pd.DataFrame, value: str, least: float = -1) -> pd.DataFrame:
    """Rise [draw, coupling] of the mean of `value` with alpha, from `least` on, without -1 and 1."""
    curves = rows[rows.alpha.isin(_between(least))].pivot_table(value, ["coupling", "draw"], "alpha")
    return evidence.rise(curves).unstack("coupling")


def _weak_gain(table: pd.DataFrame) -> pd.DataFrame:
    """Fine-tuned accuracy at the weakest alphas less that at 0."""
    curves = table.pivot(index="draw", columns=["coupling", "alpha"], values="fine-tuned")
    columns = {
        f"{coupling}, alpha {alpha:+g}": curves[coupling, alpha] - curves[coupling, 0]
        for coupling, alpha in product(COUPLINGS, (-_WEAK, _WEAK))
    }
    return pd.DataFrame(columns)


def _over_half(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Accuracy less one half at every alpha below 0, but -1."""
    rows = table[table.alpha.isin(_between(-1)) & (table.alpha < 0)]
    return evidence.by_setting(rows, value, "coupling", "alpha") - 0.5


def _global_gain(table: pd.DataFrame) -> pd.Series:
    """Fine-tuned accuracy at the weakest alphas, global less pairwise, mean over both signs."""
    weakest = table[table.alpha.abs() == _WEAK]
    means = weakest.pivot_table("fine-tuned", "draw", "coupling")
    return means["global"] - means["pairwise"]


_NOTES = "public notes on the paper: "
_ENDS = "alpha = -1 and 1, where both have the same features"
DECISIONS = {
    "her weights at alpha = 0, 1 and -1": evidence.Decision(
        "A1",
        f"{_NOTES}at alpha = 0 her weights are proportional to [1, 0]; as abs(alpha) goes to 1, until they "
        "are proportional to [1, 1] or [1, -1]",
        "w2 / w1 less 0, 1 and -1, for every coupling and rule",
        0.05,
        "networks with a hidden layer: the paper's model is generalised linear",
        _limits,
        equal=True,
    ),
    "she takes in Bob's feature as alpha grows": evidence.Decision(
        "A1",
        f"{_NOTES}as abs(alpha) goes to 1 she takes in Bob's feature",
        "rise of w2 / w1 (mean over rules) with alpha, from -0.6 to 0.6, for each coupling",
        0.05,
        _ENDS,
        lambda table: _rise(_ratios(table, _ALPHAS), "ratio"),
    ),
    "unchanged, accuracy rises with alpha": evidence.Decision(
        "A1",
        f"{_NOTES}his accuracy rises with alpha",
        "rise of Bob's accuracy with Alice's model unchanged, from alpha = -0.6 to 0.6, for each coupling",
        0.05,
        _ENDS,
        lambda table: _rise(table, "unchanged"),
    ),
    "fine-tuned, accuracy rises with alpha": evidence.Decision(
        "A1",
        f"{_NOTES}his accuracy rises with alpha; for alpha below 0, where he flips the sign, our reading: "
        "with abs(alpha)",
        "rise of Bob's accuracy with the last layer fine-tuned on 64 samples, from alpha = 0 to 0.6, for "
        "each coupling",
        0.05,
        _ENDS,
        lambda table: _rise(table, "fine-tuned", 0),
    ),
    "unchanged, useless at alpha = 0": evidence.Decision(
        "A1",
        f"{_NOTES}unchanged, it is useless at alpha = 0",
        "accuracy less one half, for each coupling",
        0.01,
        "nothing",
        lambda table: evidence.by_setting(table[table.alpha == 0], "unchanged", "coupling") - 0.5,
        equal=True,
    ),
    "unchanged, hurt by negative alpha": evidence.Decision(
        "A1",
        f"{_NOTES}unchanged, it is hurt by negative alpha",
        "one half less accuracy, at alpha = -0.1, -0.3 and -0.6 and for each coupling",
        0.01,
        _ENDS,
        lambda table: -_over_half(table, "unchanged"),
    ),
    "fine-tuned, exploits weak correlation": evidence.Decision(
        "A1",
        f"{_NOTES}fine-tuning the last layer exploits even weak correlation",
        "accuracy at alpha = -0.1 and 0.1 less that at 0, for each coupling",
        0.01,
        "nothing",
        _weak_gain,
    ),
    "fine-tuned, most of all global": evidence.Decision(
        "A1",
        f"{_NOTES}most of all in the global case",
        "accuracy at alpha = -0.1 and 0.1, global less pairwise",
        0.02,
        "tasks that do not weigh all pixels alike and patches apart: rough tasks lose, as the page computes",
        _global_gain,
    ),
    "fine-tuned, flips the sign": evidence.Decision(
        "A1",
        f"{_NOTES}fine-tuning can flip the sign",
        "accuracy less one half, at alpha = -0.1, -0.3 and -0.6 and for each coupling",
        0.01,
        _ENDS,
        lambda table: _over_half(table, "fine-tuned"),
    ),
}


def spectrum(setting: shallow.Setting, coupling: str) -> dict[str, list[float]]:
    """Eigenvalues of the full coupling (alpha = 1); on its eigenvectors Alice's task and Bob's, [2k] each.

    At any alpha Sigma has the same eigenvectors, but for the sign of Bob's group.
    """
    values, vectors = np.linalg.eigh(setting.sigma(coupling, 1))
    alice_task, bob_task = setting.tasks
    parts = {"values": values, "alice": alice_task @ vectors, "bob": bob_task @ vectors}
    return {name: part.tolist() for name, part in parts.items()}
