"""Where the book is built: tests and `make book` never share a folder, nor the rows they keep."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psutil
import pytest
from faulty import PATIENCE, wait_for

from reuselab import places
from reuselab.book import build, pages
from reuselab.book.kernel import end_with_parent
from reuselab.runs import store, study

WHERE = "from reuselab import places; from reuselab.runs import store; print(places.made(), store.folder())"


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


PAGE = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
---

```{code-cell} ipython3
:tags: [parameters]

deadly = False
```

```{code-cell} ipython3
import os, signal

if deadly:
    os.write(2, b"my last words")
    os.kill(os.getpid(), signal.SIGKILL)
```
"""

WITNESS = """
```{code-cell} ipython3
import sys, pathlib, reuselab
from reuselab.runs import store, study
pathlib.Path("witness").write_text(f"{sys.executable}\\n{reuselab.__file__}\\n{store.folder().resolve()}")
```
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A made page that kills its kernel where it is told to; the folder of its output."""
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path)
    (tmp_path / "made.md").write_text(PAGE)
    return tmp_path / "out"


@pytest.mark.hostile("SIGKILL of a page's kernel")
def test_a_killed_kernel_is_one_line_with_its_last_words_in_a_file(page, capfd):
    with pytest.raises(build.Failed, match="page made failed: its kernel died or was killed") as failed:
        build.execute("made", {"deadly": True}, page)
    assert str(failed.value).endswith(f"(see {page / 'made.log'})")
    assert (page / "made.log").read_text() == "my last words"
    assert capfd.readouterr() == ("", "")


@pytest.mark.hostile("a folder for temporary files whose name leaves no room for sockets")
def test_a_kernel_does_without_sockets_in_a_folder_of_a_long_name(page, tmp_path, monkeypatch):
    long = tmp_path / ("t" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert build.execute("made", {"deadly": False}, page).exists()
    assert sorted(path.name for path in page.iterdir()) == ["made.ipynb"] and not list(long.iterdir())
    monkeypatch.setenv("TMPDIR", str(long))
    places.shorten_temporary()  # as the command line does, for processes that cannot do without
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == "/tmp"


@pytest.mark.hostile("input")
@pytest.mark.parametrize("name", ["o{1}", "{deadly}", "{", "}}{{"])
def test_a_folder_may_have_braces_in_its_name(page, name):
    assert build.execute("made", {"deadly": False}, page / name) == page / name / "made.ipynb"
    assert (page / name / "made.ipynb").exists() and [path.name for path in page.iterdir()] == [name]


@pytest.mark.hostile("input", 4)
def test_a_kernel_has_the_python_the_code_and_the_rows_of_who_asks(page, tmp_path, monkeypatch):
    (tmp_path / "made.md").write_text(PAGE + WITNESS)
    specs, shadow = tmp_path / "jupyter" / "kernels" / "python3", page / "reuselab"
    specs.mkdir(parents=True)
    (specs / "kernel.json").write_text("{")
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("REUSELAB_HOME", "here")
    monkeypatch.setenv("PYTHONPATH", ".")
    build.execute("made", {}, page)
    told = (page / "witness").read_text().splitlines()
    assert told == [sys.executable, str(places.PACKAGE / "__init__.py"), str(tmp_path / "here")]


def test_a_third_partys_file_that_was_changed_is_fetched_again(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    script = tmp_path / "one" / "script.js"
    fetched = []

    def fetch(name, number, sha512, files, place):
        fetched.append(name)
        script.write_text("as published")
        (place / "VERSION").write_text(build._told_of(number, place))

    monkeypatch.setattr(places, "made", lambda: tmp_path)
    monkeypatch.setattr(build, "VENDOR", {("one", "1", ""): ()})
    monkeypatch.setattr(build, "_fetch", fetch)
    (tmp_path / "vendor").symlink_to(tmp_path)
    build.vendor()
    build.vendor()
    assert len(fetched) == 1
    script.write_text("altered")
    build.vendor()
    assert len(fetched) == 2 and script.read_text() == "as published"


@pytest.mark.hostile("two builds at once")
def test_who_builds_second_waits_and_says_for_whom(tmp_path, capsys):
    order = []

    def second():
        with build.alone(tmp_path):
            order.append("second")

    waiting = threading.Thread(target=second)
    with build.alone(tmp_path):
        waiting.start()
        said = wait_for(lambda: capsys.readouterr().err)
        order.append("first")
    waiting.join()
    assert said == f"reuselab: waiting for process {os.getpid()}, which builds in {tmp_path}\n"
    assert order == ["first", "second"]


@pytest.mark.hostile("Ctrl-C")
def test_who_waits_can_be_interrupted(tmp_path, capsys):
    """Pressed until it is heard: a signal that comes just before the system's call interrupts nothing."""
    heard = threading.Event()

    def hear(*_):
        if not heard.is_set():
            heard.set()
            raise KeyboardInterrupt

    def press():
        wait_for(lambda: capsys.readouterr().err)
        while not heard.wait(0.1):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    usual = signal.signal(signal.SIGINT, hear)
    presser = threading.Thread(target=press)
    try:
        with build.alone(tmp_path):
            presser.start()
            with pytest.raises(KeyboardInterrupt), build.alone(tmp_path):
                pytest.fail("two build at once")
    finally:
        presser.join()
        signal.signal(signal.SIGINT, usual)


@pytest.mark.parametrize("cores, shares", [({4, 5, 6}, ([4, 6], [5])), ({7}, ([7], [7]))])
def test_two_pages_at_a_time_share_the_cores_that_the_build_may_use(cores, shares, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    assert build._halves() == shares and study.cores() == len(cores)


def outlive(child):
    """A process that begins another, as a build does, and does nothing more."""
    process = multiprocessing.get_context("fork").Process(target=watch)
    process.start()
    child.send(process.pid)
    time.sleep(PATIENCE)


def watch():
    end_with_parent()
    time.sleep(PATIENCE)


@pytest.mark.hostile("SIGKILL of a build")
def test_what_runs_pages_ends_with_the_build():
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    parent = context.Process(target=outlive, args=[there])
    parent.start()
    child = here.recv()
    parent.kill()
    parent.join()
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
