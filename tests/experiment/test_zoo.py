"""torchvision's classifiers in blocks: the same networks to the bit, and their ImageNet weights whole or not
at all.
"""

import copy
import hashlib
import http.server
import subprocess
import sys
import threading
from functools import cache, partial

import pytest
import safetensors.torch
import torch
import torchvision
from made import made
from torch import nn

from reuselab.check import Failed
from reuselab.experiment import models, pairs, train, zoo
from reuselab.experiment.train import Recipe

SHAPE = 3, 32, 64
FAMILIES = [
    "resnet18_original",
    "densenet121",
    "efficientnet_b0",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
]
IMAGES = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
THEIRS = "squeezenet1_1"  # the smallest file of weights


@cache
def built(name: str) -> models.Network:
    return models.build(name, SHAPE, 10, seed=4)


def whole(name: str) -> nn.Module:
    """torchvision's network, built with the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return torchvision.models.get_model(name.removesuffix("_original"), num_classes=10)


def after(seed: int, net: nn.Module, images: torch.Tensor = IMAGES) -> torch.Tensor:
    """Its outputs, whatever it draws at random drawn from `seed`."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        return net(images)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_blocks_add_up_to_torchvisions_network_to_the_bit(name):
    net, theirs = copy.deepcopy(built(name)), whole(name)
    assert net.blocks[-1] == "head" and len(net) == 6 and tuple(net.blocks) == models.blocks(name)
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in theirs.parameters())
    for mode in (
        False,
        True,
        False,
    ):  # while training: the same dropout, and statistics of normalisation that then agree
        assert torch.equal(after(1, net.train(mode)), after(1, theirs.train(mode)))
        lower, upper = net[:3], net[3:]
        assert torch.equal(after(2, nn.Sequential(lower, upper)), after(2, theirs))
    assert all(isinstance(net[:depth](IMAGES), torch.Tensor) for depth in range(7))


@pytest.mark.parametrize("name", FAMILIES)
def test_alices_blocks_stay_hers_to_the_bit_under_a_bob_with_other_classes(name):
    alice, bob = built(name), models.build(name, SHAPE, 4, seed=5)
    kept = safetensors.torch.load(safetensors.torch.save(alice.state_dict()))
    bob = models.reuse(alice, bob, 2)
    started = copy.deepcopy(bob)
    halves = made([8] * 4, size=(32, 32), channels=3), made([8] * 4, size=(32, 32), channels=3, seed=1)
    data = pairs.sample(halves, 16, pairs.joint(4, 0.5), seed=0)
    train.train(bob, data, data.bob_labels, Recipe(pairs=16, epochs=1, batch=8, device="cpu"), 0)
    for depth, (hers, his, start) in enumerate(zip(alice, bob, started)):
        if depth < 4:
            assert same(hers, his) and not any(m.training for m in his.modules())
        else:
            assert not any(torch.equal(a, b) for a, b in zip(his.parameters(), start.parameters()))
    assert all(torch.equal(value, kept[key]) for key, value in alice.state_dict().items())
    assert train.predict(bob, data).shape == (16, 4)


def test_weights_come_from_the_seed_alone():
    assert same(built(THEIRS), models.build(THEIRS, SHAPE, 10, 4))
    other = models.build(THEIRS, SHAPE, 10, 5)
    assert not any(
        torch.equal(a, b) for a, b in zip(built(THEIRS).parameters(), other.parameters()) if a.ndim > 1
    )


@pytest.mark.parametrize("name", ["resnet18_original", THEIRS])
def test_grey_images_go_through_the_weights_of_one_colour(name):
    grey = models.build(name, (1, 32, 64), 10, seed=4)
    colour = copy.deepcopy(built(name))
    images = IMAGES[:, :1]
    in_red = torch.cat([images, torch.zeros(2, 2, *images.shape[2:])], 1)
    assert torch.allclose(after(0, grey.eval(), images), after(0, colour.eval(), in_red), atol=1e-5)


# The rule.


def weighted(part: nn.Module) -> int:
    return sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in part.modules())


class Residual(nn.Module):
    def __init__(self, layers: int):
        super().__init__()
        self.inner = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(layers)))

    def forward(self, x):
        return x + self.inner(x)


