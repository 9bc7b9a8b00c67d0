"""Checks and columns of bars that come whole: history and files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from engine.domain import Symbol
from engine.market.bars import MINUTE_US
from engine.ports import BarColumns

BarRow = tuple[int, float, float, float, float, float]


def possible_bar(opened: float, high: float, low: float, close: float, volume: float) -> bool:
    """Whether five numbers can be a bar: finite, above 0, high the highest, low the lowest, volume not negative."""
    prices = (opened, high, low, close)
    if not all(math.isfinite(number) for number in (*prices, volume)):
        return False
    return 0 < low == min(prices) and high == max(prices) and volume >= 0


def columns_of(symbol: Symbol, rows: Sequence[BarRow]) -> BarColumns:
    """Columns from (open time in µs, open, high, low, close, volume) rows, oldest first."""
    table = np.array([row[1:] for row in rows], float).reshape(len(rows), 5)
    time = np.array([row[0] + MINUTE_US for row in rows], np.int64)
    return BarColumns(symbol, timedelta(minutes=1), time, *(np.ascontiguousarray(table[:, k]) for k in range(5)))


def newest(columns: BarColumns, count: int, until_us: int | None = None) -> BarColumns:
    """The last `count` bars, of those closed by `until_us` when given."""
    end = columns.time.size if until_us is None else int(np.searchsorted(columns.time, until_us, side="right"))
    cut = slice(max(0, end - count), end)
    parts = (columns.time, columns.open, columns.high, columns.low, columns.close, columns.volume)
    return BarColumns(columns.symbol, columns.interval, *(part[cut] for part in parts))
