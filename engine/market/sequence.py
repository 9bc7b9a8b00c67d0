"""Trade ids in order: which trades a venue has sent numbers for and never delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from engine.domain import Symbol, micros

WORTH_NAMING = 1_000  # a leap further than this is a new numbering, and one hole


@dataclass(slots=True)
class Hole:
    """Trades of one symbol that have not come: they happened between `since` and `until` (µs, both inclusive)."""

    symbol: Symbol
    since: int
    until: int
    noticed: int  # desk time, µs
    missing: set[int] = field(default_factory=set)  # trade ids


class Sequence:
    """Follows the trade ids of each symbol, which a venue counts up one by one.

    A leap opens a hole; trades that come out of order fill it. What is still open after a while was lost. The first
    trade after a broken line opens one too: when its trades happened is not known, only between which two.
    """

    def __init__(self) -> None:
        self.holes: list[Hole] = []
        self._last: dict[Symbol, tuple[int, datetime]] = {}

    def see(self, symbol: Symbol, trade_id: int, at: datetime, now: datetime) -> None:
        """A trade that happened at `at` came at `now`."""
        last, before = self._last.get(symbol) or (trade_id - 1, at)
        if trade_id == last + 1 and not self.holes:  # nearly always
            self._last[symbol] = trade_id, at
            return
        if trade_id > last + 1:
            ids = range(last + 1, trade_id) if trade_id - last <= WORTH_NAMING else (last + 1,)
            since, until = sorted((micros(before), micros(at)))
            self.holes.append(Hole(symbol, since, until, micros(now), set(ids)))
        elif self.holes:
            self._fill(symbol, trade_id)
        if trade_id > last:
            self._last[symbol] = trade_id, at

    def is_broken(self, symbol: Symbol, start: int, end: int) -> bool:
        """Whether a trade of `symbol` in [`start`, `end`) may be missing."""
        return any(hole.symbol == symbol and hole.since < end and hole.until >= start for hole in self.holes)

    def take_lost(self, noticed_by: int, closed: int) -> list[Hole]:
        """Holes noticed at or before `noticed_by` that end before `closed`, oldest first; they are followed no more."""
        lost = [hole for hole in self.holes if hole.noticed <= noticed_by and hole.until < closed]
        if lost:
            self.holes = [hole for hole in self.holes if hole not in lost]
        return lost

    def _fill(self, symbol: Symbol, trade_id: int) -> None:
        for hole in self.holes:
            if hole.symbol == symbol:
                hole.missing.discard(trade_id)
        self.holes = [hole for hole in self.holes if hole.missing]
