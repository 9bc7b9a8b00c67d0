"""Any exchange that ccxt knows, without a key: candles, trades and the order book, in the desk's words and errors."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from engine.clock import Clock
from engine.domain import Quote, Symbol, instant, micros
from engine.market.errors import FeedNameError, FeedUnreachable, MarketError
from engine.market.exchange_trades import Rows, Trades, every_trade
from engine.market.symbols import Absent, absence, find, lives

log = logging.getLogger(__name__)

TIMEOUT_MS = 15_000
TRADES = 1_000  # asked for at a time; an exchange gives fewer where it must
_DOLLARS = {"USD": ("USDT", "USDC")}  # far nearer to a dollar than two sources ever agree
FIRST = datetime(2010, 1, 1, tzinfo=UTC)  # before any exchange


class ExchangeRefused(MarketError):
    """The exchange answered, and the answer is no."""


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Resting orders: (n, 2) float64 arrays of price and quantity, the best first."""

    symbol: Symbol
    at: datetime
    bids: np.ndarray
    asks: np.ndarray

    def quote(self) -> Quote | None:
        """Best bid and ask; None where a side is empty."""
        if not (len(self.bids) and len(self.asks)):
            return None
        return Quote(self.symbol, self.at, float(self.bids[0, 0]), float(self.asks[0, 0]))


