"""How long pages take here: the seconds in `results/seconds.csv`, scaled by a training timed here."""

import json
import sys
from timeit import repeat

import pandas as pd

from reuselab import places
from reuselab.book import build, kept
from reuselab.experiment.cell import Cell, repeatable, train_alice


def step() -> float:
    """Seconds of a small Alice's training, the best of five."""
    small = Cell.of(alice_pairs=2000, alice_epochs=2)
    with repeatable():
        return min(repeat(lambda: train_alice(small), number=1, repeat=5))


def estimate(pages: list[str], preset: str) -> tuple[dict[str, float], float]:
    """Seconds of each page, NaN where none were kept at this preset, and of all of them, two at a time."""
    table = kept.seconds(preset)
    seconds = table.reindex(pages) * step() / table.get("step", float("nan"))
    return seconds.to_dict(), max(seconds.max(), seconds.sum() / 2)


def keep(preset: str) -> None:
    """Keep the seconds of a step and of the pages last built at `preset`, best in an empty REUSELAB_HOME."""
    seconds = {"step": step()}
    for path in sorted((build.BUILD / "pages" / preset).glob("*.ipynb")):
        seconds[path.stem] = json.loads(path.read_text())["metadata"]["papermill"]["duration"]
    new = pd.DataFrame({"page": list(seconds), "preset": preset, "seconds": list(seconds.values())})
    others = pd.read_csv(kept.SECONDS).query("preset != @preset") if kept.SECONDS.exists() else None
    pd.concat([others, new]).round(4).to_csv(kept.SECONDS, index=False)


if __name__ == "__main__":  # python -m reuselab.book.estimate PRESET
    places.need_checkout()
    keep(sys.argv[1])
