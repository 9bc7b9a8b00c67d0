"""Replays: the record's own time and bars, at any speed; what cannot be replayed says so."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from engine.clock import ManualClock, ScaledClock, SystemClock
from engine.domain import MarketKind, micros
from engine.market.errors import FeedNameError, RecordError
from engine.market.feeds import feed_named, from_path
from engine.market.kraken import KrakenFeed
from engine.market.replayed import ReplayedBars
from engine.market.replayed_frames import ReplayedFrames
from engine.market.simulated import SimulatedFeed
from tests.market.data import market_data
from tests.market.sink import Kept, running, until

OPEN = datetime(2025, 5, 4, tzinfo=UTC)


def table(minutes, names=("ADAUSDT",), price=1.0):
    rows = [
        (name, OPEN + timedelta(minutes=k), price, price + 0.2, price - 0.2, price + 0.1, 5.0)
        for name in names
        for k in range(minutes)
    ]
    return pd.DataFrame(rows, columns=["symbol", "time", "open", "high", "low", "close", "volume"])


@pytest.fixture
def saved(tmp_path):
    def save(frame, name="bars.parquet"):
        path = tmp_path / name
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
        return path

    return save


async def replayed(feed):
    """Everything the feed delivers when its clock is already at the end."""
    sink = Kept()
    feed.clock = ManualClock(feed.start() + timedelta(days=60))
    await feed.run(sink)
    return sink


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
async def test_bars_come_at_their_closes_unchanged(saved, name):
    feed = from_path(saved(table(4, ("ADAUSDT", "BTCUSDT")), name))
    assert (feed.kind, feed.has_prints) == (MarketKind.REPLAY, False)
    assert feed.start() == OPEN
    sink = await replayed(feed)
    assert [minute.at for minute in sink.minutes] == [OPEN + timedelta(minutes=k) for k in (1, 2, 3, 4)]
    first = sink.minutes[0]
    assert first.symbols == ("ADA/USDT", "BTC/USDT")
    assert (first.open[0], first.high[0], first.low[0], first.close[0], first.volume[0]) == (1.0, 1.2, 0.8, 1.1, 5.0)
    assert [change.up for change in sink.changes] == [True, False]
    assert sink.prints == []


async def test_quotes_are_the_last_close_stamped_anew_every_few_seconds(saved):
    clock, sink = ManualClock(OPEN), Kept()
    feed = from_path(saved(table(3)), clock=clock)
    async with running(feed, sink):
        for _ in range(24):
            clock.advance(timedelta(seconds=5))
            await asyncio.sleep(0.06)
        await until(lambda: len(sink.minutes) == 2)
    stamps = [quote.at for quote in sink.quotes]
    assert {(quote.bid, quote.ask) for quote in sink.quotes} == {(1.1, 1.1)}
    assert stamps[0] == OPEN + timedelta(minutes=1)
    assert max(later - earlier for earlier, later in pairwise(stamps)) <= timedelta(seconds=10)


async def test_a_long_record_keeps_its_first_300_minutes_as_history(saved):
    feed = from_path(saved(table(700)))
    assert feed.start() == OPEN + timedelta(minutes=300)
    bars = (await feed.warm_up(["ADA/USDT"], 200))["ADA/USDT"]
    assert (bars.time.size, bars.time[-1]) == (200, micros(feed.start()))
    sink = await replayed(feed)
    assert len(sink.minutes) == 400
    assert sink.minutes[0].at == feed.start() + timedelta(minutes=1)


async def test_a_replay_goes_on_where_it_was_left(saved):
    feed = from_path(saved(table(700)), begin=OPEN + timedelta(minutes=690, seconds=20))
    assert feed.start() == OPEN + timedelta(minutes=690)
    assert len((await replayed(feed)).minutes) == 10


async def test_an_absent_row_is_a_missing_minute_and_a_bar_without_volume_a_quiet_one(saved):
    frame = table(5)
    frame.loc[3, "volume"] = 0.0
    sink = await replayed(from_path(saved(frame.drop(index=2))))
    assert [minute.missing for minute in sink.minutes] == [(), (), ("ADA/USDT",), (), ()]
    assert [minute.quality for minute in sink.minutes] == [("good",), ("good",), (), ("quiet",), ("good",)]


async def test_an_impossible_bar_is_counted_and_missing(saved):
    frame = table(4)
    frame.loc[1, "low"] = 9.0
    frame.loc[2, "close"] = float("nan")
    feed = from_path(saved(frame))
    sink = await replayed(feed)
    assert [minute.missing for minute in sink.minutes] == [(), ("ADA/USDT",), ("ADA/USDT",), ()]
    assert feed.status().quarantined["BAR_IMPOSSIBLE"] == 2


async def test_a_jump_of_more_than_half_waits_for_the_next_bar(saved):
    frame = table(6)
    frame.loc[2:, ["open", "high", "low", "close"]] *= 3
    feed = from_path(saved(frame))
    sink = await replayed(feed)
    assert [bool(minute.missing) for minute in sink.minutes] == [False, False, True, False, False, False]
    assert feed.status().quarantined == {"JUMP": 1}


@pytest.mark.parametrize("asked", ["ADAUSDT", "ADA/USDT", "ADA", "ada"])
async def test_symbols_answer_to_the_files_name_the_canonical_one_and_the_base(saved, asked):
    feed = from_path(saved(table(3, ("ADAUSDT", "BTCUSDT"))), [asked])
    assert feed.symbols == ("ADA/USDT",)
    assert list(await feed.prepare([asked])) == ["ADA/USDT"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop(columns="close"), "has no column close"),
        (lambda frame: frame.assign(time=OPEN + pd.to_timedelta(range(0, 50, 5), unit="min")), "0:05:00"),
        (lambda frame: pd.concat([frame, frame]), "two bars"),
        (lambda frame: frame.assign(close=-1.0), "no usable bar"),
    ],
)
def test_what_cannot_be_replayed_says_why(saved, change, words):
    with pytest.raises(RecordError, match=words):
        from_path(saved(change(table(10))))


def test_a_wrong_path_kind_or_symbol_is_one_sentence(saved, tmp_path):
    with pytest.raises(RecordError, match="there is no file"):
        from_path(tmp_path / "nothing.parquet")
    (tmp_path / "bars.md").write_text("x")
    with pytest.raises(RecordError, match="no kind that can be replayed"):
        from_path(tmp_path / "bars.md")
    (tmp_path / "broken.parquet").write_text("x")
    with pytest.raises(RecordError, match="cannot be read as bars"):
        from_path(tmp_path / "broken.parquet")
    (tmp_path / "empty.jsonl").write_text("nothing\n")
    with pytest.raises(RecordError, match=r"no frame that can be replayed; known are the frames of Kraken"):
        from_path(tmp_path / "empty.jsonl")
    (tmp_path / "beats.jsonl").write_text('{"channel":"heartbeat"}\n')
    with pytest.raises(RecordError, match="no frame with a time"):
        from_path(tmp_path / "beats.jsonl")
    with pytest.raises(RecordError, match="ADA/USDT; DOGE is not one of them"):
        from_path(saved(table(3)), ["DOGE"])


async def test_the_real_minutes_of_2025_replay_bar_by_bar():
    path = market_data("bars/binance_futures_1m_2025_05.parquet")
    feed = from_path(path, ["SOL"])
    sink = await replayed(feed)
    wanted = pd.read_parquet(path)
    wanted = wanted[wanted["symbol"] == "SOLUSDT"].iloc[300:]
    assert len(sink.minutes) == len(wanted)
    assert [minute.close[0] for minute in sink.minutes] == wanted["close"].tolist()
    assert feed.status().quarantined == {}


def test_each_feed_has_its_name_and_the_clock_that_fits(saved):
    path = saved(table(3))
    assert isinstance(feed_named("kraken"), KrakenFeed)
    assert isinstance(feed_named("kraken").clock, SystemClock)
    simulated = feed_named("simulated", begin=OPEN)
    assert isinstance(simulated, SimulatedFeed)
    assert simulated.clock.speed == 60
    assert OPEN <= simulated.clock.now() < OPEN + timedelta(minutes=1)
    replay = feed_named(f"replay:{path}", speed=30)
    assert isinstance(replay, ReplayedBars)
    assert isinstance(replay.clock, ScaledClock)
    assert (replay.clock.speed, replay.start()) == (30, OPEN)


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("binance", {}, "choose kraken, massive, simulated or replay:PATH"),
        ("replay", {}, "choose kraken, massive, simulated or replay:PATH"),
        ("simulated:x", {}, "choose kraken, massive, simulated or replay:PATH"),
        ("kraken", {"speed": 10.0}, "a live market runs at its own"),
        ("simulated", {"speed": -1.0}, "must be above 0"),
    ],
)
def test_a_feed_that_cannot_be_is_refused_with_the_choices(spec, options, words):
    with pytest.raises(FeedNameError, match=words):
        feed_named(spec, **options)


TRADES = [
    {"symbol": "BTC/USD", "price": 100.0 + k, "qty": 0.5, "trade_id": k, "timestamp": f"2025-05-04T00:0{k}:30.000000Z"}
    for k in range(5)
]


def trade_lines():
    return [json.dumps({"channel": "trade", "type": "update", "data": [trade]}) for trade in TRADES]


async def test_a_record_of_prints_alone_replays_into_bars(tmp_path):
    path = tmp_path / "prints.jsonl"
    path.write_text("\n".join([*trade_lines(), "{broken"]))
    feed = from_path(path, speed=60.0)
    assert feed.start() == OPEN + timedelta(seconds=30)
    sink = Kept()
    feed.clock = clock = ManualClock(feed.start())
    async with running(feed, sink) as task:
        while not task.done():
            clock.advance(timedelta(seconds=5))
            await asyncio.sleep(0.06)
    assert [print_.price for print_ in sink.prints] == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert [minute.close for minute in sink.minutes] == [(), (101.0,), (102.0,), (103.0,)]
    assert feed.status().quarantined == {"MALFORMED": 1}


async def test_a_replay_of_frames_goes_on_where_it_was_left(tmp_path):
    path = tmp_path / "prints.jsonl"
    path.write_text("\n".join(trade_lines()))
    clock, sink = ManualClock(OPEN + timedelta(minutes=4, seconds=30)), Kept()
    feed = from_path(path, begin=OPEN + timedelta(minutes=3), clock=clock)
    await feed.run(sink)
    assert [print_.price for print_ in sink.prints] == [103.0, 104.0]


async def test_recorded_frames_can_be_compressed(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    raw = market_data("streams/kraken_v2_btcusd_book25.jsonl").read_bytes()
    path = tmp_path / "frames.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(raw))
    feed = from_path(path)
    assert isinstance(feed, ReplayedFrames)
    assert feed.symbols == ("BTC/USD",)
    sink = await replayed(feed)
    assert feed.frames.checksums_good == 20
    assert [change.up for change in sink.changes] == [True, False]


async def test_a_recorded_pair_has_the_desks_name_in_a_replay(tmp_path):
    path = tmp_path / "prints.jsonl"
    path.write_text("\n".join(trade_lines()).replace("BTC/USD", "LUNA2/USD"))
    feed = from_path(path, speed=60.0)
    assert feed.symbols == ("LUNA/USD",)
    sink = Kept()
    feed.clock = clock = ManualClock(feed.start())
    async with running(feed, sink) as task:
        while not task.done():
            clock.advance(timedelta(seconds=5))
            await asyncio.sleep(0.06)
    assert {print_.symbol for print_ in sink.prints} == {"LUNA/USD"}
