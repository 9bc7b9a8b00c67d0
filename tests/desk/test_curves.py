"""Curves stay small, and say what the full ones say."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.curve import DAY, HOUR, drawdown, resampled
from engine.domain import EquityPoint
from engine.trader.curves import MINUTES_FOR, grown, thinned
from engine.trader.picture import Prefix

START = datetime(2026, 1, 1, tzinfo=UTC)


def walk(seed, days, every=timedelta(minutes=1)):
    """An equity curve with gaps."""
    chance = np.random.default_rng(seed)
    count = int(days * DAY / every)
    equity = 1000 * np.exp(np.cumsum(chance.normal(0, 0.002, count)))
    there = chance.random(count) < 0.9
    there[[0, -1]] = True
    return [EquityPoint(START + int(i) * every, float(equity[i])) for i in np.flatnonzero(there)]


def fed(points):
    kept = []
    for point in points:
        kept = grown(kept, point)
    return kept


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([13, 400]))
def test_a_thinned_curve_has_the_falls_ends_and_returns_of_the_full_one(seed, days):
    points = walk(seed, days, timedelta(minutes=5 if days < 20 else 120))
    kept = fed(points)
    assert len(kept) < len(points)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert drawdown(kept).depth == drawdown(points).depth
    assert {p.equity for p in (min(kept, key=value), max(kept, key=value))} == {
        p.equity for p in (min(points, key=value), max(points, key=value))
    }
    assert resampled(kept, DAY) == resampled(points, DAY)
    recent = points[-1].at - MINUTES_FOR + DAY
    assert [p for p in kept if p.at > recent] == [p for p in points if p.at > recent]


def test_hours_of_the_last_year_keep_their_last_value():
    points = walk(1, 12)
    assert resampled(fed(points), HOUR) == resampled(points, HOUR)


def test_thinning_day_by_day_is_thinning_once():
    points = walk(2, 400, timedelta(minutes=120))
    assert fed(points) == thinned(points, points[0].at, points[-1].at)


@pytest.mark.parametrize("shift", [timedelta(0), -HOUR / 60, HOUR / 60])
def test_a_day_is_thinned_whether_or_not_its_midnight_has_a_point(shift):
    points = [EquityPoint(START + shift + i * HOUR / 12, 1000.0 + i % 5) for i in range(12 * 24 * 12)]
    assert len([p for p in fed(points) if p.at < START + 3 * DAY]) <= 3 * 24 * 4 + 2


def test_years_of_minutes_stay_small():
    kept = fed(EquityPoint(START + i * HOUR / 2, 1000.0 + i % 7) for i in range(2 * 2 * 365 * 24))
    assert len(kept) < 9 * 48 + 366 * 24 * 2 + 366 * 5


def test_a_picture_drawn_before_a_thinning_stays_as_it_was():
    points = walk(3, 12, timedelta(minutes=5))
    kept = fed(points)
    picture, before = Prefix(kept), list(kept)
    later = grown(kept, EquityPoint(points[-1].at + 2 * DAY, 1.0))
    assert list(picture) == before
    assert len(later) < len(before)


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_a_curve_below_zero_is_thinned_too(equity):
    points = [EquityPoint(START + i * timedelta(minutes=5), equity) for i in range(4_000)]
    assert drawdown(fed(points)).depth == 0.0


def value(point):
    return point.equity
