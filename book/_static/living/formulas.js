// The closed forms of reuselab/theory/linear.py, shallow.py and relu.py there, and experiment/pairs.py, under the same names.
// Angles are radians; gammaSource null is the infinite source sample.
(() => {
  const square = (x) => x * x;
  const rounded = (x) => (x % 1 === 0.5 && Math.round(x) % 2 ? Math.floor(x) : Math.round(x)); // halves to even, as NumPy

  // Two linear regressions.

  const variance = (sigma, freedom) => (sigma > 0 ? (freedom > 0 ? square(sigma) / freedom : Infinity) : 0);

  const squaredNorm = (gamma, sigma, length = 1) =>
    Math.min(gamma, 1) * (square(length) + variance(sigma, Math.abs(1 - gamma)));

  const scratchLimit = (gamma, sigma) => Math.max(1 - gamma, 0) + squaredNorm(gamma, sigma, 0);

  function bestRidgeRisk(gamma, sigma) {
    const a = 1 - gamma - square(sigma), root = Math.hypot(a, 2 * sigma);
    if (a > 0) return (root + a) / 2;
    return sigma > 0 ? (2 * square(sigma)) / (root - a) : 0;
  }

  // m, the learnt source along the true direction, and B, its squared norm.
  function source({ gammaSource = null, sigmaSource = 0, length = 1 } = {}) {
    if (gammaSource === null) return { m: length, B: square(length) };
    return { m: length * Math.min(gammaSource, 1), B: squaredNorm(gammaSource, sigmaSource, length) };
  }

  const scratchRisk = (n, d, sigma) => Math.max(1 - n / d, 0) + Math.min(n, d) * variance(sigma, Math.abs(n - d) - 1);

  // F(1, q/2; d/2 + 1; -1 / noise^2), by the trapezium rule in log(t / (1 - t)) on its Euler integral.
  function noiseShare(d, q, noise) {
    if (noise <= 1e-12) return 0;
    let sum = 0;
    for (let i = 0; i <= 2200; i++) {
      const x = 0.05 * i - 70, t = 1 / (1 + Math.exp(-x));
      sum += t * Math.exp((-d / 2) * Math.log1p(Math.exp(x)) - (q / 2) * Math.log1p(t / square(noise)));
    }
    return (d / 2) * sum * 0.05;
  }

  // Mean squared cosine between the learnt and the true source; d null is the limit of many dimensions.
  function sourceOverlap(d, from = {}) {
    const { gammaSource = null, sigmaSource = 0, length = 1 } = from, { m, B } = source(from);
    if (d === null || gammaSource === null) return square(m) / B;
    const rows = Math.max(rounded(gammaSource * d), 1), p = Math.min(rows, d);
    return (p / d) * (1 - (1 - 1 / p) * noiseShare(d, Math.abs(rows - d) + 1, sigmaSource / length));
  }

  // Mean squared sine between target and learnt source.
  function misfit(d, theta, from) {
    const missed = 1 - sourceOverlap(d, from), beside = d === null ? 0 : missed / Math.max(d - 1, 1);
    return (1 - beside) * square(Math.sin(theta)) + missed * square(Math.cos(theta));
  }

  function linearTransferRisk(n, d, theta, sigma, from) {
    const s2 = misfit(d, theta, from);
    return s2 + variance(Math.sqrt(s2 + square(sigma)), n - 2);
  }

  const linearTransferLimit = (theta, from, ridge = 0) =>
    1 - ((1 + 2 * ridge) / square(1 + ridge)) * (1 - misfit(null, theta, from));

  const linearTransferGain = (gamma, theta, sigma, from) =>
    scratchLimit(gamma, sigma) - linearTransferLimit(theta, from);

  // z^((L-1)/2) for the positive root of z^L - outside z^(L-1) = ratio, by Newton's steps from below.
  function scale(outside, ratio, depth) {
    let z = Math.max(outside, ratio ** (1 / depth));
    for (let i = 0; i < 100; i++) {
      const pull = ratio * z ** (1 - depth);
      const step = (z - outside - pull) / (1 + ((depth - 1) * pull) / z);
      z -= step;
      if (Math.abs(step) <= 4e-16 * z) break;
    }
    return z ** ((depth - 1) / 2);
  }

  function fineTuningScale(gamma, sigma, depth = 2, form = 'flow', from = {}) {
    if (gamma >= 1) return NaN;
    return form === 'published' ? 1 : scale(1 - gamma, squaredNorm(gamma, sigma) / source(from).B, depth);
  }

  function fineTuningGain(gamma, theta, sigma, depth = 2, form = 'flow', from = {}) {
    if (gamma >= 1) return 0;
    const c = fineTuningScale(gamma, sigma, depth, form, from), { m, B } = source(from);
    return (1 - gamma) * (2 * c * m * Math.cos(theta) - square(c) * B);
  }

  // The angle up to which transfer helps; NaN where there is none.
  const linearBoundary = (gamma, sigma, from) =>
    Math.acos(Math.sqrt((1 - scratchLimit(gamma, sigma)) / (1 - linearTransferLimit(0, from))));

  function fineTuningBoundary(gamma, sigma, depth = 2, form = 'flow', from = {}) {
    const { m, B } = source(from);
    return Math.acos((fineTuningScale(gamma, sigma, depth, form, from) * B) / (2 * m));
  }

  // Sum of the singular values of a 3 x 3 matrix, given by columns: Jacobi's rotations make these orthogonal.
  function nuclear(columns) {
    const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    for (let sweep = 0; sweep < 12; sweep++) {
      for (const [i, j] of [[0, 1], [0, 2], [1, 2]]) {
        const [a, b] = [columns[i], columns[j]], both = dot(a, b);
        if (!both) continue;
        const bent = (dot(b, b) - dot(a, a)) / (2 * both);
        const t = (bent < 0 ? -1 : 1) / (Math.abs(bent) + Math.hypot(1, bent)), c = 1 / Math.hypot(1, t), s = c * t;
        columns[i] = a.map((v, k) => c * v - s * b[k]);
        columns[j] = a.map((v, k) => s * v + c * b[k]);
      }
    }
    return columns.reduce((sum, column) => sum + Math.hypot(...column), 0);
  }

  // Kullback-Leibler in nats, 2-Wasserstein in units of y.
  function distances(theta, sigma, length = 1, units = 1) {
    const kl = (square(length) - 2 * length * Math.cos(theta) + 1) / (2 * square(sigma));
    const from = [units * length * Math.cos(theta), units * length * Math.sin(theta), units * sigma];
    const to = [units, 0, units * sigma];
    const unit = (i) => [0, 1, 2].map((k) => (k === i && k < 2 ? 1 : 0));
    const product = [0, 1, 2].map((j) => [0, 1, 2].map((i) => unit(j)[i] + from[i] * to[j]));
    const sizes = [from, to].reduce((sum, row) => sum + 2 + row.reduce((all, v) => all + square(v), 0), 0);
    return { kl, w2: Math.sqrt(Math.max(sizes - 2 * nuclear(product), 0)) };
  }

  // ReLU neurons, each a vector of two numbers.

  function arcCosine([a, b], [c, d]) {
    const norms = Math.hypot(a, b) * Math.hypot(c, d), phi = Math.abs(Math.atan2(a * d - b * c, a * c + b * d));
    return (norms * (Math.sin(phi) + (Math.PI - phi) * Math.cos(phi))) / (2 * Math.PI);
  }

  // Share of the power of one neuron in the span of others: Cholesky's steps, the largest rest first, and none
  // on what is spanned already.
  function reluOverlap(target, features) {
    const all = [...features, target], K = all.map((u) => all.map((w) => arcCosine(u, w)));
    const last = features.length, power = K[last][last], left = new Set(features.keys());
    while (left.size) {
      const pivot = [...left].reduce((best, i) => (K[i][i] > K[best][best] ? i : best));
      if (K[pivot][pivot] < 1e-9) break;
      left.delete(pivot);
      const row = [...K[pivot]];
      for (const i of [...left, last]) all.forEach((_, j) => { K[i][j] -= (row[i] * row[j]) / row[pivot]; });
    }
    return 1 - K[last][last] / power;
  }

  // Shallow models. spectrum: eigenvalues of the full coupling, and on its eigenvectors Alice's task (on her
  // group) and Bob's (on his), each [2k].

  function theory({ values, alice, bob }, alpha, lam, steps = Infinity, lr = 1) {
    const sign = alpha < 0 ? -1 : 1;
    let [own, other, shared, output, label] = [0, 0, 0, 0, 0];
    values.forEach((value, i) => {
      const sigma = 1 - Math.abs(alpha) + Math.abs(alpha) * Math.max(value, 0), bent = sigma + lam;
      const left = steps === Infinity ? 0 : (1 - lr * bent) ** steps;
      const learnt = bent > 1e-12 ? (sigma / bent) * (1 - left) : 0, b = sign * bob[i];
      own += learnt * square(alice[i]);
      other += learnt * alice[i] * b;
      shared += learnt * sigma * alice[i] * b;
      output += square(learnt) * sigma * square(alice[i]);
      label += sigma * square(b);
    });
    return { ratio: other / own, r: Math.min(1, Math.max(-1, shared / Math.sqrt(output * label))) };
  }

  const accuracy = (r) => 0.5 + Math.asin(r) / Math.PI;

  // Student's distribution with a whole number n of degrees, at sqrt(n) r / sqrt(1 - r^2): a finite sum.
  function rightSign(r, n) {
    const cos2 = (1 - r) * (1 + r), odd = n % 2;
    let term = odd ? Math.sqrt(cos2) : 1, sum = n > 1 ? term : 0;
    for (let k = odd ? 3 : 2; k <= n - 2; k += 2) {
      term *= (cos2 * (k - 1)) / k;
      sum += term;
    }
    return 0.5 + (odd ? (Math.asin(r) + r * sum) / Math.PI : (r * sum) / 2);
  }

  const tuned = (r, n) => 0.5 + ((2 * rightSign(r, n) - 1) * Math.asin(r)) / Math.PI;

  // Pairs.

  function mixing(phi) {
    const plus = Math.sqrt(1 + phi), minus = Math.sqrt(1 - phi);
    return [(plus + minus) / 2, (plus - minus) / 2];
  }

  const pixelCorrelation = (rho, phi, share) => (phi + rho * share) / (1 + phi * rho * share);

  function mutualInformation(classes, rho) {
    const bits = (p) => (p > 0 ? p * Math.log2(p * square(classes)) : 0);
    const other = (1 - rho) / square(classes), equal = other + rho / classes;
    return Math.max(0, classes * bits(equal) + classes * (classes - 1) * bits(other));
  }

  const ceiling = (classes, rho) => rho + (1 - rho) / classes;

  globalThis.Formulas = {
    scratchLimit, scratchRisk, bestRidgeRisk, source, sourceOverlap, linearTransferRisk, linearTransferLimit, linearTransferGain, fineTuningScale, fineTuningGain,
    linearBoundary, fineTuningBoundary, distances, arcCosine, reluOverlap, theory, accuracy, rightSign, tuned, mixing, pixelCorrelation,
    mutualInformation, ceiling,
  };
})();
