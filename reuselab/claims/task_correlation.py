"""Does Bob's accuracy rise with the correlation of his task and Alice's (Mohamud & Brink 2026, A2)?"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from reuselab import stats
from reuselab.claims import evidence, registry
from reuselab.claims.baselines import ALICE, wide
from reuselab.claims.parameters import check_cells, check_reuse, rules
from reuselab.experiment import models
from reuselab.experiment.cell import Cell

CONTROLS = ("scratch", "random network")

RULES = rules(
    "base",
    "bob_base",
    "network",
    "rhos",
    "phi",
    "retrains",
    "init",
    "alice_pairs",
    "alice_epochs",
    "bob_pairs",
    "bob_epochs",
    "test_pairs",
    "seeds",
    "first_seed",
)


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
    check_reuse(values["network"], values["retrains"])


def gains(table: pd.DataFrame, rivals: pd.DataFrame) -> pd.DataFrame:
    """What Alice's training gains every Bob who reuses blocks and trains others, paired by seed.

    table: rows of a study, Bobs who retrain all blocks among them. rivals: from `baselines.compare`, the rows
    of Alice and of the random network. Columns: rho, retrain, seed, network, over (one of `CONTROLS`), gain.
    """
    network = table["network"].iloc[0]
    scratch = table[table.retrain == len(models.blocks(network))].set_index(["rho", "seed"]).bob_accuracy
    accuracies = wide(rivals, ["rho", "retrain", "seed"]).join(scratch.rename("scratch"))
    lead = -accuracies[list(CONTROLS)].sub(accuracies[ALICE], axis=0)
    long = lead.melt(ignore_index=False, var_name="over", value_name="gain")
    return long.reset_index().assign(network=network)


def trends(table: pd.DataFrame, gained: pd.DataFrame) -> dict[tuple[str, int], stats.Trend]:
    """Page's test of a rise with rho, by what rises and by the number of retrained blocks.

    What: "accuracy" (of `table`, a study's rows), and "gain over ..." for each of `CONTROLS` (of `gained`,
    from `gains`).
    """
    measured = {"accuracy": table.rename(columns={"bob_accuracy": "value"})}
    for over in CONTROLS:
        measured[f"gain over {over}"] = gained[gained.over == over].rename(columns={"gain": "value"})
    return {
        (what, k): stats.trend(group.pivot(index="seed", columns="rho", values="value"))
        for what, rows in measured.items()
        for k, group in rows.groupby("retrain")
    }


def reusing(tests: Mapping[tuple[str, int], stats.Trend], what: str, blocks: int) -> list[stats.Trend]:
    """The tests of `what` for every Bob who reuses something: fewer than all `blocks` retrained."""
    return [test for (measured, k), test in tests.items() if measured == what and k < blocks]


def verdict(tests: Mapping[tuple[str, int], stats.Trend], what: str, blocks: int) -> str:
    """Whether `what` rises monotonically with rho for every Bob who reuses something."""
    return stats.combine([test.verdict for test in reusing(tests, what, blocks)])


def judge(
    tests: Mapping[tuple[str, int], stats.Trend], blocks: int, preset: str, images: str
) -> dict[str, Any]:
    """The scoreboard's row of A2: the verdict on Bob's accuracy, with its smallest rise over all k."""
    tested = reusing(tests, "accuracy", blocks)
    effect = f"smallest rise over all k {stats.in_words(min(test.rise for test in tested))}; "
    gain = [test.verdict for test in reusing(tests, "gain over scratch", blocks)]
    effect += f"gain over scratch: {stats.combine(gain)} ({stats.tally(gain)})"
    return registry.row("A2", verdict(tests, "accuracy", blocks), effect, preset, images, few=tested[0].few)


def answers(tests: Mapping[tuple[str, int], stats.Trend], gained: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer; tests: of `trends`, gained: of `gains`."""
    rises = {k: test.rise for (what, k), test in tests.items() if what == "accuracy"}
    flat = [k for k, (_, low, high) in rises.items() if not (low > 0 or high < 0)]
    told = ", ".join(f"{mean:+.2f} at k = {k}" for k, (mean, _, _) in rises.items())
    first = f"from k = {flat[0]} on, the first whose interval includes zero" if flat else "it does not stop"
    over_scratch = gained[gained.over == "scratch"].groupby(["seed", "rho"]).gain.mean().unstack()
    at = over_scratch.mean().idxmax()
    most = stats.interval(over_scratch[at])
    pays = stats.by_sign(most, "It pays most", "It costs least", "It comes nearest to paying")
    return {
        "matters": f"On this run {first}. From the lowest to the highest ρ accuracy changes by {told}.",
        "pays": f"{pays} at ρ = {at:g}: {stats.in_words(most)}, mean over the numbers of retrained blocks.",
    }


