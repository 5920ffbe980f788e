"""Open Images (Kuznetsova et al. 2020): photographs of 601 classes that a tree of kinds joins.

Files lie as the official page lays them:

    class-descriptions-boxable.csv                         label id, class name
    bbox_labels_600_hierarchy.json                         which class is a kind of which
    train-annotations-human-imagelabels-boxable.csv        ImageID, Source, LabelName, Confidence: by people
    validation-annotations-human-imagelabels-boxable.csv
    train/ImageID.jpg, validation/ImageID.jpg              photographs
    subset.json, images.md5                                ours: images asked for, checksums of what came

An image belongs to one of the classes asked for when people confirmed that label in it (Confidence 1) and no
other of these classes. A label counts for itself only: a picture of an Eagle is one of a Bird only where
people said so. What is damaged, missing, unknown or empty is said in one line each in the log "reuselab",
counted, and left out.
"""

import csv
import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from reuselab.check import Failed, known, nearest, shorten
from reuselab.places import regular
from reuselab.sources.download import Damaged, Gone, download, note_sums, part_of, read_sums, whole
from reuselab.sources.readers import SIDE, Arrays, Splits, TooLarge, square

METADATA = "https://storage.googleapis.com/openimages"
IMAGES = "https://open-images-dataset.s3.amazonaws.com"
CLASSES = "class-descriptions-boxable.csv"
HIERARCHY = "bbox_labels_600_hierarchy.json"
LABELS = "{}-annotations-human-imagelabels-boxable.csv"
PARTS = {"train": "train", "test": "validation"}  # our splits, and the official ones
SUBSET, SUMS = "subset.json", "images.md5"
ID = re.compile(r"[\w-]{1,100}")  # of an image: its file lies in the folder of its part and nowhere else
KINDS = ("wu-palmer", "path")
CONNECTIONS = 8

log = logging.getLogger("reuselab")


class Losses(Counter):
    """How many of each kind were left out; each is also said in one line."""

    def add(self, kind: str, line: str) -> None:
        self[kind] += 1
        log.warning(line)

    def __str__(self) -> str:
        return ", ".join(f"{kind}: {count:,}" for kind, count in self.items())


# Classes and the tree of kinds.


@dataclass(frozen=True, eq=False)
class Tree:
    """Classes under one root. parents: of each label id, the classes it is a kind of (several for some);
    names: of each label id.
    """

    root: str
    parents: dict[str, tuple[str, ...]]
    names: dict[str, str]

    def label(self, name: str) -> str:
        """The label id of a class, given by name or by id.

        Raises ValueError, with the nearest name, for one that is not in the tree.
        """
        ids = {title: label for label, title in self.names.items()}
        label = ids.get(name, name)
        if label not in self.parents:
            raise ValueError(f"no class {shorten(name)} in the hierarchy{nearest(name, ids)}")
        return label

    @cache  # noqa: B019
    def above(self, label: str) -> dict[str, int]:
        """Every class that `label` is a kind of, itself too, and the least number of steps up to it."""
        steps = {label: 0}
        for lower in (queue := [label]):  # breadth first, so the first way found is the shortest
            for upper in self.parents[lower]:
                if upper not in steps:
                    steps[upper] = steps[lower] + 1
                    queue.append(upper)
        return steps

    def depth(self, label: str) -> int:
        """Number of classes on the shortest way from the root to `label`: the root has depth 1."""
        return self.above(label)[self.root] + 1


def class_names(path: Path) -> dict[str, str]:
    """Class name of each label id, from the file `class-descriptions-boxable.csv`, with or without its later
    header.
    """
    with open(regular(path), newline="", encoding="utf-8") as file:
        return {row[0]: row[1] for row in csv.reader(file) if len(row) > 1 and row[0] != "LabelName"}


def _json(path: Path) -> Any:
    return json.loads(regular(path).read_text(encoding="utf-8"))


