"""How far this machine's clock is from the market's, by the stamps on what the market sends."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from heapq import nsmallest

from engine.domain import instant

WINDOW = timedelta(seconds=60)
JUST_NOW = timedelta(seconds=2)
SEE_EVERY = timedelta(seconds=0.05)  # often enough to find the fastest of a minute's messages
LOOK_EVERY = timedelta(seconds=1)
ENOUGH = 5
KEPT = 2_000
WILD = 2  # stamps so far off that they say nothing of the clocks, at most
LIMIT = timedelta(seconds=5)  # further apart than this, no minute can be relied on
LONG_AGO = instant(0)
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
        self.last = self.due = LONG_AGO  # when a message was seen, and from when on the next is worth it
        self._look_due = LONG_AGO
        self._seen: deque[tuple[datetime, timedelta]] = deque(maxlen=KEPT)

    def see(self, stamp: datetime, received: datetime) -> None:
        """Of what comes at one instant the newest says best how far apart the clocks are."""
        apart = received - stamp
        if received == self.last:
            apart = min(apart, self._seen.pop()[1])
        elif received < self.due:
            return
        self._seen.append((received, apart))
        self.last, self.due = received, received + SEE_EVERY

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
        if now >= self._look_due:
            self.apart, self._look_due = self.value(), now + LOOK_EVERY
        value = self.apart or _NONE
        just_now: list[timedelta] = []
        for at, apart in reversed(self._seen):
            if now - at > JUST_NOW:
                break
            just_now.append(apart)
        self.ahead = min(LIMIT, max(_NONE, min(just_now, default=value)))
        self.behind = min(LIMIT, max(_NONE, -value))
