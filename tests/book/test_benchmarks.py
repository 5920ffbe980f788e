"""The page on speed: what it says of the tables that are kept, and of those that are not."""

import re

import pandas as pd
import pytest

from reuselab.book import benchmarks
from reuselab.figures.benchmarks import exponent

WHERE = {
    "device": "CPU <b>",
    "versions": "torch 2",
    "git": "abc",
    "made": "2026-11-25",
    "cores": 2,
    "load": 0.5,
}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder of tables of a CPU, and none of a GPU."""
    place = tmp_path / "bench"
    place.mkdir()
    monkeypatch.setattr(benchmarks, "PLACES", {"On a CPU": place, "On a GPU": tmp_path / "gpu"})
    shared = {
        "work": "cnn",
        "cells": 18,
        "accuracy": 0.5,
        "low": -0.01,
        "high": 0.02,
        "MB": 300,
        "GFLOP/s at peak": 88,
    }
    rows = [("plain loop", 30.0, 1.0), ("engine, one at a time", 15.0, 2.0), ("engine", 10.0, 3.0)]
    rival = [
        shared
        | {"contender": who, "seconds": seconds, "ratio": ratio, "cells a minute": 18 * 60 / seconds}
        | {"difference": 0.005, "within one error": True, "share of peak": 0.4}
        for who, seconds, ratio in rows
    ]
    pd.DataFrame(rival).assign(**WHERE).to_csv(place / "rival_cnn.csv", index=False)
    stages = [("cnn", who, "judged", 1.0) for who in ("plain loop", "engine, one at a time")]
    pd.DataFrame(stages, columns=["work", "contender", "stage", "seconds"]).to_csv(
        place / "seconds_cnn.csv", index=False
    )
    return place


def test_the_page_says_where_it_was_measured_and_that_no_gpu_was(kept, tmp_path):
    benchmarks.write(tmp_path)
    text = (tmp_path / "benchmarks_kept.md").read_text()
    assert "3.0 times with cnn. The interval" in text and "for 1 of 1 networks" in text
    assert '<figure id="figure-1"' in text and "../book/api.html#reuselab.figures.benchmarks.rates" in text
    assert "No table of a GPU is kept yet" in text and "<b>" not in text.replace("\\<b\\>", "")


def test_tables_that_were_made_apart_each_say_where_and_when(kept):
    rival = pd.read_csv(kept / "rival_cnn.csv")
    text = benchmarks.found(pd.concat([rival, rival.assign(work="mlp", load=4.9, made="2026-11-26")]))
    assert re.search("cnn: measured .* a load of 0.5,.*\n\nmlp: measured .* a load of 4.9,", text)


def test_accuracies_that_differ_are_not_called_equal(kept):
    rival = pd.read_csv(kept / "rival_cnn.csv").assign(low=0.01)
    assert "for 0 of 1 networks" in benchmarks.found(rival)


def test_what_the_engine_is_meant_to_reach_stands_in_its_row_alone(kept):
    rival = pd.read_csv(kept / "rival_cnn.csv")
    assert "goal" not in benchmarks.compared(rival)
    assert benchmarks.compared(rival.assign(goal=30)).goal.tolist() == ["", "", "30"]


def test_the_fitted_power_is_that_of_the_seconds():
    scales = pd.Series([1, 8, 16, 64])
    assert exponent(pd.DataFrame({"scale": scales, "seconds": 3.0 * scales**1.5})) == pytest.approx(1.5)


def test_what_the_drill_has_done_is_told_as_far_as_it_is(tmp_path):
    line = {"stage": "page_pairs", "status": "done", "why": "", "seconds": 90, "device": "H", "made": "today"}
    line |= {"preset": "quick"}
    other = line | {"stage": "page_layers", "status": "failed", "why": "a bug"}
    pd.DataFrame([line, other]).to_csv(tmp_path / "stages.csv", index=False)
    cifar = {"accuracy": 0.931, "epochs": 20, "seconds": 65.8, "goal": 0.93, "airbench_seconds": 3.29}
    pd.DataFrame([cifar]).to_csv(tmp_path / "cifar.csv", index=False)
    text = "\n".join(benchmarks.drilled(tmp_path, tmp_path))
    assert "At the preset quick, 1 of the 2 pages that were tried are done, in 1.5 minutes" in text
    assert "accuracy of 0.9310" in text and "20 times as long" in text
