"""Rolling sums, means and deviations in one step per bar.

A running sum drifts: what was added in one rounding is taken away in another. So every sum is made anew from its ring
each time the ring has gone round, when it has become small beside what it was since, and when the deviation is small
beside the distance from its anchor. That keeps any year of bars within 1e-9 of sums made afresh, and gives a window
of equal values a deviation of exactly 0.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engine.core.jit import part
from engine.core.state import Floats

WIDEST = 240
SMALL = 1e-4  # of its peak, or of the square about the anchor: digits lost are then four of sixteen

SUM = np.dtype(
    [
        ("ring", np.float64, (WIDEST,)),
        ("total", np.float64),
        ("peak", np.float64),
        ("width", np.int64),
        ("at", np.int64),
    ]
)
SPREAD = np.dtype(
    [
        ("ring", np.float64, (WIDEST,)),
        *((name, np.float64) for name in ("total", "square", "peak", "anchor", "variance", "share")),
        ("width", np.int64),
        ("at", np.int64),
    ]
)


class Sum(Protocol):
    """The last `width` values and their `total`, once so many have come; `peak` is its largest since it was made."""

    ring: Floats
    total: float
    peak: float
    width: int
    at: int


class Spread(Protocol):
    """The last `width` values and their population `variance`; sums are about `anchor`. `share` is 1 / width."""

    ring: Floats
    total: float
    square: float
    peak: float
    anchor: float
    variance: float
    share: float
    width: int
    at: int


@part
def _add_up(window: Sum) -> None:
    total = 0.0
    for i in range(window.width):
        total += window.ring[i]
    window.total, window.peak = total, abs(total)


@part
def slide(window: Sum, value: float) -> float:
    """Take one value, let the oldest go; the total of the last `width`."""
    at = window.at
    total = window.total + (value - window.ring[at])
    window.ring[at], window.total = value, total
    window.peak = max(window.peak, abs(total))
    at += 1
    window.at = at if at < window.width else 0
    if at == window.width or abs(total) < SMALL * window.peak:
        _add_up(window)
    return window.total


@part
def _anchor(window: Spread) -> None:
    """Sums about the smallest value: exact for equal values, and never far off beside the deviation."""
    anchor = window.ring[0]
    for i in range(window.width):
        anchor = min(anchor, window.ring[i])
    total = square = 0.0
    for i in range(window.width):
        away = window.ring[i] - anchor
        total += away
        square += away * away
    mean = total * window.share
    window.anchor, window.total, window.square, window.peak = anchor, total, square, square
    window.variance = max(square * window.share - mean * mean, 0.0)


@part
def slide_spread(window: Spread, value: float) -> float:
    """Take one value, let the oldest go; the mean of the last `width`. `variance` is kept beside it."""
    at = window.at
    come, gone = value - window.anchor, window.ring[at] - window.anchor
    window.ring[at] = value
    total = window.total + (come - gone)
    square = window.square + (come - gone) * (come + gone)
    at += 1
    window.at = at if at < window.width else 0
    mean = total * window.share
    variance = square * window.share - mean * mean
    window.total, window.square, window.variance = total, square, variance
    window.peak = max(window.peak, square)
    if at == window.width or square < SMALL * window.peak or variance < SMALL * window.share * square:
        _anchor(window)
    return window.anchor + window.total * window.share


@part
def restart(window: Sum) -> None:
    """Begin anew. The ring may keep what it held: once it has gone round, none of that is left."""
    window.at, window.total, window.peak = 0, 0.0, 0.0


@part
def restart_spread(window: Spread) -> None:
    """The same of a window with its deviation."""
    window.at, window.total, window.square, window.peak = 0, 0.0, 0.0, 0.0
    window.anchor, window.variance = 0.0, 0.0
