"""Explorers in a live notebook: values that were never run are computed there, and Stop stops them."""

import threading

import pandas as pd
import pytest
from ipywidgets import Button, IntProgress

from reuselab.book import explore
from reuselab.book.explore import Live, explorer
from reuselab.check import Failed
from reuselab.figures.style import Shown
from reuselab.runs.study import grid

CELLS = grid(rho=[0.0, 0.5, 1.0], bob_pairs=[25, 100], seed=range(2))


def rows(cells):
    return pd.DataFrame([cell.flat() | {"bob_accuracy": cell.rho} for cell in cells])


@pytest.fixture
def studied(monkeypatch):
    """The cells that were given to `study`, call by call; it does not run them."""
    calls = []

    def study(cells, workers):
        calls.append(cells)
        return rows(cells)

    monkeypatch.setattr(explore, "study", study)
    monkeypatch.delenv("REUSELAB_OUT", raising=False)
    return calls


@pytest.fixture
def live(studied):
    return Live(rows(CELLS), CELLS, rho=[0.25, 0.75], bob_pairs=[])


def shown(rho, bob_pairs, table):
    here = table[(table.rho == rho) & (table.bob_pairs == bob_pairs)]
    return Shown("", f"{rho} {bob_pairs}: {len(here)} rows of {len(table)}", "")


def made(live):
    return explorer(
        lambda rho, n, table=None: shown(rho, n, table),
        ("rho", [0.0, 0.5, 1.0]),
        ("pairs", [25, 100]),
        live=live,
    )


def test_a_value_that_was_run_is_drawn_and_one_that_was_not_is_computed_once(live, studied):
    made(live)
    assert "0.5 100: 2 rows of 12" in live.frame.value
    rho, _ = live.sliders
    assert [value for _, value in rho.options] == [0.0, 0.25, 0.5, 0.75, 1.0]
    rho.value = 1.0
    assert "1.0 100: 2 rows of 12" in live.frame.value and not studied
    rho.value = 0.25
    live.thread.join()
    assert studied == [[cell] for cell in grid(rho=0.25, bob_pairs=100, seed=range(2))]
    assert "0.25 100: 2 rows of 14" in live.frame.value and live.bar.value == live.bar.max == 2
    rho.value = 0.0
    rho.value = 0.25
    assert len(studied) == 2 and "0.25 100: 2 rows of 14" in live.frame.value


@pytest.fixture
def held(studied, monkeypatch):
    """A study that waits in its cell: it runs, and may go on."""
    running, go_on = threading.Event(), threading.Event()

    def study(cells, workers):
        studied.append(cells)
        running.set()
        go_on.wait()
        return rows(cells)

    monkeypatch.setattr(explore, "study", study)
    return running, go_on


def test_stop_lets_the_running_cell_end_and_keeps_it(live, studied, held):
    running, go_on = held
    made(live)
    drawn = live.frame.value
    live.sliders[0].value = 0.75
    running.wait()
    assert not live.stop.disabled
    live.stop.click()
    go_on.set()
    live.thread.join()
    assert len(studied) == 1 and len(live.table) == 13 and live.frame.value == drawn
    assert live.told.value == "Stopped: 1 of 2 cells were computed and kept." and live.stop.disabled


def test_moving_on_stops_what_the_last_place_asked_for(live, studied, held):
    running, go_on = held
    made(live)
    live.sliders[0].value = 0.75
    first = live.thread
    running.wait()
    live.sliders[0].value = 1.0
    go_on.set()
    first.join()
    live.thread.join()
    assert len(studied) == 1 and "1.0 100: 2 rows of 13" in live.frame.value


def test_a_cell_that_fails_is_told_in_one_line(live, monkeypatch):
    def study(cells, workers):
        raise Failed("1 of 1 cells failed")

    monkeypatch.setattr(explore, "study", study)
    made(live)
    live.sliders[0].value = 0.75
    live.thread.join()
    assert live.told.value == "1 of 1 cells failed" and live.stop.disabled


def test_a_page_of_the_book_has_the_drawn_frames_and_no_bar(live, monkeypatch):
    monkeypatch.setenv("REUSELAB_OUT", "somewhere")
    page = explorer(
        lambda rho, n: Shown("", f"{rho} {n}", ""), ("rho", [0.0, 0.5, 1.0]), ("pairs", [25, 100]), live=live
    )
    parts = [page]
    for part in parts:
        parts += getattr(part, "children", ())
    assert not any(isinstance(part, (IntProgress, Button)) for part in parts)
    assert (
        sum(hasattr(part, "value") and "0.5" in str(part.value) for part in parts) == 3
    )  # a slider, two frames
