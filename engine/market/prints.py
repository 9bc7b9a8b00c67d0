"""Trades as columns, and the bars that they make: what a live minute would have been, from history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from engine.domain import Symbol
from engine.ports import BarColumns


@dataclass(frozen=True, slots=True)
class Prints:
    """Trades of one symbol: `time` int64 µs, `id` int64 (−1: not numbered), price and quantity float64."""

    time: np.ndarray
    id: np.ndarray
    price: np.ndarray
    quantity: np.ndarray

    def at(self, rows: np.ndarray) -> Prints:
        """The trades of a mask or an index."""
        return Prints(self.time[rows], self.id[rows], self.price[rows], self.quantity[rows])


def joined(parts: Sequence[Prints]) -> Prints:
    """All trades of overlapping answers in order of time and number, each numbered one once."""
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in Prints.__slots__)
    whole = Prints(*columns)
    whole = whole.at(np.lexsort((whole.id, whole.time)))
    again = np.zeros(whole.id.size, bool)
    numbered = np.flatnonzero(whole.id >= 0)
    _, first = np.unique(whole.id[numbered], return_index=True)
    again[numbered] = True
    again[numbered[first]] = False
    return whole.at(~again)


def bars_of(symbol: Symbol, prints: Prints, interval: timedelta) -> BarColumns:
    """Bars of trades in order of time; an interval without a trade has none.

    `vwap` is Σ price × quantity ÷ Σ quantity, held within low and high against rounding; NaN without quantity.
    """
    width = interval // timedelta(microseconds=1)
    bucket = prints.time // width
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]]) if bucket.size else np.empty(0, np.int64)
    count = np.diff(np.r_[first, bucket.size])
    if not first.size:
        none = np.empty(0)
        return BarColumns(symbol, interval, np.empty(0, np.int64), *[none] * 7)
    high, low = np.maximum.reduceat(prints.price, first), np.minimum.reduceat(prints.price, first)
    volume = np.add.reduceat(prints.quantity, first)
    worth = np.add.reduceat(prints.price * prints.quantity, first)
    vwap = np.divide(worth, volume, out=np.full(volume.size, np.nan), where=volume > 0)
    return BarColumns(
        symbol=symbol,
        interval=interval,
        time=(bucket[first] + 1) * width,
        open=prints.price[first],
        high=high,
        low=low,
        close=prints.price[first + count - 1],
        volume=volume,
        vwap=np.clip(vwap, low, high),
        trades=count.astype(np.float64),
    )
