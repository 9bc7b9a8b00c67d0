"""Numbers of the record into words: events and signals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.core.events import CODES, NUMBERS, REASONS, Event, EventKind
from engine.core.layout import ENTER, EXIT, LEGS
from engine.core.layout import NUMBERS as ROOM
from engine.domain import Side, Signal, micros

_KINDS = tuple(EventKind)
_SIDES = {1: Side.LONG, -1: Side.SHORT, 0: None}


def read_events(out: Any, strategies: Sequence[str], symbols: Sequence[str]) -> list[Event]:
    """All events of the record, which are cleared."""
    events = [_event(out, row, strategies, symbols) for row in range(out.count)]
    out.count = 0
    return events


def _event(out: Any, row: int, strategies: Sequence[str], symbols: Sequence[str]) -> Event:
    kind, code, cell = _KINDS[out.kind[row]], CODES[out.code[row]], int(out.cell[row])
    strategy, symbol = divmod(cell, len(symbols))
    return Event(
        kind,
        "" if code == "OK" else code,
        strategies[strategy] if cell >= 0 else "",
        symbols[symbol] if cell >= 0 else "",
        int(out.at[row]),
        _SIDES[int(out.side[row])],
        float(out.price[row]),
        float(out.quantity[row]),
        float(out.fee[row]),
        float(out.slippage[row]),
        int(out.intent[row]),
        int(out.trade[row]),
        REASONS[out.reason[row]],
        _numbers(out, row, kind, code),
    )


def _numbers(out: Any, row: int, kind: EventKind, code: str) -> dict[str, float]:
    names = NUMBERS.get(kind.value) or NUMBERS.get(code, ())
    values = out.numbers[row * ROOM : row * ROOM + int(out.n_numbers[row])].tolist()
    return {name: value for name, value in zip(names, values, strict=False) if not math.isnan(value)}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def write_wishes(wish: Any, signals: Sequence[Signal], strategies: dict[str, int], symbols: dict[str, int]) -> int:
    """Put signals into the record; raises ValueError for one that the rules do not know. Returns how many."""
    if len(signals) > len(wish.cell):
        raise ValueError(f"{len(signals)} signals in one minute; the core has room for {len(wish.cell)}")
    for i, signal in enumerate(signals):
        if signal.strategy not in strategies or signal.symbol not in symbols:
            raise ValueError(f"signal of {signal.strategy} for {signal.symbol}: the rules know no such pair")
        if signal.action not in ("enter", "exit"):
            raise ValueError(f"signal action was {signal.action!r}; it must be enter or exit")
        wish.cell[i] = strategies[signal.strategy] * len(symbols) + symbols[signal.symbol]
        wish.action[i] = ENTER if signal.action == "enter" else EXIT
        wish.side[i] = 1 if signal.side is Side.LONG else -1
        _write_numbers(wish, i, signal)
        _write_legs(wish, i, signal)
    return len(signals)


def _write_numbers(wish: Any, i: int, signal: Signal) -> None:
    wish.max_hold[i] = 0 if signal.max_hold is None else micros_of(signal)
    wish.confidence[i] = _or_nan(signal.confidence)
    wish.value[i] = _or_nan(signal.expected_value)
    wish.stop_distance[i] = _or_nan(signal.stop_distance)
    wish.target_distance[i] = _or_nan(signal.target_distance)
    wish.stop[i] = _or_nan(signal.stop)
    wish.target[i] = _or_nan(signal.target)
    wish.trailing[i] = _or_nan(signal.trailing)
    wish.weight[i] = _or_nan(signal.weight)
    wish.atr[i] = signal.numbers.get("atr_pct", math.nan)
    wish.turnover[i] = signal.numbers.get("turnover", math.nan)


def micros_of(signal: Signal) -> int:
    """The signal's `max_hold` in microseconds."""
    hold = signal.max_hold
    return 0 if hold is None else micros(signal.at + hold) - micros(signal.at)


def _write_legs(wish: Any, i: int, signal: Signal) -> None:
    if len(signal.levels) > LEGS:
        raise ValueError(f"{len(signal.levels)} grid levels for {signal.symbol}; at most {LEGS}")
    wish.n_legs[i] = len(signal.levels)
    for leg, level in enumerate(signal.levels):
        wish.legs[i * LEGS + leg] = level
