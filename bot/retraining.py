"""Training by the clock and by hand: download, check, train, judge; the new version is then on offer.

Each step is a job with a message of its own (`bot.jobs`), one after the other, and the next begins only when the one
before has come to its end. Checking is the last part of a download: what its closing report found stands in the
training's message. The backtest is part of the judgement: the trading core trades the newest fifth of the history,
which the model has not seen, on the new version's forecasts; the result is on its card and in the job's message.

A training is due while none has ended well since its hour, as the ledger has it: so what was missed while the desk was
down is made good, and what was cut short or failed is tried again, three times in all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bot.blocks import Rendered
from bot.downloads import download_plan, last_of, looked_through, span_of
from bot.jobs import Jobs, Plan, Running
from engine import slots
from engine.domain import MarketKind
from engine.messages import Attempted

if TYPE_CHECKING:
    from bot.front import Ask, Front
    from engine import Desk
    from engine.outcomes import JobClosed

log = logging.getLogger(__name__)

BY = "rule:retrain"
TRIES = 3
PAUSE = timedelta(minutes=10)  # desk time between two tries
_LOOK_BACK = timedelta(days=8)  # every rule has an hour within it
_LOOK_AGAIN = 1.0  # real seconds between looks whether a job has ended
_SETTLED = ("done", "refused", "cancelled")  # a refusal stays one until there is more history


def train_plan(desk: Desk) -> Plan:
    """The command line that trains the desk's own playbook, as it is in force now, on the desk's own history."""
    folder = desk.terms.data / "training"
    folder.mkdir(parents=True, exist_ok=True)
    playbook = folder / f"{desk.playbook.name}.yaml"
    playbook.write_text(desk.playbook.text, encoding="utf-8")
    where = ("--playbook", str(playbook), "--data-dir", str(desk.terms.data))
    return Plan("train", desk.playbook.name, ("train", *where, "--progress", "json", "--gentle"))


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
    """The next one by the clock, or the next try of the last one; None where there is nothing to train."""
    now = desk.clock.now()
    last = last_training(desk, now - _LOOK_BACK, now)
    tried = [] if last is None or is_settled(desk, last) else tries_of(desk, last)
    if 0 < len(tried) < TRIES:
        return tried[-1].at + PAUSE
    return next(iter(training_times(desk, now, now + _LOOK_BACK)), None)


def last_training(desk: Desk, since: datetime, now: datetime) -> datetime | None:
    """The last hour of a training after `since`."""
    return next(reversed(training_times(desk, max(since, now - _LOOK_BACK), now)), None)


def is_settled(desk: Desk, due: datetime) -> bool:
    """Whether nothing is left to do: a training of anyone's ended well since then, or ours had an answer."""
    return any(
        job.opened.kind == "train"
        and job.at >= due
        and (job.fate == "done" or (job.opened.by == BY and job.opened.at >= due and job.fate in _SETTLED))
        for job in desk.snapshot().jobs
    )


def tries_of(desk: Desk, due: datetime) -> list[JobClosed]:
    """The trainings by the clock that have been tried since `due`."""
    jobs = desk.snapshot().jobs
    return [job for job in jobs if job.opened.kind == "train" and job.opened.by == BY and job.opened.at >= due]


