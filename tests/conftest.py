"""What several test modules share."""

import fcntl
import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before NumPy: small products are slower on two threads than on one

import pytest
import torch

from reuselab.book import build as book
from reuselab.experiment import bases

torch.set_num_threads(1)


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty folder of image sets in place of REUSELAB_DATA, with nothing remembered before or after."""
    monkeypatch.setenv("REUSELAB_DATA", str(tmp_path))
    remembered = bases.load, bases.digest, bases.grown
    for function in remembered:
        function.cache_clear()
    yield tmp_path
    for function in remembered:
        function.cache_clear()


@pytest.fixture(scope="session")
def built(testrun_uid):
    """The first page of the whole book, built at the preset smoke with warnings as errors, once for all workers of a run."""
    book.BUILD.mkdir(exist_ok=True)
    with open(book.BUILD / "tests.run", "a+") as run:
        fcntl.flock(run, fcntl.LOCK_EX)
        run.seek(0)
        if run.read() == testrun_uid:
            return book.BUILD / "html" / "index.html"
        first = book.build("smoke")
        run.truncate(0)
        run.write(testrun_uid)
        return first
