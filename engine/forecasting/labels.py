"""What came true after each bar: direction, three classes with a band, and the triple barrier.

A label of the bar that closes at `time` is made of bars that close in (time, until], and of nothing after. Horizons are
times, not rows. Where a bar of that span is missing, or has not come yet, the label is missing (−1): what happened in
an unknown minute is not guessed. (In a triple barrier only bars up to the first touch are needed.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from engine.core.jit import compiled
from engine.forecasting.cases import Classes, Column, Flags, Times
from engine.forecasting.overlap import uniqueness
from engine.ports import BarColumns

MISSING = -1
DOWN, UP = 0, 1
FALL, FLAT, RISE = 0, 1, 2  # of three classes
STOP, TIME, TARGET = 0, 1, 2  # of the triple barrier
HORIZON, SHORT_HORIZON, BAND = timedelta(hours=2), timedelta(minutes=10), 0.002
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One label per bar, all arrays of one length; a missing one is −1 and its `change` NaN.

    `time` (int64 µs) is the bar's close, `until` the close of the last bar that decided the label, `change` the close
    then ÷ the close now − 1 (of a touched barrier: the barrier's own distance). `past` is the class of the move over
    the horizon that ends at `time`, −1 where it is not known. `classes` is 2 or 3.
    """

    time: Times
    until: Times
    label: Classes
    change: Column
    past: Classes
    classes: int

    @property
    def known(self) -> Flags:
        flags: Flags = self.label != MISSING
        return flags

    def uniqueness(self) -> Column:
        """Of each known label, in order, the mean over its life of 1 / labels alive."""
        known = self.known
        return uniqueness(self.time[known], self.until[known], np.zeros(int(known.sum()), np.int64))


def direction(bars: BarColumns, horizon: timedelta = HORIZON) -> Labels:
    """UP when the close a `horizon` later is higher; DOWN otherwise: a price that has not moved pays for no entry."""
    return _by_change(bars, horizon, 2, lambda change: np.where(change > 0.0, UP, DOWN))


def three_classes(bars: BarColumns, horizon: timedelta = SHORT_HORIZON, band: float = BAND) -> Labels:
    """RISE or FALL when the close a `horizon` later has left ±`band`, else FLAT; exactly on the band is FLAT."""
    return _by_change(bars, horizon, 3, lambda change: _outside(change, -band, band))


def triple_barrier(
    bars: BarColumns, stop: float | Column, target: float | Column, horizon: timedelta = HORIZON
) -> Labels:
    """Which comes first after a long entry at the close: STOP, TARGET, or TIME when `horizon` passes without either.

    `stop` and `target` are distances as fractions of the close, one for all or one per bar (NaN: no label). A touch is
    enough, and where one bar touches both the stop came first, as in the trading core.
    """
    ahead = _bars_in(horizon, bars)
    below, above = (np.broadcast_to(np.asarray(one, np.float64), len(bars.time)).copy() for one in (stop, target))
    label, last = np.full(len(bars.time), MISSING, np.int64), np.arange(len(bars.time), dtype=np.int64)
    step = bars.interval // _MICROSECOND
    _first_touch(bars.time, bars.high, bars.low, bars.close, below, above, step, ahead, label, last)
    at_end = bars.close[last] / bars.close - 1.0
    change = np.select([label == STOP, label == TARGET, label == TIME], [-below, above, at_end], np.nan)
    return Labels(
        bars.time, bars.time[last], label, change, _past(bars, ahead, lambda c: _outside(c, -below, above)), 3
    )


def _by_change(bars: BarColumns, horizon: timedelta, classes: int, rule: Callable[[Column], Classes]) -> Labels:
    ahead = _bars_in(horizon, bars)
    change = np.full(len(bars.time), np.nan)
    whole = _whole(bars, ahead)
    change[: len(whole)][whole] = (bars.close[ahead:] / bars.close[: len(whole)] - 1.0)[whole]
    label = np.where(np.isnan(change), MISSING, rule(change)).astype(np.int64)
    until = bars.time + ahead * (bars.interval // _MICROSECOND)
    return Labels(bars.time, until, label, change, _past(bars, ahead, rule), classes)


def _past(bars: BarColumns, ahead: int, rule: Callable[[Column], Classes]) -> Classes:
    """The class of the move over the `ahead` bars that end at each bar."""
    change = np.full(len(bars.time), np.nan)
    whole = _whole(bars, ahead)
    change[ahead:][whole] = (bars.close[ahead:] / bars.close[: len(whole)] - 1.0)[whole]
    return np.where(np.isnan(change), MISSING, rule(change)).astype(np.int64)


def _outside(change: Column, low: float | Column, high: float | Column) -> Classes:
    return np.where(change > high, RISE, np.where(change < low, FALL, FLAT))


def _bars_in(horizon: timedelta, bars: BarColumns) -> int:
    """The horizon in bars. Raises `ValueError` when it is no whole number of them, or the bars are out of order."""
    count = horizon // bars.interval
    if count < 1 or horizon % bars.interval:
        raise ValueError(f"a horizon of {horizon} is no whole number of {bars.interval} bars; choose another")
    if len(bars.time) > 1 and int(np.diff(bars.time).min()) < bars.interval // _MICROSECOND:
        raise ValueError(f"bars of {bars.symbol} overlap or are out of order; labels need each bar once, oldest first")
    return count


def _whole(bars: BarColumns, ahead: int) -> Flags:
    """Of each bar but the last `ahead`: whether the next `ahead` bars follow it without a hole."""
    rows = max(0, len(bars.time) - ahead)
    span = ahead * (bars.interval // _MICROSECOND)
    whole: Flags = bars.time[len(bars.time) - rows :] - bars.time[:rows] == span
    return whole


@compiled
def _first_touch(
    time: Times,
    high: Column,
    low: Column,
    close: Column,
    below: Column,
    above: Column,
    step: int,
    ahead: int,
    label: Classes,
    last: Times,
) -> None:
    """Walk each bar's future to the first barrier; `last` is the bar that decided."""
    for i in range(time.size):
        floor, ceiling = close[i] * (1.0 - below[i]), close[i] * (1.0 + above[i])
        if not floor < ceiling:
            continue
        for j in range(i + 1, min(i + ahead + 1, time.size)):
            if time[j] != time[i] + (j - i) * step:
                break
            touched = low[j] <= floor or high[j] >= ceiling
            if touched or j == i + ahead:
                label[i] = TIME if not touched else STOP if low[j] <= floor else TARGET
                last[i] = j
                break
