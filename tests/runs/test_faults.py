"""What can go wrong with a study, with real processes: no finished row is lost, twice there or wrong."""

import json
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import faulty
import pandas as pd
import photographs
import psutil
import pytest
from faulty import DIES, DIES_ONCE, HANGS, PATIENCE, PHOTOGRAPHS, RAISES, STUDIES, TINY, ran, start, wait_for
from nbclient.exceptions import DeadKernelError
from served import lay, pet_files, run, serve_pets
from served import server as server

from reuselab.book import build, pages
from reuselab.check import Failed
from reuselab.experiment.cell import Cell
from reuselab.runs import study as studies
from reuselab.runs.store import NAME, Store, row_name
from reuselab.runs.study import grid, study

LIMIT = 6  # seconds, two hundred times those of a cell
EACH = 10  # photographs of a breed


class Whole(NamedTuple):
    """A study that nothing happened to."""

    cells: list[Cell]
    table: pd.DataFrame
    home: Path


@pytest.fixture(scope="module", autouse=True)
def pets(tmp_path_factory):
    """Photographs of three breeds, in the folder of image sets."""
    folder = tmp_path_factory.mktemp("data")
    images, lists = pet_files(EACH)
    lay(folder / "oxford-iiit-pet", images | lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REUSELAB_DATA", str(folder))
        yield folder / "oxford-iiit-pet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Each of `STUDIES` by its name, undisturbed."""

    @cache
    def of(name):
        home = tmp_path_factory.mktemp(name)
        return Whole(STUDIES[name], study(STUDIES[name], workers=1, home=home), home)

    return of


@pytest.fixture(scope="module")
def undisturbed(whole):
    return whole("pairs")


@pytest.fixture
def dice(request):
    """Random moments and places: in `make test` always the same, in `make soak` others at each try."""
    return random.Random(f"{os.environ.get('SOAK')} {request.node.name}")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder where cells write down that they ran; faults strike in this process's studies too."""
    monkeypatch.setenv("FAULTY", str(tmp_path))
    monkeypatch.setattr(studies, "bob_row", faulty.bob_row)
    return tmp_path


@pytest.fixture
def cluster(here):
    """A Dask cluster of two worker processes that gives a cell up when two workers died of it."""
    import dask
    from distributed import Client

    options = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.worker.multiprocessing-method": "forkserver",
    }
    workers = dict(n_workers=2, threads_per_worker=1, env={"FAULTY": str(here)})
    with dask.config.set(options), Client(**workers, dashboard_address=None) as client:
        yield client


def kept(home):
    """The names of the finished rows, in order; an error where the database is not whole."""
    if not (home / NAME).exists():
        return []
    with sqlite3.connect(home / NAME) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [name for (name,) in db.execute("SELECT name FROM rows WHERE status = 'done' ORDER BY id")]


def assert_resumes(home, folder, whole):
    """A rerun does what is missing and nothing else, and its table is that of the undisturbed study."""
    names, before = list(map(row_name, whole.cells)), kept(home)
    (folder / "ran").unlink(missing_ok=True)
    table = study(whole.cells, workers=1, home=home)
    assert Counter(ran(folder)) == Counter(set(names) - set(before))
    assert sorted(kept(home)) == sorted(names)
    pd.testing.assert_frame_equal(table, whole.table, check_exact=True)


# The client.


@pytest.mark.hostile("SIGKILL of a study")
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("images, workers", [("pairs", 1), ("photographs", 2)])
def test_a_client_killed_at_a_random_moment_loses_at_most_the_cells_then_running(
    images, workers, part, here, whole, dice
):
    """Each time in another quarter of the study."""
    cells = STUDIES[images]
    client = start(faulty.client, here / "home", here, delay=0.01, workers=workers, cells=cells)
    rows = int((part + dice.random()) / 4 * len(cells))
    wait_for(lambda: (here / "home").exists() and len(ran(here)) >= rows)
    time.sleep(dice.uniform(0, 0.05))
    left = faulty.descendants(client.pid)
    client.kill()
    client.join()
    left |= faulty.pids(here) - {client.pid}
    wait_for(lambda: not any(map(faulty.alive, left)))
    lost = set(ran(here)) - set(kept(here / "home"))
    assert len(lost) <= (1 if workers == 1 else 2 * workers)
    assert_resumes(here / "home", here, whole(images))
    assert not list((here / "home").glob("*.client")), "the dead client is forgotten"


