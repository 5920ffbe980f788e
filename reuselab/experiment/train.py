"""One trainer for Alice and Bob: recipe in, trained network and history out."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, fields

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from reuselab.check import boolean, choice, integer, number
from reuselab.experiment.models import Network
from reuselab.experiment.pairs import Pairs
from reuselab.experiment.photos import Photos

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
Images = Pairs | Photos
FEATURE_BYTES = 2**28
PENALTIES = np.logspace(-1, 7, 9)

RULES = {
    "pairs": integer(10, 100_000_000),
    "epochs": integer(0, 10_000),
    "batch": integer(2, 65_536),
    "optimizer": choice(*OPTIMIZERS),
    "lr": number(0, 100, above=True),
    "momentum": number(0, 0.9999),
    "weight_decay": number(0, 10),
    "schedule": choice("constant", "cosine", "onecycle"),
    "label_smoothing": number(0, 0.99),
    "augment": boolean(),
    "precision": choice("float32", "bfloat16"),
    "device": choice("auto", "cpu", "cuda", "mps"),
}

# How Alice may train on photographs. "sgd": one cycle with usual settings, meant to take resnet18
# above 93 % on plain CIFAR-10, as `benchmarks/bench_cifar.py` measures on a GPU.
RECIPES = {
    "plain": {},
    "sgd": {
        "batch": 256,
        "optimizer": "sgd",
        "lr": 0.2,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "onecycle",
        "label_smoothing": 0.1,
        "augment": True,
        "precision": "bfloat16",
    },
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: on how many pairs, for how long, by which optimizer.

    Every value is ours, not the paper's. momentum is SGD's alone. augment: each half is flipped and cropped
    at random in every epoch, as photographs may be and digits may not (see `augmented`). Raises ValueError
    for a value out of range.
    """

    pairs: int = 4000
    epochs: int = 8
    batch: int = 128
    optimizer: str = "adamw"
    lr: float = 4e-3
    momentum: float = 0.9
    weight_decay: float = 1e-2
    schedule: str = "onecycle"
    label_smoothing: float = 0.0
    augment: bool = False
    precision: str = "float32"
    device: str = "auto"

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            RULES[field.name](field.name, value)
            object.__setattr__(self, field.name, type(getattr(Recipe, field.name))(value))


