// Alice's weights and Bob's accuracy with a linear model, for every alpha and penalty.
(() => {
  const { figure, state, slider, choice, numbers, plot, element, range, fixed } = Living;
  const F = Formulas;

  // spectra: by coupling, as `theory` of formulas.js takes them.
  figure('shallow', (root, { palette, spectra, lam, lr, n }) => {
    const held = state({ alpha: 0.4, coupling: 'pairwise', rule: 'ridge', lam, steps: 40, n });
    const panels = element(root, 'div', { class: 'rl-plots' });
    const across = { x: [-1, 1], xlabel: 'α', xticks: [-1, -0.5, 0, 0.5, 1], width: 360 };
    const weights = plot(panels, { ...across, y: [-1.05, 1.05], title: "Alice's weights, w₂ / w₁", yticks: [-1, -0.5, 0, 0.5, 1] });
    const bob = plot(panels, { ...across, y: [0, 1.02], title: "Bob's accuracy", yticks: [0, 0.25, 0.5, 0.75, 1] });
    const show = numbers(root, ['', 'value']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'alpha', name: 'coupling of the two groups', tex: '\\alpha', plain: 'α', min: -1, max: 1, step: 0.01, ticks: [-1, -0.5, 0, 0.5, 1], play: true });
    slider(sliders, held, { key: 'lam', name: 'ridge penalty', tex: '\\lambda', plain: 'λ', min: 0.01, max: 3, step: 0.01, ticks: [1, 2, 3] });
    slider(sliders, held, { key: 'steps', name: 'steps, where she is stopped early', tex: 'T', plain: 'T', min: 1, max: 400, step: 1, ticks: [1, 100, 200, 300, 400], text: (value) => fixed(value, 0) });
    slider(sliders, held, { key: 'n', name: "Bob's samples", tex: 'n', plain: 'n', min: 1, max: 200, step: 1, ticks: [1, 50, 100, 150, 200], text: (value) => fixed(value, 0) });
    choice(sliders, held, { key: 'rule', name: 'Alice', options: [['ridge', 'has a ridge penalty'], ['stop', 'is stopped early']] });
    choice(sliders, held, { key: 'coupling', name: 'coupling', options: Object.keys(spectra).map((name) => [name, name]) });
    held.listen(({ alpha, coupling, rule, lam: penalty, steps, n: samples }) => {
      const at = (a) => (rule === 'ridge' ? F.theory(spectra[coupling], a, penalty) : F.theory(spectra[coupling], a, 0, Math.round(steps), lr));
      const curve = range(-Math.PI / 2, Math.PI / 2, 201).map((turn) => [Math.sin(turn), at(Math.sin(turn))]);
      const now = at(alpha), size = Math.round(samples);
      weights.clear();
      weights.line([[-1, 0], [1, 0]], 'currentColor', { 'stroke-width': 0.8 });
      weights.line(curve.map(([a, there]) => [a, there.ratio]), palette.alice);
      weights.dot(alpha, now.ratio, palette.alice, 6);
      bob.clear();
      bob.line([[-1, 0.5], [1, 0.5]], 'currentColor', { 'stroke-width': 0.8 });
      [['Alice unchanged', palette.bob, F.accuracy], [`fine-tuned, n = ${size}`, palette.linear, (r) => F.tuned(r, size)]].forEach(([name, shade, accuracy], i) => {
        bob.line(curve.map(([a, there]) => [a, accuracy(there.r)]), shade);
        bob.dot(alpha, accuracy(now.r), shade, 6);
        bob.text(0.97, 0.14 - 0.08 * i, name, { fill: shade, 'text-anchor': 'end' });
      });
      show([
        ['w₂ / w₁', fixed(now.ratio)], ["correlation of her output with Bob's task", fixed(now.r)],
        ['accuracy, Alice unchanged', fixed(F.accuracy(now.r))], ['accuracy, last layer fine-tuned', fixed(F.tuned(now.r, size))],
      ]);
      weights.describe(`At α ${fixed(alpha)}, w₂ / w₁ is ${fixed(now.ratio)}.`);
      bob.describe(`At α ${fixed(alpha)}, Bob's accuracy is ${fixed(F.accuracy(now.r))} unchanged, ${fixed(F.tuned(now.r, size))} fine-tuned.`);
    });
  });
})();
