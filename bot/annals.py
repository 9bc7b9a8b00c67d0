"""What the ledger tells that no snapshot holds: vetoes, slippage, data quality, earlier reports. Read once, kept up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from engine import verdict
from engine.domain import BarQuality, Proposal, ProposalStatus
from engine.messages import FeedChanged, Minute
from engine.outcomes import Filled, ProposalClosed, ReportDue
from engine.records import Record

_USABLE = frozenset({BarQuality.GOOD.value, BarQuality.QUIET.value, BarQuality.HEALED.value})
_VETOES = frozenset({ProposalStatus.REJECTED, ProposalStatus.EXPIRED})
_MINUTE = timedelta(minutes=1)
KEPT = timedelta(days=40)  # vetoes and earlier reports: more than the longest report looks back

log = logging.getLogger(__name__)


class Recorded(Protocol):
    """Where the records come from: the desk."""

    def records(self, after: int = 0) -> Iterator[Record]: ...


@dataclass(slots=True)
class Sums:
    """What the rows up to `seq` came to; `head` is that row's hash."""

    seq: int = 0
    head: str = ""
    vetoed: list[Proposal] = field(default_factory=list)
    reported: list[ReportDue] = field(default_factory=list)
    usable_bars: int = 0
    unusable_bars: int = 0
    slippage: float = 0.0
    filled_notional: float = 0.0
    minutes: int = 0
    first_minute: datetime | None = None
    last_minute: datetime | None = None
    down_since: datetime | None = None
    down: timedelta = timedelta(0)


_SUMS = TypeAdapter(Sums)


class Annals:
    """Follows the ledger by its own cursor; `read` may be called from any thread, and again and again.

    `saved` is a file that keeps the sums, so that a report after a restart does not read years again. It is worth
    nothing without the ledger: one whose row is not the ledger's is counted anew.
    """

    def __init__(self, saved: Path | None = None) -> None:
        self._saved = saved
        self._sums: Sums | None = None
        self._lock = threading.Lock()

    @property
    def vetoed(self) -> Sequence[Proposal]:
        """Rejected by a person, or expired unanswered, in the last weeks."""
        return self._known.vetoed

    def read(self, desk: Recorded) -> None:
        """Take in the rows since the last call."""
        with self._lock:
            self._sums = self._sums or self._recalled(desk)
            before = self._sums.seq
            for record in desk.records(after=before):
                self._take(record)
                self._sums.seq, self._sums.head = record.seq, record.head
            if self._sums.seq > before:
                self._save()

    @property
    def _known(self) -> Sums:
        self._sums = self._sums or Sums()
        return self._sums

    def _recalled(self, desk: Recorded) -> Sums:
        if self._saved is None or not self._saved.exists():
            return Sums()
        try:
            sums = _SUMS.validate_json(self._saved.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("%s cannot be used (%s); the whole ledger is read again", self._saved, error)
            return Sums()
        row = next(iter(desk.records(after=sums.seq - 1)), None)
        return sums if row is not None and (row.seq, row.head) == (sums.seq, sums.head) else Sums()

    def _save(self) -> None:
        if self._saved is None:
            return
        draft = self._saved.with_suffix(".part")
        try:
            draft.write_bytes(_SUMS.dump_json(self._known))
            draft.replace(self._saved)
        except OSError as error:
            log.warning("%s could not be written (%s); the next start reads the ledger again", self._saved, error)

    def operations(self) -> verdict.Operations:
        """How well the desk ran since the ledger began; None where there is nothing to count."""
        sums = self._known
        span = sums.last_minute - sums.first_minute if sums.first_minute and sums.last_minute else timedelta(0)
        bars = sums.usable_bars + sums.unusable_bars
        return verdict.Operations(
            uptime=min(1.0, sums.minutes / (span / _MINUTE + 1)) if sums.minutes else None,
            feed_uptime=max(0.0, 1 - self._downtime() / span) if span else None,
            data_quality=sums.usable_bars / bars if bars else None,
            mean_slippage=sums.slippage / sums.filled_notional if sums.filled_notional else None,
        )

    def before(self, report: str, due: datetime) -> ReportDue | None:
        """The report of this kind that came last before `due`."""
        earlier = [item for item in self._known.reported if item.report == report and item.covers_to < due]
        return max(earlier, key=lambda item: item.covers_to, default=None)

    def _take(self, record: Record) -> None:
        sums, message = self._known, record.message
        if isinstance(message, Minute) and not message.caught_up:
            self._count(message)
        elif isinstance(message, FeedChanged) and not message.symbols:
            self._feed(message)
        for outcome in record.outcomes:
            if isinstance(outcome, ProposalClosed) and outcome.proposal.status in _VETOES:
                sums.vetoed = [*(p for p in sums.vetoed if record.at - p.opened < KEPT), outcome.proposal]
            elif isinstance(outcome, ReportDue):
                sums.reported = [*(r for r in sums.reported if record.at - r.covers_to < KEPT), outcome]
            elif isinstance(outcome, Filled):
                sums.slippage += outcome.fill.slippage
                sums.filled_notional += outcome.fill.price * outcome.fill.quantity

    def _count(self, minute: Minute) -> None:
        sums = self._known
        good = sum(quality in _USABLE for quality in minute.quality)
        sums.usable_bars += good
        sums.unusable_bars += len(minute.quality) - good + len(minute.missing)
        sums.minutes += 1
        sums.first_minute = sums.first_minute or minute.at
        sums.last_minute = minute.at

    def _feed(self, change: FeedChanged) -> None:
        sums = self._known
        if not change.up:
            sums.down_since = sums.down_since or change.at
        elif sums.down_since is not None:
            sums.down += change.at - sums.down_since
            sums.down_since = None

    def _downtime(self) -> timedelta:
        sums = self._known
        if sums.down_since is None or sums.last_minute is None:
            return sums.down
        return sums.down + max(timedelta(0), sums.last_minute - sums.down_since)
