"""What forecasts earn after costs: wishes through the compiled trading core, under the playbook's own rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.rules import Rules
from engine.core.run import TRADE, Result, blank_wishes, run
from engine.curve import Drawdown, Ratios, drawdown, ratios
from engine.domain import EquityPoint, instant, micros
from engine.forecasting.cases import Column, Flags, JudgementError, Times
from engine.forecasting.intervals import FEWEST_BLOCKS, Estimate, estimate
from engine.forecasting.overlap import DAY
from engine.inference import Shape, shape

HOUR = 3_600_000_000
Sides = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Bars of several coins on one axis, as the core reads them.

    `times` int64 [T]: opens in microseconds UTC; `bars` float64 [T, 5, S]: open, high, low, close, volume, NaN where a
    bar is missing; `interval` in microseconds.
    """

    times: Times
    bars: Column
    interval: int


@dataclass(frozen=True, slots=True)
class Money:
    """A test span traded. `days` are returns of whole UTC days; `mean_return` is net, a trade, on its notional."""

    trades: int
    wins: int
    pnl: float
    costs: float
    mean_return: Estimate | None  # None below ten days with a trade
    days: tuple[float, ...]
    form: Shape | None  # of `days`; None without variation
    ratios: Ratios | None
    drawdown: Drawdown | None
    equity_return: float
    hold_return: float  # the same money in equal parts in every coin, bought once and held, without costs
    curve: tuple[EquityPoint, ...]
    benchmark: tuple[EquityPoint, ...]
    refusals: dict[str, int]

    @property
    def first_day(self) -> int:
        """The first of `days`, counted from 1970."""
        return -(-micros(self.curve[0].at) // DAY) if self.curve else 0


@dataclass(frozen=True, slots=True)
class Fees:
    """The fee of one side that the money was earned at, and what the same forecasts bring at the `venue`'s own."""

    own: float
    venue: float
    trades: int
    pnl: float
    equity_return: float

    @property
    def differ(self) -> bool:
        """Whether the playbook's fee is a scenario of another venue."""
        return self.own != self.venue


def wishes_of(
    enter: Flags, confidence: Column, side: Sides | None = None, strategy: int = 0, **columns: Column
) -> np.ndarray:
    """WISH rows of a forecast: all arguments are [T, S], one row per bar and one column per coin.

    `enter` is where an entry is wished at the bar's close; `side` is +1 or −1 (None: long). `columns` are what else a
    wish may carry, by its name in WISH: `stop_distance` and `target_distance` in quote currency (without them the
    rules' own exits hold), `value`, `atr`, `turnover`, `weight`. Raises ValueError for a name that no wish has.
    """
    row, coin = np.nonzero(enter)
    wishes = blank_wishes(len(row))
    wishes["row"], wishes["symbol"], wishes["strategy"] = row, coin, strategy
    wishes["confidence"] = confidence[row, coin]
    if side is not None:
        wishes["side"] = side[row, coin]
    for name, column in columns.items():
        wishes[name] = column[row, coin]
    return wishes


def earn(rules: Rules, market: Market, wishes: np.ndarray, days: Times | None = None, seed: int = 0) -> Money:
    """Trade the market on these wishes; every intent is granted. `days` as in `engine.core.run.run`.

    Raises `JudgementError` for a market of less than two bars, ValueError for arrays that do not fit the rules.
    """
    if len(market.times) < 2:
        raise JudgementError("NO_BARS", f"{len(market.times)} bars are no market to trade a forecast on")
    every = max(1, HOUR // market.interval)
    done = run(rules, market.times, market.bars, wishes, interval_us=market.interval, days=days, equity_every=every)
    times, equity = _curve(rules.capital, market, done)
    held = _held(market, times, rules.capital)
    curve, daily = _points(times, equity), daily_returns(times, equity)
    trades = done.trades
    return Money(
        trades=len(trades),
        wins=int((trades["pnl"] > 0).sum()),
        pnl=float(trades["pnl"].sum()),
        costs=float(trades["fees"].sum()),
        mean_return=mean_return(trades, seed),
        days=tuple(daily.tolist()),
        form=shape(daily.tolist()),
        ratios=ratios(curve),
        drawdown=drawdown(curve),
        equity_return=float(equity[-1] / rules.capital - 1),
        hold_return=float(held[-1] / rules.capital - 1),
        curve=curve,
        benchmark=_points(times, held),
        refusals=done.refusals,
    )


def mean_return(trades: np.ndarray, seed: int = 0) -> Estimate | None:
    """The mean net return of TRADE rows on their notional, days of entry as blocks; None below ten such days."""
    if trades.dtype != TRADE:
        raise ValueError(f"trades are {trades.dtype}; TRADE rows of the core are needed")
    _, block = np.unique(trades["entry_time"] // DAY, return_inverse=True)
    if not len(trades) or block.max() + 1 < FEWEST_BLOCKS:
        return None
    return estimate(trades["pnl"] / trades["notional"], block.astype(np.int64), seed)


def daily_returns(times: Times, equity: Column) -> Column:
    """Returns from one UTC midnight to the next within the curve: the last value known at each."""
    first, last = -(-int(times[0]) // DAY), int(times[-1]) // DAY
    midnights = np.arange(first, last + 1) * DAY
    if len(midnights) < 2:
        return np.zeros(0)
    known = equity[np.searchsorted(times, midnights, "right") - 1]
    returns: Column = known[1:] / known[:-1] - 1
    return returns


def _curve(capital: float, market: Market, done: Result) -> tuple[Times, Column]:
    """From the start with the capital, hour by hour, to the end with all closed."""
    start, end = int(market.times[0]), int(market.times[-1]) + market.interval
    before = done.equity_times < end
    return (
        np.concatenate([[start], done.equity_times[before], [end]]),
        np.concatenate([[capital], done.equity[before], [done.cash]]),
    )


def _held(market: Market, times: Times, capital: float) -> Column:
    """Equal parts in every coin from its first bar on; a coin whose bars are missing stays at its last close."""
    total = np.zeros(len(times))
    for number in range(market.bars.shape[2]):
        opens, closes = market.bars[:, 0, number], market.bars[:, 3, number]
        known = np.flatnonzero(np.isfinite(closes))
        if not len(known):
            total += 1.0
            continue
        values = np.concatenate([[1.0], closes[known] / opens[known[0]]])
        total += values[np.searchsorted(market.times[known] + market.interval, times, "right")]
    worth: Column = total * (capital / market.bars.shape[2])
    return worth


def _points(times: Times, equity: Column) -> tuple[EquityPoint, ...]:
    return tuple(EquityPoint(instant(at), value) for at, value in zip(times.tolist(), equity.tolist(), strict=True))
