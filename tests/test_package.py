"""What `import reuselab` offers: each name is imported when it is asked for."""

import os
import shutil
import subprocess
import sys
from types import ModuleType

import pytest

import reuselab
from reuselab import advisor
from reuselab.experiment import cell, models, train
from reuselab.places import CHECKOUT
from reuselab.runs import study


def test_importing_the_package_imports_no_torch():
    code = "import sys, reuselab; dir(reuselab); print({'torch', 'numpy', 'pandas'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_every_name_is_what_its_module_calls_so():
    functions = {
        "Cell": cell, "run": cell, "grid": study, "study": study,
        "Recipe": train, "train": train, "accuracy": train, "reuse": models,
        "advise": advisor,
    }  # fmt: skip
    modules = {"bases", "pairs", "models"}
    assert set(reuselab.__all__) == functions.keys() | modules <= set(dir(reuselab))
    for name, home in functions.items():
        assert getattr(reuselab, name) is getattr(home, name)
    for name in modules:
        module = getattr(reuselab, name)
        assert isinstance(module, ModuleType) and module.__name__ == f"reuselab.experiment.{name}"


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'reuselab' has no attribute 'Cel'$"):
        reuselab.Cel  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'acuracy'"):
        from reuselab import acuracy  # noqa: F401


WITHOUT_A_CHECKOUT = """
from pathlib import Path
from reuselab import places
from reuselab.book import build, kept, pages
from reuselab.claims import evidence
from reuselab.runs import store
build.vendor = lambda: places.SOURCES / "book" / "_static"
source = build.stage(build.BUILD / "source")
assert build.BUILD == Path.cwd() / "_build" and store.folder() == Path.home() / ".reuselab"
assert pages.parameters("pairs", "smoke", {}) and len(evidence.board()) and kept.SECONDS.exists()
assert build.key("pairs", {"base": "digits"})
try:
    places.need_checkout()
except SystemExit as refusal:
    assert "installed without one" in str(refusal)
else:
    raise AssertionError("results would be written into the package")
print(places.CHECKOUT, *(sorted(path.name for path in (source / "book").glob("*.md"))))
"""


def test_a_wheel_carries_notebooks_and_book_and_builds_into_the_current_folder(tmp_path):
    build = f"egg_info --egg-base {tmp_path} build --build-base {tmp_path}/build"  # as pip does, elsewhere
    wheel = f"bdist_wheel --bdist-dir {tmp_path}/bdist --dist-dir {tmp_path}"
    command = [sys.executable, "setup.py", "-q", *build.split(), *wheel.split()]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    shutil.unpack_archive(next(tmp_path.glob("*.whl")), tmp_path / "lib", "zip")
    here = tmp_path / "here"
    here.mkdir()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("REUSELAB")}
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_CHECKOUT],
        cwd=here,
        env=plain | {"PYTHONPATH": str(tmp_path / "lib"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    expected = ["None", *sorted(path.name for path in (CHECKOUT / "book").glob("*.md"))]
    assert told.stdout.split() == expected, told.stderr
    lib = tmp_path / "lib" / "reuselab"
    assert not (lib / "_build").exists() and [path.name for path in here.iterdir()] == ["_build"]
    for folder in ("notebooks", "results"):
        names = {path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).rglob("*.*")}
        assert names == {
            path.relative_to(lib / "carried") for path in (lib / "carried" / folder).rglob("*.*")
        }
