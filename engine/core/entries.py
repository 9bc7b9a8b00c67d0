"""Working entries meet a slice: market at its open, limits when it trades through their price."""

from __future__ import annotations

from engine.core.events import CODE
from engine.core.fills import fill_entry, take
from engine.core.jit import part
from engine.core.layout import LEGS
from engine.core.orders import drop_order, end_order
from engine.core.rounding import floor_step
from engine.core.state import State

MIN_ORDER = CODE["MIN_ORDER"]


@part
def enter_market(st: State, cell: int, start: int, o: float, room: float) -> float:
    """Buy or sell what the order's money and quantity allow at the open. Returns the room left."""
    side, symbol = st.ord.side[cell], cell % st.rule.n_symbols
    if side * o > side * st.ord.worst[cell]:
        return room
    wanted = floor_step(min(st.ord.quantity[cell], st.ord.amount[cell] / o), st.rule.quantity_step[symbol])
    if wanted <= 0.0:
        drop_order(st, cell, start, MIN_ORDER)
        return room
    quantity = take(st, symbol, wanted, room)
    if quantity <= 0.0:
        return room
    st.ord.amount[cell] = max(0.0, st.ord.amount[cell] - quantity * o)
    st.ord.quantity[cell] -= quantity
    fill_entry(st, cell, start, o, quantity)
    if quantity >= wanted:
        end_order(st, cell)
    return room - quantity


@part
def enter_limits(
    st: State,
    cell: int,
    start: int,
    end: int,
    o: float,
    high: float,
    low: float,
    room: float,
) -> tuple[float, bool]:
    """Fill the legs that the slice trades through. Returns the room left, and whether one filled within the slice."""
    side, symbol = st.ord.side[cell], cell % st.rule.n_symbols
    reach = low if side > 0 else high
    inside, open_legs = False, 0
    for leg in range(cell * LEGS, cell * LEGS + st.ord.n_legs[cell]):
        price, wanted = st.ord.leg_price[leg], st.ord.leg_quantity[leg]
        if wanted > 0.0 and side * (reach - price) < 0.0:
            quantity = take(st, symbol, wanted, room)
            at_open = side * (o - price) < 0.0
            if quantity > 0.0:
                room -= quantity
                st.ord.leg_quantity[leg] = wanted - quantity
                fill_entry(st, cell, start if at_open else end, o if at_open else price, quantity)
                inside = inside or not at_open
        if st.ord.leg_quantity[leg] > 0.0:
            open_legs += 1
    if open_legs == 0:
        end_order(st, cell)
    return room, inside
