"""A page is run again when anything that its output depends on has changed, and only then."""

import json
import platform
import shutil
import sys
import types
from importlib import metadata
from pathlib import Path

import altered
import pandas as pd
import pytest

from reuselab import places
from reuselab.book import build, kept, pages
from reuselab.check import Failed
from reuselab.sources import registry

PAGE = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A made page

```{code-cell} ipython3
:tags: [parameters]

preset = "quick"
base = "openimages"
bob_base = "mnist"
throws = 10
```
"""
PRESETS = "made:\n  smoke: {throws: 3}\nmade_too:\n  smoke: {throws: 3}\n"
FILES = {
    "notebooks/made.md": PAGE,
    "notebooks/made_too.md": PAGE,
    "notebooks/presets.yml": PRESETS,
    "module/check.py": "",
    "module/claims/made.py": "RULES = {}",
    "module/figures/made.py": "",
    "results/quick/fashion/made_summary.csv": "mean\n0.5\n",
    "results/quick/fashion/made_claims.csv": "claim\nA1\n",
    "results/quick/fashion/made_provenance.csv": "fact\nmade\n",
    "matplotlibrc": "font.size: 11\n",
    "README.md": "words",
}


VERSIONS = {"Python": "3.11.7", "numpy": "2.3.4"}


class Place:
    """A made page on made images, all it depends on in the folder `root`; `runs` counts its executions."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch):
        self.root, self.runs, self.meanwhile = root, 0, lambda: None
        for file, content in FILES.items():
            self.write(file, content)
        (root / "data").mkdir()
        for name in ("openimages", "mnist"):
            altered.LAY[name](root / "data", patch)
        altered.lay_mnist(root / "data/FashionMNIST/raw")
        page = types.ModuleType("made")
        accept = lambda *_: None  # noqa: E731
        page.RULES, page.check = dict.fromkeys(("base", "bob_base", "throws"), accept), accept
        for name in ("made", "made_too"):
            patch.setitem(sys.modules, f"reuselab.claims.{name}", page)
        patch.setattr(pages, "NOTEBOOKS", root / "notebooks")
        patch.setattr(places, "PACKAGE", root / "module")
        patch.setattr(kept, "RESULTS", root / "results")
        patch.setattr(build, "BUILD", root / "build")
        patch.setattr(build, "execute", self.execute)
        patch.setattr(pages, "versions", lambda: VERSIONS)
        patch.setattr(registry, "UNSETTLED", 5 * 10**7)  # to read what stays only once
        patch.setenv("REUSELAB_DATA", str(root / "data"))
        patch.setenv("REUSELAB_HOME", str(root / "home"))
        patch.setenv("MATPLOTLIBRC", str(root / "matplotlibrc"))

    def write(self, file: str, content: str) -> None:
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(content)

    def execute(self, name, values, folder):
        self.runs += 1
        self.meanwhile()
        folder.mkdir(parents=True, exist_ok=True)
        for file in (f"{name}.ipynb", f"{name}.csv", f"{name}_claims.csv"):
            (folder / file).write_text(json.dumps(values))

    def has_run(self, name: str = "made", preset: str = "smoke") -> int:
        """How often asking for the page has it run."""
        before = self.runs
        build.page_notebook(name, preset)
        return self.runs - before


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path / "place", monkeypatch)


def writes(file, content):
    return lambda place, patch: place.write(file, content)


def removes(file):
    return lambda place, patch: (place.root / file).unlink()


def sets(variable, value):
    return lambda place, patch: patch.setenv(variable, value)


def in_set(name, what):
    return lambda place, patch: altered.CHANGES[name, what](place.root / "data", patch)


def installs(package, number):
    return lambda place, patch: patch.setattr(pages, "versions", lambda: VERSIONS | {package: number})


