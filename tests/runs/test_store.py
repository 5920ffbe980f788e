"""What is kept, by which key, and when it counts."""

import json
from collections import Counter

import pandas as pd
import pytest
import safetensors.torch
from faulty import TINY

from reuselab.experiment import cell
from reuselab.experiment.cell import Cell
from reuselab.runs import store as stores
from reuselab.runs import study as studies
from reuselab.runs.store import Store, digest
from reuselab.runs.study import grid, study

CELLS = grid(rho=[0, 1], seed=[0, 1], retrain=[1, 2], **TINY)


@pytest.fixture
def worked(monkeypatch):
    """Which functions were called for which cells."""
    calls = []
    for name in ("alice_weights", "bob_row"):
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


def test_a_digest_is_the_cells_alone_and_no_two_cells_share_one():
    cells = grid(rho=[0, 0.5], seed=range(3), bob_lr=[0.1, 0.2])
    assert len({digest(c) for c in cells}) == 12 and digest(Cell(rho=1)) == digest(Cell(rho=1.0))


def test_a_kept_row_is_not_computed_again_and_each_alice_is_trained_once(worked, tmp_path):
    some = study(CELLS[:3], workers=1, home=tmp_path)
    table = study(CELLS, workers=1, home=tmp_path)
    again = study(CELLS[::-1], workers=1, home=tmp_path)
    assert Counter(worked) == Counter(
        [("bob_row", c) for c in CELLS] + [("alice_weights", c) for c in {c.alice_cell() for c in CELLS}]
    )
    pd.testing.assert_frame_equal(table, pd.DataFrame([cell.run(c) for c in CELLS]), check_exact=True)
    pd.testing.assert_frame_equal(some, table[:3], check_exact=True)
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
        assert Counter(name for name, _ in worked) == {"alice_weights": 4, "bob_row": 8}, (
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


def test_alices_weights_are_safetensors_under_her_digest(tmp_path):
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
