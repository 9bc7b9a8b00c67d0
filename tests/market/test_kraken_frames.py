"""Kraken's own words: checksums of its documents and recordings, acknowledgements, refusals, bodies of its REST."""

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.market.intake import Intake
from engine.market.kraken_book import OrderBook, checksum, digits
from engine.market.kraken_frames import KrakenFrames, channels
from engine.market.kraken_rest import ohlc_columns
from engine.market.kraken_subscriptions import Subscriptions
from engine.market.kraken_words import BookEntry, Level
from engine.market.quality import Quarantine
from engine.market.replayed_frames import ReplayedFrames
from tests.market.data import market_data
from tests.market.sink import Kept

NOW = datetime(2026, 8, 26, 11, 55, 56, tzinfo=UTC)


def levels(text):
    return [tuple(map(Decimal, pair.split(":"))) for pair in text.split()]


V2_ASKS = (
    "45285.2:0.00100000 45286.4:1.54571953 45286.6:1.54571109 45289.6:1.54560911 45290.2:0.15890660 "
    "45291.8:1.54553491 45294.7:0.04454749 45296.1:0.35380000 45297.5:0.09945542 45299.5:0.18772827"
)
V2_BIDS = (
    "45283.5:0.10000000 45283.4:1.54582015 45282.1:0.10000000 45281.0:0.10000000 45280.3:1.54592586 "
    "45279.0:0.07990000 45277.6:0.03310103 45277.5:0.30000000 45277.3:1.54602737 45276.6:0.15445238"
)
MATIC_BIDS = (
    "0.5666:4831.75496356 0.5665:6658.22734739 0.5664:18724.91513344 0.5663:11563.92544914 0.5662:14006.65365711 "
    "0.5661:17454.85679807 0.566:18097.1547 0.5659:33644.89175666 0.5658:148.3464 0.5657:606.70854372"
)
MATIC_ASKS = (
    "0.5668:4410.79769741 0.5669:4655.40412487 0.567:49844.89424998 0.5671:24306.41678 0.5672:29783.25223475 "
    "0.5673:57234.71239278 0.5674:45065.04744 0.5675:5912.76380354 0.5676:42514.92434778 0.5677:36304.0847022"
)
GST_BIDS = (
    ".016:255965.95133811 .015:264465.46682136 .014:198234.50375152 .013:263077.71115063 .012:135283.23181445 "
    ".011:232726.34707055 .010:211909.56878553 .009:16666.66666666 .008:13600.00000000 .007:1000.00000000"
)
GST_ASKS = (
    ".017:94510.50669693 .018:232489.98702916 .019:244770.01655926 .020:103394.23779803 .021:120226.44704447 "
    ".022:122811.44535027 .023:185766.68965043 .024:95339.83830809 .025:32960.86333331 .026:86326.77204454"
)


V1_BIDS = "0.05000 0.04995 0.04990 0.04980 0.04975 0.04970 0.04965 0.04960 0.04955 0.04950"


def test_the_documented_v2_book_has_its_documented_checksum():
    assert checksum(levels(V2_ASKS), levels(V2_BIDS)) == 3310070434


def test_digits_that_a_document_lost_come_back_by_precision():
    asks, bids = levels(MATIC_ASKS), levels(MATIC_BIDS)
    assert checksum(asks, bids, 4, 8) == 2439117997
    changed = [level for level in bids if level[0] != Decimal("0.5657")] + levels("0.5657:1098.3947558")
    assert checksum(asks, changed, 4, 8) == 2114181697


def test_the_documented_v1_book_has_its_documented_checksum():
    asks = [(Decimal("0.05005") + Decimal("0.00005") * k, Decimal("0.00000500")) for k in range(10)]
    bids = levels(" ".join(f"{price}:0.00000500" for price in V1_BIDS.split()))
    assert checksum(asks, bids) == 974947235


def test_a_real_book_of_a_cheap_coin_has_its_checksum():
    assert checksum(levels(GST_ASKS), levels(GST_BIDS)) == 1931231958


def test_a_short_book_is_summed_as_far_as_it_goes():
    assert checksum(levels("2.0:1.5"), []) == zlib.crc32(b"2015")


def test_exponents_and_zeros_keep_their_digits():
    assert digits(Decimal("5.1e-05")) == "51"
    assert digits(Decimal("0.00030000")) == "30000"
    assert digits(78500) == "78500"


def book_entry(asks=(), bids=()):
    sides = [[Level(Decimal(price), Decimal(1)) for price in side] for side in (asks, bids)]
    return BookEntry("BTC/USD", *sides, checksum=0)


def test_levels_beyond_the_depth_are_forgotten_even_without_a_removal():
    book = OrderBook(depth=2)
    book.apply(book_entry(asks=("3", "4"), bids=("2", "1")), snapshot=True)
    book.apply(book_entry(asks=("2.5",)), snapshot=False)
    assert sorted(book.asks) == [Decimal("2.5"), Decimal(3)]
    assert book.best() == (2.0, 2.5)


@dataclass
class Desk:
    frames: KrakenFrames
    sink: Kept
    quarantine: Quarantine
    clock: ManualClock

    def hear(self, *frames):
        for frame in frames:
            self.frames.handle(frame if isinstance(frame, str) else json.dumps(frame))


def desk(*symbols, depth=None):
    clock, sink, quarantine = ManualClock(NOW), Kept(), Quarantine()
    intake = Intake("kraken", symbols, clock, sink, start=NOW, quarantine=quarantine)
    subscriptions = Subscriptions(channels(depth), symbols)
    subscriptions.open(NOW)
    return Desk(KrakenFrames(intake, subscriptions, depth), sink, quarantine, clock)


def ack(channel, symbol):
    return {"method": "subscribe", "success": True, "result": {"channel": channel, "symbol": symbol}}


