"""The loop's own long work by name. What must not end unnoticed is logged when it breaks, said in `/health`, and begun
again after a pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from engine.clock import monotonic
from engine.recovery import Part

log = logging.getLogger(__name__)

AGAIN = 30.0  # real seconds
SAID_FOR = 600.0  # real seconds after the last time that it broke

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Tasks:
    """`begin` runs work to its end, `keep` for as long as the desk does; each can be begun again by name."""

    def __init__(self, again: float = AGAIN) -> None:
        self._again = again
        self._made: dict[str, tuple[Work, asyncio.Task[None]]] = {}
        self._endless: dict[str, None] = {}  # what is kept, in order
        self._broken: dict[str, tuple[str, float]] = {}

    def begin(self, name: str, work: Work) -> None:
        """Start `work`, in the place of what had this name."""
        self._made[name] = work, asyncio.create_task(work(), name=name)

    def keep(self, name: str, work: Work) -> None:
        """Start work that ends only by a fault: then it is started again."""
        self._endless[name] = None
        self.begin(name, lambda: self._kept(name, work))

    def broken(self) -> dict[str, str]:
        """Task → what broke it; one that has run for ten minutes since is well."""
        now = monotonic()
        return {name: words for name, (words, at) in list(self._broken.items()) if now - at < SAID_FOR}

    def trouble(self, name: str) -> str:
        """Why a task that should run for ever has ended; "" while it runs."""
        _, task = self._made[name]
        if not task.done():
            return ""
        error = None if task.cancelled() else task.exception()
        return f"it ended with {type(error).__name__}: {error}" if error is not None else "it ended"

    async def again(self, name: str, work: Work | None = None) -> None:
        """End what is left of a task and begin it anew, with other `work` where that is given."""
        before, task = self._made[name]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.begin(name, work or before)

    def parts(self) -> list[Part]:
        """What is kept, as parts to look at: kept work that came to its end by itself is not begun again here."""
        return [_part(self, name) for name in self._endless]

    async def stop(self) -> None:
        """Cancel everything and wait for its end."""
        tasks = [task for _, task in self._made.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _kept(self, name: str, work: Work) -> None:
        while (error := await _ended(work)) is not None:
            log.critical("%s broke; it begins again in %.0f s", name, self._again, exc_info=error)
            self._broken[name] = f"{type(error).__name__}: {error}", monotonic()
            await asyncio.sleep(self._again)
        log.error("%s came to its end, which it should not while the desk runs", name)


def _part(tasks: Tasks, name: str) -> Part:
    return Part(name, lambda: tasks.trouble(name), lambda: tasks.again(name))


async def _ended(work: Work) -> BaseException | None:
    """Do the work; what it broke of, None when it has come to its end."""
    task = asyncio.ensure_future(work())
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return None if task.cancelled() else task.exception()
