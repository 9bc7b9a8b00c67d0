"""Lots and ticks. A step of 0 means no rounding; decimal steps behave as exact decimals do."""

from __future__ import annotations

import math

from engine.core.jit import compiled


@compiled
def on_grid(count: float, step: float) -> float:
    """`count` steps, as the double nearest to the decimal value (3 * 0.1 is 0.3)."""
    inverse = round(1.0 / step)
    if inverse > 0 and abs(inverse * step - 1.0) < 1e-9:
        return count / inverse
    return count * step


@compiled
def floor_step(value: float, step: float) -> float:
    """The largest multiple of `step` that is not above `value`."""
    if step <= 0.0 or not math.isfinite(value):
        return value
    count = math.floor(value / step) + 1.0
    while on_grid(count, step) > value:
        count -= 1.0
    return on_grid(count, step)


@compiled
def ceil_step(value: float, step: float) -> float:
    """The smallest multiple of `step` that is not below `value`."""
    if step <= 0.0 or not math.isfinite(value):
        return value
    count = math.ceil(value / step) - 1.0
    while on_grid(count, step) < value:
        count += 1.0
    return on_grid(count, step)
