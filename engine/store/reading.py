"""Bars back out of the database as columns, at the speed of a binary COPY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np
import psycopg
from psycopg import sql

from engine.domain import Symbol, require_utc
from engine.ports import BarColumns
from engine.store.bars import INTERVALS, MINUTE
from engine.store.database import Connection, Database
from engine.store.errors import DatabaseDown

_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_HEADER, _TRAILER = 19, 2
_PRICES = ("open", "high", "low", "close", "volume")
# One row of the COPY format: a field count, then each field's length and its 8 bytes.
_FIELDS = [("time", ">i8"), *((name, ">f8") for name in _PRICES)]
_ROW = np.dtype(
    [("fields", ">i2"), *(part for name, kind in _FIELDS for part in ((f"{name}_bytes", ">i4"), (name, kind)))]
)
_COPY = """
COPY (SELECT time, open, high, low, close, volume FROM bars
      WHERE market = {market} AND symbol = {symbol} AND interval = {interval} AND time >= {since} AND time < {until}
      ORDER BY time) TO STDOUT (FORMAT binary)
"""


def read_bars(
    database: Database, market: str, symbol: Symbol, interval: timedelta, since: datetime, until: datetime
) -> BarColumns:
    """Bars that opened at or after `since` and before `until`, oldest first; empty columns when there are none.

    `market` is "live", or a desk's own world (`rows.market_of`). Raises `DatabaseDown`, or `ValueError` for an
    interval that is not kept (1 m, 5 m, 15 m, 1 h, 4 h, 1 d).
    """
    with _reading(database) as connection:
        return _read(connection, market, symbol, interval, since, until)


def read_history(
    database: Database, market: str, symbols: Sequence[Symbol], until: datetime, minutes: int
) -> Mapping[Symbol, BarColumns]:
    """The one-minute bars of the last `minutes` minutes before `until`, for warming indicators after a restart.

    Only symbols that have bars are in the answer. Raises `DatabaseDown`.
    """
    since = require_utc(until) - minutes * MINUTE
    with _reading(database) as connection:
        found = {symbol: _read(connection, market, symbol, MINUTE, since, until) for symbol in symbols}
    return {symbol: columns for symbol, columns in found.items() if len(columns.time)}


def merge(older: BarColumns, newer: BarColumns) -> BarColumns:
    """Two stretches of one symbol as one; where both have a bar, `newer` wins."""
    keep = ~np.isin(older.time, newer.time)
    order = np.argsort(np.concatenate([older.time[keep], newer.time]), kind="stable")
    names = ("time", *_PRICES)
    columns = {n: np.concatenate([getattr(older, n)[keep], getattr(newer, n)])[order] for n in names}
    return BarColumns(symbol=newer.symbol, interval=newer.interval, **columns)


@contextmanager
def _reading(database: Database) -> Iterator[Connection]:
    """A connection whose loss is a `DatabaseDown`, like never having had it."""
    with database.connect() as connection:
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise DatabaseDown(f"{database.name} went away: {database.clean(error)}") from None


def _read(
    connection: Connection, market: str, symbol: Symbol, interval: timedelta, since: datetime, until: datetime
) -> BarColumns:
    name = next((name for name, span in INTERVALS.items() if span == interval), None)
    if name is None:
        raise ValueError(f"bars of {interval} are not kept; there are {', '.join(INTERVALS)}")
    bounds = {"since": require_utc(since), "until": require_utc(until)}
    words = {"market": market, "symbol": symbol, "interval": name} | bounds
    query = sql.SQL(_COPY).format(**{key: sql.Literal(value) for key, value in words.items()})
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        raw = b"".join(bytes(block) for block in copy)
    return _columns(raw, symbol, interval)


def _columns(raw: bytes, symbol: Symbol, interval: timedelta) -> BarColumns:
    rows = np.frombuffer(raw, _ROW, offset=_HEADER, count=(len(raw) - _HEADER - _TRAILER) // _ROW.itemsize)
    span = interval // timedelta(microseconds=1)
    time = rows["time"].astype(np.int64) + _POSTGRES_EPOCH_US + span
    return BarColumns(symbol, interval, time, *(rows[name].astype(np.float64) for name in _PRICES))
