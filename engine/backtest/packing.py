"""Columns of single coins into the one array that the compiled loop reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.core.jit import compiled

Column = NDArray[np.float64]


@compiled
def place(
    fields: Column,
    rows: NDArray[np.int64],
    symbol: int,
    o: Column,
    h: Column,
    low: Column,
    c: Column,
    v: Column,
) -> None:
    """Write one coin into `fields` [5, T, S]: its i-th bar goes to row `rows[i]`."""
    for i in range(o.size):
        row = rows[i]
        fields[0, row, symbol] = o[i]
        fields[1, row, symbol] = h[i]
        fields[2, row, symbol] = low[i]
        fields[3, row, symbol] = c[i]
        fields[4, row, symbol] = v[i]
