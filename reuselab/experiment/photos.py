"""Photographs shown singly, Bob's others than Alice's (Mohamud & Brink 2026, A6 and A7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reuselab.check import integer
from reuselab.experiment.bases import Base


@dataclass(frozen=True, eq=False)
class Photos:
    """Single images with a label each; `photos[i]` is a batch on the device where they lie.

    images: uint8 [n, C, H, W]. labels: int64 [n], the group of classes that each is of. index: int64 [n],
    which of the set each is.
    grey, contrast: `Base.tone` of the training split.
    """

    images: Tensor
    labels: Tensor
    index: Tensor
    grey: float
    contrast: float
    halves_along = None

    @property
    def alice_labels(self) -> Tensor:
        """The labels, for whoever has these photographs; `Pairs` has two of each."""
        return self.labels

    bob_labels = alice_labels

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def __getitem__(self, batch: Tensor | slice) -> Tensor:
        """Images as a network sees them, float32 [B, *shape]: less the mean grey, over the contrast."""
        return (self.images[batch].float() - self.grey) / self.contrast

    def to(self, device: torch.device | str) -> "Photos":
        """The same photographs with images and labels on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


def sample(
    train: Base,
    groups: Sequence[Sequence[int]],
    n: int,
    *,
    draw: Base | None = None,
    shape: tuple[int, tuple[int, int]] | None = None,
    last: bool = False,
    seed: int = 0,
) -> Photos:
    """`n` photographs, none twice, equally many of each group and of each class in it (to within one).

    train: the training split, whose grey and contrast count. draw: the split to draw from (default `train`).
    groups: class indices.
    shape: channels and size that the photographs are brought to (default: their own, see `Base.resized`).
    seed: puts the photographs of each class in an order; they are taken from its beginning or, with `last`,
    from its end, so that Alice's and Bob's are different ones. Raises ValueError, in one line, where a class
    has too few.
    """
    integer(1, 100_000_000)("n", n)
    base = draw or train
    parts = []
    for own, count in zip(groups, _shares(n, len(groups))):
        for k, few in zip(own, _shares(count, len(own))):
            order = _order(base, k, seed)
            if few > len(order):
                raise ValueError(
                    f"{few:,} photographs of {base.classes[k]} are asked for, but there are {len(order):,}"
                )
            parts.append(order[len(order) - few :] if last else order[:few])
    index = torch.cat(parts)
    labels = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(_shares(n, len(groups))))
    shown = Base(base.images[index], labels, base.classes)
    return Photos((shown.resized(*shape) if shape else shown).images, labels, index, *train.tone)


def _shares(n: int, parts: int) -> list[int]:
    """`n` divided as equally as can be."""
    return [n // parts + (i < n % parts) for i in range(parts)]


def _order(base: Base, k: int, seed: int) -> Tensor:
    """The images of class `k` in the order of `seed`, int64."""
    order, start = base.by_class
    own = order[start[k] : start[k + 1]]
    return own[torch.from_numpy(np.random.default_rng([seed, k]).permutation(len(own)))]
