"""The `ema` strategy: what counts as a cross."""

from __future__ import annotations

import numpy as np

from engine.strategies import Columns, find_strategy
from engine.strategies.columns import crossed_above, crossed_below

nan = np.nan


def test_a_cross_is_seen_on_the_bar_where_the_order_changes() -> None:
    fast, slow = np.array([1.0, 2.0, 3.0, 3.0, 1.0]), np.array([2.0, 2.0, 2.0, 2.0, 2.0])
    assert crossed_above(fast, slow).tolist() == [False, False, True, False, False]
    assert crossed_below(fast, slow).tolist() == [False, False, False, False, True]


def test_touching_from_above_is_a_bearish_cross() -> None:
    fast, slow = np.array([3.0, 2.0, 2.0, 3.0]), np.full(4, 2.0)
    assert crossed_below(fast, slow).tolist() == [False, True, False, False]
    assert crossed_above(fast, slow).tolist() == [False, False, False, True]


def test_no_cross_is_seen_while_an_average_is_unknown() -> None:
    fast, slow = np.array([nan, 3.0, 3.0, 1.0]), np.array([nan, nan, 2.0, 2.0])
    assert crossed_above(fast, slow).tolist() == [False, False, False, False]
    assert crossed_below(fast, slow).tolist() == [False, False, False, True]


def test_the_strategy_shows_its_averages_and_says_why(tmp_path) -> None:
    ema = find_strategy("ema", tmp_path)
    ones = np.ones(3)
    bars = Columns(ones, ones, ones, ones, ones, {"fast": np.array([1.0, 1.0, 3.0]), "slow": np.full(3, 2.0)})
    wishes = ema.wishes(bars, ema.check({}))
    assert wishes.enter.tolist() == [False, False, True]
    assert list(wishes.numbers) == ["EMA20", "EMA50"]
    assert wishes.because_enter == "EMA20 crossed above EMA50"
