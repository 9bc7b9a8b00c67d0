"""A judgement stands beside its baselines, on the same rows, and refuses what cannot be judged."""

import numpy as np
import pytest

from engine.forecasting.baselines import logistic, naive
from engine.forecasting.cases import Cases, JudgementError, guesses
from engine.forecasting.judgement import Training, judge
from tests.forecasting.made import blind, planted, random_walks, stubborn_forecasts


def three_classes(seed=1):
    """Flat most of the time, like ten minutes of a real market; the past is like the future."""
    rng = np.random.default_rng(seed)
    cases, _ = planted(seed, 0.5, days=50)
    label, past = (rng.choice(3, len(cases), p=[0.15, 0.7, 0.15]) for _ in range(2))
    return Cases(cases.time, cases.until, cases.coin, label, past, 3)


def test_the_naive_rules_guess_what_their_names_say():
    cases, _ = planted(1, 0.6)
    rules = naive(cases)
    constant = next(name for name in rules if name.startswith("always"))
    assert constant == ("always up" if cases.label.mean() > 0.5 else "always down")
    assert (rules["persistence"] == cases.past).all()
    assert (rules["reversal"] == 1 - cases.past).all()


def test_reversal_of_three_classes_turns_up_and_down_and_leaves_flat():
    cases = three_classes()
    rules = naive(cases)
    assert "always flat" in rules
    assert (rules["reversal"] == 2 - cases.past).all()


def test_a_row_without_a_past_gets_the_constant():
    cases, _ = planted(1, 0.6)
    unknown = Cases(cases.time, cases.until, cases.coin, cases.label, np.full(len(cases), -1), 2)
    rules = naive(unknown)
    assert (rules["reversal"] == next(iter(rules.values()))).all()


def test_a_lead_is_the_difference_of_the_two_accuracies_on_the_same_rows():
    cases, truth = planted(3, 0.65)
    found = judge(cases, truth, {"logistic": blind(cases)})
    assert [one.name.split()[0] for one in found.beside] == ["always", "persistence", "reversal", "logistic"]
    for one in found.beside:
        assert one.ahead.value == pytest.approx(found.accuracy.value - one.accuracy.value)
        assert one.ahead.interval.low > 0


def test_a_paired_interval_is_narrower_than_two_apart_where_both_are_right_together():
    cases, truth = planted(3, 0.65)
    nearly = truth.copy()
    nearly[::20] = nearly[::20, ::-1]
    found = judge(cases, truth, {"logistic": nearly}).against("logistic")
    apart = found.accuracy.interval.high - found.accuracy.interval.low
    assert found.ahead.interval.high - found.ahead.interval.low < apart / 2


@pytest.mark.parametrize("best", [0.55, 0.60, 0.70])
def test_true_probabilities_are_found_calibrated_and_as_right_as_can_be(best):
    cases, truth = planted(11, best, days=200)
    found = judge(cases, truth)
    assert found.accuracy.value == pytest.approx(best, abs=0.02)
    assert found.accuracy.interval.low <= best <= found.accuracy.interval.high
    assert found.by_luck < 0.001
    assert found.calibration_error < 0.02
    assert found.brier < 0.25
    assert found.top_tenth.value > best + 0.03
    assert found.monotonicity > 0.4


def test_the_order_of_the_rows_does_not_matter():
    cases, truth = planted(5, 0.6)
    mixed = np.random.default_rng(1).permutation(len(cases))
    one, two = judge(cases, truth), judge(cases.at(mixed), truth[mixed])
    assert one.accuracy == two.accuracy
    assert one.beside == two.beside
    assert one.calibration_error == pytest.approx(two.calibration_error)


def test_every_row_is_judged_in_its_fold():
    cases = random_walks(2)
    up = stubborn_forecasts(cases, 2)
    fold = np.digitize(cases.time, np.quantile(cases.time, [0.25, 0.5, 0.75]))
    found = judge(cases, up, fold=fold)
    assert len(found.folds) == 4
    assert sum(one.n for one in found.folds) == found.rows
    total = sum(one.n * one.accuracy for one in found.folds)
    assert total / found.rows == pytest.approx(found.accuracy.value)
    assert all(one.interval.low <= one.accuracy <= one.interval.high for one in found.folds)


