"""Kraken WebSocket v2 frames, live or recorded: one handler, no socket, and no frame that can kill it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from engine.domain import Instrument, Print, Quote, Symbol, require_utc
from engine.market.intake import Intake
from engine.market.kraken_book import OrderBook
from engine.market.kraken_subscriptions import Channel, Request, Subscriptions
from engine.market.quality import Reason
from engine.market.symbols import kraken_symbol

log = logging.getLogger(__name__)

Believable: TypeAlias = list[Print | Quote]

_SILENT = ("heartbeat", "pong", "unsubscribe")
_WRONG_SHAPE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def channels(book_depth: int | None) -> tuple[Channel, ...]:
    """What the desk subscribes to: instruments, prints, best bid and ask, and the book when asked for."""
    book = (Channel("book", {"depth": book_depth, "snapshot": True}, essential=False),) if book_depth else ()
    return (
        Channel("instrument", {"snapshot": True}, essential=False, by_symbol=False),
        Channel("trade", {"snapshot": False}),
        Channel("ticker", {"event_trigger": "bbo", "snapshot": True}),
        *book,
    )


class KrakenFrames:
    """Turns frames into prints, quotes, instruments and answers. `requests` collects what is to be sent back."""

    def __init__(self, intake: Intake, subscriptions: Subscriptions, book_depth: int | None = None) -> None:
        self.intake = intake
        self.subscriptions = subscriptions
        self.instruments: dict[Symbol, Instrument] = {}
        self.books: dict[Symbol, OrderBook] = {}
        self.checksums_good = self.checksums_bad = 0
        self.system = "unknown"
        self.requests: list[Request] = []
        self._depth = book_depth
        self._went_live: list[Symbol] = []
        self._channels: dict[str, Callable[[Mapping[str, Any]], Believable]] = {
            "trade": self._trades,
            "ticker": self._quotes,
            "instrument": self._instruments,
            "status": self._status,
            "book": self._book,
        }

    def handle(self, text: str | bytes) -> None:
        """Take one frame. A bad one is quarantined as MALFORMED with its first words, and forgotten."""
        self.intake.hear()
        try:
            text = text if isinstance(text, str) else text.decode()
            exact = self._depth and '"book"' in text
            items = self._read(json.loads(text, parse_float=Decimal if exact else None))
        except (*_WRONG_SHAPE, RecursionError) as error:
            self._malformed(None, f"{type(error).__name__} {error} in {text[:120]!r}")
            return
        self._deliver(items)

    def _deliver(self, items: Believable) -> None:
        """Outside the net for malformed frames: what goes wrong from here on is ours, and must be heard."""
        for symbol in self._went_live:
            self.intake.builder.alive(symbol, self.intake.clock.now())
            self.intake.up("connected")
        self._went_live.clear()
        for item in items:
            self.intake.offer(item)

    def take_requests(self) -> list[Request]:
        """What must be sent now; the list is emptied."""
        taken, self.requests = self.requests, []
        return taken

    def _read(self, frame: Mapping[str, Any]) -> Believable:
        channel, method = frame.get("channel"), frame.get("method")
        if channel in self._channels:
            return self._channels[channel](frame)
        if method == "subscribe" or (method is None and ("error" in frame or "Error" in frame)):
            live = self.subscriptions.answer(frame, self.intake.clock.now())
            self._went_live += [symbol for name, symbol in live if name == "trade"]
        elif channel not in _SILENT and method not in _SILENT:
            self.intake.reject(Reason.UNKNOWN_CHANNEL, None, str(frame)[:160])
        return []

    def _entries(self, entries: Iterable[Any], read: Callable[[Any], Print | Quote | None]) -> Believable:
        """Every entry on its own: a bad one does not cost its neighbours."""
        items = []
        for entry in entries:
            try:
                item = read(entry)
            except _WRONG_SHAPE as error:
                symbol = entry.get("symbol") if isinstance(entry, Mapping) else None
                self._malformed(str(symbol) if symbol else None, f"{type(error).__name__} {error} in {entry!r}")
            else:
                items += [item] if item else []
        return items

    def _trades(self, frame: Mapping[str, Any]) -> Believable:
        return self._entries(frame["data"], self._trade)

    def _trade(self, entry: Mapping[str, Any]) -> Print:
        trade_id = entry.get("trade_id")
        return Print(
            symbol=kraken_symbol(entry["symbol"]),
            at=as_time(entry["timestamp"]),
            price=_number(entry["price"]),
            quantity=_number(entry["qty"]),
            received=self.intake.clock.now(),
            trade_id=None if trade_id is None else int(trade_id),
            side=entry.get("side"),
        )

    def _quotes(self, frame: Mapping[str, Any]) -> Believable:
        snapshot = frame.get("type") == "snapshot"
        return self._entries(frame["data"], lambda entry: self._quote(entry, snapshot, entry["bid"], entry["ask"]))

    def _quote(self, entry: Mapping[str, Any], snapshot: bool, bid: object, ask: object) -> Quote:
        """A snapshot is the state as of now; an update has its own time, unless an older server left it out."""
        stamp = None if snapshot else entry.get("timestamp")
        at = as_time(stamp) if stamp is not None else self.intake.clock.now()
        return Quote(kraken_symbol(entry["symbol"]), at, _number(bid), _number(ask))

    def _instruments(self, frame: Mapping[str, Any]) -> Believable:
        return self._entries(frame["data"]["pairs"], self._instrument)

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

    def _status(self, frame: Mapping[str, Any]) -> Believable:
        self.system = str(frame["data"][0]["system"])
        if self.system != "online":
            log.warning("Kraken says its system is %s", self.system)
        return []

    def _book(self, frame: Mapping[str, Any]) -> Believable:
        snapshot = frame.get("type") == "snapshot"
        return self._entries(frame["data"] if self._depth else (), lambda entry: self._levels(entry, snapshot))

    def _levels(self, entry: Mapping[str, Any], snapshot: bool) -> Quote | None:
        symbol = kraken_symbol(entry["symbol"])
        book = OrderBook(self._depth or 0) if snapshot else self.books.get(symbol)
        if book is None:  # dropped after a mismatch: nothing counts before the next snapshot
            return None
        self.books[symbol] = book
        try:
            agrees = book.apply(entry, snapshot=snapshot)
        except _WRONG_SHAPE:
            agrees = False  # half applied: not a book any more
        if not agrees:
            self._mismatch(symbol, entry)
            return None
        self.checksums_good += 1
        best = book.best()
        return self._quote(entry, snapshot, *best) if best else None

    def _mismatch(self, symbol: Symbol, entry: Mapping[str, Any]) -> None:
        self.checksums_bad += 1
        del self.books[symbol]
        self.intake.reject(
            Reason.CHECKSUM, symbol, f"book checksum {entry.get('checksum')} does not agree; asked again"
        )
        self.requests += self.subscriptions.renew("book", symbol, self.intake.clock.now())

    def _malformed(self, symbol: Symbol | None, detail: str) -> None:
        self.intake.reject(Reason.MALFORMED, symbol, detail)


def as_time(stamp: object) -> datetime:
    """An RFC 3339 instant; raises `TypeError` or `ValueError` on anything else."""
    if not isinstance(stamp, str):
        raise TypeError(f"time {stamp!r} is not text")
    return require_utc(datetime.fromisoformat(stamp))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
