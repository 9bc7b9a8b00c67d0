"""The simulated market as a feed: prints and quotes in desk time, at any speed, always labelled *simulated*."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from typing import Protocol

import numpy as np

from engine.clock import Clock, release
from engine.domain import Instrument, MarketKind, Print, Quote, Symbol, instant, micros
from engine.market.bars import MINUTE_US
from engine.market.intake import Intake, forget
from engine.market.names import canonical
from engine.market.planted import COINS, LABEL, PlantedPrices
from engine.market.quality import Quarantine, Quarantined
from engine.market.simulation import HOUR_US, Hour, SimulatedPrices
from engine.market.symbols import current
from engine.ports import BarColumns, FeedStatus, MarketSink

HISTORY = 300
BEAT = 0.1  # real seconds between deliveries
CALM_US = 90 * MINUTE_US  # no outage so soon after a start
AT_ONCE_US = 5 * MINUTE_US  # delivered in one go when the loop was held up
FEW = 20  # up to so many symbols print more often

Event = tuple[int, Symbol, float, float, int, float]


class Prices(Protocol):
    """A made-up market, whole: the same answer whenever asked. Times are µs."""

    def instrument(self, symbol: Symbol) -> Instrument: ...

    def hour(self, symbol: Symbol, hour: int) -> Hour: ...

    def outage(self, hour: int) -> tuple[int, int] | None: ...

    def bars(self, symbol: Symbol, first: int, end: int) -> BarColumns: ...


class SimulatedFeed:
    """Implements `Feed`. `resume` gives last closes: a market of another seed goes on from them.

    With `planted`, the share of right answers that can be had two hours ahead, it is that market with a known edge
    (see `engine.market.planted`): five coins unless `symbols` names others, no outages, and all its past to learn from.
    """

    name = "simulated"
    kind = MarketKind.SIMULATED
    has_prints = True

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 1,
        resume: Mapping[Symbol, float] | None = None,
        planted: float | None = None,
        symbols: Sequence[Symbol] = (),
        beat: float = BEAT,
        on_late: Callable[[Print], None] = forget,
    ) -> None:
        self.clock = clock
        self.on_late = on_late
        self._beat = beat
        self.label = "simulated" if planted is None else LABEL
        self._seed = seed
        self._planted = planted
        self._resume = dict(resume or {})
        self._prices: Prices = SimulatedPrices(seed) if planted is None else PlantedPrices(seed, planted)
        self.symbols = () if planted is None else tuple(symbols) or COINS
        self._start = micros(clock.now()) // MINUTE_US * MINUTE_US
        self._symbols: tuple[Symbol, ...] = ()
        self._turn = 0
        self._refused: dict[Symbol, str] = {}
        self._quarantine = Quarantine()
        self._intake: Intake | None = None

    async def close(self) -> None:
        """Nothing is open between runs."""

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Instrument]:
        """Any BASE/QUOTE can be traded here."""
        names = [current(canonical(symbol)) for symbol in symbols]
        self._refused = {name: "not of the form BASE/QUOTE" for name in names if name.count("/") != 1}
        self._symbols = tuple(dict.fromkeys(name for name in names if name not in self._refused))
        if self._planted is None:
            self._prices = self._going_on()
        return {symbol: self._prices.instrument(symbol) for symbol in self._symbols}

    def _going_on(self) -> SimulatedPrices:
        """The market that goes on where the last closes are; one with a planted edge is never another."""
        prices = SimulatedPrices(self._seed, 8 if len(self._symbols) <= FEW else 4)
        for symbol in self._symbols:
            if symbol in self._resume:
                prices.shift(symbol, self._start, self._resume[symbol])
        return prices

    async def warm_up(self, symbols: Sequence[Symbol], minutes: int) -> Mapping[Symbol, BarColumns]:
        """The market's own past up to the start, at most `HISTORY` minutes, or as many as asked of a planted edge."""
        minutes = min(minutes, HISTORY) if self._planted is None else minutes
        answers = {}
        for symbol in symbols:
            answers[symbol] = self._history(symbol, minutes)
            await asyncio.sleep(0)
        return answers

    async def bars(self, symbol: Symbol, since: datetime, until: datetime) -> BarColumns:
        """What this market traded in the minutes that opened in [`since`, `until`), heard or not."""
        now = micros(self.clock.now()) // MINUTE_US * MINUTE_US
        end = min(micros(until), now)
        return self._history(symbol, max(0, (end - micros(since)) // MINUTE_US), end)

    def doubt(self, symbol: Symbol, doubtful: bool) -> None:
        """Grade the minutes of `symbol` doubtful from now on, or no longer."""
        if self._intake is not None:
            self._intake.doubt(symbol, doubtful)

    def _history(self, symbol: Symbol, minutes: int, end: int | None = None) -> BarColumns:
        end = self._start if end is None else end
        return self._prices.bars(symbol, end - minutes * MINUTE_US, end)

    async def run(self, sink: MarketSink) -> None:
        """Deliver until cancelled, from the start of the running minute on, so that it is whole."""
        release(self.clock)
        intake = self._open(sink)
        reached = self._start
        while True:
            now = micros(self.clock.now())
            if reached < now:
                reached = self._deliver(intake, reached, now)
            self._look_ahead(reached)
            await asyncio.sleep(self._beat if reached >= now else 0)

    def _look_ahead(self, reached: int) -> None:
        """Make the next hour of one symbol at a time, so that no hour begins with a halt for all of them."""
        self._turn += 1
        if self._symbols:
            self._prices.hour(self._symbols[self._turn % len(self._symbols)], reached // HOUR_US + 1)

    def _open(self, sink: MarketSink) -> Intake:
        start = instant(self._start)
        self._intake = intake = Intake(
            self.name, self._symbols, self.clock, sink, start=start, quarantine=self._quarantine, on_late=self.on_late
        )
        closes = {symbol: float(self._history(symbol, 1).close[-1]) for symbol in self._symbols}
        intake.builder.seed(closes)
        self._up(intake, start)
        return intake

    def _up(self, intake: Intake, at: datetime) -> None:
        for symbol in self._symbols:
            intake.builder.alive(symbol, at)
        intake.up("simulated market")

    def _deliver(self, intake: Intake, since: int, until: int) -> int:
        """Everything from `since` to `until` or the next edge (an hour, an outage); returns how far that was."""
        hour = since // HOUR_US
        outage = self._prices.outage(hour) if since - self._start > CALM_US else None
        end = min(until, (hour + 1) * HOUR_US, since + AT_ONCE_US, *(edge for edge in outage or () if edge > since))
        if outage and outage[0] <= since < outage[1]:
            intake.down("simulated outage", instant(since))
        else:
            self._up(intake, instant(since))
            for event in merge(*(self._events(symbol, since, end) for symbol in self._symbols)):
                self._offer(intake, event)
        intake.hear()
        intake.advance(complete_until=instant(end))
        return end

    def _events(self, symbol: Symbol, since: int, until: int) -> Iterator[Event]:
        hour = self._prices.hour(symbol, since // HOUR_US)
        first, last = np.searchsorted(hour.time, (since, until))
        for k in range(int(first), int(last)):
            yield (
                int(hour.time[k]),
                symbol,
                float(hour.price[k]),
                float(hour.quantity[k]),
                int(hour.side[k]),
                hour.spread,
            )

    def _offer(self, intake: Intake, event: Event) -> None:
        time, symbol, price, quantity, side, spread = event
        at = instant(time)
        width = price * spread
        bid, ask = (price - width, price) if side > 0 else (price, price + width)
        intake.offer(Print(symbol, at, price, quantity, self.clock.now(), None, "buy" if side > 0 else "sell"))
        intake.offer(Quote(symbol, at, bid, ask))

    def status(self) -> FeedStatus:
        if self._intake is None:
            return FeedStatus(self.name, False, "not started", refused_symbols=dict(self._refused))
        detail = "simulated market" if self._intake.is_up else "simulated outage"
        return self._intake.status(detail, refused=self._refused)

    def quarantine(self) -> tuple[Quarantined, ...]:
        """The last messages that were not believed, oldest first."""
        return tuple(self._quarantine.last)
