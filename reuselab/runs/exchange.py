"""Rows as files: tables for people, and kept rows on their way from one machine's database to another's."""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reuselab.check import shorten
from reuselab.experiment.cell import Cell
from reuselab.runs.store import Row, canonical, image_sets, name_of, source

TOLERANCE = 0.02
LABELS = ("source", "images", "provenance", "cell")


def writable(path: Path) -> Path:
    """`path`, or a ValueError in one line where no CSV or Parquet can be written there."""
    _kind(path)
    part = _part(path)
    try:
        if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
            raise PermissionError
        part.touch()
        part.unlink()
    except OSError:
        raise ValueError(f"cannot write {path}: its folder must exist and be writable") from None
    return path


def _part(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex}.part")


def _kind(path: Path) -> str:
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"a table must be named FILE.csv or FILE.parquet, not {shorten(path.name)}")
    return path.suffix


def write(table: pd.DataFrame, path: Path) -> None:
    """Write `table` as CSV or Parquet; a file of that name is replaced whole or not at all."""
    part = _part(path)
    try:
        table.to_csv(part, index=False) if _kind(path) == ".csv" else table.to_parquet(part, index=False)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> list[Row]:
    """The rows of an exported file. ValueError, in one line, for a file that is not whole and sound."""
    try:
        table = (
            pd.read_csv(path, dtype=str, keep_default_na=False)
            if _kind(path) == ".csv"
            else pd.read_parquet(path)
        )
        if missing := [name for name in LABELS if name not in table]:
            raise ValueError(f"it has no column {missing[0]}")
        rows = []
        for number, line in enumerate(table.to_dict("records"), 1):
            try:
                rows.append(_row(line))
            except (ValueError, TypeError) as error:
                raise ValueError(f"row {number:,}: {error}") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is not an export of kept rows: {' '.join(str(error).split())}") from None
    if len({(row.name, row.source) for row in rows}) < len(rows):
        raise ValueError(f"{path} is not an export of kept rows: it has a row twice")
    return rows


def _row(line: Mapping[str, Any]) -> Row:
    code = line["source"]
    images, provenance, cell = (json.loads(line[name]) for name in LABELS[1:])
    if not (
        all(isinstance(value, dict) for value in (images, provenance, cell))
        and all(isinstance(identity, str) and identity for identity in images.values())
        and isinstance(code, str)
        and len(code) == 64
    ):
        raise ValueError("source, images, provenance or cell is not what it should be")
    if code == source():
        whole = Cell.of(**cell)
        if canonical(whole.flat()) != canonical(cell) or images.keys() != image_sets(whole):
            raise ValueError("its cell or images are not whole")
        for name, value in cell.items():
            written = line.get(name)
            missing = written == "" or written is None or written is pd.NA or written != written
            if (not missing) if value is None else str(written) != str(value):
                raise ValueError(f"{name} is {shorten(line.get(name))}, but {shorten(value)} in its cell")
    given = {
        name: _number(name, value) for name, value in line.items() if name not in cell and name not in LABELS
    }
    measures = {name: value for name, value in given.items() if value is not None}
    texts = canonical(images), canonical(cell)
    return Row(
        name_of(cell=texts[1], images=texts[0]),
        code,
        "done",
        *texts,
        json.dumps(measures),
        "",
        json.dumps(provenance),
    )


def _number(name: str, value: Any) -> float | None:
    """A measure; None for one that this row does not have."""
    value = json.loads(value or "null") if isinstance(value, str) else value
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) == float("inf"):
        raise ValueError(f"{name} must be a number, not {shorten(value)}")
    return value
