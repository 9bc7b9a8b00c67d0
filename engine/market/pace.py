"""Asking no faster than a venue allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.clock import monotonic


class Pace:
    """Turns that begin at least `gap` real seconds apart, in the order in which they were asked for."""

    def __init__(self, gap: float, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._gap = gap
        self._sleep = sleep
        self._next = 0.0

    def hold(self, seconds: float, gap: float = 0.0) -> None:
        """The venue complained: no turn begins for so many seconds, and none after it closer than `gap`."""
        self._next = max(self._next, monotonic() + seconds)
        self._gap = max(self._gap, gap)

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = monotonic()
        begin = max(now, self._next)
        self._next = begin + self._gap
        if begin > now:
            await self._sleep(begin - now)
