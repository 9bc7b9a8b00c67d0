"""The backtest: the live functions in one compiled loop, every intent granted at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.core.layout import TRADE, WISH, blank_wishes
from engine.core.rules import Rules

__all__ = ["TRADE", "WISH", "Result", "blank_wishes", "run"]


@dataclass(frozen=True, slots=True)
class Result:
    """`trades`: TRADE rows by entry time, then symbol. `equity[i]` is as of the close at `equity_times[i]`."""

    trades: np.ndarray
    equity_times: np.ndarray
    equity: np.ndarray
    refusals: dict[str, int]
    cash: float


def run(
    rules: Rules,
    times: np.ndarray,
    bars: np.ndarray,
    wishes: np.ndarray,
    *,
    interval_us: int,
    days: np.ndarray | None = None,
    equity_every: int = 0,
    close_at_end: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Result:
    """Trade `bars` under `rules`.

    `times`: int64 [T], open times in microseconds UTC, ascending. `bars`: float64 [T, 5, S] C-contiguous: open, high,
    low, close, volume of the symbols of `rules.instruments` in their order; NaN is a missing bar.
    `wishes`: WISH rows ascending by `row` (the bar at whose close they are made). `days`: int64 [T], the local day
    number of each close (None: UTC days). `equity_every`: rows between two points of the curve (0: about 2,000
    points). `close_at_end`: what is open at the end closes at its last close, reason end.
    `progress` gets the fraction done. Raises ValueError for arrays that do not fit the rules.
    """
    ...