@pytest.mark.hostile("two studies on one database")
def test_two_clients_at_once_share_the_work(here, undisturbed):
    for process in [start(faulty.client, here / "home", here, delay=0.05) for _ in range(2)]:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert len(ran(here)) <= len(undisturbed.cells) + 3, "at most the last Alice's Bobs are done by both"
    assert_resumes(here / "home", here, undisturbed)


GIVEN = [word for name, value in TINY.items() for word in ("-p", name, str(value))]
MANY = ["study", *GIVEN, "-p", "seed", json.dumps([*range(2000)]), "--workers", "2"]


@pytest.mark.hostile("Ctrl-C")
@pytest.mark.parametrize("starting", [True, False])
def test_ctrl_c_leaves_one_line_status_130_and_the_rows_that_are_done(starting, here, monkeypatch, dice):
    """While workers start, and with some rows done."""
    home, held, rows = here / "home", here / "held", dice.randint(1, 9)
    monkeypatch.setenv("REUSELAB_HOME", str(home))
    if starting:
        held.touch()
    command = start(faulty.command, here, arguments=MANY)
    wait_for(lambda: psutil.Process(command.pid).children() if starting else len(kept(home)) >= rows)
    os.killpg(command.pid, signal.SIGINT)
    held.unlink(missing_ok=True)
    assert_interrupted(command, 130, here)


@pytest.mark.hostile("SIGTERM or SIGHUP")
@pytest.mark.parametrize(
    "told", [(os.kill, signal.SIGTERM), (os.killpg, signal.SIGHUP)], ids=["kill", "hangup"]
)
def test_a_study_that_is_told_to_end_does_as_after_ctrl_c_and_leaves_no_process(told, here, monkeypatch):
    tell, number = told
    monkeypatch.setenv("REUSELAB_HOME", str(here / "home"))
    command = start(faulty.command, here, arguments=MANY)
    wait_for(lambda: len(kept(here / "home")) >= 3)
    begun = faulty.descendants(command.pid)
    tell(command.pid, number)
    assert_interrupted(command, 128 + number, here)
    wait_for(lambda: begun and not any(map(faulty.alive, begun)))


def assert_interrupted(command, status, here):
    home = here / "home"
    command.join(PATIENCE)
    done, out, err = len(kept(home)), (here / "out").read_text(), (here / "err").read_text()
    assert (command.exitcode, out) == (status, "")
    assert err == f"reuselab: interrupted: {done:,} of 2,000 cells done; run the same command to go on\n"
    with Store(home) as store:
        assert store.counts() == {"done": done, "running": 0, "failed": 0, "stale": 0}


@pytest.mark.hostile("clock going backwards")
def test_a_clock_going_backwards_changes_nothing(here, undisturbed):
    process = start(faulty.client, here / "home", here, clock=True)
    process.join(PATIENCE)
    assert process.exitcode == 0
    with Store(here / "home") as store:
        provenance = [
            json.loads(text) for (text,) in store.db.execute("SELECT provenance FROM rows ORDER BY id")
        ]
        times = [made["time"] for made in provenance]
        assert times == sorted(times, reverse=True) and len(set(times)) > 10, "the clock did go backwards"
        assert all(0 < made["seconds"] < 60 for made in provenance)
    assert_resumes(here / "home", here, undisturbed)


# The disk.


@pytest.mark.hostile("full disk")
@pytest.mark.parametrize(
    "images, disk, file_size", [("pairs", "1m", None), ("pairs", None, 250_000), ("photographs", "14m", None)]
)
def test_a_full_disk_is_said_in_one_line_and_the_finished_rows_stay(images, disk, file_size, here, whole):
    """A RAM disk that fills, and a limit on the size of files."""
    home, cells = here / "home", STUDIES[images]
    home.mkdir()
    if disk and not faulty.mounted(home, disk):
        pytest.skip("no RAM disk can be mounted here")
    try:
        process = start(faulty.client, home, here, file_size=file_size, cells=cells)
        process.join(PATIENCE)
        said = (here / "said").read_text()
        assert process.exitcode == 1 and "\n" not in said
        shutil.copytree(home, here / "copy")
    finally:
        if disk:
            subprocess.run(["umount", home], check=True)
    done = len(kept(here / "copy"))
    assert 0 < done < len(cells)
    assert said.startswith(f"cannot write into {home} (") and said.endswith(
        f": {done} of {len(cells)} cells done; run the same command to go on"
    )
    assert_resumes(here / "copy", here, whole(images))


