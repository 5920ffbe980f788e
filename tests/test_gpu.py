"""The GPU drill, on a CPU: a fake device, a tiny preset, slices that are cut."""

import os
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from reuselab import gpu
from reuselab.book import pages
from reuselab.check import Failed
from reuselab.runs import exchange
from reuselab.runs.store import Store
from reuselab.runs.study import grid, study

TINY = dict(network="mlp", alice_pairs=50, alice_epochs=1, bob_pairs=20, bob_epochs=1, test_pairs=20)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder of kept rows."""
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def study_of(seeds, between=lambda: None):
    """A stage that runs a cell a seed, and something after each."""

    def run():
        tables = []
        for seed in seeds:
            tables.append(study(grid(**TINY, seed=seed), workers=1))
            between()
        return pd.concat(tables)

    return run


@pytest.fixture
def staged(monkeypatch):
    """Lets a test say what the stages are."""
    return lambda **stages: monkeypatch.setattr(gpu, "stages", lambda device, preset: stages)


def test_a_slice_that_is_over_goes_on_with_the_rows_it_kept(tmp_path, home, staged):
    def over():
        raise gpu.Over

    staged(page=study_of(range(2), over), last=lambda: pd.DataFrame({"value": [1]}))
    assert gpu.drill(tmp_path / "out", "cpu", "smoke") is False
    log = pd.read_csv(tmp_path / "out" / "stages.csv").set_index("stage")
    assert log.status.to_dict() == {"page": gpu.CUT} and log.kept["page"] == 1
    assert len(exchange.read(tmp_path / "out" / "rows.parquet")) == 1
    staged(page=study_of(range(2)), last=lambda: pd.DataFrame({"value": [1]}))
    assert gpu.drill(tmp_path / "out", "cpu", "smoke") is True
    log = pd.read_csv(tmp_path / "out" / "stages.csv").set_index("stage")
    assert set(log.status) == {gpu.DONE} and set(log.device.str[:3]) == {"CPU"}
    assert set(log.preset) == {"smoke"}
    assert len(pd.read_csv(tmp_path / "out" / "page.csv")) == 2


def test_on_a_bare_machine_it_goes_on_with_the_rows_that_came_back(tmp_path, home, staged, monkeypatch):
    staged(page=study_of(range(1)))
    gpu.drill(tmp_path / "out", "cpu", "smoke")
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "other"))
    staged(more=lambda: pd.DataFrame({"value": [1]}))
    gpu.drill(tmp_path / "out", "cpu", "smoke")
    with Store() as store:
        assert store.counts()["done"] == 1


def test_the_clock_ends_a_slice_wherever_the_program_is():
    with pytest.raises(gpu.Over), gpu._slice(1e-3):
        while True:
            time.sleep(1)


def test_a_stage_that_is_cut_twice_without_a_new_row_has_failed_and_the_next_is_done(tmp_path, home, staged):
    def over():
        raise gpu.Over

    staged(endless=over, last=lambda: pd.DataFrame({"value": [1]}))
    assert [gpu.drill(tmp_path, "cpu", "smoke") for _ in range(2)] == [False, False]
    with pytest.raises(Failed, match="endless failed"):
        gpu.drill(tmp_path, "cpu", "smoke")
    log = pd.read_csv(tmp_path / "stages.csv").set_index("stage")
    assert log.status.to_dict() == {"endless": gpu.FAILED, "last": gpu.DONE}


def test_a_page_done_at_another_preset_is_not_done_and_every_other_stage_is(tmp_path, home, monkeypatch):
    ran = []

    def stages(device, preset):
        return {
            name: lambda name=name: ran.append((name, preset)) or pd.DataFrame({"x": [1]})
            for name in ("cost", "page_pairs")
        }

    monkeypatch.setattr(gpu, "stages", stages)
    assert all(gpu.drill(tmp_path, "cpu", preset) for preset in ("smoke", "paper", "paper"))
    assert ran == [("cost", "smoke"), ("page_pairs", "smoke"), ("page_pairs", "paper")]


def test_what_is_told_of_a_stage_stays_as_it_is_in_later_slices(tmp_path, home, staged):
    def lacking():
        raise FileNotFoundError("[a; b] is not here")

    def broken():
        raise ValueError("a; b [c]")

    for _ in range(3):
        staged(broken=broken, lacking=lacking)
        with pytest.raises(Failed, match="broken failed"):
            gpu.drill(tmp_path, "cpu", "smoke")
    assert gpu._told(tmp_path / "stages.csv", "smoke")["broken"]["why"] == "ValueError: a; b [c]"
    assert (tmp_path / "stages.csv").stat().st_size < 1000


@pytest.mark.hostile("input", 5)
@pytest.mark.parametrize("file", ["stages.csv", "rows.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00junk\n1,2,3"])
def test_a_damaged_file_is_named_in_one_line_before_any_work(tmp_path, home, staged, file, content):
    staged(last=lambda: pytest.fail("work was begun"))
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=rf"^.*{file} is .*: move it away.*$|^.*{file} .*; move it away.*$"):
        gpu.drill(tmp_path, "cpu", "smoke")


@pytest.mark.hostile("input")
def test_a_second_drill_and_a_place_that_cannot_be_written_are_refused_before_any_work(
    tmp_path, home, staged
):
    staged(last=lambda: pytest.fail("work was begun"))
    with gpu._alone(tmp_path), pytest.raises(ValueError, match=r"^another drill is at work in "):
        gpu.drill(tmp_path, "cpu", "smoke")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^cannot write into .*file"):
        gpu.drill(tmp_path / "file", "cpu", "smoke")


def test_a_page_that_attributes_is_left_out_where_captum_is_not(home, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="captum is not installed"):
        gpu.page("attribution", "smoke", tmp_path)


def test_a_stage_whose_images_are_not_here_is_left_out_and_one_that_breaks_stops_no_other(
    tmp_path, home, staged
):
    def lacking():
        raise FileNotFoundError("no photographs are here")

    def broken():
        raise ValueError("a bug")

    staged(lacking=lacking, broken=broken, last=lambda: pd.DataFrame({"value": [1]}))
    with pytest.raises(Failed, match="broken failed"):
        gpu.drill(tmp_path, "cpu", "smoke")
    log = pd.read_csv(tmp_path / "stages.csv").set_index("stage")
    assert log.status.to_dict() == {"lacking": gpu.LEFT_OUT, "broken": gpu.FAILED, "last": gpu.DONE}
    assert log.why["broken"] == "ValueError: a bug"


def test_the_drill_reads_the_presets_as_yaml_does():
    presets = yaml.safe_load((pages.NOTEBOOKS / "presets.yml").read_text())
    assert {name: gpu.presets(name) for name in pages.pages()} == presets


def test_the_drill_has_every_page():
    assert {f"page_{name}" for name in pages.pages()} <= gpu.stages("cpu", "paper").keys()


def test_without_the_notebook_stack_a_page_keeps_the_tables_of_the_built_one(built, tmp_path):
    """Of a page whose rows the build has kept."""
    made = gpu.page("task_correlation", "smoke", tmp_path)
    folder = built.parents[1] / "pages" / "smoke"
    assert len(made)
    for title in made.table:
        ours, theirs = (pd.read_csv(place / f"{title}.csv") for place in (tmp_path, folder))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("equal", [True, False])
def test_rows_on_one_device_are_those_on_the_other_or_it_says_so(monkeypatch, equal):
    """The other device is stood in for by other seeds."""
    seeds = {"here": [0, 1], "cpu": [0, 1] if equal else [2, 3]}
    monkeypatch.setattr(gpu, "GOALS", {"mlp": 30})
    monkeypatch.setattr(gpu, "_some_cells", lambda network, device: grid(**TINY, seed=seeds[device]))
    (row,) = gpu.same_rows("here").to_dict("records")
    assert row["cells"] == 2 and row["repeats"]
    assert (row["off_cpu"] == 0) == equal and row["within"] == equal


@pytest.mark.hostile("input")
@pytest.mark.parametrize("arguments", [["--minutes", "0"], ["--preset", "papr"]])
def test_bad_input_is_refused(arguments):
    told = CliRunner().invoke(gpu.main, arguments)
    assert told.exit_code == 2 and told.output.splitlines()[-1].startswith("Error: ")


HIDDEN = ("captum", "distributed", "dask", "pebble", "papermill", "matplotlib", "cmap", "psutil", "yaml")
HIDDEN += ("jupytext", "IPython", "myst_nb", "nbformat", "ipywidgets", "packaging", "bs4")
WITHOUT = f"""
import sys
from importlib.abc import MetaPathFinder

class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HIDDEN}:
            raise ModuleNotFoundError(f"no module {{name}}", name=name)

sys.meta_path.insert(0, Hide())
from reuselab import gpu
from reuselab.claims import module
from reuselab.runs.study import grid, study

assert len(study(grid(**{TINY}, seed=[0, 1]), workers=1)) == 2
for page in sys.argv[1:]:
    module(page)
sys.argv = ["reuselab.gpu"]
gpu._command()
"""


def test_studies_and_the_drill_need_no_notebook_stack_and_without_a_gpu_it_says_so(tmp_path):
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT, *pages.pages()],
        env=os.environ | {"REUSELAB_HOME": str(tmp_path / "home"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr[-500:]
    assert told.stdout == "No CUDA GPU is here: the drill has nothing to show.\n"
