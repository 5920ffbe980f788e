"""Does the second paper's theory tell the first paper's Bob what he will gain (claims D1 and D2, ours)?

What decides stands in `DECISIONS`. Whether one law holds on all image sets a rule of its own tells, which
was written before the seeds that decide were run: see `one_law`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from reuselab import stats
from reuselab.check import integer
from reuselab.claims import evidence, problems, registry
from reuselab.claims.parameters import check_cells, rules
from reuselab.experiment import models
from reuselab.experiment.cell import Cell
from reuselab.theory import linear, meeting

RULES = rules(
    "base",
    "network",
    "rhos",
    "alice_pairs",
    "alice_epochs",
    "bob_samples",
    "bob_epochs",
    "test_pairs",
    "seeds",
) | {"pixels": integer(5, 200), "draws": integer(2, 10_000)}
FEWEST = 12  # Bob's pairs: five parts of fewer are too small to judge features by
SMALL = 0.01  # a gain smaller than this has no sign
ALIKE = 0.1  # by so much less R^2 the line of other sets may tell a set's gains, if the law is to be one
THEIRS, ITS_OWN, OPEN = "that of the others", "its own", "open"
LAWS = {"theory": "theory at its own n / d", "measured": "features less pixels, measured"}
# Looked at after the evidence, so it decides nothing: `measured` by the effective angle, not by the ridge.
EXPLORED = {"angles": "features less pixels, by effective angles"}
MEASURES = {
    "cosine": "effective cos(theta)",
    "r2": "R^2 of the ridge",
    "alignment": "kernel-target alignment",
    "cka": "CKA with an Alice of Bob's task",
    "norm": "norm of the features",
}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    if min(values["bob_samples"]) < FEWEST:
        raise ValueError(f"bob_samples must be {FEWEST} or more each, not {min(values['bob_samples'])}")
    check_cells(values)


# The exact case.


def exact_case(pixels: int, draws: int, seed: int = 0) -> pd.DataFrame:
    """Gaussian pairs and a deep linear network: a row for each phi and alignment of the tasks.

    rho; cos(theta); risk, of a new head fitted to endless pairs, and formula, the second paper's for that;
    mean and error, of `draws` heads fitted to as many pairs as half of the pixels, and expected, the formula.
    """
    rows, n = [], pixels
    rng = np.random.default_rng(seed)
    for phi in (0.0, 0.4, 0.8, 0.95):
        pairs = meeting.gaussian(pixels, phi, 0.95)
        alice, rho = meeting.layers(pairs.alice, 3, 5, seed), meeting.correlation(pairs)
        data = (meeting.draw(pairs, n, 0.3, rng) for _ in range(draws))
        risks = [meeting.risk(pairs, meeting.retrained(*own, alice, 1)) for own in data]
        row: dict[str, Any] = {"phi": phi, "rho": rho, "cos(theta)": meeting.cosine(pairs)}
        row |= {"risk": meeting.risk(pairs, meeting.best_head(pairs, alice))}
        row |= {"formula": float(linear.linear_transfer_limit(np.arccos(rho))), "mean": np.mean(risks)}
        row |= {"error": np.std(risks, ddof=1) / np.sqrt(draws)}
        expected = float(linear.linear_transfer_risk(n, 2 * pixels, np.arccos(rho), 0.3))
        rows.append(row | {"expected": expected})
    return pd.DataFrame(rows)


# Real networks.


def study(values: Mapping[str, Any]) -> pd.DataFrame:
    """The problems of a page's run: rows of `problems.problems`, for each rho and seed."""
    shared = {key: values[key] for key in ("base", "network", "alice_pairs", "alice_epochs", "test_pairs")}
    sizes = dict.fromkeys(values["bob_samples"], values["bob_epochs"])
    cells = [
        Cell.of(**shared, rho=rho, seed=seed) for seed in range(values["seeds"]) for rho in values["rhos"]
    ]
    return pd.concat([problems.problems(cell, sizes) for cell in cells], ignore_index=True)


