// The phase diagram under the reader's hand, and the same distance that helps and hurts.
(() => {
  const { figure, state, slider, choice, numbers, plot, element, range, limited, fixed } = Living;
  const F = Formulas, DEGREE = Math.PI / 180, ENDLESS = 4.1;
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const angle = (x, y) => Math.atan2(y, x) / DEGREE;
  const degrees = (value) => `${fixed(value, 0)}°`;
  const helps = (gain) => (gain > 0 ? 'helps' : gain < 0 ? 'hurts' : 'neither');

  figure('phase_diagram', (root, { palette, sigma, sigma_source: sigmaSource, depths }) => {
    const held = state({ theta: 35, turn: 0, length: 1, gamma: 0.5, sigma, gammaSource: ENDLESS, form: `${depths[0]}` });
    const top = element(root, 'div', { class: 'rl-plots' }), panels = element(root, 'div', { class: 'rl-plots' });
    const plane = plot(top, { x: [-2.1, 2.1], y: [-2.1, 2.1], width: 260, height: 260, title: 'drag the arrows' });
    const show = numbers(top, ['', 'risk', 'gain', 'transfer', 'helps up to']);
    const map = (title, ylabel) => plot(panels, {
      x: [0, 2], y: [0, 180], title, xlabel: 'γ = n / d', ylabel, xticks: [0, 0.5, 1, 1.5, 2], yticks: [0, 45, 90, 135, 180],
    });
    const maps = { linear: map('linear transfer', 'angle θ (degrees)'), tuned: map('fine-tuning', 'angle θ (degrees)') };
    const [good, bad] = [rgb(palette.helps), rgb(palette.hurts)];
    const color = (gain) => [...(gain > 0 ? good : bad), 255 * Math.min(1, Math.abs(gain)) ** 0.8];

    const toTarget = plane.handle(palette.bob, (x, y) => {
      const turn = angle(x, y), apart = Math.abs(((held.values.turn + held.values.theta - turn + 540) % 360) - 180);
      held.set({ theta: apart, turn: held.values.turn + held.values.theta - apart });
    });
    const toSource = plane.handle(palette.alice, (x, y) => {
      const apart = ((angle(x, y) - held.values.turn + 540) % 360) - 180;
      held.set({ theta: limited(Math.abs(apart), 0, 180), length: limited(Math.hypot(x, y), 0.1, 2) });
    });
    const points = Object.values(maps).map((axes) => axes.handle(palette.point, (x, y) =>
      held.set({ gamma: limited(x, 0.01, 2), theta: limited(y, 0, 180) })));

    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'theta', name: 'angle between source and target', tex: '\\theta', plain: 'θ', min: 0, max: 180, step: 1, ticks: [0, 45, 90, 135, 180], text: degrees, play: true });
    slider(sliders, held, { key: 'length', name: 'length of the source vector', tex: '\\ell', plain: 'ℓ', min: 0.1, max: 2, step: 0.05, ticks: [0.5, 1, 1.5, 2] });
    slider(sliders, held, { key: 'gamma', name: 'target samples a dimension', tex: '\\gamma', plain: 'γ', min: 0.01, max: 2, step: 0.01, ticks: [0.5, 1, 1.5, 2], play: true });
    slider(sliders, held, { key: 'sigma', name: 'noise', tex: '\\sigma', plain: 'σ', min: 0, max: 1.5, step: 0.01, ticks: [0, 0.5, 1, 1.5] });
    slider(sliders, held, { key: 'gammaSource', name: 'source samples a dimension', tex: '\\gamma_s', plain: 'γₛ', min: 0.1, max: ENDLESS, step: 0.05, ticks: [1, 2, 3, [ENDLESS, '∞']], text: (value) => (value >= ENDLESS ? 'infinite' : fixed(value)) });
    choice(sliders, held, { key: 'form', name: 'fine-tuning keeps', options: [...depths.map((depth) => [depth, `the conserved scale, depth ${depth}`]), ['published', 'c = 1, as published']] });

    held.listen(({ theta, turn, length, gamma, sigma: noise, gammaSource, form }) => {
      const from = { gammaSource: gammaSource >= ENDLESS ? null : gammaSource, sigmaSource, length };
      const kind = form === 'published' ? [2, 'published'] : [Number(form), 'flow'];
      const gains = {
        linear: (g, t) => F.linearTransferGain(g, t, noise, from),
        tuned: (g, t) => F.fineTuningGain(g, t, noise, ...kind, from),
      };
      const edges = {
        linear: (g) => F.linearBoundary(g, noise, from),
        tuned: (g) => F.fineTuningBoundary(g, noise, ...kind, from),
      };
      const scratch = F.scratchLimit(gamma, noise);
      const rows = [['scratch', fixed(scratch), '', '', '']];
      for (const [method, name] of [['linear', 'linear transfer'], ['tuned', 'fine-tuning']]) {
        const axes = maps[method], gain = gains[method](gamma, theta * DEGREE), edge = edges[method](gamma) / DEGREE;
        axes.clear();
        axes.field(100, 90, (g, t) => color(gains[method](g, t * DEGREE)));
        const curve = range(0.004, 1.996, 499).map((g) => [g, edges[method](g) / DEGREE]);
        axes.line(curve);
        if (method === 'linear') axes.line(curve.map(([g, t]) => [g, 180 - t]));
        axes.describe(`${name}: gain ${fixed(gain)} at γ ${fixed(gamma)} and ${degrees(theta)}; it ${helps(gain)}.`);
        const risk = method === 'linear' ? F.linearTransferLimit(theta * DEGREE, from) : scratch - gain;
        rows.push([name, fixed(risk), fixed(gain), helps(gain), Number.isNaN(edge) ? 'no boundary' : `${fixed(edge, 1)}°`]);
      }
      points.forEach((move) => move(gamma, theta));
      show(rows);
      plane.clear();
      const tips = [[turn, 1, palette.bob, 'target'], [turn + theta, length, palette.alice, 'source']];
      tips.forEach(([direction, size, shade, name], i) => {
        const [x, y] = [size * Math.cos(direction * DEGREE), size * Math.sin(direction * DEGREE)];
        plane.line([[0, 0], [x, y]], shade, { 'stroke-width': 4 });
        plane.text((x * (size + 0.5)) / size, (y * (size + 0.5)) / size - 0.1, name, { fill: shade });
        [toTarget, toSource][i](x, y);
      });
      plane.describe(`Target of length 1 and source of length ${fixed(length)}, ${degrees(theta)} apart.`);
    });
  });

  // A source learnt from finitely many samples, in finitely many dimensions.
  figure('finite', (root, { palette, sigma_source: sigmaSource, theta }) => {
    const dimensions = [10, 20, 50, 100, 200, 500, '∞'];
    const held = state({ gammaSource: 1.5, sigmaSource, d: 1, theta, ridge: 0 });
    const axes = plot(element(root, 'div', { class: 'rl-plots' }), { x: [0, 4], y: [0, 1.02], width: 480, height: 300, title: 'mean squared cosine of learnt and true source', xlabel: 'γₛ = nₛ / d, source samples a dimension', xticks: [0, 1, 2, 3, 4], yticks: [0, 0.25, 0.5, 0.75, 1] });
    const show = numbers(root, ['', 'value']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'gammaSource', name: 'source samples a dimension', tex: '\\gamma_s', plain: 'γₛ', min: 0.1, max: 4, step: 0.05, ticks: [1, 2, 3, 4], play: true });
    slider(sliders, held, { key: 'sigmaSource', name: 'noise of the source', tex: '\\sigma_s', plain: 'σₛ', min: 0.05, max: 1.5, step: 0.05, ticks: [0.5, 1, 1.5], play: true });
    slider(sliders, held, { key: 'd', name: 'dimensions', tex: 'd', plain: 'd', stops: dimensions });
    slider(sliders, held, { key: 'theta', name: 'angle between source and target', tex: '\\theta', plain: 'θ', min: 0, max: 180, step: 1, ticks: [0, 45, 90, 135, 180], text: degrees });
    slider(sliders, held, { key: 'ridge', name: 'ridge on the one coefficient', tex: '\\lambda', plain: 'λ', min: 0, max: 3, step: 0.05, ticks: [0, 1, 2, 3] });
    held.listen(({ gammaSource, sigmaSource: noise, d: place, theta: angle_, ridge }) => {
      const at = dimensions[Math.round(place)], d = at === '∞' ? null : at, from = (g) => ({ gammaSource: g, sigmaSource: noise });
      const exact = F.sourceOverlap(d, from(gammaSource)), limit = F.sourceOverlap(null, from(gammaSource));
      axes.clear();
      axes.line(range(0.02, 4, 200).map((g) => [g, F.sourceOverlap(null, from(g))]), palette.chance, { 'stroke-dasharray': '5 4' });
      axes.line(range(0.1, 4, 79).map((g) => [g, F.sourceOverlap(d, from(g))]), palette.alice);
      axes.dot(gammaSource, exact, palette.alice, 6);
      axes.text(3.9, 0.14, d ? `exact, d = ${d}` : 'the limit', { fill: palette.alice, 'text-anchor': 'end' });
      axes.text(3.9, 0.05, 'dashed: the limit', { fill: palette.chance, 'text-anchor': 'end' });
      show([
        ['ω, exact', fixed(exact, 3)], ['ω, the limit m² / B', fixed(limit, 3)],
        ['limit risk of linear transfer', fixed(F.linearTransferLimit(angle_ * DEGREE, from(gammaSource), ridge), 3)],
        ['with a source known perfectly', fixed(F.linearTransferLimit(angle_ * DEGREE, {}, ridge), 3)],
      ]);
      axes.describe(`At γₛ ${fixed(gammaSource)} the mean squared cosine is ${fixed(exact)}, in the limit ${fixed(limit)}.`);
    });
  });

  // Source vectors at one distance from the target lie on a circle round it.
  figure('distances', (root, { palette, sigma }) => {
    const held = state({ distance: 0.9, round: 90, sigma, gamma: 0.5, hold: true });
    const panels = element(root, 'div', { class: 'rl-plots' });
    const plane = plot(panels, { x: [-1.3, 2.9], y: [-2.1, 2.1], width: 320, height: 320, title: 'drag the source round the target' });
    const gains = plot(panels, { x: [0, 180], y: [-1, 1], title: 'gain at this one distance', xlabel: 'way round the target (degrees)', xticks: [0, 45, 90, 135, 180], yticks: [-1, -0.5, 0, 0.5, 1] });
    const toSource = plane.handle(palette.alice, (x, y) => held.set({
      round: Math.abs(angle(x - 1, y)), ...(held.values.hold ? {} : { distance: limited(Math.hypot(x - 1, y), 0.05, 1.8) }),
    }));
    const show = numbers(root, ['', 'value']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'round', name: 'way round the target', min: 0, max: 180, step: 1, ticks: [0, 45, 90, 135, 180], text: degrees, play: true });
    slider(sliders, held, { key: 'distance', name: 'distance of source and target', min: 0.05, max: 1.8, step: 0.05, ticks: [0.5, 1, 1.5] });
    slider(sliders, held, { key: 'sigma', name: 'noise', tex: '\\sigma', plain: 'σ', min: 0.05, max: 1, step: 0.01, ticks: [0.25, 0.5, 0.75, 1] });
    slider(sliders, held, { key: 'gamma', name: 'target samples a dimension', tex: '\\gamma', plain: 'γ', min: 0.01, max: 0.99, step: 0.01, ticks: [0.25, 0.5, 0.75] });
    const label = element(element(sliders, 'div', { class: 'rl-slider' }), 'label');
    const box = element(label, 'input', { type: 'checkbox' });
    label.append(' hold the distance while I drag');
    box.addEventListener('change', () => held.set({ hold: box.checked }));

    held.listen(({ distance, round, sigma: noise, gamma, hold }) => {
      box.checked = hold;
      const at = (way) => {
        const x = 1 + distance * Math.cos(way * DEGREE), y = distance * Math.sin(way * DEGREE);
        const length = Math.max(Math.hypot(x, y), 1e-6), theta = Math.atan2(y, x);
        return { x, y, theta, length, linear: F.linearTransferGain(gamma, theta, noise), tuned: F.fineTuningGain(gamma, theta, noise, 2, 'flow', { length }) };
      };
      const now = at(round), { kl, w2 } = F.distances(now.theta, noise, now.length);
      const ways = range(0, 180, 181).map((way) => [way, at(way)]);
      plane.clear();
      plane.circle(1, 0, distance, { 'stroke-dasharray': '3 4' });
      plane.line([[0, 0], [1, 0]], palette.bob, { 'stroke-width': 4 });
      plane.line([[0, 0], [now.x, now.y]], palette.alice, { 'stroke-width': 4 });
      plane.text(0.6, -0.25, 'target', { fill: palette.bob });
      plane.text(now.x, now.y + 0.25, 'source', { fill: palette.alice });
      toSource(now.x, now.y);
      gains.clear();
      gains.line([[0, 0], [180, 0]], 'currentColor', { 'stroke-width': 0.8 });
      for (const [method, name] of [['linear', 'linear transfer'], ['tuned', 'fine-tuning']]) {
        gains.line(ways.map(([way, there]) => [way, there[method]]), palette[method]);
        gains.dot(round, now[method], palette[method], 6);
        gains.text(172, method === 'linear' ? 0.84 : 0.7, name, { fill: palette[method], 'text-anchor': 'end' });
      }
      show([
        ['Kullback-Leibler distance (nats)', fixed(kl)], ['Wasserstein distance', fixed(w2)],
        ['angle', degrees(now.theta / DEGREE)], ['length of the source', fixed(now.length)],
        ['gain of linear transfer', `${fixed(now.linear)}, ${helps(now.linear)}`],
        ['gain of fine-tuning', `${fixed(now.tuned)}, ${helps(now.tuned)}`],
      ]);
      plane.describe(`Source and target ${fixed(distance)} apart: Kullback-Leibler ${fixed(kl)}.`);
      gains.describe(`At this distance linear transfer gains ${fixed(now.linear)} and fine-tuning ${fixed(now.tuned)}.`);
    });
  });
})();
