"""What comes in: every message, the only way anything reaches the desk. What is decided is in `engine.outcomes`.

Every value here is frozen, JSON-able through `engine.codec` and lands in the ledger. `at` is desk time, stamped when
the message enters the inbox. An actor (`by`) is a Slack user id, `console`, `desk` or `rule:NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from engine.domain import (
    Alarm,
    GateStep,
    Instrument,
    MarketKind,
    Quote,
    Role,
    Signal,
    State,
    Symbol,
    Tier,
)
from engine.forecasts import Forecast

# ------------------------------------------------------------ messages: what comes in


@dataclass(frozen=True, slots=True)
class Born:
    """The first message of every ledger: what this data folder is, for ever."""

    at: datetime
    desk_id: str
    kind: MarketKind
    playbook: str
    playbook_hash: str
    label: str = ""  # "simulated", "planted edge": shown on every message
    planted: float | None = None  # of a market with a planted edge: the share of right answers that can be had


@dataclass(frozen=True, slots=True)
class Started:
    """A process took over. Carries everything a replay needs to rebuild the same Trader.

    `anew` is False where the same process learnt more of its instruments from a feed that answered late.
    """

    at: datetime
    version: str
    settings: Mapping[str, str]  # effective playbook overrides, never a secret
    symbols: tuple[Symbol, ...]
    playbook_yaml: str
    instruments: tuple[Instrument, ...]
    platform: str = ""
    code: str = ""  # hash of the engine's sources (`engine.written`)
    anew: bool = True
    rules: str = ""  # hash of the effective playbook with its strategies' sources


@dataclass(frozen=True, slots=True)
class Stopped:
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Minute:
    """The closed one-minute bars of all symbols, once. Columns run parallel to `symbols`; a missing bar has no entry.

    `quality` holds `BarQuality` values. `missing` names the symbols that have no bar for this minute.
    `caught_up` marks bars that history delivered after a restart: they warm indicators, mark missed exits and
    open nothing. `trades` are the numbers of trades, None for a bar whose source does not count them; empty: for all.
    """

    at: datetime
    symbols: tuple[Symbol, ...]
    open: tuple[float, ...]
    high: tuple[float, ...]
    low: tuple[float, ...]
    close: tuple[float, ...]
    volume: tuple[float, ...]
    quality: tuple[str, ...]
    missing: tuple[Symbol, ...] = ()
    caught_up: bool = False
    trades: tuple[int | None, ...] = ()

    def trade_counts(self) -> tuple[int | None, ...]:
        """`trades`, one entry per symbol in any case."""
        return self.trades or (None,) * len(self.symbols)


@dataclass(frozen=True, slots=True)
class Slice:
    """Merged prints of one symbol (or one executable quote: a bar with one price) that may settle something.

    `at` is desk time of entry; `first` and `last` are the venue times it covers.
    """

    at: datetime
    symbol: Symbol
    first: datetime
    last: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    source: str = "print"  # "print" or "quote"


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analyst's answer to one `Minute`: signals, the numbers `/why` shows, by symbol, and what models forecast.

    `quotes`: the last bid and ask that the market gave of symbols whose entry must be worth its costs, stamped on entry
    to the inbox.
    """

    at: datetime
    minute: datetime
    signals: tuple[Signal, ...]
    steps: Mapping[Symbol, tuple[GateStep, ...]] = field(default_factory=dict)
    forecasts: tuple[Forecast, ...] = ()
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Press:
    """A person decided about a proposal. `quote` is the symbol's last valid quote, stamped on entry to the inbox."""

    at: datetime
    action: str  # "approve", "reject", "half"
    proposal: str
    revision: int
    by: str
    role: Role
    quote: Quote | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClosePosition:
    at: datetime
    by: str
    role: Role
    symbol: Symbol
    strategy: str | None = None  # None: every strategy's position in the symbol
    fraction: float = 1.0
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    at: datetime
    by: str
    role: Role
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Lift a hold. `code` None lifts the persons' pauses; another code lifts that breaker (or a confirmed panic)."""

    at: datetime
    by: str
    role: Role
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Panic:
    at: datetime
    by: str
    role: Role
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Acked:
    """The broker took or refused an order (by client id)."""

    at: datetime
    client_id: str
    ok: bool
    reason: str = ""
    validated: bool | None = None


