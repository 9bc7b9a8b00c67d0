"""The set `trend52`: `table.py` says what each number means, `record.py` what is kept, `steps.py` how it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.core.jit import compiled, part
from engine.core.state import Floats, Ints
from engine.features.bar import FIRST, NO_BAR, admit, write
from engine.features.extremes import empty
from engine.features.sets import FeatureSet
from engine.features.swings import forget
from engine.features.trend52 import steps
from engine.features.trend52.record import CARRY, SLOPES, Trend52, prepare
from engine.features.trend52.table import ENTRIES
from engine.features.windows import restart, restart_spread


@part
def _begin_averages(st: Trend52) -> None:
    close = st.bar.close
    st.ema9 = st.ema21 = st.ema50 = st.ema12 = st.ema26 = close
    st.signal = st.gain7 = st.gain14 = st.gain21 = st.loss7 = st.loss14 = st.loss21 = 0.0
    st.atr = st.plus = st.minus = st.reach = st.adx = 0.0
    st.fast_1 = st.fast_2 = st.slow_1 = st.slow_2 = 0.0
    for i in range(SLOPES):
        st.past9[i] = st.past21[i] = st.past50[i] = 1.0 / close


@part
def _begin(st: Trend52) -> None:
    """As if no bar had come before this one."""
    _begin_averages(st)
    st.hour, st.trades_known = -1, 0
    restart(st.squares_15)
    restart(st.squares_60)
    restart(st.squares_240)
    restart(st.volume_20)
    restart(st.signed_20)
    restart(st.traded_60)
    restart(st.trades_20)
    restart_spread(st.close_20)
    restart_spread(st.close_60)
    restart_spread(st.volume_60)
    empty(st.highs)
    empty(st.lows)
    forget(st.supports)
    forget(st.resistances)


@part
def _move(st: Trend52) -> None:
    steps.averages(st)
    steps.strengths(st)
    steps.directions(st)
    steps.moves(st)
    steps.spreads(st)
    steps.volumes(st)
    steps.candles(st)
    steps.calendar(st)
    steps.ranges(st)


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
    box: Sequence[Trend52],
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


trend52 = FeatureSet("trend52", ENTRIES, advance, CARRY, prepare)
