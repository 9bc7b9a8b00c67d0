"""The live feed against a local venue: the real client, real sockets, real frames."""

import asyncio
import random
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from engine.clock import ManualClock, SystemClock
from engine.domain import micros
from engine.market.connection import delays
from engine.market.errors import FeedUnreachable
from engine.market.kraken import KrakenFeed
from tests.market.sink import Kept, running, until
from tests.servers.kraken import KrakenServer


def feed_at(venue, **options):
    return KrakenFeed(SystemClock(), ws_url=venue.ws_url, rest_url=venue.rest_url, **options)


async def no_wait(_):
    await asyncio.sleep(0.01)


async def test_prints_and_quotes_arrive_under_the_desks_names():
    async with KrakenServer(["BTC/USD", "DOGE/USD"]) as venue:
        feed, sink = feed_at(venue), Kept()
        instruments = await feed.prepare(["XBT/USD", "DOGE/USD"])
        assert set(instruments) == {"BTC/USD", "DOGE/USD"}
        assert instruments["BTC/USD"].price_step == 0.01
        async with running(feed, sink):
            await venue.subscribed("ticker", ["BTC/USD", "DOGE/USD"])
            await venue.emit_trades([{"symbol": "BTC/USD", "price": 100.5, "qty": 0.25}])
            await until(lambda: sink.prints and {quote.symbol for quote in sink.quotes} == {"BTC/USD", "DOGE/USD"})
        assert (sink.prints[0].symbol, sink.prints[0].price, sink.prints[0].quantity) == ("BTC/USD", 100.5, 0.25)
        assert [change.up for change in sink.changes] == [True]


async def test_an_unknown_symbol_is_named_and_the_others_trade():
    async with KrakenServer(["BTC/USD"]) as venue:
        feed = feed_at(venue)
        assert set(await feed.prepare(["BTC/USD", "NOPE/USD"])) == {"BTC/USD"}
        assert "NOPE/USD" in feed.status().refused_symbols
        await feed.close()


async def test_the_rest_address_may_be_given_with_or_without_its_version():
    async with KrakenServer(["BTC/USD"]) as venue:
        for address in (venue.rest_url, venue.rest_url.removesuffix("/0"), f"{venue.rest_url}/"):
            feed = KrakenFeed(SystemClock(), ws_url=venue.ws_url, rest_url=address)
            assert set(await feed.prepare(["BTC/USD"])) == {"BTC/USD"}
            await feed.close()
        assert {call for call, _ in venue.rest_calls} == {"AssetPairs"}


async def test_a_renamed_coin_is_asked_for_under_the_name_it_has_now():
    async with KrakenServer(["POL/USD", "RNDR/USD"]) as venue:
        feed = feed_at(venue)
        assert set(await feed.prepare(["MATIC/USD", "RNDR/USD"])) == {"POL/USD", "RENDER/USD"}
        await feed.close()


async def test_a_pair_that_is_not_open_for_trading_is_refused_with_its_state():
    async with KrakenServer(["BTC/USD", "ETH/USD"]) as venue:
        venue.states["ETH/USD"] = "cancel_only"
        feed = feed_at(venue)
        assert set(await feed.prepare(["BTC/USD", "ETH/USD"])) == {"BTC/USD"}
        assert feed.status().refused_symbols == {"ETH/USD": "Kraken lists ETH/USD as cancel_only"}
        await feed.close()


async def test_a_held_pair_is_watched_for_its_exits_whatever_its_state():
    async with KrakenServer(["BTC/USD", "ETH/USD"]) as venue:
        venue.states.update({"BTC/USD": "reduce_only", "ETH/USD": "cancel_only"})
        feed, sink = feed_at(venue), Kept()
        feed.held = ("BTC/USD",)
        found = await feed.prepare(["BTC/USD", "ETH/USD"])
        words = "Kraken lists BTC/USD as reduce_only; it is held, so it is watched for its exits only"
        assert {symbol: item.barred for symbol, item in found.items()} == {"BTC/USD": words}
        assert feed.status().refused_symbols["BTC/USD"] == words
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await venue.trade_at_its_price("BTC/USD")
            await until(lambda: [item.symbol for item in sink.prints] == ["BTC/USD"])


