"""Checks and columns of bars that come whole: history and files."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from engine.domain import Symbol, micros
from engine.market.bars import MINUTE_US
from engine.ports import BarColumns


def possible(table: np.ndarray) -> np.ndarray:
    """Which rows of (open, high, low, close, volume) can be bars; bool, one per row.

    Finite, prices above 0, high the highest, low the lowest, volume not negative.
    """
    prices = table[:, :4]
    sane = np.isfinite(table).all(axis=1) & (prices > 0).all(axis=1) & (table[:, 4] >= 0)
    return np.asarray(sane & (table[:, 1] >= prices.max(axis=1)) & (table[:, 2] <= prices.min(axis=1)))


def columns_of(symbol: Symbol, opened: np.ndarray, table: np.ndarray, trades: np.ndarray | None = None) -> BarColumns:
    """Columns from open times (µs) and rows of (open, high, low, close, volume), oldest first; `trades`: how many."""
    first, high, low, close, volume = (np.ascontiguousarray(table[:, k], dtype=np.float64) for k in range(5))
    counts = None if trades is None else np.ascontiguousarray(trades, dtype=np.float64)
    time = opened.astype(np.int64) + MINUTE_US
    return BarColumns(symbol, timedelta(minutes=1), time, first, high, low, close, volume, trades=counts)


def newest(columns: BarColumns, count: int, until_us: int | None = None) -> BarColumns:
    """The last `count` bars, of those closed by `until_us` when given."""
    end = columns.time.size if until_us is None else int(np.searchsorted(columns.time, until_us, side="right"))
    return columns.cut(slice(max(0, end - count), end))


def between(columns: BarColumns, since: datetime, until: datetime) -> BarColumns:
    """The bars that opened in [`since`, `until`)."""
    span = columns.interval // timedelta(microseconds=1)
    first, last = np.searchsorted(columns.time, (micros(since) + span, micros(until) + span))
    return columns.cut(slice(int(first), int(last)))
