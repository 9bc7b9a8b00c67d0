"""The analyst on a thread of its own: minutes go in, answers come back through a callback."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime

from engine.analyst.analyst import Analyst
from engine.clock import monotonic
from engine.messages import Analysis, Minute


class AnalystThread:
    """Answers minutes in order. An exception ends the thread and goes to `failed`, so that the desk can say so."""

    def __init__(
        self, analyst: Analyst, answered: Callable[[Analysis], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._analyst = analyst
        self._answered = answered
        self._failed = failed
        self.error: BaseException | None = None  # what ended it
        self._minutes: queue.SimpleQueue[Minute | None] = queue.SimpleQueue()
        self._known: datetime | None = None
        self._moved = monotonic()
        self._is_left = False
        self._thread = threading.Thread(target=self._run, name="analyst", daemon=True)

    def start(self, known: datetime | None = None) -> None:
        """Begin; minutes up to `known` are in the indicators already."""
        self._known, self._moved = known, monotonic()
        self._thread.start()

    def stuck(self, after: float) -> int:
        """How many minutes wait, when none was taken up in so many real seconds; else 0."""
        return self._minutes.qsize() if monotonic() - self._moved > after else 0

    def leave(self) -> None:
        """Another takes over: whatever this one still answers is not wanted any more."""
        self._is_left = True
        self._minutes.put(None)

    def submit(self, minute: Minute) -> None:
        """Queue one minute; returns at once."""
        if self._minutes.empty():
            self._moved = monotonic()  # it was idle: what waits has waited since now
        self._minutes.put(minute)

    def stop(self, timeout: float = 5.0) -> None:
        """Answer what is queued, then end."""
        self._minutes.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while (minute := self._minutes.get()) is not None:
                self._moved = monotonic()
                if self._known is None or minute.at > self._known:
                    answer = self._analyst.on(minute)
                    if self._is_left:
                        return
                    self._answered(answer)
        except Exception as error:  # noqa: BLE001 (handed on: the desk raises the alarm)
            self.error = error
            if not self._is_left:
                self._failed(error)
