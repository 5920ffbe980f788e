"""What is kept, by which key, and when it counts."""

import json
import shutil
import signal
import sys
from collections import Counter
from dataclasses import replace

import altered
import pandas as pd
import pytest
import safetensors.torch
from faulty import TINY

from reuselab.check import Failed
from reuselab.experiment import bases, cell
from reuselab.experiment.cell import Cell
from reuselab.runs import exchange
from reuselab.runs import store as stores
from reuselab.runs import study as studies
from reuselab.runs.store import Store, row_name
from reuselab.runs.study import grid, study
from reuselab.sources import registry

CELLS = grid(rho=[0, 1], seed=[0, 1], retrain=[1, 2], **TINY)


@pytest.fixture
def worked(monkeypatch):
    """Which functions were called for which cells."""
    calls = []
    for name in ("train_alice", "bob_row"):
        real = getattr(studies, name)
        monkeypatch.setattr(
            studies,
            name,
            lambda given, *more, name=name, real=real: calls.append((name, given)) or real(given, *more),
        )
    return calls


def test_the_source_is_the_folder_of_the_experiment(tmp_path, monkeypatch):
    for name in ("cell.py", "train.py"):
        (tmp_path / name).write_text("x = 1")
    monkeypatch.setattr(stores, "EXPERIMENT", tmp_path)
    first = stores.source.__wrapped__()
    (tmp_path / "train.py").write_text("x = 2")
    second = stores.source.__wrapped__()
    (tmp_path / "train.py").write_text("x = 1")
    (tmp_path / "more.py").touch()
    assert len({first, second, stores.source.__wrapped__()}) == 3


def test_no_two_cells_share_a_name():
    cells = grid(rho=[0, 0.5], seed=range(3), bob_lr=[0.1, 0.2])
    assert len({row_name(c) for c in cells}) == 12 and row_name(Cell(rho=1)) == row_name(Cell(rho=1.0))


@pytest.fixture
def lies_here(data_folder, monkeypatch):
    """Puts other images in place of the pets: digits, labelled by what it is called with; "" removes them."""
    file = data_folder / "pets" / "order"
    file.parent.mkdir()

    def read(root):
        turns = sum(file.read_bytes())
        return {
            split: replace(part, labels=part.labels.roll(turns))
            for split, part in registry.read("digits").items()
        }

    monkeypatch.setitem(
        registry.SETS, "pets", replace(registry.SETS["digits"], place="pets", folders=("",), read=read)
    )

    def put(text):
        file.write_text(text)
        if not text:
            file.unlink()

    put("of 1,000 photographs")
    return put


GROWS = grid(seed=[0, 1], base=["digits", "pets"], bob_base="pets", **TINY)


def assert_stale(home, stale):
    with Store(home) as store:
        counts = store.counts()
        assert (counts["stale"], len(store.table()), len(store.table(stale=True))) == (
            stale,
            counts["done"],
            counts["done"] + stale,
        )


def test_rows_on_a_set_that_grows_are_found_again(worked, lies_here, tmp_path):
    first = study(GROWS, workers=1, home=tmp_path)
    worked.clear()
    pd.testing.assert_frame_equal(study(GROWS, workers=1, home=tmp_path), first, check_exact=True)
    assert worked == []
    with Store(tmp_path) as store:
        assert store.find(map(row_name, GROWS)).keys() == set(map(row_name, GROWS))


def test_other_images_make_rows_and_alices_stale_and_the_first_ones_bring_them_back(
    worked, lies_here, tmp_path
):
    first = study(GROWS, workers=1, home=tmp_path)
    lies_here("of 2,000 photographs")
    worked.clear()
    study(GROWS, workers=1, home=tmp_path)
    assert Counter(name for name, _ in worked) == {"train_alice": 4, "bob_row": 4}
    assert_stale(tmp_path, 4)
    lies_here("of 1,000 photographs")
    worked.clear()
    pd.testing.assert_frame_equal(study(GROWS, workers=1, home=tmp_path), first, check_exact=True)
    assert worked == []
    assert_stale(tmp_path, 4)


