"""Inverse-volatility weights over the symbols held, under way or signalled at this bar (SPEC 3.4)."""

from __future__ import annotations

import math

from engine.core.jit import part
from engine.core.layout import ENTER
from engine.core.state import State

NOT_TAKING_PART = -1.0
ILLIQUID = 0.0


@part
def _join(st: State, strategy: int) -> None:
    first = strategy * st.rule.n_symbols
    for cell in range(first, first + st.rule.n_symbols):
        used = st.pos.side[cell] != 0 or st.ord.stage[cell] != 0
        st.share[cell] = 1.0 if used and st.plan.atr[cell] > 0.0 else NOT_TAKING_PART
    for i in range(st.acct.n_wishes):
        cell = st.wish.cell[i]
        mine = cell // st.rule.n_symbols == strategy and st.share[cell] == NOT_TAKING_PART
        if mine and st.wish.action[i] == ENTER and st.wish.atr[i] > 0.0:
            st.share[cell] = 1.0
            st.plan.atr[cell] = st.wish.atr[i]
            st.plan.turnover[cell] = st.wish.turnover[i]


@part
def _keep_liquid(st: State, strategy: int) -> None:
    """Above `participants` symbols only those with the highest turnover keep their place."""
    first, room = strategy * st.rule.n_symbols, st.rule.participants[strategy]
    for cell in range(first, first + st.rule.n_symbols):
        if st.share[cell] == NOT_TAKING_PART:
            continue
        ahead = 0
        for other in range(first, first + st.rule.n_symbols):
            if st.share[other] != NOT_TAKING_PART and other != cell:
                more = st.plan.turnover[other] - st.plan.turnover[cell]
                ahead += 1 if more > 0.0 or (more == 0.0 and other < cell) else 0
        if ahead >= room:
            st.share[cell] = ILLIQUID


@part
def _base(st: State, first: int) -> None:
    """1/n * mean ATR share / own ATR share."""
    count, total = 0, 0.0
    for cell in range(first, first + st.rule.n_symbols):
        if st.share[cell] > 0.0:
            count += 1
            total += st.plan.atr[cell]
    for cell in range(first, first + st.rule.n_symbols):
        if st.share[cell] > 0.0:
            st.share[cell] = total / count / st.plan.atr[cell] / count


@part
def _filled(st: State, first: int, scale: float, low: float, high: float) -> float:
    total = 0.0
    for cell in range(first, first + st.rule.n_symbols):
        if st.share[cell] > 0.0:
            total += min(high, max(low, scale * st.share[cell]))
    return total


@part
def share_out(st: State, strategy: int) -> None:
    """Write `st.share`: weights within bounds whose sum is at most 1 (above it all shrink alike, none below `low`)."""
    first = strategy * st.rule.n_symbols
    low, high = st.rule.min_weight[strategy], st.rule.max_weight[strategy]
    _join(st, strategy)
    _keep_liquid(st, strategy)
    _base(st, first)
    scale, under = 1.0, 0.0
    if _filled(st, first, 1.0, low, high) > 1.0:
        for _ in range(60):
            middle = 0.5 * (scale + under)
            if _filled(st, first, middle, low, high) > 1.0:
                scale = middle
            else:
                under = middle
        scale = under
    for cell in range(first, first + st.rule.n_symbols):
        if st.share[cell] > 0.0:
            st.share[cell] = min(high, max(low, scale * st.share[cell]))


@part
def weight_of(st: State, cell: int, strategy: int, wished: float) -> float:
    """The signal's own weight within bounds, else the formula's; NaN when neither is known."""
    if not math.isnan(wished):
        return min(st.rule.max_weight[strategy], max(st.rule.min_weight[strategy], wished))
    return math.nan if st.share[cell] == NOT_TAKING_PART else st.share[cell]
