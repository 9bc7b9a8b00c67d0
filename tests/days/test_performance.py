"""What trades and an equity curve come to, and the edges: nothing, one trade, an equity that never moves."""

import itertools
import math
from dataclasses import fields, is_dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.curve import change, drawdown, ratios, resampled, thinned
from engine.domain import ExitReason
from engine.performance import measure, streaks, time_in_market
from tests.days.desk import NOW, points, trade

DAY_AGO = NOW - timedelta(days=1)
HOUR = timedelta(hours=1)


def numbers(value):
    """Every float in a figure, however deep."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from numbers(item)
    elif is_dataclass(value):
        for item in fields(value):
            yield from numbers(getattr(value, item.name))


def test_a_window_counts_what_was_closed_in_it():
    trades = [trade(100.0, DAY_AGO), trade(4.0), trade(-2.0), trade(50.0, NOW + HOUR)]
    found = measure(trades, [], DAY_AGO, NOW)
    assert (found.total.trades, found.total.wins, found.total.pnl) == (2, 1, 2.0)
    assert found.total.profit_factor == 2.0
    assert found.total.expectancy == 1.0
    assert found.total.fees == pytest.approx(1.44)
    assert found.total.win_rate == 0.5


def test_nothing_at_all_is_none_and_not_a_number():
    found = measure([], [], DAY_AGO, NOW)
    assert found.total.trades == 0
    for value in (found.total.win_rate, found.total.profit_factor, found.total.expectancy, found.best, found.drawdown):
        assert value is None
    assert found.equity_pnl is None
    assert found.benchmark_return is None
    assert found.exposure == 0.0


def test_one_trade_has_a_mean_but_no_interval_and_no_profit_factor():
    found = measure([trade(3.0)], points(1000.0, 1003.0), DAY_AGO, NOW).total
    assert found.mean_return == pytest.approx(0.03)
    assert found.mean_return_interval is None
    assert found.profit_factor is None


def test_an_equity_that_never_moves_has_no_sharpe_and_no_drawdown():
    found = measure([], points(*[1000.0] * 3000), NOW - timedelta(days=3), NOW)
    assert found.ratios.sharpe is None
    assert found.ratios.sortino is None
    assert found.drawdown.depth == 0.0
    assert found.equity_pnl == 0.0


@given(
    pnls=st.lists(st.floats(-100, 100, allow_nan=False), max_size=30),
    equity=st.lists(st.floats(1, 1e6), max_size=50),
)
def test_no_figure_is_ever_nan_or_infinite_and_groups_add_up(pnls, equity):
    reasons = list(ExitReason)
    trades = [
        trade(pnl, NOW - HOUR * index / 2, exit_reason=reasons[index % 8], symbol=f"C{index % 3}/USD")
        for index, pnl in enumerate(pnls)
    ]
    found = measure(trades, points(*equity, step=HOUR), NOW - timedelta(days=3), NOW, points(*equity))
    assert all(math.isfinite(value) for value in numbers(found))
    for groups in (found.by_strategy, found.by_symbol, found.by_exit):
        assert sum(group.pnl for group in groups) == pytest.approx(found.total.pnl)
        assert sum(group.trades for group in groups) == found.total.trades


def test_a_drawdown_knows_its_peak_its_trough_and_its_recovery():
    curve = points(100.0, 120.0, 90.0, 110.0, 121.0)
    fall = drawdown(curve)
    assert fall.depth == pytest.approx(0.25)
    assert (fall.peak_at, fall.trough_at, fall.recovered_at) == (curve[1].at, curve[2].at, curve[4].at)
    assert drawdown(curve[:4]).recovered_at is None


def test_a_window_begins_with_the_equity_known_at_its_start():
    found = measure([], points(900.0, 1000.0, 1010.0, step=HOUR), NOW - HOUR / 2, NOW, points(1.0, 1.0, 1.1, step=HOUR))
    assert found.equity_pnl == pytest.approx(10.0)
    assert found.benchmark_return == pytest.approx(0.1)


def test_daily_returns_are_used_from_thirty_days_on_and_say_so():
    steady = [1000 * 1.001**day * (1.01 if day % 2 else 1) for day in range(40)]
    daily = ratios(points(*steady, step=timedelta(days=1), end=NOW.replace(hour=0)))
    assert (daily.period, daily.periods) == ("daily", 39)
    hourly = ratios(points(*steady, step=HOUR))
    assert (hourly.period, hourly.periods) == ("hourly", 39)
    assert ratios(points(*steady[:20], step=HOUR)) is None


def test_sharpe_is_annualised_over_365_days():
    curve = points(*[1000.0, 1010.0, 1000.0, 1015.0] * 12, step=timedelta(days=1), end=NOW.replace(hour=0))
    values = resampled(curve, timedelta(days=1))
    returns = [later / earlier - 1 for earlier, later in itertools.pairwise(values)]
    mean = sum(returns) / len(returns)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in returns) / (len(returns) - 1))
    assert ratios(curve).sharpe == pytest.approx(mean / deviation * math.sqrt(365))


def test_overlapping_positions_count_once_as_exposure():
    spans = [(NOW - 3 * HOUR, NOW - HOUR), (NOW - 2 * HOUR, NOW - HOUR), (NOW - HOUR / 2, NOW + HOUR)]
    assert time_in_market(spans, NOW - 4 * HOUR, NOW) == pytest.approx(2.5 / 4)


def test_streaks_follow_the_order_of_exit():
    made = [trade(pnl, NOW + index * HOUR) for index, pnl in enumerate([1, 1, -1, -1, -1, 1])]
    assert streaks(made[::-1]) == (2, 3)


def test_a_thinned_curve_keeps_its_ends_and_its_extremes():
    curve = points(*[1000 + 50 * math.sin(index / 300) for index in range(10_000)])
    small = thinned(curve, 500)
    assert len(small) <= 510
    assert (small[0], small[-1]) == (curve[0], curve[-1])
    assert drawdown(small).depth == drawdown(curve).depth
    assert change(small) == change(curve)
