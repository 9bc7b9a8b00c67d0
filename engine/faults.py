"""Bugs that the running desk meets: each gets an id in the log, and a hold that names it instead of a silent end."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import datetime

from engine.domain import State
from engine.messages import Guarded, Message
from engine.records import Record
from engine.snapshot import Snapshot

_log = logging.getLogger(__name__)
CODE = "FAULT"


class Faults:
    """Counts, logs and holds."""

    def __init__(self, submit: Callable[[Message], object]) -> None:
        self._submit = submit
        self._count = itertools.count(1)

    def met(self, doing: str, error: Exception) -> str:
        """Log a bug with its traceback; returns its id."""
        name = f"E{next(self._count)}"
        _log.critical("fault %s while %s", name, doing, exc_info=error)
        return name

    def hold(self, name: str, what: str, error: Exception, at: datetime, level: State) -> None:
        """Hold the desk for the bug `name`, in words that a person reads."""
        note = f"fault {name}: {what} ({type(error).__name__}); see the error log"
        self._submit(Guarded(at, CODE, level, True, note))


def is_held(snapshot: Snapshot | None, level: State) -> bool:
    """Whether a fault holds the desk at this level already: one is enough, each is in the log."""
    standing = [hold.level.strictness for hold in snapshot.holds if hold.code == CODE] if snapshot else []
    return max(standing, default=0) >= level.strictness


class Hearers:
    """The parts of the desk that hear of every durable record, on the engine's thread."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._callbacks: list[Callable[[Record], None]] = []

    def add(self, callback: Callable[[Record], None]) -> None:
        self._callbacks.append(callback)

    def tell(self, record: Record, snapshot: Snapshot | None) -> None:
        """Tell all of them; what breaks in one must not end the stops of all positions, nor keep it from the others."""
        for callback in self._callbacks:
            try:
                callback(record)
            except Exception as error:  # noqa: BLE001 (logged and held; the engine goes on)
                name = self._faults.met(f"a part of the desk heard of row {record.seq}; the others go on", error)
                if not is_held(snapshot, State.REDUCING) and not isinstance(record.message, Guarded):
                    what = f"a part of the desk missed row {record.seq}"
                    self._faults.hold(name, what, error, record.at, State.REDUCING)
