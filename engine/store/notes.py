"""Measurements that are not in the ledger (health, late prints, experiments) on their way to the database.

They wait in memory, and a kill takes along what the database has not: nothing is decided by them. Of a late print the
raw trade is on disk all the same, and its minute is in the ledger as suspected, so that it is healed.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime

from engine.domain import Print
from engine.store.database import Connection
from engine.store.rows import Row
from engine.store.upserts import write_rows

_ROOM = 20_000
_AT_ONCE = 2_000


class Notes:
    """A bounded, thread-safe queue. When the database stays away the oldest notes go, and are counted."""

    def __init__(self, room: int = _ROOM) -> None:
        self._queue: deque[Row] = deque()
        self._room = room
        self._lock = threading.Lock()
        self.dropped = 0

    def put_metric(self, at: datetime, name: str, value: float, status: str = "ok", alert_sent: bool = False) -> None:
        """One reading. The same name at the same instant is one row."""
        values = {"time": at, "metric_name": name, "status": status, "value": value, "alert_sent": alert_sent}
        self._put(Row("health_metrics", values))

    def put_late_print(self, item: Print) -> None:
        """A print that came after its minute had been closed."""
        place = {"symbol": item.symbol, "time": item.at, "received": item.received}
        self._put(Row("late_prints", place | {"price": item.price, "volume": item.quantity}))

    def put(self, row: Row) -> None:
        """Any row that is not of the ledger."""
        self._put(row)

    def waiting(self) -> int:
        return len(self._queue)

    def write(self, connection: Connection, desk_id: str) -> int:
        """Write the oldest notes in the running transaction; how many, to `forget` once it is committed."""
        with self._lock:
            rows = [self._queue[index] for index in range(min(_AT_ONCE, len(self._queue)))]
        write_rows(connection, desk_id, rows)
        return len(rows)

    def forget(self, count: int) -> None:
        with self._lock:
            for _ in range(min(count, len(self._queue))):
                self._queue.popleft()

    def drop(self) -> int:
        """Give up on the oldest notes, which cannot be written; how many."""
        with self._lock:
            count = min(_AT_ONCE, len(self._queue))
            for _ in range(count):
                self._queue.popleft()
            self.dropped += count
        return count

    def _put(self, row: Row) -> None:
        with self._lock:
            if len(self._queue) >= self._room:
                self._queue.popleft()
                self.dropped += 1
            self._queue.append(row)
