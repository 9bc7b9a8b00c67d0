"""The worker that keeps the database up with the ledger: in order, once, whenever the database is there."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

import psycopg

from engine.records import Record
from engine.store.batch import Cursor, write_batch
from engine.store.database import Connection, Database
from engine.store.errors import LeaseHeld, LeaseLost, ProjectionStuck, StoreError
from engine.store.lease import Lease
from engine.store.migrating import migrate
from engine.store.notes import Notes
from engine.store.partitions import Month
from engine.store.progress import Progress, ProjectionStatus

_log = logging.getLogger(__name__)

_BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0)
_BATCH = 200
_LOOK_SECONDS = 1.0


class Records(Protocol):
    """What the worker needs of the ledger; both may be called from its thread."""

    def read(self, after: int = 0) -> Iterator[Record]: ...

    def head(self) -> tuple[int, str]: ...


class Projections:
    """Follows the ledger by sequence. Its cursor is written with the rows, so a crash loses and doubles nothing.

    Start it once the ledger exists; the database may be down then and at any time. `lease` is taken with the first
    connection when it is not held yet, and proven in every write.
    """

    def __init__(
        self,
        database: Database,
        ledger: Records,
        lease: Lease | None = None,
        notes: Notes | None = None,
        exchange: str = "",
    ) -> None:
        """`notes`: measurements that were taken already. `exchange`: the feed that the ledger's bars are from."""
        self._database = database
        self._ledger = ledger
        self._lease = lease
        self.notes = notes or Notes()
        self._exchange = exchange
        self._progress = Progress()
        self._news = threading.Event()
        self._stop = threading.Event()
        self._again = threading.Event()
        self._known: set[Month] = set()
        self._thread = threading.Thread(target=self._run, name="projections", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Write what is there if the database answers, then end; waits at most `seconds`."""
        self._stop.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def trouble(self) -> str:
        """Why nothing is written any more though it could be; "" while the worker runs, or must not."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        lost = self._lease is not None and self._lease.lost
        return "its thread ended" if ended and not lost and not self._stop.is_set() else ""

    def wake(self, seq: int) -> None:
        """A record became durable. Returns at once; any thread."""
        self._progress.came(seq)
        self._news.set()

    def rebuild(self) -> None:
        """Write everything again from the ledger's first row, in the background. Bars are overwritten by the same."""
        self._again.set()
        self._news.set()

    def status(self) -> ProjectionStatus:
        """Lag, errors and speed, from any thread."""
        return self._progress.status(self._ledger.head()[0], self.notes)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            before = self._progress.rows
            try:
                self._follow()
            except (LeaseLost, LeaseHeld) as error:
                self._progress.failed(str(error), stuck=True)
                if self._lease is not None:
                    self._lease.give_up(str(error))
                return
            except (StoreError, psycopg.Error, OSError) as error:
                failures = 0 if self._progress.rows > before else failures
                self._note_failure(error)
                self._stop.wait(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])
                failures += 1

    def _note_failure(self, error: Exception) -> None:
        sentence = str(error) if isinstance(error, StoreError) else self._database.clean(error)
        stuck = isinstance(error, ProjectionStuck)
        if self._progress.failed(sentence, stuck):
            _log.log(logging.ERROR if stuck else logging.WARNING, "projections wait: %s", sentence)

    def _follow(self) -> None:
        """One connection's life: get ready, then write as records come."""
        origin = self._first()
        if origin is None:
            return
        migrate(self._database)
        if self._lease is not None:
            self._lease.acquire()
        self._known.clear()  # a crashed server may have forgotten the partitions it made last
        with self._database.connect() as connection:
            cursor = Cursor.of(connection, origin)
            if cursor.seq == 0:  # new here, or the cursor was lost: nothing may be left of an earlier time
                self._again.set()
            while True:
                stopping = self._stop.is_set()
                cursor, wrote = self._step(connection, cursor)
                if stopping and not wrote:
                    return
                if not wrote:
                    self._news.wait(_LOOK_SECONDS)

    def _first(self) -> Record | None:
        """The ledger's first record, which says what desk this is; None when stopped before there is one."""
        while not self._stop.is_set():
            first = next(iter(self._ledger.read(after=0)), None) if self._ledger.head()[0] else None
            if first is not None:
                return first
            self._news.wait(_LOOK_SECONDS)
            self._news.clear()
        return None

    def _step(self, connection: Connection, cursor: Cursor) -> tuple[Cursor, int]:
        """Write one batch of records and notes, if there are any, in one transaction."""
        self._news.clear()
        head = self._ledger.head()[0]
        if self._again.is_set() or head < cursor.seq:  # asked to, or the ledger is an older copy
            cursor = self._restart(connection, cursor)
        records: list[Record] = []
        if head > cursor.seq:
            records = list(itertools.islice(self._ledger.read(after=cursor.seq), _BATCH))
        if not records and not self.notes.waiting():
            self._progress.idle(cursor.seq)
            return cursor, 0
        return self._write(connection, cursor, records)

    def _restart(self, connection: Connection, cursor: Cursor) -> Cursor:
        with connection.transaction():
            if self._lease is not None:
                self._lease.check(connection)
            cursor = cursor.forget(connection)
        self._again.clear()
        return cursor

    def _write(self, connection: Connection, cursor: Cursor, records: Sequence[Record]) -> tuple[Cursor, int]:
        try:
            return self._commit(connection, cursor, records)
        except (psycopg.OperationalError, psycopg.InterfaceError, StoreError):
            raise
        except Exception as error:  # whatever else it is, it is one row's: find and name that row
            if len(records) == 1:
                raise ProjectionStuck(_named(records[0], self._database.clean(error))) from error
            if not records:
                _log.error("dropped %d measurements that the database refuses: %s", self.notes.drop(), error)
                return cursor, 0
            return self._write(connection, cursor, records[: len(records) // 2])

    def _commit(self, connection: Connection, cursor: Cursor, records: Sequence[Record]) -> tuple[Cursor, int]:
        known = set(self._known)
        with connection.transaction():
            epoch = 0
            if self._lease is not None:
                self._lease.check(connection)
                epoch = self._lease.epoch
            after, rows = write_batch(connection, cursor, records, known, self._exchange)
            taken = self.notes.write(connection, cursor.desk_id)
            after.save(connection, epoch)
        self._known = known
        self.notes.forget(taken)
        self._progress.wrote(after.seq, rows, _last(records))
        return after, max(1, rows)


def _last(records: Sequence[Record]) -> datetime | None:
    return records[-1].at if records else None


def _named(record: Record, error: str) -> str:
    return f"ledger row {record.seq} ({type(record.message).__name__}) cannot be written to the database: {error}"
