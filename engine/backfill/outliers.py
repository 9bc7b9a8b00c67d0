"""Prices that look wrong: told, never touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from engine.domain import Symbol, instant
from engine.ports import BarColumns

BLOCK = 240  # bars over which a usual move is measured
NORMAL = 1.4826  # the median absolute deviation of a normal distribution, in standard deviations
UNUSUAL = 12.0  # usual moves
LEAST = 0.01  # a smaller jump is none
BACK = 0.7  # of a jump must be taken back within
WITHIN = 3  # bars, for it to be a spike
WICK = 0.10  # beyond open and close within one bar
BREAK = float(np.log(3))  # after a day without a bar: another asset, or other units
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Outlier:
    """`kind`: spike (jumps and comes back), wick (far out within one bar), break (another price after a long hole).

    `move` is the logarithm of the price ratio.
    """

    symbol: Symbol
    at: datetime  # the bar's open
    kind: str
    move: float
    price: float


def outliers(bars: BarColumns) -> Iterator[Outlier]:
    """Everything that looks wrong in the bars of one symbol (oldest first), in no particular order."""
    if len(bars.time) < 2:
        return
    close = np.log(bars.close)
    moves = np.diff(close, prepend=close[0])
    usual = usual_moves(moves)
    span = np.diff(bars.time, prepend=bars.time[0])
    for row in _spikes(close, moves, usual):
        yield _outlier(bars, row, "spike", moves[row], bars.close[row])
    for row, move, price in _wicks(bars, usual):
        yield _outlier(bars, row, "wick", move, price)
    for row in np.flatnonzero((span >= DAY_US) & (np.abs(moves) > BREAK)).tolist():
        yield _outlier(bars, row, "break", moves[row], bars.close[row])


def usual_moves(moves: np.ndarray) -> np.ndarray:
    """For each bar, a robust standard deviation of the moves around it: the largest of its block's and the two beside.

    Blocks of four hours of minutes follow the day's rhythm; the median does not see the outliers that are looked for.
    Zero moves are left out: a thin coin that rarely moves would call each of its moves unusual.
    """
    count = -(-len(moves) // BLOCK)
    padded = np.full(count * BLOCK, np.nan)
    padded[: len(moves)] = np.where(moves == 0, np.nan, np.abs(moves))
    table = padded.reshape(count, BLOCK)
    empty = np.isnan(table).all(axis=1)
    table[empty, 0] = 0.0
    scale = NORMAL * np.nanmedian(table, axis=1)
    wide = np.concatenate([[0.0], scale, [0.0]])
    around = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
    return np.repeat(around, BLOCK)[: len(moves)]


def _spikes(close: np.ndarray, moves: np.ndarray, usual: np.ndarray) -> list[int]:
    """Rows whose jump is taken back within a few bars; the way back is not told a second time."""
    jumps = np.flatnonzero((np.abs(moves) > LEAST) & (np.abs(moves) > UNUSUAL * usual))
    found: list[int] = []
    for row in jumps.tolist():
        after = close[row + 1 : row + 1 + WITHIN]
        back = (close[row] - after) * np.sign(moves[row])
        if after.size and back.max() >= BACK * abs(moves[row]) and (not found or row - found[-1] > WITHIN):
            found.append(row)
    return found


def _wicks(bars: BarColumns, usual: np.ndarray) -> Iterator[tuple[int, float, float]]:
    before = np.concatenate([bars.open[:1], bars.close[:-1]])
    top = np.maximum(np.maximum(bars.open, bars.close), before)
    bottom = np.minimum(np.minimum(bars.open, bars.close), before)
    limit = np.maximum(WICK, 2 * UNUSUAL * usual)
    above, below = np.log(bars.high / top), np.log(bars.low / bottom)
    for row in np.flatnonzero(above > limit).tolist():
        yield row, float(above[row]), float(bars.high[row])
    for row in np.flatnonzero(below < -limit).tolist():
        yield row, float(below[row]), float(bars.low[row])


def _outlier(bars: BarColumns, row: int, kind: str, move: float, price: float) -> Outlier:
    return Outlier(bars.symbol, instant(int(bars.time[row])) - bars.interval, kind, float(move), float(price))