def points(table: pd.DataFrame) -> pd.DataFrame:
    """Every cut that reuses some of Alice as a point: rows of `problems`, less those of scratch, and more.

    gamma: n / d, d the pixels of a pair. degrees: the effective angle. gain: Bob's accuracy less that from
    scratch. theory: what `linear` predicts at gamma and that angle without noise, as a share of the target's
    variance. measured: the ridge's share on her features less that on the pixels; a share below 0 counts as
    0, for features that are almost constant on few images make it fall without bound. angles: the same
    difference of cos(theta)^2.
    """
    blocks = table.network.map(lambda name: len(models.blocks(name)))
    fresh = table[table.retrain == blocks].set_index(problems.PROBLEM)[["bob_accuracy", "r2", "cosine"]]
    fresh = fresh.add_suffix("_scratch")
    reused = table[table.retrain < blocks].join(fresh, on=problems.PROBLEM)
    gamma, theta = reused.bob_pairs / reused.inputs, np.arccos(reused.cosine)
    return reused.assign(
        gamma=gamma,
        degrees=np.rad2deg(theta),
        gain=reused.bob_accuracy - reused.bob_accuracy_scratch,
        theory=linear.linear_transfer_gain(gamma, theta, 0.0),
        measured=reused.r2.clip(0) - reused.r2_scratch.clip(0),
        angles=reused.cosine**2 - reused.cosine_scratch**2,
    )


def paths(given: pd.DataFrame, network: str, bob_pairs: int) -> pd.DataFrame:
    """Means over seeds for each coupling and number of her blocks that Bob keeps: rho, phi, kept, and values.

    given: of `points`. held and pixels: the shares of his task, cos(theta)^2, in her features and, over all
    couplings, in the pixels; gamma; gain.
    """
    rows = given[(given.network == network) & (given.bob_pairs == bob_pairs)]
    rows = rows.assign(
        held=rows.cosine**2,
        pixels=(rows.cosine_scratch**2).mean(),
        kept=len(models.blocks(network)) - rows.retrain,
    )
    values = ["held", "pixels", "gamma", "gain"]
    return rows.groupby(["rho", "phi", "kept"])[values].mean().reset_index()


