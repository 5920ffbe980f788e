"""What the recipe "sgd" makes of ResNet-18 on plain CIFAR-10: accuracy on the test images, seconds, device.

The aim is 93 % or more of the 10,000 in at most 20 epochs on one GPU; `make gpu` measures it. `--images 500
--epochs 1` only shows that it runs; on a CPU that is in float32, for few have bfloat16. CIFAR-10 lies in
REUSELAB_DATA (`reuselab data fetch cifar10`).
"""

import argparse
import time
from typing import Any

from reuselab.experiment import cell, train
from reuselab.runs.study import machine


def measure(images: int, epochs: int, seed: int, device: str = "auto") -> dict[str, Any]:
    """Train and judge her. FileNotFoundError, in one line, where CIFAR-10 is not here."""
    here = {"precision": "float32"} if train.device(device).type == "cpu" else {}
    recipe = train.RECIPES["sgd"] | {"pairs": images, "epochs": epochs, "device": device} | here
    cifar_cell = cell.Cell.of(
        base="cifar10",
        layout=cell.ALONE,
        network="resnet18",
        seed=seed,
        **{f"alice_{name}": value for name, value in recipe.items()},
    )
    test = cell.draw(cifar_cell, "test", 10_000, seed)
    start = time.perf_counter()
    alice_net = cell.train_alice(cifar_cell)
    seconds = time.perf_counter() - start
    accuracy = train.accuracy(alice_net, test, test.alice_labels)
    told = {"images": images, "epochs": epochs, "precision": recipe["precision"], "seed": seed}
    return {"accuracy": accuracy, "seconds": seconds} | told | {"device": machine(device)["device"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    told = measure(given.images, given.epochs, given.seed)
    print(", ".join(f"{name} {value}" for name, value in told.items()))


if __name__ == "__main__":
    main()
