"""No decision differs between live columns (one closed bar at a time) and batch columns, on all real bars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.analyst import Analyst
from engine.backtest import Series, read_market
from engine.backtest.wishes import wishes_of
from engine.core.jit import compiled
from engine.core.layout import EXIT
from engine.domain import instant
from engine.evaluation import FeatureKey, advance, evaluate, features_of, fresh_carries
from engine.features import find_feature
from engine.messages import Minute
from engine.playbook import Playbook, load
from engine.strategies import Columns
from tests.backtest.data import folder

FILES = [
    "binance_futures_1m_2025_05",
    "binance_spot_1h_2024_136sym",
    "binance_spot_1h_BTC_long_MIT",
    "binance_spot_5m_2024",
    "btcperp_1m_2022_01",
]


def columns(series: Series) -> Columns:
    return Columns(series.open, series.high, series.low, series.close, series.volume)


def one_by_one(bars: Columns, keys: tuple[FeatureKey, ...]) -> dict[FeatureKey, np.ndarray]:
    """Every feature from one call per bar on a kept carry, as live."""
    live = {}
    for name, length in keys:
        feature = find_feature(name)
        live[name, length] = np.empty(len(bars))
        inputs = [getattr(bars, column) for column in feature.inputs]
        drive = DRIVERS[len(inputs)]
        drive(feature.advance, *inputs, length, feature.fresh(), live[name, length])
    return live


@compiled
def drive1(step, a, length, carry, out):
    for i in range(a.size):
        step(a[i : i + 1], length, carry, out[i : i + 1])


@compiled
def drive2(step, a, b, length, carry, out):
    for i in range(a.size):
        step(a[i : i + 1], b[i : i + 1], length, carry, out[i : i + 1])


@compiled
def drive3(step, a, b, c, length, carry, out):
    for i in range(a.size):
        step(a[i : i + 1], b[i : i + 1], c[i : i + 1], length, carry, out[i : i + 1])


DRIVERS = {1: drive1, 2: drive2, 3: drive3}


@pytest.mark.parametrize("file", FILES)
def test_every_decision_on_live_columns_equals_batch(file: str) -> None:
    playbook = load("ema")
    use, program, keys = playbook.strategies[0], playbook.programs[0], features_of(playbook)
    names = ("open", "high", "low", "close", "volume")
    for series in read_market([folder() / f"{file}.parquet"], ()):
        bars = columns(series)
        batch, live = advance(bars, fresh_carries(keys)), one_by_one(bars, keys)
        for key in keys:
            assert live[key].tobytes() == batch[key].tobytes(), (series.symbol, key)
        whole = evaluate(playbook, 0, bars, batch)
        size, first = program.lookback, use.minimum_bars + program.lookback
        for row in [*range(first), *np.flatnonzero(whole.enter | whole.leave)[:5].tolist()]:
            window = slice(max(0, row + 1 - size), row + 1)
            tail = Columns(*(getattr(bars, name)[window] for name in names))
            last = evaluate(playbook, 0, tail, {key: live[key][window] for key in keys}, window.start)
            assert (last.enter[-1], last.leave[-1]) == (whole.enter[row], whole.leave[row]), (series.symbol, row)
        apart = Columns(*(laid_apart(getattr(bars, name), size) for name in names))
        each = evaluate(playbook, 0, apart, {key: laid_apart(live[key], size) for key in keys}, use.minimum_bars)
        for seen, expected in ((each.enter, whole.enter), (each.leave, whole.leave)):
            ends = seen[size :: size + 1]
            assert len(ends) == len(bars)
            assert np.array_equal(ends[first:], expected[first:]), series.symbol


def test_every_file_of_bars_is_compared() -> None:
    assert {path.stem for path in folder().glob("*.parquet")} == set(FILES)


def laid_apart(column: np.ndarray, size: int) -> np.ndarray:
    """Every bar's own window of `size` bars, one after the other, each behind a bar of which nothing is known.

    The strategy's own function answers for all windows at once. At a window's end it says what it says live at that
    bar; if it looks further back than it declares, it finds other bars there than the batch has.
    """
    before = np.concatenate([np.full(size - 1, np.nan), column])
    windows = np.full((len(column), size + 1), np.nan)
    windows[:, 1:] = np.lib.stride_tricks.sliding_window_view(before, size)
    return windows.ravel()


@pytest.mark.parametrize(("back", "found_out"), [(1, False), (2, True), (3, True), (40, True)])
def test_a_rule_that_looks_further_back_than_it_declares_is_found_out(back: int, found_out: bool) -> None:
    closes = np.cumsum(np.random.default_rng(3).normal(size=500))

    def rose(column: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(back, False), column[back:] > column[:-back]])

    assert np.array_equal(rose(laid_apart(closes, 2))[2::3], rose(closes)) is not found_out


@pytest.mark.parametrize("file", ["btcperp_1m_2022_01", "binance_spot_1h_BTC_long_MIT"])
def test_the_analyst_fed_bar_by_bar_signals_what_the_batch_signals(file: str) -> None:
    compare(load("ema"), read_market([folder() / f"{file}.parquet"], ()))


def test_four_coins_in_one_minute_signal_what_each_signals_alone() -> None:
    market = read_market([folder() / "binance_futures_1m_2025_05.parquet"], ())
    compare(load("ema"), [cut(series, 6_000) for series in market])


def test_a_strategy_of_ones_own_signals_the_same_live() -> None:
    market = read_market([folder() / "binance_futures_1m_2025_05.parquet"], (), ["BTC"])
    examples = Path(__file__).parents[2] / "examples"
    compare(load(examples / "my_playbook.yaml"), [cut(series, 5_000) for series in market])


def cut(series: Series, most: int) -> Series:
    names = ("time", "open", "high", "low", "close", "volume")
    return Series(series.symbol, series.interval, *(getattr(series, name)[:most] for name in names))


def compare(playbook: Playbook, market: list[Series]) -> None:
    analyst = Analyst(playbook, [series.symbol for series in market])
    live = [signal for minute in minutes(market) for signal in analyst.on(minute).signals]
    for series in market:
        batch = wishes_of(playbook, series, 0)
        ours = [signal for signal in live if signal.symbol == series.symbol]
        closes = series.time[batch["row"]] + series.interval
        assert [signal.at for signal in ours] == [instant(at) for at in closes]
        assert [signal.action for signal in ours] == ["exit" if a == EXIT else "enter" for a in batch["action"]]
        for name, values in (("stop_distance", batch["stop_distance"]), ("atr_pct", batch["atr"])):
            known = [getattr(s, name, None) or s.numbers.get(name, np.nan) for s in ours]
            assert np.array(known).tobytes() == values.tobytes(), name
        assert len(ours) > 20


def minutes(market: list[Series]) -> Iterator[Minute]:
    """The minutes that a feed would emit."""
    rows: dict[int, dict[str, tuple[float, ...]]] = {}
    for series in market:
        table = (series.open, series.high, series.low, series.close, series.volume)
        for at, *row in zip(series.time.tolist(), *(column.tolist() for column in table), strict=True):
            rows.setdefault(at + series.interval, {})[series.symbol] = tuple(row)
    symbols = [series.symbol for series in market]
    for at in sorted(rows):
        there = tuple(symbol for symbol in symbols if symbol in rows[at])
        fields = tuple(zip(*(rows[at][symbol] for symbol in there), strict=True))
        missing = tuple(symbol for symbol in symbols if symbol not in rows[at])
        yield Minute(instant(at), there, *fields, ("good",) * len(there), missing)


def test_longer_bars_built_live_signal_what_the_joined_file_signals() -> None:
    from engine.backtest import resample

    market = [cut(s, 30_000) for s in read_market([folder() / "binance_futures_1m_2025_05.parquet"], (), ["SOL"])]
    playbook = load("ema").model_copy(update={"interval": "5m"})
    playbook._programs = load("ema").programs
    analyst = Analyst(playbook)
    live = [signal for minute in minutes(market) for signal in analyst.on(minute).signals]
    longer = resample(market[0], 300_000_000)
    batch = wishes_of(playbook, longer, 0)
    complete = batch[longer.time[batch["row"]] + longer.interval <= market[0].time[-1] + market[0].interval]
    assert [s.at for s in live] == [instant(at) for at in longer.time[complete["row"]] + longer.interval]
    assert timedelta(minutes=5) == playbook.step
