"""Published and recomputed test vectors of the statistics that judge a model."""

import itertools
import math

import numpy as np
import pytest

from engine.forecasting.intervals import cases_needed, chance_of, clopper_pearson, wilson_at
from engine.forecasting.trials import deflated_sharpe, expected_maximum, overfitting
from engine.inference import Shape, wilson

YEAR = 250
BEST = 2.5 / math.sqrt(YEAR)


@pytest.mark.parametrize(("trials", "expected"), [(10, 1.574598), (45, 2.235640), (100, 2.530603), (1000, 3.255122)])
def test_the_expected_maximum_of_many_trials(trials, expected):
    assert expected_maximum(trials) == pytest.approx(expected, abs=5e-7)


def test_a_single_trial_expects_nothing():
    assert expected_maximum(1, 0.5) == 0.0


@pytest.mark.parametrize(
    ("skew", "kurtosis", "trials", "expected"),
    [(-3, 10, 100, 0.900397), (-3, 10, 46, 0.950502), (0, 3, 88, 0.950491)],
)
def test_the_deflated_sharpe_ratio_is_the_published_one(skew, kurtosis, trials, expected):
    form = Shape(BEST, 1250, skew, kurtosis)
    assert deflated_sharpe(form, trials, 0.5 / YEAR) == pytest.approx(expected, abs=5e-7)


def test_the_threshold_of_the_published_example():
    assert expected_maximum(100, 0.5 / YEAR) == pytest.approx(0.113172, abs=5e-7)


def test_the_intervals_of_530_in_1000():
    around, exact = wilson_at(0.53, 1000), clopper_pearson(0.53, 1000)
    assert (around.low, around.high) == pytest.approx((0.49901, 0.56076), abs=5e-6)
    assert (exact.low, exact.high) == pytest.approx((0.49852, 0.56131), abs=5e-6)
    assert chance_of(0.53, 1000) == pytest.approx(0.03101, abs=5e-6)


def test_wilson_in_whole_cases_is_the_wilson_that_reports_use():
    here, there = wilson_at(0.37, 100), wilson(37, 100)
    assert (here.low, here.high) == pytest.approx((there.low, there.high))


@pytest.mark.parametrize(("accuracy", "cases"), [(0.51, 15455), (0.52, 3863), (0.55, 617), (0.58, 240)])
def test_the_cases_that_an_edge_needs_to_be_seen(accuracy, cases):
    assert cases_needed(accuracy) == cases


def test_exact_intervals_reach_the_ends():
    assert clopper_pearson(0.0, 20).low == 0.0
    assert clopper_pearson(1.0, 20).high == 1.0


def by_hand(returns, cuts):
    """PBO as the paper tells it, split by split."""
    blocks = np.array_split(returns, cuts)
    logits = []
    for chosen in itertools.combinations(range(cuts), cuts // 2):
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.concatenate([blocks[i] for i in range(cuts) if i not in chosen])
        best = int((inside.mean(axis=0) / inside.std(axis=0)).argmax())
        beyond = outside.mean(axis=0) / outside.std(axis=0)
        rank = (beyond < beyond[best]).sum() + 1
        w = rank / (returns.shape[1] + 1)
        logits.append(math.log(w / (1 - w)))
    return logits


def test_overfitting_counts_as_the_paper_does():
    returns = np.random.default_rng(3).normal(size=(160, 9))
    found = overfitting(returns, 8)
    assert found.splits == math.comb(8, 4)
    assert found.logits == pytest.approx(by_hand(returns, 8))
    assert found.probability == np.mean(np.array(by_hand(returns, 8)) <= 0)


def test_a_trial_that_is_truly_better_is_not_overfitting():
    returns = np.random.default_rng(1).normal(0, 0.01, size=(320, 20))
    returns[:, 7] += 0.005
    assert overfitting(returns).probability < 0.01


def test_trials_without_skill_are_overfitting_about_half_of_the_time():
    found = [overfitting(np.random.default_rng(seed).normal(size=(320, 20)), 10).probability for seed in range(20)]
    assert 0.35 < np.mean(found) < 0.75