# The evidence.


def evidence_cells(grid: Callable[..., list[Cell]]) -> Iterator[evidence.Entry]:
    """Alice's rho with Bob's own pairs at 0, and at hers as the paper has it; phi; the rivals of each."""
    cuts, everything = list(evidence.CUTS), len(models.blocks(evidence.NETWORK))
    for bob_rho, rhos in ((0.0, [0.0]), (None, list(evidence.RHOS))):
        yield from evidence.alices(grid(rho=evidence.RHOS, bob_rho=bob_rho, retrain=cuts))
        yield from evidence.scratch(grid(rho=rhos, bob_rho=bob_rho, retrain=everything))
        yield from evidence.untrained(grid(rho=rhos, bob_rho=bob_rho, retrain=cuts))
    yield from evidence.alices(grid(rho=[0.0, 0.5], bob_rho=0.0, phi=evidence.PHIS, retrain=cuts))
    yield from evidence.scratch(grid(rho=0.0, bob_rho=0.0, phi=evidence.PHIS, retrain=everything))
    yield from evidence.untrained(grid(rho=0.0, bob_rho=0.0, phi=evidence.PHIS, retrain=cuts))


def _rise(table: pd.DataFrame, along: str, *, leaking: bool = False) -> pd.Series:
    return evidence.rise(evidence.curve(evidence.reusing(table, leaking=leaking), along))


def _gain(table: pd.DataFrame, along: str, *, leaking: bool = False) -> pd.Series:
    """The same of the gain over scratch."""
    at = table.bob_rho.isna() if leaking else table.bob_rho == 0
    scratch = evidence.curve(table[(table.method == "scratch") & at], along)
    return evidence.rise(evidence.curve(evidence.reusing(table, leaking=leaking), along).sub(scratch, axis=0))


_MONOTONE = (
    "abstract: 'his task accuracy increases monotonically with the correlation between his task and Alice's'"
)
_FEATURES = "summary: 'Bob's transfer performance increases with task and feature correlation'"
_ONE_TASK = "rho = 1, where the two tasks are one"
DECISIONS = {
    "rises with rho": evidence.Decision(
        "A2",
        _MONOTONE,
        "Bob's own pairs at rho 0, so that the other half tells nothing of his label: least-squares rise of "
        "his accuracy, mean over k = 1 to 4, with rho from 0 to .75",
        0.02,
        _ONE_TASK,
        lambda table: _rise(table, "rho"),
    ),
    "rises with rho, Bob's pairs too": evidence.Decision(
        "A2",
        f"{_MONOTONE}; both have pairs of one law (our reading)",
        "the same with Bob's pairs at Alice's rho, where her half tells of his label",
        0.02,
        _ONE_TASK,
        lambda table: _rise(table, "rho", leaking=True),
        decides=False,
    ),
    "gain over scratch rises with rho, Bob's pairs too": evidence.Decision(
        "A2",
        "ours",
        "the same of his gain over a Bob who trains all blocks on the same pairs",
        0.02,
        _ONE_TASK,
        lambda table: _gain(table, "rho", leaking=True),
        decides=False,
    ),
    "rises with phi": evidence.Decision(
        "A2",
        _FEATURES,
        "labels uncorrelated: rise of his accuracy, mean over k = 1 to 4, with phi from 0 to .75",
        0.02,
        "nothing",
        lambda table: _rise(table, "phi"),
        decides=False,
    ),
    "gain over scratch rises with phi": evidence.Decision(
        "A2",
        "ours: phi changes Bob's own images too",
        "the same of his gain over a Bob who trains all blocks on the same pairs",
        0.02,
        "nothing",
        lambda table: _gain(table, "phi"),
        decides=False,
    ),
}