@dataclass(frozen=True, slots=True)
class FeedChanged:
    """A feed went up or down, or one symbol's prices stopped or came back."""

    at: datetime
    feed: str
    up: bool
    detail: str = ""
    symbols: tuple[Symbol, ...] = ()  # empty: all


@dataclass(frozen=True, slots=True)
class Suspected:
    """The recorded bars of one symbol's minutes in [`since`, `until`) may be wrong. The ledger keeps what was decided
    on; the store looks them up in history and keeps what differs as a new revision."""

    at: datetime
    feed: str
    symbol: Symbol
    since: datetime
    until: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Doubted:
    """A second source contradicts one symbol's price, or agrees with it again (`doubtful` False)."""

    at: datetime
    symbol: Symbol
    source: str
    doubtful: bool
    detail: str = ""
    price: float = 0.0  # the feed's
    other: float = 0.0  # the second source's


@dataclass(frozen=True, slots=True)
class Timer:
    """Something fell due in desk time: `expiry`, `analysis`, `hold`, `prices` (the Trader's own) or `report`."""

    at: datetime
    name: str
    key: str
    due: datetime
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """The health check's alarms as they now stand (only sent when they changed)."""

    at: datetime
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Guarded:
    """The desk's own machinery asks for a hold (`DISK`, `FAULT`), or says that its cause is gone (`active` False)."""

    at: datetime
    code: str
    level: State
    active: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class MoveStop:
    """A person moves a stop; without the risk role only closer to the price."""

    at: datetime
    by: str
    role: Role
    symbol: Symbol
    stop: float
    strategy: str | None = None
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class RoleClaimed:
    """`/desk claim` named the first admin."""

    at: datetime
    by: str
    role: Role


@dataclass(frozen=True, slots=True)
class TierChanged:
    at: datetime
    by: str
    strategy: str | None
    tier: Tier


@dataclass(frozen=True, slots=True)
class Attempted:
    """A press or command that access refused, or a read worth auditing. It changes nothing."""

    at: datetime
    by: str
    what: str
    allowed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JobStarted:
    """Long work (`kind`: backfill …) began in a process of its own, as asked for in `text`."""

    at: datetime
    by: str
    job: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class JobEnded:
    """`fate`: done, incomplete, cancelled (by a person), interrupted (the desk stopped), refused (too little to learn
    from) or failed; `result` is JSON."""

    at: datetime
    by: str
    job: str
    fate: str
    sentence: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelTrained:
    """A version of a model lies in the model folder, judged: it may be offered. Submitted once per version.

    `failing` are the sentences of the gate's steps that keep it from being promoted.
    """

    at: datetime
    by: str
    model: str
    version: str
    artefact: str  # the hash by which the files are known again
    verdict: str
    promotable: bool
    by_rule: bool  # promotable, and believable enough for a rule to do it
    trained: datetime
    expires: datetime
    sentence: str = ""
    failing: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    label: str = ""  # "simulated", "planted edge": what the market is that it learnt from
    picture: str = ""  # the file of its card, "" without one
    about: Mapping[str, Any] = field(default_factory=dict)  # dataset, code, features, parameters: JSON


@dataclass(frozen=True, slots=True)
class ModelPressed:
    """A person promotes or rejects a version, or rolls the champion back to the one before (`version`: the champion
    that the button was shown for)."""

    at: datetime
    by: str
    role: Role
    action: str  # "promote", "reject", "rollback"
    model: str
    version: str
    reason: str = ""


Message: TypeAlias = (
    Born
    | Started
    | Stopped
    | Minute
    | Slice
    | Analysis
    | Press
    | ClosePosition
    | Pause
    | Resume
    | Panic
    | Acked
    | FeedChanged
    | Suspected
    | Doubted
    | Timer
    | HealthSeen
    | Guarded
    | MoveStop
    | RoleClaimed
    | TierChanged
    | JobStarted
    | JobEnded
    | ModelTrained
    | ModelPressed
    | Attempted
)
