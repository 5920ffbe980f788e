"""The laboratory: what its page needs of Python, and networks trained here for it to load."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats
from torch import Tensor, nn

from reuselab.book.living import Living
from reuselab.check import known
from reuselab.claims import evidence, module
from reuselab.claims.baselines import ALICE
from reuselab.experiment import bases, models
from reuselab.experiment import cell as cells
from reuselab.experiment.cell import Cell
from reuselab.figures.style import METHOD_COLORS

FORMAT = "reuselab network 1"
MOST_SEEDS = 40
# What the page cannot change, so that an exported cell must have it.
FIXED = {"base": "digits", "layout": "beside", "swap": False, "probe": False}
NETWORKS = ("mlp", "cnn")
# A cell's parameters that the page can be set to.
SETTING = ["network", "rho", "bob_rho", "phi", "bob_base", "retrain", "init"]
SETTING += ["alice_pairs", "alice_epochs", "bob_pairs", "bob_epochs"]
NO_MATTER = ("seed", "test_pairs", "attribute")  # to Bob's accuracy, here

RUNNING = {"mean": "mean", "variance": "var"}  # ours, PyTorch's
STILL = "<p>The laboratory works on a screen, with JavaScript.</p>"


def write(folder: Path) -> None:
    """The part that book/laboratory.md includes, into the book's staged `folder`."""
    page = Living(["laboratory_engine", "laboratory"], "laboratory", STILL, data())
    (folder / "laboratory.html").write_text(page.html)


def data() -> dict[str, Any]:
    """The digits, quantiles of t at .975 by degrees of freedom, the kept rows, and the book's colours."""
    return {
        "digits": {split: _packed(split) for split in bases.SPLITS},
        "quantiles": [stats.t.ppf(0.975, freedom) for freedom in range(1, MOST_SEEDS)],
        "kept": kept(),
        "colors": {
            "alice": "currentColor",  # on her own task she is no method of Bob's
            "bob": METHOD_COLORS["Alice"],
            "untrained": METHOD_COLORS["random network"],
            "scratch": METHOD_COLORS["scratch"],
            "chance": METHOD_COLORS["chance"],
        },
    }


def _packed(split: str) -> dict[str, str]:
    """Pixels of 0 to 16 as letters a to q, and labels as digits."""
    base = bases.load("digits", split)
    levels = (base.images.flatten().double() * (16 / 255)).round().int().tolist()
    return {
        "pixels": "".join(chr(97 + level) for level in levels),
        "labels": "".join(map(str, base.labels.tolist())),
    }


def kept() -> list[dict[str, Any]]:
    """Bob's accuracies, a seed each, in each setting of the evidence that the page can be set to."""
    rows = pd.concat(_tables())
    rows = rows[rows.method == ALICE]
    for name, usual in Cell().flat().items():
        if name not in (*SETTING, *NO_MATTER):
            rows = rows[(rows[name] == usual) | (rows[name].isna() & pd.isna(usual))]
    rows = rows.assign(
        bob_rho=rows.bob_rho.map(_bob_rho), bob_base=rows.bob_base.where(rows.bob_base != "", "digits")
    )
    return [
        dict(zip(SETTING, setting)) | {"bob": group.bob_accuracy.tolist()}
        for setting, group in rows.drop_duplicates([*SETTING, "seed"]).groupby(SETTING)
    ]


def _bob_rho(rho: float | None) -> str:
    return "" if rho is None or pd.isna(rho) else f"{rho:g}"


def _tables() -> Iterator[pd.DataFrame]:
    """The evidence of studies of cells on the page's images, with every parameter of the cells."""
    for page in evidence.pages():
        if hasattr(module(page), "as_cells"):
            yield module(page).as_cells()
        for path in (evidence.path_of(page, name) for name in evidence.SETS):
            if path.exists() and {*evidence.KEYS} < {*(rows := pd.read_csv(path))}:
                yield rows.assign(**json.loads(path.with_suffix(".json").read_text())["cells"])


def checked(given: Mapping[str, Any]) -> Cell:
    """The cell of these parameters, as the laboratory can show it. ValueError, in one line, for any other."""
    cell = Cell.of(**{"network": "mlp"} | dict(given))
    known("network of the laboratory", cell.network, NETWORKS)
    for name, value in FIXED.items():
        if getattr(cell, name) != value:
            raise ValueError(f"the laboratory shows {name} {value} alone, not {getattr(cell, name)}")
    known("bob_base of the laboratory", cell.bob_base, ("", "digits", "turned"))
    known("alice_task of the laboratory", cell.alice_task, ("own", "bob", "shuffled", "none"))
    return cell


def export(cell: Cell) -> str:
    """Alice and Bob of the cell, trained here, as JSON: every weight as a number."""
    with cells.repeatable():
        alice_net = cells.train_alice(cell)
        bob_net = cells.train_bob(cell, alice_net)
    shown = {name: getattr(cell, name) for name in ("network", "rho", "phi", "retrain", "init")}
    shown |= {"bob_base": cell.bob_base or "digits", "bob_rho": _bob_rho(cell.bob_rho)}
    return json.dumps(
        {"format": FORMAT, "cell": shown, "alice": layers(alice_net), "bob": layers(bob_net)},
        allow_nan=False,
    )


def layers(net: models.Network) -> list[dict[str, list[float]]]:
    """The numbers of each block, from the input to the head, as the page has them: places before channels.

    weight [outputs, inputs], row by row, and bias; of a convolution, weight [outputs, 3, 3, channels] and its
    normalisation's scale, shift, mean and variance.
    """
    told, channels = [], 1
    for block in net.cpu():
        numbers: dict[str, Tensor] = {}
        for part in block.modules():
            if isinstance(part, nn.Conv2d):
                numbers["weight"], channels = part.weight.movedim(1, -1), part.out_channels
            elif isinstance(part, nn.BatchNorm2d):
                numbers |= {"scale": part.weight, "shift": part.bias}
                numbers |= {name: part.get_buffer(f"running_{at}") for name, at in RUNNING.items()}
            elif isinstance(part, nn.Linear):
                places = part.in_features // channels
                numbers = {"weight": part.weight.view(-1, channels, places).mT, "bias": part.bias}
                channels = 1
        told.append({name: part.flatten().tolist() for name, part in numbers.items()})
    return told
