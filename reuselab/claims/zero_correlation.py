"""What is left for Bob where nothing is correlated, and where it comes from (Mohamud & Brink 2026, A3)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reuselab import stats
from reuselab.check import choice, integer, several
from reuselab.claims import baselines, evidence, registry
from reuselab.claims.baselines import ALICE, wide
from reuselab.claims.parameters import SEEDS, check_cells, check_draws, rules
from reuselab.experiment.cell import Cell

TERMS = ("raw pixels", "architecture", "initialisation", "optimizer", "her labels")
RIVALS = ("chance", "random network", "raw pixels", "scratch")

RULES = rules(
    "base",
    "bob_base",
    "networks",
    "alice_pairs",
    "alice_epochs",
    "bob_pairs",
    "bob_samples",
    "bob_epochs",
    "test_pairs",
    "seeds",
    "first_seed",
) | {
    "optimizers": several(choice(*baselines.OPTIMIZERS)),
    "starts": integer(1, 20),
    "draws": integer(1000, 10_000_000),
    "optimizer_seeds": SEEDS,
}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
    base = values["base"]
    check_draws(values["draws"], 1000, base, values["bob_base"] or base)


def decompose(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Where Bob's accuracy over chance comes from: the columns `TERMS` and their sum, `whole`.

    From chance to raw pixels, on to random networks (the mean of all starts but hers: the architecture), to
    the one that Alice began with (the initialisation), to hers after training on labels without meaning (the
    optimizer), to hers after her own task (her labels). Each term is a difference of paired accuracies, so
    they sum to the whole exactly. accuracies: from `baselines.wide`; a term whose methods are missing is NaN.
    The order of the steps is ours: another order splits the whole otherwise.
    """
    random_networks = accuracies.filter(regex=r"^random network \d+$").mean(axis=1)
    stages = ["chance", "raw pixels", "random networks", "random network", "shuffled labels", ALICE]
    steps = accuracies.assign(**{"random networks": random_networks}).reindex(columns=stages)
    terms = steps.diff(axis=1).iloc[:, 1:].set_axis(list(TERMS), axis=1)
    return terms.assign(whole=steps[ALICE] - steps.chance)


def better(accuracies: pd.DataFrame, than: str, level: float = 0.05) -> pd.DataFrame:
    """Bob's lead over the column `than` for each group of the index but seed: mean, low, high, verdict.

    Intervals are widened for the number of groups (Bonferroni). holds: above zero; does not hold: below it;
    else undecided.
    """
    groups = [name for name in accuracies.index.names if name != "seed"]
    lead = (accuracies[ALICE] - accuracies[than]).groupby(groups)
    intervals = {key: stats.interval(values, 1 - level / lead.ngroups) for key, values in lead}
    rows = pd.DataFrame(intervals, index=["mean", "low", "high"]).T.set_axis(lead.size().index)
    verdicts = np.select([rows.low > 0, rows.high < 0], ["holds", "does not hold"], "undecided")
    return rows.assign(verdict=verdicts)


def leads(accuracies: pd.DataFrame) -> pd.DataFrame:
    """`better` for each of `RIVALS`, below one another, with a column over: the rival."""
    return pd.concat([better(accuracies, rival).assign(over=rival) for rival in RIVALS])


def verdict(accuracies: pd.DataFrame) -> str:
    """Claim A3's, over every cut in `accuracies` (from `baselines.wide`); the rule was fixed before the run.

    "Random" may mean chance or a random network, so there are two readings, each tested by `better` at every
    cut. holds: both hold at every cut; does not hold: Bob beats chance at none; undecided: fewer than three
    seeds; else holds in part.
    """
    if accuracies.index.get_level_values("seed").nunique() < 3:
        return "undecided"
    chance, network = (better(accuracies, than).verdict == "holds" for than in ("chance", "random network"))
    if chance.all() and network.all():
        return "holds"
    return "holds in part" if chance.any() else "does not hold"


def effect(accuracies: pd.DataFrame) -> str:
    """In words: Bob's least lead over chance, his least and largest over a random network, and their cuts."""

    def at(lead: pd.DataFrame, k: int) -> str:
        return f"{stats.in_words(lead.loc[k, ['mean', 'low', 'high']], '+.2f')} (k = {k})"

    chance, network = (better(accuracies, than) for than in ("chance", "random network"))
    least, largest = network["mean"].idxmin(), network["mean"].idxmax()
    return (
        f"lead over chance at least {at(chance, chance['mean'].idxmin())}; "
        f"over a random network from {at(network, least)} to {at(network, largest)}"
    )


