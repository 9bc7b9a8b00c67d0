"""Backtests: a playbook over bar files, by the same compiled core that trades live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engine.backtest.forecasts import Forecasts, with_forecasts
from engine.backtest.frames import BarsError
from engine.backtest.market import Series, interval_of, read_market, resample
from engine.backtest.outputs import summary, write
from engine.backtest.runner import Backtest, assumptions, backtest, unattended
from engine.backtest.stored import listed, stored_market
from engine.backtest.table import table
from engine.performance import Performance, measure
from engine.playbook import Playbook, PlaybookError, load
from engine.store.rows import market_of
from engine.strategies import StrategyError

__all__ = [
    "Backtest",
    "BarsError",
    "Forecasts",
    "PlaybookError",
    "Series",
    "StrategyError",
    "assumptions",
    "backtest",
    "load",
    "market_of",
    "measured",
    "prepare",
    "read_market",
    "stored_market",
    "summary",
    "table",
    "unattended",
    "with_forecasts",
    "write",
]


def prepare(
    playbook: Playbook,
    paths: Sequence[Path],
    symbols: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> tuple[list[Series], list[str]]:
    """The bars that a playbook trades, at its interval, and sentences about what was done to get there."""
    market = read_market(paths, playbook.symbols, symbols, start, end)
    notes: list[str] = []
    played = {series.symbol for series in market}
    absent = [symbol for symbol in playbook.symbols if symbol not in played]
    if absent and not symbols:
        notes.append(f"the playbook trades {listed(playbook.symbols)}; these files play {listed(sorted(played))}")
    if playbook.step is None:
        return market, notes
    step, found = int(playbook.step.total_seconds() * 1e6), interval_of(market)
    if found < step and step % found == 0:
        notes.append(f"bars of {found // 1_000_000} s were joined into bars of {playbook.interval}")
        return [resample(series, step) for series in market], notes
    if found != step:
        notes.append(
            f"the playbook decides every {playbook.interval}, but these bars are {found // 1_000_000} s long: "
            "it decides at each of them"
        )
    return market, notes


def measured(done: Backtest) -> Performance:
    """Every figure of a finished backtest."""
    return measure(done.trades, done.curve, done.start, done.end, done.benchmark)
