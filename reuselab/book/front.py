"""The first screen of the book, and the README's: what was found, a picture, the map of the pages.

`python -m reuselab.book.front` writes the README's part anew, when the evidence has changed.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import yaml

from reuselab import places, stats
from reuselab.book import pages, words
from reuselab.book.around import CARD
from reuselab.book.living import Living, redrawn
from reuselab.claims import evidence, module, registry
from reuselab.experiment import bases, models
from reuselab.figures import question
from reuselab.figures.style import STYLE

README = places.SOURCES / "README.md"
MARKED = re.compile(r"(?<=<!-- make readme: begin -->\n).*(?=<!-- end -->)", re.S)
PICTURE = "book/_static/question-{}.svg"
MUTANTS = places.SOURCES / "results" / "mutants.csv"
MODES = {"light": "#1f2328", "dark": "#e6edf3"}
# The picture's claim and image set, and the cut that it shows.
CLAIM, SET, RETRAIN = "A2", "turned", 2


def write(folder: Path) -> None:
    """The parts that book/intro.md and book/reading.md include, into the book's staged `folder`."""
    parts = {"found.md": found(), "picture.html": picture(), "map.md": "\n".join(cards())}
    parts["mutants.md"] = noticed(pd.read_csv(MUTANTS))
    for name, text in parts.items():
        (folder / name).write_text(text + "\n")


def found() -> str:
    """The sentences of the first screen, each with a link to its page."""
    told = [
        f"1. {words.plain(sentences)} {{doc}}`../notebooks/{page}`" for page, sentences in words.headlines()
    ]
    return "\n".join(told)


def noticed(faults: pd.DataFrame) -> str:
    """How many faults (rows of results/mutants.csv) the pages' numbers told, and which they missed."""
    missed = words.plain("; ".join(faults.fault[~faults.noticed]))
    told = f"They told {faults.noticed.sum()} of {len(faults)} faults."
    return f"{told} Missed: {missed}." if missed else told


# The picture.


def rows_by_cut() -> pd.DataFrame:
    """The rows of the claim where Bob's pairs are at Alice's rho, at every cut."""
    table = pd.read_csv(evidence.path_of(registry.CLAIMS[CLAIM].page, SET))
    return table[table.bob_rho.isna() & (table.phi == 0)]


def shown_rows() -> pd.DataFrame:
    """The rows of the picture: Bob's pairs at Alice's rho, the chosen cut, scratch beside it."""
    table = rows_by_cut()
    return table[(table.retrain == RETRAIN) | (table.method == "scratch")]


def caption() -> str:
    """What to see in the picture, by its numbers, then what is drawn."""
    table = shown_rows()
    means = table.groupby(["method", "rho"]).bob_accuracy.mean().unstack()
    told = []
    for rho in (means.columns.min(), means.columns.max()):
        hers, alone = means.loc["Alice", rho], means.loc["scratch", rho]
        better = "better" if hers > alone else "worse"
        told.append(
            f"at ρ = {rho:g} Bob does {better} with Alice's blocks ({hers:.2f}) than alone ({alone:.2f})"
        )
    first, last = told
    return (
        f"{first[0].upper() + first[1:]}; {last}. Alice's label belongs to the left image, Bob's to "
        "the right. Bob keeps Alice's lower blocks frozen; with these numbers he retrains the top "
        f"{RETRAIN}. His own pairs are as correlated as hers, so that her half tells of his label. Digits "
        "for Alice, digits turned by a quarter for Bob; means and 95 % intervals over "
        f"{table.seed.nunique()} seeds."
    )


def scene() -> tuple[str, str, str, int]:
    """What of the cells the picture shows: the image sets of its halves, the network, the cut."""
    images, _ = evidence.SETS[SET]
    return images["base"], images["bob_base"], evidence.NETWORK, RETRAIN


