"""Agreement: whether a page that was run at smoke says what results/smoke keeps of the same cells and seeds.

A kept table has columns that name a cell, a column `processor`, and measures; a processor whose table is the
first one's is left out. Numbers are held to their mean over processors: each alone, and by groups of cells
(all, and those with one value in a column) their mean and the size of their differences. The scale of a
difference is that of the kept processors, each against the others. How many scales it may have is in
`tolerances.csv`, by kind; `reference` makes all of it.
"""

from collections.abc import Iterator
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reuselab.book.kept import RESULTS
from reuselab.claims.parameters import KEPT

PRESET = "smoke"
PROCESSOR = "processor"
ALONE, MEAN, SIZE = "alone", "mean", "size of differences"
FEWEST = 8  # cells of a group
MANY = 20  # values, to tell a step from
DIGIT = 1e-5  # numbers are kept with five digits


def tables(page: str) -> list[str]:
    """The names of the tables that are kept of `page`."""
    folder = RESULTS / PRESET
    return [path.stem for names in ("", "_*") for path in sorted(folder.glob(f"{page}{names}.csv"))]


def compare(page: str, folder: Path) -> pd.DataFrame:
    """Every test of the page's tables in `folder`, as `tests` makes them, with its table and its tolerance.

    Raises ValueError, in one line, where nothing is kept of the page as it was computed.
    """
    if not tables(page):
        raise ValueError("no rows are kept of this page")
    claims = folder / f"{page}_claims.csv"
    if claims.exists():
        shown = pd.read_csv(claims).iloc[0]
        images = pd.read_csv(RESULTS / PRESET / "images.csv", index_col="page")["images"][page]
        if shown.preset.startswith(KEPT) or shown["images"] != images:
            what = "its kept run" if shown.preset.startswith(KEPT) else f"a run on {shown['images']}"
            raise ValueError(f"it shows {what}, and rows are kept of a run on {images}")
    factors = pd.read_csv(RESULTS / PRESET / "tolerances.csv", index_col="kind").factor
    held = pd.concat([_held(table, folder).assign(table=table) for table in tables(page)], ignore_index=True)
    return held.assign(tolerance=held.scale * held.kind.map(factors) + held.rounding)


def told(page: str, preset: str, folder: Path) -> str:
    """The line that the executed page in `folder` prints."""
    if preset != PRESET:
        return f"Not asked: rows are kept for the preset {PRESET}, and `reuselab check {page}` runs that."
    try:
        held = compare(page, folder)
    except ValueError as reason:
        return f"Not asked: {reason}."
    return ". ".join([summary(held), *disagreements(held)[:1]])


def disagreements(held: pd.DataFrame) -> list[str]:
    """A line for each number that is off; of groups, one for each measure and kind, the farthest off."""
    held = held.assign(times=(held.found - held.kept).abs() / held.tolerance)
    off = held[~(held.times <= 1)].sort_values("times", ascending=False)
    groups = off[off.kind != ALONE].drop_duplicates(["table", "measure", "kind"])
    return [
        f"{row.table}: {row.cell}: {row.measure}{'' if row.kind == ALONE else ', ' + row.kind}: "
        f"found {row.found:.5g}, kept {row.kept:.5g}, tolerance {row.tolerance:.2g}"
        for row in pd.concat([off[off.kind == ALONE], groups]).itertuples()
    ]


def summary(held: pd.DataFrame) -> str:
    """What was held, and how it came out, in one line."""
    lines = disagreements(held)
    numbers = (held.kind == ALONE).sum()
    if lines:
        return f"of {numbers:,} numbers held to the kept rows, with their means, {len(lines)} disagree"
    nearest = ((held.found - held.kept).abs() / held.tolerance).max()
    return (
        f"{numbers:,} numbers, and their means, agree with the kept rows of the same cells and seeds; "
        f"the largest difference is {nearest:.2f} of its tolerance"
    )


def _held(table: str, folder: Path) -> pd.DataFrame:
    rows = pd.read_csv(RESULTS / PRESET / f"{table}.csv")
    if not (folder / f"{table}.csv").exists():
        return _one_sided(["all"], "the table", found=0, kept=1)
    own = pd.read_csv(folder / f"{table}.csv")
    if lacking := [column for column in rows.columns.drop(PROCESSOR) if column not in own]:
        return _one_sided(["all"], f"column {', '.join(lacking)}", found=0, kept=1)
    return tests(values(own, columns(rows)), kept(rows))


