"""How two halves are coupled, measured on drawn pairs: facing pixels, and tests that nothing couples them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reuselab.experiment.bases import Base
from reuselab.experiment.pairs import Pairs, match


def varying(train: tuple[Base, Base], least: float = 0.05) -> NDArray[np.bool_]:
    """Pixels whose sums are nearly normal in both halves, bool [C H W].

    Their kurtosis is at most that of an event with probability `least`: of a yes or no it is 1 / (p (1 - p))
    - 3. A pixel that is dark but for one image in a hundred has no normal error.
    """
    most = 1 / (least * (1 - least)) - 3
    first, second = (
        stats.kurtosis(half.images.flatten(1).double().numpy(), fisher=False) <= most
        for half in match(*train)
    )
    return first & second


def facing(sample: Pairs, pixels: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation of the two halves at each of `pixels`, and its standard error (delta method).

    pixels: bool [C H W], as from `varying`; both results have one number for each pixel that counts.
    """
    halves = (half.flatten(1).double().numpy()[:, pixels] for half in sample.halves(slice(None)))
    z1, z2 = ((z - z.mean(0)) / z.std(0) for z in halves)
    influence = z1 * z2 - (z1 * z2).mean(0) * (z1**2 + z2**2) / 2
    return (z1 * z2).mean(0), influence.std(0) / np.sqrt(len(sample))


def independence(
    sample: Pairs, train: tuple[Base, Base], level: float = 0.01, repairings: int = 199
) -> pd.DataFrame:
    """Four tests that the halves of `sample`, drawn at rho = phi = 0, are independent, a row each.

    Labels: chi-square of their counts against independence. The others: the largest coupling over all pixels
    of `varying`, against its law when the same halves are paired at random anew, `repairings` times; exact,
    however rare a pixel's events are.
    """
    pixels = varying(train)
    z1, z2 = (half.flatten(1).numpy()[:, pixels] for half in sample.halves(slice(None)))
    z1, z2 = ((z - z.mean(0)) / np.maximum(z.std(0), 1e-9) for z in (z1, z2))
    a, b = (
        np.eye(int(labels.max()) + 1, dtype=np.float32)[labels.numpy()]
        for labels in (sample.alice_labels, sample.bob_labels)
    )

    def largest(order: NDArray[np.int64]) -> list[float]:
        return [
            np.abs(np.einsum("np,np->p", z1, z2[order])).max() / len(order),
            np.sqrt(_between(z2[order], a).max()),
            np.sqrt(_between(z1, b[order]).max()),
        ]

    rng, n = np.random.default_rng(0), len(sample)
    drawn = largest(np.arange(n))
    repaired = np.array([largest(rng.permutation(n)) for _ in range(repairings)])
    counts = a.T @ b
    chance = stats.chisquare(counts.ravel().astype(float))
    cramers_v = np.sqrt(chance.statistic / n / (min(counts.shape) - 1))
    names = "facing pixels", "her label and his pixels", "his label and her pixels"
    rows = [("her label and his", cramers_v, chance.pvalue)]
    rows += [
        (name, value, (1 + (anew >= value).sum()) / (1 + repairings))
        for name, value, anew in zip(names, drawn, repaired.T)
    ]
    table = pd.DataFrame(rows, columns=["what", "largest coupling", "p"])
    return table.assign(verdict=np.where(table.p > level, "independent", "dependent"))


def _between(z: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of each standardised pixel's variance that lies between the classes, [pixels].

    z: float32 [n, pixels]; labels: one-hot [n, K].
    """
    count = labels.sum(0)
    return ((labels.T @ z) ** 2 / np.maximum(count, 1)[:, None]).sum(0) / len(z)
