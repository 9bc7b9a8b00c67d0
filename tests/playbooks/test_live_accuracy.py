"""A live record on the desks that ship: it stops and alerts, but not by chance, and proves no more than it can."""

import pytest

from engine.domain import State
from engine.health import CRITICAL, OK, WARNING
from engine.outcomes import HoldPlaced
from engine.trader import Trader
from tests.desk.kit import of
from tests.playbooks.live import AtWork

UP, DOWN = (0.4, 0.6), (0.6, 0.4)
FLAT, RISE, FALL = (0.2, 0.6, 0.2), (0.2, 0.2, 0.6), (0.6, 0.2, 0.2)
THREE = {FLAT: 0.0, RISE: 0.004, FALL: -0.004}


def calls(*right):
    """Forecasts that come true or not; the market itself goes one way as often as the other, in pairs."""
    moves = [0.01, 0.01, -0.01, -0.01]
    told = []
    for number, hit in enumerate(right):
        move = moves[number % 4]
        told.append((UP if (move > 0) == hit else DOWN, move))
    return told


def test_two_hours_in_which_99_coins_fall_together_stop_nothing():
    floor = AtWork("direction")
    assert len(floor.coins) == 99
    floor.live(calls(*[False] * 6))
    assert floor.record.rate.n == 6 * 99
    assert floor.record.effective_n == pytest.approx(6)
    assert floor.view.state is State.ACTIVE


def test_direction_right_less_than_45_per_cent_and_surely_so_is_no_longer_traded_on():
    floor = AtWork("direction")
    floor.live(calls(*[False, False, True] * 7, False, False))
    assert floor.holds == [], "23 independent cases"
    floor.live(calls(False))
    assert floor.holds == ["ACCURACY"]
    hold = floor.view.holds[0]
    assert hold.numbers["worth"] == pytest.approx(24)
    assert hold.numbers["accuracy"] < hold.numbers["limit"] == 0.45
    assert floor.fate("BTC/USD") == "HELD"
    assert floor.state.stopped


def test_below_45_per_cent_by_what_may_be_chance_goes_on():
    floor = AtWork("direction")
    floor.live(calls(*[True, False, False, True, False] * 6))  # 12 of 30: 95 % up to 58 %
    assert floor.record.rate.value == pytest.approx(0.4)
    assert floor.holds == []


def test_below_50_per_cent_is_a_warning_that_becomes_an_alert_by_standing_and_at_once_when_it_is_no_chance(tmp_path):
    floor = AtWork("direction")
    floor.live(calls(*[True, False, False, True, False] * 4))
    assert "model accuracy" not in floor.readings(tmp_path), "20 independent cases say nothing"
    floor.live(calls(*[True, False, False, True, False] * 2))
    reading = floor.readings(tmp_path)["model accuracy"]
    assert (reading.status, reading.mention) == (WARNING, False)
    assert "maybe by chance" in reading.sentence
    floor.live(calls(*[False, False, True] * 10))
    reading = floor.readings(tmp_path)["model accuracy"]
    assert (reading.status, reading.mention) == (CRITICAL, True)
    assert "surely below 55%" in reading.sentence


def test_above_50_per_cent_all_is_well(tmp_path):
    floor = AtWork("direction")
    floor.live(calls(*[True, True, False] * 10))
    assert floor.readings(tmp_path)["model accuracy"].status == OK


def test_a_model_that_says_what_comes_most_often_has_no_edge():
    floor = AtWork("direction")
    moves = [-0.01, -0.01, 0.01] * 20  # down two times of three
    floor.live([(DOWN, move) for move in moves])
    assert floor.record.interval.low > 0.5, "surely above a coin"
    assert floor.record.best.name == "always down"
    assert floor.verdict[0] == "not proven"
    assert "not surely ahead of always down (66.7 %)" in floor.verdict[1]


def test_a_model_that_knows_better_than_every_simple_rule_has_an_edge():
    floor = AtWork("direction")
    floor.live(calls(*[True, True, True, True, False] * 12))
    assert {one.name.split()[0] for one in floor.record.beside} == {"always", "persistence", "reversal"}
    assert floor.verdict[0] == "edge"


def test_few_cases_prove_no_edge_however_right():
    floor = AtWork("direction")
    floor.live(calls(*[True] * 12))
    assert floor.verdict == ("not proven", "12 independent cases so far; 24 are the fewest that prove anything")


def three(*classes):
    """(what is said, what comes) for three classes."""
    return [(said, THREE[came]) for said, came in classes]


def test_always_flat_is_no_edge_however_often_it_is_right(tmp_path):
    floor = AtWork("trend")
    floor.live(three((FLAT, FLAT), (FLAT, FLAT), (FLAT, RISE), (FLAT, FLAT), (FLAT, FALL)) * 20)
    assert floor.record.rate.value == pytest.approx(0.6)
    assert floor.record.beside[0].name == "always flat"
    assert floor.verdict[0] == "not proven"
    floor.live(three((FLAT, FLAT), (FLAT, FLAT), (FLAT, RISE), (FLAT, FLAT), (FLAT, FALL)) * 30)
    assert floor.verdict == ("no edge", "at best it is 0.0 points ahead of always flat (60.0 %): not worth having")
    assert floor.holds == []
    assert floor.readings(tmp_path)["model lead"].status == OK


def test_trend_far_behind_always_flat_warns_and_stops_though_right_more_than_half_of_the_time(tmp_path):
    floor = AtWork("trend")
    floor.live(three(*[(FLAT, FLAT)] * 5, *[(RISE, FLAT)] * 4, (RISE, RISE)) * 9)
    assert floor.holds == [], "90 independent cases"
    assert floor.record.rate.value == pytest.approx(0.6)
    floor.live(three(*[(FLAT, FLAT)] * 5, (RISE, FLAT)))
    assert floor.readings(tmp_path)["model lead"].status == WARNING
    assert "surely behind" in floor.readings(tmp_path)["model lead"].sentence
    assert floor.holds == ["ACCURACY"]
    assert "points from always flat" in floor.state.stopped
    assert floor.verdict[0] == "stopped"


def test_trend_right_less_than_45_per_cent_stops():
    floor = AtWork("trend")
    floor.live(three((FLAT, FLAT), (RISE, FALL), (FALL, RISE)) * 32)
    assert floor.holds == ["ACCURACY"]
    assert "below 45 %" in floor.state.stopped


def test_trend_that_knows_when_it_moves_has_an_edge():
    floor = AtWork("trend")
    floor.live(three(*[(FLAT, FLAT)] * 6, (RISE, RISE), (FALL, FALL)) * 15)
    assert floor.verdict[0] == "edge"


@pytest.mark.parametrize("name", ["direction", "trend"])
def test_what_the_rules_would_have_hit_comes_back_from_the_ledger_and_from_a_checkpoint(name):
    floor = AtWork(name)
    said = calls(*[True, False, False]) if name == "direction" else three((FLAT, FLAT), (RISE, FALL), (FLAT, RISE))
    floor.live(said * 2)
    floor.forecast(*said[0][0])
    again = Trader()
    for message, outcomes in floor.told:
        assert again.on(message) == outcomes
    reborn = Trader.load(floor.trader.dump(), 0, "")
    for trader in (again, reborn):
        floor.trader = trader
        assert floor.record.beside
    floor.later_minute(floor.terms.label.horizon, 0.01)
    assert again.snapshot().models != floor.view.models
    assert not of(HoldPlaced, floor.said)
