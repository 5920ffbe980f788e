"""A network and a folder of photographs as a person gives them to `reuselab advise`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from reuselab import advisor
from reuselab.check import known
from reuselab.experiment import models, train, zoo
from reuselab.experiment.bases import Base
from reuselab.experiment.models import Network
from reuselab.places import regular
from reuselab.sources import readers, registry, weights

FLOAT = 4  # bytes
SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp"}
IMAGENET_COLOURS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what torchvision's weights expect
COLOURS = {weights.MOBILENET_SHA256: ((0.5,) * 3, (0.5,) * 3)}  # of files that expect others


@dataclass(frozen=True)
class Teacher:
    """Alice's network and what it takes: images of `shape` (C, H, W), less `mean` over `deviation`, [C]."""

    net: Network
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def shown(self, base: Base) -> Tensor:
        """Photographs as the network takes them, float32 [n, *shape]."""
        channels, *size = self.shape
        images = base.resized(3, (size[0], size[1])).images.float() / 255
        if channels == 1:
            images = images.mean(1, keepdim=True)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (images - mean) / deviation


def photographs(folder: Path, side: int) -> Base:
    """The photographs FOLDER/CLASS/*, uint8 [n, 3, side, side]; classes by name.

    Raises ValueError, in one line, where there are fewer than two classes, a class has fewer than two
    photographs, all of them take more memory than `advisor.MEMORY`, or one of them cannot be read.
    """
    try:
        places = sorted(place for place in folder.iterdir() if place.is_dir() and place.name[0] != ".")
        files = [
            sorted(file for file in place.iterdir() if file.suffix.lower() in SUFFIXES) for place in places
        ]
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {error.strerror}") from None
    if len(places) < 2:
        raise ValueError(f"{folder} must hold two folders of photographs or more, one a class")
    for place, own in zip(places, files):
        if len(own) < 2:
            raise ValueError(f"{place} must hold two photographs or more, and holds {len(own)}")
    count = sum(map(len, files))
    if (needed := count * 3 * side**2 * FLOAT) > advisor.MEMORY:
        raise ValueError(
            f"the {count:,} photographs in {folder} take {needed / 2**30:.1f} GiB at {side} pixels, "
            f"more than {advisor.MEMORY / 2**30:g}: give fewer, or a smaller --side"
        )
    labels = torch.repeat_interleave(torch.arange(len(places)), torch.tensor([len(own) for own in files]))
    images = torch.stack([_photograph(file, side) for own in files for file in own])
    return Base(images, labels, tuple(place.name for place in places))


def _photograph(file: Path, side: int) -> Tensor:
    try:
        return readers.square(file, side)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{file} is no photograph that can be read: {error}") from None


def from_file(name: str, path: Path, side: int) -> Teacher:
    """torchvision's classifier `name` with the tensors of a safetensors file, for any number of classes.

    Raises ValueError, in one line, for an unknown name, a file that is no safetensors file (a pickle is never
    opened), and tensors that do not fit the network or are not finite.
    """
    known("network", name, zoo.names())
    shape = (3, side, side)
    try:
        content = regular(path).read_bytes()
        tensors = load(content)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except SafetensorError:
        raise ValueError(f"{path} is no safetensors file, and nothing else is opened") from None
    last = [layer for layer, m in _skeleton(name, shape).named_modules() if isinstance(m, zoo.WEIGHTED)][-1]
    if f"{last}.weight" not in tensors:
        raise ValueError(f"{path} does not fit {name}: it has no {last}.weight")
    if 0 in (tensors[f"{last}.weight"].ndim, tensors[f"{last}.weight"].numel()):
        raise ValueError(f"{path} does not fit {name}: its {last}.weight is of no class")
    net = zoo.whole(name, shape, len(tensors[f"{last}.weight"]))
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n")[1:2]).strip()
        raise ValueError(f"{path} does not fit {name}: {reason[:200]}") from None
    for key, tensor in net.state_dict().items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path} holds numbers in {key} that are not finite")
    colours = COLOURS.get(hashlib.sha256(content).hexdigest(), IMAGENET_COLOURS)
    return Teacher(Network(zoo.cut(net)), shape, *colours)


def _skeleton(name: str, shape: tuple[int, int, int]) -> nn.Module:
    zoo.fit(name, shape)
    return zoo._skeleton(name)


def imagenet(name: str, side: int) -> Teacher:
    """torchvision's classifier `name` with ImageNet weights; raises as `models.pretrained` does.

    MobileNetV2's are the file in the folder of image sets where it is there; Failed for another file.
    """
    known("network", name, zoo.names())
    file = registry.folder() / weights.MOBILENET
    if name == "mobilenet_v2" and file.exists():
        weights.tensors(file, weights.MOBILENET_SHA256)
        return from_file(name, file, side)
    shape = (3, side, side)
    return Teacher(
        models.pretrained("resnet18_original" if name == "resnet18" else name, shape),
        shape,
        *IMAGENET_COLOURS,
    )


def of_ours(path: Path) -> Teacher:
    """The Alice of a cell, its parameters as JSON in the file `path`, trained now.

    Raises ValueError, in one line, for a file that is not that.
    """
    import json

    from reuselab.experiment import cell as experiment

    try:
        values = json.loads(regular(path).read_text())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is no JSON") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold the parameters of a cell by their names")
    alice = experiment.Cell.of(**values).alice_cell()
    shape = experiment.draw(alice, "train", 1, 0).shape
    hers = experiment._images(alice, "train")[0]
    grey, contrast = (value / 255 for value in hers.tone)
    with experiment.repeatable():
        net = experiment.train_alice(alice).to(train.device("cpu"))
    return Teacher(net, shape, (grey,) * shape[0], (contrast,) * shape[0])