def picture() -> str:
    """The picture as HTML, alive; its still panels are side by side, or one above the other without room."""
    drawings = question.scene(*scene()).svg, question.accuracy(shown_rows()).svg
    panels = "".join(f"<div>{svg}</div>" for svg in drawings)
    still = f"<div class='rl-panels'>{panels}</div>"
    return (
        f"<figure class='rl-figure rl-front'>{Living(['question'], 'question', still, moving()).html}"
        f"<figcaption>{html.escape(caption())}</figcaption></figure>"
    )


def moving() -> dict[str, Any]:
    """What the living picture is told: pairs to redraw, and Bob's accuracy at every rho and cut."""
    table, (alice_base, bob_base, network, retrain) = rows_by_cut(), scene()
    cuts, rhos = sorted(table[table.method == "Alice"].retrain.unique().tolist()), sorted(table.rho.unique())
    names = {"alice": "Alice", "untrained": "random network", "scratch": "scratch"}

    def accuracy(method: str, rho: float, cut: int) -> dict[str, float | None]:
        rows = table[(table.method == method) & (table.rho == rho)]
        return stats.bounds(rows[(rows.retrain == cut) | (method == "scratch")].bob_accuracy)

    halves = bases.load(alice_base, "train"), bases.load(bob_base, "train")
    return {
        "drawn": redrawn(halves, count=4),
        "names": list(models.blocks(network)),
        "cuts": cuts,
        "retrain": retrain,
        "rhos": rhos,
        "chance": 1 / len(halves[0].classes),
        "table": {
            key: [[accuracy(method, rho, cut) for cut in cuts] for rho in rhos]
            for key, method in names.items()
        },
    }


# The map.


def cards() -> Iterator[str]:
    """The pages as cards, in the order of the contents, a grid for each part that has any."""
    for part in yaml.safe_load((places.SOURCES / "_toc.yml").read_text())["parts"]:
        folder_and_page = (Path(chapter["file"]) for chapter in part["chapters"])
        if names := [path.name for path in folder_and_page if path.parent.name == "notebooks"]:
            title, grid = words.plain(part["caption"]), "\n".join(map(card, names))
            yield f"### {title}\n\n:::::{{grid}} 1 2 2 2\n:gutter: 3\n\n{grid}\n:::::\n"


def card(page: str) -> str:
    """A page in a few words: its claims with their verdicts, the image sets of its evidence, its time."""
    title = pages.read(page).cells[0].source.partition("\n")[0].removeprefix("# ")
    told = [f"{words.plain(words.words(claim).said)} {words.marks(claim)}" for claim in pages.claims(page)]
    told.append(words.plain(getattr(module(page), "ABOUT", "")))
    took = f"*Takes {words.minutes(page)} to run.*\n" if words.minutes(page) else ""
    body = "\n\n".join(filter(None, told))
    return (
        f"::::{{grid-item-card}} {words.plain(title)}\n:link: ../notebooks/{page}\n:link-type: doc\n\n"
        f"{body}\n\n{took}::::\n"
    )


# The README.


def readme() -> str:
    """What the README says was found."""
    decided = [claim for claim in registry.CLAIMS if evidence.on_sets(claim)]
    told = [f"- {sentences}\n" for _, sentences in words.headlines()]
    return "".join(told) + (
        f"\nThe evidence reaches {len(decided)} of {len(registry.CLAIMS)} claims so far "
        f"({', '.join(decided)}); `reuselab claims` prints every verdict.\n"
    )


def main() -> None:
    """Write the README's part, its picture for either mode, and the social card."""
    README.write_text(MARKED.sub(lambda _: readme(), README.read_text()))
    for mode, ink in MODES.items():
        drawing = question.both(shown_rows(), *scene())
        svg = re.sub(r" (style|role|aria-label)='[^']*'", "", drawing.svg, count=3)
        (places.SOURCES / PICTURE.format(mode)).write_text(svg.replace("currentColor", ink) + "\n")
    title = yaml.safe_load((places.SOURCES / "_config.yml").read_text())["title"]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        card = question.card(title, shown_rows(), *scene())
        card.savefig(places.SOURCES / "book" / CARD, dpi=100, facecolor="white")


if __name__ == "__main__":  # python -m reuselab.book.front
    places.need_checkout()
    main()
