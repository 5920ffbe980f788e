"""Kept rows: one SQLite database and Alice's weights, in REUSELAB_HOME. Only a study's client writes here."""

import fcntl
import hashlib
import itertools
import json
import os
import sqlite3
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reuselab import places
from reuselab.check import Failed

if TYPE_CHECKING:  # torch and pandas take seconds to import, `reuselab status` needs neither
    import pandas as pd

    from reuselab.experiment.cell import Cell

NAME = "studies.sqlite"
EXPERIMENT = Path(__file__).resolve().parents[1] / "experiment"
FORMAT = 3
# What became of a row. One of other code comes in unchecked, and counts for nothing before it is checked.
DONE, FAILED, UNCHECKED = "done", "failed", "unchecked"
SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA user_version = {FORMAT};
CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, source TEXT NOT NULL,
    status TEXT NOT NULL, images TEXT NOT NULL, cell TEXT NOT NULL, measures TEXT NOT NULL,
    error TEXT NOT NULL, provenance TEXT NOT NULL, seal TEXT NOT NULL, UNIQUE (name, source));
CREATE TABLE alices (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE claims (name TEXT, source TEXT, client TEXT, PRIMARY KEY (name, source, client)) WITHOUT ROWID;
CREATE TABLE seen (image_set TEXT PRIMARY KEY, identity TEXT NOT NULL, seal TEXT NOT NULL);
"""


class Row(NamedTuple):
    """A row as it lies in the database: `name_of(cell, images)`, then texts: JSON, or plain."""

    name: str
    source: str
    status: str
    images: str
    cell: str
    measures: str
    error: str
    provenance: str


class Outcome(NamedTuple):
    """What became of a cell: status "done" with its measures, or "failed" with the traceback `error`."""

    status: str
    measures: dict[str, Any]
    error: str


FIELDS = ", ".join(Row._fields)
# What SQLite says of the disk or of another client; anything else that goes wrong on opening is damage.
OUTSIDE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}


def folder() -> Path:
    """The folder of kept rows: REUSELAB_HOME, else the checkout's `_build/home`, else `~/.reuselab`."""
    if given := places.named("REUSELAB_HOME"):
        return given
    return places.made() / "home" if places.CHECKOUT else Path.home() / ".reuselab"


@cache
def source() -> str:
    """SHA-256 over the code that computes a row: the folder `EXPERIMENT`. Rows of other code are stale."""
    sha = hashlib.sha256()
    for path in sorted(EXPERIMENT.glob("*.py")):
        sha.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def canonical(parameters: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces. ValueError for NaN or an infinity."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)


def image_sets(cell: "Cell") -> set[str]:
    """The names of the image sets that `cell` is computed from."""
    return {name for name in (cell.base, cell.bob_base) if name}


def identities(names: Iterable[str]) -> dict[str, str]:
    """What lies here now under the names of image sets: each with its identity, "" where it is not there."""
    from reuselab.experiment import bases

    return {name: bases.identity(name) for name in sorted(names)}


def row_name(cell: "Cell", images: Mapping[str, str] | None = None) -> str:
    """The name of the cell's row: of its parameters, and of the images that it is computed from.

    images: `identities` looked up before, those of the cell's image sets among them (default: looked up now).
    """
    images = identities(image_sets(cell)) if images is None else images
    return name_of(canonical(cell.flat()), _images(cell, images))


def name_of(cell: str, images: str) -> str:
    """SHA-256 of a row's two texts: canonical JSON of its cell, and of its image sets' identities."""
    return sha256(f"{cell}\0{images}".encode())


def _images(cell: "Cell", images: Mapping[str, str]) -> str:
    return canonical({name: images[name] for name in image_sets(cell)})


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _seal(*fields: str) -> str:
    return sha256("\0".join(fields).encode())


class Store:
    """The kept rows of one folder, open for one client; a context manager.

    A row's key is (`row_name`, source), so none is there twice, and a finished one is never overwritten.
    Order is that of arrival, by id: no clock is asked. Each change is synced to the disk before the next
    begins. Whether another client lives is told by a lock that the system lets go when it dies.

    Opening reads everything once. A database that SQLite finds malformed, or with a row that its checksum
    contradicts, is set aside as `studies.sqlite.damaged-N`, said in one line on stderr, and a new one takes
    over the rows that verify. Raises ValueError for a folder that cannot be written, and Failed for a damaged
    database that another client has open.
    """

    def __init__(self, home: str | Path | None = None):
        self.home = Path(home) if home else folder()
        self.path = self.home / NAME
        self.client = uuid.uuid4().hex
        try:
            (self.home / "alices").mkdir(parents=True, exist_ok=True)
            new = self.home / f"{self.client}.new"
            self._alive = new.open("w")
            fcntl.flock(self._alive, fcntl.LOCK_EX)
            new.rename(self.home / f"{self.client}.client")
            try:
                self._open()
            except BaseException:
                self._leave()
                raise
        except (OSError, sqlite3.OperationalError) as error:
            raise ValueError(
                f"cannot keep rows in {self.home}: {getattr(error, 'strerror', None) or error}"
            ) from None

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        try:
            with suppress(sqlite3.OperationalError):  # full disk: it'll count for nothing
                self.db.execute("DELETE FROM claims WHERE client = ?", [self.client])
        finally:
            self.db.close()
            self._leave()

    def _leave(self) -> None:
        (self.home / f"{self.client}.client").unlink(missing_ok=True)
        self._alive.close()

    # Opening.

    def _open(self) -> None:
        self._create()
        self.db = _connect(self.path)
        if reason := _damage(self.db):
            self.db.close()
            self._set_aside(" ".join(reason.split()))
        self.db.execute("PRAGMA synchronous = FULL")
        living = [self.client, *self._living()]
        self.db.execute(
            "DELETE FROM claims WHERE client NOT IN (SELECT value FROM json_each(?))", [json.dumps(living)]
        )
        self._check()

    def _check(self) -> None:
        """Check the rows that other code imported for this one: they are done, or are dropped."""
        unchecked = self.db.execute(
            f"SELECT {FIELDS} FROM rows WHERE status = ? AND source = ?", [UNCHECKED, source()]
        ).fetchall()
        if not unchecked:
            return
        from reuselab.runs import schema

        with self.transaction():
            for row in map(Row._make, unchecked):
                measures = json.loads(row.measures)
                with suppress(ValueError):
                    self._put(schema.checked(row.source, row.images, row.cell, row.provenance, measures))
            self.db.execute("DELETE FROM rows WHERE status = ? AND source = ?", [UNCHECKED, source()])

    def _create(self) -> None:
        """An empty database where there is none, appearing whole: a file of no bytes can only be damage."""
        if not self.path.exists():
            new = self.home / f"{self.client}.sqlite"
            with closing(_connect(new)) as db:
                db.executescript(SCHEMA)
            with suppress(FileExistsError):
                os.link(new, self.path)
            new.unlink()

    def _set_aside(self, reason: str) -> None:
        if self._living():
            raise Failed(
                f"{self.path} is damaged ({reason}) and another study has it open: stop that one first"
            )
        aside = next(
            path for n in range(1, sys.maxsize) if not (path := self.home / f"{NAME}.damaged-{n}").exists()
        )
        for tail in ("", "-wal", "-shm"):
            if (part := Path(f"{self.path}{tail}")).exists():
                part.rename(f"{aside}{tail}")
        self._create()
        self.db = _connect(self.path)
        with self.transaction(), closing(_connect(aside)) as old:
            sound = sum(self._put(row) for row in _readable(old))
        print(
            f"reuselab: {self.path} was damaged ({reason}): set aside as {aside.name}, "
            f"{sound:,} sound rows taken over",
            file=sys.stderr,
        )

    def _living(self) -> list[str]:
        """The other clients that have this folder open."""
        living = []
        for path in self.home.glob("*.client"):
            if path.stem != self.client and path.is_file():
                try:
                    with path.open() as lock:
                        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                except BlockingIOError:
                    living.append(path.stem)
                except FileNotFoundError:
                    pass
        return living

    # Rows.

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and no other client in between."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def find(self, names: Iterable[str]) -> dict[str, Outcome]:
        """What became of each of the rows `names` that this source has finished."""
        finished = self.db.execute(
            "SELECT name, status, measures, error FROM rows WHERE source = ? AND status != ? "
            "AND name IN (SELECT value FROM json_each(?))",
            [source(), UNCHECKED, json.dumps(list(names))],
        )
        return {
            name: Outcome(status, json.loads(measures), error) for name, status, measures, error in finished
        }

    def claim(self, names: Iterable[str], *, force: bool = False) -> bool:
        """Mark rows as running here; False, and none marked, if another client runs one (unless `force`)."""
        names = list(names)
        others = self.db.execute(
            "SELECT DISTINCT client FROM claims WHERE source = ? AND client != ? AND name IN "
            "(SELECT value FROM json_each(?))",
            [source(), self.client, json.dumps(names)],
        ).fetchall()
        if others and not force and {client for (client,) in others} & set(self._living()):
            return False
        self.db.executemany(
            "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", [(name, source(), self.client) for name in names]
        )
        return True

    def keep(
        self,
        cell: "Cell",
        images: Mapping[str, str],
        measures: Mapping[str, Any],
        error: str,
        provenance: Mapping[str, Any],
    ) -> None:
        """Keep what became of `cell`: its measures, or the traceback `error`. images: as for `row_name`."""
        row = Row(
            row_name(cell, images),
            source(),
            FAILED if error else DONE,
            _images(cell, images),
            canonical(cell.flat()),
            json.dumps(measures),
            error,
            json.dumps(provenance),
        )
        with self.transaction():
            self._put(row)
            self.db.execute(
                "DELETE FROM claims WHERE (name, source, client) = (?, ?, ?)",
                [row.name, row.source, self.client],
            )

    def _put(self, row: Row) -> int:
        return self.db.execute(
            f"INSERT INTO rows ({FIELDS}, seal) VALUES ({', '.join('?' * len(row))}, ?) "
            "ON CONFLICT (name, source) DO UPDATE SET (status, measures, error, provenance, seal) = "
            "(excluded.status, excluded.measures, excluded.error, excluded.provenance, excluded.seal) "
            "WHERE rows.status = ? OR rows.status = ? AND excluded.status != rows.status",
            [*row, _seal(*row), FAILED, UNCHECKED],
        ).rowcount

    def see(self, images: Mapping[str, str]) -> None:
        """Note which image sets are here: rows on others of their names are stale until those come back."""
        sealed = [(*one, _seal(*one)) for one in images.items()]
        self.db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", sealed)

    def _other_images(self) -> str:
        """The `images` of rows that were computed on others than were seen here last, as a list in JSON."""
        here = dict(self.db.execute("SELECT image_set, identity FROM seen"))
        texts = [text for (text,) in self.db.execute("SELECT DISTINCT images FROM rows")]
        return json.dumps([text for text in texts if _differ(json.loads(text), here)])

    def counts(self) -> dict[str, int]:
        """How many cells are done, running and failed; and stale: of another source or on other images."""
        count = dict(
            self.db.execute(
                "SELECT CASE WHEN source = ? AND images NOT IN (SELECT value FROM json_each(?)) THEN status "
                "ELSE 'stale' END AS kind, count(*) FROM rows GROUP BY kind",
                [source(), self._other_images()],
            )
        )
        running = self.db.execute(
            "SELECT count(DISTINCT name) FROM claims WHERE source = ?", [source()]
        ).fetchone()[0]
        return {
            "done": count.get(DONE, 0),
            "running": running,
            "failed": count.get(FAILED, 0),
            "stale": count.get("stale", 0),
        }

    def table(self, *, stale: bool = False) -> "pd.DataFrame":
        """Every finished row, parameters first, in order of arrival.

        With `stale`, stale ones too, and what tells them apart: source, and images, provenance and cell, as
        JSON. Parameters of other code are in `cell` alone: one of today may have its name and another type.
        """
        from reuselab.experiment.cell import Cell

        keys = ["source", "images", "provenance", "cell"] if stale else []
        finished = self.db.execute(
            f"SELECT {', '.join(['iif(source = ?, cell, ?)', 'measures', *keys])} FROM rows "
            "WHERE status = ? AND source = ? AND images NOT IN (SELECT value FROM json_each(?)) "
            "OR ? AND status != ? ORDER BY id",
            [source(), "{}", DONE, source(), self._other_images(), stale, FAILED],
        )
        return _frame(
            (_line(cell, measures, dict(zip(keys, rest))) for cell, measures, *rest in finished),
            [*Cell().flat()],
            keys,
        )

    def add(self, rows: Iterable[Row], tolerance: float) -> tuple[int, list[str]]:
        """Keep rows made elsewhere, all in one transaction.

        Returns how many were new and one line for each that contradicts the row kept here, which stays:
        another set of measures, or one that differs by more than `tolerance`.
        """
        new, contradictions = 0, []
        with self.transaction():
            for row in rows:
                if self._put(row):
                    new += 1
                    continue
                (kept,) = self.db.execute(
                    "SELECT measures FROM rows WHERE (name, source) = (?, ?)", row[:2]
                ).fetchone()
                here, there = json.loads(kept), json.loads(row.measures)
                for measure in sorted(here.keys() | there.keys()):
                    mine, theirs = here.get(measure), there.get(measure)
                    if mine != theirs and (None in (mine, theirs) or abs(mine - theirs) > tolerance):
                        contradictions.append(
                            f"cell {row.name[:12]}: {measure} is {mine} here and {theirs} there"
                        )
        return new, contradictions

    # Alices.

    def alice(self, name: str) -> bytes | None:
        """The kept weights of the Alice of that name, or None where they are missing or damaged."""
        kept = self.db.execute("SELECT sha256 FROM alices WHERE name = ?", [name]).fetchone()
        path = self._weights(name)
        weights = path.read_bytes() if kept and path.exists() else b""
        return weights if kept and sha256(weights) == kept[0] else None

    def keep_alice(self, name: str, weights: bytes) -> None:
        """Keep an Alice's weights, safetensors, as `alices/NAME.safetensors`."""
        part = self.home / "alices" / f"{self.client}.part"
        try:
            part.write_bytes(weights)
            part.replace(self._weights(name))
        finally:
            part.unlink(missing_ok=True)
        self.db.execute("INSERT OR REPLACE INTO alices VALUES (?, ?)", [name, sha256(weights)])

    def _weights(self, name: str) -> Path:
        return self.home / "alices" / f"{name}.safetensors"


def _differ(images: dict[str, str], here: dict[str, str]) -> bool:
    return any(here.get(name, identity) != identity for name, identity in images.items())


def _line(cell: str, measures: str, more: dict[str, str]) -> str:
    """A row as one line of JSON, pieced together unparsed: a million of them are read in seconds."""
    return f"{{{','.join(part[1:-1] for part in (cell, measures, json.dumps(more)) if part != '{}')}}}"


def _frame(lines: Iterator[str], first: list[str], last: list[str]) -> "pd.DataFrame":
    """A data frame from rows of one JSON text, with the columns `first` and `last` at their ends."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import json as pyarrow_json

    parts = []
    while part := "\n".join(itertools.islice(lines, 50_000)).encode():
        parts.append(
            pyarrow_json.read_json(pa.BufferReader(part), pyarrow_json.ReadOptions(block_size=2**24))
        )
    nullable = pd.ArrowDtype if last else None  # other sources may lack a column: whole numbers stay whole
    frame = (
        pa.concat_tables(parts, promote_options="permissive").to_pandas(types_mapper=nullable)
        if parts
        else pd.DataFrame()
    )
    middle = [name for name in frame if name not in {*first, *last}]
    return frame[[name for name in [*first, *middle, *last] if name in frame]]


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    db.create_function("seal", -1, _seal, deterministic=True)
    return db


def _damage(db: sqlite3.Connection) -> str | None:
    """What is wrong with the database, or None."""
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            return "not a database of this version of reuselab"
        if (integrity := db.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            return integrity
        if wrong := db.execute(f"SELECT count(*) FROM rows WHERE seal({FIELDS}) != seal").fetchone()[0]:
            return f"{wrong:,} rows differ from their checksums"
        if db.execute("SELECT 1 FROM seen WHERE seal(image_set, identity) != seal").fetchone():
            return "what images were seen differs from its checksum"
        for table in ("alices", "claims"):
            db.execute(f"SELECT * FROM {table}").fetchall()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in OUTSIDE:
            raise
        return str(error)
    return None


def _readable(db: sqlite3.Connection) -> Iterator[Row]:
    """The rows of a damaged database that can be read and that their checksums confirm."""
    try:
        db.text_factory = lambda text: text.decode(errors="replace")
        for *fields, seal in db.execute(f"SELECT {FIELDS}, seal FROM rows"):
            if all(isinstance(field, str) for field in fields) and _seal(*fields) == seal:
                yield Row(*fields)
    except sqlite3.DatabaseError:
        return
