"""A Sphinx extension: no script but the book's own runs in a page of it, whatever got into the page.

The content security policy is a `meta` element at the top of each page, so it holds for a file as for a
server. Styles may stand in the page: tables, figures, formulas and widgets bring theirs.
"""

import base64
import hashlib
import re
from typing import Any

from sphinx.application import Sphinx

SCRIPT = re.compile(r"<script(?![^>]*\s(?:src|type)=)[^>]*>(.*?)</script>", re.DOTALL)
LIVING = re.compile(r'<div class="rl-living" data-scripts="([\w ]+)"')
OWN = "'self' file:"  # in a page opened as a file 'self' may mean nothing
SOURCES = {
    "default-src": "'none'",
    "style-src": f"{OWN} 'unsafe-inline'",
    "img-src": f"{OWN} data:",
    "font-src": OWN,
    "connect-src": OWN,  # the search reads the pages that it has hits in
    "form-action": OWN,
    "base-uri": "'none'",
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry: a page's head is looked at when all others have put their scripts into it."""
    app.add_config_value("content_security_policy", default=False, rebuild="html", types=bool)
    app.connect("html-page-context", guard, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def guard(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Keep data in the head from ending their element; with `content_security_policy` set, add the policy.

    No attribute may hold a script: the button that prints a page gets its own from `reuselab.js`. The scripts
    of living figures are loaded where one stands.
    """
    for script in context["script_files"]:
        attributes = getattr(script, "attributes", {})
        if attributes.get("type", "").endswith("json"):
            attributes["body"] = attributes["body"].replace("<", r"\u003c")
    for button in (each for group in context.get("header_buttons", ()) for each in group.get("buttons", ())):
        if button.pop("javascript", None):
            button |= {"type": "link", "url": "#"}
    for name in dict.fromkeys(" ".join(LIVING.findall(context.get("body", ""))).split()):
        app.add_js_file(f"living/{name}.js", loading_method="defer")
    if app.config.content_security_policy:
        context["metatags"] = _policy(app, pagename, template, context) + context.get("metatags", "")


def _policy(app: Sphinx, pagename: str, template: str, context: dict[str, Any]) -> str:
    """The policy for a page as a `meta` element.

    The scripts within it that may run are told by their hashes: those in the same page without its text.
    A page whose own head says `blob_workers: true` may begin workers from what its scripts hold.
    """
    empty = context | {"body": "", "title": "", "metatags": "", "toc": ""}
    frame = app.builder.templates.render(template, empty)
    scripts = map(_hash, dict.fromkeys(SCRIPT.findall(frame)))
    sources = SOURCES | {"script-src": " ".join((OWN, *scripts))}
    if app.env.metadata.get(pagename, {}).get("blob_workers"):
        sources["worker-src"] = "blob:"
    policy = "; ".join(f"{what} {where}" for what, where in sources.items())
    return f'\n    <meta http-equiv="Content-Security-Policy" content="{policy}" />'


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
