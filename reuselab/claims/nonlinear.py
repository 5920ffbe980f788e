"""Do ReLU networks show the same (Tahir, Ganguli & Rotskoff 2025, B5)?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from reuselab import stats
from reuselab.check import integer
from reuselab.claims import evidence, registry
from reuselab.claims.parameters import SEEDS, check_memory
from reuselab.runs import study
from reuselab.theory import relu

NAMES = {
    "scratch": "from scratch",
    "random": "random features",
    "linear": "linear transfer",
    "fine_tune": "fine-tuning",
}
PAIRS = (("linear", "scratch"), ("fine_tune", "scratch"), ("linear", "random"))
REPORTED_SLOPE = -1.18  # of scratch risk against samples, by public notes on the paper
FEWEST_SEEDS = 3
RULES = relu.RULES | {"seeds": SEEDS}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError, in one line."""
    if len(values["decay_samples"]) < 2:
        raise ValueError(
            f"decay_samples must hold two or more sample sizes for a slope, not {values['decay_samples']}"
        )
    relu.check_ablation(max(values["ablations"]), values["teacher_width"], replace=values["replace"])
    d, width, nets = values["d"], values["student_width"], 2 * len(values["ablations"])
    most, longest = max(values["samples"]), max(values["decay_samples"])
    check_memory(
        student_width_and_teacher_width=(width + values["teacher_width"]) ** 2,
        student_width_and_d_and_ablations=nets * width * d,
        samples_and_student_width_and_ablations=nets * width * most,
        samples_and_d=d * most,
        decay_samples_and_student_width=width * longest,
        decay_samples_and_d=d * longest,
    )


