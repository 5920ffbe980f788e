"""Rows that leave and come back as files: all rows of a file are whole, or none is taken over."""

import csv
import io
import json
import os
import pickle
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from faulty import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from reuselab import cli
from reuselab.experiment import cell as cells
from reuselab.experiment import models
from reuselab.experiment.cell import Cell
from reuselab.runs import exchange, schema
from reuselab.runs import store as stores
from reuselab.runs import study as studies
from reuselab.runs.store import DONE, FIELDS, UNCHECKED, Row, Store, canonical, name_of, row_name
from reuselab.runs.study import grid, study

SUFFIXES = [".csv", ".parquet"]
ALONE = dict(layout="alone", alice_classes="0|1", bob_classes="2,3|4")
DIVERGED = dict(optimizer="sgd", lr=100.0, momentum=0.9999, epochs=10, batch=2)
KINDS = {
    "pairs": {},
    "pairs of two sets": dict(bob_base="turned", bob_rho=0.5, layout="stacked", probe=True),
    "attributed": dict(attribute=8),
    "diverged": {f"{who}_{name}": value for who in ("alice", "bob") for name, value in DIVERGED.items()}
    | dict(attribute=8, retrain=4),
    "alone": ALONE,
    "alone and shuffled": ALONE | dict(alice_task="bob", bob_task="shuffled"),
    "ImageNet's": ALONE | dict(alice_task="imagenet", network="resnet18_original", probe=True, retrain=2),
}
EACH = {kind: Cell.of(**TINY | given) for kind, given in KINDS.items()}
OTHER = "5" * 64  # the source of other code
TRIES = settings(max_examples=40, deadline=None, derandomize=True)


def kept(home):
    """The rows of a folder."""
    with Store(home) as store:
        return [Row(*fields) for fields in store.db.execute(f"SELECT {FIELDS} FROM rows ORDER BY id")]


def export(home, file):
    """What the command `export` does."""
    with Store(home) as store:
        exchange.write(store.table(stale=True), file)
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a row of each of `KINDS`, and one of other code."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as here:
        hers = models.build("resnet18_original", (1, 8, 8), 1000, seed=9)
        here.setattr(models, "pretrained", lambda name, shape: hers)
        study([*EACH.values()], workers=1, home=home)
        with Store(home) as store:
            cell, images = '{"base":7,"depth":3,"name":"=1+1"}', '{"mist":"0"}'
            measures = '{"bob_accuracy": 0.5, "loss": 0.25}'
            store._put(Row(name_of(cell, images), OTHER, DONE, images, cell, measures, "", "{}"))
        yield home


@pytest.fixture(scope="module")
def files(home, tmp_path_factory):
    """The rows of `home` as a CSV and as Parquet, in bytes, by suffix."""
    folder = tmp_path_factory.mktemp("files")
    return {suffix: export(home, folder / f"rows{suffix}").read_bytes() for suffix in SUFFIXES}


@pytest.fixture(scope="module")
def pairs_table(tmp_path_factory):
    """The table of two rows on pairs."""
    home = tmp_path_factory.mktemp("pairs")
    study(grid(seed=[0, 1], **TINY), workers=1, home=home)
    with Store(home) as store:
        return store.table(stale=True)


# What a row must be.


@pytest.mark.parametrize("kind", EACH)
def test_the_schema_of_a_row_is_what_running_its_cell_gives(kind, home):
    with Store(home) as store:
        name = row_name(EACH[kind])
        measures = store.find([name])[name].measures
    rules = cells.measures(EACH[kind])
    assert [*measures] == [*rules]
    for name, rule in rules.items():
        rule(name, measures[name])
        assert isinstance(measures[name], float) or measures[name] is None


def test_rows_with_undefined_measures_are_among_them(home):
    undefined = {
        json.loads(row.cell)["alice_task"]: {
            name for name, value in json.loads(row.measures).items() if value is None
        }
        for row in kept(home)[:-1]
    }
    assert undefined["imagenet"] == {"alice_accuracy"}
    measures = {row.cell: json.loads(row.measures) for row in kept(home)}
    assert measures[canonical(EACH["diverged"].flat())]["share_occlusion"] is None


def test_what_a_study_tells_of_a_row_is_what_its_provenance_must_be(home):
    assert json.loads(kept(home)[0].provenance).keys() == schema.PROVENANCE.keys()


