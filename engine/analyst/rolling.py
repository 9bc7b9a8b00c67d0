"""Longer bars from one-minute bars, one minute at a time."""

from __future__ import annotations

from typing import TypeAlias

Row: TypeAlias = tuple[float, float, float, float, float, float]
"""Open, high, low, close, volume, number of trades (NaN where it is not known)."""
Closed: TypeAlias = tuple[int, Row]
"""A bar with the end of its interval, in microseconds."""


class RollingBar:
    """Builds bars of `step` microseconds. A bar holds the minutes that close after its start and until its end."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._end = 0
        self._row: Row | None = None

    def add(self, at: int, row: Row) -> list[Closed]:
        """Take the minute that closed at `at`; return the bars that are complete now, oldest first."""
        end = -(-at // self._step) * self._step
        closed = [] if end == self._end else self.flush(at)
        self._end = end
        self._row = row if self._row is None else _joined(self._row, row)
        return closed + (self.flush(at) if at == end else [])

    def flush(self, at: int) -> list[Closed]:
        """The bar being built, when its end has come by `at`."""
        if self._row is None or self._end > at:
            return []
        row, self._row = self._row, None
        return [(self._end, row)]


def _joined(a: Row, b: Row) -> Row:
    return a[0], max(a[1], b[1]), min(a[2], b[2]), b[3], a[4] + b[4], a[5] + b[5]
