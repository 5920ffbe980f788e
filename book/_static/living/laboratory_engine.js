// The laboratory's engine: digits to pairs, Alice, Bob, their accuracies, in plain typed arrays.
//
// What `reuselab/experiment` does for the networks `mlp` and `cnn`, with its names; another generator of random numbers draws.
// A function without surroundings: the page hands its text to workers, where no file may be fetched.
function laboratoryEngine() {
  'use strict';
  const CLASSES = 10, SIDE = 8, PIXELS = SIDE * SIDE;
  const USES = ['alice_pairs', 'alice_weights', 'alice_order', 'bob_pairs', 'bob_weights', 'bob_order', 'test_pairs'];
  const TEST_PAIRS = 1000, SHOWN = 150;
  const RECIPE = { batch: 128, lr: 4e-3, weightDecay: 1e-2 };

  // Blocks from the input to the head. A convolution is 3 x 3, over `height` x `width` places, and pools by `pool`.
  const dense = (name, inputs, outputs) => ({ name, inputs, outputs, size: outputs, relu: name !== 'head' });
  const convolution = (name, channels, outputs, height, width, pool) => ({
    name, inputs: 9 * channels, outputs, size: outputs * height * width / pool ** 2, relu: true,
    grid: { channels, height, width, pool },
  });
  const NETWORKS = {
    mlp: [dense('dense1', 128, 128), dense('dense2', 128, 128), dense('dense3', 128, 128), dense('head', 128, CLASSES)],
    cnn: [
      convolution('conv1', 1, 16, 8, 16, 2), convolution('conv2', 16, 32, 4, 8, 2), convolution('conv3', 32, 64, 2, 4, 1),
      dense('dense', 512, 64), dense('head', 64, CLASSES),
    ],
  };

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

  // Networks: a list of blocks, as in NETWORKS, with their weight [outputs, inputs] and with bias [outputs], or where they
  // are convolutions scale, shift, mean and variance [outputs] of their normalisation. What a block gives is [n, size],
  // places before channels; so are the inputs of a convolution's weight, and of the dense block above it.

  // PyTorch's own start: uniform up to 1 / sqrt(inputs).
  function build(network, random) {
    return NETWORKS[network].map((block) => {
      const { inputs, outputs } = block, bound = 1 / Math.sqrt(inputs);
      const draws = (length) => Float64Array.from({ length }, () => (2 * random() - 1) * bound);
      const all = (value) => new Float64Array(outputs).fill(value), weight = draws(outputs * inputs);
      return block.grid
        ? { ...block, weight, scale: all(1), shift: all(0), mean: all(0), variance: all(1) }
        : { ...block, weight, bias: draws(outputs) };
    });
  }

  const arrays = (block) => Object.keys(block).filter((name) => block[name] instanceof Float64Array);
  const trained = (block) => [block.weight, ...(block.grid ? [block.scale, block.shift] : [block.bias])];
  const copy = (block) => ({ ...block, ...Object.fromEntries(arrays(block).map((name) => [name, block[name].slice()])) });

  // Bob's network: Alice's lower blocks, and `retrain` top ones, "fresh" as built or begun with "alice"'s weights.
  function reuse(alice, fresh, retrain, init) {
    const frozen = fresh.length - retrain;
    return fresh.map((block, i) => copy(i < frozen || init === 'alice' ? alice[i] : block));
  }

  // Adds a [m, k] times b [n, k], transposed, to `out` [m, n]; two rows and four columns at a time.
  function multiply(a, b, m, n, k, out) {
    for (let i = 0; i < m; i += 2)
      for (let j = 0; j < n; j += 4) {
        const p = i * k, q = i + 1 < m ? p + k : p, to = i * n + j, beside = to + (i + 1 < m ? n : 0);
        const last = Math.min(3, n - 1 - j), r = j * k, s = r + Math.min(1, last) * k, t = r + Math.min(2, last) * k, u = r + last * k;
        let c0 = 0, c1 = 0, c2 = 0, c3 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0;
        for (let x = 0; x < k; x++) {
          const f = a[p + x], g = a[q + x], b0 = b[r + x], b1 = b[s + x], b2 = b[t + x], b3 = b[u + x];
          c0 += f * b0; c1 += f * b1; c2 += f * b2; c3 += f * b3;
          d0 += g * b0; d1 += g * b1; d2 += g * b2; d3 += g * b3;
        }
        out[to] += c0;
        if (last > 0) out[to + 1] += c1;
        if (last > 1) out[to + 2] += c2;
        if (last > 2) out[to + 3] += c3;
        if (beside === to) continue;
        out[beside] += d0;
        if (last > 0) out[beside + 1] += d1;
        if (last > 1) out[beside + 2] += d2;
        if (last > 2) out[beside + 3] += d3;
      }
    return out;
  }

  // x [m, n] to [n, m].
  function transposed(x, m, n) {
    const out = new Float64Array(m * n);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = x[i * n + j];
    return out;
  }

  // Calls visit(patch's, pixel's first number) for each of the nine pixels of each place's patch that the image has.
  function patched({ channels, height, width }, visit) {
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++)
        for (let pixel = 0; pixel < 9; pixel++) {
          const y = row + Math.floor(pixel / 3) - 1, x = column + pixel % 3 - 1;
          if (y >= 0 && y < height && x >= 0 && x < width)
            visit(((row * width + column) * 9 + pixel) * channels, (y * width + x) * channels);
        }
  }

  // The patches of `count` images from the one numbered `first`, [count, places, 9 channels].
  function patches({ grid, inputs }, x, first, count) {
    const places = grid.height * grid.width, { channels } = grid, out = new Float64Array(count * places * inputs);
    for (let image = 0; image < count; image++) {
      const to = image * places * inputs, from = (first + image) * places * channels;
      patched(grid, (patch, pixel) => {
        for (let c = 0; c < channels; c++) out[to + patch + c] = x[from + pixel + c];
      });
    }
    return out;
  }

  // Calls visit(first, count) for n images, few at a time: what they need then stays near.
  function few(n, visit) {
    for (let first = 0; first < n; first += 16) visit(first, Math.min(16, n - first));
  }

  // What a block gives for x [n, inputs], { out } and what `backward` needs. training: normalised by the batch itself.
  function through(block, x, n, training = false) {
    if (block.grid) return normalised(block, { x, ...pooled(block, x, n) }, training);
    const { weight, bias, inputs, outputs, relu } = block, out = new Float64Array(n * outputs);
    for (let row = 0; row < n; row++) out.set(bias, row * outputs);
    multiply(x, weight, n, outputs, inputs, out);
    if (relu) rectify(out);
    return { x, out };
  }

  function rectify(out) {
    for (let i = 0; i < out.length; i++) if (!(out[i] > 0)) out[i] = 0;
  }

  // The convolution's largest value in each square of `pool` x `pool`, and the place where it was.
  function pooled(block, x, n) {
    const { grid: { height, width, pool }, outputs, size } = block, places = height * width;
    const largest = new Float64Array(n * size), winners = new Uint8Array(n * size);
    few(n, (first, count) => {
      const given = multiply(patches(block, x, first, count), block.weight, count * places, outputs, block.inputs,
        new Float64Array(count * places * outputs));
      let to = first * size;
      for (let image = 0; image < count; image++)
        for (let row = 0; row < height; row += pool)
          for (let column = 0; column < width; column += pool)
            for (let o = 0; o < outputs; o++, to++) {
              let best = -1, high = -Infinity;
              for (let square = 0; square < pool * pool; square++) {
                const place = (row + Math.floor(square / pool)) * width + column + square % pool;
                const value = given[(image * places + place) * outputs + o];
                if (value > high) [best, high] = [place, value];
              }
              largest[to] = high;
              winners[to] = best;
            }
    });
    return { largest, winners };
  }

  // Batch normalisation and ReLU, as PyTorch has them; training moves the running mean and variance by a tenth.
  function normalised(block, found, training) {
    const { outputs, scale, shift } = block, { largest } = found, rows = largest.length / outputs;
    const { mean, variance } = training ? moved(block, largest) : block;
    const inverse = variance.map((one) => 1 / Math.sqrt(one + 1e-5));
    const hat = new Float64Array(largest.length), out = new Float64Array(largest.length);
    for (let row = 0, i = 0; row < rows; row++)
      for (let o = 0; o < outputs; o++, i++) {
        hat[i] = (largest[i] - mean[o]) * inverse[o];
        out[i] = hat[i] * scale[o] + shift[o];
      }
    rectify(out);
    return { ...found, out, hat, inverse, training };
  }

  // Mean and variance of each channel in a batch [rows, outputs]; the running ones move towards them by `part`.
  function moved({ outputs, mean: lasting, variance: spread, part = 0.1 }, values) {
    const rows = values.length / outputs, mean = new Float64Array(outputs), variance = new Float64Array(outputs);
    values.forEach((value, i) => { mean[i % outputs] += value / rows; });
    values.forEach((value, i) => { variance[i % outputs] += (value - mean[i % outputs]) ** 2 / rows; });
    for (let o = 0; o < outputs; o++) {
      lasting[o] += part * (mean[o] - lasting[o]);
      spread[o] += part * (variance[o] * rows / (rows - 1) - spread[o]);
    }
    return { mean, variance };
  }

  // An untrained network's normalisation takes the statistics of x, the mean of batches, as `calibrate` of `reuselab`.
  function calibrate(net, x) {
    const size = 2 * PIXELS, n = x.length / size;
    for (let first = 0, batch = 1; first < n; first += 1024, batch++) {
      const part = x.subarray(first * size, (first + 1024) * size);
      forward(net.map((block) => ({ ...block, part: 1 / batch })), part, part.length / size, true);
    }
  }

  // What each block of `net` makes of x, [n, ...]: as `through`, in their order.
  function forward(net, x, n, training = false) {
    return net.reduce((made, block) => [...made, through(block, made.length ? made.at(-1).out : x, n, training)], []);
  }

  // What the last block of `net` gives for x, [n, size of its images]; x itself where there is none.
  function outputs(net, x, n) {
    if (!net.length) return x;
    const size = x.length / n, all = new Float64Array(n * net.at(-1).size);
    for (let first = 0; first < n; first += 100) {
      const part = x.subarray(first * size, (first + 100) * size);
      all.set(forward(net, part, part.length / size).at(-1).out, first * net.at(-1).size);
    }
    return all;
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

  // The slopes of what trains in a block, in the order of `trained`, and of its inputs where `deeper`, from those of
  // what it gave, delta [n, size], which is changed.
  function backward(block, made, delta, n, deeper) {
    if (block.relu) for (let i = 0; i < delta.length; i++) if (made.out[i] === 0) delta[i] = 0;
    if (block.grid) return unpooled(block, made, delta, n, deeper);
    const { inputs, outputs, weight } = block, bias = new Float64Array(outputs);
    delta.forEach((slope, i) => { bias[i % outputs] += slope; });
    const slopes = multiply(transposed(delta, n, outputs), transposed(made.x, n, inputs), outputs, inputs, n, new Float64Array(weight.length));
    const below = deeper && multiply(delta, transposed(weight, outputs, inputs), n, inputs, outputs, new Float64Array(n * inputs));
    return { slopes: [slopes, bias], below };
  }

  function unpooled(block, { x, winners, hat, inverse, training }, delta, n, deeper) {
    const { grid, inputs, outputs, size, scale } = block, rows = delta.length / outputs;
    const scaling = new Float64Array(outputs), shifting = new Float64Array(outputs);
    delta.forEach((slope, i) => {
      shifting[i % outputs] += slope;
      scaling[i % outputs] += slope * hat[i];
    });
    for (let i = 0; i < delta.length; i++) {
      const o = i % outputs, moving = training ? (shifting[o] + hat[i] * scaling[o]) / rows : 0;
      delta[i] = scale[o] * inverse[o] * (delta[i] - moving);
    }
    const places = grid.height * grid.width, channels = grid.channels, weight = transposed(block.weight, outputs, inputs);
    const slopes = new Float64Array(outputs * inputs), below = deeper && new Float64Array(n * places * channels);
    few(n, (first, count) => {
      const spread = new Float64Array(count * places * outputs);
      for (let i = first * size, image = 0; image < count; image++)
        for (let each = 0; each < size; each++, i++)
          spread[(image * places + winners[i]) * outputs + i % outputs] = delta[i];
      const seen = transposed(patches(block, x, first, count), count * places, inputs);
      multiply(transposed(spread, count * places, outputs), seen, outputs, inputs, count * places, slopes);
      if (!deeper) return;
      const parts = multiply(spread, weight, count * places, inputs, outputs, new Float64Array(count * places * inputs));
      for (let image = 0; image < count; image++) {
        const from = image * places * inputs, to = (first + image) * places * channels;
        patched(grid, (patch, pixel) => {
          for (let c = 0; c < channels; c++) below[to + pixel + c] += parts[from + patch + c];
        });
      }
    });
    return { slopes: [slopes, scaling, shifting], below };
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
    const inputs = outputs(net.slice(0, frozen), x, n), size = inputs.length / n;
    const weights = top.flatMap(trained), optimizers = weights.map((array) => adamW(array.length));
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
        const made = forward(top, batchX, count, true), slopes = [];
        let delta = new Float64Array(count * CLASSES);
        total += crossEntropy(made.at(-1).out, batchLabels, count, delta);
        for (let block = top.length - 1; block >= 0; block--) {
          const found = backward(top[block], made[block], delta, count, block > 0);
          slopes.unshift(...found.slopes);
          delta = found.below;
        }
        weights.forEach((array, i) => optimizers[i](array, slopes[i], lr(step), recipe.weightDecay));
        from += count;
      }
      yield { epoch: epoch + 1, loss: total / batches };
    }
  }

  // Judging.

  const largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

  const logits = (net, x) => outputs(net, x, x.length / 2 / PIXELS);

  // Share of the n labels that are the largest of the logits [n, 10].
  function right(all, labels) {
    return labels.reduce((sum, label, i) =>
      sum + (largest(all.subarray(i * CLASSES, (i + 1) * CLASSES)) === label), 0) / labels.length;
  }

  const accuracy = (net, x, labels) => right(logits(net, x), labels);

  // What a network makes of one pair x [128]: its answer, the probabilities, and gradient x input of the answer's logit.
  function answer(net, x) {
    const made = forward(net, x, 1), own = made.at(-1).out, best = largest(own), highest = own[best];
    const weights = Array.from(own, (value) => Math.exp(value - highest)), sum = weights.reduce((a, b) => a + b);
    let delta = new Float64Array(CLASSES);
    delta[best] = 1;
    for (let block = net.length - 1; block >= 0; block--) delta = backward(net[block], made[block], delta, 1, true).below;
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

  // How n rows of features [n, size] lie in the plane in which they differ most: [x, y], each [n], -1 to 1.
  // from: such a plane, of earlier features, from which to turn; or null.
  function plane(features, n, from) {
    const size = features.length / n, mean = new Float64Array(size);
    features.forEach((value, i) => { mean[i % size] += value / n; });
    const centred = features.map((value, i) => value - mean[i % size]);
    const alike = multiply(centred, centred, n, n, size, new Float64Array(n * n)), random = stream(0, 'test_pairs');
    const scaled = (values, most) => values.map((value) => value / (most || 1)), length = (values) => Math.hypot(...values);
    let axes = from ?? [0, 1].map(() => Float64Array.from({ length: n }, () => random() - 0.5));
    for (let round = 0; round < 20; round++) {
      const [x, y] = axes.map((axis) => multiply(alike, axis, n, 1, n, new Float64Array(n)));
      const first = scaled(x, length(x)), shared = y.reduce((sum, value, i) => sum + value * first[i], 0);
      const second = y.map((value, i) => value - shared * first[i]);
      axes = [first, scaled(second, length(second))];
    }
    return axes.map((axis) => scaled(axis, Math.max(...axis.map(Math.abs))));
  }

  // Trains and yields { who, epoch, epochs, loss, accuracy } up to twenty times, accuracy on the pairs `test`.
  function* watched(who, net, frozen, pairs, labels, recipe, test, testLabels, orders) {
    const { epochs } = recipe, seen = outputs(net.slice(0, frozen), test.x, test.n), top = net.slice(frozen);
    for (const { epoch, loss } of train(net, frozen, pairs.x, labels, recipe, orders))
      if (Math.floor(epoch * 20 / epochs) > Math.floor((epoch - 1) * 20 / epochs))
        yield { who, epoch, epochs, loss, accuracy: right(outputs(top, seen, test.n), testLabels) };
  }

  // An Alice and three Bobs: over her blocks, over her network untrained, and from scratch.
  //
  // setting: the names of a cell of `reuselab`. quiet: accuracies are looked at once, when a network is done. Yields as
  // `watched`, of Alice with her `first` block and with what Bob keeps of `SHOWN` pairs (`plane`, alice, bob); at the end
  // { who: "all", accuracies, nets }.
  function* experiment(lab, setting, quiet = false) {
    const of = (use) => stream(setting.seed, use), rho = bobRho(setting);
    const hers = lab.draw(setting, 'train', setting.alice_pairs, setting.rho, of('alice_pairs'));
    const his = lab.draw(setting, 'train', setting.bob_pairs, rho, of('bob_pairs'));
    const test = lab.draw(setting, 'test', TEST_PAIRS, rho, of('test_pairs'));
    const [untrained, fresh] = ['alice_weights', 'bob_weights'].map((use) => build(setting.network, of(use)));
    const alice = untrained.map(copy), cut = fresh.length - setting.retrain;
    calibrate(untrained, hers.x);
    const nets = {
      alice,
      bob: null,
      untrained: reuse(untrained, fresh, setting.retrain, setting.init),
      scratch: fresh.map(copy),
    };
    const accuracies = {}, shown = test.x.subarray(0, SHOWN * 2 * PIXELS);
    let axes = null;
    for (const who of Object.keys(nets)) {
      const herself = who === 'alice', labels = herself ? test.alice : test.bob;
      if (who === 'bob') nets.bob = reuse(alice, fresh, setting.retrain, setting.init);
      const frozen = herself || who === 'scratch' ? 0 : cut;
      const recipe = { ...RECIPE, epochs: herself ? setting.alice_epochs : setting.bob_epochs, batch: herself ? 128 : 50 };
      const pairs = herself ? hers : his, random = of(herself ? 'alice_order' : 'bob_order');
      const given = herself ? hers.alice : his.bob, orders = () => permutation(given.length, random);
      if (quiet) for (const _ of train(nets[who], frozen, pairs.x, given, recipe, orders));
      else
        for (const told of watched(who, nets[who], frozen, pairs, given, recipe, test, labels, orders)) {
          if (herself) {
            axes = plane(outputs(alice.slice(0, cut), shown, SHOWN), SHOWN, axes);
            Object.assign(told, { first: alice[0], plane: axes, alice: test.alice.slice(0, SHOWN), bob: test.bob.slice(0, SHOWN) });
          }
          yield told;
        }
      accuracies[who] = accuracy(nets[who], test.x, labels);
    }
    yield { who: 'all', accuracies, nets };
  }

  // The correlation of the labels in Bob's own pairs.
  const bobRho = ({ rho, bob_rho: own }) => (own === '' ? rho : Number(own));

  // Settings, in an address and out of it. Names are those of a cell of `reuselab`.

  const whole = (start, low, high) => ({ start, low, high, whole: true });
  const SETTINGS = {
    rho: { start: 0.75, low: 0, high: 1 },
    bob_rho: { start: '0', options: ['0', ''] },
    phi: { start: 0, low: -1, high: 1 },
    bob_base: { start: 'turned', options: ['turned', 'digits'] },
    network: { start: 'mlp', options: Object.keys(NETWORKS) },
    retrain: whole(2, 0, Math.max(...Object.values(NETWORKS).map((blocks) => blocks.length))),
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
    const rule = SETTINGS[name];
    if (rule.options) {
      if (rule.options.includes(text)) return text;
      throw Error(`${name} must be one of ${rule.options.map((option) => option || "''").join(', ')}, not ${short(text)}`);
    }
    const number = /^-?\d+(\.\d*)?(e-?\d+)?$/.test(text) ? Number(text) : NaN;
    if (number >= rule.low && number <= rule.high && !(rule.whole && number % 1)) return number;
    throw Error(`${name} must be a ${rule.whole ? 'whole ' : ''}number from ${rule.low} to ${rule.high}, not ${short(text)}`);
  }

  // At most 40 letters of a stranger's text, in one line; none that turns the direction of what follows.
  function short(text) {
    const letters = [...text.replace(/[\p{C}\s]+/gu, ' ')];
    return letters.length > 40 ? `${letters.slice(0, 37).join('')}...` : letters.join('');
  }

  // Raises an Error, in one line, for values that cannot be together.
  function fit({ network, retrain }) {
    const most = NETWORKS[network].length;
    if (retrain > most) throw Error(`retrain must be a whole number from 0 to ${most}, the blocks of ${network}, not ${retrain}`);
  }

  // An address's part after # to a whole setting, and one line on what in it was refused, "" where nothing was.
  function fromAddress(hash) {
    const setting = starts(), refused = [];
    const tried = (act) => { try { act(); return true; } catch (error) { refused.push(error.message); } };
    for (const [name, text] of new URLSearchParams(hash.replace(/^#/, '')))
      tried(() => {
        if (!Object.hasOwn(SETTINGS, name)) throw Error(`there is no setting ${short(name)}`);
        setting[name] = value(name, text);
      });
    if (!tried(() => fit(setting))) setting.retrain = SETTINGS.retrain.start;
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
    const setting = { ...starts(), ...Object.fromEntries(given.map(([name, one]) => [name, value(name, plain(one))])) };
    fit(setting);
    const shape = build(setting.network, () => 0.5);
    const nets = Object.fromEntries(['alice', 'bob'].map((who) => [who, shape.map((block, i) => {
      const theirs = file[who]?.[i] ?? {}, ours = arrays(block);
      return { ...block, ...Object.fromEntries(ours.map((name) => [name, numbers(theirs[name], block[name].length, name, who)])) };
    })]));
    return { setting, nets };
  }

  const plain = (value) => (['string', 'number'].includes(typeof value) ? String(value) : JSON.stringify(value));

  function numbers(given, length, name, who) {
    const low = name === 'variance' ? 0 : -1e6;
    const right = Array.isArray(given) && given.length === length &&
      given.every((one) => typeof one === 'number' && one >= low && one <= 1e6);
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
    CLASSES, NETWORKS, PIXELS, RECIPE, SETTINGS, SIDE, accuracy, answer, bobRho, build, calibrate, copy, difference, experiment,
    fit, fromAddress, grey, interval, join, labelPairs, laboratory, logits, mixing, moments, oneCycle, permutation, plane,
    read, reuse, sample, shareRight, stream, toAddress, train, turned, unpack, value,
  };
}
if (typeof module !== 'undefined') module.exports = laboratoryEngine();
