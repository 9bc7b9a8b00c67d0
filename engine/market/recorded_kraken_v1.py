"""Recorded Kraken WebSocket v1 frames: arrays `[channel, payload, (payload,) name, pair]` with numbers as text.

Trades have no number there. A whole book comes without a checksum, and the next change proves it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from engine.domain import Print, Quote, Symbol, instant
from engine.market.intake import Intake
from engine.market.kraken_book import OrderBook
from engine.market.kraken_words import Level
from engine.market.quality import Reason
from engine.market.recording import WRONG_SHAPE, Body, Wire, parsed
from engine.market.symbols import kraken_symbol

log = logging.getLogger(__name__)

SIDES = {"b": "buy", "s": "sell"}
DEPTH = 10  # of a channel that is called `book` alone
_SILENT = ("heartbeat", "ping", "pong")


class Trade(msgspec.Struct, array_like=True, gc=False):
    """One trade; `side` is the taker's, `time` seconds since the epoch."""

    price: Decimal
    qty: Decimal
    time: Decimal
    side: Literal["b", "s"]


class Spread(msgspec.Struct, array_like=True, gc=False):
    bid: Decimal
    ask: Decimal
    time: Decimal


class Best(msgspec.Struct, array_like=True, gc=False):
    price: Decimal


class Ticker(msgspec.Struct, gc=False):
    """Best ask and best bid; it has no time."""

    a: Best
    b: Best


class Row(Level, array_like=True, gc=False):
    """One price of a book and what waits there; a quantity of 0 takes it away."""

    time: Decimal


class Part(msgspec.Struct, gc=False):
    """A whole book (`as`, `bs`), or changes of one side or of both with the checksum after them."""

    all_asks: list[Row] | None = msgspec.field(default=None, name="as")
    all_bids: list[Row] | None = msgspec.field(default=None, name="bs")
    asks: list[Row] = msgspec.field(default_factory=list, name="a")
    bids: list[Row] = msgspec.field(default_factory=list, name="b")
    checksum: str | None = msgspec.field(default=None, name="c")


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one frame says of a book. The protocol's early years had no checksum."""

    symbol: Symbol
    depth: int
    at: datetime
    asks: Sequence[Row]
    bids: Sequence[Row]
    is_whole: bool
    checksum: int | None


Said: TypeAlias = list[Print] | Quote | Changes | None


