"""Weights that others trained: read where the bytes are those meant, refused in one line elsewhere."""

import hashlib
import pickle

import pytest
import torch
from safetensors.torch import save

from reuselab.check import Failed
from reuselab.sources import weights


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "made.safetensors"
    path.write_bytes(save({"weight": torch.arange(6.0).half().reshape(2, 3), "count": torch.tensor(7)}))
    return path


def test_tensors_come_as_they_were_saved(file):
    tensors = weights.tensors(file, sha256(file))
    assert tensors["weight"].tolist() == [[0, 1, 2], [3, 4, 5]] and tensors["count"] == 7


def refused(path, digest):
    with pytest.raises(Failed) as failure:
        weights.tensors(path, digest)
    message = str(failure.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.hostile("input")
def test_a_missing_file_is_refused(tmp_path):
    assert refused(tmp_path / "nowhere.safetensors", "0" * 64).endswith("No such file or directory")


@pytest.mark.hostile("input")
def test_a_file_with_one_other_bit_is_refused(file):
    meant, content = sha256(file), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "SHA-256" in refused(file, meant)


@pytest.mark.hostile("input")
@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x08" + 7 * b"\0" + b"not JSON"])
def test_what_is_no_safetensors_file_is_refused(file, content):
    file.write_bytes(content)
    assert "no safetensors file" in refused(file, sha256(file))


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.hostile("input")
@pytest.mark.parametrize("save_as", [pickle.dump, torch.save])
def test_a_pickle_is_refused_and_never_run(file, save_as):
    mark = file.with_name("mark")
    with open(file, "wb") as opened:
        save_as(Bomb(mark), opened)
    assert "no safetensors file" in refused(file, sha256(file)) and not mark.exists()
