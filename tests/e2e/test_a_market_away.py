"""The market cannot be reached: a newcomer gets the simulated one, a live desk waits for its own."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.domain import MarketKind
from engine.market.kraken import KrakenFeed
from tests.e2e.desk import RunningDesk, command
from tests.e2e.house import BRISK, NOWHERE, HouseThread
from tests.servers.kraken import KrakenServer
from tests.servers.venue_thread import VenueThread

CLOSED = {"KRAKEN_WS_URL": "ws://127.0.0.1:9/v2", "KRAKEN_REST_URL": "http://127.0.0.1:9/0", "DATABASE_URL": NOWHERE}
PAIRS = ("BTC/USD", "ETH/USD", "SOL/USD", "POL/USD", "AVAX/USD")


@pytest.fixture
def venue() -> Iterator[VenueThread]:
    with VenueThread(KrakenServer(PAIRS)) as venue:
        yield venue


def test_a_newcomer_gets_the_simulated_market_and_every_place_says_so(start) -> None:
    desk = start(**CLOSED).ready()
    assert "kraken cannot be reached; falling back to the simulated market" in desk.output()
    assert desk.messages()[0]["text"].startswith("[simulated]")
    assert "on a simulated market [simulated]" in status(desk)
    assert "database cannot be reached" in desk.run("/health")
    assert desk.stop() == 0


def test_a_live_desk_waits_for_its_market_says_so_and_goes_on_when_it_is_back(start, tmp_path: Path, venue) -> None:
    feed = KrakenFeed(SystemClock(), ws_url=venue.server.ws_url, rest_url=venue.server.rest_url)
    with HouseThread(tmp_path / "desk", feed, MarketKind.LIVE) as first:
        first.wait(lambda: first.house.desk.feed_status().up, 10, "feed that is up")
        asked = [call for call, _ in venue.server.rest_calls]
        assert asked.count("OHLC") == len(PAIRS), "720 bars of history for each pair"

    venue.server.closed = True
    venue.server.rest_errors["AssetPairs"] = deque([["EService:Unavailable"]] * 20)
    desk = start("--playbook", BRISK, DATABASE_URL=NOWHERE, **venue.settings).ready()
    waiting = "the desk starts without prices, enters nothing and keeps trying"
    desk.wait(lambda: waiting in desk.output() and "kraken down" in status(desk), 30, "word that it waits")
    assert "simulated" not in json.dumps(desk.messages())
    assert "has delivered nothing" in desk.run("/health")

    venue.server.closed = False
    venue.server.rest_errors.clear()
    desk.wait(lambda: "kraken up" in status(desk), 30, "feed that is up again")
    assert desk.stop() == 0


def status(desk: RunningDesk) -> str:
    return command("status", "--data-dir", str(desk.data), home=desk.home).stdout
