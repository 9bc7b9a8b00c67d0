"""Support and resistance: swing lows and highs, known only after they are confirmed.

A **swing low** is a bar whose low is below the lows of the `SIDE` bars before it and not above the lows of the `SIDE`
bars after it; so it is known `SIDE` bars late. It stays a level for `KEPT` bars from its own, or until a close falls
below it by more than `TOLERANCE`; then it is gone for good. **Support** is the highest level left; without one it is
the lowest low of the last `KEPT` bars. Resistance is the same of the highs, upside down: minus the high is a low.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from engine.core.jit import part
from engine.core.state import Floats, Ints
from engine.features.extremes import Extremes, highest

SIDE = 5
KEPT = 240
TOLERANCE = 0.001
SUPPORT_WARM_UP = KEPT + 2 * SIDE + 1  # bars: the oldest level that may stand, and those that make it one
_RECENT = 16  # a power of two above 2 * SIDE + 1
_WIDEST = 2  # the place of KEPT among the windows of `extremes`
_ROOM = 48  # swings are more than SIDE bars apart, so fewer fit into KEPT bars

LEVELS = np.dtype(
    [
        ("recent", np.float64, (_RECENT,)),
        ("price", np.float64, (_ROOM,)),
        ("born", np.int64, (_ROOM,)),
        ("count", np.int64),
        ("oldest", np.int64),
    ]
)


class Levels(Protocol):
    """`price` rises; `born` is each level's bar, `oldest` the earliest of them. `recent` is a ring of lows."""

    recent: Floats
    price: Floats
    born: Ints
    count: int
    oldest: int


@part
def _is_swing(levels: Levels, middle: int) -> bool:
    low = levels.recent[middle & (_RECENT - 1)]
    for step in range(1, SIDE + 1):
        before = levels.recent[(middle - step) & (_RECENT - 1)]
        after = levels.recent[(middle + step) & (_RECENT - 1)]
        if before <= low or after < low:
            return False
    return True


@part
def mark_swing(levels: Levels, low: float, now: int) -> None:
    """Take the low of bar `now` (bars count from 0); bar `now` − SIDE may turn out to be a swing."""
    levels.recent[now & (_RECENT - 1)] = low
    middle = now - SIDE
    if middle < SIDE or not _is_swing(levels, middle):
        return
    price, place = levels.recent[middle & (_RECENT - 1)], levels.count
    while place > 0 and levels.price[place - 1] > price:
        levels.price[place], levels.born[place] = levels.price[place - 1], levels.born[place - 1]
        place -= 1
    levels.price[place], levels.born[place] = price, middle
    levels.oldest = middle if levels.count == 0 else levels.oldest
    levels.count += 1


@part
def _expire(levels: Levels, first: int) -> None:
    """Drop the levels born before bar `first`."""
    kept = 0
    oldest = np.iinfo(np.int64).max
    for i in range(levels.count):
        if levels.born[i] >= first:
            levels.price[kept], levels.born[kept] = levels.price[i], levels.born[i]
            oldest = min(oldest, levels.born[i])
            kept += 1
    levels.count, levels.oldest = kept, oldest


@part
def nearest(levels: Levels, close: float, slack: float, now: int) -> float:
    """The highest level that `close` leaves standing, NaN without one; `slack` is what a level is multiplied by."""
    count = levels.count
    while count > 0 and levels.price[count - 1] * slack > close:
        count -= 1
    levels.count = count
    if count > 0 and levels.oldest <= now - KEPT:
        _expire(levels, now - KEPT + 1)
    return levels.price[levels.count - 1] if levels.count > 0 else math.nan


@part
def support_of(levels: Levels, lows: Extremes, close: float, now: int) -> float:
    """Support after bar `now`; `lows` holds minus the lows, its widest window is `KEPT` bars."""
    lowest = -highest(lows, _WIDEST, now - KEPT + 1)
    support = nearest(levels, close, 1.0 - TOLERANCE, now)
    return lowest if math.isnan(support) else support


@part
def forget(levels: Levels) -> None:
    """Drop every level."""
    levels.count = 0
