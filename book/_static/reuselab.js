// The widget manager calls MathJax 2's queue wherever it finds a MathJax; MathJax 3 has none. Explorers hold no formulas.
window.MathJax = window.MathJax || {};
window.MathJax.startup = Object.assign({}, window.MathJax.startup, {
  ready() {
    MathJax.startup.defaultReady();
    MathJax.Hub = { Queue() {} };
  },
});
window.MathJax.Hub = { Queue() {} };

// The policy of the book forbids scripts in attributes, where the theme has this button's.
document.addEventListener('click', (event) => {
  if (event.target.closest('.btn-download-pdf-button')) {
    event.preventDefault();
    window.print();
  }
});

// A table wider than its place is folded into cards, and unfolded where there is room again.
function fold() {
  for (const table of document.querySelectorAll('.bd-article table')) {
    const place = table.parentElement;
    place.classList.remove('rl-cards');
    if (table.scrollWidth <= place.clientWidth + 1) continue;
    const names = [...table.querySelectorAll('thead tr:first-child > *')].map((name) => name.textContent.trim());
    for (const row of table.tBodies[0].rows)
      [...row.cells].forEach((cell, i) => names[i] && cell.setAttribute('data-of', names[i]));
    place.classList.add('rl-cards');
  }
}
addEventListener('load', () => {
  fold();
  const article = document.querySelector('.bd-article');
  if (article) new ResizeObserver(fold).observe(article);
});
addEventListener('beforeprint', fold);

// A figure's link to its function opens the function's source.
function openSource() {
  const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const source = entry?.matches('dt.sig') && entry.parentElement.querySelector('details.rl-source');
  if (source) source.open = true;
}
addEventListener('hashchange', openSource);

// One button shows all the folded code of a page, or none of it.
function foldCode() {
  const folded = [...document.querySelectorAll('.bd-article details.above-input')];
  if (!folded.length) return;
  const button = document.createElement('button');
  const show = (shown) => {
    folded.forEach((code) => { code.open = shown; code.hidden = !shown; });
    button.textContent = shown ? 'Hide the code again' : 'Show the code behind the figures and numbers';
    button.setAttribute('aria-expanded', shown);
  };
  button.className = 'rl-code';
  button.addEventListener('click', () => show(folded[0].hidden));
  folded[0].closest('.cell').before(button);
  show(false);
}

// For a screen reader a slider has the name that stands beside it, and the value instead of its number.
function nameSliders() {
  for (const handle of document.querySelectorAll('.noUi-handle:not([aria-label])')) {
    const slider = handle.closest('.widget-slider, .jupyter-widgets');
    const [name, value] = ['.widget-label', '.widget-readout'].map((part) => slider?.querySelector(part));
    if (!name) continue;
    handle.setAttribute('aria-label', name.textContent);
    if (!value) continue;
    const tell = () => handle.setAttribute('aria-valuetext', value.textContent);
    new MutationObserver(tell).observe(value, { childList: true, characterData: true, subtree: true });
    tell();
  }
}

document.addEventListener('DOMContentLoaded', () => {
  openSource();
  new MutationObserver(nameSliders).observe(document.body, { childList: true, subtree: true });
  foldCode();
  // Their words name them; the theme gives these buttons other names than their words.
  for (const named of document.querySelectorAll('summary[aria-label], .search-button-field, .theme-switch-button'))
    named.removeAttribute('aria-label');
  for (const list of document.querySelectorAll('.citation-list')) list.removeAttribute('role');  // of no list items
  for (const button of document.querySelectorAll('.theme-switch-button')) button.title = 'Color mode';
});
