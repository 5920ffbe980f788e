"""The image sets that can be fetched: where they come from, under which terms, and whether what is here is whole."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torchvision.datasets.mnist import read_image_file, read_label_file
from torchvision.datasets.utils import extract_archive

from reuselab.check import Failed, known
from reuselab.experiment.bases import TORCHVISION, folder, torchvision_class
from reuselab.sources import openimages
from reuselab.sources.download import download, note_sums, part_of, read_sums, whole

MNIST = {"train": 60_000, "t10k": 10_000}  # images, as published
PETS = {"trainval": 3680, "test": 3669}
SUMS = "reuselab.md5"


@dataclass(frozen=True)
class Set:
    """An image set's full name, licence, size of its download, and its place in the folder of image sets."""

    title: str
    licence: str
    size: str
    place: str


SETS = {
    "mnist": Set("MNIST", "CC BY-SA 3.0 according to Keras", "12 MB", "MNIST/raw"),
    "fashion": Set("Fashion-MNIST", "MIT", "31 MB", "FashionMNIST/raw"),
    "cifar10": Set("CIFAR-10", "none stated; cite Krizhevsky 2009", "170 MB", "cifar-10-batches-py"),
    "cifar100": Set("CIFAR-100", "none stated; cite Krizhevsky 2009", "169 MB", "cifar-100-python"),
    "pets": Set("Oxford-IIIT Pet", "CC BY-SA 4.0", "811 MB", "oxford-iiit-pet"),
    "openimages": Set(
        "Open Images",
        "labels CC BY 4.0; images CC BY 2.0 as listed",
        "400 MB + 0.3 MB an image",
        "openimages",
    ),
}


@dataclass(frozen=True)
class State:
    """What is here of an image set. kind: "absent", "partial" (begun, a sample, or damaged) or "whole"; note: what is missing."""

    kind: str
    note: str = ""

    def __str__(self) -> str:
        return self.kind + (f": {self.note}" if self.note else "")


def state(name: str, root: Path | None = None) -> State:
    """Whether image set `name` is whole in the folder `root` [default: that of `bases.folder`]. Reads all its files once.

    Whole means: every file has its published checksum (CIFAR), or the one it had when it came out of an archive with the
    published checksum. Where no such list was kept, the files must be as many and as long as they say. Raises ValueError
    for an unknown name.
    """
    known("image set", name, SETS)
    root = folder() if root is None else Path(root)
    faults = list(_faults(name, root))
    if not faults:
        return State("whole")
    begun = [path for path, _, _ in _archives(name, root) for path in (path, part_of(path)) if path.exists()]
    if not (root / SETS[name].place).exists() and not begun:
        return State("absent")
    return State("partial", faults[0] + (f" and {len(faults) - 1:,} more" if len(faults) > 1 else ""))


def fetch(name: str, root: Path | None = None) -> State:
    """Fetch one of torchvision's image sets into the folder `root`, and say what is then there. What is whole stays untouched.

    Archives come first, each whole or not at all; then all are extracted into a folder of their own, whose contents take
    their places when complete. An interrupted call is taken up by the next. Raises ValueError for a name that is unknown or
    not torchvision's, Failed in one line where the work cannot be finished.
    """
    known("image set", name, TORCHVISION)
    root = folder() if root is None else Path(root)
    if (before := state(name, root)).kind == "whole":
        return before
    place, archives = root / SETS[name].place, _archives(name, root)
    try:
        for path, urls, md5 in archives:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(urls, path, md5)
        _extract([path for path, _, _ in archives], place)
        for path, _, _ in archives:
            path.unlink()
    except OSError as error:
        raise Failed(
            f"cannot write {name} into {root}: {error.strerror or error}; make room and run the same command again"
        ) from None
    if (after := state(name, root)).kind != "whole":
        raise Failed(f"{name} is not whole after fetching: {after.note}")
    return after


def _archives(name: str, root: Path) -> list[tuple[Path, list[str], str]]:
    """Path, mirrors and MD5 of each archive of a set, as torchvision publishes them."""
    if name not in TORCHVISION:
        return []
    kind, place = torchvision_class(name), root / SETS[name].place
    if name == "pets":
        return [(place / Path(url).name, [url], md5) for url, md5 in kind._RESOURCES]
    if name.startswith("cifar"):
        return [(root / kind.filename, [kind.url], kind.tgz_md5)]
    return [(place / file, [mirror + file for mirror in kind.mirrors], md5) for file, md5 in kind.resources]


def _extract(archives: list[Path], place: Path) -> None:
    """Extract `archives` beside `place`, note the checksums of what came out, and only then move all into `place`."""
    scratch = place.with_name(f".{place.name}.extracting")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        for archive in archives:
            extract_archive(archive, scratch)
        top = (
            scratch / place.name if (scratch / place.name).is_dir() else scratch
        )  # CIFAR's archive brings its own folder
        note_sums(top / SUMS, [path for path in sorted(top.rglob("*")) if path.is_file()])
        place.mkdir(parents=True, exist_ok=True)
        for new in sorted(
            top.iterdir(), key=lambda path: path.name != SUMS
        ):  # the checksums first: less than they list is not whole
            old = place / new.name
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
            new.replace(old)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _faults(name: str, root: Path) -> Iterator[str]:
    """What keeps the image set `name` in `root` from being whole, a few words each."""
    place = root / SETS[name].place
    if name == "openimages":
        yield from openimages.faults(place)
    elif name.startswith("cifar"):
        kind = torchvision_class(name)
        for file, md5 in [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]:
            yield from _fault(place / file, md5)
    elif sums := read_sums(place / SUMS):
        for file, md5 in sums.items():
            yield from _fault(place / file, md5)
    elif name == "pets":
        yield from _pet_faults(place)
    else:
        for path, _, _ in _archives(name, root):
            yield from _idx_fault(path.with_suffix(""))


def _fault(path: Path, md5: str) -> Iterator[str]:
    if not whole(path, md5):
        yield f"{path.name} is {'damaged' if path.exists() else 'missing'}"


def _idx_fault(path: Path) -> Iterator[str]:
    """For a file in MNIST's format, whose head says how long it is."""
    try:
        found = len((read_image_file if "images" in path.name else read_label_file)(str(path)))
    except Exception:
        yield f"{path.name} is {'damaged' if path.exists() else 'missing'}"
        return
    if found != (wanted := MNIST[path.name.partition("-")[0]]):
        yield f"{path.name} holds {found:,} of {wanted:,}"


def _pet_faults(place: Path) -> Iterator[str]:
    for part, wanted in PETS.items():
        try:
            names = [
                line.split()[0] for line in (place / "annotations" / f"{part}.txt").read_text().splitlines()
            ]
        except OSError:
            yield f"annotations/{part}.txt is missing"
            continue
        if len(names) != wanted:
            yield f"{part} holds {len(names):,} of {wanted:,}"
        for path in (place / "images" / f"{name}.jpg" for name in names):
            if not path.exists() or not path.stat().st_size:
                yield f"{path.name} is {'empty' if path.exists() else 'missing'}"
