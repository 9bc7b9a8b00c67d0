"""What reaches people when Slack or the desk does not: a webhook for critical alarms, and a dead-man URL.

Both are optional, neither ever blocks or raises; what went wrong is logged without the address and shown in `/health`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp

from engine.domain import Alarm

log = logging.getLogger(__name__)

_TIME_LIMIT = aiohttp.ClientTimeout(total=10)


@dataclass(slots=True)
class SecondPath:
    """Posts to the webhook and pings the dead-man URL, in tasks of their own. `trouble` is "" while all is well."""

    webhook_url: str | None = None
    dead_man_url: str | None = None
    desk: str = "Nightdesk"
    trouble: str = ""
    _told: dict[str, str] = field(default_factory=dict)  # alarm key → what was sent for it
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def alarms(self, standing: Iterable[Alarm]) -> None:
        """Send every critical alarm once, and its recovery. Call it with all alarms that stand."""
        critical = {alarm.key: alarm.sentence for alarm in standing if alarm.level == "critical"}
        fresh = [f"CRITICAL: {sentence}" for key, sentence in critical.items() if key not in self._told]
        gone = [f"Recovered: {sentence}" for key, sentence in self._told.items() if key not in critical]
        self._told = {key: self._told.get(key, sentence) for key, sentence in critical.items()}
        for text in (*fresh, *gone):
            self._start("the webhook", self.webhook_url, {"text": f"{self.desk}: {text}"})

    def report_posted(self) -> None:
        """Tell the dead-man service that a report went out: its silence is the alarm."""
        self._start("the dead-man URL", self.dead_man_url, None)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks)

    def _start(self, name: str, url: str | None, body: dict[str, str] | None) -> None:
        if url is None:
            return
        task = asyncio.get_running_loop().create_task(self._send(name, url, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, name: str, url: str, body: dict[str, str] | None) -> None:
        try:
            async with aiohttp.ClientSession(timeout=_TIME_LIMIT) as session:
                call = session.get(url) if body is None else session.post(url, json=body)
                async with call as answer:
                    self._settle(name, "" if answer.ok else f"{name} answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._settle(name, f"{name} cannot be reached ({type(error).__name__})")

    def _settle(self, name: str, trouble: str) -> None:
        if trouble:
            log.warning("second alert path: %s", trouble)
            self.trouble = trouble
        elif self.trouble.startswith(name):
            self.trouble = ""
