"""How far the cuts that simple rules choose fall short of the best one, on image sets unseen by the rules.

Rows are those of `problems`: a row a problem and a cut, with Bob's accuracy there and what was measured of
the features below it. Whatever is fitted is fitted on the other image sets. The rules were written before
any row of the seeds that decide was looked at, and those of the tree before any regret was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reuselab import stats
from reuselab.check import number
from reuselab.claims import evidence, luck_explained, mobilenet, registry, trials
from reuselab.stats import interval

ABOUT = (
    "Somebody has a network, some labelled images, and a new task. How many blocks are worth retraining, and "
    "when is it better not to reuse the network? The rows behind the other pages answer for simple rules, "
    "and rows of its own for the command that gives advice."
)
RULES = {"goal": number(0, 100), "near": number(0, 1)}

PROBLEM = ["images", "network", "rho", "phi", "bob_pairs", "seed"]
ALONE = ("r2", "alignment", "cosine")  # a measure alone: the cut with the most of it
PENALTIES = np.logspace(-3, 3, 7)

Choose = Callable[[pd.DataFrame], pd.Series]  # a score for each row; in each problem the highest is chosen


def regrets(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy that each rule loses to the best cut of each problem: a row a problem and rule.

    rows: columns PROBLEM, retrain, bob_accuracy and `ALONE`, of two image sets or more. Gives PROBLEM, rule,
    retrain (what it chose) and regret. Raises ValueError for fewer image sets.
    """
    sets = _several(rows)
    parts = []
    for one in sets:
        known, asked = rows[rows.images != one], rows[rows.images == one].reset_index(drop=True)
        for rule, score in _rules(known).items():
            parts.append(_chosen(asked, score(asked)).assign(rule=rule))
    return pd.concat(parts, ignore_index=True)


def summary(regret: pd.DataFrame) -> pd.DataFrame:
    """Mean regret of each rule, its 95 % t-interval over (images, seed), low and high, and the worst."""
    rows = []
    for rule, own in regret.groupby("rule", sort=False):
        mean, low, high = interval(own.groupby(["images", "seed"]).regret.mean())
        rows.append((rule, mean, low, high, own.regret.max()))
    table = pd.DataFrame(rows, columns=["rule", "mean", "low", "high", "worst"])
    return table.sort_values("mean", ignore_index=True)


def _chosen(rows: pd.DataFrame, score: pd.Series) -> pd.DataFrame:
    """The row of the highest score in each problem, of equals the one that retrains least, and its regret."""
    ordered = rows.assign(score=score).sort_values("retrain", kind="stable")
    best = ordered.groupby(PROBLEM).bob_accuracy.transform("max")
    ordered["regret"] = best - ordered.bob_accuracy
    chosen = ordered.loc[ordered.groupby(PROBLEM).score.idxmax()]
    return chosen[[*PROBLEM, "retrain", "regret"]]


def _rules(known: pd.DataFrame) -> dict[str, Choose]:
    """Each rule by its name; `known` are the rows that it may be fitted on."""
    lead = known.bob_accuracy - known.groupby(PROBLEM).bob_accuracy.transform("mean")
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(_features(known), lead)

    def measure(name: str) -> Choose:
        return lambda rows: rows[name]

    return _unfitted() | {
        "the best fixed share": _nearest(_best_share(known)),
        **{f"{name} alone": measure(name) for name in ALONE},
        "all measures": lambda rows: pd.Series(model.predict(_features(rows)), rows.index),
    }


def _best_share(known: pd.DataFrame) -> float:
    shares = _share(known).round(2).unique()
    return min(shares, key=lambda share: _chosen(known, _nearest(share)(known)).regret.mean())


def _unfitted() -> dict[str, Choose]:
    return {
        "always the head": lambda rows: -rows.retrain,
        "always half": _nearest(0.5),
        "always all but the lowest": lambda rows: rows.retrain.where(_share(rows) < 1, 0),
        "always scratch": lambda rows: rows.retrain,
    }


