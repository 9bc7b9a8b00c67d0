"""Equity over time, and the desk's local days."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from engine.backtest import backtest, load, read_market
from engine.backtest.curves import buy_and_hold, days_of
from engine.domain import micros
from engine.playbook import parse
from tests.backtest.command import PEERS
from tests.backtest.made import frame, save

PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(("midnight", "hours"), [((2025, 3, 9, 8), 23), ((2025, 11, 2, 7), 25), ((2025, 6, 1, 7), 24)])
def test_a_local_day_has_as_many_hours_as_the_clock_says(midnight: tuple[int, ...], hours: int) -> None:
    first = micros(datetime(*midnight, tzinfo=UTC))
    closes = first + np.arange(-60, 30 * 60, dtype=np.int64) * 60_000_000
    days = days_of(closes, PACIFIC)
    turns = np.flatnonzero(np.diff(days)) + 1
    assert closes[turns[0]] == first
    assert (closes[turns[1]] - first) // 3_600_000_000 == hours


def test_buy_and_hold_splits_the_money_evenly_and_pays_nothing(tmp_path: Path) -> None:
    market = read_market(
        [save(frame("ADAUSDT", 50), tmp_path / "a.csv"), save(frame("BTCUSDT", 50, 2), tmp_path / "b.csv")], ()
    )
    times = np.array([int(market[0].time[0]), int(market[0].time[-1]) + market[0].interval])
    growth = [series.close[-1] / series.open[0] for series in market]
    np.testing.assert_allclose(buy_and_hold(market, times, 1_000.0), [1_000.0, 500 * sum(growth)])


def test_a_daily_loss_ends_at_local_midnight(tmp_path: Path) -> None:
    text = Path(PEERS).read_text().replace("limits: {", "limits: {daily_loss_amount: 3, ")
    market = read_market([save(frame("BTCUSDT", 6_000, seed=4), tmp_path / "a.parquet")], ())
    free, held = backtest(load(PEERS), market), backtest(parse(text), market, "America/Los_Angeles")
    assert held.refusals["DAILY_LOSS"] > 0
    assert len(held.trades) < len(free.trades)
    by_day: dict[object, float] = {}
    for one in held.trades:
        day = one.exit_time.astimezone(PACIFIC).date()
        by_day[day] = by_day.get(day, 0.0) + one.pnl
    assert len(by_day) >= 4
    assert min(by_day.values()) > -3 - 6


def test_the_curve_starts_with_the_capital_and_ends_with_all_closed(tmp_path: Path) -> None:
    market = read_market([save(frame("BTCUSDT", 3_000), tmp_path / "a.parquet")], ())
    done = backtest(load(PEERS), market)
    assert (done.curve[0].at, done.curve[0].equity) == (done.start, done.capital)
    assert done.curve[-1].at == done.end
    assert done.curve[-1].equity == pytest.approx(done.capital + sum(one.pnl for one in done.trades))
