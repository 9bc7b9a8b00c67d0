"""Everything the Trader remembers. Nothing here is read from a clock; all of it comes back from the ledger."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from engine.core.book import Book
from engine.domain import (
    Alarm,
    Decision,
    EquityPoint,
    Hold,
    Order,
    Proposal,
    Refusal,
    Role,
    Signal,
    State,
    Symbol,
    Tier,
    TradeRecord,
)
from engine.forecasts import Made, ModelState
from engine.messages import Born, Minute, Started
from engine.outcomes import JobClosed, JobOpened, Outcome, Refused, SignalSeen
from engine.snapshot import Fate
from engine.trader.plan import Plan

Cell = tuple[str, Symbol]  # (strategy, symbol)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
SIGNALS_KEPT = 200
CARDS_KEPT = 2000


@dataclass(slots=True)
class Card:
    """A proposal and the core's intent behind it."""

    proposal: Proposal
    intent: int
    signal: Signal  # the newest wish
    offered: Signal | None = None  # the wish whose confidence and numbers the card shows; None from an older version
    unwished: datetime | None = None  # since when the model's newest forecast does not lead to this wish any more


@dataclass(slots=True)
class Story:
    """What one trade has behind it, from consent to result."""

    trade_id: str
    proposal: Proposal
    intent: int
    signal: Signal
    expires: datetime  # until when the consent lets an untouched entry wait
    entries: list[Order] = field(default_factory=list)  # orders that still work
    filled: dict[str, float] = field(default_factory=dict)  # client id → quantity
    opened: bool = False
    validated: bool | None = None


@dataclass(slots=True)
class Exit:
    """An exit order that was decided and is not filled yet."""

    order: Order
    left: float


