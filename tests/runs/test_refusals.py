"""Bad input to studies: one line, exit status 2, nothing run and nothing written."""

import json
import re
import sys

import numpy as np
import pytest

from reuselab import cli
from reuselab.book import pages as page
from reuselab.runs import study as studies
from reuselab.runs.study import grid, study

HOSTILE = [
    "'; DROP TABLE rows; --",
    "two\nlines",
    '"quoted"',
    "__import__('os').remove('x')",
    "{0.__class__}",
    "\x00",
    "%s%n",
    "$(reboot)",
    "é\u202e",
]
RHO = "rho must be a number from 0 to 1, not "
AXIS = "must hold at least one item and none twice"

COMMANDS = [  # arguments after `reuselab study`, message
    *[(["-p", "base", text], "base must be one of digits") for text in HOSTILE],
    *[(["-p", text, "1"], "no parameter ") for text in HOSTILE],
    *[
        (["-p", "rho", text], RHO)
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "[0, NaN]",
            "-0.1",
            "true",
            "null",
            "{}",
            '"0.5"',
            "[[0]]",
            "half",
        ]
    ],
    *[
        (["-p", "seed", text], "seed must be a whole number from 0 to 4,294,967,295")
        for text in ["-1", "1.5", "1e3", "NaN", "4294967296", "10" * 40, "[0, true]"]
    ],
    (["-p", "alice_lr", "Infinity"], "alice_lr must be a number above 0 to 100, not inf"),
    (["-p", "alice_pairs", "1000000000000"], "alice_pairs must be a whole number from 10 to 100,000,000"),
    (["-p", "bob_epochs", "-1"], "bob_epochs must be a whole number from 0 to 10,000, not -1"),
    (["-p", "rhos", "[0]"], "no parameter 'rhos' (did you mean rho?)"),
    (["-p", "seeds", "3"], "no parameter 'seeds' (did you mean seed?)"),
    (["-p", "rho", "[]"], f"axis rho {AXIS}"),
    (["-p", "rho", "[0, 0.0]"], f"axis rho {AXIS}"),
    (["-p", "rho", "0", "-p", "rho", "1"], "each parameter can be given once"),
    (
        ["-p", "seed", json.dumps([*range(1001)]), "-p", "test_pairs", json.dumps([*range(10, 1010)])],
        "a grid must have no more than 1,000,000 cells",
    ),
    (
        ["-p", "retrain", "[5]", "-p", "network", "mlp"],
        "retrain must be a whole number from 0 to 4, the blocks of mlp, not 5",
    ),
    (["-p", "base", "mnist"], "base mnist is not in"),
    (["-p", "alice_device", "mps"], "device mps is not on this machine"),
    (["-p", "rho"], "Option '-p' requires 2 arguments"),
    (["--workers", "0"], "workers must be a whole number from 1 to 1,024, not 0"),
    (["--workers", "-2"], "workers must be a whole number from 1 to 1,024, not -2"),
    (["--workers", "many"], "'many' is not a valid integer"),
    (["--time-limit", "0"], "time_limit must be a number above 0"),
    (["--time-limit", "nan"], "time_limit must be a number above 0"),
    (["--time-limit", "inf"], "time_limit must be a number above 0"),
    (["-o", "table.pkl"], "a table must be named FILE.csv or FILE.parquet, not 'table.pkl'"),
    (["-o", "table"], "a table must be named FILE.csv or FILE.parquet, not 'table'"),
    (["-o", "nowhere/table.csv"], "cannot write nowhere/table.csv: its folder must exist and be writable"),
    (["-o", "/dev/null/table.csv"], "cannot write /dev/null/table.csv"),
    (["--retry"], "No such option"),
    (["--scheduler", ""], "no Dask scheduler answers at ''"),
    (["--scheduler", "gopher://127.0.0.1:1"], "no Dask scheduler answers at 'gopher://127.0.0.1:1'"),
    (["--scheduler", "tcp://127.0.0.1:99999999"], "no Dask scheduler answers at 'tcp://127.0.0.1:99999999'"),
    (["now"], "Got unexpected extra argument (now)"),
]


