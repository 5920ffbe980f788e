"""Networks as ordered named blocks that end in a head: "retrain the top k" means one thing for all."""

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from reuselab.check import Rule, integer, known, nearest


class Network(nn.Sequential):
    """Named blocks in order. The lowest `frozen` never train: no gradient, evaluation mode."""

    def __init__(self, blocks: "OrderedDict[str, nn.Module]", frozen: int = 0):
        super().__init__(blocks)
        self.frozen = frozen
        for block in list(self)[:frozen]:
            block.requires_grad_(requires_grad=False).eval()

    @property
    def blocks(self) -> list[str]:
        """The blocks' names, from the input to the head."""
        return list(self._modules)

    def train(self, mode: bool = True) -> "Network":  # noqa: FBT001, FBT002
        super().train(mode)
        for block in list(self)[: self.frozen]:
            block.eval()
        return self


def _convolution(inputs: int, outputs: int, pool: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.MaxPool2d(pool),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def cnn(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """Three 3 x 3 convolutions (16, 32, 64 channels; two pool by 2), a dense layer of 64, a linear head."""
    channels, height, width = shape
    return OrderedDict(
        conv1=_convolution(channels, 16, 2),
        conv2=_convolution(16, 32, 2),
        conv3=_convolution(32, 64, 1),
        dense=nn.Sequential(nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), 64), nn.ReLU()),
        head=nn.Linear(64, classes),
    )


def mlp(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """Three dense layers of 128, a linear head."""
    inputs = shape[0] * shape[1] * shape[2]
    return OrderedDict(
        dense1=nn.Sequential(nn.Flatten(), nn.Linear(inputs, 128), nn.ReLU()),
        dense2=nn.Sequential(nn.Linear(128, 128), nn.ReLU()),
        dense3=nn.Sequential(nn.Linear(128, 128), nn.ReLU()),
        head=nn.Linear(128, classes),
    )


def resnet18(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """torchvision's ResNet-18: a stem for small images (3 x 3, no stride or pooling), four stages, head."""
    from torchvision.models import resnet18 as whole  # three seconds that other networks don't spend

    net = whole(num_classes=classes)
    net.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    return _stages(net, net.conv1, net.bn1, net.relu)


def resnet18_original(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """torchvision's ResNet-18 with its own stem (7 x 7, stride 2, pooling by 2): stem, four stages, head."""
    from reuselab.experiment import zoo

    return _original(zoo.whole("resnet18", shape, classes))


def _original(net: Any) -> OrderedDict[str, nn.Module]:
    return _stages(net, net.conv1, net.bn1, net.relu, net.maxpool)


def _stages(net: Any, *stem: nn.Module) -> OrderedDict[str, nn.Module]:
    """A ResNet's blocks, with the given stem."""
    return OrderedDict(
        stem=nn.Sequential(*stem),
        stage1=net.layer1,
        stage2=net.layer2,
        stage3=net.layer3,
        stage4=net.layer4,
        head=nn.Sequential(net.avgpool, nn.Flatten(), net.fc),
    )


NETWORKS: dict[str, Callable[[tuple[int, int, int], int], OrderedDict[str, nn.Module]]] = {
    "cnn": cnn,
    "mlp": mlp,
    "resnet18": resnet18,
    "resnet18_original": resnet18_original,
}


def _exists(name: object) -> bool:
    if isinstance(name, str) and name in NETWORKS:
        return True
    from reuselab.experiment import zoo

    return name in zoo.names()


def _nearest(name: object) -> str:
    from reuselab.experiment import zoo

    return nearest(name, [*NETWORKS, *zoo.names()])


NETWORK = Rule(f"one of {', '.join(NETWORKS)}, or a classifier of torchvision by its name", _exists, _nearest)


def build(name: str, shape: tuple[int, int, int], classes: int, seed: int, frozen: int = 0) -> Network:
    """Network `name` for inputs of `shape` (C, H, W), weights drawn from `seed` as its authors or PyTorch do.

    name: one of `NETWORKS`, or a classifier of torchvision, which `zoo.cut` divides into blocks. Raises
    ValueError for an unknown name, a network that cannot be divided, and images that it does not take.
    """
    NETWORK("network", name)
    if min(shape[1:]) < 4:
        raise ValueError(f"images must be at least 4 x 4 pixels, not {shape[1]} x {shape[2]}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in NETWORKS:
            return Network(NETWORKS[name](shape, classes), frozen)
        from reuselab.experiment import zoo

        return Network(zoo.cut(zoo.whole(name, shape, classes)), frozen)


def pretrained(name: str, shape: tuple[int, int, int]) -> Network:
    """An Alice who learnt ImageNet, 1,000 classes: network `name` with torchvision's best weights.

    name: resnet18_original, or a classifier of torchvision. shape: (3, H, W) of the images. The weights are
    fetched once, into torch hub's folder. Raises ValueError for any other network, for grey images and for
    images that it does not take; Failed where the weights cannot be fetched or are not the published ones.
    Always in one line.
    """
    NETWORK("network", name)
    if name in NETWORKS and name != "resnet18_original":
        raise ValueError(
            f"there are no ImageNet weights for {name}: take resnet18_original, "
            "or a classifier of torchvision by its name"
        )
    if shape[0] != 3:
        raise ValueError(f"ImageNet weights need colour images, of 3 channels, not {shape[0]}")
    from reuselab.experiment import zoo

    theirs = "resnet18" if name == "resnet18_original" else name
    zoo.fit(theirs, shape)
    net = zoo.pretrained(theirs)
    return Network(_original(net) if name in NETWORKS else zoo.cut(net))


@cache
def blocks(name: str) -> tuple[str, ...]:
    """The block names of network `name`, from the input to the head. ValueError as in `build`."""
    NETWORK("network", name)
    if name in NETWORKS:
        return tuple(build(name, (1, 8, 16), 2, seed=0).blocks)
    from reuselab.experiment import zoo

    return zoo.blocks(name)


def reuse(alice: Network, bob: Network, retrain: int, init: str = "fresh") -> Network:
    """Bob's network with Alice's lower blocks in it, frozen; the top `retrain` blocks are left to train.

    alice: her trained network. bob: a newly built one (the same blocks; his own number of classes), changed
    in place.
    retrain: 0 leaves Alice's network unchanged, len(bob) freezes nothing.
    init: where the retrained blocks start, "fresh" (as built) or "alice" (her weights; a head of another size
    stays fresh). Raises ValueError when the networks do not match or `retrain` is out of range (Mohamud &
    Brink 2026, A4).
    """
    known("init", init, ("fresh", "alice"))
    integer(0, len(bob))("retrain", retrain)
    if alice.blocks != bob.blocks:
        raise ValueError(f"Alice's blocks {alice.blocks} are not Bob's {bob.blocks}")
    frozen = len(bob) - retrain
    for name in bob.blocks[: frozen if init == "fresh" else len(bob)]:
        theirs, own = alice.get_submodule(name).state_dict(), bob.get_submodule(name)
        if [w.shape for w in theirs.values()] == [w.shape for w in own.state_dict().values()]:
            own.load_state_dict(theirs)
        elif retrain == 0 or name != bob.blocks[-1]:
            raise ValueError(f"Alice's block {name} does not fit Bob's task: retrain it")
    return Network(OrderedDict(bob.named_children()), frozen)
