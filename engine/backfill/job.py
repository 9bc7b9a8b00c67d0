"""The work itself: pieces of history fetched at the source's pace, kept as they come, looked through at the end."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from engine.backfill.closing import Closing
from engine.backfill.errors import BackfillError
from engine.backfill.gaps import Gap
from engine.backfill.progress import Progress
from engine.backfill.report import Report
from engine.backfill.wanted import Wanted
from engine.domain import Symbol
from engine.market.errors import FeedUnreachable, MarketError
from engine.ports import BarColumns, Fetched, History, Listing, Piece
from engine.store.errors import DatabaseDown, StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")

WRITERS = 2
ASK_AGAIN = (2.0, 5.0, 15.0, 30.0)  # seconds after a source that did not answer
WRITE_AGAIN = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)  # seconds after a database that did not
SILENT_MOST = 8  # pieces in a row that a source did not answer: it is down


class Keeper(Protocol):
    """Where the bars go. Called on threads, several at a time; raises `DatabaseDown` when trying again may help."""

    def finished(self) -> set[str]:
        """Marks of the pieces that this job need not fetch."""
        ...

    def keep(self, piece: Piece, fetched: Fetched) -> Mapping[Symbol, int]:
        """Check and write one piece with its mark in one transaction; the bars that were taken, by symbol."""
        ...

    def stored(self, symbol: Symbol) -> BarColumns:
        """What the store has of one symbol in the wanted range."""
        ...

    def refused(self, marks: set[str]) -> Mapping[Symbol, Sequence[int]]:
        """When the bars opened (µs) that were turned away in the finished pieces among `marks`."""
        ...

    def note_gaps(self, symbols: Sequence[Symbol], gaps: Sequence[Gap]) -> None:
        """Let these be the known gaps, and the complete stretches, of `symbols` in the wanted range."""
        ...

    def add_up(self, report: Report, marks: set[str], before: set[str]) -> None:
        """Put the rows and findings of the finished pieces among `marks` into the report; the rows of those in
        `before`, which an earlier run had finished, apart."""
        ...


class Backfill:
    """One job. `run` once; `stop` at any time: what is being written is finished, nothing else is begun."""

    def __init__(
        self,
        history: History,
        keeper: Keeper,
        wanted: Wanted,
        watch: Callable[[Progress], None] = lambda progress: None,
        *,
        writers: int = WRITERS,
        ask_again: Sequence[float] = ASK_AGAIN,
        write_again: Sequence[float] = WRITE_AGAIN,
    ) -> None:
        """`watch` is called on the loop after every piece, and when a stage begins."""
        self._history = history
        self._keeper = keeper
        self._wanted = wanted
        self._watch = watch
        self._writers = writers
        self._ask_again = (*ask_again, None)
        self._write_again = (*write_again, None)
        self._pool = ThreadPoolExecutor(writers, thread_name_prefix="backfill")
        self._running: set[asyncio.Future[Any]] = set()
        self._work: asyncio.Task[None] | None = None
        self._stopped = False
        self._silent = 0
        self._marks: set[str] = set()  # of all its pieces
        self._before: set[str] = set()  # those that an earlier run had finished
        self._left: dict[str, Piece] = {}  # by mark: not kept so far
        self.progress = Progress()
        self.report = Report(wanted)

    async def run(self) -> Report:
        """To the end, or to `stop`. Raises `MarketError` when the source cannot be asked at all."""
        self._work = asyncio.create_task(self._whole(), name="backfill")
        try:
            await self._work
        except asyncio.CancelledError:
            if not self._stopped:
                self._work.cancel()
                raise
            self.report.fate = "cancelled"
        except BackfillError as error:
            self.report.fate, self.report.why = "stopped", str(error)
        finally:
            await asyncio.gather(self._work, *self._running, return_exceptions=True)
            await self._add_up()
            self._pool.shutdown()
        return self.report

    def stop(self) -> None:
        self._stopped = True
        if self._work is not None:
            self._work.cancel()

    # ------------------------------------------------------------ the stages

    async def _whole(self) -> None:
        wanted, report = self._wanted, self.report
        self._watch(self.progress)
        listings = await self._history.prepare(wanted.symbols)
        why = getattr(self._history, "refused", {})
        report.absent = {symbol: why.get(symbol, "not carried") for symbol in wanted.symbols if symbol not in listings}
        carried = [symbol for symbol in wanted.symbols or listings if symbol in listings]
        if not carried:
            report.repeats, report.instead = False, tuple(getattr(self._history, "alike", ()))
            raise BackfillError(_nothing(self._history.name, report.absent))
        await self._plan(carried)
        try:
            await self._fetch_all()
        except BaseExceptionGroup as group:
            raise _innermost(group) from None
        await self._look_through(listings)
        if report.failed:
            report.fate = "incomplete"
        self._enter("done")

    async def _plan(self, carried: Sequence[Symbol]) -> None:
        wanted = self._wanted
        pieces = self._history.pieces(carried, wanted.since, wanted.until)
        marked = {wanted.mark(piece): piece for piece in pieces}
        known = set() if wanted.again else await self._in_thread(self._keeper.finished)
        self._marks = set(marked)
        self._left = {mark: piece for mark, piece in marked.items() if mark not in known}
        self._before = set(marked) & known
        before = [marked[mark] for mark in marked if mark in known]
        self.report.pieces, self.report.before = len(marked), len(before)
        self.progress.expect(carried, marked.values(), before, await _costs(self._history, list(self._left.values())))
        self._watch(self.progress)

    async def _fetch_all(self) -> None:
        waiting = deque(self._left.items())
        ready: asyncio.Queue[tuple[str, Piece, Fetched] | None] = asyncio.Queue(2 * self._writers)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._writers):
                group.create_task(self._keep_on(ready))
            async with asyncio.TaskGroup() as fetching:
                for _ in range(min(self._history.at_once, len(waiting))):
                    fetching.create_task(self._fetch_on(waiting, ready))
            for _ in range(self._writers):
                await ready.put(None)

    async def _look_through(self, listings: Mapping[Symbol, Listing]) -> None:
        """Gaps with their reasons, and outliers, by what the store has now."""
        self._enter("checking")
        closing = Closing(self._wanted, list(self._left.values()))
        refused = await self._in_thread(self._keeper.refused, self._marks)
        for symbol in self.progress.parts:
            bars = await self._in_thread(self._keeper.stored, symbol)
            await self._in_thread(closing.see, bars, listings[symbol], refused.get(symbol, ()))
            self.progress.checked += 1
            self._watch(self.progress)
        gaps = await self._in_thread(closing.tell, self.report)
        await self._in_thread(self._keeper.note_gaps, list(self.progress.parts), [*gaps, *closing.whole])
        self.report.checked = True

    # ------------------------------------------------------------ one piece

    async def _fetch_on(
        self, waiting: deque[tuple[str, Piece]], ready: asyncio.Queue[tuple[str, Piece, Fetched] | None]
    ) -> None:
        while waiting:
            mark, piece = waiting.popleft()
            fetched = await self._fetched(piece)
            if fetched is not None:
                await ready.put((mark, piece, fetched))

    async def _fetched(self, piece: Piece) -> Fetched | None:
        """One piece, asked for again while the source is away; None when it cannot be had."""
        for pause in self._ask_again:
            try:
                fetched = await self._history.fetch(piece)
            except FeedUnreachable as error:
                if pause is None:
                    self._silent += 1
                    self._give_up(piece, error)
                    return None
                log.info("%s; asking again in %.0f s", error, pause)
                await asyncio.sleep(pause)
            except MarketError as error:
                self._give_up(piece, error)
                return None
            else:
                self._silent = 0
                return fetched
        return None

    def _give_up(self, piece: Piece, error: MarketError) -> None:
        log.warning("piece %s failed: %s", piece.key, error)
        self.report.failed[piece.key] = str(error)
        self.progress.gave_up(piece)
        self._watch(self.progress)
        if self._silent >= SILENT_MOST:
            raise BackfillError(f"{self._history.name} does not answer any more ({error})")

    async def _keep_on(self, ready: asyncio.Queue[tuple[str, Piece, Fetched] | None]) -> None:
        while (item := await ready.get()) is not None:
            mark, piece, fetched = item
            rows = await self._kept(piece, fetched)
            del self._left[mark]
            self.report.done += 1
            self.progress.finished(piece, rows)
            self._watch(self.progress)

    async def _kept(self, piece: Piece, fetched: Fetched) -> Mapping[Symbol, int]:
        for pause in self._write_again:
            try:
                return await self._in_thread(self._keeper.keep, piece, fetched)
            except DatabaseDown as error:
                if pause is None:
                    raise BackfillError(f"{error}; what is written stays") from None
                log.info("%s; writing again in %.0f s", error, pause)
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    # ------------------------------------------------------------ small things

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        """On one of our threads; a stop waits for what has begun there."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.shield(future)

    def _enter(self, stage: str) -> None:
        self.progress.stage = stage
        self._watch(self.progress)

    async def _add_up(self) -> None:
        report, loop = self.report, asyncio.get_running_loop()
        report.seconds = self.progress.seconds
        try:
            await loop.run_in_executor(self._pool, self._keeper.add_up, report, self._marks, self._before)
        except StoreError as error:
            report.why = report.why or f"the figures of the finished pieces could not be read: {error}"


async def _costs(history: History, pieces: Sequence[Piece]) -> Mapping[str, float]:
    """What a source that is slow by design says of how long it will take, so that nobody has to find out."""
    ask = getattr(history, "costs", None)
    try:
        return await ask(pieces) if ask and pieces else {}
    except MarketError as error:
        log.info("%s does not say how long it will take: %s", history.name, error)
        return {}


def _nothing(name: str, absent: Mapping[Symbol, str]) -> str:
    if not absent:
        return f"{name} does not say what it has; name the symbols, such as BTC/USD,ETH/USD"
    return f"{name} has none of what was asked for: " + "; ".join(
        f"{symbol} is {why}" for symbol, why in absent.items()
    )


def _innermost(group: BaseException) -> BaseException:
    """The first error in nested groups."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
