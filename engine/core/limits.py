"""Every limit, one small rule each: 0 (OK) or the code of the refusal, its numbers in `st.note`."""

from __future__ import annotations

import math

from engine.core.costs import cost_rate
from engine.core.emit import note
from engine.core.events import CODE
from engine.core.jit import part
from engine.core.rounding import floor_step
from engine.core.state import State
from engine.core.triggers import WAITING
from engine.core.usage import equity, exposure, free_cash, heat, planned_risk, slots

OK = CODE["OK"]
IN_POSITION, PENDING, WORKING_ON = CODE["IN_POSITION"], CODE["PENDING"], CODE["WORKING"]
SIDE_OFF, HELD, DAILY_LOSS, DRAWDOWN, LOSSES = (
    CODE["SIDE_OFF"],
    CODE["HELD"],
    CODE["DAILY_LOSS"],
    CODE["DRAWDOWN"],
    CODE["LOSSES"],
)
NOT_ENOUGH_GOOD_BARS, NO_PRICE, DATA, COOL_DOWN = (
    CODE["NOT_ENOUGH_GOOD_BARS"],
    CODE["NO_PRICE"],
    CODE["DATA"],
    CODE["COOL_DOWN"],
)
NO_SLOT, PER_COIN, MIN_ORDER, EXPOSURE = CODE["NO_SLOT"], CODE["PER_COIN"], CODE["MIN_ORDER"], CODE["EXPOSURE"]
STRATEGY_CAPITAL, HEAT, NO_CASH, BEYOND_STOP = (
    CODE["STRATEGY_CAPITAL"],
    CODE["HEAT"],
    CODE["NO_CASH"],
    CODE["BEYOND_STOP"],
)


@part
def own_state(st: State, cell: int, side: int) -> int:
    """Is the cell free, and may the strategy take this side?"""
    if st.pos.side[cell] != 0:
        return IN_POSITION
    if st.ord.stage[cell] != 0:
        return PENDING if st.ord.stage[cell] == WAITING else WORKING_ON
    strategy, symbol = cell // st.rule.n_symbols, cell % st.rule.n_symbols
    if side > 0 and st.rule.can_long[strategy] == 1:
        return OK
    if side < 0 and st.rule.can_short[strategy] == 1 and st.rule.shortable[symbol] == 1:
        return OK
    return SIDE_OFF


@part
def desk_state(st: State) -> int:
    """Holds and tripped breakers."""
    if st.acct.level != 0:
        note(st, st.acct.level, 0.0, 0.0)
        return HELD
    if st.acct.daily_tripped == 1:
        note(st, equity(st), st.acct.day_start, day_limit(st))
        return DAILY_LOSS
    if st.acct.drawdown_tripped == 1:
        note(st, equity(st), st.acct.peak, st.rule.max_drawdown)
        return DRAWDOWN
    if st.acct.losses_tripped != 0:
        note(st, st.acct.losses, st.rule.max_losses, 0.0)
        return LOSSES
    return OK


@part
def day_limit(st: State) -> float:
    """The day's loss in money that stops entries: the fraction or the amount, whichever comes first."""
    return min(st.rule.daily_fraction * st.acct.day_start, st.rule.daily_amount)


@part
def market_state(st: State, symbol: int, at: int) -> int:
    """Is there a price, is it trusted, has the symbol rested?"""
    if st.sym.present[symbol] == 0 or not st.sym.close[symbol] > 0.0:
        return NO_PRICE
    if st.sym.may_enter[symbol] == 0:
        return DATA
    if st.sym.good[symbol] < st.rule.good_needed:
        note(st, st.sym.good[symbol], st.rule.good_needed, 0.0)
        return NOT_ENOUGH_GOOD_BARS
    if at < st.sym.rests_until[symbol]:
        note(st, (st.sym.rests_until[symbol] - at) / 1e6, 0.0, 0.0)
        return COOL_DOWN
    return OK


@part
def room_for(st: State, cell: int) -> int:
    """Slots: all positions, and those of the symbol."""
    if st.rule.max_positions >= 0:
        used = slots(st, -1, cell)
        if used >= st.rule.max_positions:
            note(st, used, st.rule.max_positions, 0.0)
            return NO_SLOT
    if st.rule.max_per_symbol >= 0:
        used = slots(st, cell % st.rule.n_symbols, cell)
        if used >= st.rule.max_per_symbol:
            note(st, used, st.rule.max_per_symbol, 0.0)
            return PER_COIN
    return OK


@part
def least_order(st: State, symbol: int, amount: float, price: float) -> int:
    """The venue's minimum, after rounding to its lot."""
    quantity = floor_step(amount / price, st.rule.quantity_step[symbol])
    enough = quantity > 0.0 and quantity >= st.rule.min_quantity[symbol]
    if enough and quantity * price >= st.rule.min_notional[symbol]:
        return OK
    note(st, quantity * price, quantity, st.rule.min_notional[symbol])
    st.note[3] = st.rule.min_quantity[symbol]
    return MIN_ORDER


@part
def _exposure(st: State, cell: int, amount: float) -> int:
    if math.isfinite(st.rule.max_exposure):
        used = exposure(st, -1, cell)
        if used + amount > st.rule.max_exposure:
            note(st, used, amount, st.rule.max_exposure)
            return EXPOSURE
    strategy = cell // st.rule.n_symbols
    if st.rule.capital_share[strategy] < 1.0:
        used = exposure(st, strategy, cell)
        limit = st.rule.capital_share[strategy] * equity(st)
        if used + amount > limit:
            note(st, used, amount, limit)
            return STRATEGY_CAPITAL
    return OK


@part
def _heat(st: State, cell: int, amount: float, price: float) -> int:
    if math.isfinite(st.rule.max_heat):
        worth = equity(st)
        used = heat(st, cell)
        more = amount * planned_risk(st, cell, st.ord.side[cell], price)
        if worth <= 0.0 or (used + more) > st.rule.max_heat * worth:
            note(
                st,
                used / worth if worth > 0.0 else math.inf,
                more / worth if worth > 0.0 else math.inf,
                st.rule.max_heat,
            )
            return HEAT
    return OK


@part
def _cash(st: State, cell: int, amount: float) -> int:
    free = free_cash(st, cell)
    cost = amount * (1.0 + cost_rate(st, amount))
    if cost > free * (1.0 + 1e-12):
        note(st, free, cost, 0.0)
        return NO_CASH
    return OK


@part
def money_for(st: State, cell: int, amount: float, price: float) -> int:
    """Exposure, the strategy's capital, heat, cash, and the venue's minimum, in this order."""
    code = _exposure(st, cell, amount)
    if code == OK:
        code = _heat(st, cell, amount, price)
    if code == OK:
        code = _cash(st, cell, amount)
    if code == OK:
        code = least_order(st, cell % st.rule.n_symbols, amount, price)
    return code


@part
def sane_stop(st: State, cell: int, price: float) -> int:
    """Absolute stops and targets must lie on their own side of the price."""
    side, stop, target = st.ord.side[cell], st.plan.stop_fixed[cell], st.plan.target_fixed[cell]
    if side * (price - stop) <= 0.0 or side * (target - price) <= 0.0:
        note(st, price, stop, target)
        return BEYOND_STOP
    return OK
