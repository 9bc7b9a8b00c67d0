"""The simulated market: the same for a seed, lively enough to try the desk with, and as faulty as a real one."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.clock import ManualClock, ScaledClock
from engine.domain import MarketKind, micros
from engine.market.simulated import SimulatedFeed
from engine.market.simulation import HOUR_US, SimulatedPrices
from tests.market.sink import Kept, running, until

START = datetime(2026, 11, 20, 9, 30, 20, tzinfo=UTC)
FIVE = ["BTC/USD", "ETH/USD", "SOL/USD", "POL/USD", "AVAX/USD"]


def ema(closes, span):
    value, line = closes[:span].mean(), np.full(closes.size, np.nan)
    line[span - 1] = value
    for k in range(span, closes.size):
        value += 2 / (span + 1) * (closes[k] - value)
        line[k] = value
    return line


async def lived(start=START, minutes=10, symbols=FIVE, **options):
    """A feed that ran `minutes` of desk time by hand, and what it delivered."""
    clock, sink = ManualClock(start, speed=60), Kept()
    feed = SimulatedFeed(clock, beat=0, **options)
    await feed.prepare(symbols)
    async with running(feed, sink):
        for _ in range(minutes * 4):
            clock.advance(timedelta(seconds=15))
            for _ in range(3):
                await asyncio.sleep(0)
    return feed, sink


async def history(seed, start=START):
    feed = SimulatedFeed(ManualClock(start), seed=seed)
    await feed.prepare(FIVE)
    return await feed.warm_up(FIVE, 720)


async def test_three_hundred_closed_minutes_of_history_end_where_the_running_minute_begins():
    bars = await history(1)
    for columns in bars.values():
        assert columns.time.size == 300
        assert columns.time[-1] == micros(START.replace(second=0))
        assert (np.diff(columns.time) == 60_000_000).all()
        assert (columns.low > 0).all()
        assert (columns.high >= np.maximum(columns.open, columns.close)).all()
    assert 20_000 < bars["BTC/USD"].close[-1] < 400_000
    assert 0.05 < bars["POL/USD"].close[-1] < 5


async def test_the_same_seed_and_start_give_the_same_market_and_another_seed_another():
    first, again, other = [(await lived(seed=seed))[1] for seed in (5, 5, 6)]
    assert first.minutes == again.minutes
    assert [(item.symbol, item.at, item.price) for item in first.prints] == [
        (item.symbol, item.at, item.price) for item in again.prints
    ]
    assert first.minutes != other.minutes


async def test_what_was_lived_is_later_remembered_as_history():
    _, sink = await lived(seed=3, minutes=20)
    bars = (await history(3, start=START + timedelta(minutes=20)))["SOL/USD"]
    for minute in sink.minutes:
        k = int(np.searchsorted(bars.time, micros(minute.at)))
        at = minute.symbols.index("SOL/USD")
        assert (minute.open[at], minute.high[at], minute.low[at], minute.close[at]) == (
            bars.open[k],
            bars.high[k],
            bars.low[k],
            bars.close[k],
        )
        assert minute.volume[at] == pytest.approx(bars.volume[k])


async def test_a_restart_goes_on_from_the_last_closes_whatever_the_seed():
    closes = {"BTC/USD": 50_000.0, "SOL/USD": 99.5}
    feed = SimulatedFeed(ManualClock(START), seed=9, resume=closes)
    await feed.prepare(FIVE)
    bars = await feed.warm_up(FIVE, 300)
    for symbol, close in closes.items():
        assert bars[symbol].close[-1] == pytest.approx(close, rel=1e-5)


async def test_a_restart_with_the_closes_of_a_minute_ago_is_the_same_market():
    _, sink = await lived(seed=3, minutes=3)
    last = dict(zip(sink.minutes[-1].symbols, sink.minutes[-1].close, strict=True))
    later = sink.minutes[-1].at + timedelta(seconds=70)
    feed = SimulatedFeed(ManualClock(later), seed=3, resume=last)
    await feed.prepare(FIVE)
    again, untouched = await feed.warm_up(FIVE, 300), await history(3, start=later)
    for symbol in FIVE:
        assert (again[symbol].close == untouched[symbol].close).all()


async def test_every_minute_is_whole_from_the_first_and_prints_lie_between_the_quotes():
    _, sink = await lived(minutes=5)
    assert sink.minutes[0].at == START.replace(second=0) + timedelta(minutes=1)
    assert [m.at for m in sink.minutes] == [sink.minutes[0].at + timedelta(minutes=k) for k in range(len(sink.minutes))]
    assert not any(minute.missing for minute in sink.minutes)
    assert len(sink.prints) >= 5 * 5 * 4
    for print_, quote in zip(sink.prints, sink.quotes, strict=True):
        assert quote.bid <= print_.price <= quote.ask
        assert quote.bid < quote.ask


async def test_nothing_the_simulation_says_is_quarantined():
    feed, _ = await lived(minutes=120)
    assert feed.status().quarantined == {}
    assert feed.status().late_prints == 0


async def test_within_two_real_minutes_at_speed_60_an_ema_cross_comes_and_within_two_more_it_ends():
    """120 desk minutes after 300 of history; 30 seeds at scattered instants."""
    firsts, held = [], []
    for seed in range(30):
        start = START + timedelta(hours=37 * seed)
        past, future = await history(seed, start), await history(seed, start + timedelta(minutes=240))
        first = 999
        for symbol in FIVE:
            closes = np.r_[past[symbol].close, future[symbol].close[-240:]]
            up = ema(closes, 20) > ema(closes, 50)
            crosses = [k for k in range(300, up.size) if up[k] and not up[k - 1]]
            ends = [k for k in range(300, up.size) if up[k - 1] and not up[k]]
            held += [next((end for end in ends if end > cross), up.size) - cross for cross in crosses]
            first = min([first, *crosses])
        firsts.append(first - 300)
    assert max(firsts) <= 90, "even the slowest seed leaves half a minute for the card"
    assert np.median(held) < 120


async def test_an_outage_is_announced_and_its_minutes_are_missing():
    prices = SimulatedPrices(4)
    hour = next(h for h in range(micros(START) // HOUR_US + 3, 10**9) if prices.outage(h))
    begin, end = prices.outage(hour)
    _, sink = await lived(seed=4, minutes=(end - micros(START)) // 60_000_000 + 3, symbols=["BTC/USD"])
    assert [change.up for change in sink.changes] == [True, False, True]
    missing = {micros(minute.at) for minute in sink.minutes if minute.missing}
    touched = range(begin // 60_000_000, -(-end // 60_000_000))
    assert missing == {(minute + 1) * 60_000_000 for minute in touched}


async def test_it_always_says_what_it_is():
    feed, _ = await lived(minutes=1)
    assert (feed.kind, feed.label, feed.name) == (MarketKind.SIMULATED, "simulated", "simulated")
    assert "simulated" in feed.status().detail


async def test_a_name_that_is_no_pair_is_refused_by_name():
    feed = SimulatedFeed(ManualClock(START))
    assert list(await feed.prepare(["BTC/USD", "BTC", "XYZ/USD"])) == ["BTC/USD", "XYZ/USD"]
    assert set(feed.status().refused_symbols) == {"BTC"}


async def test_it_keeps_up_with_a_scaled_clock():
    feed, sink = SimulatedFeed(ScaledClock(START, 600.0), seed=2), Kept()
    await feed.prepare(FIVE)
    async with running(feed, sink):
        await until(lambda: len(sink.minutes) >= 5)
    assert sink.minutes[0].missing == ()
