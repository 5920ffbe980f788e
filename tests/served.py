"""Image sets for tests, made small in their published formats, and a server of the tests' own to fetch them
from.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from reuselab import cli
from reuselab.experiment import bases
from reuselab.sources import openimages


class Server(ThreadingHTTPServer):
    """Serves `files` (path: bytes) on this machine alone.

    ranges: it can go on in the middle. cut: it breaks the connection after that many bytes of an answer.
    headers: sent with each file. sent: path and number of bytes of each answer's body, all of which it sends
    unless the client hangs up.
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


def google(body):
    return {"x-goog-hash": f"crc32c=AAAAAA==,md5={base64.b64encode(hashlib.md5(body).digest()).decode()}"}


def amazon(body):
    return {"ETag": f'"{md5(body)}"'}


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["reuselab", "data", *arguments])
    try:
        cli.main()
        status = 0
    except SystemExit as stop:
        status = stop.code
    return status or 0, *capsys.readouterr()


# Sets of torchvision's.


def lay_mnist(folder, n=(20, 10), seed=0):
    rng, laid = np.random.default_rng(seed), {}
    folder.mkdir(parents=True, exist_ok=True)
    for split, stem, count in zip(("train", "test"), ("train", "t10k"), n):
        images, labels = (
            rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            np.arange(count, dtype=np.uint8) % 10,
        )
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 0x803, count, 28, 28) + images.tobytes()
        )
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2i", 0x801, count) + labels.tobytes()
        )
        laid[split] = images[:, None], labels
    return laid


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


def serve_pets(server, monkeypatch, each=2):
    images, lists = pet_files(each)
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
    return folder


# Open Images, a small tree. Otter has two places, of different depth; a Wheel is part of a Car, not a kind.
NAMES = {
    "/m/a": "Animal",
    "/m/m": "Mammal",
    "/m/d": "Dog",
    "/m/c": "Cat",
    "/m/b": "Bird",
    "/m/v": "Vehicle",
    "/m/car": "Car",
    "/m/s": "Swimmer",
    "/m/o": "Otter",
    "/m/w": "Wheel",
}


def node(label, *children, **more):
    return {"LabelName": label} | ({"Subcategory": list(children)} if children else {}) | more


TREE = node(
    "/m/root",
    node(
        "/m/a",
        node("/m/m", node("/m/d"), node("/m/c"), node("/m/o")),
        node("/m/b"),
        node("/m/s", node("/m/o")),
    ),
    node("/m/v", node("/m/car", Part=[node("/m/w")])),
    node("/m/s", node("/m/o")),
    node("/m/w"),
)


def image_id(part, name, i):
    return hashlib.md5(f"{part} {name} {i}".encode()).hexdigest()[:16]


def made_files(train=4, validation=2):
    """The official files of three classes, as path: bytes, and rows of labels by part.

    Dogs are darkest, birds lightest.
    """
    files = {
        openimages.CLASSES: "".join(f"{label},{name}\n" for label, name in NAMES.items()).encode(),
        openimages.HIERARCHY: json.dumps(TREE).encode(),
    }
    for part, n in (("train", train), ("validation", validation)):
        rows = []
        for k, name in enumerate(("Dog", "Cat", "Bird")):
            label = next(label for label, title in NAMES.items() if title == name)
            for i in range(n):
                files[f"{part}/{image_id(part, name, i)}.jpg"] = jpeg((120, 80 + i), 20 + 80 * k, i)
                rows.append((image_id(part, name, i), "verification", label, 1))
                rows.append((image_id(part, name, i), "verification", "/m/car", 0))  # verified to be absent
        files[openimages.LABELS.format(part)] = table(rows)
    return files


def table(rows):
    return "".join(
        ",".join(map(str, row)) + "\n" for row in [("ImageID", "Source", "LabelName", "Confidence"), *rows]
    ).encode()


def real_folder():
    if not os.environ.get("REUSELAB_DATA"):
        pytest.skip("REUSELAB_DATA is not set: no real hierarchy")
    folder = bases.folder() / "openimages"
    if not (folder / openimages.HIERARCHY).exists():
        pytest.skip(f"{folder} holds no hierarchy of Open Images")
    return folder
