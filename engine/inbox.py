"""One queue into the engine thread: it stamps time and quotes, and merges prints that wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from engine.clock import Clock, monotonic
from engine.domain import BarQuality, Print, Quote, Symbol
from engine.messages import Analysis, ClosePosition, Message, Minute, MoveStop, Press, Slice, Timer
from engine.records import Record

_PEOPLE = (Press, ClosePosition, MoveStop)


class QuoteBoard:
    """The last valid quote of every symbol; written by the feed's loop, read by any thread."""

    def __init__(self) -> None:
        self._quotes: dict[Symbol, Quote] = {}
        self._real: set[Symbol] = set()

    def put(self, quote: Quote) -> None:
        """Remember a quote; a crossed or empty one is not kept."""
        if 0 < quote.bid <= quote.ask:
            self._quotes[quote.symbol] = quote
            self._real.add(quote.symbol)

    def get(self, symbol: Symbol) -> Quote | None:
        return self._quotes.get(symbol)

    def real(self, symbol: Symbol) -> Quote | None:
        """The last quote that the market itself gave."""
        return self._quotes.get(symbol) if symbol in self._real else None

    def stand_in(self, symbol: Symbol, at: datetime, price: float) -> None:
        """Let a traded price stand for the quote of a symbol whose source has no quotes."""
        if symbol not in self._real and price > 0:
            self._quotes[symbol] = Quote(symbol, at, price, price)


@dataclass(slots=True)
class Entry:
    """One message on its way in. `received` is `monotonic()` at its receipt, for latency."""

    message: Message
    answer: Future[Record] | None
    received: float

    def refuse(self, error: Exception) -> None:
        """Tell whoever waits for the record that there will be none."""
        if self.answer is not None:
            self.answer.set_exception(error)


