"""A live desk on the local venue, twenty times as fast: bad frames, presses that may not pass, prices that stop."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from engine.clock import ScaledClock
from engine.domain import MarketKind, micros
from engine.market.kraken import KrakenFeed
from engine.store.ticks import read_ticks
from tests.e2e.desk import Driver
from tests.e2e.house import HouseThread
from tests.servers.kraken import KrakenServer
from tests.servers.venue_thread import VenueThread

BTC, ETH, SOL, POL, AVAX = PAIRS = ("BTC/USD", "ETH/USD", "SOL/USD", "POL/USD", "AVAX/USD")
SPEED = 20
START = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VenueThread, Driver]]:
    """A venue and a desk at it; the first whole minute is over."""
    clock = ScaledClock(START, SPEED)
    with VenueThread(KrakenServer(PAIRS), clock) as venue:
        feed = KrakenFeed(clock, ws_url=venue.server.ws_url, rest_url=venue.server.rest_url)
        with HouseThread(tmp_path_factory.mktemp("live") / "desk", feed, MarketKind.LIVE) as desk:
            desk.wait(lambda: [m for m in minutes(desk) if not m["missing"]], 20, "whole minute")
            yield venue, desk


@pytest.fixture(scope="module")
def cards(market: tuple[VenueThread, Driver]) -> dict[str, dict]:
    """A card on every pair, after a step of all prices."""
    venue, desk = market
    for pair in PAIRS:
        venue.move(pair, 0.01)
    desk.wait(lambda: len(desk.cards()) == len(PAIRS), 30, "card on every pair")
    return {next(pair for pair in PAIRS if pair in json.dumps(card)): card for card in desk.cards()}


def minutes(desk: Driver) -> list[dict]:
    return [row["message"] for row in desk.rows() if row["message"]["is"] == "Minute"]


def orders(desk: Driver) -> list[str]:
    """Symbols of every order that was ever meant, in order."""
    return [outcome["order"]["symbol"] for outcome in desk.outcomes("OrderIntended")]


def test_every_trade_is_on_disk_and_makes_the_very_bars_that_the_ledger_has(market) -> None:
    _, desk = market
    known = [m for m in minutes(desk) if not m["missing"]][-1]
    desk.wait(lambda: "raw trades kept since the start; 99 of 100 on disk" in desk.run("/health"), 20, "raw trades")
    close = datetime.fromisoformat(known["at"])
    for symbol, k in ((symbol, known["symbols"].index(symbol)) for symbol in PAIRS):
        found = read_ticks(desk.data, close.date(), symbol)
        inside = (found.time >= micros(close) - 60_000_000) & (found.time < micros(close))
        bar = [known[part][k] for part in ("open", "high", "low", "close", "volume")]
        price = found.price[inside]
        assert [price[0], price.max(), price.min(), price[-1], found.volume[inside].sum()] == bar
        assert (found.bid[inside] < found.ask[inside]).any()


def test_bad_frames_kill_nothing_are_counted_and_reach_no_bar(market) -> None:
    venue, desk = market
    before = len(minutes(desk))
    frames = ["{nonsense", "[]", "null", '{"channel":"what"}', '{"channel":"trade","data":[{"symbol":"BTC/USD"}]}']
    prints = [0, -5, math.nan, math.inf, 1e9, 0.0001]

    async def misbehave() -> None:
        for frame in frames:
            await venue.server.emit_raw(frame)
        believed = venue.server.prices[BTC]
        await venue.server.emit_trades([{"symbol": BTC, "price": price, "qty": 1.0} for price in prints])
        venue.server.prices[BTC] = believed
        await venue.server.emit_quote(BTC, 200.0, 100.0)

    venue.ask(misbehave())
    bad = len(frames) + len(prints) + 1
    desk.wait(
        lambda: f"since the start: {bad} market messages" in desk.run("/health"), 20, "count of what was set aside"
    )
    desk.wait(lambda: len(minutes(desk)) > before + 1, 10, "minute after the bad frames")
    for minute in minutes(desk):
        for low, high in zip(minute["low"], minute["high"], strict=True):
            assert 90 < low <= high < 160
    assert "BTC/USD" in minutes(desk)[-1]["symbols"]


def test_presses_that_may_not_pass_place_no_order_and_are_answered(market, cards) -> None:
    venue, desk = market
    venue.still = {BTC}
    silent_since = time.monotonic()
    assert "DESK_TRADERS=U_STRANGER" in desk.press(cards[BTC], "proposal_approve", user="U_STRANGER")
    assert "you have *viewer*" in desk.press(cards[BTC], "proposal_approve", user="U_VIEWER")

    venue.move(ETH, 0.03)  # the limit is 0.5 % × √20
    desk.wait(lambda: desk.house.desk.quote(ETH).ask > 113, 5, "moved price")
    assert "press once more" in desk.press(cards[ETH], "proposal_approve")
    assert orders(desk) == []

    time.sleep(max(0.0, 15.5 - (time.monotonic() - silent_since)))
    assert "s old; nothing was ordered" in desk.press(cards[BTC], "proposal_approve")
    assert orders(desk) == []


def test_a_re_quoted_card_stays_in_its_place_and_one_more_press_fills_it(market, cards) -> None:
    _, desk = market
    shown = next(message for message in desk.messages() if message["ts"] == cards[ETH]["ts"])
    assert "New price" in json.dumps(shown["blocks"])
    assert "Approved" in desk.press(shown, "proposal_approve")
    desk.wait(lambda: "ETH/USD" in desk.run("/positions"), 5, "position")
    assert orders(desk) == [ETH]


def test_of_two_presses_at_once_one_places_an_order_and_the_other_is_told(market, cards) -> None:
    _, desk = market
    with ThreadPoolExecutor() as both:
        asked = [both.submit(desk.press, cards[SOL], "proposal_approve", user) for user in ("U_TRADER", "U_TRADER2")]
    answers = sorted(answer.result() for answer in asked)
    assert "Approved" in answers[0]
    assert "already approved by" in answers[1]
    assert orders(desk).count(SOL) == 1


def test_a_press_on_an_expired_card_says_so(market, cards) -> None:
    _, desk = market
    desk.wait(lambda: not desk.cards(), 60, "end of the cards")
    assert "expired" in desk.press(cards[POL], "proposal_approve")
    assert POL not in orders(desk)
    ids = [outcome["order"]["client_id"] for outcome in desk.outcomes("OrderIntended")]
    assert len(ids) == len(set(ids))


def test_a_broken_connection_comes_back_by_itself_and_what_was_missed_is_marked(market) -> None:
    venue, desk = market
    venue.still = set()
    connections = venue.server.connections
    venue.ask(venue.server.drop())
    desk.wait(lambda: venue.server.connections > connections, 10, "new connection")
    desk.wait(lambda: desk.house.desk.feed_status().up, 10, "feed that is up")
    changes = [row["message"]["up"] for row in desk.rows() if row["message"]["is"] == "FeedChanged"]
    assert changes[-2:] == [False, True]
    assert "kraken delivers" in desk.wait(lambda: healthy(desk), 15, "good health")


def healthy(desk: Driver) -> str:
    answer = desk.run("/health")
    return answer if re.search(r"[1-9]\d* gaps? in the data", answer) else ""
