"""The rival of the bench does the work that the engine does."""

import multiprocessing
from unittest.mock import Mock

import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from reuselab import places
from reuselab.check import Failed
from reuselab.experiment import cell, train
from reuselab.experiment.cell import Cell

TINY = {"network": "mlp", "alice_pairs": 100, "alice_epochs": 1, "bob_epochs": 1, "test_pairs": 50}


@pytest.fixture
def bench(monkeypatch):
    """The bench, every contender in this process."""
    monkeypatch.syspath_prepend(places.CHECKOUT)
    from benchmarks import bench

    monkeypatch.setattr(bench, "apart_itself", bench.apart, raising=False)
    monkeypatch.setattr(bench, "apart", lambda function, *args: function(*args))
    monkeypatch.setattr(bench, "SIDE", 64)
    return bench


@pytest.mark.parametrize("pair", [{}, {"bob_base": "turned", "layout": "stacked"}])
def test_the_rival_sees_what_the_engine_sees(bench, pair):
    pairs = cell.draw(Cell.of(**pair), "train", 20, 0)
    joined = bench.plain.Joined(pairs, pairs.bob_labels, augment=False)
    seen = torch.stack([image for image, _ in joined])
    torch.testing.assert_close(seen, pairs[:], atol=1e-5, rtol=1e-5)
    assert [label for _, label in joined] == pairs.bob_labels.tolist()


def test_the_rival_changes_no_frozen_block_and_augments_where_asked(bench):
    recipe = {
        f"{who}_{name}": value for name, value in train.RECIPES["sgd"].items() for who in ("alice", "bob")
    }
    augmented = Cell.of(**TINY | recipe, retrain=1)
    alice_net = bench.plain.alice(augmented, 0)
    before = {name: value.clone() for name, value in alice_net.state_dict().items()}
    bob_net = bench.plain.bob(augmented, alice_net, 0)
    changed = {name for name, value in bob_net.state_dict().items() if not value.equal(before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_both_give_a_row_for_every_cell_and_seconds_for_every_stage(bench):
    cells = bench.cells_of(TINY | {"rho": 0.75, "retrain": [1, 2], "seed": [0, 1]}, "cpu")
    told = bench.contend(bench.ONE, cells)
    pd.testing.assert_frame_equal(
        told["rows"][["seed", "retrain"]], bench.plain.rows(cells, 0)[["seed", "retrain"]]
    )
    assert told["needed"] > 0 and min(told["stages"].values()) >= 0
    assert {"Alice trained", "Bob trained", "judged", "the rest"} <= told["stages"].keys()


def test_a_difference_is_paired_by_cell_and_its_interval_is_over_seeds(bench):
    rows = pd.DataFrame({"seed": [0, 0, 1, 1], "bob_accuracy": [0.5, 0.7, 0.6, 0.8]})
    told = bench._difference(rows, rows.assign(bob_accuracy=rows.bob_accuracy - [0.1, 0.1, 0.3, 0.3]))
    assert told["difference"] == pytest.approx(0.2) and not told["within one error"]


@pytest.mark.hostile("input")
def test_a_bad_part_and_a_place_that_cannot_be_written_are_refused_before_any_work(
    bench, monkeypatch, tmp_path
):
    monkeypatch.setattr(bench, "provenance", lambda device: pytest.fail("work was begun"))
    told = CliRunner().invoke(bench.main, ["cost", "mpl"])
    assert told.exit_code == 2 and "no part 'mpl' (did you mean mlp?)" in told.output
    (tmp_path / "file").touch()
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "file")
    told = CliRunner().invoke(bench.main, ["--keep"])
    assert told.exit_code == 2 and "cannot write into " in told.output


def test_tables_are_kept_whole_at_four_digits(bench, monkeypatch, tmp_path):
    table = pd.DataFrame({"axis": ["width"], "scale": [64], "seconds": [1.234567]})
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    monkeypatch.setattr(bench, "cost", lambda device, few: table)
    assert CliRunner().invoke(bench.main, ["cost", "--keep"]).exit_code == 0
    (kept,) = tmp_path.rglob("*.csv")
    pd.testing.assert_frame_equal(pd.read_csv(kept), table.assign(seconds=1.235), check_dtype=False)


def test_what_a_contender_raised_in_its_process_is_told(bench, monkeypatch):
    """It is stood in for by a call: the end of the pipe that it tells into is closed when it is begun."""

    class Here(Mock):
        def start(self):
            self.target(*self.args)

    class Context:
        Pipe, Process = staticmethod(multiprocessing.Pipe), Here

    monkeypatch.setattr(bench.multiprocessing, "get_context", lambda kind: Context)
    with pytest.raises(Failed, match=r"^a contender failed: ZeroDivisionError: division by zero$"):
        bench.apart_itself(lambda: 1 / 0)
