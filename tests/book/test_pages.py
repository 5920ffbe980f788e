"""Every notebook, run through papermill at the preset smoke, with its numbers held to what results/smoke says."""

import html

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from reuselab.book import build as book
from reuselab.book import kept as kept_runs
from reuselab.book import pages as page
from reuselab.claims import baselines, parameters
from reuselab.claims import open_images as matrix
from reuselab.claims import registry as claims

PAGES = book.BUILD / "pages" / "smoke"


def table(name):
    return pd.read_csv(PAGES / f"{name}.csv", keep_default_na=False)


def glued(name, key):
    """What the executed page prints for `key`."""
    for cell in nbformat.read(PAGES / f"{name}.ipynb", 4).cells:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == key:
                return output["data"]["application/papermill.record/text/plain"].strip("'")
    raise KeyError(key)


def test_every_page_is_in_the_contents_and_has_presets():
    toc = (book.ROOT / "_toc.yml").read_text()
    presets = yaml.safe_load((page.NOTEBOOKS / "presets.yml").read_text())
    assert set(presets) == set(page.pages())
    for name in page.pages():
        assert f"notebooks/{name}\n" in toc
        for preset in page.PRESETS[::2]:
            assert set(presets[name][preset]) <= set(page.defaults(name))


@pytest.mark.parametrize("name", page.pages())
def test_a_page_keeps_to_the_house_rules(built, name):
    cells = [cell for cell in nbformat.read(PAGES / f"{name}.ipynb", 4).cells if cell.cell_type == "code"]
    assert len(cells) <= 20
    assert np.median([cell.source.count("\n") + 1 for cell in cells]) <= 8
    streams = [
        output for cell in cells for output in cell.outputs if output.output_type in ("stream", "error")
    ]
    assert not streams, "progress or warnings leaked into the page"


def test_every_claim_of_the_papers_that_a_page_tests_is_on_the_scoreboard(built):
    board = claims.scoreboard(PAGES).set_index("claim")
    assert set(board.index) == set(claims.CLAIMS)
    assert not (board.verdict == "not run").any()
    assert claims.changed(board.reset_index(), "smoke") == []
    shown = (built.parent / "book" / "claims.html").read_text()
    for claim in claims.CLAIMS.values():
        assert html.escape(claim.text, quote=False).replace("'", "’") in shown
    assert (
        claims.changed(board.reset_index().assign(verdict="undecided"), "smoke")[0]
        == "claim A1 undecided, expected holds in part"
    )


def test_the_theory_pages_meet_their_formulas(built):
    """Not by the pages' own verdicts: scratch at n = 2 d, and the boundary of fine-tuning without noise, by hand."""
    risks = table("deep_linear").query("method == 'scratch' and gamma == 2 and sigma == 0.5 and degrees == 0")
    error = (risks.high - risks.low) / 2 / 1.96
    assert (abs(risks.risk - 0.25 * 60 / 59) < 4.5 * error).all() and len(risks) == 1
    forms = table("deep_linear_forms")
    assert ((forms["mean"] - forms.flow).abs() < (forms["mean"] - forms.published).abs()).mean() >= 0.8
    gains = table("phase_diagram").query("method == 'fine_tune' and gamma > 1").gain
    assert gains.abs().max() < 1e-9
    sweeps = table("phase_diagram_distances").groupby("sweep")
    assert (sweeps.gain.agg(np.ptp)[["units of y", "length of the source"]] < 1e-9).all()


def test_an_executed_page_is_reused_only_while_nothing_changed(built, monkeypatch, tmp_path):
    values = page.parameters("pairs", "smoke", {})
    key = book.key("pairs", values)
    assert (PAGES / "pairs.key").read_text() == key == book.key("pairs", dict(values))
    assert book.key("pairs", values | {"draws": 20001}) != key
    assert book.key("task_correlation", values) != key
    monkeypatch.setattr(page, "source_digest", lambda: "another module")
    assert book.key("pairs", values) != key
    monkeypatch.undo()
    monkeypatch.setattr(book.bases, "digest", lambda base: "other images")
    assert book.key("pairs", values) != key


# The pages of photographs: on CIFAR-10 where it is at hand, else on their kept runs.


def computed(name):
    if page.parameters(name, "smoke", {})["base"] == parameters.KEPT:
        pytest.skip("no photographs in REUSELAB_DATA: the page shows its kept run")
    return table(f"{name}_summary")


def expected(name, *keys):
    return pd.read_csv(book.ROOT / "results" / "smoke" / f"{name}.csv").set_index(list(keys))


def test_dogs_and_cats_meets_its_expectations(built):
    keys = ["direction", "kind", "method", "retrain"]
    wanted, found = expected("dogs_and_cats", *keys), computed("dogs_and_cats").groupby(keys).accuracy.mean()
    assert found.index.sort_values().equals(wanted.index.sort_values())
    difference = (found - wanted.accuracy).abs()
    assert (difference <= wanted.tolerance).all(), difference


def test_open_images_meets_its_expectations(built):
    rows = computed("open_images")
    found = pd.Series(
        {method: matrix.accuracies(rows, method).mean() for method in (baselines.ALICE, *matrix.RIVALS)}
        | {"her own task": rows[rows.method == baselines.ALICE].alice_accuracy.mean()}
    )
    wanted = expected("open_images", "method")
    assert set(found.index) == set(wanted.index)
    difference = (found - wanted.accuracy).abs()
    assert (difference <= wanted.tolerance).all(), difference


@pytest.mark.parametrize("name", ["dogs_and_cats", "open_images"])
def test_without_photographs_a_page_shows_its_kept_run_and_says_so(name, data_folder, tmp_path):
    values = page.parameters(name, "smoke", {})
    assert values["base"] == parameters.KEPT
    out = tmp_path / "out"
    done = book.execute(name, values, out)
    shown = "".join(
        output["data"].get("application/papermill.record/text/plain", "")
        for cell in nbformat.read(done, 4).cells
        for output in cell.get("outputs", [])
        if "data" in output
    )
    assert (
        "What you see is the kept reference run quick/cifar10" in shown
        and "reuselab data fetch cifar10" in shown
    )
    where, kept = kept_runs.kept(name)
    found = pd.read_csv(out / f"{name}_claims.csv").iloc[0]
    assert found.preset == f"{parameters.KEPT}: {where}" and found.images == "cifar10"
    assert (found.verdict, found.effect) == tuple(kept["claims"].loc[0, ["verdict", "effect"]]), (
        "what is kept is told as it was found"
    )
    pd.testing.assert_frame_equal(pd.read_csv(out / f"{name}_summary.csv"), kept["summary"])
