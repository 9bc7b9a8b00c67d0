"""What becomes of full journals: compressed segments, or rows of the database. On a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from engine.store.errors import StoreError
from engine.store.tick_segments import left_behind, seal

log = logging.getLogger(__name__)

AGAIN_AFTER = 10.0  # real seconds


class Finishing:
    """Finishes journals one after the other, those of an earlier run first; what fails is tried again until it works.

    `finish` is given a closed journal and must bear being given it again after a crash.
    """

    def __init__(self, finish: Callable[[Path], object] = seal, again_after: float = AGAIN_AFTER) -> None:
        self.problem = ""
        self._finish = finish
        self._again_after = again_after
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._in_hand: Path | None = None
        self._thread = threading.Thread(target=self._run, name="tick-segments", daemon=True)

    def start(self, home: Path) -> None:
        """Begin with what an earlier run left in `home`."""
        for journal in left_behind(home):
            self._queue.put(journal)
        self._thread.start()

    def trouble(self) -> str:
        """Why journals are not finished any more; "" while they are."""
        ended = self._thread.ident is not None and not self._thread.is_alive() and not self._ending.is_set()
        return "the thread that finishes journals ended" if ended else ""

    def revive(self) -> None:
        """A new thread; the journal that the old one had in hand comes last."""
        if self._in_hand is not None:
            self._queue.put(self._in_hand)
        self._thread = threading.Thread(target=self._run, name="tick-segments", daemon=True)
        self._thread.start()

    def take(self, journal: Path) -> None:
        self._queue.put(journal)

    def stop(self, within: float) -> None:
        """End after the journal in hand; the others are found again by the next start."""
        self._ending.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(within)

    def _run(self) -> None:
        while (journal := self._queue.get()) is not None and not self._ending.is_set():
            self._in_hand = journal
            while not self._done(journal) and not self._ending.wait(self._again_after):
                pass
            self._in_hand = None

    def _done(self, journal: Path) -> bool:
        try:
            self._finish(journal)
        except FileNotFoundError:  # too old to be kept: its day was removed meanwhile
            log.info("%s is gone", journal)
        except (OSError, StoreError) as error:
            if not self.problem:
                log.error("%s could not be finished (%s); trying again", journal, error)
            self.problem = f"stored trades wait to be finished: {error}"
            return False
        self.problem = ""
        return True
