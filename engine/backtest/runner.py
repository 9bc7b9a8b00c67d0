"""A playbook over bars: signals in batch, the compiled core over them, and what came of it in the desk's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.backtest.curves import buy_and_hold, days_of, points, together
from engine.backtest.forecasts import Forecasts
from engine.backtest.frames import BarsError
from engine.backtest.market import Series, interval_of
from engine.backtest.packing import place
from engine.backtest.wishes import merge, wishes_of
from engine.core.events import REASONS
from engine.core.rules import Rules
from engine.core.run import TRADE, Result, run
from engine.domain import EquityPoint, ExitReason, Instrument, Side, TradeRecord, instant
from engine.playbook.model import Playbook

Progress = Callable[[float], None]
RESUMED_US = 86_400_000_000
"""After losses in a row a desk waits for a person; where there is none, one is taken to resume after a day."""
_MOST_CELLS = 400_000_000


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of a playbook over bars. `trades` by entry time, then symbol; `capital` is what the run began with."""

    playbook: Playbook
    symbols: tuple[str, ...]
    interval: int  # microseconds
    bars: int
    start: datetime
    end: datetime
    capital: float
    trades: tuple[TradeRecord, ...]
    curve: tuple[EquityPoint, ...]
    benchmark: tuple[EquityPoint, ...]
    refusals: dict[str, int]
    slippage: tuple[float, ...]  # of each trade, part of its `fees`


def backtest(
    playbook: Playbook,
    market: Sequence[Series],
    timezone: str = "UTC",
    progress: Progress | None = None,
    forecasts: Forecasts | None = None,
) -> Backtest:
    """Trade `market` under `playbook`; the desk's day (for daily limits) is that of `timezone`. Raises `BarsError`.

    `forecasts`: of its model, as `engine.backtest.forecasts` makes them.
    """
    interval = interval_of(market)
    groups = [[series] for series in market] if playbook.coins == "alone" else [list(market)]
    results: list[Result] = []
    for number, group in enumerate(groups):
        share = _part_of(progress, number, len(groups))
        results.append(simulate(playbook, group, interval, timezone, share, forecasts))
    capital = playbook.capital * len(groups)
    start = min(int(series.time[0]) for series in market)
    ends = [max(int(series.time[-1]) for series in group) + interval for group in groups]
    curve = together(results, ends, start, capital)
    records = [
        (_record(playbook, group, row), slippage)
        for group, result in zip(groups, results, strict=True)
        for row, slippage in zip(result.trades.tolist(), result.trades["slippage"].tolist(), strict=True)
    ]
    records.sort(key=lambda record: (record[0].entry_time, record[0].symbol))
    return Backtest(
        playbook=playbook,
        symbols=tuple(series.symbol for series in market),
        interval=interval,
        bars=sum(len(series) for series in market),
        start=instant(start),
        end=instant(max(ends)),
        capital=capital,
        trades=tuple(trade for trade, _ in records),
        curve=points(*curve),
        benchmark=points(curve[0], buy_and_hold(market, curve[0], capital)),
        refusals=_sum(results),
        slippage=tuple(slippage for _, slippage in records),
    )


def simulate(
    playbook: Playbook,
    group: Sequence[Series],
    interval: int,
    timezone: str = "UTC",
    progress: Progress | None = None,
    forecasts: Forecasts | None = None,
) -> Result:
    """One account over one group of coins, on one time axis, as the core's own arrays. Raises `BarsError`."""
    times = _axis(playbook, group, interval)
    if len(times) * len(group) * 5 > _MOST_CELLS:
        raise BarsError(
            f"{len(group)} coins over {len(times):,} bars need more memory than a backtest takes; "
            "choose fewer with --symbols, or a shorter time with --from and --to"
        )
    rules = unattended(playbook.rules([Instrument(series.symbol) for series in group]))
    bars, wishes = time_major(playbook, group, times, forecasts)
    limits = playbook.limits
    daily = limits.daily_loss is not None or limits.daily_loss_amount is not None
    return run(
        rules,
        times,
        bars,
        wishes,
        interval_us=interval,
        days=days_of(times + interval, ZoneInfo(timezone)) if daily else None,
        progress=progress,
    )


