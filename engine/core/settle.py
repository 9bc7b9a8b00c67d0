"""One slice against everything that works or is held in its symbol."""

from __future__ import annotations

import math

from engine.core.entries import enter_limits, enter_market
from engine.core.events import CODE
from engine.core.exits import exit_due, leaving, touch
from engine.core.jit import part
from engine.core.orders import drop_order
from engine.core.state import State
from engine.core.triggers import WORKING, retrigger

EXPIRED = CODE["EXPIRED"]


@part
def slice_room(st: State, start: int, end: int, volume: float) -> float:
    """Quantity that may fill in a slice: -1 in a quiet bar; all of it where the size is unknown."""
    if start < end and volume <= 0.0 and st.rule.quiet_fills == 0:
        return -1.0
    if not math.isfinite(st.rule.volume_share) or (start == end and volume <= 0.0):
        return math.inf
    return st.rule.volume_share * volume


@part
def settle_cell(
    st: State,
    cell: int,
    start: int,
    end: int,
    o: float,
    high: float,
    low: float,
    room: float,
) -> float:
    """Exits decided before, then entries, then stop and target. Returns the room left."""
    inside = False
    if st.pos.side[cell] != 0:
        room = exit_due(st, cell, start, o, room)
    if st.ord.stage[cell] == WORKING and st.ord.since[cell] <= start:
        if 0 < st.ord.until[cell] <= start:
            drop_order(st, cell, start, EXPIRED)
        elif st.ord.n_legs[cell] == 0:
            room = enter_market(st, cell, start, o, room)
        else:
            room, inside = enter_limits(st, cell, start, end, o, high, low, room)
    if st.pos.side[cell] != 0 and not leaving(st, cell, start):
        room = touch(st, cell, end, o, high, low, room, inside)
    return room


@part
def settle_slice(
    st: State,
    symbol: int,
    start: int,
    end: int,
    o: float,
    high: float,
    low: float,
    volume: float,
) -> None:
    """Judge a bar (open time to close time) or a print (start == end) that was not judged before."""
    judged = st.sym.judged[symbol]
    if end > judged:
        st.sym.judged[symbol] = end
    if start < judged or end <= judged:
        return
    room = slice_room(st, start, end, volume)
    if room < 0.0:
        return
    for strategy in range(st.rule.n_strategies):
        room = settle_cell(st, strategy * st.rule.n_symbols + symbol, start, end, o, high, low, room)
    retrigger(st, symbol)