@pytest.mark.parametrize(
    "sizes, expected",
    [
        ([1] * 10, [2, 2, 2, 2, 2]),
        ([1] * 3, [1, 1, 1]),
        ([6, 1, 1], [6, 2]),
        ([2, 2, 2, 9, 2, 1, 1, 1], [4, 2, 9, 5]),
        ([7], [7]),
    ],
)
def test_cuts_share_the_layers_out_as_equally_as_residual_blocks_allow(sizes, expected):
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(3, 2)
    net = nn.Sequential(*(m for size in sizes for m in (Residual(size), nn.BatchNorm2d(3), nn.ReLU())), *head)
    parts = zoo.cut(net)
    assert list(parts) == [f"block{i}" for i in range(1, len(expected) + 1)] + ["head"]
    assert [weighted(part) for part in parts.values()] == [*expected, 1]
    *lower, top = [list(part.children()) for part in parts.values()]
    assert all(isinstance(block[-1], nn.ReLU) for block in lower) and isinstance(top[0], nn.AdaptiveAvgPool2d)
    assert torch.equal(after(0, nn.Sequential(parts).eval()), after(0, net.eval()))


def transformers() -> dict[str, nn.Module]:
    """Small ones; dropout everywhere, also where it is a function inside attention."""
    return {
        "vit": torchvision.models.VisionTransformer(
            32, 8, 5, 2, 16, 32, dropout=0.3, attention_dropout=0.3, num_classes=10
        ),
        "swin": torchvision.models.SwinTransformer(
            [4, 4],
            8,
            [2, 2],
            [2, 2],
            [2, 2],
            dropout=0.3,
            attention_dropout=0.3,
            stochastic_depth_prob=0.5,
            num_classes=10,
        ),
    }


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_transformers_in_blocks_are_torchvisions_also_while_they_train(name):
    theirs = transformers()[name].eval()  # traced in one mode, used in both
    theirs.apply(
        lambda m: nn.init.normal_(m.weight) if isinstance(m, nn.Linear) else None
    )  # a head of zeros would hide everything
    net = models.Network(zoo.cut(copy.deepcopy(theirs)))
    images = IMAGES[..., :32]
    for mode in (True, False):
        assert torch.equal(after(1, net.train(mode), images), after(1, theirs.train(mode), images))
        assert torch.equal(after(1, net, images), after(2, net, images)) != mode, (
            "dropout is at work while it trains alone"
        )
    safetensors.torch.save(net.state_dict())


