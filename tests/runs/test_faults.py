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
from pathlib import Path

import faulty
import pandas as pd
import psutil
import pytest
from faulty import CELLS, DIES, DIES_ONCE, HANGS, PATIENCE, RAISES, TINY, ran, start, wait_for

from reuselab.check import Failed
from reuselab.runs import study as studies
from reuselab.runs.store import NAME, Store, row_name
from reuselab.runs.study import grid, study

LIMIT = 6  # seconds, two hundred times those of a cell
REUSELAB = Path(sys.executable).with_name("reuselab")
NAMES = [row_name(cell) for cell in CELLS]
KILLS = int(os.environ.get("SOAK", 8))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(table, folder) of a study that nothing happened to."""
    home = tmp_path_factory.mktemp("undisturbed")
    return study(CELLS, workers=1, home=home), home


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


def assert_resumes(home, folder, undisturbed):
    """A rerun does what is missing and nothing else, and its table is that of the undisturbed study."""
    before = kept(home)
    (folder / "ran").unlink(missing_ok=True)
    table = study(CELLS, workers=1, home=home)
    assert Counter(ran(folder)) == Counter(set(NAMES) - set(before))
    assert sorted(kept(home)) == sorted(NAMES)
    pd.testing.assert_frame_equal(table, undisturbed[0], check_exact=True)


# The client.


@pytest.mark.parametrize("workers, kills", [(1, KILLS), (2, KILLS // 4)])
def test_a_client_killed_at_random_moments_loses_at_most_the_cells_then_running(
    workers, kills, here, undisturbed
):
    dice = random.Random(workers)
    for kill in range(kills):
        folder = here / str(kill)
        folder.mkdir()
        os.environ["FAULTY"] = str(folder)
        begun = kill_at_random(folder, workers, dice)
        lost = set(begun) - set(kept(folder / "home"))
        assert len(lost) <= (1 if workers == 1 else 2 * workers)
        assert_resumes(folder / "home", folder, undisturbed)
        assert not list((folder / "home").glob("*.client")), "the dead client is forgotten"


def kill_at_random(folder, workers, dice):
    """Start a study, and kill its client at a random moment; the rows that had begun."""
    client = start(folder / "home", folder, delay=0.01, workers=workers)
    rows = dice.randrange(len(CELLS)) + (workers > 1)
    wait_for(lambda: (folder / "home").exists() and len(ran(folder)) >= rows)
    time.sleep(dice.uniform(0, 0.05))
    client.kill()
    client.join()
    workers_left = faulty.pids(folder) - {client.pid}
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers_left))
    return ran(folder)


def test_two_clients_at_once_share_the_work(here, undisturbed):
    for process in [start(here / "home", here, delay=0.05) for _ in range(2)]:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert len(ran(here)) <= len(CELLS) + 3, "at most the last Alice's Bobs are done by both"
    assert_resumes(here / "home", here, undisturbed)


@pytest.mark.parametrize("rows", [0, 5])
def test_ctrl_c_leaves_one_line_and_status_130(rows, tmp_path):
    """With workers that are still starting, and with some rows done."""
    home = tmp_path / "home"
    arguments = [word for name, value in TINY.items() for word in ("-p", name, str(value))]
    seeds = json.dumps(list(range(2000)))
    process = subprocess.Popen(
        [REUSELAB, "study", *arguments, "-p", "seed", seeds, "--workers", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell's background job ignores it
        env=os.environ | {"REUSELAB_HOME": str(home)},
    )
    if rows:
        wait_for(lambda: len(kept(home)) >= rows)
    else:
        wait_for(lambda: len(psutil.Process(process.pid).children()) > 1)  # from here on workers are started
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    done = len(kept(home))
    assert (process.returncode, out) == (130, "")
    assert err == f"reuselab: interrupted: {done:,} of 2,000 cells done; run the same command to go on\n"
    with Store(home) as store:
        assert store.counts() == {"done": done, "running": 0, "failed": 0, "stale": 0}


def test_a_clock_going_backwards_changes_nothing(here, undisturbed):
    process = start(here / "home", here, clock=True)
    process.join(PATIENCE)
    assert process.exitcode == 0
    with Store(here / "home") as store:
        provenance = [
            json.loads(text) for (text,) in store.db.execute("SELECT provenance FROM rows ORDER BY id")
        ]
        times = [made["time"] for made in provenance]
        assert times == sorted(times, reverse=True) and len(set(times)) > 20, "the clock did go backwards"
        assert all(0 < made["seconds"] < 60 for made in provenance)
    assert_resumes(here / "home", here, undisturbed)


# The disk.


@pytest.mark.parametrize("kind", ["a full RAM disk", "a limit on the size of files"])
def test_a_full_disk_is_said_in_one_line_and_the_finished_rows_stay(kind, here, undisturbed):
    home = here / "home"
    home.mkdir()
    if kind == "a full RAM disk" and not faulty.mounted(home, "1m"):
        pytest.skip("no RAM disk can be mounted here")
    try:
        process = start(home, here, file_size=None if kind == "a full RAM disk" else 90_000)
        process.join(PATIENCE)
        said = (here / "said").read_text()
        assert process.exitcode == 1 and "\n" not in said
        shutil.copytree(home, here / "copy")
    finally:
        if kind == "a full RAM disk":
            subprocess.run(["umount", home], check=True)
    done = len(kept(here / "copy"))
    assert said.startswith(f"cannot write into {home} (") and said.endswith(
        f": {done} of 24 cells done; run the same command to go on"
    )
    assert_resumes(here / "copy", here, undisturbed)


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


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 0.9, 0.999])
def test_a_database_cut_short_is_set_aside(share, undisturbed, tmp_path, capsys):
    home = tmp_path / "home"
    shutil.copytree(undisturbed[1], home)
    os.truncate(home / NAME, int((home / NAME).stat().st_size * share))
    assert among(set_aside(home, capsys), undisturbed[0])


@pytest.mark.parametrize("where", [b"SQLite format", b'"bob_accuracy": ', b'"rho":', b"CREATE TABLE rows"])
def test_a_flipped_byte_is_found(where, undisturbed, tmp_path, capsys):
    home = tmp_path / "home"
    shutil.copytree(undisturbed[1], home)
    data = bytearray((home / NAME).read_bytes())
    data[data.rindex(where) + len(where)] ^= 1
    (home / NAME).write_bytes(data)
    table = set_aside(home, capsys)
    assert among(table, undisturbed[0]) and (
        len(table) == len(CELLS) - 1 or (b"rho" not in where and b"bob" not in where)
    )


def test_no_flipped_byte_anywhere_gives_a_wrong_row(undisturbed, tmp_path, capsys):
    dice, whole, found = random.Random(0), (undisturbed[1] / NAME).read_bytes(), 0
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
        assert among(table, undisturbed[0]) and (damaged or len(table) == len(CELLS))
        found += damaged
    assert found > 20, "most bytes matter"


def test_a_damaged_database_that_another_client_has_open_is_left_alone(undisturbed, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(undisturbed[1], home)
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


@pytest.mark.parametrize("harm", ["flipped", "short", "gone", "pickle"])
def test_damaged_weights_are_trained_again(harm, here, undisturbed):
    home = here / "home"
    shutil.copytree(undisturbed[1], home)
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


def seeds(*seeds):
    return grid(seed=seeds, **TINY)


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
    for seed, words in failures.items():
        assert words in outcomes[row_name(*seeds(seed))].error
    (folder / "ran").unlink()
    with pytest.raises(Failed, match=told):
        study(cells, home=home, time_limit=LIMIT, **how)
    assert ran(folder) == []
    (folder / "healed").touch()
    table = study(cells, home=home, retry_failed=True, **how)
    assert Counter(ran(folder)) == Counter(row_name(*seeds(seed)) for seed in failures)
    pd.testing.assert_frame_equal(table, study(cells, workers=1, home=folder / "other"), check_exact=True)


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


def test_workers_that_do_not_start_end_the_study_in_one_line(here, monkeypatch):
    monkeypatch.setattr(studies, "_begin", faulty.no_start)
    with pytest.raises(
        Failed, match=r"^the worker processes do not start \(.*\): a script needs `if __name__"
    ):
        study(CELLS, workers=2, home=here / "home")
    assert kept(here / "home") == []


def test_an_alice_who_fails_fails_her_bobs_and_no_other(tmp_path, monkeypatch):
    train_alice = studies.cells_.train_alice
    monkeypatch.setattr(studies.cells_, "train_alice", lambda cell: train_alice(cell) if cell.seed else 1 / 0)
    with pytest.raises(
        Failed,
        match=r"^6 of 24 cells failed and the others are kept; .* with ZeroDivisionError: .*; ",
    ):
        study(CELLS, workers=1, home=tmp_path)
    assert len(kept(tmp_path)) == 18


def test_the_books_table_lists_these_faults():
    table = pd.read_csv(Path(__file__).parents[2] / "results" / "faults.csv")
    assert [*table.test, "test_the_books_table_lists_these_faults"] == [
        name for name in globals() if name.startswith("test_")
    ]
    assert table.tries[0] == 10
