"""Image sets, all in one shape, as the registry of image sets reads them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, wraps
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from reuselab.check import Rule, choice_of, known, shorten
from reuselab.sources import readers, registry
from reuselab.sources.registry import folder as folder
from reuselab.sources.registry import origin as origin

T = TypeVar("T")
SPLITS = ("train", "test")


def _kept_with(function: Callable[..., T]) -> Callable[..., T]:
    """Its results are kept with its first argument, and leave memory with that."""

    @wraps(function)
    def remembered(owner: Any, *arguments: Any) -> T:
        results = vars(owner).setdefault(f"{function.__name__}()", {})
        if arguments not in results:
            results[arguments] = function(owner, *arguments)
        return results[arguments]

    return remembered


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

        Under the generator's law: every class equally likely, every image of a class equally likely. The
        share is the squared correlation ratio, var(E[x | class]) / var(x), and 0 where a pixel is constant.
        """
        by_class = (self.images[self.labels == k].double() for k in range(len(self.classes)))
        means, variances = map(torch.stack, zip(*((x.mean(0), x.var(0, correction=0)) for x in by_class)))
        within = variances.mean(0)
        between = means.var(0, correction=0)
        variance = within + between
        share = torch.where(variance > 0, between / variance, 0)
        return means.mean(0).float(), variance.sqrt().float(), share.float()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, pixels, labels and class names."""
        sha = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        sha.update(self.images.contiguous().numpy().data)
        sha.update(self.labels.numpy().data)
        return sha.hexdigest()

    @cached_property
    def tone(self) -> tuple[float, float]:
        """Mean and standard deviation of all pixels in grey levels, under the same law as `moments`."""
        shares = torch.stack(
            [
                self.images[self.labels == k].flatten().bincount(minlength=256).double()
                for k in range(len(self.classes))
            ]
        )
        share, level = (shares / shares.sum(1, keepdim=True)).mean(0), torch.arange(256, dtype=torch.float64)
        grey = share @ level
        return grey.item(), (share @ level**2 - grey**2).sqrt().item()

    @_kept_with
    def to(self, device: torch.device | str) -> "Base":
        """The same set on `device`, copied there once."""
        return Base(self.images.to(device), self.labels.to(device), self.classes)

    def resized(self, channels: int, size: tuple[int, int]) -> "Base":
        """The same images with `channels` channels (grey repeated) at (height, width) `size`, antialiased."""
        if self.images.shape[1:] == (channels, *size):
            return self
        return self._resized(channels, size)

    @_kept_with
    def _resized(self, channels: int, size: tuple[int, int]) -> "Base":
        images = self.images.expand(-1, channels, -1, -1)
        if images.shape[2:] != size:
            images = (
                F.interpolate(images.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
            )
        return Base(images.contiguous(), self.labels, self.classes)


def groups(task: str, classes: Iterable[str] | None = None) -> tuple[tuple[str, ...], ...]:
    """The groups of classes that a task tells apart: "dog,cat|car" is (("dog", "cat"), ("car",)).

    Raises ValueError, in one line, for fewer than two groups, an empty one, a class that comes twice, and,
    where `classes` are given, a class that is not among them.
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


def base_rule(*more: str) -> Rule:
    """One of the image sets that the registry has when the rule is asked, or of the words `more`."""
    return choice_of(lambda: (*registry.SETS, *more))


def load(name: str, split: str) -> Base:
    """The `split` ("train" or "test") of image set `name`; no image is in both.

    The same object until the set's files change, and while it is `held`. Raises ValueError for an unknown
    name and FileNotFoundError, in one line, for a set that is not there.
    """
    known("base", name, registry.SETS)
    known("split", split, SPLITS)
    return _splits(name)[split]


def _splits(name: str) -> dict[str, Base]:
    """Both splits of an image set, as they were on the disk at one moment."""
    return _HELD.get({}).get(name) or {split: _base(part) for split, part in registry.read(name).items()}


@_kept_with
def _base(arrays: readers.Arrays) -> Base:
    return Base(arrays.images, arrays.labels, arrays.classes)


_HELD: ContextVar[Mapping[str, dict[str, Base]]] = ContextVar("held")


@contextmanager
def held(names: Iterable[str]) -> Iterator[dict[str, str]]:
    """Gives the `identity` of each image set; until it ends, `load` gives the very images that have these.

    Whatever happens to the files meanwhile. Raises as `load` does.
    """
    names = sorted(names)
    before = _HELD.set({name: _splits(name) for name in names})
    try:
        yield {name: digest(name) for name in names}
    finally:
        _HELD.reset(before)


def present(name: str) -> bool:
    """Whether image set `name` is at hand and enough of it for a page to choose it.

    Raises ValueError for an unknown name.
    """
    known("base", name, registry.SETS)
    try:
        return registry.SETS[name].serves(folder()) and bool(registry.read(name))
    except (OSError, RuntimeError, ValueError):
        return False


def digest(name: str) -> str:
    """SHA-256 over both splits' pixels, labels and class names as they are on the disk now.

    Raises as `load` does.
    """
    splits = _splits(name)
    return hashlib.sha256("".join(splits[split].digest for split in SPLITS).encode()).hexdigest()


def identity(name: str) -> str:
    """The `digest` of image set `name`, or "" where it is not there."""
    try:
        return digest(name) if name else ""
    except FileNotFoundError:
        return ""
