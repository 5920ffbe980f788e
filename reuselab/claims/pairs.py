"""Does the generator couple labels and pixels as its closed forms say? Every claim on pairs rests on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chisquare, norm

from reuselab.check import integer
from reuselab.claims import coupling
from reuselab.claims.parameters import check_cells, check_draws, rules
from reuselab.experiment import pairs
from reuselab.experiment.bases import Base
from reuselab.stats import by_sign, in_words, interval

ABOUT = (
    "Join two images into one. Alice's label belongs to the left image, Bob's to the right. How much their "
    "tasks have in common is then a number that we set, from 0 to 1, and no matter of opinion."
)
LEVEL = 0.01
LEAST_DRAWS = 1000  # pairs, for a correlation of pixels to be nearly normal
MEASURED = 5  # pixels, which take memory, are measured on one of so many draws
FEWEST = 5  # expected counts in a cell of a chi-square

RULES = rules(
    "base",
    "bob_base",
    "rhos",
    "phis",
    "network",
    "bob_pairs",
    "bob_epochs",
    "test_pairs",
    "seeds",
    "first_seed",
) | {"draws": integer(1000, 10_000_000)}


def check(values: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be together: ValueError or FileNotFoundError, in one line."""
    check_cells(values)
    base = values["base"]
    check_draws(values["draws"], MEASURED * LEAST_DRAWS, base, values["bob_base"] or base, measured=MEASURED)


def label_laws(train: tuple[Base, Base], rhos: Sequence[float], draws: int) -> pd.DataFrame:
    """Closed forms of the labels' law beside `draws` drawn pairs, a row for each rho.

    Columns: rho; V, bits and ceiling, each also as drawn; chi-square p, of the counts against `pairs.joint`.
    """
    return pd.DataFrame([_label_law(train, rho, draws) for rho in rhos])


def _label_law(train: tuple[Base, Base], rho: float, draws: int) -> dict[str, float]:
    classes = len(train[0].classes)
    law = pairs.joint(classes, rho)
    sample = pairs.sample(train, draws, law, seed=0)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (sample.alice_labels.numpy(), sample.bob_labels.numpy()), 1)
    measures = {"V": pairs.cramers_v, "bits": pairs.mutual_information, "ceiling": pairs.ceiling}
    row = {"rho": rho}
    for name, measure in measures.items():
        row |= {name: measure(law), f"{name} drawn": measure(counts / draws)}
    return row | {"chi-square p": _chi_square(counts, law * draws)}


def _chi_square(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """p of `counts` against what is expected; cells of which few are expected count as one, or not at all."""
    common = expected >= FEWEST
    rest = [cells[~common].sum() for cells in (counts, expected)]
    observed, law = counts[common], expected[common]
    if rest[1] >= FEWEST:
        observed, law = (np.append(cells, more) for cells, more in zip((observed, law), rest))
    return float(chisquare(observed, law * observed.sum() / law.sum()).pvalue)


def pixel_laws(
    train: tuple[Base, Base], rhos: Sequence[float], phis: Sequence[float], draws: int
) -> pd.DataFrame:
    """Correlation of facing pixels beside its closed form: columns rho, phi, theory, measured, error.

    A row for each setting, measured on `draws` pairs, and each pixel that varies often enough
    (`coupling.varying`). For rho above 0 the closed form holds only where both halves come from one image
    set.
    """
    varies = coupling.varying(train)
    between = train[0].moments[2].flatten().numpy()[varies]
    laws = []
    for rho in rhos:
        for phi in phis:
            sample = pairs.sample(train, draws, pairs.joint(len(train[0].classes), rho), phi=phi, seed=0)
            measured, error = coupling.facing(sample, varies)
            theory = pairs.pixel_correlation(rho, phi, between)
            columns = {"rho": rho, "phi": phi, "theory": theory, "measured": measured, "error": error}
            laws.append(pd.DataFrame(columns))
    return pd.concat(laws)


@dataclass(frozen=True)
class Agreement:
    """How far the worst of several measurements is from its law, the bound it must keep, and the verdict."""

    worst: float
    bound: float
    verdict: str


def judge_labels(laws: pd.DataFrame) -> Agreement:
    """The least p of `label_laws` against 1 % over all rho (Bonferroni): holds if it is above."""
    least, level = laws["chi-square p"].min(), LEVEL / len(laws)
    return Agreement(float(least), level, "holds" if least > level else "does not hold")


def judge_pixels(laws: pd.DataFrame) -> Agreement:
    """The largest distance of `pixel_laws` in standard errors against 1 % over all rows: holds if below.

    Undecided where no pixel varies.
    """
    if laws.empty:
        return Agreement(0.0, 0.0, "undecided")
    distance = float(((laws.measured - laws.theory) / laws.error).abs().max())
    bound = float(norm.isf(LEVEL / 2 / len(laws)))
    return Agreement(distance, bound, "holds" if distance < bound else "does not hold")


def verdicts(of_labels: Agreement, of_pixels: Agreement) -> pd.DataFrame:
    """Both agreements as a table, what was tested and the verdict first."""
    rows = {
        "labels follow their law": (of_labels, "least p"),
        "pixels correlate as derived": (of_pixels, "largest distance, standard errors"),
    }
    return pd.DataFrame(
        {"what": what, "verdict": one.verdict, "measure": measure, "worst": one.worst, "bound": one.bound}
        for what, (one, measure) in rows.items()
    )


def answers(train: tuple[Base, Base], laws: pd.DataFrame, draws: int, alone: pd.DataFrame) -> dict[str, str]:
    """What the page's questions get for an answer; laws: of `label_laws`, alone: of three learners."""
    few = _label_law(train, 0.0, 1000)["V drawn"]
    share = float(train[0].moments[2].max())
    both = float(pairs.pixel_correlation(0.5, 0.3, share))
    none = laws[laws.rho == laws.rho.min()].iloc[0]
    return {
        "chance": (
            f"V is {few:.3f} with 1,000 pairs. With {draws:,} it is {none['V drawn']:.3f} at ρ = "
            f"{none.rho:g}, where the law says {round(none.V, 9):g}."
        ),
        "adds": (
            f"By {both:.2f}, for the pixel that tells the class best (η² = {share:.2f}). The labels alone "
            f"give {0.5 * share:.2f}, the mixing alone 0.3."
        ),
        "ghost": _ghost(alone),
    }


def _ghost(alone: pd.DataFrame) -> str:
    """What the highest phi does to a Bob from scratch at the lowest rho, paired by seed."""
    rows = alone[(alone.method == "scratch") & (alone.rho == alone.rho.min())]
    curves = rows.pivot_table("bob_accuracy", "seed", "phi")
    highest = curves.columns.max()
    if highest <= 0:
        return "This run has no φ above 0."
    change = interval(curves[highest] - curves[0.0])
    said = by_sign(change, "It helps", "It hurts", "This run does not tell")
    return f"{said}: from φ = 0 to {highest:g} his accuracy from scratch changes by {in_words(change)}."
