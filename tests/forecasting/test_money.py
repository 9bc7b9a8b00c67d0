"""Forecasts are worth what the trading core makes of them after costs."""

import math
from statistics import mean, stdev

import numpy as np
import pytest

from engine.core.rules import Costs, Limits, Rules, Sizing, StrategyRules
from engine.domain import Instrument
from engine.forecasting.cases import JudgementError
from engine.forecasting.money import Market, daily_returns, earn, mean_return, wishes_of
from engine.forecasting.skill import YEAR, Choice, skill
from tests.forecasting.made import DAY, HOUR, START

STEP = HOUR // 4


def market(days=40, coins=2, seed=1, drift=0.0):
    rng = np.random.default_rng(seed)
    bars = days * DAY // STEP
    close = 100 * np.exp(np.cumsum(drift + 0.002 * rng.normal(size=(bars, coins)), axis=0))
    opens = np.vstack([np.full((1, coins), 100.0), close[:-1]])
    high, low = np.maximum(opens, close) * 1.0005, np.minimum(opens, close) * 0.9995
    times = START + np.arange(bars, dtype=np.int64) * STEP
    return Market(times, np.stack([opens, high, low, close, np.full_like(close, 1e6)], axis=1), STEP)


def rules(coins=2, fee=0.0, hold=2 * HOUR, capital=1_000.0):
    return Rules(
        (StrategyRules("direction", Sizing("fixed", 100.0), stop_pct=0.05, target_pct=0.10, max_hold_us=hold),),
        tuple(Instrument(f"C{number}/USD") for number in range(coins)),
        capital,
        Costs(fee_rate=fee),
        Limits(max_positions=5),
        good_bars_needed=0,
    )


def seer(made, right=1.0, seed=3):
    """Enter where the close two hours later is higher, right in that share of the spans of two hours."""
    close = made.bars[:, 3]
    ahead = 2 * HOUR // STEP
    rises = np.zeros(close.shape, bool)
    rises[:-ahead] = close[ahead:] > close[:-ahead]
    wrong = np.random.default_rng(seed).random(close[::ahead].shape) > right
    wrong = np.repeat(wrong, ahead, axis=0)[: len(close)]
    return (rises ^ wrong), np.full(close.shape, 0.6)


def test_knowing_the_future_earns_and_costs_take_their_part():
    made = market()
    free, dear = (earn(rules(fee=fee), made, wishes_of(*seer(made))) for fee in (0.0, 0.004))
    assert free.pnl > 0
    assert free.mean_return.interval.low > 0
    assert dear.pnl < free.pnl
    assert dear.costs == pytest.approx(2 * 0.004 * 100 * dear.trades, rel=0.02)


def test_what_is_earned_is_the_change_of_the_equity():
    made = market()
    found = earn(rules(fee=0.001), made, wishes_of(*seer(made, 0.6)))
    assert found.curve[0].equity == 1_000
    assert found.curve[-1].equity == pytest.approx(1_000 + found.pnl)
    assert found.equity_return == pytest.approx(found.pnl / 1_000)


def test_a_forecast_that_never_enters_earns_nothing_and_has_no_skill():
    made = market()
    nowhere = np.zeros((len(made.times), 2), bool)
    found = earn(rules(), made, wishes_of(nowhere, nowhere.astype(float)))
    assert (found.trades, found.pnl, found.mean_return, found.form) == (0, 0.0, None, None)
    assert skill(found, [], 1).deflated is None


def test_a_wish_carries_side_and_distances_of_its_own_bar_and_coin():
    enter = np.zeros((5, 3), bool)
    enter[1, 2] = enter[4, 0] = True
    grid = np.arange(15.0).reshape(5, 3)
    wishes = wishes_of(enter, grid / 100, side=-np.ones((5, 3), np.int64), stop_distance=grid, target_distance=2 * grid)
    assert wishes["row"].tolist() == [1, 4]
    assert wishes["symbol"].tolist() == [2, 0]
    assert wishes["side"].tolist() == [-1, -1]
    assert wishes["stop_distance"].tolist() == [5.0, 12.0]
    assert wishes["target_distance"].tolist() == [10.0, 24.0]
    assert wishes["confidence"].tolist() == [0.05, 0.12]


def test_a_wish_has_no_columns_of_its_own_making():
    with pytest.raises(ValueError, match="patience"):
        wishes_of(np.ones((1, 1), bool), np.ones((1, 1)), patience=np.ones((1, 1)))


