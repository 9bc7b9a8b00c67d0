"""Training by the clock and by hand: download, check, train, judge; the new version is then on offer.

Each step is a job with a message of its own (`bot.jobs`), one after the other, and the next begins only when the one
before has come to its end. What was missed while the desk was down runs once at the next start.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.blocks import Rendered
from bot.jobs import Jobs, Plan
from engine import slots
from engine.domain import MarketKind
from engine.messages import Attempted

if TYPE_CHECKING:
    from bot.front import Ask, Front
    from engine import Desk

log = logging.getLogger(__name__)

BY = "rule:retrain"
_LOOK_AGAIN = 1.0  # real seconds between looks whether a job has ended


def train_plan(desk: Desk) -> Plan:
    """The command line that trains the desk's own playbook, as it is in force now, on the desk's own history."""
    folder = desk.terms.data / "training"
    folder.mkdir(parents=True, exist_ok=True)
    playbook = folder / f"{desk.playbook.name}.yaml"
    playbook.write_text(desk.playbook.text, encoding="utf-8")
    where = ("--playbook", str(playbook), "--data-dir", str(desk.terms.data))
    return Plan("train", desk.playbook.name, ("train", *where, "--progress", "json", "--gentle"))


def download_plan(desk: Desk, source: str, now: datetime) -> Plan:
    """Yesterday and the day before from a vendor: late bars of the first are there by then."""
    symbols, since, until = ",".join(desk.snapshot().symbols), now.date() - timedelta(days=2), now.date()
    asked = ("--source", source, "--symbols", symbols, "--from", f"{since}", "--to", f"{until}")
    where = ("--data-dir", str(desk.terms.data), "--progress", "json", "--gentle")
    return Plan("backfill", f"{source} {since} {until}", ("backfill", *asked, *where))


async def begin_training(front: Front, ask: Ask) -> Rendered:
    """Train now, because a person wants it."""
    from bot.commands.jobs import begin

    if front.desk.playbook.model is None:
        return front.sentence("no_models_here", playbook=front.desk.playbook.name)
    return await begin(front, ask, await asyncio.to_thread(train_plan, front.desk))


def training_times(desk: Desk, after: datetime, until: datetime) -> list[datetime]:
    """When trainings fall due with `after` < due ≤ `until`; none for a playbook without a model."""
    model = desk.playbook.model
    if model is None:
        return []
    zone = ZoneInfo(desk.terms.timezone) if model.retrain.zone == "desk" else ZoneInfo("UTC")
    return slots.times(model.retrain.at, zone, model.retrain.day == "sunday", after, until)


def next_training(desk: Desk) -> datetime | None:
    """The next one by the clock; None where there is nothing to train."""
    now = desk.clock.now()
    return next(iter(training_times(desk, now, now + timedelta(days=8))), None)


class Retraining:
    """Looks at the clock; at most one chain at a time. `source` is the vendor that history comes from, "" for none."""

    def __init__(self, desk: Desk, jobs: Jobs, last_known: datetime | None, source: str = "") -> None:
        self._desk = desk
        self._jobs = jobs
        self._source = source if desk.terms.kind is MarketKind.LIVE else ""
        self._reached = last_known or desk.clock.now()
        self._due = False
        self._chaining: asyncio.Task[None] | None = None

    async def reach(self) -> None:
        """Begin what has fallen due, once any other long work is over. However many were missed, one is made."""
        now = self._desk.clock.now()
        self._due = self._due or bool(training_times(self._desk, self._reached, now))
        self._reached = max(self._reached, now)
        if self._due and self._jobs.running is None and (self._chaining is None or self._chaining.done()):
            self._due = False
            self._chaining = asyncio.create_task(self._chain(now), name="retraining")

    def stop(self) -> None:
        """Begin nothing more; the job at hand is `Jobs`' to end."""
        if self._chaining is not None:
            self._chaining.cancel()

    async def _chain(self, now: datetime) -> None:
        """Download and check, then train and judge; a download that failed ends the chain, and says so."""
        if self._source and not await self._ran(download_plan(self._desk, self._source, now)):
            detail = "the training of today is skipped: the download before it did not succeed"
            log.error(detail)
            self._desk.submit(Attempted(self._desk.clock.now(), BY, "train", False, detail))
            return
        await self._ran(await asyncio.to_thread(train_plan, self._desk))

    async def _ran(self, plan: Plan) -> bool:
        """Run one job to its end; whether it came to a good one. Another job that is in the way is waited for."""
        try:
            while (started := await self._jobs.start(plan, BY)) is None:
                await asyncio.sleep(_LOOK_AGAIN)
        except OSError as error:
            log.error("the %s could not be started: %s", plan.kind, error)
            return False
        while self._jobs.running is started:
            await asyncio.sleep(_LOOK_AGAIN)
        return started.process.returncode == 0
