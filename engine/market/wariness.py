"""Why minutes that look whole cannot be relied on for now: clocks too far apart, and prints that keep coming late."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.domain import Symbol, micros
from engine.market.skew import LIMIT

MINUTE_US = 60_000_000
LATE_MINUTES = 3  # in a row, each with a print that came after its minute had closed


class Wariness:
    """Follows late prints by symbol; `reasons` are for `Doubts.wary`."""

    def __init__(self) -> None:
        self._late: dict[Symbol, tuple[int, int]] = {}  # the last minute with a late print, and how many in a row

    def late(self, symbol: Symbol, now: datetime) -> None:
        """A print of `symbol` came at `now`, after its minute had closed."""
        minute = micros(now) // MINUTE_US
        last, run = self._late.get(symbol, (0, 0))
        if minute != last:
            self._late[symbol] = minute, run + 1 if minute == last + 1 else 1

    def reasons(self, now: datetime, skew: timedelta | None) -> dict[Symbol | None, str]:
        """Why, by symbol; None stands for all of them."""
        minute = micros(now) // MINUTE_US
        self._late = {symbol: one for symbol, one in self._late.items() if minute - one[0] <= 1}
        found: dict[Symbol | None, str] = {
            symbol: f"prints came after their minute had closed, {run} minutes in a row"
            for symbol, (_, run) in self._late.items()
            if run >= LATE_MINUTES
        }
        if skew is not None and abs(skew) > LIMIT:
            way = "ahead of" if skew > timedelta(0) else "behind"
            found[None] = f"this machine's clock is {abs(skew).total_seconds():.1f} s {way} the market's"
        return found
