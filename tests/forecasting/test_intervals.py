"""Intervals hold what they promise, also where rows overlap and coins move together."""

import numpy as np
import pytest

from engine.forecasting.cases import JudgementError, guesses
from engine.forecasting.intervals import estimate, share
from engine.forecasting.overlap import blocks, uniqueness
from tests.forecasting.made import random_walks, stubborn_forecasts


def looked_at(seed, days=40):
    cases = random_walks(seed, days=days)
    hit = guesses(stubborn_forecasts(cases, seed + 1_000)) == cases.label
    unique = float(uniqueness(cases.time, cases.until, cases.coin).sum())
    return cases, hit, unique


def test_ninety_five_in_a_hundred_intervals_hold_the_truth_though_everything_overlaps():
    held = naive = 0
    for seed in range(100):
        cases, hit, unique = looked_at(seed)
        found = share(hit, blocks(cases.time, cases.until), unique)
        held += found.interval.low <= 0.5 <= found.interval.high
        naive += abs(hit.mean() - 0.5) < 1.96 * 0.5 / np.sqrt(len(hit))
    assert held >= 91
    assert naive < 70  # what taking every row for a case of its own would have promised


def test_overlapping_rows_are_worth_no_more_than_what_is_unique_in_them():
    cases, hit, unique = looked_at(5)
    found = share(hit, blocks(cases.time, cases.until), unique)
    assert 1 <= found.effective_n <= unique < len(cases) / 7


def test_independent_rows_are_worth_about_what_they_count():
    hit = np.random.default_rng(1).random(20_000) < 0.55
    found = share(hit, np.arange(20_000) // 100, 20_000)
    assert found.effective_n == pytest.approx(20_000, rel=0.25)
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * 0.4975 / np.sqrt(20_000), rel=0.15)


def test_the_same_rows_give_the_same_interval():
    hit = np.random.default_rng(1).random(1_000) < 0.5
    block = np.arange(1_000) // 50
    assert estimate(hit, block) == estimate(hit, block)


def test_a_share_of_all_still_has_an_interval():
    found = share(np.ones(200, bool), np.arange(200) // 10, 200)
    assert found.value == found.interval.high == 1.0
    assert found.interval.low < 0.99


def test_nine_days_are_too_few_to_judge():
    with pytest.raises(JudgementError, match="at least 10"):
        estimate(np.ones(90, bool), np.arange(90) // 10)
