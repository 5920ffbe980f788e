"""Kept rows: one SQLite database and Alice's weights, in the folder REUSELAB_HOME. Only a study's client writes here."""

import fcntl
import hashlib
import itertools
import json
import os
import sqlite3
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reuselab.check import Failed

if TYPE_CHECKING:  # torch and pandas take seconds to import, `reuselab status` needs neither
    import pandas as pd

    from reuselab.experiment.cell import Cell

NAME = "studies.sqlite"
EXPERIMENT = Path(__file__).resolve().parents[1] / "experiment"
FORMAT = 1
SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA user_version = {FORMAT};
CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL,
    cell TEXT NOT NULL, measures TEXT NOT NULL, error TEXT NOT NULL, provenance TEXT NOT NULL, seal TEXT NOT NULL,
    UNIQUE (digest, source));
CREATE TABLE alices (digest TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE claims (digest TEXT, source TEXT, client TEXT, PRIMARY KEY (digest, source, client)) WITHOUT ROWID;
"""
FIELDS = "digest, source, status, cell, measures, error, provenance"
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
    """The folder of kept rows: REUSELAB_HOME, or `_build/home` of the checkout, or `~/.reuselab` where there is none."""
    if given := os.environ.get("REUSELAB_HOME"):
        return Path(given).expanduser()
    root = Path(__file__).resolve().parents[2]
    return root / "_build" / "home" if (root / "pyproject.toml").exists() else Path.home() / ".reuselab"


@cache
def source() -> str:
    """SHA-256 over the code that computes a row: the modules in the folder `EXPERIMENT`. Rows of another source are stale."""
    sha = hashlib.sha256()
    for path in sorted(EXPERIMENT.glob("*.py")):
        sha.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def canonical(parameters: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces. ValueError for NaN or an infinity."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(cell: "Cell") -> str:
    """SHA-256 of the cell's canonical JSON, and of the photographs of sets that grow: its name in the database."""
    from reuselab.experiment import bases

    return sha256((canonical(cell.flat()) + "".join(map(bases.grown, (cell.base, cell.bob_base)))).encode())


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _seal(*fields: str) -> str:
    return sha256("\0".join(fields).encode())


class Store:
    """The kept rows of one folder, open for one client; a context manager.

    A row's key is (digest of its cell, source), so none is there twice, and a finished one is never overwritten. Order is
    that of arrival, by id: no clock is asked. Each change is synced to the disk before the next begins. Whether another
    client lives is told by a lock that the system lets go when it dies.

    Opening reads everything once. A database that SQLite finds malformed, or with a row that its checksum contradicts, is
    set aside as `studies.sqlite.damaged-N`, said in one line on stderr, and a new one takes over the rows that verify.
    Raises ValueError for a folder that cannot be written, and Failed for a damaged database that another client has open.
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
            self.db.execute("DELETE FROM claims WHERE client = ?", [self.client])
        except sqlite3.OperationalError:  # a full disk: the claims of a client that is gone count for nothing
            pass
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

    def _create(self) -> None:
        """An empty database where there is none, appearing whole: a file of no bytes can only be damage."""
        if not self.path.exists():
            new = self.home / f"{self.client}.sqlite"
            with closing(_connect(new)) as db:
                db.executescript(SCHEMA)
            try:
                os.link(new, self.path)
            except FileExistsError:
                pass
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
            f"reuselab: {self.path} was damaged ({reason}): set aside as {aside.name}, {sound:,} sound rows taken over",
            file=sys.stderr,
        )

    def _living(self) -> list[str]:
        """The other clients that have this folder open."""
        living = []
        for path in self.home.glob("*.client"):
            if path.stem != self.client:
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

    def find(self, digests: Iterable[str]) -> dict[str, tuple[str, dict[str, Any], str]]:
        """For each of `digests` that this source has finished: (status, measures, error), status "done" or "failed"."""
        found = self.db.execute(
            "SELECT digest, status, measures, error FROM rows WHERE source = ? "
            "AND digest IN (SELECT value FROM json_each(?))",
            [source(), json.dumps(list(digests))],
        )
        return {name: (status, json.loads(measures), error) for name, status, measures, error in found}

    def claim(self, digests: Iterable[str], force: bool = False) -> bool:
        """Mark cells as running here; False, and nothing marked, where another living client runs one (unless `force`)."""
        digests = list(digests)
        others = self.db.execute(
            "SELECT DISTINCT client FROM claims WHERE source = ? AND client != ? AND digest IN "
            "(SELECT value FROM json_each(?))",
            [source(), self.client, json.dumps(digests)],
        ).fetchall()
        if others and not force and {client for (client,) in others} & set(self._living()):
            return False
        self.db.executemany(
            "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)",
            [(name, source(), self.client) for name in digests],
        )
        return True

    def keep(
        self, cell: "Cell", measures: Mapping[str, Any], error: str, provenance: Mapping[str, Any]
    ) -> None:
        """Keep what became of `cell`: its measures, or the traceback `error`."""
        flat = canonical(cell.flat())
        name = sha256(flat.encode())
        with self.transaction():
            self._put(
                (
                    name,
                    source(),
                    "failed" if error else "done",
                    flat,
                    json.dumps(measures),
                    error,
                    json.dumps(provenance),
                )
            )
            self.db.execute(
                "DELETE FROM claims WHERE (digest, source, client) = (?, ?, ?)", [name, source(), self.client]
            )

    def _put(self, fields: tuple[str, ...]) -> int:
        return self.db.execute(
            f"INSERT INTO rows ({FIELDS}, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest, source) DO UPDATE SET "
            "(status, measures, error, provenance, seal) = (excluded.status, excluded.measures, excluded.error, "
            "excluded.provenance, excluded.seal) WHERE rows.status = 'failed'",
            [*fields, _seal(*fields)],
        ).rowcount

    def counts(self) -> dict[str, int]:
        """How many cells are done, running and failed; and stale, which another source has computed."""
        count = dict(
            self.db.execute(
                "SELECT CASE source WHEN ? THEN status ELSE 'stale' END AS kind, count(*) FROM rows GROUP BY kind",
                [source()],
            )
        )
        running = self.db.execute(
            "SELECT count(DISTINCT digest) FROM claims WHERE source = ?", [source()]
        ).fetchone()[0]
        return {
            "done": count.get("done", 0),
            "running": running,
            "failed": count.get("failed", 0),
            "stale": count.get("stale", 0),
        }

    def table(self, stale: bool = False) -> "pd.DataFrame":
        """Every finished row, parameters first, in order of arrival.

        With `stale`, those of other sources too, and what identifies each: source, provenance and cell, as JSON.
        """
        from reuselab.experiment.cell import Cell

        keys = ["source", "provenance", "cell"] if stale else []
        found = self.db.execute(
            f"SELECT {', '.join(['cell', 'measures', *keys])} FROM rows WHERE status = 'done' AND (? OR source = ?) ORDER BY id",
            [stale, source()],
        )
        return _frame(
            (_line(cell, measures, dict(zip(keys, rest))) for cell, measures, *rest in found),
            [*Cell().flat()],
            keys,
        )

    def add(self, rows: Iterable[tuple[str, str, str, str, str]], tolerance: float) -> tuple[int, list[str]]:
        """Rows made elsewhere, each (digest, source, cell, measures, provenance), all in one transaction.

        Returns how many were new and one line for each that contradicts the row kept here, which stays: another set of
        measures, or one that differs by more than `tolerance`.
        """
        new, contradictions = 0, []
        with self.transaction():
            for name, code, cell, measures, provenance in rows:
                if self._put((name, code, "done", cell, measures, "", provenance)):
                    new += 1
                    continue
                kept = self.db.execute(
                    "SELECT measures FROM rows WHERE digest = ? AND source = ?", [name, code]
                ).fetchone()
                here, there = json.loads(kept[0]), json.loads(measures)
                for measure in sorted(here.keys() | there.keys()):
                    mine, theirs = here.get(measure), there.get(measure)
                    if mine is None or theirs is None or abs(mine - theirs) > tolerance:
                        contradictions.append(
                            f"cell {name[:12]}: {measure} is {mine} here and {theirs} there"
                        )
        return new, contradictions

    # Alices.

    def alice(self, name: str) -> bytes | None:
        """The kept weights of the Alice of that digest, or None where they are missing or damaged."""
        kept = self.db.execute("SELECT sha256 FROM alices WHERE digest = ?", [name]).fetchone()
        path = self._weights(name)
        if kept and path.exists() and sha256(weights := path.read_bytes()) == kept[0]:
            return weights

    def keep_alice(self, name: str, weights: bytes) -> None:
        """Keep an Alice's weights, safetensors, as `alices/DIGEST.safetensors`."""
        part = self.home / "alices" / f"{self.client}.part"
        try:
            part.write_bytes(weights)
            part.replace(self._weights(name))
        finally:
            part.unlink(missing_ok=True)
        self.db.execute("INSERT OR REPLACE INTO alices VALUES (?, ?)", [name, sha256(weights)])

    def _weights(self, name: str) -> Path:
        return self.home / "alices" / f"{name}.safetensors"


def _line(cell: str, measures: str, more: dict[str, str]) -> str:
    """A row as one line of JSON, pieced together unparsed: a million of them are read in seconds."""
    return f"{cell[:-1]},{measures[1:-1]}{',' + json.dumps(more)[1:-1] if more else ''}}}"


def _frame(lines: Iterator[str], first: list[str], last: list[str]) -> "pd.DataFrame":
    """A data frame from rows of one JSON text, with the columns `first` and `last` at their ends."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import json as pyarrow_json

    parts = []
    while some := "\n".join(itertools.islice(lines, 50_000)).encode():
        parts.append(
            pyarrow_json.read_json(pa.BufferReader(some), pyarrow_json.ReadOptions(block_size=2**24))
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
        if (found := db.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            return found
        if wrong := db.execute(f"SELECT count(*) FROM rows WHERE seal({FIELDS}) != seal").fetchone()[0]:
            return f"{wrong:,} rows differ from their checksums"
        for table in ("alices", "claims"):
            db.execute(f"SELECT * FROM {table}").fetchall()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in OUTSIDE:
            raise
        return str(error)


def _readable(db: sqlite3.Connection) -> Iterator[tuple[str, ...]]:
    """The rows of a damaged database that can be read and that their checksums confirm."""
    try:
        db.text_factory = lambda text: text.decode(errors="replace")
        for *fields, seal in db.execute(f"SELECT {FIELDS}, seal FROM rows"):
            if all(isinstance(field, str) for field in fields) and _seal(*fields) == seal:
                yield tuple(fields)
    except sqlite3.DatabaseError:
        return
