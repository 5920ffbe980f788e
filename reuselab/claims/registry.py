"""Every claim, what would have refuted it, and how a run of its page reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reuselab.check import choice, known

KEPT = "kept"  # begins the preset of a verdict that comes from a reference run
VERDICTS = ("holds", "holds in part", "does not hold", "undecided")
A, B, OURS = "Mohamud & Brink 2026", "Tahir, Ganguli & Rotskoff 2025", "ours"


@dataclass(frozen=True)
class Claim:
    """A claim in our words, who makes it, and the page that tests it.

    refuted: what in the evidence (see `evidence`) would refute it, in words; the tests themselves, where
    there are any yet, stand in `DECISIONS` of the page's module and were written down before the runs.
    rule: how a single run of the page, which decides nothing, is read.
    """

    source: str
    page: str
    text: str
    refuted: str
    rule: str


CLAIMS = {
    "A1": Claim(
        A,
        "shallow",
        "In shallow models Alice takes in Bob's features as they correlate with hers; his accuracy rises "
        "with that correlation, and a new last layer uses even a weak one, most of all if it is global, and "
        "can flip its sign.",
        "limits of her weights missed by .05, an accuracy off 1/2 by .01 where the model is useless, "
        "a rise, loss or gain smaller than .01 to .05 where one is claimed",
        "one test for each part, at 1 %: limits of her weights, trend, useless at 0, hurt below 0, weakest "
        "alpha, sign, global over pairwise; residuals like noise; an interval that includes its zero leaves "
        "a part undecided",
    ),
    "A2": Claim(
        A,
        "task_correlation",
        "Bob's accuracy rises monotonically with the correlation of his task and Alice's.",
        "with Bob's own pairs uncorrelated, a rise of his accuracy from rho = 0 to .75 of less than .02",
        "Page's trend test p < 0.01 and no falling step, for every number of retrained blocks below all; "
        "an interval of the rise below zero does not hold, what is neither is undecided",
    ),
    "A3": Claim(
        A,
        "zero_correlation",
        "With task and inputs uncorrelated with Alice's, Bob still does significantly better than random.",
        "a lead over chance, or over the network that Alice began with, of less than .02",
        "Bob's paired lead over chance and over a random network above zero at every cut (Bonferroni over "
        "cuts at 5 %)",
    ),
    "A4": Claim(
        A,
        "layers",
        "With little correlation it is preferable to reuse only lower layers, and the best number of "
        "retrained layers is indicative of the correlation.",
        "at rho = 0 a lead of lower layers over upper ones of less than .02, or a best number of "
        "layers that falls with rho by a rank correlation weaker than .3",
        "at the lowest rho, cuts in the lower half beat cuts in the upper half; the best number of blocks "
        "falls with rho (p < 0.01) and tells it better than chance",
    ),
    "A5": Claim(
        f"{OURS}, after {A}",
        "attribution",
        "Attribution shows where Bob's success comes from: with correlated tasks he leans on Alice's half; "
        "the more blocks he retrains, the more on his own. (The paper uses attribution to see where "
        "transfer comes from; the sentence is ours.)",
        "a share of integrated gradients on the predicted half that rises by less than .05, or one "
        "that ranks Bobs as the loss of a half does with a correlation weaker than .3",
        "for each method whose shares rank Bobs as the loss of a half does: Page's trend p < 0.01 and no "
        "falling step, with k at the least rho and with rho for every k in between; an interval of the rise "
        "below zero does not hold, what is neither is undecided",
    ),
    "A6": Claim(
        A,
        "dogs_and_cats",
        "Bob reuses Alice's dog-or-cat network effectively if his task is semantically correlated with hers.",
        "a lead over the same network untrained that rises by less than .05 from tasks far in meaning to "
        "near ones, the same classes left out",
        "Page's trend test p < 0.01 and no falling step of his lead over a random network, from vehicles to "
        "the same classes, for one Alice and for one Bob; on other animals and the same classes that lead, "
        "and the one over scratch, above zero; an interval below zero does not hold, what is neither is "
        "undecided",
    ),
    "A7": Claim(
        A,
        "open_images",
        "The same on classes of Open Images: Bob reuses Alice's network effectively if his classes are "
        "semantically related to hers.",
        "a rank correlation of his gain with nearness in meaning, over tasks that share no class, "
        "weaker than .1",
        "over all pairs of tasks, and over those that share no class, his gain over a random network rises "
        "with Wu and Palmer's similarity (Spearman above 0, Mantel's test permuting classes, p < 0.01); a "
        "fall by the same test does not hold, what is neither is undecided",
    ),
    "B1": Claim(
        B,
        "deep_linear",
        "In a deep linear network the risks of training from scratch and of linear transfer follow closed "
        "forms.",
        "a simulated risk that lies away from its formula by more than 5 % in some setting",
        "largest distance of a simulated mean from its formula, in standard errors, below the Bonferroni "
        "bound at 1 %; undecided with fewer than 100 draws",
    ),
    "B2": Claim(
        B,
        "phase_diagram",
        "With strong overlap linear transfer and fine-tuning help, most of all with little data; with weak "
        "overlap both can hurt.",
        "at strong overlap a gain of less than .02, or one that does not shrink with data by .05; at "
        "weak overlap no loss of .05",
        "intervals of simulated gains at 1 % (Bonferroni): above zero at strong overlap and more so with "
        "less data, below zero somewhere at weak overlap; on the other side it does not hold, across zero "
        "it is undecided",
    ),
    "B3": Claim(
        B,
        "phase_diagram",
        "A source task learnt from a finite sample, and ridge regularisation, change the gain as computed.",
        "a simulated risk of linear transfer that lies away from the exact one by more than .01 in some "
        "setting",
        "largest distance of a simulated mean from the exact one at finite d, in standard errors, over "
        "source samples and ridges below the Bonferroni bound at 1 %; undecided with fewer than 100 draws",
    ),
    "B4": Claim(
        B,
        "phase_diagram",
        "Distances between the data distributions do not predict whether transfer helps; the overlap of the "
        "features does.",
        "a gain that moves by more than .01 with the units or the source's length, or falls by less "
        "than .05 with the angle at one Kullback-Leibler distance",
        "linear transfer and fine-tuning, simulated: sweeps of the units and of the source vector's length "
        "leave the gain as it is, and at one Kullback-Leibler distance it falls as the angle widens "
        "(intervals at 1 %)",
    ),
    "B5": Claim(
        B,
        "nonlinear",
        "Nonlinear (ReLU) networks show the same.",
        "a gain that rises by less than .05 with overlap or falls by less than .05 with data, or one "
        "of less than .05 at the highest overlap and fewest data",
        "gain rises with measured overlap and falls with data (Page's trend test, p < 0.01), and its "
        "interval lies above zero at the highest overlap and least data (below zero: does not hold; across "
        "it: undecided)",
    ),
    "C1": Claim(
        OURS,
        "deep_linear",
        "Fine-tuning a deep linear network ends where the scale conserved by gradient flow says, not at the "
        "published c = 1.",
        "descent that ends away from the flow form by more than .01, or nowhere away from c = 1 by .05",
        "gradient descent within the Bonferroni bound at 1 % of the flow form in every setting, and outside "
        "that of c = 1 in some; undecided where it is within both",
    ),
    "D1": Claim(
        OURS,
        "luck_explained",
        "The second paper's phase diagram tells what the first paper's Bob gains over training from scratch. "
        "It tells sign, size and best cut. It needs no more than n / d and how much of his task lies in "
        "Alice's features.",
        "a sign told right hardly more often (.05) than by one fixed answer, a rank correlation with his "
        "gain weaker than .3, or a cut less than .01 better than the best fixed one",
        "intervals over seeds of the lead in signs, of the rank correlation and of the lead at the chosen "
        "cut above zero; one below does not hold, across zero is undecided",
    ),
    "D2": Claim(
        OURS,
        "luck_explained",
        "The same holds where scratch is measured. What counts is how much more of Bob's task a ridge "
        "regression finds in Alice's features than in the pixels.",
        "the same",
        "the same",
    ),
}


def row(
    claim: str, verdict: str, effect: str, preset: str, images: str = "none", *, few: str = ""
) -> dict[str, Any]:
    """What a page found on `claim`: verdict, effect (with its interval, in words), what it was judged on.

    few: what a test had too little of (see `stats.few`), told before the effect where the verdict is
    undecided. Raises ValueError for an unknown claim or verdict.
    """
    known("claim", claim, CLAIMS)
    choice(*VERDICTS)("verdict", verdict)
    if few and verdict == "undecided":
        effect = f"undecided: {few}; {effect}"
    return {"claim": claim, "verdict": verdict, "effect": effect, "preset": preset, "images": images}


def runs(folder: Path) -> pd.DataFrame:
    """What the executed pages in `folder` found on every claim: claim, verdict ("not run"), effect, rule.

    What a page took from a run that is kept says so after its effect.
    """
    claims = pd.DataFrame({"claim": key, "rule": claim.rule} for key, claim in CLAIMS.items())
    no_verdicts = pd.DataFrame(columns=["claim", "verdict", "effect", "preset", "images"])
    paths = [folder / f"{page}_claims.csv" for page in sorted({claim.page for claim in CLAIMS.values()})]
    page_verdicts = [pd.read_csv(path) for path in paths if path.exists()]
    verdicts = pd.concat([no_verdicts, *page_verdicts])
    board = claims.merge(verdicts, on="claim", how="left").fillna({"verdict": "not run"}).fillna("")
    from_kept_run = board.preset.str.startswith(KEPT)
    board.loc[from_kept_run, "effect"] += " (" + board.preset[from_kept_run] + ")"
    return board[["claim", "verdict", "effect", "rule"]]
