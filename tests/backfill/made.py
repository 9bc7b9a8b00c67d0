"""A source at the edge: made bars of a random walk, served piece by piece, with the faults that a test asks for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.backfill.checking import taken
from engine.domain import Symbol, micros
from engine.market.errors import FeedUnreachable, MarketError
from engine.ports import BarColumns, Fetched, Listing, Piece

START = datetime(2024, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def bars_of(symbol: Symbol, count: int, start: datetime = START, step: timedelta = MINUTE, seed: int = 1) -> BarColumns:
    """`count` consecutive bars from `start`, the same for the same arguments; prices to the cent, above 0."""
    chance = np.random.default_rng([seed, *symbol.encode()])
    walk = 100 * np.exp(np.cumsum(chance.normal(0, 5e-4, count + 1)))
    first, close = np.round(walk[:-1], 2), np.round(walk[1:], 2)
    high = np.maximum(first, close) + np.round(chance.random(count), 2) * 0.1 + 0.01
    low = np.minimum(first, close) - np.round(chance.random(count), 2) * 0.1
    span = step // timedelta(microseconds=1)
    time = micros(start) + (1 + np.arange(count, dtype=np.int64)) * span
    volume = np.round(chance.random(count) * 10, 4)
    trades = chance.integers(1, 50, count).astype(float)
    return BarColumns(symbol, step, time, first, high, low, close, volume, (first + close) / 2, trades)


def without(bars: BarColumns, *holes: tuple[int, int]) -> BarColumns:
    """The bars without the rows of each half-open range."""
    keep = np.ones(len(bars.time), bool)
    for first, last in holes:
        keep[first:last] = False
    return taken(bars, np.flatnonzero(keep))


class MadeHistory:
    """A `History` over columns in memory, one piece a day; `by_day` gives one piece for all symbols, as files do."""

    def __init__(
        self,
        truth: Mapping[Symbol, BarColumns],
        name: str = "made",
        *,
        at_once: int = 3,
        by_day: bool = False,
        pace: float = 0.0,
        away: int = 0,
        broken: Sequence[str] = (),
    ) -> None:
        """`away`: how many calls a silent source leaves unanswered; `broken`: keys of pieces that cannot be had."""
        self.name = name
        self.at_once = at_once
        self.truth = dict(truth)
        self.listings: dict[Symbol, Listing] = {symbol: Listing(symbol, symbol) for symbol in truth}
        self.asked: Counter[str] = Counter()
        self._by_day, self._pace, self._away, self._broken = by_day, pace, away, set(broken)

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        return {symbol: self.listings[symbol] for symbol in symbols if symbol in self.listings}

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        days = [since + number * DAY for number in range(-(-(until - since) // DAY))]
        groups = [tuple(symbols)] if self._by_day else [(symbol,) for symbol in symbols]
        return [
            Piece(f"{'all' if self._by_day else group[0]} {day:%Y-%m-%d %H:%M}", group, day, min(day + DAY, until))
            for day in days
            for group in groups
        ]

    async def fetch(self, piece: Piece) -> Fetched:
        self.asked[piece.key] += 1
        await asyncio.sleep(self._pace)
        if self._away:
            self._away -= 1
            raise FeedUnreachable(f"{self.name} did not answer")
        if piece.key in self._broken:
            raise MarketError(f"{piece.key} cannot be read")
        return Fetched(tuple(self._cut(symbol, piece) for symbol in piece.symbols))

    async def close(self) -> None:
        pass

    def _cut(self, symbol: Symbol, piece: Piece) -> BarColumns:
        bars = self.truth[symbol]
        opened = bars.time - bars.interval // timedelta(microseconds=1)
        return taken(bars, np.flatnonzero((opened >= micros(piece.since)) & (opened < micros(piece.until))))
