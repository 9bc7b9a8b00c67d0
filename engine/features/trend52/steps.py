"""One bar's step of each group of `trend52`: `st.bar` holds the bar, `st.row` takes the answers."""

from __future__ import annotations

import math

from engine.core.jit import part
from engine.features.bar import grown
from engine.features.extremes import highest, push
from engine.features.swings import TOLERANCE, mark_swing, nearest
from engine.features.trend52.record import SLOPE_BARS, SLOPES, Trend52
from engine.features.wilder import NOTHING, adx_step, flushed, strength
from engine.features.windows import slide, slide_spread

HOUR = 3_600_000_000


@part
def averages(st: Trend52) -> None:
    """Distances and slopes of three EMAs, and MACD(12, 26, 9)."""
    close, now = st.bar.close, st.bar.seen & (SLOPES - 1)
    then = (st.bar.seen - SLOPE_BARS) & (SLOPES - 1)
    st.ema9 += 2.0 / 10.0 * (close - st.ema9)
    st.ema21 += 2.0 / 22.0 * (close - st.ema21)
    st.ema50 += 2.0 / 51.0 * (close - st.ema50)
    st.past9[now], st.past21[now], st.past50[now] = 1.0 / st.ema9, 1.0 / st.ema21, 1.0 / st.ema50
    st.row.ema9_distance = close * st.past9[now] - 1.0
    st.row.ema21_distance = close * st.past21[now] - 1.0
    st.row.ema50_distance = close * st.past50[now] - 1.0
    st.row.ema9_slope = st.ema9 * st.past9[then] - 1.0
    st.row.ema21_slope = st.ema21 * st.past21[then] - 1.0
    st.row.ema50_slope = st.ema50 * st.past50[then] - 1.0
    st.ema12 += 2.0 / 13.0 * (close - st.ema12)
    st.ema26 += 2.0 / 27.0 * (close - st.ema26)
    line = st.ema12 - st.ema26
    st.signal = flushed(st.signal + 2.0 / 10.0 * (line - st.signal))
    st.row.macd_line = line * st.bar.per_close
    st.row.macd_signal = st.signal * st.bar.per_close
    st.row.macd_histogram = (line - st.signal) * st.bar.per_close


@part
def strengths(st: Trend52) -> None:
    """RSI of three lengths."""
    change = st.bar.close - st.bar.close_before
    rise, fall = max(change, 0.0), max(-change, 0.0)
    st.gain7 = flushed(st.gain7 + (rise - st.gain7) * (1.0 / 7.0))
    st.loss7 = flushed(st.loss7 + (fall - st.loss7) * (1.0 / 7.0))
    st.gain14 = flushed(st.gain14 + (rise - st.gain14) * (1.0 / 14.0))
    st.loss14 = flushed(st.loss14 + (fall - st.loss14) * (1.0 / 14.0))
    st.gain21 = flushed(st.gain21 + (rise - st.gain21) * (1.0 / 21.0))
    st.loss21 = flushed(st.loss21 + (fall - st.loss21) * (1.0 / 21.0))
    st.row.rsi7 = strength(st.gain7, st.loss7)
    st.row.rsi14 = strength(st.gain14, st.loss14)
    st.row.rsi21 = strength(st.gain21, st.loss21)


@part
def directions(st: Trend52) -> None:
    """ATR, +DI, −DI and ADX of 14 bars."""
    bar = st.bar
    reach = max(bar.high, bar.close_before) - min(bar.low, bar.close_before)
    up, down = bar.high - bar.high_before, bar.low_before - bar.low
    st.atr += (reach - st.atr) * (1.0 / 14.0)
    st.reach += reach - st.reach * (1.0 / 14.0)
    st.plus = flushed(st.plus * (13.0 / 14.0) + (up if up > down and up > 0.0 else 0.0))
    st.minus = flushed(st.minus * (13.0 / 14.0) + (down if down > up and down > 0.0 else 0.0))
    st.atr, st.reach = flushed(st.atr), flushed(st.reach)
    per = 100.0 / st.reach if st.reach > NOTHING else 0.0
    plus, minus = st.plus * per, st.minus * per
    st.adx = adx_step(st.adx, plus, minus)
    st.row.atr14_relative = st.atr * bar.per_close
    st.row.plus_di14, st.row.minus_di14, st.row.adx14 = plus, minus, st.adx


@part
def moves(st: Trend52) -> None:
    """Returns over time, the gap, and realised volatility."""
    one = grown(st.bar, 1)
    st.row.return_1, st.row.return_5 = one, grown(st.bar, 5)
    st.row.return_15, st.row.return_60 = grown(st.bar, 15), grown(st.bar, 60)
    st.row.roc10, st.row.roc30 = 100.0 * grown(st.bar, 10), 100.0 * grown(st.bar, 30)
    st.row.gap = math.nan if math.isnan(one) else st.bar.open / st.bar.close_before - 1.0
    move = math.log(st.bar.close / st.bar.close_before)
    short = math.sqrt(slide(st.squares_15, move * move) * (1.0 / 15.0))
    middle = math.sqrt(slide(st.squares_60, move * move) * (1.0 / 60.0))
    long = math.sqrt(slide(st.squares_240, move * move) * (1.0 / 240.0))
    st.row.volatility_15, st.row.volatility_60, st.row.volatility_240 = short, middle, long
    st.row.volatility_ratio = short / long if long > 0.0 else math.nan


