"""The 52 numbers of `trend52`: name, formula, unit, and after how many bars where history began no longer matters."""

from __future__ import annotations

from dataclasses import replace

from engine.features.sets import Entry, fading, recursive, wilder
from engine.features.swings import SUPPORT_WARM_UP
from engine.features.trend52.words import WORDS

_E = Entry


def _averages() -> list[Entry]:
    lengths = (9, 21, 50)
    entries = [_E(f"ema{n}_distance", f"close ÷ EMA({n}) − 1", "fraction", recursive(n)) for n in lengths]
    entries += [
        _E(f"ema{n}_slope", f"EMA({n}) ÷ EMA({n}) five bars ago − 1", "fraction", recursive(n) + 5) for n in lengths
    ]
    return [
        *entries,
        _E("macd_line", "(EMA(12) − EMA(26)) ÷ close", "fraction", recursive(26)),
        _E("macd_signal", "EMA(9) of EMA(12) − EMA(26), ÷ close", "fraction", recursive(26, 9)),
        _E("macd_histogram", "macd_line − macd_signal", "fraction", recursive(26, 9)),
    ]


def _strength() -> list[Entry]:
    return [
        _E("adx14", "ADX(14) of Wilder", "0 to 100", wilder(14, 14)),
        _E("plus_di14", "+DI(14) of Wilder", "0 to 100", fading(14)),
        _E("minus_di14", "−DI(14) of Wilder", "0 to 100", fading(14)),
        *(_E(f"rsi{n}", f"RSI({n}) of Wilder; 0 where nothing has moved", "0 to 100", fading(n)) for n in (7, 14, 21)),
        _E(
            "stochastic_k",
            "mean of 3 of 100 × (close − lowest low of 14) ÷ (highest high of 14 − that); 0 where both are equal",
            "0 to 100",
            16,
        ),
        _E("stochastic_d", "mean of 3 of stochastic_k", "0 to 100", 18),
    ]


def _moves() -> list[Entry]:
    back = "close ÷ close {} bars' time ago − 1; missing where that bar is missing"
    return [
        *(_E(f"roc{n}", f"100 × ({back.format(n)})", "per cent", n + 1) for n in (10, 30)),
        *(_E(f"return_{n}", back.format(n).replace("1 bars'", "1 bar's"), "fraction", n + 1) for n in (1, 5, 15, 60)),
    ]


def _spreads() -> list[Entry]:
    moves = "√ of the mean square of the last {} log returns from bar to bar"
    return [
        _E("bollinger_width", "4 σ ÷ SMA(20), σ the population deviation of 20 closes", "fraction", 20),
        _E(
            "bollinger_b",
            "(close − lower band) ÷ (upper − lower), bands SMA(20) ± 2 σ; ½ without width",
            "fraction",
            20,
        ),
        _E("atr14_relative", "ATR(14) of Wilder ÷ close", "fraction", wilder(14) + 1),
        *(_E(f"volatility_{n}", moves.format(n), "per bar", n + 1) for n in (15, 60, 240)),
        _E("volatility_ratio", "volatility_15 ÷ volatility_240", "ratio", 241),
    ]


def _volumes() -> list[Entry]:
    return [
        *(
            _E(f"volume_ratio_{n}", f"volume ÷ mean volume of {n} bars; 0 where there was none", "ratio", n)
            for n in (20, 60)
        ),
        _E("volume_zscore", "(volume − mean of 60) ÷ population deviation of 60; 0 where all are equal", "σ", 60),
        _E("obv_slope", "change of on-balance volume in 20 bars ÷ volume of 20 bars; 0 without volume", "−1 to 1", 21),
        _E(
            "vwap_deviation",
            "close ÷ volume-weighted mean of (high + low + close) ÷ 3 over 60 bars − 1; missing without volume",
            "fraction",
            60,
        ),
    ]


def _candles() -> list[Entry]:
    return [
        _E("candle_body", "(close − open) ÷ close", "fraction", 1),
        _E("upper_wick", "(high − the higher of open and close) ÷ close", "fraction", 1),
        _E("lower_wick", "(the lower of open and close − low) ÷ close", "fraction", 1),
        _E("candle_range", "(high − low) ÷ close", "fraction", 1),
        _E(
            "transactions_ratio",
            "number of trades ÷ mean of the last 20 known numbers; 0 where there were none",
            "ratio",
            20,
            needs_trades=True,
        ),
        _E("volatility_price_ratio", "population deviation of 60 closes ÷ close", "fraction", 60),
        _E("gap", "open ÷ close of the bar before − 1; missing where that bar is missing", "fraction", 2),
    ]


def _calendar() -> list[Entry]:
    hour, weekday = "2π × hour of the close (UTC, whole) ÷ 24", "2π × weekday of the close (UTC, Monday 0) ÷ 7"
    return [
        _E("hour_sin", f"sin({hour})", "−1 to 1", 1, calendar=True),
        _E("hour_cos", f"cos({hour})", "−1 to 1", 1, calendar=True),
        _E("weekday_sin", f"sin({weekday})", "−1 to 1", 1, calendar=True),
        _E("weekday_cos", f"cos({weekday})", "−1 to 1", 1, calendar=True),
    ]


def _levels() -> list[Entry]:
    return [
        *(
            _E(f"{side}_{n}_distance", f"close ÷ {word} of {n} bars − 1", "fraction", n)
            for n in (60, 240)
            for side, word in (("high", "highest high"), ("low", "lowest low"))
        ),
        _E("support_distance", "close ÷ support − 1", "fraction", SUPPORT_WARM_UP),
        _E("resistance_distance", "resistance ÷ close − 1", "fraction", SUPPORT_WARM_UP),
    ]


_TABLE = (
    *_averages(),
    *_strength(),
    *_moves(),
    *_spreads(),
    *_volumes(),
    *_candles(),
    *_calendar(),
    *_levels(),
)

ENTRIES: tuple[Entry, ...] = tuple(replace(entry, words=WORDS[entry.name]) for entry in _TABLE)
