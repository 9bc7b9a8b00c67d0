"""The analyst on a thread of its own: minutes go in, answers come back through a callback."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime

from engine.analyst.analyst import Analyst
from engine.messages import Analysis, Minute


class AnalystThread:
    """Answers minutes in order. An exception ends the thread and goes to `failed`, so that the desk can say so."""

    def __init__(
        self, analyst: Analyst, answered: Callable[[Analysis], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._analyst = analyst
        self._answered = answered
        self._failed = failed
        self._after: datetime | None = None
        self._minutes: queue.SimpleQueue[Minute | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="analyst", daemon=True)

    def start(self, after: datetime | None = None) -> None:
        """Begin; minutes up to `after` are known to the analyst already, and are passed over."""
        self._after = after
        self._thread.start()

    def submit(self, minute: Minute) -> None:
        """Queue one minute; returns at once."""
        self._minutes.put(minute)

    def stop(self, timeout: float = 5.0) -> None:
        """Answer what is queued, then end."""
        self._minutes.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while (minute := self._minutes.get()) is not None:
                if self._after is None or minute.at > self._after:
                    self._answered(self._analyst.on(minute))
        except Exception as error:  # noqa: BLE001 (handed on: the desk raises the alarm)
            self._failed(error)