class Inbox:
    """Thread-safe. Commands, fills, minutes and timers are never merged or dropped; waiting prints merge per symbol."""

    def __init__(self, clock: Clock, quotes: QuoteBoard) -> None:
        self.quotes = quotes
        self._clock = clock
        self._ready = threading.Condition()
        self._queue: deque[Entry] = deque()
        self._merging: dict[Symbol, Entry] = {}
        self._watched: frozenset[Symbol] = frozenset()
        self._wanting: Mapping[Symbol, str] = {}
        self._pending: Mapping[str, Symbol] = {}
        self._last: datetime | None = None

    def watch(self, symbols: frozenset[Symbol], wanting: Mapping[Symbol, str], pending: Mapping[str, Symbol]) -> None:
        """Name the symbols whose prints matter, those that wait for a market fill (symbol → "buy" or "sell"), and the
        symbol of every pending proposal, so that a press carries its quote."""
        self._watched, self._wanting, self._pending = symbols, wanting, pending

    def not_before(self, at: datetime) -> None:
        """Never stamp earlier than `at`: the last instant of the ledger."""
        with self._ready:
            self._last = max(at, self._last) if self._last else at

    def submit(self, message: Message) -> Future[Record]:
        """Put a message in; the future gives its record once durable, or the error that kept it out."""
        answer: Future[Record] = Future()
        answer.set_running_or_notify_cancel()
        with self._ready:
            self._put(Entry(self._stamped(message), answer, monotonic()))
        return answer

    def on_print(self, item: Print) -> None:
        """A market trade; only those of watched symbols go in."""
        self.quotes.stand_in(item.symbol, item.at, item.price)
        if item.symbol in self._watched:
            self._slice(item.symbol, item.at, item.price, item.quantity, "print")

    def on_quote(self, item: Quote) -> None:
        """A best bid and ask; it goes in as a price only where a market order waits for one."""
        self.quotes.put(item)
        action = self._wanting.get(item.symbol)
        if action and 0 < item.bid <= item.ask:
            self._slice(item.symbol, item.at, item.ask if action == "buy" else item.bid, 0.0, "quote")

    def take(self, timeout: float | None = None) -> Entry | None:
        """The next message, waiting at most `timeout` real seconds; None when there was none."""
        with self._ready:
            if not self._queue and not self._ready.wait_for(lambda: bool(self._queue), timeout):
                return None
            return self._next()

    def slices(self, most: int) -> list[Entry]:
        """Prints and quotes at the head of the queue, up to the first message of another kind."""
        taken: list[Entry] = []
        with self._ready:
            while len(taken) < most and self._queue and isinstance(self._queue[0].message, Slice):
                taken.append(self._next())
        return taken

    def _next(self) -> Entry:
        entry = self._queue.popleft()
        if isinstance(entry.message, Slice) and self._merging.get(entry.message.symbol) is entry:
            del self._merging[entry.message.symbol]
        return entry

    def refuse_people(self, error: Exception) -> int:
        """Turn away what people wait for (presses, closes) with `error`; the rest stays. Returns how many."""
        with self._ready:
            turned = [entry for entry in self._queue if isinstance(entry.message, _PEOPLE)]
            self._queue = deque(entry for entry in self._queue if not isinstance(entry.message, _PEOPLE))
        for entry in turned:
            entry.refuse(error)
        return len(turned)

    def waited(self) -> float:
        """Real seconds for which the oldest message has waited; 0 when none does."""
        with self._ready:
            return monotonic() - self._queue[0].received if self._queue else 0.0

    def wake(self) -> None:
        """Let a waiting `take` look again at once."""
        with self._ready:
            self._ready.notify_all()

    def timer(self, name: str, key: str, due: datetime) -> Entry:
        """A timer of the Trader's own, stamped now."""
        with self._ready:
            return Entry(self._stamped(Timer(due, name, key, due)), None, monotonic())

    def __len__(self) -> int:
        return len(self._queue)

    def _put(self, entry: Entry) -> None:
        self._merging.clear()
        self._queue.append(entry)
        self._ready.notify()

    def _now(self) -> datetime:
        now = self._clock.now()
        self._last = now if self._last is None else max(now, self._last)
        return self._last

    def _stamped(self, message: Message) -> Message:
        now = self._now()
        if isinstance(message, Minute):
            self._stand_in(message)
            return message
        changes: dict[str, Any] = {"at": now}
        if isinstance(message, Press):
            changes["quote"] = self.quotes.get(self._pending.get(message.proposal, ""))
        elif isinstance(message, ClosePosition | MoveStop):
            changes["quote"] = self.quotes.get(message.symbol)
        elif isinstance(message, Analysis):
            changes["quotes"] = self._quotes_of(message)
        return replace(message, **changes)

    def _quotes_of(self, analysis: Analysis) -> tuple[Quote, ...]:
        """What the market itself gave; a price that stands in for a quote says nothing about the spread."""
        entered = {one.symbol for one in analysis.signals if one.action == "enter" and one.expected_value is not None}
        return tuple(quote for symbol in sorted(entered) if (quote := self.quotes.real(symbol)) is not None)

    def _stand_in(self, minute: Minute) -> None:
        for symbol, close, quality in zip(minute.symbols, minute.close, minute.quality, strict=True):
            if quality == BarQuality.GOOD:
                self.quotes.stand_in(symbol, minute.at, close)

    def _slice(self, symbol: Symbol, at: datetime, price: float, quantity: float, source: str) -> None:
        with self._ready:
            now = self._now()
            waiting = self._merging.get(symbol)
            if waiting is not None and isinstance(waiting.message, Slice) and waiting.message.source == source:
                waiting.message = _merged(waiting.message, now, at, price, quantity)
                return
            fresh = Slice(now, symbol, at, at, price, price, price, price, quantity, source)
            entry = Entry(fresh, None, monotonic())
            self._merging[symbol] = entry
            self._queue.append(entry)
            self._ready.notify()


def _merged(held: Slice, now: datetime, at: datetime, price: float, quantity: float) -> Slice:
    return replace(
        held,
        at=now,
        last=max(held.last, at),
        high=max(held.high, price),
        low=min(held.low, price),
        close=price,
        volume=held.volume + quantity,
    )
