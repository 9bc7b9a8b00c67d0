"""What is believed, what is not, and why."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import Print, Quote
from engine.market.quality import KEPT, QualityGate, Quarantine, Reason

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def trade(price, at=NOW, quantity=1.0, trade_id=None):
    return Print("BTC/USD", at, price, quantity, at, trade_id)


def quote(bid, ask, at=NOW):
    return Quote("BTC/USD", at, bid, ask)


@pytest.fixture
def quarantine():
    return Quarantine()


@pytest.fixture
def gate(quarantine):
    return QualityGate(quarantine)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (trade(0.0), Reason.PRICE_NOT_POSITIVE),
        (trade(-1.0), Reason.PRICE_NOT_POSITIVE),
        (trade(float("nan")), Reason.NOT_FINITE),
        (trade(float("inf")), Reason.NOT_FINITE),
        (trade(1.0, quantity=float("nan")), Reason.NOT_FINITE),
        (trade(1.0, quantity=-0.1), Reason.VOLUME_NEGATIVE),
        (trade(1.0, at=after(6)), Reason.FUTURE),
        (trade(1.0, at=after(-61)), Reason.STALE),
        (quote(1.1, 1.0), Reason.CROSSED),
        (quote(0.0, 1.0), Reason.PRICE_NOT_POSITIVE),
        (quote(1.0, float("inf")), Reason.NOT_FINITE),
    ],
)
def test_the_impossible_is_counted_under_its_reason_and_kept(gate, quarantine, item, reason):
    assert gate.admit(item, NOW) == ()
    assert quarantine.counts == {reason: 1}
    assert (quarantine.last[0].code, quarantine.last[0].symbol) == (reason, "BTC/USD")


def test_the_same_trade_twice_counts_once(gate, quarantine):
    assert len(gate.admit(trade(1.0, trade_id=7), NOW)) == 1
    assert gate.admit(trade(1.0, trade_id=7), NOW) == ()
    assert quarantine.counts == {"DUPLICATE": 1}


def test_a_jump_is_not_believed_and_the_normal_price_goes_on(gate, quarantine):
    gate.admit(trade(100.0), NOW)
    assert gate.admit(trade(10.0, after(1)), after(1)) == ()
    assert len(gate.admit(trade(100.1, after(2)), after(2))) == 1
    assert gate.admit(trade(10.0, after(3)), after(3)) == (), "the earlier doubt was withdrawn, this is a new one"
    assert quarantine.counts == {"JUMP": 2}


def test_a_second_print_within_three_seconds_confirms_at_its_own_price(gate):
    gate.admit(trade(100.0), NOW)
    gate.admit(trade(40.0, after(1)), after(1))
    second = trade(41.0, after(4))
    assert gate.admit(second, after(4)) == (second,)
    assert len(gate.admit(trade(42.0, after(5)), after(5))) == 1


def test_after_three_seconds_a_second_print_confirms_nothing(gate):
    gate.admit(trade(100.0), NOW)
    gate.admit(trade(40.0, after(1)), after(1))
    assert gate.admit(trade(41.0, after(4.5)), after(4.5)) == ()


def test_a_quote_confirms_a_doubtful_print_which_then_counts_from_now_on(gate):
    gate.admit(trade(100.0), NOW)
    gate.admit(trade(40.0, after(1)), after(1))
    confirming = quote(39.9, 40.1, after(2))
    believed = gate.admit(confirming, after(2))
    assert [type(item) for item in believed] == [Print, Quote]
    assert (believed[0].price, believed[0].at) == (40.0, after(2))


def test_two_doubtful_prices_that_disagree_confirm_nothing(gate):
    gate.admit(trade(100.0), NOW)
    gate.admit(trade(40.0, after(1)), after(1))
    assert gate.admit(trade(400.0, after(2)), after(2)) == ()


def test_at_speed_sixty_confirmation_may_take_three_real_seconds(quarantine):
    gate = QualityGate(quarantine, speed=60)
    gate.admit(trade(100.0), NOW)
    gate.admit(trade(40.0, after(1)), after(1))
    assert len(gate.admit(trade(41.0, after(170)), after(170))) == 1


def test_after_a_quiet_minute_the_next_minutes_may_confirm(gate):
    gate.admit(trade(100.0), NOW)
    gate.admit(trade(40.0, after(100)), after(100))
    assert len(gate.admit(trade(41.0, after(200)), after(200))) == 1


def test_history_is_a_first_belief_but_never_replaces_a_live_one(gate):
    gate.seed("BTC/USD", 100.0, NOW)
    assert gate.admit(trade(10.0), NOW) == ()
    gate.admit(trade(100.0), NOW)
    gate.seed("BTC/USD", 5.0, NOW)
    assert len(gate.admit(trade(99.0), NOW)) == 1


def test_the_quarantine_keeps_the_newest_only(gate, quarantine):
    for number in range(KEPT + 50):
        gate.admit(trade(0.0, quantity=float(number)), NOW)
    assert len(quarantine.last) == KEPT
    assert quarantine.counts["PRICE_NOT_POSITIVE"] == KEPT + 50
    assert f"{KEPT + 49}.0" in quarantine.last[-1].detail


@given(st.lists(st.floats(), max_size=60), st.lists(st.floats(min_value=-100, max_value=100), min_size=60, max_size=60))
def test_whatever_comes_only_possible_prices_pass_and_nothing_is_lost_from_the_count(prices, offsets):
    quarantine = Quarantine()
    gate = QualityGate(quarantine)
    passed = []
    for price, offset in zip(prices, offsets, strict=False):
        passed += gate.admit(trade(price, at=after(offset)), NOW)
    assert all(0 < item.price < float("inf") for item in passed)
    assert len(passed) + sum(quarantine.counts.values()) == len(prices)


def test_however_busy_a_pair_is_a_trade_that_comes_twice_counts_once(gate, quarantine):
    for number in range(5_000):
        gate.admit(trade(1.0, NOW, trade_id=number), NOW)
    assert gate.admit(trade(1.0, NOW, trade_id=0), after(60)) == ()
    assert quarantine.counts == {"DUPLICATE": 1}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-5, 60), st.integers(1, 9)), max_size=40))
def test_no_trade_is_admitted_twice_whenever_it_comes_again(steps):
    gate, now, born, admitted = QualityGate(Quarantine()), 0, {}, []
    for wait, age, number in steps:
        now += wait
        born.setdefault(number, now - age)
        admitted += gate.admit(trade(1.0, after(born[number]), trade_id=number), after(now))
    assert len(admitted) == len({one.trade_id for one in admitted})