class Exchange:
    """One exchange. ccxt keeps its rate limit; `close` ends its connections."""

    def __init__(self, venue: str, clock: Clock, *, url: str | None = None) -> None:
        """`venue` is ccxt's id; `url` stands in for the exchange's own address. Raises `FeedNameError`."""
        import ccxt.async_support as ccxt  # heavy: seconds and 100 MB, so only where an exchange is asked for

        if venue not in ccxt.exchanges:
            near = [name for name in ccxt.exchanges if venue and name.startswith(venue[:3])]
            raise FeedNameError(f"ccxt knows no exchange {venue!r}" + (f"; near it: {', '.join(near)}" if near else ""))
        self.name = f"ccxt:{venue}"
        self._clock = clock
        self._errors = ccxt
        self._api: Any = getattr(ccxt, venue)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
        if isinstance(spot := self._api.options.get("fetchMarkets"), dict) and "types" in spot:
            spot["types"] = ["spot"]  # else every start asks for futures and options too
        if url:
            self._api.urls["api"] = _moved(self._api.urls["api"], url)
        self._names: dict[Symbol, dict[str, Any]] = {}
        self._past: dict[Symbol, dict[str, Any]] = {}

    async def close(self) -> None:
        await self._api.close()

    # ------------------------------------------------------------ what it has

    async def markets(self) -> Mapping[Symbol, Sequence[str]]:
        """Its spot pairs by the desk's symbol, each with ccxt's names for it: two while a coin changes its name."""
        await self._load()
        return {symbol: tuple(names) for symbol, names in self._names.items()}

    async def names_ever(self) -> Mapping[Symbol, Sequence[str]]:
        """As `markets`, and the names under which a pair's past lies: a name may have been another coin's before."""
        await self._load()
        return {symbol: tuple(names) for symbol, names in self._past.items()}

    async def _load(self) -> None:
        if self._names:
            return
        async with self._asking("its markets"):
            listed = await self._api.load_markets()
        for name, market in listed.items():
            if not market.get("spot"):
                continue
            for _, symbol in lives(self.name, name, FIRST, self._clock.now()):
                if not isinstance(symbol, Absent):
                    self._past.setdefault(symbol, {})[name] = market
            symbol = find(self.name, name)
            if not isinstance(symbol, Absent):
                self._names.setdefault(symbol, {})[name] = market

    def timeframe(self, seconds: int) -> str:
        """ccxt's name for candles of so many seconds; raises `ExchangeRefused` when the exchange has none."""
        known = {self._api.parse_timeframe(frame): frame for frame in (self._api.timeframes or {})}
        if not self._api.has.get("fetchOHLCV") or seconds not in known:
            raise ExchangeRefused(
                f"{self.name} has no candles of {seconds} s; it has {', '.join(known.values()) or 'none'}"
            )
        return str(known[seconds])

    async def candles(self, name: str, frame: str, since_us: int, limit: int) -> np.ndarray:
        """Candles that opened at or after `since_us`, as the exchange has them: (n, 6) float64 with the open time in
        ms, open, high, low, close, volume; NaN where a value is none."""
        async with self._asking(f"candles of {name}"):
            rows = await self._api.fetch_ohlcv(name, frame, since=since_us // 1_000, limit=limit)
        table = [[math.nan if value is None else float(value) for value in row[:6]] for row in rows or ()]
        return np.array(table, np.float64).reshape(len(table), 6)

    async def trades(self, symbol: Symbol, since: datetime, until: datetime) -> Trades:
        """Every public trade in [`since`, `until`), each once, in order of time.

        Raises `ExchangeRefused` when the exchange gives none that old.
        """
        name, first, end = await self._name(symbol), micros(since), micros(until)
        if not self._api.has.get("fetchTrades"):
            raise ExchangeRefused(f"{self.name} gives no public trades")

        async def ask(since_ms: int | None) -> Rows:
            async with self._asking(f"trades of {name}"):
                rows: Rows = await self._api.fetch_trades(name, since=since_ms, limit=TRADES)
                return rows

        found = await every_trade(ask, first, end)
        if found.begins is not None:
            begins = instant(found.begins * 1_000)
            raise ExchangeRefused(
                f"{self.name} gives no trades of {name} that old: they begin at {begins:%Y-%m-%d %H:%M} UTC; ask from"
                " there, or for its candles"
            )
        return found

    async def book(self, symbol: Symbol, depth: int = 25) -> OrderBook:
        """The order book now, at most `depth` levels a side."""
        name = await self._name(symbol)
        async with self._asking(f"the order book of {name}"):
            body = await self._api.fetch_order_book(name, depth)
        sides = (
            np.array([row[:2] for row in body[side][:depth]], np.float64).reshape(-1, 2) for side in ("bids", "asks")
        )
        return OrderBook(symbol, self._clock.now(), *sides)

    async def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        """Best bid and ask now: tickers in one request, the order book where a ticker has none.

        A dollar pair that the exchange lacks is answered by the same coin in a dollar coin; what it has neither of is
        absent.
        """
        carried = await self.markets()
        played = {symbol: other for symbol in symbols if (other := _played_by(symbol, carried))}
        names = {await self._name(other): symbol for symbol, other in played.items()}
        rows: Mapping[str, Any] = {}
        if names and self._api.has.get("fetchTickers"):
            async with self._asking("its tickers"):
                rows = await self._api.fetch_tickers(list(names))
        found = {}
        for name, symbol in names.items():
            bid, ask = _bid_and_ask(rows.get(name))
            best = Quote(symbol, self._clock.now(), bid, ask) if bid and ask else await self._best(played[symbol])
            if best is not None and 0 < best.bid <= best.ask < math.inf:
                found[symbol] = replace(best, symbol=symbol)
        return found

    async def _best(self, symbol: Symbol) -> Quote | None:
        """The book's best; None where the exchange refuses this one: that says nothing of the others."""
        try:
            return (await self.book(symbol)).quote()
        except ExchangeRefused as error:
            log.info("%s", error)
            return None

    # ------------------------------------------------------------ asking

    async def _name(self, symbol: Symbol) -> str:
        names = (await self.markets()).get(symbol)
        if not names:
            raise ExchangeRefused(f"{symbol} is {absence(self.name, symbol).sentence}")
        return next((name for name in names if self._names[symbol][name].get("active") is not False), names[0])

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        """ccxt's exceptions as the desk's, each with what was asked."""
        errors = self._errors
        try:
            yield
        except errors.AuthenticationError as error:
            raise ExchangeRefused(f"{self.name} gives {what} only with a key, and the desk reads without") from error
        except (errors.BadSymbol, errors.NotSupported) as error:
            raise ExchangeRefused(f"{self.name} has no {what}: {_short(error)}") from error
        except (errors.OperationFailed, OSError, TimeoutError) as error:
            raise FeedUnreachable(f"{self.name} did not give {what}: {_short(error)}") from error
        except (errors.BaseError, ValueError, TypeError, KeyError) as error:
            raise ExchangeRefused(f"{self.name} refused {what}: {_short(error)}") from error


def _bid_and_ask(row: object) -> tuple[float, float]:
    """Of a ticker; 0 for what is no number."""
    told = [row.get(side) for side in ("bid", "ask")] if isinstance(row, Mapping) else [None, None]
    bid, ask = (float(price) if isinstance(price, int | float) else 0.0 for price in told)
    return bid, ask


def _played_by(symbol: Symbol, carried: Mapping[Symbol, object]) -> Symbol | None:
    base, _, quote = symbol.partition("/")
    return next(
        (name for name in (symbol, *(f"{base}/{coin}" for coin in _DOLLARS.get(quote, ()))) if name in carried), None
    )


def _moved(addresses: Any, url: str) -> Any:
    """ccxt's table of addresses with the host of `url` in place of the exchange's; paths stay."""
    if isinstance(addresses, Mapping):
        return {name: _moved(address, url) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    here, path = urlsplit(url), urlsplit(addresses).path
    return urlunsplit((here.scheme, here.netloc, path, "", ""))


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
