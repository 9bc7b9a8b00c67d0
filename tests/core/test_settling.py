"""What one slice does to a position and to working entries."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.core.book import Book
from engine.core.events import Event, EventKind
from engine.core.rules import Costs, Limits, Rules, Sizing, StrategyRules
from engine.domain import ExitReason, Instrument, Side, Signal, State, instant

M = 60_000_000
T = 1_700_000_040_000_000
RULES = Rules(
    (StrategyRules("s", Sizing(amount=100.0), sides=(Side.LONG, Side.SHORT)),),
    (Instrument("A/USD", can_short=True), Instrument("B/USD", can_short=True)),
    1_000.0,
    volume_share=None,
    good_bars_needed=0,
)


def with_strategy(**fields: object) -> Rules:
    return replace(RULES, strategies=(replace(RULES.strategies[0], **fields),))


def wish(side: Side = Side.LONG, action: str = "enter", symbol: str = "A/USD", **fields: object) -> Signal:
    return Signal("s", symbol, instant(T), action, side, 100.0, **fields)


def opened(rules: Rules = RULES, side: Side = Side.LONG, **fields: object) -> Book:
    """A book whose position in A/USD was filled at 100 at the open of the minute at T."""
    book = Book(rules)
    (intent,) = book.decide(T, {"A/USD": (100.0, True)}, [wish(side, **fields)], 0)
    assert intent.kind is EventKind.INTENT
    book.grant(intent.intent, T, 100.0)
    book.settle("A/USD", T, T, 100.0, 100.0, 100.0, 100.0, 0.0)
    assert book.settle("A/USD", T + 1, T + 1, 100.0, 100.0, 100.0, 100.0, 1.0) or book.positions()
    return book


def bar(book: Book, n: int, o: float, high: float, low: float, close: float, volume: float = 1e9) -> list[Event]:
    """Minute `n` after T, settled and decided."""
    start = T + n * M
    events = book.settle("A/USD", start, start + M, o, high, low, close, volume)
    return events + book.decide(start + M, {"A/USD": (close, True)}, [], 0)


def the_close(events: list[Event]) -> Event:
    return next(e for e in events if e.kind is EventKind.CLOSED)


@pytest.mark.parametrize(("side", "sign"), [(Side.LONG, 1), (Side.SHORT, -1)])
def test_a_stop_beats_a_target_in_one_bar(side: Side, sign: int) -> None:
    book = opened(with_strategy(stop_pct=0.05, target_pct=0.05), side)
    end = the_close(bar(book, 1, 100, 110, 90, 100))
    assert (end.reason, end.price, end.at) == (ExitReason.STOP, 100 - sign * 5, T + 2 * M)


@pytest.mark.parametrize(
    ("o", "high", "low", "reason", "price"),
    [
        (93, 94, 92, ExitReason.STOP, 93),
        (120, 121, 119, ExitReason.TARGET, 120),
        (100, 111, 99, ExitReason.TARGET, 110),
    ],
)
def test_a_gap_beyond_stop_or_target_fills_at_the_open(
    o: float, high: float, low: float, reason: ExitReason, price: float
) -> None:
    end = the_close(bar(opened(with_strategy(stop_pct=0.05, target_pct=0.1)), 1, o, high, low, o))
    assert (end.reason, end.price) == (reason, pytest.approx(price))


def test_a_decided_exit_fills_at_the_next_open_before_any_stop() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    decided = book.decide(T + M, {"A/USD": (100.0, True)}, [wish(action="exit")], 0)
    assert [e.kind for e in decided] == [EventKind.EXIT_DECIDED]
    end = the_close(bar(book, 1, 99, 99, 80, 90))
    assert (end.reason, end.price, end.at) == (ExitReason.SIGNAL, 99, T + M)


def test_a_trailing_stop_moves_only_at_closed_bars_and_never_back() -> None:
    book = opened(with_strategy(trailing=0.10))
    assert book.positions()[0].stop == pytest.approx(90)
    first = book.settle("A/USD", T + M, T + 2 * M, 100, 120, 95, 118, 1e9)
    assert not first  # 108 is not in force within the bar that made it
    (moved,) = book.decide(T + 2 * M, {"A/USD": (118.0, True)}, [], 0)
    assert (moved.kind, moved.price) == (EventKind.STOP_MOVED, pytest.approx(108))
    assert not [e for e in bar(book, 2, 117, 117, 109, 110) if e.kind is EventKind.STOP_MOVED]
    end = the_close(bar(book, 3, 110, 111, 100, 105))
    assert (end.reason, end.price) == (ExitReason.TRAILING, pytest.approx(108))


def test_a_trailing_stop_sleeps_until_it_is_armed() -> None:
    book = opened(with_strategy(trailing=0.10, trailing_arm=0.2))
    bar(book, 1, 100, 115, 99, 100)
    assert book.positions()[0].stop is None
    bar(book, 2, 100, 120, 99, 119)
    assert book.positions()[0].stop == pytest.approx(108)


def test_time_exits_count_elapsed_time_or_bars_apart() -> None:
    by_time = opened(max_hold=timedelta(minutes=2))
    assert not bar(by_time, 0, 100, 101, 99, 100)
    assert [e.reason for e in bar(by_time, 2, 100, 101, 99, 100)] == [ExitReason.TIME]
    by_bars = opened(with_strategy(max_bars=2))
    assert not by_bars.decide(T + M, {"A/USD": (100.0, True)}, [], 0)
    assert not by_bars.decide(T + 9 * M, {}, [], 0)  # a missing bar is no bar
    assert [e.reason for e in bar(by_bars, 9, 100, 101, 99, 100)] == [ExitReason.TIME]


def test_a_grid_fills_through_its_levels_and_exits_from_the_average_entry() -> None:
    book = Book(with_strategy(stop_pct=0.10, target_pct=0.10))
    (intent,) = book.decide(T, {"A/USD": (100.0, True)}, [wish(levels=(95.0, 90.0, 80.0))], 0)
    book.grant(intent.intent, T, 100.0)
    assert not book.settle("A/USD", T, T + M, 100, 101, 95, 96, 1e9)  # touched, not traded through
    fills = book.settle("A/USD", T + M, T + 2 * M, 96, 97, 89.9, 91, 1e9)
    assert [(f.price, f.numbers["position"]) for f in fills if f.kind is EventKind.FILLED] == [
        (95, pytest.approx(100 / 3 / 95)),
        (90, pytest.approx(100 / 3 / 95 + 100 / 3 / 90)),
    ]
    (held,) = book.positions()
    assert held.stop == pytest.approx(held.entry_price * 0.9)
    events = book.settle("A/USD", T + 2 * M, T + 3 * M, 92, 110, 91, 108, 1e9)
    assert [e.kind for e in events] == [EventKind.FILLED, EventKind.CLOSED, EventKind.CANCELLED]
    assert not book.working()
    assert not book.watched()


def test_a_fill_takes_at_most_its_share_of_the_volume_and_the_rest_works_on() -> None:
    book = Book(replace(RULES, volume_share=0.10))
    (intent,) = book.decide(T, {"A/USD": (100.0, True)}, [wish()], 0)
    book.grant(intent.intent, T, 100.0)
    (first,) = book.settle("A/USD", T, T + M, 100, 101, 99, 100, 4.0)
    assert first.quantity == pytest.approx(0.4)
    (second,) = book.settle("A/USD", T + M, T + 2 * M, 100, 101, 99, 100, 40.0)
    assert second.numbers["position"] == pytest.approx(1.0)
    assert not book.working()


def test_an_entry_that_does_not_fill_in_time_is_cancelled() -> None:
    book = Book(replace(with_strategy(entry_life_us=2 * M), volume_share=0.10))
    (intent,) = book.decide(T, {"A/USD": (100.0, True)}, [wish()], 0)
    book.grant(intent.intent, T, 100.0)
    bar(book, 0, 100, 101, 99, 100, 4.0)
    events = bar(book, 1, 100, 101, 99, 100, 1.0)
    assert [(e.kind, e.code) for e in events][-1] == (EventKind.CANCELLED, "EXPIRED")
    assert book.positions()[0].quantity == pytest.approx(0.5)


def test_a_quiet_bar_fills_nothing() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    assert not bar(book, 1, 90, 90, 90, 90, volume=0.0)
    assert book.judged_until("A/USD") == T + 2 * M


def test_a_slice_that_was_covered_by_prints_is_not_judged_again() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    book.settle("A/USD", T + M + 5, T + M + 5, 99, 99, 99, 99, 1.0)
    assert not book.settle("A/USD", T + M, T + 2 * M, 100, 100, 50, 100, 1e9)
    assert not book.settle("A/USD", T + M + 7, T + M + 7, 50, 50, 50, 50, 1.0)  # late
    assert the_close(book.settle("A/USD", T + 2 * M, T + 3 * M, 94, 95, 93, 94, 1e9)).price == 94


def test_a_stop_crossed_while_down_fills_at_the_first_live_price() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    (due,) = book.mark_missed("A/USD", T + M, T + 2 * M, 101.0, 90.0)
    assert due.kind is EventKind.EXIT_DECIDED
    end = the_close(book.settle("A/USD", T + 9 * M, T + 9 * M, 97, 97, 97, 97, 1.0))
    assert (end.reason, end.price) == (ExitReason.STOP_LATE, 97)


def test_a_person_may_close_half_and_then_the_rest() -> None:
    book = opened()
    book.exit("s", "A/USD", 0.5, ExitReason.MANUAL, T + 5)
    (half,) = book.settle("A/USD", T + 9, T + 9, 110, 110, 110, 110, 1.0)
    assert half.numbers["position"] == pytest.approx(0.5)
    book.exit("s", "A/USD", 1.0, ExitReason.MANUAL, T + 10)
    end = the_close(book.settle("A/USD", T + 12, T + 12, 120, 120, 120, 120, 1.0))
    assert end.price == pytest.approx(115)
    assert end.numbers["pnl"] == pytest.approx(15)


def test_halted_holds_signal_exits_as_due_and_lets_stops_through() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    book.set_level(State.HALTED, T + 3)
    (due,) = book.decide(T + M, {"A/USD": (100.0, True)}, [wish(action="exit")], 0)
    assert (due.code, book.positions()[0].held_exit) == ("DUE", ExitReason.SIGNAL)
    assert not book.settle("A/USD", T + M, T + 2 * M, 100, 101, 99, 100, 1e9)
    book.set_level(State.ACTIVE, T + 2 * M)
    assert the_close(book.settle("A/USD", T + 2 * M, T + 3 * M, 101, 102, 100, 101, 1e9)).reason is ExitReason.SIGNAL
    other = opened(with_strategy(stop_pct=0.05))
    other.set_level(State.HALTED, T + 3)
    assert the_close(bar(other, 1, 100, 100, 90, 92)).reason is ExitReason.STOP


def test_costs_are_the_fee_and_a_slippage_with_slope_and_cap() -> None:
    def costs(amount: float) -> tuple[float, float]:
        rules = replace(
            with_strategy(sizing=Sizing(amount=amount)), capital=1e8, costs=Costs(0.0026, 0.001, 0.001, 0.01)
        )
        book = Book(rules)
        (intent,) = book.decide(T, {"A/USD": (100.0, True)}, [wish()], 0)
        book.grant(intent.intent, T, 100.0)
        (fill,) = book.settle("A/USD", T, T + M, 100, 101, 99, 100, 1e9)
        return fill.fee / amount, fill.slippage / amount

    assert costs(100_000) == (pytest.approx(0.0026), pytest.approx(0.002))
    assert costs(5_000_000) == (pytest.approx(0.0026), pytest.approx(0.01))


def test_a_stop_moves_only_closer() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    assert [e.code for e in book.move_stop("s", "A/USD", 94.0, T + 5)] == ["BEYOND_STOP"]
    book.move_stop("s", "A/USD", 98.0, T + 5)
    assert the_close(bar(book, 1, 99, 99, 97, 98)).price == 98


def test_a_wider_stop_must_be_asked_for_by_name_and_never_stands_beyond_the_price() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    assert [e.kind for e in book.move_stop("s", "A/USD", 90.0, T + 5, wider=True)] == ["STOP_MOVED"]
    assert [e.code for e in book.move_stop("s", "A/USD", 90.0, T + 6, wider=True)] == ["BEYOND_STOP"], "no move at all"
    assert [e.code for e in book.move_stop("s", "A/USD", 101.0, T + 7, wider=True)] == ["BEYOND_STOP"]
    assert bar(book, 1, 99, 99, 91, 92) == []
    assert the_close(bar(book, 2, 91, 91, 89, 90)).price == 90


def test_a_trailing_stop_stays_the_nearest_that_a_wider_stop_may_come_to() -> None:
    book = opened(with_strategy(stop_pct=0.10, trailing=0.02))
    assert book.positions()[0].stop == 98
    assert [e.code for e in book.move_stop("s", "A/USD", 95.0, T + 5, wider=True)] == ["BEYOND_STOP"]


def test_a_dump_restores_everything_and_refuses_other_rules() -> None:
    from engine.core.book import SnapshotError

    book = opened(with_strategy(stop_pct=0.05))
    again = Book(with_strategy(stop_pct=0.05))
    again.load(book.dump())
    assert again.positions() == book.positions()
    assert bar(again, 1, 100, 100, 90, 91) == bar(book, 1, 100, 100, 90, 91)
    with pytest.raises(SnapshotError, match="rules"):
        Book(RULES).load(book.dump())


def test_an_uneventful_print_only_moves_the_judged_instant() -> None:
    book = opened(with_strategy(stop_pct=0.05))
    before = book.positions()
    assert not book.settle("A/USD", T + 50, T + 50, 101, 101, 101, 101, 1.0)
    assert (book.positions(), book.judged_until("A/USD")) == (before, T + 50)
    assert math.isclose(book.cash, 900.0)


def test_limits_are_listed_with_their_use() -> None:
    book = opened(replace(RULES, limits=Limits(max_positions=5, max_exposure=500.0)))
    uses = {use.name: (use.limit, use.used) for use in book.limits()}
    assert uses["positions"] == (5, 1)
    assert uses["exposure"] == (500, pytest.approx(100))


def test_a_stop_without_volume_leaves_at_the_next_opens_and_is_decided_once() -> None:
    book = Book(replace(with_strategy(stop_pct=0.05), volume_share=0.10))
    (intent,) = book.decide(T, {"A/USD": (100.0, True)}, [wish()], 0)
    book.grant(intent.intent, T, 100.0)
    book.settle("A/USD", T, T + M, 100, 101, 99, 100, 1e9)
    kinds = [e.kind for e in book.settle("A/USD", T + M, T + 2 * M, 99, 99, 90, 91, 4.0)]
    assert kinds == [EventKind.FILLED, EventKind.EXIT_DECIDED]
    assert [e.price for e in book.settle("A/USD", T + 2 * M, T + 3 * M, 92, 92, 80, 91, 4.0)] == [92]
    end = the_close(book.settle("A/USD", T + 3 * M, T + 4 * M, 90, 91, 80, 91, 4.0))
    assert (end.reason, end.price) == (ExitReason.STOP, pytest.approx(0.4 * 95 + 0.4 * 92 + 0.2 * 90))


def test_a_price_of_zero_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="prices must be above 0"):
        Book(RULES).settle("A/USD", T, T, 0.0, 0.0, 0.0, 0.0, 1.0)
