"""Raw trades into the `ticks` table (`STORE_TICKS=database`), a partition a day, and out of it when they are old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta

import numpy as np

from engine.domain import Symbol, instant
from engine.store.bar_rows import POSTGRES_EPOCH_US
from engine.store.database import Connection
from engine.store.partitions import drop_days, ensure_days, is_native
from engine.store.pieces import Written, finish_piece, is_finished

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_DAY_US = 86_400_000_000
_PARTS = ("time", "name", "price", "volume", "bid", "ask", "received", "trade_id")
_KINDS = {name: ">f8" if name in ("price", "volume", "bid", "ask") else ">i8" for name in _PARTS}
_ROW = np.dtype(
    [("count", ">i2"), *(pair for name in _PARTS for pair in ((f"{name}_bytes", ">i4"), (name, _KINDS[name])))]
)
_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS tick_stage (time timestamptz, name bigint, price float8, volume float8, bid float8,
    ask float8, received timestamptz, trade_id bigint) ON COMMIT DELETE ROWS
"""
_TAKE = """
INSERT INTO ticks (time, market, exchange, symbol, price, volume, bid, ask, received, trade_id)
SELECT s.time, %s, n.exchange, n.symbol, s.price, s.volume, nullif(s.bid, 'NaN'), nullif(s.ask, 'NaN'), s.received,
    nullif(s.trade_id, -1)
FROM tick_stage s JOIN unnest(%s::text[], %s::text[]) WITH ORDINALITY AS n(exchange, symbol, place)
    ON n.place = s.name + 1
ORDER BY n.symbol, s.time
ON CONFLICT (market, symbol, time, exchange, trade_id) DO NOTHING
"""


def write_ticks(
    connection: Connection, market: str, names: Sequence[tuple[str, Symbol]], ticks: np.ndarray, batch: str
) -> int:
    """Write trades in the running transaction (an autocommitting connection gets one for it); how many were new.

    `ticks` has the fields of `tick_journal.ROW` (times in µs since 1970, NaN for no quote, trade id -1 for none), and
    `name` is the place of a trade's (exchange, symbol) among `names`. A `batch` is written once, however often it is
    given; a numbered trade is there once, whatever batch it comes in.
    """
    job = f"ticks {market}"
    with connection.transaction() if connection.autocommit else nullcontext():
        if is_finished(connection, job, batch):
            return 0
        days = np.unique(ticks["time"] // _DAY_US)
        ensure_days(connection, [instant(int(day) * _DAY_US).date() for day in days])
        connection.execute(_STAGE)
        with connection.cursor() as cursor, cursor.copy("COPY tick_stage FROM STDIN (FORMAT binary)") as copy:
            for block in _blocks(ticks):
                copy.write(block)
        places = [[name[part] for name in names] for part in (0, 1)]
        new = connection.execute(_TAKE, (market, *places)).rowcount
        connection.execute("TRUNCATE tick_stage")  # another batch may follow in this transaction
        rows = len(ticks)
        finish_piece(connection, job, batch, market, "ticks", Written(rows, new, same=rows - new))
    return new


def drop_old_ticks(connection: Connection, today: date, keep: int) -> list[str]:
    """Drop what is older than `keep` days before `today`, whole days at once; the partitions that went.

    The marks of batches that were finished before go with them.
    """
    before = today - timedelta(days=keep)
    midnight = datetime(before.year, before.month, before.day, tzinfo=UTC)
    if is_native(connection, "ticks"):
        gone = drop_days(connection, before)
    else:
        row = connection.execute("SELECT count(drop_chunks('ticks', %s::timestamptz))", (midnight,)).fetchone()
        gone = ["chunks"] * (row[0] if row else 0)
    if gone:
        connection.execute("DELETE FROM backfill_pieces WHERE job LIKE 'ticks %%' AND finished_at < %s", (midnight,))
    return gone


def _blocks(ticks: np.ndarray) -> Iterator[bytes]:
    packed = np.empty(len(ticks), _ROW)
    packed["count"] = len(_PARTS)
    for name in _PARTS:
        packed[f"{name}_bytes"] = 8
        packed[name] = ticks[name]
        if name in ("time", "received"):
            packed[name] -= POSTGRES_EPOCH_US
    yield _HEADER
    yield packed.tobytes()
    yield _TRAILER
