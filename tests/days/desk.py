"""A desk at the edge: snapshots, trades and records as a report would find them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.clock import ManualClock
from engine.domain import (
    EquityPoint,
    ExitReason,
    MarketKind,
    Proposal,
    ProposalStatus,
    Side,
    State,
    Tier,
    TradeRecord,
)
from engine.health import Facts, Reading, judge
from engine.messages import Message
from engine.records import Record
from engine.snapshot import Snapshot

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)  # Friday 19:00 in Los Angeles


def trade(pnl: float, at: datetime = NOW - timedelta(hours=2), **changes: Any) -> TradeRecord:
    values: dict[str, Any] = {
        "trade_id": f"T{pnl}",
        "strategy": "ema",
        "symbol": "BTC/USD",
        "side": Side.LONG,
        "entry_time": at - timedelta(hours=1),
        "entry_price": 60_000.0,
        "exit_time": at,
        "exit_price": 60_000.0 + pnl * 600,
        "quantity": 100 / 60_000,
        "notional": 100.0,
        "fees": 0.72,
        "pnl": pnl,
        "pnl_pct": pnl / 100,
        "exit_reason": ExitReason.TARGET if pnl > 0 else ExitReason.STOP,
    }
    return TradeRecord(**(values | changes))


def points(*equity: float, end: datetime = NOW, step: timedelta = timedelta(minutes=1)) -> list[EquityPoint]:
    start = end - step * (len(equity) - 1)
    return [EquityPoint(start + step * index, value) for index, value in enumerate(equity)]


def proposal(symbol: str = "ETH/USD", **changes: Any) -> Proposal:
    values: dict[str, Any] = {
        "id": "P1",
        "revision": 1,
        "strategy": "ema",
        "symbol": symbol,
        "side": Side.LONG,
        "quantity": 0.05,
        "price": 3_000.0,
        "price_at": NOW,
        "notional": 150.0,
        "stop": 2_900.0,
        "target": None,
        "trailing": None,
        "max_hold": None,
        "confidence": None,
        "reasons": ("EMA 20 crossed above EMA 50",),
        "worst_loss": 6.0,
        "fees": 0.5,
        "slippage": 0.3,
        "exposure_before": 0.0,
        "exposure_after": 150.0,
        "opened": NOW - timedelta(minutes=5),
        "expires": NOW + timedelta(minutes=5),
        "status": ProposalStatus.PENDING,
    }
    return Proposal(**(values | changes))


def snapshot(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "at": NOW,
        "seq": 4711,
        "head": "ab12cd34ef56" * 4,
        "version": "0.1.0",
        "desk_id": "d1",
        "kind": MarketKind.LIVE,
        "label": "",
        "playbook": "ema",
        "settings": {},
        "symbols": ("BTC/USD", "ETH/USD"),
        "state": State.ACTIVE,
        "holds": (),
        "tiers": {"ema": Tier.PROPOSE},
        "capital": 1000.0,
        "cash": 1000.0,
        "equity": 1000.0,
        "peak_equity": 1000.0,
        "drawdown": 0.0,
        "exposure": 0.0,
        "day_start_equity": 1000.0,
        "day_pnl": 0.0,
        "positions": (),
        "proposals": (),
        "trades": (),
        "signals": (),
        "decisions": {},
        "limits": (),
        "alarms": (),
        "roles": {},
        "equity_curve": (),
        "benchmark": (),
        "closes": {},
        "started": NOW - timedelta(days=3),
        "feed_up": True,
        "feed_detail": "",
    }
    return Snapshot(**(values | changes))


class FakeDesk:
    """The edge of the engine: what is submitted is remembered, what is read was given."""

    def __init__(self, shot: Snapshot | None = None, rows: tuple[Record, ...] = (), speed: float = 1.0) -> None:
        self.clock = ManualClock(NOW, speed)
        self.shot = shot or snapshot()
        self.rows = rows
        self.submitted: list[Message] = []

    def snapshot(self) -> Snapshot:
        return self.shot

    def health(self) -> tuple[Reading, ...]:
        return judge(Facts(now=NOW, feed_up=True, last_data=NOW, disk_free=10**11))

    def records(self, after: int = 0) -> Iterator[Record]:
        return (row for row in self.rows if row.seq > after)

    def submit(self, message: Message) -> Future[Record]:
        self.submitted.append(message)
        done: Future[Record] = Future()
        done.set_result(record(len(self.submitted), message))
        return done


def record(seq: int, message: Message, *outcomes: Any) -> Record:
    return Record(seq, message.at, message, tuple(outcomes), (), {}, "0" * 64)
