"""How much Slack lets an app do, and how long its one-time keys live."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.sandbox.errors import SlackError, ratelimited

TRIGGER_SECONDS = 3.0
PER_MINUTE = {1: 10.0, 2: 20.0, 3: 50.0, 4: 100.0}
"""Slack's tiers, calls a minute; each may be used up in one burst."""
POST_PER_SECOND, POST_BURST = 1.0, 4.0


@dataclass
class Bucket:
    rate: float
    size: float
    level: float
    at: float

    def take(self, now: float) -> float:
        """0 when there was room, else the seconds until there is."""
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level >= 1.0:
            self.level -= 1.0
            return 0.0
        return (1.0 - self.level) / self.rate


class Rates:
    """Token buckets per method, and per channel for chat.postMessage; `now` gives real seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def check(self, method: str, tier: int, channel: str = "") -> None:
        """Raise SlackError ratelimited (HTTP 429) when the method's budget is used up."""
        if method == "chat.postMessage":
            self._take(f"{method}:{channel}", POST_PER_SECOND, POST_BURST)
            self._take(method, 5.0, 300.0)
        else:
            self._take(method, PER_MINUTE[tier] / 60, PER_MINUTE[tier])

    def _take(self, key: str, rate: float, size: float) -> None:
        now = self._now()
        bucket = self._buckets.setdefault(key, Bucket(rate, size, size, now))
        wait = bucket.take(now)
        if wait:
            raise ratelimited(wait)


@dataclass
class Trigger:
    user: str
    until: float
    used: bool = False


@dataclass
class Triggers:
    """Trigger ids: three seconds, one use."""

    now: Callable[[], float]
    issued: dict[str, Trigger] = field(default_factory=dict)

    def issue(self, user: str) -> str:
        now = self.now()
        self.issued = {key: one for key, one in self.issued.items() if one.until > now - 600}
        name = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self.issued[name] = Trigger(user, now + TRIGGER_SECONDS)
        return name

    def use(self, name: str) -> str:
        """The user who pressed; SlackError when unknown, late or used."""
        trigger = self.issued.get(name)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self.now() > trigger.until:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger.user
