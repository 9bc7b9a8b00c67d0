"""Kraken's trades as history: every page, every trade once, bars as the live desk would have built them."""

import json
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import instant, micros
from engine.market.kraken_rest import VenueBusy, VenueRefused
from engine.market.kraken_trades import KrakenTrades, read_page
from engine.market.prints import Prints, bars_of, joined
from tests.market.data import market_data
from tests.servers.kraken import KrakenServer

DAY = datetime(2024, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def rows_of(count, start=DAY, step=30.0, first_id=1, seed=1):
    dice = np.random.default_rng(seed)
    price = 100 * np.exp(np.cumsum(dice.normal(0, 0.001, count)))
    at = Decimal(int(start.timestamp()))
    return [
        [
            f"{price[k]:.5f}",
            f"{dice.uniform(0.1, 2):.8f}",
            float(at + Decimal(str(step)) * k),
            "b",
            "m",
            "",
            first_id + k,
        ]
        for k in range(count)
    ]


def history(venue, **options):
    naps = []

    async def nap(seconds):
        naps.append(seconds)

    made = KrakenTrades(venue.rest_url, ManualClock(DAY + timedelta(days=40)), sleep=nap, gap=0.0, **options)
    made.naps = naps
    return made


async def fetched(made, symbols, since, until):
    await made.prepare(symbols)
    return [await made.fetch(piece) for piece in made.pieces(symbols, since, until)]


def offline(rows, since, until):
    """Bars the plain way: minute → open, high, low, close, volume, vwap, count."""
    minutes = {}
    for price, quantity, at, *_ in rows:
        if since.timestamp() <= at < until.timestamp():
            minutes.setdefault(int(at) // 60 * 60, []).append((float(price), float(quantity)))
    return {
        minute: (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(amounts),
            sum(p * q for p, q in trades) / sum(amounts),
            len(trades),
        )
        for minute, trades in minutes.items()
        for prices, amounts in [list(map(list, zip(*trades, strict=True)))]
    }


def as_rows(bars):
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.vwap, bars.trades)
    opened = (bars.time - 60_000_000) // 1_000_000
    return {int(at): tuple(float(column[k]) for column in columns) for k, at in enumerate(opened)}


async def test_three_days_of_trades_become_the_bars_of_an_offline_count():
    rows = rows_of(8_000, step=32.0)
    async with KrakenServer(["BTC/USD"]) as venue:
        venue.trades["BTC/USD"] = rows
        made = history(venue)
        answers = await fetched(made, ["BTC/USD"], DAY, DAY + timedelta(days=3))
        await made.close()
    assert len(answers) == 3
    bars = {minute: row for answer in answers for minute, row in as_rows(answer.bars[0]).items()}
    truth = offline(rows, DAY, DAY + timedelta(days=3))
    assert bars.keys() == truth.keys()
    for minute, row in truth.items():
        assert bars[minute] == pytest.approx(row, rel=1e-12)
    assert not any(answer.rejected or answer.note for answer in answers)


async def test_trades_that_share_an_instant_across_a_page_are_neither_lost_nor_doubled():
    rows = rows_of(2_500, step=20.0)
    for row in rows[990:1_010]:
        row[2] = rows[1_000][2]
    async with KrakenServer(["BTC/USD"]) as venue:
        venue.trades["BTC/USD"] = rows
        made = history(venue)
        (answer,) = await fetched(made, ["BTC/USD"], DAY, DAY + timedelta(days=1))
        await made.close()
    assert answer.bars[0].trades.sum() == 2_500
    assert answer.bars[0].volume.sum() == pytest.approx(sum(float(row[1]) for row in rows))
    assert answer.note == ""


async def test_a_thin_coins_page_serves_every_day_that_it_covers():
    rows = rows_of(300, step=3 * 3_600.0)
    async with KrakenServer(["RPL/USD"]) as venue:
        venue.trades["RPL/USD"] = rows
        made = history(venue)
        answers = await fetched(made, ["RPL/USD"], DAY - timedelta(days=10), DAY + timedelta(days=30))
        await made.close()
        calls = [call for call, _ in venue.rest_calls if call == "Trades"]
    assert sum(float(answer.bars[0].trades.sum()) for answer in answers) == 240
    assert len(calls) <= 2, "forty days, one page"
    assert "2024-03-04 00:00 UTC" in answers[0].note, "the days before the first trade say when it came"


async def test_told_to_slow_down_it_waits_as_long_as_it_takes():
    async with KrakenServer(["BTC/USD"]) as venue:
        venue.trades["BTC/USD"] = rows_of(10)
        made = history(venue)
        await made.prepare(["BTC/USD"])
        venue.rest_errors["Trades"] = deque(
            [["EAPI:Rate limit exceeded"]] * 5 + [["EGeneral:Too many requests"], ["EService:Unavailable"]]
        )
        (piece,) = made.pieces(["BTC/USD"], DAY, DAY + timedelta(hours=1))
        answer = await made.fetch(piece)
        assert answer.bars[0].trades.sum() == 10
        assert made.naps == [2, 4, 8, 15, 2, 4, 30]
        venue.rest_errors["Trades"] = deque([["EService:Busy"]] * 9)
        made._ahead.clear()
        with pytest.raises(VenueBusy, match="wishes to be asked for Trades later: EService:Busy"):
            await made.fetch(piece)
        await made.close()


async def test_it_says_before_it_begins_how_long_each_day_of_each_coin_will_take():
    async with KrakenServer(["BTC/USD", "ADA/USD"]) as venue:
        venue.trades_a_day = {"BTC/USD": 60_000, "ADA/USD": 3}
        made = history(venue)
        await made.prepare(["BTC/USD", "ADA/USD"])
        pieces = made.pieces(["BTC/USD", "ADA/USD"], DAY, DAY + timedelta(days=1, hours=12))
        told = await made.costs(pieces)
        await made.close()
    assert [told[piece.key] for piece in pieces] == [60.0, 30.0, 0.05, 0.05]


async def test_what_kraken_does_not_carry_is_absent_with_a_reason():
    async with KrakenServer(["BTC/USD", "DOGE/USD", "POL/USD"]) as venue:
        venue.states["DOGE/USD"] = "cancel_only"
        made = history(venue)
        carried = await made.prepare(["BTC/USD", "DOGE/USD", "HIPPO/USD", "MKR/USD", "POL/USD"])
        assert set(carried) == {"BTC/USD", "DOGE/USD", "POL/USD"}
        assert carried["DOGE/USD"].source_name == "XDGUSD"
        assert "cancel_only" in carried["DOGE/USD"].note
        assert "MATIC until 2024-09-04" in carried["POL/USD"].note
        assert made.refused["HIPPO/USD"] == "not on Kraken"
        assert "became SKY (1 : 24000)" in made.refused["MKR/USD"]
        await made.close()


async def test_rows_that_are_no_trades_are_named_and_the_others_count():
    rows = rows_of(10)
    rows[3] = ["x", None]
    rows[5][0] = "-1"
    async with KrakenServer(["BTC/USD"]) as venue:
        venue.trades["BTC/USD"] = rows[:3] + rows[4:]
        made = history(venue)
        await made.prepare(["BTC/USD"])
        result = {"XBTUSD": rows, "last": "1"}
        assert len(read_page("BTC/USD", 0, result).malformed) == 1
        (answer,) = await fetched(made, ["BTC/USD"], DAY, DAY + timedelta(days=1))
        await made.close()
    assert answer.bars[0].trades.sum() == 8
    assert [(one.code, one.count) for one in answer.rejected] == [("TRADE_IMPOSSIBLE", 1)]
    assert "1 of the trades of BTC/USD" in answer.note, "the number of the row that never came"


@pytest.mark.parametrize("body", [{}, {"XBTUSD": 7, "last": "1"}, {"XBTUSD": [], "last": None}, {"last": "1"}])
def test_an_answer_that_is_none_is_refused(body):
    with pytest.raises(VenueRefused, match="cannot be read"):
        read_page("BTC/USD", 0, body)


def test_pieces_are_whole_days_that_end_with_the_last_closed_minute():
    clock = ManualClock(DAY + timedelta(days=2, minutes=7, seconds=30))
    made = KrakenTrades("http://127.0.0.1:9", clock)
    pieces = made.pieces(["BTC/USD", "ETH/USD"], DAY + timedelta(hours=5), DAY + timedelta(days=9))
    assert len(pieces) == 6
    assert [piece.until for piece in pieces[:3]] == [DAY + timedelta(days=k) for k in (1, 2)] + [
        DAY + timedelta(days=2, minutes=7)
    ]
    assert pieces == made.pieces(["BTC/USD", "ETH/USD"], DAY + timedelta(hours=5), DAY + timedelta(days=9))
    assert len({piece.key for piece in pieces}) == 6


def test_the_real_trades_body_makes_whole_bars():
    zstandard = pytest.importorskip("zstandard")
    with market_data("streams/nautilus_http_trades.json.zst").open("rb") as file:
        result = json.loads(zstandard.ZstdDecompressor().stream_reader(file).read())["result"]
    page = read_page("BTC/USDT", 0, result)
    assert (page.rows, page.malformed, page.last_ns) == (1_000, (), 1762820035982277754)
    bars = bars_of("BTC/USDT", page.prints, MINUTE)
    truth = offline(result["XBTUSDT"], instant(0), instant(2 * 10**15))
    assert as_rows(bars).keys() == truth.keys()
    for minute, row in as_rows(bars).items():
        assert row == pytest.approx(truth[minute], rel=1e-9)
    assert bars.trades.sum() == 1_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.floats(0.01, 1e6), st.floats(0, 1e6)), min_size=1, max_size=60))
def test_bars_keep_every_trade_and_contain_their_average(trades):
    at = np.sort(np.array([second for second, _, _ in trades])) * 1_000_000 + micros(DAY)
    price, quantity = (np.array([trade[k] for trade in trades]) for k in (1, 2))
    prints = Prints(at, np.arange(len(trades)), price, quantity)
    bars = bars_of("A/B", joined([prints, prints]), MINUTE)
    assert bars.trades.sum() == len(trades)
    assert bars.volume.sum() == pytest.approx(quantity.sum())
    told = ~np.isnan(bars.vwap)
    assert ((bars.low <= bars.vwap) & (bars.vwap <= bars.high))[told].all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()


def test_no_trades_no_bars():
    none = Prints(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    assert bars_of("A/B", joined([none]), MINUTE).time.size == 0
