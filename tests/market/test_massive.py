"""Massive's live feed against a local vendor: the real client, real sockets, the documented frames."""

import asyncio
import json
import logging
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock, SystemClock
from engine.domain import OF_A_BAR, micros
from engine.market.connection import TurnedAway
from engine.market.errors import FeedNameError, FeedUnreachable, MarketError
from engine.market.feeds import feed_named
from engine.market.intake import Intake
from engine.market.massive import MassiveFeed
from engine.market.massive_access import MassiveAccess
from engine.market.massive_check import BarCheck
from engine.market.massive_frames import MassiveFrames
from engine.market.massive_topics import Topics
from engine.market.quality import Quarantine
from tests.market.sink import Kept, running, until
from tests.servers.massive import KEY, MassiveServer, row

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BTC, ETH = "BTC/USD", "ETH/USD"


def access_to(vendor, **options):
    return MassiveAccess(key=KEY, ws_url=vendor.ws_url, rest_url=vendor.rest_url, **options)


def feed_at(vendor, clock=None, **options):
    return MassiveFeed(clock or SystemClock(), access_to(vendor), **options)


async def no_wait(_):
    await asyncio.sleep(0.01)


async def ready(feed, vendor, *symbols):
    """Prepared for `symbols` (default: both)."""
    await feed.prepare(symbols or (BTC, ETH))
    return feed, Kept()


async def test_trades_and_quotes_arrive_under_the_desks_names():
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await vendor.subscribed("XT.BTC-USD", "XQ.ETH-USD", "XA.BTC-USD")
            await until(lambda: feed.status().up)
            await vendor.emit_trades("BTC-USD", 100.5, size=0.25, c=[1])
            await vendor.emit_quote("ETH-USD", 109.9, 110.1)
            await until(lambda: sink.prints and sink.quotes)
        one = sink.prints[0]
        assert (one.symbol, one.price, one.quantity, one.side) == (BTC, 100.5, 0.25, "sell")
        assert (sink.quotes[0].symbol, sink.quotes[0].bid, sink.quotes[0].ask) == (ETH, 109.9, 110.1)
        assert [change.up for change in sink.changes] == [True]


async def test_the_key_is_sent_once_before_anything_is_asked_for():
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
        assert vendor.requests[0] == {"action": "auth", "params": KEY}
        assert {request["action"] for request in vendor.requests[1:]} == {"subscribe"}
        asked = {topic for request in vendor.requests[1:] for topic in request["params"].split(",")}
        assert asked == {f"{channel}.{pair}" for channel in ("XT", "XQ", "XA") for pair in ("BTC-USD", "ETH-USD")}


async def test_a_pair_that_massive_lacks_is_named_and_a_renamed_coin_is_asked_for_under_its_name_of_today():
    async with MassiveServer(["BTC-USD", "POL-USD"]) as vendor:
        feed = feed_at(vendor)
        assert set(await feed.prepare([BTC, "MATIC/USD", "NOPE/USD"])) == {BTC, "POL/USD"}
        assert set(feed.status().refused_symbols) == {"NOPE/USD"}
        await feed.close()


async def test_a_topic_that_is_refused_by_name_refuses_that_symbol_alone():
    async with MassiveServer() as vendor:
        vendor.unknown = {"ETH-USD"}
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up and feed.status().refused_symbols)
            assert set(feed.status().refused_symbols) == {ETH}
            assert "trades: not authorized" in feed.status().refused_symbols[ETH]
            await until(lambda: [one.up for one in sink.changes if one.symbols == (ETH,)] == [False])
            vendor.unknown.clear()
            await vendor.drop()
            await until(lambda: [one.up for one in sink.changes if one.symbols == (ETH,)] == [False, True])
            await vendor.emit_trades("BTC-USD", 100.0)
            await until(lambda: len(sink.prints) == 1)