class Retraining:
    """Looks at the clock; at most one chain at a time. `sources`: where history comes from, in this order."""

    def __init__(
        self, desk: Desk, jobs: Jobs, born: datetime, sources: Sequence[str] = (), down_since: datetime | None = None
    ) -> None:
        """Hours before the desk was `born` do not count. `down_since`: the last that it knew before this start."""
        self._desk = desk
        self._jobs = jobs
        self._born = born
        self._sources = tuple(sources) if desk.terms.kind is MarketKind.LIVE else ()
        self._down_since = down_since
        self._begun = (born, 0)  # an hour, and how often this process began with its training
        self._rests_until = born
        self._chaining: asyncio.Task[None] | None = None

    async def reach(self) -> None:
        """Begin what is due, once any other long work is over. However many hours were missed, one is made good."""
        now = self._desk.clock.now()
        if self._jobs.running is not None or (self._chaining is not None and not self._chaining.done()):
            return
        self._see_what_broke(now)
        due = last_training(self._desk, self._born, now)
        if due is None or is_settled(self._desk, due):
            return
        tried = tries_of(self._desk, due)
        count = max(len(tried), self._begun[1] if self._begun[0] == due else 0)
        if count >= TRIES or now < self._rests_until or (tried and now < tried[-1].at + PAUSE):
            return
        self._begun = (due, count + 1)
        self._chaining = asyncio.create_task(self._chain(now, due, count + 1), name="retraining")

    def _see_what_broke(self, now: datetime) -> None:
        """A chain that broke, as it does on a full disk, is said, counts as a try, and is followed by a pause."""
        ended, self._chaining = self._chaining, None
        error = None if ended is None or ended.cancelled() else ended.exception()
        if error is None:
            return
        due, number = self._begun
        self._rests_until = now + PAUSE
        log.error("try %d of %d of the training that was due at %s broke off", number, TRIES, due, exc_info=error)
        if number >= TRIES and not is_settled(self._desk, due):
            self._give_up(due)

    def _give_up(self, due: datetime) -> None:
        following = next_training(self._desk)
        then = f"; the next is due at {following:%Y-%m-%d %H:%M} UTC" if following else ""
        detail = f"the training that was due at {due:%Y-%m-%d %H:%M} UTC was tried {TRIES} times and given up{then}"
        log.error(detail)
        self._desk.submit(Attempted(self._desk.clock.now(), BY, "train", False, detail))

    def stop(self) -> None:
        """Begin nothing more; the job at hand is `Jobs`' to end."""
        if self._chaining is not None:
            self._chaining.cancel()

    async def _chain(self, now: datetime, due: datetime, number: int) -> None:
        """Download and check, then train and judge. Whether the history is new enough is the training's to say."""
        notes = [f"try {number} of {TRIES}"] if number > 1 else []
        notes += await self._downloaded(now)
        plan = await asyncio.to_thread(train_plan, self._desk)
        ended = await self._ran(Plan(plan.kind, "; ".join((plan.text, *notes)), plan.arguments))
        if number == TRIES and not is_settled(self._desk, due):
            self._give_up(due)
        elif ended is None:
            await asyncio.sleep(PAUSE.total_seconds() / self._desk.clock.speed)  # nothing is on record to wait from

    async def _downloaded(self, now: datetime) -> list[str]:
        """Ask every source for what the one before did not bring; what there is to say of it."""
        if not self._sources:
            return []
        since, until = await asyncio.to_thread(span_of, self._desk, now, self._down_since)
        reports: list[Mapping[str, Any]] = []
        failed = []
        for source in self._sources:
            end = min(until, last_of(source, now))
            if since >= end:
                continue
            ended = await self._ran(download_plan(self._desk, source, since, end))
            if ended is not None and ended.process.returncode == 0:
                since, self._down_since = end, None
                reports.append(ended.result or {})
            else:
                failed.append(source)
        told = [looked_through(reports)] if reports else []
        if failed and since < until:
            newest = max((at for at, _ in self._desk.snapshot().closes.values()), default=None)
            until_when = f" until {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
            who = " and ".join(failed)
            told.append(f"learning from what is stored{until_when}: the download from {who} did not succeed")
        return told

    async def _ran(self, plan: Plan) -> Running | None:
        """Run one job until its end is on record; None when it could not begin. Another in the way is waited for."""
        try:
            while (started := await self._jobs.start(plan, BY)) is None:
                await asyncio.sleep(_LOOK_AGAIN)
        except OSError as error:
            log.error("the %s could not be started: %s", plan.kind, error)
            return None
        while self._jobs.running is started:
            await asyncio.sleep(_LOOK_AGAIN)
        if started.recorded is not None:
            await asyncio.wrap_future(started.recorded)
        return started
