"""When the playbook says that errors stop the desk: a critical alarm, or so many errors of one kind in a row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.domain import Alarm, ExitReason, State, micros
from engine.trader import holds
from engine.trader.cards import withdraw_all
from engine.trader.events import apply, relevel
from engine.trader.memory import Memory

ORDERS, ANALYSES = "orders", "analyses"
CRITICAL = frozenset({"engine", "ledger", "inbox", "event loop", "disk", "clock", "broker", "data flow", "prices"})
"""Alarms about what trading itself rests on. Slack, reports and the database may be away: the desk trades on."""


def alarmed(desk: Memory, fresh: Sequence[Alarm], at: datetime) -> None:
    """Critical alarms that were raised just now stop entries, where the playbook wants that."""
    if desk.plan_ is None or desk.plan.playbook.errors.critical != "stop":
        return
    for alarm in fresh:
        if alarm.level == "critical" and alarm.key in CRITICAL:
            holds.impose(desk, holds.CRITICAL, State.REDUCING, "rule:critical_error", at, note=alarm.sentence)
    relevel(desk, micros(at))


def worked(desk: Memory, kind: str) -> None:
    """Something of this kind went well: its errors are no longer in a row."""
    desk.failures.pop(kind, None)


def failed(desk: Memory, kind: str, at: datetime, sentence: str) -> None:
    """One more error in a row; the last that the playbook bears halts the desk, and closes all if it says so."""
    most = desk.plan.playbook.errors.in_a_row
    if most is None:
        return
    desk.failures[kind] = desk.failures.get(kind, 0) + 1
    count = desk.failures[kind]
    if count < most:
        return
    note, numbers = f"{count} errors in a row; the last: {sentence}", {"count": float(count), "limit": float(most)}
    if holds.impose(desk, holds.ERRORS, State.HALTED, "rule:errors", at, note=note, numbers=numbers):
        _halt(desk, at, f"{count} errors in a row")


def forgiven(desk: Memory) -> None:
    """A person resumed: counting begins anew."""
    desk.failures.clear()


def _halt(desk: Memory, at: datetime, why: str) -> None:
    withdraw_all(desk, why, at)
    relevel(desk, micros(at))
    if desk.plan.playbook.errors.then == "close":
        for position in desk.book.positions():
            apply(desk, desk.book.exit(position.strategy, position.symbol, 1.0, ExitReason.MANUAL, micros(at)))
