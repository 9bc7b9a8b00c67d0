"""Holds: named reasons why the desk does not trade freely. The state is the strictest of them (SEMANTICS 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta

from engine.core.events import Event
from engine.domain import Hold, State, instant
from engine.outcomes import HoldLifted, HoldPlaced
from engine.slots import local_instant
from engine.trader.memory import Memory
from engine.trader.sentences import who

PAUSE, PANIC, DAILY_LOSS, DRAWDOWN, LOSSES = "PAUSE", "PANIC", "DAILY_LOSS", "DRAWDOWN", "LOSSES"
FEED, ANALYST, LEASE, RECONCILIATION = "FEED", "ANALYST", "LEASE", "RECONCILIATION"
CRITICAL, ERRORS = "CRITICAL", "ERRORS"
_OF_THE_PROCESS = (FEED, ANALYST, LEASE)  # their machinery starts anew with every process
_CORES_OWN = (DAILY_LOSS, DRAWDOWN, LOSSES)


def impose(
    desk: Memory,
    code: str,
    level: State,
    by: str,
    at: datetime,
    *,
    until: datetime | None = None,
    note: str = "",
    numbers: Mapping[str, float] | None = None,
) -> bool:
    """Place a hold; False when one of that code stands already: the first stays, unless this one is stricter."""
    standing = desk.holds.get(code)
    if standing is not None and standing.level.strictness >= level.strictness:
        return False
    if standing is not None:
        lift(desk, code, by)
        at = max(at, standing.since + timedelta(microseconds=1))  # code and instant name a hold's message
    hold = Hold(code, level, by, at, until, note, dict(numbers or {}))
    desk.holds[code] = hold
    desk.say(HoldPlaced(hold))
    return True


def lift(desk: Memory, code: str, by: str) -> bool:
    """Lift a hold; False when there is none."""
    hold = desk.holds.pop(code, None)
    if hold is None:
        return False
    desk.say(HoldLifted(hold, by))
    return True


def strictest(desk: Memory) -> State:
    """The desk's state."""
    return _strictest(desk.holds.values())


def level_for_core(desk: Memory) -> State:
    """The strictest of the holds that the core cannot know; its own breakers it keeps itself."""
    return _strictest(hold for hold in desk.holds.values() if hold.code not in _CORES_OWN)


def _strictest(found: Iterable[Hold]) -> State:
    return max((hold.level for hold in found), key=lambda level: level.strictness, default=State.ACTIVE)


def why_held(desk: Memory) -> str:
    """The holds in words, for a refusal."""
    return ", ".join(
        f"{hold.code} by {who(hold.by)}" + (f" ({hold.note})" if hold.note else "") for hold in desk.holds.values()
    )


def is_cores_own(code: str) -> bool:
    """Whether the core keeps this breaker itself, and must be told when it is lifted."""
    return code in _CORES_OWN


def lift_of_the_process(desk: Memory) -> None:
    """A process starts: what its feed, its analyst and its lease held back begins anew with them."""
    for code in _OF_THE_PROCESS:
        lift(desk, code, "desk")


def on_breaker(desk: Memory, event: Event) -> None:
    """A limit of the core tripped: its hold refuses entries; exits go on."""
    at = instant(event.at)
    until = next_midnight(desk, at) if event.code == DAILY_LOSS else None
    pause = desk.plan.rules.limits.losses_pause_us
    if event.code == LOSSES and pause is not None:
        until = at + timedelta(microseconds=pause)
    impose(desk, event.code, State.REDUCING, f"rule:{event.code.lower()}", at, until=until, numbers=event.numbers)


def next_midnight(desk: Memory, at: datetime) -> datetime:
    """The next local midnight after `at`, as a UTC instant."""
    day = at.astimezone(desk.plan.zone).date() + timedelta(days=1)
    return local_instant(day, time(0), desk.plan.zone)
