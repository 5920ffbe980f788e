"""Which half a network reads: the measures say what is known of made networks."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import made
from torch import nn

from reuselab.book import pages as page
from reuselab.experiment import attribution, cell, models, pairs, train
from reuselab.experiment.attribution import METHODS
from reuselab.experiment.cell import Cell
from reuselab.experiment.models import Network

PLACES = [(layout, swap) for layout in pairs.LAYOUTS for swap in (False, True)]
SMALL = {
    "test_pairs": 200,
    "alice_pairs": 100,
    "alice_epochs": 2,
    "bob_pairs": 40,
    "bob_epochs": 3,
    "bob_batch": 20,
}


def drawn(n=12, layout="beside", *, swap=False, size=(8, 8), channels=1, rho=0.0):
    base = made([40, 40, 40], size, channels)
    return pairs.sample((base, base), n, pairs.joint(3, rho), layout=layout, swap=swap, seed=1)


class Reader(nn.Module):
    """Logits for classes 0 to 2 from the mean of each third of one half's rows."""

    def __init__(self, images, whose):
        super().__init__()
        self.where, self.weight = attribution.half(images, whose), nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        rows = x[self.where].mean((1, 3))
        return torch.stack([part.mean(1) for part in rows.tensor_split(3, dim=1)], 1).pow(3) * self.weight


def reader(images, whose):
    return Network(OrderedDict(read=Reader(images, whose)))


# Halves.


@pytest.mark.parametrize("layout, swap", PLACES)
@pytest.mark.parametrize("size", [(8, 8), (6, 10)])
def test_a_half_is_where_the_generator_put_it(layout, swap, size):
    images = drawn(layout=layout, swap=swap, size=size)
    alices, bobs = images.halves(slice(None))
    (mean, std), _ = images.statistics
    scale = (std.square().mean() + mean.var(correction=0)).sqrt()
    for whose, grey in (("alice", alices), ("bob", bobs)):
        assert torch.allclose(
            images[:][attribution.half(images, whose)], (grey - mean.mean()) / scale, atol=1e-6
        )


@pytest.mark.parametrize("layout, swap", PLACES)
@pytest.mark.parametrize("size", [(8, 8), (6, 10), (28, 28), (7, 13)])
def test_patches_of_occlusion_tile_each_half(layout, swap, size):
    images = drawn(layout=layout, swap=swap, size=size, channels=3)
    channels, *patch = attribution.window(images)
    assert channels == 3 and [n % side for n, side in zip(size, patch)] == [0, 0]
    assert all(4 * side <= n for n, side in zip(size, patch))


@pytest.mark.parametrize("layout, swap", PLACES)
@pytest.mark.parametrize("whose, other", [("alice", "bob"), ("bob", "alice")])
def test_swapping_and_blanking_change_one_half_and_say_with_what(layout, swap, whose, other):
    images = drawn(layout=layout, swap=swap)
    batch, mine, theirs = (
        torch.tensor([11, 3]),
        attribution.half(images, whose),
        attribution.half(images, other),
    )
    swapped, blanked = (change(images, batch, whose) for change in (attribution.swapped, attribution.blanked))
    assert torch.equal(swapped[mine], images[torch.tensor([0, 4])][mine]), (
        "the next pair's, the first after the last"
    )
    assert not blanked[mine].any()
    for changed in (swapped, blanked):
        assert torch.equal(changed[theirs], images[batch][theirs])


# Methods.


def trained_bob(**changed):
    c = Cell.of(**SMALL | {"alice_pairs": 1000, "alice_epochs": 4, "attribute": 20} | changed)
    return c, cell.train_bob(c, cell.train_alice(c)), cell.draw(c, "test", 40, 3)


def test_integrated_gradients_sum_to_what_the_network_says_within_the_gap_that_they_report(monkeypatch):
    _, bob, test = trained_bob(retrain=2)
    found, gap = attribution.maps(bob, test)
    with torch.no_grad():
        answers = attribution.answers(bob, test)
        rise = (bob(test[:]) - bob(torch.zeros_like(test[:1]))).gather(1, answers[:, None])[:, 0]
    missed = (found["integrated_gradients"].sum((1, 2, 3)) - rise).abs() / rise.abs()
    assert torch.allclose(missed, gap, atol=1e-4) and gap.median() < 0.05
    assert (found["gradient_input"].sum((1, 2, 3)) - rise).abs().median() > 5 * (
        missed * rise.abs()
    ).median(), "a single gradient does not"
    monkeypatch.setattr(attribution, "STEPS", 4)
    assert gap.mean() < attribution.maps(bob, test)[1].mean() / 2, "more steps close it"


