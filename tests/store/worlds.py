"""A made-up desk's ledger for these tests: in memory, and the records of a small day."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from engine.domain import (
    Alarm,
    ExitReason,
    Fill,
    Hold,
    MarketKind,
    Order,
    Position,
    Proposal,
    ProposalStatus,
    Refusal,
    Role,
    Side,
    Signal,
    State,
    TradeRecord,
)
from engine.messages import Attempted, Born, HealthSeen, Message, Minute, Pause, Press, Resume, Timer
from engine.outcomes import (
    AlarmCleared,
    AlarmRaised,
    Audited,
    DayClosed,
    Filled,
    HoldLifted,
    HoldPlaced,
    OrderAcked,
    OrderIntended,
    Outcome,
    PositionClosed,
    PositionOpened,
    ProposalClosed,
    ProposalOpened,
    Refused,
    SignalSeen,
)
from engine.records import Post, Record

START = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class MemoryLedger:
    """A ledger at the edge: rows in a list."""

    def __init__(self) -> None:
        self.rows: list[Record] = []

    def add(self, message: Message, outcomes: Sequence[Outcome] = (), posts: Sequence[Post] = ()) -> Record:
        seq = len(self.rows) + 1
        record = Record(seq, message.at, message, tuple(outcomes), tuple(posts), {}, f"{seq:064x}")
        self.rows.append(record)
        return record

    def read(self, after: int = 0) -> Iterator[Record]:
        return iter(self.rows[after:])

    def head(self) -> tuple[int, str]:
        return (self.rows[-1].seq, self.rows[-1].head) if self.rows else (0, "")


def born(desk: str, kind: MarketKind = MarketKind.SIMULATED) -> Born:
    return Born(START, desk, kind, "ema", "hash", "simulated")


def minute(at: datetime, symbols: Sequence[str], seed: int = 0, missing: Sequence[str] = ()) -> Minute:
    chance = random.Random(f"{at.isoformat()} {seed}")
    price = [100 + chance.random() for _ in symbols]
    return Minute(
        at,
        tuple(symbols),
        tuple(price),
        tuple(p + chance.random() for p in price),
        tuple(p - chance.random() for p in price),
        tuple(p + chance.uniform(-0.1, 0.1) for p in price),
        tuple(chance.random() for _ in price),
        tuple("good" for _ in price),
        tuple(missing),
    )


def a_trade(number: int, at: datetime, pnl: float) -> TradeRecord:
    return TradeRecord(
        *(f"T{number}", "ema", "BTC/USD", Side.LONG, at - 30 * MINUTE, 100.0, at, 101.0, 1.0, 100.0, 0.5, pnl),
        *(pnl / 100, ExitReason.SIGNAL, "scenario", 0.7, "U_ADMIN", None),
    )


def _proposal(number: int, at: datetime, status: ProposalStatus = ProposalStatus.PENDING) -> Proposal:
    return Proposal(
        *(f"P{number}", 1, "ema", "BTC/USD", Side.LONG, 1.0, 100.0, at, 100.0, 95.0, None, None, None, 0.7),
        *(("EMA 20 over EMA 50",), 5.0, 0.4, 0.1, 0.0, 100.0, at, at + 10 * MINUTE, status),
        *(("U_ADMIN", at, None) if status is not ProposalStatus.PENDING else ()),
    )


def _position(number: int, at: datetime) -> Position:
    return Position(
        *(f"T{number}", "ema", "BTC/USD", Side.LONG, 1.0, 100.0, at, 100.0, 0.0, 0.0, 0.4, 95.0, None, None, None),
        *(None, 0.7, "U_ADMIN"),
    )


def trade_story(ledger: MemoryLedger, number: int, at: datetime, pnl: float) -> None:
    """Signal → card → press → order → fill → position → close, as the desk would record it."""
    signal = Signal("ema", "BTC/USD", at, "enter", Side.LONG, 100.0, 0.7, numbers={"ema20": float("nan")})
    card = Post(f"k{number}", "signals", "post", f"proposal:P{number}", "proposal", {"price": 100.0, "x": float("inf")})
    ledger.add(minute(at, ["BTC/USD"]), [SignalSeen(signal, "proposed"), ProposalOpened(_proposal(number, at))], [card])
    order = Order(f"{number:032x}", "ema", "BTC/USD", "buy", 1.0, "market", None, "entry", f"T{number}", at)
    fill = Fill(order.client_id, f"T{number}", "ema", "BTC/USD", "buy", at, 100.0, 1.0, 0.4, 0.1, "entry")
    approved = _proposal(number, at, ProposalStatus.APPROVED)
    press = Press(at, "approve", f"P{number}", 1, "U_ADMIN", Role.ADMIN)
    accepted = OrderAcked(order.client_id, "BTC/USD", True, "", None)
    opened = PositionOpened(_position(number, at), f"P{number}")
    ledger.add(press, [ProposalClosed(approved), OrderIntended(order), accepted, Filled(fill), opened])
    trade = a_trade(number, at + 30 * MINUTE, pnl)
    ledger.add(minute(at + MINUTE, ["BTC/USD"]), [PositionClosed(trade, f"P{number}", pnl)])


def small_day(desk: str) -> MemoryLedger:
    """Ninety minutes of three coins over the end of a month, two trades, a pause, an alarm and the end of a day."""
    ledger = MemoryLedger()
    ledger.add(born(desk))
    for step in range(1, 91):
        at = START + step * MINUTE
        symbols = ["BTC/USD", "ETH/USD"] + (["SOL/USD"] if step % 7 else [])
        ledger.add(minute(at, symbols, missing=[] if step % 7 else ["SOL/USD"]))
        if step == 20:
            trade_story(ledger, 1, at, 3.0)
        if step == 40:
            _interruptions(ledger, at)
        if step == 60:
            ledger.add(Timer(at, "day", "2026-01-31", at), [DayClosed("2026-01-31", 1003.0)])
            trade_story(ledger, 2, at, -1.0)
    return ledger


def _interruptions(ledger: MemoryLedger, at: datetime) -> None:
    hold = Hold("PAUSE", State.REDUCING, "U_ADMIN", at, None, "a \x00 in a note")
    said = Audited("U_ADMIN", "pause", True, "")
    ledger.add(Pause(at, "U_ADMIN", Role.ADMIN, "lunch"), [HoldPlaced(hold), said])
    refusal = Refusal("REDUCING", at, "no entries while paused", "ema", "ETH/USD", {"slots": 0.0})
    ledger.add(minute(at, ["ETH/USD"], seed=1), [Refused(refusal)])
    ledger.add(Resume(at + MINUTE, "U_ADMIN", Role.ADMIN), [HoldLifted(hold, "U_ADMIN")])
    alarm = Alarm("feed", "critical", "no data for 10 minutes", at, 1, True)
    ledger.add(HealthSeen(at, (alarm,)), [AlarmRaised(alarm)])
    ledger.add(HealthSeen(at + MINUTE, ()), [AlarmCleared(alarm)])
    ledger.add(Attempted(at, "U_STRANGER", "approve P1", False, "no role"))
