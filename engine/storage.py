"""The database side of a running desk: opened at the start, down without harm, closed at the end."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg

from engine.domain import Print, Quote
from engine.messages import Born
from engine.recovery import Part
from engine.store.database import Connection, Database, addressed, embedded, open_database
from engine.store.embedded import EmbeddedPostgres
from engine.store.errors import DatabaseAddressError, DatabaseDown, LeaseHeld, StoreError
from engine.store.experiment_rows import experiments_after
from engine.store.gaps import Unhealed, unhealed
from engine.store.healing import Healed, Span, write_history
from engine.store.lease import Lease
from engine.store.ledger import SqliteLedger
from engine.store.migrating import migrate
from engine.store.notes import Notes
from engine.store.progress import ProjectionStatus
from engine.store.projections import Projections
from engine.store.rows import market_of
from engine.store.tick_keeping import TickTerms, ship, tick_writer
from engine.store.tick_writer import TickStatus

log = logging.getLogger(__name__)

EXPERIMENTS = "experiments.sqlite"  # in the data folder, written by whoever trains


def look_at_database(url: str | None, data: Path) -> str:
    """The desk's database in a sentence, without starting or changing anything. Raises `StoreError`."""
    if url is None:
        server = EmbeddedPostgres(data)
        if server.pid() is None:
            return "the embedded PostgreSQL is not running; it starts with the desk"
        return _greeting(embedded(server))
    return _greeting(addressed(url))


def _greeting(database: Database) -> str:
    with database.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return f"{database.name} answers, version {row[0] if row else 'unknown'}"


