// The laboratory's page: controls, a worker that trains, pictures that follow it, a place to draw.
(() => {
  'use strict';
  const engine = laboratoryEngine(), { SETTINGS, SIDE, PIXELS } = engine;
  const root = document.getElementById('rl-laboratory');
  const data = JSON.parse(document.getElementById('rl-laboratory-data').textContent);
  const lab = engine.laboratory(data.digits);
  const WHO = {
    alice: ['Alice, on her own task', data.colors.bob, '6 4'],
    bob: ["Bob, over Alice's blocks", data.colors.bob, ''],
    untrained: ['Bob, over her network untrained', data.colors.untrained, ''],
    scratch: ['Bob, from scratch', data.colors.scratch, '8 3 2 3'],
  };
  const LABELS = {
    rho: 'ρ, correlation of the labels', bob_rho: "Bob's own pairs", phi: 'φ, correlation of the pixels', bob_base: 'Halves',
    retrain: 'k, blocks that Bob retrains', init: "Bob's top blocks begin", alice_pairs: "Alice's pairs", alice_epochs: "Alice's epochs",
    bob_pairs: "Bob's pairs", bob_epochs: "Bob's epochs", seed: 'Seed',
  };
  const OPTIONS = {
    bob_rho: { 0: 'independent labels', '': 'as correlated as hers' },
    bob_base: { turned: 'unlike: his digits are turned', digits: 'like: both upright' },
    init: { fresh: 'fresh', alice: 'with her weights' },
  };
  const STEPS = { rho: 0.05, phi: 0.05, retrain: 1 };
  const SVG = 'http://www.w3.org/2000/svg';
  let setting, nets = null, worker = null, repeats = null, runs = [], curves = {};

  // Elements.

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function draw(tag, attributes, text = '') {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return element;
  }

  function button(text, act) {
    const element = make('button', { type: 'button' }, text);
    element.addEventListener('click', act);
    return element;
  }

  // Controls.

  function control(name) {
    const rule = SETTINGS[name], id = `rl-lab-${name}`, label = make('label', { for: id }, LABELS[name]);
    if (rule.options) {
      const options = rule.options.map((option) => make('option', { value: option }, OPTIONS[name][option]));
      return make('p', {}, label, make('select', { id, name }, ...options));
    }
    const range = name in STEPS, bounds = { min: rule.low, max: rule.high, step: STEPS[name] ?? 1 };
    const input = make('input', { id, name, type: range ? 'range' : 'number', ...bounds });
    return make('p', {}, label, input, ...(range ? [make('output', { for: id })] : []));
  }

  function showSetting() {
    for (const field of form.querySelectorAll('input, select')) {
      field.value = setting[field.name];
      if (field.nextElementSibling) field.nextElementSibling.value = setting[field.name];
    }
  }

  function changed(event) {
    const { name, value } = event.target;
    try {
      setting[name] = engine.value(name, value);
      tell('');
    } catch (error) {
      tell(`${error.message}; it stays ${setting[name]}.`);
    }
    if (event.target.nextElementSibling) event.target.nextElementSibling.value = setting[name];
    if (event.type === 'change') showSetting();
    history.replaceState(null, '', engine.toAddress(setting));
    reset();
  }

  const tell = (text) => { status.textContent = text; };

  // Workers: the engine's text and a few lines, as no file may be fetched by a page that is opened as a file.

  function work(action, hear) {
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
    started.onmessage = ({ data: state }) => { URL.revokeObjectURL(address); hear(state); };
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

  // What was trained at another setting is no longer shown.
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
    worker = work('train', (state) => {
      if (state.who === 'all') {
        nets = state.nets;
        runs = [state.accuracies];
        table();
        ask();
      } else if (state.who === 'end') {
        stop();
        tell('Trained. Draw two digits below, or train with more seeds.');
      } else {
        (curves[state.who] ??= []).push(state);
        tell(`${WHO[state.who][0]}: epoch ${state.epoch} of ${state.epochs}, accuracy ${state.accuracy.toFixed(2)}`);
        picture();
        if (state.who === 'alice') filters(state.net[0]);
      }
    });
  }

  function repeat() {
    root.dataset.busy = 'repeat';
    more.disabled = true;
    const wanted = Math.min(10, data.quantiles.length + 1 - runs.length);
    const begun = setting.seed + runs.length - 1, own = setting;
    setting = { ...setting, seed: begun };
    repeats = work(wanted, (state) => {
      if (state.who === 'end') stop();
      else {
        runs.push(state.accuracies);
        table();
      }
      tell(`${runs.length} seeds.`);
    });
    setting = own;
  }

  // Pictures.

  function picture() {
    charts.replaceChildren(chart('accuracy', 'Accuracy on unseen pairs', 1), chart('loss', 'Loss on the own pairs', 2.5));
  }

  function chart(measure, title, top) {
    const [left, width, height] = [34, 320, 150], y = (value) => 20 + height * (1 - Math.min(value, top) / top);
    const svg = draw('svg', { viewBox: `0 0 ${left + width + 8} ${height + 46}`, role: 'img' });
    const last = Object.entries(curves).map(([who, states]) => `${WHO[who][0]} ${states.at(-1)[measure].toFixed(2)}`);
    svg.setAttribute('aria-label', `${title}. ${last.join('; ') || 'Nothing trained yet'}`);
    svg.append(draw('text', { x: 0, y: 12, class: 'title' }, title));
    for (const value of [0, top / 2, top]) {
      svg.append(draw('line', { x1: left, x2: left + width, y1: y(value), y2: y(value), class: 'grid' }));
      svg.append(draw('text', { x: left - 4, y: y(value) + 4, 'text-anchor': 'end' }, String(value)));
    }
    svg.append(draw('text', { x: left + width, y: height + 40, 'text-anchor': 'end' }, 'share of the own training'));
    if (measure === 'accuracy')
      svg.append(draw('line', { x1: left, x2: left + width, y1: y(0.1), y2: y(0.1), stroke: data.colors.chance, 'stroke-dasharray': '2 3' }));
    for (const [who, states] of Object.entries(curves)) {
      const points = states.map((state) => `${left + width * state.epoch / state.epochs},${y(state[measure])}`);
      const look = { fill: 'none', stroke: WHO[who][1], 'stroke-width': 2, 'stroke-dasharray': WHO[who][2] };
      svg.append(draw('polyline', { points: points.join(' '), ...look }));
    }
    return svg;
  }

  // Alice's first layer: what each of 32 units looks for, blue below zero, red above.
  function filters(layer) {
    const shown = 32, across = 4, canvas = filterCanvas;
    const context = canvas.getContext('2d');
    for (let unit = 0; unit < shown; unit++) {
      const weights = layer.weight.subarray(unit * 2 * PIXELS, (unit + 1) * 2 * PIXELS);
      paint(context, weights, (unit % across) * (2 * SIDE + 1), Math.floor(unit / across) * (SIDE + 1));
    }
    const share = engine.shareRight(layer.weight);
    filterText.textContent = `Alice's first layer, 32 of its 128 units. ${(100 * share).toFixed(0)} % of its weight lies on Bob's half.`;
  }

  // Values [8, 16] as points of a canvas, over their largest size.
  function paint(context, values, x, y, color = diverging) {
    const image = context.createImageData(2 * SIDE, values.length / 2 / SIDE);
    const most = values.reduce((high, value) => Math.max(high, Math.abs(value)), 1e-9);
    values.forEach((value, i) => image.data.set(color(value / most), 4 * i));
    context.putImageData(image, x, y);
  }

  const mix = (from, to, part) => from.map((value, i) => Math.round(value + (to[i] - value) * part));
  const diverging = (part) => [...mix([247, 247, 247], part > 0 ? [178, 24, 43] : [33, 102, 172], Math.abs(part)), 255];
  const ink = (part) => [...mix([255, 255, 255], [0, 0, 0], part), 255];

  // Numbers.

  function table() {
    const rho = setting.bob_rho === '' ? setting.rho : Number(setting.bob_rho), ceiling = rho + (1 - rho) / engine.CLASSES;
    const rows = runs.length ? Object.keys(WHO).map((who) => row(WHO[who][0], runs.map((run) => run[who]))) : [];
    const flat = (name, value) => make('tr', {}, make('th', { scope: 'row' }, name), make('td', {}, value.toFixed(2)), make('td', {}, ''));
    body.replaceChildren(...rows, flat('Chance', 0.1), flat("Best from Alice's label alone", ceiling));
    verdict.textContent = runs.length ? [lead(), keptRows()].filter(Boolean).join(' ') : '';
  }

  function row(name, values) {
    const cells = [make('th', { scope: 'row' }, name), make('td', {}, values[0].toFixed(2))];
    return make('tr', {}, ...cells, make('td', {}, values.length > 1 ? shown(engine.interval(values, data.quantiles)) : 'one seed'));
  }

  const shown = ({ mean, half }, sign = '') =>
    `${sign && mean > 0 ? sign : ''}${mean.toFixed(3)} [${(mean - half).toFixed(3)}, ${(mean + half).toFixed(3)}]`;

  function lead() {
    if (runs.length < 2) return '';
    const leads = engine.interval(runs.map((run) => run.bob - run.scratch), data.quantiles);
    const words = leads.mean - leads.half > 0 ? 'Reuse helps Bob here' : leads.mean + leads.half < 0 ? 'Reuse harms Bob here' : 'Whether reuse helps is open';
    return `${words}: his accuracy less that from scratch is ${shown(leads, '+')} over ${leads.n} seeds.`;
  }

  function keptRows() {
    const usual = { bob_rho: '0', phi: 0, init: 'fresh', alice_pairs: 4000, alice_epochs: 8, bob_epochs: 40 };
    const same = (names, row) => names.every((name) => row[name] === setting[name]);
    const kept = data.kept.find((row) => same(['bob_base', 'bob_pairs', 'rho', 'retrain'], row));
    if (!kept || !same(Object.keys(usual), usual)) return 'The evidence has no MLP at this setting.';
    if (runs.length < 2) return `The evidence has ${kept.bob.length} seeds of this very setting: train with more seeds to compare.`;
    const apart = engine.difference(runs.map((run) => run.bob), kept.bob, data.quantiles);
    const agrees = Math.abs(apart.mean) <= apart.half;
    return `${agrees ? 'No difference to be seen from the evidence' : 'Your Bob differs from the evidence'} at this setting ` +
      `(${kept.bob.length} seeds of the MLP by reuselab): ${shown(apart, '+')}.`;
  }

  // Drawing.

  function pad(name, title) {
    const canvas = make('canvas', { width: 160, height: 160, tabindex: 0, role: 'img', id: `rl-lab-pad-${name}` });
    const one = { canvas, strokes: [], image: null, pen: [0.5, 0.5], down: false };
    canvas.setAttribute('aria-label', `${title}: draw a digit. Arrow keys move the pen, the space bar lowers and lifts it.`);
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      begin(one, point(event));
    });
    canvas.addEventListener('pointermove', (event) => event.buttons && one.down && go(one, point(event)));
    canvas.addEventListener('pointerup', () => { one.down = false; });
    canvas.addEventListener('keydown', (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key === ' ') one.down ? (one.down = false) : begin(one, one.pen);
      else if (event.key in moves) go(one, one.pen.map((at, i) => Math.max(0.05, Math.min(0.95, at + moves[event.key][i] / 16))));
      else return;
      event.preventDefault();
      show(one);
    });
    return one;
  }

  function begin(one, point) {
    one.image = null;
    one.down = true;
    one.pen = point;
    one.strokes.push([point]);
    show(one);
    ask();
  }

  function go(one, point) {
    one.pen = point;
    if (one.down) one.strokes.at(-1).push(point);
    show(one);
    if (one.down) ask();
  }

  function show({ canvas, strokes, image, pen, down }) {
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
      show(one);
    }
    ask();
  }

  function pick() {
    for (const one of pads) {
      Object.assign(one, { strokes: [], down: false });
      one.image = lab.unseen(Math.floor(10 * Math.random()), Math.random);
      show(one);
    }
    ask();
  }

  const halfOf = (one) => one.image ?? engine.grey(one.strokes);

  function ask() {
    const drawn = pads.every((one) => one.image || one.strokes.length);
    if (!nets || !drawn) return answers.replaceChildren(make('p', {}, nets ? 'Draw a digit in both squares.' : 'Train first, or load networks.'));
    const x = lab.pair(setting, ...pads.map(halfOf));
    answers.replaceChildren(...['alice', 'bob'].map((who) => told(who, engine.answer(nets[who], x))));
  }

  function told(who, { answer, probabilities, attribution, logits }) {
    const canvas = make('canvas', { width: 2 * SIDE, height: SIDE, role: 'img' }), share = engine.shareRight(attribution);
    paint(canvas.getContext('2d'), attribution, 0, 0);
    const name = who === 'alice' ? 'Alice' : 'Bob', half = who === 'alice' ? 'left' : 'right';
    const words = `${name} says the ${half} digit is ${answer} (${(100 * probabilities[answer]).toFixed(0)} %). `;
    const read = Number.isNaN(share) ? '' : `${(100 * share).toFixed(0)} % of the attribution lies on the right half.`;
    canvas.setAttribute('aria-label', `Gradient times input of ${name}'s answer. ${read}`);
    return make('div', { 'data-who': who, 'data-logits': logits.join(' ') }, make('p', {}, make('strong', {}, words), read), canvas);
  }

  async function load(event) {
    const [file] = event.target.files;
    if (!file) return;
    try {
      const given = engine.read(await file.text());
      setting = given.setting;
      reset();
      nets = given.nets;
      showSetting();
      filters(nets.alice[0]);
      tell('Networks loaded: draw two digits, and ask them.');
      ask();
    } catch (error) {
      tell(`${error.message}.`);
    }
    event.target.value = '';
  }

  async function share() {
    history.replaceState(null, '', engine.toAddress(setting));
    try {
      await navigator.clipboard.writeText(location.href);
      tell('The link is copied; it holds the whole setting.');
    } catch {
      tell('The address of this page now holds the whole setting: copy it from there.');
    }
  }

  function fromAddress() {
    const given = engine.fromAddress(location.hash);
    setting = given.setting;
    showSetting();
    reset();
    tell(given.refused ? `The link asks for what cannot be: ${given.refused}. The usual value stands there.` : '');
  }

  // The page.

  const main = ['rho', 'retrain', 'bob_base', 'bob_rho', 'init'], others = Object.keys(SETTINGS).filter((name) => !main.includes(name));
  const form = make('form', { 'aria-label': 'Setting' }, ...main.map(control),
    make('details', {}, make('summary', {}, 'More settings'), ...others.map(control)));
  const more = button('Train with more seeds', repeat), status = make('p', { role: 'status', class: 'status' });
  const charts = make('div', { class: 'charts' });
  const legend = make('p', { class: 'legend' }, ...Object.values(WHO).map(([name, color, dashes]) => {
    const svg = draw('svg', { viewBox: '0 0 30 10', 'aria-hidden': 'true' });
    svg.append(draw('line', { x1: 0, x2: 30, y1: 5, y2: 5, stroke: color, 'stroke-width': 3, 'stroke-dasharray': dashes }));
    return make('span', {}, svg, name);
  }));
  const filterCanvas = make('canvas', { width: 67, height: 71, role: 'img', 'aria-label': "What units of Alice's first layer look for" });
  const filterText = make('figcaption', {}, "Alice's first layer appears here as she trains.");
  const body = make('tbody'), verdict = make('p', { class: 'verdict' });
  const heads = ['Accuracy on unseen pairs', 'this seed', 'mean and 95 % interval'].map((text) => make('th', { scope: 'col' }, text));
  const pads = [pad('alice', "Left half, Alice's digit"), pad('bob', "Right half, Bob's digit")];
  const answers = make('div', { class: 'answers', 'aria-live': 'polite' });
  const chooser = make('input', { type: 'file', accept: '.json,application/json', id: 'rl-lab-file' });
  root.replaceChildren(
    form,
    make('p', { class: 'buttons' }, button('Train', train), button('Stop', () => { stop(); tell('Stopped.'); }), more, button('Copy link', share)),
    status, legend, charts, make('figure', {}, filterCanvas, filterText),
    make('table', {}, make('thead', {}, make('tr', {}, ...heads)), body), verdict,
    make('h3', {}, 'Draw a pair, and ask both'),
    make('div', { class: 'pads' }, ...pads.map((one) => one.canvas)),
    make('p', { class: 'buttons' }, button('Clear', clear), button('Two unseen digits', pick)),
    answers,
    make('p', {}, make('label', { for: 'rl-lab-file' }, 'Load networks that reuselab trained: '), chooser),
  );
  form.addEventListener('input', changed);
  form.addEventListener('change', changed);
  form.addEventListener('submit', (event) => event.preventDefault());
  chooser.addEventListener('change', load);
  window.addEventListener('hashchange', fromAddress);
  pads.forEach(show);
  fromAddress();
})();