def judge(accuracies: Mapping[str, pd.DataFrame], preset: str, images: str) -> dict[str, Any]:
    """The scoreboard's row of A3, judged on the first network of `accuracies` (from `by_network`)."""
    judged, *others = accuracies
    told = f"{judged}: {effect(accuracies[judged])}"
    told += "".join(f"; {network}: {verdict(accuracies[network])}" for network in others)
    seeds = accuracies[judged].index.get_level_values("seed").nunique()
    few = stats.few({"seed": seeds})
    return registry.row("A3", verdict(accuracies[judged]), told, preset, images, few=few)


def by_network(table: pd.DataFrame, optimizer: str, bob_pairs: int) -> dict[str, pd.DataFrame]:
    """`baselines.wide` of each network, in the order of `table`, at one recipe and one number of pairs."""
    rows = table[(table.optimizer == optimizer) & (table.bob_pairs == bob_pairs)]
    return {network: wide(group) for network, group in rows.groupby("network", sort=False)}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds with plain 95 % intervals: what a page draws, and what is kept of a reference run.

    table: from `baselines.rows`. Columns: network, optimizer, bob_pairs, quantity, name, retrain, mean, low,
    high, n. quantity: Bob's "accuracy" with the method `name`, his "lead" over it, "term", one of
    `decompose`'s (both paired by seed), or "own", Alice's accuracy on her task.
    """
    settings = ["network", "optimizer", "bob_pairs"]
    summaries = [
        _summary_of(group).assign(**dict(zip(settings, key)))
        for key, group in table.groupby(settings, sort=False)
    ]
    columns = [*settings, "quantity", "name", "retrain", "mean", "low", "high", "n"]
    return pd.concat(summaries, ignore_index=True)[columns]


def _summary_of(group: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary for one setting."""
    accuracies = wide(group)
    hers = group[group.method == ALICE].set_index(["retrain", "seed"]).alice_accuracy
    quantities = {
        "accuracy": accuracies,
        "lead": -accuracies.drop(columns=ALICE).sub(accuracies[ALICE], axis=0),
        "term": decompose(accuracies),
        "own": hers.to_frame(ALICE),
    }
    summaries = []
    for quantity, values in quantities.items():
        long = values.melt(ignore_index=False, var_name="name").dropna().reset_index()
        summary = stats.summary(long, ["name", "retrain"], "value").reset_index()
        summaries.append(summary.assign(quantity=quantity))
    return pd.concat(summaries)


