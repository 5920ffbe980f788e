"""A Sphinx extension: what stands around a page's text, and the book's address.

That address, a line of `_config.yml`, adds buttons, a social card and sitemap.xml; without the line none of
them is there.
"""

import html
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx

from reuselab import places

CARD = "_static/card.png"
# No valid HTML as other packages write it: paragraphs in summaries, styles of tables among the text.
IN_SUMMARY = re.compile(r'<p class="((?:collapsed|expanded) [^"]*)">(.*?)</p>')
STYLE = re.compile(r'(?<=">)<style type="text/css">\n.*?</style>\n?', re.S)
GITHUB = re.compile(  # an owner of at most 39 letters; a name of at most 100, and none of a folder's own
    r"https://github\.com/(?=[^/]{1,39}/)([a-z\d]+(?:-[a-z\d]+)*)"
    r"/(?!\.{0,2}(?:\.git)*/?$)([\w.-]{1,100}?)(?:\.git)?/?",
    re.ASCII | re.IGNORECASE,
)
ROW_NAME = re.compile(r'(<th id="\w+_level\d+_row\d+")')


@dataclass(frozen=True)
class Address:
    """Where the repository and the book are."""

    owner: str
    name: str

    @property
    def repository(self) -> str:
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def book(self) -> str:
        site = f"{self.owner.lower()}.github.io"
        return f"https://{site}/" if self.name.lower() == site else f"https://{site}/{self.name}/"

    def buttons(self, page: str) -> Iterator[tuple[str, str, str]]:
        """Where the notebook of `page` runs: the name of the place, its sign, and the link.

        Colab takes the notebook beside the page, Binder makes the same one of its text (`.binder/postBuild`).
        """
        binder = f"https://mybinder.org/v2/gh/{self.owner}/{self.name}/main?urlpath="
        yield "Live code", "fas fa-play", f"{binder}doc/tree/notebooks/{page}.ipynb"
        yield "Binder", "_static/images/logo_binder.svg", f"{binder}lab/tree/notebooks/{page}.ipynb"
        notebook = f"{self.book}notebooks/{page}.ipynb"
        yield (
            "Colab",
            "_static/images/logo_colab.png",
            f"https://colab.research.google.com/#fileId={notebook}",
        )


def address(config: Mapping[str, Any] | None = None) -> Address | None:
    """The address in `config`, by default `_config.yml`. ValueError for one that is not on GitHub."""
    if config is None:
        config = yaml.safe_load((places.SOURCES / "_config.yml").read_text())
    given = config.get("repository") or {}
    url = given.get("url") if isinstance(given, Mapping) else given
    if url is None:
        return None
    parts = GITHUB.fullmatch(str(url))
    if not (parts and isinstance(given, Mapping)):
        raise ValueError(f"repository: url in _config.yml is {url!r}, not https://github.com/OWNER/NAME")
    return Address(*parts.groups())


def configure(config: dict[str, Any]) -> None:
    """Let Jupyter Book's `config` say what follows from its line with the address, where it has that."""
    if known := address(config):
        config["html"]["baseurl"] = known.book
        theme = config["sphinx"]["config"]["html_theme_options"]
        theme |= {"repository_url": known.repository, "use_repository_button": True}


def sitemap(folder: Path) -> None:
    """Write sitemap.xml into the built book, where the book has an address."""
    if at := address():
        found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("[bn]*/*.html"))
        urls = "".join(f"<url><loc>{at.book}{html.escape(page)}</loc></url>\n" for page in ["", *found])
        schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        (folder / "sitemap.xml").write_text(f'{head}\n<urlset xmlns="{schema}">\n{urls}</urlset>\n')


# The extension.


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry: after the theme has its buttons, before the policy is made."""
    app.connect("html-page-context", surround, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def surround(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page its description, its social card, and the buttons of its notebook; make its body valid."""
    if doctree is None:
        return
    url = app.config.html_theme_options.get("repository_url")
    at = address({"repository": {"url": url or None}})
    folder, _, name = pagename.rpartition("/")
    if folder == "notebooks":
        _buttons(context["header_buttons"], name, at)
    body = IN_SUMMARY.sub(r'<span class="\1">\2</span>', context["body"])
    styles = "".join(STYLE.findall(body))
    context["body"] = ROW_NAME.sub(r'\1 scope="row"', STYLE.sub("", body))
    context["metatags"] = (
        context.get("metatags", "") + "".join(_told(pagename, context, doctree, at)) + styles
    )


def _buttons(buttons: list[dict[str, Any]], name: str, at: Address | None) -> None:
    """Let the theme's button download the notebook beside the page; add where it runs."""
    for button in (each for group in buttons for each in group.get("buttons", ())):
        if button.get("label") == "download-source-button":
            button |= {"url": f"{name}.ipynb", "tooltip": "Download the notebook, to run it"}
    if at:
        launch = [
            {"type": "link", "text": place, "tooltip": f"Run this page: {place}", "icon": sign, "url": url}
            for place, sign, url in at.buttons(name)
        ]
        group = {"type": "group", "tooltip": "Run this page", "icon": "fas fa-rocket", "buttons": launch}
        buttons.append(group | {"label": "launch-buttons"})


def _told(
    pagename: str, context: dict[str, Any], doctree: nodes.document, at: Address | None
) -> Iterator[str]:
    """What search engines and, where the book has an address, social networks are told of a page."""
    told = next((text for text in (each.astext() for each in doctree.findall(nodes.paragraph)) if text), "")
    told = textwrap.shorten(told, 200, placeholder=" …")
    yield f'\n    <meta name="description" content="{html.escape(told)}" />'
    if at:
        title = re.sub(r"<[^>]*>", "", context["title"])
        card = {
            "og:type": "article",
            "og:site_name": html.escape(context["docstitle"] or ""),
            "og:title": title,
            "og:description": html.escape(told),
            "og:url": f"{at.book}{pagename}.html",
            "og:image": f"{at.book}{CARD}",
        }
        for name, content in card.items():
            yield f'\n    <meta property="{name}" content="{content}" />'
        yield '\n    <meta name="twitter:card" content="summary_large_image" />'
