"""Agreement: whether executed pages say what results/PRESET keeps of their tables, within its tolerances.

A kept table PAGE.csv has columns that name a row, measures, and a column `tolerance`. It is held to the
page's own table, PAGE.csv or where there is none PAGE_summary.csv, with each measure's mean over the seeds.
"""

from pathlib import Path

import pandas as pd

from reuselab.book.kept import RESULTS
from reuselab.claims.parameters import KEPT

TOLERANCE, COLUMN = "tolerance", "its column"


def kept_tables(preset: str) -> dict[str, pd.DataFrame]:
    """What is kept for `preset`, by page; empty where nothing is."""
    return {path.stem: pd.read_csv(path) for path in sorted((RESULTS / preset).glob("*.csv"))}


def compare(preset: str, folder: Path) -> dict[str, list[str]]:
    """A line for each number of the pages executed in `folder` that is not the kept one, by page.

    A page that shows its kept run has no numbers of its own, and is left out.
    """
    return {
        name: disagreements(name, expected, _own_table(name, folder))
        for name, expected in kept_tables(preset).items()
        if not _shows_kept_run(name, folder)
    }


def disagreements(name: str, expected: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """A line for each number of the kept table `expected` that is not the mean in `rows`, the page's own.

    Columns all of whose values occur in `rows` name the row; the others are measures, rounded means, and so
    is the one before the tolerance in any case. A column
    `measure` that `rows` has not names the measures, each with its mean as `value`.
    """
    last = expected.columns[expected.columns.get_loc(TOLERANCE) - 1]
    keys = [key for key in expected if key != last and key in rows and expected[key].isin(rows[key]).all()]
    if "measure" in expected and "measure" not in rows:
        numbers = rows.columns.intersection(expected.measure.unique())
        rows, keys = rows.melt(keys, numbers, "measure", "value"), [*keys, "measure"]
    measures = [column for column in expected if column not in (*keys, TOLERANCE)]
    if missing := [column for column in measures if column not in rows]:
        return [f"{name} has no column {', '.join(missing)}"]
    if not keys:
        return [f"{name} has not the rows that are kept"]
    means = rows.groupby(keys, as_index=False)[measures].mean()
    both = _long(expected, [*keys, TOLERANCE], "kept").merge(_long(means, keys, "here"), how="left")
    off = both[~((both.here - both.kept).abs() <= both[TOLERANCE])]
    return [
        f"{name}: {row[COLUMN]} {row['here']:.3f} where {', '.join(f'{key} = {row[key]}' for key in keys)}, "
        f"kept {row['kept']:.3f} within {row[TOLERANCE]:g}"
        for row in off.to_dict("records")
    ]


def summary(preset: str, compared: dict[str, list[str]]) -> str:
    """What was compared, in one line: also that nothing was."""
    if not compared:
        return f"nothing is kept for the preset {preset}: nothing was compared"
    return f"compared with what is kept for the preset {preset}: {', '.join(compared)}"


def _own_table(name: str, folder: Path) -> pd.DataFrame:
    path = folder / f"{name}.csv"
    return pd.read_csv(path if path.exists() else folder / f"{name}_summary.csv")


def _shows_kept_run(name: str, folder: Path) -> bool:
    path = folder / f"{name}_claims.csv"
    return path.exists() and pd.read_csv(path).preset.str.startswith(KEPT).any()


def _long(table: pd.DataFrame, keys: list[str], value: str) -> pd.DataFrame:
    """One row for each of `keys` and each other column that has a number there."""
    return table.melt(keys, var_name=COLUMN, value_name=value).dropna(subset=value)