async def test_a_subscription_that_the_venue_refuses_is_named_by_symbol():
    async with KrakenServer(["BTC/USD", "ETH/USD"]) as venue:
        venue.refused["ETH/USD"] = "Currency pair not supported ETH/USD"
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(["BTC/USD", "ETH/USD"])
        async with running(feed, sink):
            await until(lambda: "ETH/USD" in feed.status().refused_symbols and feed.status().up)
            await until(lambda: any(change.symbols == ("ETH/USD",) for change in sink.changes))
            assert "not supported" in feed.status().refused_symbols["ETH/USD"]
            assert set(feed.status().refused_symbols) == {"ETH/USD"}
            venue.refused.clear()
            await venue.drop()
            await until(lambda: [one.up for one in sink.changes if one.symbols] == [False, True])


async def test_a_hundred_pairs_are_subscribed_in_batches_and_every_one_is_acknowledged():
    names = [f"C{number}/USD" for number in range(120)]
    async with KrakenServer(names) as venue:
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(names)
        async with running(feed, sink):
            await until(lambda: feed.frames is not None and len(feed.frames.subscriptions.acked) == 241)
            assert not feed.frames.subscriptions.waiting
        sizes = [
            len(request["params"]["symbol"]) for request in venue.requests if "symbol" in request.get("params", {})
        ]
        assert max(sizes) <= 50
        assert sum(sizes) == 240


async def test_told_to_slow_down_the_feed_asks_again_later(monkeypatch):
    monkeypatch.setattr("engine.market.kraken_subscriptions.RATE_PAUSE", timedelta(seconds=0.2))
    async with KrakenServer(["BTC/USD"], heartbeat=0.05) as venue:
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await venue.subscribed("trade", ["BTC/USD"])
            venue.rate_limited = 3
            await venue.drop()
            await venue.subscribed("trade", ["BTC/USD"])
            await until(lambda: feed.status().up)


async def test_a_request_without_an_answer_is_repeated(monkeypatch):
    monkeypatch.setattr("engine.market.kraken_subscriptions.ACK_WITHIN", timedelta(seconds=0.1))
    async with KrakenServer(["BTC/USD"], heartbeat=0.05) as venue:
        venue.deaf.add("trade")
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await venue.subscribed("ticker", ["BTC/USD"])
            assert not feed.status().up
            venue.deaf.clear()
            await venue.subscribed("trade", ["BTC/USD"])
            await until(lambda: feed.status().up)


async def test_a_dropped_line_comes_back_and_the_gap_is_recorded():
    async with KrakenServer(["BTC/USD"]) as venue:
        feed, sink = feed_at(venue, sleep=no_wait), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await venue.drop()
            await until(lambda: [change.up for change in sink.changes] == [True, False, True])
            assert feed.status().gaps == 1
            assert feed.status().reconnects == 1
            await venue.emit_trades([{"symbol": "BTC/USD", "price": 101.0, "qty": 1.0}])
            await until(lambda: bool(sink.prints))


async def test_a_minute_with_a_break_in_the_line_is_missing_and_the_next_whole_one_is_not():
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    clock, sink = ManualClock(noon), Kept()
    async with KrakenServer(["BTC/USD"], heartbeat=0.02) as venue:
        venue.now = clock.now
        feed = KrakenFeed(clock, ws_url=venue.ws_url, rest_url=venue.rest_url, sleep=no_wait)
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await venue.emit_trades([{"symbol": "BTC/USD", "price": 100.0, "qty": 1.0}])
            await until(lambda: len(sink.prints) == 1)
            clock.set(noon + timedelta(seconds=63))
            await until(lambda: len(sink.minutes) == 1)
            await venue.drop()
            await until(lambda: [change.up for change in sink.changes] == [True, False, True])
            clock.set(noon + timedelta(seconds=123))
            await until(lambda: len(sink.minutes) == 2)
            clock.set(noon + timedelta(seconds=183))
            await until(lambda: len(sink.minutes) == 3)
    assert [minute.quality for minute in sink.minutes] == [("good",), (), ("quiet",)]
    assert [minute.missing for minute in sink.minutes] == [(), ("BTC/USD",), ()]


