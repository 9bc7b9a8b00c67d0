"""Scenario costs: a fee and a slippage per side, both of the notional before costs."""

from __future__ import annotations

from engine.core.jit import part
from engine.core.state import State


@part
def slip_rate(st: State, notional: float) -> float:
    """min(cap, base + slope * notional / 100,000), a fraction."""
    return min(st.rule.slip_cap, st.rule.slip_base + st.rule.slip_per_100k * notional / 100_000.0)


@part
def cost_rate(st: State, notional: float) -> float:
    """Fee and slippage of one side as a fraction of `notional`."""
    return st.rule.fee + slip_rate(st, notional)
