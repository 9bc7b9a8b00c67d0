"""Real Kraken trades, sent again as v2 frames by a local venue through the real client, give the offline bars."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from engine.clock import ManualClock
from engine.domain import micros
from engine.market.kraken import KrakenFeed
from tests.market.data import market_data
from tests.market.sink import Kept, running, until
from tests.servers.kraken import KrakenServer

PAIR = "BCH/EUR"


def offline(trades):
    """Minute bars by pandas: open, high, low, close, volume by close time; quiet minutes flat at the last close."""
    bars = trades.set_index("time")["price"].resample("1min", label="right", closed="left").ohlc()
    bars["volume"] = trades.set_index("time")["volume"].resample("1min", label="right", closed="left").sum()
    quiet = bars["close"].isna()
    bars["close"] = bars["close"].ffill()
    for column in ("open", "high", "low"):
        bars.loc[quiet, column] = bars.loc[quiet, "close"]
    return bars


async def test_resent_trades_give_the_bars_of_an_offline_aggregation():
    trades = pd.read_parquet(market_data("ticks/ticks_kraken_BCHEUR_trades_2023.parquet")).sort_values("time")
    first = trades["time"].iloc[0].to_pydatetime().replace(second=0, microsecond=0)
    clock, sink, sent = ManualClock(first), Kept(), 0
    async with KrakenServer([PAIR], heartbeat=0.05) as venue:
        feed = KrakenFeed(clock, ws_url=venue.ws_url, rest_url=venue.rest_url)
        await feed.prepare([PAIR])
        async with running(feed, sink):
            await until(lambda: feed.status().up)
            for minute, group in trades.groupby(trades["time"].dt.floor("1min")):
                clock.set(minute.to_pydatetime() + timedelta(seconds=59))
                await venue.emit_trades(as_frames(group))
                sent += len(group)
                await until(lambda count=sent: len(sink.prints) == count)
            clock.set(clock.now() + timedelta(seconds=8))  # trades this old look like a clock that is 5 s ahead
            wanted = offline(trades)
            await until(lambda: len(sink.minutes) >= len(wanted), 10)
            assert feed.status().quarantined == {}
            assert feed.status().late_prints == 0
    got = pd.DataFrame(
        [bar(minute) for minute in sink.minutes], columns=["at", "open", "high", "low", "close", "volume"]
    )
    assert not any(minute.missing for minute in sink.minutes)
    assert got["at"].tolist() == [micros(stamp.to_pydatetime()) for stamp in wanted.index]
    for column in ("open", "high", "low", "close"):
        assert (got[column].to_numpy() == wanted[column].to_numpy()).all(), column
    np.testing.assert_allclose(got["volume"], wanted["volume"], rtol=1e-12)
    assert got["volume"].sum() == pytest.approx(trades["volume"].sum())


def as_frames(group):
    rows = zip(group["time"], group["price"], group["volume"], strict=True)
    return [{"symbol": PAIR, "price": p, "qty": v, "timestamp": t.to_pydatetime()} for t, p, v in rows]


def bar(minute):
    (row,) = zip(minute.open, minute.high, minute.low, minute.close, minute.volume, strict=True)
    return (micros(minute.at), *row)