SMOKE = "build/pages/smoke/"
# What is changed, and how the line that says why the page is run again names it.
MATTERS = {
    "its text": (writes("notebooks/made.md", PAGE + "\nMore.\n"), "source (made.md)"),
    "a default": (writes("notebooks/made.md", PAGE.replace('"mnist"', '"fashion"')), "source (made.md), "),
    "a preset's value": (writes("notebooks/presets.yml", PRESETS.replace("3", "4")), "parameters (throws)"),
    "1.0 for 1": (writes("notebooks/presets.yml", PRESETS.replace("3", "3.0")), "parameters (throws)"),
    "its own module": (writes("module/claims/made.py", "RULES = {1: 2}"), "module (claims/made.py)"),
    "how it is drawn": (writes("module/figures/made.py", "x"), "module (figures/made.py)"),
    "the ground floor": (writes("module/check.py", "x"), "module (check.py)"),
    "a file of code more": (writes("module/claims/more.py", ""), "module (claims/more.py)"),
    "a file of code less": (removes("module/figures/made.py"), "module (figures/made.py)"),
    **{
        f"{name}: {what}": (in_set(name, what), f"images ({name})")
        for name, what in altered.CHANGES
        if name in ("openimages", "mnist")
    },
    "a place in the label tree": (
        lambda place, patch: altered.move_otters(place.root / "data", patch),
        "label trees (openimages)",
    ),
    "a class name above": (
        lambda place, patch: altered.text("openimages/class-descriptions-boxable.csv", "Mammal", "Beast")(
            place.root / "data", patch
        ),
        "label trees (openimages)",
    ),
    "numpy": (installs("numpy", "0.1"), "versions (numpy)"),
    "Python": (installs("Python", "3.99"), "versions (Python)"),
    "the machine": (
        lambda place, patch: patch.setattr(build, "machine", lambda: {"device": "another"}),
        "machine (device)",
    ),
    "its instructions": (
        lambda place, patch: patch.setattr(build.torch.backends.cpu, "get_cpu_capability", lambda: "SSE"),
        "machine (CPU)",
    ),
    "what rounds sums": (sets("MKL_ENABLE_INSTRUCTIONS", "AVX512"), "environment (MKL_ENABLE_INSTRUCTIONS)"),
    "where rows are kept": (sets("REUSELAB_HOME", "/nowhere"), "environment (REUSELAB_HOME)"),
    "how matplotlib draws": (writes("matplotlibrc", "font.size: 12\n"), "style (matplotlibrc)"),
    "a reference run": (
        writes("results/quick/fashion/made_summary.csv", "mean\n0.6\n"),
        "reference runs (quick/fashion/made_summary.csv)",
    ),
    "a reference run more": (
        writes("results/paper/fashion/made_claims.csv", "claim\n"),
        "reference runs (paper/fashion/made_claims.csv)",
    ),
    "a reference run less": (
        removes("results/quick/fashion/made_provenance.csv"),
        "reference runs (quick/fashion/made_provenance.csv)",
    ),
    "a row kept to hold pages to": (
        writes("results/smoke/made.csv", "cell,mean\n"),
        "kept rows (made.csv)",
    ),
    "its evidence": (
        writes("results/evidence/made_digits.csv", "seed\n"),
        "evidence (evidence/made_digits.csv)",
    ),
    "its notebook removed": (removes(SMOKE + "made.ipynb"), "outputs (made.ipynb)"),
    "its notebook edited": (writes(SMOKE + "made.ipynb", "{}"), "outputs (made.ipynb)"),
    "a table removed": (removes(SMOKE + "made_claims.csv"), "outputs (made_claims.csv)"),
    "a table edited": (writes(SMOKE + "made.csv", "seed\n0\n"), "outputs (made.csv)"),
    "a table more": (writes(SMOKE + "made_rivals.csv", "seed\n0\n"), "outputs (made_rivals.csv)"),
}


@pytest.mark.hostile("changed dependency of a page")
@pytest.mark.parametrize("what", MATTERS)
def test_a_page_is_run_again_for_what_it_depends_on_and_not_once_that_is_back(what, place, capsys):
    change, why = MATTERS[what]
    assert place.has_run() == 1
    laid = shutil.copytree(place.root, place.root.with_name("laid"))
    with pytest.MonkeyPatch.context() as patch:
        change(place, patch)
    shutil.rmtree(place.root)
    shutil.copytree(laid, place.root)
    assert place.has_run() == 0, "all is as it was"
    with pytest.MonkeyPatch.context() as patch:
        change(place, patch)
        capsys.readouterr()
        assert place.has_run() == 1
        assert f"running made at preset smoke: its {why}" in capsys.readouterr().out
        assert place.has_run() == 0


