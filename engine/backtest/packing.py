"""Columns of single coins into the one time-major array that the compiled loop reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.core.jit import compiled

Column = NDArray[np.float64]


@compiled
def place(
    bars: Column,
    rows: NDArray[np.int64],
    symbol: int,
    o: Column,
    h: Column,
    low: Column,
    c: Column,
    v: Column,
) -> None:
    """Write one coin into `bars` [T, 5, S]: its i-th bar goes to row `rows[i]`."""
    for i in range(o.size):
        row = rows[i]
        bars[row, 0, symbol] = o[i]
        bars[row, 1, symbol] = h[i]
        bars[row, 2, symbol] = low[i]
        bars[row, 3, symbol] = c[i]
        bars[row, 4, symbol] = v[i]


@compiled
def place_all(bars: Column, o: Column, h: Column, low: Column, c: Column, v: Column) -> None:
    """Write the only coin into `bars` [T, 5, 1], bar by bar."""
    for i in range(o.size):
        bars[i, 0, 0] = o[i]
        bars[i, 1, 0] = h[i]
        bars[i, 2, 0] = low[i]
        bars[i, 3, 0] = c[i]
        bars[i, 4, 0] = v[i]
