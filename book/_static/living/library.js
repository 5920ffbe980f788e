// What all living figures share: state, sliders, SVG axes. A figure registers itself by name:
//   Living.figure('risks', (root, given) => { ... });  // given: what Python's `living` was called with
// and is drawn in every element <div class="rl-living" data-figure="risks" data-given="{...}">.
(() => {
  const SVG = 'http://www.w3.org/2000/svg';
  const figures = {};
  const symbols = [];

  function element(parent, tag, attributes = {}, text = '') {
    const made = parent.namespaceURI === SVG || tag === 'svg' ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return parent.appendChild(made);
  }

  const range = (low, high, count) => Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
  const limited = (value, low, high) => Math.min(high, Math.max(low, value));
  const fixed = (value, digits = 2) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? 'none' : value > 0 ? 'infinite' : '−infinite';
    return value.toFixed(digits).replace('-', '−');
  };
  // A mean in its interval, where there is one.
  const bounds = ({ mean, low, high }) => fixed(mean ?? NaN) + ([low, high].every(Number.isFinite) ? ` [${fixed(low)}, ${fixed(high)}]` : '');

  // A colour for text: halfway to the page's ink, so that it is read on light and dark ground.
  const ink = (shade) => `color-mix(in srgb, ${shade} 50%, currentColor)`;

  // Values by name; who listens is called after each change, and once now.
  function state(values) {
    const listeners = [];
    return {
      values,
      set(changes) {
        Object.assign(values, changes);
        listeners.forEach((listener) => listener(values));
      },
      listen(listener) {
        listeners.push(listener);
        listener(values);
      },
    };
  }

  // A formula's symbol: in plain letters until, and unless, MathJax typesets it.
  function symbol(parent, tex, plain) {
    const place = element(parent, 'i', { class: 'rl-symbol', 'aria-hidden': 'true' }, plain);
    symbols.push([place, tex]);
  }

  async function typeset() {
    await window.MathJax?.startup?.promise;
    if (!window.MathJax?.typesetPromise) return;
    for (const [place, tex] of symbols.splice(0)) {
      place.textContent = `\\(${tex}\\)`;
      place.className = 'rl-symbol mathjax_process';
      await MathJax.typesetPromise([place]);
      for (const formula of place.querySelectorAll('[tabindex]')) formula.removeAttribute('tabindex');
    }
  }

  // spec: key, name, tex, plain (the symbol in letters), min, max, step, ticks [value or [value, word]],
  // text(value) for eyes and screen readers, play: whether a button sweeps it, or 'at once'.
  // stops: the only values that there are, in place of min to ticks; then the state holds the place of one.
  // wordy: whether the value, some words, has a line of its own.
  // most(values): where the end depends on the state, in place of max; only ticks up to it are shown.
  function slider(parent, held, { stops, ...spec }) {
    if (stops) {
      const words = stops.map((stop) => (spec.text ?? String)(stop));
      Object.assign(spec, { min: 0, max: stops.length - 1, step: 1, ticks: stops.map((stop, i) => [i, String(stop)]), text: (place) => words[Math.round(place)] });
    }
    const { key, name, min, max, step, most = () => max, ticks = [], text = (value) => fixed(value) } = spec;
    const box = element(parent, 'div', { class: `rl-slider ${spec.wordy ? 'rl-wordy' : ''}` });
    const label = element(box, 'label', {}, `${name} `);
    if (spec.tex) symbol(label, spec.tex, spec.plain);
    const shown = element(box, 'output', { 'aria-hidden': 'true' });
    const input = element(label, 'input', { type: 'range', min, max, step, 'aria-label': name });
    const marks = element(label, 'span', { class: 'rl-ticks', 'aria-hidden': 'true' });
    const mark = (end) => {
      marks.textContent = '';
      for (const [at, word] of ticks.map((tick) => (Array.isArray(tick) ? tick : [tick, String(tick)])))
        if (at <= end) element(marks, 'span', { style: `left: ${(100 * (at - min)) / (end - min || 1)}%` }, word);
    };
    mark(max);
    input.addEventListener('input', () => held.set({ [key]: Number(input.value) }));
    held.listen((values) => {
      const end = most(values);
      if (Number(input.max) !== end) {
        input.max = end;
        mark(end);
      }
      input.value = values[key];
      shown.textContent = text(values[key]);
      input.setAttribute('aria-valuetext', text(values[key]));
    });
    if (spec.play) player(box, held, input, spec);
    return input;
  }

  // Sweeps a slider from end to end in five seconds; where motion is unwelcome, a press goes one tenth or step further.
  function player(parent, held, input, { key, name, min, max, step, play }) {
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    const button = element(parent, 'button', { type: 'button', class: 'rl-play' });
    let running = 0;
    const told = () => {
      const word = still.matches ? 'step' : running ? 'stop' : 'play';
      button.textContent = { step: '▶|', stop: '■', play: '▶' }[word];
      button.setAttribute('aria-label', `${word}: ${name}`);
    };
    const stop = () => {
      cancelAnimationFrame(running);
      running = 0;
      told();
    };
    button.addEventListener('click', () => {
      const from = held.values[key] >= max ? min : held.values[key];
      if (still.matches) return held.set({ [key]: Math.min(max, from + Math.max(step, (max - min) / 10)) });
      if (running) return stop();
      let start;
      const move = (now) => {
        start ??= now;
        const value = Math.min(max, from + ((max - min) * (now - start)) / 5000);
        held.set({ [key]: value });
        if (value >= max) return stop();
        running = requestAnimationFrame(move);
      };
      running = requestAnimationFrame(move);
      told();
    });
    still.addEventListener('change', stop);
    input.addEventListener('input', stop);
    told();
    if (play === 'at once' && !still.matches) button.click();
  }

  function choice(parent, held, { key, name, options }) {
    const label = element(element(parent, 'div', { class: 'rl-slider' }), 'label', {}, `${name} `);
    const input = element(label, 'select');
    for (const [value, word] of options) element(input, 'option', { value }, word);
    input.addEventListener('change', () => held.set({ [key]: input.value }));
    held.listen((values) => { input.value = values[key]; });
    return input;
  }

  // A table of names and numbers beside a picture; `show` takes rows [name, number, ...].
  function numbers(parent, heads) {
    const table = element(parent, 'table', { class: 'rl-numbers' });
    const top = element(element(table, 'thead'), 'tr');
    heads.forEach((head) => element(top, 'th', { scope: 'col' }, head));
    const body = element(table, 'tbody');
    return (rows) => {
      body.textContent = '';
      for (const [name, ...cells] of rows) {
        const row = element(body, 'tr');
        element(row, 'th', { scope: 'row' }, name);
        cells.forEach((cell) => element(row, 'td', {}, cell));
      }
    };
  }

  // Two images of side x side beside each other over their labels; what it returns draws them: grey levels row by row
  // of either half, the level that is white, and for each half how bright it is.
  function pair(parent, side) {
    const box = element(parent, 'figure'), canvas = element(box, 'canvas', { width: 2 * side, height: side, role: 'img' });
    const caption = element(box, 'figcaption'), context = canvas.getContext('2d'), image = context.createImageData(2 * side, side);
    return (halves, white, words, bright = [1, 1]) => {
      halves.forEach((half, which) => half.forEach((value, k) => {
        const shade = (255 * value * bright[which]) / white;
        image.data.set([shade, shade, shade, 255], 4 * (2 * side * Math.floor(k / side) + side * which + (k % side)));
      }));
      context.putImageData(image, 0, 0);
      caption.textContent = words;
      canvas.setAttribute('aria-label', `A pair: ${words}`);
    };
  }

  // SVG axes over x [low, high] and y [low, high]. What is drawn is cleared by `clear`; handles stay.
  // It is no wider than its place, so that words stay legible on a phone.
  function plot(parent, { x, y, width: wished = 340, height = 300, title = '', xlabel = '', ylabel = '', xticks = [], yticks = [] }) {
    const [left, right, top, bottom] = [ylabel || yticks.length ? 46 : 8, 10, title ? 24 : 10, xlabel || xticks.length ? 42 : 8];
    const width = Math.min(wished, Math.max(parent.clientWidth, 260));
    const [w, h] = [width - left - right, height - top - bottom];
    const svg = element(parent, 'svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', class: 'rl-plot', style: `max-width: ${1.25 * width}px` });
    const px = (value) => ((value - x[0]) / (x[1] - x[0])) * w, py = (value) => h - ((value - y[0]) / (y[1] - y[0])) * h;
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      const [across, down] = [((event.clientX - box.left) / box.width) * width - left, ((event.clientY - box.top) / box.height) * height - top];
      return [x[0] + (across / w) * (x[1] - x[0]), y[0] + (1 - down / h) * (y[1] - y[0])];
    };
    const write = (where, across, down, words, more = {}) =>
      element(where, 'text', { x: across, y: down, 'text-anchor': 'middle', ...more }, words);
    const area = element(svg, 'svg', { x: left, y: top, width: w, height: h, overflow: 'hidden' });
    const frame = element(svg, 'g', { transform: `translate(${left} ${top})`, class: 'rl-frame' });
    if (title) {
      write(frame, 0, -8, title, { 'text-anchor': 'start' });
      svg.setAttribute('aria-label', title);
    }
    if (xlabel) write(frame, w / 2, h + 36, xlabel);
    if (ylabel) write(frame, 0, 0, ylabel, { transform: `translate(-34 ${h / 2}) rotate(-90)` });
    for (const tick of xticks) {
      element(frame, 'line', { x1: px(tick), x2: px(tick), y1: h, y2: h + 4 });
      write(frame, px(tick), h + 18, String(tick));
    }
    for (const tick of yticks) {
      element(frame, 'line', { x1: -4, x2: 0, y1: py(tick), y2: py(tick) });
      write(frame, -8, py(tick) + 4, String(tick).replace('-', '−'), { 'text-anchor': 'end' });
    }
    if (xticks.length) element(frame, 'line', { x1: 0, x2: w, y1: h, y2: h });
    if (yticks.length) element(frame, 'line', { x1: 0, x2: 0, y1: py(Math.max(...yticks)), y2: py(Math.min(...yticks)) });
    const handles = element(svg, 'g', { transform: `translate(${left} ${top})` });
    return {
      svg,
      at,
      clear() { area.textContent = ''; },
      describe(words) { svg.setAttribute('aria-label', words); },
      // A curve through [x, y] points, with a gap where one is not finite.
      line(points, color = 'currentColor', look = {}) {
        let pen = 'M', d = '';
        for (const [a, b] of points) {
          if (!Number.isFinite(a) || !Number.isFinite(b)) pen = 'M';
          else {
            d += `${pen}${px(a).toFixed(2)} ${limited(py(b), -9 * h, 10 * h).toFixed(2)}`;
            pen = 'L';
          }
        }
        return element(area, 'path', { d, fill: 'none', stroke: color, 'stroke-width': 2, ...look });
      },
      // A frame on top of all, one for each name, moved when it is drawn again.
      frame(name, a, b, across, up) {
        const made = handles.querySelector(`[data-name=${name}]`) ?? element(handles, 'rect', { 'data-name': name, class: 'rl-cursor' });
        for (const [side, value] of Object.entries({ x: px(a), y: py(b), width: px(across) - px(a), height: py(up) - py(b) })) made.setAttribute(side, value);
      },
      // A rectangle between two corners.
      box: (a, b, across, up, look) => element(area, 'rect', { x: px(a), y: py(up), width: px(across) - px(a), height: py(b) - py(up), ...look }),
      dot: (a, b, color = 'currentColor', r = 4) => element(area, 'circle', { cx: px(a), cy: py(b), r, fill: color }),
      circle: (a, b, radius, look) => element(area, 'circle', { cx: px(a), cy: py(b), r: px(x[0] + radius), fill: 'none', stroke: 'currentColor', ...look }),
      text: (a, b, words, more) => write(area, px(a), py(b), words, { ...more, fill: more?.fill ? ink(more.fill) : 'currentColor' }),
      // Colours color(x, y) = [red, green, blue, opacity], each to 255, over the whole area or a part of it.
      field(columns, rows, color, [x0, x1] = x, [y0, y1] = y) {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [columns, rows];
        const context = canvas.getContext('2d'), image = context.createImageData(columns, rows);
        for (let j = 0; j < rows; j++) {
          const b = y1 - ((j + 0.5) / rows) * (y1 - y0);
          for (let i = 0; i < columns; i++) image.data.set(color(x0 + ((i + 0.5) / columns) * (x1 - x0), b), 4 * (j * columns + i));
        }
        context.putImageData(image, 0, 0);
        element(area, 'image', { x: px(x0), y: py(y1), width: px(x1) - px(x0), height: py(y0) - py(y1), preserveAspectRatio: 'none', href: canvas.toDataURL(), style: 'image-rendering: pixelated' });
      },
      // A round handle to drag with mouse or finger: moved(x, y). Its variables have sliders, for the keyboard.
      handle(color, moved) {
        const grip = element(handles, 'circle', { r: 11, fill: color, class: 'rl-handle', 'aria-hidden': 'true' });
        grip.addEventListener('pointerdown', (event) => {
          grip.setPointerCapture(event.pointerId);
          event.preventDefault();
        });
        grip.addEventListener('pointermove', (event) => grip.hasPointerCapture(event.pointerId) && moved(...at(event)));
        return (a, b) => {
          grip.setAttribute('cx', px(a));
          grip.setAttribute('cy', py(b));
        };
      },
    };
  }

  // The blocks of a network in a row from the image to the head, with the freeze line through them: the state's
  // `retrain`, one of `cuts`, is the number of blocks right of it, Bob's. By finger, mouse and arrow keys.
  // Above the blocks y goes from 0 to 1 for what else is drawn there, at x = the number of blocks left of a cut.
  function network(parent, held, { names, cuts, palette, tall, words, ...looks }) {
    const count = names.length, low = tall ? -0.5 : -2;
    const axes = plot(parent, { x: [-0.4, count + 0.4], y: [low, tall ? 1.06 : 0.3], width: 400, height: tall ? 330 : 110, ...looks });
    const { svg } = axes, nearest = (retrain) => cuts.reduce((best, cut) => (Math.abs(cut - retrain) < Math.abs(best - retrain) ? cut : best));
    const at = (y) => (tall ? y : 4 * y), label = (name) => (name.length > 7 || count > 7 ? '' : name);
    const paint = (hers) => (hers ? { fill: palette.alice, stroke: palette.alice } : { fill: palette.bob, stroke: palette.bob });
    for (const [name, value] of Object.entries({ tabindex: 0, role: 'slider', 'aria-label': 'freeze line: blocks that stay Alice’s', 'aria-valuemin': count - Math.max(...cuts), 'aria-valuemax': count - Math.min(...cuts) })) svg.setAttribute(name, value);
    svg.classList.add('rl-freeze');
    const moved = (event) => held.set({ retrain: nearest(count - axes.at(event)[0]) });
    svg.addEventListener('pointerdown', (event) => {
      svg.setPointerCapture(event.pointerId);
      moved(event);
    });
    svg.addEventListener('pointermove', (event) => svg.hasPointerCapture(event.pointerId) && moved(event));
    svg.addEventListener('keydown', (event) => {
      const sorted = [...cuts].sort((a, b) => b - a), place = sorted.indexOf(held.values.retrain);
      const to = { ArrowLeft: place - 1, ArrowDown: place - 1, ArrowRight: place + 1, ArrowUp: place + 1, Home: 0, End: cuts.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      held.set({ retrain: sorted[limited(to, 0, cuts.length - 1)] });
    });
    return {
      axes,
      draw(retrain) {
        const frozen = count - retrain;
        axes.clear();
        names.forEach((name, i) => {
          axes.box(i + 0.06, at(-0.28), i + 0.94, at(-0.1), { rx: 6, 'stroke-width': 2, 'fill-opacity': 0.3, ...paint(i < frozen) });
          axes.text(i + 0.5, at(-0.21), label(name), { style: 'stroke: none' });
        });
        if (frozen) axes.text(frozen / 2, at(-0.4), frozen > 1 ? 'Alice’s, frozen' : 'Alice’s', { fill: palette.alice });
        if (retrain) axes.text(frozen + retrain / 2, at(-0.4), retrain > 1 ? 'Bob retrains' : 'Bob’s', { fill: palette.bob });
        axes.line([[frozen, low], [frozen, tall ? 1.06 : 0.3]], 'currentColor', { 'stroke-width': 2, 'stroke-dasharray': '6 4' });
        axes.dot(frozen, at(-0.03), 'currentColor', 8);
        svg.setAttribute('aria-valuenow', frozen);
        svg.setAttribute('aria-valuetext', words(retrain));
      },
    };
  }

  function start(root) {
    if (root.classList.contains('rl-alive') || !figures[root.dataset.figure]) return;
    const alive = element(root, 'div', { class: 'rl-living-parts' });
    figures[root.dataset.figure](alive, JSON.parse(root.dataset.given));
    root.classList.add('rl-alive');
  }

  globalThis.Living = {
    element, range, limited, fixed, bounds, state, slider, choice, numbers, pair, plot, network,
    figure(name, draw) { figures[name] = draw; },
  };

  document.addEventListener('DOMContentLoaded', () => {
    document.querySelectorAll('.rl-living').forEach(start);
    typeset();
  });
})();
