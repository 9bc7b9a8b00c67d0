"""Where raw trades are kept: compressed segments in the data folder, the `ticks` table, or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zlib import crc32

import psycopg

from engine.store.database import Connection
from engine.store.errors import StoreError
from engine.store.tick_finishing import Finishing
from engine.store.tick_journal import read_journal
from engine.store.tick_rows import drop_old_ticks, write_ticks
from engine.store.tick_writer import TickWriter
from engine.store.ticks import FOLDER

SHIP_AFTER, SHIP_ROWS = 5.0, 20_000  # a journal on its way to the database is short


@dataclass(frozen=True, slots=True)
class TickTerms:
    """`mode`: segments, database or off. `days` are kept."""

    mode: str = "off"
    days: int = 7


def tick_writer(terms: TickTerms, data: Path, exchange: str, ship: Callable[[Path], object]) -> TickWriter | None:
    """The writer that `terms` ask for. `ship` brings one closed journal into the database."""
    home = data / FOLDER
    if terms.mode == "off":
        return None
    if terms.mode == "database":
        finishing = Finishing(ship)
        return TickWriter(home, exchange, finishing, days=terms.days, seal_rows=SHIP_ROWS, seal_after=SHIP_AFTER)
    return TickWriter(home, exchange, Finishing(), days=terms.days)


def ship(journal: Path, market: str, connected: Callable[[], AbstractContextManager[Connection]], days: int) -> None:
    """Write a closed journal into the database, once, and remove it. Raises `StoreError`: then it is there still."""
    held = read_journal(journal)
    if held.rows.size:
        day = journal.parent.name
        batch = f"{day}/{journal.stem}/{crc32(held.rows.tobytes()):08x}"  # the same journal, the same name
        try:
            with connected() as connection:
                write_ticks(connection, market, held.names, held.rows, batch)
                drop_old_ticks(connection, date.fromisoformat(day), days)
        except psycopg.Error as error:
            raise StoreError(
                f"trades cannot be written: {error.diag.message_primary or type(error).__name__}"
            ) from None
    journal.unlink()