def _nearest(share: float) -> Choose:
    """The cut that retrains the share of all blocks nearest to `share`."""
    return lambda rows: -(_share(rows) - share).abs()


def _share(rows: pd.DataFrame) -> pd.Series:
    """The share of all blocks that is retrained."""
    return rows.retrain / rows.groupby(PROBLEM).retrain.transform("max")


def _features(rows: pd.DataFrame) -> pd.DataFrame:
    """What "all measures" looks at: each measure less its problem's best, the share, and the labels."""
    share, size, rows = _share(rows), np.log10(rows.bob_pairs), rows.assign(r2=rows.r2.clip(lower=0))
    told = {name: rows[name] - rows.groupby(PROBLEM)[name].transform("max") for name in ALONE}
    more = {f"{name}, by share": gap * share for name, gap in told.items()}
    return pd.DataFrame(
        told | more | {"share": share, "share squared": share**2, "share by labels": share * size}
    )


def _several(rows: pd.DataFrame) -> list[str]:
    sets = sorted(rows.images.unique())
    if len(sets) < 2:
        raise ValueError(f"rules are fitted on other image sets than they are judged on, not on {sets} alone")
    return sets


def check(values: Mapping[str, Any]) -> None:
    """Any goal and any border between near and far will do."""


# What is kept for this page, and the rows that other pages kept.

EVIDENCE_SETS = trials.SETS
evidence_rows = trials.evidence_rows


def tried(*names: str) -> dict[str, pd.DataFrame]:
    """The tables of `trials` that are there, by image set: those named, or all with races."""
    paths = {name: evidence.path_of("advice", name) for name in names or trials.COUPLINGS}
    return {name: pd.read_csv(path).assign(images=name) for name, path in paths.items() if path.exists()}


FAR, NEAR, IMAGENET = "far from hers", "near hers", "any, her network learnt ImageNet"
SIZES = {20: "up to 20", 50: "21 to 50", 200: "51 to 200", np.inf: "more than 200"}  # Bob's labelled images
ACTIONS = {
    "always the head": "retrain the head",
    "always half": "retrain half of the blocks",
    "always all but the lowest": "keep only the lowest block",
    "always scratch": "do not reuse: train from scratch",
}


def kept(near: float) -> pd.DataFrame:
    """The problems of all kept tables whose scratch was run: columns PROBLEM, retrain, bob_accuracy, `ALONE`.

    And task, one of NEAR (rho at least `near`), FAR and IMAGENET, and labels, of `SIZES`. `ALONE` is NaN
    where nothing was measured of the features. Bob's own pairs are as correlated as Alice's.
    """
    measured = [rows.assign(images=name) for name, rows in luck_explained.kept().items()]
    other = [_of_pairs(name) for name in ("digits", "turned")]
    other += [trials.truths(rows).drop(columns="alignment") for rows in tried().values()]
    rows = pd.concat([*measured, *other, *map(_of_photographs, mobilenet.SETS)], ignore_index=True)
    ours = np.where(rows.rho < near, FAR, NEAR)
    labels = pd.cut(rows.bob_pairs, [0, *SIZES], labels=list(SIZES.values())).astype(str)
    task = np.where(rows.network == mobilenet.NETWORK, IMAGENET, ours)
    return rows.assign(task=task, labels=labels)[
        [*PROBLEM, "retrain", "bob_accuracy", *ALONE, "task", "labels"]
    ]


def _of_pairs(name: str) -> pd.DataFrame:
    """The problems of the pages task_correlation and layers on an image set, each once."""
    paths = [evidence.path_of(page, name) for page in ("task_correlation", "layers")]
    rows = pd.concat([pd.read_csv(path) for path in paths if path.exists()])
    rows = rows[rows.method.isin(["Alice", "scratch"]) & rows.bob_rho.isna() & (rows.retrain > 0)]
    recipe = f"{evidence.NETWORK}, {evidence.COMMON['alice_pairs']:,} pairs of hers"
    return _whole(rows.assign(images=name, network=recipe), scratch=max(evidence.CUTS) + 1)


