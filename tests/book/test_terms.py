"""Links to terms of the glossary."""

import subprocess
import sys

from bs4 import BeautifulSoup

from reuselab.book import terms

GLOSSARY = """
Glossary
========

.. glossary::

   cut
      Where Alice's part ends
      and Bob's begins.

   ceiling, best
      At most :math:`\\rho + 1`.
"""
PAGE = """
Page
====

Another :term:`cut`, and :term:`a bound <ceiling, best>`; see :doc:`../book/glossary`.
"""


def test_a_link_to_a_term_has_its_definition_as_its_title_and_no_other_link_has(tmp_path):
    for name, text in {"book/glossary": GLOSSARY, "notebooks/page": PAGE}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.rst").write_text(text)
    (tmp_path / "conf.py").write_text(f"extensions = [{terms.__name__!r}]\nroot_doc = 'book/glossary'\n")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-b", "html", tmp_path, tmp_path / "html"]
    subprocess.run(sphinx, check=True, capture_output=True)
    page = BeautifulSoup((tmp_path / "html" / "notebooks" / "page.html").read_text(), "html.parser")
    titles = {link.text: link.get("title") for link in page.select("p a.reference.internal")}
    assert titles == {
        "cut": "Where Alice’s part ends and Bob’s begins.",
        "a bound": "At most ρ + 1.",
        "Glossary": None,
    }
