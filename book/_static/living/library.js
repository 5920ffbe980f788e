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
  // text(value) for eyes and screen readers, play: whether a button sweeps it.
  function slider(parent, held, spec) {
    const { key, name, min, max, step, ticks = [], text = (value) => fixed(value) } = spec;
    const box = element(parent, 'div', { class: 'rl-slider' });
    const label = element(box, 'label', {}, `${name} `);
    if (spec.tex) symbol(label, spec.tex, spec.plain);
    const shown = element(box, 'output', { 'aria-hidden': 'true' });
    const input = element(label, 'input', { type: 'range', min, max, step, 'aria-label': name });
    const marks = element(label, 'span', { class: 'rl-ticks', 'aria-hidden': 'true' });
    for (const tick of ticks) {
      const [at, word] = Array.isArray(tick) ? tick : [tick, String(tick)];
      element(marks, 'span', { style: `left: ${(100 * (at - min)) / (max - min)}%` }, word);
    }
    input.addEventListener('input', () => held.set({ [key]: Number(input.value) }));
    held.listen((values) => {
      input.value = values[key];
      shown.textContent = text(values[key]);
      input.setAttribute('aria-valuetext', text(values[key]));
    });
    if (spec.play) player(box, held, spec);
    return input;
  }

  // Sweeps a slider from end to end in five seconds; where motion is unwelcome, a press goes one tenth further.
  function player(parent, held, { key, name, min, max }) {
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    const button = element(parent, 'button', { type: 'button', class: 'rl-play' });
    let running = 0;
    const told = () => {
      const word = still.matches ? 'step' : running ? 'stop' : 'play';
      button.textContent = { step: '⏭', stop: '⏸', play: '▶' }[word];
      button.setAttribute('aria-label', `${word}: ${name}`);
    };
    const stop = () => {
      cancelAnimationFrame(running);
      running = 0;
      told();
    };
    button.addEventListener('click', () => {
      const from = held.values[key] >= max ? min : held.values[key];
      if (still.matches) return held.set({ [key]: Math.min(max, from + (max - min) / 10) });
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
    told();
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

  // SVG axes over x [low, high] and y [low, high]. What is drawn is cleared by `clear`; handles stay.
  function plot(parent, { x, y, width = 340, height = 300, title = '', xlabel = '', ylabel = '', xticks = [], yticks = [] }) {
    const [left, right, top, bottom] = [ylabel || yticks.length ? 46 : 8, 10, title ? 24 : 10, xlabel || xticks.length ? 42 : 8];
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
    if (title) write(frame, 0, -8, title, { 'text-anchor': 'start' });
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
    if (yticks.length) element(frame, 'line', { x1: 0, x2: 0, y1: 0, y2: h });
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
      dot: (a, b, color = 'currentColor', r = 4) => element(area, 'circle', { cx: px(a), cy: py(b), r, fill: color }),
      circle: (a, b, radius, look) => element(area, 'circle', { cx: px(a), cy: py(b), r: px(x[0] + radius), fill: 'none', stroke: 'currentColor', ...look }),
      text: (a, b, words, more) => write(area, px(a), py(b), words, { fill: 'currentColor', ...more }),
      // Colours color(x, y) = [red, green, blue, opacity], each to 255, over the whole area.
      field(columns, rows, color) {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [columns, rows];
        const context = canvas.getContext('2d'), image = context.createImageData(columns, rows);
        for (let j = 0; j < rows; j++) {
          const b = y[1] - ((j + 0.5) / rows) * (y[1] - y[0]);
          for (let i = 0; i < columns; i++) image.data.set(color(x[0] + ((i + 0.5) / columns) * (x[1] - x[0]), b), 4 * (j * columns + i));
        }
        context.putImageData(image, 0, 0);
        element(area, 'image', { width: w, height: h, preserveAspectRatio: 'none', href: canvas.toDataURL(), style: 'image-rendering: pixelated' });
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

  function start(root) {
    if (root.classList.contains('rl-alive') || !figures[root.dataset.figure]) return;
    const alive = element(root, 'div', { class: 'rl-living-parts' });
    figures[root.dataset.figure](alive, JSON.parse(root.dataset.given));
    root.classList.add('rl-alive');
  }

  globalThis.Living = {
    element, range, limited, fixed, state, slider, choice, numbers, plot, symbol,
    figure(name, draw) { figures[name] = draw; },
  };

  document.addEventListener('DOMContentLoaded', () => {
    document.querySelectorAll('.rl-living').forEach(start);
    typeset();
  });
})();
