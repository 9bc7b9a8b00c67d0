"""Time that leaps: an asyncio loop whose clock stands while anything is being worked on and skips every wait."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

LOOK = 0.0005  # real seconds between looks at whether the threads are done


class LeapingSelector(selectors.DefaultSelector):
    """Waits in real time only for the other threads; otherwise moves the clock to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.busy: Callable[[], bool] = bool

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None or self.busy():
            return super().select(LOOK)
        self.now += timeout
        return []


class LeapingLoop(asyncio.SelectorEventLoop):
    """`working` counts what runs in threads for the loop: time stands meanwhile."""

    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        self.working = 0
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.working += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _: object) -> None:
        self.working -= 1


class LeapingClock:
    """Desk time of a leaping loop; read from any thread."""

    speed = 1.0

    def __init__(self, loop: LeapingLoop, begin: datetime) -> None:
        self._loop = loop
        self._begin = begin

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self._loop.leaping.now)
