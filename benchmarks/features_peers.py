"""The 52 numbers of `trend52` as other libraries make them; a library that is absent is None.

Support and resistance are simpler here (the last swing, whether broken or not), which is less work than the desk's.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import talib

Columns = dict[str, np.ndarray]
SIDE = 5


def with_talib(bars: Any) -> Columns:
    """TA-Lib where it has the indicator, numpy for the rest."""
    o, high, low, close = bars.open, bars.high, bars.low, bars.close
    found: Columns = {}
    for n in (9, 21, 50):
        ema = talib.EMA(close, n)
        found[f"ema{n}_distance"], found[f"ema{n}_slope"] = close / ema - 1, talib.ROCP(ema, 5)
    for name, line in zip(("line", "signal", "histogram"), talib.MACD(close, 12, 26, 9), strict=True):
        found[f"macd_{name}"] = line / close
    found["adx14"] = talib.ADX(high, low, close, 14)
    found["plus_di14"], found["minus_di14"] = talib.PLUS_DI(high, low, close, 14), talib.MINUS_DI(high, low, close, 14)
    found |= {f"rsi{n}": talib.RSI(close, n) for n in (7, 14, 21)}
    found["stochastic_k"], found["stochastic_d"] = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    found |= {f"roc{n}": talib.ROC(close, n) for n in (10, 30)}
    found |= {f"return_{n}": talib.ROCP(close, n) for n in (1, 5, 15, 60)}
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0, 0)
    found["bollinger_width"], found["bollinger_b"] = (upper - lower) / middle, (close - lower) / (upper - lower)
    found["atr14_relative"] = talib.ATR(high, low, close, 14) / close
    found |= _talib_rolling(bars) | _shape(o, high, low, close) | _calendar(bars.time)
    for n in (60, 240):
        found[f"high_{n}_distance"] = close / talib.MAX(high, n) - 1
        found[f"low_{n}_distance"] = close / talib.MIN(low, n) - 1
    width = 2 * SIDE + 1
    found["support_distance"] = close / _last_swing(low, talib.MIN(low, width)) - 1
    found["resistance_distance"] = _last_swing(high, talib.MAX(high, width)) / close - 1
    return found


def _talib_rolling(bars: Any) -> Columns:
    close, volume, trades = bars.close, bars.volume, bars.trades
    squares = np.diff(np.log(close), prepend=np.nan) ** 2
    squares[0] = 0.0
    volatility = {n: np.sqrt(talib.SMA(squares, n)) for n in (15, 60, 240)}
    typical = (bars.high + bars.low + close) / 3
    balance = talib.OBV(close, volume)
    return {
        **{f"volatility_{n}": column for n, column in volatility.items()},
        "volatility_ratio": volatility[15] / volatility[240],
        "volume_ratio_20": volume / talib.SMA(volume, 20),
        "volume_ratio_60": volume / talib.SMA(volume, 60),
        "volume_zscore": (volume - talib.SMA(volume, 60)) / talib.STDDEV(volume, 60, 1.0),
        "obv_slope": talib.MOM(balance, 20) / talib.SUM(volume, 20),
        "vwap_deviation": close * talib.SUM(volume, 60) / talib.SUM(volume * typical, 60) - 1,
        "transactions_ratio": trades / talib.SMA(trades, 20),
        "volatility_price_ratio": talib.STDDEV(close, 60, 1.0) / close,
    }


def with_pandas_ta(bars: Any) -> Columns | None:
    """pandas-ta-classic where it has the indicator (with TA-Lib inside, as it is installed), pandas for the rest."""
    ta = _library("pandas_ta_classic")
    if ta is None:
        return None
    frame = _frame(bars)
    high, low, close, volume = frame.high, frame.low, frame.close, frame.volume
    found: dict[str, Any] = {}
    for n in (9, 21, 50):
        ema = ta.ema(close, length=n)
        found[f"ema{n}_distance"], found[f"ema{n}_slope"] = close / ema - 1, ema.pct_change(5)
    lines = ta.macd(close)
    for name, place in (("line", 0), ("histogram", 1), ("signal", 2)):
        found[f"macd_{name}"] = lines.iloc[:, place] / close
    found |= dict(zip(("adx14", "plus_di14", "minus_di14"), _three(ta.adx(high, low, close)), strict=True))
    found |= {f"rsi{n}": ta.rsi(close, length=n) for n in (7, 14, 21)}
    stochastic = ta.stoch(high, low, close, k=14, d=3, smooth_k=3)
    found["stochastic_k"], found["stochastic_d"] = stochastic.iloc[:, 0], stochastic.iloc[:, 1]
    bands = ta.bbands(close, length=20)
    found["bollinger_width"], found["bollinger_b"] = bands.iloc[:, 3], bands.iloc[:, 4]
    found["atr14_relative"] = ta.atr(high, low, close, length=14) / close
    balance = ta.obv(close, volume)
    return _plain(found | _pandas_rest(bars, frame, balance))


def with_ta(bars: Any) -> Columns | None:
    """The library `ta` where it has the indicator, pandas for the rest."""
    ta = _library("ta")
    if ta is None:
        return None
    frame = _frame(bars)
    high, low, close, volume = frame.high, frame.low, frame.close, frame.volume
    found: dict[str, Any] = {}
    for n in (9, 21, 50):
        ema = ta.trend.EMAIndicator(close, n).ema_indicator()
        found[f"ema{n}_distance"], found[f"ema{n}_slope"] = close / ema - 1, ema.pct_change(5)
    macd = ta.trend.MACD(close)
    found["macd_line"], found["macd_signal"] = macd.macd() / close, macd.macd_signal() / close
    found["macd_histogram"] = macd.macd_diff() / close
    adx = ta.trend.ADXIndicator(high, low, close, 14)
    found["adx14"], found["plus_di14"], found["minus_di14"] = adx.adx(), adx.adx_pos(), adx.adx_neg()
    found |= {f"rsi{n}": ta.momentum.RSIIndicator(close, n).rsi() for n in (7, 14, 21)}
    stochastic = ta.momentum.StochasticOscillator(high, low, close, 14, 3)
    found["stochastic_k"], found["stochastic_d"] = stochastic.stoch(), stochastic.stoch_signal()
    bands = ta.volatility.BollingerBands(close, 20, 2)
    found["bollinger_width"], found["bollinger_b"] = bands.bollinger_wband(), bands.bollinger_pband()
    found["atr14_relative"] = ta.volatility.AverageTrueRange(high, low, close, 14).average_true_range() / close
    balance = ta.volume.OnBalanceVolumeIndicator(close, volume).on_balance_volume()
    return _plain(found | _pandas_rest(bars, frame, balance))


def _pandas_rest(bars: Any, frame: Any, balance: Any) -> dict[str, Any]:
    """What such a library has not, in pandas."""
    high, low, close, volume = frame.high, frame.low, frame.close, frame.volume
    squares = np.log(close).diff() ** 2
    volatility = {n: np.sqrt(squares.rolling(n).mean()) for n in (15, 60, 240)}
    typical = (high + low + close) / 3
    vwap = (volume * typical).rolling(60).sum() / volume.rolling(60).sum()
    found: dict[str, Any] = {f"return_{n}": close.pct_change(n) for n in (1, 5, 15, 60)}
    found |= {f"roc{n}": 100 * close.pct_change(n) for n in (10, 30)}
    found |= {f"volatility_{n}": column for n, column in volatility.items()}
    found["volatility_ratio"] = volatility[15] / volatility[240]
    found |= {f"volume_ratio_{n}": volume / volume.rolling(n).mean() for n in (20, 60)}
    found["volume_zscore"] = (volume - volume.rolling(60).mean()) / volume.rolling(60).std(ddof=0)
    found["obv_slope"] = balance.diff(20) / volume.rolling(20).sum()
    found["vwap_deviation"] = close / vwap - 1
    found["transactions_ratio"] = frame.trades / frame.trades.rolling(20).mean()
    found["volatility_price_ratio"] = close.rolling(60).std(ddof=0) / close
    for n in (60, 240):
        found[f"high_{n}_distance"] = close / high.rolling(n).max() - 1
        found[f"low_{n}_distance"] = close / low.rolling(n).min() - 1
    width = 2 * SIDE + 1
    found["support_distance"] = close / _last_swing(bars.low, low.rolling(width).min().to_numpy()) - 1
    found["resistance_distance"] = _last_swing(bars.high, high.rolling(width).max().to_numpy()) / close - 1
    return found | _shape(bars.open, bars.high, bars.low, bars.close) | _calendar(bars.time)


def _shape(o: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray) -> Columns:
    gap = np.full(len(close), np.nan)
    gap[1:] = o[1:] / close[:-1] - 1
    return {
        "candle_body": (close - o) / close,
        "upper_wick": (high - np.maximum(o, close)) / close,
        "lower_wick": (np.minimum(o, close) - low) / close,
        "candle_range": (high - low) / close,
        "gap": gap,
    }


def _calendar(time: np.ndarray) -> Columns:
    hour = (time // 3_600_000_000) % 24 * (np.pi / 12)
    weekday = (time // 86_400_000_000 + 3) % 7 * (np.pi / 3.5)
    circles = (("hour_sin", np.sin, hour), ("hour_cos", np.cos, hour))
    circles += (("weekday_sin", np.sin, weekday), ("weekday_cos", np.cos, weekday))
    return {name: circle(angle) for name, circle, angle in circles}


def _last_swing(price: np.ndarray, extreme: np.ndarray) -> np.ndarray:
    """The last bar that was the extreme of the bars around it, from when that is known."""
    swing = np.zeros(len(price), bool)
    swing[SIDE:] = price[:-SIDE] == extreme[SIDE:]
    last = np.maximum.accumulate(np.where(swing, np.arange(len(price)), 0))
    return price[np.maximum(last - SIDE, 0)]


def _frame(bars: Any) -> pd.DataFrame:
    names = ("open", "high", "low", "close", "volume", "trades")
    return pd.DataFrame({name: getattr(bars, name) for name in names}, index=pd.to_datetime(bars.time, unit="us"))


def _three(frame: Any) -> list[Any]:
    return [frame.iloc[:, place] for place in range(3)]


def _plain(found: dict[str, Any]) -> Columns:
    return {name: np.asarray(column, dtype=np.float64) for name, column in found.items()}


def _library(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


PEERS: dict[str, Callable[[Any], Columns | None]] = {
    "TA-Lib + numpy": with_talib,
    "pandas-ta-classic": with_pandas_ta,
    "ta": with_ta,
}
