"""Trade ids in order: which trades a venue has sent numbers for and never delivered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from engine.domain import Symbol, micros


@dataclass(slots=True)
class Hole:
    """Trades of one symbol that have not come: they happened between `since` and `until` (µs, both inclusive)."""

    symbol: Symbol
    since: int
    until: int
    noticed: int  # desk time, µs
    ids: range  # the numbers that were left out, however many
    is_sure: bool = True  # False: what the number before a first trade was is not known, so maybe none is missing
    came: set[int] = field(default_factory=set)  # of them, after all

    @property
    def count(self) -> int:
        """How many trades are still missing."""
        return self.ids.stop - self.ids.start - len(self.came)


class Sequence:
    """Follows the trade ids of each symbol, which a venue counts up one by one.

    A leap opens a hole; trades that come out of order fill it. What is still open after a while was lost. When a line
    begins, the venue's list of its last trades (`recall`) says where the counting stands; a first trade without such a
    list opens a hole too, back to `start`: nobody knows what came before it.
    """

    def __init__(self, start: datetime) -> None:
        self.holes: list[Hole] = []
        self._start = start
        self._last: dict[Symbol, tuple[int, datetime]] = {}

    def see(self, symbol: Symbol, trade_id: int, at: datetime, now: datetime) -> None:
        """A trade that happened at `at` came at `now`."""
        known = self._last.get(symbol)
        last = known[0] if known else 0
        if trade_id == last + 1:  # nearly always, and in no hole: those are behind
            self._last[symbol] = trade_id, at
            return
        before = known[1] if known else min(at, self._start)
        if trade_id > last:
            since, until = sorted((micros(before), micros(at)))
            ids = range(last + 1 if known else trade_id - 1, trade_id)
            self.holes.append(Hole(symbol, since, until, micros(now), ids, known is not None))
            self._last[symbol] = trade_id, at
        elif self.holes:
            self._fill(symbol, trade_id)

    def recall(self, symbol: Symbol, trades: Iterable[tuple[int, datetime]], now: datetime) -> None:
        """The venue's last trades (number, time) before a line began, told at `now`.

        Those never heard are a hole that reaches to now: minutes since the last of them were flat at an older price.
        """
        told = sorted(trades)
        newest, at = told[-1]
        self._settle(symbol, newest, at)
        last, before = self._last.get(symbol) or told[-1]
        unheard = [one for one in told if one[0] > last]
        if unheard:
            since = unheard[0][1] if unheard[0][0] == last + 1 else before
            end = max(micros(at), micros(now))
            self.holes.append(Hole(symbol, min(micros(since), end), end, micros(now), range(last + 1, newest + 1)))
        self._last[symbol] = max((last, before), (newest, at))

    def _settle(self, symbol: Symbol, newest: int, at: datetime) -> None:
        """A trade that overtook the list said too little: now it is known what is missing before it."""
        for hole in self.holes:
            if hole.symbol == symbol and not hole.is_sure:
                hole.ids, hole.is_sure = range(newest + 1, max(newest + 1, hole.ids.stop)), True
                hole.came = {number for number in hole.came if number in hole.ids}
                hole.since = min(micros(at), hole.until)
        self._drop_filled()

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
            if hole.symbol == symbol and trade_id in hole.ids:
                hole.came.add(trade_id)
        self._drop_filled()

    def _drop_filled(self) -> None:
        self.holes = [hole for hole in self.holes if hole.count]
