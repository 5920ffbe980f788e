"""torchvision's classifiers, cut into blocks by one rule, and their ImageNet weights."""

import hashlib
import operator
import re
import sys
import warnings
from collections import OrderedDict
from contextlib import redirect_stdout
from functools import cache
from http.client import HTTPException
from itertools import accumulate, pairwise
from pathlib import Path
from pickle import UnpicklingError
from urllib.parse import urlparse

import torch
import torchvision
from torch import fx, nn
from torch.fx.passes.utils.fuser_utils import fuse_as_graphmodule
from torch.overrides import TorchFunctionMode

from reuselab.check import Failed

BLOCKS = 5  # at most, below the head
WEIGHTED = nn.modules.conv._ConvNd, nn.Linear
RESHAPES = re.compile("pool|flatten|dropout|mean|getitem|permute|reshape|view", re.I)


def names() -> list[str]:
    """torchvision's names of its classifiers."""
    return torchvision.models.list_models(module=torchvision.models)


@cache
def blocks(name: str) -> tuple[str, ...]:
    """The block names of classifier `name`, from the input to the head, found without drawing weights.

    Raises ValueError, in one line, where `cut` cannot divide it or it computes something else in training.
    """
    try:
        training, evaluating = (str(_Tracer().trace(_skeleton(name).train(mode))) for mode in (True, False))
        if training != evaluating:
            raise ValueError("it computes something else while it trains")
        return tuple(cut(_skeleton(name)))
    except Exception as error:  # whatever a forward may do to a tracer
        raise ValueError(f"{name} cannot be divided into blocks: {_line(error)}") from None


def whole(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """torchvision's classifier `name` as torchvision draws its weights, for images of `shape` (C, H, W).

    For grey images its first convolution keeps the weights of one colour. Raises ValueError, in one line, as
    `blocks` and `fit` do.
    """
    fit(name, shape)
    return _grey(torchvision.models.get_model(name, num_classes=classes), shape)


@cache
def fit(name: str, shape: tuple[int, int, int]) -> None:
    """Raise ValueError, in one line, unless classifier `name` takes images of `shape` (C, H, W).

    No arithmetic is done.
    """
    blocks(name)
    net = _grey(_skeleton(name), shape).to("meta").eval()
    try:
        net(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(
            f"{name} does not take images of {' x '.join(map(str, shape))} (channels, height, width): "
            f"{_line(error)}"
        ) from None


def pretrained(name: str) -> nn.Module:
    """torchvision's classifier `name` with its best ImageNet weights, fetched into torch hub's folder once.

    Raises ValueError where there are none; Failed, in one line, where they cannot be fetched or are not the
    published ones.
    """
    kinds = torchvision.models.get_model_weights(name)
    if not len(kinds):
        raise ValueError(f"torchvision has no ImageNet weights for {name}")
    tensors = _fetch(kinds.DEFAULT)
    net = torchvision.models.get_model(name)
    try:
        net.load_state_dict(tensors)
    except RuntimeError:
        raise ValueError(
            f"torchvision's ImageNet weights for {name} are of another form than the network"
        ) from None
    return net


def _fetch(weights: torchvision.models.WeightsEnum) -> dict[str, torch.Tensor]:
    """The tensors of `weights`, their published file checked and in torch hub's folder."""
    file = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(weights.url).path).name)
    published = torch.hub.HASH_REGEX.search(file.name)  # the start of its SHA-256 ends the name
    try:
        if published and file.exists():
            with open(file, "rb") as bytes_:
                if not hashlib.file_digest(bytes_, "sha256").hexdigest().startswith(published[1]):
                    raise Failed(
                        f"{file} is not the file of {weights.url}, its checksum differs: "
                        "remove it to have it fetched again"
                    )
        with redirect_stdout(sys.stderr):
            return weights.get_state_dict(check_hash=True, weights_only=True, progress=sys.stderr.isatty())
    except (OSError, HTTPException, RuntimeError, UnpicklingError) as error:
        raise Failed(
            f"{weights.url} cannot be had ({_line(error)}): connect to it, or put the file into {file.parent}"
        ) from None


