"""The registry of image sets: read anew when files change, fetched from a server of the tests' own, and the
command line.
"""

import json
import os
import re
import shutil
import weakref
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import photographs
import pytest
import torch
from made import made, real
from PIL import Image, UnidentifiedImageError
from served import lay, lay_mnist, made_files, pet_files, run, serve_cifar100, serve_mnist, serve_pets
from torchvision import datasets
from torchvision.datasets import utils

from reuselab.book import pages
from reuselab.check import Failed
from reuselab.experiment import bases, cell, pairs
from reuselab.experiment.cell import Cell
from reuselab.sources import download, openimages, published, readers
from reuselab.sources import registry as data
from reuselab.sources.readers import Arrays

# Adding an image set.


@pytest.fixture
def entry():
    """An image set of sixty made images in two classes, and as many to judge on."""
    splits = {
        split: Arrays(*vars(made([30, 30], seed=seed)).values())
        for seed, split in enumerate(("train", "test"))
    }
    return data.ImageSet(title="Made images", licence="CC0", place="here", read=lambda root: splits)


def test_an_image_set_is_added_by_one_entry(entry, data_folder, monkeypatch, capsys):
    """Everything that takes a set by its name takes the made one, and only while it is there."""
    with pytest.raises(ValueError, match=r"^base must be one of digits, "):
        Cell(base="mine")
    with monkeypatch.context() as patch:
        patch.setitem(data.SETS, "mine", entry)
        patch.setitem(
            data.SETS, "theirs", replace(entry, same_images_as="mine", read=lambda root, splits: splits)
        )
        for name in ("mine", "theirs"):
            assert bases.load(name, "test").images is entry.read(data_folder)[
                "test"
            ].images and bases.present(name)
            assert bases.identity(name) == bases.digest("mine") and bases.origin(name) == "mine"
        row = cell.run(Cell.of(base="mine", bob_base="theirs", alice_pairs=20, bob_pairs=10, test_pairs=10))
        assert (row["base"], row["bob_base"], row["chance"]) == ("mine", "theirs", 0.5)
        assert "\nmine Made images CC0 " in re.sub(" +", " ", run(monkeypatch, capsys, "list")[1])
        bases.base_rule("kept")("base", "mine")
    assert not any(name in bases.base_rule("kept").expected for name in ("mine", "theirs"))


