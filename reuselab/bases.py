"""Image sets, all in one shape. The digits come with scikit-learn; the others lie in the folder REUSELAB_DATA."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

from reuselab.check import known

TORCHVISION = {"mnist": "MNIST", "fashion": "FashionMNIST", "cifar10": "CIFAR10"}
NAMES = ("digits", "turned", *TORCHVISION)
DIGITS_TEST = 500


@dataclass(frozen=True, eq=False)
class Base:
    """One split of an image set.

    images: uint8 [N, C, H, W]. labels: int64 [N], from 0 to len(classes) - 1. classes: their names.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    @cached_property
    def by_class(self) -> tuple[Tensor, Tensor]:
        """Image indices sorted by label, int64 [N], and where each class begins in them, int64 [K + 1]."""
        order = torch.argsort(self.labels, stable=True)
        counts = torch.bincount(self.labels, minlength=len(self.classes))
        return order, torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, standard deviation and between-class share of the variance of each pixel, float32 [C, H, W].

        Under the generator's law: every class equally likely, every image of a class equally likely.
        The share is the squared correlation ratio, var(E[x | class]) / var(x), and 0 where a pixel is constant.
        """
        by_class = (self.images[self.labels == k].double() for k in range(len(self.classes)))
        means, variances = map(torch.stack, zip(*((x.mean(0), x.var(0, correction=0)) for x in by_class)))
        within = variances.mean(0)
        between = means.var(0, correction=0)
        variance = within + between
        share = torch.where(variance > 0, between / variance, 0)
        return means.mean(0).float(), variance.sqrt().float(), share.float()

    def resized(self, channels: int, size: tuple[int, int]) -> "Base":
        """The same images with `channels` channels (grey repeated) at height and width `size`, antialiased."""
        if self.images.shape[1:] == (channels, *size):
            return self
        images = self.images.expand(-1, channels, -1, -1)
        if images.shape[2:] != size:
            images = F.interpolate(images.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
        return Base(images.contiguous(), self.labels, self.classes)


@cache
def load(name: str, split: str) -> Base:
    """The `split` ("train" or "test") of image set `name`; no image is in both.

    Raises ValueError for an unknown name and FileNotFoundError, in one line, for a set that is not there.
    """
    known("base", name, NAMES)
    known("split", split, ("train", "test"))
    if name in TORCHVISION:
        return _torchvision(name, split)
    digits = _digits(split)
    return digits if name == "digits" else Base(digits.images.rot90(1, (2, 3)).contiguous(), digits.labels, digits.classes)


def _digits(split: str) -> Base:
    """Scikit-learn's handwritten digits (Alpaydin and Kaynak 1998), 1,297 + 500 images of 8 x 8 pixels.

    The base "turned" is the same images a quarter turn to the left: the same classes in other features.
    """
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(np.arange(len(labels)), test_size=DIGITS_TEST, stratify=labels, random_state=0)
    part = parts[("train", "test").index(split)]
    pixels = np.rint(images[part].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    return Base(torch.from_numpy(pixels), torch.from_numpy(labels[part]), tuple("0123456789"))


def folder() -> Path:
    """The folder of image sets: REUSELAB_DATA, or `data` in the working directory."""
    return Path(os.environ.get("REUSELAB_DATA") or "data").expanduser()


def _torchvision(name: str, split: str) -> Base:
    from torchvision import datasets  # three seconds that the digits don't spend
    kind = getattr(datasets, TORCHVISION[name])
    try:
        loaded = kind(folder(), train=split == "train", download=False)
    except Exception as error:
        raise FileNotFoundError(f"base {name} is not in {folder()} or is damaged ({type(error).__name__}): "
                                f"set REUSELAB_DATA to a folder that holds torchvision's {kind.__name__}") from None
    pixels = torch.as_tensor(np.asarray(loaded.data))
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return Base(pixels.contiguous(), torch.as_tensor(loaded.targets), tuple(loaded.classes))


@cache
def digest(name: str) -> str:
    """SHA-256 over both splits' pixels and labels: the identity of the data behind a page."""
    sha = hashlib.sha256()
    for split in ("train", "test"):
        base = load(name, split)
        sha.update(base.images.numpy().tobytes())
        sha.update(base.labels.numpy().tobytes())
    return sha.hexdigest()