@dataclass(slots=True)
class Memory:
    """One desk. Functions of this package change it; `out` collects the outcomes of the message at hand."""

    now: datetime = NEVER
    born: Born | None = None
    started: Started | None = None
    first_started: datetime = NEVER
    plan_: Plan | None = None
    book_: Book | None = None
    out: list[Outcome] = field(default_factory=list)
    matters: bool = False  # the message changed what later decisions depend on, though nothing came of it yet
    stopping: bool = False

    cards: dict[str, Card] = field(default_factory=dict)  # pending, by proposal id
    closed_cards: dict[str, Proposal] = field(default_factory=dict)  # the last ones, for a late press
    asked: deque[datetime] = field(default_factory=deque)  # when cards went out, this hour
    rests: dict[Symbol, datetime] = field(default_factory=dict)
    proposals_made: int = 0
    trades_made: int = 0
    decisions_made: int = 0

    stories: dict[Cell, Story] = field(default_factory=dict)
    exits: dict[Cell, Exit] = field(default_factory=dict)
    unacked: dict[str, Order] = field(default_factory=dict)
    consented: dict[str, Order] = field(default_factory=dict)  # entries whose consent has not ended yet
    trades: list[TradeRecord] = field(default_factory=list)

    holds: dict[str, Hold] = field(default_factory=dict)
    level: State = State.ACTIVE
    own_tiers: dict[str, Tier] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    jobs: dict[str, JobOpened] = field(default_factory=dict)  # long work that has not ended
    ended: tuple[JobClosed, ...] = ()  # the last that did, oldest first, without what came of it
    failures: dict[str, int] = field(default_factory=dict)  # errors in a row, by kind
    models: dict[str, ModelState] = field(default_factory=dict)  # replaced, never changed
    made: dict[datetime, list[Made]] = field(default_factory=dict)  # forecasts, by when their horizon ends
    covered: dict[tuple[str, Symbol], datetime] = field(default_factory=dict)  # (version, symbol): settled until
    before: dict[datetime, dict[Symbol, float]] = field(default_factory=dict)  # closes a horizon before a forecast
    reports: set[str] = field(default_factory=set)
    day: int = 0
    midnight: datetime = NEVER  # the next local midnight

    last_minute: datetime = NEVER  # minutes come once, in order
    waiting: Minute | None = None  # the minute that waits for its analysis
    feed_up: bool = True
    feed_detail: str = ""
    silent: set[Symbol] = field(default_factory=set)  # symbols whose prices a feed says have stopped
    doubted: dict[Symbol, str] = field(default_factory=dict)  # whose prices a second source contradicts, in words
    seen: dict[Symbol, datetime] = field(default_factory=dict)  # when prices were last known to come
    extremes: dict[Symbol, tuple[float, float]] = field(default_factory=dict)  # low and high that trailing stops saw
    moved: dict[Symbol, datetime] = field(default_factory=dict)  # judged by prints that have no row

    signals: deque[SignalSeen] = field(default_factory=lambda: deque(maxlen=SIGNALS_KEPT))
    terms: tuple[tuple[str, str], ...] = ()  # of the plan, in words
    rules: str = ""  # hash of the playbook in force
    rules_before: str = ""  # of the one that it replaced
    rules_since: datetime | None = None
    fates: dict[str, Fate] = field(default_factory=dict)  # by proposal; replaced, never changed
    decisions: dict[Symbol, Decision] = field(default_factory=dict)  # replaced, never changed
    since: dict[Symbol, Decision] = field(default_factory=dict)  # the last minute, while an older card waits
    closes: dict[Symbol, tuple[datetime, float]] = field(default_factory=dict)  # replaced, never changed
    peak: float = 0.0  # the highest equity of any minute
    curve: list[EquityPoint] = field(default_factory=list)
    benchmark: list[EquityPoint] = field(default_factory=list)
    units: dict[Symbol, float] = field(default_factory=dict)  # the benchmark's holdings

    @property
    def plan(self) -> Plan:
        if self.plan_ is None:
            raise RuntimeError("the desk has not started: no Started message came yet")
        return self.plan_

    @property
    def book(self) -> Book:
        if self.book_ is None:
            raise RuntimeError("the desk has not started: no Started message came yet")
        return self.book_

    @property
    def desk_id(self) -> str:
        return self.born.desk_id if self.born else "unborn"

    def say(self, *outcomes: Outcome) -> None:
        self.out.extend(outcomes)

    def refuse(self, refusal: Refusal) -> None:
        self.out.append(Refused(refusal))

    def saw(self, signal: Signal, fate: str, refusal: Refusal | None = None) -> None:
        """Note a signal and what became of it."""
        seen = SignalSeen(signal, fate, refusal)
        self.signals.append(seen)
        self.out.append(seen)

    def renewed(self, proposal: str, signal: Signal) -> None:
        """Note that a card's wish came again. It may come with every minute, and would push all else out of what is
        remembered: it is counted with the card."""
        self.out.append(SignalSeen(signal, "refreshed"))
        if proposal in self.fates:
            before = self.fates[proposal]
            fate = replace(before, renewed=before.renewed + 1, renewed_at=signal.at)
            self.fates = {**self.fates, proposal: fate}

    def follow(self, proposal: str, status: str, at: datetime, **known: Any) -> None:
        """Note what became of the signal behind a proposal; `known` holds other fields of its `Fate`."""
        if proposal in self.fates:
            fate = replace(self.fates[proposal], status=status, at=at, **known)
            self.fates = {**self.fates, proposal: fate}

    def next_decision(self) -> int:
        self.decisions_made += 1
        return self.decisions_made

    def tier(self, strategy: str) -> Tier:
        own = self.own_tiers.get(strategy) or self.own_tiers.get("")
        return own or self.plan.playbook.tier_of(strategy)

    def card_of_intent(self, intent: int) -> Card | None:
        return next((card for card in self.cards.values() if card.intent == intent), None)

    def card_of_cell(self, cell: Cell) -> Card | None:
        return next((c for c in self.cards.values() if (c.proposal.strategy, c.proposal.symbol) == cell), None)

    def is_held(self, cell: Cell) -> bool:
        return any(held.strategy == cell[0] for held in self.book.positions(cell[1]))
