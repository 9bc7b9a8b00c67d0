"""The close of a minute: marks, trailing stops, breakers, exits, and entries in order of merit."""

from __future__ import annotations

import math

from engine.core.breakers import check_breakers, roll_day
from engine.core.events import CODE, REASONS
from engine.core.exits import decide_exit, ratchet, time_exit
from engine.core.intents import propose
from engine.core.jit import part
from engine.core.layout import ENTER, EXIT
from engine.core.orders import drop_expired, drop_order
from engine.core.sizing import INVERSE_VOLATILITY
from engine.core.state import State
from engine.core.weights import share_out
from engine.domain import ExitReason

SIGNAL = REASONS.index(ExitReason.SIGNAL)
OPPOSITE_SIGNAL, EXPIRED = CODE["OPPOSITE_SIGNAL"], CODE["EXPIRED"]


@part
def count_bars(st: State) -> None:
    """Bars seen, and good bars in a row since the last missing one."""
    for symbol in range(st.rule.n_symbols):
        if st.sym.present[symbol] == 1:
            st.sym.seen[symbol] += 1
            st.sym.good[symbol] += 1
        else:
            st.sym.good[symbol] = 0


@part
def _ahead(st: State, i: int, j: int) -> bool:
    """Does wish `i` go before wish `j`: confidence, then expected value, then playbook order, then symbol order?"""
    first = st.wish.confidence[i] if not math.isnan(st.wish.confidence[i]) else -math.inf
    second = st.wish.confidence[j] if not math.isnan(st.wish.confidence[j]) else -math.inf
    if first != second:
        return bool(first > second)
    first = st.wish.value[i] if not math.isnan(st.wish.value[i]) else -math.inf
    second = st.wish.value[j] if not math.isnan(st.wish.value[j]) else -math.inf
    if first != second:
        return bool(first > second)
    return bool(st.wish.cell[i] < st.wish.cell[j])


@part
def rank_wishes(st: State) -> None:
    """Write `wish.order`, best first."""
    for i in range(st.acct.n_wishes):
        place = i
        while place > 0 and _ahead(st, i, st.wish.order[place - 1]):
            st.wish.order[place] = st.wish.order[place - 1]
            place -= 1
        st.wish.order[place] = i


@part
def leave_by_signal(st: State, at: int) -> None:
    """Exit wishes close the position on their side, or cancel the entry that is still under way."""
    for i in range(st.acct.n_wishes):
        if st.wish.action[i] != EXIT:
            continue
        cell, side = st.wish.cell[i], st.wish.side[i]
        if st.pos.side[cell] == side:
            if st.pos.due_reason[cell] == 0 or st.pos.due_quantity[cell] < st.pos.quantity[cell]:
                decide_exit(st, cell, at, st.pos.quantity[cell], SIGNAL)
        elif st.ord.stage[cell] != 0 and st.ord.side[cell] == side:
            drop_order(st, cell, at, OPPOSITE_SIGNAL)


@part
def enter_by_signal(st: State, at: int) -> None:
    """Entry wishes, best first."""
    for strategy in range(st.rule.n_strategies):
        if st.rule.policy[strategy] == INVERSE_VOLATILITY:
            share_out(st, strategy)
    rank_wishes(st)
    for i in range(st.acct.n_wishes):
        if st.wish.action[st.wish.order[i]] == ENTER:
            propose(st, st.wish.order[i], at)


@part
def tend_positions(st: State, at: int) -> None:
    """Trailing stops move and time runs out."""
    for cell in range(st.rule.n_cells):
        if st.pos.side[cell] != 0:
            ratchet(st, cell, at)
            time_exit(st, cell, at)


@part
def decide_minute(st: State, at: int, day: int) -> None:
    """Decide with `sym.close`, `sym.present`, `sym.may_enter` and the wishes that the caller has written."""
    count_bars(st)
    roll_day(st, at, day)
    if st.acct.n_orders > 0:
        drop_expired(st, at, EXPIRED)
    check_breakers(st, at)
    if st.acct.n_wishes > 0:
        leave_by_signal(st, at)
    if st.acct.n_open > 0:
        tend_positions(st, at)
    if st.acct.n_wishes > 0:
        enter_by_signal(st, at)
