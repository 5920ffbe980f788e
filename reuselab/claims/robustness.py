"""How far do A2, A3 and A4 reach? Their decisions under many defensible choices, and which choice matters."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from reuselab import stats
from reuselab.check import integer
from reuselab.claims import evidence, layers, task_correlation, zero_correlation
from reuselab.claims.baselines import ALICE
from reuselab.experiment import models
from reuselab.experiment.cell import Cell
from reuselab.runs.study import grid, study

ABOUT = (
    "The claims A2 and A3 and the first half of A4 are measured again with another network, other learning "
    "rates, more or fewer pairs. How many of these choices keep the verdict, and which of them matters most?"
)
FIRST_SEED, SEEDS = evidence.FIRST_SEED + 100, 5
RULES = {"seeds": integer(2, SEEDS)}

# Every choice: its levels, the usual one first, and what each changes in a cell. SGD: for both of them one of
# `baselines.OPTIMIZERS`; with its rate, of .01, .03 and .1, a CNN learns Bob's task best from scratch (seeds
# 1000 to 1002).
_SGD = {"optimizer": "sgd", "lr": 0.03, "momentum": 0.9, "weight_decay": 5e-3}


def _both(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{who}_{name}": value for who in ("alice", "bob") for name, value in recipe.items()}


CHOICES: dict[str, dict[str, dict[str, Any]]] = {
    "images": {"unlike halves": {"bob_base": "turned"}, "like halves": {}},
    "network": {"CNN": {}, "MLP": {"network": "mlp"}},
    "Bob starts": {"fresh": {}, "from her weights": {"init": "alice"}},
    "Bob's pairs": {"100": {}, "25": {"bob_pairs": 25}, "400": {"bob_pairs": 400}},
    "optimizer": {"AdamW": {}, "SGD": _both(_SGD)},
    "learning rates": {"usual": {}, "halved": _both({"lr": 2e-3}), "doubled": _both({"lr": 8e-3})},
    "Alice's epochs": {"8": {}, "4": {"alice_epochs": 4}},
    "halves lie": {
        "beside each other": {},
        "stacked": {"layout": "stacked"},
        "swapped": {"swap": True},
    },
}
USUAL = {choice: next(iter(levels)) for choice, levels in CHOICES.items()}
_TOGETHER: list[dict[str, str]] = [
    {"network": "MLP", "Bob's pairs": "25"},
    {"Bob starts": "from her weights", "Bob's pairs": "25"},
]
RHO = 0.75  # against 0
VERDICTS = ("holds", "undecided", "does not hold")


def specifications() -> list[dict[str, str]]:
    """A level of every choice for each specification: one choice changed, or two, for each kind of images."""
    changes: list[dict[str, str]] = [{}, *_TOGETHER]
    for choice in list(CHOICES)[1:]:
        changes += [{choice: level} for level in list(CHOICES[choice])[1:]]
    return [USUAL | change | {"images": images} for change in changes for images in CHOICES["images"]]


def check(values: Mapping[str, Any]) -> None:
    """Any number of the kept seeds will do."""


# The study.

EVIDENCE_SETS = ("specifications",)


def shared(specification: Mapping[str, str]) -> dict[str, Any]:
    """What all cells of a specification have in common: Bob's own pairs are at rho 0."""
    axes: dict[str, Any] = evidence.COMMON | {"network": evidence.NETWORK, "bob_rho": 0.0}
    for choice, level in specification.items():
        axes |= CHOICES[choice][level]
    return axes


def _entries(specification: Mapping[str, str]) -> Iterator[evidence.Entry]:
    """Bobs at every cut: over Alice at both rhos, and over her network untrained."""
    axes = shared(specification)
    axes |= {"seed": range(FIRST_SEED, FIRST_SEED + SEEDS)}
    axes |= {"retrain": list(range(1, len(models.blocks(axes["network"]))))}
    yield from evidence.alices(grid(**axes, rho=[0.0, RHO]))
    yield from evidence.untrained(grid(**axes, rho=0.0))


