"""From a wish to a sized intent that waits for consent, and from consent to a working order."""

from __future__ import annotations

import math

from engine.core.costs import slip_rate
from engine.core.emit import GRANTED, INTENT, charge, emit, note, refuse, tag
from engine.core.events import CODE
from engine.core.jit import part
from engine.core.layout import LEGS
from engine.core.limits import OK, desk_state, market_state, money_for, own_state, room_for, sane_stop
from engine.core.orders import end_order
from engine.core.rounding import ceil_step, floor_step
from engine.core.sizing import INVERSE_VOLATILITY, wanted_amount
from engine.core.state import State
from engine.core.triggers import WAITING, WORKING, retrigger
from engine.core.usage import exposure, heat, planned_risk, reserved
from engine.core.weights import ILLIQUID, weight_of

NO_SIZE, NOT_LIQUID, WORSE_PRICE = CODE["NO_SIZE"], CODE["NOT_LIQUID"], CODE["WORSE_PRICE"]
NO_INTENT = CODE["NO_INTENT"]


@part
def _or(first: float, second: float) -> float:
    return second if math.isnan(first) else first


@part
def plan_from(st: State, i: int, cell: int) -> None:
    """The exits that wish `i` asks for, the strategy's own where it says nothing."""
    strategy, symbol, side = cell // st.rule.n_symbols, cell % st.rule.n_symbols, st.wish.side[i]
    st.plan.stop_fixed[cell] = st.wish.stop[i]
    st.plan.stop_distance[cell] = st.wish.stop_distance[i]
    st.plan.stop_pct[cell] = st.rule.stop_pct[strategy]
    st.plan.target_fixed[cell] = st.wish.target[i]
    st.plan.target_distance[cell] = st.wish.target_distance[i]
    st.plan.target_pct[cell] = st.rule.target_pct[strategy]
    st.plan.trailing[cell] = _or(st.wish.trailing[i], st.rule.trailing[strategy])
    st.plan.arm[cell] = st.rule.arm[strategy]
    st.plan.max_hold[cell] = st.wish.max_hold[i] if st.wish.max_hold[i] > 0 else st.rule.max_hold[strategy]
    st.plan.max_bars[cell] = st.rule.max_bars[strategy]
    st.plan.atr[cell] = st.wish.atr[i]
    st.plan.turnover[cell] = st.wish.turnover[i]
    st.plan.weight[cell] = math.nan
    if st.rule.policy[strategy] == INVERSE_VOLATILITY:
        st.plan.weight[cell] = weight_of(st, cell, strategy, st.wish.weight[i])
    st.ord.side[cell] = side
    st.ord.n_legs[cell] = st.wish.n_legs[i]
    for leg in range(st.wish.n_legs[i]):
        price, step = st.wish.legs[i * LEGS + leg], st.rule.price_step[symbol]
        st.ord.leg_price[cell * LEGS + leg] = floor_step(price, step) if side > 0 else ceil_step(price, step)