def test_on_a_linear_network_every_method_gives_the_weights_times_the_pixels():
    images = drawn(40)
    net = train.solve(Network(OrderedDict()), images, images.bob_labels, 3)
    found, gap = attribution.maps(net, images)
    weight = net[0][1].weight.detach()[attribution.answers(net, images)].reshape(40, 1, 8, 16)
    exact = weight * images[:]
    patch = attribution.window(images)
    for name in ("integrated_gradients", "gradient_input"):
        assert torch.allclose(found[name], exact, atol=1e-4), name
    pooled = nn.functional.avg_pool2d(exact, patch[1:]) * np.prod(patch)
    assert torch.allclose(found["occlusion"][..., :: patch[1], :: patch[2]], pooled, atol=1e-4), (
        "a patch at a time"
    )
    assert gap.median() < 1e-4
    assert attribution.agreement(found["integrated_gradients"], found["occlusion"], patch) == pytest.approx(
        1, abs=1e-6
    )
    assert attribution.agreement(found["integrated_gradients"], -found["occlusion"], patch) == pytest.approx(
        -1, abs=1e-6
    )


@pytest.mark.parametrize("layout, swap", PLACES)
@pytest.mark.parametrize("whose, expected", [("alice", 0.0), ("bob", 1.0)])
def test_a_network_that_reads_one_half_has_its_whole_share_there_and_loses_its_answers_with_it(
    layout, swap, whose, expected
):
    images = drawn(300, layout, swap=swap)
    net = reader(images, whose)
    few = replace(images, index=images.index[:9])
    for name, found in attribution.maps(net, few)[0].items():
        assert attribution.share(found, few) == pytest.approx(expected, abs=1e-6), name
    lost = attribution.without(net, images)
    other = "bob" if whose == "alice" else "alice"
    assert (
        lost[f"changed_{other}"] == 0 < 0.3 < lost[f"changed_{whose}"] and lost["share_changed"] == expected
    )
    plain = (attribution.answers(net, images) == images.bob_labels).double().mean().item()
    assert lost[f"bob_accuracy_swapped_{other}"] == lost[f"bob_accuracy_blank_{other}"] == plain


def test_a_bob_who_is_right_by_one_half_falls_to_chance_without_it():
    images = drawn(600)
    net = train.solve(Network(OrderedDict()), images, images.bob_labels, 3)
    lost = attribution.without(net, images)
    assert (attribution.answers(net, images) == images.bob_labels).double().mean() > 0.95
    assert abs(lost["bob_accuracy_swapped_bob"] - 1 / 3) < 4.5 * (2 / 9 / 600) ** 0.5 + 0.02
    assert lost["bob_accuracy_swapped_alice"] > 0.95 and lost["share_lost"] > 0.95
    useless = attribution.without(reader(images, "alice"), images)
    assert np.isnan(useless["share_lost"]), "who has no accuracy has none to lose"


def test_probes_read_the_label_that_is_there_and_no_other():
    fit, test = drawn(200), replace(drawn(200), index=drawn(400).index[200:])
    raw = attribution.decodable(Network(OrderedDict()), fit, test)
    assert min(raw.values()) > 0.95
    one = attribution.decodable(reader(fit, "alice"), fit, test)
    assert one["decodable_alice"] > 0.6 and abs(one["decodable_bob"] - 1 / 3) < 4.5 * (2 / 9 / 200) ** 0.5


# Rows.


def test_attribution_adds_measures_to_a_row_and_changes_none():
    plain, more = (cell.run(Cell.of(**SMALL, retrain=2, attribute=n)) for n in (0, 12))
    assert {name: more[name] for name in plain if name != "attribute"} == {
        name: plain[name] for name in plain if name != "attribute"
    }
    added = set(more) - set(plain)
    assert {f"share_{name}" for name in METHODS} < added and all(
        0 <= more[name] <= 1 for name in added if "agreement" not in name
    )
    assert more["completeness_gap"] < 0.2
    again = cell.run(Cell.of(**SMALL, retrain=2, attribute=12))
    assert again == more or np.isnan(more["share_lost"])


@pytest.mark.parametrize("network", models.NETWORKS)
def test_every_network_can_be_attributed_and_is_left_as_it_was(network):
    images = drawn(4)
    net = models.build(network, images.shape, 3, seed=1, frozen=1)
    train.calibrate(net, images)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found, _ = attribution.maps(net, images)
    assert all(0.1 < attribution.share(part, images) < 0.9 for part in found.values()), (
        "an untrained network has no favourite"
    )
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [w.requires_grad for w in net[0].parameters()] == [False] * len(list(net[0].parameters()))


@pytest.mark.hostile("input", 2)
def test_what_cannot_be_attributed_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^attribute must not be above test_pairs, 200, as 201 is$"):
        Cell.of(test_pairs=200, attribute=201)
    with pytest.raises(ValueError, match=r"^attribute must be a whole number from 1 to 1,000,000, not 0$"):
        page.parameters("attribution", "smoke", {"attribute": 0})
