"""The peer rules once more, in plain Python and from their text alone: what the desk's backtest must equal."""

from __future__ import annotations

from dataclasses import dataclass

FEE = 0.0036


@dataclass(frozen=True)
class Bars:
    time: list[int]  # open, microseconds
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]


@dataclass(frozen=True)
class Trade:
    entry_bar: int
    entry_price: float
    exit_bar: int
    exit_price: float
    reason: str
    at_open: bool

    @property
    def pnl(self) -> float:
        return 100 * (self.exit_price / self.entry_price * (1 - FEE) - (1 + FEE))


def ema(closes: list[float], n: int) -> list[float | None]:
    values: list[float | None] = [None] * min(len(closes), n - 1)
    total = 0.0
    for close in closes[:n]:
        total += close
    value = total / n
    for i in range(n - 1, len(closes)):
        if i >= n:
            value += 2 / (n + 1) * (closes[i] - value)
        values.append(value)
    return values


def trade(bars: Bars) -> list[Trade]:
    fast, slow = ema(bars.close, 20), ema(bars.close, 50)
    up = [None if f is None or s is None else f > s for f, s in zip(fast, slow, strict=True)]
    trades: list[Trade] = []
    entry: tuple[int, float] | None = None
    buy_next, leave_next = False, ""
    last = len(bars.close) - 1
    for i in range(last + 1):
        left: tuple[float, str, bool] | None = None
        if buy_next:
            entry, buy_next = (i, bars.open[i]), False
        if entry is not None:
            left = judged(bars, i, entry, leave_next)
            leave_next = ""
            if left is not None:
                trades.append(Trade(*entry, i, *left))
                entry = None
        before, now = (up[i - 1] if i else None), up[i]
        if entry is not None:
            if before and now is False:
                leave_next = "signal"
            elif i - entry[0] + 1 >= 1440:
                leave_next = "time"
        elif before is False and now and i < last:
            buy_next = True
    if entry is not None:
        trades.append(Trade(*entry, last, bars.close[last], "end", False))
    return trades


def judged(bars: Bars, i: int, entry: tuple[int, float], leave: str) -> tuple[float, str, bool] | None:
    stop, target = entry[1] * 0.95, entry[1] * 1.10
    if leave:
        return bars.open[i], leave, True
    if bars.low[i] <= stop:
        return min(stop, bars.open[i]), "stop", False
    if bars.high[i] >= target:
        return max(target, bars.open[i]), "target", False
    return None
