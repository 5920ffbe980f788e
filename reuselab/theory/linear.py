"""Transfer between two linear regressions: theory and simulation of "features are fate".

Source and target are y = beta . x + sigma xi with x ~ N(0, I_d), xi ~ N(0, 1). The target vector has length
1, the source vector length `length`, and they meet at the angle theta. Networks are deep linear, beta_hat =
W_1 ... W_L with L = `depth`, trained by gradient flow from vanishing initialisation. Risk is the noise-free
excess |beta_hat - beta_target|^2, gain is risk(scratch) - risk(transfer): positive where transfer helps.
Exact holds at any n and d; a limit means n, d to infinity at gamma = n / d. A source sample has gamma_source
= n_source / d rows of noise sigma_source; None is the infinite sample, whose noise averages out. Angles are
radians, noises standard deviations, ridges multiply |coefficients|^2 beside a *mean* squared error.
Everything broadcasts; what cannot be is a ValueError, by the rules of `check`. Setting: Tahir, Ganguli &
Rotskoff 2025. `form="flow"` and what follows from it, source lengths and exact finite sources are this
project's."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from reuselab.check import Rule, choice, integer, number
from reuselab.theory import descent

Array = np.ndarray
METHODS = ("scratch", "linear", "fine_tune")
FORMS = ("flow", "published")
SOLVERS = ("closed", "descent")
ATOM = 1e-7  # noise below this counts as none where a formula would divide by its square
AT_LEAST_0, AT_LEAST_1, ABOVE_0, ANGLE = number(0), number(1), number(0, above=True), number(0, np.pi)
DEPTH = integer(2, 10_000_000)
COUNT = {
    "n": integer(1, 10**9),
    "d": integer(2, 10**9),
    "draws": integer(1, 10**9),
    "seed": integer(0, 2**64),
}


def _checked(name: str, value: ArrayLike, rule: Rule) -> Array:
    """`value` as an array of floats; its extremes are held to `rule`, which asks for an interval."""
    values = np.asarray(value)
    if values.dtype.kind not in "iuf" or not values.size:
        rule(name, value)
        return values.astype(float)
    for extreme in (values.min(), values.max()):
        rule(name, extreme.item())
    return values.astype(float)


def _variance(sigma: Array, freedom: Array) -> Array:
    """sigma^2 / freedom; infinite for freedom <= 0, yet 0 without noise."""
    ratio = sigma**2 / np.where(freedom > 0, freedom, 1.0)
    return np.where(sigma > 0, np.where(freedom > 0, ratio, np.inf), 0.0)


def _squared_norm(gamma: Array, sigma: Array, length: ArrayLike = 1.0) -> Array:
    """Limit of |X^+ y|^2: min(gamma, 1) (length^2 + sigma^2 / |1 - gamma|); infinite at gamma = 1 with
    noise."""
    return np.minimum(gamma, 1) * (np.square(length) + _variance(sigma, np.abs(1 - gamma)))


# What the source leaves.


def _source(
    gamma_source: ArrayLike | None, sigma_source: ArrayLike, length: ArrayLike
) -> tuple[Array, Array]:
    """Limits of m, the learnt source vector along the true direction, and of B, its squared norm."""
    noise, norm = _checked("sigma_source", sigma_source, AT_LEAST_0), _checked("length", length, ABOVE_0)
    if gamma_source is None:
        m = norm + 0 * noise
        return m, m**2
    gamma = _checked("gamma_source", gamma_source, ABOVE_0)
    return norm * np.minimum(gamma, 1), _squared_norm(gamma, noise, norm)


def source_overlap(
    d: ArrayLike | None = None,
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Mean squared cosine of the angle between the learnt and the true source vector: exact at `d`, the limit
    for None.

    The limit is m^2 / B. Exact, with p = min(n_source, d), q = |n_source - d| + 1 and F Gauss's
    hypergeometric function: (p / d) [1 - (1 - 1/p) F(1, q/2; d/2 + 1; -length^2 / sigma_source^2)]. For X^+
    xi = Q' g / tau in the row space Q of X, g Gaussian and tau^2 ~ chi^2_q apart from it, and the true
    vector's share of that space is Beta(p/2, (d - p)/2): given both, the squared cosine is a noncentral beta
    variable, and each of the two averages leaves such an F. n_source is gamma_source d, rounded, as in
    `simulate`. ValueError: d < 1, gamma_source or length not above 0, sigma_source < 0."""
    m, B = _source(gamma_source, sigma_source, length)
    if d is None or gamma_source is None:
        return m**2 / B
    d = _checked("d", d, AT_LEAST_1)
    rows = np.maximum(np.round(np.asarray(gamma_source) * d), 1)
    p, q = np.minimum(rows, d), np.abs(rows - d) + 1
    return p / d * (1 - (1 - 1 / p) * _noise_share(d, q, np.asarray(sigma_source) / length))


