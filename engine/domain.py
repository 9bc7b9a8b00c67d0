"""The words of the desk: frozen values that every room shares. This module imports nothing of ours.

Prices and amounts are floats in quote currency, quantities are floats in base currency, shares and returns are
fractions (0.01 is 1 %). Every instant is timezone-aware UTC; a naive one is refused at the door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

Symbol: TypeAlias = str
Numbers: TypeAlias = Mapping[str, float]


class NaiveTimeError(ValueError):
    """A time without a zone came to the door."""


def require_utc(at: datetime) -> datetime:
    """Return `at` in UTC; raise `NaiveTimeError` when it carries no zone."""
    if at.tzinfo is None:
        raise NaiveTimeError(f"time {at.isoformat()} has no zone; the desk speaks UTC only")
    return at.astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Microseconds since the epoch, exactly: the compiled core's time. Raises `NaiveTimeError`."""
    if at.tzinfo is None:
        require_utc(at)
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(us: int) -> datetime:
    """The UTC instant of `us` microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=int(us))


class Side(StrEnum):
    LONG = "long"
    SHORT = "short"


class State(StrEnum):
    """Trading state, and the level of one hold. Ordered by strictness through `strictness`."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    @property
    def strictness(self) -> int:
        return (State.ACTIVE, State.REDUCING, State.HALTED).index(self)


class Tier(StrEnum):
    OBSERVE = "observe"
    PROPOSE = "propose"
    AUTO_SMALL = "auto_small"
    AUTO = "auto"


class ExitReason(StrEnum):
    STOP = "stop"
    STOP_LATE = "stop_late"
    TARGET = "target"
    TRAILING = "trailing"
    TIME = "time"
    SIGNAL = "signal"
    MANUAL = "manual"
    END = "end"


class Role(StrEnum):
    NONE = "none"
    VIEWER = "viewer"
    TRADER = "trader"
    RISK = "risk"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class MarketKind(StrEnum):
    """What a data folder is born as; it never changes."""

    LIVE = "live"
    SIMULATED = "simulated"
    REPLAY = "replay"


class BarQuality(StrEnum):
    GOOD = "good"
    QUIET = "quiet"
    MISSING = "missing"
    DOUBTFUL = "doubtful"
    HEALED = "healed"


# ------------------------------------------------------------ market


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a venue says about one symbol. A step of 0 means no rounding."""

    symbol: Symbol
    price_step: float = 0.0
    quantity_step: float = 0.0
    min_quantity: float = 0.0
    min_notional: float = 0.0
    can_short: bool = False
    barred: str = ""  # why nothing new may be entered in it, "" when it may: what is held is still watched and closed


OF_A_BAR = "bar"


class Print(msgspec.Struct, frozen=True, gc=False):
    """One market trade. `at` is the venue's time, `received` the desk's.

    `side` is the taker's, "buy" or "sell"; `OF_A_BAR`: no trade, but a price of a bar that a vendor made of some.

    No dataclass: thousands come in a second, and a frozen dataclass takes ten times as long to make.
    """

    symbol: Symbol
    at: datetime
    price: float
    quantity: float
    received: datetime
    trade_id: int | None = None
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """One best bid and ask."""

    symbol: Symbol
    at: datetime
    bid: float
    ask: float

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2


# ------------------------------------------------------------ wishes and consent


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's wish at the close of one bar.

    `action` is `enter` or `exit` (the opposite signal of an open position). Distances are in quote currency from the
    fill and re-anchor to it; `stop` and `target` are absolute prices and do not. Give one kind or neither.
    """

    strategy: str
    symbol: Symbol
    at: datetime
    action: str
    side: Side
    price: float
    confidence: float | None = None
    expected_value: float | None = None
    stop_distance: float | None = None
    target_distance: float | None = None
    stop: float | None = None
    target: float | None = None
    trailing: float | None = None
    max_hold: timedelta | None = None
    levels: tuple[float, ...] = ()
    weight: float | None = None
    reason: str = ""
    numbers: Numbers = field(default_factory=dict)


class ProposalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sized signal that risk has passed and that waits for consent. A new `revision` is a new offer.

    `horizon`: where `confidence` is a model's probability that the price moves to the proposal's side, by when; `band`:
    and by more than this share (None: at all).
    """

    id: str
    revision: int
    strategy: str
    symbol: Symbol
    side: Side
    quantity: float
    price: float
    price_at: datetime
    notional: float
    stop: float | None
    target: float | None
    trailing: float | None
    max_hold: timedelta | None
    confidence: float | None
    reasons: tuple[str, ...]
    worst_loss: float
    fees: float
    slippage: float
    exposure_before: float
    exposure_after: float
    opened: datetime
    expires: datetime
    status: ProposalStatus = ProposalStatus.PENDING
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_why: str | None = None
    horizon: timedelta | None = None
    band: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An expected "no": a reason code, the sentence a person reads, and the numbers behind it."""

    code: str
    at: datetime
    sentence: str
    strategy: str | None = None
    symbol: Symbol | None = None
    numbers: Numbers = field(default_factory=dict)


# ------------------------------------------------------------ orders and positions


@dataclass(frozen=True, slots=True)
class Consent:
    """Single-use permission to enter: risk may shrink it, never grow it."""

    proposal: str
    revision: int
    symbol: Symbol
    side: Side
    max_quantity: float
    worst_price: float
    expires: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Order:
    """One order intent. `client_id` is derived (SEMANTICS 2), so a retry or a replay is the same order."""

    client_id: str
    strategy: str
    symbol: Symbol
    action: str  # "buy" or "sell"
    quantity: float
    kind: str  # "market" or "limit"
    limit: float | None
    purpose: str  # "entry" or an ExitReason value
    trade_id: str
    at: datetime
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    client_id: str
    trade_id: str
    strategy: str
    symbol: Symbol
    action: str
    at: datetime
    price: float
    quantity: float
    fee: float
    slippage: float
    purpose: str


@dataclass(frozen=True, slots=True)
class Position:
    """An open position. `mark`, `pnl` and `pnl_pct` are as of the last closed minute, after costs paid so far."""

    trade_id: str
    strategy: str
    symbol: Symbol
    side: Side
    quantity: float
    entry_price: float
    entry_time: datetime
    mark: float
    pnl: float
    pnl_pct: float
    fees: float
    stop: float | None
    target: float | None
    trailing: float | None
    due: datetime | None  # when the time exit comes
    held_exit: str | None  # an exit that a HALTED state holds back, shown as *due*
    confidence: float | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """A closed round trip. Prices are before costs; all cost is in `fees` (fee and slippage in quote currency)."""

    trade_id: str
    strategy: str
    symbol: Symbol
    side: Side
    entry_time: datetime
    entry_price: float
    exit_time: datetime
    exit_price: float
    quantity: float
    notional: float
    fees: float
    pnl: float
    pnl_pct: float
    exit_reason: ExitReason
    costs: str = "scenario"
    confidence: float | None = None
    approved_by: str | None = None
    kraken_validated: bool | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason why the desk does not trade freely (SEMANTICS 4)."""

    code: str
    level: State
    by: str
    since: datetime
    until: datetime | None = None
    note: str = ""
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateStep:
    """One link of the chain that `/why` shows."""

    gate: str  # data, model, threshold, costs, strategy, risk, capital, consent
    passed: bool | None  # None: not reached
    sentence: str
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the desk decided about a symbol at one minute, and why.

    `weighed` are (feature, value, contribution to the margin) of the forecast behind it, the largest first; empty where
    no forecast led to a signal.
    """

    symbol: Symbol
    at: datetime
    steps: tuple[GateStep, ...]
    verdict: str
    weighed: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """One health alarm. The same `key` is one alarm, however often it is seen."""

    key: str
    level: str  # "warning" or "critical"
    sentence: str
    since: datetime
    count: int = 1
    mention: bool = False  # may @channel
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit as `/risk` shows it."""

    name: str
    limit: float
    used: float
    unit: str  # "USD", "count", "fraction"
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class EquityPoint:
    at: datetime
    equity: float
