"""Where the book is built: tests and `make book` never share a folder, nor the rows they keep."""

import os
import subprocess
import sys

from reuselab.book import build
from reuselab.runs import store

WHERE = "from reuselab.book import build; from reuselab.runs import store; print(build.BUILD, store.folder())"


def test_tests_build_and_keep_rows_in_a_folder_of_their_own():
    assert build.BUILD.parent == build.ROOT / "_build" and build.BUILD.name.startswith("test")
    assert store.folder() == build.BUILD / "home"


def test_without_a_word_everything_lands_in_the_checkouts_build_folder():
    plain = {
        key: value for key, value in os.environ.items() if key not in ("REUSELAB_BUILD", "REUSELAB_HOME")
    }
    told = subprocess.run(
        [sys.executable, "-c", WHERE], env=plain, cwd=build.ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == [str(build.ROOT / "_build"), str(build.ROOT / "_build" / "home")]


def test_the_third_party_files_are_fetched_once_for_both():
    assert build.vendor() == build.ROOT / "_build" / "vendor"