def refused(arguments, folder, monkeypatch, capsys, message, *, home=None):
    """One line on stderr with `message`, exit status 2, and no file more than before."""
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REUSELAB_HOME", home or str(folder / "home"))
    monkeypatch.setattr(sys, "argv", ["reuselab", *arguments])
    monkeypatch.setattr(studies, "_pool", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("reuselab: ") and err.count("\n") == 1 and message in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.hostile("input")
@pytest.mark.parametrize("arguments, message", COMMANDS, ids=[repr(" ".join(a))[:60] for a, _ in COMMANDS])
def test_a_study_is_refused(arguments, message, data_folder, monkeypatch, capsys):
    refused(["study", *arguments], data_folder, monkeypatch, capsys, message)


def test_the_table_is_long():
    assert len(COMMANDS) >= 60


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "command, home", [(["study"], "/dev/null/home"), (["status"], "/proc/home"), (["status"], __file__)]
)
def test_a_home_that_cannot_be_written_is_refused(command, home, tmp_path, monkeypatch, capsys):
    message = f"reuselab: cannot keep rows in {home}: "
    refused(command, tmp_path, monkeypatch, capsys, message, home=home)


CALLS = [
    (lambda: study([]), "a study needs at least one cell"),
    (lambda: study([0.5]), "a study needs a list of cells, not of 0.5"),
    (lambda: study("cells"), "a study needs a list of cells, not of 'cells'"),
    (lambda: study(None), "a study needs a list of cells, not of None"),
    (lambda: study(grid(), workers=0), "workers must be a whole number from 1 to 1,024, not 0"),
    (lambda: study(grid(), workers=True), "workers must be a whole number from 1 to 1,024, not True"),
    (
        lambda: study(grid(), client="tcp://127.0.0.1:8786"),
        "client must be a dask.distributed.Client, not 'tcp://127.0.0.1:8786'",
    ),
    (lambda: study(grid(), time_limit=-1), "time_limit must be a number above 0 to 1e+07, not -1"),
    (lambda: study(grid(), time_limit=float("nan")), "time_limit must be a number above 0 to 1e+07, not nan"),
    (lambda: study(grid(), time_limit="60"), "time_limit must be a number above 0 to 1e+07, not '60'"),
    (lambda: study(grid(), home="/dev/null/home"), "cannot keep rows in /dev/null/home: Not a directory"),
    (lambda: grid(rho=np.array([0.5, np.inf])), re.compile(r"rho must be a number from 0 to 1, not .*inf.*")),
    (lambda: grid(rho=np.empty(0)), f"axis rho {AXIS}"),
    (lambda: grid(rho=np.zeros((2, 2))), re.compile("rho must be a number from 0 to 1, not array.*")),
    (lambda: grid(rho={0.5}), re.compile("rho must be a number from 0 to 1, not {0.5}")),
    (lambda: grid(seed=range(10**30)), "a grid must have no more than 1,000,000 cells"),
    (
        lambda: grid(seed=range(2000), test_pairs=range(10, 2010)),
        "a grid must have no more than 1,000,000 cells",
    ),
    (
        lambda: page.parameters("task_correlation", "smoke", {"rhos": [0.0, float("inf")]}),
        "each item of rhos must be a number from 0 to 1, not inf",
    ),
    (
        lambda: page.parameters("task_correlation", "smoke", {"rhos": "[0]; import os"}),
        re.compile("rhos must be a list of one or more items, .*"),
    ),
    (
        lambda: page.parameters("task_correlation", "smoke", {"base": "digits\nimport os"}),
        re.compile("base must be one of .*"),
    ),
    (
        lambda: page.parameters("task_correlation", "smoke", {"seeds": 10**9}),
        "seeds must be a whole number from 2 to 1,000, not 1000000000",
    ),
    (
        lambda: page.parameters("task_correlation", "smoke", {"bob_lr": 0.1}),
        re.compile("no parameter 'bob_lr'.*"),
    ),
]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("call, message", CALLS, ids=range(len(CALLS)))
def test_a_call_is_refused(call, message):
    with pytest.raises(ValueError) as refusal:
        call()
    assert "\n" not in str(refusal.value)
    assert (
        message.fullmatch(str(refusal.value))
        if isinstance(message, re.Pattern)
        else str(refusal.value) == message
    )
