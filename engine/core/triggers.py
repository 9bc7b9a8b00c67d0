"""Two prices per symbol between which a slice changes nothing: what makes quiet bars and prints cheap."""

from __future__ import annotations

import math

from engine.core.events import REASONS
from engine.core.jit import part
from engine.core.layout import LEGS
from engine.core.state import State
from engine.core.usage import stop_level
from engine.domain import ExitReason

WAITING, WORKING = 1, 2
HALTED = 2
TIME = REASONS.index(ExitReason.TIME)
SIGNAL = REASONS.index(ExitReason.SIGNAL)


@part
def held_back(st: State, reason: int) -> bool:
    """HALTED holds time and signal exits back; they show as due."""
    return st.acct.level == HALTED and reason in (TIME, SIGNAL)


@part
def _of_order(st: State, cell: int, low: float, high: float) -> tuple[float, float]:
    if st.ord.n_legs[cell] == 0:
        return math.inf, -math.inf
    for leg in range(cell * LEGS, cell * LEGS + st.ord.n_legs[cell]):
        if st.ord.leg_quantity[leg] > 0.0:
            if st.ord.side[cell] > 0:
                low = max(low, st.ord.leg_price[leg])
            else:
                high = min(high, st.ord.leg_price[leg])
    return low, high


@part
def _of_position(st: State, cell: int, low: float, high: float) -> tuple[float, float]:
    if st.pos.due_reason[cell] != 0 and not held_back(st, st.pos.due_reason[cell]):
        return math.inf, -math.inf
    stop, target = stop_level(st, cell), st.pos.target[cell]
    best = st.pos.best[cell] if st.plan.trailing[cell] > 0.0 else math.nan
    if st.pos.side[cell] > 0:
        low = low if math.isnan(stop) else max(low, stop)
        high = high if math.isnan(target) else min(high, target)
        high = high if math.isnan(best) else min(high, best)
    else:
        high = high if math.isnan(stop) else min(high, stop)
        low = low if math.isnan(target) else max(low, target)
        low = low if math.isnan(best) else max(low, best)
    return low, high


@part
def retrigger(st: State, symbol: int) -> None:
    """A slice with low > low_trigger and high < high_trigger neither fills nor moves anything of `symbol`.

    `low_trigger` is at least 0, so that an impossible price never passes for a quiet one.
    """
    low, high = 0.0, math.inf
    for strategy in range(st.rule.n_strategies):
        cell = strategy * st.rule.n_symbols + symbol
        if st.ord.stage[cell] == WORKING:
            low, high = _of_order(st, cell, low, high)
        if st.pos.side[cell] != 0:
            low, high = _of_position(st, cell, low, high)
    st.sym.low_trigger[symbol] = low
    st.sym.high_trigger[symbol] = high
