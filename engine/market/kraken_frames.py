"""Kraken WebSocket v2 frames, live or recorded: one handler, no socket, and no frame that can kill it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engine.domain import Instrument, Print, Quote, Symbol, require_utc
from engine.market.intake import Intake
from engine.market.kraken_book import OrderBook
from engine.market.kraken_subscriptions import Channel, Request, Subscriptions
from engine.market.kraken_words import (
    BookEntry,
    BookFrame,
    Frame,
    TickerEntry,
    TickerFrame,
    TradeEntry,
    TradeFrame,
    entries,
    plain,
    typed,
)
from engine.market.quality import Reason
from engine.market.symbols import kraken_symbol

log = logging.getLogger(__name__)

_SILENT = ("heartbeat", "pong", "unsubscribe")
_WRONG_SHAPE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def channels(book_depth: int | None) -> tuple[Channel, ...]:
    """What the desk subscribes to: instruments, prints, best bid and ask, and the book when asked for."""
    book = (Channel("book", {"depth": book_depth, "snapshot": True}, essential=False),) if book_depth else ()
    return (
        Channel("instrument", {"snapshot": True}, essential=False, by_symbol=False),
        Channel("trade", {"snapshot": True}),
        Channel("ticker", {"event_trigger": "bbo", "snapshot": True}),
        *book,
    )


class KrakenFrames:
    """Turns frames into prints, quotes, instruments and answers. `requests` collects what is to be sent back.

    A data frame is decoded straight into its types. What that refuses, and what is no data, is read part by part:
    slowly, and so that a bad part costs nothing but itself.
    """

    def __init__(self, intake: Intake, subscriptions: Subscriptions, book_depth: int | None = None) -> None:
        self.intake = intake
        self.subscriptions = subscriptions
        self.instruments: dict[Symbol, Instrument] = {}
        self.books: dict[Symbol, OrderBook] = {}
        self.checksums_good = self.checksums_bad = 0
        self.system = "unknown"
        self.requests: list[Request] = []
        self._depth = book_depth
        self._names: dict[str, Symbol] = {}
        self._went_live: list[Symbol] = []
        self._channels: dict[str, Callable[[Mapping[str, Any]], Frame | None]] = {
            "trade": self._odd_trades,
            "ticker": self._odd_quotes,
            "instrument": self._instruments,
            "status": self._status,
            "book": self._odd_books,
        }

    def handle(self, text: str | bytes) -> None:
        """Take one frame. A bad one is quarantined as MALFORMED with its first words, and forgotten."""
        now = self.intake.hear()
        frame = typed(text)
        if type(frame) is TradeFrame:  # nearly always
            self._trades(frame, now)
            return
        if frame is None:
            frame = self._odd(text)
            for symbol in self._went_live:
                self.intake.alive(symbol)
                self.intake.up("connected")
            self._went_live.clear()
        self._deliver(frame, now)

    def _deliver(self, frame: Frame | None, now: datetime) -> None:
        """Outside the net for malformed frames: what goes wrong from here on is ours, and must be heard."""
        if type(frame) is TradeFrame:
            self._trades(frame, now)
        elif type(frame) is TickerFrame:
            self._quotes(frame.data, frame.type == "snapshot", now)
        elif type(frame) is BookFrame and self._depth:
            self._books(frame.data, frame.type == "snapshot", now)

    @property
    def refused(self) -> Mapping[Symbol, str]:
        """Which symbols the venue would not subscribe, and why."""
        return self.subscriptions.refused

    def take_requests(self) -> list[Request]:
        """What must be sent now; the list is emptied."""
        taken, self.requests = self.requests, []
        return taken

    # ------------------------------------------------------------ data, as it should be

    def _trades(self, frame: TradeFrame, now: datetime) -> None:
        names, named = self._names, self._named
        prints = [
            Print(names.get(e.symbol) or named(e.symbol), _utc(e.timestamp), e.price, e.qty, now, e.trade_id, e.side)
            for e in frame.data
        ]
        if frame.type == "snapshot":
            self.intake.recall(prints, now)
        else:
            self.intake.offer_prints(prints, now)

    def _quotes(self, data: Iterable[TickerEntry], snapshot: bool, now: datetime) -> None:
        """A snapshot is the state as of now; an update has its own time, unless an older server left it out."""
        unsure = self.intake.builder.unsure
        for entry in data:
            at = now if snapshot or entry.timestamp is None else _utc(entry.timestamp)
            symbol = self._named(entry.symbol)
            self.intake.offer(Quote(symbol, at, entry.bid, entry.ask))
            if entry.last is not None and symbol in unsure:
                self.intake.builder.told(symbol, entry.last, at)

    def _books(self, data: Iterable[BookEntry], snapshot: bool, now: datetime) -> None:
        for entry in data:
            best = self._levels(self._named(entry.symbol), entry, snapshot)
            if best is not None:
                at = now if snapshot or entry.timestamp is None else _utc(entry.timestamp)
                self.intake.offer(Quote(self._named(entry.symbol), at, *best))

    def _levels(self, symbol: Symbol, entry: BookEntry, snapshot: bool) -> tuple[float, float] | None:
        book = OrderBook(self._depth or 0) if snapshot else self.books.get(symbol)
        if book is None:  # dropped after a mismatch: nothing counts before the next snapshot
            return None
        self.books[symbol] = book
        try:
            agrees = book.apply(entry, snapshot=snapshot)
        except ArithmeticError:  # a level that is not a number, half applied: not a book any more
            agrees = False
        if not agrees:
            self._mismatch(symbol, f"book checksum {entry.checksum} does not agree; asked again")
            return None
        self.checksums_good += 1
        return book.best()

    def _mismatch(self, symbol: Symbol, why: str) -> None:
        self.checksums_bad += 1
        self.books.pop(symbol, None)
        self.intake.reject(Reason.CHECKSUM, symbol, why)
        self.requests += self.subscriptions.renew("book", symbol, self.intake.clock.now())

    def _named(self, name: str) -> Symbol:
        symbol = self._names.get(name)
        if symbol is None:
            symbol = kraken_symbol(name)
            if symbol in self.intake.known:
                self._names[name] = symbol
        return symbol

    # ------------------------------------------------------------ everything else

    def _odd(self, text: str | bytes) -> Frame | None:
        """What is left of a frame that is not altogether as it should be, or that is no data."""
        try:
            return self._read(plain(text))
        except (*_WRONG_SHAPE, RecursionError) as error:
            self._malformed(None, f"{type(error).__name__} {error} in {text[:120]!r}")
            return None

    def _read(self, frame: Mapping[str, Any]) -> Frame | None:
        channel, method = frame.get("channel"), frame.get("method")
        if channel in self._channels:
            return self._channels[channel](frame)
        if method == "subscribe" or (method is None and ("error" in frame or "Error" in frame)):
            live = self.subscriptions.answer(frame, self.intake.clock.now())
            self._went_live += [symbol for name, symbol in live if name == "trade"]
        elif channel not in _SILENT and method not in _SILENT:
            self.intake.reject(Reason.UNKNOWN_CHANNEL, None, str(frame)[:160])
        return None

    def _odd_trades(self, frame: Mapping[str, Any]) -> Frame:
        return TradeFrame(list(entries(TradeEntry, frame["data"], self._bad)), str(frame.get("type")))

    def _odd_quotes(self, frame: Mapping[str, Any]) -> Frame:
        return TickerFrame(list(entries(TickerEntry, frame["data"], self._bad)), str(frame.get("type")))

    def _odd_books(self, frame: Mapping[str, Any]) -> Frame:
        return BookFrame(list(entries(BookEntry, frame["data"], self._bad_book)), str(frame.get("type")))

    def _instruments(self, frame: Mapping[str, Any]) -> None:
        for pair in frame["data"]["pairs"]:
            try:
                self._instrument(pair)
            except _WRONG_SHAPE as error:
                self._bad(pair, error)

    def _instrument(self, pair: Mapping[str, Any]) -> None:
        symbol = kraken_symbol(pair["symbol"])
        if symbol not in self.intake.known:
            return
        if pair.get("status", "online") != "online":
            log.warning("Kraken lists %s as %s", symbol, pair["status"])
        self.instruments[symbol] = Instrument(
            symbol=symbol,
            price_step=_number(pair.get("price_increment", 0)),
            quantity_step=_number(pair.get("qty_increment", 0)),
            min_quantity=_number(pair.get("qty_min", 0)),
            min_notional=_number(pair.get("cost_min", 0)),
        )

    def _status(self, frame: Mapping[str, Any]) -> None:
        self.system = str(frame["data"][0]["system"])
        if self.system != "online":
            log.warning("Kraken says its system is %s", self.system)

    def _bad(self, entry: object, error: Exception) -> None:
        symbol = entry.get("symbol") if isinstance(entry, Mapping) else None
        self._malformed(str(symbol) if symbol else None, f"{type(error).__name__} {error} in {entry!r}")

    def _bad_book(self, entry: object, error: Exception) -> None:
        """Changes that cannot be read were changes: the book is none any more."""
        symbol = entry.get("symbol") if isinstance(entry, Mapping) else None
        if isinstance(symbol, str) and kraken_symbol(symbol) in self.books:
            self._mismatch(kraken_symbol(symbol), f"book entry cannot be read ({error}); asked again")
        else:
            self._bad(entry, error)

    def _malformed(self, symbol: Symbol | None, detail: str) -> None:
        self.intake.reject(Reason.MALFORMED, symbol, detail)


def as_time(stamp: object) -> datetime:
    """An RFC 3339 instant; raises `TypeError` or `ValueError` on anything else."""
    if not isinstance(stamp, str):
        raise TypeError(f"time {stamp!r} is not text")
    return require_utc(datetime.fromisoformat(stamp))


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo is UTC else require_utc(at)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
