"""The outbox stays small, and never forgets what may still be edited or answered in its thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.outbox_store import OutboxStore
from bot.outbox_tidying import forget
from engine.messages import Timer
from engine.records import Post
from tests.days.desk import NOW, record

DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OutboxStore]:
    opened = OutboxStore(tmp_path / "outbox.sqlite")
    yield opened
    opened.close()


def said(store: OutboxStore, seq: int, subject: str, day: float, out: bool = True, **data: object) -> None:
    """One post of `subject`, queued on `day`, delivered unless `out` is False."""
    post = Post(f"{subject}|{seq}", "signals", "post", subject, "proposal", data)
    row = record(seq, Timer(NOW, "x", str(seq), NOW))
    store.take([type(row)(row.seq, row.at, row.message, row.outcomes, (post,), {}, row.head)], day * DAY)
    if out:
        waiting = store.first_of(subject)
        assert waiting is not None
        store.delivered(waiting, "C1", f"{seq}.0", f"{seq}.0", (seq, 0))


def test_what_is_old_and_over_is_forgotten_and_never_queued_again(store: OutboxStore) -> None:
    said(store, 1, "proposal:P1", day=1)
    said(store, 2, "proposal:P2", day=20)
    assert forget(store, 15 * DAY, ()) == 1
    assert store.standing("proposal:P1") is None
    assert store.standing("proposal:P2") is not None
    assert store.cursor() == 2
    assert store.counts()[0] == 0


def test_what_still_goes_on_stays_however_old(store: OutboxStore) -> None:
    said(store, 1, "proposal:P1", day=1)  # waits for consent
    said(store, 2, "proposal:P2", day=1, position={"trade_id": "T7"})  # the card of an open trade
    said(store, 3, "trade:T7", day=1)
    said(store, 4, "alarm:feed:99", day=1)
    assert forget(store, 15 * DAY, {"P1", "T7", "99"}) == 0
    assert all(store.is_out(name) for name in ("proposal:P1", "proposal:P2", "trade:T7", "alarm:feed:99"))


def test_what_was_not_delivered_or_has_newer_words_stays(store: OutboxStore) -> None:
    said(store, 1, "report:a", day=1, out=False)
    said(store, 2, "report:b", day=1)
    said(store, 3, "report:b", day=20)
    assert forget(store, 15 * DAY, ()) == 0
    assert store.first_of("report:a") is not None