def unattended(rules: Rules) -> Rules:
    """The rules where no person can resume: losses in a row pause entries for a day instead of for good."""
    limits = rules.limits
    if limits.consecutive_losses is None or limits.losses_pause_us is not None:
        return rules
    return replace(rules, limits=replace(limits, losses_pause_us=RESUMED_US))


def assumptions(playbook: Playbook) -> list[str]:
    """What a backtest takes for granted, in sentences."""
    limits = playbook.limits
    if limits.consecutive_losses is None or limits.losses_pause is not None:
        return []
    return [f"after {limits.consecutive_losses} losses in a row a person must resume; here one does a day later"]


def _axis(playbook: Playbook, group: Sequence[Series], interval: int) -> NDArray[np.int64]:
    """The open times of the run's rows: the listed bars, or every interval from the first bar to the last."""
    if playbook.interval == "listed" and len(group) == 1:
        return group[0].time
    if playbook.interval == "listed":
        return np.unique(np.concatenate([series.time for series in group]))
    first, last = min(int(s.time[0]) for s in group), max(int(s.time[-1]) for s in group)
    times = np.arange(first, last + 1, interval, dtype=np.int64)
    for series in group:
        if ((series.time - first) % interval).any():
            raise BarsError(
                f"{series.symbol}: some bars do not begin on the {interval // 1_000_000} s grid of the others; "
                "backtest it alone, or under a playbook with `interval: listed`"
            )
    return times


def time_major(
    playbook: Playbook, group: Sequence[Series], times: NDArray[np.int64], forecasts: Forecasts | None = None
) -> tuple[NDArray[np.float64], np.ndarray]:
    """Bars [row, field, coin] with NaN where one is missing, in memory field by field, and the wishes of all coins."""
    known = forecasts or {}
    fields = np.empty((5, len(times), len(group)))
    bars = fields.transpose(1, 0, 2)
    if len(group) == 1 and len(group[0]) == len(times):
        for field, column in zip(fields, group[0].prices, strict=True):
            field[:, 0] = column
        return bars, wishes_of(playbook, group[0], 0, forecast=known.get(group[0].symbol))
    fields.fill(np.nan)
    wishes = []
    for number, series in enumerate(group):
        rows = np.searchsorted(times, series.time)
        place(fields, rows, number, *series.prices)
        wishes.append(wishes_of(playbook, series, number, rows, known.get(series.symbol)))
    return bars, merge(wishes)


def _record(playbook: Playbook, group: Sequence[Series], row: tuple[float, ...]) -> TradeRecord:
    """One TRADE row in the desk's words."""
    value = dict(zip(TRADE.names or (), row, strict=True))
    return TradeRecord(
        trade_id=f"T{value['trade']}",
        strategy=playbook.strategies[int(value["strategy"])].name,
        symbol=group[int(value["symbol"])].symbol,
        side=Side.LONG if value["side"] > 0 else Side.SHORT,
        entry_time=instant(int(value["entry_time"])),
        entry_price=value["entry_price"],
        exit_time=instant(int(value["exit_time"])),
        exit_price=value["exit_price"],
        quantity=value["quantity"],
        notional=value["notional"],
        fees=value["fees"],
        pnl=value["pnl"],
        pnl_pct=value["pnl_pct"],
        exit_reason=REASONS[int(value["reason"])] or ExitReason.END,
    )


def _sum(results: Sequence[Result]) -> dict[str, int]:
    total: dict[str, int] = {}
    for result in results:
        for code, count in result.refusals.items():
            total[code] = total.get(code, 0) + count
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _part_of(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Progress of one group as progress of all."""
    if progress is None:
        return None
    return lambda fraction: progress((number + fraction) / count)
