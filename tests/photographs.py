"""Made photographs in CIFAR-10's file format, and the code of the pages, run in this process.

Animals have fur, stripes whose direction tells their classes apart; vehicles have hard edges, a box whose
shape and colour tell theirs apart. So near classes look alike, and what a network learns on two animals may
serve it on two others. No photograph of any image set has a part in them.
"""

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import IPython.display
import myst_nb
import numpy as np
import pandas as pd
import pytest
from torchvision.datasets import CIFAR10

from reuselab.book import explore, pages
from reuselab.runs import study

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE, TRAIN, TEST = 32, 50, 30  # pixels; photographs of a class
# Stripes: direction in degrees, length of a wave in pixels. Boxes: width, height, how red and how blue.
FUR = {
    "cat": (0, 7),
    "dog": (45, 7),
    "deer": (90, 7),
    "horse": (135, 7),
    "bird": (20, 4),
    "frog": (110, 4),
}
BOX = {
    "automobile": (16, 8, 0.5, -0.3),
    "truck": (14, 16, 0.3, -0.2),
    "airplane": (26, 5, -0.3, 0.4),
    "ship": (24, 9, -0.2, 0.5),
}


def photograph(name: str, rng: np.random.Generator) -> np.ndarray:
    """One photograph of class `name`, [3, 32, 32] in grey levels from 0 to 255."""
    y, x = np.mgrid[:SIDE, :SIDE]
    if name in FUR:
        degrees, wave = FUR[name]
        angle = np.radians(degrees + rng.normal(0, 6))
        stripes = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wave + rng.uniform(0, 6.3))
        picture = rng.uniform(0.25, 0.5) * stripes * np.array([1, 0.9, 0.6])[:, None, None]
    else:
        width, height, red, blue = BOX[name]
        left, top = rng.integers(0, SIDE - width), rng.integers(0, SIDE - height)
        box = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
        picture = rng.uniform(0.5, 1) * box * np.array([red, 0, blue])[:, None, None] + 0.3 * (y < 12)
    noise = rng.normal(0, 0.15, (3, SIDE, SIDE))
    return np.clip(110 + 100 * (picture + noise), 0, 255).astype(np.uint8)


def lay(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Made photographs in `folder` as torchvision reads CIFAR-10, their checksums in place of CIFAR-10's."""
    place = folder / CIFAR10.base_folder
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    train = [batch(TRAIN // 5, rng) for _ in range(5)]
    files = {f"data_batch_{i}": content for i, content in enumerate(train, 1)}
    files |= {"test_batch": batch(TEST, rng), "batches.meta": {"label_names": [*CLASSES]}}
    sums = {}
    for name, content in files.items():
        data = pickle.dumps(content)
        (place / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    patch.setattr(CIFAR10, "train_list", [[f"data_batch_{i}", sums[f"data_batch_{i}"]] for i in range(1, 6)])
    patch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})


def batch(each: int, rng: np.random.Generator) -> dict[str, Any]:
    """`each` photographs of every class in random order, as a file of CIFAR-10 holds them."""
    labels = rng.permutation(np.repeat(np.arange(len(CLASSES)), each))
    pictures = [photograph(CLASSES[label], rng).ravel() for label in labels]
    return {"data": np.stack(pictures), "labels": labels.tolist()}


@dataclass(frozen=True)
class Page:
    """What the code of a page left: what it glues into its text, and its tables, by name."""

    glued: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def smoke(name: str, folder: Path, **changes: Any) -> Page:
    """Page `name` at the preset smoke, with `changes` of its parameters, on made photographs in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        lay(folder / "data", patch)
        patch.setenv("REUSELAB_DATA", str(folder / "data"))
        patch.setenv("REUSELAB_HOME", str(folder / "home"))
        patch.setattr(study, "cores", lambda: 1)
        return execute(name, pages.parameters(name, "smoke", changes), folder)


def execute(name: str, values: dict[str, Any], out: Path) -> Page:
    """Run the code of page `name` in this process, `values` in place of its parameters.

    Its tables go to `out`. Of an explorer, one frame is drawn.
    """
    glued: dict[str, Any] = {}
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(myst_nb, "glue", lambda key, value, display=True: glued.update({key: value}))
        patch.setattr(IPython.display, "display", lambda *_: None)
        patch.setattr(
            explore, "explorer", lambda draw, *axes, **_: draw(*(options[0] for _, options in axes))
        )
        patch.setenv("REUSELAB_OUT", str(out))
        for cell in pages.read(name).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, name, "exec"), names)
                if "parameters" in cell.metadata.get("tags", []):
                    names |= values
    return Page(glued, {path.stem: pd.read_csv(path) for path in out.glob("*.csv")})