def _noise_share(d: ArrayLike, q: ArrayLike, noise: ArrayLike) -> Array:
    """F(1, q/2; d/2 + 1; -1 / noise^2) as its Euler integral, (d/2) int_0^1 (1 - t)^(d/2 - 1) (1 + t /
    noise^2)^(-q/2) dt.

    Trapezium rule in log(t / (1 - t)), exact to rounding. (SciPy's hyp2f1 is wrong, or nan, for d in the
    hundreds.)"""
    d, q, noise = np.broadcast_arrays(np.asarray(d, dtype=float), q, noise)
    x = np.linspace(-70, 40, 2201).reshape(-1, *[1] * d.ndim)
    t, rest = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))
    bent = np.log1p(t / np.maximum(noise, ATOM) ** 2)
    integral = np.exp(d / 2 * np.log(rest) - q / 2 * bent) * t
    return np.where(noise > ATOM, d / 2 * integral.sum(0) * 0.05, 0.0)


def _misfit(d: ArrayLike | None, theta: ArrayLike, *source: Any) -> Array:
    """Mean sin^2 of the angle between target and learnt feature: exact at `d`, the limit for None.

    What the learnt feature has beside the source's direction is spread evenly over the other d - 1
    dimensions."""
    theta = _checked("theta", theta, ANGLE)
    overlap = source_overlap(d, *source)
    beside = 0.0 if d is None else (1 - overlap) / np.maximum(np.asarray(d) - 1.0, 1)
    return np.sin(theta) ** 2 + (1 - overlap) * np.cos(theta) ** 2 - beside * np.sin(theta) ** 2


# Training from scratch.


def scratch_risk(n: ArrayLike, d: ArrayLike, sigma: ArrayLike) -> Array:
    """Exact mean risk of the minimum-norm interpolator X^+ y, to which training from scratch converges.

    max(1 - n/d, 0) + sigma^2 min(n, d) / (|n - d| - 1), infinite for |n - d| <= 1 with noise.
    ValueError: n < 1 or d < 1, sigma < 0, anything not finite.
    """
    n, d = _checked("n", n, AT_LEAST_1), _checked("d", d, AT_LEAST_1)
    sigma = _checked("sigma", sigma, AT_LEAST_0)
    return np.maximum(1 - n / d, 0) + np.minimum(n, d) * _variance(sigma, np.abs(n - d) - 1)


def scratch_limit(gamma: ArrayLike, sigma: ArrayLike) -> Array:
    """Limit of `scratch_risk`: max(1 - gamma, 0) + sigma^2 min(gamma, 1) / |1 - gamma|, infinite at gamma = 1
    with noise.

    ValueError: gamma < 0 or sigma < 0.
    """
    gamma, sigma = _checked("gamma", gamma, AT_LEAST_0), _checked("sigma", sigma, AT_LEAST_0)
    return np.maximum(1 - gamma, 0) + _squared_norm(gamma, sigma, 0.0)


