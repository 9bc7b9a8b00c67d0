"""Cutting a range of time into spans that are the same whatever range they are cut from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from engine.domain import instant, micros


def spans(since: datetime, until: datetime, width: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """[from, to) pieces of [`since`, `until`) that end on whole multiples of `width` since the epoch."""
    step = width // timedelta(microseconds=1)
    begin, end = micros(since), micros(until)
    while begin < end:
        stop = min(end, (begin // step + 1) * step)
        yield instant(begin), instant(stop)
        begin = stop


def written(since: datetime, until: datetime) -> str:
    """A span as part of a piece's key."""
    return f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}"
