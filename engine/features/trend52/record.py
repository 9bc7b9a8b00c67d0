"""What `trend52` keeps of a symbol from bar to bar."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from engine.core.state import Floats
from engine.features.bar import Bar, carry_type
from engine.features.extremes import EXTREMES, Extremes
from engine.features.swings import LEVELS, Levels
from engine.features.trend52.table import ENTRIES
from engine.features.windows import SPREAD, SUM, Spread, Sum

SUMS = {
    "squares_15": 15,
    "squares_60": 60,
    "squares_240": 240,
    "volume_20": 20,
    "signed_20": 20,
    "traded_60": 60,
    "trades_20": 20,
}
SPREADS = {"close_20": 20, "close_60": 60, "volume_60": 60}

_FLOATS = "ema9 ema21 ema50 ema12 ema26 signal gain7 gain14 gain21 loss7 loss14 loss21 atr plus minus reach adx"
_FLOATS += " fast_1 fast_2 slow_1 slow_2 hour_sin hour_cos weekday_sin weekday_cos"

SLOPE_BARS, SLOPES = 5, 8  # a slope looks back so far, in rings of so many averages

CARRY = carry_type(
    tuple(entry.name for entry in ENTRIES),
    [
        *((name, np.float64) for name in _FLOATS.split()),
        ("hour", np.int64),
        ("trades_known", np.int64),
        ("past9", np.float64, (SLOPES,)),
        ("past21", np.float64, (SLOPES,)),
        ("past50", np.float64, (SLOPES,)),
        *((name, SUM) for name in SUMS),
        *((name, SPREAD) for name in SPREADS),
        ("highs", EXTREMES),
        ("lows", EXTREMES),
        ("supports", LEVELS),
        ("resistances", LEVELS),
    ],
)


def prepare(carries: np.ndarray, interval: int) -> None:
    """Write the widths of the windows."""
    for name, width in SUMS.items():
        carries[name]["width"] = width
    for name, width in SPREADS.items():
        carries[name]["width"], carries[name]["share"] = width, 1.0 / width


class Trend52(Protocol):
    """The record. `plus`, `minus` and `reach` are Wilder's sums of +DM, −DM and the true range; `lows` and
    `resistances` hold prices below zero, so that one code keeps both sides; `past9` is 1 / EMA(9) by bar."""

    bar: Bar
    row: Any
    values: Floats
    ema9: float
    ema21: float
    ema50: float
    ema12: float
    ema26: float
    signal: float
    gain7: float
    gain14: float
    gain21: float
    loss7: float
    loss14: float
    loss21: float
    atr: float
    plus: float
    minus: float
    reach: float
    adx: float
    fast_1: float
    fast_2: float
    slow_1: float
    slow_2: float
    hour: int
    trades_known: int
    hour_sin: float
    hour_cos: float
    weekday_sin: float
    weekday_cos: float
    past9: Floats
    past21: Floats
    past50: Floats
    squares_15: Sum
    squares_60: Sum
    squares_240: Sum
    volume_20: Sum
    signed_20: Sum
    traded_60: Sum
    trades_20: Sum
    close_20: Spread
    close_60: Spread
    volume_60: Spread
    highs: Extremes
    lows: Extremes
    supports: Levels
    resistances: Levels
