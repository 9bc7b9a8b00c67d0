"""A desk on Massive's feed: a process that starts on it, and a card and a fill on a market twenty times as fast."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from engine.clock import ScaledClock
from engine.domain import MarketKind
from engine.market.massive import MassiveFeed
from engine.market.massive_access import MassiveAccess
from tests.e2e.desk import command
from tests.e2e.house import BRISK, NOWHERE, HouseThread
from tests.servers.massive import KEY, MassiveServer
from tests.servers.venue_thread import VenueThread

PAIRS = ("BTC-USD", "ETH-USD", "SOL-USD", "POL-USD", "AVAX-USD")
SPEED = 20
START = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


def test_a_desk_starts_on_massive_and_its_key_is_in_nothing_that_it_writes(start, tmp_path: Path) -> None:
    with VenueThread(MassiveServer(PAIRS)) as vendor:
        vendor.server.unknown = {"AVAX-USD"}
        desk = start("--feed", "massive", "--playbook", BRISK, DATABASE_URL=NOWHERE, **vendor.settings).ready()
        desk.wait(lambda: "massive delivers" in desk.run("/health"), 20, "feed that delivers")
        assert "AVAX/USD" in desk.run("/health") + desk.run("/desk", "universe")
        assert desk.stop() == 0
    assert vendor.server.connections == 1
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [1 for content in written if KEY.encode() in content]


def test_a_refused_key_ends_a_first_start_with_one_sentence_for_all_symbols(tmp_path: Path) -> None:
    with VenueThread(MassiveServer(PAIRS)) as vendor:
        settings = {**vendor.settings, "POLYGON_API_KEY": "not-the-key-at-all"}
        asked = ("run", "--feed", "massive", "--data-dir", str(tmp_path / "desk"))
        ended = command(*asked, home=tmp_path, DATABASE_URL=NOWHERE, **settings)
    assert ended.returncode == 1
    assert ended.stderr.count("does not know the key in POLYGON_API_KEY") == 1
    assert "not-the-key-at-all" not in ended.stdout + ended.stderr


def test_a_step_of_massives_prices_becomes_a_card_and_a_press_a_position(tmp_path: Path) -> None:
    clock = ScaledClock(START, SPEED)
    with VenueThread(MassiveServer(PAIRS), clock) as vendor:
        access = MassiveAccess(key=KEY, ws_url=vendor.server.ws_url, rest_url=vendor.server.rest_url)
        with HouseThread(tmp_path / "desk", MassiveFeed(clock, access), MarketKind.LIVE) as desk:
            desk.wait(lambda: any(not minute["missing"] for minute in minutes(desk)), 20, "whole minute")
            assert "Approved" in desk.press(card_after_a_step(vendor, desk), "proposal_approve")
            desk.wait(lambda: "BTC/USD" in desk.run("/positions"), 5, "position")


def card_after_a_step(vendor: VenueThread[MassiveServer], desk: HouseThread) -> dict:
    """A step up again and again: on a busy machine the analyst may miss the minute of one."""
    for share in (0.01, -0.02, 0.02, -0.02, 0.02, -0.02, 0.02):
        vendor.move("BTC-USD", share)
        with suppress(AssertionError):
            return desk.wait(lambda: next((c for c in desk.cards() if "BTC/USD" in json.dumps(c)), None), 8, "card")
    raise AssertionError(f"no card after four steps:\n{desk.output()}")


def minutes(desk: HouseThread) -> list[dict]:
    return [row["message"] for row in desk.rows() if row["message"]["is"] == "Minute"]
