"""One maintenance from its first step to its account. A step that fails is named, and the others are made all the same.

What is removed: log files and raw trades beyond their days, versions of models that can never be used again, drafts
that a crash left, old measurements of the health check, back-ups beyond the last few. Never: rows of the ledger or of
the experiments, bars, a version that was ever champion, results of backtests.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from engine.clock import monotonic
from engine.forecasting.registry import ModelFolder
from engine.maintenance import tables
from engine.maintenance.account import Account, keep, last_account
from engine.maintenance.backups import FILES, LEDGER, back_up, prune, size_of, sweep
from engine.maintenance.versions import Told, in_use, superseded, told_of
from engine.messages import Born
from engine.store.database import Database, let_go, open_database
from engine.store.embedded import EmbeddedPostgres
from engine.store.errors import StoreError
from engine.store.folder import FileLock
from engine.store.ledger import LedgerError, newest_records, read_records
from engine.store.migrating import migrate
from engine.store.reserve import free_bytes
from engine.store.tick_segments import prune as prune_ticks
from engine.store.ticks import FOLDER as TICKS

LOCK = "maintenance.lock"
DRAFT_AGE = timedelta(days=1)  # a younger draft may still be somebody's work
_DRAFTS = ("models/*/.new-*", "cache/**/.*.new")
_FAULTS = (OSError, sqlite3.Error, psycopg.Error, StoreError, LedgerError)

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Terms:
    """`now` is real time. `old_logs` are the log files to remove. `desks_own`: asked for by the desk that runs on
    `data`, whose database server is left running. `slot`: the due instant that this answers, "" by hand."""

    data: Path
    url: str | None
    now: datetime
    tick_days: int = 7
    backups_kept: int = 3
    old_logs: Sequence[Path] = ()
    slot: str = ""
    desks_own: bool = False
    free: Callable[[Path], int] = free_bytes


def maintain(terms: Terms, tell: Tell) -> Account:
    """Make every step and keep the account. `tell` hears of each, with the share that is done.

    Raises `FolderInUse` while another maintenance works on the folder, `StoreError` where no desk has run yet.
    """
    if not (terms.data / LEDGER).exists():
        raise StoreError(f"there is no ledger in {terms.data}: no desk has run there yet")
    with FileLock(terms.data / LOCK, f"the maintenance of data folder {terms.data}"):
        earlier = last_account(terms.data)
        slot = terms.slot or (earlier.slot if earlier else "")  # one by hand leaves the clock's own answered
        work = _Work(terms, Account(terms.now.isoformat(), slot))
        began = monotonic()
        for number, (what, step) in enumerate(work.steps()):
            tell(what, number / len(work.steps()))
            try:
                step()
            except _FAULTS as error:
                work.account.problems.append(f"{what[0].upper()}{what[1:]}: {error}.")
        work.account.took = monotonic() - began
        keep(terms.data, work.account)
    return work.account


class _Work:
    """The steps of one maintenance, and its account."""

    def __init__(self, terms: Terms, account: Account) -> None:
        self._terms = terms
        self._data = terms.data
        self.account = account

    def steps(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        """What can go without a look at anything goes first: the back-up needs room."""
        return (
            ("old files", self._old_files),
            ("back-up", self._back_up),
            ("models", self._models),
            ("database", self._database),
            ("SQLite files", self._sqlite),
        )

    def _old_files(self) -> None:
        self._remove("log files", self._terms.old_logs)
        self.account.freed += sweep(self._data)
        old = (self._terms.now - DRAFT_AGE).timestamp()
        drafts = [path for pattern in _DRAFTS for path in self._data.glob(pattern) if path.stat().st_mtime < old]
        self._remove("drafts", drafts)
        before = size_of(self._data / TICKS)
        gone = prune_ticks(self._data / TICKS, self._terms.tick_days)
        self.account.gone("days of raw trades", len(gone), max(0, before - size_of(self._data / TICKS)))

    def _back_up(self) -> None:
        if not self._terms.backups_kept:
            return
        models = in_use(ModelFolder(self._data / "models"), self._told())
        made = back_up(self._data, self._terms.now, models, self._terms.free)
        self.account.backup, self.account.backup_bytes = str(made.path), made.bytes
        self.account.ledger_rows, self.account.head = made.rows, made.head
        self.account.gone("back-ups", *prune(self._data, self._terms.backups_kept))

    def _models(self) -> None:
        folder = ModelFolder(self._data / "models")
        self._remove("model versions", [folder.path(*one) for one in superseded(folder, self._told())])

    def _database(self) -> None:
        with _database_of(self._terms) as database:
            if database is not None:
                migrate(database)
                now, desk_id = self._desk()
                tables.tend(database, desk_id, now, self._terms.tick_days, self.account)

    def _sqlite(self) -> None:
        """What waits in write-ahead logs goes into its file. The ledger is append-only: nothing else touches it."""
        for name in FILES:
            path = self._data / name
            if not path.exists():
                continue
            log = path.with_name(f"{name}-wal")
            before = size_of(log)
            with closing(sqlite3.connect(path, timeout=0.05, isolation_level=None)) as connection:
                _checkpoint(connection, gently=name == LEDGER)
                self.account.freed += max(0, before - size_of(log))

    def _remove(self, kind: str, paths: Sequence[Path]) -> None:
        for path in paths:
            size = size_of(path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            self.account.gone(kind, 1, size)

    def _told(self) -> Told:
        return told_of(self._data / LEDGER)

    def _desk(self) -> tuple[datetime, str]:
        """Desk time, as the ledger last had it, and who the desk is."""
        first = next(read_records(self._data / LEDGER), None)
        born = first.message if first is not None else None
        minute = next(newest_records(self._data / LEDGER, "Minute"), first)
        if minute is None or not isinstance(born, Born):
            raise StoreError("the ledger is empty")
        return minute.at, born.desk_id


def _checkpoint(connection: sqlite3.Connection, gently: bool) -> None:
    """`gently`: no writer ever waits for it. Else the log is emptied too; what is busy is left for the next time."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    if gently:
        return
    try:
        connection.execute("PRAGMA optimize")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise


@contextmanager
def _database_of(terms: Terms) -> Iterator[Database | None]:
    """The desk's database; None where an embedded one was never made. Left as it was found, running or not."""
    if terms.url is None and not EmbeddedPostgres(terms.data).made:
        yield None
        return
    database = open_database(terms.url, terms.data)
    try:
        yield database
    finally:
        if not terms.desks_own:
            let_go(database, terms.data)
