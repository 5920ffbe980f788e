"""What the evidence found, in plain words: each wording belongs to a verdict, and the verdict picks it."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from reuselab import stats
from reuselab.book import kept
from reuselab.claims import evidence, registry

# A sign beside each verdict, so that none is told by its colour alone.
MARKS = {"holds": "✔", "does not hold": "✘", "undecided": "?", evidence.NOT_RUN: "○"}
PLACES = {
    "digits": "on digits",
    "turned": "on turned digits",
    "fashion": "on clothes",
    "cifar10": "on small photographs",
    "pets": "on photographs of pets",
    "simulated": "in simulations",
}


@dataclass(frozen=True)
class Words:
    """A claim for a hurried reader, and what to say of it for each verdict.

    said: the claim as a sentence. holds, fails: what was found, to be read after "on digits,". if_holds,
    if_fails: what that means for somebody who reuses networks.
    """

    said: str
    holds: str = "this holds"
    fails: str = "this does not hold"
    if_holds: str = ""
    if_fails: str = ""


WORDS = {
    "A1": Words(
        "In the smallest networks Alice takes in Bob's features as far as they go with hers. A new last "
        "layer lets Bob use even a weak tie.",
        "Alice takes in Bob's features as claimed, and a new last layer lets him use even a weak tie",
        "at least one of the limits, trends and signs is not as claimed",
        "A new last layer is cheap and worth a try, even where two tasks share little.",
        "Try a new last layer, and check what it brings: the simple picture is not enough.",
    ),
    "A2": Words(
        "The more Bob's task is like Alice's, the better Bob does with her network.",
        "Bob does better the more Alice's task is like his",
        "a task of Alice's that is more like his makes Bob no better by an amount that matters",
        "Of two networks to start from, take the one whose task is closer to yours.",
        "How close the first task was is no guide to which network to take.",
    ),
    "A3": Words(
        "With nothing correlated, neither tasks nor images, Bob still does better with Alice's network than "
        "guessing, and than with the same network untrained.",
        "Bob beats both guessing and the same network untrained when nothing is correlated",
        "Bob does not beat both guessing and the same network untrained when nothing is correlated",
        "A network trained for an unrelated task can be worth more than an untrained one.",
        "Compare with the same network untrained before you give the credit to its training.",
    ),
    "A4": Words(
        "When the tasks have little in common, Bob should keep Alice's lower layers only. And the best "
        "number of retrained layers tells how much they have in common.",
        "of Alice's layers the lower ones alone serve Bob better, and the best number of retrained layers "
        "follows the correlation",
        "lower layers have no lead that matters, or the best number of retrained layers does not follow the "
        "correlation",
        "Of a network for a distant task keep the lowest layers at most, and compare with training from "
        "scratch.",
        "Choose the number of layers by trying, and do not read it as a gauge of how close two tasks are.",
    ),
    "A5": Words(
        "Attribution shows where Bob's answers come from: Alice's half when the tasks are correlated, and "
        "more of his own half the more he retrains.",
        "attribution moves towards Alice's half with the correlation, and to Bob's own as he retrains more",
        "attribution does not move as claimed",
        "Attribution can show whether a reused network looks at your part of the input.",
        "Take a part of the input away to see what a network needs: attribution alone does not tell.",
    ),
    "A6": Words(
        "Bob does well with Alice's dog-or-cat network if his task is close to hers in meaning.",
        "Bob gains the more from Alice's dog-or-cat network the closer his task is to hers in meaning",
        "closeness in meaning brings Bob no gain that matters",
        "For photographs, start from a network that was trained on the same kind of things.",
        "A related subject is not reason enough to reuse a network.",
    ),
    "A7": Words(
        "Over many classes, Bob gains more from Alice the closer their classes are in meaning.",
        "Bob gains more the closer his classes are to Alice's in meaning",
        "closeness in meaning says too little about Bob's gain to matter",
        "A tree of meanings is a usable first guess of which network to reuse.",
        "A tree of meanings does not tell which network to reuse.",
    ),
    "B1": Words(
        "In a deep linear network the error after training from scratch, and that after reuse, follow "
        "formulas.",
        "the simulated errors lie on the formulas",
        "the simulated errors miss the formulas by more than the margin",
        "What reuse will bring can be computed before anything is trained.",
        "Use the formulas only where the page shows that they fit.",
    ),
    "B2": Words(
        "Reuse helps when two tasks overlap strongly, most of all with few data. When they overlap weakly it "
        "can hurt.",
        "reuse helps at strong overlap, most of all with few data, and hurts at weak overlap",
        "at least one part is not found: help at strong overlap, most with few data, harm at weak overlap",
        "With few data and a close task, reuse. With a distant task, training from scratch may be better.",
        "Do not decide by overlap and number of data alone; see which part fails.",
    ),
    "B3": Words(
        "A source task learnt from few data, and ridge regularisation, change the gain as computed.",
        "the simulated errors after reuse lie on the computed ones",
        "the simulated errors after reuse miss the computed ones by more than the margin",
        "What a badly learnt source costs can be computed too.",
        "What a badly learnt source costs has to be simulated.",
    ),
    "B4": Words(
        "How far apart two sets of data lie does not tell whether reuse helps. How much their features "
        "overlap does.",
        "the gain follows the overlap of the features, and not the distance of the data",
        "the gain of one way of reuse changes with the units or the length of the source vector, or does not "
        "follow the overlap",
        "Do not pick a source by the distance between the data; ask whether its features can express your "
        "task.",
        "Overlap of the features alone does not settle whether reuse helps.",
    ),
    "B5": Words(
        "Networks of ReLUs gain from reuse as linear ones do where the features overlap strongly.",
        "reuse helps at high overlap, and its gain rises with the overlap and falls with the number of data",
        "reuse does not help at high overlap, or its gain does not follow the overlap and the number of data",
        "The advice from linear networks carries over to simple nonlinear ones.",
        "Do not carry the advice from linear networks over to nonlinear ones.",
    ),
    "C1": Words(
        "Fine-tuning a deep linear network ends where a conserved scale says, not where the published "
        "formula puts it.",
        "fine-tuning ends where the conserved scale says, and elsewhere than the published formula puts it",
        "fine-tuning does not end where the conserved scale says, or not apart from the published formula",
        "The scale of the weights you start from decides where fine-tuning ends.",
        "The scale of the weights is not what decides where fine-tuning ends.",
    ),
    "D1": Words(
        "The formulas of linear theory tell whether a real Bob gains from Alice, how much, and where to cut.",
        "linear theory tells the sign and the size of Bob's gain, and a better cut than any fixed one",
        "linear theory misses at least one of three: the sign of Bob's gain, its size, the best cut",
        "Measure how much of your task the features hold, and let the phase diagram choose the cut.",
        "Do not let the phase diagram choose the cut for you.",
    ),
    "D2": Words(
        "What a linear head finds in Alice's features, above what it finds in the pixels, tells the same.",
        "features less pixels tell the sign and the size of Bob's gain, and a better cut than any fixed one",
        "features less pixels miss at least one of three: the sign of Bob's gain, its size, the best cut",
        "Fit two ridge regressions, on features and on pixels, before you decide.",
        "Two ridge regressions, on features and on pixels, do not settle where to cut.",
    ),
}  # fmt: skip

# What the first screen tells, as far as it was run, the first `FIRST` of these: a claim, the part of it that
# is told (all that decides it, where that is ""), and the words for it.
FIRST = 5
HEADLINES = (
    (
        "A3",
        "better than chance",
        "Bob does better than guessing with Alice's network, though nothing about tasks and images is "
        "correlated",
        "Bob has no lead over guessing that matters when nothing about tasks and images is correlated",
    ),
    (
        "A3",
        "better than her network untrained",
        "Alice's training helps Bob: the same network untrained serves him less well",
        "Bob does no better with Alice's network than with the same network untrained",
    ),
    ("A2", "rises with rho", WORDS["A2"].holds, WORDS["A2"].fails),
    (
        "A4",
        "lower layers at rho = 0",
        "of Alice's layers the lower ones alone serve Bob better when the tasks have nothing in common",
        "lower layers have no lead that matters, even when the tasks have nothing in common",
    ),
    (
        "A4",
        "best number tells rho",
        "the best number of retrained layers tells how correlated the tasks are",
        "the best number of retrained layers does not tell how correlated the tasks are",
    ),
    (
        "A6",
        "ImageNet's network, over her untrained self",
        "a network that learnt ImageNet's classes serves Bob better than the same network untrained",
        "a network that learnt ImageNet's classes serves Bob no better than the same network untrained",
    ),
    ("B4", "", WORDS["B4"].holds, WORDS["B4"].fails),
    ("B2", "", WORDS["B2"].holds, WORDS["B2"].fails),
    (
        "A2",
        "gain over scratch rises with rho, Bob's pairs too",
        "Bob's gain over training from scratch rises with the correlation of the tasks, his own pairs too",
        "Bob's gain over training from scratch does not rise with the correlation by an amount that matters",
    ),
    (
        "A2",
        "rises with phi",
        "Bob does better the more the pixels of the two images correlate",
        "Bob does no better the more the pixels of the two images correlate",
    ),
)  # fmt: skip
# The words for a part of a claim.
PARTS = {what: Words("", holds, fails) for _, what, holds, fails in HEADLINES if what}
# A claim, and the part of its evidence whose effect stands beside its own.
BESIDE = ("A2", "rises with rho, Bob's pairs too")


@dataclass(frozen=True)
class Finding:
    """What was found with one verdict: on which image sets, in a sentence, and what that is good for.

    parts: what was found on each part, where the verdicts on these differ and every part has words.
    """

    verdict: str
    where: str
    sentence: str
    use: str = ""
    parts: "tuple[Finding, ...]" = ()


def words(claim: str) -> Words:
    """The words for a claim; its own text where nobody has written any."""
    return WORDS.get(claim, Words(registry.CLAIMS[claim].text))


def findings(claim: str) -> list[Finding]:
    """What was found on a claim, one `Finding` for each verdict on some of its image sets."""
    told, verdicts = words(claim), evidence.on_sets(claim)
    page = registry.CLAIMS[claim].page
    missing = (
        [name for name in evidence.sets(page) if name not in verdicts] if page in evidence.pages() else []
    )
    parts = evidence.judged(page).query("claim == @claim and decides")
    if parts.empty:
        missing = []
    return list(_grouped(parts, verdicts | dict.fromkeys(missing, evidence.NOT_RUN), told)) or [
        Finding(
            evidence.NOT_RUN,
            "",
            "The study that decides this has not been made yet: there is nothing to rely on.",
        )
    ]


def headlines() -> Iterator[tuple[str, str]]:
    """The page, and the sentences, of each finding of the first screen."""
    told = 0
    for claim, what, holds, fails in HEADLINES:
        table = evidence.judged(registry.CLAIMS[claim].page)
        parts = table[(table.claim == claim) & table.decides] if not what else table[table.what == what]
        run = parts[parts.verdict != evidence.NOT_RUN]
        verdicts = dict(zip(run.set, run.verdict)) if what else evidence.on_sets(claim)
        if verdicts and told < FIRST:
            told += 1
            groups = _grouped(parts, verdicts, Words("", holds, fails), intervals=False)
            sentences = [group.sentence for group in groups]
            sentences += [beside(claim, "+.2f")] if what == "rises with rho" else []
            yield registry.CLAIMS[claim].page, " ".join(filter(None, sentences))


def beside(claim: str, form: str = "+.3f", *, intervals: bool = False) -> str:
    """What `BESIDE` says beside the effect of its claim, in a sentence; "" for any other claim."""
    table = evidence.judged(registry.CLAIMS[claim].page)
    rows = table[(table.what == BESIDE[1]) & (table.verdict != evidence.NOT_RUN)]
    if claim != BESIDE[0] or rows.empty:
        return ""
    effects = [
        f"{stats.in_words(row[['mean', 'low', 'high'] if intervals else ['mean']], form)} "
        f"{PLACES.get(row.set, f'on {row.set}')}"
        for _, row in rows.iterrows()
    ]
    return (
        "All this is measured with Bob's own pairs at ρ = 0. Where they are as correlated as hers, the rise "
        f"is {listed(effects)}."
    )


def _grouped(
    parts: pd.DataFrame,
    verdicts: dict[str, str],
    told: Words,
    *,
    intervals: bool = True,
) -> Iterator[Finding]:
    """A `Finding` for each verdict among `verdicts` (by image set). parts: rows of `evidence.judged`."""
    open_question = f"it is undecided whether {told.holds}"
    for verdict in (verdict for verdict in MARKS if verdict in verdicts.values()):
        sets = [name for name, word in verdicts.items() if word == verdict]
        places = [PLACES.get(name, f"on {name}") for name in sets]
        effects = [_effect(parts[parts.set == name], verdict, intervals=intervals) for name in sets]
        last = effects.pop() if len(sets) == 1 else ""
        where = listed([place + effect for place, effect in zip(places, effects or [""])])
        sentence = {
            "holds": f"{where}, {told.holds}",
            "does not hold": f"{where}, {told.fails}",
            "undecided": f"{where}, {open_question}",
            evidence.NOT_RUN: f"not run yet {where}",
        }[verdict]
        open_question = "this is undecided"
        use = {"holds": told.if_holds, "does not hold": told.if_fails}.get(verdict, "")
        own = parts[parts.set.isin(sets)]
        each: list[Finding] = []
        if own.verdict.nunique() > 1 and set(own.what) <= set(PARTS):
            for what, rows in own.groupby("what", sort=False):
                each += _grouped(rows, dict(zip(rows.set, rows.verdict)), PARTS[str(what)])
        sentence = f"{sentence[0].upper()}{sentence[1:]}{last}."
        yield Finding(verdict, listed(places), sentence, use, tuple(each))


def _effect(parts: pd.DataFrame, verdict: str, *, intervals: bool) -> str:
    """The effect on one image set, in brackets; of several parts how many share the verdict, and the least.

    The others stand there with verdicts of their own, where they are few. Where many parts hold, none of them
    is named; without `intervals`, several parts have no effect.
    """
    if verdict == evidence.NOT_RUN or parts.empty or (len(parts) > 1 and not intervals):
        return ""
    alike = parts[parts.verdict == verdict]
    if len(parts) > 2 and verdict == "holds":
        return f" (all {len(parts)} parts)"
    least = alike.loc[alike["mean"].idxmin()]
    mean, low, high = least[["mean", "low", "high"]]
    effect = stats.in_words((mean, low, high)) if intervals else f"{mean:+.2f}"
    if len(parts) == 1:
        return f" ({effect})"
    fails = {"does not hold": "fails" if len(alike) == 1 else "fail"}.get(verdict, verdict)
    count = f"{counted(len(alike), 'part')} of {len(parts)} {fails}" if verdict != "holds" else "both parts"
    which = ":" if len(alike) == 1 else "; the least:"
    others = parts[(parts.verdict != verdict) & (len(parts) < 4)]
    rest = [f"; {what}: {other}" for what, other in zip(others.what, others.verdict)]
    return f" ({count}{which} {least.what}, {effect}{''.join(rest)})"


def listed(names: list[str]) -> str:
    """Names as a sentence lists them: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def counted(number: int, what: str) -> str:
    """A number of things: "1 minute", "2 minutes"."""
    return f"{number} {what}{'s' * (number != 1)}"


def mark(verdict: str, where: str = "", escape: Callable[[str], str] = html.escape) -> str:
    """A verdict, and where it was found, as HTML: a sign, a colour and the words."""
    return (
        f'<span class="rl-mark rl-{verdict.replace(" ", "-")}">'
        f'<span aria-hidden="true">{MARKS[verdict]}</span> '
        f"{escape(f'{verdict} {where}'.strip())}</span>"
    )


def marks(claim: str) -> str:
    """The verdicts on a claim in MyST, those of studies that are not run only where there is no other."""
    told = findings(claim)
    run = [one for one in told if one.verdict != evidence.NOT_RUN]
    return " ".join(mark(one.verdict, one.where, plain) for one in run) or mark(evidence.NOT_RUN)


def minutes(page: str) -> str:
    """How long a page took to run at the preset quick, in round words; "" where that was not timed."""
    seconds = kept.seconds("quick").get(page)
    if seconds is None:
        return ""
    return "less than a minute" if seconds < 50 else f"about {counted(round(seconds / 60), 'minute')}"


def plain(text: str) -> str:
    """`text` in one line of MyST that shows it as it is."""
    return re.sub(r"[!-/:-@[-`{-~]", r"\\\g<0>", " ".join(text.split()))
