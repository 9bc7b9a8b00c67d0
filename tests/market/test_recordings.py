"""Recorded frames of Binance and of old Kraken: each is delivered, or counted and set aside for a reason."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import micros
from engine.market.errors import RecordError
from engine.market.feeds import from_path
from engine.market.intake import Intake
from engine.market.quality import Quarantine
from engine.market.recorded_binance import BinanceFrames
from engine.market.recorded_kraken_v1 import KrakenV1Frames
from tests.market.data import market_data
from tests.market.replaying import replayed
from tests.market.sink import Kept

NOW = datetime(2021, 4, 17, 16, 49, tzinfo=UTC)


@pytest.fixture
def saved(tmp_path):
    def save(*lines, name="frames.jsonl"):
        path = tmp_path / name
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return path

    return save


# ------------------------------------------------------------ every kind of frame, and what is no frame

V1_TRADE = [
    993,
    [["56000.10000", "0.5", "1618678142.557535", "s", "l", ""], ["56000.2", "0.25", "1618678142.6", "b", "m", ""]],
]
V1_ACK = {"channelID": 993, "channelName": "trade", "event": "subscriptionStatus", "pair": "XBT/USD",
          "status": "subscribed", "subscription": {"name": "trade"}}  # fmt: skip
V1_REFUSAL = {"errorMessage": "Currency pair not supported", "event": "subscriptionStatus", "pair": "QQQ/USD",
              "status": "error", "subscription": {"name": "trade"}}  # fmt: skip
V1_TICKER = {"a": ["56001.0", 1, "1.000"], "b": ["56000.0", 2, "2.5"], "c": ["56000.1", "0.5"], "v": ["1", "2"]}


async def test_old_trades_tickers_and_spreads_are_prints_and_quotes_under_the_desks_names(saved):
    path = saved(
        V1_ACK,
        V1_REFUSAL,
        [*V1_TRADE, "trade", "XBT/USD"],
        [994, V1_TICKER, "ticker", "XBT/USD"],
        [995, ["56000.2", "56000.9", "1618678142.7", "1.0", "2.0"], "spread", "XBT/USD"],
    )
    feed, sink, account = await replayed(path)
    assert feed.symbols == ("BTC/USD",)
    assert [(p.symbol, micros(p.at), p.price, p.quantity, p.side, p.trade_id) for p in sink.prints] == [
        ("BTC/USD", 1618678142_557535, 56000.1, 0.5, "sell", None),
        ("BTC/USD", 1618678142_600000, 56000.2, 0.25, "buy", None),
    ]
    assert [(q.bid, q.ask) for q in sink.quotes] == [(56000.0, 56001.0), (56000.2, 56000.9)]
    assert account.lines == {"subscriptionStatus": 2, "trade": 1, "ticker": 1, "spread": 1}
    assert feed.status().refused_symbols == {"QQQ/USD": "trade: Currency pair not supported"}
    assert account.set_aside == {}


async def test_what_old_kraken_frames_nobody_knows_or_can_read_is_counted_with_its_reason(saved):
    path = saved(
        [*V1_TRADE, "trade", "XBT/USD"],
        [993, [["-", "1", "1618678143", "s"], ["56000", "1", "1618678143.5", "s"]], "trade", "XBT/USD"],
        [996, ["1618678140", "1618678200", "1", "2", "3", "4", "5", "6", 7], "ohlc-1", "XBT/USD"],
        {"event": "surprise"},
        [1],
        "{broken",
    )
    _, sink, account = await replayed(path)
    assert account.lines == {"trade": 2, "ohlc": 1, "surprise": 1, "malformed": 2}
    assert account.set_aside == {"MALFORMED": 3, "UNKNOWN_CHANNEL": 2}
    assert len(sink.prints) == 3, "a trade that cannot be read costs no neighbour"


def binance_trade(number, at_ms, name="BTCUSDT", price="100.5"):
    data = {"e": "trade", "E": at_ms, "s": name, "t": number, "p": price, "q": "0.5", "T": at_ms, "m": True}
    return {"stream": f"{name.lower()}@trade", "data": data}


START = 1_723_161_240_000  # ms, a whole minute


async def test_what_binance_frames_nobody_knows_or_can_read_is_counted_with_its_reason(saved):
    path = saved(
        {"result": None, "id": 1},
        binance_trade(1, START)["data"],
        {"u": 1, "s": "BTCUSDT", "b": "100.0", "B": "1", "a": "101.0", "A": "1"},
        {"stream": "btcusdt@aggTrade", "data": {"e": "aggTrade", "E": START, "s": "BTCUSDT", "a": 7}},
        {"code": 2, "msg": "Invalid request"},
        binance_trade(1, START),
        binance_trade(2, START, price="-1"),
        binance_trade(3, START, price="much"),
        [1],
        "{broken",
    )
    _, sink, account = await replayed(path)
    assert account.lines == {"answer": 1, "trade": 4, "bookTicker": 1, "aggTrade": 1, "unknown": 1, "malformed": 2}
    assert account.set_aside == {"DUPLICATE": 1, "MALFORMED": 3, "PRICE_NOT_POSITIVE": 1, "UNKNOWN_CHANNEL": 2}
    assert (len(sink.prints), len(sink.quotes)) == (1, 1)


async def test_a_trade_that_is_not_in_the_record_is_missed_by_its_number(saved):
    steps = [step for step in range(0, 300_000, 5_000) if step != 130_000]
    path = saved(*(binance_trade(101 + step // 5_000, START + step) for step in steps))
    _, sink, account = await replayed(path)
    assert account.lost_prints == 1
    assert [bool(minute.missing) for minute in sink.minutes] == [True, False, True, False], (
        "nor is the first known whole"
    )


async def test_a_name_means_the_coin_that_it_meant_when_it_was_recorded(saved):
    may_2021 = 1_619_827_200_000
    names = ("LUNAUSDT", "WIFUSDT")
    path = saved(*(binance_trade(k, may_2021 + k, name) for k, name in enumerate(names)))
    feed, sink, account = await replayed(path)
    assert feed.symbols == ("LUNC/USDT",)
    assert [print_.symbol for print_ in sink.prints] == ["LUNC/USDT"]
    assert account.set_aside == {"UNKNOWN_SYMBOL": 1}
    assert "was not dogwifhat" in feed.status().refused_symbols["WIFUSDT"]


# ------------------------------------------------------------ time


async def test_the_recorders_clock_is_set_right_by_the_fastest_message(saved):
    slow = [0.300, 0.020, 0.150]
    wrong = timedelta(seconds=1.5)
    heard = [START / 1_000 + second + late - 1.5 for second, late in enumerate(slow)]
    lines = [f"{at:.6f}: {json.dumps(binance_trade(k, START + k * 1_000))}" for k, at in enumerate(heard)]
    feed = from_path(saved(*lines))
    first = datetime.fromtimestamp(heard[0], UTC) + wrong - timedelta(seconds=0.020)
    assert abs(feed.start() - first) < timedelta(milliseconds=1)


@pytest.mark.parametrize("stamp", ["1723161240", "1723161240000", "1723161240000000", "1723161240000000000"])
def test_a_recorders_time_may_be_in_any_unit(saved, stamp):
    quote = json.dumps({"u": 1, "s": "BTCUSDT", "b": "100.0", "B": "1", "a": "101.0", "A": "1"})
    assert from_path(saved(f"{stamp} {quote}")).start() == datetime.fromtimestamp(START / 1_000, UTC)


async def test_a_replay_that_lags_behind_its_clock_makes_up_no_minute_after_the_record(saved):
    path = saved(*(binance_trade(k, START + k * 10_000) for k in range(30)))
    clock = ManualClock(datetime.fromtimestamp(START / 1_000, UTC) + timedelta(hours=1), speed=600.0)
    feed, sink = from_path(path, clock=clock), Kept()
    await feed.run(sink)
    assert [micros(minute.at) // 1_000 - START for minute in sink.minutes] == [60_000, 120_000, 180_000, 240_000]


async def test_a_replay_that_goes_on_says_what_was_delivered_before(saved):
    path = saved(*(binance_trade(k, START + k * 10_000) for k in range(30)))
    begin = datetime.fromtimestamp(START / 1_000, UTC) + timedelta(seconds=95)
    _, sink, account = await replayed(path, begin=begin)
    assert (account.lines, account.earlier, account.prints) == ({"trade": 30}, 10, 20)
    assert [print_.trade_id for print_ in sink.prints] == list(range(10, 30))


@pytest.mark.parametrize("asked", ["BTCUSDT", "BTC/USDT", "btc"])
def test_a_recorded_pair_answers_to_the_files_name_the_canonical_one_and_the_base(saved, asked):
    assert from_path(saved(binance_trade(1, START)), [asked]).symbols == ("BTC/USDT",)


def test_a_record_that_was_cut_short_is_one_sentence(tmp_path):
    whole = market_data("streams/cryptofeed_KRAKEN.ws.50.0.txt.zst").read_bytes()
    path = tmp_path / "cut.txt.zst"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match="cannot be read as recorded frames: Truncated"):
        from_path(path)


# ------------------------------------------------------------ no frame whatever it holds

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
known = st.sampled_from(["XBT/USD", "BTCUSDT", "trade", "book-10", "spread", "1e999", "NaN", "1", "1618678142.5", "s"])
keys = st.sampled_from(
    [*"abcestpqTmE", "as", "bs", "data", "stream", "event", "pair", "subscription", "name", "status"]
)
rows = st.lists(known | scalars, max_size=5)
values = st.recursive(
    known | scalars | rows,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=6,
)


@settings(deadline=None, max_examples=50)
@given(
    values, st.sampled_from(["trade", "ticker", "spread", "book-10", "book-x", "ohlc-1"]), st.dictionaries(keys, values)
)
def test_no_frame_whatever_it_holds_gets_past_a_handler_as_an_error(payload, channel, event):
    sink, quarantine, clock = Kept(), Quarantine(), ManualClock(NOW)
    intake = Intake("record", ("BTC/USD", "BTC/USDT"), clock, sink, start=NOW, quarantine=quarantine)
    for frames in (KrakenV1Frames(intake), BinanceFrames(intake, {"BTCUSDT": "BTC/USDT"})):
        for frame in (
            [1, payload, channel, "XBT/USD"],
            [1, {"as": [], "bs": []}, payload, "book-10", "XBT/USD"],
            event,
            payload,
        ):
            frames.handle(json.dumps(frame))
        frames.handle(json.dumps({**event, "e": "trade", "s": "BTCUSDT", "event": "subscriptionStatus"}))
    assert all(0 < print_.price < float("inf") for print_ in sink.prints)
    assert all(0 < quote.bid <= quote.ask for quote in sink.quotes)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(values, max_size=4) | st.dictionaries(keys, values, max_size=4) | values, min_size=1, max_size=4)
)
def test_a_file_of_anything_is_replayed_or_refused_in_a_sentence(tmp_path_factory, bodies):
    path = tmp_path_factory.mktemp("any") / "frames.jsonl"
    path.write_text("\n".join(map(json.dumps, bodies)))
    with suppress(RecordError):
        from_path(path)
