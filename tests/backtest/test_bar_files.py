"""Bar files: what is read, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bot.cli.errors import CliError
from engine.backtest import BarsError, read_market
from engine.market.names import split_joined
from tests.backtest.command import PEERS, command
from tests.backtest.made import frame, save


def test_csv_and_parquet_give_the_same_bars(tmp_path: Path) -> None:
    table = frame()
    parquet = read_market([save(table, tmp_path / "a.parquet")], ())[0]
    text = read_market([save(table, tmp_path / "a.csv")], ())[0]
    assert parquet.symbol == text.symbol == "ADA/USDT"
    assert parquet.time[0] == 1_746_057_600_000_000
    for name in ("time", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(parquet, name), getattr(text, name))


def test_coins_may_be_mixed_row_by_row(tmp_path: Path) -> None:
    ada, btc = frame("ADAUSDT", 50), frame("BTCUSDT", 50, seed=2)
    mixed = pd.concat([ada, btc]).sort_values("time", kind="stable")
    market = read_market([save(mixed, tmp_path / "a.parquet")], ())
    assert [series.symbol for series in market] == ["ADA/USDT", "BTC/USDT"]
    assert np.array_equal(market[1].close, btc["close"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ADAUSDT", "ADA/USDT"),
        ("ADA/USDT", "ADA/USDT"),
        ("ada-usd", "ADA/USD"),
        ("X:BTCUSD", "BTC/USD"),
        ("BTC/USDT:USDT", "BTC/USDT"),
        ("BTC-PERP", "BTC/PERP"),
        ("ETHBTC", "ETH/BTC"),
        ("1000SATSUSDT", "1000SATS/USDT"),
    ],
)
def test_a_file_s_name_becomes_base_and_quote(name: str, expected: str) -> None:
    assert split_joined(name) == expected


@pytest.mark.parametrize("asked", ["ADAUSDT", "ADA/USDT", "ADA", "adausdt"])
def test_a_coin_may_be_asked_for_by_any_of_its_names(asked: str, tmp_path: Path) -> None:
    path = save(pd.concat([frame("ADAUSDT"), frame("ADXUSDT")]), tmp_path / "a.parquet")
    assert [series.symbol for series in read_market([path], (), [asked])] == ["ADA/USDT"]


def test_an_unknown_coin_lists_what_the_file_has(tmp_path: Path) -> None:
    path = save(pd.concat([frame("ADAUSDT"), frame("BTCUSDT")]), tmp_path / "a.parquet")
    with pytest.raises(BarsError, match=r"no bars of DOGE; the files have ADAUSDT, BTCUSDT"):
        read_market([path], (), ["DOGE"])


def test_a_base_with_two_quotes_must_be_named_in_full(tmp_path: Path) -> None:
    path = save(pd.concat([frame("ADAUSDT"), frame("ADAEUR")]), tmp_path / "a.parquet")
    with pytest.raises(BarsError, match=r"ADAEUR or ADAUSDT"):
        read_market([path], (), ["ADA"])


def test_a_universe_in_dollars_is_played_by_the_file_s_dollar_coins(tmp_path: Path) -> None:
    path = save(pd.concat([frame("ADAUSDT"), frame("BTCUSDT")]), tmp_path / "a.parquet")
    assert [series.symbol for series in read_market([path], ("BTC/USD", "ETH/USD"))] == ["BTC/USDT"]
    with pytest.raises(BarsError, match=r"none of the playbook's coins.*ADAUSDT, BTCUSDT.*--symbols"):
        read_market([path], ("ETH/USD",))


def test_dates_cut_the_bars_and_an_empty_cut_says_what_there_is(tmp_path: Path) -> None:
    path = save(frame(), tmp_path / "a.parquet")
    day = datetime(2025, 5, 1, tzinfo=UTC)
    cut = read_market([path], (), start=day.replace(hour=1), end=day.replace(hour=2))[0]
    assert len(cut) == 60
    assert cut.time[0] == int(day.replace(hour=1).timestamp()) * 1_000_000
    with pytest.raises(BarsError, match="2025-05-01T00:00:00Z to 2025-05-01T09:59:00Z"):
        read_market([path], (), start=day.replace(month=6))
    with pytest.raises(BarsError, match=r"--from .* is not before --to"):
        read_market([path], (), start=day, end=day)


def test_one_coin_over_two_files_is_joined_and_an_overlap_is_named(tmp_path: Path) -> None:
    first = save(frame(), tmp_path / "may1.parquet")
    second = save(frame(start="2025-05-02T00:00Z", seed=3), tmp_path / "may2.csv")
    again = save(frame(start="2025-05-01T05:00Z", seed=4), tmp_path / "again.parquet")
    assert len(read_market([second, first], ())[0]) == 1_200
    with pytest.raises(BarsError, match=r"ADA/USDT is in .*may1.parquet .* and in .*again.parquet .*overlap"):
        read_market([first, again], ())


def put(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object}) if isinstance(value, str) else table
        table.loc[row, column] = value
        return table

    return change


SPOILT = [
    (lambda t: t.drop(columns=["high", "volume"]), r"the columns high, volume are missing; found symbol, time"),
    (lambda t: t.rename(columns={"time": "date"}), r"the column time is missing; found symbol, date"),
    (lambda t: t.assign(time=t["time"].dt.tz_localize(None)), r"no time zone; write UTC"),
    (lambda t: t.assign(time=range(len(t))), r"the column time is int64; it must be a timestamp"),
    (lambda t: t.assign(time="yesterday"), r"holds text that is no UTC time"),
    (lambda t: t.assign(close=t["close"].astype(str)), r"the column close is (large_)?string; it must hold numbers"),
    (lambda t: t.sort_values("time", ascending=False), r"bar 2 at 2025-05-01T09:58:00Z is earlier .* sort by time"),
    (lambda t: pd.concat([t[:5], t[4:]]), r"two bars have the time 2025-05-01T00:04:00Z; remove the duplicate"),
    (put("close", 3, np.nan), r"bar 4 at 2025-05-01T00:03:00Z: a value is missing or not finite .*1 such row"),
    (put("volume", 3, np.inf), r"a value is missing or not finite"),
    (put("low", 3, 0.0), r"a price is 0 or below"),
    (put("open", 3, -1.0), r"a price is 0 or below"),
    (put("volume", 3, -1.0), r"the volume is negative"),
    (put("high", 3, 1.0), r"the high is below the low"),
    (put("close", 3, 1e6), r"open or close lies outside low to high"),
    (lambda t: t[:1], r"one bar only"),
    (lambda t: t.assign(symbol=None), r"rows have no symbol"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT, ids=[words for _, words in SPOILT])
def test_a_spoilt_file_is_refused_in_one_clear_line(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], words: str, tmp_path: Path
) -> None:
    path = save(spoil(frame()), tmp_path / "bars.parquet")
    with pytest.raises(CliError, match=words) as caught:
        command("--playbook", PEERS, "--bars", path, "--out", tmp_path / "out")
    assert "bars.parquet" in str(caught.value) or "ADA" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_bar_file_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "notes.parquet"
    text.write_text("buy low, sell high")
    with pytest.raises(CliError, match=r"notes.parquet is neither a Parquet nor a CSV file"):
        command("--bars", text, "--out", tmp_path)
    with pytest.raises(CliError, match=r"there is no bar file .*gone.parquet"):
        command("--bars", tmp_path / "gone.parquet", "--out", tmp_path)
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(CliError, match=r"empty.csv is neither"):
        command("--bars", empty, "--out", tmp_path)
