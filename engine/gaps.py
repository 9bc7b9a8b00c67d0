"""Stretches without bars, read off the ledger: every minute that a symbol has no live bar for belongs to one.

The ledger names them all: in `Minute.missing`, in minutes that history delivered after a restart, and in the holes
between minutes when no desk ran. So no kill, no outage and no full disk can lose a gap, and reading again finds the
same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.domain import Symbol
from engine.messages import FeedChanged, Message, Minute, Started, Stopped, Suspected

MINUTE = timedelta(minutes=1)
UNHEARD = "its prices were not heard for the whole minute"
STOPPED = "the desk was stopped"
KEPT = 20


@dataclass(frozen=True, slots=True)
class Gap:
    """Minutes of one symbol that opened in [`start`, `end`); while `end` is None it goes on. `until`: what it covers
    so far."""

    feed: str
    symbol: Symbol
    start: datetime
    end: datetime | None
    cause: str
    until: datetime
    suspected: bool = False  # its bars are there, and may be wrong


@dataclass(slots=True)
class _Trouble:
    """Why nothing could be heard, from one instant to another (None: it goes on)."""

    why: str
    since: datetime
    until: datetime | None = None

    def reaches(self, start: datetime, end: datetime) -> bool:
        return self.since < end and (self.until is None or self.until >= start)


class GapFinder:
    """Follows the messages of a ledger in order. The open gaps and the last minute let it go on from there."""

    def __init__(self, last: datetime | None = None, going_on: Iterable[Gap] = ()) -> None:
        self.last = last
        self.open: dict[Symbol, Gap] = {gap.symbol: gap for gap in going_on}
        self._feed = next((gap.feed for gap in self.open.values()), "")
        self._troubles: list[_Trouble] = []
        self._own: dict[Symbol, str] = {}  # why one symbol has no prices

    def copy(self) -> GapFinder:
        """One that may be thrown away when what it saw could not be written."""
        other = GapFinder(self.last, self.open.values())
        other._feed = self._feed
        other._troubles = [replace(one) for one in self._troubles]
        other._own = dict(self._own)
        return other

    def see(self, message: Message) -> list[Gap]:
        """The gaps that began, grew or ended with this message."""
        if isinstance(message, Minute):
            return list(self._minute(message))
        if isinstance(message, FeedChanged):
            self._changed(message)
        elif isinstance(message, Suspected):
            return self._suspect(message)
        elif isinstance(message, Started) and message.anew and self.last is not None:
            if not any(one.until is None and one.why == STOPPED for one in self._troubles):
                self._begin("the desk was down", self.last)
            self._end(message.at)
        elif isinstance(message, Stopped):
            self._begin(STOPPED, message.at)
        return []

    def _suspect(self, message: Suspected) -> list[Gap]:
        known = self.open.get(message.symbol)
        if known is not None and known.start <= message.since and message.until <= known.until:
            return []
        return [Gap(message.feed, message.symbol, message.since, message.until, message.why, message.until, True)]

    def _changed(self, message: FeedChanged) -> None:
        if message.symbols:
            for symbol in message.symbols:
                self._own[symbol] = "" if message.up else message.detail
            return
        self._feed = message.feed
        if message.up:
            self._end(message.at)
        else:
            self._begin(message.detail, message.at - MINUTE)  # it may have been noticed late

    def _begin(self, why: str, since: datetime) -> None:
        self._troubles = [*self._troubles[-KEPT:], _Trouble(why, since)]

    def _end(self, at: datetime) -> None:
        for one in self._troubles:
            one.until = one.until or at

    def _minute(self, minute: Minute) -> Iterator[Gap]:
        if self.last is not None and minute.at <= self.last:
            return
        opened = minute.at - MINUTE
        if self.last is not None and opened > self.last:  # nobody recorded anything in between
            for symbol in (*minute.symbols, *minute.missing):
                yield self._missing(symbol, self.last, opened)
        for symbol in (*minute.missing, *(minute.symbols if minute.caught_up else ())):
            yield self._missing(symbol, opened, minute.at)
        for symbol in () if minute.caught_up else minute.symbols:
            gap = self.open.pop(symbol, None)
            if gap is not None:
                yield replace(gap, end=opened, until=opened)
        self.last = minute.at

    def _missing(self, symbol: Symbol, since: datetime, until: datetime) -> Gap:
        gap = self.open.get(symbol) or Gap(self._feed, symbol, since, None, self._cause(symbol, since, until), until)
        self.open[symbol] = gap = replace(gap, until=until)
        return gap

    def _cause(self, symbol: Symbol, start: datetime, end: datetime) -> str:
        """Why this minute: the symbol's own trouble, else the first that reaches into it."""
        found = next((one.why for one in self._troubles if one.reaches(start, end)), UNHEARD)
        return self._own.get(symbol) or found
