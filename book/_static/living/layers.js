// Bob's accuracy at every cut: the freeze line is dragged through the network.
(() => {
  const { figure, state, slider, choice, numbers, network, element, fixed, bounds } = Living;

  // names: of the blocks, from the image to the head; cuts: numbers of retrained blocks, cut_names: their words;
  // settings: name of a Bob, and his tables [rho][cut]: mean, low and high of his accuracy, and in what share of
  // resamples of the seeds the cut is best.
  figure('layers', (root, { palette, names, cuts, cut_names: words, rhos, settings, seeds }) => {
    const held = state({ retrain: cuts[Math.floor(cuts.length / 2)], rho: Math.floor(rhos.length / 2), setting: '0' });
    const panels = element(root, 'div', { class: 'rl-plots' });
    const row = network(panels, held, {
      names, cuts, palette, tall: true, title: 'Bob’s accuracy: drag the line through the network', yticks: [0, 0.25, 0.5, 0.75, 1],
      words: (retrain) => `${words[cuts.indexOf(retrain)]}: accuracy ${bounds(table()[cuts.indexOf(retrain)])}`,
    });
    const show = numbers(root, ['', 'value']);
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'rho', name: 'correlation of the labels', tex: '\\rho', plain: 'ρ', stops: rhos, play: true });
    choice(sliders, held, { key: 'setting', name: 'Bob', options: settings.map(({ name }, i) => [i, name]) });
    const table = () => settings[Number(held.values.setting)].table[Math.round(held.values.rho)];
    held.listen(({ retrain, rho }) => {
      const at = table(), best = at.reduce((top, cut, i) => (cut.mean > at[top].mean ? i : top), 0), chosen = at[cuts.indexOf(retrain)];
      row.draw(retrain);
      row.axes.line(cuts.map((cut, i) => [names.length - cut, at[i].mean]), palette.alice, { 'stroke-width': 1 });
      at.forEach(({ mean, low, high }, i) => {
        const place = names.length - cuts[i], shade = place ? palette.alice : palette.scratch;
        if (low !== null) row.axes.line([[place, low], [place, high]], shade);
        row.axes.dot(place, mean, shade, cuts[i] === retrain ? 8 : 4);
      });
      show([
        ['ρ', String(rhos[Math.round(rho)])], ['Bob', words[cuts.indexOf(retrain)]],
        [`his accuracy, ${seeds} seeds`, bounds(chosen)], ['this cut is best in', `${fixed(100 * chosen.share, 0)} % of resamples`],
        ['best cut of the means', `${words[best]}, ${bounds(at[best])}`],
      ]);
    });
  });
})();
