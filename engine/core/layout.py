"""The one record that is the core's whole state: fixed-capacity columns, so that every function is `f(st, …)`.

A *cell* is one (strategy, symbol) book: cell = strategy * n_symbols + symbol. Absent prices are NaN, absent times 0.
Capacities are part of the type: another one compiles anew, so there are few tiers. None is a power of two: columns
whole pages apart would fight for the same lines of the processor's cache.
"""

from __future__ import annotations

from functools import cache

import numpy as np

SCHEMA = 1
STRATEGIES = 16
LEGS = 8
NUMBERS = 8
TIERS = ((264, 1032), (1032, 4104), (4104, 16392))  # symbols, cells

F, I = np.float64, np.int64  # noqa: E741


def _columns(kind: type, length: int, names: str) -> list[tuple[str, type, tuple[int, ...]]]:
    return [(name, kind, (length,)) for name in names.split()]


def _scalars(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


def _parameters(symbols: int) -> np.dtype:
    return np.dtype(
        _scalars(I, "n_symbols n_strategies n_cells verbose quiet_fills good_needed max_positions max_per_symbol")
        + _scalars(I, "max_losses losses_pause cool_down watches_equity")
        + _scalars(F, "capital fee slip_base slip_per_100k slip_cap max_exposure max_heat max_leverage")
        + _scalars(F, "daily_fraction daily_amount max_drawdown volume_share")
        + _columns(I, STRATEGIES, "policy max_hold max_bars life can_long can_short participants")
        + _columns(F, STRATEGIES, "amount risk min_weight max_weight capital_share stop_pct target_pct trailing arm")
        + _columns(F, symbols, "price_step quantity_step min_quantity min_notional")
        + _columns(I, symbols, "shortable")
    )


def _symbol(symbols: int) -> np.dtype:
    return np.dtype(
        _columns(F, symbols, "close low_trigger high_trigger")
        + _columns(I, symbols, "present may_enter good seen judged rests_until")
    )


def _plan(cells: int) -> np.dtype:
    return np.dtype(
        _columns(F, cells, "stop_pct stop_distance stop_fixed target_pct target_distance target_fixed trailing arm")
        + _columns(F, cells, "atr turnover weight")
        + _columns(I, cells, "max_hold max_bars")
    )


def _position(cells: int) -> np.dtype:
    return np.dtype(
        _columns(I, cells, "side entry_time entry_seen trade due_reason due_since")
        + _columns(F, cells, "quantity entry fees slippage stop target best trail due_quantity")
        + _columns(F, cells, "bought notional sold proceeds exit_price")
    )


def _order(cells: int) -> np.dtype:
    return np.dtype(
        _columns(I, cells, "stage side intent since until n_legs")
        + _columns(F, cells, "amount quantity price worst")
        + [("leg_price", F, (cells * LEGS,)), ("leg_quantity", F, (cells * LEGS,))]
    )


def _wish(cells: int) -> np.dtype:
    return np.dtype(
        _columns(I, 2 * cells, "cell action side max_hold n_legs order")
        + _columns(F, 2 * cells, "confidence value stop_distance target_distance stop target trailing weight atr")
        + _columns(F, 2 * cells, "turnover")
        + [("legs", F, (2 * cells * LEGS,))]
    )


def _account() -> np.dtype:
    return np.dtype(
        _scalars(F, "cash day_start peak realised")
        + _scalars(I, "day losses level n_open n_orders n_wishes next_intent next_trade next_due")
        + _scalars(I, "daily_tripped drawdown_tripped losses_tripped")
    )


def _events(cells: int) -> np.dtype:
    room = 8 * cells + 8  # more than one call can make
    return np.dtype(
        _scalars(I, "count")
        + _columns(I, room, "kind code cell at side intent trade reason n_numbers")
        + _columns(F, room, "price quantity fee slippage")
        + [("numbers", F, (room * NUMBERS,))]
    )


@cache
def record_type(symbols: int, cells: int) -> np.dtype:
    """The record for at most `symbols` symbols and `cells` (strategy, symbol) books."""
    return np.dtype(
        [
            ("rule", _parameters(symbols)),
            ("acct", _account()),
            ("sym", _symbol(symbols)),
            ("plan", _plan(cells)),
            ("pos", _position(cells)),
            ("ord", _order(cells)),
            ("share", F, (cells,)),
            ("rank", I, (cells,)),
            ("note", F, (NUMBERS,)),
            ("refused", I, (64,)),
            ("wish", _wish(cells)),
            ("out", _events(cells)),
        ]
    )


def tier(symbols: int, strategies: int) -> tuple[int, int]:
    """The smallest capacity that holds `symbols` under `strategies`; raises ValueError beyond the largest."""
    for room, cells in TIERS:
        if symbols <= room and symbols * strategies <= cells and strategies <= STRATEGIES:
            return room, cells
    room, cells = TIERS[-1]
    raise ValueError(
        f"{symbols} symbols under {strategies} strategies exceed the core's room of {room} symbols, "
        f"{STRATEGIES} strategies and {cells} pairs of both; run fewer at once"
    )


WISH = np.dtype(
    _scalars(I, "row strategy symbol action side max_hold n_legs")
    + _scalars(F, "confidence value stop_distance target_distance stop target trailing weight atr turnover")
    + [("legs", F, (LEGS,))]
)
"""One sparse signal of a batch: at the close of bar `row`, `action` 1 enters and 2 exits, `side` is +1 or -1."""

TRADE = np.dtype(
    _scalars(I, "strategy symbol side entry_time exit_time reason trade")
    + _scalars(F, "entry_price exit_price quantity notional fees slippage pnl pnl_pct")
)
"""One closed round trip; times are microseconds UTC, `reason` indexes `events.REASONS`, `fees` holds slippage too."""

ENTER, EXIT = 1, 2


def blank_wishes(count: int) -> np.ndarray:
    """`count` wishes of type WISH that ask for nothing in particular: side +1, every optional number NaN."""
    return np.repeat(_BLANK, count)


def _blank_wish() -> np.ndarray:
    blank = np.zeros(1, WISH)
    for name in WISH.names or ():
        if WISH[name].base.kind == "f":
            blank[name] = np.nan
    blank["side"], blank["action"] = 1, ENTER
    return blank


_BLANK = _blank_wish()
