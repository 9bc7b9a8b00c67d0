"""How much money an entry may use, before limits."""

from __future__ import annotations

import math

from engine.core.costs import cost_rate
from engine.core.jit import part
from engine.core.state import State
from engine.core.usage import equity, free_cash, planned_risk

FIXED, INVERSE_VOLATILITY, RISK = 0, 1, 2


@part
def _by_risk(st: State, cell: int, strategy: int, price: float) -> float:
    distance = planned_risk(st, cell, st.ord.side[cell], price)
    if not distance > 0.0:
        return math.nan
    worth = equity(st)
    return min(worth * st.rule.risk[strategy] / distance, worth * st.rule.max_weight[strategy])


@part
def _by_weight(st: State, cell: int) -> float:
    """Weight * equity, or what cash allows when that is less: leftovers and costs never refuse the last one."""
    amount = st.plan.weight[cell] * equity(st)
    free = free_cash(st, cell)
    rate = 1.0 + cost_rate(st, amount)
    return free / rate if 0.0 < free < amount * rate else amount


@part
def wanted_amount(st: State, cell: int, price: float) -> float:
    """Quote currency for the cell's entry at `price`; NaN when the policy lacks its input."""
    strategy = cell // st.rule.n_symbols
    policy = st.rule.policy[strategy]
    if policy == RISK:
        return _by_risk(st, cell, strategy, price)
    if policy == INVERSE_VOLATILITY:
        return _by_weight(st, cell)
    return st.rule.amount[strategy]
