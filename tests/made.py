"""Images for tests: made ones, and real ones where they are at hand."""

import os

import pytest
import torch

from reuselab.experiment import bases


def made(counts, size=(8, 8), channels=1, seed=0) -> bases.Base:
    """An image set of random images, `counts[k]` of class k; classes differ in brightness, in any order."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    noise = torch.randint(0, 100, (len(labels), channels, *size), generator=generator)
    level = torch.randint(0, 150, (len(counts), channels, *size), generator=generator)
    return bases.Base(
        (noise + level[labels]).to(torch.uint8), labels, tuple(f"class {k}" for k in range(len(counts)))
    )


def real(name: str, split: str = "train") -> bases.Base:
    """A split of a real image set, or a skip that says what is missing."""
    if not os.environ.get("REUSELAB_DATA"):
        pytest.skip("REUSELAB_DATA is not set: no real image sets beside the digits")
    try:
        return bases.load(name, split)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
