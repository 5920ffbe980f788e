"""What book/benchmarks.md shows of the kept tables of speed: a section for each kind of machine."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pandas as pd

from reuselab.book import calls, dress
from reuselab.book.kept import RESULTS
from reuselab.book.words import plain
from reuselab.figures import benchmarks as figures
from reuselab.figures.style import Shown
from reuselab.runs.goals import AIRBENCH, BOOK_MINUTES, CIFAR_EPOCHS, CIFAR_GOAL, ENGINE, GOALS, PLAIN

PLACES = {"On a CPU": RESULTS / "bench", "On a GPU": RESULTS / "gpu"}
DIFFERENCES = {
    "off_cpu": "from the CPU's",
    "off_cohort": "from a cohort's",
    "within": "both small enough to import",
    "repeats": "equal to the bit in a second run",
}
MADE = ["made", "device", "cores", "load", "versions", "git"]  # where and when a table was measured
NONE = {
    "On a CPU": "No table of a CPU is kept yet: `make bench KEEP=--keep` makes it.",
    "On a GPU": "No table of a GPU is kept yet: `make gpu` makes it on a machine that has one. Whatever the "
    "book says of GPUs is what we expect, and not what we measured.",
}


def write(folder: Path) -> None:
    """The parts that book/benchmarks.md includes, into the book's staged `folder`."""
    numbers = count(1)
    sections = [part for title, place in PLACES.items() for part in _section(title, place, folder, numbers)]
    (folder / "benchmarks_kept.md").write_text("\n\n".join(sections) + "\n")
    (folder / "benchmarks_goals.md").write_text(goals() + "\n")


def goals() -> str:
    """What `make gpu` is meant to find, in words."""
    times = ", ".join(f"{work} {goal:g}" for work, goal in GOALS.items())
    return (
        f"The goals, in times the plain loop: {times}. ResNet-18 is to reach an accuracy of {CIFAR_GOAL:.2f} "
        f"on CIFAR-10 in {CIFAR_EPOCHS} epochs, and all pages are to take {BOOK_MINUTES} minutes. On one "
        f"A100 airbench94 takes {AIRBENCH:.2f} seconds to .94, and its later versions take less."
    )


def _section(title: str, place: Path, folder: Path, numbers: Iterator[int]) -> Iterator[str]:
    """What was measured on one kind of machine, its tables as files in `folder`, its figures numbered."""
    yield f"## {title}"
    parts = sorted(place.glob("rival_*.csv"))
    if not parts:
        yield NONE[title]
        return
    rival = pd.concat(map(pd.read_csv, parts), ignore_index=True)
    yield found(rival)
    caption = "Cells a minute; beside a dot, how many times as many as the plain loop makes."
    yield _html(figures.rates(rival, caption=caption), next(numbers))
    yield _table(compared(rival), folder / f"{place.name}_rival.csv")
    stages = pd.concat(map(pd.read_csv, sorted(place.glob("seconds_*.csv"))), ignore_index=True)
    yield "Where the seconds of one seed's cells go, one network at a time:"
    yield _table(by_stage(stages), folder / f"{place.name}_seconds.csv")
    if (costs := place / "cost.csv").exists():
        yield _html(
            figures.cost(
                pd.read_csv(costs),
                caption="Where two lines are parallel, both grow alike. Seconds of a study of small cells, "
                "and of one training on one core or the GPU, with up to 64 times as many cells, pairs, "
                "pixels or units; p, the power with which they grow, is fitted from "
                f"{figures.ASYMPTOTIC} times on.",
            ),
            next(numbers),
        )
    yield from drilled(place, folder)