def test_a_row_has_one_name_wherever_it_is_named(home):
    assert {row.name for row in kept(home)[:-1]} == set(map(row_name, EACH.values()))
    assert all(row.name == name_of(row.cell, row.images) for row in kept(home))


# There and back.


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_go_from_one_database_to_another_unchanged(suffix, home, tmp_path):
    rows = exchange.read(export(home, tmp_path / f"rows{suffix}"))
    with Store(tmp_path / "other") as store:
        assert store.add(rows, 0) == (8, [])
        assert store.add(rows, 0) == (0, [])
        assert store.counts() == {"done": 7, "running": 0, "failed": 0, "stale": 1}
    here, there = kept(home), kept(tmp_path / "other")
    assert there[:-1] == here[:-1] and there[-1] == here[-1]._replace(status=UNCHECKED)
    assert exchange.read(export(tmp_path / "other", tmp_path / f"again{suffix}")) == rows
    pd.testing.assert_frame_equal(
        study([*EACH.values()], workers=1, home=tmp_path / "other"),
        study([*EACH.values()], workers=1, home=home),
        check_exact=True,
    )


HOSTILE = [*"=+-@\t\r\n;,|'\"\\{}[]\0 \x1b\x85\u2028\u202e\ufeff＝é1a", "=1+1", "cmd|", "😀", "</script>"]
TEXTS = st.lists(st.sampled_from(HOSTILE), max_size=5).map("".join)
CLASSES = st.lists(
    TEXTS.filter(lambda text: not {*",|"} & {*text} and text.strip()), min_size=2, max_size=3, unique=True
).map("|".join)
MEASURES = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 5e-324, 1e-5, 0.1 + 0.2])
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in {*cells.RULES, *exchange.LABELS}
)


@st.composite
def rows_of_this_code(draw):
    cell = Cell.of(layout="alone", alice_classes=draw(CLASSES), bob_classes=draw(CLASSES))
    made = {"device": draw(TEXTS), "git": draw(TEXTS), "versions": draw(TEXTS), "source": stores.source()}
    return schema.checked(
        stores.source(),
        canonical({"digits": draw(TEXTS) + "."}),
        canonical(cell.flat()),
        json.dumps(made | {"seconds": draw(st.floats(0, 1e300)), "time": "2026-01-31T12:00:00+00:00"}),
        {name: draw(MEASURES) for name in cells.measures(cell)},
    )


@st.composite
def rows_of_other_code(draw):
    values = TEXTS | st.none() | st.booleans() | st.integers(-(2**53), 2**53)
    values |= st.floats(allow_nan=False, allow_infinity=False)
    cell = draw(st.dictionaries(NAMES | st.sampled_from([*cells.RULES]), values, max_size=4))
    measures = st.floats(allow_nan=False, allow_infinity=False)
    return schema.checked(
        OTHER,
        canonical(draw(st.dictionaries(NAMES, TEXTS.map("{}.".format), max_size=2))),
        canonical(cell),
        json.dumps(draw(st.dictionaries(NAMES, values, max_size=2))),
        draw(
            st.dictionaries(
                NAMES.filter(lambda name: "accuracy" not in name and name not in cell),
                measures,
                min_size=1,
                max_size=3,
            )
        ),
    )


def alike(row):
    """A row but for the order of its measures: other code's come in the order of the columns."""
    return row._replace(measures=canonical(json.loads(row.measures)))


@pytest.mark.hostile("input", 15)
@settings(TRIES, max_examples=15)
@given(
    st.lists(
        rows_of_this_code() | rows_of_other_code(), min_size=1, max_size=3, unique_by=lambda row: row.name
    )
)
def test_whatever_its_texts_a_row_comes_back_and_is_no_formula(rows):
    with TemporaryDirectory() as folder, Store(folder) as store:
        assert store.add(rows, 0) == (len(rows), [])
        for suffix in SUFFIXES:
            file = Path(folder) / f"rows{suffix}"
            exchange.write(store.table(stale=True), file)
            assert [*map(alike, exchange.read(file))] == [*map(alike, rows)]
        assert formulas(Path(folder) / "rows.csv") == []


