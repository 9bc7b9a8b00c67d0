"""Strategies on forecasts: what they wish, what keeps them from it, and that live says what the batch says."""

from dataclasses import fields
from datetime import timedelta

import numpy as np
import pytest

from engine.backtest.wishes import wishes_of
from engine.core.layout import ENTER
from engine.evaluation import MOVES, advance, evaluate, features_of, fresh_carries
from engine.features import find_feature
from engine.playbook import PlaybookError, load, parse
from engine.strategies import Columns
from engine.training.dataset import volatility_of
from tests.playbooks.made import MINUTE, drawn, wandering


def batch(playbook, series, forecast):
    return wishes_of(playbook, series, 0, None, forecast)


def one_by_one(playbook, series, forecast):
    """What the desk would ask at each closed bar, with nothing but that bar and what it carries."""
    carries = fresh_carries(features_of(playbook))
    for row in range(len(series)):
        bar = Columns(*(column[row : row + 1] for column in series.prices))
        features = advance(bar, carries)
        seen = {name: column[row : row + 1] for name, column in forecast.items()}
        yield evaluate(playbook, 0, bar, features, row, seen)


@pytest.mark.parametrize(("name", "classes", "every"), [("direction", 2, 1), ("trend", 3, 15)])
@pytest.mark.parametrize("threshold", [None, 0.72])
def test_every_wish_live_is_the_wish_of_the_batch(name, classes, every, threshold):
    playbook, series = load(name), wandering(bars=6_000)
    forecast = drawn(series, classes, every=every, threshold=threshold)
    expected = batch(playbook, series, forecast)
    live = list(one_by_one(playbook, series, forecast))
    rows = [row for row, one in enumerate(live) if one.enter[0] or one.leave[0]]
    assert rows == expected["row"].tolist()
    assert len(rows) > 20
    assert set(expected["action"]) == {ENTER}
    chosen = [live[row] for row in rows]
    for field, values in (
        ("confidence", [one.wishes.confidence[0] for one in chosen]),
        ("value", [one.value[0] for one in chosen]),
        ("side", [1 if one.side is None else one.side[0] for one in chosen]),
        ("stop_distance", [np.nan if one.stop_distance is None else one.stop_distance[0] for one in chosen]),
        ("target_distance", [np.nan if one.target_distance is None else one.target_distance[0] for one in chosen]),
    ):
        assert np.array(values, expected[field].dtype).tobytes() == expected[field].tobytes(), field


def test_batches_of_any_size_wish_the_same(monkeypatch):
    playbook, series = load("trend"), wandering()
    forecast = drawn(series, 3)
    whole = batch(playbook, series, forecast)
    monkeypatch.setattr("engine.backtest.wishes.CHUNK", 700)
    assert batch(playbook, series, forecast).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", ["direction", "trend"])
def test_without_a_forecast_nothing_is_wished(name):
    playbook, series = load(name), wandering()
    assert len(batch(playbook, series, None)) == 0
    nothing = {key: np.full(len(series), np.nan) for key in drawn(series)}
    assert len(batch(playbook, series, nothing)) == 0


def test_an_entry_needs_the_least_confidence_of_the_playbook_and_of_the_model():
    series = wandering()
    forecast = drawn(series)
    asked = batch(load("direction"), series, forecast)
    assert asked["confidence"].min() >= 0.6
    assert batch(load("direction", {"MIN_CONFIDENCE": "0.8"}), series, forecast)["confidence"].min() >= 0.8
    assert batch(load("direction"), series, drawn(series, threshold=0.9))["confidence"].min() >= 0.9
    assert batch(load("direction"), series, drawn(series, threshold=0.1)).tobytes() == asked.tobytes()


def changed(name, *changes):
    text = load(name).text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse(text)


@pytest.mark.parametrize("name", ["direction", "trend"])
def test_the_cost_filter_lets_through_what_is_worth_more_than_it_costs(name):
    series = wandering(size=5e-4)
    forecast = drawn(series, 2 if name == "direction" else 3, strength=3.0)
    free = changed(name, ("cost_filter: true", "cost_filter: false"))
    filtered, everything = batch(load(name), series, forecast), batch(free, series, forecast)
    playbook = load(name)
    costs = playbook.round_trip(playbook.strategies[0])
    kept = everything["value"] > costs
    assert 0 < kept.sum() < len(everything)
    assert np.array_equal(filtered["row"], everything["row"][kept])
    np.testing.assert_allclose(filtered["value"], everything["value"][kept] - costs, rtol=1e-9, atol=1e-15)


