"""The ledger of record: one local SQLite file, append-only, hash-chained, durable before anything acts.

A row is one recorded message with everything that followed from it. Its hash covers the hash of the row before it
and its own canonical JSON, so an edit, a gap or a reordering shows. The body is stored compressed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from engine import codec
from engine.domain import Symbol, require_utc
from engine.messages import Message
from engine.outcomes import Outcome
from engine.records import Post, Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS records_refuse_update BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no row may be changed'); END;
CREATE TRIGGER IF NOT EXISTS records_refuse_delete BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no row may be removed'); END;
"""
_COLUMNS = "seq, at, kind, body, hash"


class LedgerError(RuntimeError):
    """The ledger could not be opened, read or written. Nothing half-written is left behind."""


class Row(NamedTuple):
    """One stored row as it lies in the file: `body` is compressed, `hash` is hex."""

    seq: int
    at: str
    kind: str
    body: bytes
    hash: str


def link(previous: str, seq: int, at: str, kind: str, text: bytes) -> str:
    """The hash of a row: SHA-256 over the hash before it, its columns and its canonical JSON, as hex."""
    head = f"{previous}\n{seq}\n{at}\n{kind}\n".encode()
    return hashlib.sha256(head + text).hexdigest()


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _body(
    message: Message, outcomes: Sequence[Outcome], posts: Sequence[Post], judged_until: Mapping[Symbol, datetime]
) -> bytes:
    return canonical(
        {
            "message": codec.encode(message),
            "outcomes": [codec.encode(outcome) for outcome in outcomes],
            "posts": [codec.encode(post) for post in posts],
            "judged_until": {symbol: at.isoformat() for symbol, at in judged_until.items()},
        }
    )


def record_of(row: Row) -> Record:
    """The record that a stored row holds. Raises `LedgerError` when the row cannot be read."""
    try:
        body: dict[str, Any] = json.loads(zlib.decompress(row.body))
        return Record(
            seq=row.seq,
            at=datetime.fromisoformat(row.at),
            message=codec.decode(body["message"]),
            outcomes=tuple(codec.decode(item) for item in body["outcomes"]),
            posts=tuple(codec.decode(item) for item in body["posts"]),
            judged_until={symbol: datetime.fromisoformat(at) for symbol, at in body["judged_until"].items()},
            head=row.hash,
        )
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"ledger row {row.seq} cannot be read ({error}); run `nightdesk verify`") from error


def _connect_reader(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}; start the desk once, or name its folder with --data-dir")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=10, check_same_thread=False)


def read_rows(path: Path, after: int = 0) -> Iterator[Row]:
    """Stored rows after sequence `after`, in sequence, undecoded; safe beside a running desk."""
    connection = _connect_reader(path)
    try:
        query = f"SELECT {_COLUMNS} FROM records WHERE seq > ? ORDER BY seq LIMIT 500"
        while rows := connection.execute(query, (after,)).fetchall():
            yield from map(Row._make, rows)
            after = rows[-1][0]
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger at {path} cannot be read: {error}") from error
    finally:
        connection.close()


def read_records(path: Path, after: int = 0) -> Iterator[Record]:
    """Records after sequence `after`, oldest first, over a read-only connection; safe beside a running desk."""
    return map(record_of, read_rows(path, after))


def newest_records(path: Path, kind: str) -> Iterator[Record]:
    """Records whose message is of one kind, the newest first; safe beside a running desk."""
    connection = _connect_reader(path)
    try:
        query = f"SELECT {_COLUMNS} FROM records WHERE kind = ? ORDER BY seq DESC"
        yield from map(record_of, map(Row._make, connection.execute(query, (kind,))))
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger at {path} cannot be read: {error}") from error
    finally:
        connection.close()


def count_rows(path: Path) -> int:
    """How many rows the ledger holds: for progress bars."""
    connection = _connect_reader(path)
    try:
        return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger at {path} cannot be read: {error}") from error
    finally:
        connection.close()


class SqliteLedger:
    """The ledger's only writer. One process holds one; readers come and go beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
            last = self._connection.execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger at {path} cannot be opened: {error}") from error
        self._seq: int = last[0] if last else 0
        self._hash: str = last[1] if last else ""

    def append(
        self,
        message: Message,
        outcomes: Sequence[Outcome],
        posts: Sequence[Post],
        judged_until: Mapping[Symbol, datetime],
    ) -> Record:
        """Write one row; returns only when it is durable. Raises `LedgerError` and writes nothing on failure."""
        with self._lock:
            seq = self._seq + 1
            at = require_utc(message.at).isoformat(timespec="microseconds")
            kind = type(message).__name__
            text = _body(message, outcomes, posts, judged_until)
            head = link(self._hash, seq, at, kind, text)
            self._write(Row(seq, at, kind, zlib.compress(text, 1), head))
            self._seq, self._hash = seq, head
        return Record(seq, message.at, message, tuple(outcomes), tuple(posts), dict(judged_until), head)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Rows appended within share one write to the disk: all durable once it has ended, none when it raises."""
        with self._lock:
            before = self._seq, self._hash
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._seq, self._hash = before
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise LedgerError(f"rows could not be written to {self.path}: {error}") from error
                raise

    def _write(self, row: Row) -> None:
        try:
            self._connection.execute(f"INSERT INTO records ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise LedgerError(f"ledger row {row.seq} could not be written to {self.path}: {error}") from error

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records after sequence `after`, over a connection of their own."""
        return read_records(self.path, after)

    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last row; (0, "") when empty."""
        return self._seq, self._hash

    def close(self) -> None:
        """Give the file back; appending afterwards raises `LedgerError`."""
        with self._lock:
            self._connection.close()
