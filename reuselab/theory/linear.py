"""Transfer between two linear regressions: theory and simulation of "features are fate".

Source and target are y = beta . x + sigma xi, with x ~ N(0, I_d), xi ~ N(0, 1), unit vectors beta and
beta_source . beta_target = cos(theta). Networks are deep linear, beta_hat = W_1 ... W_L with L = `depth`, trained by
gradient flow from vanishing initialisation. Risk is the noise-free excess |beta_hat - beta_target|^2, gain is
risk(scratch) - risk(transfer): positive where transfer helps. "Exact" holds at any n and d; "limit" means n, d to
infinity at gamma = n / d. A source sample has gamma_source = n_source / d rows of noise sigma_source; None is the
infinite sample, whose noise averages out. Angles are radians, noises standard deviations, ridges multiply
|coefficients|^2 beside a *mean* squared error. Everything broadcasts; what cannot be is a ValueError that names the
admissible range. Setting: Tahir, Ganguli & Rotskoff 2025. `form="flow"` and what follows from it are this project's.
"""

import warnings

import numpy as np
from scipy import stats

METHODS = ("scratch", "linear", "fine_tune")
FORMS = ("flow", "published")
TINY = np.finfo(float).tiny


def _real(name, value, low=0.0, high=np.inf, whole=False):
    x = np.asarray(value, dtype=float)
    if not np.all((x >= low) & (x <= high) & np.isfinite(x) & (not whole or x == np.floor(x))):
        top = "" if high == np.inf else f" and at most {high:.6g}"
        bottom = "above 0" if low == TINY else f"at least {low:g}"
        raise ValueError(f"{name} must be a finite {'integer' if whole else 'number'}, {bottom}{top}")
    return x


def _choice(name, value, options):
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}")


def _one(name, value, low=0.0, whole=False):
    x = _real(name, value, low, whole=whole)
    if x.ndim:
        raise ValueError(f"{name} must be one number, at least {low:g}, not an array")
    return int(x) if whole else float(x)


def _variance(sigma, freedom):
    """sigma^2 / freedom; infinite for freedom <= 0, yet 0 without noise."""
    ratio = sigma**2 / np.where(freedom > 0, freedom, 1.0)
    return np.where(sigma > 0, np.where(freedom > 0, ratio, np.inf), 0.0)


def _norm(gamma, sigma):
    """Limit of |X^+ y|^2: min(gamma, 1) (1 + sigma^2 / |1 - gamma|); infinite at gamma = 1 with noise."""
    return np.minimum(gamma, 1) * (1 + _variance(sigma, np.abs(1 - gamma)))


def _source(gamma_source, sigma_source):
    """Overlap m = beta_hat . beta and squared norm B of the learnt source vector beta_hat, in the limit."""
    sigma_source = _real("sigma_source", sigma_source)
    if gamma_source is None:
        return np.ones((2, *sigma_source.shape))
    gamma_source = _real("gamma_source", gamma_source, TINY)
    return np.minimum(gamma_source, 1), _norm(gamma_source, sigma_source)


def scratch_risk(n, d, sigma, limit=False):
    """Mean risk of the minimum-norm interpolator X^+ y, to which training from scratch converges.

    Exact: max(1 - n/d, 0) + sigma^2 min(n, d) / (|n - d| - 1), infinite for |n - d| <= 1 with noise.
    Limit: max(1 - gamma, 0) + sigma^2 min(gamma, 1) / |1 - gamma|, infinite at gamma = n/d = 1 with noise.
    ValueError: n < 1 or d < 1 (with `limit` n < 0 or d <= 0), sigma < 0, anything not finite.
    """
    n, d = _real("n", n, 0.0 if limit else 1.0), _real("d", d, TINY if limit else 1.0)
    sigma = _real("sigma", sigma)
    if limit:
        return np.maximum(1 - n / d, 0) + _norm(n / d, sigma) - np.minimum(n / d, 1)
    return np.maximum(1 - n / d, 0) + np.minimum(n, d) * _variance(sigma, np.abs(n - d) - 1)


