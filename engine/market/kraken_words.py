"""The data frames of Kraken's WebSocket v2 as types: what the desk reads of them, and what each part must be.

Keys that are not named here are ignored. A number in quotes, a time without a zone or a missing key is a
`msgspec.ValidationError`. Prices of the book keep their digits, which its checksum is made of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
T = TypeVar("T")
Bad: TypeAlias = Callable[[object, Exception], None]


class TradeEntry(msgspec.Struct, gc=False):
    """One trade; `side` is the taker's, `trade_id` counts up by pair."""

    symbol: str
    price: float
    qty: float
    timestamp: Instant
    trade_id: int | None = None
    side: str | None = None


class TickerEntry(msgspec.Struct, gc=False):
    """The best bid and ask of one pair, and the price of its last trade."""

    symbol: str
    bid: float
    ask: float
    timestamp: Instant | None = None
    last: float | None = None


class Level(msgspec.Struct, gc=False):
    """One price of a book and what waits there; a quantity of 0 takes it away."""

    price: Decimal
    qty: Decimal


class BookEntry(msgspec.Struct, gc=False):
    """A pair's whole book (snapshot) or its changes, with the checksum after them."""

    symbol: str
    asks: list[Level]
    bids: list[Level]
    checksum: int
    timestamp: Instant | None = None


class TradeFrame(msgspec.Struct, tag_field="channel", tag="trade", gc=False):
    data: list[TradeEntry]
    type: str = "update"


class TickerFrame(msgspec.Struct, tag_field="channel", tag="ticker", gc=False):
    data: list[TickerEntry]
    type: str = "update"


class BookFrame(msgspec.Struct, tag_field="channel", tag="book", gc=False):
    data: list[BookEntry]
    type: str = "update"


class Heartbeat(msgspec.Struct, tag_field="channel", tag="heartbeat", gc=False):
    """The line is alive."""


Frame: TypeAlias = TradeFrame | TickerFrame | BookFrame | Heartbeat

_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)


def typed(text: str | bytes) -> Frame | None:
    """A data frame in which everything is as it should be; None for any other text: `plain` reads that."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def plain(text: str | bytes) -> Mapping[str, Any]:
    """Any frame as a mapping, more digits and spellings allowed than in JSON. Raises `ValueError` or `TypeError`."""
    text = text if isinstance(text, str) else text.decode()
    frame = json.loads(text, parse_float=Decimal if '"book"' in text else None)
    if not isinstance(frame, Mapping):
        raise TypeError(f"a frame is an object, not {type(frame).__name__}")
    return frame


def entries(kind: type[T], items: object, bad: Bad) -> Iterator[T]:
    """Every item of a frame's data on its own: what cannot be read is told to `bad` and costs no neighbour."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise TypeError(f"data is a list, not {type(items).__name__}")
    for item in items:
        try:
            entry = msgspec.convert(item, kind)
        except (ValueError, TypeError, ArithmeticError) as error:
            bad(item, error)
        else:
            yield entry
