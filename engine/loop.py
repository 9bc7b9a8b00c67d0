"""The engine thread: one message at a time, durable before anything acts on it."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine import checkpoint
from engine.clock import Clock, monotonic, real_seconds
from engine.disk_watch import CODE, DiskWatch
from engine.domain import State
from engine.inbox import Entry, Inbox
from engine.messages import Guarded, Message, Outcome, Post, Record, Slice
from engine.ports import Ledger
from engine.snapshot import Snapshot
from engine.store.ledger import LedgerError
from engine.trader import Judgement, Trader

_log = logging.getLogger(__name__)
_LOOK = 1.0  # real seconds between looks at the disk and at the wish to stop
_RETRY = 1.0  # real seconds between attempts to write a row that could not be written
_LATENCIES = 100_000
_WORTH_SAVING = 2_000  # records judged at a start that are worth a checkpoint

_TOGETHER = 32  # prints that share one write to the disk, when so many wait

Announce = Callable[[Message, Sequence[Outcome], Snapshot], tuple[Post, ...]]


class Percentiles(NamedTuple):
    """Real seconds from receipt (or emission of the minute) to the durable record."""

    messages: int
    p50: float
    p99: float
    worst: float


class _Judged(NamedTuple):
    """A message to be recorded, what follows from it, and the desk as it then was (None: nothing to say of it)."""

    entry: Entry
    judgement: Judgement
    posts: tuple[Post, ...]
    drawn: Snapshot | None


class EngineLoop:
    """Takes from the inbox, asks the Trader, writes the ledger, then publishes. `on_record` callbacks run on the engine
    thread after a row is durable and must return at once (gateway, outbox, projections)."""

    def __init__(
        self,
        ledger: Ledger,
        inbox: Inbox,
        clock: Clock,
        announce: Announce,
        disk: DiskWatch | None = None,
        trader: Callable[[], Trader] = Trader,
        saved: Path | None = None,
    ) -> None:
        self._ledger = ledger
        self._inbox = inbox
        self._clock = clock
        self._announce = announce
        self._disk = disk
        self._new_trader = trader
        self._saved = saved
        self._trader = trader()
        self._snapshot: Snapshot | None = None
        self._callbacks: list[Callable[[Record], None]] = []
        self._latencies: deque[tuple[str, float]] = deque(maxlen=_LATENCIES)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._faults = itertools.count(1)
        self._differing: Record | None = None

    # ------------------------------------------------------------ from other threads

    def on_record(self, callback: Callable[[Record], None]) -> None:
        """Call `callback` with every record once it is durable. Register before `start`."""
        self._callbacks.append(callback)

    def restore(self, progress: Callable[[int], None] | None = None) -> int:
        """Rebuild the Trader from its checkpoint and the rows after it, before `start`; returns how many rows."""
        known = checkpoint.read(self._saved, self._ledger) if self._saved is not None else None
        self._trader = known or self._new_trader()
        count = 0
        for count, record in enumerate(self._ledger.read(after=self._trader.row[0]), start=1):
            if self._trader.again(record) != record.outcomes and self._differing is None:
                self._differing = record
            if progress is not None and count % 500 == 0:
                progress(count)
        if self._trader.is_started:
            self._inbox.not_before(self._trader.now)
            self._publish()
        if count >= _WORTH_SAVING or self._differing is not None:
            self._save()
        return count

    def start(self) -> None:
        """Begin to work. Where this version judged the record otherwise than it says, a person must look first."""
        if self._differing is not None:
            row = self._differing
            note = (
                f"this version judges ledger row {row.seq} ({type(row.message).__name__}) otherwise than recorded; "
                "`nightdesk replay` shows how. Compare the positions, then lift this hold"
            )
            self._inbox.submit(Guarded(row.at, "VERSION", State.REDUCING, True, note))
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Work off what is queued, then end; False when that took longer than `timeout` real seconds."""
        self._stopping.set()
        self._inbox.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        ended = not self._thread.is_alive()
        if ended:
            self._save()
        return ended

    @property
    def has_started(self) -> bool:
        """Whether there is a snapshot."""
        return self._snapshot is not None

    def snapshot(self) -> Snapshot:
        """The desk as of the last record. Raises before the first `Started` is durable."""
        if self._snapshot is None:
            raise RuntimeError("the desk has not started yet; there is nothing to show")
        return self._snapshot

    def percentiles(self, kind: str | None = None) -> Percentiles | None:
        """Latency of the last recorded messages (of one kind, such as `Slice` or `Minute`); None without any."""
        values = sorted(seconds for name, seconds in list(self._latencies) if kind in (None, name))
        if not values:
            return None
        at = [values[min(len(values) - 1, int(len(values) * share))] for share in (0.5, 0.99)]
        return Percentiles(len(values), at[0], at[1], values[-1])

    # ------------------------------------------------------------ the engine thread

    def _run(self) -> None:
        while True:
            self._look_at_disk()
            entry = self._inbox.take(self._patience())
            if entry is None:
                entry = self._fallen_due()
            if entry is not None:
                self._handle(entry)
            elif self._stopping.is_set() and not len(self._inbox):
                return

    def _patience(self) -> float:
        if self._stopping.is_set():
            return 0.0
        due = self._trader.next_due()
        return _LOOK if due is None else min(_LOOK, real_seconds(self._clock, due.at))

    def _fallen_due(self) -> Entry | None:
        due = self._trader.next_due()
        if due is None or self._stopping.is_set() or self._clock.now() < due.at:
            return None
        return self._inbox.timer(due.name, due.key, due.at)

    def _handle(self, entry: Entry) -> None:
        """Judge it, and prints that wait behind a print: they share one write. Nothing is acted on before that."""
        judged: list[_Judged] = []
        behind = self._inbox.slices(_TOGETHER) if isinstance(entry.message, Slice) else ()
        for each in (entry, *behind):
            try:
                judgement = self._trader.judge(each.message)
                drawn = self._trader.snapshot() if judgement.outcomes and self._trader.is_started else None
            except Exception as error:  # noqa: BLE001 (a bug must not end the desk silently: it is logged and held)
                self._record(judged)
                judged = []
                self._fault(each, error)
                continue
            if judgement.must_record:
                judged.append(_Judged(each, judgement, self._posts(each.message, judgement, drawn), drawn))
        self._record(judged)

    def _record(self, judged: Sequence[_Judged]) -> None:
        """Write rows, and when they are durable publish them and let the rest of the desk act."""
        records = self._write(judged)
        for one, record in zip(judged, records, strict=False):
            self._latencies.append((type(record.message).__name__, monotonic() - one.entry.received))
            self._trader.recorded(record)
        if records:
            drawn, last = judged[-1].drawn, records[-1]
            self._publish(replace(drawn, seq=last.seq, head=last.head) if drawn else None)
        for one, record in zip(judged, records, strict=False):
            for callback in self._callbacks:
                callback(record)
            if one.entry.answer is not None:
                one.entry.answer.set_result(record)

    def _posts(self, message: Message, judgement: Judgement, drawn: Snapshot | None) -> tuple[Post, ...]:
        if drawn is None:
            return ()
        try:
            return self._announce(message, judgement.outcomes, drawn)
        except Exception as error:  # noqa: BLE001 (words must never keep a stop from being recorded)
            name, kind = f"E{next(self._faults)}", type(message).__name__
            _log.critical("fault %s while announcing %s; it goes without posts", name, kind, exc_info=error)
            if not isinstance(message, Guarded):
                note = f"fault {name}: {kind} could not be announced ({type(error).__name__}); see the error log"
                self._inbox.submit(Guarded(self._trader.now, "FAULT", State.REDUCING, True, note))
            return ()

    def _write(self, judged: Sequence[_Judged]) -> list[Record]:
        """Append until it is durable: what was decided is never acted on, and never forgotten, before that."""
        while judged:
            try:
                with self._ledger.together() if len(judged) > 1 else nullcontext():
                    return [
                        self._ledger.append(e.message, j.outcomes, posts, j.judged_until) for e, j, posts, _ in judged
                    ]
            except LedgerError as error:
                if self._disk is not None and self._disk.release():
                    _log.critical("%s; the reserve was given up so that exits can still be recorded", error)
                    continue
                _log.critical("%s; nothing is done until it can be written", error)
                self._inbox.refuse_people(error)
                if self._stopping.wait(_RETRY):
                    for one in judged:
                        _answer(one.entry, error)
                    return []
        return []

    def _fault(self, entry: Entry, error: Exception) -> None:
        """A bug: log it with an id, rebuild from the record, hold everything. The desk says so instead of dying."""
        name = f"E{next(self._faults)}"
        kind = type(entry.message).__name__
        _log.critical("fault %s while judging %s; the desk is rebuilt from its ledger", name, kind, exc_info=error)
        self.restore()
        _answer(entry, error)
        if not isinstance(entry.message, Guarded) and self._trader.is_started:
            note = f"fault {name}: {kind} could not be judged ({type(error).__name__}); see the error log"
            self._inbox.submit(Guarded(self._trader.now, "FAULT", State.HALTED, True, note))

    def _look_at_disk(self) -> None:
        if self._disk is None or not self._trader.is_started:
            return
        held = any(hold.code == CODE for hold in self.snapshot().holds)
        change = self._disk.look(self._trader.now, held)
        if change is not None:
            self._inbox.submit(change)

    def _save(self) -> None:
        """Keep a checkpoint; without one the next start only takes longer."""
        if self._saved is None or not self._trader.is_started:
            return
        try:
            checkpoint.write(self._saved, self._trader)
        except OSError as error:
            _log.warning("no checkpoint was kept (%s); the next start judges the ledger again", error)

    def _publish(self, drawn: Snapshot | None = None) -> None:
        self._inbox.watch(self._trader.watched(), self._trader.wanting(), self._trader.pending())
        if self._trader.is_started:
            self._snapshot = drawn or self._trader.snapshot()


def _answer(entry: Entry, error: Exception) -> None:
    if entry.answer is not None:
        entry.answer.set_exception(error)
