"""Where one column crosses another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.core.jit import compiled


@compiled
def mark_crossings(a: NDArray[np.float64], b: NDArray[np.float64], upward: bool, flags: NDArray[np.bool_]) -> None:
    """True where the order of `a` and `b` changed since the bar before; a NaN on either bar is no order at all."""
    above = below = False
    for i in range(a.size):
        was_above, was_below = above, below
        above, below = a[i] > b[i], a[i] <= b[i]
        flags[i] = (was_below and above) if upward else (was_above and below)
