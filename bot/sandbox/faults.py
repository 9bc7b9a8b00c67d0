"""What can go wrong between an app and Slack, switched on for a while to see what the app does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

KINDS = ("slack_down", "rate_limit", "lost_response", "refresh", "half_open", "stale_ticket", "invalid_blocks")


@dataclass
class Faults:
    """`now` gives real seconds; a fault is on until its second has come."""

    now: Callable[[], float]
    until: dict[str, float] = field(default_factory=dict)

    def start(self, kind: str, seconds: float) -> None:
        self.until[kind] = self.now() + seconds

    def left(self, kind: str) -> float:
        """Seconds that `kind` still lasts; 0 when it is over."""
        return max(0.0, self.until.get(kind, 0.0) - self.now())

    def on(self, kind: str) -> bool:
        return self.left(kind) > 0
