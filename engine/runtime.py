"""The wiring: builds a desk from its parts, starts its threads and tasks in order, and stops them in reverse."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.analyst import Analyst, AnalystThread
from engine.brokers.gateway import Gateway
from engine.brokers.paper import PaperBroker
from engine.clock import Clock, monotonic
from engine.delivery import DeskSink, poll_silent
from engine.disk_watch import DiskWatch
from engine.domain import Instrument, MarketKind, Quote, State, Symbol
from engine.health import Reading
from engine.inbox import Inbox, QuoteBoard
from engine.loop import Announce, EngineLoop, Percentiles
from engine.market.errors import MarketError
from engine.messages import Analysis, Born, FeedChanged, Guarded, Message, Minute, Record, Started, Stopped
from engine.playbook import Playbook
from engine.ports import BarColumns, Feed, FeedStatus
from engine.snapshot import Snapshot
from engine.storage import Storage
from engine.store.ledger import SqliteLedger
from engine.store.reserve import DiskReserve
from engine.warming import MinuteTail, as_columns, joined, missed

log = logging.getLogger(__name__)

PREPARE_WITHIN = 10.0  # real seconds
PREPARE_AGAIN = (5.0, 10.0, 20.0, 40.0, 60.0)
WARM_WITHIN = 20.0
STOP_WITHIN = 10.0
HISTORY_MINUTES = 720
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
        disk = DiskWatch(DiskReserve(terms.data))
        self._loop = EngineLoop(self._ledger, self._inbox, self.clock, announce, disk)
        self._analyst = Analyst(terms.playbook, terms.symbols)
        self._worker = AnalystThread(self._analyst, self._answered, self._analyst_failed)
        broker = PaperBroker(self.clock.now, self._instruments, terms.environment)
        self._gateway = Gateway(broker, self._inbox.submit, self.clock.now)
        self.notice = broker.notice
        self.storage = Storage(terms.data, terms.database_url, self._ledger, self._lost)
        self._sink = DeskSink(self._inbox, feed.has_prints)
        self._tasks: list[asyncio.Task[None]] = []

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

    def feed_status(self) -> FeedStatus:
        return self.feed.status()

    def health(self) -> tuple[Reading, ...]:
        """What the last health check read."""
        return self.readings

    def latency(self, kind: str | None = None) -> Percentiles | None:
        return self._loop.percentiles(kind)

    def waiting(self) -> int:
        """Messages in the inbox."""
        return len(self._inbox)

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
        self._loop.on_record(self._feed_analyst)
        self._loop.on_record(lambda record: self.storage.wake(record.seq))
        recorded = as_columns(tail.minutes)
        history = await self._history(say) if instruments is not None else {}
        self._warm(joined(history, recorded))
        self._gateway.start()
        self._worker.start()
        self._loop.start()
        await self._begin(history if tail.last else {}, tail.last)
        self.storage.start()
        self._tasks = [asyncio.create_task(self._trade(ready=instruments is not None), name="feed")]
        self._tasks.append(asyncio.create_task(poll_silent(self, self._sink), name="poll"))

    async def stop(self, why: str) -> None:
        """No new entries, record, let workers finish; positions stay as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._stop, why)

    async def close(self) -> None:
        """Let go of the database and the ledger; `records` can still be read."""
        await asyncio.to_thread(self.storage.close)
        self._ledger.close()

    async def feed_ended(self) -> None:
        """Wait until the feed has nothing more to deliver (a replay); raises what broke it."""
        await asyncio.shield(self._tasks[0])

    # ------------------------------------------------------------ the steps

    def _restore(self, tail: MinuteTail, say: Say) -> None:
        head = self._ledger.head()[0]
        if not head:
            return
        say(f"restoring {head:,} ledger rows")
        self._loop.restore(lambda done: say(f"restoring {done:,} of {head:,} ledger rows"))
        self._gateway.resume(self._ledger.read())
        tail.see(self._ledger.read(after=max(0, head - ROWS_A_MINUTE * HISTORY_MINUTES)))
        self.last_known = self._loop.snapshot().at

    def _known_instruments(self) -> dict[Symbol, Instrument]:
        """What the last run knew, else symbols without steps: entries wait for the feed anyway."""
        known: dict[Symbol, Instrument] = {symbol: Instrument(symbol) for symbol in self.terms.symbols}
        for record in self._ledger.read():
            if isinstance(record.message, Started):
                known |= {i.symbol: i for i in record.message.instruments if i.symbol in known}
        return known

    async def _history(self, say: Say) -> dict[Symbol, BarColumns]:
        say(f"asking {self.feed.name} for history")
        minutes = max(HISTORY_MINUTES, self._analyst.warm_minutes)
        try:
            async with asyncio.timeout(WARM_WITHIN):
                return dict(await self.feed.warm_up(self.terms.symbols, minutes))
        except (TimeoutError, MarketError, OSError) as error:
            log.warning("no history from %s (%s); indicators warm up as minutes come", self.feed.name, error)
            return {}

    def _warm(self, history: Mapping[Symbol, BarColumns]) -> None:
        for symbol, bars in history.items():
            if symbol in self.terms.symbols:
                self._analyst.warm(symbol, bars)

    async def _begin(self, history: Mapping[Symbol, BarColumns], last: datetime | None) -> None:
        """The first messages of this run: birth, start, and what was missed while down."""
        now = self.clock.now()
        if not self._ledger.head()[0]:
            terms = self.terms
            born = Born(now, terms.desk_id, terms.kind, terms.playbook.name, terms.playbook.hash, terms.label)
            await self._ask(born)
        await self._ask(self._started(now))
        for minute in missed(history, last) if last else ():
            self._inbox.submit(minute)

    def _started(self, now: datetime) -> Started:
        symbols = tuple(symbol for symbol in self.terms.symbols if symbol in self._instruments)
        return Started(
            at=now,
            version=self.terms.version,
            settings={**self.terms.settings, "timezone": self.terms.timezone, "speed": repr(self.clock.speed)},
            symbols=symbols,
            playbook_yaml=self.terms.playbook.text,
            instruments=tuple(self._instruments[symbol] for symbol in symbols),
            platform=self.terms.platform,
        )

    async def _trade(self, ready: bool) -> None:
        """Deliver the feed for as long as the desk runs; ask for its instruments first where that failed."""
        self._sink.on_feed(FeedChanged(self.clock.now(), self.feed.name, False, "connecting"))
        if not ready:
            await self._prepare_again()
        await self.feed.run(self._sink)

    async def _prepare_again(self) -> None:
        waits = itertools.chain(PREPARE_AGAIN, itertools.repeat(PREPARE_AGAIN[-1]))
        while not (found := await prepared(self.feed, self.terms.symbols)):
            wait = next(waits)
            log.warning("%s cannot be reached; the next try is in %.0f s", self.feed.name, wait)
            await asyncio.sleep(wait)
        if {symbol: self._instruments.get(symbol) for symbol in found} != found:
            self._instruments.update(found)
            await self._ask(self._started(self.clock.now()))
        last = self.snapshot().equity_curve[-1].at if self.snapshot().equity_curve else None
        for minute in missed(
            await self._history(log.info), last or self.clock.now() - timedelta(minutes=HISTORY_MINUTES)
        ):
            self._inbox.submit(minute)

    def _feed_analyst(self, record: Record) -> None:
        if isinstance(record.message, Minute):
            self._worker.submit(record.message)

    def _answered(self, analysis: Analysis) -> None:
        self._inbox.submit(analysis)

    def _analyst_failed(self, error: BaseException) -> None:
        log.critical("the analyst stopped; minutes go without signals until a restart", exc_info=error)
        note = f"the analyst stopped ({type(error).__name__}); see the error log and restart the desk"
        self._inbox.submit(Guarded(self.clock.now(), "ANALYST", State.REDUCING, True, note))

    async def _ask(self, message: Message) -> Record:
        return await asyncio.wrap_future(self.submit(message))

    def _lost(self, sentence: str) -> None:
        self.submit(Guarded(self.clock.now(), "LEASE", State.HALTED, True, sentence))

    def _stop(self, why: str) -> None:
        deadline = monotonic() + STOP_WITHIN
        self._worker.stop()
        self.submit(Stopped(self.clock.now(), why))
        self._loop.stop(max(1.0, deadline - monotonic()))
        self._gateway.stop(1.0)


async def prepared(feed: Feed, symbols: tuple[Symbol, ...]) -> dict[Symbol, Instrument] | None:
    """What the feed can trade of `symbols`; None when it cannot be reached within `PREPARE_WITHIN` real seconds."""
    try:
        async with asyncio.timeout(PREPARE_WITHIN):
            return dict(await feed.prepare(symbols)) or None
    except (TimeoutError, MarketError, OSError) as error:
        log.info("%s did not answer: %s", feed.name, error or "no answer in time")
        return None
