"""Massive's frames → prints, quotes, minutes and what is to be sent back: no socket, and no frame that can kill it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from engine.domain import OF_A_BAR, Print, Quote, Symbol, instant
from engine.market.bars import MINUTE_US
from engine.market.connection import TurnedAway
from engine.market.intake import Intake
from engine.market.massive_access import KEY_NAMES, MassiveAccess
from engine.market.massive_check import BarCheck
from engine.market.massive_events import (
    KNOWN,
    MinuteEvent,
    QuoteEvent,
    SecondEvent,
    StatusEvent,
    TradeEvent,
    events,
)
from engine.market.massive_quotes import BestOfExchanges
from engine.market.massive_topics import MINUTES, SECONDS, TRADES, Topic, Topics, symbol_of
from engine.market.quality import Reason

Request: TypeAlias = dict[str, str]
AGGREGATE_GRACE = timedelta(seconds=5)  # minute bars are sent when the minute is over, and take their way
KEY_REFUSED_REST = 300.0  # real seconds: a person has to mend it, haste does not
AUTH_LATE_REST = 30.0
EVICTED = (60.0, 120.0, 300.0, 600.0)  # the first time, and each time after it


class MassiveFrames:
    """One connection's conversation. `requests` collects what is to be sent.

    `let_in`: the key was taken. `evicted`: another program's connection took this one's place.
    """

    def __init__(self, intake: Intake, topics: Topics, access: MassiveAccess, check: BarCheck) -> None:
        self.intake = intake
        self.topics = topics
        self.let_in = self.evicted = False
        self.requests: list[Request] = []
        self._access = access
        self._check = check
        self._best = BestOfExchanges()
        self._symbols: dict[str, Symbol] = {}
        self._handlers: dict[type, Callable[[Any, datetime], None]] = {
            QuoteEvent: self._quote,
            MinuteEvent: self._minute,
            SecondEvent: self._second,
            StatusEvent: self._status,
        }

    def handle(self, frame: str | bytes) -> None:
        """Take one frame. What cannot be read is quarantined; raises `TurnedAway` when Massive ends the connection."""
        now = self.intake.hear()
        try:
            found = list(events(frame, self._unreadable))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._malformed(f"{type(error).__name__} {error} in {frame[:120]!r}")
            return
        prints: list[Print] = []
        for event in found:
            if type(event) is TradeEvent:  # nearly always
                symbol = self._symbols.get(event.pair) or self._symbol(event)
                if symbol:
                    at = instant(event.t * 1000)
                    prints.append(Print(symbol, at, event.p, event.s, now, event.trade_id, event.side))
                continue
            if prints:
                self.intake.offer_prints(prints, now)
                prints = []
            self._handlers[type(event)](event, now)
        self.intake.offer_prints(prints, now)

    def take_requests(self) -> list[Request]:
        """What must be sent now; the list is emptied."""
        taken, self.requests = self.requests, []
        if self.let_in:
            taken += map(_subscribe, self.topics.overdue(self.intake.clock.now()))
        return taken

    # ------------------------------------------------------------ prices

    def _quote(self, event: QuoteEvent, now: datetime) -> None:
        symbol = self._symbol(event)
        if symbol:
            quote = Quote(symbol, instant(event.t * 1000), event.bp, event.ap)
            self.intake.offer(self._best.put(event.x, quote, now))

    def _minute(self, event: MinuteEvent, now: datetime) -> None:
        """A minute of Massive's own: a check of the one made of trades, or the minute itself where there are none."""
        symbol = self._symbol(event)
        if not symbol or not self._possible(symbol, event):
            return
        if self._has_trades(symbol):
            self._check.theirs(symbol, event)
        elif instant(event.e * 1000) <= self.intake.builder.passed():
            self._check.came_late(symbol, event)
        elif self._believed(symbol, event, now):
            for item in as_prints(symbol, event, now):
                self.intake.builder.add(item)
        else:
            self.intake.builder.dead(instant(event.s * 1000), (symbol,))
            self.intake.builder.alive(symbol, instant(event.e * 1000))

    def _second(self, event: SecondEvent, now: datetime) -> None:
        """A second of trades, where the plan has no trades: its prices act, its minute comes with the minute bar."""
        symbol = self._symbol(event)
        if symbol and self._possible(symbol, event) and self._believed(symbol, event, now):
            for item in as_prints(symbol, event, now):
                self.intake.sink.on_print(item)

    def _believed(self, symbol: Symbol, event: MinuteEvent | SecondEvent, now: datetime) -> bool:
        if symbol not in self.intake.known:
            self.intake.reject(Reason.UNKNOWN_SYMBOL, symbol, "not asked for")
            return False
        closed = Print(symbol, instant(event.e * 1000 - 1), event.c, event.v, now)
        if not self.intake.gate.admit(closed, now):
            return False
        self.intake.seen[symbol] = now
        return True

    def _possible(self, symbol: Symbol, event: MinuteEvent | SecondEvent) -> bool:
        prices = (event.o, event.h, event.l, event.c)
        sane = min(prices) > 0 and event.h == max(prices) and event.l == min(prices) and event.v >= 0
        whole = event.e - event.s == (60_000 if isinstance(event, MinuteEvent) else 1_000)
        if not (sane and whole):  # NaN is not above 0 either
            self.intake.reject(Reason.BAR_IMPOSSIBLE, symbol, str(event))
        return sane and whole

    def _has_trades(self, symbol: Symbol) -> bool:
        return (TRADES, symbol) not in self.topics.refused

    def _symbol(self, event: TradeEvent | QuoteEvent | MinuteEvent | SecondEvent) -> Symbol | None:
        try:
            name = event.name
            return self._symbols.get(name) or self._symbols.setdefault(name, symbol_of(name))
        except ValueError as error:
            self._malformed(f"{error}: {event}")
            return None

    # ------------------------------------------------------------ answers

    def _status(self, event: StatusEvent, now: datetime) -> None:
        message = self._access.hide(event.message)
        if event.status == "connected":
            self.requests.append({"action": "auth", "params": self._access.require_key()})
        elif event.status == "auth_success":
            self.let_in = True
            self.requests += map(_subscribe, self.topics.open(now))
        elif event.status == "success":
            self._live(self.topics.accepted(message))
        elif event.status == "error" and self.let_in:
            self._declined(self.topics.declined(message), now)
        else:
            raise self._turned_away(event.status, message)

    def _turned_away(self, status: str, message: str) -> TurnedAway:
        if status in ("auth_failed", "error"):
            return TurnedAway(f"Massive refused the key in {KEY_NAMES}: {message or status}", KEY_REFUSED_REST)
        if status == "auth_timeout":
            return TurnedAway(
                f"Massive did not get the key in {KEY_NAMES} in time: {message or status}", AUTH_LATE_REST
            )
        if status == "max_connections":
            self.evicted = True
            words = "stop it, or give the desk a key of its own"
            return TurnedAway(f"another program uses the key in {KEY_NAMES}, and only one may: {words}", EVICTED[0])
        if status == "slow_consumer":
            return TurnedAway(f"Massive cut the line because the desk read too slowly ({message or status})", 0.0)
        return TurnedAway(f"Massive ended the connection: {message or status}", 0.0)

    def _live(self, topics: Iterable[Topic]) -> None:
        for channel, symbol in topics:
            if channel == TRADES or (channel == MINUTES and not self._has_trades(symbol)):
                self.intake.alive(symbol)
                self.intake.up("connected")

    def _declined(self, topics: Iterable[Topic], now: datetime) -> None:
        """Where trades are refused, minutes come from minute bars, and prices between them from second bars."""
        instead = [symbol for channel, symbol in topics if channel == TRADES]
        if not instead:
            return
        self.intake.builder.wait(AGGREGATE_GRACE)
        self.requests += map(_subscribe, self.topics.ask([(SECONDS, symbol) for symbol in instead], now))
        self._live([(MINUTES, symbol) for symbol in instead if (MINUTES, symbol) in self.topics.live])

    def _unreadable(self, kind: str, error: str, text: str) -> None:
        if kind and kind not in KNOWN:
            self.intake.reject(Reason.UNKNOWN_CHANNEL, None, text)
        else:
            self._malformed(f"{error} in {text}")

    def _malformed(self, detail: str) -> None:
        self.intake.reject(Reason.MALFORMED, None, self._access.hide(detail))


def as_prints(symbol: Symbol, event: MinuteEvent | SecondEvent, now: datetime) -> tuple[Print, ...]:
    """Four prints that make the same bar: open, low, high, close; the close carries the volume."""
    span = min(event.e - event.s, MINUTE_US // 1000) * 1000
    first = event.s * 1000
    steps = ((0, event.o, 0.0), (span // 3, event.l, 0.0), (2 * span // 3, event.h, 0.0), (span - 1, event.c, event.v))
    return tuple(
        Print(symbol, instant(first + after), price, volume, now, None, OF_A_BAR) for after, price, volume in steps
    )


def _subscribe(params: str) -> Request:
    return {"action": "subscribe", "params": params}
