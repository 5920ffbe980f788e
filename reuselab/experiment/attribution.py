"""Which half of a pair a network reads, by attribution, occlusion and probes (Mohamud & Brink 2026, A5)."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from types import EllipsisType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reuselab.check import measured, number, optional
from reuselab.experiment import train as trainer
from reuselab.experiment.models import Network
from reuselab.experiment.pairs import Pairs

METHODS = ("integrated_gradients", "gradient_input", "occlusion")
STEPS = 32
BATCH = 32
PROBE_PAIRS = 500
LEAST_LOSS = 0.05
# What each of `measures` may be, in its order; None where it is NaN.
RULES = {
    **{f"share_{name}": optional(measured(0, 1)) for name in METHODS},
    "completeness_gap": optional(number(0)),
    **{f"agreement_{one}_{other}": optional(measured(-1, 1)) for one, other in combinations(METHODS, 2)},
    **{
        f"{name}_{whose}": number(0, 1)
        for whose in ("bob", "alice")
        for name in ("changed", "bob_accuracy_swapped", "bob_accuracy_blank")
    },
    **dict.fromkeys(("share_changed", "share_lost"), optional(number(0, 1))),
    **dict.fromkeys(("decodable_alice", "decodable_bob"), number(0, 1)),
}


def half(images: Pairs, whose: str) -> tuple[EllipsisType | slice, ...]:
    """Where the half of "alice" or "bob" lies in a joined image, as an index of its last two dimensions."""
    _, height, width = images.shape
    cut = (width if images.layout == "beside" else height) // 2
    part = slice(cut, None) if (whose == "bob") != images.swap else slice(None, cut)
    return (..., part) if images.layout == "beside" else (..., part, slice(None))


def window(images: Pairs) -> tuple[int, int, int]:
    """The patch that occlusion hides, [C, height, width]: all channels, never in both halves.

    Its sides are the largest divisors of a half's sides that are at most a quarter of these.
    """
    channels, height, width = images.shape
    if images.layout == "beside":
        return channels, _divisor(height), _divisor(width // 2)
    return channels, _divisor(height // 2), _divisor(width)


def _divisor(side: int) -> int:
    """The largest divisor of `side` up to a quarter of it."""
    return max(d for d in range(1, max(1, side // 4) + 1) if side % d == 0)


def maps(net: Network, images: Pairs) -> tuple[dict[str, Tensor], Tensor]:
    """Attributions of the network's answer by method, float32 [n, C, H, W], and the completeness gap, [n].

    Attributed is the logit of the class that the network names, against a grey pair (0 everywhere).
    Integrated gradients ought to sum to f(x) - f(grey): the gap is how far they miss it, over its size.
    """
    from captum import attr  # half a second that plain cells don't spend

    where, patch = next(net.parameters()).device, window(images)
    net.eval()
    parts: dict[str, list[Tensor]] = {name: [] for name in METHODS}
    gaps = []
    for i in range(0, len(images), BATCH):
        x = images[i : i + BATCH].to(where)
        with torch.no_grad():
            logits, grey = net(x), net(torch.zeros_like(x[:1]))
        answer = logits.argmax(1)
        integrated, missed = attr.IntegratedGradients(net).attribute(
            x, 0, answer, n_steps=STEPS, return_convergence_delta=True
        )
        hidden = attr.Occlusion(net).attribute(x, patch, patch, 0, answer, perturbations_per_eval=BATCH)
        product = attr.InputXGradient(net).attribute(x.clone().requires_grad_(), answer)
        for name, part in zip(METHODS, (integrated, product, hidden)):
            parts[name].append(part.detach().float().cpu())
        gaps.append((missed.abs() / (logits - grey).gather(1, answer[:, None])[:, 0].abs()).cpu())
    return {name: torch.cat(batches) for name, batches in parts.items()}, torch.cat(gaps)


def share(attributions: Tensor, images: Pairs) -> float:
    """The share of absolute attribution [n, C, H, W] on Bob's half, mean over pairs; NaN if there is none."""
    size = attributions.abs()
    whole, bobs = size.flatten(1).sum(1), size[half(images, "bob")].flatten(1).sum(1)
    return (bobs / whole)[whole > 0].double().mean().item()


