"""Recorded Binance frames, of one stream or of several (`{"stream": …, "data": …}`): trades, best bid and ask, depth.

Depth is counted and no book is kept of it: Binance has no checksum that would prove one, and the best bid and ask have
a stream of their own. That stream has no time; its quotes are of when they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from engine.domain import Print, Quote, Symbol, instant
from engine.market.intake import Intake
from engine.market.quality import Reason
from engine.market.recording import WRONG_SHAPE, Body, Wire, parsed
from engine.market.symbols import find

TRADE, QUOTE, ANSWER = "trade", "bookTicker", "answer"
DEPTH, BOOK = "depthUpdate", "depth snapshot"
_BEST = frozenset("bBaA")  # a spot quote does not say what it is


class Trade(msgspec.Struct, gc=False):
    """One trade: number, price, quantity, time in ms, and whether the buyer had waited, so that the taker sold."""

    s: str
    t: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class BookTicker(msgspec.Struct, gc=False):
    """The best bid and ask."""

    s: str
    b: Decimal
    a: Decimal


class BinanceFrames:
    """Turns frames into prints and quotes. `names`: what each pair of the recording is to the desk."""

    def __init__(self, intake: Intake, names: Mapping[str, Symbol]) -> None:
        self.intake = intake
        self.checksums_good = self.checksums_bad = 0  # there are none
        self.refused: dict[Symbol, str] = {}
        self._names = names

    def handle(self, text: str) -> None:
        """Take one frame. A bad one is quarantined as MALFORMED with its first words, and forgotten."""
        now = self.intake.hear()
        try:
            said = self._read(parsed(text), now)
        except WRONG_SHAPE as error:
            self.intake.reject(Reason.MALFORMED, None, f"{type(error).__name__} {error} in {text[:120]!r}")
            return
        if isinstance(said, Print):  # outside the net for malformed frames: what goes wrong from here on is ours
            self.intake.offer_prints((said,), now)
        elif said is not None:
            self.intake.offer(said)

    def _read(self, body: Body, now: datetime) -> Print | Quote | None:
        kind, data = _kind(body), _data(body)
        if kind == TRADE:
            trade = msgspec.convert(data, Trade)
            side = "sell" if trade.m else "buy"
            price, quantity = float(trade.p), float(trade.q)
            return Print(self._named(trade.s), _instant(trade.T), price, quantity, now, trade.t, side)
        if kind == QUOTE:
            best = msgspec.convert(data, BookTicker)
            return Quote(self._named(best.s), now, float(best.b), float(best.a))
        if kind not in (DEPTH, BOOK, ANSWER):
            self.intake.reject(Reason.UNKNOWN_CHANNEL, None, str(body)[:160])
        return None

    def _named(self, name: str) -> Symbol:
        return self._names.get(name, name)


def _data(body: Body) -> Mapping[str, Any]:
    """What a frame says, without the name of its stream. Raises `TypeError` for what is no frame."""
    data = body.get("data", body) if isinstance(body, Mapping) else body
    if not isinstance(data, Mapping):
        raise TypeError("a frame is an object")
    return data


def _instant(ms: int) -> datetime:
    return instant(ms * 1_000)


# ------------------------------------------------------------ what a replay asks of a frame


def _fits(body: Body) -> bool:
    return _kind(body) in (TRADE, QUOTE, DEPTH, BOOK)


def _kind(body: Body) -> str:
    data = _data(body)
    if "e" in data:
        return str(data["e"])[:40]
    if data.keys() >= _BEST:
        return QUOTE
    if "lastUpdateId" in data:
        return BOOK
    return ANSWER if "id" in data and data.get("result", 0) is None else "unknown"


def _at(body: Body) -> datetime | None:
    data = _data(body)
    times = [data[key] for key in ("E", "T") if key in data]
    return _instant(max(times)) if times else None


def _names(body: Body) -> Iterable[str]:
    return (str(_data(body)["s"]),)


BINANCE = Wire(
    venue="Binance",
    fits=_fits,
    kind=_kind,
    at=_at,
    names=_names,
    symbol=lambda name, at: find("binance", name, at),
    subscribes=lambda _: False,
    reader=lambda intake, names, _: BinanceFrames(intake, names),
    passing=frozenset((TRADE, QUOTE)),
    numbered=True,
)
