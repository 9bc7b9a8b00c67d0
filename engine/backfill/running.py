"""A job's surroundings: the database of a data folder, started where nothing runs, shared where a desk does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.backfill.job import WRITERS, Backfill
from engine.backfill.keeping import StoreKeeper
from engine.backfill.progress import Progress
from engine.backfill.wanted import Wanted
from engine.clock import SystemClock
from engine.ports import History
from engine.store.database import Database, let_go, open_database
from engine.store.folder import BACKFILL_LOCK, FileLock
from engine.store.migrating import migrate


@contextmanager
def opened(url: str | None, data_dir: Path, *, desks_own: bool = False) -> Iterator[Database]:
    """The database of `url`, or the embedded one of a data folder, with its tables; beside a desk or without one.

    An embedded server that no desk works on is stopped at the end; never by a job of the desk's own (`desks_own`),
    whose desk may just be starting again. The desk's lease is neither asked for nor touched.

    Raises `FolderInUse` while another backfill works on the folder, `StoreError` for a database that cannot be used.
    """
    with FileLock(data_dir / BACKFILL_LOCK, f"the backfill of data folder {data_dir}"):
        database = open_database(url, data_dir)
        try:
            migrate(database)
            yield database
        finally:
            if not desks_own:
                let_go(database, data_dir)


def prepared_job(
    database: Database,
    history: History,
    wanted: Wanted,
    watch: Callable[[Progress], None] = lambda progress: None,
    writers: int = WRITERS,
) -> Backfill:
    """A job ready to `run`. `watch` hears of every piece."""
    keeper = StoreKeeper(database, wanted, history.name, SystemClock().now)
    return Backfill(history, keeper, wanted, watch, writers=writers)