def ridge_risk(gamma, sigma, ridge):
    """Limit risk of ridge regression from scratch, argmin |y - X b|^2 / n + ridge |b|^2.

    [sigma^2 k (1 - u) + u (k u + ridge)] / root with k = 1/gamma, a = 1 - k + ridge, root = sqrt(a^2 + 4 k ridge),
    u = (root - a) / (2 k) = ridge m(-ridge), m the Stieltjes transform of the Marchenko-Pastur law of X^T X / n.
    ValueError: gamma or ridge not above 0, sigma < 0.
    """
    gamma, sigma, ridge = _real("gamma", gamma, TINY), _real("sigma", sigma), _real("ridge", ridge, TINY)
    k, a = 1 / gamma, 1 - 1 / gamma + ridge
    root = np.sqrt(a**2 + 4 * k * ridge)
    u = np.where(a > 0, 2 * ridge / (np.abs(a) + root), (root - a) / (2 * k))
    return (sigma**2 * k * (1 - u) + u * (k * u + ridge)) / root


def best_ridge_risk(gamma, sigma):
    """Limit risk at the best ridge, sigma^2 / gamma: the positive root of R^2 - (1 - gamma - sigma^2) R - sigma^2 = 0.

    It is `ridge_risk` there, with u eliminated. ValueError: gamma < 0 or sigma < 0.
    """
    gamma, sigma = _real("gamma", gamma), _real("sigma", sigma)
    a = 1 - gamma - sigma**2
    root = np.hypot(a, 2 * sigma)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a > 0, (root + a) / 2, np.where(sigma > 0, 2 * sigma**2 / (root - a), 0.0))


def _misfit(theta, gamma_source, sigma_source):
    """sin^2 of the angle between target and learnt feature, 1 - (m^2 / B) cos^2(theta), in the limit."""
    theta = _real("theta", theta, 0.0, np.pi)
    m, B = _source(gamma_source, sigma_source)
    return np.sin(theta) ** 2 + (1 - m**2 / B) * np.cos(theta) ** 2


def linear_transfer_risk(n, d, theta, sigma, ridge=0.0, limit=False, gamma_source=None, sigma_source=0.0):
    """Mean risk when only the last layer is refitted on the one (unit) feature that the source left.

    With s^2 = 1 - (m^2 / B) cos^2(theta), which is sin^2(theta) for an infinite source:
    exact, ridge 0: s^2 + (s^2 + sigma^2) / (n - 2), infinite for n <= 2 unless s = sigma = 0;
    exact, ridge > 0: the same average over |feature|^2 ~ chi^2_n, by quadrature;
    limit: 1 - (1 + 2 ridge) / (1 + ridge)^2 (1 - s^2).
    A finite source enters through the limit of m and B also where the rest is exact: O(1/d) off.
    ValueError: n < 1 or d < 1 (ignored with `limit`), theta outside [0, pi], sigma or ridge < 0.
    """
    n, d = _real("n", n, 0.0 if limit else 1.0), _real("d", d, 0.0 if limit else 1.0)
    sigma, ridge = _real("sigma", sigma), _real("ridge", ridge)
    s2 = _misfit(theta, gamma_source, sigma_source)
    if limit:
        return 1 - (1 + 2 * ridge) / (1 + ridge) ** 2 * (1 - s2) + 0 * (n + d + sigma)
    plain = _variance(np.hypot(np.sqrt(s2), sigma), n - 2)
    if not np.any(ridge):
        return s2 + plain + 0 * d
    bias, variance = _chi2_means(n, n * ridge)
    return s2 + np.where(ridge > 0, (1 - s2) * bias + (s2 + sigma**2) * variance, plain) + 0 * d


