"""Small image sets in their published formats, and every kind of change to them that makes rows stale."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import image_id, jpeg, lay, lay_mnist, made_files, pet_files
from torchvision.datasets import CIFAR10

from reuselab.sources import openimages

Change = Callable[[Path, pytest.MonkeyPatch], Any]


def lay_cifar(root: Path, patch: pytest.MonkeyPatch) -> None:
    """CIFAR-10, ten random images a file, their checksums in place of the published ones."""
    (root / CIFAR10.base_folder).mkdir()
    rng = np.random.default_rng(0)
    train = [f"data_batch_{i}" for i in range(1, 6)]
    images = {
        name: {"data": rng.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": [*range(10)]}
        for name in (*train, "test_batch")
    }
    for name, content in (images | {"batches.meta": {"label_names": [*"abcdefghij"]}}).items():
        (root / CIFAR10.base_folder / name).write_bytes(pickle.dumps(content))
    patch.setattr(CIFAR10, "train_list", [[name, _md5(root, name)] for name in train])
    patch.setattr(CIFAR10, "test_list", [["test_batch", _md5(root, "test_batch")]])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": _md5(root, "batches.meta")})


def _lay_pets(root: Path, _: pytest.MonkeyPatch) -> None:
    images, lists = pet_files()
    lay(root / "oxford-iiit-pet", images | lists)


# A few made images of each set, laid into the folder of all sets.
LAY: dict[str, Change] = {
    "mnist": lambda root, _: lay_mnist(root / "MNIST/raw"),
    "cifar10": lay_cifar,
    "pets": _lay_pets,
    "pet_species": _lay_pets,
    "openimages": lambda root, _: lay(root / "openimages", made_files()),
}


def _md5(root: Path, name: str) -> str:
    return hashlib.md5((root / CIFAR10.base_folder / name).read_bytes()).hexdigest()


def cifar(name: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Changes what is in a file of CIFAR-10; the published checksums follow."""

    def apply(root: Path, patch: pytest.MonkeyPatch) -> None:
        path = root / CIFAR10.base_folder / name
        content = pickle.loads(path.read_bytes())
        change(content)
        path.write_bytes(pickle.dumps(content))
        for files in ("train_list", "test_list"):
            patch.setattr(CIFAR10, files, [[file, _md5(root, file)] for file, _ in getattr(CIFAR10, files)])
        patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": _md5(root, "batches.meta")})

    return apply


def flip(file: str, place: int) -> Change:
    """Flips the lowest bit of a byte."""

    def apply(root: Path, _: pytest.MonkeyPatch) -> None:
        content = bytearray((root / file).read_bytes())
        content[place] ^= 1
        (root / file).write_bytes(content)

    return apply


def text(file: str, old: str, new: str) -> Change:
    """Changes a file of text."""

    def apply(root: Path, _: pytest.MonkeyPatch) -> None:
        content = (root / file).read_text()
        assert old in content
        (root / file).write_text(content.replace(old, new, 1))

    return apply


def image(file: str, seed: int = 99) -> Change:
    """Another photograph, or one more."""
    return lambda root, _: (root / file).write_bytes(jpeg(seed=seed))


def both(*changes: Change) -> Change:
    return lambda root, patch: [change(root, patch) for change in changes]


RAW, PETS, OPEN = "MNIST/raw/", "oxford-iiit-pet/", "openimages/"
DOG = f"{OPEN}train/{image_id('train', 'Dog', 0)}.jpg"
TRAIN_LABELS = OPEN + openimages.LABELS.format("train")

# By image set and what is changed. All digits of MNIST keep a class that its reader names.
CHANGES: dict[tuple[str, str], Change] = {
    ("mnist", "an image replaced"): flip(RAW + "train-images-idx3-ubyte", -1),
    ("mnist", "a test image replaced"): flip(RAW + "t10k-images-idx3-ubyte", -1),
    ("mnist", "a label replaced"): flip(RAW + "train-labels-idx1-ubyte", -1),
    ("mnist", "images added"): lambda root, _: lay_mnist(root / RAW, (21, 10)),
    ("mnist", "images removed"): lambda root, _: lay_mnist(root / RAW, (19, 10)),
    ("cifar10", "an image replaced"): cifar("data_batch_3", lambda batch: batch["data"].__ixor__(1)),
    ("cifar10", "a label replaced"): cifar("test_batch", lambda batch: batch["labels"].reverse()),
    ("cifar10", "an image removed"): cifar(
        "data_batch_5", lambda batch: batch.update(data=batch["data"][1:], labels=batch["labels"][1:])
    ),
    ("cifar10", "a class renamed"): cifar("batches.meta", lambda meta: meta["label_names"].reverse()),
    ("pets", "an image replaced"): image(PETS + "images/pug_0.jpg"),
    ("pets", "an image added"): both(
        image(PETS + "images/pug_5.jpg"),
        text(PETS + "annotations/trainval.txt", "pug_0", "pug_5 3 2 1\npug_0"),
    ),
    ("pets", "an image removed"): text(PETS + "annotations/trainval.txt", "pug_0 3 2 1\n", ""),
    ("pets", "a label replaced"): text(PETS + "annotations/test.txt", "pug_10 3 2", "pug_10 1 1"),
    ("pet_species", "a label replaced"): text(PETS + "annotations/test.txt", "pug_10 3 2", "pug_10 3 1"),
    ("openimages", "an image replaced"): image(DOG),
    ("openimages", "an image added"): both(
        image(OPEN + "train/00.jpg"),
        lambda root, _: (root / TRAIN_LABELS).open("a").write("00,verification,/m/d,1\n"),
    ),
    ("openimages", "an image removed"): lambda root, _: (root / DOG).unlink(),
    ("openimages", "a label replaced"): text(TRAIN_LABELS, "/m/d,1", "/m/c,1"),
    ("openimages", "a label removed"): text(TRAIN_LABELS, "/m/d,1", "/m/d,0"),
    ("openimages", "a class renamed"): text(OPEN + openimages.CLASSES, "Dog", "Hound"),
}


def move_otters(root: Path, _: pytest.MonkeyPatch) -> None:
    """Puts a class into another place of the label tree: no image, label or class name is another."""
    path = root / OPEN / openimages.HIERARCHY
    top = json.loads(path.read_text())
    top["Subcategory"][0]["Subcategory"].reverse()
    top["Subcategory"][1]["Subcategory"].append({"LabelName": "/m/d"})
    path.write_text(json.dumps(top))
