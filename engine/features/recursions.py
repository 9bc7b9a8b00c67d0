"""The recursions themselves. Seeds and formulas are TA-Lib's, so that any chart agrees."""

from __future__ import annotations

import math

import numpy as np

from engine.core.jit import compiled, part
from engine.features.registry import Column, feature

MOST_CHANGES = 1440  # that a volatility can look back on


@part
def _averaged(close: float, length: int, seen: float, total: float, value: float) -> tuple[float, float, float]:
    """One bar of an exponential average: bars seen, their sum, and the average once there are `length` of them."""
    if seen >= length:
        return seen, total, value + 2.0 / (length + 1.0) * (close - value)
    seen, total = seen + 1.0, total + close
    return seen, total, total / length if seen == length else math.nan


@compiled
def two_emas(close: Column, one: int, carry: Column, out: Column, two: int, other: Column, beside: Column) -> None:
    """`ema` of lengths `one` and `two` in one pass: neither waits for the other, so the second is nearly free."""
    n, a, x = carry[0], carry[1], carry[2]
    m, b, y = other[0], other[1], other[2]
    for i in range(close.size):
        n, a, x = _averaged(close[i], one, n, a, x)
        m, b, y = _averaged(close[i], two, m, b, y)
        out[i], beside[i] = x, y
    carry[0], carry[1], carry[2] = n, a, x
    other[0], other[1], other[2] = m, b, y


@feature(inputs=("close",), carry_size=3, warm_up=lambda length: length, two=two_emas)
@compiled
def ema(close: Column, length: int, carry: Column, out: Column) -> None:
    """Exponential moving average: the mean of the first `length` closes, then e += 2/(length+1)·(close − e)."""
    seen, total, value = carry[0], carry[1], carry[2]
    for i in range(close.size):
        seen, total, value = _averaged(close[i], length, seen, total, value)
        out[i] = value
    carry[0], carry[1], carry[2] = seen, total, value


@feature(inputs=("high", "low", "close"), carry_size=4, warm_up=lambda length: length + 1)
@compiled
def atr(high: Column, low: Column, close: Column, length: int, carry: Column, out: Column) -> None:
    """Average true range, Wilder: the mean of the first `length` true ranges, then (atr·(length−1) + tr) / length."""
    seen, before, total, value = carry[0], carry[1], carry[2], carry[3]
    for i in range(close.size):
        reach = max(high[i], before) - min(low[i], before)
        if seen > length:
            value = (value * (length - 1.0) + reach) / length
        else:
            total += reach if seen > 0.0 else 0.0
            seen += 1.0
            value = total / length if seen > length else np.nan
        out[i] = value
        before = close[i]
    carry[0], carry[1], carry[2], carry[3] = seen, before, total, value


@feature(inputs=("close",), carry_size=4, warm_up=lambda length: length + 1)
@compiled
def rsi(close: Column, length: int, carry: Column, out: Column) -> None:
    """Relative strength index, Wilder, 0 to 100; 0 where nothing has moved."""
    seen, before, gain, loss = carry[0], carry[1], carry[2], carry[3]
    for i in range(close.size):
        change = close[i] - before if seen > 0.0 else 0.0
        rise, fall = max(change, 0.0), max(-change, 0.0)
        if seen > length:
            gain = (gain * (length - 1.0) + rise) / length
            loss = (loss * (length - 1.0) + fall) / length
        else:
            gain += rise / length
            loss += fall / length
            seen += 1.0
        moved = gain + loss
        out[i] = np.nan if seen <= length else 100.0 * gain / moved if moved > 0.0 else 0.0
        before = close[i]
    carry[0], carry[1], carry[2], carry[3] = seen, before, gain, loss


@feature(inputs=("close", "volume"), carry_size=2, warm_up=lambda length: 1)
@compiled
def turnover(close: Column, volume: Column, length: int, carry: Column, out: Column) -> None:
    """Money traded per bar: the mean so far, from (`length` + 1) / 2 bars on the exponential average of that span."""
    seen, value = carry[0], carry[1]
    for i in range(close.size):
        seen = min(seen + 1.0, (length + 1.0) / 2.0)
        value += (close[i] * volume[i] - value) / seen
        out[i] = value
    carry[0], carry[1] = seen, value


@feature(inputs=("close",), carry_size=2 + MOST_CHANGES, warm_up=lambda length: length + 1)
@compiled
def volatility(close: Column, length: int, carry: Column, out: Column) -> None:
    """Standard deviation (population) of the last `length` one-bar changes, each a fraction of the close before it.

    The carry keeps the changes in a ring and sums them anew at each bar, so that no rounding adds up over years.
    """
    if length > MOST_CHANGES:
        raise ValueError("a volatility looks back at most 1440 bars; choose a shorter length")
    seen, before = int(carry[0]), carry[1]
    for i in range(close.size):
        if before > 0.0:
            carry[2 + seen % length] = close[i] / before - 1.0
            seen += 1
        before = close[i]
        out[i] = np.nan
        if seen >= length:
            mean = 0.0
            for j in range(2, 2 + length):
                mean += carry[j]
            mean /= length
            total = 0.0
            for j in range(2, 2 + length):
                total += (carry[j] - mean) * (carry[j] - mean)
            out[i] = math.sqrt(total / length)
    carry[0], carry[1] = seen, before