def test_training_accuracy_is_only_ever_told_as_a_gap():
    cases, truth = planted(5, 0.6)
    assert judge(cases, truth).gap is None
    found = judge(cases, truth, training=Training(10_000, 0.9, (0.5, 0.5)))
    assert found.gap == pytest.approx(0.9 - found.accuracy.value)


def test_three_classes_are_judged_against_flat():
    cases = three_classes()
    found = judge(cases, np.tile([0.15, 0.7, 0.15], (len(cases), 1)), training=Training(1, 0.7, (0.15, 0.7, 0.15)))
    assert found.beside[0].name == "always flat"
    assert found.accuracy.value == found.base_rate
    assert 0.4 < found.by_luck < 0.6
    assert found.brier == pytest.approx(found.base_brier)
    assert found.macro_f1 < 0.34
    assert found.auc == 0.5
    assert found.direction_given_move.n == (cases.label != 1).sum()
    assert found.direction_given_move.interval.low < 0.5 < found.direction_given_move.interval.high


def test_logistic_sees_a_line_and_not_an_interaction():
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(6_000, 2))
    line = (rows[:, 0] + 0.3 * rng.normal(size=6_000) > 0).astype(np.int64)
    crossed = (rows[:, 0] * rows[:, 1] > 0).astype(np.int64)
    assert (guesses(logistic(rows[:4_000], line[:4_000], rows[4_000:])) == line[4_000:]).mean() > 0.85
    assert (guesses(logistic(rows[:4_000], crossed[:4_000], rows[4_000:])) == crossed[4_000:]).mean() < 0.55


def test_logistic_gives_a_class_it_never_saw_no_probability():
    rng = np.random.default_rng(6)
    found = logistic(rng.normal(size=(300, 2)), rng.integers(1, 3, 300), rng.normal(size=(10, 2)), classes=3)
    assert found.shape == (10, 3)
    assert (found[:, 0] == 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(10))


def test_logistic_bears_a_constant_feature():
    rng = np.random.default_rng(6)
    rows = np.column_stack([rng.normal(size=300), np.full(300, 7.0)])
    assert np.isfinite(logistic(rows, rng.integers(0, 2, 300), rows)).all()


def changed(cases, **columns):
    given = {name: getattr(cases, name) for name in ("time", "until", "coin", "label", "past", "classes")}
    return Cases(**{**given, **columns})


def test_what_cannot_be_judged_is_refused_with_the_reason():
    cases, truth = planted(5, 0.6)
    nothing = np.zeros(0, np.int64)
    refused = {
        "NO_ROWS": lambda: Cases(nothing, nothing, nothing, nothing, nothing),
        "LENGTHS": lambda: changed(cases, past=cases.past[1:]),
        "LIFE": lambda: changed(cases, until=cases.time),
        "LABELS": lambda: changed(cases, label=cases.label - 1),
        "CLASSES": lambda: changed(cases, classes=4),
        "SHAPE": lambda: judge(cases, truth[1:]),
        "NOT_A_NUMBER": lambda: judge(cases, np.where(np.arange(len(truth))[:, None] == 3, np.nan, truth)),
        "NO_PROBABILITY": lambda: judge(cases, truth * 2),
        "FEW_DAYS": lambda: judge(cases.at(cases.time < cases.time[0] + 3 * 86_400_000_000), truth[: 3 * 60]),
        "ONE_CLASS": lambda: logistic(np.zeros((5, 1)), np.ones(5, np.int64), np.zeros((2, 1))),
    }
    for code, attempt in refused.items():
        with pytest.raises(JudgementError) as caught:
            attempt()
        assert caught.value.code == code, caught.value


def test_a_missing_number_in_a_feature_is_refused():
    with pytest.raises(JudgementError, match="leave such rows out"):
        logistic(np.array([[1.0], [np.nan]]), np.array([0, 1]), np.zeros((1, 1)))
