"""The bars of one backtest: chosen, cut to the dates, joined over files, and of one known interval."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.backtest.frames import BarsError, FileBars, read_bars, read_names, said
from engine.backtest.symbols import choose, from_universe
from engine.domain import Symbol, micros
from engine.market.names import split_joined
from engine.ports import BarColumns


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one symbol, oldest first. `time` is int64 microseconds UTC of the **open**, the rest float64."""

    symbol: Symbol
    interval: int  # microseconds
    time: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    trades: NDArray[np.float64] | None = None  # how many; NaN where the source does not say

    @property
    def prices(self) -> tuple[NDArray[np.float64], ...]:
        """Open, high, low, close, volume."""
        return self.open, self.high, self.low, self.close, self.volume

    def since(self, time: int) -> Series:
        """The bars that open at `time` (µs) or later."""
        return self.cut(int(np.searchsorted(self.time, time)), len(self))

    def cut(self, first: int, last: int) -> Series:
        """The bars from place `first` to `last`, exclusive."""
        names = ("time", "open", "high", "low", "close", "volume", "trades")
        columns = {name: column[first:last] for name in names if (column := getattr(self, name)) is not None}
        return replace(self, **columns)

    def as_columns(self) -> BarColumns:
        """The same bars, with the time of their close."""
        first, high, low, close, volume = self.prices
        step, time = timedelta(microseconds=self.interval), self.time + self.interval
        return BarColumns(self.symbol, step, time, first, high, low, close, volume, None, self.trades)

    def __len__(self) -> int:
        return len(self.time)


def read_market(
    paths: Sequence[Path],
    universe: Sequence[Symbol],
    asked: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Series]:
    """The bars of the `asked` symbols, else of the playbook's `universe`, else (empty) of all that the files have.

    `start` is the first bar's open at the earliest, `end` the last bar's open, exclusive. Raises `BarsError`.
    """
    if start is not None and end is not None and start >= end:
        raise BarsError(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}")
    names_by_path = {path: read_names(path) for path in dict.fromkeys(paths)}
    files = {name: split_joined(name) for names in names_by_path.values() for name in names}
    wanted = choose(asked, files) if asked else from_universe(universe, files) if universe else sorted(files)
    pieces = [
        piece
        for path, names in names_by_path.items()
        for piece in read_bars(path, [name for name in wanted if name in names])
    ]
    symbols = list(dict.fromkeys(files[name] for name in wanted))
    joined = [_join(symbol, [piece for piece in pieces if files[piece.name] == symbol]) for symbol in symbols]
    return [_cut(series, start, end) for series in joined]


def interval_of(series: Sequence[Series]) -> int:
    """The one interval of all bars, in microseconds. Raises `BarsError` when they differ."""
    found = {item.interval for item in series}
    if len(found) > 1:
        text = ", ".join(f"{item.symbol} {item.interval // 1_000_000} s" for item in series)
        raise BarsError(f"the bars are not of one length ({text}); backtest them one by one with --symbols")
    return found.pop()


def resample(series: Series, step: int) -> Series:
    """Bars of `step` microseconds from shorter ones; each begins at a whole multiple of `step`."""
    bucket = series.time // step
    first = np.concatenate(([0], np.flatnonzero(np.diff(bucket)) + 1))
    last = np.concatenate((first[1:], [len(bucket)])) - 1
    return Series(
        series.symbol,
        step,
        bucket[first] * step,
        series.open[first],
        np.maximum.reduceat(series.high, first),
        np.minimum.reduceat(series.low, first),
        series.close[last],
        np.add.reduceat(series.volume, first),
        None if series.trades is None else np.add.reduceat(series.trades, first),
    )


def _join(symbol: Symbol, pieces: list[FileBars]) -> Series:
    """One series from the pieces of several files, which must not overlap."""
    ordered = sorted((piece for piece in pieces if len(piece.time)), key=lambda piece: int(piece.time[0]))
    if not ordered:
        raise BarsError(f"the files hold no bars of {symbol}")
    for before, after in itertools.pairwise(ordered):
        if after.time[0] <= before.time[-1]:
            raise BarsError(
                f"{symbol} is in {before.path} (as {before.name}, until {said(before.time[-1])}) and in {after.path} "
                f"(as {after.name}, from {said(after.time[0])}): the bars overlap; give one of them"
            )
    time = np.concatenate([piece.time for piece in ordered])
    first, high, low, close, volume = (np.concatenate([piece.prices[i] for piece in ordered]) for i in range(5))
    counts = [piece.trades if piece.trades is not None else np.full(len(piece.time), np.nan) for piece in ordered]
    trades = np.concatenate(counts) if any(piece.trades is not None for piece in ordered) else None
    return Series(symbol, _interval(symbol, time), time, first, high, low, close, volume, trades)


def _interval(symbol: Symbol, time: NDArray[np.int64]) -> int:
    """The most common step between bars."""
    if len(time) < 2:
        raise BarsError(f"{symbol} has one bar only; a backtest needs at least two")
    steps, counts = np.unique(np.diff(time), return_counts=True)
    return int(steps[np.argmax(counts)])


def _cut(series: Series, start: datetime | None, end: datetime | None) -> Series:
    first = int(np.searchsorted(series.time, micros(start))) if start is not None else 0
    last = int(np.searchsorted(series.time, micros(end))) if end is not None else len(series)
    if first >= last:
        raise BarsError(
            f"no bar of {series.symbol} lies in the dates asked for; "
            f"the files have {said(series.time[0])} to {said(series.time[-1])}"
        )
    return series.cut(first, last)
