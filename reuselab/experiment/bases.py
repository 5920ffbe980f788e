"""Image sets, all in one shape. The digits come with scikit-learn; the others lie in the folder REUSELAB_DATA."""

import hashlib
import os
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

from reuselab.check import known, shorten

TORCHVISION = {
    "mnist": "MNIST",
    "fashion": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "pets": "OxfordIIITPet",
}
NAMES = ("digits", "turned", *TORCHVISION, "pet_species", "openimages")
GROWING = ("pets", "pet_species", "openimages")  # may be here in part, and in another part tomorrow
SAME = {"pet_species": "pets", "turned": "digits"}  # the same images under other names
PET_BREEDS = 37
DIGITS_TEST = 500
SIDE = 64  # pixels: height and width of a photograph that comes in many sizes


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

    @cached_property
    def tone(self) -> tuple[float, float]:
        """Mean and standard deviation of all pixels in grey levels, every class equally likely, and every image of a class."""
        shares = torch.stack(
            [
                self.images[self.labels == k].flatten().bincount(minlength=256).double()
                for k in range(len(self.classes))
            ]
        )
        share, level = (shares / shares.sum(1, keepdim=True)).mean(0), torch.arange(256, dtype=torch.float64)
        grey = share @ level
        return grey.item(), (share @ level**2 - grey**2).sqrt().item()

    @cache
    def to(self, device: torch.device | str) -> "Base":
        """The same set on `device`, copied there once."""
        return Base(self.images.to(device), self.labels.to(device), self.classes)

    def resized(self, channels: int, size: tuple[int, int]) -> "Base":
        """The same images with `channels` channels (grey repeated) at height and width `size`, antialiased."""
        if self.images.shape[1:] == (channels, *size):
            return self
        images = self.images.expand(-1, channels, -1, -1)
        if images.shape[2:] != size:
            images = (
                F.interpolate(images.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
            )
        return Base(images.contiguous(), self.labels, self.classes)


def groups(task: str, classes: Iterable[str] | None = None) -> tuple[tuple[str, ...], ...]:
    """The groups of classes that a task tells apart: "dog,cat|automobile,truck" is (("dog", "cat"), ("automobile", "truck")).

    Raises ValueError, in one line, for fewer than two groups, an empty one, a class that comes twice, and, where `classes` are given,
    a class that is not among them.
    """
    parts = tuple(tuple(group.split(",")) for group in task.split("|"))
    names = list(chain(*parts))
    if len(parts) < 2:
        raise ValueError(
            f"a task tells two groups of classes or more apart, as 'dog|cat', not {shorten(task)}"
        )
    if not all(map(str.strip, names)):
        raise ValueError(f"task {shorten(task)} has an empty group or class")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"task {shorten(task)} has class {shorten(name)} twice")
        if classes is not None:
            known("class", name, classes)
    return parts


@cache
def load(name: str, split: str) -> Base:
    """The `split` ("train" or "test") of image set `name`; no image is in both.

    Raises ValueError for an unknown name and FileNotFoundError, in one line, for a set that is not there.
    """
    known("base", name, NAMES)
    known("split", split, ("train", "test"))
    if name in TORCHVISION:
        return _torchvision(name, split)
    if name == "pet_species":
        return _species(split)
    if name == "openimages":
        return _openimages(folder() / name)[split]
    digits = _digits(split)
    return (
        digits
        if name == "digits"
        else Base(digits.images.rot90(1, (2, 3)).contiguous(), digits.labels, digits.classes)
    )


def present(name: str) -> bool:
    """Whether image set `name` is at hand: both splits load, and of Oxford's pets all 37 breeds are there. Raises ValueError for an unknown name."""
    known("base", name, NAMES)
    try:
        if (
            name in ("pets", "pet_species")
            and len({label for part in _pet_lists().values() for label in part._labels}) < PET_BREEDS
        ):
            return False  # a sample, told before its photographs are read
        load(name, "train"), load(name, "test")
    except (OSError, RuntimeError, ValueError):
        return False
    return True


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


def square(path: Path, side: int = SIDE) -> Tensor:
    """The photograph in the file `path`, uint8 [3, side, side]: its largest central square, resized (bilinear, antialiased).

    Raises OSError where the file is missing, damaged, cut short or no image.
    """
    with Image.open(path) as image:
        image.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded no larger than is needed
        fitted = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)


