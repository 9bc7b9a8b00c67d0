"""Equity over time: of the run, of several accounts together, and of the same money bought and held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.backtest.market import Series
from engine.core.run import Result
from engine.domain import EquityPoint, instant

Times = NDArray[np.int64]
Money = NDArray[np.float64]
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


def together(results: Sequence[Result], ends: Sequence[int], start: int, capital: float) -> tuple[Times, Money]:
    """The equity of separate accounts added up, from `start` with the `capital` to the last end with all closed."""
    curves = [_closed(result, end) for result, end in zip(results, ends, strict=True)]
    times = np.unique(np.concatenate([[start], *(at for at, _ in curves)]))
    total = np.zeros(len(times))
    for at, equity in curves:
        known = np.concatenate(([capital / len(results)], equity))
        total += known[np.searchsorted(at, times, side="right")]
    return times, total


def _closed(result: Result, end: int) -> tuple[Times, Money]:
    """The account's curve with its last value at `end`, when what was open has been closed."""
    before = result.equity_times < end
    return np.append(result.equity_times[before], end), np.append(result.equity[before], result.cash)


def buy_and_hold(market: Sequence[Series], times: Times, capital: float) -> Money:
    """The capital in equal parts in every coin from its first open on, without costs."""
    total = np.zeros(len(times))
    for series in market:
        known = np.concatenate(([1.0], series.close / series.open[0]))
        total += known[np.searchsorted(series.time + series.interval, times, side="right")]
    return total * (capital / len(market))


def points(times: Times, equity: Money) -> tuple[EquityPoint, ...]:
    return tuple(EquityPoint(instant(at), value) for at, value in zip(times.tolist(), equity.tolist(), strict=True))


def days_of(closes: Times, zone: ZoneInfo) -> Times:
    """The local day number of each close. A close at midnight belongs to the day that begins."""
    hours, where = np.unique(closes // _HOUR, return_inverse=True)
    offsets = [instant(hour * _HOUR).astimezone(zone).utcoffset() or timedelta(0) for hour in hours.tolist()]
    shift = np.array([offset // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)
    days: Times = (closes + shift[where]) // _DAY
    return days
