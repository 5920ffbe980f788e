"""The generator: joined images, labels on the first and on the second (Mohamud & Brink 2026, A2).

Two knobs couple the halves. rho couples the labels, phi the pixels; at rho = phi = 0 they are independent.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import entropy
from torch import Tensor

from reuselab.check import integer, known, number
from reuselab.experiment.bases import Base

RHO = number(0, 1)
PHI = number(-1, 1)
LAYOUTS = ("beside", "stacked")


def joint(classes: int, rho: float) -> NDArray[np.float64]:
    """P(a, b) = (1 - rho) / K^2 + rho [a = b] / K, [K, K]: both marginals uniform, Cramer's V exactly rho."""
    integer(1, 100_000)("classes", classes)
    RHO("rho", rho)
    return np.full((classes, classes), (1 - rho) / classes**2) + rho * np.eye(classes) / classes


def checked_joint(matrix: ArrayLike) -> NDArray[np.float64]:
    """`matrix` as a joint distribution [K_a, K_b]; ValueError unless it is non-negative and sums to 1."""
    try:
        p = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        p = np.empty(0)
    if p.ndim != 2 or not np.isfinite(p).all() or (p < 0).any() or abs(p.sum() - 1) > 1e-9:
        raise ValueError("a joint distribution must be a matrix of probabilities that sum to 1")
    return p / p.sum()


def cramers_v(p: ArrayLike) -> float:
    """Cramer's V of a joint distribution [K_a, K_b], 0 (independent) to 1 (one label tells the other)."""
    table = checked_joint(p)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    if min(table.shape) < 2:
        return 0.0
    independent = np.outer(table.sum(1), table.sum(0))
    return float(np.sqrt(((table - independent) ** 2 / independent).sum() / (min(table.shape) - 1)))


def mutual_information(p: ArrayLike) -> float:
    """Mutual information of the two labels, in bits: H(a) + H(b) - H(a, b)."""
    p = checked_joint(p)
    return float(max(0.0, entropy(p.sum(1), base=2) + entropy(p.sum(0), base=2) - entropy(p.ravel(), base=2)))


def ceiling(p: ArrayLike) -> float:
    """The best accuracy of a Bob who sees Alice's label alone: sum over a of max over b of P(a, b).

    For `joint(K, rho)` that is rho + (1 - rho) / K.
    """
    return float(checked_joint(p).max(1).sum())


def mixing(phi: float) -> tuple[float, float]:
    """(u, v) with u^2 + v^2 = 1 and 2 u v = phi: the symmetric square root of [[1, phi], [phi, 1]]."""
    PHI("phi", phi)
    plus, minus = np.sqrt(1 + phi), np.sqrt(1 - phi)
    return float(plus + minus) / 2, float(plus - minus) / 2