def columns(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What names a cell in a kept table, and its measures."""
    middle = rows.columns.get_loc(PROCESSOR)
    return list(rows.columns[:middle]), list(rows.columns[middle + 1 :])


def kept(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The measures of a kept table on each processor."""
    by_name = {name: values(own, columns(rows)) for name, own in rows.groupby(PROCESSOR, sort=False)}
    first = next(iter(by_name.values()))
    return [by_name.get(name, first) for name in pd.read_csv(RESULTS / PRESET / "processors.csv")[PROCESSOR]]


def values(rows: pd.DataFrame, names: tuple[list[str], list[str]]) -> pd.DataFrame:
    """The measures of `rows`; the index names their cells, a level a column. names: of `columns`."""
    keys, measures = names
    texts = pd.DataFrame({key: [_text(value) for value in rows[key]] for key in keys}, index=rows.index)
    twins = texts.groupby(keys).cumcount().map(str).rename("again")
    index = pd.MultiIndex.from_frame(texts.join(twins))
    return pd.DataFrame(rows[measures].to_numpy(dtype=float), index=index, columns=measures)


def _text(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, Number) else str(value)


def tests(own: pd.DataFrame, processors: list[pd.DataFrame]) -> pd.DataFrame:
    """A row a test: cell (or group), measure, kind, found, kept, scale, and what rounding may add.

    own, processors: from `values` and `kept`. A scale is at least one step of one cell; cells that are equal
    everywhere, as an Alice's in the rows of all her Bobs, count as one. A cell that is on one side alone is a
    row too: found 0 or 1 times, kept 1 or 0.
    """
    cells = processors[0].index
    known = np.stack([processor.to_numpy() for processor in processors])
    centre, found = known.mean(0), own.reindex(cells).to_numpy()
    apart = np.nan_to_num(known - centre) * len(known) / (len(known) - 1)
    off, rounding = np.nan_to_num(found - centre), DIGIT * np.nanmax(np.abs(centre), 0, initial=0)
    step = np.maximum(_steps(known), rounding)
    spread = np.sqrt((apart**2).mean((0, 1)))
    words = {cell: _cell(cell, cells.names) for cell in cells.union(own.index)}
    alone = _frame(
        [words[cell] for cell in cells], own, ALONE, found, centre, np.hypot(spread, step), rounding
    )
    parts = [
        alone.dropna(subset="kept"),
        _one_sided([words[cell] for cell in cells.difference(own.index)], "rows", found=0, kept=1),
        _one_sided([words[cell] for cell in own.index.difference(cells)], "rows", found=1, kept=0),
    ]
    for name, rows in _groups(cells):
        n = np.array([len(np.unique(measure[:, rows], axis=1).T) for measure in known.transpose(2, 0, 1)])
        middle, size = np.nan_to_num(centre[rows]).mean(0), np.sqrt((off[rows] ** 2).mean(0))
        together = np.sqrt((apart[:, rows].mean(1) ** 2).mean(0))
        shift = np.maximum.reduce([together, spread / np.sqrt(n), step / n])
        parts += [
            _frame([name], own, MEAN, middle + off[rows].mean(0), middle, shift, rounding),
            _frame([name], own, SIZE, size, 0, np.maximum(spread, step / np.sqrt(n)), rounding),
        ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _one_sided(cells: list[str], what: str, *, found: int, kept: int) -> pd.DataFrame:
    numbers = {"found": float(found), "kept": float(kept), "scale": 0.0, "rounding": 0.0}
    return pd.DataFrame({"cell": cells, "measure": what, "kind": ALONE} | numbers)


def _frame(where: list[str], own: pd.DataFrame, kind: str, *numbers: Any) -> pd.DataFrame:
    """A row for each of `where` and each measure of `own`. numbers: found, kept, scale and rounding."""
    shape = len(where), own.shape[1]
    names = {"cell": np.repeat(where, shape[1]), "measure": list(own) * len(where), "kind": kind}
    flat = (np.broadcast_to(number, shape).ravel() for number in numbers)
    return pd.DataFrame(names | dict(zip(("found", "kept", "scale", "rounding"), flat)))


def _groups(cells: pd.MultiIndex) -> Iterator[tuple[str, np.ndarray]]:
    """All cells, and those with one value in a column but `seed`: what names them, and where they are."""
    yield f"all {len(cells)} rows", np.arange(len(cells))
    for key in [name for name in cells.names[:-1] if name != "seed"]:
        of_key = cells.get_level_values(key)
        for value in of_key.unique():
            if FEWEST <= (rows := np.flatnonzero(of_key == value)).size < len(cells):
                yield f"{len(rows)} rows with {key} = {value}", rows


def _steps(known: np.ndarray) -> np.ndarray:
    """The least step of each measure between processors; where it takes none, the largest of the table's.

    Where that takes none either, the least step between cells: of few values it cannot be told, and is 0.
    known: [processors, cells, measures].
    """
    between = np.abs(known - known[:1])
    between = np.where(between > 0, between, np.inf).min((0, 1), initial=np.inf)
    if np.isfinite(between).any():
        return np.minimum(between, np.max(between, where=np.isfinite(between), initial=0))
    distinct = [np.unique(measure[np.isfinite(measure)]) for measure in known.transpose(2, 0, 1)]
    return np.array([np.diff(of).min() if of.size > MANY else 0 for of in distinct])


def _cell(cell: tuple[str, ...], names: list[str]) -> str:
    """A cell in words."""
    return ", ".join(f"{name} = {value}" for name, value in zip(names[:-1], cell))
