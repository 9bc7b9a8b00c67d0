"""The compiled core against the peer rules in plain Python, trade by trade."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engine.core.events import REASONS
from engine.core.run import blank_wishes, run
from tests.core import reference
from tests.core.build import MINUTE, PEERS, market, times_of

FIGURES = [
    ("binance_futures_1m_2025_05", "ADAUSDT", 439, -325.7008),
    ("binance_futures_1m_2025_05", "BTCUSDT", 429, -300.3470),
    ("binance_futures_1m_2025_05", "LINKUSDT", 439, -329.1759),
    ("binance_futures_1m_2025_05", "SOLUSDT", 415, -286.1363),
    ("binance_spot_1h_BTC_long_MIT", "BTCUSDT", 517, -115.5788),
    ("binance_spot_5m_2024", "DOGEUSDT", 735, -449.0398),
    ("binance_spot_5m_2024", "PEPEUSDT", 803, -473.0545),
]


def both(bars: np.ndarray, times: np.ndarray, interval: int) -> tuple[list[tuple], list[tuple], float]:
    """(entry time, entry, exit time, exit, reason) of the reference and of the core, and the core's P&L."""
    columns = bars[:, :, 0]
    bullish, bearish = reference.crosses(columns[:, 3].tolist())
    expected = reference.trade([tuple(row[:4]) for row in columns.tolist()], bullish, bearish)
    rows = np.array(sorted(bullish | bearish), np.int64)
    wishes = blank_wishes(len(rows))
    wishes["row"] = rows
    wishes["action"] = [1 if row in bullish else 2 for row in rows.tolist()]
    got = run(PEERS, times, bars, wishes, interval_us=interval)
    at_open = {"signal", "time"}
    left = [
        (
            int(times[t.entry_bar]),
            t.entry,
            int(times[t.exit_bar]) + (0 if t.reason in at_open else interval),
            t.exit,
            t.reason,
        )
        for t in expected
    ]
    right = [
        (
            int(t["entry_time"]),
            float(t["entry_price"]),
            int(t["exit_time"]),
            float(t["exit_price"]),
            str(REASONS[t["reason"]]),
        )
        for t in got.trades
    ]
    assert sum(t.pnl for t in expected) == pytest.approx(float(got.trades["pnl"].sum()), abs=1e-6)
    return left, right, float(got.trades["pnl"].sum())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("step", [0.0004, 0.004, 0.02])
def test_every_trade_on_a_random_market_equals_the_reference(seed: int, step: float) -> None:
    bars = market(seed, 4_000, step=step)
    expected, got, _ = both(bars, times_of(len(bars)), MINUTE)
    assert got == expected
    assert len(got) > 5


@pytest.mark.parametrize(("file", "symbol", "trades", "pnl"), FIGURES)
def test_every_trade_on_real_bars_equals_the_reference(file: str, symbol: str, trades: int, pnl: float) -> None:
    folder = os.environ.get("MARKET_DATA_DIR")
    if not folder:
        pytest.skip("MARKET_DATA_DIR names no folder with real bars")
    import pyarrow.parquet as pq

    table = pq.read_table(Path(folder) / "bars" / f"{file}.parquet", filters=[("symbol", "=", symbol)]).sort_by("time")
    columns = [table[name].to_numpy().astype(float) for name in ("open", "high", "low", "close", "volume")]
    bars = np.ascontiguousarray(np.stack(columns, axis=1)[:, :, None])
    times = table["time"].to_numpy().astype("datetime64[us]").astype(np.int64)
    expected, got, total = both(bars, times, int(np.median(np.diff(times))))
    assert got == expected
    assert len(got) == trades
    assert total == pytest.approx(pnl, abs=5e-5)
