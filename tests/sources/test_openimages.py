"""Open Images on a made folder of the official layout: the loader, the tree of kinds, the bounded fetch."""

import hashlib
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from served import NAMES, amazon, image_id, lay, made_files, real_folder, run, table

from reuselab.experiment import bases
from reuselab.sources import download, openimages, readers
from reuselab.sources import registry as data


@pytest.fixture
def made(tmp_path):
    return lay(tmp_path / "openimages", made_files())


def said(caplog):
    return [record.getMessage() for record in caplog.records]


# Loading.


def test_a_folder_of_the_official_layout_is_read(made, caplog):
    loaded = openimages.load(made, ["Bird", "Dog"], side=16)
    for split, part, n in (("train", "train", 4), ("test", "validation", 2)):
        base = loaded[split]
        assert (
            base.images.shape == (2 * n, 3, 16, 16)
            and base.images.dtype == torch.uint8
            and base.classes == ("Bird", "Dog")
        )
        assert base.labels.tolist() == [0] * n + [1] * n
        assert (
            base.images[base.labels == 0].float().mean() > base.images[base.labels == 1].float().mean() + 100
        )
        ids = openimages.chosen(made, part, ["/m/d"])["/m/d"]
        assert torch.equal(base.images[-1], readers.square(made / part / f"{ids[-1]}.jpg", 16))
    assert said(caplog) == []


def test_the_subset_at_hand_is_a_base(made, data_folder):
    assert data_folder / "openimages" == made
    for split, n in (("train", 4), ("test", 2)):
        base = bases.load("openimages", split)
        assert base.classes == ("Dog", "Cat", "Bird") and base.images.shape == (
            3 * n,
            3,
            readers.SIDE,
            readers.SIDE,
        )
    assert bases.present("openimages") and len(bases.digest("openimages")) == 64


@pytest.mark.hostile("input")
@pytest.mark.parametrize("side", [7100, 9500, 13_500])  # Pillow warns of the second, and refuses the third
def test_a_photograph_of_too_many_pixels_is_left_out_before_it_is_decoded(made, caplog, monkeypatch, side):
    bomb = made / f"train/{image_id('train', 'Dog', 0)}.jpg"
    Image.new("1", (side, side)).save(bomb, "png")
    assert bomb.stat().st_size < 30_000
    decode = Image.Image.convert
    monkeypatch.setattr(
        Image.Image,
        "convert",
        lambda image, mode: decode(image, mode) if image.width < side else pytest.fail(),
    )
    dogs = openimages.load(made, ["Dog", "Cat"])["train"].labels == 0
    assert dogs.sum() == 3
    told = f"image {bomb} has more than 50,000,000 pixels"
    assert said(caplog) == [told, f"Open Images in {made}: too large images: 1; the rest is used"]


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: None,
        lambda folder: lay(folder, {openimages.CLASSES: b""}),
        lambda folder: lay(folder, made_files() | {openimages.SUBSET: b"{"}),
    ],
)
def test_open_images_that_cannot_be_a_base_are_refused_with_the_command_that_gets_them(data_folder, spoil):
    spoil(data_folder / "openimages")
    with pytest.raises(
        FileNotFoundError,
        match=r"^base openimages is not in .*, or run reuselab data fetch openimages --classes 'Cat,Dog'$",
    ):
        bases.load("openimages", "train")
    assert not bases.present("openimages")


def test_without_classes_all_that_have_images_are_read(made, caplog):
    loaded = openimages.load(made, side=8)
    assert loaded["train"].classes == loaded["test"].classes == ("Dog", "Cat", "Bird")
    assert sum("has no image in train and in validation" in line for line in said(caplog)) == len(NAMES) - 3


