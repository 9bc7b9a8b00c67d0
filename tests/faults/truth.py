"""What really traded: every symbol's trades from one seed, and the bars that an offline aggregation makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

MINUTE = timedelta(minutes=1)
PAIRS: Mapping[str, tuple[float, float]] = {  # price, trades a minute
    "BTC/USD": (60_000.0, 8.0),
    "ETH/USD": (3_000.0, 3.0),
    "XMR/USD": (150.0, 0.6),
}


@dataclass(frozen=True, slots=True)
class Trade:
    symbol: str
    id: int
    at: datetime
    price: float
    quantity: float


@dataclass(frozen=True, slots=True)
class Candle:
    """One minute; quiet ones are flat at the last close, volume 0."""

    opened: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def prices(self) -> tuple[float, float, float, float]:
        return self.open, self.high, self.low, self.close

    def is_like(self, bar: tuple[float, ...]) -> bool:
        """Whether open, high, low, close and volume are this one's; volume to a millionth."""
        return bar[:4] == self.prices and abs(bar[4] - self.volume) <= 1e-6 * max(1.0, self.volume)


class Truth:
    """`since` and `until` are whole minutes."""

    def __init__(self, seed: int, since: datetime, until: datetime) -> None:
        self.since, self.until = since, until
        dice = random.Random(f"truth {seed}")
        self.trades = {symbol: tuple(_walk(dice, symbol, since, until)) for symbol in PAIRS}
        self.candles = {symbol: tuple(_candles(trades, since, until)) for symbol, trades in self.trades.items()}

    def candle(self, symbol: str, opened: datetime) -> Candle:
        return self.candles[symbol][int((opened - self.since) / MINUTE)]

    def price(self, symbol: str, at: datetime) -> float:
        """The last close before `at`."""
        return self.candle(symbol, max(self.since, at.replace(second=0, microsecond=0) - MINUTE)).close


def _walk(dice: random.Random, symbol: str, since: datetime, until: datetime) -> Iterator[Trade]:
    price, rate = PAIRS[symbol]
    at, number, drift = since + timedelta(milliseconds=1), dice.randrange(10_000_000), 0.0
    while at < until:
        number += 1
        drift = 0.97 * drift + dice.gauss(0, 0.0004)
        price = round(price * (1 + drift + dice.gauss(0, 0.0008)), 2)
        yield Trade(symbol, number, at, price, round(dice.lognormvariate(-2, 1), 8))
        at += timedelta(microseconds=1 + int(dice.expovariate(rate / 60e6)))


def _candles(trades: Sequence[Trade], since: datetime, until: datetime) -> Iterator[Candle]:
    by_minute = {
        opened: tuple(group) for opened, group in groupby(trades, key=lambda t: t.at.replace(second=0, microsecond=0))
    }
    close, opened = trades[0].price, since
    while opened < until:
        group = by_minute.get(opened, ())
        if group:
            yield candle_of(group, opened)
            close = group[-1].price
        else:
            yield Candle(opened, close, close, close, close, 0.0)
        opened += MINUTE


def candle_of(trades: Sequence[Trade], opened: datetime) -> Candle:
    """The bar of one minute's trades, in their order."""
    prices = [trade.price for trade in trades]
    return Candle(opened, prices[0], max(prices), min(prices), prices[-1], sum(trade.quantity for trade in trades))
