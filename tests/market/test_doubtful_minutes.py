"""Whole minutes that may be wrong all the same: an unconfirmed print, a clock that is not the market's, late prints."""

from datetime import timedelta

import pytest

from engine.data_health import DataFacts, judge_data
from engine.domain import Print, Quote
from engine.market.skew import Skew
from tests.market.test_integrity import BTC, ETH, START, Floor


def quote(floor, second, price, symbol=BTC):
    floor.to(second)
    floor.intake.offer(Quote(symbol, floor.clock.now(), price, price))


def closes(floor, symbol=BTC):
    return [dict(zip(minute.symbols, minute.close, strict=True)).get(symbol) for minute in floor.sink.minutes]


# ------------------------------------------------------------ a print that was set aside


def test_a_minute_with_a_print_that_nobody_confirmed_is_doubtful_and_no_other():
    floor = Floor()
    for second, price in ((5, 100.0), (50, 300.0), (55, 100.1), (70, 100.2)):
        floor.trade(second, price)
    floor.to(190)
    assert floor.minutes() == ["doubtful", "good", "quiet"]
    assert floor.minutes(ETH) == ["quiet"] * 3


def test_a_confirmed_print_is_in_its_bar_which_is_good():
    floor = Floor()
    for second, price in ((5, 100.0), (50, 40.0), (52, 41.0)):
        floor.trade(second, price)
    floor.to(70)
    (minute,) = floor.sink.minutes
    assert (floor.minutes(), minute.low[0], minute.close[0], minute.volume[0]) == (["good"], 40.0, 41.0, 3.0)
    assert floor.intake.prints == 3
    assert [one.price for one in floor.sink.prints] == [100.0, 41.0], "as a price only the second one acts"


def test_a_print_that_a_quote_confirms_in_the_next_minute_is_in_its_own_bar_once():
    floor = Floor()
    for second, price in ((5, 100.0), (59.5, 40.0)):
        floor.trade(second, price)
    quote(floor, 60.5, 40.1)
    floor.to(130)
    first, second = floor.sink.minutes
    assert floor.minutes() == ["good", "quiet"]
    assert (first.close[0], first.volume[0], second.close[0], second.volume[0]) == (40.0, 2.0, 40.0, 0.0)
    assert (floor.sink.prints[-1].price, floor.sink.prints[-1].at) == (40.0, START + timedelta(seconds=60.5))


def test_a_confirmation_that_comes_when_the_minute_has_closed_makes_it_no_better():
    floor = Floor()
    for second, price in ((5, 100.0), (59.9, 40.0)):
        floor.trade(second, price)
    floor.to(62.1)
    floor.trade(62.5, 40.5)
    floor.to(130)
    assert floor.minutes() == ["doubtful", "good"]
    assert floor.intake.late == 1


def test_minutes_that_are_flat_after_a_doubtful_print_are_doubtful_until_something_trades():
    floor = Floor()
    for second, price in ((5, 100.0), (130, 40.0), (250, 41.0), (310, 41.5)):  # quiet: the next minutes may confirm it
        floor.trade(second, price)
    floor.to(430)
    assert floor.minutes() == ["good", "quiet", "doubtful", "doubtful", "good", "good", "quiet"]
    assert closes(floor)[2:5] == [100.0, 100.0, 41.0]


def test_one_confirmation_clears_one_print():
    floor = Floor()
    for second, price in ((5, 100.0), (20, 300.0), (40, 40.0), (41, 41.0)):
        floor.trade(second, price)
    floor.to(70)
    assert floor.minutes() == ["doubtful"]


# ------------------------------------------------------------ a clock that is not the market's


def market(floor, minutes, *, ahead, way=0.05):
    """Trades every 5 s, the last of each minute 0.5 s before its end, on a machine whose clock is so far ahead."""
    for minute in range(minutes):
        for second in (*range(0, 60, 5), 59.5):
            floor.trade(60 * minute + second, 100 + second / 10, received=60 * minute + second + ahead + way)
    floor.to(60 * minutes + max(0, ahead) + 8)


