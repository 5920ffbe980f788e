// Risks of scratch, transfer and fine-tuning against data; and a guess, before the curve is shown.
(() => {
  const { figure, state, slider, numbers, plot, element, range, limited, fixed } = Living;
  const F = Formulas, DEGREE = Math.PI / 180;
  const degrees = (value) => `${fixed(value, 0)}°`;
  const DIMENSIONS = [20, 50, 100, 200, 500, '∞'];
  const AXES = { x: [0, 2], y: [0, 2], width: 560, height: 330, xlabel: 'γ = n / d, target samples a dimension', ylabel: 'excess risk', xticks: [0, 0.5, 1, 1.5, 2], yticks: [0, 0.5, 1, 1.5, 2] };

  // simulated: degrees, sigmas, gammas, and for each method mean risks [gamma][degree][sigma].
  figure('deep_linear', (root, { palette, depths, simulated, theta, sigma }) => {
    const held = state({ theta, sigma, depth: depths[0], length: 1, gamma: 0.5, d: DIMENSIONS.length - 1 });
    const axes = plot(element(root, 'div', { class: 'rl-plots' }), AXES);
    const show = numbers(root, ['', 'risk', 'gain over scratch']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'theta', name: 'angle between source and target', tex: '\\theta', plain: 'θ', min: 0, max: 180, step: 1, ticks: [0, 45, 90, 135, 180], text: degrees, play: true });
    slider(sliders, held, { key: 'sigma', name: 'noise', tex: '\\sigma', plain: 'σ', min: 0, max: 1.5, step: 0.01, ticks: [0, 0.5, 1, 1.5], play: true });
    slider(sliders, held, { key: 'gamma', name: 'target samples a dimension', tex: '\\gamma', plain: 'γ', min: 0.01, max: 2, step: 0.01, ticks: [0.5, 1, 1.5, 2] });
    slider(sliders, held, { key: 'depth', name: 'layers', tex: 'L', plain: 'L', min: 2, max: 12, step: 1, ticks: [2, 4, 8, 12], text: (value) => fixed(value, 0) });
    slider(sliders, held, { key: 'length', name: 'length of the source vector', tex: '\\ell', plain: 'ℓ', min: 0.1, max: 2, step: 0.05, ticks: [0.5, 1, 1.5, 2] });
    slider(sliders, held, { key: 'd', name: 'dimensions, for scratch and linear transfer', tex: 'd', plain: 'd', stops: DIMENSIONS });
    held.listen(({ theta: angle, sigma: noise, depth, length, gamma, d: place }) => {
      const d = DIMENSIONS[Math.round(place)], endless = d === '∞';
      const risks = {
        'from scratch': [palette.scratch, (g) => (endless ? F.scratchLimit(g, noise) : F.scratchRisk(g * d, d, noise))],
        'linear transfer': [palette.linear, (g) => (endless ? F.linearTransferLimit(angle * DEGREE) : F.linearTransferRisk(g * d, d, angle * DEGREE, noise))],
        'fine-tuning': [palette.tuned, (g) => F.scratchLimit(g, noise) - F.fineTuningGain(g, angle * DEGREE, noise, Math.round(depth), 'flow', { length })],
        'best ridge from scratch': [palette.ridge, (g) => F.bestRidgeRisk(g, noise)],
      };
      axes.clear();
      axes.line([[gamma, 0], [gamma, 2]], 'currentColor', { 'stroke-width': 0.8, 'stroke-dasharray': '2 3' });
      Object.entries(risks).forEach(([name, [shade, risk]], i) => {
        axes.line(range(0.005, 1.995, 400).map((g) => [g, risk(g)]), shade, name.startsWith('best') ? { 'stroke-dasharray': '6 4' } : {});
        axes.text(1.98, 1.88 - 0.13 * i, name, { fill: shade, 'text-anchor': 'end' });
      });
      const [i, j] = [simulated.degrees.indexOf(angle), simulated.sigmas.indexOf(noise)];
      if (i >= 0 && j >= 0 && length === 1 && Math.round(depth) === 2) {
        for (const method of ['scratch', 'linear', 'fine_tune']) {
          const shade = palette[method === 'fine_tune' ? 'tuned' : method];
          simulated.gammas.forEach((g, k) => axes.dot(g, simulated[method][k][i][j] ?? NaN, shade));
        }
      }
      const scratch = risks['from scratch'][1](gamma);
      show(Object.entries(risks).map(([name, [, risk]]) => [name, fixed(risk(gamma)), fixed(scratch - risk(gamma))]));
      axes.describe(`Excess risk at γ ${fixed(gamma)}: ${Object.entries(risks).map(([name, [, risk]]) => `${name} ${fixed(risk(gamma))}`).join(', ')}.`);
    });
  });

  // Draw with mouse or finger, or by arrow keys: left and right choose a place, up and down its height.
  figure('guess', (root, { palette, sigma }) => {
    const at = range(0.05, 1.95, 39);
    const held = state({ heights: at.map(() => 1), place: 9, shown: false });
    const axes = plot(element(root, 'div', { class: 'rl-plots' }), { ...AXES, title: 'draw the risk that you expect' });
    const buttons = element(root, 'p', { class: 'rl-buttons' });
    const button = element(buttons, 'button', { type: 'button' });
    const told = element(root, 'p', { role: 'status' });
    let last = null;
    const put = (i, height) => {
      const heights = [...held.values.heights], to = limited(height, 0, 2);
      const [from, start] = last ?? [i, to];
      for (let k = Math.min(from, i); k <= Math.max(from, i); k++) {
        heights[k] = from === i ? to : start + ((to - start) * (k - from)) / (i - from);
      }
      last = [i, to];
      held.set({ heights, place: i });
    };
    const drawn = (event) => {
      const [x, y] = axes.at(event);
      put(limited(Math.round((x - at[0]) / (at[1] - at[0])), 0, at.length - 1), y);
    };
    axes.svg.classList.add('rl-draw');
    for (const [name, value] of Object.entries({ tabindex: 0, role: 'slider', 'aria-valuemin': 0, 'aria-valuemax': 2 })) axes.svg.setAttribute(name, value);
    axes.svg.addEventListener('pointerdown', (event) => {
      axes.svg.setPointerCapture(event.pointerId);
      last = null;
      drawn(event);
    });
    axes.svg.addEventListener('pointermove', (event) => axes.svg.hasPointerCapture(event.pointerId) && drawn(event));
    axes.svg.addEventListener('keydown', (event) => {
      const { heights, place } = held.values;
      const [along, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
      if (!along && !up) return;
      event.preventDefault();
      last = null;
      if (along) held.set({ place: limited(place + along, 0, at.length - 1) });
      else put(place, heights[place] + 0.1 * up);
    });
    button.addEventListener('click', () => held.set({ shown: !held.values.shown }));
    held.listen(({ heights, place, shown }) => {
      const truth = at.map((gamma) => Math.min(F.scratchLimit(gamma, sigma), 2));
      axes.clear();
      axes.line(at.map((gamma, i) => [gamma, heights[i]]), palette.point, { 'stroke-dasharray': '5 4' });
      axes.dot(at[place], heights[place], palette.point, 5);
      if (shown) axes.line(range(0.005, 1.995, 400).map((gamma) => [gamma, F.scratchLimit(gamma, sigma)]), palette.scratch);
      button.textContent = shown ? 'Hide the curve' : 'Show the curve';
      const off = heights.reduce((sum, height, i) => sum + Math.abs(height - truth[i]), 0) / at.length;
      told.textContent = shown ? `Your guess is off by ${fixed(off)} on average (the curve cut at 2).` : '';
      const words = `γ ${fixed(at[place])}: your guess ${fixed(heights[place])}`;
      axes.svg.setAttribute('aria-valuenow', heights[place]);
      axes.svg.setAttribute('aria-valuetext', shown ? `${words}, the curve ${fixed(F.scratchLimit(at[place], sigma))}` : words);
      axes.describe('Your guess of the risk from scratch against γ');
    });
  });
})();
