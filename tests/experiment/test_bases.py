"""Image sets: the split of the digits, the readers, the moments."""

import hashlib
import os
import pickle
import time
from collections import Counter
from dataclasses import replace
from math import lcm

import numpy as np
import pytest
import torch
from made import made, real
from served import lay_mnist
from sklearn.datasets import load_digits
from torchvision import datasets

from reuselab.experiment import bases
from reuselab.sources import registry

TRAIN, TEST = bases.load("digits", "train"), bases.load("digits", "test")


def pixels(base):
    return [image.numpy().tobytes() for image in base.images]


def test_digits_are_split_into_1297_and_500_images_of_8_by_8_bytes():
    assert [base.images.shape for base in (TRAIN, TEST)] == [(1297, 1, 8, 8), (500, 1, 8, 8)]
    assert {(base.images.dtype, base.labels.dtype, base.classes) for base in (TRAIN, TEST)} == {
        (torch.uint8, torch.int64, tuple("0123456789"))
    }


def test_no_digits_test_image_is_in_train_and_both_together_are_the_source():
    """The 1,797 source images are distinct, so pixels identify an image."""
    source, labels = load_digits(return_X_y=True)
    grey = np.rint(source * 255 / 16).astype(np.uint8)
    assert len(set(pixels(TRAIN)) | set(pixels(TEST))) == len(source) == len(set(map(bytes, grey)))
    assert not set(pixels(TRAIN)) & set(pixels(TEST))
    label_of = dict(zip(map(bytes, grey), labels))
    for base in (TRAIN, TEST):
        assert [label_of[image] for image in pixels(base)] == base.labels.tolist()
    assert TRAIN.images.min() == 0 and TRAIN.images.max() == 255


def test_digits_split_is_stratified():
    total = np.bincount(load_digits().target)
    assert np.abs(np.bincount(TEST.labels) - total * 500 / 1797).max() < 1


def test_digits_split_is_the_same_on_every_machine_and_version():
    assert bases.digest("digits") == "9765c90ddecd78547bdd79023cf931cb2f738734351bdf2edc82597da5e4d98a"


def test_by_class_lists_each_image_once_under_its_class():
    base = made([3, 0, 5, 1])
    order, start = base.by_class
    assert start.tolist() == [0, 3, 3, 8, 9] and sorted(order.tolist()) == list(range(9))
    for k in range(4):
        assert order[start[k] : start[k + 1]].tolist() == np.flatnonzero(base.labels == k).tolist()


def test_moments_are_those_of_a_class_balanced_population():
    """Brute force: repeat each class until all are equally many, then take plain moments."""
    counts = [1, 2, 3, 5]
    base = made(counts, (3, 4), 2)
    times = torch.tensor([lcm(*counts) // counts[k] for k in base.labels.tolist()])
    x, y = (
        base.images.repeat_interleave(times, 0).double().numpy(),
        base.labels.repeat_interleave(times).numpy(),
    )
    means = np.stack([x[y == k].mean(0) for k in range(len(counts))])[y]
    mean, std, share = (m.numpy() for m in base.moments)
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, x.std(0), rtol=1e-6)
    np.testing.assert_allclose(share, means.var(0) / x.var(0), rtol=1e-6)
    assert np.abs(mean - base.images.double().mean(0).numpy()).max() > 1, "the plain mean is another"


def test_between_class_share_is_0_at_a_constant_pixel_and_1_where_the_class_tells_all():
    base = made([4, 6])
    base.images[:, 0, 0, 0] = 7
    base.images[:, 0, 0, 1] = base.labels * 200
    mean, std, share = base.moments
    assert (mean[0, 0, 0], std[0, 0, 0], share[0, 0, 0]) == (7, 0, 0)
    assert share[0, 0, 1] == 1 and std[0, 0, 1] == 100
    assert ((share >= 0) & (share <= 1)).all()


def test_resizing_repeats_grey_keeps_labels_and_averages():
    base = made([5, 5])
    assert base.resized(1, (8, 8)) is base
    colour = base.resized(3, (8, 8))
    assert torch.equal(colour.images, base.images.repeat(1, 3, 1, 1)) and colour.images.dtype == torch.uint8
    large = base.resized(3, (12, 20))
    assert large.images.shape == (10, 3, 12, 20) and torch.equal(large.labels, base.labels)
    stripes = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    stripes[..., ::4] = 200
    small = bases.Base(stripes, torch.zeros(1, dtype=torch.int64), ("stripes",)).resized(1, (4, 4)).images
    assert (small[..., 1:-1].float() - 50).abs().max() <= 15, (
        "antialiased: fine stripes become grey, none falls between"
    )


# Readers, on files made in torchvision's format.


def lay_cifar(folder, monkeypatch, each=4):
    rng, laid, lists = np.random.default_rng(0), {"train": [], "test": []}, {"train": [], "test": []}
    folder.mkdir()

    def write(name, content):
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        images, labels = (
            rng.integers(0, 256, (each, 3, 32, 32), dtype=np.uint8),
            rng.integers(0, 10, each).tolist(),
        )
        split = "test" if name == "test_batch" else "train"
        lists[split].append([name, write(name, {"data": images.reshape(each, -1), "labels": labels})])
        laid[split].append((images, labels))
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": write("batches.meta", {"label_names": list("abcdefghij")}),
    }
    for attribute, value in {"train_list": lists["train"], "test_list": lists["test"], "meta": meta}.items():
        monkeypatch.setattr(datasets.CIFAR10, attribute, value)
    return {split: tuple(map(np.concatenate, zip(*parts))) for split, parts in laid.items()}


