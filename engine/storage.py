"""The database side of a running desk: opened at the start, down without harm, closed at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from engine.domain import Print, Symbol
from engine.store.database import Database, addressed, embedded, open_database
from engine.store.embedded import EmbeddedPostgres
from engine.store.errors import DatabaseAddressError, DatabaseDown, LeaseHeld, StoreError
from engine.store.lease import Lease
from engine.store.ledger import SqliteLedger
from engine.store.migrating import migrate
from engine.store.progress import ProjectionStatus
from engine.store.projections import Projections

log = logging.getLogger(__name__)


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
        self, data: Path, url: str | None, ledger: SqliteLedger, on_lost: Callable[[str], None], retry: float = 30.0
    ) -> None:
        self._data = data
        self._url = url
        self._ledger = ledger
        self._tell_lost = on_lost
        self._retry = retry
        self._stopped = threading.Event()
        self._database: Database | None = None
        self._lease: Lease | None = None
        self._projections: Projections | None = None
        self._problem = ""
        self._lost = ""

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
        if self._database is not None:
            self._follow(self._database)
        else:
            threading.Thread(target=self._open_later, name="database", daemon=True).start()

    def wake(self, seq: int) -> None:
        if self._projections is not None:
            self._projections.wake(seq)

    def note_gap(self, feed: str, symbol: Symbol, start: datetime, end: datetime, cause: str) -> None:
        """Remember a stretch without data."""
        if self._projections is not None:
            self._projections.notes.put_gap(feed, symbol, start, end, cause)

    def note_late(self, item: Print) -> None:
        """Remember a print that came after its minute had closed."""
        if self._projections is not None:
            self._projections.notes.put_late_print(item)

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
        self._projections = Projections(database, self._ledger, self._lease)
        self._projections.start()

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
