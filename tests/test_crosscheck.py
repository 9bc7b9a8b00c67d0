"""A second source: it stops entries where it contradicts the feed, and changes nothing while it is silent."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from bot.house import _second_source
from bot.settings import Settings
from engine.clock import ManualClock, SystemClock
from engine.crosscheck import CrossCheck, CrossStatus, distance
from engine.data_health import STRIKES, DataFacts, judge_data
from engine.domain import MarketKind, Quote, micros
from engine.gaps import Gap
from engine.healing import HealingStatus
from engine.market.errors import FeedNameError, FeedUnreachable, MarketError
from engine.market.kraken import KrakenFeed
from engine.market.massive import MassiveFeed
from engine.market.massive_access import MassiveAccess
from engine.market.second_source import KrakenQuotes, price_source
from engine.ports import FeedStatus
from engine.tasks import Tasks
from tests.days.desk import NOW
from tests.servers.kraken import KrakenServer

BTC, ETH = "BTC/USD", "ETH/USD"


class Second:
    """A source that says what it is told to say."""

    name = "kraken-rest"

    def __init__(self):
        self.prices, self.broken = {}, False

    async def quotes(self, symbols):
        if self.broken:
            raise FeedUnreachable("no answer")
        return {symbol: Quote(symbol, NOW, price, price) for symbol, price in self.prices.items()}

    async def close(self):
        pass


class Floor:
    def __init__(self, limit=0.01):
        self.clock, self.source, self.said, self.marks = ManualClock(NOW), Second(), [], []
        feed = SimpleNamespace(clock=self.clock, doubt=lambda symbol, doubtful: self.marks.append((symbol, doubtful)))
        self.own = {BTC: Quote(BTC, NOW, 99.95, 100.05), ETH: Quote(ETH, NOW, 10.0, 10.01)}
        self.check = CrossCheck(self.source, feed, self.own.get, self.said.append, (BTC, ETH), limit)

    async def look(self, **prices):
        self.source.prices = {f"{base}/USD": price for base, price in prices.items()}
        self.clock.advance(timedelta(seconds=30))
        self.own = {name: Quote(name, self.clock.now(), one.bid, one.ask) for name, one in self.own.items()}
        self.check._quote = self.own.get
        await self.check.look()

    def reading(self):
        feed = FeedStatus("kraken", True, "")
        facts = DataFacts(self.clock.now(), feed, cross=self.check.status(), started=NOW)
        return next(one for one in judge_data(facts) if one.name == "second source")


async def test_a_contradicted_price_is_doubted_at_once_and_trusted_when_they_agree():
    floor = Floor()
    await floor.look(BTC=100.5, ETH=10.0)
    assert floor.said == []
    await floor.look(BTC=102.0, ETH=10.0)
    (doubt,) = floor.said
    assert (doubt.symbol, doubt.doubtful, doubt.other) == (BTC, True, 102.0)
    assert "1.9% apart" in doubt.detail
    await floor.look(BTC=102.0, ETH=10.0)
    assert len(floor.said) == 1, "said once"
    await floor.look(BTC=100.0, ETH=10.0)
    assert [one.doubtful for one in floor.said] == [True, False]
    assert floor.marks == [(BTC, True), (BTC, False)]


async def test_it_alarms_only_when_it_lasts_and_clears_itself():
    floor = Floor()
    statuses = []
    for _ in range(STRIKES):
        await floor.look(BTC=110.0)
        statuses.append(floor.reading().status)
    assert statuses == ["ok"] * (STRIKES - 1) + ["warning"]
    assert "Nothing is entered in BTC/USD" in floor.reading().sentence
    await floor.look(BTC=100.0)
    assert floor.reading().status == "ok"


NOBODY = {"ws_url": "ws://127.0.0.1:9/", "rest_url": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "feed", [KrakenFeed(SystemClock(), **NOBODY), MassiveFeed(SystemClock(), MassiveAccess(key="k", **NOBODY))]
)
async def test_a_feed_that_is_started_again_grades_what_is_doubted_as_before(feed):
    async def run():
        task = asyncio.create_task(feed.run(SimpleNamespace()))
        await asyncio.sleep(0)
        doubts, now = feed._intake.builder.doubts, feed.clock.now()
        found = [doubts.touch(name, 0, micros(now) + 60_000_000, now) for name in (BTC, ETH)]
        if not any(found):
            feed.doubt(BTC, True)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    assert await run() == [False, False]
    assert await run() == [True, False], "the second source says it once"
    feed.doubt(BTC, False)
    assert await run() == [False, False]


async def test_a_silent_second_source_changes_nothing_but_says_so():
    floor = Floor()
    floor.source.broken = True
    await floor.look()
    assert floor.said == floor.marks == []
    assert "does not answer (no answer); prices are not compared" in floor.reading().sentence
    for _ in range(12):
        await floor.look()
    assert floor.reading().status == "warning"


async def test_a_doubt_that_nobody_repeats_lapses_and_an_old_price_is_compared_with_nothing():
    floor = Floor()
    await floor.look(BTC=110.0)
    floor.source.broken = True
    for _ in range(21):
        await floor.look()
    assert [one.doubtful for one in floor.said] == [True, False]
    floor.source.broken = False
    floor.clock.advance(timedelta(minutes=1))
    floor.source.prices = {BTC: 200.0}
    await floor.check.look()
    assert len(floor.said) == 2


@pytest.mark.parametrize(
    ("bid", "ask", "apart"), [(99, 100, 0.0), (99.5, 103, 0.0), (102, 103, 0.02), (90, 95, 99 / 95 - 1)]
)
def test_quotes_that_overlap_are_not_apart(bid, ask, apart):
    assert distance(Quote(BTC, NOW, 99.0, 100.0), Quote(BTC, NOW, bid, ask)) == pytest.approx(apart)


async def test_krakens_ticker_answers_for_all_symbols_in_one_request():
    async with KrakenServer([BTC, ETH, "DOGE/USD"]) as venue:
        source = KrakenQuotes(venue.rest_url, SystemClock())
        quotes = await source.quotes((BTC, "DOGE/USD", "NOPE/USD"))
        await source.quotes((BTC, "DOGE/USD"))
        await source.close()
    assert quotes.keys() == {BTC, "DOGE/USD"}
    assert quotes[BTC].mid == pytest.approx(venue.prices[BTC])
    assert [call for call, _ in venue.rest_calls] == ["AssetPairs", "Ticker", "Ticker"]


async def test_a_source_that_cannot_be_is_refused_with_what_can():
    with pytest.raises(FeedNameError, match=r"kraken-rest, .*ccxt:ID .* or off"):
        price_source("bloomberg", SystemClock(), "http://127.0.0.1:1")


# ------------------------------------------------------------ /health


def readings(**facts):
    feed = FeedStatus("kraken", True, "", late_prints=2, lost_prints=1, quarantined={"CROSSED": 2, "JUMP": 7})
    return {one.name: one for one in judge_data(DataFacts(NOW, feed, **facts))}


def test_every_reason_for_setting_a_message_aside_has_its_count():
    assert "9 market messages (JUMP 7, CROSSED 2)" in readings()["quarantine"].sentence
    assert "2 prints came after the minute had closed, 1 never came" in readings()["late prints"].sentence


def test_gaps_say_what_goes_on_what_is_healed_and_what_is_beyond_reach():
    gap = Gap("kraken", ETH, NOW - timedelta(minutes=9), None, "not in tradable state", NOW)
    healing = HealingStatus({ETH: gap}, 5, 2, 1, 3, 12, 1, trouble="no answer")
    told = readings(healing=healing)["gaps"]
    assert told.status == "warning"
    for words in ("5 gaps", "ETH/USD since", "not in tradable state", "3 healed (12 bars added, 1 revised)", "2 to be"):
        assert words in told.sentence
    assert "1 beyond the feed's own history: `nightdesk backfill`" in told.sentence
    assert readings()["gaps"].status == "ok"
    broken = DataFacts(NOW, FeedStatus("kraken", True, "", gaps=1))
    assert "1 gap in the data since the start." in {one.name: one.sentence for one in judge_data(broken)}["gaps"]


# ------------------------------------------------------------ what must not end unnoticed


@pytest.mark.parametrize("row", [None, 7, {}, {"b": None, "a": []}, {"b": ["x"], "a": ["y"]}, {"b": [1], "a": [1e999]}])
async def test_a_ticker_row_that_cannot_be_read_costs_only_itself_and_nothing_readable_is_no_answer(row):
    source = KrakenQuotes("http://127.0.0.1:1", SystemClock())
    rows = {"XXBTZUSD": {"wsname": "XBT/USD"}, "XETHZUSD": {"wsname": "ETH/USD"}, "ODD": None}
    answers = {"AssetPairs": rows, "Ticker": {"XXBTZUSD": row, "XETHZUSD": {"b": ["9.5", "1"], "a": ["9.6", "1"]}}}

    async def fetch(call, _params):
        return {"error": [], "result": answers[call]}

    source._fetch = fetch
    assert (await source.quotes((BTC, ETH))).keys() == {ETH}
    answers["Ticker"] = {"XXBTZUSD": row}
    with pytest.raises(MarketError, match="no bid and ask"):
        await source.quotes((BTC, ETH))


async def test_a_task_that_breaks_is_said_and_begins_again(caplog):
    tasks, began = Tasks(again=0.0), []

    async def work():
        began.append(len(began))
        if len(began) < 3:
            raise TypeError("a null in the row")

    tasks.keep("second source", work)
    while len(began) < 3:
        await asyncio.sleep(0)
    await tasks.stop()
    assert began == [0, 1, 2]
    assert [one.levelname for one in caplog.records] == ["CRITICAL"] * 2
    told = readings(broken=tasks.broken())["tasks"]
    assert (told.status, told.value) == ("warning", 1.0)
    assert "second source (TypeError: a null in the row)" in told.sentence


async def test_a_task_that_is_cancelled_is_not_begun_again():
    tasks, lives = Tasks(again=0.0), []

    async def work():
        lives.append("begun")
        try:
            await asyncio.sleep(60)
        finally:
            lives.append("let go")

    tasks.keep("healer", work)
    await asyncio.sleep(0.01)
    await tasks.stop()
    assert (lives, tasks.broken()) == (["begun", "let go"], {})


async def test_a_doubt_lapses_also_where_the_look_itself_breaks_and_health_says_that_it_will():
    floor = Floor()
    await floor.look(BTC=110.0)
    floor.source.broken = True
    await floor.look()
    assert "does not answer (no answer): what it does not repeat for 10 min" in floor.reading().sentence
    floor.clock.advance(timedelta(minutes=11))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.crosscheck.LOOK_EVERY", 0.0)
        floor.check._source = SimpleNamespace(name="broken", close=floor.source.close)
        with pytest.raises(AttributeError):
            await floor.check.run()
    assert [one.doubtful for one in floor.said] == [True, False]


def test_health_says_what_a_second_source_is_worth_and_that_there_is_none():
    assert "not compared" in readings(live=True)["second source"].sentence
    assert "second source" not in readings()
    same = readings(cross=CrossStatus("kraken-rest", 3, NOW))["second source"]
    other = readings(cross=CrossStatus("ccxt:coinbase", 3, NOW))["second source"]
    assert same.sentence == "kraken-rest agrees on 3 prices; it is the feed's own venue by another way."
    assert other.sentence == "ccxt:coinbase agrees on 3 prices."


@pytest.mark.parametrize(("feed", "told", "source"), [
    ("kraken", "auto", "kraken-rest"), ("massive", "auto", "kraken-rest"), ("massive", "off", None),
])  # fmt: skip
async def test_every_live_feed_is_compared_unless_told_otherwise(feed, told, source):
    settings = Settings(_env_file=None, second_source=told)
    found = _second_source(settings, SimpleNamespace(name=feed, kind=MarketKind.LIVE, clock=SystemClock()))
    assert (found.name if found else None) == source
    made_up = SimpleNamespace(name="simulated", kind=MarketKind.SIMULATED, clock=SystemClock())
    assert _second_source(settings, made_up) is None
