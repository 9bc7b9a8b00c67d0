"""Rules into the record: what is off becomes infinite, NaN or -1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from engine.core.layout import record_type, tier
from engine.core.rules import Limits, Rules, StrategyRules
from engine.core.sizing import FIXED, INVERSE_VOLATILITY, RISK
from engine.core.state import Plain, State
from engine.core.triggers import retrigger
from engine.domain import Side

_POLICIES = {"fixed": FIXED, "inverse_volatility": INVERSE_VOLATILITY, "risk": RISK}


def _number(value: float | None, off: float) -> float:
    return off if value is None else value


def check(rules: Rules) -> None:
    """Raise ValueError for rules that no market can make sense of."""
    if not rules.strategies or not rules.instruments:
        raise ValueError("rules need at least one strategy and one instrument")
    if not rules.capital > 0 or not math.isfinite(rules.capital):
        raise ValueError(f"capital was {rules.capital}; it must be above 0")
    for words in ([s.name for s in rules.strategies], [i.symbol for i in rules.instruments]):
        if len(set(words)) != len(words):
            raise ValueError(f"names must differ: {', '.join(words)}")
    if rules.quiet_bars_fill and rules.volume_share is not None:
        raise ValueError("quiet_bars_fill needs volume_share None: a bar without volume has no share to fill")


def _write_limits(rule: Plain, limits: Limits) -> None:
    rule.max_positions = _number(limits.max_positions, -1)
    rule.max_per_symbol = _number(limits.max_per_symbol, -1)
    rule.max_exposure = _number(limits.max_exposure, math.inf)
    rule.max_heat = _number(limits.max_heat, math.inf)
    rule.max_leverage = _number(limits.max_leverage, math.inf)
    rule.daily_fraction = _number(limits.daily_loss_fraction, math.inf)
    rule.daily_amount = _number(limits.daily_loss_amount, math.inf)
    rule.max_drawdown = _number(limits.max_drawdown, math.inf)
    rule.max_losses = _number(limits.consecutive_losses, 0)
    rule.losses_pause = _number(limits.losses_pause_us, -1)
    rule.cool_down = _number(limits.cool_down_us, 0)
    equity = (limits.daily_loss_fraction, limits.daily_loss_amount, limits.max_drawdown)
    rule.watches_equity = int(any(limit is not None for limit in equity))


def _write_strategy(rule: Plain, k: int, strategy: StrategyRules) -> None:
    sizing = strategy.sizing
    rule.policy[k] = _POLICIES[sizing.policy]
    rule.amount[k] = sizing.amount
    rule.risk[k] = sizing.risk_fraction
    rule.min_weight[k] = sizing.min_weight
    rule.max_weight[k] = sizing.max_weight
    rule.participants[k] = sizing.participants
    rule.capital_share[k] = strategy.capital_share
    rule.stop_pct[k] = _number(strategy.stop_pct, math.nan)
    rule.target_pct[k] = _number(strategy.target_pct, math.nan)
    rule.trailing[k] = _number(strategy.trailing, math.nan)
    rule.arm[k] = _number(strategy.trailing_arm, math.nan)
    rule.max_hold[k] = _number(strategy.max_hold_us, 0)
    rule.max_bars[k] = _number(strategy.max_bars, 0)
    rule.life[k] = _number(strategy.entry_life_us, 0)
    rule.can_long[k] = Side.LONG in strategy.sides
    rule.can_short[k] = Side.SHORT in strategy.sides


def _write_rules(rule: Plain, rules: Rules) -> None:
    rule.n_symbols, rule.n_strategies = len(rules.instruments), len(rules.strategies)
    rule.n_cells = len(rules.instruments) * len(rules.strategies)
    rule.capital, rule.fee = rules.capital, rules.costs.fee_rate
    rule.slip_base, rule.slip_cap = rules.costs.slippage_base, rules.costs.slippage_cap
    rule.slip_per_100k = rules.costs.slippage_per_100k
    rule.volume_share = _number(rules.volume_share, math.inf)
    rule.quiet_fills = int(rules.quiet_bars_fill)
    rule.good_needed = rules.good_bars_needed
    for k, strategy in enumerate(rules.strategies):
        _write_strategy(rule, k, strategy)
    for s, instrument in enumerate(rules.instruments):
        rule.price_step[s], rule.quantity_step[s] = instrument.price_step, instrument.quantity_step
        rule.min_quantity[s], rule.min_notional[s] = instrument.min_quantity, instrument.min_notional
        rule.shortable[s] = int(instrument.can_short)
    _write_limits(rule, rules.limits)


def new_record(rules: Rules, verbose: bool) -> np.ndarray:
    """A fresh record, as a one-element array: nothing held, all money in cash."""
    check(rules)
    kind = record_type(*tier(len(rules.instruments), len(rules.strategies)))
    array = np.empty(1, kind)
    unread = kind["wish"].itemsize + kind["out"].itemsize  # the last two: written before they are read
    array.view(np.uint8)[:-unread] = 0
    st = Plain(array[0])
    st.out.count = 0
    _write_rules(st.rule, rules)
    st.rule.verbose = int(verbose)
    st.acct.cash = st.acct.day_start = st.acct.peak = rules.capital
    st.acct.day = np.iinfo(np.int64).min
    st.sym.close[:] = math.nan
    st.sym.may_enter[:] = 1
    st.sym.good[:] = rules.good_bars_needed
    st.sym.judged[:] = np.iinfo(np.int64).min
    st.sym.low_trigger[:] = 0.0
    st.sym.high_trigger[:] = math.inf
    return array


def callable_box(array: np.ndarray) -> Sequence[State]:
    """What compiled functions take as `box`: the array itself, or a list of its plain view without the compiler."""
    return cast(Sequence[State], array if hasattr(retrigger, "py_func") else [Plain(array[0])])
