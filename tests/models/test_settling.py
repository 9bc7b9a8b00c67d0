"""Forecasts meet what came true: moves, hits, worth in independent cases, and the stop of a model that is wrong."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import Role, State
from engine.forecasting.live import live_rate, live_record
from engine.messages import Analysis, Resume
from engine.outcomes import ForecastsSettled, HoldLifted, HoldPlaced, ModelChanged
from engine.trader import Trader
from tests.desk.kit import BTC, ETH, SOL, of, only
from tests.models.made import forecast, minute_with, press, promoted, trained


def record(floor, version="v1"):
    return floor.view.models["direction"].live.get(version, ())


def test_a_forecast_is_settled_by_the_close_at_its_horizon_and_by_no_other():
    floor = promoted()
    minute_with(floor, (BTC, 0.7), (ETH, 0.4))
    for _ in range(9):
        assert not of(ForecastsSettled, floor.minute(90.0))
    told = only(ForecastsSettled, floor.minute({BTC: 101.0, ETH: 102.0, SOL: 100.0}))
    assert told.symbols == (BTC, ETH)
    assert told.moves == pytest.approx((0.01, 0.02))
    assert told.correct == (True, False)
    rate = live_rate(record(floor))
    assert (rate.n, rate.hits) == (2, 1)
    assert rate.brier == pytest.approx((0.3**2 + 0.6**2) / 2)


def test_an_unmoved_price_counts_as_down_as_in_training():
    floor = promoted()
    minute_with(floor, (BTC, 0.6), (ETH, 0.3))
    for _ in range(9):
        floor.minute()
    assert only(ForecastsSettled, floor.minute(100.0)).correct == (False, True)


@pytest.mark.parametrize("quality", ["doubtful"])
def test_a_horizon_that_ends_in_a_bad_bar_or_none_is_never_guessed(quality):
    floor = promoted()
    minute_with(floor, (BTC, 0.7), (ETH, 0.7), (SOL, 0.7))
    for _ in range(9):
        floor.minute()
    told = only(ForecastsSettled, floor.minute({BTC: 101.0, ETH: 101.0}, quality={ETH: quality}))
    assert told.symbols == (BTC,)
    assert not of(ForecastsSettled, floor.minute(101.0))


def test_minutes_that_a_restart_catches_up_settle_what_ended_in_them():
    floor = promoted()
    minute_with(floor, (BTC, 0.7))
    reborn = Trader.load(floor.trader.dump(), 0, "")
    floor.trader = reborn
    for _ in range(9):
        floor.minute()
    assert only(ForecastsSettled, floor.minute(101.0)).correct == (True,)


def test_a_challenger_s_shadow_is_judged_beside_the_champion_and_never_stops_the_desk():
    floor = promoted()
    trained(floor, "v2")
    for _ in range(60):
        floor.minute(100.0, analysed=False)
        shadows = tuple(forecast(floor, symbol, 0.9, version="v2", shadow=True) for symbol in (BTC, ETH))
        floor.tell(Analysis(floor.at, floor.at, (), {}, shadows))
    assert live_rate(record(floor, "v2")).value == 0.0
    assert live_rate(record(floor, "v2")).n == 100
    assert floor.view.state is State.ACTIVE


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=15, max_size=60))
def test_what_overlapping_forecasts_are_worth_is_the_time_they_cover_over_the_horizon(due):
    floor = promoted()
    covered = set()
    for number, asked in enumerate(due):
        minute_with(floor, *([(BTC, 0.6)] if asked else []))
        covered |= {number + step for step in range(10)} if asked else set()
    for _ in range(10):
        floor.minute()
    rate = live_rate(record(floor))
    assert (rate.worth if rate else 0.0) == pytest.approx(len(covered) / 10)


def wrong_for(floor, minutes, symbols=(BTC, ETH, SOL)):
    for _ in range(minutes):
        minute_with(floor, *((symbol, 0.9) for symbol in symbols))


def test_a_champion_that_is_wrong_too_often_stops_entries_and_says_its_numbers():
    floor = promoted(fewest=6)
    wrong_for(floor, 90)
    hold = floor.view.holds[0]
    assert (hold.code, hold.level) == ("ACCURACY", State.REDUCING)
    assert hold.numbers["accuracy"] < 0.45
    assert 6 <= hold.numbers["worth"] < 9  # three coins of ten minutes, forecast for an hour and a half
    assert floor.view.models["direction"].stopped
    assert [one.what for one in of(ModelChanged, floor.said)] == ["promoted", "stopped"]
    assert len(of(HoldPlaced, floor.said)) == 1


def test_few_settled_forecasts_stop_nothing_however_wrong():
    floor = promoted(fewest=20)
    wrong_for(floor, 60)
    assert live_record(record(floor)).effective_n < 20
    assert floor.view.state is State.ACTIVE


def test_a_person_who_resumes_gives_the_champion_a_new_record():
    floor = promoted(fewest=6)
    wrong_for(floor, 90)
    lifted = floor.tell(Resume(floor.at, "U_RISK", Role.RISK, "ACCURACY"))
    assert of(HoldLifted, lifted)
    assert only(ModelChanged, lifted).what == "resumed"
    wrong_for(floor, 5)
    assert floor.view.state is State.ACTIVE


def test_promoting_another_version_ends_the_stop_of_the_last():
    floor = promoted(fewest=6)
    wrong_for(floor, 90)
    trained(floor, "v2")
    assert of(HoldLifted, press(floor, "promote", "v2"))
    assert floor.view.state is State.ACTIVE
    assert not floor.view.models["direction"].stopped


def test_the_interval_narrows_with_independent_cases_not_with_rows():
    one, many = promoted(), promoted()
    for _ in range(120):
        minute_with(one, (BTC, 0.4))
        minute_with(many, (BTC, 0.4), (ETH, 0.4), (SOL, 0.4))
    few, three = live_record(record(one)), live_record(record(many))
    assert three.rate.n == 3 * few.rate.n
    assert three.effective_n == pytest.approx(few.effective_n)
    assert three.interval.low == pytest.approx(few.interval.low)


def test_calibration_is_told_by_bins_of_confidence():
    floor = promoted()
    for _ in range(40):
        minute_with(floor, (BTC, 0.82), (ETH, 0.41))
    bins = live_record(record(floor)).bins
    assert [(round(one.low, 2), one.n, one.accuracy) for one in bins] == [(0.55, 30, 1.0), (0.8, 30, 0.0)]
    assert live_record(()) is None


def test_the_whole_of_it_replays_bit_for_bit():
    floor = promoted(fewest=6)
    wrong_for(floor, 90)
    floor.later(seconds=1)
    floor.tell(Resume(floor.at, "U_RISK", Role.RISK, "ACCURACY"))
    again = Trader()
    for message, outcomes in floor.told:
        assert again.on(message) == outcomes
    assert Trader.load(again.dump(), 0, "").snapshot().models == floor.view.models
    assert floor.at - floor.told[0][0].at > timedelta(minutes=90)
