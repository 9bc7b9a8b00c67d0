"""The live side: all coins of a minute in one call, the same bits as history, and what the analyst keeps of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from engine.analyst import Analyst
from engine.domain import instant
from engine.features.panel import Panel
from engine.features.sets import find_set, known
from engine.messages import Minute
from engine.playbook import load, parse
from engine.ports import BarColumns
from tests.features.made import MINUTE, market, part

COINS = ("A/USD", "B/USD", "C/USD")


def coins(bars: int) -> dict[str, BarColumns]:
    return {name: replace(market(bars, seed), symbol=name) for seed, name in enumerate(COINS)}


def closed(bars: BarColumns, row: int) -> list[tuple[int, tuple[float, ...]]]:
    fields = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.trades)
    return [(int(bars.time[row]), tuple(float(field[row]) for field in fields))]


def test_the_rows_of_a_minute_are_those_of_history_and_a_coin_without_a_bar_has_none() -> None:
    features, markets = find_set("trend52"), coins(700)
    panel = Panel(features, MINUTE)
    for bars in markets.values():
        panel.warm(part(bars, 0, 690))
    absent = ("B/USD", 695)
    for row in range(690, 700):
        there = {name: closed(bars, row) for name, bars in markets.items() if (name, row) != absent}
        rows = panel.advance(int(markets["A/USD"].time[row]), there)
        for name in ("A/USD", "C/USD"):
            place = rows.symbols.index(name)
            assert rows.values[place].tobytes() == features.batch(markets[name])[row].tobytes()
        assert rows.known.tolist() == [True, (row < 695) or row in (697, 698, 699), True]
    assert rows.names == features.names


def test_a_coin_that_comes_later_begins_with_its_own_history() -> None:
    features, markets = find_set("core6"), coins(500)
    panel = Panel(features, MINUTE, COINS[:2])
    for row in range(500):
        panel.advance(int(markets["A/USD"].time[row]), {name: closed(markets[name], row) for name in COINS[:2]})
    panel.warm(part(markets["C/USD"], 0, 499))
    rows = panel.advance(int(markets["C/USD"].time[499]), {"C/USD": closed(markets["C/USD"], 499), "A/USD": []})
    assert rows.known.tolist() == [False, False, True]
    assert rows.values[2].tobytes() == features.batch(markets["C/USD"])[499].tobytes()


def minute(markets: dict[str, BarColumns], row: int) -> Minute:
    names = ("open", "high", "low", "close", "volume")
    columns = [tuple(float(getattr(bars, name)[row]) for bars in markets.values()) for name in names]
    at = instant(int(markets["A/USD"].time[row]))
    counts = tuple(int(bars.trades[row]) for bars in markets.values())
    return Minute(at, tuple(markets), *columns, ("good",) * len(markets), trades=counts)


def test_the_analyst_keeps_the_rows_of_the_last_minute_for_a_model() -> None:
    whole = find_set("trend52")
    markets = coins(720)
    analyst = Analyst(load("ema"), COINS, whole)
    assert analyst.warm_minutes == whole.warm_up
    for name, bars in markets.items():
        analyst.warm(name, part(bars, 0, 700))
    assert analyst.feature_rows is None
    for row in range(700, 720):
        analyst.on(minute(markets, row))
        rows = analyst.feature_rows
        assert rows is not None
        assert rows.known.all()
        for place, name in enumerate(rows.symbols):
            assert rows.values[place].tobytes() == whole.batch(markets[name])[row].tobytes()


def test_longer_bars_have_rows_at_their_closes_only() -> None:
    five = timedelta(minutes=5)
    analyst = Analyst(parse(load("ema").text.replace("interval: 1m", "interval: 5m")), COINS, find_set("core6"))
    markets = coins(2_400)
    for name, bars in markets.items():
        analyst.warm(name, part(bars, 0, 2_380))
    found = {}
    for row in range(2_380, 2_400):
        analyst.on(minute(markets, row))
        rows = analyst.feature_rows
        assert rows is not None
        if rows.known.all():
            found[rows.at] = rows.values[0]
    assert len(found) == 4
    bars = markets["A/USD"]
    ends = np.flatnonzero(bars.time % 300_000_000 == 0)
    ends = ends[ends >= 4]
    longer = replace(
        bars,
        interval=five,
        time=bars.time[ends],
        open=bars.open[ends - 4],
        high=np.array([bars.high[end - 4 : end + 1].max() for end in ends]),
        low=np.array([bars.low[end - 4 : end + 1].min() for end in ends]),
        close=bars.close[ends],
        volume=np.array([sum(bars.volume[end - 4 : end + 1].tolist()) for end in ends]),
        trades=None,
    )
    batch = find_set("core6").batch(longer)
    assert known(batch)[-4:].all()
    for at, row in found.items():
        np.testing.assert_allclose(row, batch[np.flatnonzero(longer.time == at)[0]], rtol=1e-9, atol=1e-12)