def _of_photographs(name: str) -> pd.DataFrame:
    """The problems of MobileNetV2 on an image set; of its cuts those that were trained."""
    rows = pd.read_csv(evidence.path_of("dogs_and_cats", name)).query("head == 'trained'")
    rows = rows.rename(columns={"labels": "bob_pairs", "accuracy": "bob_accuracy"})
    alike = {"images": name, "network": mobilenet.NETWORK, "rho": 0.0, "phi": 0.0}  # not known of photographs
    return _whole(rows.assign(**alike), scratch=mobilenet.EVERYTHING)


def _whole(rows: pd.DataFrame, scratch: int) -> pd.DataFrame:
    """The problems whose Bob from scratch was run too, each cut once."""
    once = rows.drop_duplicates([*PROBLEM, "retrain"])
    return once[once.groupby(PROBLEM).retrain.transform("max") == scratch]


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in which the features were measured."""
    return rows.dropna(subset=list(ALONE))


def count(rows: pd.DataFrame) -> str:
    """The number of problems in `rows`, in words."""
    return f"{rows.groupby(PROBLEM).ngroups:,}"


def by(rows: pd.DataFrame, regret: pd.DataFrame, group: str) -> pd.DataFrame:
    """Mean regret of each rule in points, with its interval, in words: a row a rule, a column a group.

    rows: of `kept`, of which `group` is a column. Rules in the order of `summary`.
    """
    told = {name: part.set_index("rule") for name, part in grouped(rows, regret, group).items()}
    order = summary(regret).rule
    words = {name: [points(part.loc[rule]) for rule in order] for name, part in told.items()}
    return pd.DataFrame({"rule": order} | words)


def grouped(rows: pd.DataFrame, regret: pd.DataFrame, group: str) -> dict[str, pd.DataFrame]:
    """`summary` of the problems of each group, a column of `rows`, in the order of tasks and `SIZES`."""
    told = rows[[*PROBLEM, group]].drop_duplicates()
    named = regret[[*PROBLEM, "rule", "regret"]].merge(told, on=PROBLEM)
    order = [name for name in (*SIZES.values(), FAR, NEAR, IMAGENET) if name in set(named[group])]
    return {name: summary(named[named[group] == name]) for name in order}


def points(row: pd.Series, *names: str) -> str:
    """A mean and its interval in accuracy points, in words; names: of columns, if not of `summary`."""
    values = 100 * row[list(names or ("mean", "low", "high"))].astype(float)
    return stats.in_words([round(value, 1) + 0.0 for value in values], ".1f")


NO_OTHER = "no other rule"


def headline(regret: pd.DataFrame, goal: float) -> dict[str, str]:
    """The rule with the least mean regret, in words: rule, regret, reached (the goal, in points), equals.

    equals: the rules whose regret, paired by (images, seed), cannot be told from the least.
    """
    told = summary(regret)
    least, means = told.iloc[0], regret.groupby(["rule", "images", "seed"]).regret.mean().unstack(0)
    equals = [
        rule for rule in told.rule[1:] if not interval((means[rule] - means[least.rule]).dropna())[1] > 0
    ]
    words = ", ".join(equals) or NO_OTHER
    return {
        "rule": least.rule,
        "regret": points(least),
        "reached": reached(100 * least[["mean", "low", "high"]].astype(float), goal),
        "equals": words,
    }


# The advisor's own regret.

ADVISE = "advise, a third"  # what the others are held against


def trial_regrets(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What the advice of `advise`, of simple rules and of single estimators loses on problems of `trials`.

    tables: of `tried`. A row a problem and rule: PROBLEM, rule, retrain, regret, and time, the share of
    the time that training every cut takes (0 where nothing is measured). What is fitted is fitted on the
    other image sets.
    """
    rows = pd.concat(tables.values(), ignore_index=True)
    truth = trials.truths(rows[rows.bob_pairs.isin(trials.ADVISED)]).reset_index(drop=True)
    whole = truth.groupby(PROBLEM).agg(whole=("seconds", "sum"), told_seconds=("told_seconds", "first"))
    parts = [_chosen(truth, score(truth)).assign(rule=rule, time=0.0) for rule, score in _unfitted().items()]
    for one in truth.images.unique():
        known, asked = truth[truth.images != one], truth[truth.images == one]
        if len(known):
            fixed = _chosen(asked, _nearest(_best_share(known))(asked))
            parts.append(fixed.assign(rule="the best fixed share", time=0.0))
    for name in trials.MEASURES:
        own = _chosen(truth, truth[name]).join(whole, on=PROBLEM)
        parts.append(own.assign(rule=f"{name} alone", time=own.told_seconds / own.whole))
    truth["regret"] = truth.groupby(PROBLEM).bob_accuracy.transform("max") - truth.bob_accuracy
    raced = trials.advice(rows)[[*PROBLEM, "rule", "retrain", "seconds"]]
    raced = raced.merge(truth[[*PROBLEM, "retrain", "regret"]]).join(whole, on=PROBLEM)
    parts.append(raced.assign(time=raced.seconds / raced.whole))
    return pd.concat(parts, ignore_index=True)[[*PROBLEM, "rule", "retrain", "regret", "time"]]