def evidence_rows(_: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of all specifications, and what all their cells share."""
    named = [(chosen, *entry) for chosen in specifications() for entry in _entries(chosen)]
    rows = study([cell for *_, cell in named])
    first = named[0][2].flat()
    common = {name: first[name] for name in first if rows[name].nunique(dropna=False) == 1}
    chosen = pd.DataFrame([specification for specification, *_ in named])
    columns = ["rho", "retrain", "seed", "alice_accuracy", "bob_accuracy"]
    return chosen.assign(method=[method for _, method, _ in named]).join(rows[columns]), common


def kept() -> pd.DataFrame:
    """The rows of the study, as `make evidence` kept them."""
    path = evidence.path_of("robustness", *EVIDENCE_SETS)
    return pd.read_csv(path, dtype=dict.fromkeys(CHOICES, str))


def as_cells() -> pd.DataFrame:
    """The kept rows with every parameter of their cells."""
    rows = kept()
    parts = [
        group.assign(**Cell.of(**shared(dict(zip(CHOICES, levels)))).flat())
        for levels, group in rows.drop(columns=["rho", "retrain", "seed"]).groupby(list(CHOICES))
    ]
    return pd.concat(parts).assign(**rows[["rho", "retrain", "seed"]])


# What its rows say.


def _at_zero(decision: evidence.Decision) -> evidence.Decision:
    return replace(decision, values=lambda rows: decision.values(rows[rows.rho == 0]))


def _lower_less_upper(rows: pd.DataFrame) -> pd.Series:
    """As `layers` decides, with the halves of whatever network it is."""
    at_zero = rows[(rows.rho == 0) & (rows.method == ALICE)].pivot_table("bob_accuracy", "seed", "retrain")
    lower, upper = layers.contrasted(list(at_zero), len(at_zero.columns) + 1)
    return at_zero.loc[:, lower].mean(axis=1) - at_zero.loc[:, upper].mean(axis=1)


_RISES = task_correlation.DECISIONS["rises with rho"]
_CHANCE = zero_correlation.DECISIONS["better than chance"]
_UNTRAINED = zero_correlation.DECISIONS["better than her network untrained"]
_LOWER = layers.DECISIONS["lower layers at rho = 0"]
# What is measured under every specification: for one seed the effect of the claim's own decision.
EFFECTS = {
    "A2: rises with rho": _RISES,
    "A3: better than chance": _at_zero(_CHANCE),
    "A3: better than her network untrained": _at_zero(_UNTRAINED),
    "A4: lower layers at rho = 0": replace(_LOWER, values=_lower_less_upper),
}


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """Each of `EFFECTS` by specification and seed: columns what, those of `CHOICES`, seed, effect."""
    rows = rows.assign(bob_rho=0.0, phi=0.0)
    return pd.concat(
        decision.values(group)
        .round(6)
        .rename("effect")
        .reset_index()
        .assign(what=what, **dict(zip(CHOICES, levels)))
        for what, decision in EFFECTS.items()
        for levels, group in rows.groupby(list(CHOICES), sort=False)
    )[["what", *CHOICES, "seed", "effect"]].reset_index(drop=True)


def verdicts(by_seed: pd.DataFrame) -> pd.DataFrame:
    """The verdict under each specification, by the rule and the least effect that decide the claim.

    by_seed: from `effects`. Columns: what, those of `CHOICES`, and those of `evidence.judge`. Each
    specification is judged alone.
    """
    judged = [
        evidence.judge({"": group.effect.to_numpy()}, EFFECTS[what].matters)
        .drop(columns=["set", "setting"])
        .assign(what=what, **dict(zip(CHOICES, levels)))
        for (what, *levels), group in by_seed.groupby(["what", *CHOICES], sort=False)
    ]
    return pd.concat(judged, ignore_index=True)


def moves(by_seed: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """How far each level of a choice moves each effect from where the usual level leaves it.

    Every specification with that level is set against its twin, which differs in this choice alone and has
    its usual level; paired by seed, mean over the pairs of twins. Columns: what, choice, level, mean, low,
    high (95 % t-interval over seeds), twins (how many pairs), flips (in how many the verdict is another).
    The largest move of each effect comes first.
    """
    wide = by_seed.pivot_table("effect", ["what", *CHOICES], "seed")
    words = judged.set_index(["what", *CHOICES]).verdict
    levels = [(choice, level) for choice, named in CHOICES.items() for level in list(named)[1:]]
    rows = [
        {"what": what, "choice": choice, "level": level}
        | _move(wide.loc[what], words.loc[what], choice, level)
        for what in EFFECTS
        for choice, level in levels
    ]
    table = pd.DataFrame(rows).assign(size=lambda moved: moved["mean"].abs())
    ranked = [group.sort_values("size", ascending=False) for _, group in table.groupby("what", sort=False)]
    return pd.concat(ranked, ignore_index=True).drop(columns="size")


def _move(values: pd.DataFrame, verdict: pd.Series, choice: str, level: str) -> dict[str, float]:
    """One row of `moves`, from effects [specification, seed] and verdicts [specification]."""
    place = list(CHOICES).index(choice)
    twins = {
        one: (*one[:place], USUAL[choice], *one[place + 1 :]) for one in values.index if one[place] == level
    }
    apart = values.loc[list(twins)].to_numpy() - values.loc[list(twins.values())].to_numpy()
    flips = verdict.loc[list(twins)].to_numpy() != verdict.loc[list(twins.values())].to_numpy()
    moved = dict(zip(("mean", "low", "high"), stats.interval(apart.mean(axis=0))))
    return moved | {"twins": len(twins), "flips": int(flips.sum())}


def summary(judged: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """In words, a row for each effect: how often it has which verdict, its range, and its largest move."""
    return pd.DataFrame(
        [_summary_of(what, judged[judged.what == what], moved[moved.what == what]) for what in EFFECTS]
    )


LARGEST = ["what matters most", "its change of the effect", "what turns most verdicts"]


def _summary_of(what: str, rows: pd.DataFrame, moved: pd.DataFrame) -> dict[str, str]:
    shares = {word: f"{(rows.verdict == word).mean():.0%}" for word in VERDICTS}
    middle, low, high = rows["mean"].median(), rows["mean"].min(), rows["mean"].max()
    span = {"median [smallest, largest]": stats.in_words((middle, low, high))}
    largest, turning = moved.iloc[0], moved.loc[(moved.flips / moved.twins).idxmax()]
    most = (
        _said(largest),
        stats.in_words(tuple(largest[["mean", "low", "high"]])),
        f"{_said(turning)}, in {turning.flips} of {turning.twins} pairs" if turning.flips else "none",
    )
    return {"effect": what, **shares, **span, **dict(zip(LARGEST, most))}


def _said(move: pd.Series) -> str:
    return f"{move.choice}: {move.level} instead of {USUAL[move.choice]}"


def answers(rows: pd.DataFrame, judged: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer. rows: of `kept`; judged: of `verdicts`."""
    fewer = verdicts(effects(rows[rows.seed < FIRST_SEED + 3]))
    same = int((fewer.verdict == judged.verdict).sum())
    to_open = int(((fewer.verdict == "undecided") & (judged.verdict != "undecided")).sum())
    least = [_least(what, judged[judged.what == what]) for what in judged.what.unique()]
    return {
        "seeds": (
            f"Of {len(judged)} verdicts {len(judged) - same} change, and {to_open} of these become undecided."
        ),
        "least": " ".join(least),
    }


def _least(what: str, judged: pd.DataFrame) -> str:
    """Under which choices an effect is smallest, in words."""
    lowest = judged.loc[judged["mean"].idxmin()]
    changed = [f"{choice}: {lowest[choice]}" for choice in USUAL if lowest[choice] != USUAL[choice]]
    what = what.replace("rho", "ρ")
    return f"{what}: {', '.join(changed) or 'the usual choices'} ({lowest['mean']:+.2f}, {lowest.verdict})."
