"""A run of ledger records into the database, and the cursor that says how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from engine.gaps import GapFinder
from engine.messages import Born, Minute
from engine.records import Record
from engine.store.bars import MINUTE, roll_up, write_minutes
from engine.store.database import Connection
from engine.store.days import add_up_day
from engine.store.errors import StoreError
from engine.store.gaps import going_on, write_gaps
from engine.store.partitions import Month, month_of
from engine.store.rows import Row, market_of, rows_of
from engine.store.upserts import write_rows

_DERIVED = (
    *("paper_trades", "daily_performance", "proposals", "signals", "orders"),
    *("fills", "holds", "outbox", "audit", "alarms", "ml_features", "ml_predictions", "models"),
)
_SAVE = """
INSERT INTO projection_cursor (desk_id, seq, epoch, minute, updated_at)
VALUES (%(desk)s, %(seq)s, %(epoch)s, %(minute)s, clock_timestamp())
ON CONFLICT (desk_id) DO UPDATE SET seq = excluded.seq, epoch = excluded.epoch, minute = excluded.minute,
    updated_at = excluded.updated_at
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the ledger of one desk has been written: its last sequence, and the last minute rolled up."""

    desk_id: str
    market: str
    seq: int = 0
    minute: datetime | None = None
    gaps: GapFinder = field(default_factory=GapFinder, compare=False)

    @staticmethod
    def of(connection: Connection, first: Record) -> Cursor:
        """Where this desk's projections stand in this database. `first` is its ledger's first record."""
        if not isinstance(first.message, Born):
            raise StoreError(f"the ledger begins with {type(first.message).__name__}, not with what it is (Born)")
        born = first.message
        with connection.transaction():
            sql = "SELECT seq, minute FROM projection_cursor WHERE desk_id = %s"
            row = connection.execute(sql, (born.desk_id,)).fetchone()
            seq, minute = row or (0, None)
            gaps = GapFinder(minute, going_on(connection, born.desk_id) if seq else ())
        return Cursor(born.desk_id, market_of(born), seq, minute, gaps)

    def save(self, connection: Connection, epoch: int) -> None:
        place = {"desk": self.desk_id, "seq": self.seq, "epoch": epoch, "minute": self.minute}
        connection.execute(_SAVE, place)

    def forget(self, connection: Connection) -> Cursor:
        """Remove what was derived from the ledger (never bars or measurements) and start over."""
        for table in _DERIVED:
            connection.execute(f"DELETE FROM {table} WHERE desk_id = %s".encode(), (self.desk_id,))
        connection.execute("DELETE FROM projection_cursor WHERE desk_id = %s", (self.desk_id,))
        return replace(self, seq=0, minute=None, gaps=GapFinder())


def write_batch(
    connection: Connection, cursor: Cursor, records: Sequence[Record], known: set[Month], exchange: str = ""
) -> tuple[Cursor, int]:
    """Write consecutive records inside the running transaction; the cursor after them, and how many rows.

    `known` are the months whose partitions exist; new ones are added. `exchange` is where the bars are from.
    """
    if not records:
        return cursor, 0
    rows = _write_outcomes(connection, cursor.desk_id, records)
    minutes = [record.message for record in records if isinstance(record.message, Minute)]
    if minutes:
        rows += write_minutes(connection, cursor.market, minutes, known, exchange)
        known.update(month_of(minute.at - MINUTE) for minute in minutes if minute.symbols)
        rows += _roll_up(connection, cursor, minutes)
        cursor = replace(cursor, minute=max(minute.at for minute in minutes))
    finder = cursor.gaps.copy()
    found = [gap for record in records for gap in finder.see(record.message)]
    rows += write_gaps(connection, cursor.desk_id, cursor.market, found)
    return replace(cursor, seq=records[-1].seq, gaps=finder), rows


def _write_outcomes(connection: Connection, desk_id: str, records: Sequence[Record]) -> int:
    """Write in order; the end of a day comes between what it counts and what it does not."""
    written = 0
    for is_day, group in groupby(_all_rows(records), key=lambda row: row.table == "daily_performance"):
        rows = list(group)
        written += write_rows(connection, desk_id, rows)
        for row in rows if is_day else ():
            add_up_day(connection, desk_id, row.values["date"])
    return written


def _all_rows(records: Sequence[Record]) -> Iterator[Row]:
    for record in records:
        yield from rows_of(record)


def _roll_up(connection: Connection, cursor: Cursor, minutes: Sequence[Minute]) -> int:
    """Longer bars that these minutes closed, and those they belong to when history filled them in late."""
    symbols = {symbol for minute in minutes for symbol in (*minute.symbols, *minute.missing)}
    first = min(minute.at for minute in minutes) - MINUTE
    since = first if cursor.minute is None else min(first, cursor.minute)
    return roll_up(connection, cursor.market, symbols, since, max(minute.at for minute in minutes))
