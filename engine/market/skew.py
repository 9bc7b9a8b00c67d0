"""How far this machine's clock is from the market's, by the stamps on what the market sends."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=60)
ENOUGH = 5
KEPT = 2_000


class Skew:
    """Receipt minus stamp is the way through the network plus the clocks' difference.

    The least of the last minute is the fastest way, so what is left of it is the difference, to within a good
    connection's latency: above 0 this machine is ahead of the market, below 0 behind.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[datetime, timedelta]] = deque(maxlen=KEPT)

    def see(self, stamp: datetime, received: datetime) -> None:
        self._seen.append((received, received - stamp))

    def value(self) -> timedelta | None:
        """None while too little was seen."""
        if len(self._seen) < ENOUGH:
            return None
        newest = self._seen[-1][0]
        return min(apart for at, apart in tuple(self._seen) if newest - at <= WINDOW)
