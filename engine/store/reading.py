"""Bars back out of the database as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np
import psycopg

from engine.domain import Symbol, require_utc
from engine.ports import BarColumns
from engine.store.arrays import Stretch, read_columns
from engine.store.bar_rows import PRICES
from engine.store.bars import INTERVALS, MINUTE
from engine.store.database import Connection, Database
from engine.store.errors import DatabaseDown

_NAMES = ("time", *PRICES)
EXTRAS = ("vwap", "trades")


def read_bars(
    database: Database,
    market: str,
    symbol: Symbol,
    interval: timedelta,
    since: datetime,
    until: datetime,
    *,
    extras: bool = False,
) -> BarColumns:
    """Bars that opened at or after `since` and before `until`, oldest first; empty columns when there are none.

    `market` is "live", or a desk's own world (`rows.market_of`); with `extras` also `vwap` and `trades`. Raises
    `DatabaseDown`, or `ValueError` for an interval that is not kept (1 m, 5 m, 15 m, 1 h, 4 h, 1 d).
    """
    stretch = Stretch(market, interval_name(interval), require_utc(since), require_utc(until))
    with reading(database) as connection:
        found = read_columns(connection, stretch, [symbol], (*_NAMES, *(EXTRAS if extras else ())))
    return bar_columns(symbol, interval, found.get(symbol, {}), extras)


def read_history(
    database: Database, market: str, symbols: Sequence[Symbol], until: datetime, minutes: int
) -> Mapping[Symbol, BarColumns]:
    """The one-minute bars of the last `minutes` minutes before `until`, for warming indicators after a restart.

    Only symbols that have bars are in the answer. Raises `DatabaseDown`.
    """
    since = require_utc(until) - minutes * MINUTE
    stretch = Stretch(market, "1m", since, until)
    with reading(database) as connection:
        found = read_columns(connection, stretch, symbols, _NAMES)
    return {symbol: bar_columns(symbol, MINUTE, found[symbol]) for symbol in symbols if symbol in found}


def merge(older: BarColumns, newer: BarColumns) -> BarColumns:
    """Two stretches of one symbol as one; where both have a bar, `newer` wins."""
    keep = ~np.isin(older.time, newer.time)
    order = np.argsort(np.concatenate([older.time[keep], newer.time]), kind="stable")
    columns = {n: np.concatenate([getattr(older, n)[keep], getattr(newer, n)])[order] for n in _NAMES}
    return BarColumns(symbol=newer.symbol, interval=newer.interval, **columns)


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """A connection whose loss is a `DatabaseDown`, like never having had it."""
    with database.connect() as connection:
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise DatabaseDown(f"{database.name} went away: {database.clean(error)}") from None


def interval_name(interval: timedelta) -> str:
    """`1m` for a minute, as the table has it. Raises `ValueError` for an interval that is not kept."""
    name = next((name for name, span in INTERVALS.items() if span == interval), None)
    if name is None:
        raise ValueError(f"bars of {interval} are not kept; there are {', '.join(INTERVALS)}")
    return name


def bar_columns(
    symbol: Symbol, interval: timedelta, columns: Mapping[str, np.ndarray], extras: bool = False
) -> BarColumns:
    """Columns as they are read (`time` the open; none at all: no bars) as the port has them (`time` the close)."""
    if not columns:
        columns = {name: np.empty(0, np.int64 if name == "time" else np.float64) for name in (*_NAMES, *EXTRAS)}
    close = columns["time"] + interval // timedelta(microseconds=1)
    more = {name: columns[name] for name in EXTRAS} if extras else {}
    return BarColumns(symbol, interval, close, *(columns[name] for name in PRICES), **more)