async def test_no_minute_is_lost_between_the_history_and_the_stream():
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    clock, sink = ManualClock(noon + timedelta(seconds=50)), Kept()
    async with KrakenServer(["BTC/USD"], heartbeat=0.02) as venue:
        venue.now = clock.now
        feed = KrakenFeed(clock, ws_url=venue.ws_url, rest_url=venue.rest_url)
        await feed.prepare(["BTC/USD"])
        history = await feed.warm_up(["BTC/USD"], 300)
        assert history["BTC/USD"].time[-1] == micros(noon)
        clock.set(noon + timedelta(seconds=70))
        async with running(feed, sink):
            # up when trades are heard; what the last one was stands in the ticker, which may come after
            await until(lambda: len(sink.minutes) == 1 and feed.status().up and bool(sink.quotes))
            clock.set(noon + timedelta(seconds=183))
            await until(lambda: len(sink.minutes) == 3)
    assert [minute.at for minute in sink.minutes] == [noon + timedelta(minutes=k) for k in (1, 2, 3)]
    assert [bool(minute.missing) for minute in sink.minutes] == [True, True, False]


async def test_silence_is_a_dead_line_but_a_quiet_coin_is_not():
    async with KrakenServer(["BTC/USD"], heartbeat=0.05) as venue:
        feed, sink = feed_at(venue, sleep=no_wait, silence=0.3), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await asyncio.sleep(0.6)  # heartbeats only
            assert [change.up for change in sink.changes] == [True]
            venue.silent = True
            await until(lambda: not feed.status().up)
            assert "no frame" in sink.changes[-1].detail
            venue.silent = False
            await until(lambda: feed.status().up)


async def test_reconnects_are_at_once_then_five_ten_twenty_forty_and_sixty_seconds_apart():
    waits = []

    async def note(seconds):
        waits.append(seconds)
        await asyncio.sleep(0 if len(waits) < 8 else 60)

    async with KrakenServer(["BTC/USD"]) as venue:
        feed, sink = feed_at(venue, sleep=note, dice=random.Random(3)), Kept()
        await feed.prepare(["BTC/USD"])
        venue.closed = True
        async with running(feed, sink):
            await until(lambda: len(waits) == 8)
        assert 0 <= waits[0] <= 1
        assert waits[1:] == [5, 10, 20, 40, 60, 60, 60]
        assert venue.connections == 8


def test_the_first_delay_differs_between_desks():
    assert len({next(delays(random.Random(seed))) for seed in range(20)}) == 20


MALFORMED = [
    "{",
    "[1,2]",
    "null",
    '"text"',
    "{}",
    '{"channel":"trade"}',
    '{"channel":"trade","data":7}',
    '{"channel":"trade","type":"update","data":[7,null,{}]}',
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":"abc","qty":1,"timestamp":"2026-01-01T00:00:00Z"}]}',
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":true,"qty":1,"timestamp":"2026-01-01T00:00:00Z"}]}',
    '{"channel":"trade","type":"update","data":[{"symbol":["BTC"],"price":1,"qty":1,"timestamp":"2026-01-01T00:00:00Z"}]}',
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":1,"qty":1,"timestamp":"yesterday"}]}',
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":1,"qty":1,"timestamp":"2026-01-01T00:00:00"}]}',
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":null,"ask":1}]}',
    '{"channel":"instrument","type":"snapshot","data":{}}',
    '{"channel":"status","data":[]}',
    '{"channel":["trade"],"data":[]}',
    '{"method":"subscribe","success":true}',
    "[" * 5000,
]


