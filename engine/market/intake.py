"""From a feed's prints and quotes to the sink: the gate, the bar builder, and a feed's account of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from engine.clock import Clock
from engine.domain import Print, Quote, Symbol
from engine.market.bars import GRACE, BarBuilder
from engine.market.quality import QualityGate, Quarantine, Reason
from engine.messages import FeedChanged
from engine.ports import FeedStatus, MarketSink

GAPS_KEPT = 100


def forget(_: Print) -> None:
    """What becomes of late prints where nobody stores them."""


class Intake:
    """One feed's way in. Everything the feed hears passes here; only what is believed leaves."""

    def __init__(
        self,
        name: str,
        symbols: Sequence[Symbol],
        clock: Clock,
        sink: MarketSink,
        *,
        start: datetime,
        quarantine: Quarantine,
        grace: timedelta = GRACE,
        ordered: bool = False,
        on_late: Callable[[Print], None] = forget,
    ) -> None:
        self.name = name
        self.clock = clock
        self.sink = sink
        self.builder = BarBuilder(symbols, start, grace=grace, ordered=ordered)
        self.quarantine = quarantine
        self.gate = QualityGate(quarantine, clock.speed)
        self.known = frozenset(symbols)
        self.seen: dict[Symbol, datetime] = {}
        self.gaps: list[tuple[datetime, datetime]] = []
        self.is_up = False
        self.prints = self.late = self.gap_count = 0
        self.last_frame: datetime | None = None
        self._on_late = on_late
        self._down_since: datetime | None = None

    def hear(self) -> datetime:
        """Note a sign of life; returns desk time."""
        now = self.clock.now()
        self.last_frame = now
        self.builder.hear(now)
        return now

    def offer(self, item: Print | Quote, *, streamed: bool = True) -> bool:
        """Judge one message and deliver what may be believed because of it; False when that is nothing.

        What was asked for by hand (not `streamed`) is no sign that the symbol's prices are back.
        """
        now = self.clock.now()
        if item.symbol not in self.known:
            self.reject(Reason.UNKNOWN_SYMBOL, item.symbol, "not asked for")
            return False
        believed = self.gate.admit(item, now)
        for accepted in believed:
            if streamed:
                self.seen[accepted.symbol] = now
            if isinstance(accepted, Quote):
                self.sink.on_quote(accepted)
            elif self.builder.add(accepted):
                self.prints += 1
                self.sink.on_print(accepted)
            else:
                self.late += 1
                self._on_late(accepted)
        return bool(believed)

    def reject(self, code: Reason, symbol: Symbol | None, detail: str) -> None:
        self.quarantine.put(self.clock.now(), symbol, code, detail)

    def advance(self, complete_until: datetime | None = None) -> None:
        """Deliver the minutes whose time has come."""
        for minute in self.builder.advance(self.clock.now(), complete_until):
            self.sink.on_minute(minute)

    def up(self, detail: str) -> None:
        """The feed delivers (again): tell the desk, and record the gap behind us."""
        if self.is_up:
            return
        now = self.clock.now()
        self.is_up = True
        if self._down_since is not None:
            self.gap_count += 1
            self.gaps = [*self.gaps[1 - GAPS_KEPT :], (self._down_since, now)]
        self.sink.on_feed(FeedChanged(now, self.name, True, detail))

    def down(self, detail: str, lost_from: datetime | None = None) -> None:
        """The feed went silent; what came since `lost_from` (default now) may be incomplete."""
        now = self.clock.now()
        self.builder.dead(lost_from or now)
        if not self.is_up:
            return
        self.is_up = False
        self._down_since = lost_from or now
        self.sink.on_feed(FeedChanged(now, self.name, False, detail))

    def status(self, detail: str, reconnects: int = 0, refused: dict[Symbol, str] | None = None) -> FeedStatus:
        return FeedStatus(
            name=self.name,
            up=self.is_up,
            detail=detail,
            last_frame=self.last_frame,
            reconnects=reconnects,
            prints=self.prints,
            late_prints=self.late,
            gaps=self.gap_count,
            quarantined=dict(self.quarantine.counts),
            refused_symbols=dict(refused or {}),
            symbols=dict(self.seen),
        )
