"""The engine thread: one message at a time, durable before anything acts on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.clock import Clock, monotonic, real_seconds
from engine.disk_watch import CODE, DiskWatch
from engine.domain import State
from engine.faults import Faults, Hearers, is_held
from engine.inbox import Entry, Inbox
from engine.latency import Latencies, Percentiles
from engine.messages import Guarded, Message, Slice
from engine.outcomes import Outcome
from engine.ports import Ledger
from engine.records import Post, Record
from engine.restoring import Restoring
from engine.snapshot import Snapshot
from engine.trader import Judgement, Trader
from engine.writing import RETRY, Judged, Pen

_log = logging.getLogger(__name__)
_LOOK = 1.0  # real seconds between looks at the disk and at the wish to stop

_TOGETHER = 32  # prints that share one write to the disk, when so many wait

Announce = Callable[[Message, Sequence[Outcome], Snapshot], tuple[Post, ...]]


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
        self._stopping = threading.Event()
        self._inbox = inbox
        self._clock = clock
        self._announce = announce
        self._disk = disk
        self._new_trader = trader
        self._pen = Pen(ledger, inbox, disk, self._stopping)
        self._restoring = Restoring(ledger, trader, saved)
        self._trader = trader()
        self._snapshot: Snapshot | None = None
        self._latencies = Latencies()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._faults = Faults(inbox.submit)
        self._hearers = Hearers(self._faults)

    # ------------------------------------------------------------ from other threads

    def on_record(self, callback: Callable[[Record], None]) -> None:
        """Call `callback` with every record once it is durable. Register before `start`."""
        self._hearers.add(callback)

    def restore(self, progress: Callable[[int], None] | None = None) -> int:
        """Rebuild the Trader from its checkpoint and the rows after it, before `start`; returns how many rows."""
        self._trader, count = self._restoring.trader(progress)
        if self._trader.is_started:
            self._inbox.not_before(self._trader.now)
            self._publish()
        return count

    def start(self) -> None:
        """Begin to work. Where this version judged the record otherwise than it says, a person must look first."""
        if (difference := self._restoring.difference()) is not None:
            self._inbox.submit(difference)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Work off what is queued, then end; False when that took longer than `timeout` real seconds."""
        self._stopping.set()
        self._inbox.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        ended = not self._thread.is_alive()
        if ended:
            self._restoring.save(self._trader)
        return ended

    @property
    def is_alive(self) -> bool:
        """Whether the engine thread runs."""
        return self._thread.is_alive()

    @property
    def trader(self) -> Trader:
        """The restored Trader. Before `start` only: from then on it is the engine thread's own."""
        return self._trader

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
        return self._latencies.percentiles(kind)

    # ------------------------------------------------------------ the engine thread

    def _run(self) -> None:
        while True:
            try:
                if not self._turn():
                    return
            except Exception as error:  # noqa: BLE001 (an engine that ends takes every stop with it)
                self._fault("the engine's own turn", error)
                if self._stopping.wait(RETRY):
                    return

    def _turn(self) -> bool:
        """One message, or one look at what fell due; False when all is done and the desk stops."""
        self._look_at_disk()
        entry = self._next()
        if entry is not None:
            self._handle(entry)
        else:
            self._restoring.keep_up(self._trader)
        return entry is not None or not self._stopping.is_set() or len(self._inbox) > 0

    def _next(self) -> Entry | None:
        """The next message, or the timer of what fell due meanwhile; None when a short wait brought neither."""
        due, stopping = self._trader.next_due(), self._stopping.is_set()
        wait = _LOOK if due is None else min(_LOOK, real_seconds(self._clock, due.at))
        entry = self._inbox.take(0.0 if stopping else wait)
        if entry is None and due is not None and not stopping and self._clock.now() >= due.at:
            return self._inbox.timer(due.name, due.key, due.at)
        return entry

    def _handle(self, entry: Entry) -> None:
        """Judge it, and prints that wait behind a print: they share one write. Nothing is acted on before that."""
        judged: list[Judged] = []
        behind = self._inbox.slices(_TOGETHER) if isinstance(entry.message, Slice) else ()
        for each in (entry, *behind):
            try:
                judgement = self._trader.judge(each.message)
                drawn = self._trader.snapshot() if judgement.outcomes and self._trader.is_started else None
            except Exception as error:  # noqa: BLE001 (a bug must not end the desk silently: it is logged and held)
                self._record(judged)
                judged = []
                self._fault(type(each.message).__name__, error)
                each.refuse(error)
                continue
            if judgement.must_record:
                judged.append(Judged(each, judgement, self._posts(each.message, judgement, drawn), drawn))
        self._record(judged)

    def _record(self, judged: Sequence[Judged]) -> None:
        """Write rows, and when they are durable publish them and let the rest of the desk act."""
        records = self._pen.write(judged)
        for one, record in zip(judged, records, strict=False):
            self._latencies.note(type(record.message).__name__, monotonic() - one.entry.received)
            self._trader.recorded(record)
        if records:
            drawn, last = judged[-1].drawn, records[-1]
            self._publish(replace(drawn, seq=last.seq, head=last.head) if drawn else None)
        for one, record in zip(judged, records, strict=False):
            self._hearers.tell(record, self._snapshot)
            if one.entry.answer is not None:
                one.entry.answer.set_result(record)

    def _posts(self, message: Message, judgement: Judgement, drawn: Snapshot | None) -> tuple[Post, ...]:
        if drawn is None:
            return ()
        try:
            return self._announce(message, judgement.outcomes, drawn)
        except Exception as error:  # noqa: BLE001 (words must never keep a stop from being recorded)
            kind = type(message).__name__
            name = self._faults.met(f"announcing {kind}; it goes without posts", error)
            if not isinstance(message, Guarded):
                self._faults.hold(name, f"{kind} could not be announced", error, self._trader.now, State.REDUCING)
            return ()

    def _fault(self, what: str, error: Exception) -> None:
        """A bug: log it with an id, rebuild from the record, hold everything. The desk says so instead of dying."""
        name = self._faults.met(f"judging {what}; the desk is rebuilt from its ledger", error)
        self._rebuild()
        if what != Guarded.__name__ and self._trader.is_started and not is_held(self._snapshot, State.HALTED):
            self._faults.hold(name, f"{what} could not be judged", error, self._trader.now, State.HALTED)

    def _rebuild(self) -> None:
        """Restore until it works: nothing may be judged from a state that is not the record's."""
        while True:
            try:
                self.restore()
                return
            except Exception as error:  # noqa: BLE001 (said every second, and seen by the health check)
                _log.critical("the desk cannot be rebuilt from its ledger; it is tried again", exc_info=error)
                self._trader = self._new_trader()  # half a state is none, and must not become a checkpoint
                self._inbox.refuse_people(error)
                if self._stopping.wait(RETRY):
                    return

    def _look_at_disk(self) -> None:
        if self._disk is None or not self._trader.is_started:
            return
        held = any(hold.code == CODE for hold in self.snapshot().holds)
        change = self._disk.look(self._trader.now, held)
        if change is not None:
            self._inbox.submit(change)

    def _publish(self, drawn: Snapshot | None = None) -> None:
        self._inbox.watch(self._trader.watched(), self._trader.wanting(), self._trader.pending())
        if self._trader.is_started:
            self._snapshot = drawn or self._trader.snapshot()
