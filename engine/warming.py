"""What indicators start from: the minutes the ledger recorded, joined to what the feed's history knows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from engine.domain import BarQuality, Symbol, instant, micros
from engine.messages import Minute
from engine.ports import BarColumns
from engine.records import Record

MINUTE = timedelta(minutes=1)
PRICES = ("open", "high", "low", "close", "volume")
FIELDS = (*PRICES, "trades")


class MinuteTail:
    """The last `keep` recorded minutes of the records it sees."""

    def __init__(self, keep: int) -> None:
        self.minutes: deque[Minute] = deque(maxlen=keep)

    def see(self, records: Iterable[Record]) -> None:
        self.minutes.extend(record.message for record in records if isinstance(record.message, Minute))

    @property
    def last(self) -> datetime | None:
        return self.minutes[-1].at if self.minutes else None


def as_columns(minutes: Iterable[Minute]) -> dict[Symbol, BarColumns]:
    """Recorded minutes as columns by symbol; missing bars have no row."""
    rows: dict[Symbol, list[tuple[float, ...]]] = {}
    for minute in minutes:
        at = float(micros(minute.at))
        prices = (minute.open, minute.high, minute.low, minute.close, minute.volume)
        for symbol, trades, *values in zip(minute.symbols, minute.trade_counts(), *prices, strict=True):
            rows.setdefault(symbol, []).append((at, *values, math.nan if trades is None else trades))
    return {symbol: _columns(symbol, np.array(values)) for symbol, values in rows.items()}


def joined(older: Mapping[Symbol, BarColumns], newer: Mapping[Symbol, BarColumns]) -> dict[Symbol, BarColumns]:
    """`newer` with the bars of `older` that lie before its first one put in front."""
    return {symbol: _joined(older.get(symbol), newer.get(symbol)) for symbol in {**older, **newer}}


def up_to(history: Mapping[Symbol, BarColumns], last: datetime) -> dict[Symbol, BarColumns]:
    """The bars that closed at or before `last`."""
    return {symbol: bars.cut(bars.time <= micros(last)) for symbol, bars in history.items()}


def missed(history: Mapping[Symbol, BarColumns], after: datetime) -> list[Minute]:
    """The minutes of `history` that closed after `after`, as caught-up messages, oldest first."""
    since = micros(after)
    by_time: dict[int, list[tuple[Symbol, BarColumns, int]]] = {}
    for symbol, bars in history.items():
        for row in np.flatnonzero(bars.time > since):
            by_time.setdefault(int(bars.time[row]), []).append((symbol, bars, int(row)))
    return [_minute(at, by_time[at], tuple(history)) for at in sorted(by_time)]


def _minute(at: int, rows: Sequence[tuple[Symbol, BarColumns, int]], symbols: Sequence[Symbol]) -> Minute:
    present = {symbol for symbol, _, _ in rows}
    columns = {name: tuple(float(getattr(bars, name)[row]) for _, bars, row in rows) for name in PRICES}
    return Minute(
        at=instant(at),
        symbols=tuple(symbol for symbol, _, _ in rows),
        quality=(BarQuality.HEALED.value,) * len(rows),
        missing=tuple(symbol for symbol in symbols if symbol not in present),
        caught_up=True,
        trades=tuple(_count(bars, row) for _, bars, row in rows),
        **columns,
    )


def _count(bars: BarColumns, row: int) -> int | None:
    return int(bars.trades[row]) if bars.trades is not None and np.isfinite(bars.trades[row]) else None


def _joined(older: BarColumns | None, newer: BarColumns | None) -> BarColumns:
    if newer is None or not newer.time.size:
        assert older is not None
        return older
    if older is None:
        return newer
    keep = older.time < newer.time[0]
    parts = {name: np.concatenate([getattr(older, name)[keep], getattr(newer, name)]) for name in ("time", *PRICES)}
    trades = np.concatenate([_counts(older)[keep], _counts(newer)])
    return BarColumns(newer.symbol, newer.interval, **parts, trades=trades)


def _counts(bars: BarColumns) -> np.ndarray:
    return np.full(len(bars.time), np.nan) if bars.trades is None else bars.trades


def _columns(symbol: Symbol, table: np.ndarray) -> BarColumns:
    values = {name: np.ascontiguousarray(table[:, column]) for column, name in enumerate(FIELDS, start=1)}
    return BarColumns(symbol, MINUTE, time=table[:, 0].astype(np.int64), **values)
