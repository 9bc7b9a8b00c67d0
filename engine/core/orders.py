"""An entry under way: intent (waits for consent), working order, gone."""

from __future__ import annotations

from engine.core.emit import CANCELLED, emit, tag
from engine.core.jit import part
from engine.core.state import State
from engine.core.triggers import WORKING, retrigger
from engine.core.usage import reserved


@part
def end_order(st: State, cell: int) -> None:
    """The cell's entry is over: nothing is reserved any more."""
    st.ord.stage[cell] = 0
    st.acct.n_orders -= 1
    retrigger(st, cell % st.rule.n_symbols)


@part
def drop_order(st: State, cell: int, at: int, code: int) -> None:
    """Cancel the cell's intent or what is left of its working order; nothing when there is none."""
    if st.ord.stage[cell] == 0:
        return
    left = reserved(st, cell)
    row = emit(st, CANCELLED, code, cell, at, st.ord.price[cell], left / st.ord.price[cell], 0)
    tag(st, row, st.ord.side[cell], st.ord.intent[cell], 0, 0)
    end_order(st, cell)


@part
def drop_all(st: State, at: int, code: int) -> None:
    """Cancel every entry under way."""
    if st.acct.n_orders > 0:
        for cell in range(st.rule.n_cells):
            drop_order(st, cell, at, code)


@part
def drop_expired(st: State, at: int, code: int) -> None:
    """Cancel working entries whose time limit has come."""
    for cell in range(st.rule.n_cells):
        if st.ord.stage[cell] == WORKING and 0 < st.ord.until[cell] <= at:
            drop_order(st, cell, at, code)
