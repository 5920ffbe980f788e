"""Every notebook, run at the preset smoke, with its numbers held to what results/smoke keeps."""

import html
import json
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from executed import PAGES

from reuselab.book import agreement, build, pages
from reuselab.claims import registry
from reuselab.runs.study import machine


def test_every_page_is_in_the_contents_and_has_presets():
    toc = (build.ROOT / "_toc.yml").read_text()
    presets = yaml.safe_load((pages.NOTEBOOKS / "presets.yml").read_text())
    assert set(presets) == set(pages.pages())
    for name in pages.pages():
        assert f"notebooks/{name}\n" in toc
        for preset in pages.PRESETS[::2]:
            assert set(presets[name][preset]) <= set(pages.defaults(name))


def test_words_stand_at_the_left_of_their_columns_and_numbers_at_the_right():
    shown = pages.show(pd.DataFrame({"p": [0.5], "verdict": ["holds"], "n": [3]})).to_html()
    assert re.findall(r"\.(col\d) \{\s*text-align: left", shown) == ["col1"]


@pytest.mark.parametrize("name", pages.pages())
def test_a_page_keeps_to_the_house_rules(built, name):
    cells = [cell for cell in nbformat.read(PAGES / f"{name}.ipynb", 4).cells if cell.cell_type == "code"]
    own = [
        cell
        for cell in cells
        if not re.search(r"pages\.(in_one_minute|show_evidence)\(", cell.source)
        and "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    assert len(own) <= 20, "but for what is kept: the box at the top, and the evidence"
    assert np.median([cell.source.count("\n") + 1 for cell in cells]) <= 8
    streams = [
        output for cell in cells for output in cell.outputs if output.output_type in ("stream", "error")
    ]
    assert not streams, "progress or warnings leaked into the page"


@pytest.mark.parametrize("name", pages.pages())
def test_a_page_agrees_with_its_kept_rows_and_says_so(built, name):
    *_, last = nbformat.read(PAGES / f"{name}.ipynb", 4).cells
    assert last.source.startswith("**Agreement.**")
    if "Not asked: it shows" in last.source:
        pytest.skip("the photographs of the kept rows are not in REUSELAB_DATA")
    assert agreement.disagreements(agreement.compare(name, PAGES)) == []
    assert "agree with the kept rows" in last.source


def test_every_claim_of_the_papers_is_on_the_scoreboard(built):
    runs = registry.runs(PAGES).set_index("claim")
    assert set(runs.index) == set(registry.CLAIMS)
    assert set(runs.verdict) <= set(registry.VERDICTS)
    shown = (built.parent / "book" / "claims.html").read_text()
    for claim in registry.CLAIMS.values():
        assert html.escape(claim.text, quote=False).replace("'", "’") in shown


def test_an_executed_page_is_reused_only_while_nothing_changed(built, monkeypatch):
    machine.cache_clear()  # a test may have played another one
    for variable in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # and Dask's workers leave these
        monkeypatch.delenv(variable, raising=False)
    values = pages.parameters("pairs", "smoke", {})
    stamp = json.loads((PAGES / "pairs.key").read_text())
    assert build.changed(stamp, build.key("pairs", values)) == ""
    assert {"pairs.ipynb", "pairs_labels.csv", "pairs_pixels.csv"} <= set(stamp["outputs"])
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("the page was run again"))
    assert build.page_notebook("pairs", "smoke") == PAGES / "pairs.ipynb"


@pytest.mark.parametrize("document", ["intro", "claims"])
def test_a_book_of_small_runs_says_so_on_its_first_page_and_its_scoreboard(built, document):
    shown = (built.parent / "book" / f"{document}.html").read_text()
    assert "Small runs that test the machinery" in shown
    assert re.search(r"Built at the preset smoke, \d{4}-\d\d-\d\d\.", shown), "its footer"


@pytest.mark.parametrize("preset", pages.PRESETS)
def test_every_footer_says_the_preset_and_only_smoke_gets_a_warning(preset, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "vendor", lambda: tmp_path / "vendor")
    (tmp_path / "vendor").mkdir()
    source = build.stage(tmp_path / "source")
    build.tell(source, preset)
    config = yaml.safe_load((source / "_config.yml").read_text())["sphinx"]["config"]
    footer = config["html_theme_options"]["extra_footer"]
    assert re.search(rf"Built at the preset {preset}, \d{{4}}-\d\d-\d\d\.$", footer)
    for document in ("intro", "claims"):
        text = (source / "book" / f"{document}.md").read_text()
        assert text.startswith("# ")
        assert (build.SMALL in text) == (preset == "smoke")
