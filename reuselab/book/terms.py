"""A Sphinx extension: a link to a term of the glossary tells its definition to who points at it."""

from docutils import nodes
from sphinx.application import Sphinx

from reuselab.figures.style import typeset

GLOSSARY = "book/glossary"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry: links are looked at when they are known to lead somewhere."""
    app.connect("doctree-resolved", define)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def define(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give each link to a term its definition as a title. A page built alone has no glossary to link to."""
    links = [link for link in doctree.findall(nodes.reference) if "#term-" in link.get("refuri", "")]
    told = definitions(app) if links else {}
    for link in links:
        link["reftitle"] = told[link["refuri"].partition("#")[2]]


def definitions(app: Sphinx) -> dict[str, str]:
    """What each term of the glossary means, in plain text, by its anchor."""
    return {
        anchor: typeset(" ".join(item[-1].astext().split())).replace("\\", "")
        for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item)
        for term in item.findall(nodes.term)
        for anchor in term["ids"]
    }
