"""One-minute bars from prints: any order within the grace gives the bars of an offline aggregation."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import OF_A_BAR, Print, micros
from engine.market.bars import BarBuilder
from engine.market.rolling import INTERVALS, roll_up
from engine.ports import BarColumns

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
A, B = "A/USD", "B/USD"


def at(seconds):
    return START + timedelta(seconds=seconds)


def trade(symbol, seconds, price, quantity=1.0, trade_id=None):
    return Print(symbol, at(seconds), price, quantity, at(seconds), trade_id)


def alive(symbols=(A,), start=START, **options):
    builder = BarBuilder(symbols, start, **options)
    for symbol in symbols:
        builder.alive(symbol, start)
    return builder


def advance(builder, seconds):
    builder.hear(at(seconds))
    return builder.advance(at(seconds))


def row(minute, symbol):
    k = minute.symbols.index(symbol)
    return (minute.open[k], minute.high[k], minute.low[k], minute.close[k], minute.volume[k], minute.quality[k])


def test_a_minute_comes_once_after_its_grace_with_every_symbol():
    builder = alive((A, B))
    builder.add(trade(A, 1, 10.0, 2.0))
    builder.add(trade(B, 2, 5.0))
    builder.add(trade(A, 30, 12.0, 1.0))
    builder.add(trade(A, 59.9, 11.0, 1.0))
    assert advance(builder, 61.9) == []
    (minute,) = advance(builder, 62)
    assert minute.at == at(60)
    assert row(minute, A) == (10.0, 12.0, 10.0, 11.0, 4.0, "good")
    assert row(minute, B) == (5.0, 5.0, 5.0, 5.0, 1.0, "good")
    assert advance(builder, 63) == []


def test_a_print_on_the_minute_opens_the_next_bar():
    builder = alive()
    builder.add(trade(A, 10, 1.0))
    builder.add(trade(A, 60, 2.0))
    first, second = advance(builder, 122)
    assert row(first, A)[3] == 1.0
    assert row(second, A)[0] == 2.0


def test_a_quiet_minute_is_flat_at_the_last_close_with_volume_0():
    builder = alive()
    builder.add(trade(A, 10, 7.0))
    _, second = advance(builder, 122)
    assert row(second, A) == (7.0, 7.0, 7.0, 7.0, 0.0, "quiet")
    assert second.missing == ()


def test_before_the_first_price_a_symbol_is_missing_unless_history_knows_a_close():
    builder = alive((A, B))
    builder.seed({B: 3.0})
    (minute,) = advance(builder, 62)
    assert minute.missing == (A,)
    assert row(minute, B) == (3.0, 3.0, 3.0, 3.0, 0.0, "quiet")


def test_a_minute_that_the_feed_did_not_hear_whole_is_missing_and_its_prints_make_no_bar():
    builder = alive()
    builder.add(trade(A, 10, 7.0))
    builder.dead(at(20))
    (minute,) = builder.advance(at(62))
    assert (minute.symbols, minute.missing) == ((), (A,))
    builder.alive(A, at(90))
    builder.add(trade(A, 95, 8.0))
    (minute,) = advance(builder, 122)
    assert minute.missing == (A,)
    (minute,) = advance(builder, 182)
    assert row(minute, A) == (8.0, 8.0, 8.0, 8.0, 0.0, "quiet")


def test_a_line_that_died_after_the_close_does_not_cost_the_minute():
    builder = alive()
    builder.add(trade(A, 10, 7.0))
    builder.dead(at(60.5))
    (minute,) = builder.advance(at(62))
    assert minute.symbols == (A,)


def test_no_minute_comes_before_a_sign_of_life_after_its_close():
    builder = alive()
    builder.add(trade(A, 10, 7.0))
    builder.hear(at(59))
    assert builder.advance(at(64)) == [], "quiet or dead: not known yet"
    builder.dead(at(59))
    (minute,) = builder.advance(at(65))
    assert minute.missing == (A,)


def test_a_late_print_is_refused_and_changes_no_bar():
    builder = alive()
    builder.add(trade(A, 10, 7.0))
    advance(builder, 62)
    assert builder.add(trade(A, 59, 100.0)) is False
    (minute,) = advance(builder, 122)
    assert row(minute, A)[1] == 7.0


def test_the_minute_comes_at_once_when_every_symbol_is_past_it():
    builder = alive((A, B), ordered=True)
    builder.add(trade(A, 10, 1.0))
    builder.add(trade(A, 60.1, 1.0))
    assert advance(builder, 60.2) == []
    builder.add(trade(B, 60.2, 1.0))
    assert len(advance(builder, 60.3)) == 1


def test_a_feed_that_knows_it_is_complete_need_not_wait():
    builder = alive()
    builder.add(trade(A, 10, 1.0))
    assert len(builder.advance(at(60), complete_until=at(60))) == 1


prints = st.lists(
    st.tuples(
        st.sampled_from((A, B)),
        st.integers(0, 300_000),
        st.floats(0.5, 100, allow_nan=False),
        st.floats(0, 10, allow_nan=False),
    ),
    max_size=80,
)


def offline(items, minutes):
    """Bars by sorting: the plainest aggregation."""
    bars, last = {}, {}
    for number in range(minutes):
        for symbol in (A, B):
            inside = [
                item
                for item in items
                if item.symbol == symbol and number * 60 <= (item.at - START).total_seconds() < number * 60 + 60
            ]
            inside.sort(key=lambda item: (item.at, item.trade_id))
            if inside:
                every = [item.price for item in inside]
                last[symbol] = every[-1]
                volume = sum(item.quantity for item in inside)
                bars[number, symbol] = (every[0], max(every), min(every), every[-1], pytest.approx(volume))
            elif symbol in last:
                bars[number, symbol] = (last[symbol],) * 4 + (0.0,)
    return bars


def delayed(items, at_most, dice):
    """(arrival, print) pairs in order of arrival."""
    pairs = [(item.at + timedelta(seconds=dice.uniform(0, at_most)), item) for item in items]
    return sorted(pairs, key=lambda pair: pair[0])


@settings(max_examples=150, deadline=None)
@given(prints, st.integers(0, 2**32))
def test_any_order_within_the_grace_gives_the_offline_bars_and_loses_no_volume(raw, seed):
    items = [trade(symbol, ms / 1000, price, size, k) for k, (symbol, ms, price, size) in enumerate(raw)]
    dice = random.Random(seed)
    arrivals = delayed(items, 1.99, dice)
    builder, minutes, late = alive((A, B)), [], 0
    for arrived, item in arrivals:
        builder.hear(arrived)
        minutes += builder.advance(arrived)
        late += not builder.add(item)
    minutes += advance(builder, 362)
    built = {(k, s): row(minute, s)[:5] for k, minute in enumerate(minutes) for s in minute.symbols}
    assert late == 0
    assert built == offline(items, 6)
    assert sum(sum(minute.volume) for minute in minutes) == pytest.approx(sum(item.quantity for item in items))


@settings(max_examples=100, deadline=None)
@given(prints, st.integers(0, 2**32))
def test_however_late_every_print_is_either_in_a_bar_or_counted_late(raw, seed):
    dice = random.Random(seed)
    items = [trade(symbol, ms / 1000, price, size, k) for k, (symbol, ms, price, size) in enumerate(raw)]
    arrivals = delayed(items, 200, dice)
    builder, minutes, late = alive((A, B)), [], 0.0
    for arrived, item in arrivals:
        builder.hear(arrived)
        minutes += builder.advance(arrived)
        late += 0.0 if builder.add(item) else item.quantity
    minutes += advance(builder, 600)
    assert [minute.at for minute in minutes] == [at(60 * (k + 1)) for k in range(len(minutes))]
    assert sum(sum(minute.volume) for minute in minutes) + late == pytest.approx(sum(item.quantity for item in items))


def minute_columns(count, start=START, seed=1, without=()):
    dice = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(dice.normal(0, 0.001, count)))
    opened = np.r_[100.0, close[:-1]]
    high, low = np.maximum(opened, close) * 1.0005, np.minimum(opened, close) * 0.9995
    time = micros(start) + (np.arange(count) + 1) * 60_000_000
    kept = ~np.isin(np.arange(count), without)
    parts = (part[kept] for part in (opened, high, low, close, dice.uniform(0, 5, count)))
    return BarColumns(A, timedelta(minutes=1), time[kept], *parts)


def test_longer_bars_are_aligned_to_utc_and_whole():
    minutes = minute_columns(3 * 1440, start=datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=7))
    for name, interval in INTERVALS.items():
        rolled = roll_up(minutes, interval)
        width = interval // timedelta(microseconds=1)
        assert (rolled.bars.time % width == 0).all(), name
        assert (rolled.parts == interval // timedelta(minutes=1)).all()
        for k in (0, rolled.bars.time.size - 1):
            inside = (minutes.time > rolled.bars.time[k] - width) & (minutes.time <= rolled.bars.time[k])
            assert rolled.bars.open[k] == minutes.open[inside][0]
            assert rolled.bars.high[k] == minutes.high[inside].max()
            assert rolled.bars.low[k] == minutes.low[inside].min()
            assert rolled.bars.close[k] == minutes.close[inside][-1]
            assert rolled.bars.volume[k] == pytest.approx(minutes.volume[inside].sum())


@given(st.integers(1, 200), st.sampled_from(["5m", "15m", "1h"]))
def test_live_windows_give_the_very_bars_of_the_whole_history(cut, name):
    whole = minute_columns(300)
    part = minute_columns(300, without=range(cut))
    all_bars, some = roll_up(whole, INTERVALS[name]).bars, roll_up(part, INTERVALS[name]).bars
    shared = all_bars.time.size - some.time.size
    for column in ("time", "open", "high", "low", "close", "volume"):
        assert (getattr(all_bars, column)[shared:] == getattr(some, column)).all()


def test_an_incomplete_bucket_is_left_out_unless_asked_for():
    minutes = minute_columns(13, without=(6,))
    assert roll_up(minutes, INTERVALS["5m"]).parts.tolist() == [5]
    assert roll_up(minutes, INTERVALS["5m"], incomplete="keep").parts.tolist() == [5, 4, 3]


def test_nothing_rolls_up_to_nothing_and_no_interval_is_guessed():
    empty = minute_columns(1, without=(0,))
    assert roll_up(empty, INTERVALS["1h"]).bars.time.size == 0
    with pytest.raises(ValueError, match="cannot roll"):
        roll_up(minute_columns(5), timedelta(seconds=90))


def test_a_bar_counts_its_trades_and_one_made_of_another_bar_counts_none():
    builder = alive((A, B))
    for second in (1, 2, 30):
        builder.add(trade(A, second, 10.0))
    builder.add(Print(B, at(3), 5.0, 1.0, at(3), None, OF_A_BAR))
    builder.add(Print(B, at(4), 5.0, 1.0, at(4), None, OF_A_BAR))
    builder.add(trade(B, 70, 5.0))
    first, second = advance(builder, 125)
    assert dict(zip(first.symbols, first.trades, strict=True)) == {A: 3, B: None}
    assert dict(zip(second.symbols, second.trades, strict=True)) == {A: 0, B: 1}


def test_minutes_in_which_nobody_counts_carry_no_counts():
    builder = alive()
    builder.add(Print(A, at(3), 5.0, 1.0, at(3), None, OF_A_BAR))
    (minute,) = advance(builder, 65)
    assert (minute.trades, minute.trade_counts()) == ((), (None,))