@pytest.mark.parametrize("silent", [False, True])
async def test_without_trades_in_the_plan_minutes_are_massives_own_and_its_seconds_are_prices(silent):
    clock = ManualClock(NOON)
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.now, vendor.plan, vendor.silent_refusals = clock.now, {"XA", "XAS"}, silent
        feed, sink = await ready(feed_at(vendor, clock), vendor, BTC)
        async with running(feed, sink):
            await vendor.subscribed("XA.BTC-USD", "XAS.BTC-USD")
            await until(lambda: feed.status().up)
            assert not feed.status().refused_symbols
            clock.set(NOON + timedelta(seconds=30))
            await vendor.emit_second("BTC-USD", 100.5, 2.0)
            await until(lambda: len(sink.prints) == 4)
            clock.set(NOON + timedelta(seconds=63))
            await vendor.emit_bar("BTC-USD", NOON, 100.0, 101.0, 99.0, 100.5, 12.0)
            await asyncio.sleep(0.1)
            clock.set(NOON + timedelta(seconds=66))
            await vendor.emit_second("BTC-USD", 100.5, 2.0)
            await until(lambda: len(sink.minutes) == 1)
    minute = sink.minutes[0]
    assert (minute.open, minute.high, minute.low, minute.close, minute.volume) == (
        (100.0,), (101.0,), (99.0,), (100.5,), (12.0,)
    )  # fmt: skip
    assert minute.quality == ("good",)
    assert sum(item.quantity for item in sink.prints[:4]) == 2.0
    assert {item.side for item in sink.prints} == {OF_A_BAR}, "none of them is a trade to be kept"


async def test_a_minute_bar_that_comes_after_its_minute_is_suspected_and_not_applied_backwards():
    clock, suspected = ManualClock(NOON), []
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.now, vendor.plan = clock.now, {"XA"}
        feed, sink = await ready(feed_at(vendor, clock, silence=0.4, on_suspect=suspected.append), vendor, BTC)
        await feed.warm_up([BTC], 60)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            clock.set(NOON + timedelta(seconds=66))
            await until(lambda: len(sink.minutes) == 1)
            await vendor.emit_bar("BTC-USD", NOON, 100.0, 101.0, 99.0, 100.5, 12.0)
            await until(lambda: len(suspected) == 1)
        assert sink.minutes[0].quality == ("quiet",)
        assert (suspected[0].since, suspected[0].symbol) == (NOON, BTC)


async def test_minutes_are_made_of_the_trades_of_all_exchanges_in_their_own_order():
    clock = ManualClock(NOON)
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.now = clock.now
        feed, sink = await ready(feed_at(vendor, clock), vendor, BTC)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            start = micros(NOON) // 1000
            clock.set(NOON + timedelta(seconds=40))
            trades = [(100.0, 5, 1), (103.0, 30_000, 23), (99.0, 20_000, 1), (101.0, 39_000, 10)]
            await vendor.emit([vendor.trade("BTC-USD", price, 1.5, t=start + ms, x=x) for price, ms, x in trades])
            await until(lambda: len(sink.prints) == 4)
            clock.set(NOON + timedelta(seconds=63))
            await vendor.emit_quote("BTC-USD", 100.9, 101.1)
            await until(lambda: len(sink.minutes) == 1)
    minute = sink.minutes[0]
    assert (minute.open, minute.high, minute.low, minute.close, minute.volume) == (
        (100.0,), (103.0,), (99.0,), (101.0,), (6.0,)
    )  # fmt: skip


async def test_a_trade_that_is_sent_twice_counts_once_and_equal_ids_of_two_exchanges_are_two_trades():
    async with MassiveServer(["BTC-USD"]) as vendor:
        feed, sink = await ready(feed_at(vendor), vendor, BTC)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            ids = [("7", 1), ("7", 1), ("7", 23), ("0b5a-text", 2), ("0b5a-text", 2)]
            await vendor.emit([vendor.trade("BTC-USD", 100.0, i=name, x=exchange) for name, exchange in ids])
            await until(lambda: feed.status().quarantined.get("DUPLICATE") == 2)
            assert len(sink.prints) == 3


async def test_the_best_quote_is_the_best_of_the_exchanges():
    async with MassiveServer(["BTC-USD"]) as vendor:
        feed, sink = await ready(feed_at(vendor), vendor, BTC)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await vendor.emit_quote("BTC-USD", 99.9, 100.1, exchange=1)
            await vendor.emit_quote("BTC-USD", 90.0, 110.0, exchange=6)
            await vendor.emit_quote("BTC-USD", 99.95, 100.2, exchange=23)
            await until(lambda: len(sink.quotes) == 3)
        assert [(quote.bid, quote.ask) for quote in sink.quotes] == [(99.9, 100.1), (99.9, 100.1), (99.95, 100.1)]


