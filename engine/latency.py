"""How long messages took from receipt to the durable record."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_KEPT = 100_000


class Percentiles(NamedTuple):
    """Real seconds from receipt (or emission of the minute) to the durable record."""

    messages: int
    p50: float
    p99: float
    worst: float


class Latencies:
    """The last messages' latencies, by kind; written by one thread, read by any."""

    def __init__(self) -> None:
        self._seen: deque[tuple[str, float]] = deque(maxlen=_KEPT)

    def note(self, kind: str, seconds: float) -> None:
        self._seen.append((kind, seconds))

    def percentiles(self, kind: str | None = None) -> Percentiles | None:
        """Of one kind, such as `Slice` or `Minute`, or of all; None without any."""
        values = sorted(seconds for name, seconds in list(self._seen) if kind in (None, name))
        if not values:
            return None
        at = [values[min(len(values) - 1, int(len(values) * share))] for share in (0.5, 0.99)]
        return Percentiles(len(values), at[0], at[1], values[-1])
