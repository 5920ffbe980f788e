"""The command line as a person meets it: real processes, exit statuses, one line for each mistake."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from reuselab import cli
from reuselab.book import agreement, build, estimate, pages

COMMAND = Path(sys.executable).with_name("reuselab")


def reuselab(*arguments, **environment):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=os.environ | environment)


REFUSED = [
    (["rnu"], "No such command 'rnu'. (did you mean run?)"),
    (["run"], "Missing argument 'PAGE'"),
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
    (["run", "task_correlation", "-p", "seeds", "0"], "seeds must be a whole number from 1 to 1,000, not 0"),
    (
        ["run", "task_correlation", "-p", "seeds", "true"],
        "seeds must be a whole number from 1 to 1,000, not True",
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
    (["run", "pairs", "-o", "/dev/null/out"], "cannot write into /dev/null/out"),
]


@pytest.mark.parametrize("arguments, message", REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
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


def test_a_real_process_refuses_too(tmp_path):
    done = reuselab("run", "pairs", "-p", "drwas", "5000", "-o", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("reuselab: no parameter 'drwas' (did you mean draws?)")
        and done.stderr.count("\n") == 1
    )
    assert not (tmp_path / "out").exists()


def test_run_leaves_notebook_html_and_table(tmp_path):
    done = reuselab(
        "run",
        "task_correlation",
        "--preset",
        "smoke",
        "-p",
        "base",
        "digits",
        "-p",
        "rhos",
        "[0, 1]",
        "-p",
        "retrains",
        "[1]",
        "-p",
        "seeds",
        "1",
        "-p",
        "alice_pairs",
        "500",
        "-o",
        str(tmp_path / "new" / "out"),
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / "new" / "out"
    assert done.stdout.split() == [
        str(out / f"task_correlation{kind}")
        for kind in (".ipynb", ".html", ".csv", "_claims.csv", "_rivals.csv")
    ]
    rows = pd.read_csv(out / "task_correlation.csv")
    assert sorted(zip(rows.rho, rows.retrain)) == [(0, 1), (0, 5), (1, 1), (1, 5)]
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


def test_a_failing_page_says_so_in_one_line_with_status_1(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    source = (pages.NOTEBOOKS / "pairs.md").read_text()
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path / "notebooks")
    (tmp_path / "notebooks" / "pairs.md").write_text(
        source.replace("classes = len(train[0].classes)", "classes = 1 / 0")
    )
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
