// Whose half Bob reads: the pair, each half as bright as its share, and the maps of every method.
(() => {
  const { figure, state, slider, choice, numbers, pair, element, fixed, bounds } = Living;
  const FOR = [178, 24, 43], AGAINST = [33, 102, 172], NEITHER = 247; // the ends of RdBu

  // Signed percents of two halves, red for the answer and blue against it.
  function map(parent, side) {
    const canvas = element(parent, 'canvas', { width: 2 * side, height: side, 'aria-hidden': 'true' });
    const context = canvas.getContext('2d'), image = context.createImageData(2 * side, side);
    return (halves) => {
      halves.forEach((half, which) => half.forEach((value, k) => {
        const shade = (value > 0 ? FOR : AGAINST).map((full) => NEITHER + ((full - NEITHER) * Math.abs(value)) / 100);
        image.data.set([...shade, 255], 4 * (2 * side * Math.floor(k / side) + side * which + (k % side)));
      }));
      context.putImageData(image, 0, 0);
    };
  }

  figure('attribution', (root, { rhos, retrains, cut_names: cuts, seeds, names, pictures, labels, answers, maps, shares }) => {
    const side = Math.sqrt(pictures[0][0].length), asked = Object.keys(names);
    const held = state({ rho: 0, cut: Math.floor(retrains.length / 2), which: '0' });
    const gallery = element(root, 'div', { class: 'rl-pairs rl-asked' });
    const drawings = asked.map((way, i) => {
      const box = element(gallery, 'div'), draw = pair(box, side);
      return [way, draw, i ? map(box, side) : null];
    });
    const sliders = element(root, 'div', { class: 'rl-sliders' });
    slider(sliders, held, { key: 'rho', name: 'correlation of the labels', tex: '\\rho', plain: 'ρ', stops: rhos, play: true });
    slider(sliders, held, { key: 'cut', name: 'blocks that Bob retrains', tex: 'k', plain: 'k', stops: retrains, text: (k) => `${k}: ${cuts[retrains.indexOf(k)]}`, wordy: true, play: true });
    choice(sliders, held, { key: 'which', name: 'pair', options: labels.map(([hers, his], i) => [i, `Alice’s label ${hers}, Bob’s ${his}`]) });
    const show = numbers(root, ['', 'share on Bob’s half']);
    held.listen(({ rho, cut, which }) => {
      const [i, j, k] = [Math.round(rho), Math.round(cut), Number(which)], of = shares[i][j];
      drawings.forEach(([way, draw, color], method) => {
        const share = of[way].mean ?? 0.5, most = Math.max(share, 1 - share);
        draw(pictures[k], 255, `${names[way]}:\n${fixed(share)}`, [(1 - share) / most, share / most]);
        color?.(maps[i][j][k][method - 1]);
      });
      show([
        ...asked.map((way) => [names[way], bounds(of[way])]),
        [`Bob’s accuracy, ${seeds} seeds`, bounds(of.accuracy)], ['to this pair he says', answers[i][j][k]],
      ]);
    });
  });
})();
