"""The command line as a person meets it: real processes, exit statuses, one line for each mistake."""

import errno
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import Mock, patch

import nbformat
import pandas as pd
import psutil
import pytest
from faulty import wait_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reuselab import cli, guard
from reuselab.book import agreement, build, estimate, pages
from reuselab.claims import registry
from reuselab.runs import study
from reuselab.sources import openimages
from reuselab.sources import registry as image_sets

COMMAND = Path(sys.executable).with_name("reuselab")


def reuselab(*arguments, **environment):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=os.environ | environment)


DEEP = "[" * 5000 + "]" * 5000  # JSON
LONG = "a" * 256
REFUSED = [
    (["rnu"], "No such command 'rnu'. (did you mean run?)"),
    (["run"], "Missing argument 'PAGE'"),
    (
        ["export-network", "x.json", "-p", "layout", "stacked"],
        "the laboratory shows layout beside alone, not stacked",
    ),
    (["export-network", "/none/x.json"], "cannot write /none/x.json: its folder must exist and be writable"),
    (["run", "task_corelation"], "no page 'task_corelation' (did you mean task_correlation?)"),
    (["run", "pairs", "--preset", "quik"], "no preset 'quik' (did you mean quick?)"),
    (["book", "--preset", "big"], "no preset 'big'; there is smoke, quick, paper"),
    (["book", "--preset", "big", "--estimate"], "no preset 'big'; there is smoke, quick, paper"),
    (["run", "pairs", "-p", "draws", "999", "--estimate"], "draws must be a whole number"),
    (["run", "pairs", "-p", "drwas", "5000"], "no parameter 'drwas' (did you mean draws?)"),
    (["run", "pairs", "-p", "preset", "paper"], "no parameter 'preset'"),
    (["run", "pairs", "-p", "draws"], "Option '-p' requires 2 arguments"),
    (
        ["run", "pairs", "-p", "draws", "many"],
        "draws must be a whole number from 1,000 to 10,000,000, not 'many'",
    ),
    (
        ["run", "pairs", "-p", "draws", "5000.5"],
        "draws must be a whole number from 1,000 to 10,000,000, not 5000.5",
    ),
    (
        ["run", "pairs", "-p", "draws", "999"],
        "draws must be a whole number from 1,000 to 10,000,000, not 999",
    ),
    (["run", "pairs", "-p", "rhos", "0.5"], "rhos must be a list of one or more items"),
    (["run", "pairs", "-p", "rhos", "[]"], "rhos must be a list of one or more items"),
    (["run", "pairs", "-p", "rhos", "[0, 1.5]"], "each item of rhos must be a number from 0 to 1, not 1.5"),
    (["run", "pairs", "-p", "rhos", "[0, NaN]"], "each item of rhos must be a number from 0 to 1, not nan"),
    (["run", "pairs", "-p", "rhos", "[0, 0]"], "rhos must not repeat an item"),
    (["run", "pairs", "-p", "phis", "[-2]"], "each item of phis must be a number from -1 to 1, not -2"),
    (
        ["run", "pairs", "-p", "base", "digit"],
        "base must be one of digits, turned, mnist, fashion, cifar10, cifar100, pets, pet_species, "
        "openimages, not 'digit' (did you mean digits?)",
    ),
    (["run", "pairs", "-p", "base", "mnist"], "base mnist is not in"),
    (["run", "task_correlation", "-p", "seeds", "0"], "seeds must be a whole number from 2 to 1,000, not 0"),
    (
        ["run", "task_correlation", "-p", "seeds", "true"],
        "seeds must be a whole number from 2 to 1,000, not True",
    ),
    (
        ["run", "task_correlation", "-p", "network", "mpl"],
        "network must be one of cnn, mlp, resnet18, resnet18_original, or a classifier of torchvision "
        "by its name, not 'mpl' (did you mean mlp?)",
    ),
    (
        ["run", "task_correlation", "-p", "network", "mlp"],
        "retrain must be a whole number from 0 to 4, the blocks of mlp, not 5",
    ),
    (
        ["run", "task_correlation", "-p", "init", "'; import os"],
        'init must be one of fresh, alice, not "\'; import os"',
    ),
    (
        ["run", "task_correlation", "-p", "bob_pairs", "1"],
        "bob_pairs must be a whole number from 10 to 100,000,000, not 1",
    ),
    (
        ["run", "task_correlation", "-p", "retrains", "[6]"],
        "retrain must be a whole number from 0 to 5, the blocks of cnn, not 6",
    ),
    (["run", "pairs", "-p", "draws", "2000", "-p", "draws", "3000"], "each parameter can be given once"),
    (["study", "-p", "rho", "0", "-p", "rho", "0"], "each parameter can be given once, and 'rho' is given"),
    (["run", "pairs", "-o", "/dev/null/out"], "cannot write into /dev/null/out"),
    (["run", "pairs", "-o", "/proc/out"], "cannot write into /proc/out"),
    (["run", "pairs", "-o", LONG], "File name too long"),
    (["run", "pairs", "-p", "draws", DEEP], "is nested too deep"),
    (["run", "pairs", "-p", "draws", "[" * 900 + "]" * 900], "draws must be a whole number"),
    (["study", "-p", "rho", DEEP], "is nested too deep"),
    (["study", "-p", "rho", "9" * 5000], "is nested too deep or has too many digits"),
    (["study", "-o", f"{LONG}.csv"], "its folder must exist and be writable"),
    (["export", f"{LONG}.csv"], "its folder must exist and be writable"),
    (["export", "/proc/rows.csv"], "cannot write /proc/rows.csv: its folder must exist and be writable"),
    (["import", f"{LONG}.csv"], "File name too long"),
    ([], "Missing command"),
    (["data"], "Missing command"),
]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("arguments, message", REFUSED, ids=[" ".join(a)[:60] for a, _ in REFUSED])
def test_bad_input_gets_one_line_and_status_2_before_any_work(
    data_folder, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(data_folder)
    monkeypatch.setattr(sys, "argv", ["reuselab", *arguments])
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("work was begun"))
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("work was begun"))
    monkeypatch.setattr(estimate, "estimate", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("reuselab: ") and err.count("\n") == 1
    assert message in err
    assert not list(data_folder.iterdir())


@pytest.mark.hostile("input")
@pytest.mark.parametrize("variable", ["REUSELAB_HOME", "REUSELAB_DATA"])
@pytest.mark.parametrize("arguments", [["status"], ["run", "pairs"], ["data", "list"]], ids=" ".join)
def test_a_home_of_nobody_is_refused(monkeypatch, capsys, variable, arguments):
    monkeypatch.setenv(variable, "~nosuchuser/x")
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("work was begun"))
    expected = f"reuselab: {variable} is '~nosuchuser/x', and there is no such user's home\n"
    assert called(monkeypatch, capsys, *arguments) == (2, "", expected)