def hierarchy(folder: Path) -> Tree:
    """The tree of kinds in a folder of the official layout.

    Raises FileNotFoundError, in one line, where it is not there or damaged.

    Some classes have several places (a Tomato is a Fruit and a Vegetable; Kitchen utensil stands with all its
    kinds under Kitchenware and under Tool): such a class has several parents here, each once. "Part" (a wheel
    is part of a car, and no kind of car) is not followed.
    """
    folder = Path(folder)
    try:
        top = _json(folder / HIERARCHY)
        names = class_names(folder / CLASSES)
        parents: dict[str, dict[str, None]] = {top["LabelName"]: {}}
        for node in (queue := [top]):
            for child in node.get("Subcategory", ()):
                parents.setdefault(child["LabelName"], {})[node["LabelName"]] = None
                queue.append(child)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileNotFoundError(
            f"{folder} holds no hierarchy of Open Images or a damaged one ({type(error).__name__}): "
            f"it needs {HIERARCHY} and {CLASSES}"
        ) from None
    return Tree(
        top["LabelName"],
        {label: tuple(above) for label, above in parents.items()},
        {top["LabelName"]: "Entity"} | names,
    )


def similarity(tree: Tree, one: str, other: str, kind: str = "wu-palmer") -> float:
    """How near two classes (names or label ids) are in the tree: from above 0 to 1, and 1 only for a class
    and itself.

    With c running over the classes that both are a kind of, and s and t the steps from each up to c:
    wu-palmer (Wu and Palmer 1994): 2 d(c) / (s + t + 2 d(c)), d being `Tree.depth`; in a tree proper that is
    2 d(c) / (d(one) + d(other)).
    path: 1 / (1 + s + t). Where classes have several places, the c that makes them most similar counts.
    Raises ValueError for an unknown class or kind.
    """
    known("similarity", kind, KINDS)
    first, second = (tree.above(tree.label(name)) for name in (one, other))
    ways = ((first[c] + second[c], 2 * tree.depth(c)) for c in first.keys() & second.keys())
    return max(twice / (steps + twice) if kind == "wu-palmer" else 1 / (1 + steps) for steps, twice in ways)


def similarities(tree: Tree, classes: Sequence[str], kind: str = "wu-palmer") -> np.ndarray:
    """`similarity` of every two of K classes, float64 [K, K]."""
    return np.array([[similarity(tree, one, other, kind) for other in classes] for one in classes])


# Which images.


def chosen(folder: Path, part: str, labels: Sequence[str], most: int | None = None) -> dict[str, list[str]]:
    """For each of the label ids `labels`, the ids of its images in the official `part` ("train" or
    "validation"), at most `most`.

    Ids are in the order of their SHA-256, so that they are the same on every machine, and fewer are the
    beginning of more. Raises FileNotFoundError, in one line, where the label file is not there or damaged.
    """
    path = folder / LABELS.format(part)
    try:
        rows = pd.concat(
            block[block.LabelName.isin(labels) & (block.Confidence == 1)]
            for block in pd.read_csv(
                regular(path),
                usecols=["ImageID", "LabelName", "Confidence"],
                dtype={"ImageID": str},
                chunksize=10**6,
            )
        )
        _plain(rows.ImageID)
    except (OSError, ValueError, AttributeError) as error:
        raise FileNotFoundError(
            f"{path} is not there or damaged ({type(error).__name__}): "
            "it needs the columns ImageID, LabelName, Confidence"
        ) from None
    rows = rows[["ImageID", "LabelName"]].drop_duplicates()
    rows = rows[~rows.ImageID.duplicated(keep=False)]
    groups = rows.groupby("LabelName").ImageID
    return {
        label: sorted(groups.get_group(label), key=lambda image: hashlib.sha256(image.encode()).digest())[
            :most
        ]
        if label in groups.groups
        else []
        for label in labels
    }


