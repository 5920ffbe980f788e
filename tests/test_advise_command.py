"""`reuselab advise` as a person meets it: a folder of photographs in, a sentence out; bad ones refused."""

import hashlib
import json
import pickle
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

from reuselab import advisor, cli, given
from reuselab.given import COLOURS
from reuselab.sources import readers, weights


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Weights of a small classifier of three classes, and photographs, grey ones among them, of two."""
    root = tmp_path_factory.mktemp("advise")
    torch.manual_seed(0)
    net = torchvision.models.get_model("squeezenet1_1", num_classes=3)
    save_file(net.state_dict(), root / "net.safetensors")
    (root / "pickle.safetensors").write_bytes(pickle.dumps({"weight": 1}))
    rng = np.random.default_rng(0)
    for level, name in ((60, "dark"), (190, "light")):
        (root / "good" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 60, (20, 24, 3) if i else (20, 24)) + level
            Image.fromarray(pixels.astype(np.uint8)).save(root / "good" / name / f"{i}.png")
    return root


def called(monkeypatch, capsys, place, *arguments):
    """Exit status, stdout and stderr of the command in this process, in the folder of its files."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["reuselab", "advise", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, *capsys.readouterr()


NET = ["--network", "squeezenet1_1"]
USUAL = [*NET, "--weights", "net.safetensors", "--data", "good", "--side", "32"]


@pytest.fixture
def short(monkeypatch):
    """The advisor trains for two epochs at most."""
    recipe = replace(advisor.RECIPE, epochs=2)
    monkeypatch.setattr(advisor, "advise", partial(advisor.advise, recipe=recipe))


@pytest.mark.usefixtures("short")
def test_a_folder_of_photographs_gets_a_table_a_sentence_a_picture_and_a_file(monkeypatch, capsys, place):
    status, out, err = called(monkeypatch, capsys, place, *USUAL, "-o", "made")
    assert (status, err) == (0, "")
    kept = json.loads((place / "made" / "advice.json").read_text())
    assert kept["classes"] == ["dark", "light"] and kept["images"] == 12
    assert kept["sentence"] in out and "probe" in out
    assert {row["retrain"] for row in kept["candidates"]} >= {1}
    assert (place / "made" / "advice.png").stat().st_size > 1000


def test_candidates_are_ranked(monkeypatch, capsys, place):
    torch.manual_seed(1)
    other = torchvision.models.get_model("squeezenet1_1", num_classes=2)
    save_file(other.state_dict(), place / "other.safetensors")
    given = [*NET, "--candidates", "net.safetensors", "other.safetensors", "--data", "good", "--side", "32"]
    status, out, _ = called(monkeypatch, capsys, place, *given)
    assert status == 0 and out.splitlines()[-1].startswith("Take ")
    assert "net.safetensors" in out and "other.safetensors" in out


def folder(place, kind):
    """A bad folder, made beside the good one."""
    bad = place / kind
    for name in ("a", "b"):
        (bad / name).mkdir(parents=True, exist_ok=True)
        for i in range(3):
            Image.new("RGB", (20, 20)).save(bad / name / f"{i}.png")
    if kind == "damaged":
        (bad / "a" / "1.png").write_bytes((bad / "a" / "1.png").read_bytes()[:40])
    elif kind == "single":
        for i in (1, 2):
            (bad / "b" / f"{i}.png").unlink(missing_ok=True)
    elif kind == "lone":
        (bad / "b").rename(place / "elsewhere")
    return str(bad)


REFUSED = [
    (["--data", "nowhere"], "nowhere cannot be read: No such file or directory"),
    (["--data", "net.safetensors"], "net.safetensors cannot be read: Not a directory"),
    (["--data", "damaged"], "is no photograph that can be read"),
    (["--data", "single"], "must hold two photographs or more, and holds 1"),
    (["--data", "lone"], "must hold two folders of photographs or more"),
    (["--weights", "pickle.safetensors"], "is no safetensors file, and nothing else is opened"),
    (["--weights", "none.safetensors"], "none.safetensors cannot be read: No such file"),
    (["--network", "squeezenet1_0"], "does not fit squeezenet1_0"),
    (["--network", "resnet18"], "does not fit resnet18: it has no fc.weight"),
    (["--network", "resnet81"], "no network 'resnet81' (did you mean resnet18?)"),
    (["--budget", "1"], "--budget must be a number from 5 to 86400, not 1"),
    (["--budget", "nan"], "--budget must be a number from 5 to 86400, not nan"),
    (["--side", "4"], "--side must be a whole number from 16 to 1,024, not 4"),
    (["--imagenet"], "give one of --weights FILE"),
    (["net.safetensors"], "--candidates takes two FILEs or more"),
    (["-o", "/dev/null/out"], "cannot write into /dev/null/out"),
]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("given, message", REFUSED, ids=[" ".join(given) for given, _ in REFUSED])
def test_bad_input_gets_one_line_and_status_2_before_any_work(monkeypatch, capsys, place, given, message):
    monkeypatch.setattr(advisor, "advise", lambda *_, **__: pytest.fail("work was begun"))
    for kind in {"damaged", "single", "lone"} & set(given):
        folder(place, kind)
    status, out, err = called(monkeypatch, capsys, place, *USUAL, *given)
    assert (status, out) == (2, "")
    assert err.startswith("reuselab: ") and err.count("\n") == 1 and message in err