def _chi2_means(n, c):
    """E[(c / (q + c))^2] and E[q / (q + c)^2] for q ~ chi^2_n: trapezium rule in log q, exact to rounding for c > 0."""
    n, c = np.broadcast_arrays(n, c)
    t = np.linspace(np.log(stats.chi2.ppf(1e-18, n)), np.log(stats.chi2.isf(1e-18, n)), 801)
    q = np.exp(t)
    weight = q * stats.chi2.pdf(q, n)
    weight /= weight.sum(0)
    c = np.where(c > 0, c, 1.0)
    return (weight * (c / (q + c)) ** 2).sum(0), (weight * q / (q + c) ** 2).sum(0)


def linear_transfer_gain(gamma, theta, sigma, ridge=0.0, gamma_source=None, sigma_source=0.0):
    """Limit gain of linear transfer, `scratch_risk` - `linear_transfer_risk`; +inf at gamma = 1 with noise.

    ValueError: gamma < 0, and as those two.
    """
    risk = linear_transfer_risk(1, 1, theta, sigma, ridge, True, gamma_source, sigma_source)
    return scratch_risk(_real("gamma", gamma), 1, sigma, limit=True) - risk


def _scale(outside, ratio, depth):
    """c = z^((L-1)/2) from the one positive root of z^L - outside z^(L-1) = ratio.

    Newton on z - outside - ratio z^(1-L), increasing and concave, from below its root: it climbs without overshoot.
    """
    z = np.maximum(outside, ratio ** (1 / depth))
    for _ in range(100):
        pull = ratio * z ** (1.0 - depth)
        step = (z - outside - pull) / (1 + (depth - 1) * pull / z)
        z = z - step
        if np.all(np.abs(step) <= 4e-16 * z):
            break
    return z ** ((depth - 1) / 2)


def fine_tuning_scale(gamma, sigma, depth=2, form="flow", gamma_source=None, sigma_source=0.0):
    """Limit of c in beta_hat = X^+ y + c (I - P) beta_hat_source, gamma < 1, where fine-tuning all layers ends.

    Gradient flow conserves W_l^T W_l - W_{l+1} W_{l+1}^T. Balanced rank-one source weights keep |W_1| = |W_l|, the part
    of W_1 outside the row space of X never moves, and so c = (y / B^(1/L))^((L-1)/2) with y the positive root of
    y^L - (1 - gamma) B^(1/L) y^(L-1) - |X^+ y|^2 = 0. `form="published"` is c = 1 (also what L = 1 would give).
    ValueError: gamma < 0, sigma < 0, depth no integer >= 2, unknown form. nan for gamma >= 1, where P = I.
    """
    _choice("form", form, FORMS)
    gamma, sigma, depth = _real("gamma", gamma), _real("sigma", sigma), _real("depth", depth, 2, whole=True)
    m, B = _source(gamma_source, sigma_source)
    inner = gamma < 1
    g = np.where(inner, gamma, 0.0)
    shape = np.broadcast_shapes(g.shape, sigma.shape, depth.shape, B.shape)
    c = np.ones(shape) if form == "published" else _scale(1 - g, _norm(g, sigma) / B, depth)
    return np.where(inner, c, np.nan)


def fine_tuning_gain(gamma, theta, sigma, depth=2, form="flow", gamma_source=None, sigma_source=0.0):
    """Limit gain of fine-tuning all layers: (1 - gamma) (2 c m cos(theta) - c^2 B) for gamma < 1, 0 from there on.

    c is `fine_tuning_scale`. "published" takes c = 1 (Tahir, Ganguli & Rotskoff 2025); "flow" the scale that gradient
    flow conserves: the two meet where B = 1 + sigma^2 / (1 - gamma). -inf for a noisy source at gamma_source = 1.
    ValueError: as `fine_tuning_scale`, and theta outside [0, pi].
    """
    theta = _real("theta", theta, 0.0, np.pi)
    c = fine_tuning_scale(gamma, sigma, depth, form, gamma_source, sigma_source)
    m, B = _source(gamma_source, sigma_source)
    gamma = np.asarray(gamma, dtype=float)
    return np.where(gamma < 1, (1 - gamma) * (2 * c * m * np.cos(theta) - c**2 * B), 0.0)


