"""How long it will still take: by the source's own word first, then by what the work has taken so far."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.backfill import progress as module
from engine.backfill.progress import Progress
from engine.ports import Piece
from tests.backfill.made import DAY, START


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def pieces(symbol: str, days: int) -> list[Piece]:
    starts = [START + number * DAY for number in range(days)]
    return [Piece(f"{symbol} {start:%d}", (symbol,), start, start + timedelta(days=1)) for start in starts]


def test_a_source_that_says_what_its_pieces_cost_is_believed_until_the_work_shows_its_pace(clock) -> None:
    busy, thin = pieces("BTC/USD", 2), pieces("ADA/USD", 10)
    progress = Progress()
    costs = {piece.key: 60.0 for piece in busy} | {piece.key: 1.0 for piece in thin}
    progress.expect(("BTC/USD", "ADA/USD"), [*busy, *thin], (), costs)
    assert progress.eta == 130.0

    clock[0] += 120.0  # twice as long as was said
    progress.finished(busy[0], {"BTC/USD": 1440})
    assert progress.eta == pytest.approx(140.0)
    progress.gave_up(busy[1])
    assert progress.eta == pytest.approx(10.0)


def test_what_an_earlier_run_finished_takes_no_time(clock) -> None:
    days = pieces("BTC/USD", 4)
    progress = Progress()
    progress.expect(("BTC/USD",), days, days[:1], {piece.key: 60.0 for piece in days[1:]})
    assert progress.eta == 180.0


def test_a_source_that_says_nothing_is_judged_by_the_count_of_its_pieces(clock) -> None:
    days = pieces("BTC/USD", 4)
    progress = Progress()
    progress.expect(("BTC/USD",), days, days[:1])
    assert progress.eta is None
    clock[0] += 5.0
    progress.finished(days[1], {"BTC/USD": 1440})
    assert progress.eta == pytest.approx(10.0)