@part
def size(st: State, cell: int, price: float) -> int:
    """Write the order's money and quantity at `price`, or return why there is none."""
    if st.plan.weight[cell] == ILLIQUID:
        note(st, st.plan.turnover[cell], st.rule.participants[cell // st.rule.n_symbols], 0.0)
        return NOT_LIQUID
    amount = wanted_amount(st, cell, price)
    if math.isnan(amount):
        return NO_SIZE
    code = money_for(st, cell, amount, price)
    if code == OK:
        st.ord.amount[cell] = amount
        st.ord.price[cell] = price
        st.ord.quantity[cell] = floor_step(amount / price, st.rule.quantity_step[cell % st.rule.n_symbols])
        spread_legs(st, cell, amount)
    return code


@part
def spread_legs(st: State, cell: int, amount: float) -> None:
    """Equal money on every leg, its quantity fixed at its own price."""
    legs, step = st.ord.n_legs[cell], st.rule.quantity_step[cell % st.rule.n_symbols]
    for leg in range(cell * LEGS, cell * LEGS + legs):
        st.ord.leg_quantity[leg] = floor_step(amount / legs / st.ord.leg_price[leg], step)


@part
def may_enter(st: State, cell: int, at: int) -> int:
    """Everything but price and size: holds, breakers, data, rest, slots."""
    code = desk_state(st)
    if code == OK:
        code = market_state(st, cell % st.rule.n_symbols, at)
    if code == OK:
        code = room_for(st, cell)
    return code


@part
def announce(st: State, cell: int, at: int) -> None:
    """The INTENT event with what a card shows."""
    amount, price = reserved(st, cell), st.ord.price[cell]
    before = exposure(st, -1, cell)
    risk = amount * planned_risk(st, cell, st.ord.side[cell], price)
    fee, slippage = amount * st.rule.fee, amount * slip_rate(st, amount)
    st.note[0] = amount
    st.note[1] = planned_stop(st, cell, price, risk / amount)
    st.note[2] = planned_target(st, cell, price)
    st.note[3] = (risk if risk > 0.0 else amount) + 2.0 * (fee + slippage)
    st.note[4] = before
    st.note[5] = before + amount
    st.note[6] = heat(st, -1)
    st.note[7] = st.plan.weight[cell]
    row = emit(st, INTENT, 0, cell, at, price, st.ord.quantity[cell], 8)
    tag(st, row, st.ord.side[cell], st.ord.intent[cell], 0, 0)
    charge(st, row, fee, slippage)


@part
def planned_stop(st: State, cell: int, price: float, risk: float) -> float:
    """Where the stop would lie for an entry at `price`, `risk` (a fraction) away; NaN without one."""
    if not math.isnan(st.plan.stop_fixed[cell]):
        return st.plan.stop_fixed[cell]
    return price * (1.0 - st.ord.side[cell] * risk) if risk > 0.0 else math.nan


@part
def planned_target(st: State, cell: int, price: float) -> float:
    """Where the target would lie for an entry at `price`; NaN without one."""
    side = st.ord.side[cell]
    if not math.isnan(st.plan.target_fixed[cell]):
        return st.plan.target_fixed[cell]
    if st.plan.target_distance[cell] > 0.0:
        return price + side * st.plan.target_distance[cell]
    if st.plan.target_pct[cell] > 0.0:
        return price * (1.0 + side * st.plan.target_pct[cell])
    return math.nan


@part
def propose(st: State, i: int, at: int) -> None:
    """Wish `i` becomes a waiting intent, which reserves its slot, cash and heat, or a refusal."""
    cell = st.wish.cell[i]
    note(st, math.nan, math.nan, math.nan)
    code = own_state(st, cell, st.wish.side[i])
    price = st.sym.close[cell % st.rule.n_symbols]
    if code == OK:
        plan_from(st, i, cell)
        code = may_enter(st, cell, at)
    if code == OK:
        code = sane_stop(st, cell, price)
    if code == OK:
        code = size(st, cell, price)
    if code != OK:
        refuse(st, code, cell, at, st.wish.side[i], 0)
        return
    st.acct.next_intent += 1
    st.acct.n_orders += 1
    st.ord.intent[cell] = st.acct.next_intent
    st.ord.stage[cell] = WAITING
    st.ord.since[cell] = at
    st.ord.until[cell] = 0
    if st.rule.verbose == 1:
        announce(st, cell, at)


@part
def judge_again(st: State, cell: int, at: int, price: float) -> int:
    """All limits with the numbers of this moment; the money may shrink, never grow."""
    note(st, math.nan, math.nan, math.nan)
    code = may_enter(st, cell, at)
    return size(st, cell, price) if code == OK else code


@part
def discard(st: State, cell: int, at: int, code: int) -> None:
    """A waiting intent is refused and gone."""
    side, intent = st.ord.side[cell], st.ord.intent[cell]
    refuse(st, code, cell, at, side, intent)
    end_order(st, cell)


@part
def grant_cell(st: State, cell: int, at: int, price: float, most: float, worst: float) -> None:
    """Consent for at most `most` (inf: what the money buys) at no worse than `worst` (side * inf: any price)."""
    side, amount = st.ord.side[cell], st.ord.amount[cell]
    code = judge_again(st, cell, at, price)
    if code == OK:
        code = sane_stop(st, cell, price)
    if code == OK and side * price > side * worst:
        note(st, price, worst, math.nan)
        code = WORSE_PRICE
    if code != OK:
        discard(st, cell, at, code)
        return
    shrink_to(st, cell, amount, most)
    life = st.rule.life[cell // st.rule.n_symbols]
    st.ord.worst[cell] = worst
    st.ord.since[cell] = at
    st.ord.until[cell] = at + life if life > 0 else 0
    st.ord.stage[cell] = WORKING
    row = emit(st, GRANTED, 0, cell, at, price, min(most, st.ord.amount[cell] / price), 0)
    tag(st, row, side, st.ord.intent[cell], 0, 0)
    retrigger(st, cell % st.rule.n_symbols)


@part
def shrink_to(st: State, cell: int, amount: float, most: float) -> None:
    """Never more money than was consented to, never more quantity than `most` over all legs."""
    st.ord.amount[cell] = min(amount, st.ord.amount[cell])
    st.ord.quantity[cell] = most
    spread_legs(st, cell, st.ord.amount[cell])
    total = 0.0
    for leg in range(cell * LEGS, cell * LEGS + st.ord.n_legs[cell]):
        total += st.ord.leg_quantity[leg]
    if total > most:
        step = st.rule.quantity_step[cell % st.rule.n_symbols]
        for leg in range(cell * LEGS, cell * LEGS + st.ord.n_legs[cell]):
            st.ord.leg_quantity[leg] = floor_step(st.ord.leg_quantity[leg] * (most / total), step)


@part
def requote_cell(st: State, cell: int, at: int, price: float) -> None:
    """A waiting intent at a new price: resized and announced again, or refused and gone.

    The price may lie at or beyond an absolute stop or target: it can come back, and a grant looks again.
    """
    code = judge_again(st, cell, at, price)
    if code != OK:
        discard(st, cell, at, code)
    else:
        announce(st, cell, at)


@part
def grant_all(st: State, at: int) -> None:
    """The backtest's consent: every waiting intent at the close it was made, in the order it was made."""
    if st.acct.n_orders == 0:
        return
    for i in range(st.acct.n_wishes):
        cell = st.wish.cell[st.wish.order[i]]
        if st.ord.stage[cell] == WAITING:
            grant_cell(st, cell, at, st.ord.price[cell], math.inf, st.ord.side[cell] * math.inf)