@pytest.mark.parametrize("frame", MALFORMED)
async def test_a_malformed_frame_is_quarantined_and_the_feed_lives(frame):
    async with KrakenServer(["BTC/USD"]) as venue:
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await venue.subscribed("ticker", ["BTC/USD"])
            await venue.emit_raw(frame)
            await until(lambda: sum(feed.status().quarantined.values()) > 0)
            assert feed.quarantine()[0].code in ("MALFORMED", "UNKNOWN_CHANNEL")
            await venue.emit_trades([{"symbol": "BTC/USD", "price": 100.0, "qty": 1.0}])
            await until(lambda: len(sink.prints) == 1)
            assert [change.up for change in sink.changes] == [True]


async def test_a_bad_entry_does_not_cost_its_neighbours():
    async with KrakenServer(["BTC/USD"]) as venue:
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await venue.subscribed("ticker", ["BTC/USD"])
            rows = [
                {"symbol": "BTC/USD", "price": price, "qty": 1.0} for price in (100.0, float("nan"), 0.0, "x", 100.2)
            ]
            for row in rows:
                row["timestamp"] = venue.now()
            data = ",".join(str(venue._filled_in(row)).replace("'", '"').replace("nan", "NaN") for row in rows)
            await venue.emit_raw(f'{{"channel":"trade","type":"update","data":[{data}]}}')
            await until(lambda: len(sink.prints) == 2)
            assert feed.status().quarantined == {"NOT_FINITE": 1, "PRICE_NOT_POSITIVE": 1, "MALFORMED": 1}


async def test_five_pairs_are_warm_in_a_few_seconds_and_the_running_candle_is_left_out():
    names = [f"C{number}/USD" for number in range(5)]
    async with KrakenServer(names) as venue:
        feed = feed_at(venue)
        await feed.prepare(names)
        async with asyncio.timeout(5):
            history = await feed.warm_up(names, 720)
        assert {columns.time.size for columns in history.values()} == {720}
        last_close = max(int(columns.time[-1]) for columns in history.values())
        assert last_close <= int(SystemClock().now().timestamp() * 1_000_000)
        assert {columns.time.size for columns in (await feed.warm_up(names, 300)).values()} == {300}
        await feed.close()


async def test_history_that_cannot_be_had_is_absent_and_does_not_cost_the_others():
    async with KrakenServer(["BTC/USD", "ETH/USD"]) as venue:
        feed = feed_at(venue)
        await feed.prepare(["BTC/USD", "ETH/USD"])
        venue.candles["ETH/USD"] = [["x"], [None], [1, 2]]
        history = await feed.warm_up(["BTC/USD", "ETH/USD"], 720)
        assert set(history) == {"BTC/USD"}
        await feed.close()


async def test_history_that_takes_too_long_leaves_the_rest_usable(monkeypatch):
    monkeypatch.setattr("engine.market.kraken.WARM_WITHIN", 0.5)
    names = [f"C{number}/USD" for number in range(12)]
    async with KrakenServer(names) as venue:
        feed = feed_at(venue)
        await feed.prepare(names)
        venue.rest_delay = 0.3
        assert 0 < len(await feed.warm_up(names, 300)) < 12
        await feed.close()


async def test_a_venue_that_is_not_there_is_said_in_one_sentence():
    feed = KrakenFeed(SystemClock(), ws_url="ws://127.0.0.1:9/", rest_url="http://127.0.0.1:9/0")
    with pytest.raises(FeedUnreachable, match="did not answer AssetPairs at http"):
        await feed.prepare(["BTC/USD"])
    await feed.close()


async def test_a_held_symbol_without_prices_can_be_asked_for_by_rest():
    async with KrakenServer(["BTC/USD"]) as venue:
        feed, sink = feed_at(venue), Kept()
        await feed.prepare(["BTC/USD"])
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            quote = await feed.poll("BTC/USD")
            assert quote is not None
            assert quote.bid < 100.0 < quote.ask
            assert sink.quotes[-1] == quote
            venue.rest_errors["Ticker"] = deque([["EService:Unavailable"]])
            assert await feed.poll("BTC/USD") is None