def cut(net: nn.Module) -> "OrderedDict[str, nn.Module]":
    """The parts of a classifier in order, block1, block2, ... and head: together they compute it, to the bit.

    The network is traced. A cut is legal where exactly one tensor is alive, so never inside a residual or a
    dense block. The head is the last weighted layer (convolution or linear) with what follows it and with the
    pooling, flattening and dropout right before it. Below, the k-th of four cuts is the legal one nearest to
    k/5 of the weighted layers, right before a weighted layer; where two of them are the same there are fewer
    blocks. The parts share the modules of `net`.

    Raises ValueError, in one line, where the network cannot be traced or has no legal cuts.
    """
    traced = fx.GraphModule(net, _Tracer().trace(net))
    nodes = [node for node in traced.graph.nodes if node.op not in ("placeholder", "output")]
    bounds = [0, *_cuts(net, nodes), len(nodes)]
    parts = [fuse_as_graphmodule(traced, nodes[low:high], "Block")[0] for low, high in pairwise(bounds)]
    names = [*(f"block{i}" for i in range(1, len(parts))), "head"]
    return OrderedDict(zip(names, parts))


def _cuts(net: nn.Module, nodes: list[fx.Node]) -> list[int]:
    """Where the blocks after the first begin, the head's last."""
    weighted = [_weighted(net, node) for node in nodes]
    below = [0, *accumulate(weighted)]
    legal = _legal(nodes)
    last = max((i for i, count in enumerate(weighted) if count), default=0)
    reshapes = [bool(RESHAPES.search(_kind(net, node))) for node in nodes]
    head = next((i for i in legal if i <= last and all(reshapes[i:last])), None)
    if head is None:
        raise ValueError("its head cannot be cut off")
    # The last of cuts with as many layers below: activations stay with their layer.
    starts = {below[i]: i for i in legal if 0 < below[i] < below[head]}
    if not starts:
        return [head]

    def nearest(goal: float) -> int:
        return starts[min(starts, key=lambda count: abs(count - goal))]

    return [*sorted({nearest(k * below[head] / BLOCKS) for k in range(1, BLOCKS)}), head]


def _skeleton(name: str) -> nn.Module:
    """Classifier `name` without the memory of its weights."""
    with warnings.catch_warnings(), _NoWeights():
        warnings.simplefilter("ignore")  # on the initialisation of weights that are not there
        return torchvision.models.get_model(name)


class _NoWeights(TorchFunctionMode):
    """Layers built under it take no memory and draw no weights.

    `torch.device("meta")` would also empty what builders compute with.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}) | ({"device": "meta"} if func is torch.empty else {}))


def _grey(net: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """`net`, in place, with as many input channels as `shape` has, up to three."""
    first = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
    if shape[0] < first.in_channels:
        first.weight = nn.Parameter(first.weight.detach()[:, : shape[0]].clone())
        first.in_channels = shape[0]
    return net


def _line(error: Exception) -> str:
    """What `error` says, in one line."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


class _Tracer(fx.Tracer):
    """Stops at modules of torch.nn and torchvision.ops, and where a forward asks whether it trains.

    train() must reach these.
    """

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            super().is_leaf_module(m, module_qualified_name)
            or type(m).__module__.startswith("torchvision.ops.")
            or "training" in type(m).forward.__code__.co_names
        )


def _weighted(net: nn.Module, node: fx.Node) -> int:
    """The number of weighted layers in the module that `node` calls."""
    return (
        sum(isinstance(m, WEIGHTED) for m in net.get_submodule(str(node.target)).modules())
        if node.op == "call_module"
        else 0
    )


def _kind(net: nn.Module, node: fx.Node) -> str:
    """The name of the module's class, or of the function or method that `node` calls."""
    if node.op == "call_module":
        return type(net.get_submodule(str(node.target))).__name__
    return node.target if isinstance(node.target, str) else node.target.__name__


def _legal(nodes: list[fx.Node]) -> list[int]:
    """Every i > 0 such that nodes[i:] need exactly one value from before, and that a tensor, not a tuple."""
    place = {node: i for i, node in enumerate(nodes)}
    last = {
        node: max((place.get(user, len(nodes)) for user in node.users), default=-1)
        for node in nodes[0].graph.nodes
    }
    alive = ([node for node in last if place.get(node, -1) < i <= last[node]] for i in range(1, len(nodes)))
    return [
        i
        for i, needed in enumerate(alive, 1)
        if len(needed) == 1 and not all(_unpacks(user) for user in needed[0].users)
    ]


def _unpacks(node: fx.Node) -> bool:
    """Whether `node` takes one item out of a tuple."""
    return node.target is operator.getitem and isinstance(node.args[1], int)