def trial_summary(regret: pd.DataFrame) -> pd.DataFrame:
    """`summary` of `trial_regrets`, with the mean time, and more, more_low, more_high: what a rule loses more
    than `ADVISE`, paired by (images, seed).
    """
    means = regret.groupby(["rule", "images", "seed"]).regret.mean().unstack(0)
    told = summary(regret).set_index("rule")
    more = [interval(means[rule] - means[ADVISE]) for rule in told.index]
    told[["more", "more_low", "more_high"]] = more
    return told.assign(time=regret.groupby("rule").time.mean()).reset_index()


def trials_in_words(told: pd.DataFrame) -> pd.DataFrame:
    """`trial_summary` as a table: regrets in points, and time in per cent of training every cut."""
    rows = []
    for _, row in told.iterrows():
        words = {"rule": row.rule, "loses": points(row)}
        words["more than the command"] = (
            "" if row.rule == ADVISE else points(row, "more", "more_low", "more_high")
        )
        rows.append(words | {"time": f"{100 * row.time:.0f} %", "worst": f"{100 * row.worst:.0f}"})
    return pd.DataFrame(rows)


def trial_headline(told: pd.DataFrame, goal: float) -> dict[str, str]:
    """What `trial_summary` says, in words: of "advise" with each budget its regret, time and the goal.

    And the rules that lose less than `ADVISE` for sure, those that cannot be told from it, and how many of
    all lose more.
    """
    rows = told.set_index("rule")
    words: dict[str, str] = {}
    for name in trials.SHARES:
        row = rows.loc[f"advise, {name}"]
        key = name.removeprefix("a ")
        words |= {key: points(row), f"{key}_time": f"{100 * row.time:.0f} %"}
        words[f"{key}_reached"] = reached(100 * row[["mean", "low", "high"]].astype(float), goal)
    others = rows.drop(index=[f"advise, {name}" for name in trials.SHARES])
    more, less = others.more_low > 0, others.more_high < 0
    words["more"] = f"{more.sum()} of {len(others)}"
    kinds = {"less": less, "equals": ~(more | less)}
    return words | {kind: ", ".join(others.index[which]) or "none" for kind, which in kinds.items()}


def alices_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """`trials.ranked` as a table, losses in points; table: kept."""
    told = trials.ranked(table)
    named = {trials.NAME: "names (Wu-Palmer)", trials.CHANCE: "at random"}
    rows = []
    for _, row in told.iterrows():
        words = {"ranked by": named.get(row.measure, row.measure)}
        words["the best is among three"] = stats.in_words(tuple(row[["among", "low", "high"]]), ".2f")
        rows.append(words | {"the first loses": points(row, "lost", "lost_low", "lost_high")})
    return pd.DataFrame(rows)


