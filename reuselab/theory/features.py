"""How much of a target lies in a source's features: measures on arrays, from few labelled images.

features: float [n, D], a row an image. labels: int [n], from 0; as a target they are one-hot. What predicts
is never judged on the images that it was fitted to. In the words of `linear`: of a target of length 1 in the
space of the inputs, the features' span holds cos(theta), and linear transfer ends at the risk sin^2(theta).
ValueError, in one line, for what cannot be.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from reuselab.check import integer
from reuselab.experiment.train import PENALTIES

FOLDS = 5
Array = NDArray[np.float64]


class Overlap(NamedTuple):
    """cos(theta) of a target with the `rank` leading directions of the features, the best such number."""

    cosine: float
    rank: int


def one_hot(labels: ArrayLike, classes: int | None = None) -> Array:
    """Labels as a target, float [n, classes]; classes: how many, one more than the highest label for None."""
    numbers = np.asarray(labels)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not len(numbers) or numbers.min() < 0:
        raise ValueError("labels must be a list of whole numbers from 0 up")
    integer(int(numbers.max()) + 1, 10**6)("classes", numbers.max() + 1 if classes is None else classes)
    return np.eye(int(numbers.max()) + 1 if classes is None else classes)[numbers]


def r2(
    features: ArrayLike,
    labels: ArrayLike,
    new_features: ArrayLike | None = None,
    new_labels: ArrayLike | None = None,
    folds: int = FOLDS,
) -> float:
    """Share of the labels' variance that a ridge regression on the features tells of held-out images.

    Of new images where they are given, else of each of `folds` parts by the rest. The regression is that of
    `train.solve`: standardised features, and the penalty with the least leave-one-out error. No feature of a
    held-out image counts as lying outside what the images of the fit span: one that is all but constant on
    few images would, once standardised, carry the answer anywhere. At most 1; about 0 or below where the
    features tell nothing. One share over all classes, each by its variance.
    """
    x, y = _checked(features, labels)
    if new_features is not None and new_labels is not None:
        new_x, new_y = _checked(new_features, new_labels, y.shape[1])
        return float(r2_score(new_y, _within(x, y, new_x), multioutput="variance_weighted"))
    told = np.empty_like(y)
    for fit, held in _parts(len(x), folds):
        told[held] = _within(x[fit], y[fit], x[held])
    return float(r2_score(y, told, multioutput="variance_weighted"))


def _within(x: Array, y: Array, new_x: Array) -> Array:
    """What `ridge` gives for new images whose features are held within the range of the fit's."""
    return ridge(x, y, new_x.clip(x.min(0), x.max(0)))


def ridge(features: Array, targets: Array, new_features: Array) -> Array:
    """What the ridge regression of `r2`, fitted to `targets` [n, K], gives for new images, float [m, K]."""
    scaler = StandardScaler().fit(features)
    fitted = RidgeCV(PENALTIES).fit(scaler.transform(features), targets)
    return fitted.predict(scaler.transform(new_features))


def overlap(features: ArrayLike, labels: ArrayLike, folds: int = FOLDS) -> Overlap:
    """The effective cos(theta) of the labels with the best rank-r space of the features, and that r.

    The space of rank r is spanned by the features' r leading principal directions: no label has chosen it, as
    no target chose beta_source. In it the labels are fitted by least squares, and 1 - cos^2(theta) is the
    squared error on held-out images over that of their mean. So sin^2(theta) is what `linear` calls the risk
    of linear transfer from r features at this n, the labels' noise and what the fit costs included; with many
    images it falls to the share of the target outside the space. Which r is best for a part of the images the
    other parts say. Features that tell nothing have cos(theta) about 0, also where they outnumber the images.
    """
    x, y = _checked(features, labels)
    parts = list(_parts(len(x), folds))
    most = min(len(fit) for fit, _ in parts) - 2
    errors = np.stack([_errors(x[fit], y[fit], x[held], y[held], most) for fit, held in parts])
    others = errors.sum(0) - errors
    judged = errors[np.arange(len(parts)), others.argmin(1)].sum()
    return Overlap(float(np.sqrt(max(0.0, 1 - judged / errors[:, 0].sum()))), int(errors.sum(0).argmin()))


def _errors(x: Array, y: Array, new_x: Array, new_y: Array, most: int) -> Array:
    """Squared error on new images of least squares in 0, 1, ... `most` principal directions of x, [most + 1].

    From where x has no further direction, the error stays.
    """
    centre, mean = x.mean(0), y.mean(0)
    values, directions = _directions(x - centre, most)
    weights = directions.T @ (x - centre).T @ (y - mean) / values[:, None]
    steps = ((new_x - centre) @ directions)[:, :, None] * weights
    left = np.concatenate([np.zeros_like(new_y)[:, None], steps.cumsum(1)], axis=1) + (mean - new_y)[:, None]
    errors = (left**2).sum((0, 2))
    return np.pad(errors, (0, most + 1 - len(errors)), mode="edge")


def _directions(x: Array, most: int) -> tuple[Array, Array]:
    """Eigenvalues [r] of x^T x that are not 0, the largest first, at most `most`, and eigenvectors [D, r]."""
    wide = len(x) <= x.shape[1]
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = np.flatnonzero(values > 1e-10 * max(values[-1], 1e-300))[::-1][:most]
    values, vectors = values[kept], vectors[:, kept]
    return values, x.T @ vectors / np.sqrt(values) if wide else vectors


def cka(first: ArrayLike, second: ArrayLike) -> float:
    """Linear centred kernel alignment of two features of the same images, [n, D] and [n, E], from 0 to 1.

    |X^T Y|^2 / (|X^T X| |Y^T Y|) of centred features, in Frobenius norms (Kornblith and others 2019). Turning
    either of them, or scaling it, leaves it as it is. 0 for features that are the same for every image.
    """
    x, y = (_matrix(one) - _matrix(one).mean(0) for one in (first, second))
    if len(x) != len(y):
        raise ValueError(f"features of {len(x)} and of {len(y)} images cannot be compared")
    grams = [one @ one.T for one in (x, y)]
    lengths = np.prod([np.linalg.norm(gram) for gram in grams])
    return float((grams[0] * grams[1]).sum() / lengths) if lengths > 0 else 0.0


def alignment(features: ArrayLike, labels: ArrayLike) -> float:
    """Centred alignment of the features' linear kernel with the labels', 0 to 1 (Cortes and others 2012).

    It is `cka` with the one-hot labels: nothing is fitted, so nothing is held out.
    """
    return cka(*_checked(features, labels))


def norm(features: ArrayLike) -> float:
    """Root mean square over the images of how far their features lie from the mean of all."""
    x = _matrix(features)
    return float(np.sqrt(((x - x.mean(0)) ** 2).sum(1).mean()))


def _matrix(features: ArrayLike) -> Array:
    x = np.asarray(features, dtype=float)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError("features must be a table of finite numbers, a row an image")
    return x


def _checked(features: ArrayLike, labels: ArrayLike, classes: int | None = None) -> tuple[Array, Array]:
    """Features and one-hot labels of the same images."""
    x, y = _matrix(features), one_hot(labels, classes)
    if len(x) != len(y):
        raise ValueError(f"features of {len(x)} images do not go with {len(y)} labels")
    return x, y


def _parts(n: int, folds: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(the other images, each part's images), dealt out by one fixed shuffle."""
    integer(2, n // 3)("folds", folds)
    return KFold(folds, shuffle=True, random_state=0).split(np.arange(n))
