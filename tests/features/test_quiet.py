"""Quiet minutes that a source leaves out are put back as the live desk sees them, and nothing else is."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.quiet import with_quiet_bars
from engine.features.sets import find_set
from tests.features.made import flattened, market, without

STEP = 60_000_000
NAMES = ("time", "open", "high", "low", "close", "volume", "trades")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), first=st.integers(1, 500), length=st.integers(1, 90))
def test_what_a_source_left_out_comes_back_bit_by_bit(seed: int, first: int, length: int) -> None:
    whole = flattened(market(700, seed), first, first + length)
    gone = without(whole, np.arange(first, first + length))
    stretch = (int(whole.time[first]) - STEP, int(whole.time[first + length - 1]))
    back = with_quiet_bars(gone, [stretch])
    assert all(getattr(back, name).tobytes() == getattr(whole, name).tobytes() for name in NAMES)
    assert find_set("trend52").batch(back).tobytes() == find_set("trend52").batch(whole).tobytes()


def test_an_unknown_minute_stays_unknown_and_so_does_what_is_quiet_behind_it() -> None:
    bars = market(100, seed=1)
    holed = without(bars, np.arange(50, 60))
    assert with_quiet_bars(holed, []).time.tolist() == holed.time.tolist()
    late = with_quiet_bars(holed, [(int(bars.time[54]), int(bars.time[59]))])
    assert late.time.tolist() == holed.time.tolist()
    early = with_quiet_bars(holed, [(int(bars.time[49]), int(bars.time[53]))])
    assert set(early.time.tolist()) - set(holed.time.tolist()) == set(bars.time[50:54].tolist())
    assert (
        with_quiet_bars(bars, [(int(bars.time[0]) - 10 * STEP, int(bars.time[0]))]).time.tolist() == bars.time.tolist()
    )
