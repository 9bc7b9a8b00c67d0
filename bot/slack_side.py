"""Everything that speaks to Slack, as one thing: it joins when Slack can be reached and leaves with nothing unsaid."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bot.app import build_app
from bot.connection import Connection, Joined, NotReached, SlackRefused, check, check_until_reached
from bot.courier import Courier
from bot.front import Front, Reports
from bot.home import HomeTabs
from bot.outbox import Outbox
from bot.outbox_store import Backlog, OutboxStore
from bot.outbox_tidying import KEEP_DAYS, forget
from bot.workspace import Workspace

log = logging.getLogger(__name__)

FLUSH_WITHIN = 10.0
JOIN_AGAIN = 20.0  # seconds after joining broke off


class SlackSide:
    """The Bolt app, its socket, the outbox and the home tabs of one desk."""

    def __init__(
        self,
        front: Front,
        workspace: Workspace,
        data: Path,
        reports: Reports,
        now: Callable[[], float],
        reported: Callable[[], None],
    ) -> None:
        """`now`: real seconds since the epoch; `reported` is called whenever a report stands in Slack."""
        self._front = front
        self._workspace = workspace
        self._reports = reports
        self._now = now
        self._reported = reported
        self._store = OutboxStore(data / "outbox.sqlite")
        self._tabs = HomeTabs(front)
        self._joining: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._outbox: Outbox | None = None
        self._refused = ""

    @property
    def up(self) -> bool:
        return self._connection is not None and self._connection.up

    def status(self) -> str:
        return self._connection.status() if self._connection else self._refused or "Slack has not been reached yet"

    def backlog(self) -> Backlog:
        """How far delivery is; a broken outbox file is told, not raised."""
        try:
            return self._store.backlog(self._now())
        except sqlite3.Error as error:
            return Backlog(trouble=f"the outbox file cannot be read ({error})")

    def is_reported(self, slot: str) -> bool:
        """Whether the report of a slot stands in Slack."""
        try:
            return self._store.is_out(f"report:{slot}")
        except sqlite3.Error as error:
            log.error("the outbox file cannot be read (%s)", error)
            return False

    def wake(self, record: object = None) -> None:
        """There is something new to say. Any thread."""
        if self._outbox is not None:
            self._outbox.wake(record)

    def retouch(self, subject: str, data: Mapping[str, Any]) -> None:
        """Let a message that stands say something newer; a lost edit is no loss."""
        try:
            if self._store.retouch(subject, data, self._now()):
                self.wake()
        except sqlite3.Error as error:
            log.warning("the outbox file does not take an edit of %s (%s)", subject, error)

    def tidy(self, living: Collection[str]) -> None:
        """Forget posts that are old and over; `living`: words that name what still goes on."""
        forget(self._store, self._now() - KEEP_DAYS * 86_400, living)

    async def open(self) -> None:
        """Join now, or keep trying in the background while Slack is away. Raises `SlackRefused` on a wrong set-up."""
        try:
            joined = await check(self._front.client, self._workspace.app_token, self._channels())
        except NotReached as error:
            log.warning("%s; the desk works on and joins when it can", error)
            self._joining = asyncio.create_task(self._join_later(), name="slack-join")
            return
        await self._join(joined)

    async def close(self) -> None:
        """Deliver what is due, then leave. Every part is closed, whatever another one does."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._store.close)
            if self._connection is not None:
                stack.push_async_callback(self._connection.close)
            if self._outbox is not None:
                stack.push_async_callback(self._outbox.stop)
                stack.push_async_callback(self._flush, self._outbox)
            for task in (self._joining, self._watching):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    async def _flush(self, outbox: Outbox) -> None:
        if not await outbox.flush(FLUSH_WITHIN):
            log.warning("%d messages are still to be delivered; the next start does it", self.backlog().waiting)

    def _channels(self) -> dict[str, str]:
        settings = self._workspace.settings
        names = (settings.channel_signals, settings.channel_reports, settings.channel_alerts)
        return dict(zip(("signals", "reports", "alerts"), names, strict=True))

    async def _join_later(self) -> None:
        client, token = self._front.client, self._workspace.app_token
        while True:
            try:
                await self._join(await check_until_reached(client, token, self._channels()))
                return
            except SlackRefused as error:
                self._refused = str(error)
                log.critical(
                    "Slack refuses this desk: %s; mend it and start again. The desk trades on without Slack", error
                )
                return
            except Exception:  # a desk without Slack must not stay so unseen
                log.exception("joining Slack broke off; trying again in %.0f s", JOIN_AGAIN)
                await asyncio.sleep(JOIN_AGAIN)

    async def _join(self, joined: Joined) -> None:
        if self._connection is not None:  # of a joining that broke off
            await self._connection.close()
        self._front.access.team = joined.team
        client, words = self._front.client, self._front.words
        courier = Courier(client, self._store, words, joined.channels, self._now, self._reports, self._reported)
        self._outbox = Outbox(self._store, courier, self._front.desk, tuple(self._channels()))
        self._connection = Connection(build_app(self._front, self._tabs), self._workspace.app_token)
        await self._connection.open()
        await self._outbox.start()
        self._watching = asyncio.create_task(self._tabs.watch(), name="home-tabs")
