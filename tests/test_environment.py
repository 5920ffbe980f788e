"""pyproject.toml, requirements.lock and environment.yml name the same packages."""

import re
import tomllib

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from reuselab import __version__
from reuselab.book.build import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [
    Requirement(text)
    for group in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for text in group
]


def test_the_lock_pins_every_package_within_its_bounds():
    lock = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(
            {"python_full_version": "3.11.7", "python_version": "3.11"}
        ):
            (specifier,) = pin.specifier
            assert specifier.operator == "=="
            lock[pin.name] = Version(specifier.version)
    for wanted in WANTED:
        assert lock[wanted.name] in wanted.specifier


def test_conda_users_get_the_same_packages_in_the_same_versions():
    python, pip, listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    constraint, *names, project = listed["pip"]
    assert (python, pip) == ("python=3.11", "pip")
    assert (constraint, project) == ("--constraint requirements.lock", "--editable .")
    assert names == sorted({wanted.name for wanted in WANTED})


def test_one_version_everywhere():
    assert PROJECT["version"] == __version__
    assert (
        re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)[1].strip('"') == __version__
    )