def whose(given: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Whose the features are, in words, from the `paths` of each image set.

    below_top, at_top: on how many of the `sets` some of her blocks, and all but her head, hold more of the
    task that has least in common with hers than the pixels do; answer. far, near: at how many cuts they do
    so at the least rho and at the largest, of the sets that have several. above, below: cuts that hold more
    than the pixels, and less; gained_above, gained_below: at how many of them Bob gains `SMALL` or more.
    """
    plain = {name: rows[rows.phi == 0].sort_values("kept") for name, rows in given.items()}
    far = [rows[rows.rho == rows.rho.min()] for rows in plain.values()]
    more = [(rows.held > rows.pixels).to_numpy() for rows in far]
    below_top, at_top = sum(cuts[:-1].any() for cuts in more), sum(cuts[-1] for cuts in more)
    told: dict[str, Any] = {"below_top": below_top, "at_top": at_top, "sets": len(far)}
    several = [rows for rows in plain.values() if rows.rho.nunique() > 1]
    for name, end in (("far", pd.Series.min), ("near", pd.Series.max)):
        ends = [rows[rows.rho == end(rows.rho)] for rows in several]
        told[name] = f"{sum((rows.held > rows.pixels).sum() for rows in ends)} of {sum(map(len, ends))}"
    dots = pd.concat(given.values())
    above = dots.held > dots.pixels
    for name, rows in {"above": dots[above], "below": dots[~above]}.items():
        told |= {name: len(rows), f"gained_{name}": (rows.gain >= SMALL).sum()}
    answer = (
        "Below the top, her features serve anybody; at the top they are Alice's."
        if below_top == len(far) and at_top == 0
        else "Whose they are depends on the images."
    )
    return {"answer": answer} | {name: str(words) for name, words in told.items()}


def scratch(given: Mapping[str, pd.DataFrame]) -> str:
    """What theory grants the pixels, n / d, and what they hold, for each image set; given: of `paths`."""
    granted = {name: min(rows.gamma.mean(), 1) for name, rows in given.items()}
    return ", ".join(
        f"{granted[name]:.2f} and {rows.pixels.mean():.2f} on {name}" for name, rows in given.items()
    )


def sign(table: pd.DataFrame, law: str) -> pd.Series:
    """By seed: how much more often a law tells the sign of Bob's gain than one fixed answer for all.

    The better of the answers "always gains" and "never gains", chosen with the results known. Gains smaller
    than `SMALL` do not count.
    """

    def lead(rows: pd.DataFrame) -> float:
        gains = rows.gain > 0
        return float(((rows[law] > 0) == gains).mean() - max(gains.mean(), 1 - gains.mean()))

    given = points(table)
    told = given[given.gain.abs() >= SMALL].groupby("seed")[["gain", law]].apply(lead)
    return pd.Series(told, dtype=float)


def size(table: pd.DataFrame, law: str) -> pd.Series:
    """By seed: Spearman's correlation of what a law predicts and Bob's gain, over all problems and cuts."""
    by_seed = points(table).groupby("seed")[["gain", law]]
    return by_seed.apply(lambda rows: stats.rank_correlation(rows.gain, rows[law]))


def choice(table: pd.DataFrame, law: str) -> pd.Series:
    """By seed: Bob's accuracy at the cut that a law chooses less that at the best fixed one, its mean.

    A law chooses the cut with the largest gain, or scratch where none is above 0. The fixed one is, for each
    network, the cut (or scratch) with the highest mean accuracy of the whole table, its results known.
    """
    given = points(table)
    best = given.loc[given.groupby(problems.PROBLEM)[law].idxmax()].set_index(problems.PROBLEM)
    chosen = best.bob_accuracy.where(best[law] > 0, best.bob_accuracy_scratch)
    means = table.groupby(["network", "retrain"]).bob_accuracy.mean().unstack()
    fixed = table[table.retrain == table.network.map(means.idxmax(axis=1))]
    lead = chosen - fixed.set_index(problems.PROBLEM).bob_accuracy
    return lead.groupby("seed").mean()


def explored(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What each law scores on each set, as intervals over seeds.

    sign, within networks: the lead in signs over the better fixed answer for each network.
    """
    rows = []
    for (name, table), (law, told) in product(tables.items(), (LAWS | EXPLORED).items()):
        parts = {"sign": sign(table, law), "sign, within networks": _within(table, law)}
        parts |= {"rank correlation": size(table, law), "best cut": choice(table, law)}
        scores = {part: stats.in_words(stats.interval(by_seed)) for part, by_seed in parts.items()}
        rows.append({"set": name, "law": told} | scores)
    return pd.DataFrame(rows)


def _within(table: pd.DataFrame, law: str) -> pd.Series:
    """`sign` for each network on its own, the mean over networks by seed."""
    by_network = [sign(rows, law) for _, rows in table.groupby("network")]
    return pd.concat(by_network, axis=1).mean(axis=1)


def one_law(tables: Mapping[str, pd.DataFrame], law: str, *, networks: bool = False) -> pd.DataFrame:
    """One line for all image sets, or several? A row a set: own and others, R^2 of Bob's gain, and loss.

    Lines of gain on what `law` predicts: fitted to this set, and to all but this one. R^2 on this set, whose
    mean is the rival: below 0 that is better. networks: the same for each image set and network.

    The rule: each R^2 is of one seed, its rows in no fit, and has its interval over seeds. A set has the law
    of the others where their line loses less than `ALIKE` to its own, by the whole interval, and a law of its
    own where it loses more. There is one law where all sets have that of the others, and there are several
    where one has its own; else that is open.
    """
    given = {name: points(table) for name, table in tables.items()}
    if networks:
        given = {
            f"{name}, {net}": own for name, rows in given.items() for net, own in rows.groupby("network")
        }
    rows = []
    for name, own in given.items():
        others = [rows for other, rows in given.items() if other != name]
        told = pd.DataFrame(
            [
                {"own": _r2(own[own.seed != seed], judged, law)}
                | ({"others": _r2(pd.concat(others), judged, law)} if others else {})
                for seed, judged in own.groupby("seed")
            ]
        )
        rows.append({"set": name} | _alike(told))
    return pd.DataFrame(rows)


def _alike(told: pd.DataFrame) -> dict[str, str]:
    """Means of R^2 by seed, own and others, with intervals in words, and whose law the set has."""
    words = {fit: stats.in_words(stats.interval(told[fit])) for fit in told}
    if "others" not in told:
        return words
    loss = stats.interval(told.own - told.others)
    whose = THEIRS if loss[2] < ALIKE else ITS_OWN if loss[1] > ALIKE else OPEN
    return words | {"loss": stats.in_words(loss), "law": whose}


def _r2(fit: pd.DataFrame, judged: pd.DataFrame, law: str) -> float:
    """R^2 of the gains `judged` on the line of gain on `law` fitted to `fit`; NaN where that has no row."""
    if fit.empty:
        return float("nan")
    line = np.polyfit(fit[law], fit.gain, 1)
    left = judged.gain - np.polyval(line, judged[law])
    return float(1 - (left**2).sum() / ((judged.gain - judged.gain.mean()) ** 2).sum())


def one_or_several(laws: pd.DataFrame) -> str:
    """What a table of `one_law` says, in a sentence."""
    if "law" not in laws:
        return "One image set alone cannot tell."
    own = laws.set[laws.law == ITS_OWN]
    if (laws.law == THEIRS).all():
        return "One law holds: on no image set do the others' lines tell much less than its own."
    if own.empty:
        return "Whether one law holds is open."
    return f"Several laws hold: {' and '.join(own)} {'has its' if len(own) == 1 else 'have their'} own."


def alone(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Spearman's correlation of each of `MEASURES` with Bob's gain, a row a measure and a column a set.

    Over couplings and cuts of one network, number of pairs and seed, the mean for each seed, and its interval
    over seeds in words.
    """
    words = {}
    for name, table in tables.items():
        given = points(table).groupby(["seed", "network", "bob_pairs"])
        told = given[["gain", *MEASURES]].apply(
            lambda rows: pd.Series({one: stats.rank_correlation(rows.gain, rows[one]) for one in MEASURES})
        )
        by_seed = told.groupby("seed").mean()
        bounds = {one: np.clip(stats.interval(by_seed[one]), -1, 1).tolist() for one in MEASURES}
        words[name] = [stats.in_words(bounds[one], "+.2f") for one in MEASURES]
    return pd.DataFrame({"measure": list(MEASURES.values())} | words)


def where_right(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How often theory tells the sign of Bob's gain, a row an image set, network, and number of his pairs.

    n / d; told right: the mean over seeds and its 95 % interval, of the gains that are `SMALL` or larger;
    Bob gains: how many of these are gains.
    """
    rows = []
    for name, table in tables.items():
        given = points(table)
        given = given[given.gain.abs() >= SMALL]
        given = given.assign(right=(given.theory > 0) == (given.gain > 0))
        for (network, size), part in given.groupby(["network", "bob_pairs"]):
            row = {"set": name, "network": network, "Bob's pairs": size, "n / d": part.gamma.iloc[0]}
            right = np.clip(stats.interval(part.groupby("seed").right.mean()), 0, 1).tolist()
            gains = f"{(part.gain > 0).mean():.2f}"
            rows.append(row | {"told right": stats.in_words(right, ".2f"), "Bob gains": gains})
    return pd.DataFrame(rows)


def extremes(right: pd.DataFrame) -> dict[str, str]:
    """Where theory tells the sign most and least often, in words; right: of `where_right`.

    Of rows that share the extreme the first is named, and the others are counted.
    """
    share = _told_right(right)
    told = {}
    for name, at in (("most", share.idxmax()), ("least", share.idxmin())):
        images, network, pairs, ratio, *_ = right.loc[at]
        cuts = f"{share[at]:.2f} of the cuts of the {network} on {images}"
        ties = int((share == share[at]).sum()) - 1
        more = f" (and as often in {ties} other row{'s' * (ties > 1)} of the table)" if ties else ""
        told[name] = f"{cuts} with {pairs} pairs, n / d = {ratio:.2g}{more}"
    return told


def _told_right(right: pd.DataFrame) -> pd.Series:
    """The shares of `where_right`, as numbers."""
    return right["told right"].str.split().str[0].astype(float)


def answers(right: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer; right: of `where_right`."""
    told = {}
    for name, column in {"network": "network", "pairs": "Bob's pairs"}.items():
        means = _told_right(right).groupby(right[column]).mean()
        what = "{}" if name == "network" else "{} pairs"
        listed = ", ".join(f"{mean:.2f} with {what.format(key)}" for key, mean in means.items())
        told[name] = f"So far theory tells the sign of this share of the cuts, mean over rows: {listed}."
    return told


def kept() -> dict[str, pd.DataFrame]:
    """The tables of the evidence that are there, by image set."""
    paths = {name: evidence.path_of("luck_explained", name) for name in EVIDENCE_SETS}
    return {name: pd.read_csv(path) for name, path in paths.items() if path.exists()}


def judge(table: pd.DataFrame, preset: str, images: str) -> pd.DataFrame:
    """The rows of claims D1 and D2 on a run, for the scoreboard: intervals over seeds; see the rules."""
    rows = []
    for claim, law in {"D1": "theory", "D2": "measured"}.items():
        parts = {"sign": sign(table, law), "rank correlation": size(table, law)}
        parts["best cut"] = choice(table, law)
        intervals = {name: stats.interval(values) for name, values in parts.items()}
        few = stats.few({"seed": table.seed.nunique()})
        words = "; ".join(f"{name} {stats.in_words(told)}" for name, told in intervals.items())
        verdict = stats.combine([_above(low, high) for _, low, high in intervals.values()])
        rows.append(registry.row(claim, "undecided" if few else verdict, words, preset, images, few=few))
    return pd.DataFrame(rows)


def _above(low: float, high: float) -> str:
    return "holds" if low > 0 else "does not hold" if high < 0 else "undecided"


# The evidence.

EVIDENCE_SETS = tuple(problems.SEEDS)
evidence_rows = problems.evidence_rows
Quantity = Callable[[pd.DataFrame], pd.Series]


def _decision(claim: str, quantity: str, matters: float, excluded: str, values: Quantity) -> Any:
    return evidence.Decision(claim, registry.OURS, quantity, matters, excluded, values)


def _decisions(claim: str, law: str, told: str) -> dict[str, evidence.Decision]:
    """What decides a law: sign, size and best cut, by seed over two networks, four couplings, three sizes."""
    return {
        f"{told}: sign of the gain": _decision(
            claim,
            "share of cuts whose sign of Bob's gain over scratch is told right, less that of the better of "
            "two fixed answers",
            0.05,
            f"gains smaller than {SMALL}",
            partial(sign, law=law),
        ),
        f"{told}: size of the gain": _decision(
            claim,
            "Spearman's correlation of predicted gain and Bob's, over all problems and cuts",
            0.3,
            "nothing",
            partial(size, law=law),
        ),
        f"{told}: best cut": _decision(
            claim,
            "accuracy at the cut with the largest predicted gain (scratch where none is above 0) less that "
            "at the best fixed one, known afterwards",
            0.01,
            "nothing",
            partial(choice, law=law),
        ),
    }


DECISIONS = {
    **_decisions("D1", "theory", "theory"),
    **_decisions("D2", "measured", "measured"),
}
