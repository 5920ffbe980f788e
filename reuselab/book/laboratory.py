"""The laboratory: what its page needs of Python, and networks trained here for it to load."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats
from torch import nn

from reuselab.book.living import Living
from reuselab.check import known
from reuselab.claims import evidence
from reuselab.experiment import bases, models
from reuselab.experiment import cell as cells
from reuselab.experiment.cell import Cell
from reuselab.figures.style import METHOD_COLORS

FORMAT = "reuselab network 1"
MOST_SEEDS = 40
# What the page cannot change, so that an exported cell must have it.
FIXED = {"base": "digits", "network": "mlp", "layout": "beside", "swap": False, "probe": False}
EVIDENCE = (
    evidence.FOLDER / "robustness_specifications.csv"
)  # its rows of the MLP are the laboratory's setting

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
    """Bob's accuracies, seed by seed, in the evidence's settings that the page can be set to."""
    table = pd.read_csv(EVIDENCE, dtype={"Bob's pairs": int})
    usual = {
        "network": "MLP",
        "Bob starts": "fresh",
        "optimizer": "AdamW",
        "learning rates": "usual",
        "Alice's epochs": 8,
        "halves lie": "beside each other",
    }
    table = table[(table[list(usual)] == pd.Series(usual)).all(axis=1) & (table.method == "Alice")]
    return [
        {
            "bob_base": {"unlike halves": "turned", "like halves": "digits"}[str(images)],
            "bob_pairs": int(pairs),
            "rho": float(rho),
            "retrain": int(retrain),
            "bob": rows.bob_accuracy.tolist(),
        }
        for (images, pairs, rho, retrain), rows in table.groupby(["images", "Bob's pairs", "rho", "retrain"])
    ]


def checked(given: Mapping[str, Any]) -> Cell:
    """The cell of these parameters, as the laboratory can show it. ValueError, in one line, for any other."""
    cell = Cell.of(**{"network": "mlp"} | dict(given))
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
    shown = {name: getattr(cell, name) for name in ("rho", "phi", "retrain", "init")}
    shown["bob_base"] = cell.bob_base or "digits"
    return json.dumps(
        {"format": FORMAT, "cell": shown, "alice": layers(alice_net), "bob": layers(bob_net)},
        allow_nan=False,
    )


def layers(net: models.Network) -> list[dict[str, list[float]]]:
    """Weights [outputs, inputs] row by row, and biases, of an MLP's layers from the input to the head."""
    linears = (module for module in net.cpu().modules() if isinstance(module, nn.Linear))
    return [{"weight": linear.weight.flatten().tolist(), "bias": linear.bias.tolist()} for linear in linears]
