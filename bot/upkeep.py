"""Maintenance by the clock and by hand: a job like any other, once for each slot of the playbook's schedule.

A slot that was missed is made good at the next start when it is no older than a day; an older one waits for the next.
What was done is in a file of the data folder, so a slot whose maintenance was cut off is begun again (an hour later, or
at the next start; three times in all), and no other is.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.blocks import Rendered
from bot.jobs import Jobs, Plan, Running
from engine import clock, maintenance, slots

if TYPE_CHECKING:
    from bot.front import Ask, Front
    from engine import Desk

log = logging.getLogger(__name__)

BY = "rule:maintenance"
KIND = "maintenance"
LATEST = timedelta(days=1)  # desk time after which a missed slot is left to the next
APART = 3600.0  # real seconds between two by the clock: a fast desk has many Sundays
TRIES = 3


def maintain_plan(desk: Desk, slot: datetime | None = None) -> Plan:
    """The command line that maintains the desk's own folder; `slot` is the due instant that it answers."""
    where = ("--data-dir", str(desk.terms.data), "--progress", "json", "--gentle")
    which = ("--slot", slot.isoformat()) if slot else ()
    text = f"of {slot:%Y-%m-%d %H:%M} UTC" if slot else "by hand"
    return Plan(KIND, text, ("maintain", *where, *which))


async def begin_maintenance(front: Front, ask: Ask) -> Rendered:
    """Maintain now, because a person wants it."""
    from bot.commands.jobs import begin

    return await begin(front, ask, maintain_plan(front.desk))


def overdue(desk: Desk, at: datetime | None, started: datetime, now: datetime) -> datetime | None:
    """The first slot that the desk has let pass for a day, once the last maintenance (`at`) is a period and a day old.

    Ask it only of a desk at speed 1: `at` is real time. What a desk that was down missed waits for the next slot.
    """
    weekly = desk.playbook.schedule.maintenance.day == "sunday"
    if at is not None and now - at <= timedelta(days=7 if weekly else 1) + LATEST:
        return None
    since = max(at, started - LATEST) if at is not None else started
    return next(iter(maintenance_times(desk, since, now - LATEST)), None)


def maintenance_times(desk: Desk, after: datetime, until: datetime) -> list[datetime]:
    """When maintenance falls due with `after` < due ≤ `until`, by the playbook's schedule."""
    terms = desk.playbook.schedule.maintenance
    zone = ZoneInfo(desk.terms.timezone) if terms.zone == "desk" else ZoneInfo("UTC")
    return slots.times(terms.at, zone, terms.day == "sunday", after, until)


class Upkeep:
    """Looks at the clock; at most one maintenance a slot, and never two within an hour of real time."""

    def __init__(self, desk: Desk, jobs: Jobs, born: datetime) -> None:
        """`born`: the ledger's first instant; no slot before it is missed."""
        self._desk = desk
        self._jobs = jobs
        self._after = born
        self._begun = float("-inf")
        self._tried: tuple[datetime, int] = (born, 0)  # a slot, and how often this process began with it
        self._last: Running | None = None

    async def reach(self) -> None:
        """Begin what is due, once any other long work is over."""
        if self._jobs.running is not None or clock.monotonic() - self._begun < APART:
            return
        now = self._desk.clock.now()
        answered = await asyncio.to_thread(_answered, self._desk)
        self._after = max(self._after, answered or self._after)
        due = maintenance_times(self._desk, max(self._after, now - LATEST), now)
        if not due or self._is_given_up(due[-1]):
            return
        plan = await asyncio.to_thread(maintain_plan, self._desk, due[-1])
        try:
            started = await self._jobs.start(plan, BY)
        except OSError as error:
            log.error("the maintenance could not be started: %s", error)
            started = None
        if started is not None:
            count = self._tried[1] if self._tried[0] == due[-1] else 0
            self._tried, self._last, self._begun = (due[-1], count + 1), started, clock.monotonic()

    def _is_given_up(self, due: datetime) -> bool:
        """Whether a slot that has no answer gets none: a person cancelled it, or it was cut off too often."""
        slot, count = self._tried
        if slot != due or self._last is None:
            return False
        cancelled = bool(self._last.cancelled_by)
        if not cancelled and count < TRIES:
            return False
        if not cancelled:
            log.error("the maintenance of %s was begun %d times and came to no end; given up", due, count)
        self._after = due
        return True


def _answered(desk: Desk) -> datetime | None:
    """The last slot whose maintenance came to its end."""
    account = maintenance.last_account(desk.terms.data)
    return datetime.fromisoformat(account.slot) if account is not None and account.slot else None
