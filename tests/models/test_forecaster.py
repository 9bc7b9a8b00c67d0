"""The champion at work: one batch a minute, equal to the batch over history; and why a coin has no forecast."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xgboost

from engine.analyst import Analyst
from engine.analyst.forecaster import Lineup
from engine.domain import BarQuality, micros
from engine.features.core6 import core6
from engine.features.trend52 import trend52
from engine.forecasting.model import Model, row_hash
from engine.forecasting.registry import ModelFolder
from tests.models.forged import BEGIN, COINS, bars, minute_of, passport, playbook, saved, until

WARM = 600


@pytest.fixture
def folder(tmp_path):
    saved(tmp_path, "v1")
    saved(tmp_path, "v2")
    return ModelFolder(tmp_path)


def desk(model=None, challenger=None, coins=COINS, rules=None):
    """An analyst that is warm, and the market that goes on after that."""
    market = [bars(symbol) for symbol in coins]
    analyst = Analyst(rules or playbook(), coins)
    for one in market:
        analyst.warm(one.symbol, until(one, WARM))
    if model is not None or challenger is not None:
        analyst.forecaster.use(Lineup(model, (challenger,) if challenger else ()))
    return analyst, market


def step(analysis, gate, symbol=COINS[0]):
    return next(one for one in analysis.steps[symbol] if one.gate == gate)


def test_live_forecasts_are_those_of_the_batch_over_all_history(folder):
    model = folder.load("direction", "v1")
    analyst, market = desk(model)
    for row in range(WARM, WARM + 30):
        told = analyst.on(minute_of(market, row)).forecasts
        rows = np.array([core6.batch(one)[row] for one in market])
        expected = model.predict(rows)
        assert np.array([one.probabilities for one in told]) == pytest.approx(expected, abs=1e-9)
        assert [one.edge for one in told] == pytest.approx(model.edge(expected).tolist(), abs=1e-9)
        assert [one.symbol for one in told] == list(COINS)
        assert all(one.until - one.at == timedelta(minutes=10) for one in told)
        assert [one.price for one in told] == [one.close[row] for one in market]


def test_a_forecast_can_be_found_again_by_the_hash_of_its_features(folder):
    analyst, market = desk(folder.load("direction", "v1"))
    told = analyst.on(minute_of(market, WARM)).forecasts[0]
    row = analyst.feature_rows.values[0]
    assert told.features_hash == row_hash(core6.names, row)


@pytest.mark.parametrize("quality", [BarQuality.HEALED, BarQuality.DOUBTFUL])
def test_a_bar_that_is_not_fresh_is_not_predicted_on_and_the_chain_says_why(folder, quality):
    analyst, market = desk(folder.load("direction", "v1"))
    analysis = analyst.on(minute_of(market, WARM, BTC=quality))
    assert [one.symbol for one in analysis.forecasts] == ["ETH/USD", "SOL/USD"]
    assert step(analysis, "model").passed is False
    assert str(quality) in step(analysis, "model").sentence


def test_a_coin_without_a_bar_or_without_all_its_features_is_not_predicted_on(folder):
    analyst, market = desk(folder.load("direction", "v1"))
    whole = minute_of(market[1:], WARM)
    analysis = analyst.on(replace(whole, missing=("BTC/USD",)))
    assert "BTC/USD" not in [one.symbol for one in analysis.forecasts]
    later = [analyst.on(minute_of(market, row)) for row in range(WARM + 1, WARM + 6)]
    after_the_gap = later[-1]  # five minutes ago there was no bar of BTC
    assert [one.symbol for one in after_the_gap.forecasts] == ["ETH/USD", "SOL/USD"]
    assert "not known yet" in step(after_the_gap, "model").sentence


def test_without_a_promoted_model_nothing_is_wished_and_the_chain_offers_to_train():
    analyst, market = desk()
    analysis = analyst.on(minute_of(market, WARM))
    assert analysis.forecasts == ()
    assert analysis.signals == ()
    assert "/desk train" in step(analysis, "model").sentence


def test_an_expired_champion_says_nothing_and_why(folder):
    model = folder.load("direction", "v1")
    model.passport = replace(model.passport, expires=BEGIN)
    analyst, market = desk(model)
    analysis = analyst.on(minute_of(market, WARM))
    assert analysis.forecasts == ()
    assert "expired" in step(analysis, "model").sentence


def test_a_challenger_forecasts_in_the_shadow_and_nothing_is_traded_on_it(folder):
    alone, market = desk(None, folder.load("direction", "v2"))
    analysis = alone.on(minute_of(market, WARM))
    assert {one.version for one in analysis.forecasts} == {"v2"}
    assert all(one.shadow for one in analysis.forecasts)
    assert analysis.signals == ()
    both, market = desk(folder.load("direction", "v1"), folder.load("direction", "v2"))
    told = both.on(minute_of(market, WARM)).forecasts
    assert [(one.version, one.shadow) for one in told] == [("v1", False)] * 3 + [("v2", True)] * 3


def test_forecasts_come_when_they_are_due_and_a_bar_between_wishes_nothing(folder):
    rules = playbook(**{"predict_every: 1 min": "predict_every: 15 min"})
    analyst, market = desk(folder.load("direction", "v1"), rules=rules)
    due = [row for row in range(WARM, WARM + 45) if analyst.on(minute_of(market, row)).forecasts]
    assert len(due) == 3
    assert all(int(market[0].time[row]) % 900_000_000 == 0 for row in due)
    analysis = analyst.on(minute_of(market, WARM + 45))
    assert analysis.signals == ()
    assert "every 15 minutes" in step(analysis, "model").sentence


def test_what_leads_to_a_wish_brings_its_reasons_and_its_row_and_they_sum_to_the_margin(folder):
    model = folder.load("direction", "v1")
    analyst, market = desk(model)
    wished = []
    for row in range(WARM, WARM + 60):
        analysis = analyst.on(minute_of(market, row))
        entered = {signal.symbol: signal for signal in analysis.signals if signal.action == "enter"}
        for one in analysis.forecasts:
            assert bool(one.reasons) == bool(one.row) == (one.symbol in entered)
        wished += [(entered[one.symbol], one) for one in analysis.forecasts if one.symbol in entered]
    assert wished
    for signal, one in wished:
        assert one.reasons[0][0] in signal.reason
        assert signal.numbers["p_up"] == pytest.approx(one.up)
        row = np.array([[value for _, value in one.row]], np.float32)
        contributions = model.contributions(row)[0]
        margin = model.booster.predict(xgboost.DMatrix(row), output_margin=True)[0]
        assert contributions.sum() == pytest.approx(margin, abs=1e-4)
        assert abs(one.reasons[0][1]) == pytest.approx(np.abs(contributions[:-1]).max())


def test_why_can_be_asked_of_any_coin_at_any_time(folder):
    analyst, market = desk(folder.load("direction", "v1"))
    assert analyst.forecaster.explain("BTC/USD") is None
    analyst.on(minute_of(market, WARM))
    told = analyst.forecaster.explain("BTC/USD")
    assert {part.feature for part in told.parts} == set(core6.names)
    assert analyst.forecaster.explain("DOGE/USD") is None


class Broken:
    """A booster that fails when it is asked."""

    def set_param(self, _settings):
        pass

    def inplace_predict(self, _rows):
        raise ValueError("the trees are damaged")


def test_a_model_that_breaks_is_taken_out_and_everything_else_goes_on(folder):
    whole = folder.load("direction", "v2")
    broken = Model(folder.load("direction", "v1").passport, Broken())
    analyst, market = desk(broken, whole)
    first = analyst.on(minute_of(market, WARM))
    assert {one.version for one in first.forecasts} == {"v2"}
    second = analyst.on(minute_of(market, WARM + 1))
    assert "broke" in step(second, "model").sentence


def test_another_champion_takes_over_between_two_minutes(folder):
    analyst, market = desk(folder.load("direction", "v1"))
    assert {one.version for one in analyst.on(minute_of(market, WARM)).forecasts} == {"v1"}
    analyst.forecaster.use(Lineup(folder.load("direction", "v2")))
    assert {one.version for one in analyst.on(minute_of(market, WARM + 1)).forecasts} == {"v2"}


def test_drift_is_far_in_another_world_and_near_in_the_one_of_training(folder):
    analyst, market = desk(folder.load("direction", "v1"), coins=[f"C{n}/USD" for n in range(90)])
    for row in range(WARM, WARM + 30):
        analyst.on(minute_of(market, row))
    near = dict(analyst.forecaster.drift())
    model = analyst.forecaster.lineup.champion
    moved = [replace(one, edges=tuple(edge + 50 for edge in one.edges)) for one in model.passport.reference]
    model.passport = replace(model.passport, reference=tuple(moved))
    far = dict(analyst.forecaster.drift())
    assert near["rsi14"] < 0.25 < far["rsi14"]


def test_a_model_of_another_feature_set_or_label_is_refused_with_the_reason(folder):
    analyst, _ = desk()
    model = folder.load("direction", "v1")
    assert analyst.forecaster.why_not(model) is None
    model.passport = replace(model.passport, features=core6.names[:5], feature_set="core5")
    assert "core5 (5 features)" in analyst.forecaster.why_not(model)
    model.passport = replace(model.passport, features=core6.names, horizon=timedelta(hours=2))
    assert "another label" in analyst.forecaster.why_not(model)


def test_warm_minutes_of_the_desk_are_enough_for_the_features():
    analyst, market = desk()
    assert analyst.warm_minutes >= core6.warm_up
    assert micros(BEGIN) < int(market[0].time[0])


def test_a_model_that_learnt_without_trade_counts_forecasts_where_they_are_known(tmp_path):
    """Its columns are read out of the whole row: the same forecast, whether the feed counts or not."""
    names = tuple(name for name in trend52.names if name != "transactions_ratio")
    rows = np.random.default_rng(1).normal(size=(400, 51)).astype(np.float32)
    trees = xgboost.train({"nthread": 1, "seed": 1}, xgboost.DMatrix(rows, rows[:, 3] > 0), num_boost_round=4)
    card = passport("v9", feature_set="trend51", features=names, reference=(), importances=())
    ModelFolder(tmp_path).save(card, trees)
    model = ModelFolder(tmp_path).load("direction", "v9")
    counting = [replace(bars(symbol, 900), trades=np.full(900, 7.0)) for symbol in COINS]
    told = []
    for market in (counting, [bars(symbol, 900) for symbol in COINS]):
        analyst = Analyst(playbook(**{"features: core6": "features: trend52"}), COINS)
        for one in market:
            analyst.warm(one.symbol, until(one, 880))
        assert analyst.forecaster.why_not(model) is None
        analyst.forecaster.use(Lineup(model))
        told.append(analyst.on(minute_of(market, 880)).forecasts)
    assert len(told[0]) == 3
    assert told[0] == told[1]
