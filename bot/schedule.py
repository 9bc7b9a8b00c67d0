"""What the desk does by the clock: report slots in desk time, the health check and tidying in real time.

Slots are computed by `engine.slots`; APScheduler only waits. A slot is submitted as `Timer(name="report")`, and the
Trader makes it exactly once. At the start the slots missed since the ledger's last instant are made good: the latest of
each report is posted late and names the older ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from engine import Part, clock, health, slots
from engine.messages import Message, Timer

if TYPE_CHECKING:
    from concurrent.futures import Future

    from engine.records import Record

log = logging.getLogger(__name__)

TIDY_EVERY = 3600.0  # real seconds
STUCK_AFTER, _BEATS = 300.0, 3  # real seconds, and beats missed, after which a job is stuck
_END_WITHIN = 5.0  # real seconds
_CHECK_SLOTS_EVERY = 10.0  # real seconds: heals a machine that slept through a slot


class DeskClock(Protocol):
    """Desk time, and how much faster than real time it runs."""

    speed: float

    def now(self) -> datetime: ...


class SlotDesk(Protocol):
    """What the schedule asks of the desk."""

    @property
    def clock(self) -> DeskClock: ...

    def submit(self, message: Message) -> Future[Record]: ...


def missed(last_known: datetime | None, now: datetime, zone: ZoneInfo) -> list[slots.Slot]:
    """The latest missed slot of each report, in order of due; nothing on a desk that never ran."""
    if last_known is None:
        return []
    latest = {slot.report: slot for slot in slots.slots(last_known, now, zone)}
    return sorted(latest.values(), key=lambda slot: (slot.due, slots.REPORTS.index(slot.report)))


@dataclass(slots=True)
class Beat:
    """A job that comes again and again: how often (real seconds), and when it last moved."""

    every: float
    job: Callable[[], Awaitable[None]]
    moved: float
    task: asyncio.Task[None] | None = None  # while it runs

    def trouble(self) -> str:
        """Why it is stuck; "" while it comes as it should."""
        since = clock.monotonic() - self.moved
        if since < max(_BEATS * self.every, STUCK_AFTER):
            return ""
        what = "has been at work" if self.task else "has not run"
        return f"it {what} for {since / 60:.0f} min"


class Schedule:
    """The desk's clockwork. `last_known` is the desk time of the ledger's last row before this start, or None."""

    def __init__(
        self,
        desk: SlotDesk,
        zone: ZoneInfo,
        last_known: datetime | None,
        check_health: Callable[[], Awaitable[None]],
        tidy: Callable[[], None],
        retrain: Callable[[], Awaitable[None]] | None = None,
        maintain: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`retrain` and `maintain` are asked every few seconds whether a training or maintenance is due."""
        self._desk = desk
        self._zone = zone
        self._reached = last_known
        self._check_health = check_health
        self._tidy = tidy
        self._long = {"retrain": retrain, "maintain": maintain}
        self._beats: dict[str, Beat] = {}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self.misfires = 0
        self._started = last_known
        self._made_good: slots.Slot | None = None

    def start(self) -> None:
        """Make good what was missed, then wait for the next slot. Call it on the running loop."""
        now = self._desk.clock.now()
        for slot in missed(self._reached, now, self._zone):
            self._submit(slot)
            self._made_good = slot
        self._reached = self._started = now
        self._scheduler.add_listener(self._on_missed, EVENT_JOB_MISSED)
        self._every(health.CHECK_EVERY, self._check_health, "health")
        self._every(TIDY_EVERY, self._tidy_up, "tidy")
        self._every(_CHECK_SLOTS_EVERY, self.reach, "slots")
        for name, ask in self._long.items():
            if ask is not None:
                self._every(_CHECK_SLOTS_EVERY, ask, name)
        self._scheduler.start()
        self._await_next()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def parts(self) -> list[Part]:
        """The jobs, to be looked at for what is stuck."""
        return [Part(f"job {name}", beat.trouble, partial(self._again, name)) for name, beat in self._beats.items()]

    @property
    def last_slot(self) -> slots.Slot | None:
        """The last slot that should be on record by now: by the clock, whatever this schedule did about it."""
        if self._started is None:
            return None
        latest = slots.last_slot(self._desk.clock.now(), self._zone)
        return latest if latest.due > self._started else self._made_good

    async def reach(self) -> None:
        """Submit every slot that has fallen due by now, each once."""
        now = self._desk.clock.now()
        if self._reached is None or now <= self._reached:
            return
        due = slots.slots(self._reached, now, self._zone)
        self._reached = now
        for slot in due:
            self._submit(slot)
        if due:
            self._await_next()

    def _submit(self, slot: slots.Slot) -> None:
        log.debug("report %s is due", slot.key)
        future = self._desk.submit(Timer(at=self._desk.clock.now(), name="report", key=slot.key, due=slot.due))
        future.add_done_callback(_complain)

    def _await_next(self) -> None:
        """One wake-up exactly at the next slot; the regular look at the clock is the safety net."""
        desk_clock = self._desk.clock
        now = desk_clock.now()
        wait = (slots.next_slot(now, self._zone).due - now).total_seconds() / desk_clock.speed
        self._scheduler.add_job(
            partial(_until_stopped, self.reach),
            "interval",
            seconds=wait + 0.05,
            id="next slot",
            replace_existing=True,
            misfire_grace_time=None,
        )

    def _every(self, seconds: float, job: Callable[[], Awaitable[None]], name: str) -> None:
        self._beats[name] = beat = Beat(seconds, job, clock.monotonic())
        self._scheduler.add_job(
            partial(_beaten, beat),
            "interval",
            seconds=seconds,
            id=name,
            replace_existing=True,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=60,
        )

    async def _again(self, name: str) -> None:
        """End what a job hangs in, and have it come again."""
        beat = self._beats[name]
        if beat.task is not None:
            beat.task.cancel()
            await asyncio.wait([beat.task], timeout=_END_WITHIN)
        self._every(beat.every, beat.job, name)
        if not self._scheduler.running:
            self._scheduler.start()

    async def _tidy_up(self) -> None:
        await asyncio.to_thread(self._tidy)

    def _on_missed(self, event: Any) -> None:
        self.misfires += 1
        log.warning("the scheduled job %s was missed", event.job_id)


async def _beaten(beat: Beat) -> None:
    beat.task, beat.moved = asyncio.current_task(), clock.monotonic()
    try:
        await _until_stopped(beat.job)
    finally:
        beat.task, beat.moved = None, clock.monotonic()


async def _until_stopped(job: Callable[[], Awaitable[None]]) -> None:
    """A job that the desk's end interrupts has not failed."""
    try:
        await job()
    except asyncio.CancelledError:
        log.debug("a scheduled job ended with the desk")


def _complain(future: Future[Record]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("a report slot could not be recorded: %s", error)