class Storage:
    """Projections into PostgreSQL under a lease. The desk trades on without any of it."""

    def __init__(
        self,
        data: Path,
        url: str | None,
        ledger: SqliteLedger,
        on_lost: Callable[[str], None],
        retry: float = 30.0,
        *,
        ticks: TickTerms | None = None,
        exchange: str = "",
    ) -> None:
        """`exchange` is the desk's feed, which its bars name; `ticks` says where raw trades are kept; None: nowhere."""
        self._data = data
        self._url = url
        self._ledger = ledger
        self._tell_lost = on_lost
        self._retry = retry
        self._stopped = threading.Event()
        self._database: Database | None = None
        self._lease: Lease | None = None
        self._projections: Projections | None = None
        self._opening: threading.Thread | None = None
        self._problem = ""
        self._lost = ""
        self._known: tuple[str, str] | None = None
        self.notes = Notes()
        self._experiments, self._experiments_done = data / EXPERIMENTS, 0
        self._exchange = exchange
        self._tick_terms = ticks or TickTerms()
        self._ticks = tick_writer(self._tick_terms, data, exchange, self._ship)

    def open(self) -> None:
        """Open the database, bring its tables up to date and take the lease.

        A database that is down is tried again later. Raises `LeaseHeld` when another desk has it, and
        `DatabaseAddressError` when the address can never work.
        """
        try:
            self._database = database = open_database(self._url, self._data)
            self._lease = Lease(database, self._data, self._on_lost)
            migrate(database)
            self._lease.acquire()
        except (LeaseHeld, DatabaseAddressError):
            self.close()
            raise
        except (DatabaseDown, StoreError) as error:
            self._problem = str(error)
            log.warning("the database is not there (%s); the desk trades on and writes it later", error)

    def start(self) -> None:
        """Follow the ledger from now on; where the database could not be opened, keep trying."""
        if self._ticks is not None:
            self._ticks.start()
        if self._database is not None:
            self._follow(self._database)
        else:
            self._await()

    def parts(self) -> list[Part]:
        """The threads of the store, to be looked at for what is stuck."""
        parts = [Part("database", self._writing_trouble, partial(asyncio.to_thread, self._write_again), urgent=True)]
        if (lease := self._lease) is not None:
            parts.append(Part("lease", lease.trouble, partial(asyncio.to_thread, lease.revive), urgent=True))
        if (ticks := self._ticks) is not None:
            parts.append(Part("raw trades", ticks.trouble, partial(asyncio.to_thread, ticks.revive), urgent=True))
        return parts

    def wake(self, seq: int) -> None:
        if self._projections is not None:
            self._projections.wake(seq)

    def note_experiments(self) -> None:
        """Bring the experiment ledger's news to the database; a file that cannot be read is said and left alone."""
        try:
            for number, row, ended in experiments_after(self._experiments, self._experiments_done):
                self.notes.put(row)
                if ended and number == self._experiments_done + 1:
                    self._experiments_done = number
        except sqlite3.Error as error:
            log.error("the experiment ledger cannot be read: %s", error)

    def note_late(self, item: Print) -> None:
        """Remember a print that came after its minute had closed, also while the database is away."""
        self.notes.put_late_print(item)
        self.keep_tick(item, None)

    def keep_tick(self, item: Print, quote: Quote | None) -> None:
        """Keep a raw trade, with the best bid and ask known then. Returns at once."""
        if self._ticks is not None:
            self._ticks.put(item, quote)

    def tick_status(self) -> TickStatus | None:
        """How raw trades are kept; None where they are not."""
        return self._ticks.status() if self._ticks is not None else None

    def is_level(self) -> bool:
        """Whether the database has every row of the ledger."""
        status = self.status()
        return status is not None and status.connected and not status.lag_rows

    def unhealed(self) -> list[Unhealed]:
        """Gaps of this desk that wait for history. Raises `StoreError` when the database does not answer."""
        if (desk := self._desk()) is None:
            return []
        with self._connected() as connection:
            return unhealed(connection, desk[0])

    def heal(self, spans: Sequence[Span], live_since: datetime) -> Healed:
        """Write history (see `store.healing`). Raises `StoreError` when the database does not answer."""
        if (desk := self._desk()) is None:
            return Healed()
        with self._connected() as connection:
            return write_history(connection, desk, spans, live_since, self._lease, self._exchange)

    def _ship(self, journal: Path) -> None:
        if (desk := self._desk()) is None:
            raise StoreError("the desk has no ledger yet")
        ship(journal, desk[1], self._connected, self._tick_terms.days)

    def _desk(self) -> tuple[str, str] | None:
        """Who this desk is, and in which market; None before its ledger begins."""
        if self._known is None:
            born = next(iter(self._ledger.read()), None)
            if born is not None and isinstance(born.message, Born):
                self._known = born.message.desk_id, market_of(born.message)
        return self._known

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection whose loss is a `DatabaseDown`, like never having had it."""
        if self._database is None:
            raise DatabaseDown(self._problem or "the database is not open")
        with self._database.connect() as connection:
            try:
                yield connection
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise DatabaseDown(f"{self._database.name} went away: {self._database.clean(error)}") from None

    def status(self) -> ProjectionStatus | None:
        """How far the database is behind; None while it could not be opened at all (see `problem`)."""
        return self._projections.status() if self._projections else None

    @property
    def lost(self) -> str:
        """To whom this desk lost its database, in a sentence; "" while it has not. It orders nothing after that."""
        return self._lost

    @property
    def problem(self) -> str:
        """Why the database could not be opened, "" when it was."""
        return self._problem

    @property
    def projections(self) -> Projections | None:
        return self._projections

    def close(self) -> None:
        """Write what is left, give the lease back and stop an embedded server."""
        self._stopped.set()
        if self._ticks is not None:
            self._ticks.stop()
        if self._projections is not None:
            self._projections.stop(5.0)
        if self._lease is not None:
            self._lease.release()
        if self._database is not None:
            self._database.close()

    def _on_lost(self, sentence: str) -> None:
        self._lost = sentence
        self._tell_lost(sentence)

    def _follow(self, database: Database) -> None:
        self._projections = Projections(database, self._ledger, self._lease, self.notes, self._exchange)
        self._projections.start()

    def _await(self) -> None:
        self._opening = threading.Thread(target=self._open_later, name="database", daemon=True)
        self._opening.start()

    def _writing_trouble(self) -> str:
        if self._projections is not None:
            return self._projections.trouble()
        waiting = self._opening is None or self._opening.is_alive() or self._stopped.is_set() or self._lost
        return "" if waiting else "the thread that waits for it ended"

    def _write_again(self) -> None:
        if self._database is not None:
            self._follow(self._database)
        else:
            self._await()

    def _open_later(self) -> None:
        while not self._stopped.wait(self._retry):
            try:
                self.open()
            except (LeaseHeld, DatabaseAddressError) as error:
                self._on_lost(str(error))
                return
            if self._database is not None:
                self._problem = ""
                self._follow(self._database)
                return
