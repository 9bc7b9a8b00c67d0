"""A person moves a stop: a trader closer to the price, the risk role also away from it, nobody beyond the price."""

import pytest

from engine.domain import ExitReason, Quote, Role
from engine.messages import MoveStop
from engine.outcomes import Filled, PositionChanged, PositionClosed, Refused
from tests.desk.kit import BTC, ETH, Floor, codes, of, only, playbook


def held(text=None):
    """One coin bought at 100, its stop at 95."""
    floor = Floor(text)
    floor.hold(BTC, 100.0)
    assert floor.view.positions[0].stop == 95.0
    return floor


def move(floor, stop, role=Role.TRADER, bid=None, symbol=BTC):
    quote = None if bid is None else Quote(symbol, floor.at, bid, bid + 0.1)
    return floor.tell(MoveStop(floor.at, "U_TRADER", role, symbol, stop, quote=quote))


def test_a_trader_moves_a_stop_closer_and_the_next_price_beyond_it_closes():
    floor = held()
    changed = only(PositionChanged, move(floor, 98.0))
    assert (changed.why, changed.position.stop) == ("tightened", 98.0)
    assert floor.view.positions[0].stop == 98.0
    trade = only(PositionClosed, floor.trade(97.9)).trade
    assert (trade.exit_reason, trade.exit_price) == (ExitReason.STOP, 97.9)


def test_a_trader_does_not_move_a_stop_away():
    floor = held()
    assert codes(move(floor, 90.0)) == ["WIDER_STOP"]
    assert "risk role" in only(Refused, move(floor, 94.99)).refusal.sentence
    assert floor.view.positions[0].stop == 95.0


@pytest.mark.parametrize("role", [Role.RISK, Role.ADMIN])
def test_the_risk_role_moves_a_stop_either_way(role):
    floor = held()
    changed = only(PositionChanged, move(floor, 90.0, role))
    assert (changed.why, changed.position.stop) == ("widened", 90.0)
    assert not of(Filled, floor.trade(92.0))
    assert only(PositionChanged, move(floor, 91.0, role)).why == "tightened"
    assert only(PositionClosed, floor.trade(90.5)).trade.exit_reason is ExitReason.STOP


def test_a_stop_moves_away_only_as_far_as_the_heat_limit_allows():
    floor = held(playbook(limits=", max_heat: 1 %"))  # 100 in BTC of an equity of 1,000: 10 below the entry is all
    no = only(Refused, move(floor, 80.0, Role.RISK)).refusal
    assert (no.code, no.numbers["limit"]) == ("HEAT", 0.01)
    assert "a stop of 80 risks too much: portfolio heat 0.50% plus 1.50% would pass the limit of 1.00%" in no.sentence
    assert floor.view.positions[0].stop == 95.0
    assert only(PositionChanged, move(floor, 91.0, Role.RISK)).why == "widened"
    assert only(PositionChanged, move(floor, 97.0)).why == "tightened"


@pytest.mark.parametrize("role", [Role.TRADER, Role.ADMIN])
@pytest.mark.parametrize("stop", [100.0, 120.0])
def test_nobody_puts_a_stop_at_or_beyond_the_price(role, stop):
    floor = held()
    assert codes(move(floor, stop, role)) == ["BEYOND_STOP"]
    assert floor.view.positions[0].stop == 95.0


def test_the_price_is_the_quote_of_this_moment_while_it_is_fresh():
    floor = held()
    assert codes(move(floor, 98.0, bid=97.5)) == ["BEYOND_STOP"]
    assert only(PositionChanged, move(floor, 99.0, bid=99.5))


@pytest.mark.parametrize("stop", [0.0, -5.0, float("nan"), float("inf")])
def test_what_is_no_price_is_no_stop(stop):
    assert codes(move(held(), stop, Role.ADMIN)) == ["BAD_PRICE"]


def test_the_same_stop_and_a_coin_that_is_not_held_are_said_so():
    floor = held()
    assert codes(move(floor, 95.0, Role.ADMIN)) == ["NO_CHANGE"]
    assert codes(move(floor, 95.0, symbol=ETH)) == ["NO_POSITION"]


@pytest.mark.parametrize("role", [Role.NONE, Role.VIEWER])
def test_who_only_reads_moves_nothing(role):
    floor = held()
    assert codes(move(floor, 98.0, role)) == ["NOT_ALLOWED"]
    assert floor.view.positions[0].stop == 95.0
