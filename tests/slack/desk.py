"""A desk at the edge: six lines of engine that answer as they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.clock import ManualClock
from engine.domain import (
    Decision,
    GateStep,
    Hold,
    LimitUse,
    Position,
    Quote,
    Role,
    Side,
    State,
)
from engine.health import Facts, Reading, judge
from engine.messages import Message
from engine.outcomes import Outcome
from engine.playbook import load
from engine.ports import FeedStatus
from engine.records import Post, Record
from engine.snapshot import Snapshot
from tests.days.desk import NOW, proposal, snapshot, trade

NASTY = ("<!channel>", "`ticks` ```fence```", "\"quotes\" & 'more'", "x" * 10_000, "line\nbreak\x00", "")


def position(**changes: Any) -> Position:
    values: dict[str, Any] = {
        "trade_id": "T7",
        "strategy": "ema",
        "symbol": "BTC/USD",
        "side": Side.LONG,
        "quantity": 0.0123,
        "entry_price": 67_450.0,
        "entry_time": NOW - timedelta(hours=1),
        "mark": 67_900.0,
        "pnl": 4.31,
        "pnl_pct": 0.0052,
        "fees": 1.2,
        "stop": 66_100.0,
        "target": None,
        "trailing": None,
        "due": None,
        "held_exit": None,
    }
    return Position(**(values | changes))


def hold(code: str = "PAUSE", level: State = State.REDUCING, by: str = "U_TRADER", **changes: Any) -> Hold:
    return Hold(code, level, by, NOW, **changes)


def decision(symbol: str = "BTC/USD") -> Decision:
    steps = (
        GateStep("data", True, "12 good minutes", {"good_bars": 12.0}),
        GateStep("strategy", False, "no cross: EMA 20 is below EMA 50", {"ema20": 67_200.0, "ema50": 67_350.5}),
        GateStep("risk", None, "not reached"),
    )
    return Decision(symbol, NOW, steps, "no trade: no cross")


def busy(**changes: Any) -> Snapshot:
    """A desk with one of everything."""
    values: dict[str, Any] = {
        "positions": (position(),),
        "proposals": (proposal(),),
        "trades": (trade(2.0), trade(-1.0)),
        "decisions": {"BTC/USD": decision()},
        "limits": (LimitUse("positions", 5, 1, "count"), LimitUse("heat", 0.1, 0.02, "fraction", "Σ at risk")),
        "closes": {"BTC/USD": (NOW, 67_900.0)},
    }
    return snapshot(**(values | changes))


class FakeDesk:
    """Remembers what was submitted; `answers` says what a message comes to."""

    def __init__(self, shot: Snapshot | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.shot = shot or busy()
        self.submitted: list[Message] = []
        self.rows: list[Record] = []
        self.answers: Callable[[Message], Sequence[Outcome]] = lambda message: ()
        self.silent = False
        self.quotes: dict[str, Quote] = {}
        self.terms = SimpleNamespace(data=Path("desk"))
        self.playbook = load("ema")
        self.serving = None

    def submit(self, message: Message) -> Future[Record]:
        self.submitted.append(message)
        answer: Future[Record] = Future()
        answer.set_running_or_notify_cancel()
        if not self.silent:
            answer.set_result(self.record(message, self.answers(message)))
        return answer

    def record(self, message: Message, outcomes: Sequence[Outcome] = (), posts: Sequence[Post] = ()) -> Record:
        row = Record(len(self.rows) + 1, NOW, message, tuple(outcomes), tuple(posts), {}, "00")
        self.rows.append(row)
        return row

    def claim(self, user: str) -> None:
        self.shot = replace(self.shot, roles={user: Role.ADMIN})

    def snapshot(self) -> Snapshot:
        return self.shot

    def quote(self, symbol: str) -> Quote | None:
        return self.quotes.get(symbol)

    def health(self) -> tuple[Reading, ...]:
        return judge(Facts(now=NOW, feed_up=True, last_data=NOW, disk_free=10**11))

    def feed_status(self) -> FeedStatus:
        return FeedStatus("kraken", True, "")

    def records(self, after: int = 0) -> Iterator[Record]:
        return (row for row in self.rows if row.seq > after)
