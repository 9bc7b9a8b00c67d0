"""Whether what a run is given fits: one pass each, without temporary arrays."""

from __future__ import annotations

from typing import Any

from engine.core.jit import compiled


@compiled
def ascending(times: Any) -> bool:
    """Is every time later than the one before?"""
    before, after, wrong = times[:-1], times[1:], 0
    for i in range(after.size):  # without a branch inside, which the compiler turns into vector instructions
        wrong += int(after[i] <= before[i])
    return wrong == 0


@compiled
def misplaced(wishes: Any, rows: int, strategies: int, symbols: int) -> int:
    """The first wish that is out of order or names what is not there; -1: none."""
    last = 0
    for i in range(wishes.size):
        row, strategy, symbol = wishes[i]["row"], wishes[i]["strategy"], wishes[i]["symbol"]
        if not (last <= row < rows and 0 <= strategy < strategies and 0 <= symbol < symbols):
            return i
        last = row
    return -1
