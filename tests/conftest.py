"""What several test modules share."""

import fcntl
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: small products are slower on two threads than on one

import pytest
import torch

from reuselab import bases, book

torch.set_num_threads(1)


def made(counts, size=(8, 8), channels=1, seed=0) -> bases.Base:
    """An image set of random images, `counts[k]` of class k, whose classes differ in brightness; labels shuffled."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    noise = torch.randint(0, 100, (len(labels), channels, *size), generator=generator)
    level = torch.randint(0, 150, (len(counts), channels, *size), generator=generator)
    return bases.Base((noise + level[labels]).to(torch.uint8), labels, tuple(f"class {k}" for k in range(len(counts))))


def real(name: str, split: str = "train") -> bases.Base:
    """A split of a real image set, or a skip that says what is missing."""
    if not os.environ.get("REUSELAB_DATA"):
        pytest.skip("REUSELAB_DATA is not set: no real image sets beside the digits")
    try:
        return bases.load(name, split)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


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
