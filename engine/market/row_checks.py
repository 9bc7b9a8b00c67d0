"""Minute bars that come as rows of many symbols: which can be believed, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from engine.domain import Symbol, instant
from engine.market.bars import MINUTE_US
from engine.ports import BarColumns, Fetched, Rejected

MINUTE = timedelta(minutes=1)
PER_UNIT = {"seconds": 1_000_000.0, "milliseconds": 1_000.0, "microseconds": 1.0, "nanoseconds": 0.001}
_UNITS = tuple(PER_UNIT)
_LIMITS = (1e11, 1e14, 1e17)  # seconds stay below the first until the year 5138, and so on
NUMBERS_MOST = 2.0**63  # at or beyond it, or not finite, no float is a time in any unit


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of one length, in any order. `code` indexes the symbols; `opened` is int64 µs; `prices` is (n, 4)."""

    code: np.ndarray
    opened: np.ndarray
    prices: np.ndarray  # open, high, low, close
    volume: np.ndarray
    vwap: np.ndarray
    trades: np.ndarray

    def at(self, rows: np.ndarray) -> Rows:
        """The rows of a mask or an index."""
        return Rows(*(getattr(self, name)[rows] for name in self.__slots__))


def as_micros(stamps: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Instants as µs, from integers of any unit; also the units found. Its magnitude tells each one's unit."""
    unit = np.digitize(np.abs(stamps), _LIMITS)
    found = np.unique(unit)
    if found.size == 1 and found[0] == 3:  # exactly: nanoseconds do not fit a float
        return stamps // 1_000, (_UNITS[3],)
    result = np.empty(stamps.size, np.int64)
    for number in found:
        rows, factor = unit == number, PER_UNIT[_UNITS[int(number)]]
        result[rows] = stamps[rows] * int(factor) if factor >= 1 else stamps[rows] // 1_000
    return result, tuple(_UNITS[int(number)] for number in found)


def micros_of_floats(stamps: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """As `as_micros`, from floats below `NUMBERS_MOST`: seconds may have a fraction."""
    seconds = np.abs(stamps) < _LIMITS[0]
    whole = np.where(seconds, stamps * PER_UNIT[_UNITS[0]], stamps).astype(np.int64)
    units = np.unique(np.digitize(np.abs(stamps), _LIMITS))
    result = whole.copy()
    result[~seconds] = as_micros(whole[~seconds])[0]
    return result, tuple(_UNITS[int(number)] for number in units)


def checked(symbols: Sequence[Symbol], rows: Rows, since_us: int, until_us: int, now_us: int) -> Fetched:
    """Bars of each symbol in order of time, of the rows that open in [`since_us`, `until_us`) and can be believed.

    Codes of the others: `NOT_FINITE`, `PRICE_NOT_POSITIVE`, `VOLUME_NEGATIVE`, `BAR_IMPOSSIBLE` (high below another
    price, or low above one), `FUTURE`, `OUTSIDE` (not of this piece), `OFF_GRID` (not on a whole minute). Of rows with
    the same symbol and minute the first is kept and the others are counted as duplicates.
    """
    rejected: list[Rejected] = []
    for code, broken, words in _faults(since_us, until_us, now_us):
        bad = broken(rows)
        if bad.any():
            rejected += _rejections(symbols, rows.at(bad), code, words)
            rows = rows.at(~bad)
    order = np.lexsort((np.arange(rows.opened.size), rows.opened, rows.code))
    rows = rows.at(order)
    again = np.zeros(rows.opened.size, bool)
    again[1:] = (np.diff(rows.code) == 0) & (np.diff(rows.opened) == 0)
    rows = rows.at(~again)
    ends = np.searchsorted(rows.code, np.arange(len(symbols) + 1))
    bars = tuple(
        _columns(symbol, rows, slice(int(ends[k]), int(ends[k + 1])))
        for k, symbol in enumerate(symbols)
        if ends[k + 1] > ends[k]
    )
    return Fetched(bars, tuple(rejected), int(again.sum()))


def noted(fetched: Fetched, *sentences: str) -> Fetched:
    """`fetched` with more to say about the piece as a whole."""
    return replace(fetched, note=" ".join(part for part in (fetched.note, *sentences) if part))


_Fault = tuple[str, Callable[[Rows], np.ndarray], str]


def _faults(since_us: int, until_us: int, now_us: int) -> tuple[_Fault, ...]:
    return (
        ("NOT_FINITE", lambda r: ~(np.isfinite(r.prices).all(axis=1) & np.isfinite(r.volume)), "is no number"),
        ("PRICE_NOT_POSITIVE", lambda r: (r.prices <= 0).any(axis=1), "has a price of 0 or less"),
        ("VOLUME_NEGATIVE", lambda r: r.volume < 0, "has a negative volume"),
        ("BAR_IMPOSSIBLE", _impossible, "has a high or a low that another of its prices passes"),
        ("FUTURE", lambda r: r.opened + MINUTE_US > now_us, "lies in the future"),
        ("OUTSIDE", lambda r: (r.opened < since_us) | (r.opened >= until_us), "lies outside what was asked for"),
        ("OFF_GRID", lambda r: r.opened % MINUTE_US != 0, "does not begin on a whole minute"),
    )


def _impossible(rows: Rows) -> np.ndarray:
    high, low = rows.prices[:, 1], rows.prices[:, 2]
    return np.asarray((high < rows.prices.max(axis=1)) | (low > rows.prices.min(axis=1)))


def _rejections(symbols: Sequence[Symbol], bad: Rows, code: str, words: str) -> list[Rejected]:
    found = []
    for k in np.unique(bad.code):
        mine = bad.code == k
        first = int(np.flatnonzero(mine)[0])
        prices = " / ".join(f"{price:g}" for price in bad.prices[first])
        example = f"the bar of {_written(int(bad.opened[first]))} ({prices}, volume {bad.volume[first]:g}) {words}"
        opened = tuple(bad.opened[mine].tolist())
        found.append(Rejected(symbols[int(k)], code, int(mine.sum()), f"{symbols[int(k)]}: {example}", opened))
    return found


def _written(us: int) -> str:
    try:
        return f"{instant(us):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return f"{us} µs"


def _columns(symbol: Symbol, rows: Rows, cut: slice) -> BarColumns:
    opened, high, low, close = (np.ascontiguousarray(rows.prices[cut, k]) for k in range(4))
    time, volume, vwap, trades = rows.opened[cut] + MINUTE_US, rows.volume[cut], rows.vwap[cut], rows.trades[cut]
    return BarColumns(symbol, MINUTE, time, opened, high, low, close, volume, vwap, trades)
