"""Networks as ordered lists of named blocks that end in a head, so that "retrain the top k" means one thing for all."""

from collections import OrderedDict
from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from reuselab.check import integer, known


class Network(nn.Sequential):
    """Named blocks in order, of which the lowest `frozen` never train: no gradient, normalisation in evaluation mode."""

    def __init__(self, blocks: "OrderedDict[str, nn.Module]", frozen: int = 0):
        super().__init__(blocks)
        self.frozen = frozen
        for block in list(self)[:frozen]:
            block.requires_grad_(False).eval()

    @property
    def blocks(self) -> list[str]:
        """The blocks' names, from the input to the head."""
        return list(self._modules)

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        for block in list(self)[:self.frozen]:
            block.eval()
        return self


def _convolution(inputs: int, outputs: int, pool: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.MaxPool2d(pool),
                         nn.BatchNorm2d(outputs), nn.ReLU())


def cnn(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """Three 3 x 3 convolutions (16, 32, 64 channels; the first two pool by 2), a dense layer of 64, a linear head."""
    channels, height, width = shape
    return OrderedDict(
        conv1=_convolution(channels, 16, 2),
        conv2=_convolution(16, 32, 2),
        conv3=_convolution(32, 64, 1),
        dense=nn.Sequential(nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), 64), nn.ReLU()),
        head=nn.Linear(64, classes))


def mlp(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """Three dense layers of 128, a linear head."""
    inputs = shape[0] * shape[1] * shape[2]
    return OrderedDict(
        dense1=nn.Sequential(nn.Flatten(), nn.Linear(inputs, 128), nn.ReLU()),
        dense2=nn.Sequential(nn.Linear(128, 128), nn.ReLU()),
        dense3=nn.Sequential(nn.Linear(128, 128), nn.ReLU()),
        head=nn.Linear(128, classes))


def resnet18(shape: tuple[int, int, int], classes: int) -> OrderedDict[str, nn.Module]:
    """torchvision's ResNet-18 with a stem for small images (3 x 3, stride 1, no pooling): stem, four stages, head."""
    from torchvision.models import resnet18 as whole  # three seconds that other networks don't spend
    net = whole(num_classes=classes)
    net.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    return OrderedDict(
        stem=nn.Sequential(net.conv1, net.bn1, net.relu),
        stage1=net.layer1, stage2=net.layer2, stage3=net.layer3, stage4=net.layer4,
        head=nn.Sequential(net.avgpool, nn.Flatten(), net.fc))


NETWORKS: dict[str, Callable[[tuple[int, int, int], int], OrderedDict[str, nn.Module]]] = {"cnn": cnn, "mlp": mlp, "resnet18": resnet18}


def build(name: str, shape: tuple[int, int, int], classes: int, seed: int, frozen: int = 0) -> Network:
    """Network `name` for inputs of `shape` (C, H, W), weights drawn from `seed` by PyTorch's default initialisation.

    Raises ValueError for an unknown name.
    """
    known("network", name, NETWORKS)
    if min(shape[1:]) < 4:
        raise ValueError(f"images must be at least 4 x 4 pixels, not {shape[1]} x {shape[2]}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(NETWORKS[name](shape, classes), frozen)


@cache
def blocks(name: str) -> tuple[str, ...]:
    """The block names of network `name`, from the input to the head."""
    return tuple(build(name, (1, 8, 16), 2, seed=0).blocks)


def reuse(alice: Network, bob: Network, retrain: int, init: str = "fresh") -> Network:
    """Bob's network with Alice's lower blocks in it, frozen; the top `retrain` blocks are left to train.

    alice: her trained network. bob: a newly built one (the same blocks; his own number of classes), changed in place.
    retrain: 0 leaves Alice's network unchanged, len(bob) freezes nothing.
    init: where the retrained blocks start, "fresh" (as built) or "alice" (her weights; a head of another size stays fresh).
    Raises ValueError when the networks do not match or `retrain` is out of range (Mohamud & Brink 2026, A4).
    """
    known("init", init, ("fresh", "alice"))
    integer(0, len(bob))("retrain", retrain)
    if alice.blocks != bob.blocks:
        raise ValueError(f"Alice's blocks {alice.blocks} are not Bob's {bob.blocks}")
    frozen = len(bob) - retrain
    for name in bob.blocks[:frozen if init == "fresh" else len(bob)]:
        theirs, own = alice.get_submodule(name).state_dict(), bob.get_submodule(name)
        if [w.shape for w in theirs.values()] == [w.shape for w in own.state_dict().values()]:
            own.load_state_dict(theirs)
        elif retrain == 0 or name != bob.blocks[-1]:
            raise ValueError(f"Alice's block {name} does not fit Bob's task: retrain it")
    return Network(OrderedDict(bob.named_children()), frozen)
