"""Bar files as history: what each file says is taken or named, and a broken one costs nothing but itself."""

import gzip
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from engine.backfill.outages import Presence, outages
from engine.clock import ManualClock
from engine.domain import instant, micros
from engine.market.bar_files import BarFiles
from engine.market.errors import BarsError, MarketError
from tests.market.data import market_data

NOW = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2024, 3, 4, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def frame(symbol="ADAUSDT", count=120, start=START, step=MINUTE, price=1.0, seed=1):
    dice = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(dice.normal(0, 0.001, count)))
    opened = np.concatenate([[price], close[:-1]])
    return pd.DataFrame(
        {
            "symbol": symbol,
            "time": pd.date_range(start, periods=count, freq=step),
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
            "volume": dice.uniform(1, 9, count),
        }
    )


def history(path, interval=MINUTE):
    return BarFiles(path, ManualClock(NOW), interval)


async def everything(made, symbols=(), since=datetime(2009, 1, 1, tzinfo=UTC), until=NOW):
    """(bars by symbol, rejected, notes, sentences of what failed) of all that is asked for."""
    listings = await made.prepare(symbols)
    bars, rejected, notes, failed = {}, [], [], []
    for piece in made.pieces(list(listings), since, until):
        try:
            answer = await made.fetch(piece)
        except MarketError as error:
            failed.append(str(error))
            continue
        for one in answer.bars:
            bars.setdefault(one.symbol, []).append(one)
        rejected += answer.rejected
        notes += [answer.note] if answer.note else []
    joined = {symbol: np.concatenate([part.time for part in parts]) for symbol, parts in bars.items()}
    return joined, rejected, notes, failed


async def test_parquet_csv_and_packed_csv_give_the_same_bars(tmp_path):
    table = frame()
    table.to_parquet(tmp_path / "a.parquet")
    table.to_csv(tmp_path / "b.csv", index=False)
    table.to_csv(tmp_path / "c.csv.gz", index=False)
    answers = []
    for name in ("a.parquet", "b.csv", "c.csv.gz"):
        made = history(tmp_path / name)
        listings = await made.prepare(["ADA/USDT"])
        assert listings["ADA/USDT"].first == START
        assert listings["ADA/USDT"].last == START + 120 * MINUTE
        (piece,) = made.pieces(["ADA/USDT"], START, NOW)
        answers.append((await made.fetch(piece)).bars[0])
    for bars in answers:
        assert bars.time[0] == micros(START + MINUTE), "a bar's time is its close"
        for name in ("time", "open", "high", "low", "close", "volume"):
            assert np.allclose(getattr(bars, name), getattr(answers[0], name), rtol=1e-15)


