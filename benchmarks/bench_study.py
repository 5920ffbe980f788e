"""What a study costs beside its cells: the part "study" of `bench.py`.

The trivial cells are real `Cell`s whose training and judging are replaced by constants: what remains is the
study itself.
"""

import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psutil
from distributed import Client

from reuselab.runs import study as studies
from reuselab.runs.store import Row, Store, canonical, identities, name_of, source
from reuselab.runs.study import grid, machine, study

CELLS, ROWS = 10_000, 1_000_000
MEASURES = {"alice_accuracy": 0.875, "bob_accuracy": 0.5, "chance": 0.1, "ceiling": 0.25}


def no_alice(alice_cell):
    return bytes(100_000)


def no_bob(bob_cell, alice_weights):
    return dict(MEASURES)


def seconds(function, *args, **named):
    start = time.perf_counter()
    function(*args, **named)
    return time.perf_counter() - start


def overhead(folder, count):
    """Trivial cells: milliseconds each, here and over Dask; MB that their second half grew the client by."""
    real = studies.train_alice, studies.bob_row
    studies.train_alice, studies.bob_row = no_alice, no_bob
    cells = grid(seed=range(count // 100), retrain=range(1, 5), bob_epochs=range(25))
    half = len(cells) // 2
    home = Path(folder) / "here"
    first = seconds(study, cells[:half], workers=1, home=home)
    before = psutil.Process().memory_info().rss
    second = seconds(study, cells[half:], workers=1, home=home)
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        study(cells[:100], client=client, home=Path(folder) / "warm")
        dask = seconds(study, cells, client=client, home=Path(folder) / "dask")
    with Store(home) as store:
        opened = seconds(store.counts)
    status = seconds(lambda: Store(home).__exit__()) + opened
    studies.train_alice, studies.bob_row = real
    return (first + second) / count * 1e3, dask / count * 1e3, grown, status


def reading(folder, count):
    """Seconds to read so many rows into a data frame, from an open database, and to open and check it."""
    home = Path(folder) / "million"
    flat, images = grid()[0].flat(), canonical(identities(["digits"]))
    measures, provenance = json.dumps(MEASURES), json.dumps(machine() | {"seconds": 1.0})
    with Store(home) as store, store.transaction():
        for seed in range(count):
            cell = canonical(flat | {"seed": seed})
            name = name_of(cell, images)
            store._put(Row(name, source(), "done", images, cell, measures, "", provenance))
    opening = time.perf_counter()
    with Store(home) as store:
        opening = time.perf_counter() - opening
        start = time.perf_counter()
        assert len(store.table()) == count
        return time.perf_counter() - start, opening


def table(*, few):
    """What was measured, and what is wanted; few: a hundredth of the cells and rows."""
    count, rows = (number // (100 if few else 1) for number in (CELLS, ROWS))
    with tempfile.TemporaryDirectory() as folder:
        read, opening = reading(folder, rows)  # first, as a process that only reads would
        here, dask, grown, status = overhead(folder, count)
    made = pd.DataFrame(
        [
            ("overhead per cell in this process", f"{here:.2f} ms", "under 3 ms"),
            ("overhead per cell over Dask", f"{dask:.2f} ms", "under 10 ms"),
            (f"memory grown by the second {count // 2:,} of {count:,} cells", f"{grown:.0f} MB", "flat"),
            (f"status of {count:,} rows, with the check on opening", f"{status:.2f} s", "under 1 s"),
            (f"{rows:,} rows read into a data frame", f"{read:.1f} s", "under 10 s"),
            (f"opening and checking a database of {rows:,} rows", f"{opening:.1f} s", ""),
        ],
        columns=["what", "measured", "wanted"],
    )
    return made.assign(where=f"{os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}")
