"""What was decided: every outcome of a message, frozen and JSON-able through `engine.codec`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from engine.domain import (
    Alarm,
    Decision,
    Fill,
    Hold,
    Order,
    Position,
    Proposal,
    Refusal,
    Role,
    Signal,
    Symbol,
    Tier,
    TradeRecord,
)
from engine.forecasts import ModelVersion


@dataclass(frozen=True, slots=True)
class DeskStarted:
    at: datetime
    state: str
    first: bool  # the ledger's first start
    positions: int
    pending: int
    equity: float


@dataclass(frozen=True, slots=True)
class DeskStopped:
    at: datetime
    positions: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class ProposalOpened:
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class ProposalChanged:
    """Refreshed or re-quoted in place (a new revision). `why`: refreshed, drift, halved."""

    proposal: Proposal
    why: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProposalClosed:
    """Approved, rejected, expired, withdrawn or refused: `proposal.status` says which, with who, when and why."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class SignalSeen:
    """A signal and what became of it at once: proposed, refused, observed, exit, refreshed, withdrew."""

    signal: Signal
    fate: str
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class OrderIntended:
    """Written before the gateway sends it."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrderAcked:
    client_id: str
    symbol: Symbol
    ok: bool
    reason: str
    validated: bool | None


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    client_id: str
    symbol: Symbol
    why: str


@dataclass(frozen=True, slots=True)
class Filled:
    fill: Fill


@dataclass(frozen=True, slots=True)
class PositionOpened:
    position: Position
    proposal: str | None
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """`why`: added, reduced, trailing (the stop moved), tightened or widened (by a person), due (HALTED holds it)."""

    position: Position
    why: str


@dataclass(frozen=True, slots=True)
class PositionClosed:
    trade: TradeRecord
    proposal: str | None
    day_pnl: float


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    hold: Hold


@dataclass(frozen=True, slots=True)
class HoldLifted:
    hold: Hold
    by: str


@dataclass(frozen=True, slots=True)
class Decided:
    """The gate chain of one symbol at one minute."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AlarmRepeated:
    """Escalated or counted: the alert message is edited, not posted again (unless `escalated`)."""

    alarm: Alarm
    escalated: bool


@dataclass(frozen=True, slots=True)
class AlarmCleared:
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class ReportDue:
    """A report slot fell due (`morning`, `evening`, `week` + local date), exactly once; `late` when it was missed."""

    report: str
    slot: str
    covers_from: datetime
    covers_to: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class RoleGranted:
    user: str
    role: Role


@dataclass(frozen=True, slots=True)
class TierSet:
    strategy: str | None
    tier: Tier
    by: str


@dataclass(frozen=True, slots=True)
class DayClosed:
    """The desk's local midnight passed: what daily loss is measured from now on."""

    date: str
    equity: float


@dataclass(frozen=True, slots=True)
class JobOpened:
    job: str
    kind: str
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class JobClosed:
    """`opened` is how it began; `fate`, `by`, `sentence` and `result` as in `JobEnded`."""

    opened: JobOpened
    at: datetime
    by: str
    fate: str
    sentence: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audited:
    by: str
    what: str
    allowed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ModelOffered:
    """A newly trained version, and the champion that it would follow ("" for none)."""

    model: str
    offered: ModelVersion
    champion: str = ""
    by: str = ""
    picture: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)  # dataset, code, features, parameters: JSON
    challengers: tuple[str, ...] | None = None  # all that forecast in the shadow; None: the row is older than this


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """`what`: promoted, rejected, rolled_back, stopped or resumed; `version` is the one that it happened to."""

    at: datetime
    model: str
    what: str
    version: str
    champion: str  # the versions as they now are, "" for none
    challenger: str
    previous: str
    by: str
    why: str = ""
    replaced: str = ""  # the champion that had to go
    challengers: tuple[str, ...] | None = None  # as in `ModelOffered`


@dataclass(frozen=True, slots=True)
class ForecastsSettled:
    """Forecasts of one version, `made` at one instant, whose horizon passed: columns run parallel to `symbols`.

    `moves` are the changes of price that came true, `correct` whether the likeliest class did.
    """

    model: str
    version: str
    made: datetime
    until: datetime
    symbols: tuple[Symbol, ...]
    moves: tuple[float, ...]
    correct: tuple[bool, ...]
    shadow: bool = False


Outcome: TypeAlias = (
    DeskStarted
    | DeskStopped
    | ProposalOpened
    | ProposalChanged
    | ProposalClosed
    | SignalSeen
    | Refused
    | OrderIntended
    | OrderAcked
    | OrderCancelled
    | Filled
    | PositionOpened
    | PositionChanged
    | PositionClosed
    | HoldPlaced
    | HoldLifted
    | Decided
    | AlarmRaised
    | AlarmRepeated
    | AlarmCleared
    | ReportDue
    | RoleGranted
    | TierSet
    | DayClosed
    | JobOpened
    | JobClosed
    | ModelOffered
    | ModelChanged
    | ForecastsSettled
    | Audited
)
