"""What the ledger tells that no snapshot holds: vetoes, slippage, data quality, earlier reports. Read once, kept up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from engine import verdict
from engine.domain import BarQuality, Proposal, ProposalStatus
from engine.messages import FeedChanged, Filled, Minute, ProposalClosed, Record, ReportDue

_USABLE = frozenset({BarQuality.GOOD.value, BarQuality.QUIET.value, BarQuality.HEALED.value})
_VETOES = frozenset({ProposalStatus.REJECTED, ProposalStatus.EXPIRED})
_MINUTE = timedelta(minutes=1)


class Recorded(Protocol):
    """Where the records come from: the desk."""

    def records(self, after: int = 0) -> Iterator[Record]: ...


@dataclass(slots=True)
class Annals:
    """Follows the ledger by its own cursor; `read` may be called from any thread, and again and again."""

    vetoed: list[Proposal] = field(default_factory=list)  # rejected by a person, or expired unanswered
    reported: list[ReportDue] = field(default_factory=list)
    usable_bars: int = 0
    unusable_bars: int = 0
    slippage: float = 0.0
    filled_notional: float = 0.0
    minutes: int = 0
    first_minute: datetime | None = None
    last_minute: datetime | None = None
    _down_since: datetime | None = None
    _down: timedelta = timedelta(0)
    _cursor: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def read(self, desk: Recorded) -> None:
        """Take in the rows since the last call."""
        with self._lock:
            for record in desk.records(after=self._cursor):
                self._take(record)
                self._cursor = record.seq

    def operations(self) -> verdict.Operations:
        """How well the desk ran since the ledger began; None where there is nothing to count."""
        span = self.last_minute - self.first_minute if self.first_minute and self.last_minute else timedelta(0)
        bars = self.usable_bars + self.unusable_bars
        return verdict.Operations(
            uptime=min(1.0, self.minutes / (span / _MINUTE + 1)) if self.minutes else None,
            feed_uptime=max(0.0, 1 - self._downtime() / span) if span else None,
            data_quality=self.usable_bars / bars if bars else None,
            mean_slippage=self.slippage / self.filled_notional if self.filled_notional else None,
        )

    def before(self, report: str, due: datetime) -> ReportDue | None:
        """The report of this kind that came last before `due`."""
        earlier = [item for item in self.reported if item.report == report and item.covers_to < due]
        return max(earlier, key=lambda item: item.covers_to, default=None)

    def _take(self, record: Record) -> None:
        message = record.message
        if isinstance(message, Minute) and not message.caught_up:
            self._count(message)
        elif isinstance(message, FeedChanged) and not message.symbols:
            self._feed(message)
        for outcome in record.outcomes:
            if isinstance(outcome, ProposalClosed) and outcome.proposal.status in _VETOES:
                self.vetoed.append(outcome.proposal)
            elif isinstance(outcome, ReportDue):
                self.reported.append(outcome)
            elif isinstance(outcome, Filled):
                self.slippage += outcome.fill.slippage
                self.filled_notional += outcome.fill.price * outcome.fill.quantity

    def _count(self, minute: Minute) -> None:
        good = sum(quality in _USABLE for quality in minute.quality)
        self.usable_bars += good
        self.unusable_bars += len(minute.quality) - good + len(minute.missing)
        self.minutes += 1
        self.first_minute = self.first_minute or minute.at
        self.last_minute = minute.at

    def _feed(self, change: FeedChanged) -> None:
        if not change.up:
            self._down_since = self._down_since or change.at
        elif self._down_since is not None:
            self._down += change.at - self._down_since
            self._down_since = None

    def _downtime(self) -> timedelta:
        if self._down_since is None or self.last_minute is None:
            return self._down
        return self._down + max(timedelta(0), self.last_minute - self._down_since)