@part
def spreads(st: Trend52) -> None:
    """Bollinger bands, and how far closes lie apart."""
    close = st.bar.close
    mean = slide_spread(st.close_20, close)
    width = 4.0 * math.sqrt(st.close_20.variance)
    st.row.bollinger_width = width / mean
    st.row.bollinger_b = (close - mean) / width + 0.5 if width > 0.0 else 0.5
    slide_spread(st.close_60, close)
    st.row.volatility_price_ratio = math.sqrt(st.close_60.variance) * st.bar.per_close


@part
def volumes(st: Trend52) -> None:
    """Volume beside its averages, on-balance volume, VWAP, and trade counts."""
    bar, volume = st.bar, st.bar.volume
    change = bar.close - bar.close_before
    recent = slide(st.volume_20, volume)
    signed = slide(st.signed_20, volume if change > 0.0 else -volume if change < 0.0 else 0.0)
    st.row.volume_ratio_20 = 20.0 * volume / recent if recent > 0.0 else 0.0
    st.row.obv_slope = signed / recent if recent > 0.0 else 0.0
    mean = slide_spread(st.volume_60, volume)
    st.row.volume_ratio_60 = volume / mean if mean > 0.0 else 0.0
    deviation = math.sqrt(st.volume_60.variance)
    st.row.volume_zscore = (volume - mean) / deviation if deviation > 0.0 else 0.0
    traded = slide(st.traded_60, (bar.high + bar.low + bar.close) * (1.0 / 3.0) * volume)
    st.row.vwap_deviation = 60.0 * mean * bar.close / traded - 1.0 if traded > 0.0 else math.nan
    st.row.transactions_ratio = math.nan
    if bar.trades >= 0.0:
        trades = slide(st.trades_20, bar.trades)
        st.trades_known += 1
        if st.trades_known >= st.trades_20.width:
            st.row.transactions_ratio = 20.0 * bar.trades / trades if trades > 0.0 else 0.0


@part
def candles(st: Trend52) -> None:
    """The shape of the bar."""
    bar, per = st.bar, st.bar.per_close
    st.row.candle_body = (bar.close - bar.open) * per
    st.row.upper_wick = (bar.high - max(bar.open, bar.close)) * per
    st.row.lower_wick = (min(bar.open, bar.close) - bar.low) * per
    st.row.candle_range = (bar.high - bar.low) * per


@part
def calendar(st: Trend52) -> None:
    """Hour and weekday of the close, on circles."""
    hour = st.bar.time // HOUR
    if hour != st.hour:
        angle, weekday = (hour % 24) * (math.pi / 12.0), ((hour // 24 + 3) % 7) * (math.pi / 3.5)
        st.hour, st.hour_sin, st.hour_cos = hour, math.sin(angle), math.cos(angle)
        st.weekday_sin, st.weekday_cos = math.sin(weekday), math.cos(weekday)
    st.row.hour_sin, st.row.hour_cos = st.hour_sin, st.hour_cos
    st.row.weekday_sin, st.row.weekday_cos = st.weekday_sin, st.weekday_cos


@part
def ranges(st: Trend52) -> None:
    """Distances to highs and lows, and the stochastic oscillator."""
    close, now = st.bar.close, st.bar.seen - 1
    push(st.highs, st.bar.high, now)
    push(st.lows, -st.bar.low, now)
    high, low = highest(st.highs, 0, now - 13), -highest(st.lows, 0, now - 13)
    fast = 100.0 * (close - low) / (high - low) if high > low else 0.0
    slow = (fast + st.fast_1 + st.fast_2) * (1.0 / 3.0)
    st.row.stochastic_k, st.row.stochastic_d = slow, (slow + st.slow_1 + st.slow_2) * (1.0 / 3.0)
    st.fast_1, st.fast_2, st.slow_1, st.slow_2 = fast, st.fast_1, slow, st.slow_1
    st.row.high_60_distance = close / highest(st.highs, 1, now - 59) - 1.0
    st.row.low_60_distance = close / -highest(st.lows, 1, now - 59) - 1.0
    high, low = highest(st.highs, 2, now - 239), -highest(st.lows, 2, now - 239)
    st.row.high_240_distance, st.row.low_240_distance = close / high - 1.0, close / low - 1.0
    levels(st, high, low)


@part
def levels(st: Trend52, highest_high: float, lowest_low: float) -> None:
    """Distances to support and resistance; without a level the extremes of 240 bars stand in."""
    close, now = st.bar.close, st.bar.seen - 1
    mark_swing(st.supports, st.bar.low, now)
    mark_swing(st.resistances, -st.bar.high, now)
    support = nearest(st.supports, close, 1.0 - TOLERANCE, now)
    resistance = -nearest(st.resistances, -close, 1.0 + TOLERANCE, now)
    st.row.support_distance = close / (lowest_low if math.isnan(support) else support) - 1.0
    st.row.resistance_distance = (highest_high if math.isnan(resistance) else resistance) * st.bar.per_close - 1.0
