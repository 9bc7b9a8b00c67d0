"""Where a feed delivers: prints, quotes and minutes into the inbox; and REST prices for held symbols gone silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from engine.clock import Clock
from engine.domain import Print, Quote, Side, Symbol
from engine.inbox import Inbox
from engine.messages import FeedChanged, Minute, Suspected
from engine.ports import PRICE_SILENCE, Feed
from engine.snapshot import Snapshot

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0  # real seconds
Keep = Callable[[Print, Quote | None], None]


class DeskSink:
    """Implements `MarketSink` over the inbox. Without prints (a replay of bars) quotes only show prices."""

    def __init__(self, inbox: Inbox, has_prints: bool) -> None:
        self.keep: Keep | None = None  # gets every trade, with the symbol's last real quote
        self._inbox = inbox
        self._has_prints = has_prints

    def on_print(self, item: Print) -> None:
        if self.keep is not None:
            self.keep(item, self._inbox.quotes.real(item.symbol))
        self._inbox.on_print(item)

    def on_quote(self, item: Quote) -> None:
        if self._has_prints:
            self._inbox.on_quote(item)
        else:
            self._inbox.quotes.put(item)

    def on_minute(self, minute: Minute) -> None:
        self._inbox.submit(minute)

    def on_feed(self, change: FeedChanged) -> None:
        self._inbox.submit(change)

    def on_suspect(self, message: Suspected) -> None:
        """The bars of closed minutes may be wrong: on record at once, so that no crash forgets it."""
        self._inbox.submit(message)

    def on_polled(self, item: Quote, side: Side) -> None:
        """An executable price asked for by REST: it may settle a held position like a print of unknown size."""
        price = item.bid if side is Side.LONG else item.ask
        self._inbox.on_print(Print(item.symbol, item.at, price, 0.0, item.at))


class Pollable(Protocol):
    """What polling needs of a desk."""

    clock: Clock
    feed: Feed

    def snapshot(self) -> Snapshot: ...


async def poll_silent(desk: Pollable, sink: DeskSink) -> None:
    """Ask the venue by REST for every held symbol without prices for a minute; where a feed cannot, do nothing."""
    poll = getattr(desk.feed, "poll", None)
    while poll is not None:
        await asyncio.sleep(LOOK_EVERY)
        try:
            for symbol, side in _silent(desk).items():
                quote = await poll(symbol)
                if quote is not None:
                    sink.on_polled(quote, side)
        except Exception:  # one bad answer must not leave later silences unasked for
            log.exception("asking the venue for silent prices failed; asking again in %.0f s", LOOK_EVERY)


def _silent(desk: Pollable) -> dict[Symbol, Side]:
    since = desk.clock.now() - PRICE_SILENCE * max(1.0, desk.clock.speed)
    heard = desk.feed.status().symbols
    positions = desk.snapshot().positions
    return {held.symbol: held.side for held in positions if heard.get(held.symbol, since) <= since}
