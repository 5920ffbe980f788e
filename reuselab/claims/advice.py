"""How far the cuts that simple rules choose fall short of the best one, on image sets unseen by the rules.

Rows are those of `problems`: a row a problem and a cut, with Bob's accuracy there and what was measured of
the features below it. Whatever is fitted is fitted on the other image sets. The rules were written before
any row of the seeds that decide was looked at.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reuselab.stats import interval

PROBLEM = ["images", "network", "rho", "phi", "bob_pairs", "seed"]
ALONE = ("r2", "alignment", "cosine")  # a measure alone: the cut with the most of it
PENALTIES = np.logspace(-3, 3, 7)

Choose = Callable[[pd.DataFrame], pd.Series]  # a score for each row; in each problem the highest is chosen


def regrets(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy that each rule loses to the best cut of each problem: a row a problem and rule.

    rows: columns PROBLEM, retrain, bob_accuracy and `ALONE`, of two image sets or more. Gives PROBLEM, rule,
    retrain (what it chose) and regret. Raises ValueError for fewer image sets.
    """
    sets = sorted(rows.images.unique())
    if len(sets) < 2:
        raise ValueError(f"rules are fitted on other image sets than they are judged on, not on {sets} alone")
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
    fixed = _share(known)
    lead = known.bob_accuracy - known.groupby(PROBLEM).bob_accuracy.transform("mean")
    best = float(lead.groupby(fixed.round(2)).mean().idxmax())
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(_features(known), lead)

    def measure(name: str) -> Choose:
        return lambda rows: rows[name]

    return {
        "always the head": lambda rows: -rows.retrain,
        "always half": lambda rows: -(_share(rows) - 0.5).abs(),
        "always scratch": lambda rows: rows.retrain,
        "the best fixed share": lambda rows: -(_share(rows) - best).abs(),
        **{f"{name} alone": measure(name) for name in ALONE},
        "all measures": lambda rows: pd.Series(model.predict(_features(rows)), rows.index),
    }


def _share(rows: pd.DataFrame) -> pd.Series:
    """The share of all blocks that is retrained."""
    return rows.retrain / rows.groupby(PROBLEM).retrain.transform("max")


def _features(rows: pd.DataFrame) -> pd.DataFrame:
    """What "all measures" looks at: each measure less its problem's best, the share, and the labels."""
    share, size = _share(rows), np.log10(rows.bob_pairs)
    told = {name: rows[name] - rows.groupby(PROBLEM)[name].transform("max") for name in ALONE}
    more = {f"{name}, by share": gap * share for name, gap in told.items()}
    return pd.DataFrame(
        told | more | {"share": share, "share squared": share**2, "share by labels": share * size}
    )
