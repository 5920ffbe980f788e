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