def test_a_failure_on_other_images_is_tried_again_and_kept_with_the_first(lies_here, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(studies, "bob_row", lambda *_: 1 / 0)
        with pytest.raises(Failed):
            study(GROWS, workers=1, home=tmp_path)
    lies_here("whole")
    assert len(study(GROWS, workers=1, home=tmp_path)) == 4
    lies_here("of 1,000 photographs")
    with pytest.raises(Failed, match=r"^4 of 4 cells failed"):
        study(GROWS, workers=1, home=tmp_path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_imported_rows_count_on_the_images_that_they_were_made_on_and_on_no_others(
    suffix, worked, lies_here, tmp_path
):
    first, file = study(GROWS, workers=1, home=tmp_path / "one"), tmp_path / f"rows{suffix}"
    with Store(tmp_path / "one") as store:
        exchange.write(store.table(stale=True), file)
    lies_here("others")
    with Store(tmp_path / "two") as store:
        assert store.add(exchange.read(file), 0) == (4, [])
    worked.clear()
    study(GROWS, workers=1, home=tmp_path / "two")
    assert len(worked) == 8
    assert_stale(tmp_path / "two", 4)
    lies_here("of 1,000 photographs")
    worked.clear()
    pd.testing.assert_frame_equal(study(GROWS, workers=1, home=tmp_path / "two"), first, check_exact=True)
    assert worked == []


@pytest.mark.hostile("images swapped during a study")
def test_a_worker_with_other_images_than_the_client_is_refused(lies_here, tmp_path, monkeypatch):
    real = studies.train_alice
    monkeypatch.setattr(studies, "train_alice", lambda cell: lies_here("others") or real(cell))
    with pytest.raises(Failed, match=r"^a worker has other images than this study began with: 0 of 4 cells"):
        study(GROWS, workers=1, home=tmp_path)
    with Store(tmp_path) as store:
        assert set(store.counts().values()) == {0}


@pytest.mark.hostile("images swapped during a study")
def test_a_cell_keeps_to_its_images_when_others_take_their_place_and_leave_again(
    lies_here, tmp_path, monkeypatch
):
    expected = [cell.run(grown) for grown in GROWS]
    real = studies.bob_row

    def swapped(*given):
        lies_here("others")
        row = real(*given)
        lies_here("of 1,000 photographs")
        return row

    monkeypatch.setattr(studies, "bob_row", swapped)
    rows = study(GROWS, workers=1, home=tmp_path)
    pd.testing.assert_frame_equal(rows, pd.DataFrame(expected), check_exact=True)


@pytest.mark.hostile("images swapped during a study")
def test_no_failure_is_kept_of_a_cell_that_died_of_other_images(lies_here, tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "work", lambda *_: lies_here("others") or 1 / 0)
    with pytest.raises(Failed, match=r"^a worker has other images than this study began with: 0 of 4 cells"):
        study(GROWS, workers=1, home=tmp_path)
    with Store(tmp_path) as store:
        assert set(store.counts().values()) == {0}


@pytest.mark.hostile("a worker of another version")
@pytest.mark.parametrize("function", ["train_alice", "bob_row"])
def test_a_worker_of_other_code_neither_computes_nor_fails_for_the_client(function, tmp_path, monkeypatch):
    real = studies.work

    def other(made_of, *job):
        return real(("0" * 64, made_of[1]) if job[0].__name__ == function else made_of, *job)

    monkeypatch.setattr(studies, "work", other)
    with pytest.raises(Failed, match=r"^a worker has other code than this client, .*: 0 of 4 cells done"):
        study(CELLS[:4], workers=1, home=tmp_path)
    with Store(tmp_path) as store:
        assert set(store.counts().values()) == {0}


def test_a_dask_client_without_the_images_asks_a_worker_for_their_identity(lies_here, monkeypatch):
    class Worker:
        def submit(self, function, names, pure):
            lies_here("there")
            return Worker.future(function(names))

        class future:
            def __init__(self, found):
                self.result = lambda: found

    lies_here("there")
    there = bases.identity("pets")
    lies_here("")
    images = studies._images(GROWS, Worker())
    assert images["pets"] == there and images["digits"] == bases.identity("digits")


@pytest.mark.hostile("input")
def test_a_database_of_an_earlier_format_is_set_aside(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as earlier:
        now = f"user_version = {stores.FORMAT};"
        earlier.setattr(stores, "SCHEMA", stores.SCHEMA.replace(now, "user_version = 1;"))
        earlier.setattr(stores, "FORMAT", 1)
        Store(tmp_path).__exit__()
    assert [path.name for path in tmp_path.glob("*.sqlite*")] == ["studies.sqlite"]
    with Store(tmp_path) as store:
        assert set(store.counts().values()) == {0}
    assert "not a database of this version of reuselab" in capsys.readouterr().err
    assert (tmp_path / "studies.sqlite.damaged-1").exists()


def test_a_kept_row_is_not_computed_again_and_each_alice_is_trained_once(worked, tmp_path):
    three = study(CELLS[:3], workers=1, home=tmp_path)
    table = study(CELLS, workers=1, home=tmp_path)
    again = study(CELLS[::-1], workers=1, home=tmp_path)
    assert Counter(worked) == Counter(
        [("bob_row", c) for c in CELLS] + [("train_alice", c) for c in {c.alice_cell() for c in CELLS}]
    )
    pd.testing.assert_frame_equal(table, pd.DataFrame([cell.run(c) for c in CELLS]), check_exact=True)
    pd.testing.assert_frame_equal(three, table[:3], check_exact=True)
    pd.testing.assert_frame_equal(again, table[::-1].reset_index(drop=True), check_exact=True)
    with Store(tmp_path) as store:
        kept = store.table().sort_values(["rho", "seed", "retrain"], ignore_index=True)
        pd.testing.assert_frame_equal(kept, table, check_exact=True, check_dtype=False)
        assert list(kept) == list(table)


def test_other_code_makes_rows_stale_and_bringing_it_back_makes_them_count(worked, tmp_path, monkeypatch):
    first = study(CELLS, workers=1, home=tmp_path)
    with monkeypatch.context() as other:
        for module in (stores, studies):
            other.setattr(module, "source", lambda: "0" * 64)
        with Store(tmp_path) as store:
            assert store.counts() == {"done": 0, "running": 0, "failed": 0, "stale": 8}
        worked.clear()
        study(CELLS, workers=1, home=tmp_path)
        assert Counter(name for name, _ in worked) == {"train_alice": 4, "bob_row": 8}, (
            "Alice too is trained anew"
        )
    with Store(tmp_path) as store:
        assert store.counts() == {"done": 8, "running": 0, "failed": 0, "stale": 8}
    worked.clear()
    pd.testing.assert_frame_equal(study(CELLS, workers=1, home=tmp_path), first, check_exact=True)
    assert worked == []


def test_a_row_tells_how_it_came_about(tmp_path):
    study(CELLS[:1], workers=1, home=tmp_path)
    with Store(tmp_path) as store:
        made = json.loads(store.table(stale=True).provenance[0])
    assert made["device"].startswith("CPU (") and f"torch {studies.version('torch')}" in made["versions"]
    assert made["source"] == stores.source() and 0 < made["seconds"] < 60 and made["time"].startswith("20")


def test_alices_weights_are_safetensors_under_her_name(tmp_path):
    study(CELLS[:1], workers=1, home=tmp_path)
    alice = CELLS[0].alice_cell()
    (path,) = (tmp_path / "alices").iterdir()
    assert path.name == f"{studies.alice_name(alice)}.safetensors"
    kept, trained = safetensors.torch.load_file(path), cell.train_alice(alice).state_dict()
    assert kept.keys() == trained.keys() and all((kept[name] == trained[name]).all() for name in kept)


def test_a_running_cell_is_counted_while_its_client_lives(tmp_path):
    with Store(tmp_path) as one:
        assert one.claim(["a", "b"])
        with Store(tmp_path) as two:
            assert two.counts()["running"] == 2
            assert not two.claim(["b", "c"]) and two.claim(["c"])
            assert one.counts()["running"] == 3
        assert one.counts()["running"] == 2
    with Store(tmp_path) as three:
        assert three.counts()["running"] == 0


def test_a_measure_that_is_not_a_number_is_kept_as_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "bob_row", lambda bob, weights: {"bob_accuracy": float("nan"), "loss": 0.5})
    for table in (study(CELLS[:2], workers=1, home=tmp_path), study(CELLS[:2], workers=1, home=tmp_path)):
        assert table.bob_accuracy.isna().all() and list(table.loss) == [0.5, 0.5]


def test_the_home_is_the_checkouts_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    assert stores.folder() == tmp_path
    monkeypatch.delenv("REUSELAB_HOME")
    assert stores.folder() == stores.Path(stores.__file__).parents[2] / "_build" / "home"


def test_a_row_of_an_installed_package_names_nobodys_repository(monkeypatch):
    """Its environment may lie in one."""
    monkeypatch.setattr(studies.places, "CHECKOUT", None)
    assert studies.machine.__wrapped__()["git"] == ""


@pytest.mark.hostile("Ctrl-C")
def test_ctrl_c_counts_where_python_drops_what_it_raises(tmp_path, monkeypatch):
    """An interrupt that comes while an object is finalized is only printed; the study stops all the same."""

    class Finalized:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    real, dropped = studies.bob_row, []
    monkeypatch.setattr(studies, "bob_row", lambda *given: Finalized() and real(*given))
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: dropped.append(unraisable.exc_type))
    with pytest.raises(KeyboardInterrupt, match="1 of 8 cells done"):
        study(CELLS, workers=1, home=tmp_path)
    assert dropped == [KeyboardInterrupt]


@pytest.mark.hostile("changed image set")
@pytest.mark.parametrize("name, what", altered.CHANGES)
def test_a_changed_set_makes_its_rows_and_failures_stale_at_once_until_it_is_put_back(
    name, what, data_folder, tmp_path_factory, monkeypatch
):
    altered.LAY[name](data_folder, monkeypatch)
    laid = shutil.copytree(data_folder, tmp_path_factory.mktemp("laid") / "sets")
    cells = Cell(base=name, seed=0), Cell(bob_base=name, seed=1), Cell(seed=2)
    with Store(laid.parent) as store:

        def valid():
            images = stores.identities([name, "digits"])
            finished = store.find(row_name(cell, images) for cell in cells)
            return [(row.status, row.measures.get("seed")) for row in finished.values()]

        images = stores.identities([name, "digits"])
        for cell, error in zip(cells, ("", "no luck", "")):
            store.keep(cell, images, {"seed": cell.seed}, error, {})
        all_rows = valid()
        assert len(all_rows) == 3
        with pytest.MonkeyPatch.context() as patch:
            altered.CHANGES[name, what](data_folder, patch)
            assert valid() == [("done", 2)], "only the row on other images counts"
        shutil.rmtree(data_folder)
        shutil.copytree(laid, data_folder)
        assert valid() == all_rows
