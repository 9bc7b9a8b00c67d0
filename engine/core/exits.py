"""When a position ends: decided exits at the open, else stop, else target; trailing and time at closed bars."""

from __future__ import annotations

import math

from engine.core.emit import DUE, EXIT_DECIDED, NOW, STOP_MOVED, emit, note, tag
from engine.core.events import CODE, REASONS
from engine.core.fills import fill_exit, safe_stop, take
from engine.core.jit import part
from engine.core.orders import drop_order
from engine.core.state import State
from engine.core.triggers import TIME, held_back, retrigger
from engine.core.usage import stop_level
from engine.domain import ExitReason

STOP = REASONS.index(ExitReason.STOP)
STOP_LATE = REASONS.index(ExitReason.STOP_LATE)
TARGET = REASONS.index(ExitReason.TARGET)
TRAILING = REASONS.index(ExitReason.TRAILING)
CLOSING = CODE["CLOSING"]


@part
def decide_exit(st: State, cell: int, at: int, quantity: float, reason: int) -> None:
    """Make an exit due from `at` on; a whole one cancels what is left of the entry."""
    st.pos.due_reason[cell] = reason
    st.pos.due_since[cell] = at
    st.pos.due_quantity[cell] = quantity
    code = DUE if held_back(st, reason) else NOW
    row = emit(st, EXIT_DECIDED, code, cell, at, st.sym.close[cell % st.rule.n_symbols], quantity, 0)
    tag(st, row, st.pos.side[cell], 0, st.pos.trade[cell], reason)
    if quantity >= st.pos.quantity[cell]:
        drop_order(st, cell, at, CLOSING)
    retrigger(st, cell % st.rule.n_symbols)


@part
def exit_now(st: State, cell: int, at: int, price: float, reason: int, room: float) -> float:
    """Leave at `price` as far as the slice has room; the rest is due at the next open. Returns the room left."""
    quantity = take(st, cell % st.rule.n_symbols, st.pos.quantity[cell], room)
    if quantity > 0.0:
        fill_exit(st, cell, at, price, quantity, reason)
    if st.pos.side[cell] != 0:
        decide_exit(st, cell, at, st.pos.quantity[cell], reason)
    return room - quantity


@part
def exit_due(st: State, cell: int, start: int, price: float, room: float) -> float:
    """An exit decided before this slice fills at its open. Returns the room left."""
    reason = st.pos.due_reason[cell]
    if reason == 0 or st.pos.due_since[cell] > start or held_back(st, reason):
        return room
    wanted = min(st.pos.due_quantity[cell], st.pos.quantity[cell])
    quantity = take(st, cell % st.rule.n_symbols, wanted, room)
    if quantity > 0.0:
        fill_exit(st, cell, start, price, quantity, reason)
        if st.pos.side[cell] != 0:
            st.pos.due_quantity[cell] = wanted - quantity
            if quantity >= wanted:
                st.pos.due_reason[cell] = 0
    return room - quantity


@part
def leaving(st: State, cell: int, start: int) -> bool:
    """The whole position is on its way out at the open: what lacks volume goes at the next one, not at a stop."""
    reason = st.pos.due_reason[cell]
    if reason == 0 or held_back(st, reason) or st.pos.due_since[cell] > start:
        return False
    return st.pos.due_quantity[cell] >= st.pos.quantity[cell]


@part
def touch(st: State, cell: int, end: int, o: float, high: float, low: float, room: float, inside: bool) -> float:
    """Stop, else target, of one slice. `inside`: an entry filled within it, so its high is not known to come later."""
    side = st.pos.side[cell]
    worst, best = (low, high) if side > 0 else (high, low)
    stop, target = stop_level(st, cell), st.pos.target[cell]
    if side * (worst - stop) <= 0.0:
        reason = TRAILING if stop != st.pos.stop[cell] else STOP
        return exit_now(st, cell, end, side * min(side * o, side * stop), reason, room)
    if not inside and side * (best - target) >= 0.0:
        return exit_now(st, cell, end, side * max(side * o, side * target), TARGET, room)
    st.pos.best[cell] = side * max(side * st.pos.best[cell], side * best)
    return room


@part
def ratchet(st: State, cell: int, at: int) -> None:
    """Move the trailing stop after the best price; never back. Only closed bars do this."""
    distance = st.plan.trailing[cell]
    if not distance > 0.0 or st.sym.present[cell % st.rule.n_symbols] == 0:
        return
    side, best = st.pos.side[cell], st.pos.best[cell]
    arm = st.plan.arm[cell]
    if arm > 0.0 and side * (best - st.pos.entry[cell] * (1.0 + side * arm)) < 0.0:
        return
    trail = safe_stop(st, cell, best * (1.0 - side * distance))
    if math.isnan(st.pos.trail[cell]) or side * (trail - st.pos.trail[cell]) > 0.0:
        st.pos.trail[cell] = trail
        if trail == stop_level(st, cell):
            note(st, best, st.pos.entry[cell], 0.0)
            row = emit(st, STOP_MOVED, 0, cell, at, trail, st.pos.quantity[cell], 2)
            tag(st, row, side, 0, st.pos.trade[cell], 0)
        retrigger(st, cell % st.rule.n_symbols)


@part
def time_exit(st: State, cell: int, at: int) -> None:
    """Leave at the next open once `max_hold` has passed since the fill, or at the close of bar `max_bars`."""
    if st.pos.due_reason[cell] != 0 and st.pos.due_quantity[cell] >= st.pos.quantity[cell]:
        return
    symbol = cell % st.rule.n_symbols
    bars = st.sym.seen[symbol] - st.pos.entry_seen[cell]
    late = 0 < st.plan.max_hold[cell] <= at - st.pos.entry_time[cell]
    if late or (0 < st.plan.max_bars[cell] <= bars and st.sym.present[symbol] == 1):
        decide_exit(st, cell, at, st.pos.quantity[cell], TIME)