def _known_labels(names: dict[str, str], classes: Sequence[str], losses: Losses) -> list[str]:
    """The label ids of those of `classes` that exist, each once."""
    ids = {title: label for label, title in names.items()}
    labels: dict[str, None] = {}
    for name in classes:
        if name in ids:
            labels[ids[name]] = None
        else:
            losses.add("unknown classes", f"no class {shorten(name)} in Open Images{nearest(name, ids)}")
    return list(labels)


def _asked(
    folder: Path, names: dict[str, str], classes: Sequence[str] | None, losses: Losses
) -> dict[str, dict[str, list[str]]]:
    """The image ids of each class in each official part; classes that have none in one of the parts are left
    out of both.
    """
    if classes is None and (folder / SUBSET).exists():
        subset = _json(folder / SUBSET)
        lists = {part: subset[part] for part in PARTS.values()}
        _plain(image for labels in lists.values() for ids in labels.values() for image in ids)
    else:
        labels = list(names) if classes is None else _known_labels(names, classes, losses)
        lists = {part: chosen(folder, part, labels) for part in PARTS.values()}
    return _without_empty(lists, names, losses)


def _plain(ids: Iterable[Any]) -> None:
    """ValueError for what is no id of an image, as a path that leads elsewhere."""
    for image in ids:
        if not ID.fullmatch(str(image)):
            raise ValueError(f"no image can be called {shorten(image)}")


def _without_empty(
    lists: dict[str, dict[str, list[Any]]], names: dict[str, str], losses: Losses
) -> dict[str, dict[str, list[Any]]]:
    empty = {label: [part for part, ids in lists.items() if not ids[label]] for label in lists["train"]}
    for label, parts in empty.items():
        if parts:
            losses.add(
                "empty classes", f"class {names.get(label, label)} has no image in {' and in '.join(parts)}"
            )
    return {
        part: {label: images for label, images in ids.items() if not empty[label]}
        for part, ids in lists.items()
    }


# Loading.


def load(folder: Path, classes: Sequence[str] | None = None, side: int = SIDE) -> Splits:
    """The images of `classes` in a folder of the official layout: {"train": ..., "test": ...}, test being the
    official validation.

    Images are uint8 [N, 3, side, side] by the rule of `square`; classes are names, in the order given.
    Without `classes` it is the subset that was fetched, else every class that has images. Unknown classes,
    missing and damaged images, and classes left without an image in one of the splits are said, counted and
    left out. Raises FileNotFoundError, in one line, where nothing remains or the official files are not
    there.
    """
    folder, losses = Path(folder), Losses()
    try:
        names = class_names(folder / CLASSES)
    except OSError as error:
        raise FileNotFoundError(f"{folder} holds no Open Images: {CLASSES}: {error.strerror}") from None
    lists = _asked(folder, names, classes, losses)
    read = {
        part: {label: _read(folder / part, ids, side, losses) for label, ids in labels.items()}
        for part, labels in lists.items()
    }
    had = _without_empty(read, names, losses)
    if losses:
        log.warning(f"Open Images in {folder}: {losses}; the rest is used")
    if not had["train"]:
        raise FileNotFoundError(
            f"no image of the classes asked for is in {folder}" + (f": {losses}" if losses else "")
        )
    return {split: _base(had[part], names) for split, part in PARTS.items()}


def _read(folder: Path, ids: Sequence[str], side: int, losses: Losses) -> list[torch.Tensor]:
    images = []
    for path in (folder / f"{image}.jpg" for image in ids):
        try:
            images.append(square(path, side))
        except FileNotFoundError:
            losses.add("missing images", f"image {path} is missing")
        except TooLarge as error:
            losses.add("too large images", f"image {error}")
        except Exception as error:  # whatever a decoder makes of damaged bytes
            losses.add("damaged images", f"image {path} is damaged ({type(error).__name__})")
    return images


