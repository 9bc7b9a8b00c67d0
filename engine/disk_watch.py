"""Looks at the disk now and then: a hold before it is full, none any more when there is room again."""

from __future__ import annotations

import logging
from datetime import datetime

from engine.clock import monotonic
from engine.domain import State
from engine.messages import Guarded
from engine.store.reserve import MIB, DiskReserve

_log = logging.getLogger(__name__)
CODE = "DISK"
_EVERY = 5.0  # real seconds


class DiskWatch:
    """Turns free space into `Guarded` messages, each change once."""

    def __init__(self, reserve: DiskReserve, every: float = _EVERY) -> None:
        self._reserve = reserve
        self._every = every
        self._next = 0.0

    def look(self, at: datetime, held: bool) -> Guarded | None:
        """The change to tell, if it is time to look and there is one. `held`: whether the hold stands now."""
        if monotonic() < self._next:
            return None
        self._next = monotonic() + self._every
        try:
            return self._change(at, held)
        except OSError as error:  # the engine must outlive its disk's moods
            _log.error("the ledger's disk could not be looked at: %s", error)
            return None

    def _change(self, at: datetime, held: bool) -> Guarded | None:
        if self._reserve.is_roomy():
            self._reserve.refill()
            return Guarded(at, CODE, State.REDUCING, False) if held else None
        if held or not self._reserve.is_low():
            return None
        note = f"{self._reserve.free() / MIB:,.0f} MiB are free on the disk of the ledger"
        return Guarded(at, CODE, State.REDUCING, True, note)

    def release(self) -> bool:
        """Give the reserve up; True when there was one."""
        return self._reserve.release()
