"""The estimate: a line per page and a total, nothing of the book run, and its numbers those of the code that runs."""

import re
import sys
from itertools import count

import pytest
import torch

from reuselab import cli
from reuselab.book import build as book
from reuselab.book import estimate
from reuselab.book import pages as page
from reuselab.book.estimate import Rehearsal
from reuselab.experiment import cell, train
from reuselab.runs import study
from reuselab.runs.store import Store
from reuselab.runs.study import grid
from reuselab.theory import linear as fate


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REUSELAB_OUT", str(tmp_path))
    return tmp_path


def reuselab(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["reuselab", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def test_an_estimate_prints_a_line_per_page_and_a_total_and_runs_nothing(
    home, data_folder, monkeypatch, capsys
):
    monkeypatch.setattr(book, "execute", lambda *_: pytest.fail("a page was run"))
    monkeypatch.setattr(book, "build", lambda *_: pytest.fail("the book was built"))
    assert not reuselab(monkeypatch, "book", "--preset", "smoke", "--estimate")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*page.pages(), "total"]
    for line in lines:
        assert re.fullmatch(r"\w+ +\d+ (seconds|minutes)(  for the notebooks.*)?", line), (
            line
        )  # no rehearsal ended early
    with Store() as kept:
        assert set(kept.counts().values()) == {0}
    assert not list(home.rglob("*.csv")) and not list(home.rglob("*.safetensors"))


def test_everything_is_as_it_was_after_a_rehearsal(monkeypatch):
    before = {key: value for key, value in vars(train).items()} | {
        "study": study.study,
        "simulate": fate.simulate,
    }
    cost = estimate.rehearse("phase_diagram", page.parameters("phase_diagram", "smoke", {}))
    assert cost.own > 0 and not cost.work and not cost.error
    assert before == {key: value for key, value in vars(train).items()} | {
        "study": study.study,
        "simulate": fate.simulate,
    }


def test_a_training_cut_short_owes_what_the_whole_takes(monkeypatch):
    """By a clock that ticks at each look: 598 of the 600 steps are owed, and 6.5 times the joining of the 256 of 1,920 pairs that were joined."""
    clock, one = count(), Rehearsal()
    monkeypatch.setattr(estimate, "_now", lambda: next(clock))
    with cell.repeatable(), estimate._cut(one):
        cell.train_alice(cell.Cell.of(alice_pairs=1920, alice_batch=128, alice_epochs=40, alice_device="cpu"))
    assert one.owed == 598 + 1920 / 256 - 1


def test_cells_cost_by_their_number_and_kept_ones_nothing(home):
    few = dict(
        alice_pairs=50,
        alice_epochs=1,
        bob_pairs=20,
        bob_epochs=1,
        test_pairs=50,
        alice_device="cpu",
        bob_device="cpu",
    )
    cells = grid(rho=[0, 1], seed=range(3), retrain=[1, 2], **few)

    def work():
        one = Rehearsal()
        with estimate._cut(one):
            table = study.study(cells)
        assert len(table) == 12 and table.bob_accuracy.notna().all()
        return one

    assert len(work().work) == 12 + 6 and abs(work().owed) < 1
    study.study(cells[:4], workers=1)
    assert len(work().work) == 8 + 4
    study.study(cells, workers=1)
    assert work().work == {} and work().pools == 0


def test_an_estimate_divides_cells_among_the_cores_and_counts_shared_ones_once(monkeypatch):
    costs = {
        "a": estimate.Cost(10.0, {"x": 8.0, "y": 4.0}, 2.0, ""),
        "b": estimate.Cost(20.0, {"x": 8.0}, 2.0, "NameError: z"),
    }

    class Pool:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def map(self, function, names, values):
            return map(costs.get, names)

    monkeypatch.setattr(estimate, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(train, "device", lambda *_: torch.device("cpu"))
    monkeypatch.setattr(estimate.os, "cpu_count", lambda: 4)
    assert estimate.estimate({"a": {}, "b": {}}) == ({"a": (15.0, ""), "b": (22.0, "NameError: z")}, 22.0)
    costs["b"] = estimate.Cost(14.0, {"z": 40.0}, 2.0, "")
    assert estimate.estimate({"a": {}, "b": {}})[1] == (12 + 16) / 2 + 3 + 10