def torchvision_class(name: str) -> type:
    """Torchvision's class for one of the image sets `TORCHVISION`, which knows where its files come from and what they are called."""
    from torchvision import datasets  # three seconds that the digits don't spend

    return getattr(datasets, TORCHVISION[name])


def _torchvision(name: str, split: str) -> Base:
    kind = torchvision_class(name)
    try:
        return (
            _pets(split)
            if name == "pets"
            else _arrays(kind(folder(), train=split == "train", download=False))
        )
    except Exception as error:
        raise FileNotFoundError(
            f"base {name} is not in {folder()} or is damaged ({type(error).__name__}): set REUSELAB_DATA to a folder "
            f"that holds torchvision's {kind.__name__}, or run reuselab data fetch {name}"
        ) from None


def _arrays(loaded: Any) -> Base:
    """Of one of torchvision's sets that keep all pixels in one array, grey [N, H, W] or colour [N, H, W, 3]."""
    pixels = torch.as_tensor(np.asarray(loaded.data))
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return Base(pixels.contiguous(), torch.as_tensor(loaded.targets), tuple(loaded.classes))


def _pets(split: str) -> Base:
    """Oxford's cats and dogs, uint8 [N, 3, 64, 64] by the rule of `square`; the official trainval is train, the official test is test.

    The classes are the breeds that the two lists name: 37, or fewer in a sample of the set.
    """
    parts = _pet_lists()
    breeds = {
        label: name for part in parts.values() for label, name in zip(sorted(set(part._labels)), part.classes)
    }
    position = {label: k for k, label in enumerate(sorted(breeds))}
    images = torch.stack([square(path) for path in parts[split]._images])
    return Base(
        images,
        torch.tensor([position[label] for label in parts[split]._labels]),
        tuple(breeds[label] for label in position),
    )


def _pet_lists() -> dict[str, Any]:
    """Torchvision's reading of the two official lists, no photograph read. Raises what torchvision does."""
    return {
        split: torchvision_class("pets")(folder(), part, download=False)
        for split, part in (("train", "trainval"), ("test", "test"))
    }


def _species(split: str) -> Base:
    """The photographs of the base "pets", labelled by the column of the set's own lists that tells cats from dogs."""
    pets, part = load("pets", split), _pet_lists()[split]
    return replace(
        pets, labels=torch.tensor(part._bin_labels), classes=tuple(map(str.lower, part.bin_classes))
    )


@cache
def _openimages(place: Path) -> dict[str, Base]:
    """Both splits of the subset in `place`: its classes with an image in each are the base's."""
    from reuselab.sources import openimages  # which imports this module

    try:
        return openimages.load(place)
    except Exception as error:
        raise FileNotFoundError(
            f"base openimages is not in {place} or is damaged ({type(error).__name__}: {error}): "
            "run reuselab data fetch openimages --classes 'Cat,Dog'"
        ) from None


def superclasses() -> tuple[Tensor, tuple[str, ...]]:
    """The 20 superclasses of CIFAR-100: that of each of its 100 classes, int64 [100], and their names.

    Raises FileNotFoundError, in one line, where the set is not there.
    """
    fine = load("cifar100", "train").labels
    kind = torchvision_class("cifar100")
    train, names = (
        pickle.loads((folder() / kind.base_folder / file).read_bytes(), encoding="latin1")
        for file in ("train", kind.meta["filename"])
    )
    coarse = torch.empty(int(fine.max()) + 1, dtype=torch.int64)
    coarse[fine] = torch.tensor(train["coarse_labels"])
    return coarse, tuple(names["coarse_label_names"])


@cache
def digest(name: str) -> str:
    """SHA-256 over both splits' pixels and labels: the identity of the data behind a page."""
    sha = hashlib.sha256()
    for split in ("train", "test"):
        base = load(name, split)
        sha.update(base.images.numpy().tobytes())
        sha.update(base.labels.numpy().tobytes())
    return sha.hexdigest()


@cache
def grown(name: str) -> str:
    """What of a set that may grow is here, as its `digest`; "" for any other set, and where nothing is."""
    try:
        return digest(name) if name in GROWING else ""
    except FileNotFoundError:
        return ""
