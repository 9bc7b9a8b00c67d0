"""Bar files made for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def frame(symbol: str = "ADAUSDT", bars: int = 600, seed: int = 1, start: str = "2025-05-01T00:00Z") -> pd.DataFrame:
    """A seeded random walk of one-minute bars."""
    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.004, bars)))
    before = np.concatenate(([100.0], close[:-1]))
    return pd.DataFrame(
        {
            "symbol": symbol,
            "time": pd.date_range(start, periods=bars, freq="min"),
            "open": before,
            "high": np.maximum(before, close) * 1.001,
            "low": np.minimum(before, close) * 0.999,
            "close": close,
            "volume": draw.uniform(100, 1_000, bars),
        }
    )


def save(table: pd.DataFrame, path: Path) -> Path:
    """Write as the file's ending says."""
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return path