def test_a_refusal_names_its_symbol_and_nothing_else_is_refused():
    house = desk("BTC/USD", "XBT/USD")
    error = "Currency pair not supported XBT/USD"
    house.hear(ack("trade", "BTC/USD"), ack("ticker", "BTC/USD"))
    house.hear({"error": error, "method": "subscribe", "success": False, "symbol": "XBT/USD"})
    assert set(house.frames.subscriptions.refused) == {"XBT/USD"}
    assert error in house.frames.subscriptions.refused["XBT/USD"]
    assert {key[1] for key in house.frames.subscriptions.waiting} == {""}, "only the instruments are still open"


def test_an_error_without_a_symbol_is_about_its_whole_request():
    house = desk("BTC/USD", "ETH/USD", depth=7)
    book = next(number for number, asked in house.frames.subscriptions._requests.items() if asked[0] == "book")
    house.hear({"error": "Subscription depth not supported", "method": "subscribe", "success": False, "req_id": book})
    assert house.frames.subscriptions.refused == {}, "a desk trades without books"
    assert not [key for key in house.frames.subscriptions.waiting if key[0] == "book"]


def test_only_an_error_about_the_rate_is_about_the_rate():
    house = desk("GENERATE/USD", "BTC/USD")
    house.hear(ack("trade", "BTC/USD"), ack("ticker", "BTC/USD"))
    error = "Currency pair not supported GENERATE/USD"
    house.hear({"error": error, "method": "subscribe", "success": False, "symbol": "GENERATE/USD"})
    assert set(house.frames.subscriptions.refused) == {"GENERATE/USD"}


def test_already_subscribed_is_as_good_as_subscribed():
    house = desk("BTC/USD")
    house.hear({"error": "Already subscribed", "method": "subscribe", "success": False, "symbol": "BTC/USD"})
    assert ("trade", "BTC/USD") in house.frames.subscriptions.acked
    assert house.sink.changes[-1].up


def test_a_wrong_checksum_drops_the_book_until_a_fresh_snapshot():
    lines = market_data("streams/kraken_v2_btcusd_book25.jsonl").read_text().splitlines()
    house = desk("BTC/USD", depth=25)
    house.hear(*lines[:8])
    good = house.frames.checksums_good
    spoiled = lines[8].replace("1184156425", "1184156426")
    house.hear(spoiled, lines[9])
    assert (house.frames.checksums_good, house.frames.checksums_bad) == (good, 1)
    assert house.quarantine.counts["CHECKSUM"] == 1
    sent = house.frames.take_requests()
    assert [(request["method"], request["params"]["channel"]) for request in sent] == [
        ("unsubscribe", "book"),
        ("subscribe", "book"),
    ]
    house.hear(lines[5])
    assert house.frames.checksums_good == good + 1


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("BTC/USD")
words = st.sampled_from(
    [
        "channel",
        "type",
        "data",
        "symbol",
        "price",
        "qty",
        "timestamp",
        "trade_id",
        "bid",
        "ask",
        "method",
        "result",
        "success",
        "error",
        "req_id",
        "pairs",
        "checksum",
        "bids",
        "asks",
        "status",
    ]
) | st.text(max_size=4)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=6))


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["trade", "ticker", "book", "instrument", "status", "heartbeat", None]),
    st.dictionaries(words, values, max_size=6),
    st.lists(st.dictionaries(words, scalars, max_size=8), max_size=3) | values,
)
def test_no_frame_whatever_it_holds_gets_past_the_handler_as_an_error(channel, rest, data):
    house = desk("BTC/USD", depth=10)
    house.hear({**rest, "channel": channel, "data": data})
    house.hear({**rest, "method": "subscribe"})
    assert all(0 < print_.price < float("inf") for print_ in house.sink.prints)
    assert all(0 < quote.bid <= quote.ask for quote in house.sink.quotes)


async def test_the_recorded_frames_pass_with_every_checksum_and_nothing_is_dropped_silently(tmp_path):
    record = market_data("streams/kraken_v2_btcusd_book25.jsonl")
    refusal = '{"error":"Currency pair not supported XBT/USD","method":"subscribe","success":false,"symbol":"XBT/USD"}'
    path = tmp_path / "with_refusal.jsonl"
    path.write_text(record.read_text() + refusal + "\n")
    feed, sink = ReplayedFrames(path, ["BTC/USD", "XBT/USD"]), Kept()
    feed.clock = ManualClock(feed.start() + timedelta(minutes=1))
    await feed.run(sink)
    assert (feed.frames.checksums_good, feed.frames.checksums_bad) == (20, 0)
    assert len(sink.quotes) == 20
    assert feed.frames.subscriptions.acked == {("instrument", ""), ("book", "BTC/USD"), ("trade", "BTC/USD")}
    assert set(feed.status().refused_symbols) == {"XBT/USD"}
    assert feed.frames.instruments["BTC/USD"].quantity_step == 1e-08
    assert feed.status().quarantined == {}


def test_the_real_history_body_gives_720_closed_bars():
    zstandard = pytest.importorskip("zstandard")
    with market_data("streams/nautilus_http_ohlc.json.zst").open("rb") as file:
        body = json.loads(zstandard.ZstdDecompressor().stream_reader(file).read())
    rows = body["result"]["XBTUSDT"]
    columns = ohlc_columns("BTC/USDT", body["result"], now_us=(rows[-1][0] + 30) * 1_000_000)
    assert len(rows) == 721
    assert columns.time.size == 720
    assert columns.time[-1] == (body["result"]["last"] + 60) * 1_000_000
    assert columns.close[0] == float(rows[0][4])
    assert columns.volume.sum() == pytest.approx(sum(float(row[6]) for row in rows[:-1]))