def test_the_equity_is_held_against_the_same_money_bought_once():
    made = market()
    found = earn(rules(), made, wishes_of(*seer(made)))
    ends = made.bars[-1, 3] / made.bars[0, 0]
    assert found.hold_return == pytest.approx(ends.mean() - 1)


def test_a_day_begins_and_ends_at_midnight():
    times = START + np.array([0, 5, 24, 30, 48, 60]) * HOUR
    assert daily_returns(times, np.array([100.0, 90, 110, 99, 121, 7])) == pytest.approx([0.10, 0.10])


def test_a_coin_with_bars_missing_is_traded_where_it_has_some():
    made = market()
    made.bars[200:400, :, 1] = np.nan
    found = earn(rules(), made, wishes_of(*seer(made)))
    assert found.trades > 0
    assert math.isfinite(found.hold_return)


def test_too_few_days_with_a_trade_have_no_interval():
    made = market(days=6)
    found = earn(rules(), made, wishes_of(*seer(made)))
    assert found.trades > 20
    assert found.mean_return is None


def test_no_market_is_no_trade():
    empty = Market(np.zeros(0, np.int64), np.zeros((0, 5, 2)), STEP)
    with pytest.raises(JudgementError, match="no market"):
        earn(rules(), empty, wishes_of(np.zeros((0, 2), bool), np.zeros((0, 2))))
    with pytest.raises(ValueError, match="TRADE rows"):
        mean_return(np.zeros(3))


def test_skill_says_what_the_days_say():
    found = earn(rules(fee=0.001), market(), wishes_of(*seer(market(), 0.6)))
    alone = skill(found, [found.form.sharpe], 1)
    assert alone.sharpe == pytest.approx(mean(found.days) / stdev(found.days) * YEAR)
    assert alone.threshold == 0.0
    assert alone.deflated == alone.psr


def test_the_more_was_tried_the_less_the_best_is_worth():
    found = earn(rules(fee=0.001), market(), wishes_of(*seer(market(), 0.6)))
    deflated = [skill(found, [found.form.sharpe], trials).deflated for trials in (1, 2, 10, 100)]
    assert deflated == sorted(deflated, reverse=True)
    assert deflated[-1] < deflated[0]


def test_nights_that_share_their_days_are_deflated_as_if_each_were_drawn_anew():
    found = earn(rules(fee=0.001), market(), wishes_of(*seer(market(), 0.6)))
    nights = [found.form.sharpe + 1e-4 * night for night in range(30)]
    assert skill(found, nights, 30).threshold == skill(found, [found.form.sharpe], 30).threshold > 1
    assert skill(found, nights, 30).deflated < skill(found, nights[:1], 1).deflated
    apart = [found.form.sharpe + night for night in range(30)]
    assert skill(found, apart, 30).threshold > skill(found, nights, 30).threshold


def test_trials_that_came_to_the_same_teach_nothing_about_overfitting():
    found = earn(rules(), market(), wishes_of(*seer(market(), 0.6)))
    same = np.tile(np.array(found.days)[:, None], 3)
    alike = skill(found, [0.1, 0.1], 3, [Choice(same)])
    assert (alike.overfitting, alike.unmeasured) == (None, None)
    other = np.column_stack([found.days, np.random.default_rng(1).normal(0, 0.01, (len(found.days), 4))])
    assert skill(found, [0.1, 0.2], 5, [Choice(other)]).overfitting < 0.5


@pytest.mark.parametrize("days", [0, 1, 7])
def test_a_choice_over_too_few_common_days_is_not_measured_and_says_so(days):
    found = earn(rules(), market(), wishes_of(*seer(market(), 0.6)))
    few = Choice(np.random.default_rng(1).normal(0, 0.01, (days, 3)))
    plenty = Choice(np.random.default_rng(2).normal(0, 0.01, (40, 3)))
    luck = skill(found, [0.1], 3, [plenty, few])
    assert (luck.overfitting, luck.unmeasured) == (None, days)
    assert skill(found, [0.1], 3, [plenty]).overfitting is not None


def test_of_two_choices_the_worse_counts():
    found = earn(rules(), market(), wishes_of(*seer(market(), 0.6)))
    noise = np.random.default_rng(3).normal(0, 0.01, (40, 5))
    sure, doubtful = Choice(noise + np.array([0.05, 0, 0, 0, 0])), Choice(noise)
    assert sure.overfitting < doubtful.overfitting
    assert skill(found, [0.1], 9, [sure, doubtful]).overfitting == doubtful.overfitting
