"""Markets for the tests of features: seeded walks with wicks, flats, quiet bars, holes and bars that are none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from engine.ports import BarColumns

MINUTE = timedelta(minutes=1)
START = 1_704_067_260_000_000  # the close of the first minute of 2024


def market(bars: int, seed: int, price: float = 100.0, interval: timedelta = MINUTE) -> BarColumns:
    """A random walk whose volumes and trade counts follow its moves."""
    draw = np.random.default_rng(seed)
    moves = draw.standard_t(4, bars) * 0.001
    close = price * np.exp(np.cumsum(moves))
    before = np.concatenate(([price], close[:-1]))
    open_ = before * (1.0 + draw.normal(0.0, 1e-4, bars))
    high = np.maximum(open_, close) * (1.0 + draw.exponential(3e-4, bars))
    low = np.minimum(open_, close) * (1.0 - draw.exponential(3e-4, bars))
    time = START + np.arange(bars, dtype=np.int64) * (interval // timedelta(microseconds=1))
    trades = draw.poisson(5.0 + 2e4 * np.abs(moves)).astype(np.float64)
    return BarColumns(
        "A/USD", interval, time, open_, high, low, close, trades * draw.lognormal(0, 1, bars), None, trades
    )


def flattened(bars: BarColumns, first: int, end: int) -> BarColumns:
    """Quiet bars from row `first` to `end`: the last close, no volume, no trade."""
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume", "trades")}
    for name in ("open", "high", "low", "close"):
        columns[name][first:end] = bars.close[first - 1]
    columns["volume"][first:end] = columns["trades"][first:end] = 0.0
    return replace(bars, **columns)


def without(bars: BarColumns, rows: np.ndarray) -> BarColumns:
    """The same bars with some rows missing."""
    names = ("time", "open", "high", "low", "close", "volume", "trades")
    return replace(bars, **{name: np.delete(getattr(bars, name), rows) for name in names})


def rough(bars: int, seed: int) -> BarColumns:
    """A walk with quiet stretches, a constant price that trades, single missing bars, and a longer hole."""
    draw = np.random.default_rng(seed)
    made = market(bars, seed, price=float(10 ** draw.uniform(-5, 5)))
    for _ in range(3):
        first = int(draw.integers(1, bars - 1))
        made = flattened(made, first, min(bars, first + int(draw.integers(1, 90))))
    hole = int(draw.integers(0, bars - 30))
    gone = np.unique(
        np.concatenate((draw.integers(0, bars, bars // 100), np.arange(hole, hole + draw.integers(0, 30))))
    )
    return without(made, gone)


def part(bars: BarColumns, first: int, end: int | None = None) -> BarColumns:
    names = ("time", "open", "high", "low", "close", "volume", "trades")
    return replace(bars, **{name: getattr(bars, name)[first:end] for name in names})
