"""What was tried and withstood, counted by the tests that passed: the table in the book.

A test says by `hostile(kind)` what it tries, or by `hostile(kind, count)` how often. `make tally` keeps the
table of a whole run, without image sets, in `results/faults.csv`.
"""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
CSV = ROOT / "results" / "faults.csv"

# Each kind, and what it costs.
KINDS = {
    "input": "nothing: refused in one line before any work, or taken for what it is",
    "SIGKILL of a study": "at most the cells then running; the rerun does only these",
    "Ctrl-C": "the cells then running; one line and exit status 130",
    "SIGTERM or SIGHUP": "as Ctrl-C; exit status 143 or 129",
    "two studies on one database": "nothing; at most the Bobs of the last Alice are done by both",
    "clock going backwards": "nothing",
    "full disk": "what came after it; one line and exit status 1",
    "database cut short": "rows that can no longer be read; the file is named and set aside",
    "flipped bit in the database": "the row hit, or what can no longer be read; never a wrong row",
    "damage while another study is at work": "nothing; refused in one line",
    "damaged weights": "Alice is trained again; no pickle is opened",
    "cell that raises": "that cell, kept with its traceback; an Alice: her Bobs",
    "cell that hangs": "that cell, kept with its traceback",
    "worker killed": "that cell, kept with its traceback",
    "Dask worker killed": "nothing; a cell that kills two workers is given up",
    "workers that do not start": "the study; one line",
    "a worker of another version": "the study; one line",
    "changed image set": "its rows until it is put back: none is served for other images",
    "images swapped during a study": "what is not done yet; one line, and no row of both",
    "image set gone under a study": "what is not done yet; one line",
    "clock set back": "reading the images again",
    "unreadable folder": "the images in it; one line",
    "SIGKILL of a page's kernel": "the cells then running; the page's next run does only these",
    "changed dependency of a page": "the page is run again",
    "module edited during a page": "the page; one line, and the next build runs it again",
    "images swapped during a page": "the page; one line, and the next build runs it again",
    "page that fails": "the page; nothing of an earlier run is shown for it",
    "SIGKILL of a build": "the pages then running; none of them runs on",
    "two builds at once": "nothing; the second waits and says for whom",
    "a folder for temporary files whose name leaves no room for sockets": "nothing",
    "full or closed stdout": "what would have been printed; one line and exit status 1",
    "unforeseen error": "what was asked for; one line and exit status 1, the traceback in a log",
    "nowhere to write a log": "the log",
    "fetch cut off": "nothing; the next fetch goes on from there",
    "SIGKILL of a fetch": "nothing; the next fetch goes on from there",
    "files damaged in the fetch": "these files; they are named and fetched anew",
}

passed: Counter[str] = Counter()  # tries by kind


def note(item: pytest.Item) -> None:
    """Let the reports of `item` say what it tries, in whatever process it runs."""
    for mark in item.iter_markers("hostile"):
        item.user_properties.append(("hostile", tries(*mark.args)))


def tries(kind: str, count: int = 1) -> tuple[str, int]:
    return kind, count


def hear(report: pytest.TestReport) -> None:
    """Count what a test that passed has tried."""
    if report.when == "call" and report.passed:
        for kind, count in said(report):
            passed[kind] += count


def said(reported: pytest.TestReport | pytest.Item) -> list[tuple[str, int]]:
    """(kind, tries) for each mark of a test."""
    return [value for name, value in reported.user_properties if name == "hostile"]


def table() -> pd.DataFrame:
    """A row a kind that was tried, in the order of `KINDS`."""
    kinds = [*KINDS, *sorted(passed.keys() - KINDS.keys())]
    rows = [(kind, passed[kind], KINDS.get(kind, "")) for kind in kinds if passed[kind]]
    return pd.DataFrame(rows, columns=["what is tried", "tries", "what it costs"])


def summary(counts: pd.DataFrame) -> str:
    inputs = counts["what is tried"] == "input"
    kinds, faults = (~inputs).sum(), counts.tries[~inputs].sum()
    return f"tried and withstood: {counts.tries[inputs].sum():,} inputs, {faults:,} faults of {kinds} kinds"


def main() -> None:
    """Take over the table of the last run into `results/`."""
    counts = pd.read_csv(ROOT / "_build" / "test" / "hostile.csv", keep_default_na=False)
    counts.to_csv(CSV, index=False)
    print(summary(counts))


if __name__ == "__main__":
    main()
