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
from engine.features.panel import FeatureRows
from engine.features.trend52 import trend52
from engine.forecasting.calibrators import Calibrator
from engine.forecasting.drift import drift_of, reference, with_days
from engine.forecasting.model import Model, row_hash
from engine.forecasting.registry import ModelFolder
from engine.playbook import load
from tests.models.forged import BEGIN, COINS, bars, booster, minute_of, passport, playbook, saved, until

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
        assert row_words(one.row, one.reasons[0][0]) in signal.reason
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


def row_words(row, name):
    """How a person reads the feature of this name in a row."""
    entry = next(entry for entry in core6.entries if entry.name == name)
    return entry.told(dict(row)[name])


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


def drifting(forecaster, rows, hours, coins=COINS, since=0):
    """What a forecaster sees from one hour to another, four times an hour: these rows, for each coin in turn."""
    minute = minute_of([bars(symbol, 2) for symbol in coins], 0)
    for number in range(4 * since, 4 * hours):
        at = BEGIN + number * timedelta(minutes=15)
        part = rows[np.arange(len(coins)) + number * len(coins) % (len(rows) - len(coins))]
        seen = FeatureRows(micros(at), tuple(coins), forecaster.features.names, part, np.ones(len(coins), bool))
        forecaster.tell(replace(minute, at=at), seen)


def test_drift_is_far_in_another_world_and_near_in_the_one_of_training(folder):
    model, rows = folder.load("direction", "v1"), booster()[1]
    draw = np.random.default_rng(3).permutation(len(rows))
    near, far = (Analyst(playbook(), COINS).forecaster for _ in range(2))
    for one, seen in ((near, rows[draw]), (far, rows[draw] + 50)):
        one.use(Lineup(model))
        drifting(one, seen, 72)
    assert all(one.psi < one.watch for one in near.drift())
    assert far.drift()[0].psi > far.drift()[0].act


def test_drift_is_told_after_a_whole_day_and_enough_rows_however_few_the_coins(folder):
    model, rows = folder.load("direction", "v1"), booster()[1]
    few, many = (Analyst(playbook(), COINS).forecaster for _ in range(2))
    coins = COINS[:2]
    for one in (few, many):
        one.use(Lineup(model))
    drifting(few, rows, 48, coins)  # 384 rows
    assert few.drift() is None
    drifting(few, rows, 72, coins, since=48)
    assert few.drift() is not None
    drifting(many, rows, 20)
    assert many.drift() is None, "each hour of the day has its say"


def test_a_new_champion_is_measured_on_what_was_seen_before_it(folder):
    forecaster = Analyst(playbook(), COINS).forecaster
    forecaster.use(Lineup(folder.load("direction", "v1")))
    drifting(forecaster, booster()[1], 72)
    forecaster.use(Lineup(folder.load("direction", "v2")))
    assert forecaster.drift() is not None


def trees(rows):
    """Three classes of nothing, from rows of any width."""
    told = xgboost.DMatrix(rows.astype(np.float32), np.arange(len(rows)) % 3)
    return xgboost.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 1, "nthread": 1}, told, 2)


def test_a_day_like_the_furthest_that_the_model_was_made_of_is_no_alarm():
    draw = np.random.default_rng(1)
    days = np.repeat(np.arange(60), 100)
    values = draw.normal(draw.normal(0, 0.7, 60)[days], 1.0)  # each day has a mood of its own
    time = days * 86_400_000_000
    bare = reference(values)
    known = with_days(bare, values, time)
    moods = [drift_of("x", known, draw.normal(mood, 1.0, 100)) for mood in draw.normal(0, 0.7, 100)]
    assert np.mean([one.psi >= 0.25 for one in moods]) > 0.5, "the custom's limit says nothing of days"
    assert np.mean([one.psi >= one.watch for one in moods]) < 0.1
    assert drift_of("x", known, draw.normal(5.0, 1.0, 100)).psi > drift_of("x", known, values).act


def test_trend_with_its_two_coins_is_watched_and_no_weekday_is_an_alarm():
    trend = load("trend")
    forecaster = Analyst(trend, trend.symbols).forecaster
    names = forecaster.features.names
    draw = np.random.default_rng(2)
    count = 130 * 96 * 2
    stamps = np.arange(130 * 96).repeat(2) * 15 * 60 * 1_000_000
    rows = draw.normal(size=(count, len(names)))
    angle = 2 * np.pi * (stamps // 86_400_000_000 % 7) / 7
    rows[:, names.index("weekday_sin")], rows[:, names.index("weekday_cos")] = np.sin(angle), np.cos(angle)
    past = stamps < 100 * 86_400_000_000
    told = tuple(with_days(reference(rows[past, n]), rows[past, n], stamps[past]) for n in range(len(names)))
    three = {"classes": 3, "moves": (-2.0, 0.0, 2.0), "calibration": Calibrator("platt", (((1.0, 0.0),),) * 3)}
    made = passport(features=names, feature_set="trend51", reference=told, symbols=trend.symbols, **three)
    forecaster.use(Lineup(Model(made, trees(rows[past][:2000]))))
    drifting(forecaster, rows[~past], 24 * 4, trend.symbols)
    found = forecaster.drift()
    assert found is not None
    assert len(found) == len(names) - 4
    assert all(one.psi < one.act for one in found)


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


def test_a_coin_that_the_model_has_not_learnt_from_is_not_predicted_on_unless_the_playbook_says_so(folder):
    model = folder.load("direction", "v1")
    model.passport = replace(model.passport, symbols=("BTC/USDT", "ETH/USDT"))
    analyst, market = desk(model)
    analysis = analyst.on(minute_of(market, WARM))
    assert [one.symbol for one in analysis.forecasts] == ["BTC/USD", "ETH/USD"]
    chain = step(analysis, "model", "SOL/USD")
    assert chain.passed is False
    assert "learnt from 2 coins and not from this one" in chain.sentence
    assert all(signal.symbol != "SOL/USD" for signal in analysis.signals)
    bolder, market = desk(model, rules=playbook(**{"history: 30 d": "history: 30 d\n  other_coins: true"}))
    assert [one.symbol for one in bolder.on(minute_of(market, WARM)).forecasts] == list(COINS)
