"""The figures of a judgement, against scikit-learn where it has them, and by hand where it has not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from engine.forecasting import scores
from engine.forecasting.calibration import by_confidence, calibration_error, monotonicity, reliability, top_tenth
from engine.forecasting.cases import guesses
from engine.forecasting.drift import ACT, WATCH, psi, reference


def forecasts(seed, classes, rows=400, digits=None):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(classes), rows)
    if digits is not None:
        first = probability[:, :-1].round(digits)
        probability = np.column_stack([first, 1 - first.sum(axis=1)])
    label = np.array([rng.choice(classes, p=np.maximum(row, 0) / np.maximum(row, 0).sum()) for row in probability])
    return probability, label


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(classes, seed):
    probability, label = forecasts(seed, classes)
    guess, every = guesses(probability), list(range(classes))
    assert scores.log_loss(probability, label) == pytest.approx(metrics.log_loss(label, probability, labels=every))
    assert scores.macro_f1(guess, label, classes) == pytest.approx(metrics.f1_score(label, guess, average="macro"))
    if classes == 2:
        assert scores.brier(probability, label) == pytest.approx(metrics.brier_score_loss(label, probability[:, 1]))
        assert scores.class_auc(probability, label) == pytest.approx(metrics.roc_auc_score(label, probability[:, 1]))
    else:
        target = np.eye(3)[label]
        assert scores.brier(probability, label) == pytest.approx(((probability - target) ** 2).sum(axis=1).mean())
        assert scores.class_auc(probability, label) == pytest.approx(
            metrics.roc_auc_score(label != 1, 1 - probability[:, 1])
        )


def test_ties_count_half_in_the_area():
    probability, label = forecasts(3, 2, digits=1)
    assert scores.class_auc(probability, label) == pytest.approx(metrics.roc_auc_score(label, probability[:, 1]))


def test_one_class_has_no_area():
    assert scores.auc(np.arange(4.0), np.ones(4, bool)) is None


def test_a_coin_has_brier_a_quarter_and_log_loss_ln_two():
    coin, label = np.full((10, 2), 0.5), np.arange(10) % 2
    assert scores.brier(coin, label) == 0.25
    assert scores.log_loss(coin, label) == pytest.approx(math.log(2))


def test_always_giving_the_true_shares_scores_their_variance():
    label = np.array([0] * 3 + [1] * 7)
    assert scores.constant_brier(scores.shares_of(label, 2), label) == pytest.approx(0.21)


def test_direction_is_judged_among_rows_that_moved_only():
    probability = np.array([[0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.0, 0.4, 0.6]])
    assert scores.right_direction(probability, np.array([0, 2, 1, 2]))[[0, 1, 3]].tolist() == [True, False, True]


def test_of_two_equal_classes_the_higher_is_guessed():
    assert guesses(np.array([[0.5, 0.5], [0.6, 0.4]])).tolist() == [1, 0]


def test_a_row_of_the_calibration_table_says_how_often_it_came_true():
    confidence = np.array([0.52, 0.53, 0.62, 0.64])
    bins = reliability(confidence, np.array([True, False, True, True]))
    assert [(one.low, one.high, one.n, one.accuracy) for one in bins] == [
        (pytest.approx(0.5), pytest.approx(0.55), 2, 0.5),
        (pytest.approx(0.6), pytest.approx(0.65), 2, 1.0),
    ]
    assert calibration_error(bins) == pytest.approx(0.5 * 0.025 + 0.5 * 0.37)


@given(st.integers(0, 500), st.integers(1, 300))
@settings(max_examples=40)
def test_every_forecast_is_in_one_bin_that_it_fits(seed, rows):
    rng = np.random.default_rng(seed)
    confidence, hit = 0.5 + rng.random(rows) / 2, rng.random(rows) < 0.6
    for bins in (reliability(confidence, hit), by_confidence(confidence, hit)):
        assert sum(one.n for one in bins) == rows
        assert sum(one.n * one.accuracy for one in bins) == pytest.approx(hit.sum())
        assert all(one.low - 1e-9 <= one.confidence <= one.high + 1e-9 for one in bins)
        assert all(one.interval.low <= one.accuracy <= one.interval.high for one in bins)


def test_honest_probabilities_have_next_to_no_calibration_error_and_bragging_ones_have():
    rng = np.random.default_rng(2)
    up = 0.5 + 0.3 * rng.random(50_000)
    came = rng.random(50_000) < up
    assert calibration_error(reliability(up, came)) < 0.01
    assert calibration_error(reliability(np.minimum(up + 0.1, 0.99), came)) > 0.08


def test_confidence_that_means_something_is_monotone_and_confidence_upside_down_is_not():
    rng = np.random.default_rng(2)
    up = 0.5 + 0.4 * rng.random(40_000)
    came = rng.random(40_000) < up
    assert monotonicity(by_confidence(up, came)) > 0.95
    assert monotonicity(by_confidence(1.4 - up, came)) < -0.95
    assert monotonicity(by_confidence(up, np.ones(40_000, bool))) is None


def test_the_top_tenth_holds_the_most_confident():
    confidence = np.random.default_rng(1).random(1_000)
    rows = top_tenth(confidence)
    assert len(rows) == 100
    assert confidence[rows].min() >= np.sort(confidence)[-100]


def test_the_stability_index_by_hand():
    expected = reference(np.concatenate([np.zeros(50), np.ones(50)]))
    now = np.concatenate([np.zeros(30), np.ones(70)])
    assert expected.shares == (0.5, 0.5)
    assert psi(expected, now) == pytest.approx((0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5))


def test_drift_is_seen_where_there_is_some_and_not_where_there_is_none():
    rng = np.random.default_rng(4)
    trained = reference(rng.normal(size=20_000))
    assert psi(trained, rng.normal(size=5_000)) < 0.02
    assert WATCH < psi(trained, rng.normal(0.4, 1, 5_000)) < ACT
    assert psi(trained, rng.normal(1.0, 1, 5_000)) > ACT
    assert psi(trained, np.full(10, np.nan)) == 0.0


def test_a_feature_that_never_changed_drifts_when_it_does():
    trained = reference(np.zeros(500))
    assert psi(trained, np.zeros(100)) == pytest.approx(0.0, abs=1e-12)
    assert psi(trained, np.ones(100)) > ACT
    assert psi(trained, -np.ones(100)) > ACT