def principal(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary with the recipe and the number of pairs at which Bob met all his rivals."""
    first = summary[summary["name"] == "scratch"].iloc[0]
    return summary[
        (summary["optimizer"] == first["optimizer"]) & (summary["bob_pairs"] == first["bob_pairs"])
    ]


def at_cuts(summary: pd.DataFrame, quantity: str, name: str, network: str) -> tuple[pd.Series, pd.Series]:
    """Mean of one quantity of a summary at each cut, and in words with its interval; both by retrain."""
    same = (summary.quantity == quantity) & (summary["name"] == name) & (summary["network"] == network)
    rows = summary[same].set_index("retrain")
    return rows["mean"], rows[["mean", "low", "high"]].apply(stats.in_words, axis=1, form="+.2f")


def largest_lead(summary: pd.DataFrame) -> str:
    """In words: the largest lead of the first network's Bob over her own random start, and its cut."""
    mean, words = at_cuts(summary, "lead", "random network", summary["network"].iloc[0])
    return f"{words[mean.idxmax()]} (k = {mean.idxmax()})"


def helped_and_hurt(summary: pd.DataFrame, term: str) -> tuple[int, int, int]:
    """In how many settings (recipe and cut) the interval of `term` is above zero, below it; of how many."""
    rows = summary[(summary.quantity == "term") & (summary["name"] == term)]
    return int((rows.low > 0).sum()), int((rows.high < 0).sum()), len(rows)


def answers(accuracies: Mapping[str, pd.DataFrame], sizes: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer.

    accuracies: of `by_network`; sizes: a summary's rows of the first network, of every number of Bob's pairs.
    """
    return {
        "share": _share(next(iter(accuracies.values()))),
        "pairs": _left(sizes),
        "networks": " ".join(_kept(name, rows) for name, rows in accuracies.items()),
    }


def _share(accuracies: pd.DataFrame) -> str:
    """What Alice brings of what Bob's own labels would, over her untrained network, mean over cuts."""
    start = accuracies["random network"]
    hers, most = ((accuracies[name] - start).mean() for name in (ALICE, "Bob's labels"))
    told = f"over the untrained network she brings {hers:+.2f}, his own labels {most:+.2f}, mean over cuts"
    if most <= 0:
        return f"There is nothing to share: {told}."
    return f"{'Nothing' if hers <= 0 else f'{hers / most:.0%}'}: {told}."


def _left(sizes: pd.DataFrame) -> str:
    """Her lead over the untrained network with Bob's fewest and most pairs, where it is largest with few."""
    leads = sizes[(sizes.quantity == "lead") & (sizes["name"] == "random network")]
    few, many = (
        leads[leads.bob_pairs == n].set_index("retrain")
        for n in (sizes.bob_pairs.min(), sizes.bob_pairs.max())
    )
    k = few["mean"].idxmax()
    bounds = [tuple(rows.loc[k, ["mean", "low", "high"]]) for rows in (few, many)]
    said = stats.by_sign(
        bounds[1], "It is still above zero", "It has turned into a loss", "It can no longer be told from zero"
    )
    told = " and ".join(
        f"{stats.in_words(one, '+.2f')} with {rows.bob_pairs.iloc[0]:,} pairs"
        for one, rows in zip(bounds, (few, many))
    )
    return f"{said}: at k = {k} it is {told}."


def _kept(network: str, accuracies: pd.DataFrame) -> str:
    """Whether Alice's training serves Bob with this network, mean over cuts, paired by seed."""
    lead = (accuracies[ALICE] - accuracies["random network"]).groupby("seed").mean()
    bounds = stats.interval(lead)
    said = stats.by_sign(
        bounds, "keeps something", "serves him less than before", "may keep something or not"
    )
    return f"{network} {said}: {stats.in_words(bounds, '+.2f')} over its untrained self, mean over cuts."


# The evidence.


def evidence_cells(grid: Callable[..., list[Cell]]) -> Iterator[evidence.Entry]:
    """Nothing correlated: Alice, her start and two others, Alices who learnt shuffled or Bob's labels."""
    cells = grid(rho=0.0, bob_rho=0.0, retrain=list(evidence.CUTS))
    yield from evidence.alices(cells)
    for start in range(3):
        yield from evidence.untrained(cells, start)
    for method, task in (("shuffled labels", "shuffled"), ("Bob's labels", "bob")):
        yield from ((method, replace(cell, alice_task=task)) for cell in cells)


def _accuracy(table: pd.DataFrame, *methods: str) -> pd.Series:
    """Mean accuracy of Bobs who take their blocks from one of `methods`, over these and the cuts, by seed."""
    return table[table.method.isin(methods)].groupby("seed").bob_accuracy.mean()


_STARTS = ("random network", "random network 1", "random network 2")
_BETTER = (
    "abstract: 'Even when Bob has provably uncorrelated tasks and input features (...), he can achieve "
    "significantly better than random performance'"
)
_DUE_TO = "abstract: 'due to Alice's choice of network and optimizer'"
DECISIONS = {
    "better than chance": evidence.Decision(
        "A3",
        f"{_BETTER} (random: chance)",
        "accuracy less chance, mean over k = 1 to 4",
        0.02,
        "nothing",
        lambda table: _accuracy(table, ALICE) - evidence.CHANCE,
    ),
    "better than her network untrained": evidence.Decision(
        "A3",
        f"{_BETTER} (random: a network before training, our reading)",
        "accuracy less that over the blocks that she began with, mean over k = 1 to 4",
        0.02,
        "nothing",
        lambda table: _accuracy(table, ALICE) - _accuracy(table, "random network"),
    ),
    "thanks to her network": evidence.Decision(
        "A3",
        _DUE_TO,
        "accuracy over untrained blocks (mean of three starts) less chance, mean over k = 1 to 4",
        0.02,
        "nothing",
        lambda table: _accuracy(table, *_STARTS) - evidence.CHANCE,
        decides=False,
    ),
    "thanks to her optimizer": evidence.Decision(
        "A3",
        _DUE_TO,
        "accuracy over blocks trained on labels dealt at random less that over the blocks that she began "
        "with, mean over k = 1 to 4",
        0.02,
        "nothing",
        lambda table: _accuracy(table, "shuffled labels") - _accuracy(table, "random network"),
        decides=False,
    ),
}
