"""The Trader: one message in, what was decided out. It has neither a clock nor a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from engine import messages as m
from engine.domain import Instrument, Order, Symbol
from engine.messages import Message
from engine.outcomes import Outcome
from engine.records import Record
from engine.snapshot import Snapshot
from engine.trader import acks, commands, deciding, duties, jobs, models, presses, prices, saving
from engine.trader.duties import Due
from engine.trader.memory import Memory
from engine.trader.picture import draw

_HANDLERS: dict[type, Callable[[Memory, Any], None]] = {
    m.Born: duties.on_born,
    m.Started: duties.on_started,
    m.Stopped: duties.on_stopped,
    m.Minute: prices.on_minute,
    m.Slice: prices.on_slice,
    m.Analysis: deciding.on_analysis,
    m.Press: presses.on_press,
    m.ClosePosition: commands.on_close,
    m.MoveStop: commands.on_move_stop,
    m.Pause: commands.on_pause,
    m.Resume: commands.on_resume,
    m.Panic: commands.on_panic,
    m.Guarded: commands.on_guarded,
    m.Acked: acks.on_acked,
    m.FeedChanged: prices.on_feed_changed,
    m.Suspected: prices.on_suspected,
    m.Doubted: prices.on_doubted,
    m.Timer: duties.on_timer,
    m.HealthSeen: duties.on_health_seen,
    m.RoleClaimed: commands.on_role_claimed,
    m.TierChanged: commands.on_tier_changed,
    m.JobStarted: jobs.on_job_started,
    m.JobEnded: jobs.on_job_ended,
    m.Attempted: commands.on_attempted,
    m.ModelTrained: models.on_model_trained,
    m.ModelPressed: models.on_model_pressed,
}
_SILENT = (m.Slice, m.Timer)  # recorded only when something followed from them


class Judgement(NamedTuple):
    """What followed from one message. `judged_until` holds what unrecorded prints had judged before it."""

    outcomes: tuple[Outcome, ...]
    must_record: bool
    judged_until: Mapping[Symbol, datetime]


class Trader:
    """Deterministic: the same messages give the same outcomes, bit for bit. One thread at a time."""

    def __init__(self) -> None:
        self._desk = Memory()
        self._seq = 0
        self._head = ""

    def on(self, message: Message) -> tuple[Outcome, ...]:
        """Take one message; the outcomes are in the order in which they came to be."""
        return self.judge(message).outcomes

    def judge(self, message: Message) -> Judgement:
        """As `on`, with what the ledger needs to know. Raises only for a broken desk, never for an expected "no"."""
        desk = self._desk
        judged = dict(desk.moved)
        desk.out, desk.matters = [], False
        if not isinstance(message, m.Started):
            duties.advance(desk, message.at)
        _HANDLERS[type(message)](desk, message)
        outcomes = tuple(desk.out)
        must_record = bool(outcomes) or desk.matters or not isinstance(message, _SILENT)
        if must_record:
            desk.moved = {}  # its row says so
        return Judgement(outcomes, must_record, judged)

    def recorded(self, record: Record) -> None:
        """The judged message is durable as `record`."""
        self._seq, self._head = record.seq, record.head

    def again(self, record: Record) -> tuple[Outcome, ...]:
        """Judge a recorded message again, from the prices that were judged by then; for restart and replay."""
        for symbol, until in record.judged_until.items():
            prices.judged(self._desk, symbol, until)
        outcomes = self.judge(record.message).outcomes
        self.recorded(record)
        return outcomes

    def replay(self, records: Iterable[Record]) -> int:
        """Rebuild from the ledger; returns how many records there were."""
        count = 0
        for count, record in enumerate(records, start=1):  # noqa: B007
            self.again(record)
        return count

    def dump(self) -> bytes:
        """The whole state, for a checkpoint. Raises before the first `Started`."""
        return saving.dump(self._desk)

    @classmethod
    def load(cls, raw: bytes, seq: int, head: str) -> Self:
        """The Trader that `dump` wrote as of row `seq`. Raises ValueError when it does not fit this version."""
        trader = cls()
        trader._desk, trader._seq, trader._head = saving.load(raw), seq, head
        return trader

    @property
    def row(self) -> tuple[int, str]:
        """Sequence and hash of the last record; (0, "") before the first."""
        return self._seq, self._head

    def next_due(self) -> Due | None:
        """When time alone will change something, and the timer to send then."""
        return duties.next_due(self._desk)

    def snapshot(self) -> Snapshot:
        """The desk as of the last record. Raises before the first `Started`."""
        return draw(self._desk, self._seq, self._head)

    @property
    def is_started(self) -> bool:
        return self._desk.plan_ is not None

    @property
    def code(self) -> str:
        """The version of the code that the last `Started` names; "" before it, or when it names none."""
        return self._desk.started.code if self._desk.started else ""

    @property
    def now(self) -> datetime:
        """The latest instant that any message brought."""
        return self._desk.now

    def held(self) -> dict[str, Symbol]:
        """Open trades and their symbols."""
        positions = self._desk.book.positions() if self._desk.book_ else ()
        stories = self._desk.stories
        return {stories[one.strategy, one.symbol].trade_id: one.symbol for one in positions}

    def watched(self) -> frozenset[Symbol]:
        """Symbols whose prints matter: held, or with a working order."""
        return self._desk.book.watched() if self._desk.book_ else frozenset()

    def wanting(self) -> dict[Symbol, str]:
        """Symbols where a market order waits for a price, and which way it goes: "buy" or "sell"."""
        desk = self._desk
        entries = (order for story in desk.stories.values() for order in story.entries if not story.opened)
        exits = (exit_.order for exit_ in desk.exits.values())
        return {order.symbol: order.action for order in (*entries, *exits) if order.kind == "market"}

    def unanswered(self) -> tuple[Order, ...]:
        """Orders that no broker has acknowledged yet, oldest first."""
        return tuple(self._desk.unacked.values())

    def consented(self) -> tuple[Order, ...]:
        """Entries that used a consent which may not have ended yet."""
        return tuple(self._desk.consented.values())

    def instruments(self) -> tuple[Instrument, ...]:
        """What the last `Started` knew of the symbols; empty before the first."""
        return self._desk.started.instruments if self._desk.started else ()

    def pending(self) -> dict[str, Symbol]:
        """Waiting proposals and their symbols."""
        return {name: card.proposal.symbol for name, card in self._desk.cards.items()}
