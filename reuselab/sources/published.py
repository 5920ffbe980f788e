"""Image sets as torchvision publishes them: their archives, and what is not whole of their files."""

from collections.abc import Callable, Iterator
from pathlib import Path

from reuselab.places import regular
from reuselab.sources.download import whole
from reuselab.sources.readers import torchvision_class

MNIST = {"train": 60_000, "t10k": 10_000}  # images, as published
PETS = {"trainval": 3680, "test": 3669}

Archive = tuple[str, list[str], str]  # path in the folder of image sets, mirrors, MD5


def idx_archives(kind: str) -> Callable[[], list[Archive]]:
    """Of a set in MNIST's format: one for each file."""

    def archives() -> list[Archive]:
        published = torchvision_class(kind)
        return [
            (f"{kind}/raw/{file}", [mirror + file for mirror in published.mirrors], md5)
            for file, md5 in published.resources
        ]

    return archives


def cifar_archives(kind: str) -> Callable[[], list[Archive]]:
    """Of CIFAR: one."""

    def archives() -> list[Archive]:
        published = torchvision_class(kind)
        return [(published.filename, [published.url], published.tgz_md5)]

    return archives


def pet_archives() -> list[Archive]:
    """Of the pets: photographs, and annotations."""
    published = torchvision_class("OxfordIIITPet")._RESOURCES
    return [(f"oxford-iiit-pet/{Path(url).name}", [url], md5) for url, md5 in published]


def fault(path: Path, md5: str) -> Iterator[str]:
    """What is wrong with a file, in a few words; nothing where it has the checksum `md5`."""
    if not whole(path, md5):
        yield f"{path.name} is {'damaged' if path.exists() else 'missing'}"


def cifar_faults(kind: str) -> Callable[[Path], Iterator[str]]:
    """By the published checksum of each file."""

    def faults(place: Path) -> Iterator[str]:
        published = torchvision_class(kind)
        meta = [published.meta["filename"], published.meta["md5"]]
        for file, md5 in [*published.train_list, *published.test_list, meta]:
            yield from fault(place / file, md5)

    return faults


def idx_faults(place: Path) -> Iterator[str]:
    """In MNIST's format, whose heads say how long a file is."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    for part, wanted in MNIST.items():
        for file, read in (("images-idx3", read_image_file), ("labels-idx1", read_label_file)):
            path = place / f"{part}-{file}-ubyte"
            try:
                count = len(read(str(regular(path))))
            except Exception:  # whatever torchvision makes of damaged bytes
                yield f"{path.name} is {'damaged' if path.exists() else 'missing'}"
            else:
                if count != wanted:
                    yield f"{path.name} holds {count:,} of {wanted:,}"


def pet_faults(place: Path) -> Iterator[str]:
    """By the two lists, which must be as long as published, and the photographs that they name."""
    for part, wanted in PETS.items():
        try:
            lines = regular(path := place / "annotations" / f"{part}.txt").read_text().splitlines()
        except OSError:
            yield f"annotations/{part}.txt is {'damaged' if path.exists() else 'missing'}"
            continue
        if len(lines) != wanted:
            yield f"{part} holds {len(lines):,} of {wanted:,}"
        for path in (place / "images" / f"{line.split()[0]}.jpg" for line in lines):
            if not path.exists() or not path.stat().st_size:
                yield f"{path.name} is {'empty' if path.exists() else 'missing'}"
