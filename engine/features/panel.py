"""The live side of a set: one carry per coin, and the rows of all coins at one minute in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.domain import Symbol
from engine.features.sets import FeatureSet, Matrix, known
from engine.ports import BarColumns

ClosedBar: TypeAlias = tuple[int, Sequence[float]]
"""Close in µs, and open, high, low, close, volume and the number of trades (NaN, or left out, where not known)."""

_FIELDS = 6


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """The rows of one instant: `values` is float64 [coin, feature], coins as in `symbols`, columns as in `names`.

    A coin of which no bar closed at `at` (µs), or whose row misses a number, is not `known` and not predicted on.
    """

    at: int
    symbols: tuple[Symbol, ...]
    names: tuple[str, ...]
    values: Matrix
    known: NDArray[np.bool_]


class Panel:
    """Advances one set for many coins. Pure and synchronous; compiles on the first bar."""

    def __init__(self, features: FeatureSet, interval: timedelta, symbols: Sequence[Symbol] = ()) -> None:
        """Raises `ValueError` for an interval that the set cannot serve."""
        self.features = features
        self._interval = interval
        self._places: dict[Symbol, int] = {}
        self._carries = features.fresh(0, interval)
        self._add(symbols)

    def warm(self, bars: BarColumns) -> None:
        """Advance one coin over history: bars of the panel's interval, oldest first, after those it has seen."""
        self._add((bars.symbol,))
        place = self._places[bars.symbol]
        rows = np.empty((len(bars.time), len(self.features)))
        trades = np.full(len(bars.time), np.nan) if bars.trades is None else bars.trades
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, trades)
        self.features.move(bars.time, columns, self._carries[place : place + 1], rows)

    def advance(self, at: int, closed: Mapping[Symbol, Sequence[ClosedBar]]) -> FeatureRows:
        """Take the bars that each coin closed since the last call, oldest first; the rows of those that close `at`."""
        self._add(tuple(closed))
        rows = np.full((len(self._places), len(self.features)), np.nan)
        for turn in range(max(map(len, closed.values()), default=0)):
            self._turn({symbol: bars[turn] for symbol, bars in closed.items() if turn < len(bars)}, at, rows)
        return FeatureRows(at, tuple(self._places), self.features.names, rows, known(rows))

    def _turn(self, bars: Mapping[Symbol, ClosedBar], at: int, rows: Matrix) -> None:
        """One bar of each coin in one call; coins without one are given none, which changes nothing."""
        coins = len(self._places)
        time, columns = np.zeros(coins, np.int64), np.full((_FIELDS, coins), np.nan)
        for symbol, (close, prices) in bars.items():
            place = self._places[symbol]
            time[place], columns[: len(prices), place] = close, prices
        answer = np.empty_like(rows)
        self.features.move(time, list(columns), self._carries, answer)
        now = time == at
        rows[now] = answer[now]

    def _add(self, symbols: Sequence[Symbol]) -> None:
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._places]
        if new:
            carries = self.features.fresh(len(self._places) + len(new), self._interval)
            carries[: len(self._places)] = self._carries  # concatenate would part the names that share memory
            self._carries = carries
            self._places |= {symbol: len(self._places) + number for number, symbol in enumerate(new)}
