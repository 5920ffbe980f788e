"""Fetching image sets from a server of the tests' own: whole, cut off, wrong, full disk, taken up again."""

import base64
import gzip
import hashlib
import io
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from made import real
from PIL import Image
from test_bases import lay_mnist
from torchvision import datasets

from reuselab import cli
from reuselab.check import Failed
from reuselab.experiment import bases
from reuselab.sources import download
from reuselab.sources import registry as data


class Server(ThreadingHTTPServer):
    """Serves `files` (path: bytes) on this machine alone.

    ranges: it can go on in the middle. cut: it breaks the connection after that many bytes of an answer. headers: sent with
    each file. sent: path and number of bytes of each answer's body, all of which it sends unless the client hangs up.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges, self.cut, self.headers, self.sent = {}, True, None, lambda body: {}, []
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        raise

    def bytes_of(self, path):
        return sum(count for name, count in self.sent if name == path)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def version_string(self):
        return "AmazonS3"

    def do_GET(self):
        server, path = self.server, self.path[1:]
        if path not in server.files:
            return self.send_error(404)
        whole = server.files[path]
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1]) if server.ranges else 0
        if begin >= len(whole):
            return self.send_error(416)
        body = whole[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(body)))
        for name, value in server.headers(whole).items():
            self.send_header(name, value)
        self.end_headers()
        body = body[: server.cut]
        server.sent.append((path, len(body)))  # first: whoever has the last byte may look
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def md5(content):
    return hashlib.md5(content).hexdigest()


FILE = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def one(server, tmp_path):
    """A server with one file, and a function that downloads it."""
    server.files["file"] = FILE
    path = tmp_path / "file"
    return (
        server,
        path,
        lambda known=md5(FILE), **how: download.download([server.url + "file"], path, known, **how),
    )


def parts(path):
    return path.exists(), path.with_name(path.name + ".part").exists()


def test_a_file_comes_whole_and_is_not_fetched_again(one):
    server, path, get = one
    get(), get()
    assert path.read_bytes() == FILE and parts(path) == (True, False) and server.sent == [("file", len(FILE))]


def test_a_file_cut_off_is_not_there_and_the_rest_alone_is_fetched_later(one):
    server, path, get = one
    server.cut = 100_000
    with pytest.raises(
        Failed,
        match=r"^the connection was lost after 100kB of 300kB of http\S+; run the same command again to go on from there$",
    ):
        get()
    assert parts(path) == (False, True)
    server.cut = None
    get()
    assert path.read_bytes() == FILE and server.sent == [("file", 100_000), ("file", 200_000)]


def test_a_server_that_cannot_go_on_in_the_middle_begins_anew(one):
    server, path, get = one
    server.cut, server.ranges = 100_000, False
    with pytest.raises(Failed):
        get()
    server.cut = None
    get()
    assert path.read_bytes() == FILE and parts(path) == (True, False) and server.bytes_of("file") == 400_000


@pytest.mark.parametrize(
    "left",
    [b"x" * 1000, FILE[:1000] + b"x", FILE + b"x", b"x" * len(FILE)],
    ids=["other", "one byte", "longer", "as long"],
)
def test_a_rest_of_another_file_is_thrown_away_and_the_whole_comes(one, left):
    _, path, get = one
    path.with_name("file.part").write_bytes(left)
    get()
    assert path.read_bytes() == FILE and parts(path) == (True, False)


def test_a_part_that_is_whole_needs_no_server(one):
    server, path, get = one
    path.with_name("file.part").write_bytes(FILE)
    get()
    assert path.read_bytes() == FILE and server.sent == []


@pytest.mark.parametrize("before", [None, b"of old"])
def test_a_wrong_checksum_leaves_what_was_there_and_nothing_else(one, before):
    server, path, get = one
    server.files["file"] = FILE[:-1] + b"?"
    if before:
        path.write_bytes(before)
    with pytest.raises(download.Damaged, match=r"^http\S+ is not the published file: its checksum differs$"):
        get()
    assert parts(path) == (before is not None, False) and (not before or path.read_bytes() == before)
    assert server.sent == [("file", len(FILE))], "what came from the beginning is not asked for twice"


def google(body):
    return {"x-goog-hash": f"crc32c=AAAAAA==,md5={base64.b64encode(hashlib.md5(body).digest()).decode()}"}


def amazon(body):
    return {"ETag": f'"{md5(body)}"'}


@pytest.mark.parametrize("publish", [google, amazon])
def test_the_stores_own_checksum_counts_where_none_is_known(one, publish):
    server, path, get = one
    server.headers = lambda body: publish(FILE)
    server.files["file"] = FILE[:-1] + b"?"
    with pytest.raises(download.Damaged):
        get("")
    server.files["file"], server.cut = FILE, 100_000
    with pytest.raises(download.Lost):
        get("")
    server.cut = None
    get("")
    assert path.read_bytes() == FILE and server.sent[-1] == ("file", 200_000)


def test_without_any_checksum_nothing_is_pieced_together(one):
    server, path, get = one
    path.with_name("file.part").write_bytes(b"x" * 1000)
    get("")
    assert path.read_bytes() == FILE


def test_an_answer_in_pieces_that_breaks_off_is_not_whole_though_nobody_said_how_long_it_is(one, monkeypatch):
    _, path, get = one

    def pieces(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n" % 1000 + FILE[:1000] + b"\r\n" + end)
        handler.close_connection = True

    monkeypatch.setattr(Handler, "do_GET", pieces)
    end = b"fff\r\nbroken"
    with pytest.raises(download.Lost, match="^the connection was lost after [0-9.]+k?B of http[^ ]+; run"):
        get("")
    assert not path.exists()
    end = b"0\r\n\r\n"
    get("")
    assert path.read_bytes() == FILE[:1000]


def test_a_file_that_is_not_there_and_a_server_that_is_not_are_told_apart(one, tmp_path):
    server, path, _ = one
    with pytest.raises(download.Gone, match=r"^http\S+ cannot be had: 404 Not Found$"):
        download.download([server.url + "other"], path)
    with pytest.raises(download.Lost, match=r"^http://127.0.0.1:9/file does not answer: .*refused$"):
        download.download(["http://127.0.0.1:9/file"], path)
    with pytest.raises(Failed, match="404 Not Found; http.* does not answer"):
        download.download([server.url + "other", "http://127.0.0.1:9/file"], path)
    assert not list(tmp_path.iterdir())


def test_the_next_mirror_goes_on_where_the_first_broke_off(one):
    server, path, _ = one
    server.files["mirror"] = FILE
    path.with_name("file.part").write_bytes(FILE[:250_000])
    download.download(["http://127.0.0.1:9/file", server.url + "mirror"], path, md5(FILE))
    assert path.read_bytes() == FILE and server.sent == [("mirror", 50_000)]


def test_a_disk_that_is_full_is_one_line_and_the_next_call_goes_on(one):
    resource = pytest.importorskip("resource", reason="no limits on the size of a file on this system")
    server, path, get = one
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        with pytest.raises(Failed) as failure:
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (
        str(failure.value)
        == f"cannot write {path}.part for {server.url}file: File too large; make room and run the same command again"
    )
    assert parts(path) == (False, True)
    while not server.sent:  # its thread may still be at the first answer
        pass
    first = len(server.sent)
    get()
    assert path.read_bytes() == FILE and len(server.sent) == first + 1 and server.sent[-1][1] < len(FILE), (
        "what had room was kept"
    )


# Whole sets, made small in their published format.


def packed(files):
    """A .tar.gz of `files` (name: bytes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def jpeg(size=(90, 60), level=120, seed=0):
    noise = np.random.default_rng(seed).integers(0, 40, (size[1], size[0], 3)) + level
    buffer = io.BytesIO()
    Image.fromarray(noise.astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def serve_mnist(server, monkeypatch, tmp_path, kind=datasets.FashionMNIST):
    laid = lay_mnist(tmp_path / "source")
    resources = []
    for path in sorted((tmp_path / "source").iterdir()):
        server.files[f"{path.name}.gz"] = content = gzip.compress(path.read_bytes())
        resources.append((f"{path.name}.gz", md5(content)))
    shutil.rmtree(tmp_path / "source")
    monkeypatch.setattr(kind, "resources", resources)
    monkeypatch.setattr(kind, "mirrors", [server.url])
    return laid


def serve_cifar100(server, monkeypatch):
    kind, rng, laid, files = datasets.CIFAR100, np.random.default_rng(0), {}, {}
    for split, n in (("train", 300), ("test", 100)):
        images, fine = rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), np.arange(n) % 100
        laid[split] = images, fine
        files[split] = pickle.dumps(
            {
                "data": images.reshape(n, -1),
                "fine_labels": fine.tolist(),
                "coarse_labels": ((fine * 7) % 20).tolist(),
            }
        )
    files["meta"] = pickle.dumps(
        {
            "fine_label_names": [f"fine {k}" for k in range(100)],
            "coarse_label_names": [f"coarse {k}" for k in range(20)],
        }
    )
    server.files[kind.filename] = archive = packed(
        {f"{kind.base_folder}/{name}": content for name, content in files.items()}
    )
    changes = {
        "url": server.url + kind.filename,
        "tgz_md5": md5(archive),
        "train_list": [["train", md5(files["train"])]],
        "test_list": [["test", md5(files["test"])]],
        "meta": kind.meta | {"md5": md5(files["meta"])},
    }
    for name, value in changes.items():
        monkeypatch.setattr(kind, name, value)
    return laid


BREEDS = ("Abyssinian", "great_pyrenees", "pug")


def pet_files(each=2):
    rows = {
        part: [
            (f"{breed}_{i + 10 * (part == 'test')}", k + 1)
            for k, breed in enumerate(BREEDS)
            for i in range(each)
        ]
        for part in ("trainval", "test")
    }
    lists = {
        f"annotations/{part}.txt": "".join(f"{name} {k} {1 + (k > 1)} 1\n" for name, k in named).encode()
        for part, named in rows.items()
    }
    images = {
        f"images/{name}.jpg": jpeg((90 + 7 * k, 60), 40 * k, i)
        for i, (name, k) in enumerate(rows["trainval"] + rows["test"])
    }
    return images, lists


def serve_pets(server, monkeypatch):
    images, lists = pet_files()
    resources = []
    for name, files in (("images.tar.gz", images), ("annotations.tar.gz", lists)):
        server.files[name] = packed(files)
        resources.append((server.url + name, md5(server.files[name])))
    monkeypatch.setattr(datasets.OxfordIIITPet, "_RESOURCES", tuple(resources))
    return images


def lay(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


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
    coarse, names = bases.superclasses()
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
        assert torch.equal(base.images[-1], bases.square(io.BytesIO(images[f"images/pug_{last}.jpg"])))


def test_species_are_the_sets_own_column_over_the_same_photographs(data_folder):
    images, lists = pet_files()
    lay(data_folder / "oxford-iiit-pet", images | lists)
    for split in ("train", "test"):
        base = bases.load("pet_species", split)
        assert base.images is bases.load("pets", split).images
        assert (
            base.labels.tolist() == [0, 0, 1, 1, 1, 1]
            and base.labels.dtype == torch.int64
            and base.classes == ("cat", "dog")
        )
    assert bases.digest("pet_species") != bases.digest("pets")


def test_a_set_is_present_when_it_loads_and_a_sample_of_the_pets_is_not(data_folder, monkeypatch):
    assert bases.present("digits") and bases.present("turned")
    assert not any(bases.present(name) for name in bases.NAMES[2:])
    lay_mnist(data_folder / "MNIST/raw")
    images, lists = pet_files()
    lay(data_folder / "oxford-iiit-pet", images | lists)
    assert bases.present("mnist") and not bases.present("fashion")
    with monkeypatch.context() as none_read:
        none_read.setattr(bases, "square", lambda *_: pytest.fail("a photograph was read"))
        assert not bases.present("pets") and not bases.present("pet_species")
    monkeypatch.setattr(bases, "PET_BREEDS", 3)
    assert bases.present("pets") and bases.present("pet_species")
    with pytest.raises(ValueError, match="^no base 'cifar' "):
        bases.present("cifar")


def test_a_damaged_set_is_not_present(data_folder):
    lay_mnist(data_folder / "MNIST/raw")
    path = data_folder / "MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    assert not bases.present("mnist")


def test_a_photograph_is_its_central_square(tmp_path):
    """A white square between black borders fills the picture, the same on both sides: a crop one pixel off would not."""
    for size, box in (((160, 100), (30, 0, 130, 100)), ((100, 180), (0, 40, 100, 140))):
        picture = Image.new("RGB", size)
        picture.paste((255, 255, 255), box)
        picture.save(tmp_path / "picture.png")
        white = bases.square(tmp_path / "picture.png", 32)
        assert (
            (white[:, 1:-1, 1:-1] == 255).all() and torch.equal(white, white.flip(1, 2)) and white.min() > 200
        )
        picture.paste((0, 0, 0), (box[0], box[1], box[0] + 50, box[3]))
        picture.save(tmp_path / "picture.png")
        half = bases.square(tmp_path / "picture.png", 32)
        assert (half[:, 1:-1, 1:15] == 0).all() and (half[:, 1:-1, 17:-1] == 255).all()


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


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_files_without_a_list_of_checksums_must_be_as_long_as_they_say_and_as_many_as_published(
    data_folder, monkeypatch, file
):
    lay_mnist(data_folder / "MNIST/raw")
    assert str(data.state("mnist")) == "partial: train-images-idx3-ubyte holds 20 of 60,000 and 3 more"
    monkeypatch.setattr(data, "MNIST", {"train": 20, "t10k": 10})
    assert data.state("mnist").kind == "whole"
    path = data_folder / "MNIST/raw" / file
    path.write_bytes(path.read_bytes()[:-1])
    assert str(data.state("mnist")) == f"partial: {file} is damaged"


def test_a_sample_of_the_pets_is_not_taken_for_the_whole(data_folder, monkeypatch):
    images, lists = pet_files()
    lay(data_folder / "oxford-iiit-pet", images | lists)
    assert str(data.state("pets")) == "partial: trainval holds 6 of 3,680 and 1 more"
    monkeypatch.setattr(data, "PETS", {"trainval": 6, "test": 6})
    assert data.state("pets").kind == "whole"
    (data_folder / "oxford-iiit-pet/images/pug_1.jpg").write_bytes(b"")
    assert str(data.state("pets")) == "partial: pug_1.jpg is empty"


def test_pets_with_a_picture_cut_short_are_refused(data_folder):
    images, lists = pet_files()
    images["images/pug_1.jpg"] = images["images/pug_1.jpg"][:-200]
    lay(data_folder / "oxford-iiit-pet", images | lists)
    with pytest.raises(FileNotFoundError, match=r"^base pets is not in .* or is damaged \(OSError\)"):
        bases.load("pets", "train")
    assert len(bases.load("pets", "test").images) == 6


def test_a_fetch_that_is_cut_off_leaves_a_partial_set_and_the_next_goes_on(data_folder, server, monkeypatch):
    laid = serve_cifar100(server, monkeypatch)
    name, whole = datasets.CIFAR100.filename, len(server.files[datasets.CIFAR100.filename])
    server.cut = whole // 2
    with pytest.raises(Failed, match="^the connection was lost"):
        data.fetch("cifar100")
    assert data.state("cifar100").kind == "partial"
    with pytest.raises(FileNotFoundError):
        bases.load("cifar100", "train")
    server.cut = None
    data.fetch("cifar100")
    hold("cifar100", laid)
    assert server.bytes_of(name) == whole


def test_an_extraction_that_breaks_off_leaves_nothing_that_looks_whole_and_fetches_nothing_twice(
    data_folder, server, monkeypatch
):
    images, extract = serve_pets(server, monkeypatch), data.extract_archive

    def breaks(archive, place):
        extract(archive, place)
        if archive.name.startswith("annotations"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(data, "extract_archive", breaks)
    with pytest.raises(
        Failed,
        match="^cannot write pets into .*: No space left on device; make room and run the same command again$",
    ):
        data.fetch("pets")
    assert data.state("pets").kind == "partial" and not (data_folder / "oxford-iiit-pet/images").exists()
    sent = list(server.sent)
    monkeypatch.setattr(data, "extract_archive", extract)
    assert data.fetch("pets").kind == "whole" and server.sent == sent
    assert len(list((data_folder / "oxford-iiit-pet/images").iterdir())) == len(images)


@pytest.mark.parametrize("step", range(4))
def test_a_kill_while_files_take_their_places_is_never_taken_for_whole(
    data_folder, server, monkeypatch, step
):
    """Stopped before each of the four steps that lay the pets in place and clear up (checksums, annotations, images, the first archive)."""
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


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["reuselab", "data", *arguments])
    try:
        cli.main()
        status = 0
    except SystemExit as stop:
        status = stop.code
    return status or 0, *capsys.readouterr()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["fetch", "fashon"],
            "no image set 'fashon' (did you mean fashion?); there is mnist, fashion, cifar10, cifar100, pets, openimages",
        ),
        (["fetch", "digits"], "no image set 'digits'"),
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


def test_a_process_killed_midway_is_taken_up_where_it_stopped(tmp_path, one):
    """A real process, killed while the server holds its bytes back."""
    server, path, get = one
    held = threading.Event()
    write = Handler.do_GET

    def slow(handler):
        if handler.headers.get("Range"):
            return write(handler)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(FILE)))
        handler.end_headers()
        handler.wfile.write(FILE[:200_000])
        held.wait(20)

    Handler.do_GET = slow
    try:
        code = "import sys; from pathlib import Path; from reuselab.sources import download; download.download([sys.argv[1]], Path(sys.argv[2]), sys.argv[3])"
        process = subprocess.Popen([sys.executable, "-c", code, server.url + "file", path, md5(FILE)])
        part = path.with_name("file.part")
        for _ in range(1500):
            if part.exists() and part.stat().st_size >= 100_000:
                break
            process.poll() is None or pytest.fail("the process ended by itself")
            held.wait(0.01)
        process.kill()
        process.wait()
        held.set()
        have = part.stat().st_size
        assert 100_000 <= have <= 200_000 and not path.exists()
        get()
        assert path.read_bytes() == FILE and server.sent == [("file", len(FILE) - have)]
    finally:
        Handler.do_GET = write
        held.set()