def pixel_correlation(rho: ArrayLike, phi: ArrayLike, share: ArrayLike) -> NDArray[np.float64]:
    """Correlation of two facing pixels, (phi + rho share) / (1 + phi rho share); arrays broadcast.

    share: the between-class share of the pixel's variance (`Base.moments`), for two halves of one image set.
    At rho = 0 this is phi, whatever the sets.
    """
    phi, shared = np.asarray(phi), np.asarray(rho) * np.asarray(share)
    return (phi + shared) / (1 + phi * shared)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Indices of image pairs; `pairs[i]` joins a batch on the device where the images lie.

    first, second: one split of each half's image set, in the same shape.
    index: int32 [n, 2], Alice's image and Bob's image.
    statistics: mean and standard deviation of each half's pixels, float32 [2, 2, C, H, W] (half, moment).
    """

    first: Base
    second: Base
    index: Tensor
    phi: float
    layout: str
    swap: bool
    statistics: Tensor

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a joined image."""
        c, h, w = self.first.images.shape[1:]
        return (c, h, 2 * w) if self.layout == "beside" else (c, 2 * h, w)

    @property
    def halves_along(self) -> int:
        """The dimension of a batch [B, C, H, W] along which the two halves are joined."""
        return 3 if self.layout == "beside" else 2

    @property
    def alice_labels(self) -> Tensor:
        """Alice's labels, int64 [n]."""
        return self.first.labels[self.index[:, 0].long()]

    @property
    def bob_labels(self) -> Tensor:
        """Bob's labels, int64 [n]."""
        return self.second.labels[self.index[:, 1].long()]

    def halves(self, batch: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Alice's and Bob's halves, pixels mixed by phi, in grey levels, float32 [B, C, H, W] each."""
        index = self.index[batch].long()
        first, second = self.first.images[index[:, 0]].float(), self.second.images[index[:, 1]].float()
        if self.phi == 0:
            return first, second
        (m1, s1), (m2, s2) = self.statistics
        z1 = torch.where(s1 > 0, (first - m1) / s1, 0)
        z2 = torch.where(s2 > 0, (second - m2) / s2, 0)
        u, v = mixing(self.phi)
        return m1 + s1 * (u * z1 + v * z2), m2 + s2 * (v * z1 + u * z2)

    def __getitem__(self, batch: Tensor | slice) -> Tensor:
        """Joined images as a network sees them, float32 [B, *shape]: halves less mean grey, over contrast."""
        halves = [
            (x - mean.mean()) / (std.square().mean() + mean.var(correction=0)).sqrt()
            for x, (mean, std) in zip(self.halves(batch), self.statistics)
        ]
        return torch.cat(halves[::-1] if self.swap else halves, dim=self.halves_along)

    def to(self, device: torch.device | str) -> "Pairs":
        """The same pairs with images, labels and indices on `device`."""
        return Pairs(
            self.first.to(device),
            self.second.to(device),
            self.index.to(device),
            self.phi,
            self.layout,
            self.swap,
            self.statistics.to(device),
        )


def match(first: Base, second: Base) -> tuple[Base, Base]:
    """Both image sets in one shape (see `common`)."""
    shape = common(first, second)
    return first.resized(*shape), second.resized(*shape)


def common(first: Base, second: Base) -> tuple[int, tuple[int, int]]:
    """Channels and size that two image sets share: the larger height and width, colour if either has it."""
    channels, height, width = map(max, first.images.shape[1:], second.images.shape[1:])
    return channels, (height, width)


def sample(
    train: tuple[Base, Base],
    n: int,
    labels: ArrayLike,
    *,
    draw: tuple[Base, Base] | None = None,
    phi: float = 0.0,
    layout: str = "beside",
    swap: bool = False,
    seed: int | np.random.SeedSequence = 0,
) -> Pairs:
    """Draw `n` pairs: labels from the joint distribution, images of each class uniformly, with replacement.

    train: the training split of Alice's half and of Bob's half; pixel statistics come from here.
    labels: joint distribution [K_a, K_b] of the two labels, for example `joint(K, rho)`.
    draw: the split to draw from (default `train`); layout: "beside" or "stacked"; swap: Bob's half comes
    first. Raises ValueError when the distribution does not fit the image sets or an argument is out of range.
    """
    integer(1, 100_000_000)("n", n)
    PHI("phi", phi)
    known("layout", layout, LAYOUTS)
    p = checked_joint(labels)
    first, second = draw or train
    if p.shape != (len(first.classes), len(second.classes)):
        raise ValueError(
            f"the joint distribution is {p.shape[0]} x {p.shape[1]}, "
            f"but the image sets have {len(first.classes)} and {len(second.classes)} classes"
        )
    rng = np.random.default_rng(seed)
    a, b = np.divmod(rng.choice(p.size, size=n, p=p.ravel()), p.shape[1])
    index = torch.stack([_images_of(first, a, rng), _images_of(second, b, rng)], dim=1).to(torch.int32)
    statistics = torch.stack([torch.stack(base.moments[:2]) for base in match(*train)])
    return Pairs(*match(first, second), index, float(phi), layout, swap, statistics)


def _images_of(base: Base, labels: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """For each label an image index of that class, uniformly, int64 [n]."""
    order, start = base.by_class
    low, high = start[:-1][labels], start[1:][labels]
    if (low == high).any():
        raise ValueError(f"class {base.classes[int(labels[(low == high).numpy()][0])]} has no images to draw")
    return order[torch.from_numpy(rng.integers(low.numpy(), high.numpy()))]
