"""The market side of a running desk: history for the indicators, the feed's task, and the analyst behind it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta

from engine.analyst import Analyst, AnalystThread, Forecaster
from engine.clock import monotonic
from engine.delivery import DeskSink
from engine.domain import Instrument, MarketKind, State, Symbol
from engine.inbox import Inbox
from engine.market.errors import MarketError
from engine.messages import Analysis, FeedChanged, Guarded, Minute
from engine.playbook import Playbook
from engine.ports import BarColumns, Feed
from engine.records import Record
from engine.recovery import BLOCKED
from engine.strategies import StrategyError
from engine.warming import as_columns, joined, missed

log = logging.getLogger(__name__)

PREPARE_WITHIN = 10.0  # real seconds
PREPARE_AGAIN = (5.0, 10.0, 20.0, 40.0, 60.0)
WARM_WITHIN = 20.0
HISTORY_MINUTES = 720
LOOK_EVERY = 5.0  # real seconds between looks at the analyst's thread
START_AGAIN, LONGEST_PAUSE = 300.0, 3600.0  # real seconds; the pause doubles while it stops again within the longest
MINUTES_SILENT = 600.0  # real seconds without a minute on record from a feed that is up: it is stuck
PRICES_SILENT = timedelta(minutes=30)  # the same without any price

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
    ) -> None:
        """`keep` gets the history that the feed gives at a start."""
        self.feed = feed
        self.sink = DeskSink(inbox, feed.has_prints)
        self._keep = keep
        self._inbox = inbox
        self._playbook = playbook
        self._symbols = symbols
        self._found = found
        self._heard = monotonic()
        self.broken = ""  # what ended the feed's task for good
        self.is_begun_again = False  # after it broke: its first minute ends the hold
        self.last: datetime | None = None  # the last minute on record in this run
        self._analyst = Analyst(playbook, symbols)
        # the one at work; then, while it is warmed, the one that is to follow it
        self._workers: tuple[AnalystThread, ...] = (self._thread_of(self._analyst),)
        self._renewing = asyncio.Lock()
        self._failed: float | None = None  # since when the analyst at work is known to be stopped or stuck
        self._is_held = False  # entries, for the analyst
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
        self._workers[0].start()

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
        self._heard, self.broken = monotonic(), ""
        self._say(False, "connecting")
        try:
            if not ready:
                await self._prepare_again(last)
            await self.feed.run(self.sink)
        except Exception as error:
            log.critical("the feed %s broke; the desk runs without prices", self.feed.name, exc_info=error)
            is_live = self.feed.kind is MarketKind.LIVE
            self.broken = f"it ended with {type(error).__name__}: {error}" if is_live else ""
            self.is_begun_again = False
            then = "it is started again at the next look for what is stuck" if is_live else "restart the desk"
            note = f"the feed {self.feed.name} broke ({type(error).__name__}); see the error log; {then}"
            self._inbox.submit(Guarded(self.feed.clock.now(), "FEED", State.REDUCING, True, note))
            self._say(False, note)
        else:
            self._say(False, "the record has ended")

    def stop(self) -> None:
        self._workers[0].stop()

    def analyse(self, record: Record) -> None:
        """Hand a durable minute to the analyst."""
        if isinstance(record.message, Minute):
            self.last, self._heard = record.message.at, monotonic()
            for worker in self._workers:
                worker.submit(record.message)
            if self.is_begun_again and record.message.symbols and not record.message.caught_up:
                self.is_begun_again = False
                self.lift("FEED", "the feed was started again, and closes minutes")

    # ------------------------------------------------------------ what is stuck

    def feed_trouble(self) -> str:
        """Why a live feed that is up is none: it closes no minutes, or has no prices; "" while it is well."""
        if self.broken:
            return self.broken
        status, now = self.feed.status(), self.feed.clock.now()
        if self.feed.kind is not MarketKind.LIVE or not status.up:
            return ""  # an invented market stands or falls with the desk; a line that is down is tried again anyway
        if (silent := monotonic() - self._heard) > MINUTES_SILENT:
            return f"it is up, and has closed no minute for {silent / 60:.0f} min"
        if status.symbols and (quiet := now - max(status.symbols.values())) > PRICES_SILENT:
            return f"it is up, and has had no price for {quiet.total_seconds() / 60:.0f} min"
        return ""

    def lift(self, code: str, note: str) -> None:
        """What held entries was started again."""
        self._inbox.submit(Guarded(self.feed.clock.now(), code, State.REDUCING, False, note))

    def analyst_trouble(self) -> str:
        """Why no minute is answered; "" while they are."""
        worker = self._workers[0]
        if worker.error is not None:
            return f"it ended with {type(worker.error).__name__}: {worker.error}"
        waiting = worker.stuck(BLOCKED)
        return f"{waiting} minute{'s' * (waiting != 1)} waited more than {BLOCKED / 60:.0f} min" if waiting else ""

    async def tend(self, renew: Callable[[], Awaitable[None]]) -> None:
        """Have an analyst that has stopped or is stuck renewed after its pause, for as long as the desk runs. Nothing
        else renews it: every other way would cut the pauses short."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if trouble := self.analyst_trouble():
                await self._tended(trouble, renew)

    async def _tended(self, trouble: str, renew: Callable[[], Awaitable[None]]) -> None:
        if self._failed is None and self._workers[0].error is None:  # of an error it tells itself, at once
            self._analyst_stuck(trouble)
        if self._failed is None or monotonic() - self._failed < self._pause:
            return
        began = self._began
        try:
            await renew()
        finally:
            if self._began == began:
                self._put_off()  # the renewal broke: what broke it is as likely to break the next

    async def renew_analyst(self, recorded: Callable[[], Iterable[Minute]]) -> None:
        """A new analyst, its indicators from history and the record; minutes that come meanwhile wait for it.

        Until it is warm nothing else changes: a renewal that breaks leaves all as it was. `recorded` gives the last
        minutes of the ledger, from a worker thread.
        """
        async with self._renewing:
            before, analyst = self._workers[0], Analyst(self._playbook, self._symbols)
            worker = self._thread_of(analyst)
            self._workers = (before, worker)
            try:
                known = await self._warmed(analyst, recorded)
            except BaseException:
                self._workers = (before,)
                raise
            before.leave()
            self._workers, self._analyst = (worker,), analyst
            self._failed, self._began = None, monotonic()
            worker.start(known)
            log.warning("the analyst was started again")

    async def _warmed(self, analyst: Analyst, recorded: Callable[[], Iterable[Minute]]) -> datetime | None:
        """Warm one that follows the minutes already; the last minute that it knows then."""
        known = self.last  # read after it follows: what is on record by now is in `recorded`, what comes in its queue
        history = await self._bars(known)

        def warm() -> None:
            tail = [one for one in recorded() if known is None or one.at <= known]
            for symbol, bars in joined(history, as_columns(tail)).items():
                analyst.warm(symbol, bars)

        await asyncio.to_thread(warm)
        return known

    async def _bars(self, until: datetime | None) -> History:
        """What the feed can say of the past without being begun again; less where it cannot."""
        ask: Callable[[Symbol, datetime, datetime], Awaitable[BarColumns]] | None = getattr(self.feed, "bars", None)
        found: dict[Symbol, BarColumns] = {}
        if ask is None or until is None:
            return found
        for symbol in self._symbols:
            try:
                found[symbol] = await ask(symbol, until - timedelta(minutes=HISTORY_MINUTES), until)
            except (MarketError, OSError) as error:
                log.warning("no history of %s for the analyst: %s", symbol, error)
        return found

    def _thread_of(self, analyst: Analyst) -> AnalystThread:
        return AnalystThread(analyst, self._answered, self._analyst_failed)

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
        if self._is_held:
            self._failed, self._is_held = None, False
            log.warning("the analyst answers again")
            self.lift("ANALYST", "the analyst answers again")

    def _analyst_failed(self, error: BaseException) -> None:
        """Entries are held; the thread is started again after a pause, the longer the sooner it stopped again."""
        self._put_off()
        then = f"it is started again in {self._pause / 60:.0f} min"
        if isinstance(error, StrategyError):  # the author's own mistake: the sentence has all that a trace would
            log.critical("the analyst stopped; minutes go without signals and %s: %s", then, error)
            note = f"the analyst stopped: {error} Mend it and restart the desk; until then {then}"
        else:
            log.critical("the analyst stopped; minutes go without signals and %s", then, exc_info=error)
            note = f"the analyst stopped ({type(error).__name__}); see the error log; {then}"
        self._hold(note)

    def _analyst_stuck(self, trouble: str) -> None:
        """As where it stopped, but the time for which it was stuck already counts as waited."""
        self._put_off()
        wait = max(0.0, self._pause - BLOCKED)
        then = f"it is started again in {wait / 60:.0f} min" if wait else "it is started again now"
        log.critical("the analyst is stuck (%s); minutes go without signals and %s", trouble, then)
        self._failed = monotonic() - BLOCKED
        self._hold(f"the analyst is stuck ({trouble}); {then}")

    def _put_off(self) -> None:
        """The next renewal comes after a pause, which doubles while the analyst stops again within the longest."""
        now = monotonic()
        again = now - self._began <= LONGEST_PAUSE
        self._pause = min(LONGEST_PAUSE, max(START_AGAIN, 2 * self._pause)) if again else START_AGAIN
        self._failed = now

    def _hold(self, note: str) -> None:
        self._is_held = True
        self._inbox.submit(Guarded(self.feed.clock.now(), "ANALYST", State.REDUCING, True, note))