def formulas(file):
    """What a spreadsheet may take for a formula in a CSV, whatever separates the fields there."""
    text = file.read_bytes().decode()
    lines = [line for mark in ",;\t" for line in csv.reader(io.StringIO(text, newline=""), delimiter=mark)]
    assert {len(line) for line in lines[: len(lines) // 3]} <= {len(lines[0])}
    suspects = [field for line in lines for field in line if re.match(r"\s*[=+@＝＋－＠-]", field)]
    return [field for field in suspects if not re.match(r"-?[0-9.]+(e[-+]?[0-9]+)?(,|$)", field)]


# Any bytes.


def taken_over(data, suffix):
    """How many rows the bytes of a file give: a refusal is one line; rows are whole, and can leave again."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"rows{suffix}"
        file.write_bytes(data)
        try:
            rows = exchange.read(file)
        except ValueError as refusal:
            assert str(refusal).startswith(f"{file} is not an export of kept rows: ")
            assert len(str(refusal).splitlines()) == 1 and len(str(refusal)) < 1000
            return 0
        home = Path(folder) / "home"
        with Store(home) as store:
            assert store.add(rows, 0) == (len(rows), [])
            assert store.find([row.name for row in rows if row.source == stores.source()]).keys() == {
                row.name for row in rows if row.source == stores.source()
            }
        for row in kept(home):
            assert_whole(row)
        if rows:
            assert exchange.read(export(home, file)) == rows
        return len(rows)


def assert_whole(row):
    """What the schema asks for, said another way."""
    cell, images, measures = json.loads(row.cell), json.loads(row.images), json.loads(row.measures)
    assert row.name == name_of(canonical(cell), canonical(images)) and row.error == ""
    accuracies = [value for name, value in measures.items() if "accuracy" in name and value is not None]
    assert accuracies and all(0 <= value <= 1 for value in accuracies)
    if row.source == stores.source():
        whole = Cell.of(**cell)
        assert (row.status, row.name) == (DONE, row_name(whole, images)) and whole.flat() == cell
        assert measures.keys() == cells.measures(whole).keys()
        assert all(
            value is None or -1.00001 <= value <= 1.00001
            for name, value in measures.items()
            if name != "completeness_gap"
        )
    else:
        assert row.status == UNCHECKED and all(np.isfinite(list(measures.values())))


@pytest.mark.hostile("input", 30)
@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(TRIES, max_examples=30)
@given(st.binary(max_size=200), st.booleans())
def test_bytes_that_are_no_export_give_nothing(suffix, data, framed):
    if framed:
        data = b"source,images,provenance,cell\n" + data if suffix == ".csv" else b"PAR1" + data + b"PAR1"
    assert taken_over(data, suffix) == 0


@pytest.mark.hostile("input", 40)
@pytest.mark.parametrize("suffix", SUFFIXES)
@TRIES
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3),
    st.floats(0, 1),
    st.sampled_from(["set", "insert", "cut"]),
)
def test_an_export_with_other_bytes_gives_whole_rows_or_nothing(suffix, files, changes, end, kind):
    data = bytearray(files[suffix])
    for place, byte in changes:
        at = int(place * len(data))
        data[at : at + (kind != "insert")] = bytes([byte])
    told = taken_over(data[: int(end * len(data))] if kind == "cut" else data, suffix)
    assert told in (0, 8) or (kind, suffix) == ("cut", ".csv"), "only a cut between two lines leaves fewer"


VALUES = [
    "",
    "0",
    "1",
    "5.0",
    "-0.1",
    "1e999",
    "NaN",
    "Infinity",
    "0x1",
    "1_0",
    "0.5 ",
    "\u0661",
    "null",
    "true",
]
VALUES += ["True", "[]", "{}", "=1+1", '"', '"0.5"', "9" * 50, OTHER, "a\nb", "\0", "\ud7ff", "[" * 9999]
VALUES += [
    '{"a":' * 9999,
    '{"a":[]}',
    '{"a":1e999}',
    '{"a":NaN}',
    '{"a":1,"a":1}',
    '{"a": 1}',
    '{"a":"\\ud800"}',
]
VALUES += ['{"digits":""}', '{"digits":"x"}', '{"base":"digits"}', f'{{"a":{2**64}}}', '{"":1}', '{"cls":1}']
PARTS = [("1.0", "1"), ('"rho":0.0', '"rho":-0.0'), ('"rho":0.0', '"rho":0.5'), ('"seed":0', '"seed":true')]
PARTS += [("{", "{ "), ("}", ',"more":0}'), ('"phi":0.0,', ""), ('"phi":0.0', '"phi":NaN'), ("null", "0")]
PARTS += [('"seed":0', '"seed":0,"seed":0'), ('"mlp"', '"cnn"'), ('"mlp"', '"mpl"'), ("digits", "mnist")]
CHANGES = st.one_of(
    st.tuples(st.just("value"), st.integers(0, 8), st.integers(0, 99), st.sampled_from(VALUES)),
    st.tuples(st.just("part"), st.integers(1, 8), st.integers(0, 99), st.sampled_from(PARTS)),
    st.tuples(st.sampled_from(["drop row", "twice row"]), st.integers(0, 8), st.just(0), st.just("")),
    st.tuples(st.sampled_from(["drop column", "twice column"]), st.just(0), st.integers(0, 99), st.just("")),
    st.tuples(st.just("swap"), st.integers(0, 8), st.integers(0, 99), st.integers(0, 99)),
)


@pytest.mark.hostile("input", 40)
@pytest.mark.parametrize("suffix", SUFFIXES)
@TRIES
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_an_export_with_other_cells_rows_or_columns_gives_whole_rows_or_nothing(suffix, files, changes):
    lines = [*csv.reader(io.StringIO(files[".csv"].decode(), newline=""))]
    for kind, row, column, more in changes:
        change(lines, kind, row % len(lines), column % max(1, len(lines[0])), more)
    told = taken_over(written(lines, suffix), suffix)
    assert told in (0, len(lines) - 1)


def change(lines, kind, row, column, more):
    """One change to a table of texts, in place."""
    what = kind.split()[-1]
    if what == "row":
        lines[row : row + 1] = [] if kind == "drop row" and len(lines) > 1 else [[*lines[row]], [*lines[row]]]
    elif what == "column":
        for line in lines:
            line[column : column + 1] = [] if kind == "drop column" else line[column : column + 1] * 2
    elif kind == "value":
        lines[row][column] = more
    elif kind == "part":
        lines[row][column] = lines[row][column].replace(*more)
    else:
        other = more % len(lines[0])
        lines[row][column], lines[row][other] = lines[row][other], lines[row][column]


def written(lines, suffix):
    """A table of texts as a file."""
    if suffix == ".csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        return text.getvalue().encode()
    file, (names, *rows) = io.BytesIO(), lines
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(names))]
    parquet.write_table(pa.Table.from_arrays(columns, names), file)
    return file.getvalue()


# What is refused, and how it is said.


def refused(file, monkeypatch, capsys, message):
    """One line on stderr with `message`, exit status 2, and no folder for rows."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("REUSELAB_HOME", str(file.parent / "home"))
    monkeypatch.setattr(sys, "argv", ["reuselab", "import", file.name])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("reuselab: ") and err.count("\n") == 1 and message in err
    assert not (file.parent / "home").exists()


def in_json(column, old, new):
    return lambda table: table.assign(**{column: table[column].str.replace(old, new, regex=False)})


UNNAMED = "the name of a column must be letters, digits and _, up to 100, not "
SPOILT = [
    (lambda t: t.drop(columns="source"), "it has no column source"),
    (lambda t: t.drop(columns="images"), "it has no column images"),
    (lambda t: t.drop(columns="rho"), "row 1: rho must be 0.0, as in its cell, not ''"),
    (lambda t: t.assign(rho=0.5), "row 1: rho must be 0.0, as in its cell, not '0.5'"),
    (lambda t: t.assign(rho=[0.0, 0.5]), "row 2: rho must be 0.0, as in its cell, not '0.5'"),
    (lambda t: t.assign(swap="no"), "row 1: swap must be False, as in its cell, not 'no'"),
    (lambda t: t.assign(seed=7), "row 1: seed must be 0, as in its cell, not '7'"),
    (lambda t: t.drop(columns="chance"), "row 1: chance must be a number from 0 to 1, not None"),
    (lambda t: t[["source", "images", "provenance", "cell"]], "row 1: alice_accuracy must be a number"),
    (lambda t: t.assign(bob_accuracy=5.0), "row 1: bob_accuracy must be a number from 0 to 1, not 5.0"),
    (lambda t: t.assign(bob_accuracy=-0.1), "row 1: bob_accuracy must be a number from 0 to 1, not -0.1"),
    (lambda t: t.assign(bob_accuracy=None), "row 1: bob_accuracy must be a number from 0 to 1, not None"),
    (lambda t: t.assign(bob_accuracy=np.inf), "row 1: bob_accuracy must be a number from 0 to 1, not 'inf'"),
    (lambda t: t.assign(bob_accuracy="high"), "row 1: bob_accuracy must be a number from 0 to 1, not 'high'"),
    (lambda t: t.assign(bob_accuracy=True), "row 1: bob_accuracy must be a number from 0 to 1, not 'True'"),
    (lambda t: t.assign(loss=0.5), "row 1: loss must be empty, as no measure of this cell, not 0.5"),
    (lambda t: t.assign(share_occlusion=0.5), "row 1: share_occlusion must be empty"),
    (lambda t: t.assign(**{"=1+1": 0.5}), UNNAMED + "'\"=1+1\"'"),
    (lambda t: t.assign(**{"a\nb": 0.5}), UNNAMED),
    (lambda t: t.assign(**{"a" * 101: 0.5}), UNNAMED),
    (
        lambda t: t.assign(cell="{}"),
        "row 1: cell must have every parameter of a cell and no other, as it has",
    ),
    (lambda t: t.assign(cell="[1"), "row 1: cell must be an object in JSON as it is exported, not '[1'"),
    (lambda t: t.assign(cell="[]"), "row 1: cell must be an object in JSON as it is exported, not '[]'"),
    (lambda t: t.assign(cell='{"a":' * 5000), "row 1: cell must be an object in JSON as it is exported"),
    (lambda t: t.assign(images='{"a":' * 5000 + "1" + "}" * 5000), "row 1: images must be an object in JSON"),
    (in_json("cell", '"phi":0.0', '"phi":7'), "row 1: phi must be a number from -1 to 1, not 7"),
    (in_json("cell", '"phi":0.0', '"phi":0'), "row 1: phi in cell must be written 0.0, not 0"),
    (in_json("cell", '"phi":0.0', '"phi":[0.0]'), "row 1: phi in cell must be a text, a finite number"),
    (in_json("cell", '"phi":0.0', '"phi":NaN'), "row 1: cell must be an object in JSON"),
    (in_json("cell", '"phi":0.0', '"phi":1e999'), "row 1: cell must be an object in JSON"),
    (in_json("cell", '"phi":0.0', f'"phi":{10**40}'), "row 1: phi in cell must be a text, a finite number"),
    (in_json("cell", '"phi":0.0', '"phi":0.0,"phi":0.0'), "row 1: cell must be an object in JSON"),
    (in_json("cell", '"phi":0.0', '"phi": 0.0'), "row 1: cell must be an object in JSON"),
    (in_json("cell", '"phi":0.0', '"phj":0.0'), "cell must have every parameter of a cell and no other"),
    (in_json("cell", '"alice_classes":""', '"alice_classes":"\\ud800"'), "row 1: alice_classes in cell must"),
    (in_json("cell", '"base":"digits"', '"base":"digit"'), "row 1: base must be one of digits"),
    (in_json("cell", '"retrain":1', '"retrain":9'), "row 1: retrain must be a whole number from 0 to 4"),
    (lambda t: t.assign(source="x"), "row 1: source must be 64 hexadecimal digits, not 'x'"),
    (lambda t: t.assign(source="X" * 64), "row 1: source must be 64 hexadecimal digits, not 'X"),
    (lambda t: t.assign(images="{}"), "row 1: images must be those of digits, not []"),
    (lambda t: t.assign(images='{"digits":""}'), "row 1: digits in images must be a text that is not empty"),
    (lambda t: t.assign(images='{"digits":1}'), "row 1: digits in images must be a text that is not empty"),
    (lambda t: t.assign(provenance="1"), "row 1: provenance must be an object in JSON"),
    (lambda t: t.assign(provenance="{}"), "row 1: device in provenance must be a Unicode text"),
    (in_json("provenance", '"seconds": ', '"seconds": -'), "row 1: seconds in provenance must be a number"),
    (in_json("provenance", '"time": "', '"time": "on '), "row 1: time in provenance must be a time as"),
    (in_json("provenance", '"source": "', '"source": "x'), "row 1: source in provenance must be 64"),
    (lambda t: in_json("provenance", t.source[0], OTHER)(t), "row 1: source in provenance must be that of"),
    (lambda t: pd.concat([t, t]), "row 3: cell must not be that of an earlier row, too"),
    (lambda t: t.assign(source=OTHER), "row 1: source in provenance must be that of the row"),
    (
        lambda t: t.assign(source=OTHER, provenance="{}", bob_accuracy=5.0),
        "row 1: bob_accuracy must be a num",
    ),
    (lambda t: t.assign(source=OTHER, provenance='{"time": 1}'), "row 1: time in provenance must be a time"),
    (lambda t: t.assign(source=OTHER, provenance="{}", rho=0.5), "row 1: rho must be 0.0, as in its cell"),
    (
        lambda t: t.assign(source=OTHER, provenance="{}")[["source", "images", "provenance", "cell"]],
        "row 1: there must be a measure, not none",
    ),
    (
        lambda t: in_json("cell", '"phi":0.0,', "")(t.assign(source=OTHER, provenance="{}", phi=1.0)),
        "row 1: phi must be empty, as no measure of this cell, not 1.0",
    ),
]


@pytest.mark.hostile("input")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "spoil, message", SPOILT, ids=[f"{n} {told[:60]}" for n, (_, told) in enumerate(SPOILT)]
)
def test_a_spoilt_file_of_rows_is_refused_whole(
    spoil, message, suffix, pairs_table, tmp_path, monkeypatch, capsys
):
    exchange.write(spoil(pairs_table), tmp_path / f"rows{suffix}")
    if suffix == ".parquet":
        message = message.replace("'\"=1+1\"'", "'=1+1'")
    refused(tmp_path / f"rows{suffix}", monkeypatch, capsys, message)


HEAD = b"source,images,provenance,cell\n"


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "name, data, message",
    [
        ("rows.csv", b"", "it has no column source"),
        ("rows.csv", b"\n\n\n", "it has no column source"),
        ("rows.csv", pickle.dumps([1]), "codec can't decode"),
        ("rows.csv", b"a,b\n1\n2,3,4\n", "it has no column source"),
        ("rows.csv", HEAD.decode().encode("utf-16"), "codec can't decode"),
        ("rows.csv", HEAD + b"\0\0\0\0\n", "line 2 must have 4 fields, as many as columns, not 1"),
        ("rows.csv", HEAD + b"\0,{},{},{}\n", "row 1: source must be 64 hexadecimal digits"),
        ("rows.csv", HEAD + b"1,2,3\n", "line 2 must have 4 fields, as many as columns, not 3"),
        ("rows.csv", HEAD + b"1,2,3,4,5\n", "line 2 must have 4 fields, as many as columns, not 5"),
        ("rows.csv", HEAD + b'1,2,3,"4\n', "line 2: unexpected end of data"),
        ("rows.csv", HEAD + b'1,2,3,"4"5\n', "line 2: "),
        ("rows.csv", HEAD + b"1,2,3,\xff\n", "codec can't decode"),
        ("rows.csv", HEAD + b'"' + b"x" * 2**21, "field larger than field limit (1048576)"),
        ("rows.csv", HEAD + b"x" * 2**21, "line 2 must have 4 fields, as many as columns, not 1"),
        ("rows.csv", b"source," + HEAD, "it has column source twice"),
        ("rows.csv", b"a," * 997 + HEAD, "it must have at most 1,000 columns, not 1,001"),
        ("rows.csv", b"a;" * 9 + HEAD, "it has no column source"),
        ("rows.parquet", b"", "it cannot be read as Parquet: "),
        ("rows.parquet", b"PAR1 and nothing more", "it cannot be read as Parquet: "),
        ("rows.parquet", b"PAR1" + b"\xff" * 99 + b"PAR1", "it cannot be read as Parquet: "),
        ("rows.parquet", b"\x1f\x8b" + bytes(99), "it cannot be read as Parquet: "),
        ("rows.parquet", pickle.dumps([1]), "it cannot be read as Parquet: "),
        ("rows.parquet", HEAD, "it cannot be read as Parquet: "),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(name, data, message, tmp_path, monkeypatch, capsys):
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name, monkeypatch, capsys, f"{name} is not an export of kept rows: ")
    refused(tmp_path / name, monkeypatch, capsys, message)


@pytest.mark.hostile("input")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda file: None, "No such file or directory"),
        (lambda file: file.mkdir(), "Is a directory"),
        (lambda file: os.mkfifo(file), "it must be a file of at most 4,294,967,296 bytes"),
        (lambda file: file.symlink_to("/dev/zero"), "it must be a file of at most 4,294,967,296 bytes"),
        (lambda file: file.symlink_to(file.name), "Too many levels of symbolic links"),
        (lambda file: file.symlink_to("nowhere"), "No such file or directory"),
        (
            lambda file: file.touch() or os.truncate(file, 2**32 + 1),
            "it must be a file of at most 4,294,967,296 bytes",
        ),
    ],
    ids=["nothing", "folder", "pipe", "device", "loop", "to nowhere", "huge"],
)
def test_what_is_no_file_or_too_large_is_refused(make, message, suffix, tmp_path, monkeypatch, capsys):
    make(tmp_path / f"rows{suffix}")
    refused(tmp_path / f"rows{suffix}", monkeypatch, capsys, message)


