"""What is to be said about outcomes, and one ledger row: a message with everything that followed from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from engine.domain import (
    Symbol,
)
from engine.messages import Message
from engine.outcomes import ModelChanged, ModelOffered, Outcome


@dataclass(frozen=True, slots=True)
class Post:
    """Something to say, decided with the outcomes and durable with them; words come at delivery.

    `channel` is signals, reports or alerts. `subject` names the message for ever (`proposal:P3`, `trade:T7`,
    `alarm:feed`, `report:evening:2026-11-20`); `op` update edits that message. `thread` is the subject of the head it
    belongs under, or None. `mention` may @channel. Smaller `priority` is sooner (0 alert, 1 trade, 2 report, 3 digest).
    """

    key: str
    channel: str
    op: str  # "post" or "update"
    subject: str
    template: str
    data: Mapping[str, object]
    thread: str | None = None
    mention: bool = False
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One ledger row: a message, everything that followed from it, and what is to be said about it."""

    seq: int
    at: datetime
    message: Message
    outcomes: tuple[Outcome, ...]
    posts: tuple[Post, ...]
    judged_until: Mapping[Symbol, datetime]
    head: str  # this row's hash, hex

    def agrees(self, found: tuple[Outcome, ...]) -> bool:
        """Whether the message, judged again, gave what the row says."""
        return len(found) == len(self.outcomes) and all(map(same, self.outcomes, found))


def same(recorded: Outcome, found: Outcome) -> bool:
    """Whether two outcomes are equal. What a row of an older version does not say is not asked of it."""
    old = isinstance(recorded, ModelOffered | ModelChanged) and recorded.challengers is None
    if old and isinstance(found, ModelOffered | ModelChanged):
        found = replace(found, challengers=None)
    return recorded == found
