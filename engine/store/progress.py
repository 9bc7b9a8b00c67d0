"""How the projections worker is doing, readable from any thread."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from engine.clock import monotonic
from engine.store.notes import Notes

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """Lag and errors of the database's copy. Nothing here says anything about the ledger, which is never behind."""

    connected: bool
    stuck: bool  # a row or a lost lease stops it until a person acts
    seq: int  # the last ledger row that is in the database
    lag_rows: int
    lag_seconds: float  # since the oldest unwritten row became durable (one of an earlier run: since the last write)
    rows_written: int  # since start
    last_written: datetime | None  # desk time of the last record written
    last_error: str | None  # None when all is well
    p99_ms: float | None  # from a record's durability to its commit in the database; None before the first
    notes_dropped: int  # measurements that found no room while the database was away


class Progress:
    """The worker's own account. Times of arrival are kept per sequence until they are written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: deque[tuple[int, float]] = deque()
        self._delays: deque[float] = deque(maxlen=_KEPT)
        self._error: str | None = None
        self._stuck = False
        self._connected = False
        self._seq = 0
        self._moved = monotonic()
        self._last: datetime | None = None
        self.rows = 0

    def came(self, seq: int) -> None:
        with self._lock:
            self._arrived.append((seq, monotonic()))
            if len(self._arrived) > 100 * _KEPT:  # a long outage: the oldest time is what counts
                del self._arrived[1]

    def wrote(self, seq: int, rows: int, at: datetime | None) -> None:
        with self._lock:
            now = monotonic()
            while self._arrived and self._arrived[0][0] <= seq:
                self._delays.append(now - self._arrived.popleft()[1])
            self._seq, self._connected, self._error, self._stuck = seq, True, None, False
            self._moved = now
            self.rows += rows
            self._last = at or self._last

    def idle(self, seq: int) -> None:
        self.wrote(seq, 0, None)

    def failed(self, sentence: str, stuck: bool) -> bool:
        """Note an error; True when it is a new one."""
        with self._lock:
            new, self._error, self._stuck, self._connected = sentence != self._error, sentence, stuck, stuck
            return new

    def status(self, head: int, notes: Notes) -> ProjectionStatus:
        with self._lock:
            oldest = self._arrived[0][1] if self._arrived else self._moved
            delays = sorted(self._delays)
            return ProjectionStatus(
                connected=self._connected,
                stuck=self._stuck,
                seq=self._seq,
                lag_rows=max(0, head - self._seq),
                lag_seconds=monotonic() - oldest if head > self._seq else 0.0,
                rows_written=self.rows,
                last_written=self._last,
                last_error=self._error,
                p99_ms=1000 * delays[int(0.99 * (len(delays) - 1))] if delays else None,
                notes_dropped=notes.dropped,
            )
