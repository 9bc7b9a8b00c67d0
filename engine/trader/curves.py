"""Curves that stay small for ever: every minute of the last days, then what each hour, then each day, says.

What is kept of a stretch is enough for every figure that is read from a whole one: its last point (returns at whole
hours and days), its lowest and highest, and both ends of its deepest fall. So the deepest fall of a thinned curve is
that of the full one. Only windows that begin within an old stretch begin at that stretch's last known point.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from engine.domain import EquityPoint

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MINUTES_FOR = 8 * DAY
HOURS_FOR = 365 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def grown(points: list[EquityPoint], new: EquityPoint) -> list[EquityPoint]:
    """`points` with `new`: the same list, or a thinned one when a UTC day begins.

    A list is only ever lengthened, so what somebody still reads of it stays as it was.
    """
    if points and _stretch(points[-1].at, DAY) != _stretch(new.at, DAY):
        points = thinned(points, points[-1].at, new.at)
    points.append(new)
    return points


def thinned(points: Sequence[EquityPoint], then: datetime, now: datetime) -> list[EquityPoint]:
    """A new list, thin where it became old between `then`, when it was thinned last, and `now`."""
    was_daily, daily = _count(points, then - HOURS_FOR), _count(points, now - HOURS_FOR)
    was_hourly, hourly = max(daily, _count(points, then - MINUTES_FOR)), _count(points, now - MINUTES_FOR)
    return [
        *points[:was_daily],
        *_each(points[was_daily:daily], DAY),
        *points[daily:was_hourly],
        *_each(points[was_hourly:hourly], HOUR),
        *points[hourly:],
    ]


def _count(points: Sequence[EquityPoint], at: datetime) -> int:
    """How many points lie in the days that were over at `at`, the very first always: it is where all began."""
    midnight = _EPOCH + (_stretch(at, DAY) - 1) * DAY  # the one before, where `at` is one
    return max(1, bisect_right(points, midnight, key=lambda point: point.at))


def _each(points: Sequence[EquityPoint], step: timedelta) -> Iterable[EquityPoint]:
    for _, stretch in groupby(points, key=lambda point: _stretch(point.at, step)):
        yield from _told(list(stretch))


def _stretch(at: datetime, step: timedelta) -> int:
    """Which stretch an instant ends or lies in: the whole hour belongs to the hour that it ends."""
    return -((_EPOCH - at) // step)


def _told(points: Sequence[EquityPoint]) -> list[EquityPoint]:
    """The lowest, the highest and the last point, and both ends of the deepest fall, in order and each once."""
    top = peak = trough = 0
    for index, point in enumerate(points):
        if point.equity > points[top].equity:
            top = index
        if _fall(points[top], point) > _fall(points[peak], points[trough]):
            peak, trough = top, index
    order = range(len(points))
    lowest = min(order, key=lambda index: points[index].equity)
    return [points[index] for index in sorted({lowest, top, peak, trough, len(points) - 1})]


def _fall(peak: EquityPoint, point: EquityPoint) -> float:
    return 1 - point.equity / peak.equity if peak.equity > 0 else 0.0