HARMLESS = {
    "its files touched": lambda place, patch: [path.touch() for path in place.root.rglob("*")],
    "its files written anew": lambda place, patch: [
        path.write_bytes(path.read_bytes()) for path in place.root.rglob("*") if path.is_file()
    ],
    "another set": lambda place, patch: altered.lay_mnist(place.root / "data/FashionMNIST/raw", seed=1),
    "another page's text": writes("notebooks/made_too.md", PAGE + "\nMore.\n"),
    "another page's preset": writes("notebooks/presets.yml", PRESETS + "more: {}\n"),
    "another page's tables": writes(SMOKE + "made_too_claims.csv", "claim\n"),
    "another page's reference run": writes("results/quick/fashion/made_too_summary.csv", "mean\n"),
    "the README": writes("README.md", "more words"),
    "compiled code": writes("module/claims/__pycache__/made.cpython-311.pyc", "x"),
    "another variable": sets("PAGER", "more"),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_page_is_not_run_again_for_what_does_not_matter(what, place):
    assert place.has_run() == 1
    with pytest.MonkeyPatch.context() as patch:
        HARMLESS[what](place, patch)
        assert place.has_run() == 0


def test_each_preset_and_each_page_has_a_run_of_its_own(place):
    assert [place.has_run(), place.has_run(preset="quick"), place.has_run("made_too")] == [1, 1, 1]
    assert [place.has_run(), place.has_run(preset="quick"), place.has_run("made_too")] == [0, 0, 0]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("stamp", ["", "{}", "[]", "null", '{"source": 3}', '{"source": {"made.md"', "\xff"])
def test_a_stamp_that_says_nothing_has_the_page_run_again(stamp, place, capsys):
    place.has_run()
    place.write(SMOKE + "made.key", stamp)
    assert place.has_run() == 1 and place.has_run() == 0


@pytest.mark.hostile("images swapped during a page")
@pytest.mark.parametrize("back", [False, True])
def test_a_page_whose_images_were_swapped_while_it_ran_is_not_kept(back, place):
    file = place.root / "data" / altered.DOG
    photograph = file.read_bytes()

    def swap():
        altered.image(altered.DOG)(place.root / "data", None)
        if back:
            file.write_bytes(photograph)

    place.meanwhile = swap
    with pytest.raises(Failed, match=r"^page made cannot be kept, its image.* changed while it ran: run the"):
        place.has_run()
    place.meanwhile = lambda: None
    assert place.has_run() == 1 and place.has_run() == 0


@pytest.mark.hostile("module edited during a page")
def test_a_page_whose_code_was_edited_while_it_ran_is_not_kept(place):
    place.meanwhile = lambda: place.write("module/check.py", "x")
    with pytest.raises(Failed, match=r"its module \(check.py\) changed while it ran: run the same command"):
        place.has_run()
    assert place.has_run() == 1


@pytest.mark.hostile("page that fails")
def test_what_an_earlier_run_left_is_not_shown_for_one_that_failed(place, monkeypatch):
    place.has_run()
    place.write("notebooks/made.md", PAGE + "\nMore.\n")
    place.meanwhile = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        place.has_run()
    assert not list((place.root / SMOKE).iterdir())


def test_the_scoreboard_takes_no_table_that_no_page_writes(tmp_path):
    from reuselab.claims import registry

    row = registry.row("A1", "holds", "certainly", "quick")
    pd.DataFrame([row]).to_csv(tmp_path / "a_page_of_old_claims.csv", index=False)
    assert registry.runs(tmp_path).set_index("claim").verdict["A1"] == "not run"


def test_versions_are_those_installed_of_python_and_of_all_that_is_needed_directly_or_not(
    tmp_path, monkeypatch
):
    """kiwisolver is what matplotlib needs; nothing needs the stranger or, to make pages, pytest."""
    for package in ("numpy", "kiwisolver", "stranger"):
        info = tmp_path / f"{package}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    versions = pages.versions.__wrapped__()
    assert versions["numpy"] == versions["kiwisolver"] == "0.1"
    assert all(
        versions[package] == metadata.version(package) for package in ("torch", "ipykernel", "reuselab")
    )
    assert versions["Python"] == platform.python_version() and not {"stranger", "pytest"} & set(versions)