@pytest.mark.hostile("input", 5)
def test_what_is_damaged_missing_unknown_or_empty_is_said_counted_and_left_out(made, caplog):
    dogs = [image_id("train", "Dog", i) for i in range(4)]
    whole = (made / f"train/{dogs[0]}.jpg").read_bytes()
    (made / f"train/{dogs[0]}.jpg").write_bytes(whole[: len(whole) // 2])
    (made / f"train/{dogs[1]}.jpg").unlink()
    (made / f"train/{dogs[2]}.jpg").write_bytes(b"")
    loaded = openimages.load(made, ["Dog", "Brid", "Cat", "Vehicle"], side=8)
    assert loaded["train"].classes == loaded["test"].classes == ("Dog", "Cat")
    assert loaded["train"].labels.tolist() == [0] + [1] * 4 and loaded["test"].labels.tolist() == [0, 0, 1, 1]
    lines = said(caplog)
    assert lines[:2] == [
        "no class 'Brid' in Open Images (did you mean Bird?)",
        "class Vehicle has no image in train and in validation",
    ]
    assert set(lines[2:-1]) == {
        f"image {made}/train/{dogs[0]}.jpg is damaged (OSError)",
        f"image {made}/train/{dogs[1]}.jpg is missing",
        f"image {made}/train/{dogs[2]}.jpg is damaged (UnidentifiedImageError)",
    }
    counted = set(
        lines[-1].removeprefix(f"Open Images in {made}: ").removesuffix("; the rest is used").split(", ")
    )
    assert counted == {"unknown classes: 1", "empty classes: 1", "damaged images: 2", "missing images: 1"}
    assert all("\n" not in line for line in lines)


def test_a_class_that_loses_all_its_images_is_left_out_of_both_splits(made, caplog):
    for i in range(2):
        (made / f"validation/{image_id('validation', 'Cat', i)}.jpg").unlink()
    loaded = openimages.load(made, ["Dog", "Cat", "Bird"], side=8)
    assert loaded["train"].classes == loaded["test"].classes == ("Dog", "Bird")
    assert loaded["train"].labels.max() == 1 and "class Cat has no image in validation" in said(caplog)


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "spoil, message",
    [
        (
            lambda made: (made / openimages.CLASSES).unlink(),
            "holds no Open Images: class-descriptions-boxable.csv: No such file",
        ),
        (
            lambda made: (made / openimages.LABELS.format("validation")).unlink(),
            r"validation-annotations\S+ is not there or damaged \(FileNotFoundError\)",
        ),
        (
            lambda made: (made / openimages.LABELS.format("train")).write_bytes(b"ImageID;LabelName\n"),
            r"train-annotations\S+ is not there or damaged \(ValueError\)",
        ),
        (
            lambda made: [path.unlink() for path in made.rglob("*.jpg")],
            r"no image of the classes asked for is in .*: missing images: 12, empty classes: 2",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(made, spoil, message):
    spoil(made)
    with pytest.raises(FileNotFoundError, match=message) as refusal:
        openimages.load(made, ["Dog", "Cat"])
    assert "\n" not in str(refusal.value)


@pytest.mark.hostile("input", 4)
@pytest.mark.parametrize("odd", ["sub/x", "../train/x"])
def test_an_image_outside_its_folder_whose_change_nobody_would_see_is_refused(made, data_folder, odd):
    rows = table([(odd, "verification", "/m/d", 1)])
    (made / openimages.LABELS.format("train")).write_bytes(rows)
    with pytest.raises(FileNotFoundError, match="is not there or damaged"):
        openimages.load(made, ["Dog"])
    (made / openimages.SUBSET).write_text(
        json.dumps({"train": {"/m/d": [odd]}, "validation": {"/m/d": ["x"]}})
    )
    with pytest.raises(FileNotFoundError, match="is damaged"):
        bases.load("openimages", "train")


@pytest.mark.hostile("input")
def test_a_pipe_in_place_of_a_photograph_is_not_waited_for(made, caplog):
    path = next((made / "train").iterdir())
    path.unlink()
    os.mkfifo(path)
    openimages.load(made)
    assert f"image {path} is damaged (OSError)" in said(caplog)


@pytest.mark.hostile("input")
@pytest.mark.parametrize("name", [openimages.SUBSET, openimages.SUMS])
@pytest.mark.parametrize("content", [b"{", b"{}", b"[]", b"null", b"\xff", b"[" * 200_000])
def test_a_damaged_list_is_no_whole_set_and_no_error(made, name, content):
    (made / openimages.SUBSET).write_text('{"train": {"/m/d": ["x"]}, "validation": {"/m/d": ["y"]}}')
    (made / name).write_bytes(content)
    assert data.state("openimages", made.parent).kind == "partial"


# Which images.


def test_ids_are_in_the_order_of_their_hash_and_fewer_are_the_beginning_of_more(made):
    everything = openimages.chosen(made, "train", ["/m/d", "/m/c"])
    dogs = {image_id("train", "Dog", i) for i in range(4)}
    assert set(everything["/m/d"]) == dogs and everything["/m/d"] == sorted(
        dogs, key=lambda i: hashlib.sha256(i.encode()).hexdigest()
    )
    for most in range(1, 6):
        assert openimages.chosen(made, "train", ["/m/d"], most)["/m/d"] == everything["/m/d"][:most]
    path = made / openimages.LABELS.format("train")
    head, *rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + b"".join(reversed(rows)))
    assert openimages.chosen(made, "train", ["/m/d", "/m/c"]) == everything


def test_only_verified_labels_count_and_an_image_of_two_of_the_classes_is_of_neither(made):
    rows = [
        ("both", "verification", "/m/d", 1),
        ("both", "crowdsource-verification", "/m/c", 1),
        ("no", "verification", "/m/d", 0),
        ("twice", "verification", "/m/d", 1),
        ("twice", "crowdsource-verification", "/m/d", 1),
        ("000e4", "verification", "/m/c", 1),
    ]
    (made / openimages.LABELS.format("train")).write_bytes(table(rows))
    assert openimages.chosen(made, "train", ["/m/d", "/m/c"]) == {"/m/d": ["twice"], "/m/c": ["000e4"]}
    assert sorted(openimages.chosen(made, "train", ["/m/d"])["/m/d"]) == ["both", "twice"]


# The tree of kinds, by hand.
# Depths: root 1; Animal, Vehicle, Swimmer 2; Mammal, Bird, Car 3; Dog, Cat 4; Otter 3 (by Swimmer).


@pytest.mark.parametrize(
    "one, other, wu_palmer, path",
    [
        ("Dog", "Dog", 1, 1),
        ("Dog", "Cat", 2 * 3 / (4 + 4), 1 / (1 + 2)),  # Mammal
        ("Dog", "Mammal", 2 * 3 / (4 + 3), 1 / (1 + 1)),  # Mammal itself
        ("Dog", "Bird", 2 * 2 / (4 + 3), 1 / (1 + 3)),  # Animal
        ("Bird", "Dog", 2 * 2 / (4 + 3), 1 / (1 + 3)),
        ("Dog", "Car", 2 * 1 / (4 + 3), 1 / (1 + 5)),  # the root
        ("Animal", "Vehicle", 2 * 1 / (2 + 2), 1 / (1 + 2)),
        (
            "Otter",
            "Dog",
            2 * 3 / (1 + 1 + 2 * 3),
            1 / (1 + 2),
        ),  # Otter as a Mammal, one step below it as Dog is
        ("Otter", "Swimmer", 2 * 2 / (1 + 2 * 2), 1 / (1 + 1)),
        ("Otter", "Car", 2 * 1 / (2 + 2 + 2), 1 / (1 + 4)),  # by Swimmer, the shorter way to the root
        ("Wheel", "Car", 2 * 1 / (1 + 2 + 2), 1 / (1 + 3)),  # a part is no kind
    ],
)
def test_similarities_are_those_computed_by_hand(made, one, other, wu_palmer, path):
    tree = openimages.hierarchy(made)
    assert openimages.similarity(tree, one, other) == pytest.approx(wu_palmer)
    assert openimages.similarity(tree, one, other, "path") == pytest.approx(path)


def test_a_class_with_several_places_has_several_parents_each_once(made):
    tree = openimages.hierarchy(made)
    assert sorted(tree.parents["/m/o"]) == ["/m/m", "/m/s"]
    assert (
        set(tree.parents["/m/s"]) == {"/m/root", "/m/a"}
        and tree.depth("/m/s") == 2
        and tree.depth("/m/o") == 3
    )
    assert tree.parents["/m/w"] == ("/m/root",)


@pytest.mark.parametrize("kind", openimages.KINDS)
def test_a_matrix_of_similarities_is_symmetric_with_ones_on_its_diagonal_alone(made, kind):
    tree = openimages.hierarchy(made)
    matrix = openimages.similarities(tree, [*NAMES.values()], kind)
    assert (
        matrix.shape == (10, 10)
        and (matrix == matrix.T).all()
        and ((matrix == 1) == np.eye(10, dtype=bool)).all()
        and (matrix > 0).all()
    )
    assert matrix[2, 3] == openimages.similarity(tree, "/m/d", "Cat", kind)


@pytest.mark.hostile("input", 5)
def test_bad_input_about_the_tree_is_refused_in_one_line(made):
    tree = openimages.hierarchy(made)
    with pytest.raises(ValueError, match=r"^no class 'dgo' in the hierarchy \(did you mean Dog\?\)$"):
        openimages.similarity(tree, "dgo", "Cat")
    with pytest.raises(ValueError, match=r"^no similarity 'wu'.*there is wu-palmer, path$"):
        openimages.similarity(tree, "Dog", "Cat", "wu")
    for content in (b"{", b"[]", b"{}"):
        (made / openimages.HIERARCHY).write_bytes(content)
        with pytest.raises(FileNotFoundError, match="holds no hierarchy of Open Images or a damaged one"):
            openimages.hierarchy(made)


def test_the_real_hierarchy_gives_the_values_read_off_it_by_hand():
    """Entity > Animal > Mammal > Carnivore > Dog, Cat; Entity > Animal > Bird; Entity > Vehicle > Land
    vehicle > Car, Truck.
    """
    tree = openimages.hierarchy(real_folder())
    assert len(tree.parents) == 602 and set(tree.parents) == set(tree.names)
    for one, other, value, path in (
        ("Dog", "Cat", 0.8, 1 / 3),
        ("Dog", "Bird", 4 / 8, 1 / 5),
        ("Car", "Truck", 6 / 8, 1 / 3),
        ("Cat", "Car", 2 / 9, 1 / 8),
    ):
        assert openimages.similarity(tree, one, other) == pytest.approx(value)
        assert openimages.similarity(tree, one, other, "path") == pytest.approx(path)
    assert sorted(tree.names[label] for label in tree.parents[tree.label("Tomato")]) == ["Fruit", "Vegetable"]


# Fetching.


@pytest.fixture
def store(server, monkeypatch):
    """The test's server as both stores of Open Images, with the made files."""
    for path, content in made_files().items():
        place = "v5/" if "annotations" in path else "" if path.endswith("jpg") else "2018_04/"
        server.files[place + path] = content
    server.headers = amazon
    monkeypatch.setattr(openimages, "METADATA", server.url.rstrip("/"))
    monkeypatch.setattr(openimages, "IMAGES", server.url.rstrip("/"))
    return server


def images_of(server):
    return sorted(path for path, _ in server.sent if path.endswith("jpg"))


def test_a_bounded_subset_is_fetched_once_and_loaded(store, tmp_path, caplog):
    assert (
        openimages.fetch(tmp_path, ["Cat", "Dog"], 3) == "10 of 10 images of Cat, Dog"
    )  # of validation there are but 2
    ids = {part: openimages.chosen(tmp_path, part, ["/m/c", "/m/d"], 3) for part in ("train", "validation")}
    assert images_of(store) == sorted(
        f"{part}/{i}.jpg" for part, labels in ids.items() for own in labels.values() for i in own
    )
    loaded = openimages.load(tmp_path, side=8)
    assert loaded["train"].classes == ("Cat", "Dog") and loaded["train"].labels.tolist() == [0] * 3 + [1] * 3
    assert len(loaded["test"].images) == 4
    sent = len(store.sent)
    assert (
        openimages.fetch(tmp_path, ["Cat", "Dog"], 3) == "10 of 10 images of Cat, Dog"
        and len(store.sent) == sent
    )
    assert (
        openimages.fetch(tmp_path, ["Cat", "Dog"], 4) == "12 of 12 images of Cat, Dog"
        and len(store.sent) == sent + 2
    )
    assert list(openimages.faults(tmp_path)) == [] and said(caplog) == []


@pytest.mark.hostile("files damaged in the fetch", 2)
def test_what_the_server_lacks_or_damages_is_said_counted_and_left_out(store, tmp_path, caplog):
    lacking, wrong = (f"train/{image_id('train', 'Dog', i)}.jpg" for i in range(2))
    del store.files[lacking]
    right = store.files[wrong]
    store.files[wrong] = right[:-1] + b"?"
    store.headers = lambda body: amazon(right if body == store.files.get(wrong) else body)
    done = openimages.fetch(tmp_path, ["Dog", "Brid", "Cat", "Vehicle"], 9)
    assert done.startswith("10 of 12 images of Dog, Cat; ")
    assert set(done.partition("; ")[2].split(", ")) == {
        "unknown classes: 1",
        "empty classes: 1",
        "missing images: 1",
        "damaged images: 1",
    }
    assert sorted(said(caplog)) == sorted(
        [
            "no class 'Brid' in Open Images (did you mean Bird?)",
            "class Vehicle has no image in train and in validation",
            f"{store.url}{lacking} cannot be had: 404 Not Found",
            f"{store.url}{wrong} is not the published file: its checksum differs",
        ]
    )
    assert not (tmp_path / wrong).exists() and not (tmp_path / lacking).exists()
    assert set(openimages.faults(tmp_path)) == {f"{lacking} is missing", f"{wrong} is missing"}
    assert len(openimages.load(tmp_path, side=8)["train"].images) == 6


@pytest.mark.hostile("fetch cut off")
def test_a_lost_connection_ends_in_one_line_and_the_same_call_goes_on(store, tmp_path):
    openimages.fetch(tmp_path, ["Dog"], 1)
    fetched = set(images_of(store))
    store.cut = 500
    with pytest.raises(download.Lost, match=r"^the connection was lost after 500B of"):
        openimages.fetch(tmp_path, ["Dog"], 4)
    assert len(list(openimages.faults(tmp_path))) == 4, "what was begun is not whole"
    store.cut = None
    assert openimages.fetch(tmp_path, ["Dog"], 4) == "6 of 6 images of Dog"
    assert not list(openimages.faults(tmp_path)) and not list(tmp_path.rglob("*.part"))
    for path in {*images_of(store)}:
        assert store.bytes_of(path) == len(store.files[path]), f"{path} was fetched twice"
    assert fetched < set(images_of(store))


@pytest.mark.hostile("fetch cut off")
def test_a_label_file_cut_off_is_not_taken_for_a_whole_one(store, tmp_path):
    store.cut = len(store.files[f"v5/{openimages.LABELS.format('train')}"]) - 1
    with pytest.raises(download.Lost):
        openimages.fetch(tmp_path, ["Dog"], 4)
    assert {path.name for path in tmp_path.iterdir()} == {
        openimages.CLASSES,
        openimages.HIERARCHY,
        openimages.LABELS.format("train") + ".part",
    }
    store.cut = None
    assert openimages.fetch(tmp_path, ["Dog"], 4) == "6 of 6 images of Dog"


@pytest.mark.hostile("files damaged in the fetch")
def test_a_damaged_image_is_named_and_fetched_anew(store, tmp_path):
    openimages.fetch(tmp_path, ["Dog"], 4)
    file = f"train/{image_id('train', 'Dog', 2)}.jpg"
    (tmp_path / file).write_bytes(store.files[file][:-1])
    assert list(openimages.faults(tmp_path)) == [f"{file} is damaged"]
    assert (
        openimages.fetch(tmp_path, ["Dog"], 4) == "6 of 6 images of Dog" and images_of(store).count(file) == 2
    )
    assert list(openimages.faults(tmp_path)) == []


def test_the_command_fetches_lists_and_refuses(store, data_folder, monkeypatch, capsys):
    status, out, err = run(monkeypatch, capsys, "fetch", "openimages", "--classes", "Unicorn,Griffin")
    assert (status, out) == (2, "") and err.splitlines()[
        -1
    ] == "reuselab: none of the classes asked for is in Open Images: 'Unicorn', 'Griffin'"
    status, out, err = run(
        monkeypatch, capsys, "fetch", "openimages", "--classes", "Dog, Cat", "--images", "2"
    )
    assert (status, out, err) == (0, f"openimages in {data_folder}: 8 of 8 images of Dog, Cat\n", "")
    assert str(data.state("openimages")) == "whole"
    assert "openimages" in run(monkeypatch, capsys, "list")[1]
    for path in (data_folder / "openimages/train").iterdir():
        path.write_bytes(b"")
    assert str(data.state("openimages")).endswith(".jpg is damaged and 3 more")
