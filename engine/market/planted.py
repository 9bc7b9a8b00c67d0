"""A made-up market with a known edge: two hours ahead, nobody can be right more often than the share it was made with.

Each coin's time is cut into blocks of two hours. In the last minutes of some blocks the price moves for a reason, up or
down as by a fair coin; all else is a random walk. Which way it will go is told from the block's first minute on, but
only to who looks at two things together: the volume is high when the last five minutes' move points the way of the one
to come, low when it points against it, and like before when nothing is to come. Neither says anything alone.

Prices are a pure function of (seed, share, symbol, instant): history, the live market and a restart are one market.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from engine.domain import Instrument, Symbol, micros
from engine.market.bars import MINUTE_US
from engine.market.columns import columns_of
from engine.market.planted_edge import HORIZON, TELLING, Edge, chances
from engine.market.simulation import HOUR_US, Hour, SimulatedPrices
from engine.ports import BarColumns

LABEL = "planted edge"
COINS = ("BTC/USD", "ETH/USD", "SOL/USD", "AVAX/USD", "DOGE/USD")
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
_FIRST = micros(ORIGIN) // MINUTE_US
_BLOCKS = 84  # in a week, the piece that is made at once
_WEEK = _BLOCKS * HORIZON
_PRINTS = 6  # a minute
_WALL = 0.7  # log price: beyond it every block leads back, so that months later the price is still one
_LOUD, _LOW = 2.0, 0.4  # volume, as a multiple of the usual
_LATELY, _CALMING = 20, 0.01  # where it tells nothing it is what it was over so many minutes, and becomes usual again
_WITHIN = 0.0008  # how far prints stray within a minute
_TURNOVER = 240_000.0  # quote currency a minute
_PLAN, _MINUTES, _TRADES, _PHASE = 21, 22, 23, 24  # what dice are for

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A week of blocks: the log price at each one's start, what moves it for a reason (−1, 0, 1), and the rest."""

    start: Column
    way: Column
    walk: Column
    end: float


