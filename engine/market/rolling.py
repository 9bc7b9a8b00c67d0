"""Longer bars from one-minute bars: the same function for history and live, aligned to UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from engine.ports import BarColumns

INTERVALS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Rolled:
    """Longer bars, and how many of the shorter ones each was made of (int64, same length)."""

    bars: BarColumns
    parts: np.ndarray


def roll_up(columns: BarColumns, interval: timedelta, *, incomplete: str = "drop") -> Rolled:
    """Bars of `interval` from consecutive shorter ones (time = close, microseconds).

    A bucket that lacks a part (a missing minute, the running bucket, a cut at either end) is left out with
    `incomplete="drop"`; `"keep"` keeps it, and `parts` says how many bars it has. Raises `ValueError` when `interval`
    is no multiple of the bars' own.
    """
    step, width = (value // timedelta(microseconds=1) for value in (columns.interval, interval))
    if width <= 0 or width % step or incomplete not in ("drop", "keep"):
        raise ValueError(f"cannot roll {columns.interval} bars up to {interval} (incomplete={incomplete!r})")
    bucket = (columns.time - step) // width
    starts = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]]) if bucket.size else np.empty(0, np.int64)
    parts = np.diff(np.r_[starts, bucket.size]).astype(np.int64)
    kept = parts == width // step if incomplete == "drop" else np.ones(starts.size, bool)
    rolled = _reduce(columns, interval, starts, (bucket[starts] + 1) * width, parts, kept)
    return Rolled(rolled, parts[kept])


def _reduce(
    columns: BarColumns, interval: timedelta, starts: np.ndarray, close: np.ndarray, parts: np.ndarray, kept: np.ndarray
) -> BarColumns:
    if not starts.size:
        empty = np.empty(0)
        return BarColumns(columns.symbol, interval, np.empty(0, np.int64), empty, empty, empty, empty, empty)
    return BarColumns(
        symbol=columns.symbol,
        interval=interval,
        time=close[kept],
        open=columns.open[starts][kept],
        high=np.maximum.reduceat(columns.high, starts)[kept],
        low=np.minimum.reduceat(columns.low, starts)[kept],
        close=columns.close[starts + parts - 1][kept],
        volume=np.add.reduceat(columns.volume, starts)[kept],
        trades=None if columns.trades is None else np.add.reduceat(columns.trades, starts)[kept],
    )
