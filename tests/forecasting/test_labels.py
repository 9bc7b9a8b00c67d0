"""Labels: what they say, what they leave open, and how long they live."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.forecasting.labels import (
    DOWN,
    FALL,
    FLAT,
    MISSING,
    RISE,
    STOP,
    TARGET,
    TIME,
    UP,
    direction,
    three_classes,
    triple_barrier,
)
from engine.ports import BarColumns
from tests.features.made import MINUTE, START, market, rough, without

FIVE = timedelta(minutes=5)


def closes(*values: float, high: float = 0.0, low: float = 0.0) -> BarColumns:
    """Minute bars at these closes; every high and low is so far from it."""
    close = np.array(values)
    time = START + np.arange(len(values), dtype=np.int64) * 60_000_000
    return BarColumns("A/USD", MINUTE, time, close, close + high, close - low, close, np.ones(len(values)))


def test_direction_is_up_only_where_the_price_is_higher() -> None:
    labels = direction(closes(100, 101, 100, 100, 99), timedelta(minutes=2))
    assert labels.label.tolist() == [DOWN, DOWN, DOWN, MISSING, MISSING]
    assert direction(closes(100, 99, 101), timedelta(minutes=2)).label.tolist()[0] == UP
    assert labels.change[:3].tolist() == [0.0, 100 / 101 - 1, pytest.approx(-0.01)]
    assert (labels.until[:3] - labels.time[:3] == 120_000_000).all()
    assert labels.past.tolist() == [MISSING, MISSING, DOWN, DOWN, DOWN]


def test_exactly_on_the_band_is_flat() -> None:
    bars = closes(1000.0, 1002.0, 1000.0, 998.0, 1000.01, 997.99)
    band = 1002.0 / 1000.0 - 1.0
    assert three_classes(bars, MINUTE, band).label.tolist() == [FLAT, FLAT, FLAT, RISE, FALL, MISSING]


def test_the_standard_labels_are_two_hours_and_ten_minutes_of_a_fifth_of_a_per_cent() -> None:
    bars = market(400, seed=1)
    assert set((direction(bars).until - bars.time) // 60_000_000) == {120}
    labels = three_classes(bars)
    assert set((labels.until - bars.time) // 60_000_000) == {10}
    change = bars.close[10:] / bars.close[:-10] - 1
    assert (labels.label[:-10] == np.where(change > 0.002, RISE, np.where(change < -0.002, FALL, FLAT))).all()
    assert (labels.label[-10:] == MISSING).all()


@pytest.mark.parametrize("make", [direction, three_classes])
def test_a_label_across_an_unknown_minute_is_missing(make: object) -> None:
    bars = market(200, seed=2)
    labels = make(without(bars, np.array([100])), FIVE)
    assert np.flatnonzero(labels.label == MISSING).tolist() == [95, 96, 97, 98, 99, *range(194, 199)]
    assert np.flatnonzero(labels.past == MISSING).tolist() == [0, 1, 2, 3, 4, *range(100, 105)]


def test_stop_and_target_are_touched_by_wicks_and_time_ends_what_neither_did() -> None:
    bars = closes(100, 100, 100, 100, 100, 100, 100)
    bars.high[2], bars.low[4] = 102.0, 98.0
    labels = triple_barrier(bars, 0.02, 0.02, timedelta(minutes=2))
    assert labels.label.tolist() == [TARGET, TARGET, STOP, STOP, TIME, MISSING, MISSING]
    assert ((labels.until - labels.time) // 60_000_000).tolist() == [2, 1, 2, 1, 2, 0, 0]
    assert labels.change[:5].tolist() == [0.02, 0.02, -0.02, -0.02, 0.0]


def test_the_stop_comes_first_when_one_bar_touches_both() -> None:
    bars = closes(100, 100, 100, high=5.0, low=5.0)
    assert triple_barrier(bars, 0.02, 0.02, timedelta(minutes=2)).label.tolist() == [STOP, STOP, MISSING]


def test_a_touch_before_a_hole_counts_and_after_it_is_unknown() -> None:
    bars = closes(*[100.0] * 12)
    bars.high[3] = bars.high[9] = 103.0
    labels = triple_barrier(without_trades(bars, 6), 0.02, 0.02, FIVE)
    assert labels.label.tolist() == [TARGET] * 3 + [MISSING] * 3 + [TARGET] * 2 + [MISSING] * 3


def without_trades(bars: BarColumns, row: int) -> BarColumns:
    names = ("time", "open", "high", "low", "close", "volume")
    return replace(bars, **{name: np.delete(getattr(bars, name), row) for name in names})


def test_a_barrier_may_differ_from_bar_to_bar_and_be_unknown() -> None:
    bars = closes(100, 101, 102, 103, 104, high=0.1, low=0.1)
    distance = np.array([np.nan, 0.5, 0.005, 0.005, 0.005])
    assert triple_barrier(bars, distance, distance, MINUTE).label.tolist() == [MISSING, TIME, TARGET, TARGET, MISSING]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), stop=st.floats(0.0005, 0.01), target=st.floats(0.0005, 0.01))
def test_the_first_barrier_is_the_first_that_a_walk_through_the_bars_meets(
    seed: int, stop: float, target: float
) -> None:
    bars = rough(300, seed)
    labels = triple_barrier(bars, stop, target, timedelta(minutes=20))
    for i in range(len(bars.time)):
        assert (labels.label[i], labels.until[i]) == walked(bars, i, stop, target, 20), i


def walked(bars: BarColumns, i: int, stop: float, target: float, horizon: int) -> tuple[int, int]:
    minutes = {int(at): row for row, at in enumerate(bars.time)}
    for ahead in range(1, horizon + 1):
        at = int(bars.time[i]) + ahead * 60_000_000
        if at not in minutes:
            return MISSING, int(bars.time[i])
        row = minutes[at]
        if bars.low[row] <= bars.close[i] * (1 - stop):
            return STOP, at
        if bars.high[row] >= bars.close[i] * (1 + target):
            return TARGET, at
    return TIME, at


def test_labels_that_overlap_wholly_share_their_weight() -> None:
    labels = direction(market(1_000, seed=3), timedelta(minutes=10))
    unique = labels.uniqueness()
    assert len(unique) == 990
    np.testing.assert_allclose(unique[10:-10], 0.1)
    assert (direction(market(1_000, seed=3), MINUTE).uniqueness() == 1.0).all()


def test_a_horizon_is_a_time_and_not_a_count_of_rows() -> None:
    bars = market(200, seed=4, interval=FIVE)
    assert set((direction(bars).until - bars.time) // 60_000_000) == {120}
    with pytest.raises(ValueError, match="a horizon of 0:07:00 is no whole number of 0:05:00 bars"):
        direction(bars, timedelta(minutes=7))
    with pytest.raises(ValueError, match="overlap or are out of order"):
        direction(replace(bars, time=bars.time[::-1].copy()))


def test_a_history_shorter_than_the_horizon_has_no_labels() -> None:
    for labels in (direction(market(50, seed=5)), triple_barrier(market(50, seed=5), 0.5, 0.5)):
        assert (labels.label == MISSING).all()
        assert (labels.past == MISSING).all()
        assert not labels.known.any()
        assert np.isnan(labels.change).all()
