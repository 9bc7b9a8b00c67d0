"""What Massive's crypto WebSocket sends, as typed events: every frame is a JSON array that mixes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Annotated, Any, TypeAlias

import msgspec

EXCHANGES = 1 << 10  # exchange numbers are small; a trade id keeps ten bits for them
IDS = 1 << 52
Millis = Annotated[int, msgspec.Meta(ge=1, le=1 << 45)]  # since the epoch, until the year 3084


_SIDES = {1: "sell", 2: "buy"}


class _Event(msgspec.Struct, tag_field="ev", kw_only=True, gc=False):
    """`pair` is BTC-USD; a server that writes `sym` instead is understood."""

    pair: str = ""
    sym: str = ""

    @property
    def name(self) -> str:
        """The pair; raises `ValueError` when the event names none."""
        found = self.pair or self.sym
        if not found:
            raise ValueError("the event names no pair")
        return found


class TradeEvent(_Event, tag="XT"):
    """One trade on exchange `x`. `t`: the exchange's time, ms. `c`: 1 sold, 2 bought by the taker."""

    p: float
    s: float
    t: Millis
    x: int = 0
    i: str | int = ""
    c: list[int] | int | None = None

    @property
    def side(self) -> str | None:
        codes = self.c
        if not isinstance(codes, list):
            return None if codes is None else _SIDES.get(codes)
        return next((_SIDES[code] for code in codes if code in _SIDES), None)

    @property
    def trade_id(self) -> int | None:
        """One number for an id that is unique on its exchange only, and that may be text; None without an id."""
        text = self.i
        if text == "":
            return None
        try:
            number = int(text)
        except ValueError:
            number = -1
        if not 0 <= number < IDS:
            number = int.from_bytes(blake2b(str(text).encode(), digest_size=8).digest()) % IDS
        return self.x % EXCHANGES * IDS + number


class QuoteEvent(_Event, tag="XQ"):
    """The best bid and ask of exchange `x`. `t`: ms."""

    bp: float
    ap: float
    t: Millis
    x: int = 0


class _Aggregate(_Event):
    """A closed window of all exchanges: `s` to `e` in ms, prices, `v` base volume, `vw` its average price."""

    o: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    c: float
    v: float
    s: Millis
    e: Millis


class MinuteEvent(_Aggregate, tag="XA"):
    """A minute in which something traded."""


class SecondEvent(_Aggregate, tag="XAS"):
    """A second in which something traded."""


class StatusEvent(msgspec.Struct, tag_field="ev", tag="status", gc=False):
    """An answer or a warning of the server."""

    status: str = ""
    message: str = ""


Event: TypeAlias = TradeEvent | QuoteEvent | MinuteEvent | SecondEvent | StatusEvent
KNOWN = ("XT", "XQ", "XA", "XAS", "status")

_frame = msgspec.json.Decoder(list[Event])
_raw = msgspec.json.Decoder(list[msgspec.Raw])
_one: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_kind = msgspec.json.Decoder(dict[str, Any])


def events(frame: str | bytes, bad: Callable[[str, str, str], None]) -> Iterator[Event]:
    """The events of a frame. One that cannot be read is told to `bad` (its kind, what is wrong, the text); the others
    are not lost for it. Raises `msgspec.DecodeError` when the frame is no array of events at all."""
    try:
        yield from _frame.decode(frame)
    except msgspec.ValidationError:
        for raw in _raw.decode(frame):
            text = bytes(raw)
            try:
                event = _one.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                bad(_kind_of(text), str(error), text[:120].decode(errors="replace"))
            else:
                yield event


def _kind_of(text: bytes) -> str:
    try:
        return str(_kind.decode(text).get("ev", ""))
    except msgspec.DecodeError:
        return ""
