"""Recorded Kraken WebSocket v2 frames: read by the very handler of the live feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from engine.domain import Symbol
from engine.market.intake import Intake
from engine.market.kraken_frames import KrakenFrames, as_time, channels
from engine.market.kraken_subscriptions import Subscriptions
from engine.market.recording import Body, Wire
from engine.market.symbols import kraken_symbol

_STAMPS = ("timestamp", "time_out", "time_in")


def _fits(body: Body) -> bool:
    return isinstance(body, Mapping) and ("channel" in body or "method" in body)


def _kind(body: Body) -> str:
    if not isinstance(body, Mapping):
        raise TypeError("a frame is an object")
    return str(body.get("channel") or body.get("method") or ("error" if "error" in body else "unknown"))[:40]


def _at(body: Body) -> datetime | None:
    """The latest venue time inside one frame; None when there is none or the frame is broken."""
    texts = [entry.get(key) for entry in (_frame(body), *_entries(body)) for key in _STAMPS]
    stamps = [stamp for stamp in map(_time_or_none, texts) if stamp]
    return max(stamps) if stamps else None


def _names(body: Body) -> Iterable[str]:
    """The pairs that acknowledgements and data name."""
    result = _frame(body).get("result")
    entries = [result] if isinstance(result, Mapping) else _entries(body)
    return (name for name in (entry.get("symbol") for entry in entries) if isinstance(name, str))


def _subscribes(body: Body) -> bool:
    result = _frame(body).get("result")
    return isinstance(result, Mapping) and result.get("channel") == "trade"


def _reader(intake: Intake, names: Mapping[str, Symbol], book_depth: int) -> KrakenFrames:
    """Everything was asked for when it was recorded; the answers are in the record."""
    symbols = intake.builder.symbols
    subscriptions = Subscriptions(channels(book_depth), symbols, {symbol: name for name, symbol in names.items()})
    subscriptions.open(intake.clock.now())
    return KrakenFrames(intake, subscriptions, book_depth)


def _frame(body: Body) -> Mapping[str, Any]:
    return body if isinstance(body, Mapping) else {}


def _entries(body: Body) -> list[Mapping[str, Any]]:
    data = _frame(body).get("data")
    return [entry for entry in data if isinstance(entry, Mapping)] if isinstance(data, list) else []


def _time_or_none(text: object) -> datetime | None:
    try:
        return as_time(text)
    except (TypeError, ValueError):
        return None


KRAKEN_V2 = Wire(
    venue="Kraken (v2)",
    fits=_fits,
    kind=_kind,
    at=_at,
    names=_names,
    symbol=lambda name, _: kraken_symbol(name),
    subscribes=_subscribes,
    reader=_reader,
    passing=frozenset(("trade", "ticker")),
)
