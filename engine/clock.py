"""The only place that reads the wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from engine.domain import require_utc


class Clock(Protocol):
    """Desk time. `speed` is desk seconds per real second."""

    speed: float

    def now(self) -> datetime: ...


class SystemClock:
    """Desk time is real time."""

    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)


class ScaledClock:
    """Desk time that starts at `start` and runs `speed` times as fast as real time; it never goes back.

    A `held` clock stands at `start` until `release`: a market in desk time loses nothing while the desk gets ready.
    """

    def __init__(self, start: datetime, speed: float, *, held: bool = False) -> None:
        if speed <= 0:
            raise ValueError(f"speed was {speed}; it must be above 0")
        self.speed = speed
        self._start = require_utc(start)
        self._origin = None if held else time.monotonic()

    def release(self) -> None:
        """Let a held clock run from now on."""
        if self._origin is None:
            self._origin = time.monotonic()

    def now(self) -> datetime:
        elapsed = 0.0 if self._origin is None else time.monotonic() - self._origin
        return self._start + timedelta(seconds=elapsed * self.speed)


class ManualClock:
    """Desk time that moves only when told: for replays and tests."""

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        self.speed = speed
        self._now = require_utc(start)

    def now(self) -> datetime:
        return self._now

    def set(self, at: datetime) -> None:
        """Move to `at`; earlier instants are refused."""
        at = require_utc(at)
        if at < self._now:
            raise ValueError(f"clock asked to go back from {self._now.isoformat()} to {at.isoformat()}")
        self._now = at

    def advance(self, by: timedelta) -> None:
        self.set(self._now + by)


def release(clock: Clock) -> None:
    """Let desk time run where it is held."""
    if isinstance(clock, ScaledClock):
        clock.release()


def real_seconds(clock: Clock, until: datetime) -> float:
    """Real seconds to wait until desk time `until`; 0 when it has passed."""
    return max(0.0, (require_utc(until) - clock.now()).total_seconds() / clock.speed)


def monotonic() -> float:
    """Real seconds for measuring latency, never for deciding."""
    return time.monotonic()