async def test_a_bar_of_massives_that_has_more_volume_than_the_trades_is_suspected_and_shown():
    clock, suspected = ManualClock(NOON), []
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.now = clock.now
        feed, sink = await ready(feed_at(vendor, clock, on_suspect=suspected.append), vendor, BTC)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            for minute, volume in ((0, 1.0), (1, 9.0)):
                start = NOON + timedelta(minutes=minute)
                clock.set(start + timedelta(seconds=30))
                await vendor.emit_trades("BTC-USD", 100.0)
                await until(lambda wanted=minute + 1: len(sink.prints) == wanted)
                clock.set(start + timedelta(seconds=63))
                await vendor.emit_bar("BTC-USD", start, 100.0, 100.0, 100.0, 100.0, volume)
                await until(lambda wanted=minute + 1: len(sink.minutes) == wanted)
            await until(lambda: len(suspected) == 1)
            assert "1 of 2 bars differ" in feed.status().detail
    assert (suspected[0].symbol, suspected[0].since) == (BTC, NOON + timedelta(minutes=1))


async def test_without_quotes_in_the_plan_trades_are_enough():
    async with MassiveServer() as vendor:
        vendor.plan = {"XT"}
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await vendor.emit_trades("BTC-USD", 100.0)
            await until(lambda: len(sink.prints) == 1)
            assert not feed.status().refused_symbols


async def test_a_plan_without_any_prices_names_every_symbol_and_is_never_up():
    async with MassiveServer() as vendor:
        vendor.plan = set()
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: set(feed.status().refused_symbols) == {BTC, ETH})
            assert not feed.status().up
            assert "nothing subscribed has been answered" in feed.status().detail


names = st.sampled_from(
    ["ev", "pair", "sym", "p", "s", "t", "x", "i", "c", "bp", "ap", "o", "h", "l", "v", "e", "status", "message"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["BTC-USD", "", "success", "error"])
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(names, scalars, max_size=3)
kinds = st.sampled_from(["XT", "XQ", "XA", "XAS", "status", "XL9", None, 7])
wild = st.builds(lambda kind, rest: {**rest, "ev": kind}, kinds, st.dictionaries(names, values, max_size=9))


@settings(deadline=None, max_examples=100)
@given(st.lists(wild | values, max_size=4))
def test_no_frame_whatever_it_holds_gets_past_the_handler_as_another_error(frame):
    sink, access = Kept(), MassiveAccess(key=KEY)
    check = BarCheck(sink, "massive", ManualClock(NOON), lambda one: None)
    intake = Intake("massive", (BTC,), ManualClock(NOON), check, start=NOON, quarantine=Quarantine())
    with suppress(TurnedAway):
        MassiveFrames(intake, Topics({BTC: "BTC-USD"}), access, check).handle(json.dumps(frame))
    assert all(0 < one.price < float("inf") for one in sink.prints)
    assert all(0 < quote.bid <= quote.ask for quote in sink.quotes)


# ------------------------------------------------------------ refusals


async def turned_away(vendor, waits, **options):
    """A feed's `status().detail` after its first refusal; `waits` gets the seconds that it then rests."""

    async def note(seconds):
        waits.append(seconds)
        await asyncio.sleep(60)

    feed, sink = await ready(feed_at(vendor, sleep=note, **options), vendor)
    return feed, sink


@pytest.mark.parametrize(("status", "rest"), [("auth_failed", 300), ("error", 300), ("auth_timeout", 30)])
async def test_a_refused_key_is_said_with_the_settings_name_and_not_tried_again_in_haste(status, rest):
    async with MassiveServer() as vendor:
        waits = []
        feed, sink = await turned_away(vendor, waits)
        vendor.keyless = status
        async with running(feed, sink):
            await until(lambda: waits)
            assert "POLYGON_API_KEY" in feed.status().detail
            assert KEY not in feed.status().detail
        assert waits[0] == rest
        assert vendor.connections == 1


async def test_no_answer_to_the_key_ends_the_connection(monkeypatch):
    monkeypatch.setattr("engine.market.massive.LET_IN_WITHIN", 0.2)
    async with MassiveServer() as vendor:
        waits = []
        feed, sink = await turned_away(vendor, waits)
        vendor.deaf = True
        async with running(feed, sink):
            await until(lambda: waits)
            assert "did not take the key within" in feed.status().detail


async def test_a_key_that_someone_else_uses_is_said_and_the_two_do_not_evict_each_other_for_ever():
    async with MassiveServer() as vendor:
        waits = []

        async def note(seconds):
            waits.append(seconds)
            await asyncio.sleep(0.01)

        feed, sink = await ready(feed_at(vendor, sleep=note), vendor)
        async with running(feed, sink):
            for _ in range(5):
                await until(lambda: feed.status().up)
                await vendor.end_with("max_connections", "Maximum number of websocket connections exceeded.")
                await until(lambda: not feed.status().up)
                assert "another program uses the key" in feed.status().detail
            await until(lambda: len(waits) == 5)
        assert waits == [60, 120, 300, 600, 600]


async def test_a_second_feed_with_the_same_key_is_the_one_that_stays():
    async with MassiveServer() as vendor:
        waits = []
        first, one = await turned_away(vendor, waits)
        second, two = await ready(feed_at(vendor), vendor)
        async with running(first, one):
            await until(lambda: first.status().up)
            async with running(second, two):
                await until(lambda: second.status().up and waits)
                assert "another program uses the key" in first.status().detail
                assert waits == [60]


@pytest.mark.parametrize(
    ("status", "words"), [("slow_consumer", "read too slowly"), ("force_disconnect", "ended the connection")]
)
async def test_a_connection_that_massive_cuts_comes_back_at_once_and_the_gap_is_recorded(status, words):
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor, dice=random.Random(3)), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await vendor.end_with(status)
            await until(lambda: [change.up for change in sink.changes] == [True, False, True])
            assert words in sink.changes[1].detail
            assert feed.status().gaps == 1
            await vendor.emit_trades("BTC-USD", 100.0)
            await until(lambda: len(sink.prints) == 1)


