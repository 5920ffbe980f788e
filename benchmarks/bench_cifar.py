"""What `train.CIFAR` makes of ResNet-18 on plain CIFAR-10: accuracy on the 10,000 test images, seconds, device.

The aim is 93 % or more in at most 20 epochs on one GPU. Not measured yet: no GPU was lent when this was written.
`--images 500 --epochs 1` only shows that it runs; on a CPU that is in float32, for few have bfloat16. CIFAR-10 lies in REUSELAB_DATA (`reuselab data fetch cifar10`).
"""

import argparse
import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reuselab import bases, models, train
from reuselab.study import machine


@dataclass
class Images:
    """Single photographs, uint8 [n, C, H, W], as a network sees them: less the mean of the training images, over their contrast."""

    pixels: Tensor
    mean: float
    contrast: float
    halves_along: None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pixels.shape[1:])

    def __getitem__(self, batch: Tensor | slice) -> Tensor:
        return (self.pixels[batch].float() - self.mean) / self.contrast

    def to(self, device: torch.device) -> "Images":
        return replace(self, pixels=self.pixels.to(device))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=train.CIFAR["pairs"], help="training images, and at most as many to test on")
    parser.add_argument("--epochs", type=int, default=train.CIFAR["epochs"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    here = {"precision": "float32"} if train.device().type == "cpu" else {}
    recipe = train.Recipe(**train.CIFAR | {"pairs": given.images, "epochs": given.epochs} | here)
    splits = bases.load("cifar10", "train"), bases.load("cifar10", "test")
    grey = splits[0].images.float()
    seen, unseen = (Images(base.images[:given.images], grey.mean().item(), grey.std().item()) for base in splits)
    net = models.build("resnet18", seen.shape, 10, given.seed)
    start = time.perf_counter()
    history = train.train(net, seen, splits[0].labels[:len(seen)], recipe, given.seed)
    seconds = time.perf_counter() - start
    accuracy = train.accuracy(net, unseen, splits[1].labels[:len(unseen)])
    print(f"accuracy {accuracy:.4f} on {len(unseen):,} images, after {recipe.epochs} epochs of {len(seen):,} in {recipe.precision} in {seconds:.1f} seconds "
          f"(loss {history[-1]:.3f}), seed {given.seed}, on {machine()['device']}")


if __name__ == "__main__":
    main()