class KrakenV1Frames:
    """Turns frames into prints and quotes. A trade that cannot be read is set aside and costs no neighbour."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.books: dict[Symbol, OrderBook] = {}
        self.checksums_good = self.checksums_bad = 0
        self.refused: dict[Symbol, str] = {}

    def handle(self, text: str) -> None:
        """Take one frame. A bad one is quarantined as MALFORMED with its first words, and forgotten."""
        now = self.intake.hear()
        try:
            said = self._read(parsed(text), now)
        except WRONG_SHAPE as error:
            self.intake.reject(Reason.MALFORMED, None, f"{type(error).__name__} {error} in {text[:120]!r}")
            return
        if isinstance(said, Changes):  # outside the net for malformed frames: what goes wrong from here on is ours
            self._levels(said)
        elif isinstance(said, Quote):
            self.intake.offer(said)
        elif said:
            self.intake.offer_prints(said, now)

    def _read(self, body: Body, now: datetime) -> Said:
        if isinstance(body, Mapping):
            self._event(body, now)
            return None
        channel, payload, pair = _parts(body)
        symbol = kraken_symbol(pair)
        name, _, depth = channel.partition("-")
        if name == "trade":
            return self._trades(symbol, payload[0], now)
        if name == "book":
            return self._changes(symbol, int(depth or DEPTH), payload, now)
        if name == "ticker":
            ticker = msgspec.convert(payload[0], Ticker)
            return Quote(symbol, now, float(ticker.b.price), float(ticker.a.price))
        if name == "spread":
            spread = msgspec.convert(payload[0], Spread)
            return Quote(symbol, _instant(spread.time), float(spread.bid), float(spread.ask))
        self._unknown(body)
        return None

    # ------------------------------------------------------------ data

    def _trades(self, symbol: Symbol, rows: Iterable[object], now: datetime) -> list[Print]:
        prints = []
        for row in rows:
            try:
                trade = msgspec.convert(row, Trade)
                price, quantity, side = float(trade.price), float(trade.qty), SIDES[trade.side]
                prints.append(Print(symbol, _instant(trade.time), price, quantity, now, side=side))
            except WRONG_SHAPE as error:
                self.intake.reject(Reason.MALFORMED, symbol, f"{type(error).__name__} {error} in {row!r}")
        return prints

    def _changes(self, symbol: Symbol, depth: int, payload: Sequence[object], now: datetime) -> Changes:
        try:
            parts = [msgspec.convert(part, Part) for part in payload]
            is_whole = any(part.all_asks is not None or part.all_bids is not None for part in parts)
            asks = [row for part in parts for row in (*(part.all_asks or ()), *part.asks)]
            bids = [row for part in parts for row in (*(part.all_bids or ()), *part.bids)]
            told = [int(part.checksum) for part in parts if part.checksum is not None]
            times = () if is_whole else [row.time for row in (*asks, *bids)]  # a whole book is the state as of now
            at = _instant(max(times)) if times else now
        except WRONG_SHAPE:  # changes that cannot be read were changes: the book is none any more
            self.books.pop(symbol, None)
            raise
        return Changes(symbol, depth, at, asks, bids, is_whole, told[-1] if told else None)

    def _levels(self, changes: Changes) -> None:
        symbol = changes.symbol
        book = self.books.pop(symbol, None)
        if changes.is_whole:
            book = OrderBook(changes.depth)
        if book is None:
            self.intake.reject(Reason.CHECKSUM, symbol, "changes of a book that is not known, or not any more")
        elif self._applied(book, changes):
            self.books[symbol] = book
            if best := book.best():
                self.intake.offer(Quote(symbol, changes.at, *best))
        else:
            self.checksums_bad += 1
            self.intake.reject(Reason.CHECKSUM, symbol, f"book checksum {changes.checksum} does not agree")

    def _applied(self, book: OrderBook, changes: Changes) -> bool:
        """False where a book is none after the changes."""
        try:
            book.change(changes.asks, changes.bids, snapshot=changes.is_whole)
            agrees = changes.checksum is None or book.agrees(changes.checksum)
        except ArithmeticError:  # a level that is not a number, half applied
            return False
        self.checksums_good += agrees and changes.checksum is not None
        return agrees

    # ------------------------------------------------------------ everything else

    def _event(self, body: Mapping[str, Any], now: datetime) -> None:
        event = body["event"]
        if event == "subscriptionStatus":
            self._answered(str(body["subscription"]["name"]), kraken_symbol(str(body["pair"])), body, now)
        elif event == "systemStatus":
            if body["status"] != "online":
                log.warning("Kraken said that its system was %s", body["status"])
        elif event not in _SILENT:
            self._unknown(body)

    def _answered(self, channel: str, symbol: Symbol, body: Mapping[str, Any], now: datetime) -> None:
        status = body["status"]
        if status == "error":
            self.refused[symbol] = f"{channel}: {body.get('errorMessage')}"
        elif channel == "trade" and symbol in self.intake.known:
            if status == "subscribed":
                self.intake.builder.alive(symbol, now)
                self.intake.up("connected")
            else:
                self.intake.builder.dead(now, (symbol,))

    def _unknown(self, body: Body) -> None:
        self.intake.reject(Reason.UNKNOWN_CHANNEL, None, str(body)[:160])


def _parts(body: Body) -> tuple[str, Sequence[Any], str]:
    """Channel (`book-1000`, `trade`), payloads and pair of a data frame. Raises `TypeError` for what is none."""
    if not (isinstance(body, list) and len(body) >= 4 and isinstance(body[-1], str) and isinstance(body[-2], str)):
        raise TypeError("a frame is an event, or [channel, payload, name, pair]")
    return body[-2], body[1:-2], body[-1]


def _instant(seconds: Decimal) -> datetime:
    return instant(int(seconds * 1_000_000))


# ------------------------------------------------------------ what a replay asks of a frame


def _fits(body: Body) -> bool:
    return "event" in body if isinstance(body, Mapping) else bool(_parts(body))


def _kind(body: Body) -> str:
    name = str(body["event"]) if isinstance(body, Mapping) else _parts(body)[0].partition("-")[0]
    return name[:40]


def _at(body: Body) -> datetime | None:
    """The newest time of a frame's trades or changes; a whole book has old ones and says nothing of now."""
    channel, payload, _ = _parts(body)
    times = []
    if channel == "trade":
        times = [row[2] for row in payload[0]]
    elif channel == "spread":
        times = [payload[0][2]]
    elif channel.startswith("book"):
        times = [row[2] for part in payload for side in ("a", "b") for row in part.get(side, ())]
    return _instant(max(map(Decimal, times))) if times else None


def _names(body: Body) -> Iterable[str]:
    """The pairs that data and acknowledgements name; one that was refused is not in the record."""
    if isinstance(body, Mapping):
        return (str(body["pair"]),) if body["status"] == "subscribed" else ()
    return (_parts(body)[2],)


def _subscribes(body: Body) -> bool:
    return (
        isinstance(body, Mapping) and body["event"] == "subscriptionStatus" and body["subscription"]["name"] == "trade"
    )


KRAKEN_V1 = Wire(
    venue="Kraken (v1)",
    fits=_fits,
    kind=_kind,
    at=_at,
    names=_names,
    symbol=lambda name, _: kraken_symbol(name),
    subscribes=_subscribes,
    reader=lambda intake, *_: KrakenV1Frames(intake),
    passing=frozenset(("trade", "ticker", "spread")),
)
