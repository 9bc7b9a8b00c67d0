"""The wiring: builds a desk from its parts, starts its threads and tasks in order, and stops them in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from engine.brokers.gateway import Gateway
from engine.brokers.paper import PaperBroker
from engine.clock import Clock, monotonic
from engine.crosscheck import CrossCheck
from engine.data_health import DataFacts, judge_data
from engine.delivery import poll_silent
from engine.disk_watch import DiskWatch
from engine.domain import Instrument, MarketKind, Quote, State, Symbol
from engine.healing import Healer
from engine.health import DISK_CRITICAL, Reading
from engine.inbox import Inbox, QuoteBoard
from engine.latency import Percentiles
from engine.loop import Announce, EngineLoop
from engine.market.second_source import PriceSource
from engine.messages import Born, Guarded, Message, Minute, Started, Stopped
from engine.parts import FEED, parts_of, renew_analyst
from engine.playbook import Playbook
from engine.ports import Feed, FeedStatus
from engine.records import Record
from engine.recovery import Part
from engine.serving import Serving
from engine.snapshot import Snapshot
from engine.storage import Storage
from engine.store.ledger import SqliteLedger
from engine.store.reserve import DiskReserve
from engine.store.tick_keeping import TickTerms
from engine.supply import HISTORY_MINUTES, Supply
from engine.tasks import Tasks
from engine.warming import MinuteTail, as_columns, joined, up_to
from engine.written import code_hash

MODELS = "models"  # in the data folder
STOP_WITHIN = 10.0  # real seconds
ROWS_A_MINUTE = 4  # more than a desk records: enough rows to find the last minutes in

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Terms:
    """What one run of the desk is. `symbols` in playbook order; `database_url` None means the embedded PostgreSQL."""

    data: Path
    desk_id: str
    kind: MarketKind
    label: str
    playbook: Playbook
    symbols: tuple[Symbol, ...]
    timezone: str
    version: str
    platform: str
    database_url: str | None
    settings: Mapping[str, str]
    environment: str = "development"
    ticks: TickTerms = field(default_factory=TickTerms)
    planted: float | None = None


class Desk:
    """A running desk: what the bot speaks to. `submit`, `snapshot`, `quote` and `records` may be called anywhere."""

    def __init__(self, terms: Terms, feed: Feed, announce: Announce) -> None:
        self.terms = terms
        self.playbook = terms.playbook
        self.clock: Clock = feed.clock
        self.feed = feed
        self.readings: tuple[Reading, ...] = ()  # of the last health check
        self.last_known: datetime | None = None  # desk time of the ledger's last row before this start
        self._ledger = SqliteLedger(terms.data / "ledger.sqlite")
        self._inbox = Inbox(self.clock, QuoteBoard())
        self._instruments: dict[Symbol, Instrument] = {}
        disk = DiskWatch(DiskReserve(terms.data, low=DISK_CRITICAL))
        self._loop = EngineLoop(self._ledger, self._inbox, self.clock, announce, disk, saved=terms.data / "checkpoint")
        broker = PaperBroker(self.clock.now, self._instruments, terms.environment)
        self._gateway = Gateway(broker, self._inbox.submit, self.clock.now, lambda: self.storage.lost)
        self.notice = broker.notice
        self.storage = _storage(terms, feed, self._ledger, self._lost)
        self.healer = Healer(feed, self.storage, self.clock)
        self._supply = Supply(feed, self._inbox, terms.playbook, terms.symbols, self._reached, self.healer.keep)
        self._supply.sink.keep = self.storage.keep_tick
        if hasattr(feed, "on_late"):  # a feed without prints has none that come late
            feed.on_late = self.storage.note_late
        if hasattr(feed, "on_suspect"):
            feed.on_suspect = self._supply.sink.on_suspect
        self._cross: CrossCheck | None = None
        self.serving: Serving | None = None
        if (forecaster := self._supply.forecaster) is not None:
            folder = terms.data / MODELS
            self.serving = Serving(
                folder, forecaster, self.clock, self._inbox.submit, self.snapshot, self.storage.note_experiments
            )
            self._loop.on_record(self.serving.on_record)
        self._tasks = Tasks()

    # ------------------------------------------------------------ what the bot asks

    def submit(self, message: Message) -> Future[Record]:
        """Put a message into the inbox; the future gives its record once it is durable."""
        return self._inbox.submit(message)

    def snapshot(self) -> Snapshot:
        return self._loop.snapshot()

    def held(self) -> list[Symbol]:
        """Symbols of the open positions; empty before the start."""
        return [position.symbol for position in self.snapshot().positions] if self._loop.has_started else []

    def quote(self, symbol: Symbol) -> Quote | None:
        return self._inbox.quotes.get(symbol)

    def records(self, after: int = 0) -> Iterator[Record]:
        """The ledger after sequence `after`, read beside the engine."""
        return self._ledger.read(after=after)

    def born(self) -> datetime:
        """When the ledger began; now for a new one."""
        first = next(iter(self._ledger.read()), None) if self._ledger.head()[0] else None
        return first.at if first else self.clock.now()

    def feed_status(self) -> FeedStatus:
        return self.feed.status()

    def health(self) -> tuple[Reading, ...]:
        """What the last health check read."""
        return self.readings

    def data_health(self) -> tuple[Reading, ...]:
        """Readings of the market data: gaps, what was set aside, the second source, raw trades."""
        started = self.snapshot().started if self._loop.has_started else None
        cross = self._cross.status() if self._cross else None
        return judge_data(
            DataFacts(
                now=self.clock.now(),
                feed=self.feed.status(),
                healing=self.healer.status(),
                cross=cross,
                started=started,
                speed=max(1.0, self.clock.speed),
                ticks=self.storage.tick_status(),
                live=self.feed.kind is MarketKind.LIVE,
                broken=self._tasks.broken(),
            )
        )

    def parts(self) -> Sequence[Part]:
        """What can be stuck, for `Recovery`. Call on the loop."""
        again = partial(asyncio.to_thread, self._gateway.revive)
        orders = Part("gateway", self._gateway.trouble, again, urgent=True)
        return parts_of(self._tasks, self._supply, self.storage, orders)

    def compare_with(self, source: PriceSource, limit: float) -> None:
        """Hold the feed's prices against another source's (see `engine.crosscheck`). Call before `start`."""
        self._cross = CrossCheck(source, self.feed, self.quote, self.submit, self.terms.symbols, limit)

    def latency(self, kind: str | None = None) -> Percentiles | None:
        return self._loop.percentiles(kind)

    def waiting(self) -> int:
        """Messages in the inbox."""
        return len(self._inbox)

    def engine_lives(self) -> bool:
        """Whether the engine thread runs: without it no stop acts."""
        return self._loop.is_alive

    def gateway_trouble(self) -> str:
        """Why no order leaves and none is answered; "" while they do."""
        return self._gateway.trouble()

    def waited(self) -> float:
        """Real seconds for which the oldest message has waited for the engine."""
        return self._inbox.waited()

    def on_record(self, callback: Callable[[Record], None]) -> None:
        """Call back on the engine thread with every durable record. Register before `start`."""
        self._loop.on_record(callback)

    # ------------------------------------------------------------ beginning and end

    async def start(self, instruments: Mapping[Symbol, Instrument] | None, say: Say) -> None:
        """Restore, open the store, warm the indicators and begin. `instruments` None: the feed could not be asked yet.

        Raises `LeaseHeld` when another desk has the database; nothing is left running then.
        """
        tail = MinuteTail(HISTORY_MINUTES)
        await asyncio.to_thread(self._restore, tail, say)
        say("opening the database")
        await asyncio.to_thread(self.storage.open)
        self._instruments.update(instruments or self._known_instruments())
        self._loop.on_record(self._gateway.on_record)
        self._loop.on_record(self._supply.analyse)
        self._loop.on_record(lambda record: self.storage.wake(record.seq))
        self._loop.on_record(self.healer.on_record)
        self.healer.begin(self.terms.symbols, tail.last, self.born())
        if instruments is not None:
            say(f"asking {self.feed.name} for history")
        history = await self._supply.history() if instruments is not None else {}
        self._supply.warm(joined(history if tail.last is None else up_to(history, tail.last), as_columns(tail.minutes)))
        self._gateway.start()
        self._supply.start()
        self._loop.start()
        await self._begin()
        self._supply.last = tail.last
        if tail.last is not None:
            self._supply.catch_up(history, tail.last)
        self.storage.start()
        self._tasks.begin(FEED, lambda: self._supply.run(instruments is not None, tail.last))
        if hasattr(self.feed, "poll"):  # of another feed silent prices cannot be asked for
            self._tasks.keep("poll", lambda: poll_silent(self, self._supply.sink))
        self._tasks.keep("healer", self.healer.run)
        self._tasks.keep("analyst's keeper", lambda: self._supply.tend(self._renew_analyst))
        if self.serving is not None:
            self._tasks.keep("models", self.serving.run)
        if self._cross is not None:
            self._tasks.keep("second source", self._cross.run)

    async def stop(self, why: str) -> None:
        """No new entries, record, let workers finish; positions stay as they are."""
        await self._tasks.stop()
        await self.feed.close()
        await asyncio.to_thread(self._stop, why)

    async def close(self) -> None:
        """Let go of the database and the ledger; `records` can still be read."""
        await asyncio.to_thread(self.storage.close)
        self._ledger.close()

    # ------------------------------------------------------------ the steps

    def _restore(self, tail: MinuteTail, say: Say) -> None:
        head = self._ledger.head()[0]
        if not head:
            return
        say(f"restoring {head:,} ledger rows")
        self._loop.restore(lambda done: say(f"restoring {done:,} of {head:,} ledger rows"))
        self._gateway.resume(self._loop.trader.unanswered(), self._loop.trader.consented())
        tail.see(self._ledger.read(after=max(0, head - ROWS_A_MINUTE * HISTORY_MINUTES)))
        if self._loop.has_started:  # a power cut can come between a ledger's first two rows
            self.last_known = self._loop.snapshot().at

    async def _renew_analyst(self) -> None:
        await renew_analyst(self._supply, self.serving, self._recorded)

    def _recorded(self) -> Sequence[Minute]:
        """The last minutes on record."""
        tail = MinuteTail(HISTORY_MINUTES)
        tail.see(self._ledger.read(after=max(0, self._ledger.head()[0] - ROWS_A_MINUTE * HISTORY_MINUTES)))
        return tuple(tail.minutes)

    def _known_instruments(self) -> dict[Symbol, Instrument]:
        """What the last run knew, else symbols without steps: entries wait for the feed anyway."""
        known: dict[Symbol, Instrument] = {symbol: Instrument(symbol) for symbol in self.terms.symbols}
        return known | {i.symbol: i for i in self._loop.trader.instruments() if i.symbol in known}

    async def _begin(self) -> None:
        """The first messages of this run: birth, and start."""
        terms, now = self.terms, self.clock.now()
        if not self._ledger.head()[0]:
            of = terms.playbook
            await self._ask(Born(now, terms.desk_id, terms.kind, of.name, of.hash, terms.label, terms.planted))
        await self._ask(self._started(now))

    def _started(self, now: datetime, anew: bool = True) -> Started:
        symbols = tuple(symbol for symbol in self.terms.symbols if symbol in self._instruments)
        return Started(
            at=now,
            version=self.terms.version,
            settings={**self.terms.settings, "timezone": self.terms.timezone, "speed": repr(self.clock.speed)},
            symbols=symbols,
            playbook_yaml=self.terms.playbook.text,
            instruments=tuple(self._instruments[symbol] for symbol in symbols),
            platform=self.terms.platform,
            code=code_hash(),
            anew=anew,
            rules=self.terms.playbook.hash,
        )

    async def _reached(self, found: dict[Symbol, Instrument]) -> None:
        """The feed has answered at last: where its instruments are news, the desk starts over from them."""
        if {symbol: self._instruments.get(symbol) for symbol in found} != found:
            self._instruments.update(found)
            await self._ask(self._started(self.clock.now(), anew=False))

    async def _ask(self, message: Message) -> Record:
        return await asyncio.wrap_future(self.submit(message))

    def _lost(self, sentence: str) -> None:
        self.submit(Guarded(self.clock.now(), "LEASE", State.HALTED, True, sentence))

    def _stop(self, why: str) -> None:
        deadline = monotonic() + STOP_WITHIN
        self._supply.stop()
        self.submit(Stopped(self.clock.now(), why))
        self._loop.stop(max(1.0, deadline - monotonic()))
        self._gateway.stop(1.0)


def _storage(terms: Terms, feed: Feed, ledger: SqliteLedger, lost: Callable[[str], None]) -> Storage:
    return Storage(terms.data, terms.database_url, ledger, lost, ticks=terms.ticks, exchange=feed.name)
