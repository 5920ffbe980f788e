"""The rival of `bench.py`: Alice and Bob as one writes them in PyTorch, with care and without our engine.

A Dataset that joins two images, torchvision's transforms, a DataLoader with worker processes, float32, frozen
layers by `requires_grad`, each Bob on his own. On CUDA memory is pinned and copies do not block. It is spared
what a first draft pays for: images lie decoded in memory, and the loss is not asked for in every step.

What must be the same comes from reuselab: networks and the weights that they begin with, which images are
joined, the recipes' numbers, the seeds. The order of the batches is its own.
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from reuselab.experiment import cell as cells
from reuselab.experiment import models, train
from reuselab.experiment.cell import Cell
from reuselab.experiment.models import Network
from reuselab.experiment.pairs import Pairs
from reuselab.experiment.train import Images, Recipe

JUDGED = 256  # images at a time when a network is judged


class Joined(Dataset):
    """Pairs of images and their labels. Each half is scaled, flipped and cropped where asked, normalised."""

    def __init__(self, pairs: Images, labels: torch.Tensor, *, augment: bool):
        assert isinstance(pairs, Pairs)
        self.halves = pairs.first.images, pairs.second.images
        self.index, self.labels = pairs.index.tolist(), labels.tolist()
        self.transforms = [_transform(moments, augment=augment) for moments in pairs.statistics]
        self.along = pairs.halves_along - 1

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        chosen = zip(self.transforms, self.halves, self.index[i])
        return torch.cat([transform(images[j]) for transform, images, j in chosen], self.along), self.labels[
            i
        ]


def _transform(moments: torch.Tensor, *, augment: bool) -> v2.Compose:
    """moments: mean and standard deviation of a half's pixels in grey levels, [2, C, H, W]."""
    mean, std = moments / 255
    channels, height, width = mean.shape
    contrast = (std.square().mean() + mean.var(correction=0)).sqrt().item()
    changes = [
        v2.RandomHorizontalFlip(),
        v2.RandomCrop((height, width), padding=[width // 8, height // 8]),
    ]
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([mean.mean().item()] * channels, [contrast] * channels),
            *(changes if augment else []),
        ]
    )


def _loader(data: Dataset, batch: int, workers: int, device: torch.device, order: int | None = None):
    """order: the seed of the shuffling; without one the data come as they lie."""
    return DataLoader(
        data,
        batch,
        shuffle=order is not None,
        generator=None if order is None else torch.Generator().manual_seed(order),
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,
        pin_memory=device.type == "cuda",
    )


def fit(net: Network, pairs: Images, labels: torch.Tensor, recipe: Recipe, seed: int, workers: int) -> None:
    """Train what of `net` is not frozen, by AdamW or SGD with momentum in one cycle."""
    device = train.device(recipe.device)
    net.to(device)
    loader = _loader(Joined(pairs, labels, augment=recipe.augment), recipe.batch, workers, device, seed)
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    kind = (
        partial(torch.optim.SGD, momentum=recipe.momentum) if recipe.optimizer == "sgd" else torch.optim.AdamW
    )
    optimizer = kind(weights, lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=recipe.epochs * len(loader), cycle_momentum=False
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    net.train()
    for _ in range(recipe.epochs):
        for images, targets in loader:
            images = images.to(device, non_blocking=True)
            targets = targets.to(device, non_blocking=True)
            optimizer.zero_grad()
            criterion(net(images), targets).backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def accuracy(net: Network, pairs: Images, labels: torch.Tensor, workers: int) -> float:
    """Share of pairs whose most likely class is the label."""
    device = next(net.parameters()).device
    net.eval()
    correct = torch.zeros((), device=device)
    for images, targets in _loader(Joined(pairs, labels, augment=False), JUDGED, workers, device):
        answers = net(images.to(device, non_blocking=True)).argmax(1)
        correct += (answers == targets.to(device, non_blocking=True)).sum()
    return correct.item() / len(labels)


def alice(cell: Cell, workers: int) -> Network:
    """Alice's network, trained on her labels."""
    seeds, recipe = cells._seeds(cell), cell.alice_recipe
    pairs = cells.draw(cell, "train", recipe.pairs, seeds["alice_pairs"])
    net = cells.untrained_alice(cell)
    fit(net, pairs, pairs.alice_labels, recipe, seeds["alice_order"], workers)
    return net


def bob(cell: Cell, alice_net: Network, workers: int) -> Network:
    """Bob's network over Alice's lower blocks, trained on his labels."""
    seeds = cells._seeds(cell)
    pairs, labels = cells._bobs(cell, "train", cell.bob_recipe.pairs)
    fresh = models.build(cell.network, pairs.shape, len(cells._groups(cell, "bob")), seeds["bob_weights"])
    net = models.reuse(alice_net, fresh, cell.retrain, cell.init)
    fit(net, pairs, labels, cell.bob_recipe, seeds["bob_order"], workers)
    return net


def rows(some_cells: Sequence[Cell], workers: int) -> pd.DataFrame:
    """A row a cell: its parameters, Alice's accuracy and Bob's. Each Alice is trained and judged once."""
    alices: dict[Cell, tuple[Network, float]] = {}
    table = []
    for cell in some_cells:
        pairs, labels = cells._bobs(cell, "test", cell.test_pairs)
        if (key := cell.alice_cell()) not in alices:
            net = alice(key, workers)
            alices[key] = net, accuracy(net, pairs, pairs.alice_labels, workers)
        net, alice_accuracy = alices[key]
        bob_accuracy = accuracy(bob(cell, net, workers), pairs, labels, workers)
        table.append(cell.flat() | {"alice_accuracy": alice_accuracy, "bob_accuracy": bob_accuracy})
    return pd.DataFrame(table)
