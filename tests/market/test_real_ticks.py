"""Every row of the real tick files passes the intake: as a print or a quote, in its bar, none lost and none twice."""

import numpy as np
import pandas as pd
import pytest

from engine.clock import ManualClock
from engine.domain import Print, Quote, micros
from engine.market.intake import Intake
from engine.market.names import split_joined
from engine.market.quality import Quarantine
from tests.market.data import market_data
from tests.market.sink import Kept

MINUTE_US = 60_000_000


def intake_of(symbol, start):
    clock, sink, quarantine = ManualClock(start.to_pydatetime()), Kept(), Quarantine()
    intake = Intake("ticks", (symbol,), clock, sink, start=clock.now(), quarantine=quarantine, numbered=True)
    intake.builder.alive(symbol, clock.now())
    return intake, sink, clock, quarantine


@pytest.mark.parametrize(
    ("name", "number", "quantity", "rows"),
    [
        ("XRPETH_trades_2019", "id", "amount", 12_477),
        ("binance_trades_20240808", "trade_id", "qty", 55_293),
        ("kraken_BCHEUR_trades_2023", None, "volume", 634),
    ],
)
def test_every_real_trade_is_a_print_and_in_its_bar(name, number, quantity, rows):
    table = pd.read_parquet(market_data(f"ticks/ticks_{name}.parquet")).sort_values(["symbol", "time"], kind="stable")
    seen = 0
    for pair, trades in table.groupby("symbol"):
        symbol = split_joined(pair.removeprefix("spot:").removeprefix("usdm:"))
        start = trades["time"].iloc[0].floor("1min")
        intake, sink, clock, quarantine = intake_of(symbol, start)
        for minute, group in trades.groupby(trades["time"].dt.floor("1min")):
            clock.set(minute.to_pydatetime() + pd.Timedelta(seconds=59.999999))
            intake.hear()
            ids = [int(one) for one in group[number]] if number else [None] * len(group)
            columns = zip(group["time"].dt.to_pydatetime(), group["price"], group[quantity], ids, strict=True)
            intake.offer_prints([Print(symbol, at, p, q, clock.now(), n) for at, p, q, n in columns], clock.now())
        intake.advance(complete_until=minute.to_pydatetime() + pd.Timedelta(minutes=1))
        assert (intake.prints, intake.late, quarantine.counts) == (len(trades), 0, {})
        assert [print_.price for print_ in sink.prints] == trades["price"].tolist()
        assert_bars(sink.minutes, trades, quantity)
        seen += len(trades)
    assert seen == rows


def assert_bars(minutes, trades, quantity):
    """What was delivered is what pandas makes of the trades; the first minute of numbered ones is not known whole."""
    wanted = trades.set_index("time")["price"].resample("1min", label="right", closed="left").ohlc().dropna()
    wanted["volume"] = trades.set_index("time")[quantity].resample("1min", label="right", closed="left").sum()
    bars = {micros(m.at): (m.open[0], m.high[0], m.low[0], m.close[0], m.volume[0]) for m in minutes if m.volume}
    for at, row in wanted.iterrows():
        if (us := micros(at.to_pydatetime())) in bars:
            np.testing.assert_allclose(bars[us], row.to_numpy(), rtol=1e-9)
    absent = set(map(micros, wanted.index.to_pydatetime())) - set(bars)
    assert absent <= {micros(wanted.index[0].to_pydatetime())}


def test_every_real_quote_is_a_quote():
    table = pd.read_parquet(market_data("ticks/ticks_binance_bbo_20240808.parquet"))
    seen = 0
    for pair, quotes in table.groupby("symbol"):
        symbol = split_joined(pair.removeprefix("spot:").removeprefix("usdm:"))
        intake, sink, clock, quarantine = intake_of(symbol, quotes["time"].iloc[0])
        for at, bid, ask in zip(quotes["time"].dt.to_pydatetime(), quotes["bid"], quotes["ask"], strict=True):
            clock.set(at)
            intake.offer(Quote(symbol, at, bid, ask))
        assert (len(sink.quotes), quarantine.counts) == (len(quotes), {})
        assert [quote.bid for quote in sink.quotes] == quotes["bid"].tolist()
        seen += intake.quotes
    assert seen == len(table) == 193_255