@pytest.mark.hostile("input")
@pytest.mark.parametrize("renamed", [(".csv", ".parquet"), (".parquet", ".csv")])
def test_an_export_of_one_kind_under_the_name_of_the_other_is_refused(
    renamed, files, tmp_path, monkeypatch, capsys
):
    (tmp_path / f"rows{renamed[1]}").write_bytes(files[renamed[0]])
    refused(tmp_path / f"rows{renamed[1]}", monkeypatch, capsys, "")


@pytest.mark.hostile("input")
@pytest.mark.parametrize(
    "values",
    [
        pa.array([[0.5], [0.5]]),
        pa.array([{"a": 1}, {"a": 1}]),
        pa.array([b"0.5", b"0.5"]),
        pa.array([1, 2], pa.timestamp("s")),
        pa.array(["0.5", "0.5"]).cast(pa.float64()).cast(pa.decimal128(5, 2)),
        pa.array(["0.5", "0.5"]).dictionary_encode(),
        pa.array([0, 1], pa.uint64()),
        pa.array([0.5, 0.5], pa.float16()),
    ],
    ids=lambda values: str(values.type)[:20],
)
def test_parquet_of_other_types_is_refused(values, pairs_table, tmp_path, monkeypatch, capsys):
    table = pa.Table.from_pandas(pairs_table.drop(columns="bob_accuracy"), preserve_index=False)
    parquet.write_table(table.append_column("bob_accuracy", values), tmp_path / "rows.parquet")
    refused(
        tmp_path / "rows.parquet",
        monkeypatch,
        capsys,
        "column bob_accuracy must hold texts, true and false or numbers of 64 bits, not ",
    )


