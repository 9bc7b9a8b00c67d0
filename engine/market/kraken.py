"""The live feed: Kraken's public WebSocket v2, with history and a last resort by REST."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from engine.clock import Clock, monotonic, real_seconds
from engine.domain import Instrument, MarketKind, Print, Quote, Symbol, instant
from engine.market.bars import GRACE
from engine.market.columns import newest
from engine.market.errors import FeedUnreachable, MarketError
from engine.market.intake import Intake, forget
from engine.market.kraken_frames import KrakenFrames, channels
from engine.market.kraken_rest import KrakenRest, Pair
from engine.market.kraken_subscriptions import Request, Subscriptions
from engine.market.names import canonical, renamed
from engine.market.quality import Quarantine, Quarantined
from engine.ports import BarColumns, FeedStatus, MarketSink

log = logging.getLogger(__name__)

WS_URL = "wss://ws.kraken.com/v2"
REST_URL = "https://api.kraken.com/0"
BACK_OFF = (5.0, 10.0, 20.0, 40.0, 60.0)
SILENCE = 5.0  # real seconds without any frame: the line is dead (heartbeats come every second)
PING_AFTER = 2.0  # before anything is subscribed there are no heartbeats: ask for a sign of life
TEND_EVERY = 0.25
SETTLED = 60.0  # a connection that lasted this long starts the back-off afresh
OPEN_WITHIN = 8.0
WARM_WITHIN = 15.0
FRAME_LIMIT = 16 * 1024 * 1024  # the instrument snapshot alone is above the library's 1 MiB
BEAT = 0.1
RECENT = timedelta(minutes=10)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def delays(dice: random.Random) -> Iterator[float]:
    """Seconds before each reconnect: at once (at most 1 s of jitter), then 5, 10, 20, 40 and 60 s for good."""
    yield dice.random()
    yield from BACK_OFF
    while True:
        yield BACK_OFF[-1]


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
        self.instruments: dict[Symbol, Instrument] = {}
        self.frames: KrakenFrames | None = None
        self._rest = KrakenRest(rest_url, clock)
        self._ws_url = ws_url
        self._depth = book_depth
        self._grace = grace
        self._silence = silence
        self._sleep = sleep
        self._dice = dice or random.Random()
        self._pairs: dict[Symbol, Pair] = {}
        self._unknown: dict[Symbol, str] = {}
        self._closes: dict[Symbol, tuple[float, datetime]] = {}
        self._quarantine = Quarantine()
        self._intake: Intake | None = None
        self._detail = "not started"
        self._warming = ""
        self._reconnects = 0

    # ------------------------------------------------------------ before the stream

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """Ask for the pairs. Keys are canonical symbols (a renamed coin answers under its new name)."""
        self._pairs = await self._rest.pairs()
        for asked in symbols:
            symbol = canonical(asked)
            symbol = symbol if symbol in self._pairs else renamed(symbol)
            pair = self._pairs.get(symbol)
            if pair is None:
                self._unknown[symbol] = f"Kraken does not trade {symbol}"
            elif pair.state != "online":
                self._unknown[symbol] = f"Kraken lists {symbol} as {pair.state}"
            else:
                self._unknown.pop(symbol, None)
                self.instruments[symbol] = pair.instrument
            if symbol != asked:
                log.info("%s is %s at Kraken", asked, symbol)
        return dict(self.instruments)

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        """History by REST, a few symbols at a time; `status` counts.

        A symbol whose history cannot be had, or not within `WARM_WITHIN` real seconds, is absent and logged.
        """
        answers: dict[Symbol, BarColumns] = {}

        async def warm(symbol: Symbol) -> None:
            try:
                columns = await self._rest.minutes(symbol, self._pairs[symbol].rest_name)
            except MarketError as error:
                log.warning("no history for %s: %s", symbol, error)
                return
            if columns.time.size:
                answers[symbol] = newest(columns, minutes)
                self._closes[symbol] = (float(columns.close[-1]), instant(int(columns.time[-1])))
            self._warming = f", history of {len(answers)}/{len(symbols)}"

        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_WITHIN):
                await asyncio.gather(*(warm(symbol) for symbol in symbols if symbol in self._pairs))
        if len(answers) < len(symbols):
            log.warning("history came for %d of %d symbols; the others warm up live", len(answers), len(symbols))
        self._warming = ""
        self._seed()
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
            start=self._first_minute(),
            quarantine=self._quarantine,
            grace=self._grace,
            ordered=True,
            on_late=self.on_late,
        )
        self._seed()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._close_minutes(self._intake))
                tasks.create_task(self._stay_connected(self._intake))
        finally:
            await self.close()

    def _first_minute(self) -> datetime:
        """Now, or the end of the history when that is not long ago: a minute that passed since is missing, not lost."""
        now = self.clock.now()
        ends = [at for _, at in self._closes.values() if now - at <= RECENT]
        return max(ends, default=now)

    def _seed(self) -> None:
        if self._intake is None:
            return
        self._intake.builder.seed({symbol: close for symbol, (close, _) in self._closes.items()})
        for symbol, (close, at) in self._closes.items():
            self._intake.gate.seed(symbol, close, at)

    async def _close_minutes(self, intake: Intake) -> None:
        while True:
            intake.advance()
            await asyncio.sleep(min(BEAT, max(0.005, real_seconds(self.clock, intake.builder.due()))))

    async def _stay_connected(self, intake: Intake) -> None:
        waits = delays(self._dice)
        while True:
            opened = monotonic()
            self._detail = await self._connection(intake)
            intake.down(self._detail, intake.last_frame)
            if monotonic() - opened >= SETTLED:
                waits = delays(self._dice)
            wait = next(waits)
            log.warning("Kraken: %s; next try in %.1f s", self._detail, wait)
            await self._sleep(wait)
            self._reconnects += 1

    async def _connection(self, intake: Intake) -> str:
        """One connection from open to end; returns why it ended."""
        try:
            async with connect(
                self._ws_url,
                open_timeout=OPEN_WITHIN,
                close_timeout=1,
                ping_interval=None,
                max_size=FRAME_LIMIT,
                proxy=None if urlsplit(self._ws_url).hostname in LOOPBACK else True,
            ) as socket:
                await self._converse(socket, intake)
        except TimeoutError as error:
            return str(error) or f"no answer at {self._ws_url} within {OPEN_WITHIN:.0f} s"
        except (OSError, websockets.WebSocketException) as error:
            return f"connection to {self._ws_url} ended: {str(error) or type(error).__name__}"
        return f"{self._ws_url} closed the connection"

    async def _converse(self, socket: ClientConnection, intake: Intake) -> None:
        subscriptions = Subscriptions(channels(self._depth), tuple(self.instruments))
        self.frames = frames = KrakenFrames(intake, subscriptions, self._depth)
        await _send(socket, subscriptions.open(self.clock.now()))
        async for text in self._heard(socket):
            if text is not None:
                frames.handle(text)
            await _send(socket, [*frames.take_requests(), *subscriptions.overdue(self.clock.now())])
            self.instruments.update(frames.instruments)

    async def _heard(self, socket: ClientConnection) -> AsyncIterator[str | bytes | None]:
        """Frames until the line closes, None at times in between; raises `TimeoutError` after too long a silence."""
        heard = pinged = monotonic()
        while True:
            text = None
            with suppress(TimeoutError):
                async with asyncio.timeout(min(TEND_EVERY, self._silence / 2)):
                    text = await socket.recv()
            now = monotonic()
            heard = now if text is not None else heard
            if now - heard >= self._silence:
                raise TimeoutError(f"no frame from {self._ws_url} for {self._silence:g} s")
            if now - max(heard, pinged) >= PING_AFTER:
                pinged = now
                await _send(socket, [{"method": "ping"}])
            yield text

    # ------------------------------------------------------------ its own account

    def status(self) -> FeedStatus:
        refused = self._unknown | (self.frames.subscriptions.refused if self.frames else {})
        if self._intake is None:
            return FeedStatus(self.name, False, self._detail + self._warming, refused_symbols=refused)
        detail = "connected" if self._intake.is_up else self._detail
        return self._intake.status(detail + self._warming, self._reconnects, refused)

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last messages that were not believed, oldest first."""
        return tuple(self._quarantine.last)


async def _send(socket: ClientConnection, requests: Sequence[Request]) -> None:
    for request in requests:
        await socket.send(json.dumps(request))


__all__ = ["REST_URL", "WS_URL", "FeedUnreachable", "KrakenFeed"]
