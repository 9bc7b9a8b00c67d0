"""How far this machine's clock is from the market's, by the stamps on what the market sends."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from heapq import nsmallest

WINDOW = timedelta(seconds=60)
JUST_NOW = timedelta(seconds=2)
SEE_EVERY = timedelta(seconds=0.05)  # often enough to find the fastest of a minute's messages
LOOK_EVERY = timedelta(seconds=1)
ENOUGH = 5
KEPT = 2_000
WILD = 2  # stamps so far off that they say nothing of the clocks, at most
LIMIT = timedelta(seconds=5)  # further apart than this, no minute can be relied on
_NONE = timedelta(0)


class Skew:
    """Receipt minus stamp is the way through the network plus the clocks' difference.

    The least of the last minute is the fastest way, so what is left of it is the difference, to within a good
    connection's latency: above 0 this machine is ahead of the market, below 0 behind. `ahead` and `behind` are what a
    feed has to allow for, each 0 or more and at most `LIMIT`: `ahead` also knows of messages that were held up.
    """

    def __init__(self) -> None:
        self.ahead = self.behind = _NONE
        self.apart: timedelta | None = None  # `value` when it was last worked out
        self._due: datetime | None = None
        self._last: datetime | None = None
        self._seen: deque[tuple[datetime, timedelta]] = deque(maxlen=KEPT)

    def wants(self, now: datetime) -> bool:
        """Whether a message that comes at `now` would add anything."""
        return self._last is None or now >= self._last + SEE_EVERY or now == self._last

    def see(self, stamp: datetime, received: datetime) -> None:
        """Of what comes at one instant the newest says best how far apart the clocks are."""
        apart = received - stamp
        if received == self._last:
            apart = min(apart, self._seen.pop()[1])
        elif not self.wants(received):
            return
        self._seen.append((received, apart))
        self._last = received

    def value(self) -> timedelta | None:
        """None while too little was seen."""
        if len(self._seen) < ENOUGH:
            return None
        newest = self._seen[-1][0]
        near = [apart for at, apart in tuple(self._seen) if newest - at <= WINDOW]
        if len(near) < ENOUGH:
            near = [apart for _, apart in list(self._seen)[-ENOUGH:]]
        return nsmallest(WILD + 1, near)[-1]

    def look(self, now: datetime) -> None:
        """Say anew what to allow for."""
        if self._due is None or now >= self._due:
            self.apart, self._due = self.value(), now + LOOK_EVERY
        value = self.apart or _NONE
        just_now: list[timedelta] = []
        for at, apart in reversed(self._seen):
            if now - at > JUST_NOW:
                break
            just_now.append(apart)
        self.ahead = min(LIMIT, max(_NONE, min(just_now, default=value)))
        self.behind = min(LIMIT, max(_NONE, -value))
