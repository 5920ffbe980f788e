// The matrix of all pairs of tasks: a click, or Enter, opens a cell.
(() => {
  const { figure, state, numbers, plot, element, limited, fixed, bounds } = Living;
  const GAIN = [230, 97, 1], LOSS = [140, 105, 205], MARK = [128, 128, 128], NEAR = [[0, 34, 78], [124, 123, 120], [254, 232, 56]]; // PuOr, its purple lighter for dark pages; cividis
  const words = (task) => task.join(' or ');
  const between = (share) => {
    const part = 2 * limited(share, 0, 0.999), [from, to] = NEAR.slice(Math.floor(part));
    return from.map((value, i) => value + (to[i] - value) * (part % 1));
  };

  // tasks: their two classes; classes: all, in the order of their strips; gain, near and accuracy (mean and bounds) [Alice's task][Bob's]; rivals: by name,
  // Bob's accuracy without her; alice: her own; photographs: addresses by class, if any are at hand.
  figure('open_images', (root, { tasks, classes = [...new Set(tasks.flat())], gain, most, near, accuracy, rivals, alice, seeds, photographs }) => {
    const count = tasks.length;
    const far = tasks.flatMap((_, row) => tasks.map((_, column) => [row, column])).filter(([row, column]) => row !== column);
    const [row, column] = far.reduce((best, cell) => (gain[cell[0]][cell[1]] > gain[best[0]][best[1]] ? cell : best));
    const held = state({ row, column, open: [row, column] });
    const panels = element(root, 'div', { class: 'rl-plots' });
    // Beside and below the cells a strip for each class marks the tasks that it is one of; lengths are in cells.
    const kinds = classes.length, gap = 0.02 * count, strip = 0.45 * count, thick = strip / kinds, edge = gap + strip;
    const wide = limited(panels.clientWidth, 260, 420), cell = (wide - 18) / (count + edge);
    const shorts = classes.map((name) => (name.length > 12 ? `${name.slice(0, 11)}…` : name)), named = kinds <= 10;
    const font = Math.min(12, thick * cell), over = named ? (0.62 * font * Math.max(...shorts.map((name) => name.length))) / cell : 0;
    const matrix = (title, color) => {
      const axes = plot(panels, { x: [-edge, count], y: [count + edge, -over], width: wide, height: 34 + cell * (over + count + edge), title });
      const mark = (task, k) => [...MARK, tasks[task].includes(classes[k]) ? 255 : 0];
      axes.field(count, count, (x, y) => color(Math.floor(y), Math.floor(x)), [0, count], [count, 0]);
      axes.field(kinds, count, (x, y) => mark(Math.floor(y), Math.floor((x + edge) / thick)), [-edge, -gap], [count, 0]);
      axes.field(count, kinds, (x, y) => mark(Math.floor(x), Math.floor((y - count - gap) / thick)), [0, count], [count + edge, count + gap]);
      if (named)
        shorts.forEach((name, k) => {
          const middle = (k + 0.5) * thick, look = { 'text-anchor': 'end', 'dominant-baseline': 'central' };
          axes.text(-gap, count + gap + middle, name, { ...look, style: `font-size: ${font}px` });
          axes.text(middle - edge, -gap, name, { ...look, style: `font-size: ${font}px; writing-mode: vertical-rl` });
        });
      axes.describe(`${title}, Alice’s tasks down and Bob’s across`);
      axes.svg.classList.add('rl-cells');
      axes.svg.addEventListener('click', (event) => {
        const [x, y] = axes.at(event).map(Math.floor);
        if (tasks[x] && tasks[y]) held.set({ row: y, column: x, open: [y, x] });
      });
      return axes;
    };
    const pictures = [
      matrix('what Bob gains', (i, j) => [...(gain[i][j] > 0 ? GAIN : LOSS), 255 * Math.min(1, Math.abs(gain[i][j]) / most)]),
      matrix('nearness of the tasks', (i, j) => [...between(near[i][j]), 255]),
    ];
    const { svg } = pictures[0];
    for (const [name, value] of Object.entries({ tabindex: 0, role: 'application', 'aria-label': 'matrix of Bob’s gains: arrow keys move, Enter opens a cell' })) svg.setAttribute(name, value);
    element(root, 'p', { class: 'rl-legend' }, `Orange: Bob gains; purple: he loses; deepest from ${fixed(100 * most, 0)} points on. On the second map, bright is near. Alice’s tasks go down and Bob’s across; the strips mark the two classes of each.`);
    const told = element(root, 'p', { role: 'status' });
    const opened = element(root, 'div', { class: 'rl-opened' }), show = numbers(root, ['', 'value']);
    svg.addEventListener('keydown', (event) => {
      const { row: i, column: j } = held.values;
      const [down, along] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [0, 0], ' ': [0, 0] }[event.key] ?? [];
      if (down === undefined) return;
      event.preventDefault();
      if (!down && !along) held.set({ open: [i, j] });
      else held.set({ row: limited(i + down, 0, count - 1), column: limited(j + along, 0, count - 1) });
    });
    const wall = (name, task) => {
      const side = element(opened, 'div');
      element(side, 'strong', {}, `${name}: ${words(task)}`);
      for (const each of task) {
        const strip = element(side, 'div', { class: 'rl-photographs' });
        for (const src of photographs[each] ?? []) element(strip, 'img', { src, alt: each });
      }
    };
    let shown = null;
    held.listen(({ row: i, column: j, open }) => {
      pictures.forEach((axes) => axes.frame('cursor', j, i, j + 1, i + 1));
      told.textContent = `Alice: ${words(tasks[i])}. Bob: ${words(tasks[j])}. Gain ${fixed(100 * gain[i][j], 0)} points, nearness ${fixed(near[i][j])}.`;
      if (shown === open) return;
      shown = open;
      const [hers, his] = open, [mean, low, high] = accuracy[hers][his];
      opened.textContent = '';
      wall('Alice', tasks[hers]);
      wall('Bob', tasks[his]);
      show([
        [`Bob’s accuracy with Alice, ${seeds} seeds`, bounds({ mean, low, high })],
        ...Object.entries(rivals).map(([name, values]) => [`Bob’s accuracy, ${name}`, fixed(values[his])]),
        ['gain over the random network', fixed(gain[hers][his], 3)], ['nearness of the tasks', fixed(near[hers][his])],
        ['Alice’s accuracy on her own task', fixed(alice[hers])],
      ]);
    });
  });
})();
