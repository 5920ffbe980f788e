// The generator's law, and pairs of images redrawn as rho and phi move.
(() => {
  const { figure, state, slider, numbers, pair, plot, element, range, fixed } = Living;
  const F = Formulas;

  // images: grey levels, row by row, of Alice's, Bob's if he has her class, and Bob's if not, for each pair;
  // mean and deviation of each pixel of the two halves; chosen: where rho passes it, Bob's class becomes Alice's.
  figure('pairs', (root, { palette, classes, share, side, images, labels, chosen, statistics, white }) => {
    const held = state({ rho: 0.4, phi: 0, share });
    const panels = element(root, 'div', { class: 'rl-plots' });
    const gallery = element(panels, 'div', { class: 'rl-pairs' });
    const drawings = images.map(() => pair(gallery, side));
    const law = plot(panels, { x: [0, 1], y: [-1, 1], title: 'correlation of facing pixels', xlabel: 'ρ', xticks: [0, 0.25, 0.5, 0.75, 1], yticks: [-1, -0.5, 0, 0.5, 1] });
    const show = numbers(root, ['', 'value']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'rho', name: 'coupling of the labels', tex: '\\rho', plain: 'ρ', min: 0, max: 1, step: 0.01, ticks: [0, 0.25, 0.5, 0.75, 1], play: true });
    slider(sliders, held, { key: 'phi', name: 'coupling of the pixels', tex: '\\phi', plain: 'φ', min: -1, max: 1, step: 0.01, ticks: [-1, -0.5, 0, 0.5, 1], play: true });
    slider(sliders, held, { key: 'share', name: "share of a pixel's variance between classes", tex: '\\eta^2', plain: 'η²', min: 0, max: 1, step: 0.01, ticks: [0, 0.25, 0.5, 0.75, 1] });
    held.listen(({ rho, phi, share: between }) => {
      const [u, v] = F.mixing(phi), [[m1, s1], [m2, s2]] = statistics;
      images.forEach(([first, same, other], i) => {
        const equal = chosen[i] < rho, second = equal ? same : other;
        const mixed = first.map((grey, k) => {
          const z1 = s1[k] > 0 ? (grey - m1[k]) / s1[k] : 0, z2 = s2[k] > 0 ? (second[k] - m2[k]) / s2[k] : 0;
          return [m1[k] + s1[k] * (u * z1 + v * z2), m2[k] + s2[k] * (v * z1 + u * z2)];
        });
        drawings[i]([0, 1].map((half) => mixed.map((both) => both[half])), white, `${labels[i][0]}, ${labels[i][equal ? 1 : 2]}`);
      });
      law.clear();
      law.line([[0, 0], [1, 0]], 'currentColor', { 'stroke-width': 0.8 });
      law.line(range(0, 1, 101).map((at) => [at, F.pixelCorrelation(at, phi, between)]), palette.alice);
      const correlation = F.pixelCorrelation(rho, phi, between);
      law.dot(rho, correlation, palette.alice, 6);
      law.describe(`Facing pixels correlate by ${fixed(correlation)}.`);
      show([
        ["Cramér's V", fixed(rho)], ['mutual information (bits)', fixed(F.mutualInformation(classes, rho))],
        ["best accuracy with Alice's label alone", fixed(F.ceiling(classes, rho))], ['correlation of facing pixels', fixed(correlation, 3)],
      ]);
    });
  });
})();
