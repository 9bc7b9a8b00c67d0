"""Gaps filled from history while the desk runs: looked for in the gap table, asked of the feed, written as a revision.

The ledger's minutes stay as they were decided on. What history delivered at the start goes into the store too, so that
bars which a crash kept from being right are put right at the next start.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from engine.clock import Clock
from engine.domain import Symbol, instant, micros
from engine.gaps import Gap, GapFinder
from engine.market.errors import FeedUnreachable, MarketError
from engine.ports import BarColumns, Feed
from engine.records import Record
from engine.storage import Storage
from engine.store.errors import StoreError
from engine.store.gaps import Unhealed
from engine.store.healing import Healed, Span

log = logging.getLogger(__name__)

LOOK_EVERY = 10.0  # real seconds
SETTLED = timedelta(seconds=20)  # desk time: a minute younger than this may not be whole at its source either
BEFORE = timedelta(minutes=15)  # history asked for before a gap, for the close that quiet minutes are flat at
AFTER = timedelta(minutes=30)  # and after it: a trade there shows that the source is past the gap
SURE = timedelta(minutes=30)  # desk time: what a source has not told by then was not traded; plans are 15 min late
REACH = timedelta(hours=12)
AT_ONCE = 20  # symbols of history in one transaction
SOON = timedelta(minutes=1)  # desk time before a gap is tried again whose end the source may not have told yet
AGAIN = timedelta(minutes=10)  # and before any other that history could not fill

Key: TypeAlias = tuple[Symbol, datetime]  # of a gap: its start
Ask: TypeAlias = Callable[[Symbol, datetime, datetime], Awaitable[BarColumns]]


@dataclass(frozen=True, slots=True)
class HealingStatus:
    """Gaps as they stand, for `/health`. Counts are since the start."""

    open: Mapping[Symbol, Gap] = field(default_factory=dict)  # going on now
    seen: int = 0
    waiting: int = 0  # ended, and not filled yet
    beyond: int = 0  # of those, older than what the feed's history still has
    healed: int = 0
    added: int = 0  # bars
    revised: int = 0  # bars that history knew otherwise
    unread: int = 0  # symbols whose history since before the start is still to be compared with the store
    trouble: str = ""  # why history could not be asked or written, "" when it could


class Healer:
    """Knows the gaps from the ledger's rows as they become durable, and fills those in the database."""

    def __init__(self, feed: Feed, storage: Storage, clock: Clock) -> None:
        self._ask: Ask | None = getattr(feed, "bars", None)
        self._name = feed.name
        self._storage = storage
        self._clock = clock
        self._finder = GapFinder()
        self._since: datetime | None = None
        self._past: list[BarColumns] = []
        self._owed: set[Symbol] = set()  # of which the start brought no history
        self._done = Healed()
        self._seen = self._waiting = 0
        self._beyond: set[Key] = set()
        self._tried: dict[Key, datetime] = {}  # gap that is still there → when history was asked for it
        self._refused: dict[Symbol, str] = {}
        self._trouble = ""

    # ------------------------------------------------------------ from the engine thread

    def begin(self, symbols: Iterable[Symbol], last: datetime | None, since: datetime) -> None:
        """The ledger's last minute before this start, and the instant of its birth."""
        self._finder, self._since = GapFinder(last), since
        self._owed = set(symbols) if self._ask is not None else set()

    def on_record(self, record: Record) -> None:
        """A durable row: returns at once."""
        before = {symbol: gap.start for symbol, gap in self._finder.open.items()}
        found = self._finder.see(record.message)
        self._seen += sum(gap.suspected or (gap.end is None and before.get(gap.symbol) != gap.start) for gap in found)

    # ------------------------------------------------------------ from the loop

    def keep(self, history: Mapping[Symbol, BarColumns]) -> None:
        """Bars that the feed gave at the start: they go into the store when it is there."""
        self._past.extend(bars for bars in history.values() if bars.time.size)
        self._owed.difference_update(bars.symbol for bars in self._past)

    def status(self) -> HealingStatus:
        going_on = dict(self._finder.open)
        done = self._done
        return HealingStatus(
            open=going_on,
            seen=self._seen,
            waiting=self._waiting if self._ask else 0,
            beyond=len(self._beyond) if self._ask else self._waiting,  # a record has no history to ask
            healed=done.gaps,
            added=done.added,
            revised=done.revised,
            unread=len(self._past) + len(self._owed),
            trouble=self._trouble,
        )

    async def run(self) -> None:
        """Heal until cancelled. What cannot be done now is done later."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except (MarketError, StoreError, OSError) as error:
                if str(error) != self._trouble:
                    log.warning("gaps wait to be healed: %s", error)
                self._trouble = str(error)

    async def look(self) -> None:
        """One pass: history of the start first, then every gap that has ended. Raises what hinders it."""
        if not self._storage.is_level():  # rows of the ledger come first
            return
        while self._past:
            await self._write([_as_span(bars, self._settled()) for bars in self._past[:AT_ONCE]])
            del self._past[:AT_ONCE]
        if self._ask is not None:
            await self._catch_up(self._ask)
        gaps = await asyncio.to_thread(self._storage.unhealed)
        self._waiting = len(gaps)
        if self._ask is not None:
            await self._heal(gaps, self._ask)
        self._trouble = next(iter(self._refused.values()), "")

    async def _catch_up(self, ask: Ask) -> None:
        """What the start would have brought: without it, nobody would look at what a crash left half done."""
        for symbol in sorted(self._owed):
            bars = await ask(symbol, self._clock.now() - REACH, self._settled())
            if bars.time.size:
                await self._write([_as_span(bars, self._settled())])
            self._owed.discard(symbol)

    async def _heal(self, gaps: Sequence[Unhealed], ask: Ask) -> None:
        ready = sorted(gap for gap in gaps if gap.end <= self._settled() and not self._rests(gap))
        for symbol, group in itertools.groupby(ready, key=lambda gap: gap.symbol):
            try:
                await self._heal_coin(symbol, list(group), ask)
            except FeedUnreachable:
                raise
            except MarketError as error:  # of this coin; the others are asked for all the same
                self._refused[symbol] = str(error)
        if ready:
            gaps = await asyncio.to_thread(self._storage.unhealed)
            self._waiting = len(gaps)
        left, now = {(gap.symbol, gap.start) for gap in gaps}, self._clock.now()
        self._tried |= {(gap.symbol, gap.start): now for gap in ready}
        self._tried = {key: at for key, at in self._tried.items() if key in left}
        self._beyond &= left
        self._refused = {symbol: why for symbol, why in self._refused.items() if symbol in {key[0] for key in left}}

    async def _heal_coin(self, symbol: Symbol, gaps: Sequence[Unhealed], ask: Ask) -> None:
        since, until = min(gap.start for gap in gaps), max(gap.end for gap in gaps)
        asked = max(until, min(until + AFTER, self._settled()))
        bars = await ask(symbol, since - BEFORE, asked)
        if _begins_after(bars, since):  # nothing was traded just before, or history does not go so far
            bars = await ask(symbol, since - REACH, asked)
        await self._write([Span(bars, since, until, self._clock.now() - SURE)])
        keys = {(symbol, gap.start) for gap in gaps}
        self._beyond = self._beyond - keys | {(symbol, gap.start) for gap in gaps if _begins_after(bars, gap.start)}
        self._refused.pop(symbol, None)

    def _rests(self, gap: Unhealed) -> bool:
        """Whether a gap that was there still after it was tried waits for the next time."""
        key = (gap.symbol, gap.start)
        at = self._tried.get(key)
        if at is None:
            return False
        soon = key not in self._beyond and at <= gap.end + SURE
        return self._clock.now() - at < (SOON if soon else AGAIN)

    async def _write(self, spans: Sequence[Span]) -> None:
        done = await asyncio.to_thread(self._storage.heal, spans, self._since or self._clock.now())
        self._done = self._done.plus(done)
        if done.gaps or done.revised:
            log.info("healed from %s: %d gaps, %d bars added, %d revised", self._name, done.gaps, *done[:2])

    def _settled(self) -> datetime:
        return self._clock.now() - SETTLED


def _begins_after(bars: BarColumns, at: datetime) -> bool:
    """Whether history begins after `at`: a gap that begins there cannot be filled whole."""
    return not bars.time.size or micros(at) < int(bars.time[0]) - 60_000_000


def _as_span(bars: BarColumns, settled: datetime) -> Span:
    since = instant(int(bars.time[0])) - timedelta(minutes=1)
    return Span(bars, since, min(instant(int(bars.time[-1])), settled.replace(second=0, microsecond=0)))
