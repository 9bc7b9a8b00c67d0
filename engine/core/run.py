"""The backtest: the live functions in one compiled loop, every intent granted at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import ascending, misplaced
from engine.core.build import callable_box, new_record
from engine.core.events import CODES
from engine.core.layout import STRATEGIES, TRADE, WISH, blank_wishes
from engine.core.loop import finish, run_rows
from engine.core.rules import Rules

__all__ = ["TRADE", "WISH", "Result", "blank_wishes", "run"]


@dataclass(frozen=True, slots=True)
class Result:
    """`trades`: TRADE rows by entry time, then symbol. `equity[i]` is as of the close at `equity_times[i]`.

    `cash` is what is left at the very end, after `close_at_end` and its costs. `refusals` counts by code.
    """

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

    `times`: int64 [T], open times in microseconds UTC, ascending. `bars`: float64 [T, 5, S]: open, high, low,
    close, volume of the symbols of `rules.instruments` in their order; NaN is a missing bar. Memory that is field by
    field (`bars.transpose(1, 0, 2)` is C-contiguous) is read as it is, any other is copied.
    `wishes`: WISH rows ascending by `row` (the bar at whose close they are made). `days`: int64 [T], the local day
    number of each close (None: UTC days). `equity_every`: rows between two points of the curve (0: about 2,000
    points). `close_at_end`: what is open at the end closes at its last close, reason end.
    `progress` gets the fraction done. Raises ValueError for arrays that do not fit the rules.
    """
    _check(rules, times, bars, wishes)
    array = new_record(rules, verbose=False)
    box, cells = callable_box(array), len(rules.strategies) * len(rules.instruments)
    edges = _edges(times, interval_us, days)
    stride = equity_every or max(1, len(times) // 2_000)
    fields = np.ascontiguousarray(bars.transpose(1, 0, 2)).reshape(5, -1)
    curve, place = np.zeros(len(times) // stride), np.zeros(5, np.int64)
    trades = np.zeros(4_096 + 2 * cells, TRADE)
    while place[0] < len(times):
        last = len(times) if progress is None else min(len(times), int(place[0]) + CHUNK)
        run_rows(box, times, fields, edges, wishes, trades, curve, place, last, interval_us, stride)
        if len(trades) - place[2] <= 4 * cells:
            trades = np.concatenate([trades, np.zeros(len(trades), TRADE)])
        elif place[0] < last:
            raise ValueError(f"row {place[0]}: a bar's low is 0 or less, or missing; leave such bars out (all NaN)")
        if progress is not None:
            progress(int(place[0]) / len(times))
    if close_at_end:
        finish(box, trades, place)
    refusals = {CODES[i]: int(n) for i, n in enumerate(array["refused"][0]) if n}
    ends = times[stride - 1 :: stride][: len(curve)] + interval_us
    return Result(_sorted(trades[: place[2]]), ends, curve, refusals, float(array["acct"]["cash"][0]))


CHUNK = 16_384
"""Rows between two calls of `progress`."""


def _sorted(trades: np.ndarray) -> np.ndarray:
    """By entry time, then symbol; a single coin's mostly are."""
    if (trades["entry_time"][1:] > trades["entry_time"][:-1]).all():
        return trades
    return trades[np.lexsort((trades["trade"], trades["symbol"], trades["entry_time"]))]


def _edges(times: np.ndarray, interval: int, days: np.ndarray | None) -> np.ndarray:
    """The rows whose close begins a day: of `days`, else of UTC, found by stepping from midnight to midnight."""
    if days is not None:
        return np.concatenate(([0], np.flatnonzero(days[1:] != days[:-1]) + 1))
    first, last = (int(times[end]) + interval for end in (0, -1)) if len(times) else (0, 0)
    midnights = np.arange(first // DAY + 1, last // DAY + 1) * DAY
    return np.unique(np.concatenate(([0], np.searchsorted(times, midnights - interval))))


DAY = 86_400_000_000


def _check(rules: Rules, times: np.ndarray, bars: np.ndarray, wishes: np.ndarray) -> None:
    """The compiled loop trusts its input, so what does not fit is refused here."""
    symbols = len(rules.instruments)
    if bars.shape != (len(times), 5, symbols) or bars.dtype != np.float64:
        raise ValueError(f"bars were {bars.dtype} of shape {bars.shape}; needed: float64 ({len(times)}, 5, {symbols})")
    if times.dtype != np.int64 or not ascending(np.ascontiguousarray(times)):
        raise ValueError("times must be int64 microseconds, strictly ascending")
    if wishes.dtype != WISH:
        raise ValueError(f"wishes must be WISH rows; they were {wishes.dtype}")
    strategies = min(len(rules.strategies), STRATEGIES)
    wrong = misplaced(np.ascontiguousarray(wishes), len(times), strategies, symbols)
    if wrong >= 0:
        row, strategy, symbol = (int(wishes[wrong][name]) for name in ("row", "strategy", "symbol"))
        raise ValueError(
            f"wish {wrong} is of row {row}, strategy {strategy}, symbol {symbol}; wishes ascend by row, and there are "
            f"{len(times)} rows, {strategies} strategies and {symbols} symbols, counted from 0"
        )
