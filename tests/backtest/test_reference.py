"""The backtest equals an independent reference on real bars, trade by trade, through the real command."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.backtest import backtest, load, read_market
from tests.backtest.command import PEERS, command
from tests.backtest.data import FIGURES, bars_of, folder
from tests.backtest.reference import Bars, Trade, trade


@pytest.mark.parametrize(("file", "coin", "trades", "pnl"), FIGURES, ids=lambda value: str(value))
def test_every_trade_equals_the_reference(file: str, coin: str, trades: int, pnl: float, tmp_path: Path) -> None:
    bars = bars_of(file, coin)
    expected = trade(bars)
    assert len(expected) == trades
    assert sum(one.pnl for one in expected) == pytest.approx(pnl, abs=5e-5)

    path = folder() / f"{file}.parquet"
    code = command("--playbook", PEERS, "--bars", path, "--symbols", coin, "--out", tmp_path)

    assert code == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["trades"] == trades
    assert summary["pnl"] == pytest.approx(pnl, abs=5e-5)
    with (tmp_path / "trade_log.csv").open() as log:
        rows = list(csv.DictReader(log))
    step = Counter(b - a for a, b in zip(bars.time, bars.time[1:], strict=False)).most_common(1)[0][0]
    for row, one in zip(rows, expected, strict=True):
        same(row, one, bars, step)


def same(row: dict[str, str], one: Trade, bars: Bars, step: int) -> None:
    left = bars.time[one.exit_bar] + (0 if one.at_open else step)
    assert micros(row["entry_time"]) == bars.time[one.entry_bar]
    assert micros(row["exit_time"]) == left
    assert row["exit_reason"] == one.reason
    assert float(row["entry_price"]) == one.entry_price
    assert float(row["exit_price"]) == pytest.approx(one.exit_price, rel=1e-14)
    assert float(row["pnl"]) == pytest.approx(one.pnl, abs=1e-9)


def micros(text: str) -> int:
    at = datetime.fromisoformat(text)
    assert at.utcoffset() == datetime.now(UTC).utcoffset()
    return int(at.timestamp()) * 1_000_000


def test_hourly_bitcoin_leaves_for_the_reasons_that_the_issue_counts() -> None:
    reasons = Counter(one.reason for one in trade(bars_of("binance_spot_1h_BTC_long_MIT", "BTCUSDT")))
    assert reasons == {"signal": 395, "target": 81, "stop": 40, "end": 1}


@pytest.mark.parametrize("file", sorted({file for file, *_ in FIGURES} | {"binance_spot_1h_2024_136sym"}))
def test_every_coin_of_every_file_trades_as_the_reference(file: str) -> None:
    playbook = load(PEERS)
    for series in read_market([folder() / f"{file}.parquet"], ()):
        columns = (series.time, series.open, series.high, series.low, series.close)
        expected = trade(Bars(*(column.tolist() for column in columns)))
        ours = backtest(playbook, [series]).trades
        assert [(one.entry_price, one.reason) for one in expected] == [(t.entry_price, t.exit_reason) for t in ours]
        assert [one.pnl for one in expected] == pytest.approx([t.pnl for t in ours], abs=1e-9), series.symbol