def test_networks_of_our_own_are_built_without_torchvision():
    """Its import takes seconds."""
    code = (
        "import sys; from reuselab.experiment import models; models.NETWORK('network', 'cnn'); "
        "models.blocks('mlp'); sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Refusals.


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "call, line",
    [
        (
            lambda: models.NETWORK("network", "mobilenet_v3_smal"),
            r"network must be one of cnn, .* not 'mobilenet_v3_smal' \(did you mean mobilenet_v3_small\?\)",
        ),
        (
            lambda: models.build("resnet81", SHAPE, 10, 0),
            r"network must be one of .*, not 'resnet81' \(did you mean resnet18\?\)",
        ),
        (lambda: models.blocks("fcn_resnet50"), r"network must be one of .*, not 'fcn_resnet50'.*"),
        (lambda: models.NETWORK("network", 3), "network must be one of .*, not 3"),
        (
            lambda: models.build("googlenet", SHAPE, 10, 0),
            "googlenet cannot be divided into blocks: it computes something else while it trains",
        ),
        (
            lambda: models.blocks("inception_v3"),
            "inception_v3 cannot be divided into blocks: it computes something else while it trains",
        ),
        (
            lambda: models.build("vgg11", (1, 8, 16), 10, 0),
            r"vgg11 does not take images of 1 x 8 x 16 \(channels, height, width\): .*too small",
        ),
        (
            lambda: models.build("vit_b_32", SHAPE, 10, 0),
            "vit_b_32 does not take images of 3 x 32 x 64 .*: Wrong image height! Expected 224 but got 32!",
        ),
        (lambda: models.pretrained("cnn", SHAPE), "there are no ImageNet weights for cnn: .*"),
        (
            lambda: models.pretrained("resnet18", SHAPE),
            "there are no ImageNet weights for resnet18: take resnet18_original, or .*",
        ),
        (
            lambda: models.pretrained(THEIRS, (1, 32, 64)),
            "ImageNet weights need colour images, of 3 channels, not 1",
        ),
        (
            lambda: models.pretrained(THEIRS, (3, 8, 16)),
            "squeezenet1_1 does not take images of 3 x 8 x 16 .*",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call, line, capfd):
    with pytest.raises(ValueError, match=f"^{line}$"):
        call()
    assert capfd.readouterr() == ("", "")


# ImageNet weights.


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server of a file of weights, under the name that says its checksum, in place of the published one:
    its folder, torch hub's, the net.
    """
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    served = tmp_path / "served"
    served.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        net = torchvision.models.get_model(THEIRS)
    torch.save(net.state_dict(), served / "weights")
    named = served / f"{THEIRS}-{hashlib.sha256((served / 'weights').read_bytes()).hexdigest()[:8]}.pth"
    (served / "weights").rename(named)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        publish(monkeypatch, f"http://127.0.0.1:{server.server_port}/{named.name}")
        yield named, tmp_path / "home" / "hub" / "checkpoints", net
        server.shutdown()


def publish(monkeypatch, url: str) -> None:
    monkeypatch.setattr(torchvision.models.get_model_weights(THEIRS).DEFAULT.value, "url", url)


def test_pretrained_weights_are_fetched_once_and_cut_into_blocks(hub, capsys):
    served, folder, theirs = hub
    for _ in range(2):
        net = models.pretrained(THEIRS, SHAPE)
        assert tuple(net.blocks) == models.blocks(THEIRS)
        assert torch.equal(after(0, net.eval()), after(0, theirs.eval())) and net(IMAGES).shape == (2, 1000)
        served.unlink(missing_ok=True)  # found in torch hub's folder from now on
    assert [file.name for file in folder.iterdir()] == [served.name]
    assert capsys.readouterr().out == "", "standard output is the caller's"
    bob = models.reuse(net, models.build(THEIRS, SHAPE, 4, 0), 1)
    assert all(same(*blocks) for blocks in zip(net[:5], bob)) and bob(IMAGES).shape == (2, 4)


def test_resnet18_original_takes_the_weights_of_torchvisions_resnet18(monkeypatch):
    theirs = torchvision.models.resnet18()
    monkeypatch.setattr(zoo, "pretrained", {"resnet18": theirs}.get)
    net = models.pretrained("resnet18_original", SHAPE)
    assert tuple(net.blocks) == models.blocks("resnet18_original")
    assert torch.equal(after(0, net.eval()), after(0, theirs.eval()))


@pytest.mark.parametrize("harm", ["changed", "short", "gone"])
def test_what_is_not_the_published_file_is_not_taken(harm, hub):
    served, folder, _ = hub
    content = served.read_bytes()
    served.unlink()
    if harm != "gone":
        served.write_bytes(
            content[:-1000] if harm == "short" else content[:5000] + b"\0\0\0\0" + content[5004:]
        )
    with pytest.raises(
        Failed,
        match=rf"^http://.*{THEIRS}-.*\.pth cannot be had \(.*\): "
        "connect to it, or put the file into .*/checkpoints$",
    ):
        models.pretrained(THEIRS, SHAPE)
    assert not any(folder.iterdir())
    served.write_bytes(content)
    models.pretrained(THEIRS, SHAPE)


def test_no_connection_is_one_line(hub, monkeypatch):
    publish(monkeypatch, f"http://127.0.0.1:1/{hub[0].name}")
    with pytest.raises(
        Failed,
        match=r"^http://127.0.0.1:1/.* cannot be had \(<urlopen error .*Connection refused>\): "
        "connect to it, or put .*",
    ):
        models.pretrained(THEIRS, SHAPE)
    hub[1].mkdir(parents=True, exist_ok=True)
    hub[0].rename(hub[1] / hub[0].name)  # what the line says
    models.pretrained(THEIRS, SHAPE)


@pytest.mark.hostile("input")
def test_a_damaged_file_in_torch_hubs_folder_is_named(hub):
    served, folder, _ = hub
    folder.mkdir(parents=True)
    (folder / served.name).write_bytes(served.read_bytes()[:-1000])
    with pytest.raises(
        Failed, match=rf"^{folder}/.*\.pth is not the file of http://.*: remove it to have it fetched again$"
    ):
        models.pretrained(THEIRS, SHAPE)


def test_no_pickle_is_opened(hub, monkeypatch):
    """Not even one with the right checksum."""
    served, _, _ = hub
    torch.save(Residual(1), served)
    named = served.with_name(f"{THEIRS}-{hashlib.sha256(served.read_bytes()).hexdigest()[:8]}.pth")
    served.rename(named)
    publish(monkeypatch, named.as_uri())
    with pytest.raises(Failed, match=r"cannot be had .Weights only load failed"):
        models.pretrained(THEIRS, SHAPE)