def hold(base, laid):
    images, labels = laid
    assert (
        base.images.is_contiguous() and base.images.dtype == torch.uint8 and base.labels.dtype == torch.int64
    )
    np.testing.assert_array_equal(base.images, images)
    np.testing.assert_array_equal(base.labels, labels)


@pytest.mark.parametrize(
    "name, kind, first", [("mnist", "MNIST", "0 - zero"), ("fashion", "FashionMNIST", "T-shirt/top")]
)
def test_made_idx_files_are_read_pixel_for_pixel(data_folder, name, kind, first):
    laid = lay_mnist(data_folder / kind / "raw")
    for split in ("train", "test"):
        base = bases.load(name, split)
        hold(base, laid[split])
        assert len(base.classes) == 10 and base.classes[0] == first


def test_made_cifar_files_are_read_pixel_for_pixel(data_folder, monkeypatch):
    laid = lay_cifar(data_folder / "cifar-10-batches-py", monkeypatch)
    for split in ("train", "test"):
        base = bases.load("cifar10", split)
        hold(base, laid[split])
        assert base.classes == tuple("abcdefghij")


def test_images_that_changed_on_the_disk_are_read_anew_and_have_another_identity(data_folder):
    """Also where size and time of the files stay: the same numbers in another order."""
    place = data_folder / "MNIST/raw"
    assert bases.identity("mnist") == ""
    digests = []
    for seed in (0, 1, 0):
        laid = lay_mnist(place, seed=seed)
        for path in place.iterdir():
            os.utime(path, (1e9, 1e9))
        hold(bases.load("mnist", "train"), laid["train"])
        digests.append(bases.digest("mnist"))
    assert digests[0] == digests[2] != digests[1] and bases.identity("mnist") == digests[0]


@pytest.mark.parametrize("spoil", ["images", "labels", "classes"])
def test_identity_is_of_images_labels_and_class_names(spoil, monkeypatch):
    splits = registry.read("digits")
    changed = {
        "images": splits["test"].images.flip(0),
        "labels": splits["test"].labels.flip(0),
        "classes": tuple("0123456798"),
    }[spoil]
    other = splits | {"test": replace(splits["test"], **{spoil: changed})}
    before = bases.identity("digits")
    monkeypatch.setattr(registry, "read", lambda name: other)
    assert bases.identity("digits") != before


def test_files_that_stay_are_read_once(data_folder, monkeypatch):
    place = data_folder / "MNIST/raw"
    lay_mnist(place)
    later = time.time_ns() + 10 * registry.UNSETTLED
    monkeypatch.setattr(registry.time, "time_ns", lambda: later)
    train = bases.load("mnist", "train")
    assert bases.load("mnist", "train") is train and bases.load("mnist", "test") is bases.load(
        "mnist", "test"
    )
    (place / "train-labels-idx1-ubyte").write_bytes((place / "train-labels-idx1-ubyte").read_bytes())
    assert bases.load("mnist", "train") is not train


