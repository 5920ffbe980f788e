"""How image sets are read: their files, in their published form, to arrays of one shape."""

import math
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from reuselab.places import regular

PET_BREEDS, PET_LISTS = 37, {"train": "trainval", "test": "test"}
DIGITS_TEST = 500
SIDE = 64  # pixels: height and width of a photograph that comes in many sizes
PIXELS = 50_000_000  # of a photograph; a file of 20 kB can claim more, and take gigabytes to decode
# What Oxford's and Open Images' photographs are, whatever their names end in; Pillow opens 40 more, and for
# some of them begins another program.
FORMATS = ("JPEG", "PNG", "GIF", "BMP")


class TooLarge(OSError):
    """A photograph of more than `PIXELS`."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """One split. images: uint8 [N, C, H, W]. labels: int64 [N], from 0. classes: their names."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]


Splits = dict[str, Arrays]  # "train" and "test"; no image is in both


def square(path: Path, side: int = SIDE) -> Tensor:
    """The photograph in the file `path`, uint8 [3, side, side]: its largest central square, resized.

    Raises OSError where the file is missing, damaged, cut short or no image, and TooLarge, before anything is
    decoded, where it has more than `PIXELS`.
    """
    with _opened(path) as image:
        image.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded no larger than is needed
        fitted = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            image = Image.open(regular(path), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise TooLarge(f"{path} has more than {PIXELS:,} pixels") from None
    if math.prod(image.size) > PIXELS:
        image.close()
        raise TooLarge(f"{path} has more than {PIXELS:,} pixels")
    return image


def digits(root: Path) -> Splits:
    """Scikit-learn's handwritten digits (Alpaydin and Kaynak 1998), 1,297 + 500 images of 8 x 8 pixels."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(np.arange(len(labels)), test_size=DIGITS_TEST, stratify=labels, random_state=0)
    pixels = torch.from_numpy(np.rint(images.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8))
    classes = tuple("0123456789")
    return {
        split: Arrays(pixels[part], torch.from_numpy(labels[part]), classes)
        for split, part in zip(("train", "test"), parts)
    }


def turned(splits: Splits) -> Splits:
    """The same images a quarter turn to the left: the same classes in other features."""
    return {
        split: replace(part, images=part.images.rot90(1, (2, 3)).contiguous())
        for split, part in splits.items()
    }


def torchvision_class(kind: str) -> Any:
    """Torchvision's class of that name, which knows a set's files and where they come from."""
    from torchvision import datasets  # three seconds that the digits don't spend

    return getattr(datasets, kind)


def torchvision_arrays(kind: str) -> Callable[[Path], Splits]:
    """The reader of a set of torchvision's that keeps all pixels in one array, grey or colour."""

    def read(root: Path) -> Splits:
        return {
            split: _arrays(torchvision_class(kind)(root, train=split == "train", download=False))
            for split in ("train", "test")
        }

    return read


def _arrays(loaded: Any) -> Arrays:
    """From grey [N, H, W] or colour [N, H, W, 3]."""
    pixels = torch.as_tensor(np.asarray(loaded.data))
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return Arrays(pixels.contiguous(), torch.as_tensor(loaded.targets), tuple(loaded.classes))


def superclasses(root: Path) -> tuple[Tensor, tuple[str, ...]]:
    """The 20 superclasses of CIFAR-100: that of each of its 100 classes, int64 [100], and their names."""
    kind = torchvision_class("CIFAR100")
    train, names = (
        pickle.loads((root / kind.base_folder / file).read_bytes(), encoding="latin1")
        for file in ("train", kind.meta["filename"])
    )
    coarse = torch.empty(max(train["fine_labels"]) + 1, dtype=torch.int64)
    coarse[torch.tensor(train["fine_labels"])] = torch.tensor(train["coarse_labels"])
    return coarse, tuple(names["coarse_label_names"])


def pets(root: Path) -> Splits:
    """Oxford's cats and dogs by breed, uint8 [N, 3, 64, 64]; the official trainval is train, the official
    test is test.

    The classes are the breeds that the two lists name: 37, or fewer in a sample of the set.
    """
    lists = pet_lists(root)
    names = {
        label: name for part in lists.values() for label, name in zip(sorted(set(part._labels)), part.classes)
    }
    order = sorted(names)
    classes = tuple(names[label] for label in order)
    return {
        split: Arrays(
            torch.stack([square(path) for path in part._images]),
            torch.tensor([order.index(label) for label in part._labels]),
            classes,
        )
        for split, part in lists.items()
    }


def species(root: Path, splits: Splits) -> Splits:
    """The photographs of the pets, labelled by the column of the set's lists that tells cats from dogs."""
    return {
        split: replace(
            splits[split],
            labels=torch.tensor(part._bin_labels),
            classes=tuple(map(str.lower, part.bin_classes)),
        )
        for split, part in pet_lists(root).items()
    }


def pet_lists(root: Path) -> dict[str, Any]:
    """Torchvision's reading of the two official lists, no photograph read. Raises what torchvision does."""
    for part in PET_LISTS.values():
        regular(root / "oxford-iiit-pet" / "annotations" / f"{part}.txt")
    return {
        split: torchvision_class("OxfordIIITPet")(root, part, download=False)
        for split, part in PET_LISTS.items()
    }


def all_breeds(root: Path) -> bool:
    """Whether the pets' lists name all 37 breeds; a sample of the set names fewer."""
    return len({label for part in pet_lists(root).values() for label in part._labels}) >= PET_BREEDS
