"""The frozen view that everything outside the engine thread reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engine.domain import (
    Alarm,
    Decision,
    EquityPoint,
    Hold,
    LimitUse,
    MarketKind,
    Position,
    Proposal,
    Role,
    State,
    Symbol,
    Tier,
    TradeRecord,
)
from engine.forecasts import ModelState
from engine.outcomes import JobClosed, SignalSeen


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a signal that got a card, followed to its end.

    `status`: a `ProposalStatus` value, then `open`, `closed` or `unfilled`. `why` is the reason that goes with it.
    """

    strategy: str
    symbol: Symbol
    signal_at: datetime
    status: str
    at: datetime  # since when
    by: str | None = None
    why: str | None = None
    pnl: float | None = None  # of a closed trade, after costs
    pnl_pct: float | None = None
    renewed: int = 0  # how often the same wish came again while the card waited
    renewed_at: datetime | None = None  # the last time


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The desk as of the last recorded message. Sequences are append-only: never change them."""

    at: datetime
    seq: int
    head: str
    version: str
    desk_id: str
    kind: MarketKind
    label: str  # "" on a live market, else what every message must say
    playbook: str
    settings: Mapping[str, str]
    symbols: tuple[Symbol, ...]
    state: State
    holds: tuple[Hold, ...]
    tiers: Mapping[str, Tier]
    capital: float
    cash: float
    equity: float
    peak_equity: float
    drawdown: float  # fraction of the peak
    exposure: float  # held and reserved
    day_start_equity: float
    day_pnl: float
    positions: tuple[Position, ...]
    proposals: tuple[Proposal, ...]  # pending only, oldest first
    trades: Sequence[TradeRecord]  # all closed, oldest first
    signals: Sequence[SignalSeen]  # the last 200, oldest first
    decisions: Mapping[Symbol, Decision]
    limits: tuple[LimitUse, ...]
    alarms: tuple[Alarm, ...]
    roles: Mapping[str, Role]  # claimed in the ledger; settings come on top
    equity_curve: Sequence[EquityPoint]  # one point a minute, thinned when days old (engine/trader/curves.py)
    benchmark: Sequence[EquityPoint]  # the same capital, bought and held in equal parts since the first minute
    closes: Mapping[Symbol, tuple[datetime, float]]  # last closed minute
    started: datetime
    feed_up: bool
    feed_detail: str
    since: Mapping[Symbol, Decision] = field(default_factory=dict)  # the last minute's, where an older decision stands
    fates: Mapping[str, Fate] = field(default_factory=dict)  # of the last signals with a card, by proposal
    terms: tuple[tuple[str, str], ...] = ()  # the playbook's own numbers beside the limits: name, value in words
    rules: str = ""  # short hash of the rules in force
    rules_before: str = ""  # of those that they replaced, "" while they never changed
    rules_since: datetime | None = None  # when they came into force
    model: str = ""  # the model that the playbook trades on, by name; "" when it trades by rule
    models: Mapping[str, ModelState] = field(default_factory=dict)  # by name; empty while none was ever trained
    jobs: tuple[JobClosed, ...] = ()  # the last long works that ended, oldest first, without their results

    @property
    def held(self) -> float:
        """Notional of the open positions at their marks."""
        return sum(position.quantity * position.mark for position in self.positions)

    @property
    def reserved(self) -> float:
        """What waiting cards and working entries may still spend."""
        return max(0.0, self.exposure - self.held)
