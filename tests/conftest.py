"""What all tests share: folders of their own, and the book, built once in the background.

A run of the tests leaves alone what `make book` built and what a study kept. Where the environment asks
PyTorch for another instruction set, that run has folders of its own too, so that it computes all itself.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OTHER_PROCESSOR = filter(None, map(os.environ.get, ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")))
PLACE = ROOT / "_build" / "-".join(["test", *OTHER_PROCESSOR])
os.environ |= {"REUSELAB_BUILD": str(PLACE), "REUSELAB_HOME": str(PLACE / "home")}
# Before NumPy and PyTorch: small products are slower on two threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
NICE = 5

import pytest
import tally

BUILD_BOOK = """
import sys
from reuselab.book.build import build
build("smoke")
open(sys.argv[1], "w").write(sys.argv[2])
"""


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty folder of image sets in place of REUSELAB_DATA."""
    monkeypatch.setenv("REUSELAB_DATA", str(tmp_path))
    return tmp_path


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that look at the built book, and let them wait until the others are done.

    Before them come those that look at something else in a browser, which then stays open.
    """
    for item in items:
        tally.note(item)
        if "built" in item.fixturenames:
            item.add_marker("pages")
    items.sort(key=lambda item: [name in item.fixturenames for name in ("built", "browser")])


def pytest_runtest_logreport(report):
    tally.hear(report)


def pytest_terminal_summary(terminalreporter):
    if tally.passed:
        counts = tally.table()
        PLACE.mkdir(parents=True, exist_ok=True)
        counts.to_csv(PLACE / "hostile.csv", index=False)
        terminalreporter.write_line(tally.summary(counts))


def pytest_collection_finish(session):
    """Begin to build the book before the first test, where one will look at it, and let it go first.

    Its last part runs on one core: the tests have the other, and both when it is done.
    """
    if any("built" in item.fixturenames for item in session.items) and not session.config.option.collectonly:
        begin(run_of(session.config))
        os.nice(NICE)


@pytest.fixture(scope="session")
def built(pytestconfig):
    """The first page of the whole book, built at smoke with warnings as errors, once for all workers."""
    run = run_of(pytestconfig)
    while begin(run):
        with open(PLACE / "tests.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
    if (PLACE / "tests.done").read_text() != run:
        pytest.fail("the book could not be built: " + (PLACE / "tests.log").read_text()[-1000:])
    return PLACE / "html" / "index.html"


def run_of(config):
    """What names this run of pytest, the same in all of its workers."""
    return getattr(config, "workerinput", {}).get("testrunuid", str(os.getpid()))


def begin(run):
    """Begin to build the book unless this `run` already has; whether it is still being built, by whomever.

    The building process holds a lock as long as it lives: who waits for the lock waits for the book.
    """
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "tests.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        lock.seek(0)
        if lock.read() == run:
            return False
        lock.truncate(0)
        lock.write(run)
        lock.flush()
        (PLACE / "tests.done").write_text("")
        with open(PLACE / "tests.log", "w") as log:
            subprocess.Popen(
                [sys.executable, "-c", BUILD_BOOK, PLACE / "tests.done", run],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
            )
    return True
