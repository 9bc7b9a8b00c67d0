"""What the record holds, as frozen words for those who only look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.events import REASONS
from engine.core.layout import LEGS
from engine.core.triggers import WAITING, held_back
from engine.core.usage import reserved, stop_level
from engine.domain import ExitReason, LimitUse, Side, Symbol


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position as the core knows it. `pnl` is as of the last mark, after all costs paid so far."""

    strategy: str
    symbol: Symbol
    side: Side
    quantity: float
    entry_price: float
    entry_time: int
    mark: float
    pnl: float
    pnl_pct: float
    fees: float
    stop: float | None
    target: float | None
    trailing: float | None
    due: int | None  # when the time exit comes
    held_exit: ExitReason | None  # an exit that HALTED holds back
    trade: int


@dataclass(frozen=True, slots=True)
class Working:
    """A waiting intent (`granted` False) or what is left of a granted entry (True)."""

    intent: int
    strategy: str
    symbol: Symbol
    side: Side
    granted: bool
    price: float
    quantity: float
    amount: float
    levels: tuple[float, ...]
    expires: int | None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _side(number: int) -> Side:
    return Side.LONG if number > 0 else Side.SHORT


def holding(st: Any, cell: int, strategies: Sequence[str], symbols: Sequence[str]) -> Holding:
    """The open position of `cell`."""
    strategy, symbol = divmod(cell, len(symbols))
    pos, mark, side = st.pos, float(st.sym.close[symbol]), int(st.pos.side[cell])
    pnl = side * (pos.proceeds[cell] + pos.quantity[cell] * mark - pos.notional[cell]) - pos.fees[cell]
    hold, reason = int(st.plan.max_hold[cell]), int(pos.due_reason[cell])
    return Holding(
        strategies[strategy],
        symbols[symbol],
        _side(side),
        float(pos.quantity[cell]),
        float(pos.entry[cell]),
        int(pos.entry_time[cell]),
        mark,
        float(pnl),
        float(pnl / pos.notional[cell]),
        float(pos.fees[cell]),
        _known(call(stop_level, st, cell)),
        _known(pos.target[cell]),
        _known(st.plan.trailing[cell]),
        int(pos.entry_time[cell]) + hold if hold > 0 else None,
        REASONS[reason] if reason and call(held_back, st, reason) else None,
        int(pos.trade[cell]),
    )


def working(st: Any, cell: int, strategies: Sequence[str], symbols: Sequence[str]) -> Working:
    """The entry under way in `cell`."""
    strategy, symbol = divmod(cell, len(symbols))
    order, amount = st.ord, float(call(reserved, st, cell))
    first = cell * LEGS
    levels = tuple(order.leg_price[first : first + int(order.n_legs[cell])].tolist())
    return Working(
        int(order.intent[cell]),
        strategies[strategy],
        symbols[symbol],
        _side(order.side[cell]),
        bool(order.stage[cell] != WAITING),
        float(order.price[cell]),
        min(float(order.quantity[cell]), amount / float(order.price[cell])),
        amount,
        levels,
        int(order.until[cell]) or None,
    )


def call(function: Any, *arguments: Any) -> Any:
    """Run a compiled rule that calls no other as plain Python: the same source, for reading only."""
    return getattr(function, "py_func", function)(*arguments)


@dataclass(frozen=True, slots=True)
class Totals:
    """The account at its marks. `heat` is money; `used` counts positions and entries under way."""

    equity: float
    exposure: float
    heat: float
    used: int


def limit_uses(st: Any, now: Totals) -> tuple[LimitUse, ...]:
    """Every limit that is on, with its use."""
    rule, acct, worth = st.rule, st.acct, now.equity
    loss = max(0.0, acct.day_start - worth)
    opened = int(acct.n_open)
    slots = f"{opened} open, {now.used - opened} reserved by cards and entries under way"
    rows = (
        ("positions", rule.max_positions, now.used, "count", slots),
        ("exposure", rule.max_exposure, now.exposure, "USD", "held and reserved notional"),
        ("leverage", rule.max_leverage, _ratio(now.exposure, worth), "fraction", "held and reserved notional / equity"),
        ("heat", rule.max_heat, _ratio(now.heat, worth), "fraction", "sum of quantity * (entry - stop) / equity"),
        (
            "daily loss",
            rule.daily_fraction,
            _ratio(loss, acct.day_start),
            "fraction",
            "1 - equity / equity at midnight",
        ),
        ("daily loss amount", rule.daily_amount, loss, "USD", "equity at midnight - equity"),
        ("drawdown", rule.max_drawdown, 1.0 - _ratio(worth, acct.peak), "fraction", "1 - equity / peak equity"),
        ("losses in a row", rule.max_losses or -1, acct.losses, "count", "closed trades below zero, one after another"),
    )
    return tuple(
        LimitUse(name, float(limit), float(used), unit, sentence)
        for name, limit, used, unit, sentence in rows
        if math.isfinite(limit) and limit >= 0
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.inf