def set_aside(home, capsys):
    """The finished rows after a reopening that found damage, which is named in one line."""
    capsys.readouterr()
    with Store(home) as store:
        table = store.table()
    err = capsys.readouterr().err
    assert (
        err.startswith(f"reuselab: {home / NAME} was damaged (")
        and err.count("\n") == 1
        and "set aside as studies.sqlite.damaged-" in err
    )
    assert (home / f"{NAME}.damaged-1").exists()
    return table


def among(table, whole):
    """Whether every row of `table` is, to the bit, one of `whole`."""
    return {*table.itertuples(index=False, name=None)} <= {*whole.itertuples(index=False, name=None)}


@pytest.mark.hostile("database cut short")
@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 0.9, 0.999])
def test_a_database_cut_short_is_set_aside(share, undisturbed, tmp_path, capsys):
    home = tmp_path / "home"
    shutil.copytree(undisturbed.home, home)
    os.truncate(home / NAME, int((home / NAME).stat().st_size * share))
    assert among(set_aside(home, capsys), undisturbed.table)


@pytest.mark.hostile("flipped bit in the database")
@pytest.mark.parametrize("where", [b"SQLite format", b'"bob_accuracy": ', b'"rho":', b"CREATE TABLE rows"])
def test_a_flipped_byte_is_found(where, undisturbed, tmp_path, capsys):
    home = tmp_path / "home"
    shutil.copytree(undisturbed.home, home)
    data = bytearray((home / NAME).read_bytes())
    data[data.rindex(where) + len(where)] ^= 1
    (home / NAME).write_bytes(data)
    table = set_aside(home, capsys)
    assert among(table, undisturbed.table) and (
        len(table) == len(undisturbed.cells) - 1 or (b"rho" not in where and b"bob" not in where)
    )


@pytest.mark.hostile("flipped bit in the database", 2)
def test_a_flipped_byte_in_what_images_were_seen_makes_no_row_stale(undisturbed, tmp_path, capsys):
    for flipped in ("identity = 'x' || substr(identity, 2)", "image_set = 'eigits'"):
        home = tmp_path / flipped[:5]
        shutil.copytree(undisturbed.home, home)
        with sqlite3.connect(home / NAME) as db:
            db.execute(f"UPDATE seen SET {flipped}")
        table = set_aside(home, capsys)
        assert among(table, undisturbed.table) and len(table) == len(undisturbed.cells)


@pytest.mark.hostile("flipped bit in the database", 60)
def test_no_flipped_byte_anywhere_gives_a_wrong_row(undisturbed, tmp_path, capsys, dice):
    whole, damages = (undisturbed.home / NAME).read_bytes(), 0
    for trial in range(60):
        home = tmp_path / str(trial)
        home.mkdir()
        data = bytearray(whole)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        (home / NAME).write_bytes(data)
        with Store(home) as store:
            table = store.table()
        damaged = (home / f"{NAME}.damaged-1").exists()
        assert damaged == bool(capsys.readouterr().err)
        assert among(table, undisturbed.table) and (damaged or len(table) == len(undisturbed.cells))
        damages += damaged
    assert damages > 10, "many bytes matter"