def alices_headline(table: pd.DataFrame) -> dict[str, str]:
    """Which measure's first Alice loses least, and what names and chance lose, in words; table: kept.

    And over_name, over_chance: the measures whose first loses less for sure, paired by Bob.
    """
    told = trials.ranked(table).set_index("measure")
    best = told.drop(index=[trials.NAME, trials.CHANCE]).lost.idxmin()
    shown = {"alice": best, "alice_name": trials.NAME, "alice_chance": trials.CHANCE}
    words = {
        f"{key}_lost": points(told.loc[name], "lost", "lost_low", "lost_high") for key, name in shown.items()
    }
    among = {f"{key}_among": f"{100 * told.among[name]:.0f} %" for key, name in shown.items()}
    sizes = {"alices": str(table.alice.nunique()), "bobs": str(table.bob.nunique())}
    lost = trials.by_bob(table).lost.unstack(0)
    for key, rival in {"over_name": trials.NAME, "over_chance": trials.CHANCE}.items():
        surer = [name for name in lost if interval(lost[rival] - lost[name])[1] > 0]
        words[key] = ", ".join(surer) or "none"
    return words | among | sizes | {"alice": best}


def pets_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The worked example: a row a candidate, a column a number of photographs; table: kept.

    In a cell stand the accuracy in the race, its interval, and the true one after the whole training.
    """
    blocks, columns = table.retrain.max(), {}
    for size, own in table.groupby("labels"):
        cells = {}
        for row in own.sort_values(["retrain", "init"]).itertuples():
            name = (
                "from scratch" if (row.retrain, row.init) == (blocks, "fresh") else f"retrain {row.retrain}"
            )
            brief = stats.in_words((row.accuracy, row.low, row.high), ".2f")
            true = "not run" if np.isnan(row.true) else f"{row.true:.2f}"
            cells[name] = f"{brief}, true {true}" + (" (advised)" if row.advised else "")
        columns[f"{size} photographs"] = cells
    return pd.DataFrame(columns).rename_axis("candidate").reset_index()


def pets_headline(table: pd.DataFrame) -> str:
    """What the advice on the pets loses, and its time, in sentences; table: kept."""
    told = []
    for size, own in table.groupby("labels"):
        chosen, known = own[own.advised.astype(bool)].iloc[0], own.dropna(subset="true")
        lost = 100 * (known.true.max() - chosen.true)
        words = "a loss unknown" if np.isnan(lost) else f"{lost:.0f} points to the best of {len(known)}"
        took = f"{chosen.seconds:.0f} s" + (
            f", against {own.whole_seconds.sum():.0f} s for training all" if len(known) == len(own) else ""
        )
        told.append(f"with {size} photographs {words} ({took})")
    known = table.dropna(subset="true")
    within = ((known.true >= known.low) & (known.true <= known.high)).mean()
    return (
        f"The advice loses {'; '.join(told)}. The true accuracy lies in the interval of the race for "
        f"{100 * within:.0f} % of the candidates."
    )


def reached(regret: Iterable[float], goal: float) -> str:
    """Whether a regret, its mean and interval (low, high) in points, reaches the goal, in words."""
    mean, low, high = regret
    if high <= goal:
        return f"is reached: even the upper end of the interval is {high:.1f}"
    if low > goal:
        return f"is missed: even the lower end of the interval is {low:.1f}"
    if mean <= goal:
        return "is reached by the mean, though its interval reaches beyond"
    return "is not reached: the mean is above it, though its interval reaches across"


# The tree.


def tree(rows: pd.DataFrame, sizes: Sequence[str] = tuple(SIZES.values())) -> pd.DataFrame:
    """The leaves of the decision tree, a row a task and number of labels, `sizes`, that there are rows of.

    rule: of `ACTIONS` the one with the least mean regret in the leaf, and action, in words. rival: the next
    best. lead: what the rival's mean regret is more, with its interval over (images, seed), low and high;
    tie: whether that reaches zero, so that either will do. here, here_low, here_high: the rule's regret.
    regret, regret_low, regret_high: of the rule that the leaf's other image sets choose, NaN where there is
    only one. gain, gain_low, gain_high: of the best of the others over scratch.
    """
    told = thumbs(rows)
    leaves = []
    for task in (FAR, NEAR, IMAGENET):
        for labels in sizes:
            leaf = told[(told.task == task) & (told.labels == labels)]
            if len(leaf):
                leaves.append({"task": task, "labels": labels} | _leaf(leaf))
    return pd.DataFrame(leaves)


def thumbs(rows: pd.DataFrame) -> pd.DataFrame:
    """The regret of each of `ACTIONS` in each problem: columns PROBLEM, task, labels, rule, retrain, regret.

    Of MobileNetV2's cuts too few were trained to tell "all but the lowest" from "half": it is left out there.
    """
    chosen = [_chosen(rows, score(rows)).assign(rule=rule) for rule, score in _unfitted().items()]
    told = rows[[*PROBLEM, "task", "labels"]].drop_duplicates()
    both = pd.concat(chosen, ignore_index=True).merge(told, on=PROBLEM)
    return both[(both.task != IMAGENET) | (both.rule != "always all but the lowest")]


def grown(told: pd.DataFrame) -> pd.DataFrame:
    """The regret of the tree as a rule: in each leaf what had the least on the other image sets.

    told: of `thumbs`. A leaf of one image set is left out.
    """
    parts = []
    for _, leaf in told.groupby(["task", "labels"]):
        for name in leaf.images.unique():
            others = leaf[leaf.images != name]
            if len(others):
                best = summary(others).rule[0]
                parts.append(leaf[(leaf.images == name) & (leaf.rule == best)])
    return pd.concat(parts, ignore_index=True).assign(rule="the tree") if parts else told.iloc[:0]


def _leaf(leaf: pd.DataFrame) -> dict[str, Any]:
    best, rival = summary(leaf).rule[:2]
    means = leaf.groupby(["rule", "images", "seed"]).regret.mean().unstack(0)
    lead = interval(means[rival] - means[best])
    here, unseen = interval(means[best]), grown(leaf)
    bounds = summary(unseen).iloc[0][["mean", "low", "high"]] if len(unseen) else [np.nan] * 3
    reused = summary(leaf[leaf.rule != "always scratch"]).rule[0]
    gain = interval(means["always scratch"] - means[reused])
    return (
        {"rule": best, "action": ACTIONS[best], "rival": rival, "tie": not lead[0] > 0 or not lead[1] > 0}
        | dict(zip(("lead", "low", "high"), lead))
        | dict(zip(("here", "here_low", "here_high"), here))
        | dict(zip(("regret", "regret_low", "regret_high"), bounds))
        | dict(zip(("gain", "gain_low", "gain_high"), gain))
        | {"sets": leaf.images.nunique(), "problems": len(leaf) // leaf.rule.nunique()}
    )


TRUST = 0.05  # a branch whose regret on other image sets is larger by more is not to be trusted
# The claim and the part of its evidence that each branch rests on.
RESTS_ON = {
    FAR: ("A4", "lower layers at rho = 0"),
    NEAR: ("A2", "rises with rho"),
    IMAGENET: ("A6", "ImageNet's network, over scratch"),
}


def rests_on() -> pd.DataFrame:
    """What each branch rests on, a row each: Bob's task, claim, what was tested, and verdict by image set."""
    told = []
    for task, (claim, part) in RESTS_ON.items():
        judged = evidence.judged(registry.CLAIMS[claim].page)
        found = judged[judged.what == part].groupby("verdict", sort=False)["set"].agg(", ".join)
        words = "; ".join(f"{verdict} on {sets}" for verdict, sets in found.items())
        decides = judged.decides[judged.what == part].any()
        named = claim if decides else f"a part of {claim}'s evidence"
        told.append(
            {"Bob's task": task, "claim": named, "tested": part, "evidence": words or evidence.NOT_RUN}
        )
    return pd.DataFrame(told)


