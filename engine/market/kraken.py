"""The live feed: Kraken's public WebSocket v2, with history and a last resort by REST."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from websockets.asyncio.client import ClientConnection

from engine.clock import Clock
from engine.domain import Instrument, MarketKind, Print, Quote, Symbol
from engine.market.bars import GRACE
from engine.market.columns import between
from engine.market.connection import SILENCE, Line
from engine.market.errors import FeedUnreachable, MarketError
from engine.market.intake import Intake, forget
from engine.market.kraken_frames import KrakenFrames, channels
from engine.market.kraken_rest import KrakenRest, Pair
from engine.market.kraken_subscriptions import Request, Subscriptions
from engine.market.names import canonical
from engine.market.past import Past, close_minutes
from engine.market.quality import Quarantine, Quarantined
from engine.market.suspicions import keep_quiet
from engine.market.symbols import absence, current
from engine.messages import Suspected
from engine.ports import BarColumns, FeedStatus, MarketSink

log = logging.getLogger(__name__)

WS_URL = "wss://ws.kraken.com/v2"
REST_URL = "https://api.kraken.com/0"
WARM_WITHIN = 15.0


class KrakenFeed:
    """Implements `Feed`. `poll` asks REST for a symbol whose prices have stopped; `close` ends the REST client."""

    name = "kraken"
    label = ""
    kind = MarketKind.LIVE
    has_prints = True

    def __init__(
        self,
        clock: Clock,
        *,
        ws_url: str = WS_URL,
        rest_url: str = REST_URL,
        book_depth: int | None = None,
        grace: timedelta = GRACE,
        silence: float = SILENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dice: random.Random | None = None,
        on_late: Callable[[Print], None] = forget,
    ) -> None:
        self.clock = clock
        self.on_late = on_late
        self.on_suspect: Callable[[Suspected], None] = keep_quiet
        self.instruments: dict[Symbol, Instrument] = {}
        self.frames: KrakenFrames | None = None
        self.rest_url = rest_url
        self._rest = KrakenRest(rest_url, clock)
        self._line = Line("Kraken", ws_url, _ask, silence=silence, sleep=sleep, dice=dice)
        self._depth = book_depth
        self._grace = grace
        self._pairs: dict[Symbol, Pair] = {}
        self._unknown: dict[Symbol, str] = {}
        self.held: tuple[Symbol, ...] = ()  # watched for their exits, in whatever state the venue lists them
        self._past = Past()
        self._quarantine = Quarantine()
        self._doubted: set[Symbol] = set()  # by the second source, until it agrees
        self._intake: Intake | None = None

    # ------------------------------------------------------------ before the stream

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """Ask for the pairs. Keys are canonical symbols (a renamed coin answers under its new name)."""
        self._pairs = await self._rest.pairs()
        for asked in symbols:
            symbol = current(canonical(asked))
            pair = self._pairs.get(symbol)
            if pair is None:
                self._unknown[symbol] = absence("kraken", symbol).sentence
            elif pair.state != "online":
                self._offline(symbol, pair)
            else:
                self._unknown.pop(symbol, None)
                self.instruments[symbol] = pair.instrument
            if symbol != asked:
                log.info("%s is %s at Kraken", asked, symbol)
        return dict(self.instruments)

    def _offline(self, symbol: Symbol, pair: Pair) -> None:
        """A pair that takes no orders as usual is left out, unless it is held: then its exits need its prices."""
        self._unknown[symbol] = f"Kraken lists {symbol} as {pair.state}"
        if symbol in self.held:
            self._unknown[symbol] += "; it is held, so it is watched for its exits only"
            self.instruments[symbol] = replace(pair.instrument, barred=self._unknown[symbol])

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        """History by REST, a few symbols at a time; `status` counts.

        A symbol whose history cannot be had, or not within `WARM_WITHIN` real seconds, is absent and logged.
        """
        wanted = [symbol for symbol in symbols if symbol in self._pairs]
        answers = await self._past.gather(
            wanted, minutes, lambda symbol: self._rest.minutes(symbol, self._pairs[symbol].rest_name), WARM_WITHIN
        )
        if self._intake is not None:
            self._past.seed(self._intake)
        return answers

    async def poll(self, symbol: Symbol) -> Quote | None:
        """One quote by REST, judged like any other and delivered to the sink; None when none can be had."""
        pair = self._pairs.get(symbol)
        if pair is None or self._intake is None:
            return None
        try:
            quote = await self._rest.quote(symbol, pair.rest_name)
        except MarketError as error:
            log.warning("%s", error)
            return None
        return quote if self._intake.offer(quote, streamed=False) else None

    async def bars(self, symbol: Symbol, since: datetime, until: datetime) -> BarColumns:
        """The venue's own minutes that opened in [`since`, `until`), as far as it still has them (about 12 hours).

        Raises `MarketError` when it cannot be asked.
        """
        if symbol not in self._pairs:
            raise MarketError(f"Kraken does not trade {symbol}")
        return between(await self._rest.minutes(symbol, self._pairs[symbol].rest_name), since, until)

    def doubt(self, symbol: Symbol, doubtful: bool) -> None:
        """Grade the minutes of `symbol` doubtful from now on, or no longer; also those of a later `run`."""
        (self._doubted.add if doubtful else self._doubted.discard)(symbol)
        if self._intake is not None:
            self._intake.doubt(symbol, doubtful)

    def _names(self) -> dict[Symbol, str]:
        """What the venue calls each symbol that is subscribed."""
        return {symbol: self._pairs[symbol].name for symbol in self.instruments}

    async def close(self) -> None:
        await self._rest.close()

    # ------------------------------------------------------------ the stream

    async def run(self, sink: MarketSink) -> None:
        """Deliver until cancelled, through every disconnect."""
        self._intake = Intake(
            self.name,
            tuple(self.instruments),
            self.clock,
            sink,
            start=self._past.first_minute(self.clock.now()),
            quarantine=self._quarantine,
            grace=self._grace,
            ordered=True,
            numbered=True,
            on_late=self.on_late,
            on_suspect=self.on_suspect,
        )
        self._past.seed(self._intake)
        for symbol in self._doubted:
            self._intake.doubt(symbol, True)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(close_minutes(self._intake))
                tasks.create_task(self._line.keep(self._intake, self._converse))
        finally:
            await self.close()

    async def _converse(self, socket: ClientConnection) -> None:
        intake = self._intake
        assert intake is not None
        subscriptions = Subscriptions(channels(self._depth), tuple(self.instruments), self._names())
        self.frames = frames = KrakenFrames(intake, subscriptions, self._depth)
        await _send(socket, subscriptions.open(self.clock.now()))
        async for text in self._line.frames(socket, intake.hear):
            if text is not None:
                frames.handle(text)
                if subscriptions.refused or intake.has_refused:
                    intake.refuse(subscriptions.refused, subscriptions.live("trade"))
            await _send(socket, [*frames.take_requests(), *subscriptions.overdue(self.clock.now())])
            self.instruments.update(frames.instruments)

    # ------------------------------------------------------------ its own account

    def status(self) -> FeedStatus:
        refused = self._unknown | (self.frames.subscriptions.refused if self.frames else {})
        if self._intake is None:
            return FeedStatus(self.name, False, self._line.detail + self._past.progress, refused_symbols=refused)
        detail = "connected" if self._intake.is_up else self._line.detail
        return self._intake.status(detail + self._past.progress, self._line.reconnects, refused)

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last messages that were not believed, oldest first."""
        return tuple(self._quarantine.last)


async def _ask(socket: ClientConnection) -> None:
    """Before anything is subscribed there are no heartbeats."""
    await _send(socket, [{"method": "ping"}])


async def _send(socket: ClientConnection, requests: Sequence[Request]) -> None:
    for request in requests:
        await socket.send(json.dumps(request))


__all__ = ["REST_URL", "WS_URL", "FeedUnreachable", "KrakenFeed"]
