"""The live feed of Massive (Polygon.io): trades, quotes and minute bars of many exchanges together, with a key."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from websockets.asyncio.client import ClientConnection

from engine.clock import Clock, monotonic
from engine.domain import Instrument, MarketKind, Print, Quote, Symbol, micros
from engine.market.bars import GRACE
from engine.market.connection import SILENCE, Line, TurnedAway
from engine.market.errors import MarketError
from engine.market.intake import Intake, forget
from engine.market.massive_access import MassiveAccess, MassiveRefused
from engine.market.massive_check import BarCheck
from engine.market.massive_frames import EVICTED, MassiveFrames
from engine.market.massive_history import columns_of_results, results_of
from engine.market.massive_rest import MassiveRest
from engine.market.massive_topics import Topics
from engine.market.past import Past, close_minutes
from engine.market.quality import Quarantine, Quarantined
from engine.market.suspicions import keep_quiet
from engine.market.symbols import absence, current
from engine.messages import Suspected
from engine.ports import BarColumns, FeedStatus, MarketSink

log = logging.getLogger(__name__)

WARM_WITHIN = 15.0
LET_IN_WITHIN = 10.0  # real seconds from the open line to an accepted key
UNDISTURBED = 1_800.0  # real seconds after which an earlier eviction is history
QUANTITY_STEP = 1e-8  # Massive states no steps and no minimums: eight decimals, prices as they are


class MassiveFeed:
    """Implements `Feed`. `poll` asks REST for a symbol whose prices have stopped; `close` ends the REST client.

    Where the key's plan has no trades, minutes come from Massive's own minute bars and prices from its second bars.
    """

    name = "massive"
    label = ""
    kind = MarketKind.LIVE
    has_prints = True

    def __init__(
        self,
        clock: Clock,
        access: MassiveAccess,
        *,
        grace: timedelta = GRACE,
        silence: float = SILENCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        dice: random.Random | None = None,
        on_late: Callable[[Print], None] = forget,
        on_suspect: Callable[[Suspected], None] = keep_quiet,
    ) -> None:
        access.require_key()
        self.clock = clock
        self.on_late = on_late
        self.on_suspect = on_suspect
        self.instruments: dict[Symbol, Instrument] = {}
        self.frames: MassiveFrames | None = None
        self._access = access
        self._rest = MassiveRest(access, clock)
        self._line = Line("Massive", access.ws_url, silence=silence, sleep=sleep, dice=dice)
        self._grace = grace
        self._pairs: dict[Symbol, str] = {}
        self._unknown: dict[Symbol, str] = {}
        self._past = Past()
        self._quarantine = Quarantine()
        self._doubted: set[Symbol] = set()  # by the second source, until it agrees
        self._intake: Intake | None = None
        self._check: BarCheck | None = None
        self._evictions = 0
        self._evicted_at = -math.inf

    # ------------------------------------------------------------ before the stream

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """Ask which pairs there are. A key that is refused refuses every symbol, with the reason in `status()`."""
        wanted = [current(symbol) for symbol in symbols]
        try:
            tickers = await self._rest.tickers()
        except MassiveRefused as error:
            self._unknown = dict.fromkeys(wanted, str(error))
            return {}
        self._unknown.clear()
        for symbol in wanted:
            if symbol in tickers:
                self._pairs[symbol] = tickers[symbol].pair
                self.instruments[symbol] = Instrument(symbol, quantity_step=QUANTITY_STEP)
            else:
                self._unknown[symbol] = absence("massive", symbol).sentence
        return dict(self.instruments)

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        """Minute bars by REST. A symbol that has none within `WARM_WITHIN` real seconds is absent and logged."""
        now = self.clock.now()
        since = now.replace(second=0, microsecond=0) - timedelta(minutes=minutes)
        wanted = [symbol for symbol in symbols if symbol in self._pairs]
        answers = await self._past.gather(wanted, minutes, lambda symbol: self.bars(symbol, since, now), WARM_WITHIN)
        if self._intake is not None:
            self._past.seed(self._intake)
        return answers

    async def bars(self, symbol: Symbol, since: datetime, until: datetime) -> BarColumns:
        """Massive's own closed minutes that opened in [`since`, `until`). Raises `MarketError`."""
        results = await results_of(self._rest, symbol, since, until)
        return columns_of_results(symbol, results, since, until, micros(self.clock.now()))

    async def poll(self, symbol: Symbol) -> Quote | None:
        """The last trade by REST, judged like any price and delivered to the sink; None when it cannot be had."""
        if symbol not in self._pairs or self._intake is None:
            return None
        try:
            quote = await self._rest.quote(symbol)
        except MarketError as error:
            log.warning("%s", error)
            return None
        return quote if self._intake.offer(quote, streamed=False) else None

    def doubt(self, symbol: Symbol, doubtful: bool) -> None:
        """Grade the minutes of `symbol` doubtful from now on, or no longer; also those of a later `run`."""
        (self._doubted.add if doubtful else self._doubted.discard)(symbol)
        if self._intake is not None:
            self._intake.doubt(symbol, doubtful)

    async def close(self) -> None:
        await self._rest.close()

    # ------------------------------------------------------------ the stream

    async def run(self, sink: MarketSink) -> None:
        """Deliver until cancelled, through every disconnect."""
        self._check = BarCheck(sink, self.name, self.clock, self.on_suspect)
        self._intake = Intake(
            self.name,
            tuple(self.instruments),
            self.clock,
            self._check,
            start=self._past.first_minute(self.clock.now()),
            quarantine=self._quarantine,
            grace=self._grace,
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
        assert self._intake is not None
        assert self._check is not None
        opened = monotonic()
        topics = Topics({symbol: self._pairs[symbol] for symbol in self.instruments})
        self.frames = frames = MassiveFrames(self._intake, topics, self._access, self._check)
        async for text in self._line.frames(socket, self._intake.hear):
            try:
                if text is not None:
                    frames.handle(text)
            except TurnedAway as error:
                raise self._unhurried(error, frames.evicted) from error
            for request in frames.take_requests():
                await socket.send(json.dumps(request))
            if topics.refused or self._intake.has_refused:
                self._intake.refuse(topics.why_not(), topics.heard())
            if not frames.let_in and monotonic() - opened > LET_IN_WITHIN:
                raise TimeoutError(f"Massive did not take the key within {LET_IN_WITHIN:.0f} s")

    def _unhurried(self, error: TurnedAway, evicted: bool) -> TurnedAway:
        """Each eviction in a row waits longer: two programs with one key would throw each other out for ever."""
        if not evicted:
            return error
        self._evictions = 0 if monotonic() - self._evicted_at > UNDISTURBED else self._evictions + 1
        self._evicted_at = monotonic()
        rest = EVICTED[min(self._evictions, len(EVICTED) - 1)]
        return TurnedAway(f"{error}; the next try is in {rest:.0f} s", rest)

    # ------------------------------------------------------------ its own account

    def status(self) -> FeedStatus:
        refused = self._unknown | (self.frames.topics.why_not() if self.frames else {})
        if self._intake is None:
            return FeedStatus(self.name, False, self._line.detail + self._past.progress, refused_symbols=refused)
        detail = "connected" if self._intake.is_up else self._line.detail
        more = self._past.progress + (self._check.note if self._check else "")
        status = self._intake.status(detail + more, self._line.reconnects, refused)
        return replace(status, warning=self._check.warning if self._check else "")

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last messages that were not believed, oldest first."""
        return tuple(self._quarantine.last)
