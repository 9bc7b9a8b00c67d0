"""The peer rules of `ema_peers.yaml` in other engines, each as its own users would write them.

Every engine takes one coin's columns; None when it is not installed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

FAST, SLOW, AMOUNT, FEE, STOP, TARGET, MOST_BARS = 20, 50, 100.0, 0.0036, 0.05, 0.10, 1440
Columns = dict[str, np.ndarray]
Answer = tuple[float, int, float]


@numba.njit(cache=False)
def seeded_ema(close: np.ndarray, n: int) -> np.ndarray:
    """The mean of the first n closes, then e += 2/(n+1)·(c − e)."""
    out = np.full(close.size, np.nan)
    value = close[:n].sum() / n
    out[n - 1] = value
    for i in range(n, close.size):
        value += 2.0 / (n + 1.0) * (close[i] - value)
        out[i] = value
    return out


def crosses(close: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bullish and bearish crosses at each close."""
    fast, slow = seeded_ema(close, FAST), seeded_ema(close, SLOW)
    known = ~np.isnan(slow)
    up = fast > slow
    both = known[1:] & known[:-1]
    bullish, bearish = np.zeros(close.size, bool), np.zeros(close.size, bool)
    bullish[1:] = both & up[1:] & ~up[:-1]
    bearish[1:] = both & ~up[1:] & up[:-1]
    return bullish, bearish


@numba.njit(cache=False)
def single_pass(o: np.ndarray, h: np.ndarray, l: np.ndarray, c: np.ndarray) -> tuple[int, float]:  # noqa: E741
    """One bare loop from closes to P&L: averages, crosses and exits, no record of anything but the sum."""
    trades, pnl, entry, since, buy, leave = 0, 0.0, 0.0, 0, False, False
    fast, slow = c[:FAST].sum() / FAST, c[:SLOW].sum() / SLOW
    was_up = known = False
    for i in range(o.size):
        if i >= FAST:
            fast += 2.0 / (FAST + 1.0) * (c[i] - fast)
        if i >= SLOW:
            slow += 2.0 / (SLOW + 1.0) * (c[i] - slow)
        up = fast > slow
        if buy:
            entry, since, buy = o[i], i, False
        if entry > 0.0:
            out = 0.0
            if leave:
                out = o[i]
            elif l[i] <= entry * (1.0 - STOP):
                out = min(entry * (1.0 - STOP), o[i])
            elif h[i] >= entry * (1.0 + TARGET):
                out = max(entry * (1.0 + TARGET), o[i])
            leave = False
            if out > 0.0:
                trades += 1
                pnl += AMOUNT * (out / entry * (1.0 - FEE) - (1.0 + FEE))
                entry = 0.0
        if entry > 0.0:
            leave = (was_up and not up) or i - since + 1 >= MOST_BARS
        elif known and up and not was_up and i < o.size - 1:
            buy = True
        was_up, known = up, i >= SLOW - 1
    if entry > 0.0:
        trades += 1
        pnl += AMOUNT * (c[-1] / entry * (1.0 - FEE) - (1.0 + FEE))
    return trades, pnl


def timed(rounds: int, *works: Callable[[], Any]) -> list[tuple[float, Any]]:
    """(seconds, last answer) of each work, all in turn: the median over `rounds` of the best of eight in a row.

    The process's own CPU seconds, which others on the machine do not stretch (nothing here waits or runs in threads);
    eight in a row, because after another's work it takes about six until a work finds its data in the caches again.
    """
    answers = [work() for work in works]
    took: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for i, work in enumerate(works):
            tries = []
            for _ in range(8):
                start = time.process_time()
                answers[i] = work()
                tries.append(time.process_time() - start)
            took[i].append(min(tries))
    return [(statistics.median(mine), answer) for mine, answer in zip(took, answers, strict=True)]


def with_vectorbt(bars: Columns, *, as_series: bool) -> Callable[[], Any] | None:
    """`Portfolio.from_signals`: orders at the next open, stops within the bar.

    On plain arrays, its fastest way, or on pandas Series over a DatetimeIndex, as its documentation shows.
    """
    try:
        import pandas as pd
        import vectorbt as vbt
    except ImportError:
        return None
    index = pd.to_datetime(bars["time"], unit="us")

    def fed(column: np.ndarray) -> Any:
        return pd.Series(column, index=index) if as_series else column

    o, h, l, c = (fed(bars[name]) for name in ("open", "high", "low", "close"))  # noqa: E741

    def whole() -> Any:
        bullish, bearish = crosses(bars["close"])
        entries, exits = fed(_later(bullish)), fed(_later(bearish))
        return vbt.Portfolio.from_signals(
            c, entries, exits, price=o, open=o, high=h, low=l, size=AMOUNT / o, fees=FEE,
            init_cash=np.inf, sl_stop=STOP, tp_stop=TARGET, stop_entry_price="fillprice",
            stop_exit_price="stopmarket", upon_long_conflict="ignore", accumulate=False, freq="min",
        ).trades.records  # fmt: skip

    return whole


def outcome(records: Any) -> tuple[int, float]:
    """Trades and P&L in vectorbt's records."""
    still_open = records[records["status"] == 0]  # its P&L lacks the fee of leaving
    leaving = FEE * float((still_open["size"] * still_open["exit_price"]).sum())
    return len(records), float(records["pnl"].sum()) - leaving


def with_backtesting(bars: Columns) -> Answer | None:
    """(seconds, trades, P&L) of backtesting.py's `Strategy` and `Backtest`, one run (it takes seconds)."""
    try:
        import pandas as pd
        from backtesting import Backtest, Strategy
    except ImportError:
        return None
    index = pd.to_datetime(bars["time"], unit="us")
    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Volume": "volume"}
    frame = pd.DataFrame({name: bars[column] for name, column in names.items()}, index=index)
    equity = 1_000_000_000.0

    class Crosses(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            bullish, bearish = crosses(bars["close"])
            self.bullish = self.I(lambda: bullish.astype(float))
            self.bearish = self.I(lambda: bearish.astype(float))

        def next(self) -> None:
            if self.position:
                trade = self.trades[0]
                if trade.sl is None:
                    trade.sl, trade.tp = trade.entry_price * (1 - STOP), trade.entry_price * (1 + TARGET)
                if self.bearish[-1] or len(self.data) - trade.entry_bar >= MOST_BARS:
                    self.position.close()
            elif self.bullish[-1]:
                self.buy(size=1)

    start = time.process_time()
    stats = Backtest(frame, Crosses, cash=equity, commission=0.0, finalize_trades=True).run()
    seconds = time.process_time() - start
    trades = stats["_trades"]
    left = trades["ExitPrice"].to_numpy().copy()
    if trades["ExitBar"].iloc[-1] == len(frame) - 1:
        left[-1] = bars["close"][-1]  # it closes what is left at the last open; the rules say at the last close
    moved = left / trades["EntryPrice"].to_numpy()
    return seconds, len(trades), float((AMOUNT * (moved * (1 - FEE) - (1 + FEE))).sum())


def _later(flags: np.ndarray) -> np.ndarray:
    """What was decided at a close, acted on at the next open."""
    return np.concatenate(([False], flags[:-1]))
