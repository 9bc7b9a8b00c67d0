"""A hundred pairs and a venue that is slow, or that is asked too much."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from engine.clock import SystemClock
from engine.market.connection import SETTLED, delays
from engine.market.kraken import KrakenFeed
from engine.market.kraken_frames import channels
from engine.market.kraken_subscriptions import Subscriptions
from tests.market.sink import Kept, running, until
from tests.servers.kraken import KrakenServer

NAMES = [f"C{number}/USD" for number in range(120)]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def all_acked(feed):
    return feed.frames is not None and len(feed.frames.subscriptions.acked) == 241


async def test_a_venue_that_takes_few_messages_a_second_still_gives_all_of_120_pairs(monkeypatch):
    monkeypatch.setattr("engine.market.kraken_subscriptions.RATE_PAUSE", timedelta(seconds=0.3))
    monkeypatch.setattr("engine.market.kraken_subscriptions.RATE_SPACING", timedelta(seconds=0.4))
    async with KrakenServer(NAMES, heartbeat=0.05) as venue:
        venue.messages_per_second = 3
        feed, sink = KrakenFeed(SystemClock(), ws_url=venue.ws_url, rest_url=venue.rest_url), Kept()
        await feed.prepare(NAMES)
        async with running(feed, sink):
            await until(lambda: all_acked(feed), 10)
            assert not feed.frames.subscriptions.waiting
            assert not feed.status().refused_symbols
        assert len(venue.requests) < 25, "a venue that complains is not flooded"
        assert venue.connections == 1


async def test_acknowledgements_may_take_their_time(monkeypatch):
    monkeypatch.setattr("engine.market.kraken_subscriptions.ACK_WITHIN", timedelta(seconds=0.2))
    async with KrakenServer(NAMES, heartbeat=0.05) as venue:
        venue.ack_delay = 0.002
        feed, sink = KrakenFeed(SystemClock(), ws_url=venue.ws_url, rest_url=venue.rest_url), Kept()
        await feed.prepare(NAMES)
        async with running(feed, sink):
            await until(lambda: all_acked(feed), 15)
            assert not feed.status().refused_symbols
        assert venue.connections == 1


def complaint(subscriptions, at):
    subscriptions.answer({"Error": "Exceeded msg rate"}, at)


def test_each_further_complaint_doubles_the_pause_and_complaints_of_one_moment_count_once():
    subscriptions = Subscriptions(channels(None), NAMES)
    subscriptions.open(NOON)
    for _ in range(3):
        complaint(subscriptions, NOON)
    assert subscriptions.overdue(NOON + 4.9 * SECOND) == []
    again = NOON + 5 * SECOND
    assert len(subscriptions.overdue(again)) == 1
    complaint(subscriptions, again)
    assert subscriptions.overdue(again + 9.9 * SECOND) == []
    assert len(subscriptions.overdue(again + 10 * SECOND)) == 1


def test_after_a_complaint_every_batch_is_asked_once_a_second_and_none_twice():
    subscriptions = Subscriptions(channels(None), NAMES)
    first = subscriptions.open(NOON)
    complaint(subscriptions, NOON)
    asked = [subscriptions.overdue(NOON + (5 + k) * SECOND) for k in range(len(first) + 3)]
    assert [len(requests) for requests in asked] == [1] * len(first) + [0] * 3
    named = [
        (request["params"]["channel"], symbol)
        for requests in asked
        for request in requests
        for symbol in request["params"].get("symbol", [""])
    ]
    assert len(named) == len(set(named)) == 241


def test_a_venue_is_asked_by_its_own_names_and_its_answers_are_told_by_the_desks():
    subscriptions = Subscriptions(
        channels(None), ["LUNA/USD", "LUNC/USD"], {"LUNA/USD": "LUNA2/USD", "LUNC/USD": "LUNA/USD"}
    )
    (asked,) = [request for request in subscriptions.open(NOON) if request["params"]["channel"] == "trade"]
    assert asked["params"]["symbol"] == ["LUNA2/USD", "LUNA/USD"]
    live = subscriptions.answer({"success": True, "result": {"channel": "trade", "symbol": "LUNA/USD"}}, NOON)
    assert live == (("trade", "LUNC/USD"),)
    subscriptions.answer(
        {"error": "Currency pair not supported LUNA2/USD", "success": False, "symbol": "LUNA2/USD"}, NOON
    )
    assert set(subscriptions.refused) == {"LUNA/USD"}


async def test_the_new_terra_is_not_taken_for_the_old_one():
    async with KrakenServer(["LUNA/USD", "LUNA2/USD"]) as venue:
        venue.prices = {"LUNA/USD": 0.00005, "LUNA2/USD": 0.5}
        feed, sink = KrakenFeed(SystemClock(), ws_url=venue.ws_url, rest_url=venue.rest_url), Kept()
        assert set(await feed.prepare(["LUNA/USD", "LUNC/USD"])) == {"LUNA/USD", "LUNC/USD"}
        async with running(feed, sink):
            await venue.subscribed("ticker", ["LUNA/USD", "LUNA2/USD"])
            await until(lambda: feed.status().up)
            await venue.emit_trades([{"symbol": "LUNA2/USD", "price": 0.5, "qty": 1.0}])
            await venue.emit_trades([{"symbol": "LUNA/USD", "price": 0.00005, "qty": 1.0}])
            await until(lambda: len(sink.prints) == 2)
    assert {item.symbol: item.price for item in sink.prints} == {"LUNA/USD": 0.5, "LUNC/USD": 0.00005}


@pytest.mark.parametrize("lives", [0.0, 1.0, 20.0, 59.0, 60.0, 61.0, 120.0])
def test_whatever_ends_the_line_the_venues_limit_of_attempts_is_far(lives):
    """Kraken bans an address for about 150 attempts in ten minutes; a desk, its restart and its second source fit."""
    waits, now, attempts = delays(random.Random(1)), 0.0, 0
    while now < 600:
        attempts += 1
        waits = delays(random.Random(attempts)) if lives >= SETTLED else waits
        now += lives + next(waits)
    assert attempts <= 20
