"""The peer rules in plain Python, written from their statement alone: what the core must equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEE, STAKE, STOP, TARGET, BARS = 0.0036, 100.0, 0.05, 0.10, 1440


@dataclass(frozen=True)
class PeerTrade:
    entry_bar: int
    entry: float
    exit_bar: int
    exit: float
    reason: str

    @property
    def pnl(self) -> float:
        return STAKE * (self.exit / self.entry * (1 - FEE) - (1 + FEE))


def ema(closes: Sequence[float], n: int) -> list[float | None]:
    """First value the mean of the first n closes, then e += 2/(n+1) * (c - e)."""
    values: list[float | None] = [None] * len(closes)
    if len(closes) < n:
        return values
    e = sum(closes[:n]) / n
    values[n - 1] = e
    for i in range(n, len(closes)):
        e += 2 / (n + 1) * (closes[i] - e)
        values[i] = e
    return values


def crosses(closes: Sequence[float]) -> tuple[set[int], set[int]]:
    """Bars of bullish and of bearish crosses of EMA 20 over EMA 50."""
    fast, slow = ema(closes, 20), ema(closes, 50)
    up = [None if a is None or b is None else a > b for a, b in zip(fast, slow, strict=True)]
    pairs = [(i, up[i - 1], up[i]) for i in range(1, len(up)) if up[i - 1] is not None]
    return {i for i, was, now in pairs if now and not was}, {i for i, was, now in pairs if was and not now}


def trade(bars: Sequence[tuple[float, float, float, float]], bullish: set[int], bearish: set[int]) -> list[PeerTrade]:
    """Round trips over (open, high, low, close) bars of one coin."""
    trades: list[PeerTrade] = []
    entry_bar, entry, due, enter = -1, 0.0, "", False
    for i, (o, high, low, _) in enumerate(bars):
        if enter:
            entry_bar, entry, enter = i, o, False
        if entry_bar >= 0:
            stop, target = entry * (1 - STOP), entry * (1 + TARGET)
            done = None
            if due:
                done = (o, due)
            elif low <= stop:
                done = (min(o, stop), "stop")
            elif high >= target:
                done = (max(o, target), "target")
            if done:
                trades.append(PeerTrade(entry_bar, entry, i, *done))
                entry_bar, due = -1, ""
        if entry_bar >= 0:
            due = "signal" if i in bearish else "time" if i - entry_bar + 1 >= BARS else ""
        elif i in bullish and i + 1 < len(bars):
            enter = True
    if entry_bar >= 0:
        trades.append(PeerTrade(entry_bar, entry, len(bars) - 1, bars[-1][3], "end"))
    return trades
