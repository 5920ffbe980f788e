"""How tests look at a page: in headless Chromium, which the fixture `browser` of tests/book starts."""

from reuselab.book.print import chromium

CHROMIUM = chromium()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# What a page has drawn when it is ready: its fonts, and where it has any, its formulas.
READY = "() => Promise.all([document.fonts.ready, window.MathJax?.startup?.promise]).then(() => true)"
