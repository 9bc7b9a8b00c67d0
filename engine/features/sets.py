"""Sets of features: one table of what the numbers mean, one compiled recursion that makes them.

History and the live desk call the same function, so that from the same first bar both see the same bits; and since a
row is missing until where history began no longer matters, both see the same numbers from any first bar (to 1e-9).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.state import Plain
from engine.features.bar import PAST, STILL
from engine.features.windows import slide
from engine.ports import BarColumns

Matrix = NDArray[np.float64]

SPANS_TO_FORGET = 12  # an average has forgotten what came so many spans before to e⁻²⁴
BUILT_IN = ("core6", "trend52")
COUNTED = 0.95  # the share of bars with trade counts from which on a source counts as having them
_MICROSECOND = timedelta(microseconds=1)


def recursive(*spans: int) -> int:
    """Bars until exponential averages, one over the other, have forgotten where they began."""
    return SPANS_TO_FORGET * sum(spans)


def wilder(*lengths: int) -> int:
    """The same for Wilder's averages: length n is a span of 2n − 1."""
    return recursive(*(2 * length - 1 for length in lengths))


def fading(length: int) -> int:
    """The same for a ratio of two averages of Wilder's: a price that stands still keeps them from forgetting."""
    return wilder(length) + STILL + 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One feature of a set. `warm_up`: the first bar, counted from 1, whose value does not depend (to 1e-9) on where
    history began. `over`: a time that must be a whole number of bars, at most 63, for the feature to exist."""

    name: str
    formula: str
    unit: str
    warm_up: int
    needs_trades: bool = False
    over: timedelta | None = None

    def exists(self, interval: timedelta, has_trades: bool) -> bool:
        if self.needs_trades and not has_trades:
            return False
        return self.over is None or (not self.over % interval and 1 <= self.over // interval < PAST)


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """An ordered table and the recursion behind it.

    `advance(time, open, high, low, close, volume, trades, take, box, step, out)` writes a row per bar; `carry` is its
    record, and `prepare(carries, interval)` writes into fresh ones what the recursion needs to know. `take` holds the
    places of `entries` in the row of the whole set (empty: all of them, in order).
    """

    name: str
    entries: tuple[Entry, ...]
    advance: Callable[..., None]
    carry: np.dtype
    prepare: Callable[[np.ndarray, int], None]
    take: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries)

    @property
    def warm_up(self) -> int:
        """Bars until a row is known."""
        return max(entry.warm_up for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def for_source(self, interval: timedelta, has_trades: bool) -> FeatureSet:
        """The set as a source with such bars can serve it: what it cannot know is left out, and the name says so.

        `trend52` without trade counts is `trend51`; `core6` on hourly bars has no five-minute return and is `core5`.
        """
        kept = [i for i, entry in enumerate(self.entries) if entry.exists(interval, has_trades)]
        if len(kept) == len(self.entries):
            return self
        places = self._places()
        return replace(
            self,
            name=f"{self.name.rstrip('0123456789')}{len(kept)}",
            entries=tuple(self.entries[i] for i in kept),
            take=tuple(int(places[i]) for i in kept),
        )

    def serving(self, names: Sequence[str], interval: timedelta) -> FeatureSet | None:
        """The set with exactly these features, with trade counts or without; None where bars cannot give them."""
        made = (self.for_source(interval, has_trades) for has_trades in (True, False))
        return next((one for one in made if one.names == tuple(names)), None)

    def for_bars(self, bars: Sequence[BarColumns]) -> FeatureSet:
        """`for_source` by what is there: bars of one interval, with trade counts when each coin has nearly all.

        A column of counts that are not known would leave no row known. Raises `ValueError` for several intervals.
        """
        intervals = {one.interval for one in bars}
        if len(intervals) != 1:
            raise ValueError(f"{self.name}: bars of {len(intervals)} intervals; give bars of one")
        return self.for_source(intervals.pop(), all(counted(one) for one in bars))

    def batch(self, bars: BarColumns, out: Matrix | None = None) -> Matrix:
        """The rows of `bars`: float64 [T, n], a row per bar, NaN where nothing is known. `out` is memory for them.

        Raises `ValueError` for a set that these bars cannot serve (see `for_source`).
        """
        rows = np.empty((len(bars.time), len(self.entries))) if out is None else out
        trades = np.full(len(bars.time), np.nan) if bars.trades is None else bars.trades
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, trades)
        self.move(bars.time, columns, self.fresh(1, bars.interval), rows)
        return rows

    def move(
        self, time: NDArray[np.int64], columns: Sequence[NDArray[np.float64]], carries: np.ndarray, rows: Matrix
    ) -> None:
        """Advance `carries` and write `rows`: one carry takes all bars, else each carry takes one.

        `time` is int64 µs of the closes, `columns` are open, high, low, close, volume and trades (NaN: not known).
        A bar whose price is NaN is no bar: its row is NaN and its carry stays. Raises `ValueError` for lengths that
        do not fit.
        """
        bars = [np.ascontiguousarray(time, np.int64), *(np.ascontiguousarray(one, np.float64) for one in columns)]
        if len({len(rows), *(len(one) for one in bars)}) > 1 or len(carries) not in (1, len(rows)):
            sizes = ", ".join(str(len(one)) for one in bars)
            raise ValueError(f"{self.name}: columns of {sizes} bars, {len(rows)} rows, {len(carries)} carries")
        self.advance(*bars, self._places(), _callable(carries), 0 if len(carries) == 1 else 1, rows)

    def fresh(self, coins: int, interval: timedelta) -> np.ndarray:
        """Carries before the first bar, one per coin. Raises `ValueError` for an interval that the set cannot serve."""
        unknown = [entry.name for entry in self.entries if not entry.exists(interval, has_trades=True)]
        if unknown:
            raise ValueError(f"{self.name} on bars of {interval}: no {', '.join(unknown)}; use for_source")
        carries = np.zeros(coins, self.carry)
        carries["bar"]["interval"] = interval // _MICROSECOND
        carries["bar"]["warm_up"] = self.warm_up
        self.prepare(carries, interval // _MICROSECOND)
        return carries

    def _places(self) -> NDArray[np.int64]:
        return np.array(self.take or range(len(self.entries)), np.int64)


def known(rows: Matrix) -> NDArray[np.bool_]:
    """Which rows have every number; only these may be learnt from or predicted on."""
    flags: NDArray[np.bool_] = np.isfinite(rows @ np.ones(rows.shape[1]))
    return flags


def counted(bars: BarColumns) -> bool:
    """Whether nearly all bars say how many trades they had."""
    return bars.trades is not None and int(np.isfinite(bars.trades).sum()) >= COUNTED * len(bars.trades)


def find_set(name: str) -> FeatureSet:
    """The built-in set `name`. Raises `KeyError` with the names that exist."""
    if name not in BUILT_IN:
        raise KeyError(f"there is no feature set {name!r}; built in: {', '.join(BUILT_IN)}")
    found: FeatureSet = getattr(importlib.import_module(f"engine.features.{name}"), name)
    return found


def _callable(carries: np.ndarray) -> Any:
    """What the recursion takes as `box`: the array, or plain views of its records without the compiler."""
    return carries if hasattr(slide, "py_func") else [Plain(record) for record in carries]
