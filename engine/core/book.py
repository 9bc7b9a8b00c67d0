"""The live wrapper: the compiled functions in words. One Book is one account; not thread-safe (one engine thread).

All times are int64 microseconds UTC (`domain.micros`). Exits, fills and refusals come back as `Event`s in order.
An `exit` signal closes the position on its own `side` (the side of the position, not of the closing order).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.core.events import Event, EventKind
from engine.core.rules import Rules
from engine.domain import ExitReason, LimitUse, Side, Signal, State, Symbol

__all__ = ["Book", "Event", "EventKind", "Holding", "Working"]


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position as the core knows it. `pnl` is as of the last mark, after all costs paid so far."""

    strategy: str
    symbol: Symbol
    side: Side
    quantity: float
    entry_price: float
    entry_time: int
    mark: float
    pnl: float
    pnl_pct: float
    fees: float
    stop: float | None
    target: float | None
    trailing: float | None
    due: int | None  # when the time exit comes
    held_exit: ExitReason | None  # an exit that HALTED holds back
    trade: int


@dataclass(frozen=True, slots=True)
class Working:
    """A waiting intent (`granted` False) or what is left of a granted entry (True)."""

    intent: int
    strategy: str
    symbol: Symbol
    side: Side
    granted: bool
    price: float
    quantity: float
    amount: float
    levels: tuple[float, ...]
    expires: int | None


class Book:
    """Positions, orders, limits and money of one account under `rules`."""

    def __init__(self, rules: Rules) -> None: ...

    def settle(
        self,
        symbol: Symbol,
        start: int,
        end: int,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
    ) -> list[Event]:
        """Judge one slice: fills of exits and entries, closed trades. A print or quote has start == end.

        A print counts when end > judged_until, a bar when start >= judged_until. Volume 0 on a bar is a quiet bar
        (nothing fills); volume 0 or inf on a print is an executable quote of unknown size (fills whole).
        """
        ...

    def decide(
        self, at: int, closes: Mapping[Symbol, tuple[float, bool]], wishes: Sequence[Signal], day: int
    ) -> list[Event]:
        """Decide the minute that closed at `at`: marks, trailing stops, breakers, exits, entry intents.

        `closes`: symbol → (close, may be entered); a symbol that is absent had no bar (missing).
        `day`: the desk's local day number; a new one restarts daily loss.
        """
        ...

    def grant(
        self,
        intent: int,
        at: int,
        price: float,
        max_quantity: float = float("inf"),
        worst_price: float | None = None,
    ) -> list[Event]:
        """Consent: judged again now at `price` → GRANTED (works from the next slice on) or REFUSED (and gone)."""
        ...

    def requote(self, intent: int, at: int, price: float) -> list[Event]:
        """Resize a waiting intent at a new price → INTENT (same number) or REFUSED (and gone)."""
        ...

    def withdraw(self, intent: int) -> list[Event]:
        """Drop a waiting intent or a working entry → CANCELLED, or nothing when it is gone already."""
        ...

    def exit(self, strategy: str, symbol: Symbol, fraction: float, reason: ExitReason, at: int) -> list[Event]:
        """Decide an exit of `fraction` of the position; fills at the next slice after `at`. [] without a position."""
        ...

    def mark_missed(self, symbol: Symbol, start: int, end: int, high: float, low: float) -> list[Event]:
        """A bar missed while down: a stop crossed in it becomes due and fills at the next slice, reason stop_late."""
        ...

    def set_level(self, level: State, at: int) -> list[Event]:
        """Trading state. REDUCING and HALTED cancel intents and resting entries; HALTED holds time and signal exits."""
        ...

    def lift(self, code: str, at: int) -> list[Event]:
        """End a breaker by hand (DAILY_LOSS, DRAWDOWN, LOSSES); DRAWDOWN measures from today's equity on."""
        ...

    def tighten(self, strategy: str, symbol: Symbol, stop: float, at: int) -> list[Event]:
        """Move a stop, only closer to the price than it is; REFUSED BEYOND_STOP otherwise."""
        ...

    def positions(self) -> list[Holding]: ...

    def working(self) -> list[Working]: ...

    @property
    def cash(self) -> float: ...

    @property
    def equity(self) -> float: ...

    @property
    def day_start(self) -> float: ...

    @property
    def peak(self) -> float: ...

    @property
    def exposure(self) -> float: ...

    def limits(self) -> tuple[LimitUse, ...]: ...

    def watched(self) -> frozenset[Symbol]:
        """Symbols that are held or have working orders: their prints matter."""
        ...

    def judged_until(self, symbol: Symbol) -> int: ...

    def skip(self, symbol: Symbol, until: int) -> None:
        """Raise `judged_until` to `until` without judging anything (asked by TRADER: replay of unrecorded prints)."""
        ...

    def under(self, rules: Rules) -> Book:
        """A new Book under changed `rules` (other limits, sizing, symbols) that carries positions, orders and money on
        (asked by TRADER: a restart with other settings). Raises `SnapshotError` when a held symbol or strategy is gone."""
        ...

    def dump(self) -> bytes: ...

    def load(self, raw: bytes) -> None:
        """Restore a `dump` of the same rules; raises `SnapshotError` when version, symbols or strategies differ."""
        ...
