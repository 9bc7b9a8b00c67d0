"""A desk that was away at seven, and a desk whose disk fills up: what people find in Slack afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from engine import feed_named, runtime
from engine.clock import ScaledClock
from engine.disk_watch import DiskWatch
from engine.domain import MarketKind, Role
from engine.health import DISK_CRITICAL
from engine.market.kraken import KrakenFeed
from engine.messages import ClosePosition
from engine.store.reserve import DiskReserve
from tests.e2e.desk import Driver
from tests.e2e.house import HouseThread
from tests.servers.kraken import KrakenServer
from tests.servers.venue_thread import VenueThread

SEVEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 07:00 in Los Angeles
PAIRS = ("BTC/USD", "ETH/USD", "SOL/USD", "POL/USD", "AVAX/USD")


def house(data: Path, at: datetime) -> HouseThread:
    return HouseThread(data, feed_named("simulated", clock=ScaledClock(at, 1.0)), MarketKind.SIMULATED)


def reports(desk: Driver) -> list[str]:
    """What the reports channel holds, apart from charts."""
    return [message["text"] for message in desk.messages(channel="daily-reports") if message.get("metadata")]


def test_a_report_missed_while_the_desk_was_away_is_posted_once_and_says_that_it_is_late(tmp_path: Path) -> None:
    with house(tmp_path / "desk", SEVEN - timedelta(minutes=10)) as before:
        before.wait(before.messages, 15, "greeting")
        assert reports(before) == []
    with house(tmp_path / "desk", SEVEN + timedelta(minutes=50)) as after:
        [text] = after.wait(lambda: reports(after), 15, "report")
        assert "late" in text.lower()
    with house(tmp_path / "desk", SEVEN + timedelta(minutes=55)) as again:
        again.wait(lambda: len(again.outcomes("DeskStarted")) == 3, 15, "third start")
        assert reports(again) == [text]
        assert len(again.outcomes("ReportDue")) == 1


def test_a_disk_that_fills_up_refuses_entries_records_exits_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [10 * DISK_CRITICAL]
    monkeypatch.setattr(runtime, "DiskReserve", partial(DiskReserve, free=lambda _: room[0]))
    monkeypatch.setattr(runtime, "DiskWatch", partial(DiskWatch, every=0.1))
    clock = ScaledClock(SEVEN, 20)
    with VenueThread(KrakenServer(PAIRS), clock) as venue:
        feed = KrakenFeed(clock, ws_url=venue.server.ws_url, rest_url=venue.server.rest_url)
        with HouseThread(tmp_path / "desk", feed, MarketKind.LIVE) as desk:
            one, other = step_up(desk, venue)
            desk.press(one, "proposal_approve")
            desk.wait(desk.house.desk.held, 10, "position")

            room[0] = DISK_CRITICAL - 1
            desk.wait(lambda: any("MiB are free on the disk" in m["text"] for m in desk.messages()), 10, "word of it")
            desk.press(other, "proposal_approve")
            desk.wait(lambda: nothing_is_open(desk), 10, "exit while the disk is full")
            assert len(desk.outcomes("PositionOpened")) == len(desk.outcomes("PositionClosed")) == 1

            room[0] = 10 * DISK_CRITICAL
            desk.wait(lambda: not desk.house.desk.snapshot().holds, 10, "end of the hold")


def step_up(desk: HouseThread, venue: VenueThread) -> list[dict]:
    """A card on each of two pairs, after a step of their prices."""
    desk.wait(lambda: any(row["message"].get("close") for row in desk.rows()), 20, "whole minute")
    for pair in PAIRS[:2]:
        venue.move(pair, 0.01)
    return desk.wait(lambda: found if len(found := desk.cards()) == 2 else [], 30, "two cards")


def nothing_is_open(desk: HouseThread) -> bool:
    """Close whatever is open, as a person at the machine would."""
    engine = desk.house.desk
    for symbol in engine.held():
        engine.submit(ClosePosition(engine.clock.now(), "console", Role.ADMIN, symbol)).result(10)
    return not engine.held()