class PlantedPrices:
    """The market of one seed and one share `p` of right answers. Raises `ValueError` for a share that cannot be."""

    def __init__(self, seed: int, p: float) -> None:
        self.seed = seed
        self.edge = Edge.of(p)
        self._names = SimulatedPrices(seed)
        self._plans: dict[Symbol, list[_Plan]] = {}
        self._phases: dict[Symbol, int] = {}
        self._closes = lru_cache(maxsize=64)(self._made_closes)
        self._week = lru_cache(maxsize=64)(self._made_week)
        self.hour = lru_cache(maxsize=256)(self._hour)

    def instrument(self, symbol: Symbol) -> Instrument:
        """Steps that give six significant digits of price."""
        return self._names.instrument(symbol)

    def outage(self, hour: int) -> tuple[int, int] | None:
        """None: this venue is never silent."""
        return None

    def bars(self, symbol: Symbol, first: int, end: int) -> BarColumns:
        """The minutes that open in [`first`, `end`) µs, both whole minutes; none before `ORIGIN`."""
        begin, until = self._place(symbol, max(first, _FIRST * MINUTE_US)), self._place(symbol, end)
        made = [self._week(symbol, week) for week in range(begin // _WEEK, -(-until // _WEEK))]
        cut = slice(begin % _WEEK, begin % _WEEK + max(0, until - begin))
        price, quantity = (np.concatenate(parts or (np.empty((0, _PRINTS)),))[cut] for parts in _columns(made))
        opened = end - (len(price) - np.arange(len(price))) * MINUTE_US
        rows = (price[:, 0], price.max(1), price.min(1), price[:, -1], quantity.sum(1))
        return columns_of(symbol, opened, np.column_stack(rows), np.full(len(opened), _PRINTS))

    def chances(self, symbol: Symbol, first: int, end: int) -> Column:
        """For each of `bars`: how likely its close two hours later is higher, to who knows how this market works."""
        begin, until = self._place(symbol, max(first, _FIRST * MINUTE_US)), self._place(symbol, end)
        weeks = range(begin // _WEEK, -(-until // _WEEK))
        way = np.concatenate([self._plan(symbol, week).way for week in weeks])
        return chances(self.edge, way)[begin % _WEEK :][: until - begin]

    # ------------------------------------------------------------ how it is made

    def _dice(self, symbol: Symbol, purpose: int, week: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, crc32(symbol.encode()), purpose, week, round(self.edge.p * 10_000)))

    def _place(self, symbol: Symbol, at: int) -> int:
        """Minutes from the start of the coin's first block; blocks of coins do not begin together."""
        if symbol not in self._phases:
            self._phases[symbol] = int(self._dice(symbol, _PHASE, 0).integers(1, HORIZON))
        return at // MINUTE_US - _FIRST + self._phases[symbol]

    def _plan(self, symbol: Symbol, week: int) -> _Plan:
        """Weeks follow from one another, so those before are planned first: some 80 numbers each."""
        plans = self._plans.setdefault(symbol, [])
        while len(plans) <= week:
            dice = self._dice(symbol, _PLAN, len(plans))
            level = plans[-1].end if plans else float(dice.uniform(-0.3, 0.3))
            plans.append(_planned(self.edge, level, dice))
        return plans[week]

    def _made_closes(self, symbol: Symbol, week: int) -> Column:
        """Closes of a week of minutes, as they are printed."""
        plan = self._plan(symbol, week)
        steps = self._dice(symbol, _MINUTES, week).normal(0.0, self.edge.minute, (_BLOCKS, HORIZON))
        steps += ((plan.walk - steps.sum(1)) / HORIZON)[:, None]  # a walk whose end is the planned one
        steps[:, TELLING:] += (plan.way * self.edge.move / (HORIZON - TELLING))[:, None]
        return self._printed(symbol, (plan.start[:, None] + steps.cumsum(1)).ravel())

    def _printed(self, symbol: Symbol, level: Column) -> Column:
        step = self._names.step(symbol)
        price: Column = np.maximum(np.round(self._names.anchor(symbol) * np.exp(level) / step), 1.0) * step
        return price

    def _made_week(self, symbol: Symbol, week: int) -> tuple[Column, Column]:
        """Prices and quantities of the prints of a week: [minute, print]."""
        closes = self._closes(symbol, week)
        before = self._closes(symbol, week - 1)[-5:] if week else np.full(5, closes[0])
        known = np.concatenate([before, closes])
        dice = self._dice(symbol, _TRADES, week)
        share = np.arange(1, _PRINTS + 1) / _PRINTS
        path = np.log(known[4:-1, None]) + np.log(closes / known[4:-1])[:, None] * share
        path[:, :-1] += dice.normal(0.0, _WITHIN, (_WEEK, _PRINTS - 1))
        price = self._printed(symbol, path - np.log(self._names.anchor(symbol)))
        price[:, -1] = closes
        loud = _loudness(self._plan(symbol, week).way, np.sign(closes - known[:-5]))
        turnover = _TURNOVER * loud * dice.lognormal(0.0, 0.01, _WEEK)
        parts = dice.uniform(0.5, 1.5, (_WEEK, _PRINTS))
        quantity = (turnover / closes / parts.sum(1))[:, None] * parts
        return price, np.round(quantity, 8)

    def _hour(self, symbol: Symbol, hour: int) -> Hour:
        """One hour of prints."""
        begin = self._place(symbol, hour * HOUR_US)
        weeks = [self._week(symbol, week) for week in range(begin // _WEEK, (begin + 59) // _WEEK + 1)]
        # copies: a view would keep two weeks in memory for every hour that is kept
        price, quantity = (np.concatenate(parts)[begin % _WEEK :][:60].flatten() for parts in _columns(weeks))
        dice = np.random.default_rng((self.seed, crc32(symbol.encode()), hour))
        slots = (np.arange(price.size) + dice.uniform(0.05, 0.95, price.size)) * (HOUR_US / price.size)
        time = hour * HOUR_US + slots.astype(np.int64)
        return Hour(time, price, quantity, dice.choice((-1, 1), price.size), float(dice.uniform(0.0001, 0.0005)))


def planted_bars(
    coins: Sequence[Symbol], days: float, p: float, seed: int = 1, until: datetime | None = None
) -> tuple[BarColumns, ...]:
    """One-minute bars of `days` up to `until` (default: `days` after `ORIGIN`), one entry per coin."""
    prices = PlantedPrices(seed, p)
    first, end = span_of(days, until)
    return tuple(prices.bars(symbol, first, end) for symbol in coins)


def best_possible(
    coins: Sequence[Symbol], days: float, p: float, seed: int = 1, until: datetime | None = None
) -> float:
    """The share of right answers over all bars of `planted_bars` of a forecaster who knows all that can be known."""
    prices = PlantedPrices(seed, p)
    first, end = span_of(days, until)
    up = np.concatenate([prices.chances(symbol, first, end) for symbol in coins])
    return float(np.maximum(up, 1.0 - up).mean())


def random_walk_bars(
    coins: Sequence[Symbol], days: float, seed: int = 1, until: datetime | None = None
) -> tuple[BarColumns, ...]:
    """One-minute bars of a market in which nothing can be known: independent steps, independent volumes."""
    first, end = span_of(days, until)
    return tuple(map(partial(_walked, seed=seed, first=first, end=end), coins))


def invented_past(
    planted: float | None, coins: Sequence[Symbol], days: float, until: datetime, seed: int = 1
) -> tuple[BarColumns, ...]:
    """What the simulated feed of `seed` would tell of the past: five coins unless others are asked for.

    Of a market without a planted edge each coin's half year takes some seconds to make.
    """
    prices = SimulatedPrices(seed) if planted is None else PlantedPrices(seed, planted)
    first, end = span_of(days, until)
    return tuple(prices.bars(symbol, first, end) for symbol in coins or COINS)


def span_of(days: float, until: datetime | None = None) -> tuple[int, int]:
    """[first, end) in µs of whole minutes."""
    end = until or ORIGIN + timedelta(days=days)
    return micros(end - timedelta(days=days)) // MINUTE_US * MINUTE_US, micros(end) // MINUTE_US * MINUTE_US


def _walked(symbol: Symbol, seed: int, first: int, end: int) -> BarColumns:
    dice = np.random.default_rng((seed, crc32(symbol.encode()), first // MINUTE_US))
    count = (end - first) // MINUTE_US
    log = dice.normal(0.0, 0.001 / np.sqrt(4), (count, 4)).cumsum().reshape(count, 4)
    price = 100.0 * np.exp(log)
    rows = (price[:, 0], price.max(1), price.min(1), price[:, -1], dice.lognormal(3.0, 0.5, count))
    return columns_of(symbol, first + np.arange(count) * MINUTE_US, np.column_stack(rows))


def _planned(edge: Edge, level: float, dice: np.random.Generator) -> _Plan:
    count = int(edge.moved * _BLOCKS + dice.random())  # each week has its share
    moved, way = dice.permutation(_BLOCKS) < count, dice.choice((-1.0, 1.0), _BLOCKS)
    walk = dice.normal(0.0, edge.spread, _BLOCKS)
    start, owed = np.empty(_BLOCKS), 0
    for k in range(_BLOCKS):
        start[k] = level
        if abs(level) > _WALL:
            owed += not moved[k]
            moved[k], way[k] = True, -np.sign(level)
        elif owed and moved[k]:  # one move more there is one less here
            moved[k], owed = False, owed - 1
        way[k] *= moved[k]
        level += edge.move * way[k] + walk[k]
    return _Plan(start, way, walk, float(level))


def _loudness(way: Column, move: Column) -> Column:
    """What a minute's volume is multiplied by, from where its block leads and the sign of the last five minutes. Where
    nothing is told it is like the minutes before: beside them the usual would look loud after low ones."""
    told = np.repeat(way, HORIZON) * move
    told[np.arange(told.size) % HORIZON >= TELLING] = 0.0
    loud: list[float] = np.select([told > 0, told < 0], [_LOUD, _LOW], 0.0).tolist()
    lately, total = [1.0] * _LATELY, float(_LATELY)
    for minute, now in enumerate(loud):
        now = now or (1.0 - _CALMING) * total / _LATELY + _CALMING
        total += now - lately[minute % _LATELY]
        loud[minute] = lately[minute % _LATELY] = now
    return np.array(loud)


def _columns(weeks: Sequence[tuple[Column, Column]]) -> list[tuple[Column, ...]]:
    """Prices of all weeks, and quantities of all weeks."""
    return [tuple(week[number] for week in weeks) for number in (0, 1)]