def boundary(
    sigma,
    *,
    gamma=None,
    theta=None,
    method="linear",
    depth=2,
    form="flow",
    ridge=0.0,
    gamma_source=None,
    sigma_source=0.0,
):
    """Where the limit gain is zero, given either gamma or (linear transfer only) theta; nan where it has no zero.

    Given gamma, the angle in [0, pi/2] up to which transfer helps. With k = (1 + 2 ridge) / (1 + ridge)^2,
    linear: cos^2 = (1 - R_scratch) B / (k m^2), and pi minus that angle by symmetry; fine-tuning: cos = c B / (2 m).
    Given theta, [gamma_-, gamma_+, gamma_3] along a new first axis: linear transfer hurts between gamma_- and gamma_+
    and above gamma_3. With r the transfer risk, b = 2 - r - sigma^2: gamma_+- = (b +- sqrt(b^2 - 4 (1 - r))) / 2, real
    iff 1 - sqrt(1 - r) >= sigma; gamma_3 = 1 + sigma^2 / r. Without noise gamma_+ = gamma_3 = 1 and nothing helps there.
    ValueError: not exactly one of gamma and theta, theta with fine-tuning, ridge > 0 with fine-tuning, and as the gains.
    """
    _choice("method", method, METHODS[1:])
    _choice("form", form, FORMS)
    if (gamma is None) == (theta is None) or (method == "fine_tune" and (gamma is None or np.any(ridge))):
        raise ValueError(
            "boundary takes exactly one of gamma and theta; for fine_tune it is gamma, with ridge 0"
        )
    if theta is not None:
        return _boundary_gammas(
            _real("sigma", sigma),
            linear_transfer_risk(1, 1, theta, sigma, ridge, True, gamma_source, sigma_source),
        )
    m, B = _source(gamma_source, sigma_source)
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "fine_tune":
            return np.arccos(
                fine_tuning_scale(gamma, sigma, depth, form, gamma_source, sigma_source) * B / (2 * m)
            )
        best = 1 - linear_transfer_risk(1, 1, 0.0, sigma, ridge, True, gamma_source, sigma_source)
        return np.arccos(np.sqrt((1 - scratch_risk(_real("gamma", gamma), 1, sigma, limit=True)) / best))


def _boundary_gammas(sigma, r):
    root = np.sqrt(1 - r)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(
            np.where(sigma <= 1 - root, (1 - root) ** 2 - sigma**2, np.nan) * ((1 + root) ** 2 - sigma**2)
        )
        upper = (2 - r - sigma**2 + spread) / 2
        return np.stack([(1 - r) / upper, upper, np.where(r > 0, 1 + sigma**2 / r, np.inf)])


