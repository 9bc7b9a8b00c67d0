"""From a feed's prints and quotes to the sink: the gate, the bar builder, and a feed's account of itself."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime, timedelta

from engine.clock import Clock
from engine.domain import Print, Quote, Symbol, instant, micros
from engine.market.bars import GRACE, BarBuilder
from engine.market.quality import QualityGate, Quarantine, Reason
from engine.market.sequence import Sequence as TradeIds
from engine.market.skew import Skew
from engine.market.suspicions import Suspicions, keep_quiet
from engine.market.wariness import Wariness
from engine.messages import FeedChanged, Suspected
from engine.ports import FeedStatus, MarketSink

MINUTE = timedelta(minutes=1)
# A print or a frame that these turned away may have been a trade, so the minute it came in is not whole.
_COST_A_TRADE = frozenset(
    (Reason.NOT_FINITE, Reason.PRICE_NOT_POSITIVE, Reason.VOLUME_NEGATIVE, Reason.FUTURE, Reason.MALFORMED)
)
EVERY = "every coin"
NEVER_CAME = "a trade that the venue numbered never came"
NO_NUMBER = "what the venue had counted before its first trade is not known"


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
        numbered: bool = False,
        on_late: Callable[[Print], None] = forget,
        on_suspect: Callable[[Suspected], None] = keep_quiet,
    ) -> None:
        """`numbered`: the venue counts each symbol's trades up one by one, so that a lost one shows."""
        self.name = name
        self.clock = clock
        self.sink = sink
        self.ids = TradeIds(start)
        self.builder = BarBuilder(symbols, start, grace=grace, ordered=ordered, ids=self.ids)
        self.quarantine = quarantine
        self.gate = QualityGate(quarantine, clock.speed)
        self.known = frozenset(symbols)
        self.seen: dict[Symbol, datetime] = {}
        self.is_up = False
        self.skew = Skew()
        self._wariness = Wariness()
        self.prints = self.quotes = self.late = self.gap_count = self.lost = 0
        self.last_frame: datetime | None = None
        self._grace = grace
        self._numbered = numbered
        self._on_late = on_late
        self._suspicions = Suspicions(name, on_suspect)
        self._down_since: datetime | None = None
        self._refused: dict[Symbol, str] = {}

    def hear(self) -> datetime:
        """Note a sign of life; returns desk time."""
        now = self.clock.now()
        self.last_frame = now
        return now

    def alive(self, symbol: Symbol) -> None:
        """The venue has said just now that it sends every print of `symbol` from here on."""
        self.builder.alive(symbol, self.clock.now() + self.skew.behind)

    def due(self) -> datetime:
        """Desk time at which the next minute comes at the latest, while the feed is heard."""
        return self.builder.due() + self.skew.ahead

    def offer_prints(self, items: Sequence[Print], now: datetime) -> None:
        """Judge the prints of one frame, in order: as `offer` does, at the pace of a busy market."""
        for item in items:
            symbol = item.symbol
            if symbol not in self.known:
                self.reject(Reason.UNKNOWN_SYMBOL, symbol, "not asked for")
                continue
            if self._numbered and item.trade_id is not None:
                self.ids.see(symbol, item.trade_id, item.at, now)
            if not self.gate.is_plain(item, now):
                self._judge(item, now)
                continue
            self.seen[symbol] = now
            if self.builder.add(item):
                self.prints += 1
                self.sink.on_print(item)
            else:
                self._too_late(item, now)
        if now >= self.skew.due or now == self.skew.last:
            stamps = [item.at for item in items if item.symbol in self.known]
            if stamps:
                self.skew.see(max(stamps), now)

    def recall(self, items: Sequence[Print], now: datetime) -> None:
        """What a venue lists as its last trades when a line begins: no prints of any bar, but what is counted from.

        A trade in the list came before the line, also where the venue's clock is ahead of the desk's.
        """
        told: dict[Symbol, list[tuple[int, datetime]]] = {}
        for item in items:
            if item.symbol in self.known and item.trade_id is not None:
                told.setdefault(item.symbol, []).append((item.trade_id, item.at))
        for symbol, trades in told.items():
            if self._numbered:
                self.ids.recall(symbol, trades, now)
            self.builder.alive_after(symbol, max(at for _, at in trades))

    def offer(self, item: Print | Quote, *, streamed: bool = True) -> bool:
        """Judge one message and deliver what may be believed because of it; False when that is nothing.

        What was asked for by hand (not `streamed`) is no sign that the symbol's prices are back.
        """
        now = self.clock.now()
        if item.symbol not in self.known:
            self.reject(Reason.UNKNOWN_SYMBOL, item.symbol, "not asked for")
            return False
        if streamed and isinstance(item, Print):
            self._number(item, now)
        return self._judge(item, now, streamed=streamed)

    def _judge(self, item: Print | Quote, now: datetime, *, streamed: bool = True) -> bool:
        believed = self.gate.admit(item, now)
        if not believed and isinstance(item, Print):
            self._turned_away(item, now)
        elif self.gate.confirmed is not None:
            self._confirmed(self.gate.confirmed, now)
        for accepted in believed:
            if streamed:
                self.seen[accepted.symbol] = now
            if isinstance(accepted, Quote):
                self.quotes += 1
                self.sink.on_quote(accepted)
            elif accepted is not item:  # its own minute has it; as a price it acts from now on
                self.sink.on_print(accepted)
            elif self.builder.add(accepted):
                self.prints += 1
                self.sink.on_print(accepted)
            else:
                self._too_late(accepted, now)
        return bool(believed)

    def _number(self, item: Print, now: datetime) -> None:
        self.skew.see(item.at, now)
        if self._numbered and item.trade_id is not None:
            self.ids.see(item.symbol, item.trade_id, item.at, now)

    def _turned_away(self, item: Print, now: datetime) -> None:
        """The gate did not believe a print: that it was none is not certain, so its minute is not whole."""
        if self.gate.refused in _COST_A_TRADE:
            self._interrupt(now, (item.symbol,))
        elif self.gate.refused is Reason.STALE:
            self._too_late(item, now)
        elif self.gate.refused is Reason.JUMP:
            self.builder.doubts.set_aside(item)
            start = item.at.replace(second=0, microsecond=0)
            self._suspicions.add(item.symbol, start, start + MINUTE, "a print more than half away was set aside", now)

    def _confirmed(self, item: Print, now: datetime) -> None:
        """A print that was set aside is believed after all: it belongs to its own minute, if that has not closed."""
        if not self.builder.doubts.confirmed(item):
            return  # the price of a vendor's bar: its minute comes whole
        if self.builder.add(item):
            self.prints += 1
        else:
            self._missed(item, now)

    def _too_late(self, item: Print, now: datetime) -> None:
        self._on_late(item)
        self._missed(item, now)

    def _missed(self, item: Print, now: datetime) -> None:
        """Quiet minutes since then were flat at a price that was no longer the last one."""
        self.late += 1
        self._wariness.late(item.symbol, now)
        self.builder.late(item)
        start = item.at.replace(second=0, microsecond=0)
        until = max(start + MINUTE, self.builder.passed())
        self._suspicions.add(item.symbol, start, until, "a print came after its minute had closed", now)

    def reject(self, code: Reason, symbol: Symbol | None, detail: str) -> None:
        """Set a message aside. One that cannot be read may have been anything, prints included."""
        now = self.clock.now()
        self.quarantine.put(now, symbol, code, detail)
        if code in _COST_A_TRADE:
            self._interrupt(now, (symbol,) if symbol in self.known else ())

    def _interrupt(self, now: datetime, symbols: Sequence[Symbol]) -> None:
        self.builder.interrupt(now - self.skew.ahead, now + self.skew.behind, symbols)

    def advance(self, complete_until: datetime | None = None) -> None:
        """Deliver the minutes whose time has come at the market, and say which trades before them never came.

        `complete_until`: the feed has delivered everything before that instant, and nothing is known of what is later.
        """
        now = self.clock.now()
        if self.clock.speed == 1:
            self._look_at_clocks(now)
        there = now - self.skew.ahead
        if self.last_frame is not None:
            self.builder.hear(self.last_frame - self.skew.ahead)
        for minute in self.builder.advance(min(there, complete_until or there), complete_until):
            self.sink.on_minute(minute)
        if self.ids.holes:
            self._name_lost(now)

    def _look_at_clocks(self, now: datetime) -> None:
        """How far apart they are now, and whom that or late prints make us wary of."""
        self.skew.look(now)
        self.builder.doubts.wary = self._wariness.reasons(now, self.skew.apart)

    def _name_lost(self, now: datetime) -> None:
        for hole in self.ids.take_lost(micros(now - self._grace), micros(self.builder.passed())):
            self.lost += hole.count if hole.is_sure else 0
            since = instant(hole.since).replace(second=0, microsecond=0)
            until = instant(hole.until).replace(second=0, microsecond=0) + MINUTE
            self._suspicions.add(hole.symbol, since, until, NEVER_CAME if hole.is_sure else NO_NUMBER, now)

    def doubt(self, symbol: Symbol, doubtful: bool) -> None:
        """A second source contradicts the prices of `symbol`, or agrees again."""
        change = self.builder.doubts.begin if doubtful else self.builder.doubts.end
        change(symbol, self.clock.now() - self.skew.ahead)

    def sure_until(self) -> datetime | None:
        """Up to here every print has come: it may be a grace behind the last frame. None before the first."""
        return self.last_frame and self.last_frame - self.skew.ahead - self._grace

    @property
    def has_refused(self) -> bool:
        return bool(self._refused)

    def refuse(self, refused: Mapping[Symbol, str], live: Container[Symbol]) -> None:
        """Which symbols the venue will not subscribe, and why; one that is `live` again is told as well."""
        now = self.clock.now()
        for symbol, why in refused.items():
            if symbol not in self._refused:
                self._refused[symbol] = why
                self.sink.on_feed(FeedChanged(now, self.name, False, why, (symbol,)))
        for symbol in [name for name in self._refused if name not in refused and name in live]:
            del self._refused[symbol]
            self.sink.on_feed(FeedChanged(now, self.name, True, "subscribed again", (symbol,)))

    def up(self, detail: str) -> None:
        """The feed delivers (again): tell the desk, and record the gap behind us."""
        if self.is_up:
            return
        now = self.clock.now()
        self.is_up = True
        if self._down_since is not None:
            self.gap_count += 1
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
            lost_prints=self.lost,
            skew=self.skew.value() if self.clock.speed == 1 else None,
            wary={symbol or EVERY: why for symbol, why in self.builder.doubts.wary.items()},
        )
