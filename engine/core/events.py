"""What the core answers with: events in words, and the names behind the compiled code numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from engine.domain import ExitReason, Side, Symbol


class EventKind(StrEnum):
    INTENT = "INTENT"  # an entry that passed every limit, sized, and waits for consent
    REFUSED = "REFUSED"  # a wish, grant or requote turned down; `code` says why, `numbers` with what
    GRANTED = "GRANTED"  # works from the next slice on
    CANCELLED = "CANCELLED"  # an intent or what was left of a working entry is gone; `code` says why
    FILLED = "FILLED"  # `code` is "entry" or "exit"; numbers: position (quantity after), average (entry)
    EXIT_DECIDED = "EXIT_DECIDED"  # fills at the next slice; code "DUE" when HALTED holds it back, else "NOW"
    STOP_MOVED = "STOP_MOVED"  # trailing; `price` is the new stop, effective from the next slice
    CLOSED = "CLOSED"  # a round trip ended; see NUMBERS
    BREAKER = "BREAKER"  # `code` DAILY_LOSS, DRAWDOWN or LOSSES tripped, with its formula's inputs
    BREAKER_ENDED = "BREAKER_ENDED"


class Event(NamedTuple):
    """One thing the core did. Unused fields are "", 0, NaN-free 0.0 or None. `at` is int64 microseconds UTC.

    `price` is before costs, `fee` and `slippage` are money. `strategy` and `symbol` are "" for BREAKER events.
    """

    kind: EventKind
    code: str
    strategy: str
    symbol: Symbol
    at: int
    side: Side | None
    price: float
    quantity: float
    fee: float
    slippage: float
    intent: int
    trade: int
    reason: ExitReason | None
    numbers: dict[str, float]


CODES = (
    "OK",
    "IN_POSITION",
    "PENDING",  # the cell's earlier intent still waits
    "WORKING",  # the cell's earlier order still works
    "SIDE_OFF",  # the strategy or the instrument does not allow this side
    "HELD",  # REDUCING or HALTED
    "DAILY_LOSS",
    "DRAWDOWN",
    "LOSSES",
    "NOT_ENOUGH_GOOD_BARS",
    "NO_PRICE",
    "DATA",  # the caller said this symbol may not be entered now
    "COOL_DOWN",
    "NO_SLOT",
    "PER_COIN",
    "NO_SIZE",  # the sizing policy lacks its input (an ATR share, a stop distance)
    "NOT_LIQUID",  # above `participants` symbols only the most liquid take part
    "MIN_ORDER",
    "EXPOSURE",
    "STRATEGY_CAPITAL",
    "HEAT",
    "NO_CASH",
    "BEYOND_STOP",  # the price is at or beyond the stop or the target
    "WORSE_PRICE",  # at the grant: the price is worse than the consent's
    "NO_INTENT",  # at the grant: no such intent waits
    "OPPOSITE_SIGNAL",
    "CLOSING",  # the position closed or is being closed: the rest of its entry goes too
    "EXPIRED",
    "WITHDRAWN",
    "entry",
    "exit",
    "NOW",
    "DUE",
)
CODE = {name: number for number, name in enumerate(CODES)}

REASONS: tuple[ExitReason | None, ...] = (None, *ExitReason)

NUMBERS: dict[str, tuple[str, ...]] = {
    "INTENT": (
        "amount",
        "stop",
        "target",
        "worst_loss",
        "exposure_before",
        "exposure_after",
        "heat",
        "weight",
    ),
    "FILLED": ("position", "average", "stop", "target"),
    "CLOSED": ("entry_price", "exit_price", "entry_time", "quantity", "notional", "fees", "pnl", "pnl_pct"),
    "STOP_MOVED": ("best", "entry"),
    "HELD": ("level",),
    "DAILY_LOSS": ("equity", "day_start", "limit"),
    "DRAWDOWN": ("equity", "peak", "limit"),
    "LOSSES": ("count", "limit"),
    "NOT_ENOUGH_GOOD_BARS": ("good_bars", "needed"),
    "COOL_DOWN": ("seconds_left",),
    "NO_SLOT": ("used", "limit"),
    "PER_COIN": ("used", "limit"),
    "NOT_LIQUID": ("turnover", "participants"),
    "MIN_ORDER": ("notional", "quantity", "min_notional", "min_quantity"),
    "EXPOSURE": ("used", "wanted", "limit"),
    "STRATEGY_CAPITAL": ("used", "wanted", "limit"),
    "HEAT": ("used", "wanted", "limit"),
    "NO_CASH": ("free", "wanted"),
    "BEYOND_STOP": ("price", "stop", "target"),
    "WORSE_PRICE": ("price", "worst"),
}
"""Names of `Event.numbers` by kind, or by code for REFUSED and BREAKER; NaN entries are left out."""
