"""Closed minutes whose bars may be wrong, each said once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.domain import Symbol
from engine.messages import Suspected

REMEMBERED = timedelta(hours=1)


def keep_quiet(_: Suspected) -> None:
    """What becomes of suspicions where nobody heals."""


class Suspicions:
    """Tells `on_suspect` of a stretch of one symbol, and never again of the same one."""

    def __init__(self, feed: str, on_suspect: Callable[[Suspected], None]) -> None:
        self._feed = feed
        self._tell = on_suspect
        self._told: set[tuple[Symbol, datetime, datetime]] = set()

    def add(self, symbol: Symbol, since: datetime, until: datetime, why: str, now: datetime) -> None:
        if (symbol, since, until) not in self._told:
            self._told = {one for one in self._told if one[2] > now - REMEMBERED} | {(symbol, since, until)}
            self._tell(Suspected(now, self._feed, symbol, since, until, why))
