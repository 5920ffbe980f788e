// The laboratory's page: controls, a worker that trains, pictures that follow it, a place to draw.
Living.figure('laboratory', (root, data) => {
  'use strict';
  const { element, state, slider, choice, numbers, plot, fixed } = Living;
  const engine = laboratoryEngine(), { NETWORKS, SETTINGS, SIDE, PIXELS } = engine;
  const lab = engine.laboratory(data.digits);
  const WHO = {
    alice: ['Alice, on her own task', data.colors.alice, '6 4'],
    bob: ["Bob, over Alice's blocks", data.colors.bob, ''],
    untrained: ['Bob, over her network untrained', data.colors.untrained, '12 3'],
    scratch: ['Bob, from scratch', data.colors.scratch, '8 3 2 3'],
  };
  const LINES = {
    ceiling: ["best from Alice's label alone", 'currentColor', '1 4'],
    chance: ['chance', data.colors.chance, '2 3'],
  };
  const blocks = () => NETWORKS[held.values.network];
  const cut = () => blocks().length - held.values.retrain;
  const SLIDERS = [
    { key: 'rho', name: 'correlation of the labels', tex: '\\rho', plain: 'ρ', step: 0.05, ticks: [0, 0.25, 0.5, 0.75, 1] },
    { key: 'retrain', name: 'blocks that Bob retrains', tex: 'k', plain: 'k', step: 1, ticks: [0, 1, 2, 3, 4, 5], text: retrained, wordy: true, most: () => blocks().length },
  ];
  const CHOICES = [
    { key: 'network', name: 'network', options: [['mlp', 'MLP, in seconds'], ['cnn', 'CNN, in a minute']] },
    { key: 'bob_base', name: 'halves', options: [['turned', 'unlike: his digits are turned'], ['digits', 'like: both upright']] },
    { key: 'bob_rho', name: "Bob's own pairs", options: [['0', 'independent labels'], ['', 'as correlated as hers']] },
    { key: 'init', name: "Bob's top blocks begin", options: [['fresh', 'fresh'], ['alice', 'with her weights']] },
  ];
  const PIXEL_SLIDER = { key: 'phi', name: 'correlation of the pixels', tex: '\\phi', plain: 'φ', step: 0.05, ticks: [-1, -0.5, 0, 0.5, 1] };
  const NUMBERS = {
    alice_pairs: "Alice's pairs", alice_epochs: "Alice's epochs", bob_pairs: "Bob's pairs", bob_epochs: "Bob's epochs", seed: 'seed',
  };
  const held = state(engine.fromAddress(location.hash).setting);
  let nets = null, worker = null, repeats = null, runs = [], curves = {}, began = 0;

  function retrained(k) {
    const names = NETWORKS[held.values.network].map((block) => block.name);
    return k === 0 ? '0' : k === names.length ? `${k}: all` : `${k}: ${names.at(-k)}${k > 1 ? ' and up' : ''}`;
  }

  function button(parent, text, act) {
    const made = element(parent, 'button', { type: 'button' }, text);
    made.addEventListener('click', act);
    return made;
  }

  // Controls.

  const ranged = (spec) => ({ ...spec, min: SETTINGS[spec.key].low, max: SETTINGS[spec.key].high });

  function number(parent, key, name) {
    const { low, high } = SETTINGS[key], label = element(element(parent, 'div', { class: 'rl-slider' }), 'label', {}, `${name} `);
    const input = element(label, 'input', { type: 'number', min: low, max: high });
    input.addEventListener('change', () => {
      try {
        held.set({ [key]: engine.value(key, input.value.trim()) });
      } catch (error) {
        input.value = held.values[key];
        tell(`${error.message}; it stays ${held.values[key]}.`);
      }
    });
    held.listen((values) => { input.value = values[key]; });
  }

  // What was trained at another setting is no longer shown; the address holds the setting.
  function changed(values) {
    const address = engine.toAddress(values);
    if (address !== engine.toAddress(engine.fromAddress(location.hash).setting)) history.replaceState(null, '', address);
    tell('');
    reset();
  }

  // A smaller network has fewer blocks to retrain.
  function fit({ network, retrain }) {
    if (retrain > NETWORKS[network].length) held.set({ retrain: NETWORKS[network].length });
  }

  const tell = (text) => { status.textContent = text; };

  // Workers: the engine's text and a few lines, as no file may be fetched by a page that is opened as a file.

  function work(setting, action, hear) {
    const source = `const engine = (${laboratoryEngine})();
      onmessage = ({ data: { digits, setting, action } }) => {
        const lab = engine.laboratory(digits);
        if (action === 'train') for (const state of engine.experiment(lab, setting)) postMessage(state);
        else for (let seed = setting.seed + 1; seed <= setting.seed + action; seed++)
          for (const state of engine.experiment(lab, { ...setting, seed }, true)) postMessage(state);
        postMessage({ who: 'end' });
      };`;
    const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const started = new Worker(address);
    started.onmessage = ({ data: told }) => { URL.revokeObjectURL(address); hear(told); };
    started.onerror = (event) => tell(`The training stopped: ${event.message}`);
    started.postMessage({ digits: data.digits, setting, action });
    return started;
  }

  function stop() {
    worker?.terminate();
    repeats?.terminate();
    worker = repeats = null;
    root.removeAttribute('data-busy');
    more.disabled = !runs.length;
  }

  function reset() {
    stop();
    nets = null;
    runs = [];
    curves = {};
    more.disabled = true;
    picture();
    table();
    ask();
  }

  function train() {
    reset();
    root.dataset.busy = 'train';
    began = performance.now();
    tell('Alice trains: her first epoch.');
    worker = work(held.values, 'train', (told) => {
      if (told.who === 'all') {
        nets = told.nets;
        runs = [told.accuracies];
        table();
        ask();
      } else if (told.who === 'end') {
        stop();
        const seconds = (performance.now() - began) / 1000, minutes = Math.max(1, Math.round(seconds / 6));
        tell(`Trained, in ${Math.ceil(seconds)} seconds. Draw two digits below, or train with more seeds: ` +
          `ten more take about ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.`);
      } else {
        (curves[told.who] ??= []).push(told);
        tell(`${WHO[told.who][0]}: epoch ${told.epoch} of ${told.epochs}, accuracy ${told.accuracy.toFixed(2)}`);
        picture();
        if (told.who === 'alice') {
          filters(told.first);
          features(told);
        }
      }
    });
  }

  function repeat() {
    root.dataset.busy = 'repeat';
    more.disabled = true;
    const wanted = Math.min(10, data.quantiles.length + 1 - runs.length);
    const setting = { ...held.values, seed: held.values.seed + runs.length - 1 };
    tell(`${runs.length === 1 ? '1 seed' : `${runs.length} seeds`} so far, ${wanted} more under way.`);
    repeats = work(setting, wanted, (told) => {
      if (told.who === 'end') stop();
      else {
        runs.push(told.accuracies);
        table();
      }
      tell(`${runs.length} seeds.`);
    });
  }

  // Pictures.

  function picture() {
    for (const [axes, measure] of [[accuracies, 'accuracy'], [losses, 'loss']]) {
      axes.clear();
      if (measure === 'accuracy') for (const [name, level] of levels()) rule(axes, name, [[0, level], [1, level]]);
      for (const [who, told] of Object.entries(curves))
        axes.line(told.map((one) => [one.epoch / one.epochs, Math.min(one[measure], 2.5)]), WHO[who][1], { 'stroke-dasharray': WHO[who][2] });
      const last = Object.entries(curves).map(([who, told]) => `${WHO[who][0]} ${fixed(told.at(-1)[measure])}`);
      axes.describe(`${axes.title}. ${last.join('; ') || 'Nothing trained yet'}`);
    }
  }

  // The accuracy of a guess, and the best that who knows Alice's label alone can reach.
  function levels() {
    const rho = engine.bobRho(held.values), guess = 1 / engine.CLASSES;
    return [['chance', guess], ['ceiling', rho + (1 - rho) * guess]];
  }

  const rule = (axes, name, points) => axes.line(points, LINES[name][1], { 'stroke-dasharray': LINES[name][2] });

  // What units of Alice's first block look for, blue below zero, red above.
  function filters({ weight, outputs, inputs, grid, name }) {
    const [width, height] = grid ? [3, 3] : [2 * SIDE, SIDE], shown = Math.min(32, outputs), across = 4;
    filterCanvas.width = across * (width + 1) - 1;
    filterCanvas.height = Math.ceil(shown / across) * (height + 1) - 1;
    const context = filterCanvas.getContext('2d');
    for (let unit = 0; unit < shown; unit++) {
      const weights = weight.subarray(unit * inputs, (unit + 1) * inputs);
      paint(context, weights, (unit % across) * (width + 1), Math.floor(unit / across) * (height + 1), width);
    }
    const half = grid ? '' : ` ${(100 * engine.shareRight(weight)).toFixed(0)} % of its weight lies on Bob's half.`;
    const named = shown < outputs ? `${shown} of its ${outputs}` : `its ${outputs}`;
    filterText.textContent = `Alice's first block, ${name}: ${named} ${grid ? 'filters' : 'units'}.${half}`;
  }

  // Unseen pairs where Alice's kept blocks put them, in the plane in which they differ most; marked with a digit each.
  function features({ plane: [x, y], alice, bob }) {
    const from = cut() ? `block ${blocks()[cut() - 1].name} of Alice` : 'the pixels';
    for (const [axes, labels, whose] of [[herPlane, alice, "Alice's"], [hisPlane, bob, "Bob's"]]) {
      axes.clear();
      labels.forEach((label, i) => axes.text(x[i], y[i], String(label), { fill: `oklch(0.62 0.17 ${36 * label})`, 'dominant-baseline': 'middle', 'font-weight': 600 }));
      axes.describe(`${axes.title}: ${labels.length} unseen pairs as ${from} gives them, marked with ${whose} digit`);
    }
    featureText.textContent = `What Bob is given: ${alice.length} unseen pairs as ${from} gives them, in the plane in which they differ most. ` +
      "The first picture marks each with Alice's digit, the second with Bob's. Digits that lie in heaps are easy to tell apart.";
  }

  // Values, row by row, as points of a canvas, over their largest size.
  function paint(context, values, x, y, width = 2 * SIDE, color = diverging) {
    const image = context.createImageData(width, values.length / width);
    const most = values.reduce((high, value) => Math.max(high, Math.abs(value)), 1e-9);
    values.forEach((value, i) => image.data.set(color(value / most), 4 * i));
    context.putImageData(image, x, y);
  }

  const mix = (from, to, part) => from.map((value, i) => Math.round(value + (to[i] - value) * part));
  const diverging = (part) => [...mix([247, 247, 247], part > 0 ? [178, 24, 43] : [33, 102, 172], Math.abs(part)), 255];
  const ink = (part) => [...mix([255, 255, 255], [0, 0, 0], part), 255];

  // Numbers.

  function table() {
    const trained = runs.length ? Object.keys(WHO).map((who) => [who, runs.map((run) => run[who])]) : [];
    show([
      ...trained.map(([who, values]) => [WHO[who][0], fixed(values[0]), values.length > 1 ? shown(interval(values)) : 'one seed']),
      ...levels().map(([name, level]) => [LINES[name][0].replace(/^./, (letter) => letter.toUpperCase()), fixed(level), '']),
    ]);
    means.clear();
    for (const [name, level] of levels()) rule(means, name, [[level, 0], [level, 4]]);
    trained.forEach(([who, values], i) => {
      const [name, color] = WHO[who], { mean, half } = values.length > 1 ? interval(values) : { mean: values[0], half: 0 };
      means.text(0.12, 3.75 - i, name, { 'text-anchor': 'start' });
      means.line([[mean - half, 3.4 - i], [mean + half, 3.4 - i]], color, { 'stroke-width': 4 });
      means.dot(mean, 3.4 - i, color, 5);
    });
    means.describe(`${means.title}: the table has the numbers`);
    verdict.textContent = runs.length ? [lead(), keptRows()].filter(Boolean).join(' ') : '';
  }

  const interval = (values) => engine.interval(values, data.quantiles);

  const shown = ({ mean, half }, sign = '') =>
    `${sign && mean > 0 ? sign : ''}${fixed(mean, 3)} [${fixed(mean - half, 3)}, ${fixed(mean + half, 3)}]`;

  function lead() {
    if (runs.length < 2) return '';
    const leads = interval(runs.map((run) => run.bob - run.scratch));
    const words = leads.mean - leads.half > 0 ? 'Reuse helps Bob here' : leads.mean + leads.half < 0 ? 'Reuse harms Bob here' : 'Whether reuse helps is open';
    return `${words}: his accuracy less that from scratch is ${shown(leads, '+')} over ${leads.n} seeds.`;
  }

  function keptRows() {
    const kept = data.kept.find(({ bob, ...setting }) => Object.entries(setting).every(([name, one]) => one === held.values[name]));
    if (!kept) return `The book's evidence has no Bob of ${held.values.network === 'mlp' ? 'an MLP' : 'a CNN'} at this setting.`;
    if (runs.length < 2) return `The evidence has ${kept.bob.length} seeds of this very setting: train with more seeds to compare.`;
    const apart = engine.difference(runs.map((run) => run.bob), kept.bob, data.quantiles);
    const agrees = Math.abs(apart.mean) <= apart.half;
    return `${agrees ? 'No difference to be seen from the evidence' : 'Your Bob differs from the evidence'} at this setting ` +
      `(${kept.bob.length} seeds by reuselab): ${shown(apart, '+')}.`;
  }

  // Drawing.

  function pad(parent, title) {
    const canvas = element(parent, 'canvas', { width: 160, height: 160, tabindex: 0, role: 'img' });
    const one = { canvas, strokes: [], image: null, pen: [0.5, 0.5], down: false };
    canvas.setAttribute('aria-label', `${title}: draw a digit. Arrow keys move the pen, the space bar lowers and lifts it.`);
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener('pointerdown', (event) => {
      if (!event.isPrimary) return;
      canvas.setPointerCapture(event.pointerId);
      begin(one, point(event));
    });
    canvas.addEventListener('pointermove', (event) => event.isPrimary && event.buttons && one.down && go(one, point(event)));
    for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => { one.down = false; });
    canvas.addEventListener('keydown', (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key === ' ') one.down ? (one.down = false) : begin(one, one.pen);
      else if (event.key in moves) go(one, one.pen.map((at, i) => Math.max(0.05, Math.min(0.95, at + moves[event.key][i] / 16))));
      else return;
      event.preventDefault();
      paper(one);
    });
    return one;
  }

  function begin(one, point) {
    one.image = null;
    one.down = true;
    one.pen = point;
    one.strokes.push([point]);
    paper(one);
    ask();
  }

  function go(one, point) {
    one.pen = point;
    if (one.down) one.strokes.at(-1).push(point);
    paper(one);
    if (one.down) ask();
  }

  function paper({ canvas, strokes, image, pen, down }) {
    const context = canvas.getContext('2d');
    context.fillStyle = '#fff';
    context.fillRect(0, 0, 160, 160);
    if (image)
      image.forEach((level, i) => {
        context.fillStyle = `rgb(${ink(level / 255).slice(0, 3)})`;
        context.fillRect(i % SIDE * 20, Math.floor(i / SIDE) * 20, 20, 20);
      });
    context.lineWidth = 16;
    context.lineCap = context.lineJoin = 'round';
    context.strokeStyle = '#000';
    for (const stroke of strokes) {
      context.beginPath();
      stroke.concat([stroke.at(-1)]).forEach(([x, y], i) => context[i ? 'lineTo' : 'moveTo'](160 * x, 160 * y));
      context.stroke();
    }
    if (document.activeElement === canvas) {
      context.fillStyle = down ? '#d55e00' : '#808080';
      context.fillRect(160 * pen[0] - 4, 160 * pen[1] - 4, 8, 8);
    }
  }

  function clear() {
    for (const one of pads) {
      Object.assign(one, { strokes: [], image: null, down: false, pen: [0.5, 0.5] });
      paper(one);
    }
    ask();
  }

  function pick() {
    for (const one of pads) {
      Object.assign(one, { strokes: [], down: false });
      one.image = lab.unseen(Math.floor(10 * Math.random()), Math.random);
      paper(one);
    }
    ask();
  }

  const halfOf = (one) => one.image ?? engine.grey(one.strokes);

  function ask() {
    const drawn = pads.every((one) => one.image || one.strokes.length);
    answers.textContent = '';
    if (!nets || !drawn) return element(answers, 'p', {}, nets ? 'Draw a digit in both squares.' : 'Train first, or load networks.');
    const x = lab.pair(held.values, ...pads.map(halfOf));
    for (const who of ['alice', 'bob']) answer(who, engine.answer(nets[who], x));
  }

  function answer(who, { answer: digit, probabilities, attribution, logits }) {
    const name = who === 'alice' ? 'Alice' : 'Bob', half = who === 'alice' ? 'left' : 'right', share = engine.shareRight(attribution);
    const read = Number.isNaN(share) ? '' : `${(100 * share).toFixed(0)} % of the attribution lies on the right half.`;
    const box = element(answers, 'div', { 'data-who': who, 'data-logits': logits.join(' ') }), said = element(box, 'p');
    element(said, 'strong', {}, `${name} says the ${half} digit is ${digit} (${(100 * probabilities[digit]).toFixed(0)} %). `);
    said.append(read);
    const label = `Gradient times input of ${name}'s answer. ${read}`;
    paint(element(box, 'canvas', { width: 2 * SIDE, height: SIDE, role: 'img', 'aria-label': label }).getContext('2d'), attribution, 0, 0);
  }

  async function load(event) {
    const [file] = event.target.files;
    if (!file) return;
    try {
      if (file.size > 2e7) throw Error('this file is larger than any that reuselab export-network writes');
      const given = engine.read(await file.text());
      held.set(given.setting);
      nets = given.nets;
      filters(nets.alice[0]);
      tell('Networks loaded: draw two digits, and ask them.');
      ask();
    } catch (error) {
      tell(`${error.message}.`);
    }
    event.target.value = '';
  }

  async function share() {
    history.replaceState(null, '', engine.toAddress(held.values));
    try {
      await navigator.clipboard.writeText(location.href);
      tell('The link is copied; it holds the whole setting.');
    } catch {
      tell('The address of this page now holds the whole setting: copy it from there.');
    }
  }

  function fromAddress() {
    const given = engine.fromAddress(location.hash);
    held.set(given.setting);
    tell(given.refused ? `The link asks for what cannot be: ${given.refused}. The usual value stands there.` : '');
  }

  // The page.

  const form = element(root, 'div', { class: 'rl-sliders', role: 'group', 'aria-label': 'Setting' });
  for (const spec of SLIDERS) slider(form, held, ranged(spec));
  for (const spec of CHOICES) choice(form, held, spec);
  const rest = element(root, 'details');
  element(rest, 'summary', {}, 'More settings');
  const others = element(rest, 'div', { class: 'rl-sliders' });
  slider(others, held, ranged(PIXEL_SLIDER));
  for (const [key, name] of Object.entries(NUMBERS)) number(others, key, name);
  const buttons = element(root, 'p', { class: 'rl-buttons' });
  button(buttons, 'Train', train);
  button(buttons, 'Stop', () => { stop(); tell('Stopped.'); });
  const more = button(buttons, 'Train with more seeds', repeat);
  button(buttons, 'Copy link', share);
  const status = element(root, 'p', { role: 'status' });
  const legend = element(root, 'p', { class: 'rl-legend' });
  for (const [name, color, dashes] of [...Object.values(WHO), ...Object.values(LINES)]) {
    const entry = element(legend, 'span'), sample = element(entry, 'svg', { viewBox: '0 0 30 10', 'aria-hidden': 'true' });
    element(sample, 'line', { x1: 0, x2: 30, y1: 5, y2: 5, stroke: color, 'stroke-width': 3, 'stroke-dasharray': dashes });
    entry.append(name);
  }
  const charts = element(root, 'div', { class: 'rl-plots' });
  const chart = (parent, spec) => ({ title: spec.title, ...plot(parent, { x: [0, 1], height: 220, xticks: [0, 0.5, 1], ...spec }) });
  const across = { xlabel: 'share of the training' };
  const accuracies = chart(charts, { title: 'Accuracy on unseen pairs', y: [0, 1], yticks: [0, 0.5, 1], ...across });
  const losses = chart(charts, { title: 'Loss on their training pairs', y: [0, 2.5], yticks: [0, 1, 2], ...across });
  const filterBox = element(charts, 'figure');
  const filterCanvas = element(filterBox, 'canvas', { width: 67, height: 71, role: 'img', 'aria-label': "What units of Alice's first layer look for" });
  const filterText = element(filterBox, 'figcaption', {}, "Alice's first layer appears here as she trains.");
  const planes = element(root, 'div', { class: 'rl-plots' });
  const [herPlane, hisPlane] = ["By Alice's digit", "By Bob's digit"].map((title) =>
    chart(planes, { title, x: [-1.1, 1.1], y: [-1.1, 1.1], width: 300, height: 260, xticks: [] }));
  const featureText = element(root, 'p', { class: 'rl-note' }, 'What Bob is given of each pair appears here as Alice trains.');
  const results = element(root, 'div', { class: 'rl-plots' });
  const show = numbers(results, ['Accuracy on unseen pairs', 'this seed', 'mean and 95 % interval']);
  const means = chart(results, { title: 'Mean accuracy and its 95 % interval', y: [0, 4] });
  const verdict = element(root, 'p', { class: 'verdict' });
  element(root, 'h3', {}, 'Draw a pair, and ask both');
  const paperBox = element(root, 'div', { class: 'rl-pads' });
  const pads = ["Left half, Alice's digit", "Right half, Bob's digit"].map((title) => pad(paperBox, title));
  const under = element(root, 'p', { class: 'rl-buttons' });
  button(under, 'Clear', clear);
  button(under, 'Two unseen digits', pick);
  const answers = element(root, 'div', { class: 'rl-sliders', 'aria-live': 'polite' });
  const chooser = element(element(root, 'label', {}, 'Load networks that reuselab trained: '), 'input', { type: 'file', accept: '.json,application/json' });
  chooser.addEventListener('change', load);
  window.addEventListener('hashchange', fromAddress);
  pads.forEach(paper);
  held.listen(fit);
  held.listen(changed);
  fromAddress();
});