def test_what_a_forecast_is_worth_is_its_edge_times_the_volatility_of_the_horizon():
    series = wandering()
    forecast = drawn(series)
    wishes = batch(changed("direction", ("cost_filter: true", "cost_filter: false")), series, forecast)
    expected = forecast["edge"] * volatility_of(series.close, 120)
    np.testing.assert_allclose(wishes["value"], expected[wishes["row"]], rtol=1e-9)


def test_a_round_trip_costs_fee_and_slippage_twice():
    direction, trend = load("direction"), load("trend")
    assert direction.round_trip(direction.strategies[0]) == pytest.approx(2 * (0.004 + 0.001))
    assert trend.round_trip(trend.strategies[0]) == pytest.approx(2 * (0.0005 + 0.0003))


def test_shorts_are_wished_only_by_a_playbook_that_takes_them():
    series = wandering()
    forecast = drawn(series, 3)
    both = batch(load("trend"), series, forecast)
    long = batch(changed("trend", ("  - short\n", "")), series, forecast)
    assert set(both["side"]) == {1, -1}
    assert set(long["side"]) == {1}
    assert long.tobytes() == both[both["side"] == 1].tobytes()


def test_distances_by_volatility_are_those_of_the_hold():
    series = wandering()
    wishes = batch(load("trend"), series, drawn(series, 3))
    hold = volatility_of(series.close, 10)[wishes["row"]] * series.close[wishes["row"]]
    np.testing.assert_allclose(wishes["stop_distance"], hold, rtol=1e-9)
    np.testing.assert_allclose(wishes["target_distance"], 2 * hold, rtol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 60, 1440])
def test_volatility_is_the_standard_deviation_of_the_last_changes(length):
    close = wandering(bars=3_000).close
    feature, out = find_feature("volatility"), np.empty(3_000)
    feature.advance(close, length, feature.fresh(), out)
    change = np.diff(close) / close[:-1]
    expected = np.lib.stride_tricks.sliding_window_view(change, length).std(axis=1)
    assert np.isnan(out[:length]).all()
    np.testing.assert_allclose(out[length:], expected, rtol=1e-9, atol=1e-18)


def test_volatility_over_more_than_a_day_of_minutes_is_refused():
    feature = find_feature("volatility")
    with pytest.raises(ValueError, match="1440"):
        feature.advance(np.ones(5), 1441, feature.fresh(), np.empty(5))


def test_bars_of_another_length_are_priced_over_their_own_number():
    series = wandering(interval=60 * MINUTE, size=5e-3)
    free = changed("direction", ("cost_filter: true", "cost_filter: false"))
    forecast = drawn(series)
    wishes = batch(free, series, forecast)
    expected = forecast["edge"] * volatility_of(series.close, 2)
    np.testing.assert_allclose(wishes["value"], expected[wishes["row"]], rtol=1e-9)


def test_what_every_strategy_of_forecasts_needs_is_known_after_an_hour():
    assert MOVES in features_of(load("direction"))
    assert {field.name for field in fields(Columns)} >= {"close", "features"}


REFUSED = [
    ("direction", "model:\n  name", "modell:\n  name", "modell"),
    ("trend", "    max_hold: 10m\n", "    max_hold: null\n", "max_hold"),
    ("direction", "predict_every: 1m", "predict_every: 90s", "model.predict_every is no whole number of 1m bars"),
    ("direction", "interval: 1m", "interval: listed", "interval"),
    ("trend", "sides:\n  - long\n  - short", "sides:\n  - up", "long"),
]


@pytest.mark.parametrize(("name", "old", "new", "words"), REFUSED)
def test_what_cannot_work_is_refused_with_the_key(name, old, new, words):
    text = load(name).text
    assert old in text
    with pytest.raises(PlaybookError, match=words):
        parse(text.replace(old, new, 1))


def test_a_strategy_of_forecasts_needs_a_model_and_others_have_no_cost_filter():
    text = load("direction").text
    with pytest.raises(PlaybookError, match="describe the model under `model`"):
        parse(text[: text.index("model:\n")])
    ema = load("ema").text
    with pytest.raises(PlaybookError, match="makes no forecast"):
        parse(ema.replace("cost_filter: null", "cost_filter: true"))


def test_a_cost_filter_that_is_off_stays_off_when_the_text_is_read_again():
    off = changed("direction", ("cost_filter: true", "cost_filter: false"))
    assert off.strategies[0].cost_filter is False
    assert parse(off.text).strategies[0].cost_filter is False
    assert off.model.label.horizon == timedelta(hours=2)
