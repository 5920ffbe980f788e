"""The image sets, an entry each: what they are, how they are read and fetched, and whether what is here is
whole.

To add one is to add its entry to `SETS`.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import sklearn
from torch import Tensor

from reuselab import places
from reuselab.check import Failed, known
from reuselab.sources import openimages, published, readers
from reuselab.sources.download import download, note_sums, part_of, read_sums
from reuselab.sources.published import Archive
from reuselab.sources.readers import Splits

SUMS = "reuselab.md5"
UNSETTLED = 2 * 10**9  # nanoseconds in which a file can change twice under one time stamp

Signature = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """One image set; `root` is the folder of all image sets, `place` the set's own in it.

    title, licence, size: what one tells a person. read: both splits, from `root`; where the images are those
    of another set (`same_images_as`), from `root` and that one's splits. folders: those in `place` whose
    files hold images and labels.
    archives: what `fetch` downloads. faults: what keeps the files in `place` from being whole, a few words
    each, asked where no list of checksums was kept. fetched_with: how the command that fetches it ends.
    serves: whether enough is in `root` for a page to choose it, told without reading a photograph.
    """

    title: str
    licence: str
    read: Callable[..., Splits]
    size: str = ""
    place: str = ""
    folders: tuple[str, ...] = ("",)
    archives: Callable[[], list[Archive]] = list
    faults: Callable[[Path], Iterator[str]] = lambda place: iter(())
    fetched_with: str = ""
    serves: Callable[[Path], bool] = lambda root: True
    same_images_as: str = ""


def _idx(kind: str, title: str, licence: str, size: str) -> ImageSet:
    return ImageSet(
        title=title,
        licence=licence,
        size=size,
        place=f"{kind}/raw",
        read=readers.torchvision_arrays(kind),
        archives=published.idx_archives(kind),
        faults=published.idx_faults,
    )


def _cifar(kind: str, title: str, size: str, place: str) -> ImageSet:
    return ImageSet(
        title=title,
        licence="none stated; cite Krizhevsky 2009",
        size=size,
        place=place,
        read=readers.torchvision_arrays(kind),
        archives=published.cifar_archives(kind),
        faults=published.cifar_faults(kind),
    )


_DIGITS = ImageSet(
    title="Handwritten digits",
    licence="CC BY 4.0",
    size="0.1 MB, with scikit-learn",
    place=str(Path(sklearn.__file__).parent / "datasets" / "data"),
    read=readers.digits,
)
_PETS = ImageSet(
    title="Oxford-IIIT Pet",
    licence="CC BY-SA 4.0",
    size="811 MB",
    place="oxford-iiit-pet",
    folders=("annotations", "images"),
    read=readers.pets,
    archives=published.pet_archives,
    faults=published.pet_faults,
    serves=readers.all_breeds,
)

SETS = {
    "digits": _DIGITS,
    "turned": replace(
        _DIGITS,
        title="The digits, a quarter turn to the left",
        same_images_as="digits",
        read=lambda root, digits: readers.turned(digits),
    ),
    "mnist": _idx("MNIST", "MNIST", "CC BY-SA 3.0 according to Keras", "12 MB"),
    "fashion": _idx("FashionMNIST", "Fashion-MNIST", "MIT", "31 MB"),
    "cifar10": _cifar("CIFAR10", "CIFAR-10", "170 MB", "cifar-10-batches-py"),
    "cifar100": _cifar("CIFAR100", "CIFAR-100", "169 MB", "cifar-100-python"),
    "pets": _PETS,
    "pet_species": replace(
        _PETS, title="Oxford-IIIT Pet, cats and dogs", same_images_as="pets", read=readers.species
    ),
    "openimages": ImageSet(
        title="Open Images",
        licence="labels CC BY 4.0; images CC BY 2.0 as listed",
        size="400 MB + 0.3 MB an image",
        place="openimages",
        folders=("", *openimages.PARTS.values()),
        read=lambda root: openimages.load(root / "openimages"),
        faults=openimages.faults,
        fetched_with=" --classes 'Cat,Dog'",
    ),
}


def folder() -> Path:
    """The folder of image sets: REUSELAB_DATA, or `data` in the working directory."""
    return places.named("REUSELAB_DATA") or Path("data")


def origin(name: str) -> str:
    """The image set of whose files `name` is made; mostly itself."""
    return SETS[name].same_images_as or name


# Reading.

_READ: dict[str, tuple[Signature, Splits]] = {}


def read(name: str) -> Splits:
    """Both splits of image set `name`. What was read before is given again until one of its files changes.

    Raises ValueError for an unknown name and FileNotFoundError, in one line, for a set that is not there.
    """
    known("base", name, SETS)
    try:
        return _read(name, folder())
    except Exception as error:  # whatever a decoder makes of damaged bytes
        reason = type(error).__name__ + (f": {error}" if isinstance(error, OSError) else "")
        raise FileNotFoundError(
            f"base {name} is not in {folder()} or is damaged ({' '.join(reason.split())}): "
            f"set REUSELAB_DATA to a folder with {SETS[name].place}, "
            f"or run reuselab data fetch {origin(name)}{SETS[name].fetched_with}"
        ) from None


def _read(name: str, root: Path) -> Splits:
    before, settled = signature(name)
    kept = _READ.get(name)
    if kept and kept[0] == before:
        return kept[1]
    del kept  # the old images need not be in memory beside the new
    _READ.pop(name, None)
    source = origin(name)
    splits = SETS[name].read(root) if source == name else SETS[name].read(root, read(source))
    if settled:
        _READ[name] = before, splits
    return splits


def superclasses() -> tuple[Tensor, tuple[str, ...]]:
    """The 20 superclasses of CIFAR-100: that of each of its 100 classes, int64 [100], and their names.

    Raises FileNotFoundError, in one line, where the set is not there.
    """
    read("cifar100")
    return readers.superclasses(folder())


def signature(name: str) -> tuple[Signature, bool]:
    """What changes when a file of the set does, and whether all changed so long ago that no change can
    escape.

    The name, size, times, device and inode of each file (where it is a link, of what it leads to) and of each
    folder; their content is not read. A time that is yet to come is not long ago.
    """
    image_set, root = SETS[origin(name)], folder()
    lines, newest = [str(root.absolute())], 0
    for place in (root / image_set.place / part for part in image_set.folders):
        if not place.is_dir():
            continue
        with os.scandir(place) as entries:
            files = sorted((entry.path, entry.stat()) for entry in entries if entry.is_file())
        for path, status in [(str(place), place.stat()), *files]:
            times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
            lines.append(f"{path} {status.st_size} {times} {status.st_dev} {status.st_ino}")
            newest = max(newest, status.st_ctime_ns)
    return tuple(lines), newest + UNSETTLED <= time.time_ns()


# Fetching.


@dataclass(frozen=True)
class State:
    """What is here of an image set. kind: "absent", "partial" (begun, a sample, or damaged) or "whole"; note:
    what is missing.
    """

    kind: str
    note: str = ""

    def __str__(self) -> str:
        return self.kind + (f": {self.note}" if self.note else "")


def state(name: str, root: Path | None = None) -> State:
    """Whether image set `name` is whole in the folder `root` [default: `folder`]. Reads all its files once.

    Whole means: every file has the checksum that it had when it came out of an archive with the published
    checksum. Where no such list was kept, the files have their published checksums (CIFAR), or are as many
    and as long as they say. Raises ValueError for an unknown name.
    """
    known("image set", name, SETS)
    name, root = origin(name), folder() if root is None else Path(root)
    try:
        faults = list(_faults(name, root))
    except Exception as error:  # whatever a damaged list makes of its reader
        faults = [f"its lists are damaged ({type(error).__name__})"]
    if not faults:
        return State("whole")
    archives = [root / path for path, _, _ in SETS[name].archives()]
    begun = any(path.exists() or part_of(path).exists() for path in archives)
    if not (root / SETS[name].place).exists() and not begun:
        return State("absent")
    return State("partial", faults[0] + (f" and {len(faults) - 1:,} more" if len(faults) > 1 else ""))


def _faults(name: str, root: Path) -> Iterator[str]:
    place = root / SETS[name].place
    if sums := read_sums(place / SUMS):
        for file, md5 in sums.items():
            yield from published.fault(place / file, md5)
    else:
        yield from SETS[name].faults(place)


def fetch(name: str, root: Path | None = None) -> State:
    """Fetch image set `name` into the folder `root`, and say what is then there.

    What is whole stays untouched.

    Archives come first, each whole or not at all; then all are extracted into a folder of their own, whose
    contents take their places when complete. An interrupted call is taken up by the next. Raises ValueError
    for a name that is unknown or has no archives, Failed in one line where the work cannot be finished.
    """
    known("image set", name, SETS)
    name, root = origin(name), folder() if root is None else Path(root)
    place, archives = root / SETS[name].place, SETS[name].archives()
    if not archives:
        raise ValueError(f"image set {name} has no archives to fetch: its place is {place}")
    if (before := state(name, root)).kind == "whole":
        return before
    try:
        for path, urls, md5 in archives:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            download(urls, root / path, md5)
        _extract([root / path for path, _, _ in archives], place)
        for path, _, _ in archives:
            (root / path).unlink()
    except OSError as error:
        raise Failed(
            f"cannot write {name} into {root}: {error.strerror or error}; "
            "make room and run the same command again"
        ) from None
    if (after := state(name, root)).kind != "whole":
        raise Failed(f"{name} is not whole after fetching: {after.note}")
    return after


def _extract(archives: list[Path], place: Path) -> None:
    """Extract `archives` beside `place`, note the checksums of what came out, and only then move all into
    `place`.
    """
    from torchvision.datasets.utils import extract_archive

    scratch = place.with_name(f".{place.name}.extracting")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        for archive in archives:
            extract_archive(archive, scratch)
        own = scratch / place.name  # CIFAR's archive brings its own folder
        top = own if own.is_dir() else scratch
        note_sums(top / SUMS, [path for path in sorted(top.rglob("*")) if path.is_file()])
        place.mkdir(parents=True, exist_ok=True)
        # The checksums first: less than they list is not whole.
        for new in sorted(top.iterdir(), key=lambda path: path.name != SUMS):
            old = place / new.name
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
            new.replace(old)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
