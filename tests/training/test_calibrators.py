"""Calibration: rising maps that mean what they say, written as plain numbers and read back the same."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.forecasting.calibrators import EDGE, KINDS, Calibrator, calibrate


def two(up):
    return np.column_stack((1 - up, up))


def overconfident(seed, rows=4_000):
    """Raw probabilities that promise twice the edge that there is, and what came true."""
    draw = np.random.default_rng(seed)
    true = draw.uniform(0.35, 0.65, rows)
    return two(np.clip(0.5 + 2 * (true - 0.5), 0.01, 0.99)), (draw.random(rows) < true).astype(np.int64), true


@pytest.mark.parametrize("how", KINDS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_map_never_falls_and_its_rows_are_probabilities(how, seed):
    raw, label, _ = overconfident(seed, 300)
    made = calibrate(raw, label, np.arange(300) >= 150, how)
    out = made.apply(two(np.linspace(0, 1, 201)))
    assert (np.diff(out[:, 1]) >= 0).all()
    assert np.allclose(out.sum(axis=1), 1)
    assert out.min() >= EDGE / 2


@pytest.mark.parametrize("how", KINDS)
def test_a_boast_is_cut_to_what_came_true(how):
    raw, label, true = overconfident(3)
    made = calibrate(raw, label, np.arange(len(label)) >= 2_000, how)
    assert np.abs(made.apply(raw)[:, 1] - true).mean() < 0.03
    assert np.abs(raw[:, 1] - true).mean() > 0.07


@pytest.mark.parametrize("how", KINDS)
def test_what_json_held_is_the_same_map_bit_for_bit(how):
    raw, label, _ = overconfident(5)
    made = calibrate(raw, label, np.arange(len(label)) >= 2_000, how)
    read = Calibrator.from_json(json.loads(json.dumps(made.as_json())))
    assert read == made
    assert np.array_equal(read.apply(raw), made.apply(raw))


def test_what_is_no_calibration_is_refused():
    with pytest.raises(ValueError, match="isotonic, platt"):
        Calibrator.from_json({"kind": "magic", "knots": []})


def test_three_classes_have_a_map_each_and_add_up():
    draw = np.random.default_rng(1)
    raw = draw.dirichlet((2, 5, 2), 3_000)
    label = np.array([draw.choice(3, p=row) for row in raw])
    made = calibrate(raw, label, np.arange(3_000) >= 1_500)
    assert len(made.knots) == 3
    assert np.allclose(made.apply(raw).sum(axis=1), 1)


def test_the_better_kind_is_chosen_on_the_other_half():
    draw = np.random.default_rng(2)
    raw = draw.uniform(0.02, 0.98, 6_000)
    stairs = np.where(raw < 0.5, 0.3, 0.7)  # no slope on the log-odds gives a step
    label = (draw.random(6_000) < stairs).astype(np.int64)
    late = np.arange(6_000) >= 3_000
    assert calibrate(two(raw), label, late).kind == "isotonic"
    few = slice(0, 120)
    true = (draw.random(120) < raw[few]).astype(np.int64)
    assert calibrate(two(raw[few]), true, np.arange(120) >= 60).kind == "platt"


def test_labels_of_one_kind_calibrate_to_almost_certain_never_to_certain():
    made = calibrate(two(np.linspace(0.2, 0.8, 200)), np.ones(200, np.int64), np.arange(200) >= 100)
    out = made.apply(two(np.array([0.5])))
    assert 0.99 < out[0, 1] < 1
