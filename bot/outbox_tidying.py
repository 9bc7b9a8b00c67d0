"""What the outbox may forget: messages that stand in Slack, are weeks old, and whose story is over."""

from __future__ import annotations

from collections.abc import Collection

from bot.outbox_store import OutboxStore
from engine.domain import micros
from engine.snapshot import Snapshot

KEEP_DAYS = 30


def going_on(snapshot: Snapshot) -> frozenset[str]:
    """Words that name whatever may still be said more of: waiting cards, open trades, holds, alarms and models."""
    return frozenset(
        [
            *(proposal.id for proposal in snapshot.proposals),
            *(position.trade_id for position in snapshot.positions),
            *(str(micros(hold.since)) for hold in snapshot.holds),
            *(str(micros(alarm.since)) for alarm in snapshot.alarms),
            *(one.version for state in snapshot.models.values() for one in state.versions()),
        ]
    )


def forget(store: OutboxStore, before: float, living: Collection[str]) -> int:
    """Delete subjects of which nothing was said since `before` (real seconds) and nothing waits; returns how many.

    What names one of `living`, or has it in its data, stays: it may be edited yet, or answered in its thread.
    """
    over = [
        subject
        for subject, data in store.quiet_since(before)
        if not any(word in subject or f'"{word}"' in data for word in living)
    ]
    store.forget(over)
    return len(over)
