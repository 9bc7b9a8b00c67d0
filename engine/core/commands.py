"""What a desk calls: each takes the one-element array that holds the record (cheap for numba's dispatcher)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.core.breakers import check_breakers, lift, roll_day
from engine.core.decide import decide_minute
from engine.core.emit import STOP_MOVED, emit, note, refuse, tag
from engine.core.events import CODE
from engine.core.exits import STOP_LATE, decide_exit
from engine.core.fills import safe_stop
from engine.core.intents import grant_cell, requote_cell
from engine.core.jit import compiled, part
from engine.core.orders import drop_all, drop_order
from engine.core.rounding import floor_step
from engine.core.settle import settle_slice
from engine.core.state import State
from engine.core.triggers import WAITING, retrigger
from engine.core.usage import equity, exposure, heat, slots, stop_level

GRANT, REQUOTE, WITHDRAW, LEAVE, LEVEL, LIFT, MOVE_STOP, MISSED, DAY = range(9)
HELD, WITHDRAWN, BEYOND_STOP, HEAT = CODE["HELD"], CODE["WITHDRAWN"], CODE["BEYOND_STOP"], CODE["HEAT"]


@compiled
def settle(
    box: Sequence[State],
    symbol: int,
    start: int,
    end: int,
    o: float,
    high: float,
    low: float,
    volume: float,
) -> None:
    """`settle_slice` on the record in `box`."""
    settle_slice(box[0], symbol, start, end, o, high, low, volume)


@compiled
def decide(box: Sequence[State], at: int, day: int) -> None:
    """`decide_minute` on the record in `box`."""
    decide_minute(box[0], at, day)


@part
def _level(st: State, at: int, level: int) -> None:
    st.acct.level = level
    if level > 0:
        note(st, level, 0.0, 0.0)
        drop_all(st, at, HELD)
    for symbol in range(st.rule.n_symbols):
        retrigger(st, symbol)


@part
def _leave(st: State, cell: int, at: int, fraction: float, reason: int) -> None:
    quantity = st.pos.quantity[cell]
    if fraction < 1.0:
        quantity = floor_step(quantity * fraction, st.rule.quantity_step[cell % st.rule.n_symbols])
    if quantity > 0.0:
        decide_exit(st, cell, at, quantity, reason)


@part
def _is_too_hot(st: State, cell: int, now: float, stop: float) -> bool:
    """Whether a stop that moves away from `now` would pass the heat limit; a first stop only protects."""
    if math.isnan(now) or not math.isfinite(st.rule.max_heat):
        return False
    side, entry = st.pos.side[cell], st.pos.entry[cell]
    more = (max(0.0, side * (entry - stop)) - max(0.0, side * (entry - now))) * st.pos.quantity[cell]
    worth, used = equity(st), heat(st, -1)
    if more <= 0.0 or used + more <= st.rule.max_heat * worth:
        return False
    note(st, used / worth if worth > 0.0 else math.inf, more / worth if worth > 0.0 else math.inf, st.rule.max_heat)
    return True


@part
def _move_stop(st: State, cell: int, at: int, stop: float, wider: bool) -> None:
    side, symbol = st.pos.side[cell], cell % st.rule.n_symbols
    stop, now = safe_stop(st, cell, stop), stop_level(st, cell)
    nearest = st.pos.trail[cell] if wider and stop != now else now  # a trailing stop follows, whatever is asked
    if side * (stop - nearest) <= 0.0 or side * (st.sym.close[symbol] - stop) <= 0.0:
        note(st, st.sym.close[symbol], now, math.nan)
        refuse(st, BEYOND_STOP, cell, at, side, 0)
        return
    if _is_too_hot(st, cell, now, stop):
        refuse(st, HEAT, cell, at, side, 0)
        return
    st.pos.stop[cell] = stop
    st.plan.stop_fixed[cell] = stop
    note(st, st.pos.best[cell], st.pos.entry[cell], math.nan)
    tag(st, emit(st, STOP_MOVED, 0, cell, at, stop, st.pos.quantity[cell], 2), side, 0, st.pos.trade[cell], 0)
    retrigger(st, symbol)


@part
def _missed(st: State, symbol: int, end: int, low: float, high: float) -> None:
    if end <= st.sym.judged[symbol]:
        return
    st.sym.judged[symbol] = end
    for strategy in range(st.rule.n_strategies):
        cell = strategy * st.rule.n_symbols + symbol
        side = st.pos.side[cell]
        worst = low if side > 0 else high
        crossed = side != 0 and side * (worst - stop_level(st, cell)) <= 0.0
        if crossed and st.pos.due_reason[cell] != STOP_LATE:
            decide_exit(st, cell, end, st.pos.quantity[cell], STOP_LATE)


@part
def _order_command(st: State, command: int, cell: int, at: int, price: float, most: float, worst: float) -> None:
    waiting = st.ord.stage[cell] == WAITING
    if command == WITHDRAW:
        drop_order(st, cell, at, WITHDRAWN)
    elif command == GRANT and waiting:
        check_breakers(st, at)
        if st.ord.stage[cell] == WAITING:
            grant_cell(st, cell, at, price, most, worst)
    elif command == REQUOTE and waiting:
        requote_cell(st, cell, at, price)


@compiled
def command(box: Sequence[State], order: int, place: int, at: int, a: float, b: float, c: float) -> None:
    """One of the commands above on cell, symbol, level, code or day `place`, with up to three numbers."""
    st = box[0]
    if order <= WITHDRAW:
        _order_command(st, order, place, at, a, b, c)
    elif order == LEAVE:
        _leave(st, place, at, a, int(b))
    elif order == LEVEL:
        _level(st, at, place)
    elif order == LIFT:
        lift(st, place, at)
    elif order == MOVE_STOP:
        _move_stop(st, place, at, a, b > 0.0)
    elif order == MISSED:
        _missed(st, place, at, a, b)
    elif order == DAY:
        roll_day(st, at, place)


@compiled
def measure(box: Sequence[State]) -> None:
    """Write equity, exposure, heat and slots used into `note`."""
    st = box[0]
    st.note[0] = equity(st)
    st.note[1] = exposure(st, -1, -1)
    st.note[2] = heat(st, -1)
    st.note[3] = slots(st, -1, -1)