@pytest.mark.hostile("damage while another study is at work")
def test_a_damaged_database_that_another_client_has_open_is_left_alone(undisturbed, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(undisturbed.home, home)
    with Store(home):
        data = (home / NAME).read_bytes()
        (home / NAME).write_bytes(data[: len(data) // 2])
        with pytest.raises(
            Failed, match=r"is damaged .* and another study has it open: stop that one first$"
        ):
            Store(home)
        (home / NAME).write_bytes(data)


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["FAULTY"] + "/sprung",)


@pytest.mark.hostile("damaged weights")
@pytest.mark.parametrize("harm", ["flipped", "short", "gone", "pickle"])
def test_damaged_weights_are_trained_again(harm, here, undisturbed):
    home = here / "home"
    shutil.copytree(undisturbed.home, home)
    for path in (home / "alices").iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        spoilt = {"flipped": data, "short": data[:1000], "pickle": pickle.dumps(Trap())}
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(spoilt[harm])
    with sqlite3.connect(home / NAME) as db:
        db.execute("DELETE FROM rows WHERE id > 5")
    assert_resumes(home, here, undisturbed)
    assert not (here / "sprung").exists()


# The cells.


def seeds(*seeds, **given):
    return grid(seed=seeds, **(given or TINY))


def assert_failed_then_healed(folder, cells, failures, **how):
    """Failed cells are told and kept with their tracebacks, the others done; they run again if asked to."""
    home = folder / "home"
    told = f"^{len(failures)} of {len(cells)} cells failed and the others are kept; the first, "
    with pytest.raises(Failed, match=rf"{told}.*seed = ") as failed:
        study(cells, home=home, time_limit=LIMIT, **how)
    assert "\n" not in str(failed.value)
    with Store(home) as store:
        outcomes = store.find(map(row_name, cells))
    unfinished = {cell.seed for cell in cells if outcomes[row_name(cell)].status == "failed"}
    assert unfinished == set(failures) and len(outcomes) == len(cells)
    names = {cell.seed: row_name(cell) for cell in cells}
    for seed, words in failures.items():
        assert words in outcomes[names[seed]].error
    (folder / "ran").unlink()
    with pytest.raises(Failed, match=told):
        study(cells, home=home, time_limit=LIMIT, **how)
    assert ran(folder) == []
    (folder / "healed").touch()
    table = study(cells, home=home, retry_failed=True, **how)
    assert Counter(ran(folder)) == Counter(names[seed] for seed in failures)
    pd.testing.assert_frame_equal(table, study(cells, workers=1, home=folder / "other"), check_exact=True)


@pytest.mark.hostile("cell that raises")
@pytest.mark.hostile("cell that hangs")
@pytest.mark.hostile("worker killed")
def test_cells_that_raise_hang_or_lose_their_worker_stop_no_other(here):
    assert_failed_then_healed(
        here,
        seeds(0, RAISES, 1, HANGS, 2, DIES, 3),
        workers=2,
        failures={
            RAISES: "RuntimeError: no luck",
            HANGS: "TimeoutError",
            DIES: "ProcessExpired: Abnormal termination",
        },
    )


@pytest.mark.hostile("worker killed")
def test_a_worker_killed_over_photographs_stops_no_other(here):
    cells = seeds(0, DIES, 1, **PHOTOGRAPHS)
    assert_failed_then_healed(here, cells, workers=2, failures={DIES: "ProcessExpired"})


@pytest.mark.hostile("Dask worker killed", 2)
@pytest.mark.hostile("cell that raises")
@pytest.mark.hostile("cell that hangs")
def test_nor_do_they_on_a_dask_cluster_where_a_worker_killed_mid_cell_costs_nothing(here, cluster):
    cells = seeds(0, 1, DIES_ONCE, 2, 3)
    table = study(cells, client=cluster, home=here / "once")
    assert (here / "died").exists() and Counter(ran(here))[row_name(*seeds(DIES_ONCE))] == 2
    assert sorted(kept(here / "once")) == sorted(map(row_name, cells))
    pd.testing.assert_frame_equal(table, study(cells, workers=1, home=here / "apart"), check_exact=True)
    (here / "ran").unlink()
    # Alone, for Dask blames whatever waits on a worker that dies.
    assert_failed_then_healed(here, seeds(DIES), client=cluster, failures={DIES: "KilledWorker"})
    for note in ("ran", "healed"):
        (here / note).unlink()
    assert_failed_then_healed(
        here,
        seeds(0, RAISES, 1, HANGS),
        client=cluster,
        failures={RAISES: "RuntimeError: no luck", HANGS: "TimeoutError"},
    )


@pytest.mark.hostile("workers that do not start")
def test_workers_that_do_not_start_end_the_study_in_one_line(here, monkeypatch):
    monkeypatch.setattr(studies, "_begin", faulty.no_start)
    with pytest.raises(
        Failed, match=r"^the worker processes do not start \(.*\): a script needs `if __name__"
    ):
        study(STUDIES["pairs"], workers=2, home=here / "home")
    assert kept(here / "home") == []


@pytest.mark.hostile("cell that raises")
def test_an_alice_who_fails_fails_her_bobs_and_no_other(tmp_path, monkeypatch):
    train_alice = studies.cells_.train_alice
    monkeypatch.setattr(studies.cells_, "train_alice", lambda cell: train_alice(cell) if cell.seed else 1 / 0)
    with pytest.raises(
        Failed,
        match=r"^6 of 12 cells failed and the others are kept; .* with ZeroDivisionError: .*; ",
    ):
        study(STUDIES["pairs"], workers=1, home=tmp_path)
    assert len(kept(tmp_path)) == 6


# The photographs, and the page.


def one_is_gone(pets):
    (pets / "images" / "pug_0.jpg").unlink()


def one_is_another(pets):
    shutil.copy(pets / "images" / "pug_1.jpg", pets / "images" / "pug_0.jpg")


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(one_is_gone, marks=pytest.mark.hostile("image set gone under a study")),
        pytest.param(one_is_another, marks=pytest.mark.hostile("images swapped during a study")),
    ],
)
def test_photographs_that_change_stop_the_study_and_coming_back_it_goes_on(
    harm, here, pets, whole, monkeypatch
):
    undisturbed, train_alice = whole("photographs"), studies.train_alice
    photograph = pets / "images" / "pug_0.jpg"
    before = photograph.read_bytes()

    def harmful(cell):
        if cell.seed == 2:
            harm(pets)
        return train_alice(cell)

    with monkeypatch.context() as patch:
        patch.setattr(studies, "train_alice", harmful)
        with pytest.raises(Failed, match=r": 6 of 12 cells done; run the same command to go on$"):
            study(undisturbed.cells, workers=1, home=here / "home")
    photograph.write_bytes(before)
    assert len(kept(here / "home")) == 6
    assert_resumes(here / "home", here, undisturbed)