def _base(images: dict[str, list[torch.Tensor]], names: dict[str, str]) -> Arrays:
    counts = torch.tensor([len(own) for own in images.values()])
    return Arrays(
        torch.stack([image for own in images.values() for image in own]),
        torch.repeat_interleave(torch.arange(len(counts)), counts),
        tuple(names.get(label, label) for label in images),
    )


# Fetching.


def fetch(folder: Path, classes: Sequence[str], most: int) -> str:
    """Fetch a bounded subset into `folder`: of each of `classes` (names), at most `most` images of the
    official train, and of validation.

    Class names, hierarchy and labels come first (some 400 MB, once), then the images that `chosen` names,
    each whole or not at all; those that are here stay. Returns one line with what is here now. An image that
    the server lacks or sends damaged, an unknown and an empty class are said, counted and left out. Raises
    ValueError where no class of that name exists, Failed where the connection or the disk gives out; the same
    call goes on from there.
    """
    folder, losses = Path(folder), Losses()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (CLASSES, HIERARCHY):
            _metadata(folder, f"2018_04/{name}")
        names = class_names(folder / CLASSES)
        labels = _known_labels(names, classes, losses)
        if not labels:
            raise ValueError(
                "none of the classes asked for is in Open Images: " + ", ".join(map(shorten, classes))
            )
        for part in PARTS.values():
            _metadata(folder, f"v5/{LABELS.format(part)}")
        lists = _without_empty(
            {part: chosen(folder, part, labels, most) for part in PARTS.values()}, names, losses
        )
        if not lists["train"]:
            raise Failed("no image to fetch: each of the classes is empty")
        _replace(folder / SUBSET, json.dumps(lists, indent=0))
        wanted = [
            f"{part}/{image}.jpg"
            for part, labels in lists.items()
            for ids in labels.values()
            for image in ids
        ]
        here = read_sums(folder / SUMS)
        _images(
            folder,
            [file for file in wanted if not (file in here and whole(folder / file, here[file]))],
            losses,
        )
    except OSError as error:
        raise Failed(f"cannot write into {folder}: {error.strerror or error}") from None
    had = sum((folder / file).exists() for file in wanted)
    return f"{had:,} of {len(wanted):,} images of {', '.join(names[label] for label in lists['train'])}" + (
        f"; {losses}" if losses else ""
    )


def _metadata(folder: Path, address: str) -> None:
    """A file of labels or names, unless it is there: `download` names a file only when it is whole."""
    path = folder / address.rpartition("/")[2]
    if not path.exists():
        download([f"{METADATA}/{address}"], path)


def _images(folder: Path, files: list[str], losses: Losses) -> None:
    """Download `files`, several at a time, and note the checksum of each that is whole."""
    for part in PARTS.values():
        (folder / part).mkdir(exist_ok=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        tasks = {
            pool.submit(download, [f"{IMAGES}/{file}"], folder / file, progress=False): file for file in files
        }
        try:
            for task in tqdm(as_completed(tasks), total=len(tasks), unit=" images", disable=None):
                try:
                    task.result()
                except (Gone, Damaged) as lost:
                    losses.add("missing images" if isinstance(lost, Gone) else "damaged images", str(lost))
                else:
                    note_sums(folder / SUMS, [folder / tasks[task]])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _replace(path: Path, text: str) -> None:
    part = part_of(path)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def faults(folder: Path) -> Iterator[str]:
    """What keeps the subset in `folder` from being whole, a few words each."""
    for name in (CLASSES, HIERARCHY, *(LABELS.format(part) for part in PARTS.values()), SUBSET):
        if not (folder / name).exists():
            yield f"{name} is missing"
    if not (folder / SUBSET).exists():
        return
    lists, sums = _json(folder / SUBSET), read_sums(folder / SUMS)
    for part in PARTS.values():
        for file in (f"{part}/{image}.jpg" for ids in lists[part].values() for image in ids):
            if not (file in sums and whole(folder / file, sums[file])):
                yield f"{file} is {'damaged' if (folder / file).exists() else 'missing'}"
