"""Steps of Wilder's indicators, with TA-Lib's answers where nothing has moved."""

from __future__ import annotations

from engine.core.jit import part

NOTHING = 1e-14  # TA-Lib takes sums below this for no movement at all
_TINY = 1e-250  # averages of a dead-flat price shrink for ever; denormal numbers are a hundred times as slow


@part
def flushed(value: float) -> float:
    """`value`, or 0 where it is too small to be told from it."""
    return value if abs(value) > _TINY else 0.0


@part
def strength(gain: float, loss: float) -> float:
    """RSI of averaged gains and losses, 0 to 100; 0 where nothing has moved."""
    moved = gain + loss
    return 100.0 * gain / moved if moved > NOTHING else 0.0


@part
def adx_step(adx: float, plus: float, minus: float) -> float:
    """ADX(14) a bar later; it stands still where there is no direction."""
    total = plus + minus
    return adx + (100.0 * abs(plus - minus) / total - adx) * (1.0 / 14.0) if total > NOTHING else adx
