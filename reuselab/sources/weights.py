"""Weights of networks that others trained, from files that hold tensors and nothing that could run."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from reuselab.check import Failed

# MobileNetV2 as ImageNet taught it: published under Apache-2.0 as integers (google-coral/test_data,
# tf2_mobilenet_v2_1.0_224_ptq.tflite), here in the names and shapes of torchvision's network.
MOBILENET = Path("imagenet", "mobilenet_v2.safetensors")
MOBILENET_SHA256 = "d258a2550ecf1a7efdb7ae0df925b20a8bd547afc12c1005dc00c0c982358dd8"


def tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of the safetensors file `path` by their names; its bytes must have the digest `sha256`.

    Raises Failed, in one line, where it is missing, another file, or not of that format.
    """
    try:
        content = path.read_bytes()
        if (digest := hashlib.sha256(content).hexdigest()) != sha256:
            raise Failed(f"{path} is not the file meant: its SHA-256 is {digest[:8]}..., not {sha256[:8]}...")
        return load(content)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}") from None
    except SafetensorError as error:
        raise Failed(f"{path} is no safetensors file: {error}") from None
