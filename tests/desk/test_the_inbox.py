"""One queue into the engine thread."""

import threading
from datetime import UTC, datetime, timedelta

from engine.clock import ManualClock
from engine.domain import Print, Quote, Role
from engine.inbox import Inbox, QuoteBoard
from engine.messages import Attempted, ClosePosition, Minute, Pause, Press, Slice

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
BTC = "BTC/USD"


def inbox():
    clock = ManualClock(START)
    return clock, Inbox(clock, QuoteBoard())


def trade(seconds, price, quantity=1.0, symbol=BTC):
    at = START + timedelta(seconds=seconds)
    return Print(symbol, at, price, quantity, at)


def taken(box):
    found = []
    while (entry := box.take(0.0)) is not None:
        found.append(entry.message)
    return found


def press(proposal="P1"):
    return Press(datetime(2020, 1, 1, tzinfo=UTC), "approve", proposal, 1, "U1", Role.TRADER)


def test_prints_of_symbols_that_nobody_holds_stay_outside():
    _, box = inbox()
    box.on_print(trade(0, 100))
    assert taken(box) == []


def test_waiting_prints_of_one_symbol_merge_into_one_slice():
    _, box = inbox()
    box.watch(frozenset({BTC}), {}, {})
    for seconds, price in ((0, 100.0), (1, 103.0), (2, 98.0), (3, 101.0)):
        box.on_print(trade(seconds, price, 0.5))
    (slice_,) = taken(box)
    assert (slice_.open, slice_.high, slice_.low, slice_.close, slice_.volume) == (100, 103, 98, 101, 2.0)
    assert (slice_.first, slice_.last) == (START, START + timedelta(seconds=3))


def test_a_taken_slice_is_not_changed_by_later_prints():
    _, box = inbox()
    box.watch(frozenset({BTC}), {}, {})
    box.on_print(trade(0, 100.0))
    first = box.take(0.0)
    box.on_print(trade(1, 200.0))
    assert first.message.high == 100.0
    assert taken(box)[0].open == 200.0


def test_prints_after_a_command_do_not_merge_across_it():
    _, box = inbox()
    box.watch(frozenset({BTC}), {}, {})
    box.on_print(trade(0, 100.0))
    box.submit(Pause(START, "U1", Role.TRADER))
    box.on_print(trade(1, 50.0))
    before, command, after = taken(box)
    assert (before.close, type(command), after.close) == (100.0, Pause, 50.0)


def test_commands_are_never_merged_or_dropped():
    _, box = inbox()
    for number in range(100):
        box.submit(Attempted(START, f"U{number}", "x", True))
    assert [message.by for message in taken(box)] == [f"U{number}" for number in range(100)]


def test_messages_are_stamped_as_they_enter_and_time_never_goes_back():
    clock, box = inbox()
    box.not_before(START + timedelta(hours=1))
    box.submit(press())
    clock.advance(timedelta(hours=2))
    box.submit(press())
    first, second = taken(box)
    assert first.at == START + timedelta(hours=1), "never before the ledger's last instant"
    assert second.at == START + timedelta(hours=2)


def test_a_press_carries_the_last_valid_quote_of_its_symbol_whatever_the_caller_says():
    _, box = inbox()
    quote = Quote(BTC, START, 99.0, 101.0)
    box.quotes.put(quote)
    box.quotes.put(Quote(BTC, START, 101.0, 99.0))
    box.watch(frozenset(), {}, {"P1": BTC})
    box.submit(press("P1"))
    box.submit(press("P2"))
    box.submit(ClosePosition(START, "U1", Role.TRADER, BTC))
    assert [message.quote for message in taken(box)] == [quote, None, quote]


def test_a_minute_keeps_its_own_instant():
    clock, box = inbox()
    clock.advance(timedelta(seconds=2))
    box.submit(Minute(START, (), (), (), (), (), (), ()))
    assert taken(box)[0].at == START


def test_a_quote_enters_as_a_price_only_where_a_market_order_waits():
    _, box = inbox()
    box.on_quote(Quote(BTC, START, 99.0, 101.0))
    box.watch(frozenset({BTC}), {BTC: "buy"}, {})
    box.on_quote(Quote(BTC, START, 99.0, 101.0))
    box.watch(frozenset({BTC}), {BTC: "sell"}, {})
    box.on_print(trade(0, 100.0))
    box.on_quote(Quote(BTC, START, 99.0, 101.0))
    slices = taken(box)
    assert [(item.close, item.source) for item in slices] == [(101.0, "quote"), (100.0, "print"), (99.0, "quote")]


def test_a_source_without_quotes_lets_its_last_price_stand_for_one():
    _, box = inbox()
    box.submit(Minute(START, (BTC,), (100.0,), (100.0,), (100.0,), (100.0,), (5.0,), ("good",)))
    assert box.quotes.get(BTC) == Quote(BTC, START, 100.0, 100.0)
    box.quotes.put(Quote(BTC, START, 98.0, 99.0))
    box.on_print(trade(5, 105.0))
    assert box.quotes.get(BTC).ask == 99.0, "a real quote is never replaced by a price"


def test_take_wakes_up_when_something_comes():
    _, box = inbox()
    timer = threading.Timer(0.05, lambda: box.submit(press()))
    timer.start()
    assert isinstance(box.take(5.0).message, Press)
    timer.join()


def test_people_are_turned_away_when_nothing_can_be_recorded_and_the_rest_stays():
    _, box = inbox()
    box.watch(frozenset({BTC}), {}, {})
    answer = box.submit(press())
    box.on_print(trade(0, 100.0))
    assert box.refuse_people(RuntimeError("disk full")) == 1
    assert isinstance(answer.exception(0), RuntimeError)
    assert isinstance(taken(box)[0], Slice)


def test_prints_are_taken_together_up_to_the_first_message_of_another_kind():
    _, box = inbox()
    box.watch(frozenset({BTC, "ETH/USD", "SOL/USD"}), {}, {})
    box.on_print(trade(0, 100.0))
    box.on_print(trade(1, 10.0, symbol="ETH/USD"))
    box.submit(Pause(START, "U1", Role.TRADER))
    box.on_print(trade(2, 1.0, symbol="SOL/USD"))
    assert [entry.message.symbol for entry in box.slices(32)] == [BTC, "ETH/USD"]
    assert box.slices(32) == []
    assert [type(message) for message in taken(box)] == [Pause, Slice]


def test_no_more_prints_are_taken_together_than_asked_for():
    _, box = inbox()
    box.watch(frozenset({BTC, "ETH/USD"}), {}, {})
    box.on_print(trade(0, 100.0))
    box.on_print(trade(1, 10.0, symbol="ETH/USD"))
    assert [entry.message.symbol for entry in box.slices(1)] == [BTC]
    box.on_print(trade(2, 11.0, symbol="ETH/USD"))
    assert [message.high for message in taken(box)] == [11.0]
