"""Limits, breakers and sizing: every "no" is a code with its numbers, and no limit is ever exceeded."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.book import Book
from engine.core.events import Event, EventKind
from engine.core.rounding import ceil_step, floor_step
from engine.core.rules import Costs, Limits, Rules, Sizing, StrategyRules
from engine.domain import Instrument, Side, Signal, State, instant

M = 60_000_000
T = 1_700_000_040_000_000
NAMES = ("A", "B", "C", "D", "E", "F")
CLOSES = dict.fromkeys(NAMES, (100.0, True))


def rules(sizing: Sizing | None = None, limits: Limits | None = None, **fields: object) -> Rules:
    strategy = StrategyRules("s", sizing or Sizing(amount=100.0), stop_pct=0.05)
    return Rules(
        (strategy,),
        tuple(Instrument(name, min_notional=5.0) for name in NAMES),
        1_000.0,
        limits=limits or Limits(),
        volume_share=None,
        good_bars_needed=0,
        **fields,
    )


def wish(symbol: str, **fields: object) -> Signal:
    numbers = {key: fields.pop(key) for key in ("atr_pct", "turnover") if key in fields}
    return Signal("s", symbol, instant(T), "enter", Side.LONG, 100.0, numbers=numbers, **fields)


def ask(book: Book, *symbols: str, at: int = T, **fields: object) -> list[Event]:
    return book.decide(at, CLOSES, [wish(symbol, **fields) for symbol in symbols], 0)


def codes(events: list[Event]) -> list[tuple[str, str]]:
    return [(e.symbol, e.code or e.kind.value) for e in events]


def buy(book: Book, symbol: str, price: float = 100.0, at: int = T) -> None:
    """Ask, grant and fill at once."""
    (intent,) = ask(book, symbol, at=at)
    book.grant(intent.intent, at, 100.0)
    book.settle(symbol, at, at + M, price, price, price, price, 1e9)


def test_waiting_intents_take_slots_and_the_best_are_served_first() -> None:
    book = Book(rules(limits=Limits(max_positions=2)))
    wishes = [wish("A", confidence=0.5), wish("B", confidence=0.7), wish("C", confidence=0.7, expected_value=2.0)]
    events = book.decide(T, CLOSES, wishes, 0)
    assert codes(events) == [("C", "INTENT"), ("B", "INTENT"), ("A", "NO_SLOT")]
    assert events[-1].numbers == {"used": 2, "limit": 2}


def test_a_grant_is_judged_with_the_numbers_of_its_own_moment() -> None:
    book = Book(rules())
    (intent,) = ask(book, "A")
    assert codes(book.grant(intent.intent, T, 101.0, worst_price=100.5)) == [("A", "WORSE_PRICE")]
    (intent,) = ask(book, "A", at=T + M)
    book.set_level(State.REDUCING, T + M)
    assert codes(book.grant(intent.intent, T + M, 100.0)) == [("", "NO_INTENT")]
    assert codes(ask(book, "A", at=T + 2 * M)) == [("A", "HELD")]


def test_consent_may_be_shrunk_and_is_never_exceeded() -> None:
    book = Book(rules())
    (intent,) = ask(book, "A")
    book.grant(intent.intent, T, 100.0, max_quantity=0.5, worst_price=101.0)
    assert not book.settle("A", T, T + M, 102, 103, 102, 102, 1e9)  # worse than consented: it waits
    (fill,) = book.settle("A", T + M, T + 2 * M, 100, 101, 99, 100, 1e9)
    assert fill.quantity == 0.5


@pytest.mark.parametrize(
    ("limits", "strategy", "code"),
    [
        (Limits(max_exposure=250.0), {}, "EXPOSURE"),
        (Limits(max_heat=0.01), {}, "HEAT"),
        (Limits(), {"capital_share": 0.25}, "STRATEGY_CAPITAL"),
        (Limits(max_leverage=0.25), {}, "NO_CASH"),
    ],
)
def test_money_limits_count_what_is_reserved(limits: Limits, strategy: dict[str, float], code: str) -> None:
    made = rules(limits=limits)
    book = Book(replace(made, strategies=(replace(made.strategies[0], **strategy),)))
    assert codes(ask(book, "A", "B", "C")) == [("A", "INTENT"), ("B", "INTENT"), ("C", code)]


def test_a_second_wish_for_the_same_pair_is_refused() -> None:
    book = Book(rules())
    (intent,) = ask(book, "A")
    assert codes(ask(book, "A", at=T + M)) == [("A", "PENDING")]
    book.grant(intent.intent, T + M, 100.0)
    assert codes(ask(book, "A", at=T + 2 * M)) == [("A", "WORKING")]
    book.settle("A", T + 2 * M, T + 3 * M, 100, 100, 100, 100, 1e9)
    assert codes(ask(book, "A", at=T + 3 * M)) == [("A", "IN_POSITION")]


def test_orders_below_the_minimum_and_sides_that_are_off_are_refused() -> None:
    assert codes(ask(Book(rules(Sizing(amount=4.0))), "A")) == [("A", "MIN_ORDER")]
    short = replace(wish("A"), side=Side.SHORT)
    assert codes(Book(rules()).decide(T, CLOSES, [short], 0)) == [("A", "SIDE_OFF")]


def test_no_entry_until_three_good_bars_after_a_missing_one() -> None:
    book = Book(replace(rules(), good_bars_needed=3))
    book.decide(T, {}, [], 0)
    got = [codes(ask(book, "A", at=T + n * M))[0][1] for n in (1, 2, 3)]
    assert got == ["NOT_ENOUGH_GOOD_BARS", "NOT_ENOUGH_GOOD_BARS", "INTENT"]


def test_a_daily_loss_stops_entries_until_the_next_local_day() -> None:
    book = Book(rules(limits=Limits(daily_loss_fraction=0.10, daily_loss_amount=4.0)))
    buy(book, "A")
    low = {**CLOSES, "A": (95.5, True)}
    (breaker,) = book.decide(T + M, low, [], 0)
    assert (breaker.kind, breaker.code) == (EventKind.BREAKER, "DAILY_LOSS")
    assert breaker.numbers == {"equity": 995.5, "day_start": 1000.0, "limit": 4.0}
    assert codes(ask(book, "B", at=T + 2 * M)) == [("B", "DAILY_LOSS")]
    ended, intent = book.decide(T + 3 * M, low, [wish("B")], 1)
    assert (ended.kind, intent.kind) == (EventKind.BREAKER_ENDED, EventKind.INTENT)
    assert book.day_start == 995.5


def test_a_drawdown_lasts_until_a_person_lifts_it() -> None:
    book = Book(rules(limits=Limits(max_drawdown=0.004)))
    buy(book, "A")
    book.decide(T + M, {**CLOSES, "A": (95.5, True)}, [], 0)
    assert codes(ask(book, "B", at=T + 2 * M)) == [("B", "DRAWDOWN")]
    book.lift("DRAWDOWN", T + 2 * M)
    assert codes(ask(book, "B", at=T + 3 * M)) == [("B", "INTENT")]


def test_losses_in_a_row_pause_entries_and_a_closed_symbol_rests() -> None:
    limits = Limits(consecutive_losses=1, losses_pause_us=5 * M, cool_down_us=20 * M)
    book = Book(rules(limits=limits))
    buy(book, "A")
    book.settle("A", T + M, T + 2 * M, 90, 90, 90, 90, 1e9)
    assert codes(book.decide(T + 2 * M, CLOSES, [wish("B")], 0)) == [("", "LOSSES"), ("B", "LOSSES")]
    got = book.decide(T + 7 * M, CLOSES, [wish("A"), wish("B")], 0)
    assert codes(got) == [("", "LOSSES"), ("A", "COOL_DOWN"), ("B", "INTENT")]


def test_risk_sizing_loses_the_same_money_at_any_stop() -> None:
    sizing = Sizing("risk", risk_fraction=0.005, max_weight=0.5)
    (intent,) = ask(Book(rules(sizing)), "A", stop_distance=2.0)
    assert intent.quantity * 2.0 == pytest.approx(5.0)


@given(st.lists(st.floats(0.001, 0.1), min_size=1, max_size=6))
def test_inverse_volatility_weights_keep_their_bounds_and_their_sum(atrs: list[float]) -> None:
    book = Book(rules(Sizing("inverse_volatility")))
    wishes = [wish(name, atr_pct=atr) for name, atr in zip(NAMES, atrs, strict=False)]
    weights = [e.numbers["weight"] for e in book.decide(T, CLOSES, wishes, 0) if e.kind is EventKind.INTENT]
    mean, n = sum(atrs) / len(atrs), len(atrs)
    clipped = [min(0.2, max(0.02, mean / atr / n)) for atr in atrs]
    assert sum(weights) <= 1 + 1e-12
    assert all(0.02 <= weight <= 0.2 for weight in weights)
    if sum(clipped) <= 1:
        assert weights == pytest.approx(clipped)


def test_above_its_room_only_the_most_liquid_take_part() -> None:
    book = Book(rules(Sizing("inverse_volatility", participants=2)))
    wishes = [wish(name, atr_pct=0.01, turnover=float(rank)) for rank, name in enumerate("ABC")]
    assert codes(book.decide(T, CLOSES, wishes, 0)) == [("A", "NOT_LIQUID"), ("B", "INTENT"), ("C", "INTENT")]


def test_five_full_weights_and_their_costs_fit_the_cash() -> None:
    made = replace(rules(Sizing("inverse_volatility")), costs=Costs(0.0026, 0.001))
    events = Book(made).decide(T, CLOSES, [wish(name, atr_pct=0.01) for name in "ABCDE"], 0)
    amounts = [e.numbers["amount"] for e in events]
    assert amounts[:4] == [200.0] * 4
    assert 190 < amounts[4] < 200
    assert sum(amounts) * 1.0036 == pytest.approx(1000.0)


STEPS = st.sampled_from(["0.1", "0.01", "0.001", "0.00000001", "0.5", "0.05", "0.25", "1", "5", "10", "1000"])


@given(st.floats(1e-6, 1e6), STEPS)
def test_rounding_equals_exact_decimals(value: float, step: str) -> None:
    exact, unit = Decimal(repr(value)), Decimal(step)
    down = (exact / unit).to_integral_value(ROUND_FLOOR) * unit
    up = (exact / unit).to_integral_value(ROUND_CEILING) * unit
    assert floor_step(value, float(step)) == float(down)
    assert ceil_step(value, float(step)) == float(up)


@given(st.integers(0, 10**9), STEPS)
def test_a_value_on_the_grid_stays(count: int, step: str) -> None:
    value = float(count * Decimal(step))
    assert floor_step(value, float(step)) == value == ceil_step(value, float(step))


def test_quantities_round_down_and_stops_to_less_loss() -> None:
    made = rules()
    stepped = replace(made, instruments=(Instrument("A", price_step=0.1, quantity_step=0.01), *made.instruments[1:]))
    book = Book(stepped)
    (intent,) = ask(book, "A")
    book.grant(intent.intent, T, 100.0)
    (fill,) = book.settle("A", T, T + M, 101.03, 101.03, 101.03, 101.03, 1e9)
    assert (fill.quantity, book.positions()[0].stop) == (0.98, 96.0)
