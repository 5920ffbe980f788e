"""The fine-tuning phase diagram: gradient descent as the reference code does it, against closed forms.

Rival: every layer d x d (the last d x 1), full batch, float32, SGD at 0.01 on the mean squared error, 5,000
steps, all instances side by side. It is given its pre-trained weights (balanced, rank one): its 5,000 steps
of pre-training are not counted. It is timed over a few steps at every n of the grid and extrapolated; its
error is that of full 5,000-step runs of fewer instances, on the same data as the closed form. Ours is timed
whole: scratch, linear transfer and fine-tuning, a closed form per draw. Beside it, what sharing the draws
between the methods saves, and what the ReLU students of the page nonlinear gain by gradients by hand. Run as
`python -m benchmarks.bench_theory [--quick]`.
"""

import argparse
import time

import numpy as np
import torch

from reuselab.theory import linear, relu

GAMMAS, THETAS = np.arange(1, 21) / 10, np.pi / 2 * np.arange(1, 21) / 20
SIGMA, STEPS, RATE, SEED = 0.2, 5000, 0.01, 0


def pretrained(theta, d, instances):
    """Two layers of a balanced rank-one network that computes the source vector; the target is e_1."""
    source = torch.zeros(d)
    source[:2] = torch.tensor([np.cos(theta), np.sin(theta)])
    inner = torch.full((d,), d**-0.5)
    layers = [torch.outer(source, inner), inner[:, None]]
    return [W.repeat(instances, 1, 1).requires_grad_() for W in layers]


def data(n, d, instances):
    """The data sets that `linear.simulate` draws with the same seed, in float32."""
    draws = [linear._draw(n, d, None, 0.0, SEED, i)[:2] for i in range(instances)]
    X, xi = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*draws))
    return X, X[:, :, 0] + SIGMA * xi


def fine_tune(layers, X, y, steps):
    """Risks (instances,) after `steps` of full-batch SGD on all layers, and the seconds a step took."""
    optimizer = torch.optim.SGD(layers, lr=RATE)
    started = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        out = X
        for W in layers:
            out = out @ W
        ((out[:, :, 0] - y) ** 2).mean(1).sum().backward()
        optimizer.step()
    seconds = (time.perf_counter() - started) / steps
    with torch.no_grad():
        beta = (layers[0] @ layers[1])[:, :, 0]
        beta[:, 0] -= 1
    return (beta.double() ** 2).sum(1).numpy(), seconds


def rival_seconds(d, instances, steps):
    """Seconds of 5,000 steps for a column of cells (one theta, every gamma), and for that at gamma 0.5."""
    cells = {}
    for gamma in GAMMAS:
        X, y = torch.randn(instances, round(gamma * d), d), torch.randn(instances, round(gamma * d))
        layers = pretrained(1.0, d, instances)
        fine_tune(layers, X, y, 1)
        cells[gamma] = STEPS * fine_tune(layers, X, y, steps)[1]
    return sum(cells.values()), cells[0.5]


def rival_error(gamma, d, instances):
    """Largest and root-mean-square error of 5,000 steps against where the flow ends, on the same draws."""
    X, y = data(round(gamma * d), d, instances)
    theta = np.pi / 3
    got = fine_tune(pretrained(theta, d, instances), X, y, STEPS)[0]
    gap = got - linear.simulate(round(gamma * d), d, theta, SIGMA, "fine_tune", instances, SEED)
    return np.abs(gap).max(), np.sqrt(np.mean(gap**2))


def closed_grid(d, instances):
    """Seconds of all methods on the whole grid, and rms standardised residuals of both gains off gamma 1."""
    started, z = time.perf_counter(), {"linear": [], "fine_tune": []}
    for column, gamma in enumerate(GAMMAS):
        n = round(gamma * d)
        risks = linear.simulate(n, d, THETAS, SIGMA, linear.METHODS, instances, SEED + column)
        risk = dict(zip(linear.METHODS, risks))
        exact = {
            "linear": linear.scratch_risk(n, d, SIGMA) - linear.linear_transfer_risk(n, d, THETAS, SIGMA),
            "fine_tune": linear.fine_tuning_gain(gamma, THETAS, SIGMA),
        }
        for method in z:
            gain = risk["scratch"] - risk[method]
            error = gain.std(0, ddof=1) / np.sqrt(instances)
            if gamma != 1 and error.min() > 0:
                z[method].append((gain.mean(0) - exact[method]) / error)
    return time.perf_counter() - started, {m: np.sqrt(np.mean(np.square(v))) for m, v in z.items()}


def one_by_one(d, instances):
    """A column of the grid: how often faster three methods on shared draws are than one after the other, and
    their largest difference."""
    largest, seconds = 0.0, np.zeros(2)
    for gamma in GAMMAS[::4]:
        task = round(gamma * d), d, THETAS, SIGMA
        started = time.perf_counter()
        apart = np.stack([linear.simulate(*task, method, instances, SEED) for method in linear.METHODS])
        between = time.perf_counter()
        together = linear.simulate(*task, linear.METHODS, instances, SEED)
        seconds += between - started, time.perf_counter() - between
        largest = max(largest, np.abs(apart - together).max())
    return seconds[0] / seconds[1], largest


