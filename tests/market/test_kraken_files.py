"""Kraken's downloadable OHLCVT files: a folder or the zip, every bar, and what is wrong with a file in one sentence."""

import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from engine.clock import ManualClock
from engine.domain import micros
from engine.market.errors import BarsError, MarketError
from engine.market.kraken_files import KrakenFiles

START = datetime(2023, 12, 31, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def lines(count, start=START, step=60, factor=1):
    first = int(start.timestamp())
    return [
        f"{(first + k * step) * factor},{100 + k},{101 + k},{99 + k},{100.5 + k},{1.5 + k},{k % 7}"
        for k in range(count)
    ]


def files(path, interval=MINUTE):
    return KrakenFiles(path, ManualClock(START + timedelta(days=900)), interval)


async def all_of(made, symbol, since=START - timedelta(days=700), until=START + timedelta(days=700)):
    answers = [await made.fetch(piece) for piece in made.pieces([symbol], since, until)]
    return answers, [one for answer in answers for one in answer.bars]


@pytest.fixture(params=["folder", "zip"])
def place(request, tmp_path):
    """Put files into a folder or a zip; returns where that is."""

    def put(**named):
        if request.param == "folder":
            for name, text in named.items():
                (tmp_path / "Kraken_OHLCVT").mkdir(exist_ok=True)
                (tmp_path / "Kraken_OHLCVT" / f"{name}.csv").write_text("\n".join(text) + "\n")
            return tmp_path
        with zipfile.ZipFile(tmp_path / "history.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in named.items():
                archive.writestr(f"Kraken_OHLCVT/{name}.csv", "\n".join(text) + "\n")
        return tmp_path / "history.zip"

    return put


async def test_every_bar_comes_under_the_desks_name_with_its_number_of_trades(place):
    path = place(XBTUSD_1=lines(300), XBTUSD_60=lines(5, step=3600), XDGEUR_1=lines(10))
    made = files(path)
    listings = await made.prepare(["BTC/USD", "DOGE/EUR", "ETH/USD"])
    assert {symbol: one.source_name for symbol, one in listings.items()} == {
        "BTC/USD": "XBTUSD_1.csv",
        "DOGE/EUR": "XDGEUR_1.csv",
    }
    assert listings["BTC/USD"].first == START
    assert made.refused == {"ETH/USD": f"not in {path.name}"}
    answers, bars = await all_of(made, "BTC/USD")
    assert len(answers) >= 2, "the years are pieces"
    assert sum(len(one.time) for one in bars) == 300
    held = next(one for one in bars if len(one.time))
    assert held.time[0] == micros(START + MINUTE)
    assert (held.open[0], held.high[0], held.low[0], held.close[0], held.volume[0]) == (100, 101, 99, 100.5, 1.5)
    assert held.trades[3] == 3
    assert not any(answer.rejected or answer.note for answer in answers)


async def test_another_interval_takes_its_own_file(place):
    path = place(XBTUSD_1=lines(300), XBTUSD_60=lines(5, step=3600))
    made = files(path, timedelta(hours=1))
    await made.prepare(["BTC/USD"])
    _, bars = await all_of(made, "BTC/USD")
    assert sum(len(one.time) for one in bars) == 5
    with pytest.raises(MarketError, match=r"no file like XBTUSD_15.csv"):
        files(path, timedelta(minutes=15))


async def test_two_names_of_one_coin_are_one_series(place):
    later = START + timedelta(days=3)
    made = files(place(MATICUSD_1=lines(20), POLUSD_1=lines(30, later)))
    listings = await made.prepare(["POL/USD"])
    assert listings["POL/USD"].source_name == "MATICUSD_1.csv and POLUSD_1.csv"
    _, bars = await all_of(made, "POL/USD")
    assert sum(len(one.time) for one in bars) == 50


async def test_the_old_and_the_new_terra_stay_apart(place):
    made = files(place(LUNAUSD_1=lines(20), LUNA2USD_1=lines(30)))
    assert set(await made.prepare(["LUNA/USD", "LUNC/USD"])) == {"LUNA/USD", "LUNC/USD"}
    _, bars = await all_of(made, "LUNA/USD")
    assert sum(len(one.time) for one in bars) == 30


async def test_lines_that_are_no_bars_are_counted_and_mixed_units_are_said(place):
    text = lines(10) + lines(10, START + timedelta(minutes=10), factor=1_000)
    text[4] = "1,2"
    made = files(place(XBTUSD_1=text))
    await made.prepare(["BTC/USD"])
    answers, bars = await all_of(made, "BTC/USD")
    assert sum(len(one.time) for one in bars) == 19
    assert [(one.code, one.count) for answer in answers for one in answer.rejected] == [("MALFORMED", 1)]
    assert "mixes times in seconds and milliseconds" in "".join(answer.note for answer in answers)


async def test_a_file_that_is_no_ohlcvt_fails_alone(place):
    made = files(place(XBTUSD_1=["time,open,high", "x,y,z"], ETHUSD_1=lines(5)))
    await made.prepare(["BTC/USD", "ETH/USD"])
    with pytest.raises(BarsError, match=r"XBTUSD_1.csv is no OHLCVT file \(time, open"):
        await all_of(made, "BTC/USD")
    _, bars = await all_of(made, "ETH/USD")
    assert sum(len(one.time) for one in bars) == 5


async def test_a_damaged_zip_is_said_in_one_sentence(tmp_path):
    path = tmp_path / "history.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("XBTUSD_1.csv", "\n".join(lines(3_000)))
    body = bytearray(path.read_bytes())
    body[len(body) // 3 : len(body) // 3 + 40] = bytes(40)
    path.write_bytes(body)
    made = files(path)
    with pytest.raises(BarsError, match=r"history.zip: XBTUSD_1.csv cannot be unpacked"):
        await all_of(made, "BTC/USD")
    path.write_bytes(body[: len(body) // 2])
    with pytest.raises(MarketError, match=r"history.zip is no whole zip .*; fetch it again"):
        files(path)
    with pytest.raises(MarketError, match="there is no folder or zip"):
        files(tmp_path / "gone")


async def test_one_damaged_member_of_a_zip_costs_nothing_but_itself(tmp_path):
    path = tmp_path / "history.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("XBTUSD_1.csv", "\n".join(lines(3_000)))
        archive.writestr("ETHUSD_1.csv", "\n".join(lines(5)))
    body = bytearray(path.read_bytes())
    body[40:80] = bytes(40)
    path.write_bytes(body)
    made = files(path)
    listings = await made.prepare(())
    assert set(listings) == {"BTC/USD", "ETH/USD"}
    with pytest.raises(BarsError, match=r"history.zip: XBTUSD_1.csv cannot be unpacked"):
        await all_of(made, "BTC/USD")
    _, bars = await all_of(made, "ETH/USD")
    assert sum(len(one.time) for one in bars) == 5


@pytest.mark.parametrize("time", ["9" * 40, "9" * 19, "9000000000000000000", "-1", "0", "inf"])
async def test_a_time_that_cannot_be_is_a_line_and_not_the_end(place, time):
    spoilt = [f"{time},1,1,1,1,1,1", *lines(9)]
    made = files(place(XBTUSD_1=spoilt, ETHUSD_1=lines(5)))
    listings = await made.prepare(["BTC/USD", "ETH/USD"])
    assert listings["ETH/USD"].first == START
    answers, bars = await all_of(made, "BTC/USD")
    assert sum(len(one.time) for one in bars) == 9
    ((code, count),) = [(one.code, one.count) for answer in answers for one in answer.rejected]
    assert code in ("MALFORMED", "TIME_IMPOSSIBLE", "FUTURE")
    assert count == 1


async def test_a_year_of_future_bars_is_counted_and_named_by_its_file(place):
    late = START + timedelta(days=1_000)
    made = files(place(XBTUSD_1=lines(20) + lines(30, late)))
    await made.prepare(["BTC/USD"])
    answers, bars = await all_of(made, "BTC/USD", until=START + timedelta(days=2_000))
    assert sum(len(one.time) for one in bars) == 20
    (one,) = [one for answer in answers for one in answer.rejected]
    assert (one.symbol, one.code, one.count) == ("BTC/USD", "FUTURE", 30)
    assert "XBTUSD_1.csv: 30 bars of BTC/USD lie in the future, such as 2026-09-26" in one.sentence