def drilled(place: Path, folder: Path) -> Iterator[str]:
    """What the drill of `make gpu` left in `place`, of as much as it has done."""
    if (rows := place / "rows.csv").exists():
        yield "The rows of the GPU against others, as the largest difference in an accuracy:"
        yield _table(pd.read_csv(rows).rename(columns=DIFFERENCES), folder / f"{place.name}_rows.csv")
    if (cifar := place / "cifar.csv").exists():
        made = pd.read_csv(cifar).iloc[0]
        yield (
            f"ResNet-18 reached an accuracy of {made.accuracy:.4f} on the test images of CIFAR-10 after "
            f"{made.epochs} epochs, in {made.seconds:.0f} seconds; the goal is {made.goal:.2f}. airbench94 "
            f"takes {made.airbench_seconds:.2f} seconds to .94 on an A100; ours took "
            f"{made.seconds / made.airbench_seconds:.0f} times as long."
        )
    if (stages := place / "stages.csv").exists():
        table = pd.read_csv(stages, keep_default_na=False)
        pages = table[table.stage.str.startswith("page_")]
        done = pages[pages.status == "done"]
        yield (
            f"At the preset {plain(', '.join(table.preset.unique()))}, {len(done)} of the {len(pages)} pages "
            f"that were tried are done, in {done.seconds.astype(float).sum() / 60:.1f} minutes together; the "
            f"goal is {BOOK_MINUTES} for the book."
        )
        columns = ["stage", "status", "why", "seconds", "preset", "device", "made"]
        yield _table(table[columns], folder / f"{place.name}_stages.csv")


def found(rival: pd.DataFrame) -> str:
    """What the table of the rival says, in words, and where and when it was measured."""
    engine = rival[rival.contender == ENGINE]
    times = ", ".join(f"{row.ratio:.1f} times with {plain(row.work)}" for row in engine.itertuples())
    equal = (engine.low <= 0) & (engine.high >= 0)
    near = engine["within one error"].astype(bool).sum()
    compared_with = (
        f"The interval of their difference in accuracy has 0 in it for {equal.sum()} of {len(equal)} "
        f"networks; the difference is within one standard error for {near}."
    )
    measured = [
        f"{plain(', '.join(rows.work.unique()))}: measured on {plain(made)} on {plain(device)}, {cores} of "
        f"its cores, beside a load of {load:g}, with {plain(versions)}, at commit {plain(str(git)[:19])}."
        for (made, device, cores, load, versions, git), rows in rival.groupby(MADE, sort=False, dropna=False)
    ]
    return "\n\n".join(
        [f"Cells a minute, the engine against the plain loop: {times}. {compared_with}", *measured]
    )


def compared(rival: pd.DataFrame) -> pd.DataFrame:
    """The table of the rival as the page shows it; on a GPU with what the engine is meant to reach."""
    goals = (
        {"goal": rival.goal.map("{:g}".format).where(rival.contender == ENGINE, "")}
        if "goal" in rival
        else {}
    )
    return pd.DataFrame(
        {
            "network": rival.work,
            "": rival.contender,
            "cells a minute": rival["cells a minute"].map("{:.0f}".format),
            "times": rival.ratio.map("{:.2f}".format),
            **goals,
            "Bob's accuracy": rival.accuracy.map("{:.3f}".format),
            "less the plain loop's [95 %]": [
                "" if row.contender == PLAIN else f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
                for row in rival.itertuples()
            ],
            "within one standard error": [
                "" if who == PLAIN else {True: "yes", False: "no"}[bool(within)]
                for who, within in zip(rival.contender, rival["within one error"])
            ],
            "share of the peak": rival["share of peak"].map("{:.0%}".format),
            "MB": rival.MB.map("{:.0f}".format),
        }
    )


def by_stage(stages: pd.DataFrame) -> pd.DataFrame:
    """Seconds, a row for each network and contender, a column for each stage."""
    wide = stages.pivot_table("seconds", ["work", "contender"], "stage", sort=False)
    return wide.map("{:.2f}".format).replace("nan", "").reset_index().rename(columns={"contender": ""})


def _html(shown: Shown, number: int) -> str:
    output = {"data": {"text/html": shown._repr_html_()}}
    dress.number([output], output, number, calls.Behind((), ()))
    return f"```{{raw}} html\n{output['data']['text/html']}\n```"


def _table(table: pd.DataFrame, path: Path) -> str:
    table.astype(str).map(plain).to_csv(path, index=False)
    return f"```{{csv-table}}\n:file: {path.name}\n:header-rows: 1\n```"
