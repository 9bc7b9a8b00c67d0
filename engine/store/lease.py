"""One desk per database: a row that the writing desk holds, renews, and shows with every write.

Time is the database's own, so that two machines' clocks cannot disagree. While the database is down nobody else can
take the lease there, and the desk trades on; it is lost only when another desk is seen to have it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg

from engine.clock import monotonic
from engine.store.database import Connection, Database
from engine.store.errors import DatabaseDown, LeaseHeld, LeaseLost, StoreError

_log = logging.getLogger(__name__)

TTL_SECONDS = 30.0
RENEW_SECONDS = 5.0
_NAME = "desk"

_READ = (
    "SELECT epoch, holder, host, machine, pid, data_dir, since, renewed_at, expires_at < clock_timestamp() FROM lease"
)
_TAKE = """
INSERT INTO lease (name, epoch, holder, host, machine, pid, data_dir, since, renewed_at, expires_at)
VALUES (%(name)s, 1, %(holder)s, %(host)s, %(machine)s, %(pid)s, %(data_dir)s,
        clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => %(ttl)s))
ON CONFLICT (name) DO UPDATE SET epoch = lease.epoch + 1, holder = excluded.holder, host = excluded.host,
    machine = excluded.machine, pid = excluded.pid, data_dir = excluded.data_dir, since = excluded.since,
    renewed_at = excluded.renewed_at, expires_at = excluded.expires_at
WHERE lease.epoch = %(seen)s
RETURNING epoch
"""
_RENEW = """
UPDATE lease SET renewed_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease."""

    epoch: int
    holder: str
    host: str
    machine: str
    pid: int
    data_dir: str
    since: datetime
    renewed: datetime
    expired: bool

    def gone(self) -> bool:
        """Whether the lease is free: expired, let go, or its process on this very machine is dead."""
        return self.expired or not self.holder or (self.machine == this_machine() and not psutil.pid_exists(self.pid))

    def __str__(self) -> str:
        return (
            f"process {self.pid} on {self.host} (data folder {self.data_dir}) since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        )


class Lease:
    """This desk's claim on one database. `on_lost` is called once, from a worker's thread, with a sentence."""

    def __init__(
        self, database: Database, data_dir: Path, on_lost: Callable[[str], None], ttl: float = TTL_SECONDS
    ) -> None:
        self._database = database
        self._data_dir = data_dir
        self._on_lost = on_lost
        self._ttl = ttl
        self._id = uuid4().hex
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.epoch = 0  # 0: not held yet
        self.lost = False

    def acquire(self) -> None:
        """Take the lease and keep it renewed. The tables must be there (`migrate`).

        A holder that died is replaced at once when it was on this machine, else when its lease has expired, for which
        this waits; a holder that is seen to renew is alive. Raises `LeaseHeld` naming it, or `DatabaseDown`.
        """
        with self._lock:
            if not self.epoch:
                self._take_over()
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
                self._thread.start()

    def trouble(self) -> str:
        """Why the lease is not renewed any more; "" while it is, or need not be."""
        idle = self._thread is None or self._stop.is_set() or self.lost
        return "" if idle or (self._thread and self._thread.is_alive()) else "its thread ended"

    def revive(self) -> None:
        """Renew again, on a new thread."""
        with self._lock:
            self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._thread.start()

    def check(self, connection: Connection) -> None:
        """Inside a write's transaction: raise `LeaseLost` unless the lease is ours until it ends."""
        row = connection.execute(f"{_READ} WHERE name = %s FOR SHARE", (_NAME,)).fetchone()
        if row is None:  # somebody emptied the database; nobody else has it
            self.epoch = 0
            raise StoreError("the lease's row is gone from the database; taking it again")
        if row[1] != self._id or row[0] != self.epoch:
            raise LeaseLost(self._lose(Holder(*row)))

    def give_up(self, sentence: str) -> None:
        """Say that another desk has the database: also when it is found out long after the start."""
        first, self.lost = not self.lost, True
        if first:
            self._on_lost(sentence)

    def release(self) -> None:
        """Stop renewing and let the next desk in at once; harmless when not held."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10.0)
        if self.epoch and not self.lost:
            try:
                with self._database.connect() as connection:
                    sql = "UPDATE lease SET holder = '' WHERE name = %s AND holder = %s"
                    connection.execute(sql, (_NAME, self._id))
            except (DatabaseDown, psycopg.Error) as error:
                _log.warning("the lease expires by itself: %s", self._database.clean(error))

    def _take_over(self) -> None:
        first: Holder | None = None
        until = monotonic() + self._ttl + RENEW_SECONDS
        while True:
            holder = self._try()
            if holder is None:
                return
            alive_here = holder.machine == this_machine()
            if alive_here or (first and holder.renewed > first.renewed) or monotonic() > until:
                raise LeaseHeld(f"{self._database.name} is in use by another desk: {holder}; stop that one first")
            first = first or holder
            self._stop.wait(min(1.0, self._ttl / 10))

    def _try(self) -> Holder | None:
        """One attempt: None when the lease is ours now, else who has it."""
        with self._database.connect() as connection:
            holder = _holder(connection.execute(f"{_READ} WHERE name = %s", (_NAME,)).fetchone())
            if holder and not holder.gone():
                return holder
            connection.execute("SET LOCAL synchronous_commit = on")  # a crash must not forget who took it
            taken = connection.execute(_TAKE, self._words() | {"seen": holder.epoch if holder else 0}).fetchone()
            if taken is None:  # another desk was faster
                return _holder(connection.execute(f"{_READ} WHERE name = %s", (_NAME,)).fetchone())
            self.epoch = int(taken[0])
        return None

    def _keep(self) -> None:
        """Renew until stopped or lost; a database that is down is tried again."""
        while not self._stop.wait(min(RENEW_SECONDS, self._ttl / 5)) and not self.lost:
            try:
                self._renew()
            except (StoreError, psycopg.Error) as error:
                _log.debug("the lease could not be renewed: %s", self._database.clean(error))

    def _renew(self) -> None:
        with self._database.connect() as connection:
            done = connection.execute(_RENEW, self._words() | {"epoch": self.epoch}).rowcount
            holder = _holder(connection.execute(f"{_READ} WHERE name = %s", (_NAME,)).fetchone()) if not done else None
        if not done and holder is None:
            holder = self._try()
        if not done and holder is not None:
            self._lose(holder)

    def _lose(self, holder: Holder) -> str:
        by = f"to another desk: {holder}" if holder.holder else "to another desk that has gone since"
        sentence = f"this desk lost {self._database.name} {by}; it orders nothing more"
        self.give_up(sentence)
        return sentence

    def _words(self) -> dict[str, object]:
        return {
            "name": _NAME,
            "holder": self._id,
            "host": socket.gethostname(),
            "machine": this_machine(),
            "pid": os.getpid(),
            "data_dir": str(self._data_dir.resolve()),
            "ttl": self._ttl,
        }


def this_machine() -> str:
    """What makes a process id unique: the host, its boot, and the container's own numbering of processes."""
    parts = [socket.gethostname(), str(int(psutil.boot_time()))]
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        parts = [socket.gethostname(), boot, str(Path("/proc/self/ns/pid").readlink())]
    except OSError:
        pass  # no /proc: the boot time will do
    return " ".join(parts)


def _holder(row: tuple[object, ...] | None) -> Holder | None:
    return Holder(*row) if row else None  # type: ignore[arg-type]
