"""The live wrapper: the compiled functions in words. One Book is one account; not thread-safe (one engine thread).

All times are int64 microseconds UTC (`domain.micros`). Exits, fills and refusals come back as `Event`s in order.
An `exit` signal closes the position on its own `side` (the side of the position, not of the closing order).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.core import commands, snapshots
from engine.core.build import callable_box, new_record
from engine.core.events import CODE, REASONS, Event, EventKind
from engine.core.rules import Rules
from engine.core.snapshots import SnapshotError
from engine.core.state import Plain
from engine.core.views import Holding, Totals, Working, holding, limit_uses, working
from engine.core.words import read_events, write_wishes
from engine.domain import ExitReason, LimitUse, Signal, State, Symbol

__all__ = ["Book", "Event", "EventKind", "Holding", "SnapshotError", "Working"]


class Book:
    """Positions, orders, limits and money of one account under `rules`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._strategies = [strategy.name for strategy in rules.strategies]
        self._symbols = [instrument.symbol for instrument in rules.instruments]
        self._strategy = {name: k for k, name in enumerate(self._strategies)}
        self._symbol = {name: s for s, name in enumerate(self._symbols)}
        self._array = new_record(rules, verbose=True)
        self._box = callable_box(self._array)
        self._st = Plain(self._array[0])

    def settle(
        self, symbol: Symbol, start: int, end: int, open: float, high: float, low: float, close: float, volume: float
    ) -> list[Event]:
        """Judge one slice: fills of exits and entries, closed trades. A print or quote has start == end.

        A print counts when end > judged_until, a bar when start >= judged_until. Volume 0 on a bar is a quiet bar
        (nothing fills); volume 0 or inf on a print is an executable quote of unknown size (fills whole).
        """
        if not low > 0.0:
            raise ValueError(f"a slice of {symbol} had low {low}; prices must be above 0")
        s, sym = self._symbol[symbol], self._st.sym
        if low > sym.low_trigger[s] and high < sym.high_trigger[s]:
            sym.judged[s] = max(int(sym.judged[s]), end)
            return []
        commands.settle(self._box, s, start, end, open, high, low, volume)
        return self._events()

    def decide(
        self, at: int, closes: Mapping[Symbol, tuple[float, bool]], wishes: Sequence[Signal], day: int
    ) -> list[Event]:
        """Decide the minute that closed at `at`: marks, trailing stops, breakers, exits, entry intents.

        `closes`: symbol → (close, may be entered); a symbol that is absent had no bar (missing).
        `day`: the desk's local day number; a new one restarts daily loss.
        """
        sym = self._st.sym
        for s, symbol in enumerate(self._symbols):
            close, may_enter = closes.get(symbol, (None, False))
            sym.present[s] = close is not None
            if close is not None:
                sym.close[s] = close
                sym.may_enter[s] = may_enter
        self._st.acct.n_wishes = write_wishes(self._st.wish, wishes, self._strategy, self._symbol)
        commands.decide(self._box, at, day)
        return self._events()

    def grant(
        self, intent: int, at: int, price: float, max_quantity: float = float("inf"), worst_price: float | None = None
    ) -> list[Event]:
        """Consent: judged again now at `price` → GRANTED (works from the next slice on) or REFUSED (and gone)."""
        cell = self._cell_of(intent)
        if cell is None:
            return [self._no_intent(intent, at)]
        worst = int(self._st.ord.side[cell]) * float("inf") if worst_price is None else worst_price
        return self._command(commands.GRANT, cell, at, price, max_quantity, worst)

    def requote(self, intent: int, at: int, price: float) -> list[Event]:
        """Resize a waiting intent at a new price → INTENT (same number) or REFUSED (and gone)."""
        cell = self._cell_of(intent)
        return [self._no_intent(intent, at)] if cell is None else self._command(commands.REQUOTE, cell, at, price)

    def withdraw(self, intent: int, at: int = 0) -> list[Event]:
        """Drop a waiting intent or a working entry → CANCELLED, or nothing when it is gone already."""
        cell = self._cell_of(intent)
        return [] if cell is None else self._command(commands.WITHDRAW, cell, at)

    def exit(self, strategy: str, symbol: Symbol, fraction: float, reason: ExitReason, at: int) -> list[Event]:
        """Decide an exit of `fraction` of the position; fills at the next slice after `at`. [] without a position."""
        cell = self._cell(strategy, symbol)
        if not 0.0 < fraction <= 1.0:
            raise ValueError(f"fraction was {fraction}; it must be above 0 and at most 1")
        if self._st.pos.side[cell] == 0:
            return []
        return self._command(commands.LEAVE, cell, at, fraction, float(REASONS.index(reason)))

    def mark_missed(self, symbol: Symbol, start: int, end: int, high: float, low: float) -> list[Event]:
        """A bar missed while down: a stop crossed in it becomes due and fills at the next slice, reason stop_late."""
        if start < self.judged_until(symbol):
            return []
        return self._command(commands.MISSED, self._symbol[symbol], end, low, high)

    def mark(self, closes: Mapping[Symbol, float]) -> None:
        """Value what is held at these closes, without deciding anything (minutes missed while down)."""
        for symbol, close in closes.items():
            self._st.sym.close[self._symbol[symbol]] = close

    def begin_day(self, day: int, at: int) -> list[Event]:
        """The desk's local day number as of `at`: a new one restarts daily loss from the equity at the marks."""
        return self._command(commands.DAY, day, at)

    def set_level(self, level: State, at: int) -> list[Event]:
        """Trading state. REDUCING and HALTED cancel intents and resting entries; HALTED holds time and signal exits."""
        return self._command(commands.LEVEL, level.strictness, at)

    def lift(self, code: str, at: int) -> list[Event]:
        """End a breaker by hand (DAILY_LOSS, DRAWDOWN, LOSSES); what it measures starts anew from this moment."""
        return self._command(commands.LIFT, CODE[code], at)

    def move_stop(self, strategy: str, symbol: Symbol, stop: float, at: int, *, wider: bool = False) -> list[Event]:
        """Move a stop → STOP_MOVED, or REFUSED: HEAT, or BEYOND_STOP at or beyond the price or not closer, not `wider`.

        A trailing stop stays the nearest that a wider one may come to. [] without a position.
        """
        cell = self._cell(strategy, symbol)
        return [] if self._st.pos.side[cell] == 0 else self._command(commands.MOVE_STOP, cell, at, stop, float(wider))

    def positions(self, symbol: Symbol | None = None) -> list[Holding]:
        """Open positions, in one symbol or in all, in playbook order."""
        held, every = np.flatnonzero(self._st.pos.side).tolist(), len(self._symbols)
        cells = held if symbol is None else [cell for cell in held if self._symbols[cell % every] == symbol]
        return [holding(self._st, cell, self._strategies, self._symbols) for cell in cells]

    def held_since(self) -> dict[Symbol, int]:
        """Held symbols, and since when (of several positions, the last in playbook order): asked after every print."""
        pos, every = self._st.pos, len(self._symbols)
        return {self._symbols[cell % every]: int(pos.entry_time[cell]) for cell in np.flatnonzero(pos.side).tolist()}

    def working(self) -> list[Working]:
        """Intents that wait and entries that work, in playbook order."""
        cells = np.flatnonzero(self._st.ord.stage).tolist()
        return [working(self._st, cell, self._strategies, self._symbols) for cell in cells]

    @property
    def cash(self) -> float:
        return float(self._st.acct.cash)

    @property
    def equity(self) -> float:
        """Cash and positions at the last minute's closes."""
        return self._totals().equity

    @property
    def exposure(self) -> float:
        """Notional held (at its marks) and reserved."""
        return self._totals().exposure

    @property
    def day_start(self) -> float:
        """Equity at the desk's last midnight."""
        return float(self._st.acct.day_start)

    @property
    def peak(self) -> float:
        """The highest equity that a breaker has seen (only kept while one watches equity)."""
        return float(self._st.acct.peak)

    def limits(self) -> tuple[LimitUse, ...]:
        """Every limit that is on, with its use."""
        return limit_uses(self._st, self._totals())

    def watched(self) -> frozenset[Symbol]:
        """Symbols that are held or have working orders: their prints matter."""
        cells = np.flatnonzero((self._st.pos.side != 0) | (self._st.ord.stage != 0)).tolist()
        return frozenset(self._symbols[cell % len(self._symbols)] for cell in cells)

    def judged_until(self, symbol: Symbol) -> int:
        """No slice before this instant is judged any more."""
        return int(self._st.sym.judged[self._symbol[symbol]])

    def cover(self, symbol: Symbol, until: int) -> None:
        """Say that prices up to `until` need no judging (replay: the recorded `judged_until`)."""
        s = self._symbol[symbol]
        self._st.sym.judged[s] = max(int(self._st.sym.judged[s]), until)

    def dump(self) -> bytes:
        """The whole state, with what it belongs to."""
        return snapshots.dump(snapshots.heading(self._rules, self._array), self._array)

    def load(self, raw: bytes) -> None:
        """Restore a `dump` of the same rules; raises `SnapshotError` when version, symbols or strategies differ."""
        snapshots.load(snapshots.heading(self._rules, self._array), self._array, raw)

    def _totals(self) -> Totals:
        commands.measure(self._box)
        equity, exposure, heat, used = self._st.note[:4].tolist()
        return Totals(equity, exposure, heat, int(used))

    def _cell(self, strategy: str, symbol: Symbol) -> int:
        return self._strategy[strategy] * len(self._symbols) + self._symbol[symbol]

    def _cell_of(self, intent: int) -> int | None:
        found = np.flatnonzero((self._st.ord.intent == intent) & (self._st.ord.stage != 0))
        return int(found[0]) if len(found) else None

    def _no_intent(self, intent: int, at: int) -> Event:
        return Event(EventKind.REFUSED, "NO_INTENT", "", "", at, None, 0.0, 0.0, 0.0, 0.0, intent, 0, None, {})

    def _command(self, order: int, place: int, at: int, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> list[Event]:
        commands.command(self._box, order, place, at, float(a), float(b), float(c))
        return self._events()

    def _events(self) -> list[Event]:
        return read_events(self._st.out, self._strategies, self._symbols) if self._st.out.count else []
