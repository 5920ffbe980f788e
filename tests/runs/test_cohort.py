"""Cohorts: a member comes out as it does alone, whatever the network, and a study keeps its rows by cell."""

import copy

import pytest
import torch
from torch import nn

from reuselab.experiment import bases, models, pairs, train
from reuselab.experiment.train import Recipe
from reuselab.runs import cohort

DIGITS = bases.load("digits", "train")
BRIEF = Recipe(pairs=40, epochs=5, batch=20, lr=0.01, device="cpu")  # ten steps


class Doubled(pairs.Pairs):
    """Pairs as float64."""

    def __getitem__(self, batch):
        return super().__getitem__(batch).double()

    def to(self, device):
        return Doubled(**vars(super().to(device)))


def drawn(seed, n=40):
    return Doubled(**vars(pairs.sample((DIGITS, DIGITS), n, pairs.joint(10, 0.3), seed=seed)))


def narrow(block):
    """A small ResNet-18: its widths divided by sixteen."""
    from torchvision.models import ResNet

    return ResNet(block, [2, 2, 2, 2])


def built(name, seed, frozen):
    """A network in float64 whose normalisation has seen something, so that frozen statistics count."""
    net = models.build(name, (1, 8, 16), 10, seed, frozen).double()
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.rand(module.num_features, generator=generator))
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return net


def tasks(name, frozen, recipe=BRIEF):
    nets = [built(name, seed, frozen) for seed in range(3)]
    images = [drawn(seed) for seed in range(3)]
    return [
        cohort.Task(net, own, own.bob_labels, recipe, 10 + seed)
        for seed, (net, own) in enumerate(zip(nets, images))
    ]


def largest_difference(one, other):
    """Of all weights and buffers, as a share of the largest in each."""
    pairs_ = [(value.double(), other.state_dict()[name].double()) for name, value in one.state_dict().items()]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in pairs_)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18"])
@pytest.mark.parametrize("frozen", [0, 2, 3])
def test_a_member_comes_out_as_it_does_alone(name, frozen):
    together = tasks(name, frozen)
    alone = copy.deepcopy(together)
    histories = cohort.train_together(together)
    for mine, own, history in zip(together, alone, histories):
        assert train.train(*own) == pytest.approx(history, rel=1e-5)
        print(name, frozen, largest_difference(mine.net, own.net))
        assert largest_difference(mine.net, own.net) < 1e-4
