"""Plant faults one at a time, and count which `reuselab check` notices: `make mutants`.

A fault is a text of the package replaced by another, in a copy; the named pages are run from it. Unit tests
have no say here: this is about what the notebooks' numbers alone would tell.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reuselab.book import agreement
from reuselab.book.build import ROOT

LEAST = 0.95  # of the faults must be noticed


class Fault(NamedTuple):
    """What is done wrong, in which file, by which text in place of which, and pages that it reaches."""

    what: str
    file: str
    right: str
    wrong: str
    pages: tuple[str, ...] = ("task_correlation",)


MODELS, TRAIN, CELL, PAIRS = (f"experiment/{name}.py" for name in ("models", "train", "cell", "pairs"))
FAULTS = (
    Fault("nothing frozen", MODELS, "bob.named_children()), frozen)", "bob.named_children()), 0)"),
    Fault(
        "normalisation not in evaluation mode",
        MODELS,
        "super().train(mode)",
        "super().train(True)",
        ("attribution",),
    ),
    Fault("rho squared", PAIRS, '    RHO("rho", rho)\n', '    RHO("rho", rho)\n    rho = rho**2\n'),
    Fault(
        "training images in the test", CELL, 'train if split == "train" else _images(cell, split)', "train"
    ),
    Fault(
        "learning rates times 0.7", TRAIN, "optimizer, recipe.lr, total", "optimizer, 0.7 * recipe.lr, total"
    ),
    Fault(
        "one epoch in eight left out",
        TRAIN,
        "    where = device(recipe.device)\n    net.to(where)",
        "    recipe = Recipe(**vars(recipe) | {'epochs': recipe.epochs * 7 // 8})\n"
        "    where = device(recipe.device)\n    net.to(where)",
        ("zero_correlation",),
    ),
    Fault(
        "no weight decay",
        TRAIN,
        "weight_decay=recipe.weight_decay",
        "weight_decay=0.0",
        ("zero_correlation",),
    ),
    Fault(
        "Alice's labels in place of Bob's",
        CELL,
        "return data, data.bob_labels",
        "return data, data.alice_labels",
    ),
    Fault(
        "a control not shuffled",
        CELL,
        '_shuffled(cell, labels, "alice") if cell.alice_task == "shuffled" else labels',
        "labels",
        ("zero_correlation",),
    ),
    Fault("fresh blocks read as hers", MODELS, 'frozen if init == "fresh" else len(bob)', "len(bob)"),
    Fault("the cut off by one", MODELS, "len(bob) - retrain\n", "max(0, len(bob) - retrain - 1)\n"),
    Fault("Bob's fresh blocks the same for every seed", CELL, 'seeds["bob_weights"])', "0)"),
    Fault(
        "batches always in one order",
        TRAIN,
        "torch.randperm(len(labels), generator=generator)",
        "torch.arange(len(labels))",
    ),
    Fault(
        "one pair in ten withheld from Bob",
        CELL,
        '"train", cell.bob_recipe.pairs)',
        '"train", cell.bob_recipe.pairs * 9 // 10)',
    ),
    Fault(
        "Bob and Alice draw the same pairs",
        CELL,
        '"bob_pairs" if cell.layout',
        '"alice_pairs" if cell.layout',
    ),
    Fault(
        "labels smoothed by a tenth", TRAIN, "label_smoothing=recipe.label_smoothing", "label_smoothing=0.1"
    ),
    Fault("no momentum", TRAIN, '{"momentum": recipe.momentum}', "{}", ("zero_correlation",)),
    Fault(
        "normalisation of the random network not calibrated",
        TRAIN,
        "    update_bn(",
        "    0 and update_bn(",
        ("zero_correlation",),
    ),
    Fault(
        "solved heads with too small a penalty",
        TRAIN,
        "np.logspace(-1, 7, 9)",
        "np.logspace(-1, 0, 2)",
        ("zero_correlation",),
    ),
    Fault(
        "attribution with its halves swapped",
        "experiment/attribution.py",
        '(whose == "bob") != images',
        '(whose == "bob") == images',
        ("attribution",),
    ),
    Fault(
        "similarity reversed",
        "claims/semantics.py",
        "of_groups = _group_similarities(base, groups, kind)",
        "of_groups = 1 - _group_similarities(base, groups, kind)",
        ("dogs_and_cats",),
    ),
    Fault(
        "both halves augmented together",
        TRAIN,
        "x.chunk(2, halves_along), chances.unbind(1)",
        "x.chunk(2, halves_along), chances[:, :1].expand(-1, 2, -1).unbind(1)",
    ),
    Fault(
        "c = 1",
        "theory/linear.py",
        'if form == "published":\n        c =',
        "if True:\n        c =",
        ("deep_linear",),
    ),
    Fault(
        "gamma off by ten per cent",
        "claims/phase_diagram.py",
        "linear.simulate(round(g * d)",
        "linear.simulate(round(1.1 * g * d)",
        ("phase_diagram",),
    ),
    Fault(
        "fine-tuning from scratch's weights",
        "theory/relu.py",
        "[start] * count + [student] * count",
        "[start] * count * 2",
        ("nonlinear",),
    ),
    Fault("noise left out", "theory/relu.py", "+ sigma * noise", "+ 0 * noise", ("nonlinear",)),
)


def plant(fault: Fault, place: Path) -> None:
    """A copy in `place` of what `reuselab check` needs, with the fault in it."""
    for part in ("reuselab", "notebooks", "results", "requirements.lock"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, place / part)
    file = place / "reuselab" / fault.file
    text = file.read_text()
    if text.count(fault.right) != 1:
        sys.exit(f"{fault.file} must have once what the fault '{fault.what}' is put for: {fault.right}")
    file.write_text(text.replace(fault.right, fault.wrong))


def check(fault: Fault) -> dict[str, str | int | float | bool]:
    """A row: what the fault is, whether `reuselab check` notices it, and by how much."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        plant(fault, place)
        places = {
            "PYTHONPATH": scratch,
            "REUSELAB_BUILD": f"{scratch}/_build",
            "REUSELAB_HOME": f"{scratch}/home",
        }
        command = [sys.executable, "-c", "from reuselab.cli import main; main()", "check", *fault.pages]
        done = subprocess.run(command, cwd=place, env=os.environ | places, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            sys.exit(done.stderr)
        held = [agreement.compare(page, place / "_build/pages/smoke") for page in fault.pages]
        return {"fault": fault.what, "page": ", ".join(fault.pages), "noticed": done.returncode == 1} | worst(
            pd.concat(held)
        )


def worst(held: pd.DataFrame) -> dict[str, str | int | float]:
    """How many tests are off, and the farthest off of them, in tolerances."""
    times = ((held.found - held.kept).abs() / held.tolerance).fillna(0)
    first = held.loc[times.idxmax()]
    return {
        "tests off": int((times > 1).sum()),
        "times tolerance": round(times.max(), 1),
        "measure": first.measure,
        "kind": first.kind,
    }


def main() -> None:
    """Write results/mutants.csv; exit status 1 unless enough faults are noticed."""
    rows = []
    for fault in FAULTS:
        rows.append(check(fault))
        print(*rows[-1].values(), sep="\t", flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(ROOT / "results" / "mutants.csv", index=False)
    print(f"{table.noticed.sum()} of {len(table)} faults are noticed")
    sys.exit(table.noticed.mean() < LEAST)


if __name__ == "__main__":
    main()
