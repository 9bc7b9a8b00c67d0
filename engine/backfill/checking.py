"""What a source gave, looked at row by row before it is kept: nothing is mended, what is not taken is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from engine.domain import instant, micros
from engine.ports import BarColumns, Rejected

PRICES = ("open", "high", "low", "close")
COLUMNS = ("time", *PRICES, "volume", "vwap", "trades")


@dataclass(frozen=True, slots=True)
class Checked:
    """Bars that may be kept, in order of time, each once; and what was left out. `outside`: other pieces' bars."""

    bars: BarColumns
    rejected: tuple[Rejected, ...] = ()
    duplicates: int = 0
    outside: int = 0


@dataclass(slots=True)
class Sieve:
    """Rows that are still good, and what the others were turned away for."""

    bars: BarColumns
    good: np.ndarray
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, code: str, wrong: np.ndarray, why: str) -> None:
        """Turn away the rows of `wrong` that nothing else was said of."""
        rows = np.flatnonzero(wrong & self.good)
        if rows.size:
            self.good[rows] = False
            opened = tuple((self.bars.time[rows] - _step(self.bars)).tolist())
            sentence = self._sentence(int(rows[0]), why)
            self.rejected.append(Rejected(self.bars.symbol, code, int(rows.size), sentence, opened))

    def _sentence(self, row: int, why: str) -> str:
        bars = self.bars
        opened = instant(int(bars.time[row])) - bars.interval
        prices = " ".join(f"{getattr(bars, name)[row]:g}" for name in (*PRICES, "volume"))
        return f"{bars.symbol} {opened:%Y-%m-%d %H:%M} UTC: {why} ({prices})"


def checked(bars: BarColumns, since: datetime, until: datetime, closed_by: datetime) -> Checked:
    """The bars of one piece that opened in [`since`, `until`) and had closed by `closed_by`.

    Of two bars for one time the later one of the answer stands; an equal one is a duplicate, another one a conflict.
    """
    sieve = Sieve(bars, np.ones(len(bars.time), bool))
    for code, wrong, why in _faults(bars, micros(closed_by)):
        sieve.reject(code, wrong, why)
    opened = bars.time - _step(bars)
    outside = sieve.good & ((opened < micros(since)) | (opened >= micros(until)))
    sieve.good &= ~outside
    duplicates = _doubles(sieve)
    rows = np.flatnonzero(sieve.good)
    order = rows[np.argsort(bars.time[rows], kind="stable")]
    return Checked(taken(bars, order), tuple(sieve.rejected), duplicates, int(outside.sum()))


def taken(bars: BarColumns, rows: np.ndarray) -> BarColumns:
    """The bars of some rows."""
    columns: Mapping[str, np.ndarray | None] = {
        name: None if (column := getattr(bars, name)) is None else column[rows] for name in COLUMNS
    }
    return BarColumns(symbol=bars.symbol, interval=bars.interval, **columns)  # type: ignore[arg-type]


def _step(bars: BarColumns) -> int:
    return round(bars.interval.total_seconds() * 1_000_000)


def _faults(bars: BarColumns, closed_by: int) -> Iterator[tuple[str, np.ndarray, str]]:
    """Code, rows and words of every fault that a row can have by itself."""
    prices = np.stack([getattr(bars, name) for name in PRICES])
    first, high, low, close = prices
    finite: np.ndarray = np.isfinite(prices).all(axis=0) & np.isfinite(bars.volume)
    yield "NOT_FINITE", ~finite, "a value is no number"
    yield "NOT_POSITIVE", np.asarray((prices <= 0).any(axis=0)), "a price is not above 0"
    yield "NEGATIVE_VOLUME", bars.volume < 0, "the volume is below 0"
    inside: np.ndarray = (high >= np.maximum(first, close)) & (low <= np.minimum(first, close))
    yield "INCONSISTENT", ~inside, "open or close lies outside low and high"
    if bars.trades is not None:
        counted: np.ndarray = np.isnan(bars.trades) | ((bars.trades >= 0) & (bars.trades % 1 == 0))
        yield "BAD_COUNT", ~counted, "the number of trades is no whole number"
    yield "FUTURE", bars.time > closed_by, "the bar had not closed when it was fetched"
    yield "OFF_GRID", bars.time % _step(bars) != 0, "the time is not on the interval's grid"


def _doubles(sieve: Sieve) -> int:
    """Leave one bar for each time; returns how many equal ones went."""
    bars, rows = sieve.bars, np.flatnonzero(sieve.good)
    order = rows[np.argsort(bars.time[rows], kind="stable")]
    older, newer = order[:-1], order[1:]
    double = bars.time[older] == bars.time[newer]
    if not double.any():
        return 0
    older, newer = older[double], newer[double]
    same = np.all([getattr(bars, name)[older] == getattr(bars, name)[newer] for name in (*PRICES, "volume")], axis=0)
    sieve.good[older[same]] = False
    conflicts = np.zeros(len(sieve.good), bool)
    conflicts[older[~same]] = True
    sieve.reject("CONFLICT", conflicts, "another bar for the same time came later in the answer and stands")
    return int(same.sum())
