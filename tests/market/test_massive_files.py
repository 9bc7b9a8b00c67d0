"""Massive's flat files: from a folder, and from a store that checks signatures; broken ones cost only themselves."""

import gzip
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.domain import micros
from engine.market.errors import FeedUnreachable, MarketError
from engine.market.massive_access import MassiveAccess, MassiveRefused
from engine.market.massive_csv import FileBroken
from engine.market.massive_files import Folder, MassiveFiles, key_of
from engine.market.massive_s3 import S3Store
from tests.servers.s3 import KEY_ID, SECRET, S3Server

BTC, ETH = SYMBOLS = ("BTC/USD", "ETH/USD")
DAY = date(2024, 5, 1)
START = datetime(2024, 5, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
NS = 1_000


def stamp(minute, day=START, unit=NS):
    return (micros(day) + minute * 60_000_000) * unit


def line(ticker="X:BTC-USD", t=None, volume=2.5, o=100.0, c=100.5, h=101.0, low=99.0, n=7):
    return f"{ticker},{volume},{o},{c},{h},{low},{stamp(0) if t is None else t},{n}"


def packed(*lines, header=HEADER):
    return gzip.compress("\n".join((header, *lines, "")).encode())


def whole_day(day=START, tickers=("X:BTC-USD", "X:ETH-USD", "X:DOGE-EUR")):
    return packed(*(line(ticker, stamp(k, day), o=100 + k / 100, h=200.0) for ticker in tickers for k in range(1440)))


def folder_with(tmp_path, **files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def files_of(tmp_path, files):
    return MassiveFiles(Folder(folder_with(tmp_path, **files)), ManualClock(NOW))


async def read_day(tmp_path, content, symbols=SYMBOLS):
    history = files_of(tmp_path, {"2024-05-01.csv.gz": content})
    (piece,) = history.pieces(symbols, START, START + timedelta(days=1))
    return await history.fetch(piece)


# ------------------------------------------------------------ what a good file gives


async def test_a_day_is_one_piece_with_all_symbols_and_every_minute(tmp_path):
    found = await read_day(tmp_path, whole_day())
    assert [bars.symbol for bars in found.bars] == [BTC, ETH]
    bars = found.bars[0]
    assert bars.time.tolist() == [micros(START) + (k + 1) * 60_000_000 for k in range(1440)]
    assert (bars.open[3], bars.high[3], bars.low[3], bars.close[3], bars.volume[3]) == (100.03, 200.0, 99.0, 100.5, 2.5)
    assert bars.trades[3] == 7.0
    assert np.isnan(bars.vwap).all()
    assert (found.rejected, found.duplicates, found.note) == ((), 0, "")


async def test_rows_may_come_in_any_order(tmp_path):
    lines = [line(t=stamp(k), o=99.0 + k / 1000) for k in range(200)]
    shuffled = [lines[k] for k in np.random.default_rng(5).permutation(200)]
    found = await read_day(tmp_path, packed(*shuffled))
    assert found.bars[0].open.tolist() == [99.0 + k / 1000 for k in range(200)]


async def test_a_part_of_a_day_gives_that_part(tmp_path):
    history = files_of(tmp_path, {"2024-05-01.csv.gz": whole_day()})
    (piece,) = history.pieces([BTC], START + timedelta(hours=3), START + timedelta(hours=4))
    found = await history.fetch(piece)
    assert found.bars[0].time.size == 60
    assert [one.code for one in found.rejected] == []


async def test_what_a_file_lacks_is_said(tmp_path):
    found = await read_day(tmp_path, whole_day(), symbols=(BTC, "XMR/USD"))
    assert "2024-05-01.csv.gz has no XMR/USD" in found.note


async def test_the_folder_may_keep_the_layout_of_the_store_and_unpacked_files(tmp_path):
    other = START + timedelta(days=1)
    name = key_of(DAY)
    content = gzip.decompress(whole_day(other))
    history = files_of(tmp_path, {name: whole_day(), "2024-05-02.csv": content})
    for piece in history.pieces([BTC], START, START + timedelta(days=2)):
        assert (await history.fetch(piece)).bars[0].time.size == 1440


async def test_a_coin_keeps_its_series_through_a_new_name_and_a_reused_name_is_not_taken_for_it(tmp_path):
    before, after = datetime(2024, 9, 1, tzinfo=UTC), datetime(2024, 10, 1, tzinfo=UTC)
    old = datetime(2022, 5, 1, tzinfo=UTC)
    history = files_of(
        tmp_path,
        {
            "2024-09-01.csv.gz": packed(line("X:MATIC-USD", stamp(0, before))),
            "2024-10-01.csv.gz": packed(
                line("X:MATIC-USD", stamp(0, after), o=99.5), line("X:POL-USD", stamp(0, after))
            ),
            "2022-05-01.csv.gz": packed(line("X:LUNA-USD", stamp(0, old))),
        },
    )  # fmt: skip

    async def on(day, symbol):
        (piece,) = history.pieces([symbol], day, day + timedelta(days=1))
        return await history.fetch(piece)

    assert (await on(before, "POL/USD")).bars[0].open.tolist() == [100.0]
    today = await on(after, "POL/USD")
    assert today.bars[0].open.tolist() == [100.0], "the new name's row, not the old one's"
    assert today.duplicates == 1
    assert (await on(old, "LUNA/USD")).bars == ()


# ------------------------------------------------------------ what a bad file costs


async def test_broken_rows_are_named_by_code_and_the_rest_loads(tmp_path):
    later = (NOW - START) // timedelta(minutes=1) + 10
    lines = [
        *(line(t=stamp(k)) for k in range(10)),
        line(t=stamp(3)),
        line(t=stamp(10), o=0.0),
        line(t=stamp(11), low=150.0),
        line(t=stamp(12), volume=-1.0),
        line(t=stamp(13), c="nan"),
        line(t=stamp(14) + 7 * 1_000_000_000),
        line(t=stamp(1440)),
        *(line(t=stamp(later + k)) for k in range(5)),
        line("X:ETH-USD", t=stamp(0), o=-3.0),
    ]
    found = await read_day(tmp_path, packed(*lines))
    assert found.bars[0].time.size == 10
    assert found.duplicates == 1
    codes = {(one.symbol, one.code): one.count for one in found.rejected}
    assert codes == {
        (BTC, "PRICE_NOT_POSITIVE"): 1, (BTC, "BAR_IMPOSSIBLE"): 1, (BTC, "VOLUME_NEGATIVE"): 1,
        (BTC, "NOT_FINITE"): 1, (BTC, "OFF_GRID"): 1, (BTC, "OUTSIDE"): 1, (BTC, "FUTURE"): 5,
        (ETH, "PRICE_NOT_POSITIVE"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(("unit", "word"), [(1, "microseconds"), (0.001, "milliseconds"), (0.000001, "seconds")])
async def test_times_in_another_unit_are_read_and_said(tmp_path, unit, word):
    found = await read_day(tmp_path, packed(*(line(t=int(stamp(k, unit=1) * unit)) for k in range(5))))
    assert found.bars[0].time.tolist() == [micros(START) + (k + 1) * 60_000_000 for k in range(5)]
    assert f"its times are in {word}, not in nanoseconds" in found.note


async def test_mixed_units_in_one_file_are_each_read_by_their_size_and_said(tmp_path):
    lines = [line(t=stamp(0)), line(t=stamp(1, unit=1)), line(t=stamp(2, unit=1) // 1_000)]
    found = await read_day(tmp_path, packed(*lines))
    assert found.bars[0].time.tolist() == [micros(START) + (k + 1) * 60_000_000 for k in range(3)]
    assert "milliseconds and microseconds and nanoseconds" in found.note


async def test_a_year_of_future_times_is_rejected_and_counted(tmp_path):
    future = NOW + timedelta(days=30)
    found = await read_day(tmp_path, packed(line(), *(line(t=stamp(k, future)) for k in range(1440))))
    assert found.bars[0].time.size == 1
    (one,) = found.rejected
    assert (one.code, one.count) == ("FUTURE", 1440)
    assert "2026-12-20 00:00:00" in one.sentence


BROKEN = {
    "truncated": (whole_day()[:2_000], "is cut short after 2,000 bytes"),
    "damaged": (whole_day()[:2_000] + b"\0" * 500 + whole_day()[2_500:], "2024-05-01.csv.gz"),
    "other columns": (packed("1,2,3", header="time,price,size"), "lacks ticker, open, high, low, close"),
    "a missing column": (packed(header="ticker,volume,open,close,high,low,transactions"), "lacks window_start"),
    "a column twice": (packed(header=HEADER + ",close"), "has the column close more than once"),
    "a Latin-1 letter": (
        gzip.compress(f"{HEADER}\n{line()},\n".replace("BTC", "B\u00dcC").encode("latin-1")),
        "is no readable CSV",
    ),
    "text for a price": (packed(line(o="many")), "is no readable CSV"),
    "a page of HTML": (b"<html><body>Sign in</body></html>", "lacks ticker"),
    "empty": (b"", "lacks ticker"),
    "empty gzip": (gzip.compress(b""), "lacks ticker"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_file_is_named_with_what_is_wrong_and_its_neighbours_load(tmp_path, case):
    content, words = BROKEN[case]
    next_day = START + timedelta(days=1)
    history = files_of(tmp_path, {"2024-05-01.csv.gz": content, "2024-05-02.csv.gz": whole_day(next_day)})
    bad, good = history.pieces([BTC], START, START + timedelta(days=2))
    with pytest.raises(FileBroken, match=words) as broken:
        await history.fetch(bad)
    assert "2024-05-01.csv.gz" in str(broken.value)
    assert (await history.fetch(good)).bars[0].time.size == 1440


async def test_a_file_with_a_header_alone_is_a_day_without_bars(tmp_path):
    found = await read_day(tmp_path, packed())
    assert found.bars == ()
    assert "has no BTC/USD, ETH/USD" in found.note


async def test_a_missing_day_and_a_missing_folder_are_said(tmp_path):
    history = files_of(tmp_path, {"2024-05-01.csv.gz": whole_day()})
    piece = history.pieces([BTC], START, START + timedelta(days=2))[1]
    with pytest.raises(MarketError, match="has no file of 2024-05-02"):
        await history.fetch(piece)
    with pytest.raises(MarketError, match="there is no folder"):
        Folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MarketError, match="no file named by its day"):
        Folder(tmp_path / "empty")


async def test_what_the_first_and_the_last_file_lack_is_noted(tmp_path):
    history = files_of(tmp_path, {"2024-05-01.csv.gz": whole_day(), "2024-05-02.csv.gz": whole_day()})
    found = await history.prepare([BTC, "XMR/USD"])
    assert found[BTC].note == ""
    assert "neither the first nor the last file" in found["XMR/USD"].note


async def test_a_broken_sample_does_not_keep_the_others_from_loading(tmp_path):
    history = files_of(tmp_path, {"2024-05-01.csv.gz": whole_day(), "2024-05-02.csv.gz": whole_day()[:2_000]})
    assert set(await history.prepare([BTC, "XMR/USD"])) == {BTC, "XMR/USD"}
    (piece,) = history.pieces([BTC], START, START + timedelta(days=1))
    assert (await history.fetch(piece)).bars[0].time.size == 1440


def test_pieces_have_stable_keys_that_name_the_day_and_the_symbols(tmp_path):
    history = files_of(tmp_path, {"2024-05-01.csv.gz": whole_day()})
    pieces = history.pieces(SYMBOLS, START, START + timedelta(days=3))
    assert [piece.since.day for piece in pieces] == [1, 2, 3]
    assert pieces == history.pieces(SYMBOLS, START, START + timedelta(days=3))
    assert pieces[0].key != history.pieces([BTC], START, START + timedelta(days=1))[0].key


# ------------------------------------------------------------ the store


@pytest.fixture(scope="module")
def store():
    with S3Server() as server:
        server.objects[f"flatfiles/{key_of(DAY)}"] = whole_day()
        yield server


def access(store, **changes):
    keys = {"files_key": KEY_ID, "files_secret": SECRET, "files_url": store.url}
    return MassiveAccess(**{**keys, **changes})


async def fetched_from(store, day=START, **changes):
    history = MassiveFiles(S3Store(access(store, **changes)), ManualClock(NOW))
    (piece,) = history.pieces(SYMBOLS, day, day + timedelta(days=1))
    return await history.fetch(piece)


async def test_a_day_comes_from_the_store_by_a_signed_request(store):
    found = await fetched_from(store)
    assert [bars.time.size for bars in found.bars] == [1440, 1440]
    assert store.calls[-1] == "flatfiles/global_crypto/minute_aggs_v1/2024/05/2024-05-01.csv.gz"


@pytest.mark.parametrize("wrong", [{"files_key": "another-key-id"}, {"files_secret": "another-secret"}])
async def test_wrong_keys_are_said_by_the_settings_names_and_not_repeated(store, wrong):
    with pytest.raises(MassiveRefused, match="does not take the keys in MASSIVE_FILES_KEY") as refusal:
        await fetched_from(store, **wrong)
    assert not any(secret in str(refusal.value) for secret in wrong.values())


async def test_a_day_that_is_not_there_or_not_in_the_plan_is_said(store):
    tomorrow = START + timedelta(days=1)
    with pytest.raises(MarketError, match=r"no file global_crypto/.*2024-05-02\.csv\.gz"):
        await fetched_from(store, tomorrow)
    store.forbidden.add(f"flatfiles/{key_of(tomorrow.date())}")
    with pytest.raises(MassiveRefused, match="plan of the keys"):
        await fetched_from(store, tomorrow)


async def test_a_busy_store_is_asked_again(store):
    store.failing = 1
    assert (await fetched_from(store)).bars[0].time.size == 1440


async def test_a_store_that_is_not_there_is_said():
    far = MassiveAccess(files_key=KEY_ID, files_secret=SECRET, files_url="http://127.0.0.1:9")
    history = MassiveFiles(S3Store(far), ManualClock(NOW))
    (piece,) = history.pieces([BTC], START, START + timedelta(days=1))
    with pytest.raises(FeedUnreachable, match="did not give global_crypto"):
        await history.fetch(piece)


def test_files_without_their_keys_say_what_to_set():
    with pytest.raises(MassiveRefused, match="MASSIVE_FILES_KEY and MASSIVE_FILES_SECRET"):
        S3Store(MassiveAccess(key="the other key"))
