"""Looks every hour for what is stuck, and starts it again: a task or a thread that ended, a feed that fell silent. What
orders wait for is looked at between, several times a minute.

Each part of the desk says of itself what is wrong with it, and how it begins again. The engine thread is no such part:
nothing here waits for it or holds it up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.clock import Clock, monotonic
from engine.health import Upkept

log = logging.getLogger(__name__)

AGAIN_WITHIN = 60.0  # real seconds for one part to begin again
URGENT_EVERY = 20.0  # real seconds between looks at the urgent parts
BLOCKED = 300.0  # real seconds after which work in hand counts as stuck


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the desk. `trouble` says why it is stuck, "" when it is well; both are called on the loop. With `again`
    None nothing is started here, and `otherwise` says what helps. `urgent`: it cannot wait for the hourly look."""

    name: str
    trouble: Callable[[], str]
    again: Callable[[], Awaitable[None]] | None = None
    otherwise: str = "only a new start of the desk helps"
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found stuck: `why`, and whether it was started again (else `failed` says what hindered it)."""

    part: str
    why: str
    failed: str = ""


@dataclass(slots=True)
class Looked:
    """The last look at every part, in desk time and on the real clock, with what was found since; and how often
    anything was started again since the start."""

    at: datetime
    real: float
    found: list[Found] = field(default_factory=list)
    acts: int = 0
    looks: int = 0


class Recovery:
    """Run `run` as a task of its own, not by the scheduler: that is one of the parts."""

    def __init__(self, parts: Callable[[], Sequence[Part]], clock: Clock, every: float) -> None:
        """`every`: real seconds between looks."""
        self._parts = parts
        self._clock = clock
        self._every = every
        self._last = Looked(clock.now(), monotonic())

    async def run(self) -> None:
        """Look until cancelled."""
        due = monotonic() + self._every
        while True:
            await asyncio.sleep(min(URGENT_EVERY, max(0.0, due - monotonic())))
            if monotonic() < due:
                await self.look_at_urgent()
                continue
            await self.look()
            due = monotonic() + self._every

    async def look(self) -> list[Found]:
        """One look at every part, the urgent ones first; what was stuck."""
        found = await self._stuck(lambda part: True)
        acts = self._last.acts + _begun(found)
        self._last = Looked(self._clock.now(), monotonic(), found, acts, self._last.looks + 1)
        return found

    async def look_at_urgent(self) -> list[Found]:
        """A look between: what was stuck. `status` tells it until the next look at every part."""
        found, last = await self._stuck(lambda part: part.urgent), self._last
        if found:
            names = {one.part for one in found}
            kept = [one for one in last.found if one.part not in names]
            self._last = replace(last, at=self._clock.now(), found=[*kept, *found], acts=last.acts + _begun(found))
        return found

    def status(self) -> Upkept:
        """For `/health`: what the last look came to, and whether looks come at all."""
        last = self._last
        if monotonic() - last.real > 2 * self._every + AGAIN_WITHIN:
            return Upkept(f"Nobody has looked for what is stuck since {last.at:%H:%M} UTC.", False, last.acts)
        if not last.looks and not last.found:
            return Upkept(f"The first look for what is stuck comes {self._every / 60:.0f} min after the start.")
        if not last.found:
            return Upkept(f"Nothing is stuck, as of {last.at:%H:%M} UTC.", True, last.acts)
        words = [f"{one.part}, {one.why}; {one.failed or 'started again'}." for one in last.found]
        return Upkept(f"Found stuck at {last.at:%H:%M} UTC: {' '.join(words)}", False, last.acts)

    async def _stuck(self, wanted: Callable[[Part], bool]) -> list[Found]:
        try:
            parts = sorted(filter(wanted, self._parts()), key=lambda part: not part.urgent)
        except Exception as error:
            log.error("the parts of the desk cannot be told", exc_info=error)
            return [Found("recovery", "it does not know what to look at", _failed("the parts cannot be told", error))]
        return [one for part in parts if (one := await self._look_at(part)) is not None]

    async def _look_at(self, part: Part) -> Found | None:
        try:
            why = part.trouble()
        except Exception as error:
            log.error("whether %s is stuck cannot be told", part.name, exc_info=error)
            return Found(part.name, "whether it is stuck is unknown", _failed("it cannot be looked at", error))
        if not why:
            return None
        if part.again is None:
            log.error("%s is stuck: %s; %s", part.name, why, part.otherwise)
            return Found(part.name, why, part.otherwise)
        log.error("%s is stuck: %s; it is started again", part.name, why)
        try:
            async with asyncio.timeout(AGAIN_WITHIN):
                await part.again()
        except Exception as error:
            log.error("%s could not be started again", part.name, exc_info=error)
            return Found(part.name, why, _failed("it cannot be started again", error))
        return Found(part.name, why)


def _begun(found: Sequence[Found]) -> int:
    return sum(not one.failed for one in found)


def _failed(what: str, error: Exception) -> str:
    return f"{what} ({type(error).__name__}: {error})"
