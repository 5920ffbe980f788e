"""The built book as one PDF: its pages one after another in a single one, which Chromium prints."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from bs4 import BeautifulSoup, Tag

from reuselab import places
from reuselab.book import build
from reuselab.check import Failed

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LINKED = re.compile("(?<=<!-- pdf -->).*?(?=<!-- end -->)")  # in the footer of every page
# Formulas are typeset while the page loads; in virtual time nothing is printed before they are.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
    "--virtual-time-budget=120000",
)
NAMES = re.compile(r'(\b(?:id|for|aria-labelledby|aria-describedby)="|\burl\(#|\bhref="#(?!@))')
STATE, VIEW = (f"application/vnd.jupyter.widget-{part}+json" for part in ("state", "view"))
KEPT_SCRIPT = re.compile(r"mathjax|reuselab\.js")


def documents() -> list[str]:
    """The book's documents in its order, as "notebooks/layers"."""
    toc = yaml.safe_load((places.SOURCES / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def whole(html: Path, names: Sequence[str]) -> str:
    """One page of HTML with the articles of documents `names` in `html`, to lie in a folder beside theirs.

    The first one's head goes before them, with no scripts but those of formulas and tables. Links between the
    documents lead to their places in this page.
    """
    [head] = _read(html, names[0]).select("head")
    articles = [_article(_read(html, name), name, set(names)) for name in names]
    for script in head("script"):
        if not KEPT_SCRIPT.search(f"{script.get('src', '')} {script.string or ''}") or script.get("type"):
            script.decompose()
    return (
        f'<!DOCTYPE html>\n<html lang="en" data-theme="light" data-mode="light">{head}'
        f'<body class="rl-print"><main class="bd-content">{"".join(articles)}</main></body></html>\n'
    )


def _read(html: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((html / f"{name}.html").read_text(), "html.parser")


def _article(page: BeautifulSoup, name: str, names: set[str]) -> str:
    """The article of document `name`, with names of its own in the whole book; explorers at their frame."""
    states = [json.loads(str(script.string))["state"] for script in page("script", type=STATE)]
    models = {key: model["state"] for state in states for key, model in state.items()}
    [article] = page.select("article")
    for view in article("script", type=VIEW):
        frame = "".join(shown(models, json.loads(str(view.string))["model_id"]))
        view.replace_with(BeautifulSoup(f'<div class="rl-frame-shown">{frame}</div>', "html.parser"))
    for details in article("details"):
        if not details.select_one(":scope > .cell_input") and "rl-source" not in (details.get("class") or ""):
            details["open"] = ""
    for link in article("a", href=True):
        _lead(link, name, names)
    for image in article("img", loading=True):
        del image["loading"]
    article["id"] = ""
    return NAMES.sub(rf"\g<1>{_place(name)}", str(article)).replace('"#@', '"#')


def _place(name: str, anchor: str = "") -> str:
    return f"{name.replace('/', '-')}.{anchor}"


def _lead(link: Tag, name: str, names: set[str]) -> None:
    """Let a link from document `name` to another lead there in the whole, and one to a mere file nowhere."""
    target, _, anchor = str(link["href"]).partition("#")
    if not target or "://" in target or target.startswith("mailto:"):
        return
    other = (Path("/") / name).parent.joinpath(target).resolve().relative_to("/").with_suffix("").as_posix()
    if other in names:
        link["href"] = f"#@{_place(other, anchor)}"
    else:
        del link["href"]


def shown(models: dict[str, Any], name: str) -> Iterator[str]:
    """What an explorer shows before anybody moves its sliders: their values, and the frame that is drawn."""
    model = models[name.removeprefix("IPY_MODEL_")]
    if model["_model_name"] == "SelectionSliderModel":
        yield f"<p>{model['description']}: {model['_options_labels'][model['index']]}</p>"
    elif model["_model_name"] == "StackModel":
        yield from shown(models, model["children"][model["selected_index"]])
    elif model["_model_name"] == "HTMLModel":
        yield model["value"]
    for child in model.get("children", ()) if model["_model_name"] == "VBoxModel" else ():
        yield from shown(models, child)


def chromium() -> str | None:
    """The system's Chromium, else the one that Playwright fetched; None where neither is here."""
    if path := next(filter(None, map(shutil.which, BROWSERS)), None):
        return path
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as started:
        fetched = started.chromium.executable_path
    return fetched if Path(fetched).exists() else None


def write(html: Path, names: Sequence[str], pdf: Path) -> None:
    """Print documents `names` of the book built in `html` as `pdf`.

    Raises FileNotFoundError where there is no such book or no Chromium, Failed where that prints nothing.
    """
    for name in names:
        if not (html / f"{name}.html").is_file():
            raise FileNotFoundError(f"there is no whole book in {html}: `make book` builds it")
    browser = chromium()
    if not browser:
        raise FileNotFoundError("printing needs a Chromium: the system's, or Playwright's")
    with tempfile.TemporaryDirectory(dir=html) as folder:
        page, made = Path(folder) / "whole.html", Path(folder) / "whole.pdf"
        page.write_text(whole(html, names))
        home = f"--user-data-dir={folder}/profile"
        run = subprocess.run(
            [browser, *FLAGS, home, f"--print-to-pdf={made}", page.as_uri()], capture_output=True, text=True
        )
        if run.returncode or not made.exists():
            raise Failed(f"{browser} printed nothing: {run.stderr.strip()[-300:]}")
        shutil.move(made, pdf)


def link(html: Path) -> None:
    """Let the footer of every page of the book in `html` lead to book.pdf in there."""
    for page in html.rglob("*.html"):
        up = "../" * (len(page.relative_to(html).parts) - 1)
        shown = f' <a href="{up}book.pdf">The book as one PDF.</a>'
        page.write_text(LINKED.sub(shown, page.read_text()))


def main() -> None:
    """Print the book as book.pdf into its folder, and link it; in one line, status 2, where it cannot be."""
    html, pdf = build.BUILD / "html", build.BUILD / "html" / "book.pdf"
    try:
        write(html, documents(), pdf)
        link(html)
    except FileNotFoundError as reason:
        print(f"reuselab: {reason}", file=sys.stderr)
        sys.exit(2)
    except Failed as reason:
        sys.exit(f"reuselab: {reason}")
    print(f"The book is at {pdf}, {pdf.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":  # python -m reuselab.book.print
    main()
