"""Every raw trade to disk within a few hundredths of a second, on a thread of its own that nobody ever waits for."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.clock import monotonic
from engine.domain import OF_A_BAR, Print, Quote, micros
from engine.store.reserve import MIB, free_bytes
from engine.store.tick_finishing import Finishing
from engine.store.tick_journal import NO_ID, SUFFIX, Journal, Tick
from engine.store.tick_segments import DAY_US, folder_of, next_number, prune

log = logging.getLogger(__name__)

GATHER = 0.02  # real seconds from the first waiting tick to a write: one durable write serves them all
LOOK_EVERY = 5.0  # at the disk, and at the age of the journals
AGAIN_AFTER, LAST_TRIES = 1.0, 3
SEAL_AFTER = 3600.0
SEAL_ROWS = 50_000
ROOM = 200_000  # ticks that may wait: some minutes of a busy market
LOW, ENOUGH = 1024 * MIB, 1280 * MIB  # free bytes below which nothing is stored, and above which it is again
_SLOWEST = 5_000  # ms, the last bucket of the histogram

Waiting = tuple[Print, Quote | None, float]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class TickStatus:
    """Counts since the start. `problem` is a sentence, "" while all is well; `p99_ms` is receipt to durable on disk."""

    written: int
    dropped: int
    waiting: int
    p99_ms: float | None
    problem: str


class TickWriter:
    """Takes trades from any thread, writes them into a journal a day, and gives full journals to be finished."""

    def __init__(
        self,
        home: Path,
        exchange: str,
        finishing: Finishing,
        *,
        days: int = 7,
        room: int = ROOM,
        seal_rows: int = SEAL_ROWS,
        seal_after: float = SEAL_AFTER,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """`home` holds a folder a day; `days` of them are kept. `exchange` is whose trades these are."""
        self._home = home
        self._exchange = exchange
        self._finishing = finishing
        self._days = days
        self._room = room
        self._seal_rows = seal_rows
        self._seal_after = seal_after
        self._free = free
        self._waiting: deque[Waiting] = deque()
        self._journals: dict[int, tuple[Journal, float]] = {}
        self._some = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticks", daemon=True)
        self._looked = float("-inf")
        self._is_full = False
        self._problem = ""
        self._written = self._dropped = self._dropped_before = 0
        self._took = np.zeros(_SLOWEST + 1, np.int64)

    # ------------------------------------------------------------ any thread

    def start(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        self._finishing.start(self._home)
        self._thread.start()

    def stop(self, within: float = 5.0) -> None:
        """Write what waits, and end. Journals stay as they are: the next start finishes them."""
        self._ending.set()
        self._some.set()
        if self._thread.ident is not None:
            self._thread.join(within)
        self._finishing.stop(within)

    def trouble(self) -> str:
        """Why nothing is stored any more; "" while both threads run."""
        ended = self._thread.ident is not None and not self._thread.is_alive() and not self._ending.is_set()
        return "its thread ended" if ended else self._finishing.trouble()

    def revive(self) -> None:
        """New threads for those that ended. A journal that the old one had open may be torn: it is finished as is."""
        if self._finishing.trouble():
            self._finishing.revive()
        if self._thread.is_alive():
            return
        for day in list(self._journals):
            self._finish(day)
        self._thread = threading.Thread(target=self._run, name="ticks", daemon=True)
        self._thread.start()

    def put(self, item: Print, quote: Quote | None) -> None:
        """Take one trade and return at once. What finds no room is counted as dropped, never waited for."""
        if item.side == OF_A_BAR:
            return
        if len(self._waiting) >= self._room or self._is_full:
            self._dropped += 1
            return
        self._waiting.append((item, quote, monotonic()))
        if not self._some.is_set():
            self._some.set()

    def status(self) -> TickStatus:
        took = np.cumsum(self._took)
        p99 = float(np.searchsorted(took, 0.99 * took[-1])) if took[-1] else None
        problem = self._problem or self._finishing.problem
        return TickStatus(self._written, self._dropped, len(self._waiting), p99, problem)

    # ------------------------------------------------------------ the writing thread

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._some.wait(LOOK_EVERY):
                self._ending.wait(GATHER)
                self._some.clear()
            self._turn()
        for _ in range(LAST_TRIES):
            self._turn()
        for journal, _ in self._journals.values():
            journal.close()

    def _turn(self) -> None:
        """Write what waits. What the disk would not take waits on, in order, at the head of the queue."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            while batch:
                batch = self._write(batch)
            if monotonic() - self._looked >= LOOK_EVERY:
                self._look()
        except OSError as error:
            self._waiting.extendleft(reversed(batch))
            self._say(f"raw trades cannot be written ({error.strerror or error}); {len(self._waiting):,} wait")
            self._some.set()
            self._ending.wait(AGAIN_AFTER)

    def _write(self, batch: Sequence[Waiting]) -> list[Waiting]:
        """Write those of one day, all or none; returns the others."""
        day = _day(batch[0])
        ours, others = [one for one in batch if _day(one) == day], [one for one in batch if _day(one) != day]
        self._journal(day).append([_tick(self._exchange, item, quote) for item, quote, _ in ours])
        now = monotonic()
        took = np.array([now - arrived for *_, arrived in ours]) * 1e3
        self._took += np.bincount(np.clip(took, 0, _SLOWEST).astype(np.int64), minlength=_SLOWEST + 1)
        self._written += len(ours)
        return others

    def _journal(self, day: int) -> Journal:
        if day in self._journals and self._journals[day][0].rows >= self._seal_rows:
            self._finish(day)
        if day not in self._journals:
            self._journals[day] = self._open(day), monotonic()
        return self._journals[day][0]

    def _open(self, day: int) -> Journal:
        folder = folder_of(self._home, day)
        folder.mkdir(exist_ok=True)
        for old in prune(self._home, self._days):
            log.info("raw trades of %s were removed; %d days are kept", old.name, self._days)
        return Journal(folder / f"{next_number(folder):04d}{SUFFIX}")

    def _finish(self, day: int) -> None:
        journal, _ = self._journals.pop(day)
        journal.close()
        self._finishing.take(journal.path)

    def _look(self) -> None:
        """Finish old journals, and see how much room the disk has."""
        self._looked = now = monotonic()
        for day in [day for day, (_, since) in self._journals.items() if now - since >= self._seal_after]:
            self._finish(day)
        crowded, self._dropped_before = self._dropped > self._dropped_before, self._dropped
        free = self._free(self._home)
        self._is_full = free < (ENOUGH if self._is_full else LOW)
        if self._is_full:
            self._say(f"raw trades are not stored: {free / MIB:,.0f} MiB are free on their disk")
        elif crowded:
            self._say("raw trades come faster than their disk takes them: some were not stored")
        else:
            self._problem = ""

    def _say(self, problem: str) -> None:
        if not self._problem:
            log.error("%s", problem)
        self._problem = problem


def _tick(exchange: str, item: Print, quote: Quote | None) -> Tick:
    bid, ask = (quote.bid, quote.ask) if quote is not None else (NAN, NAN)
    trade_id = NO_ID if item.trade_id is None else item.trade_id
    return Tick(
        micros(item.at), micros(item.received), exchange, item.symbol, item.price, item.quantity, bid, ask, trade_id
    )


def _day(waiting: Waiting) -> int:
    return micros(waiting[0].at) // DAY_US
