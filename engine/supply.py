"""The market side of a running desk: history for the indicators, the feed's task, and the analyst behind it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from engine.analyst import Analyst, AnalystThread, Forecaster
from engine.clock import monotonic
from engine.delivery import DeskSink
from engine.domain import Instrument, State, Symbol, instant
from engine.inbox import Inbox
from engine.market.errors import MarketError
from engine.messages import Analysis, FeedChanged, Guarded, Minute
from engine.playbook import Playbook
from engine.ports import BarColumns, Feed
from engine.records import Record
from engine.strategies import StrategyError
from engine.warming import missed

log = logging.getLogger(__name__)

PREPARE_WITHIN = 10.0  # real seconds
PREPARE_AGAIN = (5.0, 10.0, 20.0, 40.0, 60.0)
WARM_WITHIN = 20.0
HISTORY_MINUTES = 720
LOOK_EVERY = 5.0  # real seconds between looks at the analyst's thread
START_AGAIN, LONGEST_PAUSE = 300.0, 3600.0  # real seconds; the pause doubles while it stops again within the longest

History = Mapping[Symbol, BarColumns]


async def prepared(feed: Feed, symbols: tuple[Symbol, ...]) -> dict[Symbol, Instrument] | None:
    """What the feed can trade of `symbols`; None when it cannot be reached within `PREPARE_WITHIN` real seconds."""
    try:
        async with asyncio.timeout(PREPARE_WITHIN):
            return dict(await feed.prepare(symbols)) or None
    except (TimeoutError, MarketError, OSError) as error:
        log.info("%s did not answer: %s", feed.name, error or "no answer in time")
        return None


class Supply:
    """Feeds the inbox. `found` is called when an unreachable feed has answered what it trades."""

    def __init__(
        self,
        feed: Feed,
        inbox: Inbox,
        playbook: Playbook,
        symbols: tuple[Symbol, ...],
        found: Callable[[dict[Symbol, Instrument]], Awaitable[None]],
        keep: Callable[[History], None],
        recall: Callable[[], History] = dict,
    ) -> None:
        """`keep` gets the history that the feed gives at a start; `recall` reads the last minutes on record."""
        self.feed = feed
        self.sink = DeskSink(inbox, feed.has_prints)
        self._keep = keep
        self._inbox = inbox
        self._symbols = symbols
        self._found = found
        self._playbook = playbook
        self._recall = recall
        self._analyst = Analyst(playbook, symbols)
        self._worker = AnalystThread(self._analyst, self._answered, self._analyst_failed)
        self._failed: float | None = None  # when the analyst stopped, while entries are held for it
        self._began, self._pause = monotonic(), 0.0

    @property
    def forecaster(self) -> Forecaster | None:
        """The models' place at work; None where the playbook has none."""
        return self._analyst.forecaster

    # ------------------------------------------------------------ before the first minute

    async def history(self) -> History:
        """What the feed knows of the past; empty when it cannot be had in time."""
        minutes = max(HISTORY_MINUTES, self._analyst.warm_minutes)
        try:
            async with asyncio.timeout(WARM_WITHIN):
                history = dict(await self.feed.warm_up(self._symbols, minutes))
        except (TimeoutError, MarketError, OSError) as error:
            log.warning("no history from %s (%s); indicators warm up as minutes come", self.feed.name, error)
            return {}
        self._keep(history)
        return history

    def warm(self, history: History) -> None:
        """Advance the indicators, before the worker starts."""
        for symbol, bars in history.items():
            if symbol in self._symbols:
                self._analyst.warm(symbol, bars)

    def start(self) -> None:
        self._worker.start()

    def catch_up(self, history: History, last: datetime | None) -> None:
        """What happened after `last`, the ledger's last minute, as messages; without one, only to the indicators."""
        if last is None:
            self.warm(history)
            return
        for minute in missed(history, last):
            self._inbox.submit(minute)

    # ------------------------------------------------------------ running

    async def run(self, ready: bool, last: datetime | None) -> None:
        """Deliver for as long as the desk runs; what breaks the feed for good is logged and holds entries."""
        self._say(False, "connecting")
        try:
            if not ready:
                await self._prepare_again(last)
            await self.feed.run(self.sink)
        except Exception as error:
            log.critical("the feed %s broke; the desk runs without prices", self.feed.name, exc_info=error)
            note = f"the feed {self.feed.name} broke ({type(error).__name__}); see the error log and restart the desk"
            self._inbox.submit(Guarded(self.feed.clock.now(), "FEED", State.REDUCING, True, note))
            self._say(False, note)
        else:
            self._say(False, "the record has ended")

    async def tend(self) -> None:
        """Start an analyst that has stopped again, for as long as the desk runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._failed is not None and self._failed > self._began and monotonic() - self._failed >= self._pause:
                await asyncio.to_thread(self.start_again)

    def start_again(self) -> None:
        """A fresh analyst in the place of one that stopped, warmed from the record, with the models of the old one."""
        fresh = Analyst(self._playbook, self._symbols)
        fresh.forecaster = self._analyst.forecaster
        worker = AnalystThread(fresh, self._answered, self._analyst_failed)
        self._analyst, self._worker = fresh, worker  # from here on minutes wait for the new one
        known = self._recall()
        self.warm(known)
        last = max((int(bars.time[-1]) for bars in known.values() if bars.time.size), default=None)
        self._began = monotonic()
        worker.start(None if last is None else instant(last))
        log.warning("the analyst was started again")

    def stop(self) -> None:
        self._worker.stop()

    def analyse(self, record: Record) -> None:
        """Hand a durable minute to the analyst."""
        if isinstance(record.message, Minute):
            self._worker.submit(record.message)

    async def _prepare_again(self, last: datetime | None) -> None:
        waits = itertools.chain(PREPARE_AGAIN, itertools.repeat(PREPARE_AGAIN[-1]))
        while not (found := await prepared(self.feed, self._symbols)):
            wait = next(waits)
            log.warning("%s cannot be reached; the next try is in %.0f s", self.feed.name, wait)
            await asyncio.sleep(wait)
        await self._found(found)
        self.catch_up(await self.history(), last)

    def _say(self, up: bool, detail: str) -> None:
        self.sink.on_feed(FeedChanged(self.feed.clock.now(), self.feed.name, up, detail))

    def _answered(self, analysis: Analysis) -> None:
        self._inbox.submit(analysis)
        if self._failed is not None:
            self._failed = None
            log.warning("the analyst answers again")
            note = "the analyst answers again"
            self._inbox.submit(Guarded(self.feed.clock.now(), "ANALYST", State.REDUCING, False, note))

    def _analyst_failed(self, error: BaseException) -> None:
        """Entries are held; the thread is started again after a pause, the longer the sooner it stopped again."""
        now = monotonic()
        again = now - self._began <= LONGEST_PAUSE
        self._pause = min(LONGEST_PAUSE, max(START_AGAIN, 2 * self._pause)) if again else START_AGAIN
        self._failed = now
        then = f"it is started again in {self._pause / 60:.0f} min"
        if isinstance(error, StrategyError):  # the author's own mistake: the sentence has all that a trace would
            log.critical("the analyst stopped; minutes go without signals and %s: %s", then, error)
            note = f"the analyst stopped: {error} Mend it and restart the desk; until then {then}"
        else:
            log.critical("the analyst stopped; minutes go without signals and %s", then, exc_info=error)
            note = f"the analyst stopped ({type(error).__name__}); see the error log; {then}"
        self._inbox.submit(Guarded(self.feed.clock.now(), "ANALYST", State.REDUCING, True, note))