def ridge_risk(gamma: ArrayLike, sigma: ArrayLike, ridge: ArrayLike) -> Array:
    """Limit risk of ridge regression from scratch, argmin |y - X b|^2 / n + ridge |b|^2.

    [sigma^2 k (1 - u) + u (k u + ridge)] / root with k = 1/gamma, a = 1 - k + ridge, root = sqrt(a^2 + 4 k
    ridge), u = (root - a) / (2 k) = ridge m(-ridge), m the Stieltjes transform of the Marchenko-Pastur law of
    X^T X / n. ValueError: gamma or ridge not above 0, sigma < 0."""
    gamma, sigma = _checked("gamma", gamma, ABOVE_0), _checked("sigma", sigma, AT_LEAST_0)
    ridge = _checked("ridge", ridge, ABOVE_0)
    k, a = 1 / gamma, 1 - 1 / gamma + ridge
    root = np.sqrt(a**2 + 4 * k * ridge)
    u = np.where(a > 0, 2 * ridge / (np.abs(a) + root), (root - a) / (2 * k))
    return (sigma**2 * k * (1 - u) + u * (k * u + ridge)) / root


def best_ridge_risk(gamma: ArrayLike, sigma: ArrayLike) -> Array:
    """Limit risk at the best ridge, sigma^2 / gamma: the positive root of R^2 - (1 - gamma - sigma^2) R -
    sigma^2 = 0.

    It is `ridge_risk` there, with u eliminated. ValueError: gamma < 0 or sigma < 0.
    """
    gamma, sigma = _checked("gamma", gamma, AT_LEAST_0), _checked("sigma", sigma, AT_LEAST_0)
    a = 1 - gamma - sigma**2
    root = np.hypot(a, 2 * sigma)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a > 0, (root + a) / 2, np.where(sigma > 0, 2 * sigma**2 / (root - a), 0.0))


# Linear transfer: only the last layer is refitted, on the one feature that the source left.


