"""What every set keeps of a symbol: the bar being judged, how many came before, and the closes of the last hour.

A row of a set is written for every bar, but only a real bar moves the recursions on:
- a bar with a price that is not finite or not above 0, a high below its low, a volume that is not known, or a time
  that does not come after the last one's is no bar: its row is missing and nothing moves;
- bars count in windows and averages, the clock counts in returns: where the bar of exactly an hour ago is missing,
  the return over an hour is missing, and is known again a bar later;
- where the close has not moved for `STILL` bars the row is missing: ratios of fading averages (RSI, DI) would go on
  saying what was true long ago, and a label that says "not higher" would be far too easy to foretell;
- after a hole longer than `LONGEST_HOLE` intervals everything begins anew, as at the first bar.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from engine.core.jit import part
from engine.core.state import Floats, Ints

LONGEST_HOLE = 60
STILL = 60
PAST = 64  # closes kept by their place in time; a power of two

NO_BAR, NEXT, FIRST = 0, 1, 2

BAR = np.dtype(
    [(name, np.float64) for name in ("open", "high", "low", "close", "volume", "trades")]
    + [(name, np.float64) for name in ("high_before", "low_before", "close_before", "per_close")]
    + [(name, np.int64) for name in ("time", "slot", "seen", "moved", "interval", "warm_up")]
    + [("past_time", np.int64, (PAST,)), ("past_share", np.float64, (PAST,))]
)


class Bar(Protocol):
    """The bar at hand, the `seen`-th; `close_before` and so on are the bar before, `moved` the last whose close moved.

    `past_share[slot]` is 1 / close of the bar that closed at `past_time[slot]`.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: float
    high_before: float
    low_before: float
    close_before: float
    per_close: float
    time: int
    slot: int
    seen: int
    moved: int
    interval: int
    warm_up: int
    past_time: Ints
    past_share: Floats


class Carry(Protocol):
    """The record of a set: the bar, `values` as the table orders them, and what the set's recursions need besides.

    `row` is the same memory as `values`, each under its own name.
    """

    bar: Bar
    values: Floats
    row: Any


def carry_type(names: tuple[str, ...], rest: list[tuple[Any, ...]]) -> np.dtype:
    """The record of a set of features called `names`, with the fields `rest`."""
    row = np.dtype([(name, np.float64) for name in names])
    parts: list[tuple[str, Any]] = [("bar", BAR), ("row", row)]
    parts += [(field[0], np.dtype(field[1:]) if len(field) > 2 else np.dtype(field[1])) for field in rest]
    packed = np.dtype(parts)
    fields = dict(packed.fields or {})
    fields["values"] = (np.dtype((np.float64, (len(names),))), fields["row"][1])
    return np.dtype(
        {
            "names": list(fields),
            "formats": [field[0] for field in fields.values()],
            "offsets": [field[1] for field in fields.values()],
            "itemsize": packed.itemsize,
        }
    )


@part
def admit(bar: Bar, time: int, o: float, high: float, low: float, close: float, volume: float, trades: float) -> int:
    """Take a bar in: NO_BAR and nothing has changed, NEXT, or FIRST when everything begins (again)."""
    sound = o > 0.0 and low > 0.0 and close > 0.0 and low <= high < math.inf and 0.0 <= volume < math.inf
    if not sound or time <= bar.time or not (o < math.inf and close < math.inf):
        return NO_BAR
    follows = time - bar.time
    bar.slot = bar.slot + 1 if follows == bar.interval else time // bar.interval
    first = bar.seen == 0 or follows > LONGEST_HOLE * bar.interval
    bar.high_before, bar.low_before, bar.close_before = bar.high, bar.low, bar.close
    if first:
        bar.high_before, bar.low_before, bar.close_before = high, low, close
    bar.open, bar.high, bar.low, bar.close = o, high, low, close
    bar.volume, bar.trades, bar.time, bar.per_close = volume, trades, time, 1.0 / close
    bar.past_time[bar.slot & (PAST - 1)] = time
    bar.past_share[bar.slot & (PAST - 1)] = bar.per_close
    bar.seen = 1 if first else bar.seen + 1
    if first or close != bar.close_before:
        bar.moved = bar.seen
    return FIRST if first else NEXT


@part
def grown(bar: Bar, bars: int) -> float:
    """The close ÷ the close exactly `bars` intervals of time ago, − 1; NaN where that bar is missing."""
    slot = (bar.slot - bars) & (PAST - 1)
    if bar.past_time[slot] != bar.time - bars * bar.interval:
        return math.nan
    return bar.close * bar.past_share[slot] - 1.0


@part
def write(carry: Carry, take: Ints, kind: int, out: Any, i: int) -> None:
    """Row `i` of `out`: the values that `take` names; missing without a bar, before the warm-up, at a dead price."""
    columns, seen = out.shape[1], carry.bar.seen
    if kind == NO_BAR or seen < carry.bar.warm_up or seen - carry.bar.moved >= STILL:
        for j in range(columns):
            out[i, j] = math.nan
    else:
        for j in range(columns):
            out[i, j] = carry.values[take[j]]
