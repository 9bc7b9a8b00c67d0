"""The set `core6`: six numbers that fit one line each, for a direction two hours ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

import numpy as np

from engine.core.jit import compiled, part
from engine.core.state import Floats, Ints
from engine.features.bar import FIRST, NO_BAR, Bar, admit, carry_type, grown, write
from engine.features.extremes import EXTREMES, Extremes, empty, push
from engine.features.sets import Entry, FeatureSet, fading
from engine.features.swings import LEVELS, SUPPORT_WARM_UP, Levels, forget, mark_swing, support_of
from engine.features.wilder import flushed, strength
from engine.features.windows import SPREAD, SUM, Spread, Sum, restart, restart_spread, slide, slide_spread

_FIVE_MINUTES, _HOUR = timedelta(minutes=5), timedelta(hours=1)
_BACK = "close ÷ close {} ago − 1; missing where that bar is missing"
_MOVED = "price [up|down] {{}} in {}"

ENTRIES = (
    Entry("return_5m", _BACK.format("5 minutes"), "fraction", 64, over=_FIVE_MINUTES, words=_MOVED.format("5 minutes")),
    Entry("return_1h", _BACK.format("an hour"), "fraction", 64, over=_HOUR, words=_MOVED.format("an hour")),
    Entry("rsi14", "RSI(14) of Wilder; 0 where nothing has moved", "0 to 100", fading(14), words="RSI(14) at {}"),
    Entry("sma20_distance", "close ÷ SMA(20) − 1", "fraction", 20, words="price {} [above|below] SMA(20)"),
    Entry(
        "volume_ratio",
        "volume ÷ mean volume of 20 bars; 0 where there was none",
        "ratio",
        20,
        words="volume {} times that of 20 bars",
    ),
    Entry(
        "support_distance",
        "close ÷ support − 1",
        "fraction",
        SUPPORT_WARM_UP,
        words="price {} [above|below] support",
    ),
)

CARRY = carry_type(
    tuple(entry.name for entry in ENTRIES),
    [
        ("bars_5m", np.int64),
        ("bars_1h", np.int64),
        ("gain", np.float64),
        ("loss", np.float64),
        ("closes", SPREAD),
        ("volumes", SUM),
        ("lows", EXTREMES),
        ("supports", LEVELS),
    ],
)


class Core6(Protocol):
    """The record. `lows` holds minus the lows; `bars_5m` and `bars_1h` are the returns' times in bars."""

    bar: Bar
    row: Any
    values: Floats
    bars_5m: int
    bars_1h: int
    gain: float
    loss: float
    closes: Spread
    volumes: Sum
    lows: Extremes
    supports: Levels


def prepare(carries: np.ndarray, interval: int) -> None:
    """Write the widths of the windows and the returns' times."""
    carries["closes"]["width"], carries["closes"]["share"] = 20, 1.0 / 20.0
    carries["volumes"]["width"] = 20
    carries["bars_5m"] = _FIVE_MINUTES // timedelta(microseconds=interval)
    carries["bars_1h"] = _HOUR // timedelta(microseconds=interval)


@part
def _begin(st: Core6) -> None:
    st.gain = st.loss = 0.0
    restart_spread(st.closes)
    restart(st.volumes)
    empty(st.lows)
    forget(st.supports)


@part
def _move(st: Core6) -> None:
    bar, now = st.bar, st.bar.seen - 1
    change = bar.close - bar.close_before
    st.gain = flushed(st.gain + (max(change, 0.0) - st.gain) * (1.0 / 14.0))
    st.loss = flushed(st.loss + (max(-change, 0.0) - st.loss) * (1.0 / 14.0))
    total = slide(st.volumes, bar.volume)
    push(st.lows, -bar.low, now)
    mark_swing(st.supports, bar.low, now)
    st.row.return_5m, st.row.return_1h = grown(bar, st.bars_5m), grown(bar, st.bars_1h)
    st.row.rsi14 = strength(st.gain, st.loss)
    st.row.sma20_distance = bar.close / slide_spread(st.closes, bar.close) - 1.0
    st.row.volume_ratio = 20.0 * bar.volume / total if total > 0.0 else 0.0
    st.row.support_distance = bar.close / support_of(st.supports, st.lows, bar.close, now) - 1.0


@compiled
def advance(
    time: Ints,
    o: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    trades: Floats,
    take: Ints,
    box: Sequence[Core6],
    step: int,
    out: Any,
) -> None:
    """Row i of `out` from bar i, on the record `box[i × step]`: many bars of one coin (0) or one of many coins (1)."""
    for i in range(out.shape[0]):
        st = box[i * step]
        kind = admit(st.bar, time[i], o[i], high[i], low[i], close[i], volume[i], trades[i])
        if kind == FIRST:
            _begin(st)
        if kind != NO_BAR:
            _move(st)
        write(st, take, kind, out, i)


core6 = FeatureSet("core6", ENTRIES, advance, CARRY, prepare)