def leaves_in_words(leaves: pd.DataFrame) -> pd.DataFrame:
    """The leaves of `tree` as a table: advice, and regrets and gain in points."""
    told = []
    for _, leaf in leaves.iterrows():
        words = {"Bob's task": leaf.task, "labelled images": leaf.labels, "advice": advised(leaf)}
        words |= {"loses": points(leaf, "here", "here_low", "here_high")}
        words["unseen"] = points(leaf, "regret", "regret_low", "regret_high") if leaf.sets > 1 else "one set"
        told.append(words | {"reuse gains": points(leaf, "gain", "gain_low", "gain_high")})
    return pd.DataFrame(told)


def with_labels(rows: pd.DataFrame, *sizes: int) -> pd.DataFrame:
    """The leaves of `tree` for exactly these numbers of labelled images, as a table."""
    some = rows[rows.bob_pairs.isin(sizes)]
    exact = {size: f"{size:,}" for size in sizes}
    told = tree(some.assign(labels=some.bob_pairs.map(exact)), list(exact.values()))
    return leaves_in_words(told).drop(columns="unseen")


def when_not(leaves: pd.DataFrame) -> str:
    """When not to reuse, in a sentence: the leaves in which the best way to reuse gains nothing for sure."""
    less, unsure = leaves[leaves.gain_high < 0], leaves[(leaves.gain_low <= 0) & (leaves.gain_high >= 0)]
    whole = leaves.task.value_counts()
    told = []
    for words, part in (
        ("Scratch wins, so do not reuse", less),
        ("Reuse cannot be told from scratch", unsure),
    ):
        tasks = [
            f"{task}, "
            + (f"{' or '.join(labels)} images" if len(labels) < whole[task] else "with any number of images")
            for task, labels in part.groupby("task", sort=False).labels
        ]
        told += [f"{words}: {'; '.join(tasks)}."] if tasks else []
    return " ".join(told) or "In every branch the best way to reuse beats scratch."