def simulate(
    n,
    d,
    theta,
    sigma,
    method="scratch",
    draws=20,
    seed=0,
    solver="closed",
    depth=2,
    *,
    ridge=0.0,
    gamma_source=None,
    sigma_source=0.0,
    steps=None,
    lr=None,
    tolerance=1e-8,
    max_steps=200_000,
    scale=1e-5,
    width=1,
    fineness=300.0,
):
    """Risk on each of `draws` Gaussian data sets, shape (draws, *broadcast(theta, sigma)).

    The data of draw i depend on (seed, i, n, d) alone: calls that differ in theta, sigma, method, solver or depth are
    paired. The target is e_1 and the source turns in the plane of e_1 and e_2, which by rotation invariance lets one
    draw serve every theta; a finite source sample of round(gamma_source d) rows is turned along with it.

    solver="closed", float64 linear algebra: "scratch" X^+ y (ridge regression with `ridge`), "linear" least squares
    (ridge) on the unit feature, "fine_tune" X^+ y + c (I - P) beta_hat_source, c solved for this very draw.
    solver="descent": full-batch gradient descent on the mean squared error of a deep linear network of `depth` layers
    and hidden `width`, from balanced rank-one weights: beta_hat_source, or a random vector of layer norm `scale` for
    "scratch"; "linear" trains the last layer only. Such weights stay rank one, so that `width` changes no risk. Inputs
    are turned to their principal axes, with which gradient descent commutes: the risks are those of the unturned data.
    `steps=None` runs until every gradient (with respect to beta_hat) is below `tolerance`, or warns (RuntimeWarning)
    after `max_steps`; `steps=k` stops after exactly k, converged or not. `lr=None` is half the stable step at the current
    weights, and the shorter the larger gradient times `fineness` is: finite steps break the conservation law, by an
    amount in the risk that falls as 1 / `fineness`. A number is a fixed rate, stable while
    lr lambda_max (|W_1|^2 + |W_2|^2) < 1 at depth 2, lambda_max ~ (1 + 1/sqrt(gamma))^2 being the top of X^T X / n.
    ValueError: n < 1, d < 2, theta outside [0, pi], negative sigma or ridge, depth < 2, an unknown method or solver,
    ridge > 0 with fine-tuning or descent, a learning rate that diverges.
    """
    _choice("method", method, METHODS)
    _choice("solver", solver, ("closed", "descent"))
    n, d, draws, seed, depth, width = (
        _one(name, value, low, whole=True)
        for name, value, low in (
            ("n", n, 1),
            ("d", d, 2),
            ("draws", draws, 1),
            ("seed", seed, 0),
            ("depth", depth, 2),
            ("width", width, 1),
        )
    )
    ridge, sigma_source = _one("ridge", ridge), _one("sigma_source", sigma_source)
    theta, sigma = np.broadcast_arrays(_real("theta", theta, 0.0, np.pi), _real("sigma", sigma))
    if ridge and (solver == "descent" or method == "fine_tune"):
        raise ValueError("ridge must be 0 with method='fine_tune' or solver='descent'")
    n_source = (
        None
        if gamma_source is None
        else _one(
            "gamma_source * d, rounded,",
            np.round(_one("gamma_source", gamma_source, TINY) * d),
            1,
            whole=True,
        )
    )
    data = (_draw(n, d, n_source, sigma_source, seed, i) for i in range(draws))
    flat = theta.ravel(), sigma.ravel()
    if solver == "closed":
        risks = np.stack([_closed(*draw[:3], *flat, method, depth, ridge) for draw in data])
    else:
        options = dict(
            steps=steps if steps is None else _one("steps", steps, whole=True),
            lr=lr if lr is None else _one("lr", lr, TINY),
            tolerance=_one("tolerance", tolerance, TINY),
            max_steps=_one("max_steps", max_steps, 1, whole=True),
            fineness=_one("fineness", fineness, 1.0),
        )
        risks = _descent(data, *flat, method, depth, width, _one("scale", scale, TINY), options)
    return risks.reshape(draws, *theta.shape)


def _draw(n, d, n_source, sigma_source, seed, i):
    """X (n, d), xi (n,), the source estimate (d,) of e_1 (min-norm fit or e_1 itself), and the draw's generator."""
    rng = np.random.default_rng([seed, i, n, d])
    X, xi, e1 = rng.standard_normal((n, d)), rng.standard_normal(n), np.eye(1, d)[0]
    if n_source is None:
        return X, xi, e1, rng
    X_source, xi_source = rng.standard_normal((n_source, d)), rng.standard_normal(n_source)
    return X, xi, _fit(X_source, X_source[:, :1] + sigma_source * xi_source[:, None])[:, 0], rng


