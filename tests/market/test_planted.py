"""The market with a known edge: how much can be known is exact, who cannot know sees nothing, and it is one market."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.domain import MarketKind, micros
from engine.features.core6 import core6
from engine.forecasting.baselines import logistic
from engine.forecasting.labels import direction
from engine.market.planted import (
    COINS,
    ORIGIN,
    PlantedPrices,
    best_possible,
    planted_bars,
    random_walk_bars,
    span_of,
)
from engine.market.simulated import SimulatedFeed
from engine.market.simulation import PRICES
from engine.playbook.loading import load
from tests.market.sink import Kept, running

MINUTE = 60_000_000
START = datetime(2026, 11, 20, 9, 30, 20, tzinfo=UTC)
FIELDS = ("time", "open", "high", "low", "close", "volume")
DAYS = 120


@pytest.fixture(scope="module")
def year():
    """120 days of five coins with an edge of 60 %."""
    return planted_bars(COINS, DAYS, 0.60)


@pytest.mark.parametrize("p", [0.55, 0.60, 0.70, 0.75])
def test_over_all_bars_nobody_can_be_right_more_often_than_planted(p):
    assert best_possible(COINS, 90, p, seed=3) == pytest.approx(p, abs=0.005)


def test_what_is_said_to_be_likely_comes_true_as_often(year):
    prices = PlantedPrices(1, 0.60)
    first, end = span_of(DAYS)
    up = np.concatenate([prices.chances(bars.symbol, first, end)[:-120] for bars in year])
    rose = np.concatenate([bars.close[120:] > bars.close[:-120] for bars in year])
    for low, high in ((0.0, 0.25), (0.25, 0.45), (0.45, 0.55), (0.55, 0.75), (0.75, 1.0)):
        among = (up >= low) & (up < high)
        spread = 3.0 * 0.5 / np.sqrt(among.sum() / 120)  # labels of one block are one case
        assert rose[among].mean() == pytest.approx(up[among].mean(), abs=max(spread, 0.01))
    assert np.mean(up > 0.75) > 0.1  # the edge lies where it is sure of itself


def test_a_rise_and_a_fall_are_told_by_two_features_together_and_by_none_alone(year):
    prices = PlantedPrices(1, 0.60)
    first, end = span_of(DAYS)
    for bars in year[:2]:
        rows = core6.batch(bars)
        way = np.sign(prices.chances(bars.symbol, first, end) - 0.5) * np.isfinite(rows).all(axis=1)
        move, loud = np.sign(rows[:, 0]), np.sign(np.nan_to_num(np.log(rows[:, 4])))
        told = (np.abs(prices.chances(bars.symbol, first, end) - 0.5) > 0.29) & (way != 0) & (move != 0)
        assert (move * loud == way)[told].mean() > 0.97
        assert (move == way)[told].mean() == pytest.approx(0.5, abs=0.03)
        assert (loud == way)[told].mean() == pytest.approx(0.5, abs=0.03)


def test_logistic_regression_and_reversal_do_not_see_it(year):
    right = {"logistic": [], "reversal": []}
    for bars in year:
        rows, labels = core6.batch(bars)[::15], direction(bars)
        label, past = labels.label[::15], labels.past[::15]
        known = np.flatnonzero(np.isfinite(rows).all(axis=1) & (label >= 0) & (past >= 0))
        train, test = known[: len(known) // 2], known[len(known) // 2 :]
        guess = logistic(rows[train], label[train], rows[test], 2).argmax(axis=1)
        right["logistic"].append((guess == label[test]).mean())
        right["reversal"].append((past[test] != label[test]).mean())
    for found in right.values():
        assert np.mean(found) == pytest.approx(0.5, abs=0.03)


def test_a_move_is_worth_more_than_the_venue_takes():
    edge = PlantedPrices(1, 0.60).edge
    costs = load("direction").rules([SimulatedFeed(ManualClock(START))._prices.instrument("BTC/USD")]).costs
    assert edge.move > 1.5 * 2 * (costs.fee_rate + costs.slippage_base)


def test_a_random_walk_has_nothing_to_know():
    for bars in random_walk_bars(COINS[:2], 60):
        labels = direction(bars)
        known = (labels.label >= 0) & (labels.past >= 0)
        assert (labels.past != labels.label)[known].mean() == pytest.approx(0.5, abs=0.06)
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.low > 0).all()


def test_after_two_years_a_price_is_still_a_price():
    for bars in planted_bars(COINS[:2], 730, 0.75, until=START):
        anchor = PRICES[bars.symbol.partition("/")[0]]
        assert anchor / 2.7 < bars.low.min() < bars.high.max() < anchor * 2.7
        assert (np.diff(bars.time) == MINUTE).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40_000), st.integers(0, 2_000), st.sampled_from(COINS))
def test_any_part_of_the_past_is_the_same_whenever_it_is_asked_for(after, minutes, symbol):
    begin = micros(ORIGIN) + after * MINUTE
    prices = PlantedPrices(7, 0.6)
    part = prices.bars(symbol, begin, begin + minutes * MINUTE)
    whole = prices.bars(symbol, micros(ORIGIN), micros(ORIGIN) + 45_000 * MINUTE)
    for name in FIELDS:
        assert (getattr(part, name) == getattr(whole, name)[after : after + minutes]).all()


def test_another_seed_and_another_share_are_other_markets():
    one, other, third = (planted_bars(COINS[:1], 1, p, seed)[0].close for p, seed in ((0.6, 1), (0.6, 2), (0.65, 1)))
    assert not (one == other).any()
    assert not (one == third).all()


async def lived(start, minutes, **options):
    clock, sink = ManualClock(start, speed=60), Kept()
    feed = SimulatedFeed(clock, beat=0, planted=0.6, **options)
    await feed.prepare(feed.symbols)
    async with running(feed, sink):
        for _ in range(minutes * 4):
            clock.advance(timedelta(seconds=15))
            for _ in range(3):
                await asyncio.sleep(0)
    return feed, sink


async def test_what_the_live_feed_prints_is_what_its_history_says_and_a_restart_goes_on_with_it():
    feed, sink = await lived(START, 130)
    again, _ = await lived(START + timedelta(minutes=131), 1, resume={"BTC/USD": 1.0})
    history = await again.warm_up(COINS, 720)
    assert len(sink.minutes) == 130
    assert not any(minute.missing for minute in sink.minutes)
    for symbol, bars in history.items():
        assert len(bars.time) == 720
        for minute in sink.minutes:
            k, at = int(np.searchsorted(bars.time, micros(minute.at))), minute.symbols.index(symbol)
            assert minute.close[at] == bars.close[k]
            assert minute.open[at] == bars.open[k]
            assert minute.high[at] == bars.high[k]
            assert minute.low[at] == bars.low[k]
            assert minute.volume[at] == pytest.approx(bars.volume[k])
    assert feed.status().quarantined == {}
    assert feed.status().late_prints == 0
    learnt = planted_bars(COINS[:1], 1, 0.6, until=sink.minutes[-1].at)[0]
    assert learnt.close[-1] == sink.minutes[-1].close[0]


async def test_it_says_what_it_is_and_trades_five_coins_unless_others_are_asked_for():
    feed = SimulatedFeed(ManualClock(START), planted=0.6)
    assert (feed.kind, feed.label, feed.symbols) == (MarketKind.SIMULATED, "planted edge", COINS)
    assert SimulatedFeed(ManualClock(START), planted=0.6, symbols=("XRP/USD",)).symbols == ("XRP/USD",)


@pytest.mark.parametrize("p", [0.5, 0.751, 1.0, 0.0, float("nan")])
def test_a_share_that_cannot_be_is_refused(p):
    with pytest.raises(ValueError, match=r"above 0\.50 and at most 0\.75"):
        PlantedPrices(1, p)


def test_an_hour_that_is_kept_keeps_only_its_own_numbers():
    hour = PlantedPrices(1, 0.6).hour("BTC/USD", micros(START) // 3_600_000_000)
    for column in (hour.time, hour.price, hour.quantity):
        assert column.base is None, "a view holds the weeks that it was cut from: a megabyte for each hour of a desk"
        assert column.nbytes < 10_000