def linear_transfer_risk(
    n: ArrayLike,
    d: ArrayLike,
    theta: ArrayLike,
    sigma: ArrayLike,
    ridge: ArrayLike = 0.0,
    *,
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Exact mean risk of linear transfer, over source samples too; a ridge penalises the coefficient of the
    unit feature.

    With s^2 the mean squared sine between target and learnt feature, sin^2(theta) for an infinite source: s^2
    + (s^2 + sigma^2) / (n - 2), infinite for n <= 2 unless s = sigma = 0; with a ridge the same average over
    |feature|^2 ~ chi^2_n, by quadrature. ValueError: n < 1, d < 1, theta outside [0, pi], sigma or ridge < 0,
    and as `source_overlap`."""
    n, d = _checked("n", n, AT_LEAST_1), _checked("d", d, AT_LEAST_1)
    sigma, ridge = _checked("sigma", sigma, AT_LEAST_0), _checked("ridge", ridge, AT_LEAST_0)
    s2 = _misfit(d, theta, gamma_source, sigma_source, length)
    plain = s2 + _variance(np.sqrt(np.maximum(s2, 0) + sigma**2), n - 2) + 0 * d
    if not np.any(ridge):
        return plain
    bias, variance = _chi2_means(n, n * ridge)
    return np.where(ridge > 0, s2 + (1 - s2) * bias + (s2 + sigma**2) * variance, plain)


def _chi2_means(n: Array, c: Array) -> tuple[Array, Array]:
    """E[(c / (q + c))^2] and E[q / (q + c)^2] for q ~ chi^2_n: trapezium rule in log q, exact to rounding for
    c > 0."""
    n, c = np.broadcast_arrays(n, c)
    t = np.linspace(np.log(stats.chi2.ppf(1e-18, n)), np.log(stats.chi2.isf(1e-18, n)), 801)
    q = np.exp(t)
    weight = q * stats.chi2.pdf(q, n)
    weight /= weight.sum(0)
    c = np.where(c > 0, c, 1.0)
    return (weight * (c / (q + c)) ** 2).sum(0), (weight * q / (q + c) ** 2).sum(0)


def linear_transfer_limit(
    theta: ArrayLike,
    ridge: ArrayLike = 0.0,
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Limit of `linear_transfer_risk`: 1 - (1 + 2 ridge) / (1 + ridge)^2 (m^2 / B) cos^2(theta). ValueError:
    as that."""
    ridge = _checked("ridge", ridge, AT_LEAST_0)
    fitted = 1 - _misfit(None, theta, gamma_source, sigma_source, length)
    return 1 - (1 + 2 * ridge) / (1 + ridge) ** 2 * fitted


def linear_transfer_gain(
    gamma: ArrayLike,
    theta: ArrayLike,
    sigma: ArrayLike,
    ridge: ArrayLike = 0.0,
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Limit gain of linear transfer; +inf at gamma = 1 with noise. An infinite source's length does not
    matter.

    ValueError: as `scratch_limit` and `linear_transfer_limit`.
    """
    return scratch_limit(gamma, sigma) - linear_transfer_limit(
        theta, ridge, gamma_source, sigma_source, length
    )


# Fine-tuning: all layers are trained, from where the source left them.


def _scale(outside: Array, ratio: Array, depth: ArrayLike) -> Array:
    """c = z^((L-1)/2) from the one positive root of z^L - outside z^(L-1) = ratio.

    Newton on z - outside - ratio z^(1-L), increasing and concave, from below its root: it climbs without
    overshoot."""
    depth = np.asarray(depth, dtype=float)
    z = np.maximum(outside, ratio ** (1 / depth))
    for _ in range(100):
        pull = ratio * z ** (1.0 - depth)
        step = (z - outside - pull) / (1 + (depth - 1) * pull / z)
        z = z - step
        if np.all(np.abs(step) <= 4e-16 * z):
            break
    return z ** ((depth - 1) / 2)


def fine_tuning_scale(
    gamma: ArrayLike,
    sigma: ArrayLike,
    depth: ArrayLike = 2,
    form: str = "flow",
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Limit of c in beta_hat = X^+ y + c (I - P) beta_hat_source, gamma < 1, where fine-tuning all layers
    ends.

    Gradient flow conserves W_l^T W_l - W_{l+1} W_{l+1}^T. Balanced rank-one source weights keep |W_1| =
    |W_l|, the part of W_1 outside the row space of X never moves, and so c = (y / B^(1/L))^((L-1)/2) with y
    the positive root of y^L - (1 - gamma) B^(1/L) y^(L-1) - |X^+ y|^2 = 0. `form="published"` is c = 1 (also
    what L = 1 would give). ValueError: gamma < 0, sigma < 0, depth no integer >= 2, unknown form, and as
    `source_overlap`. nan for gamma >= 1, where P = I."""
    choice(*FORMS)("form", form)
    gamma, sigma = _checked("gamma", gamma, AT_LEAST_0), _checked("sigma", sigma, AT_LEAST_0)
    depth = _checked("depth", depth, DEPTH)
    _, B = _source(gamma_source, sigma_source, length)
    g = np.where(gamma < 1, gamma, 0.0)
    if form == "published":
        c = np.ones(np.broadcast_shapes(g.shape, sigma.shape, depth.shape, B.shape))
    else:
        c = _scale(1 - g, _squared_norm(g, sigma) / B, depth)
    return np.where(gamma < 1, c, np.nan)


def fine_tuning_gain(
    gamma: ArrayLike,
    theta: ArrayLike,
    sigma: ArrayLike,
    depth: ArrayLike = 2,
    form: str = "flow",
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Limit gain of fine-tuning all layers: (1 - gamma) (2 c m cos(theta) - c^2 B) for gamma < 1, 0 from
    there on.

    c is `fine_tuning_scale`. "published" takes c = 1 (Tahir, Ganguli & Rotskoff 2025); "flow" the scale that
    gradient flow conserves: the two meet where B = 1 + sigma^2 / (1 - gamma). m and sqrt(B) grow with the
    source's `length`, c falls more slowly: a source that is too long hurts at any angle. -inf for a noisy
    source at gamma_source = 1. ValueError: as `fine_tuning_scale`, and theta outside [0, pi]."""
    theta = _checked("theta", theta, ANGLE)
    c = fine_tuning_scale(gamma, sigma, depth, form, gamma_source, sigma_source, length)
    m, B = _source(gamma_source, sigma_source, length)
    gamma = np.asarray(gamma, dtype=float)
    return np.where(gamma < 1, (1 - gamma) * (2 * c * m * np.cos(theta) - c**2 * B), 0.0)


# Where transfer neither helps nor hurts.


def boundary(
    sigma: ArrayLike,
    *,
    gamma: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    method: str = "linear",
    depth: ArrayLike = 2,
    form: str = "flow",
    ridge: ArrayLike = 0.0,
    gamma_source: ArrayLike | None = None,
    sigma_source: ArrayLike = 0.0,
    length: ArrayLike = 1.0,
) -> Array:
    """Where the limit gain is zero, given either gamma or (linear transfer only) theta; nan where it has no
    zero.

    Given gamma, the angle in [0, pi/2] up to which transfer helps. With k = (1 + 2 ridge) / (1 + ridge)^2,
    linear: cos^2 = (1 - R_scratch) B / (k m^2), and pi minus that angle by symmetry; fine-tuning: cos = c B /
    (2 m). Given theta, [gamma_-, gamma_+, gamma_3] along a new first axis: linear transfer hurts between
    gamma_- and gamma_+ and above gamma_3. With r the transfer risk, b = 2 - r - sigma^2: gamma_+- = (b +-
    sqrt(b^2 - 4 (1 - r))) / 2, real iff 1 - sqrt(1 - r) >= sigma; gamma_3 = 1 + sigma^2 / r. Without noise
    gamma_+ = gamma_3 = 1 and nothing helps there. ValueError: not exactly one of gamma and theta, theta with
    fine-tuning, ridge > 0 with fine-tuning, and as the gains."""
    choice(*METHODS[1:])("method", method)
    choice(*FORMS)("form", form)
    source = (gamma_source, sigma_source, length)
    if (gamma is None) == (theta is None) or (method == "fine_tune" and (gamma is None or np.any(ridge))):
        raise ValueError(
            "boundary takes exactly one of gamma and theta; for fine_tune it is gamma, with ridge 0"
        )
    if gamma is None:
        assert theta is not None
        risk = linear_transfer_limit(theta, ridge, *source)
        return _boundary_gammas(_checked("sigma", sigma, AT_LEAST_0), risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "fine_tune":
            m, B = _source(*source)
            return np.arccos(fine_tuning_scale(gamma, sigma, depth, form, *source) * B / (2 * m))
        best = 1 - linear_transfer_limit(0.0, ridge, *source)
        return np.arccos(np.sqrt((1 - scratch_limit(gamma, sigma)) / best))


def _boundary_gammas(sigma: Array, risk: Array) -> Array:
    root = np.sqrt(1 - risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        hurts = np.where(sigma <= 1 - root, (1 - root) ** 2 - sigma**2, np.nan)
        upper = (2 - risk - sigma**2 + np.sqrt(hurts * ((1 + root) ** 2 - sigma**2))) / 2
        return np.stack([(1 - risk) / upper, upper, np.where(risk > 0, 1 + sigma**2 / risk, np.inf)])


# Simulation.


class Draw(NamedTuple):
    """One data set: inputs X [n, d], noise xi [n], the learnt source vector [d] at theta = 0, and the rest of
    its randomness."""

    X: Array
    xi: Array
    source: Array
    rng: np.random.Generator


def simulate(
    n: int,
    d: int,
    theta: ArrayLike,
    sigma: ArrayLike,
    method: str | Sequence[str] = "scratch",
    draws: int = 20,
    seed: int = 0,
    solver: str = "closed",
    depth: int = 2,
    *,
    form: str = "flow",
    ridge: float = 0.0,
    gamma_source: float | None = None,
    sigma_source: float = 0.0,
    length: float = 1.0,
    units: float = 1.0,
    **descent_options: Any,
) -> Array:
    """Risk on each of `draws` Gaussian data sets, shape (draws, *broadcast(theta, sigma)), in squared units
    of y. method: one of `METHODS`, or several: along a first axis, from data drawn and fitted once.

    The data of draw i depend on (seed, i, n, d) alone: calls that differ in theta, sigma, method, solver,
    depth, length or units are paired. The target is e_1 and the source turns in the plane of e_1 and e_2,
    which by rotation invariance lets one draw serve every theta; a finite source sample of round(gamma_source
    d) rows is turned along with it. `units` multiplies every y, the source's too, noise and all; `length` the
    source vector alone.

    solver="closed", float64 linear algebra: "scratch" X^+ y (ridge regression with `ridge`), "linear" least
    squares on the source's feature (a ridge penalises the coefficient of the unit feature), "fine_tune" X^+ y
    + c (I - P) beta_hat_source, c solved for this very draw, or 1 with `form="published"`. solver="descent":
    full-batch gradient descent on the mean squared error of a deep linear network of `depth` layers, from
    balanced rank-one weights: beta_hat_source, or a small random vector for "scratch"; "linear" trains the
    last layer only. descent_options: see `descent.Options`. ValueError: n < 1, d < 2, theta outside [0, pi],
    negative sigma or ridge, depth < 2, length or units not above 0, an unknown method or solver, ridge > 0
    with fine-tuning or descent, another form without fine-tuning or with a descent, options of a descent
    without one, a rate that diverges."""
    several = isinstance(method, (list, tuple))
    methods: Any = tuple(method) if several else (method,)
    for name in methods:
        choice(*METHODS)("method", name)
    choice(*SOLVERS)("solver", solver)
    choice(*FORMS)("form", form)
    for name, count in {"n": n, "d": d, "draws": draws, "seed": seed}.items():
        COUNT[name](name, count)
    DEPTH("depth", depth)
    for name, level in {"ridge": ridge, "sigma_source": sigma_source}.items():
        AT_LEAST_0(name, level)
    for name, factor in {"length": length, "units": units}.items():
        ABOVE_0(name, factor)
    if ridge and (solver == "descent" or "fine_tune" in methods):
        raise ValueError("ridge must be 0 with method='fine_tune' or solver='descent'")
    if form != "flow" and (solver == "descent" or methods != ("fine_tune",)):
        raise ValueError("form must be flow but with method='fine_tune' and solver='closed'")
    if descent_options and solver == "closed":
        raise ValueError(f"{', '.join(descent_options)} must go with solver='descent'")
    theta, sigma = np.broadcast_arrays(_checked("theta", theta, ANGLE), _checked("sigma", sigma, AT_LEAST_0))
    source = _rows(gamma_source, d), units * sigma_source, units * length

    def data() -> Iterator[Draw]:
        return (_draw(n, d, source[0], source[1], seed, i, source[2]) for i in range(draws))

    task = theta.ravel(), units * sigma.ravel(), units
    if solver == "closed":
        risks = np.stack([_closed(draw, *task, methods, depth, ridge, form) for draw in data()], axis=1)
    else:
        options = descent.Options(**descent_options)
        risks = np.stack([_descended(data(), *task, name, depth, options) for name in methods])
    risks = risks.reshape(len(methods), draws, *theta.shape)
    return risks if several else risks[0]


def _rows(gamma_source: float | None, d: int) -> int | None:
    if gamma_source is None:
        return None
    ABOVE_0("gamma_source", gamma_source)
    rows = round(gamma_source * d)
    integer(1, 10**9)("gamma_source * d, rounded,", rows)
    return rows


def _draw(
    n: int, d: int, n_source: int | None, sigma_source: float, seed: int, i: int, length: float = 1.0
) -> Draw:
    """Draw i; its source is the min-norm fit of length e_1, or that vector itself."""
    rng = np.random.default_rng([seed, i, n, d])
    X, xi = rng.standard_normal((n, d)), rng.standard_normal(n)
    if n_source is None:
        return Draw(X, xi, length * np.eye(1, d)[0], rng)
    X_source, xi_source = rng.standard_normal((n_source, d)), rng.standard_normal(n_source)
    y_source = length * X_source[:, :1] + sigma_source * xi_source[:, None]
    return Draw(X, xi, _fit(X_source, y_source)[:, 0], rng)


def _fit(X: Array, V: Array, ridge: float = 0.0) -> Array:
    """argmin |V - X F|^2 / n + ridge |F|^2 (min-norm at ridge 0), through the smaller Gram matrix; X itself
    at n = d.

    NumPy's solver and not SciPy's Cholesky: the two ship a BLAS each, whose idle threads fight over the
    cores."""
    n, d = X.shape
    if n == d and ridge == 0:
        return np.linalg.solve(X, V)
    gram, right = (X @ X.T, V) if n <= d else (X.T @ X, X.T @ V)
    gram[np.diag_indices_from(gram)] += n * ridge
    solution = np.linalg.solve(gram, right)
    return X.T @ solution if n <= d else solution


def _turned(source: Array, theta: Array) -> tuple[Array, Array]:
    """Columns E = [e_1, e_2, rest] (d, 3) and weights (3, k) such that E @ weights are the sources turned to
    theta."""
    E = np.eye(len(source), 3)
    E[:, 2] = np.concatenate([[0, 0], source[2:]])
    cosine, sine = np.cos(theta), np.sin(theta)
    first, second = source[0] * cosine - source[1] * sine, source[0] * sine + source[1] * cosine
    return E, np.stack([first, second, np.ones_like(theta)])


def _closed(
    draw: Draw,
    theta: Array,
    sigma: Array,
    units: float,
    methods: Sequence[str],
    depth: int,
    ridge: float,
    form: str,
) -> list[Array]:
    """Risks (k,) of one draw at k pairs of theta and sigma, the latter in units of y, by each method."""
    E, weights = _turned(draw.source, theta)
    n, B = len(draw.X), (draw.source**2).sum()
    V = np.column_stack([draw.X @ E, draw.xi])
    betas = {}
    if "linear" in methods:
        y, feature = units * V[:, :1] + V[:, 3:] * sigma, V[:, :3] @ weights
        amplitude = (y * feature).sum(0) / ((feature**2).sum(0) + n * ridge * B)
        betas["linear"] = amplitude * (E @ weights)
    if methods != ("linear",):
        F = _fit(draw.X, V, ridge)
        beta = betas["scratch"] = betas["fine_tune"] = units * F[:, :1] + F[:, 3:] * sigma
        if "fine_tune" in methods and n < len(E):
            outside = (E - F[:, :3]) @ weights
            scale = _scale((outside**2).sum(0) / B, (beta**2).sum(0) / B, depth) if form == "flow" else 1.0
            betas["fine_tune"] = beta + scale * outside
    return [((betas[method] - units * E[:, :1]) ** 2).sum(0) for method in methods]


def _descended(
    data: Iterable[Draw],
    theta: Array,
    sigma: Array,
    units: float,
    method: str,
    depth: int,
    options: descent.Options,
) -> Array:
    """Risks (draws, k): every draw and every pair of theta and sigma is one network, all trained side by
    side."""
    networks = [net for draw in data for net in _networks(draw, theta, sigma, units, method, depth, options)]
    spectra, optima, starts, frames, inner = (np.stack(part) for part in zip(*networks))
    layers = descent.balanced(starts, inner)
    trained = layers[-1:] if method == "linear" else layers
    coordinates = descent.descend(layers, trained, spectra, optima, options)
    betas = np.einsum("ri,rid->rd", coordinates, frames)
    betas[:, 0] -= units
    return (betas**2).sum(1).reshape(-1, theta.size)


def _networks(
    draw: Draw,
    theta: Array,
    sigma: Array,
    units: float,
    method: str,
    depth: int,
    options: descent.Options,
) -> list[tuple[Array, ...]]:
    """(spectrum, optimum, start, frame, inner vectors) of one draw's networks: coordinates on the rows of the
    frame.

    The frame is the row space of X and, last, the direction of the start outside it.
    """
    U, S, Vt = np.linalg.svd(draw.X, full_matrices=False)
    n, d = draw.X.shape
    random = draw.rng.standard_normal((d, 1))
    E, weights = _turned(draw.source, theta)
    small = options.scale**depth * random / np.linalg.norm(random) + 0 * theta
    start = E @ weights if method != "scratch" else small
    outside = start - Vt.T @ (Vt @ start) if n < d else 0 * start
    length = np.linalg.norm(outside, axis=0)
    inner = draw.rng.standard_normal((depth - 1, options.width))
    inner /= np.linalg.norm(inner, axis=1, keepdims=True)
    return [
        (
            np.append(2 * S**2 / n, 0.0),
            np.append(U.T @ (units * draw.X[:, 0] + sigma[j] * draw.xi) / S, 0.0),
            np.append(Vt @ start[:, j], length[j]),
            np.vstack([Vt, outside[:, j] / (length[j] or 1)]),
            inner,
        )
        for j in range(theta.size)
    ]


# How far apart two data sets are.


def distances(
    theta: ArrayLike, sigma: ArrayLike, length: ArrayLike = 1.0, units: ArrayLike = 1.0
) -> tuple[Array, Array]:
    """(KL, W2) between the laws of (x, y) in source and target: Kullback-Leibler in nats, 2-Wasserstein in
    units of y.

    The source vector has norm `length`, the target's is 1, both have noise `sigma`, y is measured in `units`.
    Then KL(source | target) = |length beta_s - beta_t|^2 / (2 sigma^2), and for centred Gaussians W2^2 = tr
    S_1 + tr S_2 - 2 |L_1^T L_2|_* with S_i = L_i L_i^T and |.|_* the sum of singular values; only the plane
    of the two vectors and y differ, so three dimensions suffice. ValueError: theta outside [0, pi], sigma,
    length or units not above 0."""
    theta, sigma, length, units = np.broadcast_arrays(
        _checked("theta", theta, ANGLE),
        _checked("sigma", sigma, ABOVE_0),
        _checked("length", length, ABOVE_0),
        _checked("units", units, ABOVE_0),
    )
    kl = (length**2 - 2 * length * np.cos(theta) + 1) / (2 * sigma**2)
    source, target = np.zeros((2, *theta.shape, 3, 3))
    source[..., [0, 1], [0, 1]] = target[..., [0, 1], [0, 1]] = 1
    source[..., 2, 0], source[..., 2, 1] = units * length * np.cos(theta), units * length * np.sin(theta)
    target[..., 2, 0] = units
    source[..., 2, 2] = target[..., 2, 2] = units * sigma
    shared = np.linalg.svd(np.swapaxes(source, -1, -2) @ target, compute_uv=False).sum(-1)
    squared = (source**2).sum((-1, -2)) + (target**2).sum((-1, -2)) - 2 * shared
    return kl, np.sqrt(np.maximum(squared, 0))