def against_scratch(leaves: pd.DataFrame, task: str = FAR) -> str:
    """In how many leaves of a task the best way to reuse loses to scratch for sure, in words."""
    own = leaves[leaves.task == task]
    lost = -100 * own.gain[own.gain_high < 0]
    if lost.empty:
        return f"loses for sure in none of {len(own)} branches"
    by = " to ".join(f"{points:.1f}" for points in dict.fromkeys((lost.min(), lost.max())))
    return f"loses {by} points for sure in {len(lost)} of {len(own)} branches"


def disagree(leaves: pd.DataFrame) -> pd.Series:
    """Whether a leaf's advice, chosen on the other image sets, loses over `TRUST` more than chosen on all."""
    return leaves.regret - leaves.here > TRUST


def advised(leaf: pd.Series) -> str:
    """What a leaf recommends, in words; both rules where they cannot be told apart."""
    return leaf.action + (f", or {ACTIONS[leaf.rival]}" if leaf.tie else "")


def worth(leaves: pd.DataFrame, simple: Mapping[str, str]) -> str:
    """In a sentence, whether the tree is worth its branches; simple: the `headline` with "the tree" in it."""
    if simple["rule"] == "the tree":
        if simple["equals"] == NO_OTHER:
            return "So far as these image sets go, its branches are worth following on sets unseen."
        equals = simple["equals"]
        return f"The tree cannot be told from {equals}: nothing shows that its branches are worth more."
    if "the tree" in simple["equals"]:
        return "The tree, chosen on other image sets, cannot be told from it."
    apart = int(disagree(leaves).sum())
    return (
        "The tree, chosen on other image sets, loses more than this one rule: its branches say what these "
        f"rows say, and {apart} of {len(leaves)} lose over {100 * TRUST:g} points more on other image sets."
    )