def test_a_page_runs_on_an_added_image_set(entry, data_folder, monkeypatch, tmp_path):
    monkeypatch.setitem(data.SETS, "mine", entry)
    monkeypatch.setenv("REUSELAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("reuselab.runs.study.cores", lambda: 1)
    few = {"base": "mine", "rhos": [0, 1], "retrains": [1], "alice_pairs": 40, "bob_pairs": 20, "seeds": 2}
    values = pages.parameters("task_correlation", "smoke", few | {"test_pairs": 40, "bob_epochs": 2})
    rows = photographs.execute("task_correlation", values, tmp_path).tables["task_correlation"]
    assert set(rows.base) == {"mine"} and rows.bob_accuracy.between(0, 1).all()


# Read anew when files change.


@pytest.fixture
def mnist(data_folder, monkeypatch):
    """The folder of a made MNIST that has lain there for long."""
    lay_mnist(data_folder / "MNIST/raw")
    monkeypatch.setattr(data.time, "time_ns", lambda: 2**62)
    return data_folder / "MNIST/raw"


def flipped(path):
    """The file's bytes, its last pixel another."""
    content = path.read_bytes()
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.hostile("changed image set")
@pytest.mark.parametrize("how", ["in place", "another file", "a link to it", "a link to the folder"])
def test_other_pixels_are_noticed_whatever_size_and_time_a_file_says_it_has(how, mnist, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    path = mnist / "train-images-idx3-ubyte"
    if how == "a link to the folder":
        mnist = mnist.rename(elsewhere / "raw")
        path.parent.symlink_to(mnist)
    first, status = bases.identity("mnist"), path.stat()
    other, mended = flipped(path), path.read_bytes()

    def put(content):
        if how == "in place":
            before = path.stat().st_ctime_ns
            while path.stat().st_ctime_ns == before:
                path.write_bytes(content)
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            return
        new = elsewhere / content.hex()[-2:]
        new.mkdir()
        files = shutil.copytree(mnist, new / "raw") if how == "a link to the folder" else new
        (files / path.name).write_bytes(content)
        os.utime(files / path.name, ns=(status.st_atime_ns, status.st_mtime_ns))
        if how == "another file":
            (files / path.name).replace(path)
        elif how == "a link to it":
            path.unlink()
            path.symlink_to(files / path.name)
        else:
            path.parent.unlink()
            path.parent.symlink_to(files)

    put(other)
    assert bases.identity("mnist") != first
    put(mended)
    assert bases.identity("mnist") == first
    assert path.stat().st_size == status.st_size and path.stat().st_mtime_ns == status.st_mtime_ns


@pytest.mark.hostile("clock set back")
def test_a_file_whose_time_is_yet_to_come_is_read_each_time(mnist, monkeypatch):
    train = bases.load("mnist", "train")
    assert bases.load("mnist", "train") is train
    earliest = min(path.stat().st_ctime_ns for path in mnist.iterdir())
    monkeypatch.setattr(data.time, "time_ns", lambda: earliest - 3600 * 10**9)
    (mnist / "train-labels-idx1-ubyte").touch()
    assert bases.load("mnist", "train") is not bases.load("mnist", "train")


@pytest.mark.hostile("unreadable folder")
def test_a_folder_that_cannot_be_listed_is_told_in_one_line(mnist, monkeypatch):
    def denied(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.os, "scandir", denied)
    with pytest.raises(
        FileNotFoundError, match=r"^base mnist is not in .* \(PermissionError: .* denied\): set"
    ):
        bases.load("mnist", "train")
    assert bases.identity("mnist") == ""


def test_images_and_what_was_made_of_them_leave_memory_when_others_take_their_place(mnist):
    train = bases.load("mnist", "train")
    assert train.to("cpu") is train.to("cpu") and train.resized(3, (28, 28)) is train.resized(3, (28, 28))
    pairs.sample((train, bases.load("digits", "train")), 10, pairs.joint(10, 0))
    gone = [weakref.ref(held) for held in (train, train.images, train.to("cpu"), train.resized(3, (28, 28)))]
    del train
    assert None not in [held() for held in gone], "they are kept while they stay"
    lay_mnist(mnist, seed=1)
    bases.load("mnist", "train")
    assert [held() for held in gone] == [None] * 4


@pytest.mark.hostile("images swapped during a study")
def test_held_images_stay_what_they_are_while_the_files_change(mnist):
    with bases.held({"mnist"}) as identities:
        train = bases.load("mnist", "train")
        lay_mnist(mnist, seed=1)
        assert bases.load("mnist", "train") is train
        assert identities == {"mnist": bases.digest("mnist")}
    assert bases.load("mnist", "train") is not train and identities["mnist"] != bases.digest("mnist")


# Whole sets, made small in their published format.


def hold(name, laid):
    for split in ("train", "test"):
        base = bases.load(name, split)
        np.testing.assert_array_equal(base.images, laid[split][0])
        np.testing.assert_array_equal(base.labels, laid[split][1])


def test_a_fetched_set_of_idx_files_is_the_one_that_was_served(data_folder, server, monkeypatch):
    laid = serve_mnist(server, monkeypatch, data_folder)
    assert data.state("fashion").kind == "absent"
    assert data.fetch("fashion").kind == data.state("fashion").kind == "whole"
    hold("fashion", laid)
    sent = list(server.sent)
    assert data.fetch("fashion").kind == "whole" and server.sent == sent
    assert {path.name for path in (data_folder / "FashionMNIST").iterdir()} == {"raw"}, "nothing is left over"
    assert not list(data_folder.rglob("*.gz"))


def test_a_fetched_cifar100_has_its_classes_and_superclasses(data_folder, server, monkeypatch):
    laid = serve_cifar100(server, monkeypatch)
    data.fetch("cifar100")
    hold("cifar100", laid)
    assert bases.load("cifar100", "test").classes[99] == "fine 99"
    coarse, names = data.superclasses()
    assert coarse.tolist() == [7 * k % 20 for k in range(100)] and names[19] == "coarse 19"
    assert {path.name for path in data_folder.iterdir()} == {"cifar-100-python"}


def test_fetched_pets_are_squares_with_the_breeds_as_classes(data_folder, server, monkeypatch):
    images = serve_pets(server, monkeypatch)
    data.fetch("pets")
    for split, last in (("train", 1), ("test", 11)):
        base = bases.load("pets", split)
        assert (
            base.images.shape == (6, 3, 64, 64)
            and base.labels.tolist() == [0, 0, 1, 1, 2, 2]
            and base.images.is_contiguous()
        )
        assert base.classes == ("Abyssinian", "Great Pyrenees", "Pug")
        (data_folder / "pug.jpg").write_bytes(images[f"images/pug_{last}.jpg"])
        assert torch.equal(base.images[-1], readers.square(data_folder / "pug.jpg"))


def test_species_are_the_sets_own_column_over_the_same_photographs(data_folder):
    images, lists = pet_files()
    lay(data_folder / "oxford-iiit-pet", images | lists)
    for split in ("train", "test"):
        base = bases.load("pet_species", split)
        assert torch.equal(base.images, bases.load("pets", split).images)
        assert (
            base.labels.tolist() == [0, 0, 1, 1, 1, 1]
            and base.labels.dtype == torch.int64
            and base.classes == ("cat", "dog")
        )
    assert bases.digest("pet_species") != bases.digest("pets")


def test_a_set_is_present_when_it_loads_and_a_sample_of_the_pets_is_not(data_folder, monkeypatch):
    assert bases.present("digits") and bases.present("turned")
    assert not any(bases.present(name) for name in data.SETS if name not in ("digits", "turned"))
    lay_mnist(data_folder / "MNIST/raw")
    images, lists = pet_files()
    lay(data_folder / "oxford-iiit-pet", images | lists)
    assert bases.present("mnist") and not bases.present("fashion")
    with monkeypatch.context() as none_read:
        none_read.setattr(readers, "square", lambda *_: pytest.fail("a photograph was read"))
        assert not bases.present("pets") and not bases.present("pet_species")
    monkeypatch.setattr(readers, "PET_BREEDS", 3)
    assert bases.present("pets") and bases.present("pet_species")
    with pytest.raises(ValueError, match=r"^no base 'cifar' "):
        bases.present("cifar")


@pytest.mark.hostile("input")
def test_a_damaged_set_is_not_present(data_folder):
    lay_mnist(data_folder / "MNIST/raw")
    path = data_folder / "MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    assert not bases.present("mnist")


def test_a_photograph_is_its_central_square(tmp_path):
    """A white square between black borders fills the picture, the same on both sides: a crop one pixel off
    would not.
    """
    for size, box in (((160, 100), (30, 0, 130, 100)), ((100, 180), (0, 40, 100, 140))):
        picture = Image.new("RGB", size)
        picture.paste((255, 255, 255), box)
        picture.save(tmp_path / "picture.png")
        white = readers.square(tmp_path / "picture.png", 32)
        assert (
            (white[:, 1:-1, 1:-1] == 255).all() and torch.equal(white, white.flip(1, 2)) and white.min() > 200
        )
        picture.paste((0, 0, 0), (box[0], box[1], box[0] + 50, box[3]))
        picture.save(tmp_path / "picture.png")
        half = readers.square(tmp_path / "picture.png", 32)
        assert (half[:, 1:-1, 1:15] == 0).all() and (half[:, 1:-1, 17:-1] == 255).all()


@pytest.mark.hostile("files damaged in the fetch")
@pytest.mark.parametrize(
    "change, note",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
    ],
    ids=["cut", "gone", "one byte", "empty"],
)
@pytest.mark.parametrize(
    "name, serve, file",
    [
        ("fashion", serve_mnist, "FashionMNIST/raw/t10k-images-idx3-ubyte"),
        ("cifar100", serve_cifar100, "cifar-100-python/test"),
        ("pets", serve_pets, "oxford-iiit-pet/images/pug_1.jpg"),
    ],
)
def test_a_damaged_file_is_named_and_the_next_fetch_mends_it(
    data_folder, server, monkeypatch, name, serve, file, change, note
):
    serve(server, monkeypatch, data_folder) if serve is serve_mnist else serve(server, monkeypatch)
    data.fetch(name)
    whole = (data_folder / file).read_bytes()
    change(data_folder / file)
    assert str(data.state(name)) == f"partial: {file.rpartition('/')[2]} {note}"
    assert data.fetch(name).kind == "whole" and (data_folder / file).read_bytes() == whole


@pytest.mark.hostile("input")
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_files_without_a_list_of_checksums_must_be_as_long_as_they_say_and_as_many_as_published(
    data_folder, monkeypatch, file
):
    lay_mnist(data_folder / "MNIST/raw")
    assert str(data.state("mnist")) == "partial: train-images-idx3-ubyte holds 20 of 60,000 and 3 more"
    monkeypatch.setattr(published, "MNIST", {"train": 20, "t10k": 10})
    assert data.state("mnist").kind == "whole"
    path = data_folder / "MNIST/raw" / file
    path.write_bytes(path.read_bytes()[:-1])
    assert str(data.state("mnist")) == f"partial: {file} is damaged"


def test_a_sample_of_the_pets_is_not_taken_for_the_whole(data_folder, monkeypatch):
    images, lists = pet_files()
    lay(data_folder / "oxford-iiit-pet", images | lists)
    assert str(data.state("pets")) == "partial: trainval holds 6 of 3,680 and 1 more"
    monkeypatch.setattr(published, "PETS", {"trainval": 6, "test": 6})
    assert data.state("pets").kind == "whole"
    (data_folder / "oxford-iiit-pet/images/pug_1.jpg").write_bytes(b"")
    assert str(data.state("pets")) == "partial: pug_1.jpg is empty"


@pytest.mark.hostile("input")
def test_pets_with_a_picture_cut_short_are_refused(data_folder):
    images, lists = pet_files()
    images["images/pug_1.jpg"] = images["images/pug_1.jpg"][:-200]
    lay(data_folder / "oxford-iiit-pet", images | lists)
    with pytest.raises(
        FileNotFoundError, match=r"^base pets is not in .* or is damaged \(OSError: .*truncated"
    ):
        bases.load("pets", "train")
    assert not bases.present("pet_species")


@pytest.mark.hostile("input")
@pytest.mark.parametrize("kind, known", [("JPEG", True), ("PNG", True), ("TIFF", False), ("EPS", False)])
def test_only_the_formats_that_photographs_have_are_decoded(tmp_path, kind, known):
    Image.new("RGB", (9, 9)).save(tmp_path / "x.jpg", kind)
    with nullcontext() if known else pytest.raises(UnidentifiedImageError):
        readers.square(tmp_path / "x.jpg")


MNIST, PETS, OPEN = "MNIST/raw/", "oxford-iiit-pet/", "openimages/"


@pytest.mark.hostile("input", 2)
@pytest.mark.parametrize(
    "name, file",
    [
        *(("mnist", f"{MNIST}{file}") for file in ("train-images-idx3-ubyte", "reuselab.md5")),
        *(("pets", f"{PETS}{file}") for file in ("annotations/test.txt", "reuselab.md5")),
        *(
            ("openimages", f"{OPEN}{file}")
            for file in ("class-descriptions-boxable.csv", "bbox_labels_600_hierarchy.json", "subset.json")
        ),
        ("openimages", f"{OPEN}images.md5"),
        ("openimages", f"{OPEN}train-annotations-human-imagelabels-boxable.csv"),
    ],
)
@pytest.mark.parametrize(
    "odd", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(data_folder, name, file, odd):
    images, lists = pet_files()
    lay_mnist(data_folder / MNIST)
    lay(data_folder / PETS, images | lists)
    subset = {part: {"/m/d": ["x"]} for part in openimages.PARTS.values()}
    lay(data_folder / OPEN, made_files() | {"images.md5": b"", "subset.json": json.dumps(subset).encode()})
    path = data_folder / file
    path.unlink(missing_ok=True)
    if "annotations-human" in file:
        (data_folder / OPEN / "subset.json").unlink()
    odd(path)
    assert data.state(name).kind == "partial"
    if path.suffix != ".md5":
        with pytest.raises(FileNotFoundError):
            openimages.hierarchy(data_folder / OPEN) if "hierarchy" in file else bases.load(name, "train")


@pytest.mark.hostile("fetch cut off")
def test_a_fetch_that_is_cut_off_leaves_a_partial_set_and_the_next_goes_on(data_folder, server, monkeypatch):
    laid = serve_cifar100(server, monkeypatch)
    name, whole = datasets.CIFAR100.filename, len(server.files[datasets.CIFAR100.filename])
    server.cut = whole // 2
    with pytest.raises(Failed, match=r"^the connection was lost"):
        data.fetch("cifar100")
    assert data.state("cifar100").kind == "partial"
    with pytest.raises(FileNotFoundError):
        bases.load("cifar100", "train")
    server.cut = None
    data.fetch("cifar100")
    hold("cifar100", laid)
    assert server.bytes_of(name) == whole


@pytest.mark.hostile("full disk")
def test_an_extraction_that_breaks_off_leaves_nothing_that_looks_whole_and_fetches_nothing_twice(
    data_folder, server, monkeypatch
):
    images, extract = serve_pets(server, monkeypatch), utils.extract_archive

    def breaks(archive, place):
        extract(archive, place)
        if archive.name.startswith("annotations"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(utils, "extract_archive", breaks)
    with pytest.raises(
        Failed,
        match=r"^cannot write pets into .*: No space left on device; "
        "make room and run the same command again$",
    ):
        data.fetch("pets")
    assert data.state("pets").kind == "partial" and not (data_folder / "oxford-iiit-pet/images").exists()
    sent = list(server.sent)
    monkeypatch.setattr(utils, "extract_archive", extract)
    assert data.fetch("pets").kind == "whole" and server.sent == sent
    assert len(list((data_folder / "oxford-iiit-pet/images").iterdir())) == len(images)


@pytest.mark.hostile("SIGKILL of a fetch")
@pytest.mark.parametrize("step", range(4))
def test_a_kill_while_files_take_their_places_is_never_taken_for_whole(
    data_folder, server, monkeypatch, step
):
    """Stopped before each of the four steps that lay the pets in place and clear up (checksums, annotations,
    images, the first archive).
    """
    serve_pets(server, monkeypatch)
    moves, replace, unlink = [], data.Path.replace, data.Path.unlink

    class Kill(BaseException):
        pass

    def counted(act):
        def do(path, *rest, **how):
            if "extracting" in str(path) or (path.name == "images.tar.gz" and act is unlink):
                moves.append(path.name)
                if len(moves) > step:
                    raise Kill
            return act(path, *rest, **how)

        return do

    with monkeypatch.context() as patch:
        patch.setattr(data.Path, "replace", counted(replace))
        patch.setattr(data.Path, "unlink", counted(unlink))
        patch.setattr(data.shutil, "rmtree", lambda *_, **__: None)  # a kill cleans nothing up
        with pytest.raises(Kill):
            data.fetch("pets")
    assert data.state("pets").kind == ("whole" if step == 3 else "partial"), moves
    sent = list(server.sent)
    assert data.fetch("pets").kind == "whole" and server.sent == sent


@pytest.mark.parametrize("name", ["fashion", "cifar10", "mnist"])
def test_the_real_sets_are_whole_where_they_are(name):
    real(name)
    assert data.state(name).kind == "whole"


# The command line.


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["fetch", "fashon"],
            "no image set 'fashon' (did you mean fashion?); there is digits, turned, mnist, "
            "fashion, cifar10, cifar100, pets, pet_species, openimages",
        ),
        (["fetch", "digits"], "image set digits has no archives to fetch: its place is /"),
        (["fetch"], "Missing argument 'NAME'"),
        (
            ["fetch", "openimages"],
            "openimages is fetched in part: say of which classes, as --classes 'Dog,Cat'",
        ),
        (["fetch", "openimages", "--classes", " , "], "openimages is fetched in part"),
        (
            ["fetch", "openimages", "--classes", "Dog", "--images", "0"],
            "--images must be a whole number from 1 to 100,000, not 0",
        ),
        (
            ["fetch", "mnist", "--images", "5"],
            "--classes and --images are for openimages; mnist is fetched whole",
        ),
        (
            ["fetch", "mnist", "--folder", "/dev/null/sets"],
            "cannot write into /dev/null/sets: Not a directory",
        ),
        (["fetsh", "mnist"], "No such command 'fetsh'. (did you mean fetch?)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_status_2_before_anything_is_fetched(
    data_folder, monkeypatch, capsys, arguments, message
):
    monkeypatch.setattr(download, "urlopen", lambda *_, **__: pytest.fail("the net was used"))
    status, out, err = run(monkeypatch, capsys, *arguments)
    assert (status, out) == (2, "") and err.startswith("reuselab: " + message) and err.count("\n") == 1
    assert not list(data_folder.iterdir())


def test_list_tells_absent_partial_and_whole(data_folder, server, monkeypatch, capsys):
    serve_mnist(server, monkeypatch, data_folder)
    serve_cifar100(server, monkeypatch)
    data.fetch("fashion")
    server.cut = 100
    with pytest.raises(Failed):
        data.fetch("cifar100")
    status, out, err = run(monkeypatch, capsys, "list")
    assert (status, err) == (0, "") and len(out.splitlines()) == 1 + len(data.SETS)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["fashion"].endswith(
        f"{data_folder / 'FashionMNIST/raw'}{lines['fashion'].rpartition('raw')[2]}"
    ) and lines["fashion"].endswith("  whole")
    assert "MIT" in lines["fashion"] and "31 MB" in lines["fashion"]
    assert lines["mnist"].endswith("  absent") and "  partial: train is missing" in lines["cifar100"]


def test_fetch_says_where_the_set_is_and_how_to_use_it(data_folder, server, monkeypatch, capsys):
    serve_mnist(server, monkeypatch, data_folder)
    assert run(monkeypatch, capsys, "fetch", "fashion") == (0, f"fashion in {data_folder}: whole\n", "")
    elsewhere = data_folder / "else where"
    status, out, err = run(monkeypatch, capsys, "fetch", "fashion", "--folder", str(elsewhere))
    assert (status, err) == (0, "") and out.splitlines()[
        1
    ] == f'to use it: export REUSELAB_DATA="{elsewhere}"'
    assert data.state("fashion", elsewhere).kind == "whole"


@pytest.mark.hostile("files damaged in the fetch")
def test_a_failed_fetch_is_one_line_and_status_1(data_folder, server, monkeypatch, capsys):
    serve_mnist(server, monkeypatch, data_folder)
    server.files["train-images-idx3-ubyte.gz"] = b"another file"
    status, out, err = run(monkeypatch, capsys, "fetch", "fashion")
    assert (
        (status, out) == (1, "")
        and err.count("\n") == 1
        and "is not the published file: its checksum differs" in err
    )
    assert data.state("fashion").kind == "partial"