@pytest.mark.hostile("input")
def test_parquet_with_an_enormous_text_is_refused(tmp_path, monkeypatch, capsys):
    table = pa.table({name: pa.array(["0" * 2**21]) for name in exchange.LABELS})
    parquet.write_table(table, tmp_path / "rows.parquet")
    told = "it must hold no text of more than 1,048,576 characters"
    refused(tmp_path / "rows.parquet", monkeypatch, capsys, told)


@pytest.mark.hostile("input")
def test_parquet_that_says_it_unpacks_to_more_than_a_file_may_hold_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exchange, "MOST_BYTES", 2**16)
    table = pa.table({name: pa.array(["0" * 2**16]) for name in exchange.LABELS})
    parquet.write_table(table, tmp_path / "rows.parquet", compression="zstd")
    refused(tmp_path / "rows.parquet", monkeypatch, capsys, "it must unpack to at most 65,536 bytes")


@pytest.mark.hostile("input")
@pytest.mark.parametrize("name", ["rows.pkl", "rows", "rows.CSV", "rows.csv.gz"])
@pytest.mark.parametrize("command", ["import", "export"])
def test_a_file_of_another_kind_is_refused(command, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reuselab", command, name])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    told = f"reuselab: a table must be named FILE.csv or FILE.parquet, not '{name}'\n"
    assert capsys.readouterr() == ("", told) and not list(tmp_path.iterdir())


# What is taken over.


@pytest.mark.parametrize("change, contradicts", [(0.019, False), (0.021, True)])
def test_rows_from_two_places_agree_within_the_tolerance_or_are_reported(
    change, contradicts, home, tmp_path, monkeypatch, capsys
):
    with Store(home) as store:
        table = store.table(stale=True)
    before = float(table.loc[1, "bob_accuracy"])
    after = before + change if before < 0.5 else before - change
    table.loc[1, "bob_accuracy"] = after
    exchange.write(table, tmp_path / "rows.csv")
    monkeypatch.setenv("REUSELAB_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["reuselab", "import", str(tmp_path / "rows.csv")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert out == "0 new rows of 8\n" and (stop.value.code or 0) == contradicts
    assert (f"bob_accuracy is {before} here and {after} there" in err) == contradicts
    with Store(home) as store:
        assert store.table().loc[1, "bob_accuracy"] == before


def test_rows_of_other_code_count_when_that_code_is_here_if_they_are_what_it_makes(
    pairs_table, tmp_path, monkeypatch
):
    """Whoever imports them can only tell what every code keeps: here, that one lacks its measures."""
    table = pairs_table.assign(alice_accuracy=[0.5, None])
    table["provenance"] = table.provenance.str.replace(stores.source(), OTHER)
    exchange.write(table.assign(source=OTHER), tmp_path / "rows.csv")
    rows = exchange.read(tmp_path / "rows.csv")
    with Store(tmp_path) as store:
        assert store.add(rows, 0) == (2, []) and store.add(rows, 0) == (0, [])
        changed = [row._replace(measures='{"bob_accuracy": 1.0}') for row in rows]
        assert store.add(changed, 0)[0] == 0, "what came first stays"
        assert store.counts() == {"done": 0, "running": 0, "failed": 0, "stale": 2}
    monkeypatch.setattr(stores, "source", lambda: OTHER)
    monkeypatch.setattr(studies, "source", lambda: OTHER)
    with Store(tmp_path) as store:
        assert store.counts() == {"done": 1, "running": 0, "failed": 0, "stale": 0}
        assert [*store.find(row.name for row in rows)] == [rows[0].name]
    table = study(grid(seed=[0, 1], **TINY), workers=1, home=tmp_path)
    assert table.alice_accuracy[0] == 0.5 and not table.alice_accuracy.isna().any()


def test_rows_of_other_code_whose_parameters_have_other_types_leave_and_come_back(tmp_path):
    rows = [
        schema.checked(OTHER, "{}", canonical({"seed": seed, "more": seed}), "{}", {"loss": 0.5})
        for seed in (1, "one", None, True, 0.5)
    ]
    with Store(tmp_path / "home") as store:
        assert store.add(rows, 0) == (5, [])
    for suffix in SUFFIXES:
        assert exchange.read(export(tmp_path / "home", tmp_path / f"rows{suffix}")) == rows


def test_a_spreadsheets_byte_order_mark_changes_nothing(files, tmp_path):
    (tmp_path / "rows.csv").write_bytes(files[".csv"])
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbf" + files[".csv"])
    assert exchange.read(tmp_path / "marked.csv") == exchange.read(tmp_path / "rows.csv")


@pytest.mark.hostile("input")
@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", ";=1", "＝1", "a;=1"])
def test_no_column_of_a_written_table_is_a_formula(name, tmp_path):
    """Nor any text, wherever it came from: the same table may be of a study."""
    exchange.write(pd.DataFrame({"base": ["digits"], name: [name]}), tmp_path / "rows.csv")
    assert formulas(tmp_path / "rows.csv") == []
    assert json.loads(pd.read_csv(tmp_path / "rows.csv").iloc[0, 1]) == name


@pytest.mark.hostile("input")
@pytest.mark.parametrize("text", ["\udcff|b", "a|" + "b" * 40_000])
def test_classes_that_no_file_could_hold_are_no_parameter(text):
    with pytest.raises(ValueError, match="alice_classes must be a Unicode text of up to 40,000 characters"):
        Cell.of(layout="alone", alice_classes=text)


def test_a_file_that_is_not_finished_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("before")
    with pytest.raises(KeyboardInterrupt), exchange.whole(tmp_path / "file") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "before")]
