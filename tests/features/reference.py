"""The numbers of `trend52` and `core6` once more, by TA-Lib where it has them and by pandas where not."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import talib

from engine.ports import BarColumns

SIDE, KEPT, TOLERANCE = 5, 240, 0.001


def trend52(bars: BarColumns) -> dict[str, np.ndarray]:
    """Every column, for bars without holes."""
    return {**_averages(bars), **_strength(bars), **_moves(bars), **_volumes(bars), **_shape(bars), **_levels(bars)}


def core6(bars: BarColumns) -> dict[str, np.ndarray]:
    close = bars.close
    minutes = bars.interval.total_seconds() / 60
    return {
        "return_5m": talib.ROCP(close, int(5 / minutes)) if minutes <= 5 else None,
        "return_1h": talib.ROCP(close, int(60 / minutes)),
        "rsi14": talib.RSI(close, 14),
        "sma20_distance": close / talib.SMA(close, 20) - 1,
        "volume_ratio": bars.volume / pd.Series(bars.volume).rolling(20).mean().to_numpy(),
        "support_distance": _levels(bars)["support_distance"],
    }


def _averages(bars: BarColumns) -> dict[str, np.ndarray]:
    close, found = bars.close, {}
    for n in (9, 21, 50):
        ema = talib.EMA(close, n)
        found[f"ema{n}_distance"] = close / ema - 1
        found[f"ema{n}_slope"] = talib.ROCP(ema, 5)
    lines = talib.MACD(close, 12, 26, 9)
    return found | {
        f"macd_{name}": line / close for name, line in zip(("line", "signal", "histogram"), lines, strict=True)
    }


def _strength(bars: BarColumns) -> dict[str, np.ndarray]:
    high, low, close = bars.high, bars.low, bars.close
    k, d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    return {
        "adx14": talib.ADX(high, low, close, 14),
        "plus_di14": talib.PLUS_DI(high, low, close, 14),
        "minus_di14": talib.MINUS_DI(high, low, close, 14),
        **{f"rsi{n}": talib.RSI(close, n) for n in (7, 14, 21)},
        "stochastic_k": k,
        "stochastic_d": d,
        "atr14_relative": talib.ATR(high, low, close, 14) / close,
    }


def _moves(bars: BarColumns) -> dict[str, np.ndarray]:
    close = bars.close
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0, 0)
    squares = pd.Series(np.log(close)).diff() ** 2
    volatility = {n: np.sqrt(squares.rolling(n).mean()).to_numpy() for n in (15, 60, 240)}
    return {
        **{f"roc{n}": talib.ROC(close, n) for n in (10, 30)},
        **{f"return_{n}": talib.ROCP(close, n) for n in (1, 5, 15, 60)},
        "bollinger_width": (upper - lower) / middle,
        "bollinger_b": (close - lower) / (upper - lower),
        **{f"volatility_{n}": column for n, column in volatility.items()},
        "volatility_ratio": volatility[15] / volatility[240],
        "volatility_price_ratio": talib.STDDEV(close, 60, 1.0) / close,
        "gap": bars.open / np.roll(close, 1) - 1,
    }


def _volumes(bars: BarColumns) -> dict[str, np.ndarray]:
    volume, trades = pd.Series(bars.volume), pd.Series(bars.trades)
    typical = (bars.high + bars.low + bars.close) / 3
    vwap = (volume * typical).rolling(60).sum() / volume.rolling(60).sum()
    balance = pd.Series(talib.OBV(bars.close, bars.volume))
    columns = {
        "volume_ratio_20": volume / volume.rolling(20).mean(),
        "volume_ratio_60": volume / volume.rolling(60).mean(),
        "volume_zscore": (volume - volume.rolling(60).mean()) / volume.rolling(60).std(ddof=0),
        "obv_slope": balance.diff(20) / volume.rolling(20).sum(),
        "vwap_deviation": bars.close / vwap - 1,
        "transactions_ratio": trades / trades.rolling(20).mean(),
    }
    return {name: column.to_numpy() for name, column in columns.items()}


def _shape(bars: BarColumns) -> dict[str, np.ndarray]:
    at = pd.to_datetime(bars.time, unit="us", utc=True)
    body_top, body_bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    hour, weekday = at.hour.to_numpy() / 24 * 2 * np.pi, at.day_of_week.to_numpy() / 7 * 2 * np.pi
    return {
        "candle_body": (bars.close - bars.open) / bars.close,
        "upper_wick": (bars.high - body_top) / bars.close,
        "lower_wick": (body_bottom - bars.low) / bars.close,
        "candle_range": (bars.high - bars.low) / bars.close,
        "hour_sin": np.sin(hour),
        "hour_cos": np.cos(hour),
        "weekday_sin": np.sin(weekday),
        "weekday_cos": np.cos(weekday),
    }


def _levels(bars: BarColumns) -> dict[str, np.ndarray]:
    found = {}
    for n in (60, 240):
        found[f"high_{n}_distance"] = bars.close / talib.MAX(bars.high, n) - 1
        found[f"low_{n}_distance"] = bars.close / talib.MIN(bars.low, n) - 1
    found["support_distance"] = bars.close / _supports(bars.low, bars.close) - 1
    mirrored = _supports(1.0 / bars.high, 1.0 / bars.close, 1.0 - 1.0 / (1.0 + TOLERANCE))
    found["resistance_distance"] = 1.0 / mirrored / bars.close - 1
    return found


def _supports(low: np.ndarray, close: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Support at each bar, found anew from the definition."""
    rows = len(low)
    swings = [
        i
        for i in range(SIDE, rows - SIDE)
        if low[i - SIDE : i].min() > low[i] and low[i + 1 : i + SIDE + 1].min() >= low[i]
    ]
    gone = {i: _broken_at(low[i], close, i + SIDE, tolerance) for i in swings}
    support = np.full(rows, math.nan)
    for now in range(rows):
        standing = [low[i] for i in swings if i + SIDE <= now < min(i + KEPT, gone[i])]
        support[now] = max(standing, default=low[max(0, now - KEPT + 1) : now + 1].min())
    return support


def _broken_at(level: float, close: np.ndarray, first: int, tolerance: float) -> int:
    """The first bar whose close breaks a level; beyond the last bar when none does."""
    below = np.flatnonzero(close[first:] < level * (1.0 - tolerance))
    return first + int(below[0]) if len(below) else len(close)
