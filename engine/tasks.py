"""Tasks that must not end unnoticed: one that breaks is logged, said in `/health`, and begun again after a pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from engine.clock import monotonic

log = logging.getLogger(__name__)

AGAIN = 30.0  # real seconds
SAID_FOR = 600.0  # real seconds after the last time that it broke


class Watched:
    """`keep` runs one task for as long as the desk does. `broken` says which broke lately, and of what."""

    def __init__(self, again: float = AGAIN) -> None:
        self._again = again
        self._broken: dict[str, tuple[str, float]] = {}

    def broken(self) -> dict[str, str]:
        """Task → what broke it; one that has run for ten minutes since is well."""
        now = monotonic()
        return {name: words for name, (words, at) in list(self._broken.items()) if now - at < SAID_FOR}

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run until `work` returns, or until cancelled."""
        while (error := await _ended(work)) is not None:
            log.critical("%s broke; it begins again in %.0f s", name, self._again, exc_info=error)
            self._broken[name] = f"{type(error).__name__}: {error}", monotonic()
            await asyncio.sleep(self._again)


async def _ended(work: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Do the work; what it broke of, None when it has come to its end."""
    task = asyncio.ensure_future(work())
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return None if task.cancelled() else task.exception()
