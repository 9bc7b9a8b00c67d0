"""The real market data: the folder that MARKET_DATA_DIR names, or a skip with a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.backtest.reference import Bars


def folder() -> Path:
    name = os.environ.get("MARKET_DATA_DIR")
    if not name or not (Path(name) / "bars").is_dir():
        pytest.skip("MARKET_DATA_DIR names no folder with real market data")
    return Path(name) / "bars"


def bars_of(file: str, symbol: str) -> Bars:
    table = pq.read_table(folder() / f"{file}.parquet", filters=pc.field("symbol") == symbol)
    time = table.column("time").cast(pa.timestamp("us", "UTC")).cast("int64").to_pylist()
    return Bars(time, *(table.column(name).to_pylist() for name in ("open", "high", "low", "close")))


FIGURES = [
    ("binance_futures_1m_2025_05", "ADAUSDT", 439, -325.7008),
    ("binance_futures_1m_2025_05", "BTCUSDT", 429, -300.3470),
    ("binance_futures_1m_2025_05", "LINKUSDT", 439, -329.1759),
    ("binance_futures_1m_2025_05", "SOLUSDT", 415, -286.1363),
    ("binance_spot_1h_BTC_long_MIT", "BTCUSDT", 517, -115.5788),
    ("binance_spot_5m_2024", "DOGEUSDT", 735, -449.0398),
    ("binance_spot_5m_2024", "PEPEUSDT", 803, -473.0545),
]
"""File, coin, trades and P&L as the issue states them."""
