"""The compiled run and the bar-by-bar Book are one: equal trades and money, bit for bit, on random markets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.events import EventKind
from engine.core.rules import Costs, Limits, Rules, Sizing, StrategyRules
from engine.core.run import blank_wishes, run
from engine.domain import Instrument, Side
from tests.core.build import MINUTE, closed, closed_of_run, market, step_through, times_of

ROWS = 400


def sizings() -> st.SearchStrategy[Sizing]:
    fixed = st.builds(Sizing, policy=st.just("fixed"), amount=st.sampled_from([20.0, 100.0, 333.0]))
    risk = st.builds(Sizing, policy=st.just("risk"), risk_fraction=st.sampled_from([0.002, 0.02]))
    weighted = st.builds(Sizing, policy=st.just("inverse_volatility"), participants=st.sampled_from([2, 50]))
    return st.one_of(fixed, risk, weighted)


def maybe(*values: float) -> st.SearchStrategy[float | None]:
    return st.sampled_from([None, *values])


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    names = ["one", "two"][: draw(st.integers(1, 2))]
    strategies = tuple(
        StrategyRules(
            name,
            draw(sizings()),
            capital_share=draw(st.sampled_from([1.0, 0.5])),
            stop_pct=draw(maybe(0.005, 0.02)),
            target_pct=draw(maybe(0.01, 0.03)),
            trailing=draw(maybe(0.004, 0.01)),
            trailing_arm=draw(maybe(0.005)),
            max_hold_us=draw(st.sampled_from([None, 20 * MINUTE])),
            max_bars=draw(st.sampled_from([None, 15])),
            entry_life_us=draw(st.sampled_from([None, 10 * MINUTE])),
            sides=(Side.LONG, Side.SHORT),
        )
        for name in names
    )
    steps = draw(st.sampled_from([(0.0, 0.0), (0.01, 0.001)]))
    symbols = tuple(Instrument(f"C{s}/USD", *steps, can_short=True) for s in range(draw(st.integers(1, 3))))
    limits = Limits(
        max_positions=draw(st.sampled_from([None, 1, 2])),
        max_per_symbol=draw(st.sampled_from([None, 1])),
        max_exposure=draw(maybe(250.0)),
        max_heat=draw(maybe(0.01)),
        max_leverage=draw(maybe(1.0, 2.0)),
        daily_loss_fraction=draw(maybe(0.01)),
        max_drawdown=draw(maybe(0.03)),
        consecutive_losses=draw(st.sampled_from([None, 4])),
        losses_pause_us=draw(st.sampled_from([None, 60 * MINUTE])),
        cool_down_us=draw(st.sampled_from([None, 5 * MINUTE])),
    )
    costs = draw(st.sampled_from([Costs(), Costs(0.0026, 0.001, 0.001)]))
    share = draw(maybe(0.1, 0.01))
    return Rules(strategies, symbols, 1_000.0, costs, limits, share, good_bars_needed=draw(st.sampled_from([0, 3])))


def wishes_for(rules: Rules, bars: np.ndarray, seed: int) -> np.ndarray:
    """Random entries and exits of every kind: market, limit, grid, own stops and targets, both sides."""
    rng = np.random.default_rng(seed)
    count = len(bars) // 3
    wishes = blank_wishes(count)
    wishes["row"] = np.sort(rng.integers(0, len(bars), count))
    wishes["strategy"] = rng.integers(0, len(rules.strategies), count)
    wishes["symbol"] = rng.integers(0, len(rules.instruments), count)
    wishes["action"] = rng.choice([1, 1, 1, 2], count)
    wishes["side"] = rng.choice([1, -1], count)
    wishes["atr"] = rng.uniform(0.001, 0.02, count)
    wishes["turnover"] = rng.uniform(1e3, 1e6, count)
    wishes["confidence"] = np.where(rng.random(count) < 0.5, rng.random(count), math.nan)
    wishes["max_hold"] = rng.choice([0, 0, 7 * MINUTE], count)
    close = bars[wishes["row"], 3, wishes["symbol"]]
    wishes["stop_distance"] = np.where(rng.random(count) < 0.3, 0.01 * close, math.nan)
    wishes["target"] = np.where(rng.random(count) < 0.2, close * (1 + 0.02 * wishes["side"]), math.nan)
    wishes["n_legs"] = np.where(np.isnan(close), 0, rng.choice([0, 0, 0, 1, 4], count))
    depth = 1.0 - wishes["side"][:, None] * 0.003 * np.arange(1, 9)[None, :]
    wishes["legs"] = close[:, None] * depth
    _, firsts = np.unique(np.stack([wishes["row"], wishes["strategy"], wishes["symbol"]]), axis=1, return_index=True)
    return wishes[np.sort(firsts)]


def random_world(rules: Rules, seed: int, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    bars = market(seed, rows, len(rules.instruments), missing=0.04)
    return times_of(rows), bars, wishes_for(rules, bars, seed + 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(rules(), st.integers(0, 10_000))
def test_a_compiled_run_equals_the_book_fed_bar_by_bar(rules: Rules, seed: int) -> None:
    times, bars, wishes = random_world(rules, seed)
    result = run(rules, times, bars, wishes, interval_us=MINUTE, close_at_end=False, equity_every=1)
    book, events = step_through(rules, times, bars, wishes)
    assert closed(events) == closed_of_run(result)
    assert book.cash == result.cash
    assert book.equity == result.equity[-1]
    refused = [e.code for e in events if e.kind is EventKind.REFUSED]
    assert {code: refused.count(code) for code in set(refused)} == result.refusals


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(rules(), st.integers(0, 10_000))
def test_money_is_conserved_and_limits_hold_after_every_slice(rules: Rules, seed: int) -> None:
    times, bars, wishes = random_world(rules, seed, 200)
    limits, costs_paid, worth, traded = rules.limits, 0.0, rules.capital, 0.0
    book, events = step_through(rules, times, bars, wishes)
    held: dict[tuple[str, str], float] = {}
    for event in events:
        if event.kind is EventKind.FILLED:
            sign = 1 if (event.code == "entry") == (event.side is Side.LONG) else -1
            traded += sign * event.quantity * event.price
            costs_paid += event.fee + event.slippage
            held[event.strategy, event.symbol] = event.numbers["position"]
            held = {cell: quantity for cell, quantity in held.items() if quantity}
            assert event.quantity > 0
            if limits.max_positions is not None:
                assert len(held) <= limits.max_positions
            if limits.max_per_symbol is not None:
                assert max((sum(s == own for _, s in held) for _, own in held), default=0) <= limits.max_per_symbol
    assert math.isclose(book.cash, worth - traded - costs_paid, rel_tol=1e-9)
    pnl = sum(e.numbers["pnl"] for e in events if e.kind is EventKind.CLOSED)
    assert math.isclose(book.equity, worth + pnl + sum(p.pnl for p in book.positions()), rel_tol=1e-9)
    assert {(p.strategy, p.symbol) for p in book.positions()} == set(held)


RULES_FOR_HASH = Rules(
    (
        StrategyRules(
            "one", Sizing(amount=50.0), stop_pct=0.01, trailing=0.008, max_bars=40, sides=(Side.LONG, Side.SHORT)
        ),
    ),
    (Instrument("A/USD", 0.01, 0.001, can_short=True), Instrument("B/USD", can_short=True)),
    1_000.0,
    Costs(0.0026, 0.001, 0.001),
    Limits(max_positions=2, max_heat=0.1),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(rules(), st.integers(0, 10_000))
def test_quiet_rows_that_a_lone_coin_skips_change_nothing(rules: Rules, seed: int) -> None:
    rules = replace(rules, instruments=rules.instruments[:1])
    rows = 3_000
    times, bars = times_of(rows), market(seed, rows, step=0.0008, missing=0.002)
    wishes = wishes_for(rules, bars, seed)[::40]
    idle = replace(rules, instruments=(*rules.instruments, Instrument("IDLE/USD")))
    beside = np.concatenate([bars, np.full_like(bars, math.nan)], axis=2)  # two coins: every row is judged
    alone = run(rules, times, bars, wishes, interval_us=MINUTE, equity_every=7)
    every = run(idle, times, np.ascontiguousarray(beside), wishes, interval_us=MINUTE, equity_every=7)
    assert alone.trades.tobytes() == every.trades.tobytes()
    assert alone.equity.tobytes() == every.equity.tobytes()
    assert alone.cash == every.cash
    assert alone.refusals == every.refusals


def test_a_price_that_cannot_be_is_refused_wherever_it_stands() -> None:
    rules, times, bars = (
        replace(RULES_FOR_HASH, instruments=RULES_FOR_HASH.instruments[:1]),
        times_of(90),
        market(3, 90),
    )
    for row, low in ((0, 0.0), (41, -1.0), (89, math.nan)):
        wrong = bars.copy()
        wrong[row, 2] = low
        with pytest.raises(ValueError, match=f"row {row}: "):
            run(rules, times, wrong, blank_wishes(0), interval_us=MINUTE)
