// The first screen: pairs, the network, and what Bob gets, as rho and the freeze line move.
(() => {
  const { figure, state, slider, numbers, pair, plot, network, element, fixed, bounds } = Living;
  const METHODS = [['alice', 'reusing Alice'], ['untrained', 'Alice untrained'], ['scratch', 'Bob alone']];

  // drawn: pairs, as `pairs` of pairs.js takes them; names: of the blocks; cuts; table: by method [rho][cut], mean and bounds.
  figure('question', (root, { palette, drawn, names, cuts, retrain: first, rhos, chance, table }) => {
    const held = state({ rho: 0, retrain: first });
    const panels = element(root, 'div', { class: 'rl-plots' }), left = element(panels, 'div', { class: 'rl-scene' });
    const gallery = element(left, 'div', { class: 'rl-pairs' }), drawings = drawn.images.map(() => pair(gallery, drawn.side));
    const now = (method) => table[method][Math.round(held.values.rho)][cuts.indexOf(held.values.retrain)];
    const row = network(left, held, {
      names, cuts, palette, width: 330, title: 'drag the freeze line',
      words: (retrain) => `Bob retrains ${retrain} of ${names.length} blocks: accuracy ${fixed(now('alice').mean)} with Alice’s, ${fixed(now('scratch').mean)} alone`,
    });
    const axes = plot(panels, { x: [-0.02, 1.02], y: [0, 1.05], height: 330, width: 360, title: 'Bob’s accuracy', xlabel: 'ρ, correlation of the two labels', xticks: rhos, yticks: [0, 0.25, 0.5, 0.75, 1] });
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'rho', name: 'correlation of the two labels', tex: '\\rho', plain: 'ρ', stops: rhos, play: 'at once' });
    const show = numbers(root, ['', 'Bob’s accuracy [95 %]']);
    held.listen(({ rho: place, retrain }) => {
      const at = Math.round(place), rho = rhos[at];
      drawn.images.forEach(([hers, same, other], i) => {
        const equal = drawn.chosen[i] < rho, [hers_word, same_word, other_word] = drawn.labels[i];
        drawings[i]([hers, equal ? same : other], drawn.white, `Alice ${hers_word}, Bob ${equal ? same_word : other_word}`);
      });
      row.draw(retrain);
      axes.clear();
      axes.line([[0, chance], [1, chance]], palette.chance, { 'stroke-dasharray': '2 4' });
      axes.text(0.99, chance - 0.055, 'guessing', { fill: palette.chance, 'text-anchor': 'end' });
      axes.line([[rho, 0], [rho, 1.05]], 'currentColor', { 'stroke-width': 0.8, 'stroke-dasharray': '2 3' });
      METHODS.forEach(([method, name], i) => {
        const curve = table[method].map((cut_table) => cut_table[cuts.indexOf(retrain)]), shade = palette[method];
        axes.line([...curve.map(({ low }, k) => [rhos[k], low]), ...curve.map(({ high }, k) => [rhos[k], high]).reverse()], 'none', { fill: shade, 'fill-opacity': 0.2 });
        axes.line(curve.map(({ mean }, k) => [rhos[k], mean]), shade);
        curve.forEach(({ mean }, k) => axes.dot(rhos[k], mean, shade, k === at ? 7 : 3));
        axes.text(0.99, 0.31 - 0.07 * i, name, { fill: shade, 'text-anchor': 'end' });
      });
      show(METHODS.map(([method, name]) => [name, bounds(now(method))]));
      axes.describe(`Bob’s accuracy at ρ ${rho}: ${METHODS.map(([method, name]) => `${name} ${fixed(now(method).mean)}`).join(', ')}.`);
    });
  });
})();