@pytest.mark.hostile("fetch cut off")
def test_a_fetch_cut_off_goes_on_and_the_study_begins_only_on_whole_photographs(
    here, server, whole, monkeypatch, capsys
):
    undisturbed = whole("photographs")
    monkeypatch.setenv("REUSELAB_DATA", str(here / "data"))
    serve_pets(server, monkeypatch, EACH)
    server.cut = len(server.files["images.tar.gz"]) // 2
    status, _, err = run(monkeypatch, capsys, "fetch", "pets")
    assert status == 1 and err.startswith("reuselab: the connection was lost after ")
    with pytest.raises(FileNotFoundError):
        study(undisturbed.cells, workers=1, home=here / "home")
    server.cut = None
    assert run(monkeypatch, capsys, "fetch", "pets")[0] == 0
    assert server.bytes_of("images.tar.gz") == len(server.files["images.tar.gz"])
    assert_resumes(here / "home", here, undisturbed)


PAGE = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

```{code-cell} ipython3
:tags: [parameters]

preset = "quick"
```

```{code-cell} ipython3
import faulty
table = faulty.page()
```
"""


@pytest.mark.hostile("SIGKILL of a page's kernel")
def test_a_page_whose_kernel_is_killed_fails_and_its_next_run_does_only_what_is_missing(here, monkeypatch):
    for name, value in {"PYTHONPATH": os.pathsep.join(sys.path), "REUSELAB_HOME": here / "home"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(pages, "NOTEBOOKS", here)
    (here / "made.md").write_text(PAGE)
    with pytest.raises((Failed, DeadKernelError)):
        build.execute("made", pages.defaults("made"), here / "out")
    names = [row_name(cell) for cell in seeds(0, 1, DIES_ONCE, 2, **PHOTOGRAPHS)]
    assert (kept(here / "home"), ran(here)) == (names[:2], names[:3])
    (here / "ran").unlink()
    photographs.execute("made", {}, here / "out")
    assert (kept(here / "home"), ran(here)) == (names, names[2:])