def _fit(X, V, ridge=0.0):
    """argmin |V - X F|^2 / n + ridge |F|^2 (min-norm at ridge 0), through the smaller Gram matrix; X itself at n = d.

    NumPy's solver and not SciPy's Cholesky: the two ship a BLAS each, whose idle threads fight over the cores.
    """
    n, d = X.shape
    if n == d and ridge == 0:
        return np.linalg.solve(X, V)
    gram, right = (X @ X.T, V) if n <= d else (X.T @ X, X.T @ V)
    gram[np.diag_indices_from(gram)] += n * ridge
    solution = np.linalg.solve(gram, right)
    return X.T @ solution if n <= d else solution


def _turned(source, theta):
    """Columns E = [e_1, e_2, rest] (d, 3) and weights (3, k) such that E @ weights are the sources turned to theta."""
    E = np.eye(len(source), 3)
    E[:, 2] = np.concatenate([[0, 0], source[2:]])
    cosine, sine = np.cos(theta), np.sin(theta)
    return E, np.stack(
        [source[0] * cosine - source[1] * sine, source[0] * sine + source[1] * cosine, sine * 0 + 1]
    )


def _closed(X, xi, source, theta, sigma, method, depth, ridge):
    """Risks (k,) of one draw at k pairs of theta and sigma."""
    n, d = X.shape
    E, weights = _turned(source, theta)
    target = E[:, :1]
    V = np.column_stack([X @ E, xi])
    if method == "linear":
        unit = weights / np.linalg.norm(source)
        feature = V[:, :3] @ unit
        amplitude = ((V[:, :1] + V[:, 3:] * sigma) * feature).sum(0) / ((feature**2).sum(0) + n * ridge)
        return ((amplitude * (E @ unit) - target) ** 2).sum(0)
    F = _fit(X, V, ridge)
    beta = F[:, :1] + F[:, 3:] * sigma
    if method == "fine_tune" and n < d:
        outside = (E - F[:, :3]) @ weights
        squares = (source**2).sum(), (outside**2).sum(0), (beta**2).sum(0)
        beta = beta + _scale(squares[1] / squares[0], squares[2] / squares[0], depth) * outside
    return ((beta - target) ** 2).sum(0)


def _descent(data, theta, sigma, method, depth, width, scale, options):
    """Risks (draws, k): every draw and every pair of theta and sigma is one network, all trained side by side."""
    spectra, optima, starts, frames, inner = [], [], [], [], []
    for X, xi, source, rng in data:
        U, S, Vt = np.linalg.svd(X, full_matrices=False)
        random = rng.standard_normal((len(source), 1))
        E, weights = _turned(source, theta)
        start = (
            E @ weights if method != "scratch" else scale**depth * random / np.linalg.norm(random) + 0 * theta
        )
        outside = start - Vt.T @ (Vt @ start) if len(X) < X.shape[1] else 0 * start
        length = np.linalg.norm(outside, axis=0)
        inside = rng.standard_normal((depth - 1, width))
        for j in range(theta.size):
            frames.append(np.vstack([Vt, outside[:, j] / (length[j] or 1)]))
            starts.append(np.append(Vt @ start[:, j], length[j]))
            optima.append(np.append(U.T @ (X[:, 0] + sigma[j] * xi) / S, 0.0))
            spectra.append(np.append(2 * S**2 / len(X), 0.0))
            inner.append(inside / np.linalg.norm(inside, axis=1, keepdims=True))
    layers = _balanced(np.stack(starts), np.stack(inner))
    trained = layers[-1:] if method == "linear" else layers
    coordinates = _descend(layers, trained, np.stack(spectra), np.stack(optima), **options)
    betas = np.einsum("ri,rid->rd", coordinates, np.stack(frames))
    betas[:, 0] -= 1
    return (betas**2).sum(1).reshape(-1, theta.size)


def _balanced(start, inner):
    """Rank-one layers W_1 (r, D, width), ..., W_L (r, width, 1) of equal norm whose product is `start` (r, D)."""
    norm = np.linalg.norm(start, axis=1)[:, None]
    size = norm ** (1 / (inner.shape[1] + 1))
    vectors = [start / norm, *np.moveaxis(inner, 1, 0), np.ones_like(norm)]
    return [size[:, :, None] * a[:, :, None] * b[:, None, :] for a, b in zip(vectors, vectors[1:])]