async def test_a_file_without_the_column_symbol_is_named_by_its_file(tmp_path):
    frame().drop(columns="symbol").to_csv(tmp_path / "BTCUSDT-1m-2024-03.csv", index=False)
    frame().drop(columns="symbol").to_parquet(tmp_path / "ETH_EUR-1m.parquet")
    bars, *_ = await everything(history(tmp_path))
    assert set(bars) == {"BTC/USDT", "ETH/EUR"}


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
async def test_times_since_1970_are_read_in_whatever_unit_they_are(tmp_path, unit, factor):
    table = frame()
    seconds = (table["time"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    table.assign(time=seconds * factor).to_csv(tmp_path / f"{unit}.csv", index=False)
    bars, rejected, notes, failed = await everything(history(tmp_path))
    assert bars["ADA/USDT"][0] == micros(START + MINUTE)
    assert (rejected, notes, failed) == ([], [], [])


async def test_a_file_that_mixes_units_is_read_right_and_says_so(tmp_path):
    rows = [
        [int((START + k * MINUTE).timestamp()) * (1_000 if k < 60 else 1_000_000), 1, 2, 0.5, 1, 9, 0, 0, 7, 0, 0, 0]
        for k in range(120)
    ]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "BTCUSDT-1m.csv").write_text(text)
    bars, rejected, notes, failed = await everything(history(tmp_path))
    assert (np.diff(bars["BTC/USDT"]) == 60_000_000).all()
    assert "mixes times in milliseconds and microseconds" in notes[0]
    assert (rejected, failed) == ([], [])


@pytest.mark.parametrize("units", [(1, 1_000), (1_000, 1_000_000), (1, 1_000, 10**6, 10**9)])
async def test_times_with_empty_cells_are_numbers_with_a_point_and_mixed_units_are_said_all_the_same(tmp_path, units):
    table = frame()
    seconds = (table["time"] - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    mixed = seconds * np.resize(units, len(table))
    mixed[7] = np.nan
    table.assign(time=mixed).to_parquet(tmp_path / "floats.parquet")
    bars, rejected, notes, failed = await everything(history(tmp_path))
    assert np.array_equal(np.unique(np.diff(bars["ADA/USDT"])), [60_000_000, 120_000_000])
    assert [one.code for one in rejected] == ["NO_TIME"]
    names = {1: "seconds", 1_000: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
    assert f"floats.parquet mixes times in {' and '.join(names[unit] for unit in units)}" in notes[0]
    assert not failed


BROKEN = {
    "truncated.csv.gz": r"truncated.csv.gz is cut short \(Truncated compressed stream\): fetch it again",
    "columns.csv": "columns.csv has no column volume; it has symbol, time",
    "nozone.parquet": "no time zone; write UTC",
    "words.csv": "text that is no UTC time",
    "notes.parquet": "neither a Parquet nor a CSV file",
    "empty.csv": "empty.csv",
    "future.csv": "lie in the future, such as 2028",
    "hours.parquet": "holds bars of 60 min, not of 1 min; name their length: --interval 1h",
    "nameless.csv": "no column symbol, and its name tells no pair",
    "three.csv": "has no header and 3 columns",
    "latin.csv": "holds text that is not UTF-8; save it as UTF-8",
    "header.csv": "holds text that is not UTF-8; save it as UTF-8",
    "letter.csv": "holds a value that cannot be read: Failed to parse string",
    "twice.csv": "has the column close more than once",
    "Twice.csv": "has the column Close more than once",
    "list.parquet": "holds a value that cannot be read: Unsupported cast from list",
    "lists.parquet": "holds a value that cannot be read: Unsupported cast from list",
    "large.parquet": "holds a value that cannot be read: Integer value 9223372036854775813",
    "gone.csv": "cannot be read: No such file",
    "nul.csv": "is no pair of coins",
    "name.csv": "has a name that cannot be written down; rename it",
}


def spoil(folder):
    table = frame("LINKUSDT")
    packed = gzip.compress(table.to_csv(index=False).encode())
    (folder / "truncated.csv.gz").write_bytes(packed[: len(packed) // 2])
    table.drop(columns="volume").to_csv(folder / "columns.csv", index=False)
    table.assign(time=table["time"].dt.tz_localize(None)).to_parquet(folder / "nozone.parquet")
    table.assign(time="yesterday").to_csv(folder / "words.csv", index=False)
    (folder / "notes.parquet").write_text("buy low, sell high")
    (folder / "empty.csv").write_text("")
    frame("DOTUSDT", start=datetime(2028, 1, 1, tzinfo=UTC)).to_csv(folder / "future.csv", index=False)
    frame("UNIUSDT", step=HOUR).to_parquet(folder / "hours.parquet")
    table.drop(columns="symbol").to_csv(folder / "nameless.csv", index=False)
    (folder / "three.csv").write_text("1,2,3\n")
    spoil_cells(folder, table)


def spoil_cells(folder, table):
    text = table.to_csv(index=False)
    (folder / "latin.csv").write_bytes(text.replace("LINKUSDT", "L\u00cfNKUSDT", 1).encode("latin-1"))
    (folder / "header.csv").write_bytes(text.replace("volume", "volum\u00e9", 1).encode("latin-1"))
    (folder / "letter.csv").write_bytes(text.replace("00:05:00+00:00,", "00:05:00+00:00,\u00e9", 1).encode("latin-1"))
    pd.concat([table, table["close"]], axis=1).to_csv(folder / "twice.csv", index=False)
    table.assign(Close=2 * table["close"]).to_csv(folder / "Twice.csv", index=False)
    table.assign(close=[[price] for price in table["close"]]).to_parquet(folder / "list.parquet")
    table.assign(symbol=[["LINK", "USDT"]] * len(table)).to_parquet(folder / "lists.parquet")
    table.assign(time=np.full(len(table), 2**63 + 5, np.uint64)).to_parquet(folder / "large.parquet")
    (folder / "gone.csv").write_text(text + "\n")
    (folder / "\udcff.name.csv").write_text(text)
    (folder / "nul.csv").write_text(text.replace("LINK", "L\0NK"))


async def test_every_broken_file_is_said_and_the_rest_still_loads(tmp_path):
    spoil(tmp_path)
    frame("ADAUSDT").to_parquet(tmp_path / "good.parquet")
    frame("XRPUSDT").to_csv(tmp_path / "fine.csv", index=False)
    made = history(tmp_path)
    (tmp_path / "gone.csv").unlink()
    bars, rejected, _, failed = await everything(made)
    assert {symbol: len(time) for symbol, time in bars.items()} == {"ADA/USDT": 120, "XRP/USDT": 120}
    assert len(failed) == len(BROKEN)
    for name, words in BROKEN.items():
        (sentence,) = [text for text in failed if re.search(rf"(^|/|\.){name}\b", text)]
        assert re.search(words, sentence), sentence
        assert "\n" not in sentence
    assert not rejected


async def test_with_broken_files_alone_there_is_no_source(tmp_path):
    (tmp_path / "notes.parquet").write_text("buy low, sell high")
    with pytest.raises(MarketError, match=r"notes.parquet is neither"):
        await history(tmp_path).prepare(["BTC/USDT"])
    with pytest.raises(MarketError, match="no file or folder"):
        history(tmp_path / "gone")
    (tmp_path / "sub").mkdir()
    with pytest.raises(MarketError, match="holds no file of bars"):
        history(tmp_path / "sub")


async def test_a_year_of_future_bars_beside_good_ones_is_counted_and_left_out(tmp_path):
    good, late = frame(), frame(start=NOW + timedelta(days=200), seed=2)
    old = frame(count=3, start=datetime(1999, 1, 1, tzinfo=UTC))
    pd.concat([old, good, late]).to_parquet(tmp_path / "a.parquet")
    bars, rejected, _, failed = await everything(history(tmp_path))
    assert len(bars["ADA/USDT"]) == 120
    assert {(one.code, one.count) for one in rejected} == {("FUTURE", 120), ("TIME_IMPOSSIBLE", 3)}
    assert "a.parquet: 120 bars of ADAUSDT lie in the future, such as 2027" in rejected[1].sentence
    assert not failed


async def test_lines_that_are_no_rows_are_counted(tmp_path):
    lines = frame().to_csv(index=False).splitlines()
    lines[5] = "ADAUSDT,oops"
    lines[9] += ",more"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    bars, _, notes, _ = await everything(history(tmp_path))
    assert len(bars["ADA/USDT"]) == 118
    assert "2 lines with too many or too few fields" in notes[0]


async def test_the_two_lunas_are_two_coins(tmp_path):
    fall = datetime(2022, 5, 13, tzinfo=UTC)
    old = frame("LUNAUSDT", 60, fall - 60 * HOUR, HOUR, price=80.0)
    new = frame("LUNAUSDT", 80, datetime(2022, 5, 31, 6, tzinfo=UTC), HOUR, price=9.0, seed=2)
    pd.concat([old, new]).to_parquet(tmp_path / "luna.parquet")
    made = history(tmp_path, HOUR)
    bars, rejected, notes, _ = await everything(made)
    assert {symbol: len(time) for symbol, time in bars.items()} == {"LUNC/USDT": 60, "LUNA/USDT": 80}
    assert bars["LUNC/USDT"].max() < bars["LUNA/USDT"].min()
    assert not rejected
    assert "LUNAUSDT is kept as LUNC/USDT" in notes[0]


async def test_a_ticker_that_an_unknown_coin_took_over_is_not_joined(tmp_path):
    old = frame("ZZZUSDT", 60, START, HOUR, price=0.002)
    new = frame("ZZZUSDT", 80, START + timedelta(days=9), HOUR, price=4.0, seed=2)
    pd.concat([old, new]).to_parquet(tmp_path / "a.parquet")
    bars, rejected, *_ = await everything(history(tmp_path, HOUR))
    assert len(bars["ZZZ/USDT"]) == 80
    assert [(one.code, one.count) for one in rejected] == [("REUSED_TICKER", 60)]
    assert "ZZZUSDT is another coin or unit after a break" in rejected[0].sentence


async def test_a_crash_and_a_long_hole_alone_do_not_end_a_series(tmp_path):
    crash = frame("AAAUSDT", 60, START, HOUR)
    crash.loc[30:, ["open", "high", "low", "close"]] /= 50
    hole = pd.concat([frame("BBBUSDT", 30, START, HOUR), frame("BBBUSDT", 30, START + timedelta(days=30), HOUR)])
    pd.concat([crash, hole]).to_parquet(tmp_path / "a.parquet")
    bars, rejected, *_ = await everything(history(tmp_path, HOUR))
    assert {symbol: len(time) for symbol, time in bars.items()} == {"AAA/USDT": 60, "BBB/USDT": 60}
    assert not rejected


async def test_bars_from_before_a_coin_existed_are_not_its_own(tmp_path):
    frame("WIFUSDT", 60, datetime(2021, 5, 1, tzinfo=UTC), HOUR).to_parquet(tmp_path / "a.parquet")
    frame("ADAUSDT", 60, START, HOUR).to_parquet(tmp_path / "b.parquet")
    _, _, _, failed = await everything(history(tmp_path, HOUR))
    assert "WIF before 2023-11-01 was not dogwifhat" in failed[0]


async def test_a_renamed_ticker_is_one_series_and_is_said(tmp_path):
    pd.concat(
        [
            frame("MATICUSDT", 48, datetime(2024, 9, 8, tzinfo=UTC), HOUR),
            frame("POLUSDT", 48, datetime(2024, 9, 13, tzinfo=UTC), HOUR),
        ]
    ).to_parquet(tmp_path / "pol.parquet")
    made = history(tmp_path, HOUR)
    bars, rejected, notes, _ = await everything(made, ["POL/USDT"])
    assert len(bars["POL/USDT"]) == 96
    assert "MATICUSDT is kept as POL/USDT" in notes[0]
    assert not rejected


async def test_a_symbol_that_the_files_lack_is_absent_with_what_they_have_instead(tmp_path):
    frame("BTCUSDT").to_parquet(tmp_path / "a.parquet")
    made = history(tmp_path)
    assert set(await made.prepare(["BTC/USDT", "BTC/USD", "ETH/USDT"])) == {"BTC/USDT"}
    assert made.refused["BTC/USD"] == "not in the files; they have BTC/USDT"
    assert made.refused["ETH/USDT"] == "not in the files"


async def test_pieces_of_one_file_are_the_same_each_time_and_change_with_its_content(tmp_path):
    path = tmp_path / "my bars.parquet"
    frame(count=5_000).to_parquet(path)
    made, again = history(path), history(path)
    await made.prepare(["ADA/USDT"])
    await again.prepare(["ADA/USDT"])
    keys = [piece.key for piece in made.pieces(["ADA/USDT"], START, NOW)]
    assert keys == [piece.key for piece in again.pieces(["ADA/USDT"], START, NOW)]
    fetched = await history(path).fetch(made.pieces(["ADA/USDT"], START, NOW)[0])
    assert fetched.bars[0].time.size
    frame(count=5_000, seed=2).to_parquet(path)
    await made.prepare(["ADA/USDT"])
    assert not set(keys) & {piece.key for piece in made.pieces(["ADA/USDT"], START, NOW)}


async def test_one_coin_of_another_length_in_a_file_is_named_and_the_others_load(tmp_path):
    thin = frame("CCCUSDT", 9, START, 7 * MINUTE)
    odd = frame("BBBUSDT", 200, START, timedelta(seconds=90))
    pd.concat([frame("AAAUSDT", 300), frame("DDDUSDT", 300), thin, odd]).to_parquet(tmp_path / "a.parquet")
    bars, rejected, *_ = await everything(history(tmp_path))
    assert {symbol: len(time) for symbol, time in bars.items()} == {"AAA/USDT": 300, "DDD/USDT": 300, "CCC/USDT": 9}
    assert [(one.symbol, one.code, one.count) for one in rejected] == [("BBB/USDT", "OTHER_INTERVAL", 200)]


async def test_a_large_file_comes_in_pieces_that_hold_every_bar_once(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.market.bar_files.ROWS_IN_PIECE", 4_000)
    table = pd.concat([frame("ADAUSDT", 6_000), frame("BTCUSDT", 6_000, seed=2)]).sort_values("time")
    table.to_parquet(tmp_path / "a.parquet")
    made = history(tmp_path)
    bars, *_ = await everything(made)
    assert len(made.pieces(["ADA/USDT"], START, NOW)) >= 3
    for time in bars.values():
        assert (np.diff(time) == 60_000_000).all()
        assert len(time) == 6_000


@pytest.mark.parametrize(
    ("name", "interval", "coins", "rows"),
    [("binance_spot_5m_2024", 5 * MINUTE, 17, 1_223_717), ("binance_spot_1h_2024_136sym", HOUR, 136, 755_566)],
)
async def test_the_real_files_of_2024_load_to_the_last_bar(name, interval, coins, rows):
    made = history(market_data(f"bars/{name}.parquet"), interval)
    bars, rejected, notes, failed = await everything(made)
    assert len(bars) == coins
    assert sum(len(time) for time in bars.values()) == rows
    assert (rejected, failed) == ([], [])
    assert "MATICUSDT is kept as POL/USDT" in notes[0]
    assert {"LUNA/USDT", "RENDER/USDT"} <= set(bars) or coins == 17


async def test_the_real_hours_of_bitcoin_show_their_outages():
    made = history(market_data("bars/binance_spot_1h_BTC_long_MIT.parquet"), HOUR)
    bars, rejected, _, failed = await everything(made)
    (time,) = bars.values()
    slots = int((time[-1] - time[0]) // 3_600_000_000) + 1
    present = np.zeros(slots, bool)
    present[(time - time[0]) // 3_600_000_000] = True
    every = np.ones(slots, bool)
    out = outages([Presence("BTC/USDT", present, every, every, 0.0, ~every)], slots)
    assert (rejected, failed) == ([], [])
    assert (~present).sum() == 128
    assert (out & ~present).sum() >= 120, "Binance was out in nearly all of them"
    assert instant(int(time[0])) - HOUR == datetime(2017, 8, 17, 4, tzinfo=UTC)


def test_one_error_type_serves_backtests_and_histories():
    assert issubclass(BarsError, MarketError)