def agreement(one: Tensor, other: Tensor, patch: tuple[int, int, int]) -> float:
    """Correlation of two methods' attributions [n, C, H, W] of a pair, patch by patch, mean over pairs."""
    sums = torch.stack([F.avg_pool2d(part.double().sum(1), patch[1:]).flatten(1) for part in (one, other)])
    centred = F.normalize(sums - sums.mean(2, keepdim=True), dim=2)
    return (centred[0] * centred[1]).sum(1).mean().item()


def swapped(images: Pairs, batch: Tensor, whose: str) -> Tensor:
    """Pairs `batch` with one half replaced by that of the next pair, float32 [B, C, H, W]: another label."""
    x, where = images[batch].clone(), half(images, whose)
    x[where] = images[(batch + 1) % len(images)][where]
    return x


def blanked(images: Pairs, batch: Tensor, whose: str) -> Tensor:
    """Pairs `batch` with one half turned grey, float32 [B, C, H, W]."""
    x = images[batch].clone()
    x[half(images, whose)] = 0
    return x


@torch.no_grad()
def answers(
    net: Network, images: Pairs, change: Callable[[Pairs, Tensor, str], Tensor] | None = None, whose: str = ""
) -> Tensor:
    """The class that the network names for each pair, int64 [n]; `change` is done to the half of `whose`."""
    where = next(net.parameters()).device
    net.eval()
    batches = torch.arange(len(images)).split(1024)
    return torch.cat(
        [
            net((change(images, batch, whose) if change else images[batch]).to(where)).argmax(1).cpu()
            for batch in batches
        ]
    )


def without(net: Network, images: Pairs) -> dict[str, float]:
    """What becomes of Bob's answers when a half is taken away: the check that needs no attribution.

    changed_*: share of answers that another half changes. bob_accuracy_*: his accuracy then. share_changed,
    share_lost: how much of either falls on Bob's half; NaN where both losses together are below `LEAST_LOSS`.
    """
    plain, labels, found = answers(net, images), images.bob_labels.cpu(), {}
    for whose in ("bob", "alice"):
        other = answers(net, images, swapped, whose)
        found[f"changed_{whose}"] = _mean(other != plain)
        found[f"bob_accuracy_swapped_{whose}"] = _mean(other == labels)
        found[f"bob_accuracy_blank_{whose}"] = _mean(answers(net, images, blanked, whose) == labels)
    lost = [
        max(0.0, _mean(plain == labels) - found[f"bob_accuracy_swapped_{whose}"])
        for whose in ("bob", "alice")
    ]
    return found | {
        "share_changed": _part(found["changed_bob"], found["changed_alice"]),
        "share_lost": _part(lost[0], lost[1], LEAST_LOSS),
    }


def decodable(lower: nn.Sequential, fit: Pairs, test: Pairs) -> dict[str, float]:
    """Accuracy on `test` of probes on the blocks `lower` for Alice's and Bob's label, solved on `fit`."""
    classes = {"alice": len(fit.first.classes), "bob": len(fit.second.classes)}
    return {
        f"decodable_{whose}": trainer.accuracy(
            trainer.solve(lower, fit, getattr(fit, f"{whose}_labels"), count),
            test,
            getattr(test, f"{whose}_labels"),
        )
        for whose, count in classes.items()
    }


def measures(net: Network, lower: nn.Sequential, fit: Pairs, test: Pairs, n: int) -> dict[str, float]:
    """All that a row gains with `attribute`.

    Of Bob's network `net` on the pairs `test` (attribution: the first `n`), and of the blocks `lower` that he
    takes from Alice, read by probes solved on the pairs `fit`.
    """
    few = replace(test, index=test.index[:n])
    found, gap = maps(net, few)
    return {
        **{f"share_{name}": share(part, few) for name, part in found.items()},
        "completeness_gap": gap.double().median().item(),
        **{
            f"agreement_{one}_{other}": agreement(found[one], found[other], window(few))
            for one, other in combinations(METHODS, 2)
        },
        **without(net, test),
        **decodable(lower, fit, test),
    }


def _mean(flags: Tensor) -> float:
    return flags.double().mean().item()


def _part(bobs: float, alices: float, least: float = 1e-12) -> float:
    return bobs / (bobs + alices) if bobs + alices >= least else float("nan")
