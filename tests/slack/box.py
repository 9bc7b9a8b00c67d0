"""An outbox over a fake ledger and a real workspace, for tests that stop and start it."""

from __future__ import annotations

import time
from pathlib import Path

from slack_sdk.web.async_client import AsyncWebClient

from bot.courier import Courier
from bot.outbox import Outbox
from bot.outbox_store import OutboxStore
from bot.posts import announce
from bot.render import Words
from bot.reports import Reporter
from engine.messages import Stopped
from engine.outcomes import Outcome
from tests.days.desk import NOW
from tests.slack.desk import FakeDesk

IDS = {"signals": "C0SIGNALS01", "reports": "C0REPORTS01", "alerts": "C0ALERTS001"}


class Box:
    """An outbox over one ledger and one file; may be stopped and started again."""

    def __init__(self, desk: FakeDesk, client: AsyncWebClient, words: Words, path: Path) -> None:
        self.desk, self.client, self.words, self.path = desk, client, words, path
        self._second = 0
        self.reported = 0

    async def start(self) -> None:
        self.store = OutboxStore(self.path)
        reporter = Reporter(self.desk, self.words)
        courier = Courier(self.client, self.store, self.words, IDS, time.time, reporter, self._count)
        self.outbox = Outbox(self.store, courier, self.desk, tuple(IDS), spacing=0.02, unseen_after=0.5)
        await self.outbox.start()

    def _count(self) -> None:
        self.reported += 1

    async def stop(self) -> None:
        await self.outbox.stop()
        self.store.close()

    def write(self, *outcomes: Outcome) -> None:
        """One ledger row with these outcomes and what follows from them."""
        self._second += 1
        message = Stopped(NOW.replace(second=self._second), "test")
        self.desk.record(message, outcomes, announce(message, outcomes, self.desk.snapshot()))

    async def say(self, *outcomes: Outcome, within: float = 6.0) -> None:
        self.write(*outcomes)
        self.outbox.wake()
        assert await self.outbox.flush(within), self.outbox.status()
