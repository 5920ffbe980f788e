"""What the recipe "sgd" makes of ResNet-18 on plain CIFAR-10: accuracy on the test images, seconds, device.

The aim is 93 % or more of the 10,000 in at most 20 epochs on one GPU. Not measured yet: no GPU was at hand
when this was written. `--images 500 --epochs 1` only shows that it runs; on a CPU that is in float32, for few
have bfloat16. CIFAR-10 lies in REUSELAB_DATA (`reuselab data fetch cifar10`).
"""

import argparse
import time

from reuselab.experiment import cell, train
from reuselab.runs.study import machine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    here = {"precision": "float32"} if train.device().type == "cpu" else {}
    recipe = train.RECIPES["sgd"] | {"pairs": given.images, "epochs": given.epochs} | here
    cifar_cell = cell.Cell.of(
        base="cifar10",
        layout=cell.ALONE,
        network="resnet18",
        seed=given.seed,
        **{f"alice_{name}": value for name, value in recipe.items()},
    )
    test = cell.draw(cifar_cell, "test", 10_000, given.seed)
    start = time.perf_counter()
    alice_net = cell.train_alice(cifar_cell)
    seconds = time.perf_counter() - start
    accuracy = train.accuracy(alice_net, test, test.alice_labels)
    print(
        f"accuracy {accuracy:.4f} on {len(test):,} images, "
        f"after {given.epochs} epochs of {given.images:,} in {recipe['precision']}, "
        f"{seconds:.1f} seconds, seed {given.seed}, on {machine()['device']}"
    )


if __name__ == "__main__":
    main()
