// The laboratory's engine: digits to pairs, Alice, Bob, their accuracies, in plain typed arrays.
//
// What `reuselab/experiment` does for the network `mlp`, with its names; another generator of random numbers draws.
// A function without surroundings: the page hands its text to workers, where no file may be fetched.
function laboratoryEngine() {
  'use strict';
  const CLASSES = 10, SIDE = 8, PIXELS = SIDE * SIDE, WIDTH = 128, BLOCKS = ['dense1', 'dense2', 'dense3', 'head'];
  const USES = ['alice_pairs', 'alice_weights', 'alice_order', 'bob_pairs', 'bob_weights', 'bob_order', 'test_pairs'];
  const TEST_PAIRS = 1000;
  const RECIPE = { batch: 128, lr: 4e-3, weightDecay: 1e-2 };

  // Random numbers.

  // A generator of numbers in [0, 1), mulberry32, for one use of one seed.
  function stream(seed, use) {
    let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(USES.indexOf(use) + 1, 0x85ebca6b);
    const next = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    for (let i = 0; i < 8; i++) next();
    return next;
  }

  const below = (n, random) => Math.floor(random() * n);

  function permutation(n, random) {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = below(i + 1, random);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  // Images. A base has grey levels 0 to 255, [n, 64], and labels, [n].

  // One letter a pixel, a to q for 0 to 16, and one digit a label, as reuselab/book/laboratory.py writes them.
  function unpack({ pixels, labels }) {
    const grey = Float64Array.from(pixels, (letter) => Math.round((letter.charCodeAt(0) - 97) * 255 / 16));
    return indexed(grey, Uint8Array.from(labels, Number));
  }

  function indexed(images, labels) {
    const byClass = Array.from({ length: CLASSES }, () => []);
    labels.forEach((label, i) => byClass[label].push(i));
    return { images, labels, byClass };
  }

  // A quarter turn to the left.
  function turned(images) {
    const out = new Float64Array(images.length);
    for (let at = 0; at < images.length; at += PIXELS)
      for (let row = 0; row < SIDE; row++)
        for (let column = 0; column < SIDE; column++)
          out[at + row * SIDE + column] = images[at + column * SIDE + SIDE - 1 - row];
    return out;
  }

  const turnedBase = (base) => indexed(turned(base.images), base.labels);

  // Mean and deviation of each pixel, and of all grey levels, with every class equally likely.
  function moments({ images, byClass }) {
    const mean = new Float64Array(PIXELS), square = new Float64Array(PIXELS);
    for (const members of byClass)
      for (const i of members)
        for (let p = 0; p < PIXELS; p++) {
          const level = images[i * PIXELS + p] / members.length / CLASSES;
          mean[p] += level;
          square[p] += level * images[i * PIXELS + p];
        }
    const deviation = mean.map((m, p) => Math.sqrt(Math.max(0, square[p] - m * m)));
    const middle = mean.reduce((a, b) => a + b) / PIXELS;
    return { mean, deviation, middle, contrast: Math.sqrt(square.reduce((a, b) => a + b) / PIXELS - middle ** 2) };
  }

  // Pairs.

  // P(a, b) = (1 - rho) / K^2 + rho [a = b] / K: with probability rho Bob's label is Alice's, else anything.
  function labelPairs(n, rho, random) {
    return Array.from({ length: n }, () => {
      const a = below(CLASSES, random);
      return [a, random() < rho ? a : below(CLASSES, random)];
    });
  }

  const memberOf = (base, label, random) => base.byClass[label][below(base.byClass[label].length, random)];

  // u, v with u^2 + v^2 = 1 and 2 u v = phi.
  function mixing(phi) {
    const plus = Math.sqrt(1 + phi), minus = Math.sqrt(1 - phi);
    return [(plus + minus) / 2, (plus - minus) / 2];
  }

  // Two halves [64] in grey levels, joined beside each other as the network sees them, into `out` at `at`, [8, 16].
  function join(first, second, phi, [one, two], out, at = 0) {
    const [u, v] = mixing(phi);
    for (let p = 0; p < PIXELS; p++) {
      let a = first[p], b = second[p];
      if (phi !== 0) {
        const za = one.deviation[p] > 0 ? (a - one.mean[p]) / one.deviation[p] : 0;
        const zb = two.deviation[p] > 0 ? (b - two.mean[p]) / two.deviation[p] : 0;
        a = one.mean[p] + one.deviation[p] * (u * za + v * zb);
        b = two.mean[p] + two.deviation[p] * (v * za + u * zb);
      }
      const place = at + Math.floor(p / SIDE) * 2 * SIDE + p % SIDE;
      out[place] = (a - one.middle) / one.contrast;
      out[place + SIDE] = (b - two.middle) / two.contrast;
    }
  }

  // n pairs: { x [n, 128], alice [n], bob [n] }. bases: of either half; statistics: `moments` of the training images.
  function sample(bases, statistics, n, rho, phi, random) {
    const pairs = { x: new Float64Array(n * 2 * PIXELS), alice: new Uint8Array(n), bob: new Uint8Array(n), n };
    labelPairs(n, rho, random).forEach(([a, b], i) => {
      const halves = [a, b].map((label, side) => {
        const from = memberOf(bases[side], label, random) * PIXELS;
        return bases[side].images.subarray(from, from + PIXELS);
      });
      join(...halves, phi, statistics, pairs.x, i * 2 * PIXELS);
      pairs.alice[i] = a;
      pairs.bob[i] = b;
    });
    return pairs;
  }

  // Networks: a list of layers { weight [outputs, inputs], bias [outputs], inputs, outputs }; all but the last end in ReLU.

  // PyTorch's own start: uniform up to 1 / sqrt(inputs).
  function build(random) {
    return BLOCKS.map((name, block) => {
      const inputs = block === 0 ? 2 * PIXELS : WIDTH, outputs = name === 'head' ? CLASSES : WIDTH;
      const bound = 1 / Math.sqrt(inputs), draw = () => (2 * random() - 1) * bound;
      return {
        weight: Float64Array.from({ length: outputs * inputs }, draw),
        bias: Float64Array.from({ length: outputs }, draw), inputs, outputs,
      };
    });
  }

  const copy = (layer) => ({ ...layer, weight: layer.weight.slice(), bias: layer.bias.slice() });

  // Bob's network: Alice's lower blocks, and `retrain` top ones, "fresh" as built or begun with "alice"'s weights.
  function reuse(alice, fresh, retrain, init) {
    const frozen = BLOCKS.length - retrain;
    return fresh.map((layer, block) => copy(block < frozen || init === 'alice' ? alice[block] : layer));
  }

  // out[n, outputs] = x[n, inputs] weight^T + bias; four outputs at a time.
  function linear({ weight, bias, inputs, outputs }, x, n, out, relu) {
    for (let row = 0; row < n; row++) {
      const from = row * inputs, to = row * outputs;
      let o = 0;
      for (; o + 3 < outputs; o += 4) {
        const w0 = o * inputs, w1 = w0 + inputs, w2 = w1 + inputs, w3 = w2 + inputs;
        let a = bias[o], b = bias[o + 1], c = bias[o + 2], d = bias[o + 3];
        for (let i = 0; i < inputs; i++) {
          const value = x[from + i];
          a += value * weight[w0 + i];
          b += value * weight[w1 + i];
          c += value * weight[w2 + i];
          d += value * weight[w3 + i];
        }
        out[to + o] = a; out[to + o + 1] = b; out[to + o + 2] = c; out[to + o + 3] = d;
      }
      for (; o < outputs; o++) {
        let a = bias[o];
        for (let i = 0; i < inputs; i++) a += x[from + i] * weight[o * inputs + i];
        out[to + o] = a;
      }
      if (relu) for (o = to; o < to + outputs; o++) if (!(out[o] > 0)) out[o] = 0;
    }
  }

  // What each block from `first` on gives for x [n, inputs]: the last are the logits.
  function forward(net, x, n, first = 0, last = net.length) {
    const outputs = [x];
    for (let block = first; block < last; block++) {
      const out = new Float64Array(n * net[block].outputs);
      linear(net[block], outputs.at(-1), n, out, block < net.length - 1);
      outputs.push(out);
    }
    return outputs;
  }

  // Softmax of logits [n, 10] less the labels, over n, into `out`; returns the mean cross-entropy.
  function crossEntropy(logits, labels, n, out) {
    let loss = 0;
    for (let row = 0; row < n; row++) {
      const from = row * CLASSES, own = logits.subarray(from, from + CLASSES), highest = Math.max(...own);
      let sum = 0;
      for (const value of own) sum += Math.exp(value - highest);
      for (let k = 0; k < CLASSES; k++)
        out[from + k] = (Math.exp(own[k] - highest) / sum - (labels[row] === k)) / n;
      loss += Math.log(sum) + highest - own[labels[row]];
    }
    return loss / n;
  }

  // Puts the gradient of one layer into `sums`, { weight, bias }: delta [n, outputs] against x [n, inputs].
  function gradient({ inputs, outputs }, x, delta, n, sums) {
    sums.weight.fill(0);
    sums.bias.fill(0);
    for (let row = 0; row < n; row++)
      for (let o = 0; o < outputs; o++) {
        const slope = delta[row * outputs + o];
        if (slope === 0) continue;
        sums.bias[o] += slope;
        for (let i = 0, to = o * inputs, from = row * inputs; i < inputs; i++, to++, from++)
          sums.weight[to] += slope * x[from];
      }
  }

  // delta [n, outputs] through a layer to its inputs, [n, inputs]; of a ReLU below, what it gave is `x`.
  function backward({ weight, inputs, outputs }, delta, n, x) {
    const below = new Float64Array(n * inputs);
    for (let row = 0; row < n; row++) {
      const from = row * inputs;
      for (let o = 0; o < outputs; o++) {
        const slope = delta[row * outputs + o];
        if (slope === 0) continue;
        for (let i = 0, w = o * inputs; i < inputs; i++, w++) below[from + i] += slope * weight[w];
      }
      if (x) for (let i = from; i < from + inputs; i++) if (x[i] === 0) below[i] = 0;
    }
    return below;
  }

  // Training.

  // PyTorch's OneCycleLR: up by a cosine from lr / 25 within 30 % of the steps, then down to almost nothing.
  function oneCycle(lr, steps) {
    const start = lr / 25, end = start / 1e4, top = 0.3 * steps - 1;
    const cosine = (from, to, part) => to + (from - to) / 2 * (1 + Math.cos(Math.PI * part));
    return (step) => step <= top ? cosine(start, lr, step / top) : cosine(lr, end, (step - top) / (steps - 1 - top));
  }

  // PyTorch's AdamW, for one array of weights.
  function adamW(size) {
    const m = new Float64Array(size), v = new Float64Array(size);
    let count = 0;
    return (weights, slopes, lr, decay) => {
      count++;
      const step = lr / (1 - 0.9 ** count), root = Math.sqrt(1 - 0.999 ** count);
      for (let i = 0; i < size; i++) {
        const g = slopes[i];
        m[i] += 0.1 * (g - m[i]);
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        weights[i] = weights[i] * (1 - lr * decay) - step * m[i] / (Math.sqrt(v[i]) / root + 1e-8);
      }
    };
  }

  // Trains the blocks above the lowest `frozen` in place; yields { epoch, loss } after each epoch.
  //
  // x [n, 128], labels [n]. orders(epoch): the order of the n pairs. As `train` in reuselab/experiment/train.py.
  function* train(net, frozen, x, labels, recipe, orders) {
    const n = labels.length, batches = Math.max(1, Math.floor(n / recipe.batch));
    const lr = oneCycle(recipe.lr, recipe.epochs * batches), top = net.slice(frozen);
    const inputs = forward(net, x, n, 0, frozen).at(-1), size = inputs.length / n;
    const weights = top.flatMap((layer) => [layer.weight, layer.bias]);
    const slopes = weights.map((array) => new Float64Array(array.length));
    const optimizers = weights.map((array) => adamW(array.length));
    let step = 0;
    for (let epoch = 0; epoch < recipe.epochs && top.length; epoch++) {
      const order = orders(epoch);
      let total = 0, from = 0;
      for (let batch = 0; batch < batches; batch++, step++) {
        const count = Math.floor(n / batches) + (batch < n % batches ? 1 : 0), chosen = order.subarray(from, from + count);
        const batchX = new Float64Array(count * size), batchLabels = new Uint8Array(count);
        chosen.forEach((index, row) => {
          batchX.set(inputs.subarray(index * size, (index + 1) * size), row * size);
          batchLabels[row] = labels[index];
        });
        const outputs = forward(top, batchX, count);
        let delta = new Float64Array(count * CLASSES);
        total += crossEntropy(outputs.at(-1), batchLabels, count, delta);
        for (let block = top.length - 1; block >= 0; block--) {
          gradient(top[block], outputs[block], delta, count, { weight: slopes[2 * block], bias: slopes[2 * block + 1] });
          if (block) delta = backward(top[block], delta, count, outputs[block]);
        }
        weights.forEach((array, i) => optimizers[i](array, slopes[i], lr(step), recipe.weightDecay));
        from += count;
      }
      yield { epoch: epoch + 1, loss: total / batches };
    }
  }

  // Judging.

  const largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

  const logits = (net, x) => forward(net, x, x.length / 2 / PIXELS).at(-1);

  function accuracy(net, x, labels) {
    const all = logits(net, x);
    return labels.reduce((right, label, i) =>
      right + (largest(all.subarray(i * CLASSES, (i + 1) * CLASSES)) === label), 0) / labels.length;
  }

  // What a network makes of one pair x [128]: its answer, the probabilities, and gradient x input of the answer's logit.
  function answer(net, x) {
    const outputs = forward(net, x, 1), own = outputs.at(-1), best = largest(own), highest = own[best];
    const weights = Array.from(own, (value) => Math.exp(value - highest)), sum = weights.reduce((a, b) => a + b);
    let delta = new Float64Array(CLASSES);
    delta[best] = 1;
    for (let block = net.length - 1; block >= 0; block--)
      delta = backward(net[block], delta, 1, block ? outputs[block] : null);
    return {
      answer: best, logits: Array.from(own), probabilities: weights.map((weight) => weight / sum),
      attribution: delta.map((slope, i) => slope * x[i]),
    };
  }

  // Share of absolute values [.., 8, 16] that lies on the right half, Bob's.
  function shareRight(values) {
    let right = 0, all = 0;
    values.forEach((value, i) => {
      all += Math.abs(value);
      if (i % (2 * SIDE) >= SIDE) right += Math.abs(value);
    });
    return all > 0 ? right / all : NaN;
  }

  // One experiment, step by step.

  // What all experiments share. packed: { train, test } for `unpack`; statistics are those of training images.
  function laboratory(packed) {
    const upright = { train: unpack(packed.train), test: unpack(packed.test) };
    const sets = { digits: upright, turned: { train: turnedBase(upright.train), test: turnedBase(upright.test) } };
    const tones = { digits: moments(sets.digits.train), turned: moments(sets.turned.train) };
    return {
      draw(setting, split, n, rho, random) {
        const names = ['digits', setting.bob_base];
        return sample(names.map((name) => sets[name][split]), names.map((name) => tones[name]), n, rho, setting.phi, random);
      },
      // Two halves of 64 grey levels, both upright, as the networks see them.
      pair(setting, alice, bob) {
        const name = setting.bob_base, x = new Float64Array(2 * PIXELS);
        join(alice, name === 'turned' ? turned(bob) : bob, setting.phi, [tones.digits, tones[name]], x);
        return x;
      },
      // One of the images that nobody trained on, upright.
      unseen(label, random) {
        const i = memberOf(upright.test, label, random);
        return upright.test.images.slice(i * PIXELS, (i + 1) * PIXELS);
      },
    };
  }

  // Trains and yields { who, epoch, epochs, loss, accuracy, net } after each epoch, accuracy on the pairs `test`.
  function* watched(who, net, frozen, pairs, labels, recipe, test, testLabels, random) {
    const orders = () => permutation(labels.length, random);
    for (const { epoch, loss } of train(net, frozen, pairs.x, labels, recipe, orders))
      yield { who, epoch, epochs: recipe.epochs, loss, accuracy: accuracy(net, test.x, testLabels), net };
  }

  // An Alice and three Bobs: over her blocks, over her network untrained, and from scratch.
  //
  // setting: the names of a cell of `reuselab`. quiet: accuracies are
  // looked at once, when a network is done. Yields as `watched`, and at the end { who: "all", accuracies, nets }.
  function* experiment(lab, setting, quiet = false) {
    const of = (use) => stream(setting.seed, use), rho = setting.bob_rho === '' ? setting.rho : Number(setting.bob_rho);
    const hers = lab.draw(setting, 'train', setting.alice_pairs, setting.rho, of('alice_pairs'));
    const his = lab.draw(setting, 'train', setting.bob_pairs, rho, of('bob_pairs'));
    const test = lab.draw(setting, 'test', TEST_PAIRS, rho, of('test_pairs'));
    const untrained = build(of('alice_weights')), fresh = build(of('bob_weights'));
    const alice = untrained.map(copy);
    const nets = {
      alice,
      bob: null,
      untrained: reuse(untrained, fresh, setting.retrain, setting.init),
      scratch: fresh.map(copy),
    };
    const accuracies = {};
    for (const who of Object.keys(nets)) {
      const herself = who === 'alice', labels = herself ? test.alice : test.bob;
      if (who === 'bob') nets.bob = reuse(alice, fresh, setting.retrain, setting.init);
      const frozen = herself || who === 'scratch' ? 0 : BLOCKS.length - setting.retrain;
      const recipe = { ...RECIPE, epochs: herself ? setting.alice_epochs : setting.bob_epochs, batch: herself ? 128 : 50 };
      const pairs = herself ? hers : his, random = of(herself ? 'alice_order' : 'bob_order');
      const trained = herself ? hers.alice : his.bob;
      if (quiet) {
        const orders = () => permutation(trained.length, random);
        for (const _ of train(nets[who], frozen, pairs.x, trained, recipe, orders));
      } else yield* watched(who, nets[who], frozen, pairs, trained, recipe, test, labels, random);
      accuracies[who] = accuracy(nets[who], test.x, labels);
    }
    yield { who: 'all', accuracies, nets };
  }

  // Settings, in an address and out of it. Names are those of a cell of `reuselab`.

  const whole = (start, low, high) => ({ start, low, high, whole: true });
  const SETTINGS = {
    rho: { start: 0.75, low: 0, high: 1 },
    bob_rho: { start: '0', options: ['0', ''] },
    phi: { start: 0, low: -1, high: 1 },
    bob_base: { start: 'turned', options: ['turned', 'digits'] },
    retrain: whole(2, 0, BLOCKS.length),
    init: { start: 'fresh', options: ['fresh', 'alice'] },
    alice_pairs: whole(4000, 10, 8000),
    alice_epochs: whole(8, 1, 40),
    bob_pairs: whole(100, 10, 4000),
    bob_epochs: whole(40, 1, 200),
    seed: whole(0, 0, 99999),
  };

  const starts = () => Object.fromEntries(Object.entries(SETTINGS).map(([name, rule]) => [name, rule.start]));

  // The value of a setting, from its text; an Error in one line where it cannot be.
  function value(name, text) {
    const rule = SETTINGS[name], shown = text.length > 40 ? `${text.slice(0, 37)}...` : text;
    if (rule.options) {
      if (rule.options.includes(text)) return text;
      throw Error(`${name} must be one of ${rule.options.map((option) => option || "''").join(', ')}, not ${shown}`);
    }
    const number = /^-?\d+(\.\d*)?(e-?\d+)?$/.test(text) ? Number(text) : NaN;
    if (number >= rule.low && number <= rule.high && !(rule.whole && number % 1)) return number;
    throw Error(`${name} must be a ${rule.whole ? 'whole ' : ''}number from ${rule.low} to ${rule.high}, not ${shown}`);
  }

  // An address's part after # to a whole setting, and one line on what in it was refused, "" where nothing was.
  function fromAddress(hash) {
    const setting = starts(), refused = [];
    for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ''))) {
      try {
        if (!Object.hasOwn(SETTINGS, name)) throw Error(`there is no setting ${name.slice(0, 40)}`);
        setting[name] = value(name, text);
      } catch (error) {
        refused.push(error.message);
      }
    }
    return { setting, refused: refused.slice(0, 3).join('; ') };
  }

  const toAddress = (setting) => `#${new URLSearchParams(setting)}`;

  // Drawings: strokes, lists of points [x, y], to grey levels [64], as the digits were made:
  // fitted into 32 x 32 black or white points, of which those in each 4 x 4 are counted.
  function grey(strokes) {
    const points = strokes.flat(), out = new Float64Array(PIXELS);
    if (!points.length) return out;
    const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = 28 / Math.max(right - left, bottom - top, 0.2), pen = 2;
    const fit = ([x, y]) => [(x - (left + right) / 2) * scale + 16, (y - (top + bottom) / 2) * scale + 16];
    const segments = strokes.flatMap((stroke) => stroke.map((point, i) => [fit(stroke[Math.max(0, i - 1)]), fit(point)]));
    for (let row = 0; row < 32; row++)
      for (let column = 0; column < 32; column++)
        if (segments.some((segment) => distance(column + 0.5, row + 0.5, segment) < pen))
          out[Math.floor(row / 4) * SIDE + Math.floor(column / 4)] += 1;
    return out.map((count) => Math.round(count * 255 / 16));
  }

  function distance(x, y, [[x0, y0], [x1, y1]]) {
    const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    const along = length ? Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
    return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
  }

  // Networks that `reuselab export-network` wrote: { setting, nets: { alice, bob } }; an Error in one line for anything else.
  function read(text) {
    let file;
    try { file = JSON.parse(text); } catch { throw Error('this file is no JSON'); }
    if (file?.format !== 'reuselab network 1') throw Error('this file was not written by reuselab export-network');
    const given = Object.entries(file.cell ?? {}).filter(([name]) => Object.hasOwn(SETTINGS, name));
    const setting = { ...starts(), ...Object.fromEntries(given.map(([name, one]) => [name, value(name, String(one))])) };
    const shape = build(() => 0.5);
    const nets = Object.fromEntries(['alice', 'bob'].map((who) => [who, shape.map((layer, block) => {
      const { weight, bias } = file[who]?.[block] ?? {};
      return { ...layer, weight: numbers(weight, layer.weight.length, who), bias: numbers(bias, layer.bias.length, who) };
    })]));
    return { setting, nets };
  }

  function numbers(given, length, who) {
    const right = Array.isArray(given) && given.length === length && given.every(Number.isFinite);
    if (!right) throw Error(`this file holds no whole network of ${who}`);
    return Float64Array.from(given);
  }

  // Mean and half of its 95 % t-interval; quantiles: of t at .975 by degrees of freedom, from 1.
  function interval(values, quantiles) {
    const { mean, error } = spread(values);
    return { mean, half: quantiles[values.length - 2] * error, n: values.length };
  }

  function spread(values) {
    const n = values.length, mean = values.reduce((a, b) => a + b, 0) / n;
    return { mean, error: Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (n - 1) / n) };
  }

  // Difference of two means and half of its interval, with the degrees of freedom of the smaller sample: a wide one.
  function difference(ones, others, quantiles) {
    const [one, other] = [ones, others].map(spread), freedom = Math.min(ones.length, others.length) - 1;
    return { mean: one.mean - other.mean, half: quantiles[freedom - 1] * Math.hypot(one.error, other.error) };
  }

  return {
    BLOCKS, CLASSES, PIXELS, RECIPE, SETTINGS, SIDE, accuracy, answer, build, copy, difference, experiment, forward,
    fromAddress, grey, interval, join, labelPairs, laboratory, logits, mixing, moments, oneCycle, permutation, read, reuse,
    sample, shareRight, stream, toAddress, train, turned, unpack, value,
  };
}
if (typeof module !== 'undefined') module.exports = laboratoryEngine();
