"""Minutes in which nothing was traded, as the live desk sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from engine.ports import BarColumns


def with_quiet_bars(bars: BarColumns, quiet: Sequence[tuple[int, int]]) -> BarColumns:
    """The bars with a flat one (last close, no volume, no trade) for each that is absent from a quiet stretch.

    Many sources leave out a minute without trades; live it is a bar, and features must be learnt from what they will
    see. `quiet` are the stretches that are known to be so: (first open, last close) in µs UTC. A stretch that does not
    follow a bar without a break is left out: what was traded in between is not known.
    """
    step = bars.interval // timedelta(microseconds=1)
    stretches = [np.arange(first + step, end + 1, step, dtype=np.int64) for first, end in quiet]
    closes = np.unique(np.concatenate([bars.time, *stretches]))
    last = np.searchsorted(bars.time, closes, "right") - 1
    closes, last = closes[last >= 0], last[last >= 0]
    places = np.searchsorted(closes, bars.time)
    unbroken = (np.arange(len(closes)) - places[last]) * step == closes - bars.time[last]
    closes, last = closes[unbroken], last[unbroken]
    new = closes != bars.time[last]

    def column(known: np.ndarray, of_quiet: np.ndarray | float) -> np.ndarray:
        return np.where(new, of_quiet, known[last])

    before = bars.close[last]
    return replace(
        bars,
        time=closes,
        open=column(bars.open, before),
        high=column(bars.high, before),
        low=column(bars.low, before),
        close=before,
        volume=column(bars.volume, 0.0),
        vwap=None if bars.vwap is None else column(bars.vwap, np.nan),
        trades=None if bars.trades is None else column(bars.trades, 0.0),
    )