def called(monkeypatch, capsys, *arguments):
    """Exit status, stdout and stderr of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["reuselab", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, *capsys.readouterr()


@pytest.mark.hostile("input")
def test_a_name_as_long_as_names_can_be_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "home"))
    path = tmp_path / f"{'a' * 251}.csv"
    assert called(monkeypatch, capsys, "export", str(path)) == (0, f"0 rows in {path}\n", "")
    assert path.exists() and len(list(tmp_path.iterdir())) == 2


# What ends a command, its exit status, and the line for it up to the words on its traceback.
FAULTS = [
    (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; make room and run the same"),
    (OSError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied; look at its rights, or name"),
    (OSError("no number"), "OSError: no number"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe"),  # not that of stdout, which is read
    (EOFError("cut short"), "EOFError: cut short"),
    (MemoryError(), "not enough memory; ask for less at a time"),
    (RecursionError("maximum recursion depth exceeded"), "something is nested too deep"),
    (ModuleNotFoundError("no", name="papermill"), "papermill is not installed; pip install 'reuselab[book]'"),
    (sqlite3.OperationalError("disk I/O error"), "OperationalError: disk I/O error"),
    (ValueError("two\nlines\x1c and \u2028 more"), "ValueError: two lines and more"),
    (ValueError("x" * 10_000), "ValueError: xxx"),
    (SystemExit(0), "SystemExit: 0"),
    (KeyError("\udcff"), "KeyError: "),
]


@pytest.mark.hostile("unforeseen error")
@pytest.mark.parametrize("error, line", FAULTS, ids=[line[:30] for _, line in FAULTS])
def test_what_nobody_foresaw_is_one_line_and_where_no_way_out_is_known_a_log(
    tmp_path, monkeypatch, capsys, error, line
):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    assert guard.guarded(Mock(side_effect=error)) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"reuselab: {line}") and len(err.splitlines()) == 1 and len(err) < 900
    logs = list(tmp_path.iterdir())
    assert len(logs) == ("; " not in line), "where a way out is said, there is nothing more to tell"
    for log in logs:
        assert err.endswith(f" (traceback in {log})\n")
        assert log.read_text().rstrip().splitlines()[0].startswith("Traceback")
        assert type(error).__name__ in log.read_text()


def test_the_last_twenty_logs_are_kept_and_no_other_file_is_touched(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path))
    (tmp_path / "reuselab-study.log").touch()
    for i in range(22):
        guard.guarded(Mock(side_effect=RuntimeError(i)))
    logs = [path.read_text() for path in tmp_path.iterdir()]
    assert len(logs) == 21 and "" in logs and sum("RuntimeError: 21\n" in log for log in logs) == 1


@pytest.mark.hostile("nowhere to write a log")
def test_a_log_that_cannot_be_written_hides_nothing(monkeypatch, capsys):
    monkeypatch.setenv("REUSELAB_HOME", "/proc/home")
    monkeypatch.setattr(tempfile, "tempdir", "/proc/temporary")
    assert guard.guarded(Mock(side_effect=RuntimeError("lost"))) == 1
    assert capsys.readouterr().err == "reuselab: RuntimeError: lost\n"


@pytest.mark.hostile("Ctrl-C")
@pytest.mark.parametrize("meanwhile", [nullcontext, study.deaf], ids=["at work", "while processes begin"])
@pytest.mark.parametrize("made_of_it", [KeyboardInterrupt, ImportError, OSError, build.Failed])
def test_ctrl_c_is_an_interruption_whatever_a_library_makes_of_it(monkeypatch, capsys, made_of_it, meanwhile):
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # to be had back

    def pressed():
        try:
            with meanwhile():
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("Task exception was never retrieved", file=sys.stderr)
            raise made_of_it from None

    usual = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        assert guard.guarded(pressed) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, usual)
    assert capsys.readouterr() == ("", "reuselab: interrupted\n")


@pytest.mark.hostile("SIGTERM or SIGHUP")
@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN], ids=["", "Ctrl-C ignored"])
@pytest.mark.parametrize("meanwhile", [nullcontext, study.deaf], ids=["at work", "while processes begin"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_to_be_told_to_end_is_an_interruption(monkeypatch, capsys, number, meanwhile, ctrl_c):
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # to be had back

    def told():
        with meanwhile():
            signal.raise_signal(number)

    usual = signal.signal(signal.SIGINT, ctrl_c)
    try:
        assert guard.guarded(told) == 128 + number
    finally:
        signal.signal(signal.SIGINT, usual)
    assert signal.getsignal(number) == signal.SIG_DFL
    assert capsys.readouterr() == ("", "reuselab: interrupted\n")


@pytest.mark.hostile("SIGTERM or SIGHUP")
def test_a_hangup_that_nohup_ignores_is_ignored():
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert guard.guarded(lambda: signal.raise_signal(signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, usual)


@pytest.mark.hostile("full or closed stdout")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    "stdout, line",
    [("/dev/full", "reuselab: No space left on device; make room"), ("a pipe that nobody reads", "")],
)
def test_a_stdout_that_takes_nothing_is_one_line_or_none(tmp_path, stdout, line, buffered):
    reading, writing = os.pipe()
    os.close(reading)
    with open(stdout, "w") if stdout.startswith("/") else open(writing, "w") as out:
        done = subprocess.run(
            [COMMAND, "status"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": buffered, "REUSELAB_HOME": str(tmp_path)},
        )
    assert done.returncode == 1 and done.stderr.startswith(line)
    assert done.stderr.count("\n") == bool(line)


# What a hostile user types: what no list names, after options that are there.
NASTY = [
    *("", " ", "-", "--", "-h", "--x", ".", "..", "~nobody", "/dev/null", "/dev/null/x.csv", "/proc/x.csv"),
    *("x.csv", "x.parquet", "nowhere/x.csv", "a" * 300, "\x1b[31m", "\udcff", "a\nb", "%s", "\u202e", "null"),
    *(
        "0",
        "-1",
        "1e999",
        "NaN",
        "9" * 400,
        "9" * 5000,
        "true",
        '"',
        "[0, 1]",
        "[[0]]",
        "[1e400, 2]",
        "[[], []]",
    ),
    *('{"a": 1}', "[" * 900 + "]" * 900, DEEP, "digits", "mnist", "Dog,Cat", "a|b", "smoke", "[0.5, 0.5]"),
]
VALUES = (
    st.sampled_from(NASTY)
    | st.text(st.characters(exclude_characters="/\0"), max_size=8)
    | st.lists(st.floats() | st.integers() | st.booleans() | st.text(max_size=3), max_size=4).map(json.dumps)
    | st.floats().map(str)
    | st.integers(-2, 2**70).map(str)
)
CELL = [f"-p {name}" for name in ("rho", "phi", "retrain", "seed", "base", "network", "alice_classes", "x")]
FREELY = {
    "run pairs": ["-p draws", "-p rhos", "-p phis", "-p base", "-p network", "-o", "--preset", "--estimate"],
    "run deep_linear": ["-p d", "-p gammas", "-p seed", "-p x", "--out"],
    "study": [*CELL, "-o", "--workers", "--time-limit", "--retry-failed", "--scheduler"],
    "data fetch openimages": ["--classes", "--images", "--folder"],
    **{command: ["", "--preset", "-h"] for command in ("book", "claims", "status", "data list", "")},
    **{command: ["", "-p x"] for command in ("run", "export", "import", "data fetch")},
}
TYPED = st.sampled_from(sorted(FREELY)).flatmap(
    lambda command: st.lists(st.tuples(st.sampled_from(FREELY[command]), VALUES), max_size=3).map(
        lambda given: command.split() + [word for option, value in given for word in (*option.split(), value)]
    )
)


@pytest.mark.hostile("input", 150)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(TYPED)
def test_whatever_is_typed_leaves_one_line_at_most(harmless, typed):
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["reuselab", *typed]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        cli.main()
    status, lines = stop.value.code, err.getvalue().splitlines()
    assert status in (0, 2), lines
    assert len(lines) == (status == 2) and all(line.startswith("reuselab: ") for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.fixture
def harmless(tmp_path, monkeypatch):
    """A folder of its own for whatever is written, and nothing that takes long or goes out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REUSELAB_DATA", str(tmp_path / "data"))
    nothing = pd.DataFrame()
    for place, name, value in (
        (build, "execute", tmp_path / "page.ipynb"),
        (build, "build_page", tmp_path / "page.html"),
        (build, "build", tmp_path),
        (build, "notebooks", {}),
        (estimate, "estimate", ({}, 1.0)),
        (registry, "runs", pd.DataFrame(columns=["claim", "verdict", "effect", "rule"])),
        (agreement, "compare", {}),
        (study, "ready", None),
        (study._Study, "table", nothing),
        (image_sets, "fetch", "whole"),
        (image_sets, "state", "whole"),
        (openimages, "fetch", "whole"),
    ):
        monkeypatch.setattr(place, name, Mock(return_value=value))
    monkeypatch.setattr(cli, "_client", Mock(side_effect=ValueError("no scheduler")))


