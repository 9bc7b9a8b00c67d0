"""Money changes hands: entries, exits, closed round trips."""

from __future__ import annotations

import math

from engine.core.costs import slip_rate
from engine.core.emit import CLOSED, ENTRY, EXIT, FILLED, charge, emit, tag
from engine.core.events import CODE
from engine.core.jit import part
from engine.core.orders import drop_order
from engine.core.rounding import ceil_step, floor_step
from engine.core.state import State

CLOSING = CODE["CLOSING"]


@part
def take(st: State, symbol: int, wanted: float, room: float) -> float:
    """How much of `wanted` fills when a slice has `room` left."""
    if wanted <= room:
        return wanted
    return max(0.0, floor_step(room, st.rule.quantity_step[symbol]))


@part
def anchor(st: State, cell: int) -> None:
    """Stop and target from the average entry; the stop rounds to the safe side, the target to the reachable one."""
    side, entry = st.pos.side[cell], st.pos.entry[cell]
    stop, target = st.plan.stop_fixed[cell], st.plan.target_fixed[cell]
    if math.isnan(stop) and st.plan.stop_distance[cell] > 0.0:
        stop = entry - side * st.plan.stop_distance[cell]
    elif math.isnan(stop) and st.plan.stop_pct[cell] > 0.0:
        stop = entry * (1.0 - side * st.plan.stop_pct[cell])
    if math.isnan(target) and st.plan.target_distance[cell] > 0.0:
        target = entry + side * st.plan.target_distance[cell]
    elif math.isnan(target) and st.plan.target_pct[cell] > 0.0:
        target = entry * (1.0 + side * st.plan.target_pct[cell])
    st.pos.stop[cell] = safe_stop(st, cell, stop)
    step = st.rule.price_step[cell % st.rule.n_symbols]
    st.pos.target[cell] = floor_step(target, step) if side > 0 else ceil_step(target, step)


@part
def safe_stop(st: State, cell: int, stop: float) -> float:
    """A stop on the price grid, rounded towards less loss."""
    step = st.rule.price_step[cell % st.rule.n_symbols]
    return ceil_step(stop, step) if st.pos.side[cell] > 0 else floor_step(stop, step)


@part
def _open(st: State, cell: int, at: int, price: float) -> None:
    symbol = cell % st.rule.n_symbols
    st.pos.side[cell] = st.ord.side[cell]
    st.pos.entry_time[cell] = at
    st.pos.entry_seen[cell] = st.sym.seen[symbol]
    st.acct.next_trade += 1
    st.acct.n_open += 1
    st.pos.trade[cell] = st.acct.next_trade
    st.pos.best[cell] = price
    st.pos.trail[cell] = math.nan
    if st.plan.trailing[cell] > 0.0 and not st.plan.arm[cell] > 0.0:
        st.pos.trail[cell] = safe_stop(st, cell, price * (1.0 - st.pos.side[cell] * st.plan.trailing[cell]))
    if math.isnan(st.sym.close[symbol]):
        st.sym.close[symbol] = price


@part
def _pay(st: State, cell: int, notional: float, direction: int) -> tuple[float, float]:
    """Move cash for a buy (+1) or a sale (-1) of `notional`; returns fee and slippage."""
    fee, slippage = notional * st.rule.fee, notional * slip_rate(st, notional)
    st.acct.cash -= direction * notional + (fee + slippage)
    st.pos.fees[cell] += fee + slippage
    st.pos.slippage[cell] += slippage
    return fee, slippage


@part
def fill_entry(st: State, cell: int, at: int, price: float, quantity: float) -> None:
    """Open or add to the cell's position."""
    if st.pos.side[cell] == 0:
        _open(st, cell, at, price)
    held = st.pos.quantity[cell]
    fee, slippage = _pay(st, cell, quantity * price, st.pos.side[cell])
    st.pos.entry[cell] = price if held == 0.0 else (held * st.pos.entry[cell] + quantity * price) / (held + quantity)
    st.pos.quantity[cell] = held + quantity
    st.pos.bought[cell] += quantity
    st.pos.notional[cell] += quantity * price
    anchor(st, cell)
    st.note[0] = st.pos.quantity[cell]
    st.note[1] = st.pos.entry[cell]
    st.note[2] = st.pos.stop[cell]
    st.note[3] = st.pos.target[cell]
    row = emit(st, FILLED, ENTRY, cell, at, price, quantity, 4)
    tag(st, row, st.pos.side[cell], st.ord.intent[cell], st.pos.trade[cell], 0)
    charge(st, row, fee, slippage)


@part
def fill_exit(st: State, cell: int, at: int, price: float, quantity: float, reason: int) -> None:
    """Reduce the cell's position; what empties it closes the round trip."""
    side, sold = st.pos.side[cell], st.pos.sold[cell]
    fee, slippage = _pay(st, cell, quantity * price, -side)
    st.pos.exit_price[cell] = (
        price if sold == 0.0 else (sold * st.pos.exit_price[cell] + quantity * price) / (sold + quantity)
    )
    st.pos.sold[cell] = sold + quantity
    st.pos.proceeds[cell] += quantity * price
    whole = quantity >= st.pos.quantity[cell]
    st.pos.quantity[cell] = 0.0 if whole else st.pos.quantity[cell] - quantity
    st.note[0] = st.pos.quantity[cell]
    st.note[1] = st.pos.entry[cell]
    st.note[2] = st.pos.stop[cell]
    st.note[3] = st.pos.target[cell]
    row = emit(st, FILLED, EXIT, cell, at, price, quantity, 4)
    tag(st, row, side, 0, st.pos.trade[cell], reason)
    charge(st, row, fee, slippage)
    if whole:
        _close(st, cell, at, reason)


@part
def _close(st: State, cell: int, at: int, reason: int) -> None:
    side = st.pos.side[cell]
    pnl = side * (st.pos.proceeds[cell] - st.pos.notional[cell]) - st.pos.fees[cell]
    st.note[0] = st.pos.entry[cell]
    st.note[1] = st.pos.exit_price[cell]
    st.note[2] = st.pos.entry_time[cell]
    st.note[3] = st.pos.bought[cell]
    st.note[4] = st.pos.notional[cell]
    st.note[5] = st.pos.fees[cell]
    st.note[6] = pnl
    st.note[7] = pnl / st.pos.notional[cell]
    row = emit(st, CLOSED, 0, cell, at, st.pos.exit_price[cell], st.pos.bought[cell], 8)
    tag(st, row, side, 0, st.pos.trade[cell], reason)
    charge(st, row, st.pos.fees[cell] - st.pos.slippage[cell], st.pos.slippage[cell])
    st.acct.realised += pnl
    st.acct.losses = st.acct.losses + 1 if pnl < 0.0 else 0
    st.acct.n_open -= 1
    st.sym.rests_until[cell % st.rule.n_symbols] = at + st.rule.cool_down
    _blank(st, cell)
    drop_order(st, cell, at, CLOSING)


@part
def _blank(st: State, cell: int) -> None:
    st.pos.side[cell] = 0
    st.pos.due_reason[cell] = 0
    st.pos.due_quantity[cell] = 0.0
    st.pos.fees[cell] = 0.0
    st.pos.slippage[cell] = 0.0
    st.pos.bought[cell] = 0.0
    st.pos.notional[cell] = 0.0
    st.pos.sold[cell] = 0.0
    st.pos.proceeds[cell] = 0.0