@pytest.mark.hostile("input")
def test_more_photographs_than_memory_holds_are_refused_before_one_is_read(monkeypatch, capsys, place):
    monkeypatch.setattr(readers, "square", lambda *_: pytest.fail("one was read"))
    monkeypatch.setattr(advisor, "MEMORY", 12 * 3 * 32**2 * 4 - 1)
    status, out, err = called(monkeypatch, capsys, place, *USUAL)
    assert (status, out) == (2, "") and err.count("\n") == 1 and "give fewer, or a smaller --side" in err


@pytest.mark.hostile("input")
@pytest.mark.parametrize("text", ["{", "[]", '{"rhos": 1}', "missing"])
def test_a_cell_that_is_none_is_refused(monkeypatch, capsys, place, text):
    path = place / "cell.json"
    path.unlink(missing_ok=True) if text == "missing" else path.write_text(text)
    given = ["--alice", "cell.json", "--data", "good", "--side", "32"]
    status, out, err = called(monkeypatch, capsys, place, *given)
    assert (status, out) == (2, "") and err.count("\n") == 1


@pytest.mark.usefixtures("short")
def test_an_alice_of_ours_is_asked(monkeypatch, capsys, place):
    cell = {"layout": "alone", "alice_pairs": 100, "alice_epochs": 1}
    (place / "ours.json").write_text(json.dumps(cell))
    given = ["--alice", "ours.json", "--data", "good", "-o", "ours"]
    status, out, err = called(monkeypatch, capsys, place, *given)
    assert (status, err) == (0, "") and "epochs" in out


def test_mobilenets_imagenet_weights_are_the_file_beside_the_image_sets(monkeypatch, capsys, place):
    net = torchvision.models.get_model("mobilenet_v2", num_classes=10)
    file = place / weights.MOBILENET
    file.parent.mkdir()
    save_file(net.state_dict(), file)
    monkeypatch.setenv("REUSELAB_DATA", str(place))
    taken = []

    def keep(*given, budget):
        taken.extend(given)
        raise ValueError("kept")

    monkeypatch.setattr(advisor, "advise", keep)
    given = ["--network", "mobilenet_v2", "--imagenet", "--data", "good", "--side", "32"]
    status, out, err = called(monkeypatch, capsys, place, *given)
    assert (status, out, taken) == (1, "", []) and "is not the file meant" in err and err.count("\n") == 1
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "MOBILENET_SHA256", digest)
    monkeypatch.setitem(COLOURS, digest, ((0.5,) * 3, (0.5,) * 3))
    assert called(monkeypatch, capsys, place, *given) == (2, "", "reuselab: kept\n")
    hers, shown, _ = taken
    last = [name for name, m in hers.head.named_modules() if isinstance(m, torch.nn.Linear)][-1]
    assert torch.equal(hers.head.get_parameter(f"{last}.weight"), net.classifier[1].weight)
    assert shown.min() >= -1 and shown.max() <= 1


@pytest.mark.hostile("input", 2)
@pytest.mark.parametrize("fault", ["nowhere to write", "too few"])
def test_where_to_write_and_labels_are_checked_before_an_alice_is_trained(monkeypatch, capsys, place, fault):
    monkeypatch.setattr(given, "of_ours", lambda path: pytest.fail("she was trained"))
    if fault == "too few":
        monkeypatch.setattr(advisor, "FEWEST", 13)
    out = "net.safetensors" if fault == "nowhere to write" else "out"
    status, told, err = called(
        monkeypatch, capsys, place, "--alice", "ours.json", "--data", "good", "--side", "32", "-o", out
    )
    assert (status, told) == (2, "") and err.count("\n") == 1


@pytest.mark.hostile("input", 3)
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.tensor(3.0), "does not fit squeezenet1_1: its classifier.1.weight is of no class"),
        (torch.zeros(0, 512, 1, 1), "does not fit squeezenet1_1: its classifier.1.weight is of no class"),
        (torch.full((3, 512, 1, 1), torch.nan), "holds numbers in classifier.1.weight that are not finite"),
    ],
)
def test_weights_of_no_class_or_not_finite_are_refused(place, tensor, message):
    tensors = load_file(place / "net.safetensors") | {"classifier.1.weight": tensor}
    save_file(tensors, place / "odd.safetensors")
    with pytest.raises(ValueError, match=rf"^.*odd.safetensors {message}$"):
        given.from_file("squeezenet1_1", place / "odd.safetensors", 32)
