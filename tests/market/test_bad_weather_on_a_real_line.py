"""The random runs (`tests/faults`) make up the socket; here it is real, and so are the server, the client and time."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from engine.clock import ScaledClock
from engine.domain import BarQuality
from engine.market.kraken import KrakenFeed
from tests.faults.venue import garbled
from tests.market.sink import Kept, running, until
from tests.servers.kraken import KrakenServer

SPEED = 30
MINUTES = 5
GRACE = timedelta(seconds=10)  # a third of a second in real time
CALM = timedelta(seconds=40)  # at the end: a trade that is lost shows when the next one comes
MINUTE = timedelta(minutes=1)
PAIRS = {"BTC/USD": 1.0, "ETH/USD": 0.5, "XMR/USD": 0.02}  # chance of a trade at every beat
BEAT = 0.02
FINE = (BarQuality.GOOD.value, BarQuality.QUIET.value)


class RoughVenue:
    """Trades at random, and loses, garbles, doubles and delays some of them on the way."""

    def __init__(self, venue: KrakenServer, seed: int) -> None:
        self.venue = venue
        self.dice = random.Random(seed)
        self.trades: dict[str, list[tuple[datetime, float, float]]] = defaultdict(list)
        self.done = dict.fromkeys(("lost", "garbled", "doubled", "delayed", "cut"), 0)
        self._delayed: list[asyncio.Task[None]] = []

    async def trade_on(self, end: datetime) -> None:
        beats = calm = 0
        while self.venue.now() < end:
            beats, calm = beats + 1, calm + (self.venue.now() >= end - CALM)
            for symbol, chance in PAIRS.items():
                if beats == 1 or calm == 1 or self.dice.random() < chance:
                    await self._trade(symbol, calm > 0)
            if beats % 170 == 0 and not calm:
                self.done["cut"] += 1
                await self.venue.drop()
            await asyncio.sleep(BEAT)
        await asyncio.gather(*self._delayed)

    async def _trade(self, symbol: str, calm: bool) -> None:
        at, price = self.venue.now(), round(self.venue.prices[symbol] * (1 + self.dice.gauss(0, 0.001)), 2)
        quantity = round(self.dice.uniform(0.1, 2), 4)
        self.trades[symbol].append((at, price, quantity))
        self.venue.prices[symbol] = price
        number = len(self.trades[symbol])
        row = {"symbol": symbol, "price": price, "qty": quantity, "trade_id": number, "timestamp": at}
        frame = json.dumps({"channel": "trade", "type": "update", "data": [self.venue._filled_in(row)]})
        luck = 1.0 if calm else self.dice.random()
        if luck < 0.002:
            self.done["lost"] += 1
        elif luck < 0.004:
            self.done["garbled"] += 1
            await self.venue.emit_raw(garbled(self.dice, frame)[0], "trade", symbol)
        elif luck < 0.05:
            self.done["delayed"] += 1
            self._delayed.append(asyncio.create_task(self._later(frame, symbol)))
        else:
            await self.venue.emit_raw(frame, "trade", symbol)
        if 0.05 <= luck < 0.1:
            self.done["doubled"] += 1
            await self.venue.emit_raw(frame, "trade", symbol)

    async def _later(self, frame: str, symbol: str) -> None:
        await asyncio.sleep(self.dice.uniform(0, 0.15))
        await self.venue.emit_raw(frame, "trade", symbol)

    def bar(self, symbol: str, closed: datetime) -> tuple[float, ...]:
        """What an offline count says of one minute: open, high, low, close, volume."""
        before = [price for at, price, _ in self.trades[symbol] if at < closed - MINUTE]
        inside = [(price, quantity) for at, price, quantity in self.trades[symbol] if closed - MINUTE <= at < closed]
        prices = [price for price, _ in inside] or before[-1:]
        return prices[0], max(prices), min(prices), prices[-1], sum(quantity for _, quantity in inside)


async def no_wait(_: float) -> None:
    await asyncio.sleep(0.01)


async def test_whatever_the_line_does_a_minute_that_nothing_is_said_against_is_what_was_traded() -> None:
    clock = ScaledClock(datetime(2026, 5, 1, 12, tzinfo=UTC), SPEED)
    end = clock.now() + MINUTES * MINUTE
    suspected, sink = [], Kept()
    async with KrakenServer(list(PAIRS), heartbeat=0.05) as venue:
        venue.now = clock.now
        rough = RoughVenue(venue, seed=4)
        feed = KrakenFeed(clock, ws_url=venue.ws_url, rest_url=venue.rest_url, grace=GRACE, sleep=no_wait)
        feed.on_suspect = suspected.append
        await feed.prepare(list(PAIRS))
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await rough.trade_on(end)
            await until(lambda: bool(sink.minutes) and sink.minutes[-1].at > end, 15)

    fine = missing = 0
    for minute in sink.minutes:
        missing += len(minute.missing)
        columns = zip(minute.open, minute.high, minute.low, minute.close, minute.volume, strict=True)
        for symbol, grade, bar in zip(minute.symbols, minute.quality, columns, strict=True):
            doubts = [one for one in suspected if one.symbol == symbol and one.since < minute.at <= one.until]
            if grade in FINE and not doubts:
                fine += 1
                assert bar == pytest.approx(rough.bar(symbol, minute.at)), (symbol, minute.at, rough.done)
    assert min(rough.done.values()) > 0, rough.done
    assert (fine > 0, missing > 0) == (True, True), (fine, missing, rough.done)