def experiment(
    setting: relu.Setting,
    seeds: int,
    samples: Sequence[int],
    ablations: Sequence[float],
    decay_samples: Sequence[int],
    workers: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of `relu.transfer` and those of `relu.decay` for every seed, with the setting's values as
    columns.

    workers: processes of one thread each (default: one a core; on a GPU, this process). The tables do not
    depend on it. ValueError, before any work, for a value out of range."""
    integer(1, 1000)("seeds", seeds)
    axes = {"samples": samples, "ablations": ablations, "decay_samples": decay_samples}
    for name, axis in axes.items():
        RULES[name](name, axis)
    relu.check_ablation(max(ablations), setting.teacher_width, replace=setting.replace)
    transfers = [partial(relu.transfer, seed, setting, samples, ablations) for seed in range(seeds)]
    decays = [partial(relu.decay, seed, setting, decay_samples) for seed in range(seeds)]
    rows_of_jobs = _each(transfers + decays, workers or _workers())
    return _table(rows_of_jobs[:seeds], setting), _table(rows_of_jobs[seeds:], setting)


def _table(rows_of_jobs: Sequence[list[dict]], setting: relu.Setting) -> pd.DataFrame:
    """The jobs' rows below one another, the setting's values as more columns."""
    return pd.DataFrame(list(chain(*rows_of_jobs))).assign(**asdict(setting))


def _workers() -> int:
    return 1 if relu.device().type != "cpu" else study.cores()


def _each(jobs: Sequence[partial], workers: int) -> list[list[dict]]:
    """What every job returns, in order."""
    if workers == 1:
        return [relu.one_thread(job) for job in jobs]
    from pebble import ProcessPool  # the GPU drill does without

    with ProcessPool(max_workers=workers, context=study.forks()) as pool:
        return [future.result() for future in [pool.schedule(relu.one_thread, args=[job]) for job in jobs]]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """What each of `PAIRS` gains, paired by seed: columns seed, mu, n, overlap, gain, method, against.

    table: rows of `relu.transfer`.
    """
    settings = table[["seed", "mu", "n", "overlap"]]
    tables = []
    for method, against in PAIRS:
        gain = table[against] - table[method]
        tables.append(settings.assign(gain=gain, method=NAMES[method], against=NAMES[against]))
    return pd.concat(tables, ignore_index=True)


def tests(gains: pd.DataFrame) -> pd.DataFrame:
    """The three tests of every gain, the rules fixed beforehand: method, against, what, verdict, mean, low,
    high (95 %).

    rises with overlap: Page's trend test of the mean over n, mu falling. positive with little data: the
    interval at the least mu and the least n lies above zero (holds), below (does not hold) or across it
    (undecided). falls with n: the trend test at the least mu. Effects of a rise and of a fall are from end to
    end. Fewer than three seeds decide nothing."""
    rows = []
    for (method, against), group in gains.groupby(["method", "against"], sort=False):
        by_mu = group.groupby(["seed", "mu"]).gain.mean().unstack().sort_index(axis=1, ascending=False)
        by_n = group[group.mu == group.mu.min()].pivot(index="seed", columns="n", values="gain")
        rises, falls = stats.trend(by_mu), stats.trend(-by_n)
        first = stats.interval(by_n.iloc[:, 0])
        mean, low, high = falls.rise
        rows += [
            (method, against, "rises with overlap", rises.verdict, *rises.rise),
            (method, against, "positive with little data", _sign(first, len(by_n)), *first),
            (method, against, "falls with n", falls.verdict, -mean, -high, -low),
        ]
    return pd.DataFrame(rows, columns=["method", "against", "what", "verdict", "mean", "low", "high"])


def _sign(bounds: tuple[float, float, float], seeds: int) -> str:
    _, low, high = bounds
    if seeds < FEWEST_SEEDS:
        return "undecided"
    return "holds" if low > 0 else "does not hold" if high < 0 else "undecided"


def verdict(tests: pd.DataFrame, against: str = "scratch") -> str:
    """B5's over "scratch"; over "random" features the same question about the source's training."""
    return stats.combine(list(tests[tests.against == NAMES[against]].verdict))


def judge(tests: pd.DataFrame, table: pd.DataFrame, preset: str) -> pd.DataFrame:
    """The row of claim B5 for the scoreboard. table: rows of `relu.transfer`."""
    near = table[table.mu == table.mu.min()]
    first = tests[(tests.against == NAMES["scratch"]) & (tests.what == "positive with little data")]
    effect = f"gain at n = {near.n.min()} and overlap {near.overlap.mean():.2f}: " + ", ".join(
        f"{row.method} {stats.in_words(row[['mean', 'low', 'high']], '+.2f')}" for _, row in first.iterrows()
    )
    counts = {"seed": table.seed.nunique(), "ablation": table.mu.nunique(), "sample size": table.n.nunique()}
    return pd.DataFrame([registry.row("B5", verdict(tests), effect, preset, few=stats.few(counts))])


def slopes(decay: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Slope of log scratch risk against log n, mean and 95 % interval: over all sizes, the first two and the
    last two.

    decay: rows of `relu.decay`.
    """
    curves = decay.pivot(index="seed", columns="n", values="scratch")
    parts = {"all": curves, "first": curves.iloc[:, :2], "last": curves.iloc[:, -2:]}
    return {name: relu.exponent(part.columns, part) for name, part in parts.items()}


def answers(table: pd.DataFrame, setting: relu.Setting) -> dict[str, str]:
    """What the page's questions get for an answer. table: rows of `relu.transfer`, at the highest overlap."""
    seeds = sorted({int(seed) for seed in table.seed})
    sources = {seed: relu.teacher(setting.d, setting.teacher_width, seed) for seed in seeds}
    left, replaced = (
        np.mean(
            [
                relu.overlap(relu.ablated(source, 0.5, seed, replace=replace), source.w)
                for seed, source in sources.items()
            ]
        )
        for replace in (False, True)
    )
    near = table[table.mu == table.mu.min()]
    few, many = near[near.n == near.n.min()], near[near.n == near.n.max()]
    trained = stats.interval(few.random - few.linear)
    tuned = stats.interval(many.linear - many.fine_tune)
    said = stats.by_sign(
        trained, "No: the source's training helps", "Better: the source's training hurts", "This is open"
    )
    better = stats.by_sign(tuned, "Fine-tuning", "A new last layer", "This run does not tell which")
    return {
        "replace": (
            f"An overlap of {left:.2f}, for the source's neurons span the target still. With new neurons in "
            f"their place {replaced:.2f} is left, mean over seeds."
        ),
        "random": (
            f"{said}: with {near.n.min():,} samples and the highest overlap it takes "
            f"{stats.in_words(trained)} off the risk of a new last layer."
        ),
        "most": (
            f"{better}: with {near.n.max():,} samples and the highest overlap, fine-tuning takes "
            f"{stats.in_words(tuned)} off the risk of a new last layer."
        ),
    }


# The evidence.

EVIDENCE_SETS = ("simulated",)
_SETTING = relu.Setting(
    d=16, teacher_width=16, student_width=60, steps=150, lr=0.01, source_steps=400, source_lr=0.03
)
_SAMPLES, _ABLATIONS = (20, 100, 400), (0.0, 0.5, 1.0)


def evidence_rows(
    name: str, seed: int = evidence.FIRST_SEED, draws: int = 400
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Overlap and risks, a row a draw (its teacher, its students, its data), mu and n."""
    work = partial(relu.transfer, setting=_SETTING, samples=_SAMPLES, ablations=_ABLATIONS)
    rows = _each([partial(work, seed + i) for i in range(draws)], _workers())
    table = pd.DataFrame(list(chain(*rows)))
    table["draw"] = table.seed - seed
    shared = asdict(_SETTING) | {"first_seed": seed, "draws": draws}
    return table[["draw", "mu", "n", "overlap", "scratch", "random", "linear", "fine_tune"]], shared


def _gain(table: pd.DataFrame, method: str, *keys: str) -> pd.DataFrame:
    """Gain over scratch [draw, keys], mean over all else."""
    gain = (table.scratch - table[method]).groupby([table.draw, *(table[key] for key in keys)]).mean()
    return gain.unstack(list(keys))


def _rises_with_overlap(table: pd.DataFrame, method: str) -> pd.Series:
    """Slope of the gain on the measured overlap of each draw's targets, times the overlap's range."""
    gain = _gain(table, method, "mu")
    measured = table.groupby(["draw", "mu"]).overlap.first().unstack()
    apart = measured.sub(measured.mean(axis=1), axis=0)
    slope = (apart * gain).sum(axis=1) / (apart**2).sum(axis=1)
    return slope * (measured.max(axis=1) - measured.min(axis=1))


def _falls_with_data(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """What the gain loses from each sample size to the next, at the highest overlap."""
    curve = _gain(table[table.mu == 0], method, "n")
    return -curve.diff(axis=1).iloc[:, 1:].rename(columns="n {}".format)


def _first(table: pd.DataFrame, method: str) -> pd.Series:
    """Gain at the highest overlap and with the least data."""
    return _gain(table[table.mu == 0], method, "n")[_SAMPLES[0]]


_ALSO = (
    "abstract: 'we demonstrate numerically that the rigorous results we derive for the linear case also "
    "apply to nonlinear networks'"
)
_POWER = "share of the target's power"
DECISIONS = {
    **{
        f"{NAMES[method]}: gain rises with overlap": evidence.Decision(
            "B5",
            _ALSO,
            f"rise of the gain over scratch (mean over n) with the measured overlap, from the least to the "
            f"largest, {_POWER}",
            0.05,
            "nothing",
            partial(_rises_with_overlap, method=method),
        )
        for method in ("linear", "fine_tune")
    },
    **{
        f"{NAMES[method]}: gain falls with data": evidence.Decision(
            "B5",
            _ALSO,
            f"what the gain over scratch loses from n = 20 to 100 and to 400, {_POWER}, at the highest "
            "overlap, at each step",
            0.05,
            "nothing",
            partial(_falls_with_data, method=method),
        )
        for method in ("linear", "fine_tune")
    },
    **{
        f"{NAMES[method]}: helps at the highest overlap and least data": evidence.Decision(
            "B5",
            _ALSO,
            f"gain over scratch at the highest overlap and n = 20, {_POWER}",
            0.05,
            "nothing",
            partial(_first, method=method),
        )
        for method in ("linear", "fine_tune")
    },
}
