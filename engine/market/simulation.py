"""A made-up market: prices as a pure function of (seed, symbol, instant).

Nothing is remembered between calls, so a market that is asked again, or after a restart, answers the same. The log
price is the sum of slow waves (days), swings that turn every half hour or so, noise whose strength clusters, and jumps
that fade. Alternating swings guarantee that trends come, and end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import floor, log10
from zlib import crc32

import numpy as np

from engine.domain import Instrument, Symbol
from engine.market.bars import MINUTE_US
from engine.market.columns import columns_of
from engine.ports import BarColumns

HOUR_MINUTES = 60
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
LATELY_US = 600 * SECOND_US
PRICES = {
    "BTC": 96_000.0,
    "ETH": 3_400.0,
    "SOL": 180.0,
    "POL": 0.45,
    "AVAX": 32.0,
    "BNB": 650.0,
    "XRP": 2.2,
    "ADA": 0.8,
    "DOGE": 0.3,
    "DOT": 6.5,
    "LINK": 20.0,
}
_SLOW = ((5, 0.012), (31, 0.02), (127, 0.04))  # (hours, size in log price)
_CELL = 48.0  # minutes per swing
_JUMP_CHANCE, _JUMP_HALF_LIFE, _JUMP_REACH = 0.04, 40.0, 5  # per hour; minutes; hours looked back
_LULL_CHANCE = 0.04  # per hour: some minutes in which a symbol does not trade
_NOTIONAL = 40_000.0  # quote currency of a typical print


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of prints of one symbol, in time order. `time`: int64 µs; `side`: +1 a buyer's print, −1 a seller's."""

    time: np.ndarray
    price: np.ndarray
    quantity: np.ndarray
    side: np.ndarray
    spread: float  # fraction of the price


