"""Made-up minutes of a coin, as a history would give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.domain import micros
from engine.ports import BarColumns
from engine.store.database import Connection

MINUTE = timedelta(minutes=1)
MINUTE_US = 60_000_000
SINCE = datetime(2025, 1, 31, 22, 0, tzinfo=UTC)  # two hours before a month ends
ARRAYS = [field.name for field in fields(BarColumns) if field.name not in ("symbol", "interval")]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def coin(symbol: str = "BTC/USD", count: int = 600, seed: int = 1, since: datetime = SINCE) -> BarColumns:
    """Minutes with some quiet ones, and sources that do not always say how many trades there were."""
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 1e-3, count)))
    start = np.r_[100.0, close[:-1]]
    quiet = chance.random(count) < 0.1
    start[quiet] = close[quiet]
    wick = np.where(quiet, 0.0, chance.random(count))
    return BarColumns(
        symbol,
        MINUTE,
        micros(since) + (np.arange(count, dtype=np.int64) + 1) * MINUTE_US,
        start,
        np.maximum(start, close) + wick,
        np.minimum(start, close) - wick,
        close,
        np.where(quiet, 0.0, chance.exponential(5.0, count)),
        np.where(chance.random(count) < 0.02, np.nan, (start + close) / 2),
        np.where(chance.random(count) < 0.3, np.nan, chance.poisson(9, count)),
    )


def some(bars: BarColumns, picked: Sequence[int] | np.ndarray | slice) -> BarColumns:
    """The bars that are picked, by place or mask."""
    return replace(bars, **{name: getattr(bars, name)[picked] for name in ARRAYS})


def rows_of(connection: Connection, market: str = "live") -> list[tuple[object, ...]]:
    """Everything in `bars` that a reader could see, longer bars and revisions included."""
    sql = """
    SELECT interval, symbol, time, open, high, low, close, volume, vwap, trades, quality, source, revision FROM bars
    WHERE market = %s ORDER BY interval, symbol, time
    """
    return connection.execute(sql, (market,)).fetchall()


def roll_again(connection: Connection, market: str = "live") -> None:
    """Throw the longer bars away, and make them all from the minutes by the plain statement of the desk's own way."""
    from engine.store.bars import roll_up

    connection.execute("DELETE FROM bars WHERE market = %s AND interval <> '1m'", (market,))
    names = [name for (name,) in connection.execute("SELECT DISTINCT symbol FROM bars WHERE market = %s", (market,))]
    bounds = connection.execute("SELECT min(time), max(time) FROM bars WHERE market = %s", (market,)).fetchone()
    if bounds is not None and bounds[0] is not None:
        roll_up(connection, market, names, bounds[0] - timedelta(days=1), bounds[1] + timedelta(days=2))
