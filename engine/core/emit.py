"""Writing events. A batch run keeps only closed trades and counts of refusals; the state moves alike either way."""

from __future__ import annotations

from engine.core.events import CODE, EventKind
from engine.core.jit import part
from engine.core.layout import NUMBERS
from engine.core.state import State

_KINDS = list(EventKind)
INTENT = _KINDS.index(EventKind.INTENT)
REFUSED = _KINDS.index(EventKind.REFUSED)
GRANTED = _KINDS.index(EventKind.GRANTED)
CANCELLED = _KINDS.index(EventKind.CANCELLED)
FILLED = _KINDS.index(EventKind.FILLED)
EXIT_DECIDED = _KINDS.index(EventKind.EXIT_DECIDED)
STOP_MOVED = _KINDS.index(EventKind.STOP_MOVED)
CLOSED = _KINDS.index(EventKind.CLOSED)
BREAKER = _KINDS.index(EventKind.BREAKER)
BREAKER_ENDED = _KINDS.index(EventKind.BREAKER_ENDED)
ENTRY = CODE["entry"]
EXIT = CODE["exit"]
NOW = CODE["NOW"]
DUE = CODE["DUE"]


@part
def note(st: State, a: float, b: float, c: float) -> None:
    """The first three numbers of the next event."""
    st.note[0] = a
    st.note[1] = b
    st.note[2] = c


@part
def emit(st: State, kind: int, code: int, cell: int, at: int, price: float, quantity: float, numbers: int) -> int:
    """Append one event with the first `numbers` of `st.note`; its row, or -1 when nobody listens."""
    if st.rule.verbose == 0 and kind != CLOSED:
        return -1
    row = st.out.count
    st.out.count = row + 1
    st.out.kind[row] = kind
    st.out.code[row] = code
    st.out.cell[row] = cell
    st.out.at[row] = at
    st.out.price[row] = price
    st.out.quantity[row] = quantity
    st.out.side[row] = 0
    st.out.intent[row] = 0
    st.out.trade[row] = 0
    st.out.reason[row] = 0
    st.out.fee[row] = 0.0
    st.out.slippage[row] = 0.0
    st.out.n_numbers[row] = numbers
    for i in range(numbers):
        st.out.numbers[row * NUMBERS + i] = st.note[i]
    return row


@part
def tag(st: State, row: int, side: int, intent: int, trade: int, reason: int) -> None:
    """Add what the event belongs to."""
    if row >= 0:
        st.out.side[row] = side
        st.out.intent[row] = intent
        st.out.trade[row] = trade
        st.out.reason[row] = reason


@part
def charge(st: State, row: int, fee: float, slippage: float) -> None:
    """Add what the event cost."""
    if row >= 0:
        st.out.fee[row] = fee
        st.out.slippage[row] = slippage


@part
def refuse(st: State, code: int, cell: int, at: int, side: int, intent: int) -> None:
    """Count and say a "no", with its numbers from `st.note`."""
    st.refused[code] += 1
    row = emit(st, REFUSED, code, cell, at, st.sym.close[cell % st.rule.n_symbols], 0.0, 3)
    tag(st, row, side, intent, 0, 0)