def device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes CUDA, then Apple's MPS, then the CPU.

    ValueError for one that is not there.
    """
    RULES["device"]("device", name)
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, available in there.items() if available()))
    if not there[name]():
        raise ValueError(f"device {name} is not on this machine")
    return torch.device(name)


def train(net: Network, images: Images, labels: Tensor, recipe: Recipe, seed: int) -> list[float]:
    """Train the blocks of `net` that are not frozen, in place, and return the mean loss of each epoch.

    images: n pairs or single images; labels: int64 [n]. The order of the batches and the augmentation come
    from `seed` alone, on every device. Frozen blocks give the same output in every epoch, so it is computed
    once where it fits in memory; not of augmented images, which differ. Images, labels, weights and the loss
    stay on the device, and are waited for once an epoch. Convolutions run channels_last, as their weights
    lie.
    """
    where = device(recipe.device)
    net.to(where).to(memory_format=torch.channels_last)
    images = images.to(where)
    inputs, top = (images, net) if recipe.augment else lift(net, images)
    labels = labels.to(where)
    batches = max(1, len(labels) // recipe.batch)
    optimizer, schedule = _optimizer(net, recipe, recipe.epochs * batches)
    generator = torch.Generator().manual_seed(seed)
    history = []
    net.train()
    for _ in range(recipe.epochs if optimizer else 0):
        order = torch.randperm(len(labels), generator=generator).to(where)
        chances = torch.rand(len(labels), 2, 3, generator=generator).to(where) if recipe.augment else None
        total = torch.zeros((), device=where)
        for batch in order.tensor_split(batches):
            x = inputs[batch]
            if chances is not None:
                x = augmented(x, chances[batch], images.halves_along)
            with torch.autocast(where.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                loss = F.cross_entropy(top(x), labels[batch], label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        history.append(total.item() / batches)
    return history


def augmented(x: Tensor, chances: Tensor, halves_along: int | None) -> Tensor:
    """Each image of x, float32 [B, C, H, W], flipped or not, padded by an eighth of its side, and cropped.

    Each half of joined images is changed on its own, within its own bounds. Padding is 0, the mean grey.
    chances: uniform in [0, 1), [B, 2, 3]; a row a half, for the flip, the crop's height and its width.
    halves_along: the dimension along which two halves are joined; None for single images, which take the
    first row.
    """
    if halves_along is not None:
        halves = zip(x.chunk(2, halves_along), chances.unbind(1))
        return torch.cat([augmented(half, own[:, None], None) for half, own in halves], halves_along)
    n, _, height, width = x.shape
    flip, *crop = chances[:, 0, :, None].unbind(1)
    rows, columns = (
        torch.arange(side, device=x.device) + (chance * (2 * (side // 8) + 1)).long()
        for side, chance in zip((height, width), crop)
    )
    columns = torch.where(flip < 0.5, columns, columns.flip(1))
    padded = F.pad(x, (width // 8, width // 8, height // 8, height // 8))
    return padded[
        torch.arange(n, device=x.device)[:, None, None], :, rows[:, :, None], columns[:, None, :]
    ].movedim(3, 1)


def _optimizer(net: Network, recipe: Recipe, steps: int):
    """The optimizer over what trains and its schedule, stepped per batch; None twice if nothing trains."""
    weights = [w for w in net.parameters() if w.requires_grad]
    if not weights or not steps:
        return None, None
    extra = {"momentum": recipe.momentum} if recipe.optimizer == "sgd" else {}
    optimizer = OPTIMIZERS[recipe.optimizer](
        weights, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True, **extra
    )
    schedules = torch.optim.lr_scheduler
    return optimizer, {
        "constant": lambda: schedules.ConstantLR(optimizer, factor=1.0),
        "cosine": lambda: schedules.CosineAnnealingLR(optimizer, steps),
        "onecycle": lambda: schedules.OneCycleLR(
            optimizer, recipe.lr, total_steps=steps, cycle_momentum=False
        ),
    }[recipe.schedule]()


@torch.no_grad()
def lift(net: Network, images: Images) -> tuple[Images | Tensor, nn.Module]:
    """(inputs, network above them): the frozen blocks' output, unless it outgrows `FEATURE_BYTES`.

    With nothing frozen, the joined images.
    """
    frozen, top = net[: net.frozen], net[net.frozen :]
    if not len(top):
        return images, net
    size = frozen(images[:2])[0].numel() * 4
    if size * len(images) > FEATURE_BYTES:
        return images, net
    return _outputs(frozen, images), top


def _batches(images: Images) -> Iterator[Tensor]:
    return (images[i : i + 1024] for i in range(0, len(images), 1024))


def _outputs(net: nn.Module, images: Images) -> Tensor:
    """What `net` gives for all images, batch by batch."""
    return torch.cat([net(batch) for batch in _batches(images)])


@torch.no_grad()
def calibrate(net: Network, images: Images) -> None:
    """Give the normalisation of an untrained network the statistics of `images`; its weights stay.

    It runs on the device where the network lies.
    """
    update_bn(_batches(images), net, device=next(net.parameters()).device)


@torch.no_grad()
def solve(lower: nn.Sequential, images: Images, labels: Tensor, classes: int) -> Network:
    """`lower`, frozen, under a linear head solved to the end: no step size, no stopping.

    The features of the n images are standardised, and ridge regression on labels of -1 and 1 takes the
    penalty, out of `PENALTIES`, with the least leave-one-out error. An empty `lower` leaves the raw pixels.
    labels: int64 [n].
    """
    where = next((w.device for w in lower.parameters()), torch.device("cpu"))
    images = images.to(where)
    lower = deepcopy(lower).eval()
    features = _outputs(lower, images).flatten(1).cpu().double().numpy()
    targets = 2.0 * F.one_hot(labels.cpu(), classes).numpy() - 1
    scaler = StandardScaler().fit(features)
    ridge = RidgeCV(PENALTIES).fit(scaler.transform(features), targets)
    weight = ridge.coef_ / scaler.scale_
    outputs, inputs = weight.shape
    head = nn.Linear(inputs, outputs, device=where)
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(ridge.intercept_ - weight @ scaler.mean_))
    return Network(
        OrderedDict([*lower.named_children(), ("probe", nn.Sequential(nn.Flatten(), head))]), len(lower) + 1
    )


@torch.no_grad()
def predict(net: Network, images: Images) -> Tensor:
    """Logits, float32 [n, classes], on the device where the network lies."""
    where = next(net.parameters()).device
    net.to(memory_format=torch.channels_last).eval()
    return _outputs(net, images.to(where))


def accuracy(net: Network, images: Images, labels: Tensor) -> float:
    """Share of images whose most likely class is the label."""
    return (predict(net, images).argmax(1).cpu() == labels.cpu()).double().mean().item()
