"""Rows as files: tables for people, and kept rows on their way from one machine's database to another's."""

import csv
import io
import json
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from reuselab.check import shorten
from reuselab.runs import schema
from reuselab.runs.store import DONE, Row

TOLERANCE = 0.02
LABELS = ("source", "images", "provenance", "cell")
MOST_BYTES = 2**32  # of a file, and of what it says that it unpacks to
MOST_COLUMNS = 1000
BATCH = 64  # rows of Parquet in memory at a time: text that repeats is far smaller in the file
TYPES = (pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.large_string())
NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?(e[-+]?[0-9]{1,3})?")
FORMULA = re.compile(r"\s*[=+@＝＋－＠-]|[\t\r]")
LONGEST = 2**20  # characters of one text in a file
csv.field_size_limit(LONGEST)


def writable(path: Path) -> Path:
    """`path`, or a ValueError in one line where no CSV or Parquet can be written there."""
    _kind(path)
    probe(path)
    return path


def probe(path: Path) -> None:
    """Raise ValueError, in one line, where no file can be written at `path`, or something else is there."""
    part = _part(path)
    try:
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            raise PermissionError
        part.touch()
        part.unlink()
    except OSError:
        raise ValueError(f"cannot write {path}: its folder must exist and be writable") from None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives the name of a file to be written, which then takes the place of `path`: whole or not at all."""
    part = _part(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex}.part")


def _kind(path: Path) -> str:
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"a table must be named FILE.csv or FILE.parquet, not {shorten(path.name)}")
    return path.suffix


def write(table: pd.DataFrame, path: Path) -> None:
    """Write `table` as CSV (texts as `harmless`) or Parquet; a file of that name is replaced whole or not."""
    with whole(path) as part:
        if _kind(path) == ".csv":
            with_texts(table, harmless).rename(columns=harmless).to_csv(part, index=False)
        else:
            table.to_parquet(part, index=False, write_page_checksum=True)


def with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """`table` with `change` made to every text in it."""
    others = table.select_dtypes(exclude=["number", "bool"])
    return table.assign(**others.map(lambda value: change(value) if isinstance(value, str) else value))


def harmless(text: str) -> str:
    """`text` as a spreadsheet may open it: as it is, or in quotes as JSON where that is not safe.

    It never begins as a formula does, and holds nothing that a program takes for the end of a field or line,
    whatever separates these there; commas are in quotes.
    """
    begins = text[:1].isalnum() or text[:1] in ("", "{")
    return text if begins and text.isprintable() and ";" not in text else _quoted(text)


def no_formula(text: str) -> str:
    """`text`, in quotes as JSON where a spreadsheet would compute it."""
    return _quoted(text) if FORMULA.match(text) else text


def _quoted(text: str) -> str:
    return json.dumps(text).replace(";", r"\u003b")


def read(path: Path) -> list[Row]:
    """The rows of an exported file, each as `schema.checked`.

    Raises ValueError, in one line that names the row, the column and what was expected, for a file that holds
    anything else: all its rows are whole, and as an export writes them, or it is refused.
    """
    lines = _csv if _kind(path) == ".csv" else _parquet
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_size > MOST_BYTES:
                raise ValueError(f"it must be a file of at most {MOST_BYTES:,} bytes")
            return list(_rows(lines(file)))
    except (ValueError, OSError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{path} is not an export of kept rows: {' '.join(told.split())}") from None


def _rows(lines: Iterable[dict[str, str]]) -> Iterator[Row]:
    known = set()
    for number, line in enumerate(lines, 1):
        try:
            row = _row(line)
            if (key := (row.name, row.source)) in known:
                raise ValueError("cell must not be that of an earlier row, too")
        except ValueError as error:
            raise ValueError(f"row {number:,}: {error}") from None
        known.add(key)
        yield row


def _columns(names: list[str]) -> list[str]:
    if missing := [name for name in LABELS if name not in names]:
        raise ValueError(f"it has no column {missing[0]}")
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"it must have at most {MOST_COLUMNS:,} columns, not {len(names):,}")
    for name in names:
        schema.NAME("the name of a column", name)
        if names.count(name) > 1:
            raise ValueError(f"it has column {name} twice")
    return names


def _csv(file: IO[bytes]) -> Iterator[dict[str, str]]:
    """The lines of a CSV, texts by column."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    table = csv.reader(iter(lambda: text.readline(LONGEST), ""), strict=True)
    try:
        columns = _columns(next(table, []))
        for fields in table:
            if len(fields) != len(columns):
                raise ValueError(
                    f"line {table.line_num:,} must have {len(columns)} fields, as many as columns, "
                    f"not {len(fields)}"
                )
            yield dict(zip(columns, fields))
    except csv.Error as error:
        raise ValueError(f"line {table.line_num:,}: {error}") from None


def _parquet(file: IO[bytes]) -> Iterator[dict[str, str]]:
    """The rows of a Parquet file, as `_csv` gives them."""
    try:
        table = parquet.ParquetFile(file, page_checksum_verification=True)
        columns, groups = table.schema_arrow, map(table.metadata.row_group, range(table.num_row_groups))
        _columns(columns.names)
        if sum(group.total_byte_size for group in groups) > MOST_BYTES:
            raise ValueError(f"it must unpack to at most {MOST_BYTES:,} bytes")
        for column in columns:
            if column.type not in TYPES:
                raise ValueError(
                    f"column {column.name} must hold texts, true and false or numbers of 64 bits"
                    f", not {shorten(str(column.type))}"
                )
        for batch in table.iter_batches(BATCH, use_threads=False):
            for line in batch.to_pylist():
                yield {name: _text(value) for name, value in line.items()}
    except Exception as error:  # whatever pyarrow makes of any bytes
        if type(error) is ValueError:
            raise
        raise ValueError(f"it cannot be read as Parquet: {shorten(str(error))}") from None


def _text(value: Any) -> str:
    """A value of Parquet as `write` puts it into a CSV."""
    if not isinstance(value, str):
        return "" if value is None or value != value else str(value)
    if len(value) > LONGEST:
        raise ValueError(f"it must hold no text of more than {LONGEST:,} characters")
    return harmless(value)


def _row(line: dict[str, str]) -> Row:
    """The row of one line, whose parameters, written apart for people, must be those of its cell."""
    code, images, provenance, cell = (_label(name, line[name]) for name in LABELS)
    parameters = schema.parameters(cell)
    measures = {
        name: _value(text) for name, text in line.items() if name not in parameters and name not in LABELS
    }
    row = schema.checked(code, images, cell, provenance, measures)
    for name in parameters.keys() - LABELS:
        text, value = line.get(name, ""), parameters[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        same = _value(text) == value if number else text == _text(value)
        if not same and (text or row.status == DONE):
            raise ValueError(f"{name} must be {shorten(value)}, as in its cell, not {shorten(text)}")
    return row


def unquoted(text: str) -> str:
    """The text that `harmless` made `text` of."""
    return json.loads(text) if text.startswith('"') else text


def _label(name: str, text: str) -> str:
    try:
        return unquoted(text)
    except ValueError:
        raise ValueError(f"{name} must be a text, or one in quotes as JSON, not {shorten(text)}") from None


def _value(text: str) -> float | str | None:
    """What stands in a column: a number, nothing, or a text that is neither."""
    return float(text) if NUMBER.fullmatch(text) else text or None
