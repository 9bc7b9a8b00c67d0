"""Uniqueness: what labels that share their life are worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.forecasting.overlap import blocks, uniqueness
from tests.forecasting.made import DAY, HOUR, START


def one_coin(starts, lives):
    time = np.array(starts, dtype=np.int64)
    return time, time + np.array(lives, dtype=np.int64), np.zeros(len(time), np.int64)


def test_labels_that_do_not_meet_are_whole():
    assert uniqueness(*one_coin([0, 10, 20], [10, 10, 5])) == pytest.approx([1, 1, 1])


def test_a_label_per_bar_over_twenty_four_bars_is_worth_a_twenty_fourth():
    found = uniqueness(*one_coin(range(200), [24] * 200))
    assert found[24:-24] == pytest.approx(1 / 24)


def test_the_average_of_the_book():
    # Two labels share half of their life: 1 over the first half, 1/2 over the second.
    assert uniqueness(*one_coin([0, 5], [10, 10])) == pytest.approx([0.75, 0.75])


def test_coins_do_not_overlap_each_other():
    time = np.zeros(4, np.int64)
    assert uniqueness(time, time + 9, np.arange(4)) == pytest.approx([1, 1, 1, 1])


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60), st.integers(0, 2)), min_size=1, max_size=40))
def test_uniqueness_is_a_share_and_its_sum_is_at_most_the_time_covered(made):
    time, life, coin = (np.array(column, dtype=np.int64) for column in zip(*made, strict=True))
    found = uniqueness(time, time + life, coin)
    assert ((found > 0) & (found <= 1 + 1e-12)).all()
    for one in np.unique(coin):
        mine = coin == one
        covered = np.zeros(400, bool)
        for begin, long in zip(time[mine], life[mine], strict=True):
            covered[begin : begin + long] = True
        assert (found[mine] * life[mine]).sum() == pytest.approx(covered.sum())


def test_a_block_is_a_day_of_all_coins_and_longer_where_labels_live_longer():
    time = START + np.arange(20 * 24, dtype=np.int64) * HOUR
    assert blocks(time, time + 2 * HOUR).max() + 1 == 20
    assert blocks(time, time + DAY).max() + 1 in (5, 6)