async def test_a_dropped_line_comes_back_and_everything_is_subscribed_again():
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor, sleep=no_wait), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await vendor.drop()
            await until(lambda: [change.up for change in sink.changes] == [True, False, True])
            await vendor.subscribed("XT.BTC-USD", "XT.ETH-USD", "XQ.BTC-USD", "XA.BTC-USD")
            assert (feed.status().gaps, feed.status().reconnects) == (1, 1)


async def test_a_server_that_answers_pings_is_alive_and_one_that_does_not_is_dead():
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor, sleep=no_wait, silence=0.4), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await asyncio.sleep(0.8)  # no frame, only pongs
            assert [change.up for change in sink.changes] == [True]
            vendor.freeze()
            await until(lambda: not feed.status().up)
            assert "no frame" in sink.changes[-1].detail


async def test_a_quiet_minute_closes_by_the_pongs_alone():
    clock = ManualClock(NOON)
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.now = clock.now
        feed, sink = await ready(feed_at(vendor, clock, silence=0.4), vendor, BTC)
        await feed.warm_up([BTC], 60)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            clock.set(NOON + timedelta(seconds=63))
            await until(lambda: len(sink.minutes) == 1)
    assert sink.minutes[0].quality == ("quiet",)


async def test_a_topic_that_is_never_answered_is_asked_for_again_and_then_called_refused(monkeypatch):
    monkeypatch.setattr("engine.market.massive_topics.ACK_WITHIN", timedelta(seconds=0.1))
    async with MassiveServer() as vendor:
        vendor.unheard = {"XT.ETH-USD", "XA.ETH-USD"}
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: set(feed.status().refused_symbols) == {ETH})
            assert "no answer" in feed.status().refused_symbols[ETH]
            assert sum("XT.ETH-USD" in request["params"] for request in vendor.requests) == 3
            assert feed.status().up


MALFORMED = [
    "{",
    "null",
    '"text"',
    "{}",
    "[1,2]",
    '{"ev":"XT","pair":"BTC-USD"}',
    '[{"ev":"XT","pair":"BTC-USD","p":"abc","t":1,"s":1}]',
    '[{"ev":"XT","pair":"BTC-USD","p":true,"t":1,"s":1}]',
    '[{"ev":"XT","pair":["BTC"],"p":1,"t":1,"s":1}]',
    '[{"ev":"XT","p":1,"t":1,"s":1}]',
    '[{"ev":"XT","pair":"BTC-USD","p":1,"s":1}]',
    '[{"ev":"XQ","pair":"BTC-USD","bp":null,"ap":1}]',
    '[{"ev":"XT","pair":"BTC-USD","p":NaN,"t":1,"s":1}]',
    '[{"ev":"XA","pair":"BTC-USD","o":1,"h":0.5,"l":1,"c":1,"v":1,"s":0,"e":60000}]',
    '[{"ev":"XA","pair":"BTC-USD"}]',
    '[{"ev":"XT","pair":"BTC-USD","p":1,"t":99999999999999999999,"s":1}]',
    '[{"ev":"XT","pair":"BTC-USD","p":1,"t":9999999999999999,"s":1}]',
    '[{"ev":"XL9","pair":"BTC-USD"}]',
    '[{"pair":"BTC-USD"}]',
    "[" * 5000,
]


