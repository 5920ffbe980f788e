// The overlap of one ReLU neuron with the span of others, in the plane.
(() => {
  const { figure, state, slider, numbers, plot, element, range, fixed } = Living;
  const F = Formulas, DEGREE = Math.PI / 180;
  const degrees = (value) => `${fixed(value, 0)}°`;
  const unit = (angle) => [Math.cos(angle * DEGREE), Math.sin(angle * DEGREE)];

  figure('nonlinear', (root, { palette, apart, count }) => {
    const held = state({ angle: 100, apart, count });
    const panels = element(root, 'div', { class: 'rl-plots' });
    const plane = plot(panels, { x: [-1.3, 1.3], y: [-1.3, 1.3], width: 260, height: 260, title: 'drag the target neuron' });
    const axes = plot(panels, { x: [-180, 180], y: [0, 1.02], width: 400, height: 280, title: 'share of the target in the span', xlabel: 'angle of the target (degrees)', xticks: [-180, -90, 0, 90, 180], yticks: [0, 0.25, 0.5, 0.75, 1] });
    const toTarget = plane.handle(palette.bob, (x, y) => held.set({ angle: Math.atan2(y, x) / DEGREE }));
    const show = numbers(root, ['', 'value']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'angle', name: 'angle of the target neuron', tex: '\\varphi', plain: 'φ', min: -180, max: 180, step: 1, ticks: [-180, -90, 0, 90, 180], text: degrees, play: true });
    slider(sliders, held, { key: 'apart', name: 'between neighbouring source neurons', min: 5, max: 180, step: 5, ticks: [5, 45, 90, 135, 180], text: degrees });
    slider(sliders, held, { key: 'count', name: 'source neurons', tex: 'm', plain: 'm', min: 1, max: 8, step: 1, ticks: [1, 2, 4, 6, 8], text: (value) => fixed(value, 0) });
    held.listen(({ angle, apart: step, count: many }) => {
      const features = Array.from({ length: Math.round(many) }, (_, i) => unit(i * step)), target = unit(angle);
      const share = F.reluOverlap(target, features), cosine = Math.cos(angle * DEGREE);
      plane.clear();
      features.forEach(([x, y]) => plane.line([[0, 0], [x, y]], palette.alice, { 'stroke-width': 3 }));
      plane.line([[0, 0], target], palette.bob, { 'stroke-width': 4 });
      toTarget(...target);
      axes.clear();
      axes.line(range(-180, 180, 181).map((at) => [at, Math.cos(at * DEGREE) ** 2]), palette.chance, { 'stroke-dasharray': '5 4' });
      axes.line(range(-180, 180, 181).map((at) => [at, F.reluOverlap(unit(at), features)]), palette.alice);
      axes.dot(angle, share, palette.bob, 6);
      axes.text(-95, 0.75, 'ReLU: Ω', { fill: palette.alice });
      axes.text(-95, 0.66, 'linear: cos² φ', { fill: palette.chance });
      show([
        ['K of target and first source neuron', fixed(F.arcCosine(target, features[0]), 3)], ['overlap Ω', fixed(share, 3)],
        ['limit risk R∞ of a new head, E f² = 1', fixed(1 - share, 3)], ['sin² φ of the linear theory', fixed(1 - cosine ** 2, 3)],
      ]);
      plane.describe(`${features.length} source neurons, ${degrees(step)} apart, and a target at ${degrees(angle)}.`);
      axes.describe(`At ${degrees(angle)} the overlap is ${fixed(share)}; the linear theory has ${fixed(cosine ** 2)}.`);
    });
  });
})();
