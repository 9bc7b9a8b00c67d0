"""Exchanges through ccxt: its real code against local venues that speak the documented protocols."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.domain import micros
from engine.market.errors import FeedNameError, FeedUnreachable, MarketError
from engine.market.exchange import Exchange, ExchangeRefused
from engine.market.exchange_history import ExchangeHistory
from engine.market.histories import history_named
from tests.servers.binance import BinanceServer, kline
from tests.servers.kraken import KrakenServer

START = datetime(2024, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLOCK = ManualClock(START + timedelta(days=400))
MARKETS = {"BTCUSDT": ("BTC", "USDT"), "ADAUSDT": ("ADA", "USDT"), "BEAMXUSDT": ("BEAMX", "USDT")}


def ms(at):
    return micros(at) // 1_000


def candles(count, start=START, skip=()):
    return [kline(ms(start) + k * 60_000, 100 + k * 0.01) for k in range(count) if k not in skip]


@asynccontextmanager
async def binance(venue, spec="ccxt:binance", **options):
    """A history on a local Binance, closed at the end of the block."""
    history = history_named(spec, CLOCK, exchange_url=venue.url, **options)
    try:
        yield history
    finally:
        await history.close()


async def all_bars(history, symbol, since, until):
    answers = [await history.fetch(piece) for piece in history.pieces([symbol], since, until)]
    return np.concatenate([answer.bars[0].time for answer in answers]), answers


async def test_candles_are_paged_to_the_last_and_holes_stay_holes():
    holes = {*range(1_500, 1_800), 4_000, *range(5_000, 7_500)}
    async with BinanceServer(MARKETS) as venue:
        venue.klines["BTCUSDT"] = candles(9_000, skip=holes)
        async with binance(venue) as history:
            await history.prepare(["BTC/USDT"])
            time, answers = await all_bars(history, "BTC/USDT", START, START + 9_000 * MINUTE)
    expected = [micros(START) + (k + 1) * 60_000_000 for k in range(9_000) if k not in holes]
    assert time.tolist() == expected
    first = answers[0].bars[0]
    assert (first.open[0], first.volume[0]) == (100.0, 2.0)
    assert first.high[0] == pytest.approx(101.0)
    assert {params["limit"] for call, params in venue.calls if call == "klines"} <= {str(k) for k in range(1_001)}


async def test_candles_that_begin_late_say_when():
    late = START + timedelta(days=2)
    async with BinanceServer(MARKETS) as venue, binance(venue) as history:
        venue.klines["BTCUSDT"] = candles(600, late)
        await history.prepare(["BTC/USDT"])
        (piece,) = history.pieces(["BTC/USDT"], START, START + timedelta(days=3))
        answer = await history.fetch(piece)
    assert answer.bars[0].time.size == 600
    assert answer.note == "ccxt:binance gave no candles of BTC/USDT before 2024-03-06 00:00 UTC"


async def test_what_was_the_old_terra_under_the_name_of_the_new_one_stays_its_own():
    launch = datetime(2022, 5, 28, tzinfo=UTC)
    markets = {"LUNAUSDT": ("LUNA", "USDT"), "LUNCUSDT": ("LUNC", "USDT"), "WIFUSDT": ("WIF", "USDT")}
    async with BinanceServer(markets) as venue, binance(venue) as history:
        venue.klines["LUNAUSDT"] = [*candles(300, launch - 600 * MINUTE), *candles(200, launch + 90 * MINUTE)]
        venue.klines["LUNCUSDT"] = candles(100, launch + 700 * MINUTE)
        venue.klines["WIFUSDT"] = candles(50, launch)
        assert set(await history.prepare(["LUNA/USDT", "LUNC/USDT"])) == {"LUNA/USDT", "LUNC/USDT"}
        since, until = launch - timedelta(days=1), launch + timedelta(days=1)
        new, _ = await all_bars(history, "LUNA/USDT", since, until)
        old, _ = await all_bars(history, "LUNC/USDT", since, until)
        none, answers = await all_bars(history, "WIF/USDT", since, until)
    assert (new.size, old.size, none.size) == (200, 400, 0)
    assert new.min() > micros(launch)
    assert [(one.code, one.count) for answer in answers for one in answer.rejected] == [("OTHER_COIN", 50)]


async def test_a_pair_that_ended_and_its_new_name_are_one_series():
    old, new = datetime(2024, 9, 8, tzinfo=UTC), datetime(2024, 9, 13, tzinfo=UTC)
    async with BinanceServer({"MATICUSDT": ("MATIC", "USDT"), "POLUSDT": ("POL", "USDT")}) as venue:
        venue.ended = {"MATICUSDT"}
        venue.klines = {"MATICUSDT": candles(600, old), "POLUSDT": candles(600, new)}
        async with binance(venue) as history:
            listings = await history.prepare(["POL/USDT"])
            assert set(listings["POL/USDT"].source_name.split(" and ")) == {"MATIC/USDT", "POL/USDT"}
            time, _ = await all_bars(history, "POL/USDT", old, new + timedelta(days=2))
    assert time.size == 1_200


async def test_what_an_exchange_does_not_carry_is_absent_with_what_it_has_instead():
    async with BinanceServer(MARKETS) as venue, binance(venue) as history:
        assert set(await history.prepare(["BTC/USD", "BEAM/USDT", "XMR/USDT", "QQQ/USDT"])) == {"BEAM/USDT"}
        assert history.refused["BTC/USD"] == "not on Binance; it has BTC/USDT"
        assert history.refused["XMR/USDT"] == "not on Binance: delisted 2024-02-20"
        assert history.refused["QQQ/USDT"] == "not on Binance"


REFUSALS = [
    (
        418,
        {"code": -1003, "msg": "Way too many requests; IP banned"},
        FeedUnreachable,
        "did not give candles of BTC/USDT",
    ),
    (429, {"code": -1003, "msg": "Too many requests"}, FeedUnreachable, "did not give candles of BTC/USDT"),
    (503, {"msg": "Service Unavailable"}, FeedUnreachable, "did not give candles"),
    (400, {"code": -1121, "msg": "Invalid symbol."}, ExchangeRefused, "has no candles of BTC/USDT"),
    (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions"}, ExchangeRefused, "only with a key"),
    (400, {"code": -1100, "msg": "Illegal characters found in parameter"}, ExchangeRefused, "refused candles"),
]


@pytest.mark.parametrize(("status", "body", "error", "words"), REFUSALS, ids=[str(k) for k in range(len(REFUSALS))])
async def test_a_refusal_becomes_one_sentence_with_what_was_asked(status, body, error, words):
    async with BinanceServer(MARKETS) as venue, binance(venue) as history:
        await history.prepare(["BTC/USDT"])
        (piece,) = history.pieces(["BTC/USDT"], START, START + 9 * MINUTE)
        venue.faults.append((status, body))
        with pytest.raises(error, match=words) as caught:
            await history.fetch(piece)
        assert "\n" not in str(caught.value)
        assert "ccxt:binance" in str(caught.value)


async def test_an_exchange_that_is_not_there_or_unknown_is_said():
    history = history_named("ccxt:binance", CLOCK, exchange_url="http://127.0.0.1:9")
    try:
        with pytest.raises(FeedUnreachable, match="ccxt:binance did not give its markets"):
            await history.prepare(["BTC/USDT"])
    finally:
        await history.close()
    with pytest.raises(FeedNameError, match="ccxt knows no exchange 'binanse'; near it: binance"):
        history_named("ccxt:binanse", CLOCK)


async def test_candles_of_a_length_that_the_exchange_lacks_are_refused():
    async with BinanceServer(MARKETS) as venue, binance(venue, interval=timedelta(seconds=7)) as history:
        with pytest.raises(ExchangeRefused, match="no candles of 7 s; it has 1s, 1m"):
            await history.prepare(["BTC/USDT"])


async def test_trades_come_each_once_and_make_bars_with_their_number():
    trades = [
        {"a": k, "p": f"{100 + k % 7}", "q": "0.5", "f": k, "l": k, "T": ms(START) + k * 300, "m": False, "M": True}
        for k in range(3_500)
    ]
    for row in trades[995:1_005]:
        row["T"] = trades[1_000]["T"]
    async with BinanceServer(MARKETS) as venue:
        venue.trades["BTCUSDT"] = trades
        async with binance(venue, "ccxt-trades:binance") as history:
            await history.prepare(["BTC/USDT"])
            (piece,) = history.pieces(["BTC/USDT"], START, START + 10 * MINUTE)
            (bars,) = (await history.fetch(piece)).bars
    assert bars.time.size == 10
    assert bars.trades.sum() == sum(row["T"] < ms(START + 10 * MINUTE) for row in trades)
    assert bars.volume.sum() == pytest.approx(0.5 * bars.trades.sum())


def trade(number, at_ms, price=100.0):
    return {"a": number, "p": f"{price}", "q": "0.5", "f": 1, "l": 1, "T": at_ms, "m": False, "M": True}


async def bars_of_trades(venue, since=START, until=START + 10 * MINUTE):
    """The one answer for a stretch of BTC/USDT."""
    async with binance(venue, "ccxt-trades:binance") as history:
        await history.prepare(["BTC/USDT"])
        (piece,) = history.pieces(["BTC/USDT"], since, until)
        return await history.fetch(piece)


@pytest.mark.parametrize("numbered", ["{:06d}-abc", "{:025d}", "{}", ""], ids=["words", "long", "numbers", "none"])
async def test_no_trade_is_doubled_where_a_page_begins_whatever_its_number_looks_like(numbered):
    async with BinanceServer(MARKETS) as venue:
        venue.page = 60
        venue.trades["BTCUSDT"] = [
            trade(numbered.format(k), ms(START) + k // 7 * 1_000, price=100 + k % 3) for k in range(900)
        ]
        (bars,) = (await bars_of_trades(venue)).bars
    assert bars.trades.sum() == 900
    assert bars.volume.sum() == 450


async def test_an_instant_with_more_trades_than_a_page_costs_its_bar_and_is_named():
    burst = ms(START + 3 * MINUTE) + 5
    rows = [trade(f"x{k}", ms(START) + k * 1_000) for k in range(600)]
    rows = sorted([*rows, *(trade(f"y{k}", burst) for k in range(150))], key=lambda row: row["T"])
    async with BinanceServer(MARKETS) as venue:
        venue.page, venue.trades["BTCUSDT"] = 100, rows
        answer = await bars_of_trades(venue)
    ((one,), (bars,)) = answer.rejected, answer.bars
    assert [(int(at) - micros(START)) // 60_000_000 - 1 for at in bars.time] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert (bars.trades == 60).all()
    assert (one.code, one.count, one.opened) == ("TRADES_CUT", 1, (micros(START + 3 * MINUTE),))
    assert "gives only a part of its trades of BTC/USDT at 2024-03-04 00:03" in one.sentence


@pytest.mark.parametrize("since", [START, START + timedelta(days=300)])
@pytest.mark.parametrize("busy", [False, True])
async def test_an_exchange_that_gives_its_newest_trades_only_has_none_that_old_and_says_so(since, busy):
    begin = START + timedelta(days=300, minutes=5)
    async with BinanceServer(MARKETS) as venue:
        venue.newest_only, venue.page = True, 100
        venue.trades["BTCUSDT"] = Rolling(ms(begin), moving=busy)
        with pytest.raises(
            ExchangeRefused, match=r"gives no trades of BTC/USDT that old: they begin at 2024-12-29 00:"
        ):
            await bars_of_trades(venue, since, since + 10 * MINUTE)


class Rolling:
    """Trades a second apart, of which there are more at every look where the market is moving."""

    def __init__(self, first_ms, moving):
        self._first, self._moving, self._count = first_ms, moving, 200

    def __getitem__(self, last):
        self._count += 10 * self._moving
        return [trade(k, self._first + k * 1_000) for k in range(self._count)][last]


async def test_a_coin_that_was_quiet_before_its_first_trade_of_a_piece_is_believed():
    at = ms(START + 8 * MINUTE)
    async with BinanceServer(MARKETS) as venue:
        venue.page = 100
        venue.trades["BTCUSDT"] = [trade(k, ms(START) - 1_000 * (50 - k)) for k in range(50)]
        venue.trades["BTCUSDT"] += [trade(100 + k, at + k * 1_000) for k in range(200)]
        (bars,) = (await bars_of_trades(venue)).bars
    assert bars.trades.sum() == 120


async def test_hours_without_a_trade_do_not_end_a_thin_coins_trades():
    hours = [0, 5, 5, 11, 30]  # Binance answers for an hour after the instant that it is asked for
    rows = [
        {"a": k, "p": "100", "q": "0.5", "f": k, "l": k, "T": ms(START + hour * 60 * MINUTE), "m": False, "M": True}
        for k, hour in enumerate(hours)
    ]
    async with BinanceServer(MARKETS) as venue:
        venue.trades["BTCUSDT"] = rows
        async with binance(venue, "ccxt-trades:binance") as history:
            await history.prepare(["BTC/USDT"])
            (piece,) = history.pieces(["BTC/USDT"], START, START + 24 * 60 * MINUTE)
            (bars,) = (await history.fetch(piece)).bars
    opened = [(int(at) - micros(START)) // 3_600_000_000 for at in bars.time]
    assert (opened, bars.trades.tolist()) == ([0, 5, 11], [1, 2, 1])


async def test_one_that_the_exchange_refuses_does_not_cost_the_others_their_quotes():
    async with BinanceServer(MARKETS) as venue:
        venue.tickers = {"BTCUSDT": ("99.5", "100.5")}
        venue.books["ADAUSDT"] = {"bids": [["0.5", "1"]], "asks": [["0.6", "3"]]}
        exchange = Exchange("binance", CLOCK, url=venue.url)
        try:
            await exchange.markets()
            del venue.markets["ADAUSDT"]
            quotes = await exchange.quotes(["BTC/USDT", "ADA/USDT"])
        finally:
            await exchange.close()
    assert quotes.keys() == {"BTC/USDT"}


async def test_the_order_book_gives_the_best_first_and_a_quote():
    async with BinanceServer(MARKETS) as venue:
        venue.books["BTCUSDT"] = {"bids": [["99.5", "1"], ["99.4", "2"]], "asks": [["100.5", "3"], ["100.6", "4"]]}
        exchange = Exchange("binance", CLOCK, url=venue.url)
        try:
            book = await exchange.book("BTC/USDT")
            empty = await exchange.book("ADA/USDT")
            with pytest.raises(ExchangeRefused, match="ETH/USDT is not on Binance"):
                await exchange.book("ETH/USDT")
        finally:
            await exchange.close()
    assert book.bids.tolist() == [[99.5, 1], [99.4, 2]]
    assert (book.quote().bid, book.quote().ask) == (99.5, 100.5)
    assert empty.quote() is None


async def test_quotes_come_from_tickers_else_from_the_book_and_dollars_from_dollar_coins():
    async with BinanceServer({**MARKETS, "ETHUSD": ("ETH", "USD")}) as venue:
        venue.tickers = {"BTCUSDT": ("99.5", "100.5"), "ETHUSD": ("9.5", "9.4")}
        venue.books["ADAUSDT"] = {"bids": [["0.5", "1"]], "asks": [["0.6", "3"]]}
        exchange = Exchange("binance", CLOCK, url=venue.url)
        try:
            quotes = await exchange.quotes(["BTC/USD", "ADA/USDT", "ETH/USD", "BEAM/USD", "XMR/USD"])
        finally:
            await exchange.close()
    told = {symbol: (quote.symbol, quote.bid, quote.ask) for symbol, quote in quotes.items()}
    assert told == {"BTC/USD": ("BTC/USD", 99.5, 100.5), "ADA/USDT": ("ADA/USDT", 0.5, 0.6)}, "a crossed one is none"


async def test_krakens_candles_through_ccxt_under_the_desks_names():
    async with KrakenServer(["BTC/USD", "LUNA2/USD"]) as venue:
        now = ms(venue.now()) // 60_000 * 60_000
        url = venue.rest_url.removesuffix("/0")
        clock = ManualClock(venue.now())
        history = ExchangeHistory(Exchange("kraken", clock, url=url), clock, MINUTE)
        try:
            listings = await history.prepare(["BTC/USD", "LUNA/USD", "LUNC/USD"])
            since = venue.now() - timedelta(minutes=100)
            time, _ = await all_bars(history, "BTC/USD", since, venue.now())
            (old, *_) = history.pieces(["BTC/USD"], since - timedelta(days=40), since - timedelta(days=39))
            answer = await history.fetch(old)
        finally:
            await history.close()
    assert set(listings) == {"BTC/USD", "LUNA/USD"}
    assert 99 <= time.size <= 101
    assert time.max() <= now * 1_000 + 60_000_000
    assert "its trades go on: --source kraken" in answer.note


@pytest.mark.parametrize("spec", ["kraken:x", "ccxt", "files", "oracle", "kraken-csv", ""])
def test_a_source_that_cannot_be_lists_the_choices(spec):
    with pytest.raises(FeedNameError, match="choose one of kraken, kraken-csv:PATH, ccxt:ID"):
        history_named(spec, CLOCK)


def test_a_source_that_cannot_be_used_as_it_is_says_what_is_missing(tmp_path):
    for spec, words in (
        (f"files:{tmp_path}", "holds no file of bars"),
        (f"kraken-csv:{tmp_path}/none", "no folder or zip"),
        ("massive", "POLYGON_API_KEY"),
    ):
        with pytest.raises(MarketError, match=words):
            history_named(spec, CLOCK)
    with pytest.raises(FeedNameError, match="read as bars of one minute"):
        history_named("massive", CLOCK, interval=5 * MINUTE)
