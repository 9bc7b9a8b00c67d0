"""Delivery: what the ledger says is to be said reaches Slack once, in order, at Slack's pace.

The outbox follows the ledger by sequence. Before an attempt the post is marked; when its end is unknown (a crash, a
lost answer) the channel's history is asked for the post's id before anything is sent again. Updates of one subject
merge: only the newest words go out. The engine never waits for any of it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.courier import Courier
from bot.lookup import Refused, TryLater, Unsayable, Unsure
from bot.outbox_store import OutboxStore, Waiting
from engine import clock
from engine.records import Record

log = logging.getLogger(__name__)

SPACING = 1.1  # seconds between two messages in one channel
BATCH = 500  # ledger rows taken in at once
BACK_OFF = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
UNSEEN_AFTER = 60.0  # a card that waited longer and is over by then is counted, not posted
STALE = frozenset({"expired", "withdrawn"})
REFUSALS_MOST = 5
FOLLOW_AGAIN = 5.0  # seconds after a ledger or an outbox file that could not be read


class LedgerReader(Protocol):
    """The part of the desk that the outbox reads."""

    def records(self, after: int = 0) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """For /health. Ages in real seconds."""

    waiting: int
    oldest: float | None
    failed: int
    last_error: str


class Outbox:
    """Runs on the asyncio loop: one follower of the ledger, one courier's round per channel."""

    def __init__(
        self,
        store: OutboxStore,
        courier: Courier,
        ledger: LedgerReader,
        channels: Sequence[str],
        spacing: float = SPACING,
        unseen_after: float = UNSEEN_AFTER,
    ) -> None:
        """`channels`: the roles (signals, reports, alerts) that have a queue of their own; the rest is in seconds."""
        self._spacing = spacing
        self._unseen_after = unseen_after
        self._store = store
        self._courier = courier
        self._ledger = ledger
        self._channels = channels
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._rounds = {channel: asyncio.Event() for channel in channels}
        self._tasks: list[asyncio.Task[None]] = []
        self._following = asyncio.Lock()
        self._adopting = True
        self._maybe_sent: float | None = None

    async def start(self) -> None:
        """Catch up with the ledger and begin to deliver."""
        self._loop = asyncio.get_running_loop()
        await self._followed()
        work = [self._follow_on(), *(self._rounds_of(channel) for channel in self._channels)]
        self._tasks = [asyncio.create_task(one, name="outbox") for one in work]

    def wake(self, _record: object = None) -> None:
        """There are new rows. Callable from any thread; returns at once."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Deliver what is due, for at most `timeout` seconds; False when something is left for the next start."""
        await self._followed()
        until = clock.monotonic() + timeout
        while clock.monotonic() < until:
            if not (await asyncio.to_thread(self._store.counts))[0]:
                return True
            await asyncio.sleep(0.1)
        return False

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def status(self) -> OutboxStatus:
        waiting, oldest, failed, error = self._store.counts()
        age = max(0.0, self._courier.now() - oldest) if oldest is not None else None
        return OutboxStatus(waiting, age, failed, error)

    # -------------------------------------------------------- following the ledger

    async def _follow_on(self) -> None:
        """A fault while reading the ledger or writing the outbox never ends the following: it is tried again."""
        while True:
            await self._news.wait()
            self._news.clear()
            if not await self._followed():
                await asyncio.sleep(FOLLOW_AGAIN)

    async def _followed(self) -> bool:
        """Take in what is new; False when that failed, and then there is still news."""
        try:
            await self._follow()
        except Exception:  # a full disk, a locked file, a row that cannot be read: logged, seen in /health, tried again
            log.exception("the ledger could not be followed; trying again in %.0f s", FOLLOW_AGAIN)
            self._news.set()
            return False
        return True

    async def _follow(self) -> None:
        async with self._following:
            if self._adopting:
                self._maybe_sent = await asyncio.to_thread(self._adopted)
            while await asyncio.to_thread(self._take) == BATCH:
                pass
            self._adopting, self._maybe_sent = False, None
        for event in self._rounds.values():
            event.set()

    def _adopted(self) -> float | None:
        """The time of the ledger's first row when this outbox is new: a lost one may have sent what is there."""
        if self._store.cursor() is not None:
            return None
        return next((record.at.timestamp() for record in self._ledger.records(0)), None)

    def _take(self) -> int:
        rows = itertools.islice(self._ledger.records(self._store.cursor() or 0), BATCH)
        return self._store.take(rows, self._courier.now(), self._maybe_sent)

    # -------------------------------------------------------- delivering

    async def _rounds_of(self, channel: str) -> None:
        """A fault in one delivery never silences a channel for good."""
        while True:
            try:
                await self._round(channel)
            except Exception:  # a bug must not end delivery: it is logged and tried again
                log.exception("delivery to %s stumbled; it goes on in %.0f s", channel, BACK_OFF[-2])
                await asyncio.sleep(BACK_OFF[-2])

    async def _round(self, channel: str) -> None:
        """Deliver one channel's posts, one at a time, spaced; wait longer while Slack is not to be had."""
        failures = 0
        while True:
            self._rounds[channel].clear()
            post = await asyncio.to_thread(self._next, channel)
            if post is None:
                await self._rounds[channel].wait()
                continue
            wait = await self._deliver(post, failures)
            failures = 0 if wait is None else failures + 1
            await asyncio.sleep(self._spacing if wait is None else wait)

    def _next(self, channel: str) -> Waiting | None:
        """The first post that may go: its head stands, and nothing older of its subject waits before it."""
        self._drop_stale(channel)
        for post in self._store.waiting(channel):
            oldest = self._store.first_of(post.subject)
            if oldest is None:
                continue
            if self._head_stands(oldest):
                return oldest
        return None

    def _head_stands(self, post: Waiting) -> bool:
        """Whether the message that a reply belongs under is there, or will never be."""
        if post.thread is None:
            return True
        head = self._store.standing(post.thread)
        return head is None or head.ts is not None or self._store.first_of(post.thread) is None

    def _drop_stale(self, channel: str) -> None:
        """Cards that came and went unseen while Slack was away are counted in one line instead of posted."""
        now = self._courier.now()
        for post in self._store.waiting(channel):
            if post.template != "proposal" or post.op != "post" or post.sent_at is not None:
                continue
            standing = self._store.standing(post.subject)
            if standing is None or standing.ts is not None or now - post.queued_at < self._unseen_after:
                continue
            if standing.data["proposal"]["status"] in STALE:
                self._store.drop_subject(post.subject)
                self._store.note_missed(channel, standing, now)

    async def _deliver(self, post: Waiting, failures: int) -> float | None:
        """One attempt; None when the post is out of the way, else the seconds to wait before the next."""
        try:
            await self._courier.deliver(post)
        except TryLater as later:
            log.debug("post %s waits: %s", post.key, later)
            await asyncio.to_thread(self._store.unsure, post.key, str(later))
            return later.seconds or BACK_OFF[min(failures, len(BACK_OFF) - 1)]
        except Unsure as lost:
            log.warning("the end of post %s is unknown (%s); looking it up before sending again", post.key, lost)
            return BACK_OFF[min(failures, len(BACK_OFF) - 1)]
        except Refused as no:
            if post.tries + 1 < REFUSALS_MOST:
                return BACK_OFF[min(post.tries, len(BACK_OFF) - 1)]
            await self._give_up(post, no)
        except Unsayable as fault:
            await self._give_up(post, fault)
        return None

    async def _give_up(self, post: Waiting, why: Exception) -> None:
        log.error("post %s was given up after %d tries: %s", post.key, post.tries + 1, why)
        await asyncio.to_thread(self._store.give_up, post.key, "failed", str(why))
