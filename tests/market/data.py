"""Where the real recordings are; tests that need them skip with a reason where they are not."""

import os
from pathlib import Path

import pytest


def market_data(name: str) -> Path:
    folder = os.environ.get("MARKET_DATA_DIR")
    if not folder:
        pytest.skip("MARKET_DATA_DIR does not name the folder of real market data")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"MARKET_DATA_DIR has no {name}")
    return path
