"""The estimate: what pages took elsewhere, scaled by a step timed here; nothing of the book is run."""

import json
import sys

import pandas as pd
import pytest

from reuselab import cli
from reuselab.book import build, estimate, pages
from reuselab.book import kept as kept_runs
from reuselab.runs.store import Store

KEPT = """page,preset,seconds
step,smoke,0.5
pairs,smoke,30.0
layers,smoke,50.0
step,paper,0.1
layers,paper,9000.0
"""


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """A machine twice as slow as that of the kept seconds."""
    monkeypatch.setattr(kept_runs, "SECONDS", tmp_path / "seconds.csv")
    monkeypatch.setattr(estimate, "step", lambda: 1.0)
    (tmp_path / "seconds.csv").write_text(KEPT)
    return tmp_path / "seconds.csv"


def said(monkeypatch, capsys, *arguments):
    """The lines of `reuselab ARGUMENTS --estimate`."""
    monkeypatch.setattr(sys, "argv", ["reuselab", *arguments, "--estimate"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    return capsys.readouterr().out.splitlines()


def test_seconds_are_scaled_by_the_step_and_two_pages_run_at_a_time():
    assert estimate.estimate(["pairs", "layers"], "smoke") == ({"pairs": 60, "layers": 100}, 100)
    assert estimate.estimate(["layers"], "paper") == ({"layers": 90_000}, 90_000)


def test_many_pages_take_half_of_their_sum(kept):
    kept.write_text("page,preset,seconds\nstep,smoke,1\n" + "".join(f"{page},smoke,8\n" for page in "abcd"))
    assert estimate.estimate([*"abcd"], "smoke")[1] == 16


def test_the_book_has_a_line_for_each_page_and_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "home"))
    for work in ("execute", "build", "notebooks"):
        monkeypatch.setattr(build, work, lambda *_: pytest.fail("a page was run"))
    lines = said(monkeypatch, capsys, "book", "--preset", "smoke")
    assert [line.split()[0] for line in lines] == [*pages.pages(), "total"]
    assert sum(line.endswith("not measured") for line in lines) == len(pages.pages()) - 2
    assert "100 seconds  two pages at a time" in lines[-1]
    with Store() as store:
        assert set(store.counts().values()) == {0}


def test_given_parameters_are_not_what_was_measured(monkeypatch, capsys):
    *_, total = said(monkeypatch, capsys, "run", "pairs", "-p", "draws", "20000", "--preset", "smoke")
    assert "60 seconds  for the preset's own parameters, not for those given; " in total


def test_a_page_or_a_preset_that_nobody_measured_has_no_total(monkeypatch, capsys):
    assert said(monkeypatch, capsys, "run", "pairs", "--preset", "quick") == [
        "pairs               not measured"
    ]


def test_seconds_are_kept_from_the_pages_as_built_in_place_of_the_presets_old_ones(
    kept, tmp_path, monkeypatch
):
    monkeypatch.setattr(build, "BUILD", tmp_path)
    folder = tmp_path / "pages" / "smoke"
    folder.mkdir(parents=True)
    (folder / "shallow.ipynb").write_text(json.dumps({"metadata": {"papermill": {"duration": 12.34567}}}))
    estimate.keep("smoke")
    assert kept.read_text() == (
        "page,preset,seconds\nstep,paper,0.1\nlayers,paper,9000.0\nstep,smoke,1.0\nshallow,smoke,12.3457\n"
    )


def test_the_step_is_a_training(monkeypatch):
    monkeypatch.undo()
    assert 0 < estimate.step() < 60


def test_the_kept_table_names_pages_of_the_book_and_has_a_step_for_each_preset(monkeypatch):
    monkeypatch.undo()
    table = pd.read_csv(kept_runs.SECONDS)
    assert (table.seconds > 0).all() and not table.duplicated(["page", "preset"]).any()
    assert set(table.page) <= {"step", *pages.pages()}
    assert set(table.preset) == set(table.preset[table.page == "step"])
