"""Maintenance by the clock and by hand: a job like any other, once for each slot of the playbook's schedule.

A slot that was missed is made good at the next start when it is no older than a day; an older one waits for the next.
What was done is in a file of the data folder, so a slot whose maintenance was cut off is begun again, and no other is.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.blocks import Rendered
from bot.jobs import Jobs, Plan
from engine import clock, maintenance, slots

if TYPE_CHECKING:
    from bot.front import Ask, Front
    from engine import Desk

log = logging.getLogger(__name__)

BY = "rule:maintenance"
KIND = "maintenance"
LATEST = timedelta(days=1)  # desk time after which a missed slot is left to the next
APART = 3600.0  # real seconds between two by the clock: a fast desk has many Sundays


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
        self._after = max(born, _answered(desk) or born)
        self._begun = float("-inf")

    async def reach(self) -> None:
        """Begin what is due, once any other long work is over."""
        now = self._desk.clock.now()
        due = maintenance_times(self._desk, max(self._after, now - LATEST), now)
        if not due or self._jobs.running is not None or clock.monotonic() - self._begun < APART:
            return
        plan = await asyncio.to_thread(maintain_plan, self._desk, due[-1])
        try:
            started = await self._jobs.start(plan, BY)
        except OSError as error:
            log.error("the maintenance could not be started: %s", error)
            started = None
        if started is not None:
            self._after, self._begun = due[-1], clock.monotonic()


def _answered(desk: Desk) -> datetime | None:
    """The last slot whose maintenance came to its end."""
    account = maintenance.last_account(desk.terms.data)
    return datetime.fromisoformat(account.slot) if account is not None and account.slot else None