class SimulatedPrices:
    """The market of one seed. `prints_a_minute` per symbol are spread over each minute."""

    def __init__(self, seed: int, prints_a_minute: int = 8) -> None:
        self.seed = seed
        self.prints_a_minute = prints_a_minute
        self._shift: dict[Symbol, float] = {}
        self.hour = lru_cache(maxsize=1024)(self._hour)
        self._knot = lru_cache(maxsize=4096)(self._made_knot)
        self._turn = lru_cache(maxsize=4096)(self._made_turn)
        self._jump = lru_cache(maxsize=4096)(self._made_jump)

    def instrument(self, symbol: Symbol) -> Instrument:
        """Steps that give six significant digits of price."""
        return Instrument(symbol, self.step(symbol), 1e-8, 0.0, 0.5)

    def shift(self, symbol: Symbol, at_us: int, price: float) -> None:
        """Move the whole path of `symbol` so that its last print before `at_us` is at `price`.

        A path that was at `price` lately is the very market that `price` is from, and stays where it is.
        """
        last = (at_us - 1) // HOUR_US
        hours = [self.hour(symbol, hour) for hour in (last - 1, last)]
        time, prices = (np.concatenate(parts) for parts in zip(*((h.time, h.price) for h in hours), strict=True))
        before = prices[(time < at_us) & (time >= at_us - LATELY_US)]
        if before.size and price not in before:
            self._shift[symbol] = self._shift.get(symbol, 0.0) + float(np.log(price / before[-1]))
            self.hour.cache_clear()

    def bars(self, symbol: Symbol, first: int, end: int) -> BarColumns:
        """The minutes that open in [`first`, `end`) µs, both whole minutes; a flat bar for each without a print."""
        hours = [self.hour(symbol, hour) for hour in range(first // HOUR_US - 1, end // HOUR_US + 1)]
        time = np.concatenate([hour.time for hour in hours])
        price = np.concatenate([hour.price for hour in hours])
        quantity = np.concatenate([hour.quantity for hour in hours])
        opened = np.arange(first, end, MINUTE_US)
        rows = np.empty((opened.size, 5))
        edges = np.searchsorted(time, np.arange(first, end + 1, MINUTE_US))
        last = float(price[max(0, edges[0] - 1)])
        for minute, (left, right) in enumerate(pairwise(edges)):
            part = price[left:right] if right > left else np.array([last])
            last = float(part[-1])
            rows[minute] = part[0], part.max(), part.min(), last, float(quantity[left:right].sum())
        return columns_of(symbol, opened, rows, np.diff(edges))

    def outage(self, hour: int) -> tuple[int, int] | None:
        """When the whole venue is silent in this hour: (from, to) in µs, or None."""
        dice = self._dice("", 5, hour)
        if dice.random() > 0.05:
            return None
        start = hour * HOUR_US + int(dice.integers(5, 50)) * 60 * SECOND_US
        return start, start + int(dice.integers(120, 300)) * SECOND_US

    def _dice(self, symbol: Symbol, purpose: int, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, crc32(symbol.encode()), purpose, index))

    def step(self, symbol: Symbol) -> float:
        """The price step: six significant digits."""
        return float(10.0 ** (floor(log10(self.anchor(symbol))) - 5))

    def anchor(self, symbol: Symbol) -> float:
        """The price around which the symbol moves."""
        known = PRICES.get(symbol.partition("/")[0])
        return known or float(10 ** self._dice(symbol, 0, 0).uniform(-1, 2))

    def _hour(self, symbol: Symbol, hour: int) -> Hour:
        """Make one hour of prints."""
        dice = self._dice(symbol, 4, hour)
        count = HOUR_MINUTES * self.prints_a_minute
        gap = HOUR_US / count
        time = hour * HOUR_US + ((np.arange(count) + dice.uniform(0.05, 0.95, count)) * gap).astype(np.int64)
        minutes = time / (60 * SECOND_US)
        path = self._slow(symbol, minutes) + self._swings(symbol, minutes) + self._jumps(symbol, minutes)
        path += self._noise(dice, count) + self._shift.get(symbol, 0.0)
        spread = float(dice.uniform(0.0001, 0.0005))
        side = dice.choice((-1, 1), count)
        step = self.step(symbol)
        price = np.round(self.anchor(symbol) * np.exp(path) * (1 + side * spread / 2) / step) * step
        quantity = np.round(_NOTIONAL / price * dice.lognormal(0, 0.8, count), 8)
        kept = self._trading(dice, count)
        return Hour(time[kept], np.maximum(price[kept], step), quantity[kept], side[kept], spread)

    def _trading(self, dice: np.random.Generator, count: int) -> np.ndarray:
        """Which prints happen: all, but for a lull in some hours."""
        kept = np.ones(count, bool)
        if dice.random() < _LULL_CHANCE:
            first = int(dice.integers(5, 50)) * self.prints_a_minute
            kept[first : first + int(dice.integers(2, 6)) * self.prints_a_minute] = False
        return kept

    def _slow(self, symbol: Symbol, minutes: np.ndarray) -> np.ndarray:
        """Waves of hours and days: random knots, smoothly joined."""
        total = np.zeros(minutes.size)
        for number, (hours, size) in enumerate(_SLOW):
            place = minutes / (60 * hours)
            knot = np.floor(place).astype(np.int64)
            first = int(knot[0])
            values = [self._knot(symbol, number, first + k) for k in range(int(knot[-1]) - first + 2)]
            total += size * _smooth(np.array(values), place - first)
        return total

    def _made_knot(self, symbol: Symbol, number: int, place: int) -> float:
        return float(self._dice(symbol, 10 + number, place).normal())

    def _swings(self, symbol: Symbol, minutes: np.ndarray) -> np.ndarray:
        """Up, down, up: one turning point in every cell of `_CELL` minutes, at a random place and height."""
        phase = self._dice(symbol, 1, 0).uniform(0, 2 * _CELL)
        place = minutes + phase
        first, last = int(place[0] // _CELL) - 1, int(place[-1] // _CELL) + 1
        knots, values = zip(*(self._turn(symbol, cell) for cell in range(first, last + 1)), strict=True)
        joined = np.interp(place, knots, np.arange(len(knots)))
        return _smooth(np.array([*values, values[-1]]), joined)

    def _made_turn(self, symbol: Symbol, cell: int) -> tuple[float, float]:
        """When a swing turns (minutes), and at what height."""
        dice = self._dice(symbol, 2, cell)
        at = (cell + dice.uniform(0.25, 0.75)) * _CELL
        return at, (1 if cell % 2 else -1) * min(0.04, 0.006 * float(np.exp(0.9 * dice.normal())))

    def _noise(self, dice: np.random.Generator, count: int) -> np.ndarray:
        """A random walk pinned at both ends of the hour; its strength differs by hour and by ten minutes."""
        strength = 0.00035 * np.exp(0.5 * dice.normal()) / np.sqrt(self.prints_a_minute)
        bursts = np.repeat(np.exp(0.5 * dice.normal(size=6)), count // 6)
        walk = np.cumsum(dice.standard_t(5, count) * strength * bursts)
        return np.asarray(walk - walk[-1] * np.arange(1, count + 1) / count)

    def _jumps(self, symbol: Symbol, minutes: np.ndarray) -> np.ndarray:
        total = np.zeros(minutes.size)
        hour = int(minutes[0] // HOUR_MINUTES)
        for back in range(_JUMP_REACH + 1):
            jump = self._jump(symbol, hour - back)
            if jump is not None:
                at, size = jump
                since = minutes - (hour - back) * HOUR_MINUTES - at
                total += np.where(since >= 0, size * 0.5 ** (np.maximum(since, 0) / _JUMP_HALF_LIFE), 0.0)
        return total

    def _made_jump(self, symbol: Symbol, hour: int) -> tuple[float, float] | None:
        """The minute of this hour's jump, and its size."""
        dice = self._dice(symbol, 3, hour)
        if dice.random() >= _JUMP_CHANCE:
            return None
        at = float(dice.uniform(5, 55))
        return at, float(dice.choice((-1, 1)) * dice.uniform(0.012, 0.035))


def _smooth(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Values at whole places, joined by half cosines."""
    left = np.floor(place).astype(np.int64)
    share = (1 - np.cos((place - left) * np.pi)) / 2
    return np.asarray(values[left] * (1 - share) + values[left + 1] * share)
