"""The Trader rebuilt from its checkpoint and the ledger, and whether this version of the code judges as it was."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from engine import checkpoint
from engine.domain import State
from engine.messages import Guarded
from engine.ports import Ledger
from engine.records import Record
from engine.trader import Trader
from engine.written import recorded_by

_log = logging.getLogger(__name__)
KEEP_EVERY = 10_000  # rows between checkpoints of a running desk
_WORTH_SAVING = 2_000  # records judged at a start that are worth a checkpoint


class Restoring:
    """Rebuilds and keeps. `saved` None: no checkpoint, the whole ledger is judged again each time."""

    def __init__(self, ledger: Ledger, new_trader: Callable[[], Trader], saved: Path | None) -> None:
        self._ledger = ledger
        self._new_trader = new_trader
        self._saved = saved
        self._kept = 0  # the row of the last checkpoint
        self._differing: tuple[Record, str] | None = None  # the first row judged otherwise, and whose code wrote it

    def trader(self, progress: Callable[[int], None] | None = None) -> tuple[Trader, int]:
        """The Trader as of the last row, and how many rows were judged for it. Raises what reading or judging does."""
        known = checkpoint.read(self._saved, self._ledger) if self._saved is not None else None
        trader = known or self._new_trader()
        self._kept = trader.row[0]
        count = 0
        for count, record in enumerate(self._ledger.read(after=trader.row[0]), start=1):
            if not record.agrees(trader.again(record)) and self._differing is None:
                self._differing = record, trader.code
            if progress is not None and count % 500 == 0:
                progress(count)
        if count >= _WORTH_SAVING or self._differing is not None:
            self.save(trader)
        return trader, count

    def keep_up(self, trader: Trader) -> None:
        """Keep a checkpoint every so many rows: a start after a power cut need not judge all that this run wrote."""
        if trader.row[0] - self._kept >= KEEP_EVERY:
            self.save(trader)

    def save(self, trader: Trader) -> None:
        """Keep a checkpoint; without one the next start only takes longer."""
        if self._saved is None or not trader.is_started:
            return
        self._kept = trader.row[0]
        try:
            checkpoint.write(self._saved, trader)
        except OSError as error:
            _log.warning("no checkpoint was kept (%s); the next start judges the ledger again", error)

    def difference(self) -> Guarded | None:
        """The hold for a record that this version judged otherwise than it says: a person must look first."""
        if self._differing is None:
            return None
        row, code = self._differing
        note = (
            f"this version judges ledger row {row.seq} ({type(row.message).__name__}, {recorded_by(code)}) otherwise "
            "than recorded; `nightdesk replay` shows how. Compare the positions, then lift this hold"
        )
        return Guarded(row.at, "VERSION", State.REDUCING, True, note)