@pytest.mark.parametrize("frame", MALFORMED)
async def test_a_malformed_frame_is_quarantined_and_the_feed_lives(frame):
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            await vendor.emit_raw(frame)
            await until(lambda: sum(feed.status().quarantined.values()) > 0)
            await vendor.emit_trades("BTC-USD", 100.0)
            await until(lambda: len(sink.prints) == 1)
            assert [change.up for change in sink.changes] == [True]


async def test_a_bad_event_does_not_cost_its_neighbours_in_the_frame():
    async with MassiveServer() as vendor:
        feed, sink = await ready(feed_at(vendor), vendor)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            good = [vendor.trade("BTC-USD", price) for price in (100.0, 100.2)]
            bad = [vendor.trade("BTC-USD", price) for price in ("x", 0.0, -1.0)] + [{"ev": "XL9"}, 7]
            await vendor.emit_raw(json.dumps([good[0], *bad, good[1]]))
            await until(lambda: len(sink.prints) == 2)
            assert feed.status().quarantined == {"MALFORMED": 2, "PRICE_NOT_POSITIVE": 2, "UNKNOWN_CHANNEL": 1}


# ------------------------------------------------------------ REST beside the stream


async def test_history_warms_the_symbols_and_no_minute_is_lost_between_it_and_the_stream():
    clock = ManualClock(NOON + timedelta(seconds=50))
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.now = clock.now
        feed, sink = await ready(feed_at(vendor, clock), vendor, BTC)
        history = await feed.warm_up([BTC], 300)
        assert history[BTC].time.size == 300
        assert history[BTC].time[-1] == micros(NOON)
        clock.set(NOON + timedelta(seconds=70))
        async with running(feed, sink):
            await until(lambda: len(sink.minutes) == 1 and feed.status().up)
        assert sink.minutes[0].at == NOON + timedelta(minutes=1)
        assert sink.minutes[0].missing == (BTC,)


async def test_a_gap_can_be_looked_up_in_massives_own_minutes():
    async with MassiveServer(["BTC-USD"]) as vendor:
        vendor.bars["X:BTCUSD"] = [row(micros(NOON) // 1000 + 60_000 * k, 100.0 + k) for k in range(10)]
        feed = feed_at(vendor)
        await feed.prepare([BTC])
        bars = await feed.bars(BTC, NOON + timedelta(minutes=2), NOON + timedelta(minutes=5))
        assert bars.close.tolist() == [102.0, 103.0, 104.0]
        assert bars.trades.tolist() == [3.0, 3.0, 3.0]
        await feed.close()


async def test_a_held_symbol_without_prices_can_be_asked_for_by_rest():
    async with MassiveServer(["BTC-USD"]) as vendor:
        feed, sink = await ready(feed_at(vendor), vendor, BTC)
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            quote = await feed.poll(BTC)
            assert (quote.bid, quote.ask) == (100.0, 100.0)
            vendor.forbidden = "/v1/last"
            assert await feed.poll(BTC) is None


async def test_a_wrong_key_refuses_every_symbol_with_a_sentence_that_does_not_repeat_it():
    async with MassiveServer() as vendor:
        vendor.key = "another"
        feed = feed_at(vendor)
        assert await feed.prepare([BTC, ETH]) == {}
        refused = feed.status().refused_symbols
        assert set(refused) == {BTC, ETH}
        assert "does not know the key in POLYGON_API_KEY" in refused[BTC]
        assert KEY not in refused[BTC]
        await feed.close()


async def test_a_vendor_that_is_not_there_is_said_in_one_sentence():
    feed = MassiveFeed(SystemClock(), MassiveAccess(key=KEY, ws_url="ws://127.0.0.1:9/", rest_url="http://127.0.0.1:9"))
    with pytest.raises(FeedUnreachable, match="did not answer /v3/reference/tickers at http"):
        await feed.prepare([BTC])
    await feed.close()


async def test_the_key_is_in_no_log_line(caplog):
    caplog.set_level(logging.INFO)
    async with MassiveServer() as vendor:
        waits = []
        feed, sink = await turned_away(vendor, waits)
        vendor.keyless = "auth_failed"
        async with running(feed, sink):
            await until(lambda: waits)
    assert KEY not in caplog.text
    assert KEY not in repr(access_to(vendor))


def test_without_a_key_the_feed_says_what_to_set():
    with pytest.raises(MarketError, match="POLYGON_API_KEY"):
        feed_named("massive")


def test_a_live_market_runs_at_its_own_speed():
    with pytest.raises(FeedNameError, match="--speed 2"):
        feed_named("massive", speed=2.0, massive=MassiveAccess(key=KEY))
