"""What is in use: open positions at their marks, and what waiting intents and working orders have reserved.

`skip` is a cell that is being judged and so does not count itself (-1: none).
"""

from __future__ import annotations

import math

from engine.core.costs import cost_rate
from engine.core.jit import part
from engine.core.layout import LEGS
from engine.core.state import State


@part
def reserved(st: State, cell: int) -> float:
    """Money that the cell's intent or working order may still spend, before costs."""
    if st.ord.stage[cell] == 0:
        return 0.0
    if st.ord.n_legs[cell] == 0:
        return st.ord.amount[cell]
    total = 0.0
    for leg in range(cell * LEGS, cell * LEGS + st.ord.n_legs[cell]):
        total += st.ord.leg_price[leg] * st.ord.leg_quantity[leg]
    return total


@part
def gross(st: State, cell: int) -> float:
    """Notional of the cell's position at its mark."""
    if st.pos.side[cell] == 0:
        return 0.0
    return st.pos.quantity[cell] * st.sym.close[cell % st.rule.n_symbols]


@part
def equity(st: State) -> float:
    """Cash plus positions at their marks."""
    total = st.acct.cash
    if st.acct.n_open > 0:
        for cell in range(st.rule.n_cells):
            if st.pos.side[cell] != 0:
                total += st.pos.side[cell] * gross(st, cell)
    return total


@part
def slots(st: State, symbol: int, skip: int) -> int:
    """Cells with a position or an entry under way; of one symbol, or of all when `symbol` is -1."""
    used = 0
    for cell in range(st.rule.n_cells):
        busy = st.pos.side[cell] != 0 or st.ord.stage[cell] != 0
        if busy and cell != skip and (symbol < 0 or cell % st.rule.n_symbols == symbol):
            used += 1
    return used


@part
def exposure(st: State, strategy: int, skip: int) -> float:
    """Notional held and reserved, of one strategy or of all when `strategy` is -1."""
    used = 0.0
    for cell in range(st.rule.n_cells):
        if strategy < 0 or cell // st.rule.n_symbols == strategy:
            used += gross(st, cell)
            if cell != skip:
                used += reserved(st, cell)
    return used


@part
def free_cash(st: State, skip: int) -> float:
    """What another entry may spend with its costs: leverage * equity - gross - reserved; inf when cash is ignored.

    A short blocks its notional as collateral, so both sides count alike.
    """
    if not math.isfinite(st.rule.max_leverage):
        return math.inf
    free = st.rule.max_leverage * equity(st)
    for cell in range(st.rule.n_cells):
        free -= gross(st, cell)
        if cell != skip:
            amount = reserved(st, cell)
            free -= amount * (1.0 + cost_rate(st, amount))
    return free


@part
def planned_risk(st: State, cell: int, side: int, price: float) -> float:
    """Distance from `price` to the stop that the cell's plan would set, as a fraction of `price`; 0 without a stop."""
    stop = st.plan.stop_fixed[cell]
    if math.isfinite(stop):
        return max(0.0, side * (price - stop) / price)
    if st.plan.stop_distance[cell] > 0.0:
        return min(1.0, st.plan.stop_distance[cell] / price)
    if st.plan.stop_pct[cell] > 0.0:
        return st.plan.stop_pct[cell]
    if st.plan.trailing[cell] > 0.0 and not st.plan.arm[cell] > 0.0:
        return st.plan.trailing[cell]
    return 0.0


@part
def stop_level(st: State, cell: int) -> float:
    """The stop in force: the nearer of the fixed and the trailing one; NaN without any."""
    stop, trail = st.pos.stop[cell], st.pos.trail[cell]
    if math.isnan(trail):
        return stop
    if math.isnan(stop):
        return trail
    return max(stop, trail) if st.pos.side[cell] > 0 else min(stop, trail)


@part
def heat(st: State, skip: int) -> float:
    """Money lost if every stop were hit: quantity * (entry - stop), reserved entries included."""
    total = 0.0
    for cell in range(st.rule.n_cells):
        if st.pos.side[cell] != 0:
            stop = stop_level(st, cell)
            if not math.isnan(stop):
                total += max(0.0, st.pos.side[cell] * (st.pos.entry[cell] - stop)) * st.pos.quantity[cell]
        if cell != skip and st.ord.stage[cell] != 0:
            total += reserved(st, cell) * planned_risk(st, cell, st.ord.side[cell], st.ord.price[cell])
    return total