def test_files_that_just_changed_are_read_again(data_folder, monkeypatch):
    """A second change may fall into the same tick of the file system's clock."""
    place = data_folder / "MNIST/raw"
    lay_mnist(place)
    now = max(path.stat().st_ctime_ns for path in place.iterdir())
    monkeypatch.setattr(registry.time, "time_ns", lambda: now)
    assert bases.load("mnist", "train") is not bases.load("mnist", "train")


@pytest.mark.hostile("input")
def test_damaged_cifar_is_refused(data_folder, monkeypatch):
    lay_cifar(data_folder / "cifar-10-batches-py", monkeypatch)
    (data_folder / "cifar-10-batches-py/data_batch_3").write_bytes(b"damaged")
    with pytest.raises(
        FileNotFoundError,
        match=r"^base cifar10 is not in .*cifar-10-batches-py, or run reuselab data fetch cifar10$",
    ):
        bases.load("cifar10", "train")


def test_a_base_is_loaded_once():
    assert bases.load("digits", "test") is bases.load("digits", "test")


@pytest.mark.parametrize(
    "name, shape, n",
    [("mnist", (1, 28, 28), 6000), ("fashion", (1, 28, 28), 6000), ("cifar10", (3, 32, 32), 5000)],
)
def test_real_image_sets_have_their_published_size(name, shape, n):
    train, test = real(name), real(name, "test")
    assert (len(train.images), len(test.images)) == (n * 10, 10_000) and train.images.shape[
        1:
    ] == test.images.shape[1:] == shape
    assert len(train.classes) == 10
    if name != "mnist":
        assert set(Counter(train.labels.tolist()).values()) == {n} and set(
            Counter(test.labels.tolist()).values()
        ) == {1000}


def test_the_real_pets_or_a_sample_of_them_are_squares_of_64_pixels_with_a_name_for_each_label():
    for split in ("train", "test"):
        base = real("pets", split)
        assert base.images.shape[1:] == (3, 64, 64) and set(base.labels.tolist()) == set(
            range(len(base.classes))
        )
        assert base.classes[:2] == ("Abyssinian", "American Bulldog")
    assert not set(pixels(real("pets"))) & set(pixels(real("pets", "test")))


def test_turned_digits_are_the_digits_a_quarter_turn_to_the_left():
    for split in ("train", "test"):
        digits, turned = bases.load("digits", split), bases.load("turned", split)
        assert torch.equal(turned.labels, digits.labels) and turned.classes == digits.classes
        assert all(
            np.array_equal(a, np.rot90(b))
            for a, b in zip(turned.images[:20, 0].numpy(), digits.images[:20, 0].numpy())
        )
        assert not torch.equal(turned.images, digits.images)


# Tasks of groups of classes.


def test_a_task_is_groups_of_classes():
    assert bases.groups("dog|cat") == (("dog",), ("cat",))
    assert bases.groups("dog,cat|automobile,truck") == (("dog", "cat"), ("automobile", "truck"))
    assert bases.groups("0|1|2", "012") == (("0",), ("1",), ("2",))


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "task, message",
    [
        ("dog", "a task tells two groups of classes or more apart, as 'dog|cat', not 'dog'"),
        ("", "a task tells two groups of classes or more apart, as 'dog|cat', not ''"),
        ("dog|", "task 'dog|' has an empty group or class"),
        ("dog, |cat", "task 'dog, |cat' has an empty group or class"),
        ("dog,cat|cat", "task 'dog,cat|cat' has class 'cat' twice"),
        ("dgo|cat", "no class 'dgo' (did you mean dog?); there is dog, cat, automobile"),
        ("Dog|cat", "no class 'Dog' (did you mean dog?); there is dog, cat, automobile"),
    ],
)
def test_what_is_no_task_is_refused_in_one_line(task, message):
    with pytest.raises(ValueError) as refusal:
        bases.groups(task, ("dog", "cat", "automobile"))
    assert str(refusal.value) == message


def test_the_real_breeds_are_each_of_one_species():
    """The first two breeds are a cat and a dog by what everyone knows."""
    breeds, species = real("pets"), real("pet_species")
    pairs = {
        *zip(
            (breeds.classes[k] for k in breeds.labels.tolist()),
            (species.classes[k] for k in species.labels.tolist()),
        )
    }
    assert len(pairs) == len(breeds.classes) and {("Abyssinian", "cat"), ("American Bulldog", "dog")} <= pairs
