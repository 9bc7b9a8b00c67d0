"""The record as the type checker sees it, and as plain Python does."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Floats(Protocol):
    """A float64 column."""

    def __getitem__(self, index: int) -> float: ...

    def __setitem__(self, index: int, value: float) -> None: ...


class Ints(Protocol):
    """An int64 column."""

    def __getitem__(self, index: int) -> int: ...

    def __setitem__(self, index: int, value: int) -> None: ...


class Parameters(Protocol):
    n_symbols: int
    n_strategies: int
    n_cells: int
    verbose: int
    quiet_fills: int
    good_needed: int
    max_positions: int
    max_per_symbol: int
    max_losses: int
    losses_pause: int
    cool_down: int
    watches_equity: int
    capital: float
    fee: float
    slip_base: float
    slip_per_100k: float
    slip_cap: float
    max_exposure: float
    max_heat: float
    max_leverage: float
    daily_fraction: float
    daily_amount: float
    max_drawdown: float
    volume_share: float
    policy: Ints
    max_hold: Ints
    max_bars: Ints
    life: Ints
    can_long: Ints
    can_short: Ints
    participants: Ints
    amount: Floats
    risk: Floats
    min_weight: Floats
    max_weight: Floats
    capital_share: Floats
    stop_pct: Floats
    target_pct: Floats
    trailing: Floats
    arm: Floats
    price_step: Floats
    quantity_step: Floats
    min_quantity: Floats
    min_notional: Floats
    shortable: Ints


class Account(Protocol):
    cash: float
    day_start: float
    peak: float
    realised: float
    day: int
    losses: int
    level: int
    n_open: int
    n_orders: int
    n_wishes: int
    next_intent: int
    next_trade: int
    next_due: int
    daily_tripped: int
    drawdown_tripped: int
    losses_tripped: int


class Symbols(Protocol):
    close: Floats
    low_trigger: Floats
    high_trigger: Floats
    present: Ints
    may_enter: Ints
    good: Ints
    seen: Ints
    judged: Ints
    rests_until: Ints


class Plans(Protocol):
    stop_pct: Floats
    stop_distance: Floats
    stop_fixed: Floats
    target_pct: Floats
    target_distance: Floats
    target_fixed: Floats
    trailing: Floats
    arm: Floats
    atr: Floats
    turnover: Floats
    weight: Floats
    max_hold: Ints
    max_bars: Ints


class Positions(Protocol):
    side: Ints
    entry_time: Ints
    entry_seen: Ints
    trade: Ints
    due_reason: Ints
    due_since: Ints
    quantity: Floats
    entry: Floats
    fees: Floats
    slippage: Floats
    stop: Floats
    target: Floats
    best: Floats
    trail: Floats
    due_quantity: Floats
    bought: Floats
    notional: Floats
    sold: Floats
    proceeds: Floats
    exit_price: Floats


class Orders(Protocol):
    stage: Ints
    side: Ints
    intent: Ints
    since: Ints
    until: Ints
    n_legs: Ints
    amount: Floats
    quantity: Floats
    price: Floats
    worst: Floats
    leg_price: Floats
    leg_quantity: Floats


class Wishes(Protocol):
    cell: Ints
    action: Ints
    side: Ints
    max_hold: Ints
    n_legs: Ints
    order: Ints
    confidence: Floats
    value: Floats
    stop_distance: Floats
    target_distance: Floats
    stop: Floats
    target: Floats
    trailing: Floats
    weight: Floats
    atr: Floats
    turnover: Floats
    legs: Floats


class Out(Protocol):
    count: int
    kind: Ints
    code: Ints
    cell: Ints
    at: Ints
    side: Ints
    intent: Ints
    trade: Ints
    reason: Ints
    n_numbers: Ints
    price: Floats
    quantity: Floats
    fee: Floats
    slippage: Floats
    numbers: Floats


class State(Protocol):
    """The nested record of `layout.record_type`."""

    rule: Parameters
    acct: Account
    sym: Symbols
    plan: Plans
    pos: Positions
    ord: Orders
    wish: Wishes
    out: Out
    share: Floats
    rank: Ints
    note: Floats
    refused: Ints


class Plain:
    """One record for plain Python: columns as views made once, when first asked for; scalars read and written in place.

    Attribute access on numpy's own records costs 10 µs, and their fields may be shadowed by array methods.
    """

    def __init__(self, record: np.void) -> None:
        self.__dict__["record"] = record

    def __getattr__(self, name: str) -> Any:
        value = self.record[name]
        if isinstance(value, np.void):
            value = Plain(value)
        elif not isinstance(value, np.ndarray):
            return value.item()
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        self.record[name] = value
