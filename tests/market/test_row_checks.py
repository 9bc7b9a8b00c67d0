"""Rows of bars, whatever they hold: none disappears without a word, and what is kept can be believed."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import micros
from engine.market.row_checks import Rows, as_micros, checked

SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD")
SINCE, UNTIL = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
NOW = datetime(2024, 5, 1, 18, tzinfo=UTC)
MINUTE_US = 60_000_000

prices = st.one_of(st.floats(0.5, 2.0), st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e308]))
times = st.one_of(
    st.integers(0, 30).map(lambda k: micros(SINCE) + k * MINUTE_US),
    st.sampled_from([0, micros(SINCE) + 1, micros(NOW), micros(UNTIL), micros(UNTIL) + 10**14, -5, 2**62]),
)
row = st.tuples(st.integers(0, 2), times, prices, prices, prices, prices, prices)


def rows_of(drawn):
    table = np.array([one[2:] for one in drawn], float).reshape(-1, 5)
    code, opened = (np.array([one[k] for one in drawn], np.int64) for k in (0, 1))
    empty = np.full(len(drawn), np.nan)
    return Rows(code, opened, table[:, :4], table[:, 4], empty, empty)


@given(st.lists(row, max_size=60))
def test_every_row_is_a_bar_a_rejection_or_a_duplicate(drawn):
    found = checked(SYMBOLS, rows_of(drawn), micros(SINCE), micros(UNTIL), micros(NOW))
    kept = sum(bars.time.size for bars in found.bars)
    assert kept + found.duplicates + sum(one.count for one in found.rejected) == len(drawn)


@given(st.lists(row, max_size=60))
def test_what_is_kept_can_be_believed_and_is_in_order(drawn):
    for bars in checked(SYMBOLS, rows_of(drawn), micros(SINCE), micros(UNTIL), micros(NOW)).bars:
        opened = bars.time - MINUTE_US
        assert (np.diff(opened) > 0).all()
        assert (opened % MINUTE_US == 0).all()
        assert (opened >= micros(SINCE)).all()
        assert (bars.time <= micros(NOW)).all()
        low, high = np.minimum(bars.open, bars.close), np.maximum(bars.open, bars.close)
        assert ((bars.low > 0) & (bars.low <= low) & (bars.high >= high) & (bars.volume >= 0)).all()
        assert np.isfinite(bars.high).all()


@given(st.lists(row, max_size=40), st.randoms())
def test_the_order_of_rows_that_differ_in_time_changes_nothing(drawn, dice):
    unique = list({(one[0], one[1]): one for one in drawn}.values())
    shuffled = dice.sample(unique, len(unique))
    one, other = (
        checked(SYMBOLS, rows_of(rows), micros(SINCE), micros(UNTIL), micros(NOW)) for rows in (unique, shuffled)
    )
    assert [bars.symbol for bars in one.bars] == [bars.symbol for bars in other.bars]
    for mine, theirs in zip(one.bars, other.bars, strict=True):
        assert (mine.time.tolist(), mine.close.tolist()) == (theirs.time.tolist(), theirs.close.tolist())


@given(
    st.integers(1_262_304_000, 4_102_444_800),
    st.lists(st.sampled_from([1_000_000_000, 1_000_000, 1_000, 1]), min_size=1, max_size=5),
)
def test_an_instant_is_the_same_in_every_unit_alone_or_mixed(second, units):
    stamps = np.array([second * 1_000_000_000 // unit for unit in units], np.int64)
    found, said = as_micros(stamps)
    assert set(found.tolist()) == {second * 1_000_000}
    assert len(said) == len(set(units))
