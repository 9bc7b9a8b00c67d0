"""Small markets and rules for the core's tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from engine.core.book import Book
from engine.core.events import Event, EventKind
from engine.core.rules import Costs, Limits, Rules, Sizing, StrategyRules
from engine.core.run import Result, blank_wishes, run
from engine.domain import Instrument, Side, Signal, instant

MINUTE = 60_000_000
PEERS = Rules(
    strategies=(StrategyRules("ema", Sizing(amount=100.0), stop_pct=0.05, target_pct=0.10, max_bars=1440),),
    instruments=(Instrument("X/USD"),),
    capital=100_000.0,
    costs=Costs(fee_rate=0.0036),
    limits=Limits(max_leverage=None),
    volume_share=None,
    quiet_bars_fill=True,
    good_bars_needed=0,
)


def market(seed: int, rows: int, symbols: int = 1, step: float = 0.004, missing: float = 0.0) -> np.ndarray:
    """A seeded random walk as bars [t, 5, s]: gaps at opens, wicks, and some missing or quiet bars."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, step, (rows, symbols)), axis=0))
    opened = np.vstack([np.full((1, symbols), 100.0), close[:-1]]) * np.exp(rng.normal(0, step / 4, (rows, symbols)))
    top, low = np.maximum(opened, close), np.minimum(opened, close)
    wicks = np.abs(rng.normal(0.0, step / 2, (2, rows, symbols)))
    volume = rng.exponential(50.0, (rows, symbols)) * (rng.random((rows, symbols)) > missing / 2)
    bars = np.stack([opened, top * (1 + wicks[0]), low * (1 - wicks[1]), close, volume], axis=1)
    holes = rng.random((rows, symbols)) < missing
    bars.transpose(0, 2, 1)[holes] = np.nan
    return np.ascontiguousarray(bars)


def times_of(rows: int, interval: int = MINUTE) -> np.ndarray:
    return 1_700_000_040_000_000 + np.arange(rows, dtype=np.int64) * interval


def to_signal(rules: Rules, wish: np.void, at: int) -> Signal:
    """One sparse wish in words."""

    def known(name: str) -> float | None:
        return None if math.isnan(wish[name]) else float(wish[name])

    strategy, instrument = rules.strategies[wish["strategy"]], rules.instruments[wish["symbol"]]
    numbers = {"atr_pct": known("atr"), "turnover": known("turnover")}
    return Signal(
        strategy.name,
        instrument.symbol,
        instant(at),
        "enter" if wish["action"] == 1 else "exit",
        Side.LONG if wish["side"] > 0 else Side.SHORT,
        0.0,
        known("confidence"),
        known("value"),
        known("stop_distance"),
        known("target_distance"),
        known("stop"),
        known("target"),
        known("trailing"),
        timedelta(microseconds=int(wish["max_hold"])) if wish["max_hold"] else None,
        tuple(wish["legs"][: wish["n_legs"]].tolist()),
        known("weight"),
        numbers={name: value for name, value in numbers.items() if value is not None},
    )


def step_through(
    rules: Rules, times: np.ndarray, bars: np.ndarray, wishes: np.ndarray, book: Book | None = None
) -> tuple[Book, list[Event]]:
    """What a desk does with closed bars: settle each, decide, grant every intent."""
    book = book or Book(rules)
    events: list[Event] = []
    symbols = [i.symbol for i in rules.instruments]
    first = np.searchsorted(wishes["row"], np.arange(len(times) + 1))
    for t, start in enumerate(times.tolist()):
        end, closes = start + MINUTE, {}
        for s, symbol in enumerate(symbols):
            o, high, low, close, volume = bars[t, :, s].tolist()
            if not math.isnan(close):
                events += book.settle(symbol, start, end, o, high, low, close, volume)
                closes[symbol] = (close, True)
        signals = [to_signal(rules, w, end) for w in wishes[first[t] : first[t + 1]]]
        decided = book.decide(end, closes, signals, end // 86_400_000_000)
        events += decided
        for event in decided:
            if event.kind is EventKind.INTENT:
                events += book.grant(event.intent, end, event.price)
    return book, events


def closed(events: Sequence[Event]) -> list[tuple[float, ...]]:
    """Closed trades of a Book as comparable numbers."""
    rows = [e for e in events if e.kind is EventKind.CLOSED]
    return sorted(
        (
            e.trade,
            e.at,
            e.numbers["entry_time"],
            *(e.numbers[n] for n in ("entry_price", "exit_price", "quantity", "fees", "pnl")),
        )
        for e in rows
    )


def closed_of_run(result: Result) -> list[tuple[float, ...]]:
    """The same numbers of a compiled run."""
    names = ("trade", "exit_time", "entry_time", "entry_price", "exit_price", "quantity", "fees", "pnl")
    return sorted(tuple(row[name].item() for name in names) for row in result.trades)


def wishes_at(rows: Sequence[int], **fields: object) -> np.ndarray:
    """Wishes at these rows, with columns set."""
    wishes = blank_wishes(len(rows))
    wishes["row"] = rows
    for name, value in fields.items():
        wishes[name] = value
    return wishes


__all__ = [
    "MINUTE",
    "PEERS",
    "closed",
    "closed_of_run",
    "market",
    "run",
    "step_through",
    "times_of",
    "to_signal",
    "wishes_at",
]
