"""The feed's prices beside a second source's: where they differ too much, nothing is entered until they agree."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.clock import Clock
from engine.domain import Quote, Symbol
from engine.market.errors import MarketError
from engine.market.second_source import PriceSource
from engine.messages import Doubted, Message
from engine.ports import Feed

log = logging.getLogger(__name__)

LOOK_EVERY = 30.0  # real seconds
WITHIN = 10.0  # real seconds for an answer
FRESH = timedelta(seconds=15)  # an older price of the feed's is compared with nothing
LAPSES = timedelta(minutes=10)  # a doubt that the second source no longer speaks of


@dataclass(frozen=True, slots=True)
class CrossStatus:
    """What the comparison says, for `/health`. `strikes`: how often in a row a symbol's prices differed."""

    source: str
    compared: int = 0  # symbols, in the last answer
    answered: datetime | None = None
    strikes: Mapping[Symbol, int] = field(default_factory=dict)
    details: Mapping[Symbol, str] = field(default_factory=dict)
    trouble: str = ""


class CrossCheck:
    """Asks every half minute. While the second source is silent nothing changes, but `status` says so."""

    def __init__(
        self,
        source: PriceSource,
        feed: Feed,
        quote: Callable[[Symbol], Quote | None],
        submit: Callable[[Message], object],
        symbols: Sequence[Symbol],
        limit: float,
    ) -> None:
        """`limit`: the share by which the nearest of bid and ask may be apart."""
        self._source = source
        self._feed = feed
        self._clock: Clock = feed.clock
        self._quote = quote
        self._submit = submit
        self._symbols = tuple(symbols)
        self._limit = limit
        self._strikes: dict[Symbol, int] = {}
        self._details: dict[Symbol, str] = {}
        self._seen: dict[Symbol, datetime] = {}
        self._compared = 0
        self._answered: datetime | None = None
        self._trouble = ""

    def status(self) -> CrossStatus:
        strikes, details = dict(self._strikes), dict(self._details)
        return CrossStatus(self._source.name, self._compared, self._answered, strikes, details, self._trouble)

    async def run(self) -> None:
        """Compare until cancelled, then let go of the source."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                await self.look()
        finally:
            await self._source.close()

    async def look(self) -> None:
        """One comparison of every symbol that both sources have a fresh price of."""
        try:
            await self._look()
        finally:
            self._lapse()  # also where the look itself is what breaks

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                others = await self._source.quotes(self._symbols)
        except (MarketError, TimeoutError, OSError) as error:
            self._trouble = str(error) or f"no answer within {WITHIN:.0f} s"
            log.info("%s: %s", self._source.name, self._trouble)
            return
        self._trouble, self._answered, self._compared = "", self._clock.now(), 0
        for symbol, other in others.items():
            own = self._quote(symbol)
            if own is not None and self._clock.now() - own.at <= FRESH:
                self._compare(symbol, own, other)

    def _compare(self, symbol: Symbol, own: Quote, other: Quote) -> None:
        self._compared += 1
        self._seen[symbol] = self._clock.now()
        if (apart := distance(own, other)) <= self._limit:
            if symbol in self._strikes:
                self._trust(symbol, own.mid, other.mid, f"{self._source.name} agrees again")
            return
        words = f"{self._source.name} has {other.mid:.8g}, the feed {own.mid:.8g}: {apart:.1%} apart"
        self._details[symbol] = words
        self._strikes[symbol] = self._strikes.get(symbol, 0) + 1
        if self._strikes[symbol] == 1:
            log.warning("%s is doubted: %s", symbol, words)
            self._tell(symbol, True, words, own.mid, other.mid)

    def _trust(self, symbol: Symbol, own: float, other: float, words: str) -> None:
        del self._strikes[symbol], self._details[symbol]
        self._tell(symbol, False, words, own, other)

    def _lapse(self) -> None:
        """What could not be compared for long is doubted no longer: nobody contradicts it."""
        for symbol in [name for name in self._strikes if self._clock.now() - self._seen[name] > LAPSES]:
            self._trust(symbol, 0.0, 0.0, f"{self._source.name} no longer speaks of it")

    def _tell(self, symbol: Symbol, doubtful: bool, words: str, own: float, other: float) -> None:
        mark = getattr(self._feed, "doubt", None)
        if mark is not None:
            mark(symbol, doubtful)
        self._submit(Doubted(self._clock.now(), symbol, self._source.name, doubtful, words, own, other))


def distance(one: Quote, other: Quote) -> float:
    """How far apart two quotes are: the share between the nearest of their prices, 0 where they overlap."""
    if one.ask < other.bid:
        return other.bid / one.ask - 1
    return one.bid / other.ask - 1 if other.ask < one.bid else 0.0
