"""The hit rate of a live model, from its first settled forecast on."""

import numpy as np

from engine.forecasting.hits import hit_rate
from tests.forecasting.made import DAY, HOUR, random_walks


def rate(cases, hit):
    return hit_rate(cases.time, cases.until, cases.coin, hit)


def test_no_forecast_no_rate():
    nothing = np.zeros(0, np.int64)
    assert hit_rate(nothing, nothing, nothing, np.zeros(0, bool)) is None


def test_a_single_forecast_proves_nothing():
    found = hit_rate(np.array([0]), np.array([2 * HOUR]), np.array([0]), np.array([True]))
    assert (found.value, found.effective_n) == (1.0, 1.0)
    assert found.interval.low < 0.25


def test_in_the_first_days_coins_that_move_together_count_once():
    cases = random_walks(1, days=4)
    found = rate(cases, cases.label == 1)
    instants = len(np.unique(cases.time))
    assert found.effective_n < instants / 7  # two hours are eight bars
    assert found.interval.high - found.interval.low > 0.2


def test_with_more_days_the_interval_narrows():
    cases = random_walks(1, days=40)
    up = cases.label == 1
    early = cases.time < cases.time.min() + 5 * DAY
    first, whole = rate(cases.at(early), up[early]), rate(cases, up)
    assert whole.interval.high - whole.interval.low < first.interval.high - first.interval.low
    assert whole.blocks >= 10 > first.blocks