def test_each_page_has_rules_of_its_own(tmp_path, monkeypatch):
    """Eight dimensions are enough for a ReLU network, and too few for the laws of the linear one."""
    monkeypatch.setattr(
        sys, "argv", ["reuselab", "run", "nonlinear", "-p", "d", "8", "-o", str(tmp_path / "out")]
    )
    given = []
    monkeypatch.setattr(build, "execute", lambda name, values, out: given.append((name, values["d"])))
    monkeypatch.setattr(build, "build_page", lambda done: tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code and given == [("nonlinear", 8)]
    with pytest.raises(ValueError, match="d must be a whole number"):
        pages.parameters("deep_linear", "quick", {"d": 8})


@pytest.mark.parametrize("found, status", [(0.52, 0), (0.6, 1)])
def test_check_prints_a_line_for_each_disagreement_and_fails(tmp_path, monkeypatch, capsys, found, status):
    held = pd.DataFrame(
        {
            "table": "layers",
            "cell": "rho = 1",
            "measure": "bob_accuracy",
            "kind": agreement.ALONE,
            "found": [found],
            "kept": 0.5,
            "tolerance": 0.05,
        }
    )
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(build, "notebooks", lambda preset, names: None)
    monkeypatch.setattr(agreement, "compare", lambda page, folder: held)
    monkeypatch.setattr(sys, "argv", ["reuselab", "check", "layers"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    line = f"layers: rho = 1: bob_accuracy: found {found}, kept 0.5, tolerance 0.05\n"
    assert ((stop.value.code or 0), line in out, err.count("\n")) == (status, bool(status), status)


@pytest.mark.hostile("input")
def test_check_refuses_a_page_that_does_not_exist(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reuselab", "check", "layer"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert (stop.value.code, "did you mean layers?" in capsys.readouterr().err) == (2, True)


@pytest.mark.hostile("input")
def test_a_real_process_refuses_too(tmp_path):
    done = reuselab("run", "pairs", "-p", "drwas", "5000", "-o", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("reuselab: no parameter 'drwas' (did you mean draws?)")
        and done.stderr.count("\n") == 1
    )
    assert not (tmp_path / "out").exists()


def test_run_leaves_notebook_html_and_table(tmp_path):
    small = {"base": "digits", "rhos": "[0, 1]", "retrains": "[1]", "seeds": 2}
    small |= {"alice_pairs": 500, "alice_epochs": 1, "bob_epochs": 2}
    given = [str(part) for name, value in small.items() for part in ("-p", name, value)]
    out = tmp_path / "new" / "out"
    done = reuselab("run", "task_correlation", "--preset", "smoke", *given, "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(out / f"task_correlation{kind}")
        for kind in (".ipynb", ".html", ".csv", "_claims.csv", "_rivals.csv")
    ]
    rows = pd.read_csv(out / "task_correlation.csv")
    assert sorted(zip(rows.rho, rows.retrain, rows.seed)) == [
        (rho, retrain, seed) for rho in (0, 1) for retrain in (1, 5) for seed in (0, 1)
    ]
    assert set(rows.alice_pairs) == {500}
    injected = next(
        cell
        for cell in nbformat.read(out / "task_correlation.ipynb", 4).cells
        if "injected-parameters" in cell.metadata.get("tags", [])
    )
    assert "rhos = [0, 1]" in injected.source and "network" not in injected.source
    html = (out / "task_correlation.html").read_text()
    assert "smoke with base =" in html and "{glue" not in html
    assert (out / "vendor" / "html-manager" / "dist" / "embed.js").exists()


def test_run_lists_only_the_tables_that_it_wrote(tmp_path, monkeypatch, capsys):
    (tmp_path / "pairs_old.csv").touch()
    (tmp_path / "pairs_again.csv").touch()
    os.utime(tmp_path / "pairs_again.csv", (0, 0))

    def execute(name, values, out):
        (out / "pairs_again.csv").touch()
        (out / "pairs_new.csv").touch()
        return out / "pairs.ipynb"

    monkeypatch.setattr(build, "execute", execute)
    monkeypatch.setattr(build, "build_page", lambda done: done.with_suffix(".html"))
    status, out, _ = called(monkeypatch, capsys, "run", "pairs", "-o", str(tmp_path))
    names = ("pairs.ipynb", "pairs.html", "pairs_again.csv", "pairs_new.csv")
    assert not status and out.split() == [str(tmp_path / name) for name in names]


FAILING = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
---

```{code-cell} ipython3
:tags: [parameters]

draws = 5000
```

```{code-cell} ipython3
draws / 0
```
"""


def test_a_failing_page_says_so_in_one_line_with_status_1(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path)
    (tmp_path / "pairs.md").write_text(FAILING)
    with pytest.raises(build.Failed, match="page pairs failed: ZeroDivisionError: division by zero"):
        build.execute("pairs", {"draws": 1000}, tmp_path / "out")


def test_plain_papermill_runs_a_page(tmp_path):
    notebook = subprocess.run(
        [COMMAND.with_name("jupytext"), "--to", "ipynb", "-o", "-", pages.NOTEBOOKS / "pairs.md"],
        capture_output=True,
        check=True,
    ).stdout
    subprocess.run(
        [
            COMMAND.with_name("papermill"),
            "-",
            tmp_path / "pairs.ipynb",
            "-p",
            "draws",
            "2000",
            "-y",
            "{rhos: [0.0, 1.0], phis: [0.0], seeds: 2, bob_epochs: 2}",
        ],
        input=notebook,
        check=True,
        capture_output=True,
        env=os.environ | {"REUSELAB_OUT": str(tmp_path)},
    )
    assert list(pd.read_csv(tmp_path / "pairs_labels.csv").rho) == [0, 1]


STUBBORN = """
import signal, subprocess, sys, time
from reuselab import guard

def command():
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    worker = subprocess.Popen([sys.executable, "-c", deaf])
    while True:
        try:
            print(worker.pid, flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            print("heard", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(guard.guarded(command))
"""


@pytest.mark.hostile("Ctrl-C")
def test_a_second_ctrl_c_ends_all_that_still_runs():
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as stubborn:
        worker = psutil.Process(int(stubborn.stdout.readline()))
        stubborn.send_signal(signal.SIGINT)
        assert stubborn.stdout.readline() == "heard\n"
        assert int(stubborn.stdout.readline()) == worker.pid
        stubborn.send_signal(signal.SIGINT)
        assert stubborn.wait() == 130
    wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
