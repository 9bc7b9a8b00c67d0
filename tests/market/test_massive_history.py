"""Massive's REST aggregates as a history: pages, limits, refusals, and rows that cannot be bars."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from aiohttp import web

from engine.clock import ManualClock
from engine.domain import micros
from engine.market.errors import FeedUnreachable, MarketError
from engine.market.massive_access import MassiveAccess, MassiveRefused
from engine.market.massive_history import MassiveHistory, stretches
from engine.market.second_source import price_source
from tests.servers.massive import KEY, MassiveServer, row, rows_between

BTC = "BTC/USD"
MAY = datetime(2024, 5, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def no_wait(_):
    return None


def history_at(vendor, sleep=no_wait):
    access = MassiveAccess(key=KEY, ws_url=vendor.ws_url, rest_url=vendor.rest_url)
    return MassiveHistory(access, ManualClock(NOW), sleep=sleep)


async def fetched(vendor, since, until, symbol=BTC, **options):
    history = history_at(vendor, **options)
    try:
        return [await history.fetch(piece) for piece in history.pieces([symbol], since, until)]
    finally:
        await history.close()


async def test_every_minute_comes_once_over_many_pages_and_pieces():
    async with MassiveServer(page=1_000) as vendor:
        vendor.bars["X:BTCUSD"] = rows_between(MAY, range(35 * 1440))
        found = await fetched(vendor, MAY, MAY + timedelta(days=35))
    opens = [int(us) for piece in found for bars in piece.bars for us in bars.time - 60_000_000]
    assert opens == [micros(MAY + k * MINUTE) for k in range(35 * 1440)]
    assert not any(piece.rejected or piece.duplicates for piece in found)
    assert found[0].bars[0].vwap[0] == 100.0
    assert found[0].bars[0].trades[0] == 3.0


async def test_the_key_goes_to_our_own_address_only_whatever_the_next_page_is_called():
    async with MassiveServer(page=10) as vendor:
        vendor.bars["X:BTCUSD"] = rows_between(MAY, range(25))
        vendor.next_host = "https://elsewhere.invalid"
        (found,) = await fetched(vendor, MAY, MAY + timedelta(hours=1))
        assert found.bars[0].time.size == 25
        assert not any("apiKey" in query for _, query in vendor.rest_calls)


async def test_an_answer_without_results_is_no_bars():
    async with MassiveServer() as vendor:
        vendor.bars["X:BTCUSD"] = []
        (found,) = await fetched(vendor, MAY, MAY + timedelta(hours=1))
        assert (found.bars, found.rejected) == ((), ())


async def test_told_to_slow_down_it_waits_as_long_as_it_is_told_and_asks_again():
    waits = []

    async def note(seconds):
        waits.append(seconds)

    async with MassiveServer() as vendor:
        vendor.bars["X:BTCUSD"] = rows_between(MAY, range(5))
        vendor.limited, vendor.retry_after = 2, "7"
        (found,) = await fetched(vendor, MAY, MAY + timedelta(hours=1), sleep=note)
        assert found.bars[0].time.size == 5
    assert waits
    assert all(6 < seconds <= 7 for seconds in waits)


async def test_a_server_that_fails_for_a_moment_is_asked_again_and_one_that_goes_on_failing_is_named():
    async with MassiveServer() as vendor:
        vendor.bars["X:BTCUSD"] = rows_between(MAY, range(5))
        vendor.failing = 2
        (found,) = await fetched(vendor, MAY, MAY + timedelta(hours=1))
        assert found.bars[0].time.size == 5
        vendor.failing = 100
        with pytest.raises(FeedUnreachable, match="HTTP 502 3 times"):
            await fetched(vendor, MAY, MAY + timedelta(hours=1))


async def test_a_wrong_key_and_a_plan_without_the_data_are_said_by_the_settings_name():
    async with MassiveServer() as vendor:
        vendor.forbidden = "/v2/aggs"
        with pytest.raises(MassiveRefused, match=r"plan of the key in POLYGON_API_KEY .* does not include /v2/aggs"):
            await fetched(vendor, MAY, MAY + timedelta(hours=1))
        vendor.key = "another"
        with pytest.raises(MassiveRefused, match="does not know the key in POLYGON_API_KEY") as refusal:
            await fetched(vendor, MAY, MAY + timedelta(hours=1))
        assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<html>Sign in</html>", content_type="text/html"),
        lambda: web.json_response([1, 2]),
        lambda: web.json_response({"status": "OK", "results": {"not": "a list"}}),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}, text="{}"),
    ],
)
async def test_what_is_no_answer_of_massives_is_an_error_and_never_an_empty_history(answer):
    async with MassiveServer() as vendor:
        vendor.instead = answer
        with pytest.raises(MarketError, match="/v2/aggs"):
            await fetched(vendor, MAY, MAY + timedelta(hours=1))


def test_without_a_key_there_is_no_history():
    with pytest.raises(MarketError, match="POLYGON_API_KEY"):
        MassiveHistory(MassiveAccess(), ManualClock(NOW))


async def test_rows_that_cannot_be_bars_are_named_by_code_and_the_others_load():
    start = micros(MAY) // 1000
    good = rows_between(MAY, range(3))
    bad = [
        row(start + 180_000, -1.0),
        row(start + 240_000, 100.0, volume=-5.0),
        {**row(start + 300_000, 100.0), "h": 50.0},
        {**row(start + 360_000, 100.0), "o": None},
        row(start + 420_500, 100.0),
        row(micros(NOW) // 1000 + 60_000, 100.0),
        {**row(start, 100.0), "t": "yesterday"},
        "no row at all",
    ]
    async with MassiveServer() as vendor:
        vendor.raw["X:BTCUSD"] = [*good, good[1], *bad]
        (found,) = await fetched(vendor, MAY, MAY + timedelta(days=1))
    assert found.bars[0].time.size == 3
    assert found.duplicates == 1
    codes = {one.code: one.count for one in found.rejected}
    assert codes == {
        "PRICE_NOT_POSITIVE": 1, "VOLUME_NEGATIVE": 1, "BAR_IMPOSSIBLE": 1, "NOT_FINITE": 2, "OFF_GRID": 1,
        "FUTURE": 1, "OUTSIDE": 1,
    }  # fmt: skip
    assert all(BTC in one.sentence for one in found.rejected)


async def test_a_renamed_coin_is_one_series_and_a_reused_name_never_joins_two():
    september = datetime(2024, 9, 1, tzinfo=UTC)
    async with MassiveServer(["POL-USD", "LUNA-USD"]) as vendor:
        vendor.bars["X:MATICUSD"] = rows_between(september, range(0, 3 * 1440), price=0.4)
        vendor.bars["X:POLUSD"] = rows_between(september, range(3 * 1440, 6 * 1440), price=0.41)
        (found,) = await fetched(vendor, september, september + timedelta(days=6), symbol="POL/USD")
        assert found.bars[0].time.size == 6 * 1440

        spring = datetime(2022, 5, 20, tzinfo=UTC)
        vendor.bars["X:LUNAUSD"] = rows_between(spring, range(0, 20 * 1440, 60), price=1.0)
        found = await fetched(vendor, spring, spring + timedelta(days=20), symbol="LUNA/USD")
        first = min(int(bars.time[0]) for piece in found for bars in piece.bars)
        assert first >= micros(datetime(2022, 5, 28, tzinfo=UTC))


async def test_what_is_carried_is_what_trades_and_what_has_ended_with_its_day():
    async with MassiveServer(["BTC-USD", "OLD-USD"]) as vendor:
        vendor.ended["OLD-USD"] = "2023-03-01T00:00:00Z"
        history = history_at(vendor)
        found = await history.prepare([BTC, "OLD/USD", "NOPE/USD"])
        await history.close()
    assert set(found) == {BTC, "OLD/USD"}
    assert found[BTC].source_name == "X:BTCUSD"
    assert found["OLD/USD"].last == datetime(2023, 3, 1, tzinfo=UTC)


def test_pieces_have_the_same_keys_whenever_they_are_asked_for_and_cover_everything_once():
    history = MassiveHistory(MassiveAccess(key=KEY), ManualClock(NOW))
    since, until = MAY + timedelta(hours=7), MAY + timedelta(days=100)
    pieces = history.pieces([BTC, "ETH/USD"], since, until)
    assert [piece.key for piece in pieces] == [piece.key for piece in history.pieces([BTC, "ETH/USD"], since, until)]
    assert len({piece.key for piece in pieces}) == len(pieces)
    mine = [piece for piece in pieces if piece.symbols == (BTC,)]
    assert (mine[0].since, mine[-1].until) == (since, until)
    assert all(one.until == next_one.since for one, next_one in pairwise(mine))
    later = history.pieces([BTC], since, until + timedelta(days=1))
    assert {piece.key for piece in later} >= {piece.key for piece in mine[:-1]}, "other ends do not move the cuts"


def test_stretches_of_nothing_are_none():
    assert stretches(MAY, MAY, timedelta(days=30)) == []


async def test_massives_last_trades_are_a_second_source_while_they_are_fresh():
    async with MassiveServer(["BTC-USD", "ETH-USD"]) as vendor:
        vendor.now = ManualClock(NOW).now
        access = MassiveAccess(key=KEY, rest_url=vendor.rest_url)
        source = price_source("massive", ManualClock(NOW), "", access)
        found = await source.quotes([BTC, "ETH/USD", "NOPE/USD"])
        assert {symbol: quote.bid for symbol, quote in found.items()} == {BTC: 100.0, "ETH/USD": 110.0}
        vendor.last_at = micros(NOW - timedelta(minutes=2)) // 1000
        assert await source.quotes([BTC]) == {}
        vendor.forbidden = "/v2/snapshot"
        with pytest.raises(MarketError, match="does not include /v2/snapshot"):
            await source.quotes([BTC])
        await source.close()