@pytest.mark.parametrize("ahead", [2.0, 3.5, 4.9, 0.0, -2.0, -4.9])
def test_however_the_clocks_are_apart_no_minute_lacks_its_tail(ahead):
    floor = Floor()
    floor.to(max(0.0, ahead))
    market(floor, 4, ahead=ahead)
    assert floor.intake.late == 0
    assert floor.minutes()[1:4] == ["good"] * 3
    assert closes(floor)[1:4] == [100 + 59.5 / 10] * 3


@pytest.mark.parametrize(("ahead", "words"), [(6.0, "6.1 s ahead of"), (-5.5, "5.5 s behind")])
def test_clocks_too_far_apart_make_every_minute_doubtful_or_missing_and_health_says_so(ahead, words):
    floor = Floor()
    floor.to(max(0.0, ahead))
    market(floor, 4, ahead=ahead, way=0.1 if ahead > 0 else 0.0)
    assert not set(floor.minutes()[1:]) & {"good", "quiet"}
    told = {one.name: one for one in judge_data(DataFacts(floor.clock.now(), floor.intake.status("")))}
    assert told["doubtful minutes"].status == "warning"
    assert f"every coin (this machine's clock is {words} the market's)" in told["doubtful minutes"].sentence


def test_a_line_that_is_held_up_over_a_close_costs_the_minute_no_tail():
    floor = Floor()
    for second in range(0, 55, 5):
        floor.trade(second)
    floor.clock.set(START + timedelta(seconds=63))
    floor.intake.offer(Print(BTC, START + timedelta(seconds=56), 100.5, 1.0, floor.intake.hear(), 12))
    for second, number in ((58, 13), (59, 14)):
        floor.trade(second, 101.0, received=63, number=number)
    floor.trade(64, 102.0)
    floor.to(70)
    assert (floor.minutes(), closes(floor), floor.intake.late) == (["good"], [101.0], 0)


def test_a_line_that_dies_while_the_clock_is_ahead_has_not_heard_the_minutes_end():
    floor = Floor()
    for second in range(0, 58, 3):
        floor.trade(second, received=second + 4)
    floor.to(61)
    floor.intake.down("cut", floor.intake.sure_until())
    floor.to(75)
    assert floor.minutes() == [None]


def test_a_subscription_by_a_clock_that_is_behind_begins_when_the_market_says():
    floor = Floor()
    for second in range(4, 30, 3):
        floor.trade(second, received=second - 3)
    floor.intake.builder.dead(START + timedelta(seconds=30), (BTC,))
    floor.to(58)
    floor.intake.alive(BTC)  # 61 s at the market
    floor.trade(70, received=67)
    floor.to(190)
    assert floor.minutes()[:2] == [None, None]


def test_two_wild_stamps_say_nothing_of_the_clocks():
    skew = Skew()
    for number in range(20):
        stamp = START + timedelta(seconds=number)
        skew.see(stamp + timedelta(days=number in (7, 12)), stamp + timedelta(seconds=3))
    assert skew.value() == timedelta(seconds=3)


def test_prints_that_come_late_minute_after_minute_make_the_symbol_doubtful_until_one_passes_without():
    floor = Floor()
    for minute in range(6):
        floor.trade(60 * minute + 10, number=2 * minute + (minute < 5))
        if 1 <= minute <= 4:
            floor.trade(60 * minute - 1, received=60 * minute + 20, number=2 * minute)
        floor.trade(60 * minute + 30, symbol=ETH)
        assert (BTC in floor.intake.status("").wary) == (minute in (3, 4, 5))
    floor.to(500)
    assert floor.minutes() == ["good", "good", "good", "doubtful", "doubtful", "good", "quiet", "quiet"]
    assert "doubtful" not in floor.minutes(ETH)
    assert floor.intake.status("").wary == {}
