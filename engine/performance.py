"""What trading came to: one pure place for every figure that reports, cards and backtests quote.

Money is in quote currency, returns and shares are fractions. A figure that has no answer (no trades, no losses, a
constant equity) is None, never NaN and never infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from engine.curve import Drawdown, Ratios, between, change, drawdown, ratios
from engine.domain import EquityPoint, TradeRecord
from engine.inference import Interval, mean_interval, wilson

_CRUMB = 1e-9  # losses below this, in quote currency, are rounding: no ratio to them means anything


@dataclass(frozen=True, slots=True)
class Tally:
    """Closed trades counted together, all of them or those of one strategy, symbol or exit reason."""

    name: str
    trades: int
    wins: int
    pnl: float
    fees: float
    win_rate: float | None
    win_rate_interval: Interval | None
    profit_factor: float | None  # None without a loss
    expectancy: float | None  # mean P&L a trade
    average_win: float | None
    average_loss: float | None
    mean_return: float | None  # mean net return on the notional
    mean_return_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Performance:
    """A window of trading. `pnl` is realised and after costs; `equity_pnl` also holds what is still open."""

    start: datetime
    end: datetime
    total: Tally
    by_strategy: tuple[Tally, ...]
    by_symbol: tuple[Tally, ...]
    by_exit: tuple[Tally, ...]
    best: TradeRecord | None
    worst: TradeRecord | None
    winning_streak: int
    losing_streak: int
    average_hold: timedelta | None
    exposure: float | None  # share of the window with a position open
    equity_start: float | None
    equity_end: float | None
    equity_pnl: float | None
    equity_return: float | None
    benchmark_return: float | None  # buy and hold over the same window
    drawdown: Drawdown | None
    ratios: Ratios | None


def net_return(trade: TradeRecord) -> float:
    """A trade's P&L after costs as a fraction of its notional."""
    return trade.pnl / trade.notional


def tally(name: str, trades: Sequence[TradeRecord]) -> Tally:
    """Count trades together. A trade that came to exactly 0 is no win."""
    profits = [trade.pnl for trade in trades if trade.pnl > 0]
    losses = [trade.pnl for trade in trades if trade.pnl < 0]
    returns = [net_return(trade) for trade in trades]
    return Tally(
        name=name,
        trades=len(trades),
        wins=len(profits),
        pnl=sum(trade.pnl for trade in trades),
        fees=sum(trade.fees for trade in trades),
        win_rate=len(profits) / len(trades) if trades else None,
        win_rate_interval=wilson(len(profits), len(trades)),
        profit_factor=sum(profits) / -sum(losses) if -sum(losses) > _CRUMB else None,
        expectancy=fmean(trade.pnl for trade in trades) if trades else None,
        average_win=fmean(profits) if profits else None,
        average_loss=fmean(losses) if losses else None,
        mean_return=fmean(returns) if returns else None,
        mean_return_interval=mean_interval(returns),
    )


def tallies(trades: Sequence[TradeRecord], key: Callable[[TradeRecord], str]) -> tuple[Tally, ...]:
    """One tally per value of `key`, the most profitable first."""
    groups: dict[str, list[TradeRecord]] = {}
    for trade in trades:
        groups.setdefault(key(trade), []).append(trade)
    return tuple(sorted((tally(name, group) for name, group in groups.items()), key=lambda one: (-one.pnl, one.name)))


def streaks(trades: Sequence[TradeRecord]) -> tuple[int, int]:
    """The longest runs of wins and of losses, in order of exit."""
    longest = {True: 0, False: 0}
    run, last = 0, None
    for trade in sorted(trades, key=lambda one: one.exit_time):
        won = trade.pnl > 0
        run = run + 1 if won is last else 1
        last = won
        longest[won] = max(longest[won], run)
    return longest[True], longest[False]


def time_in_market(spans: Sequence[tuple[datetime, datetime]], start: datetime, end: datetime) -> float | None:
    """The share of a window that at least one of `spans` (entry, exit) covers; None for an empty window."""
    if end <= start:
        return None
    covered, reached = timedelta(0), start
    for entry, left in sorted(spans):
        begin, stop = max(entry, reached), min(left, end)
        if stop > begin:
            covered += stop - begin
            reached = stop
    return covered / (end - start)


def measure(
    trades: Sequence[TradeRecord],
    curve: Sequence[EquityPoint],
    start: datetime,
    end: datetime,
    benchmark: Sequence[EquityPoint] = (),
    open_since: Sequence[datetime] = (),
) -> Performance:
    """Measure the window (`start`, `end`].

    `trades` (closed by their exit time), `curve` and `benchmark` (ascending) may reach beyond the window;
    `open_since` are the entry times of positions that are still open and count as exposure.
    """
    closed = [trade for trade in trades if start < trade.exit_time <= end]
    touching = [(trade.entry_time, trade.exit_time) for trade in trades if trade.exit_time > start]
    window = between(curve, start, end)
    equity = change(window)
    won, lost = streaks(closed)
    return Performance(
        start=start,
        end=end,
        total=tally("all", closed),
        by_strategy=tallies(closed, lambda trade: trade.strategy),
        by_symbol=tallies(closed, lambda trade: trade.symbol),
        by_exit=tallies(closed, lambda trade: trade.exit_reason.value),
        best=max(closed, key=lambda trade: trade.pnl, default=None),
        worst=min(closed, key=lambda trade: trade.pnl, default=None),
        winning_streak=won,
        losing_streak=lost,
        average_hold=_average_hold(closed),
        exposure=time_in_market([*touching, *((since, end) for since in open_since)], start, end),
        equity_start=window[0].equity if window else None,
        equity_end=window[-1].equity if window else None,
        equity_pnl=window[-1].equity - window[0].equity if window else None,
        equity_return=equity,
        benchmark_return=change(between(benchmark, start, end)),
        drawdown=drawdown(window),
        ratios=ratios(window),
    )


def _average_hold(trades: Sequence[TradeRecord]) -> timedelta | None:
    held = [trade.exit_time - trade.entry_time for trade in trades]
    return sum(held, timedelta(0)) / len(held) if held else None
