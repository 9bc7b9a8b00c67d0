"""Crossovers of two exponential averages: in when the fast one rises above the slow one, out when it falls below."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.strategies.columns import Columns, Wishes, crossed_above, crossed_below
from engine.strategies.registry import strategy

Length = Annotated[int, Field(ge=1, le=5000)]


@strategy(lookback=2, features={"fast": ("ema", "fast"), "slow": ("ema", "slow")})
def ema(bars: Columns, fast: Length = 20, slow: Length = 50) -> Wishes:
    """Long on the bullish cross, out on the bearish one."""
    fast_name, slow_name = f"EMA{fast}", f"EMA{slow}"
    return Wishes(
        enter=crossed_above(bars["fast"], bars["slow"]),
        leave=crossed_below(bars["fast"], bars["slow"]),
        numbers={fast_name: bars["fast"], slow_name: bars["slow"]},
        because_enter=f"{fast_name} crossed above {slow_name}",
        because_leave=f"{fast_name} crossed below {slow_name}",
        because_idle=f"no cross of {fast_name} and {slow_name}",
    )