def _gradients(layers, spectrum, optimum):
    """beta (r, D) and the gradient of sum spectrum (beta - optimum)^2 / 2 in every layer."""
    right = [np.ones((len(spectrum), 1))]
    for W in reversed(layers):
        right.append(np.einsum("rij,rj->ri", W, right[-1]))
    left, gradients = spectrum * (right[-1] - optimum), []
    for W, r in zip(layers, right[-2::-1]):
        gradients.append(left[:, :, None] * r[:, None, :])
        left = np.einsum("rij,ri->rj", W, left)
    return right[-1], gradients


@np.errstate(over="ignore", invalid="ignore")
def _descend(layers, trained, spectrum, optimum, steps, lr, tolerance, max_steps, fineness):
    """End-to-end vectors (r, D) after descent on `trained`, a tail of `layers`; changes the layers in place."""
    depth, top = len(layers), spectrum.max(1)
    for step in range((max_steps if steps is None else steps) + 1):
        beta, gradients = _gradients(layers, spectrum, optimum)
        gradients = gradients[-len(trained) :]
        size = np.max([np.einsum("rij,rij->r", W, W) for W in layers], axis=0) ** 0.5
        slope = np.linalg.norm(gradients[0], axis=(1, 2)) / size ** (depth - 1)
        if not np.all(np.isfinite(slope)):
            raise ValueError("lr must be smaller here: the descent diverged")
        if step == steps or (steps is None and np.all(slope <= tolerance)):
            return beta
        curvature = depth * (top * size ** (2 * depth - 2) + fineness * slope * size ** (depth - 2))
        rate = lr or (0.5 / curvature)[:, None, None]
        for W, gradient in zip(trained, gradients):
            W -= rate * gradient
    warnings.warn(
        f"{np.sum(slope > tolerance)} of {len(slope)} descents not converged after {max_steps} steps: "
        f"gradient up to {slope.max():.1e}, tolerance {tolerance:.1e}",
        RuntimeWarning,
        stacklevel=5,
    )
    return beta


def distances(theta, sigma, length=1.0, units=1.0):
    """(KL, W2) between the laws of (x, y) in source and target: Kullback-Leibler in nats, 2-Wasserstein in units of y.

    The source vector has norm `length`, the target's is 1, both have noise `sigma`, y is measured in `units`. Then
    KL(source | target) = |length beta_s - beta_t|^2 / (2 sigma^2), and for centred Gaussians W2^2 = tr S_1 + tr S_2
    - 2 |L_1^T L_2|_* with S_i = L_i L_i^T and |.|_* the sum of singular values; only the plane of the two vectors and
    y differ, so three dimensions suffice. ValueError: theta outside [0, pi], sigma, length or units not above 0.
    """
    theta = _real("theta", theta, 0.0, np.pi)
    sigma, length, units = (
        _real(name, value, TINY) for name, value in (("sigma", sigma), ("length", length), ("units", units))
    )
    theta, sigma, length, units = np.broadcast_arrays(theta, sigma, length, units)
    kl = (length**2 - 2 * length * np.cos(theta) + 1) / (2 * sigma**2)
    source, target = np.zeros((2, *theta.shape, 3, 3))
    source[..., 0, 0] = source[..., 1, 1] = target[..., 0, 0] = target[..., 1, 1] = 1
    source[..., 2, 0], source[..., 2, 1] = units * length * np.cos(theta), units * length * np.sin(theta)
    target[..., 2, 0] = units
    source[..., 2, 2] = target[..., 2, 2] = units * sigma
    shared = np.linalg.svd(np.swapaxes(source, -1, -2) @ target, compute_uv=False).sum(-1)
    squared = (source**2).sum((-1, -2)) + (target**2).sum((-1, -2)) - 2 * shared
    return kl, np.sqrt(np.maximum(squared, 0))