def autograd(w, v, batch, steps, lr):
    """`relu.fit` with PyTorch's gradients: the rival."""
    w, v = w.clone().requires_grad_(), v.clone().requires_grad_()
    optimizer = torch.optim.Adam([w, v], lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 1 - i / steps)
    for i in range(steps):
        x, y = batch(i)
        optimizer.zero_grad()
        (relu.outputs(w, v, x) - y).square().mean(0).sum().backward()
        optimizer.step()
        schedule.step()
    return w.detach(), v.detach()


def students(width, d, n, steps):
    """22 students side by side, as on the page nonlinear: how often faster `relu.fit` is than `autograd`, in
    float32, and the largest difference of a weight after `steps` in float64."""
    generator = torch.Generator().manual_seed(SEED)
    w, v = torch.randn(22, width, d, generator=generator), torch.randn(22, width, generator=generator)
    net = [w / d**0.5, v / width**0.5]
    data = [torch.randn(n, size, generator=generator) for size in (d, 22)]
    seconds = []
    for fit in (autograd, relu.fit):
        fit(*net, lambda _: data, 1, 0.005)
        started = time.perf_counter()
        fit(*net, lambda _: data, steps, 0.005)
        seconds.append(time.perf_counter() - started)
    exact = [x.double() for x in data]
    both = [
        fit(*(part.double() for part in net), lambda _: exact, steps, 0.005) for fit in (autograd, relu.fit)
    ]
    return seconds[0] / seconds[1], max(float((a - b).abs().max()) for a, b in zip(*both))


def closed_cell(gamma, d, instances):
    started = time.perf_counter()
    linear.simulate(round(gamma * d), d, np.pi / 3, SIGMA, "fine_tune", instances, SEED)
    return time.perf_counter() - started


def closed_error(gamma, d, instances):
    """Largest error of the closed form against the same formula with an SVD pseudo-inverse and roots."""
    n, theta, worst = round(gamma * d), np.pi / 3, 0.0
    risks = linear.simulate(n, d, theta, SIGMA, "fine_tune", instances, SEED)
    for i, risk in enumerate(risks):
        X, xi, target, _ = linear._draw(n, d, None, 0.0, SEED, i)
        inverse = np.linalg.pinv(X)
        source = np.append([np.cos(theta), np.sin(theta)], np.zeros(d - 2))
        beta, outside = inverse @ (X[:, 0] + SIGMA * xi), source - inverse @ (X @ source)
        root = np.roots([1, -outside @ outside, -beta @ beta]).max()
        worst = max(worst, abs(risk - ((beta + np.sqrt(root) * outside - target) ** 2).sum()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="d = 100, 5 instances: a check that it runs, in seconds"
    )
    quick = parser.parse_args().quick
    d, instances, few = (100, 5, 2) if quick else (500, 20, 2)
    cell = closed_cell(0.5, d, instances)
    grid, z = closed_grid(d, instances)
    column, slow_cell = rival_seconds(d, instances, 2 if quick else 3)
    slow_grid = column * len(THETAS)
    threads = torch.get_num_threads()
    print(f"phase diagram 20 x 20, d = {d}, {instances} instances, sigma = {SIGMA}, {threads} threads")
    print(f"{'':34}{'descent (extrapolated)':>24}{'closed (measured)':>20}{'ratio':>10}")
    print(f"{'one cell, gamma = 0.5':34}{slow_cell:22.0f} s{cell:18.3f} s{slow_cell / cell:10.0f}")
    hours, ratio = slow_grid / 3600, slow_grid / grid
    print(f"{'grid of fine-tuning (+ 2 methods)':34}{hours:22.1f} h{grid:18.1f} s{ratio:10.0f}")
    print(
        "error in the risk of a draw, against the end of the flow "
        f"(theta = 60 degrees; descent: {few} instances)"
    )
    for gamma in (0.5, 0.9):
        largest, typical = rival_error(gamma, d, few)
        print(
            f"  gamma = {gamma}: descent {typical:.1e} rms, {largest:.1e} largest; "
            f"closed {closed_error(gamma, d, few):.1e} largest"
        )
    ratio, difference = one_by_one(d, instances)
    print(f"three methods on shared draws: {ratio:.2f} times as fast as one by one, {difference:.0e} apart")
    for width, size, n in [(60, 16, 60)] if quick else [(200, 50, 320), (1000, 100, 1600)]:
        ratio, difference = students(width, size, n, 5)
        print(
            f"22 ReLU students of width {width} on {n} samples: {ratio:.2f} times as fast as by autograd, "
            f"{difference:.0e} apart in float64"
        )
    print(
        "closed grid against theory, rms residual in standard errors, gamma = 1 left out: "
        f"linear transfer {z['linear']:.2f} (exact), fine-tuning {z['fine_tune']:.2f} (limit, gamma < 1)"
    )


if __name__ == "__main__":
    main()
