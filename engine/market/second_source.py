"""Prices from somewhere else, to hold the feed's against: best bid and ask of many symbols in one gentle request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from engine.clock import Clock
from engine.domain import Quote, Symbol, micros
from engine.market.errors import FeedNameError
from engine.market.exchange import Exchange
from engine.market.kraken_rest import KrakenRest, VenueRefused
from engine.market.massive_access import MassiveAccess
from engine.market.massive_rest import SOURCE as REST_SOURCE
from engine.market.massive_rest import MassiveRest
from engine.market.symbols import kraken_symbol, name_for

AT_ONCE = 50  # symbols in one request
FRESH = timedelta(seconds=60)


class PriceSource(Protocol):
    """A source of quotes that does not go through the feed."""

    name: str

    async def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        """Best bid and ask now; what it does not carry is absent.

        Raises `MarketError` when it does not answer, or with nothing that can be read.
        """
        ...

    async def close(self) -> None: ...


class KrakenQuotes(KrakenRest):
    """Kraken's REST ticker: the same venue by another way, free and without a key."""

    name = "kraken-rest"

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock)
        self._keys: dict[str, Symbol] = {}  # the venue's own key → symbol

    async def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        if not self._keys:
            self._keys = _keys(await self._get("AssetPairs", {}))
        wanted = [key for key, symbol in self._keys.items() if symbol in symbols and not key.endswith(".d")]
        found: dict[Symbol, Quote] = {}
        for first in range(0, len(wanted), AT_ONCE):
            rows = await self._get("Ticker", {"pair": ",".join(wanted[first : first + AT_ONCE])})
            quotes = _readable({self._keys[key]: row for key, row in rows.items() if key in self._keys}, self._clock)
            if not quotes:
                raise VenueRefused(f"Kraken's ticker has no bid and ask: {str(rows)[:120]}")
            found |= quotes
        return found


class MassiveQuotes:
    """Massive's last trades, many symbols in one request; a price older than `FRESH` says nothing of now."""

    name = "massive"

    def __init__(self, access: MassiveAccess, clock: Clock) -> None:
        """Raises `MarketError` when no key is set."""
        access.require_key()
        self._rest = MassiveRest(access, clock)
        self._clock = clock

    async def quotes(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Quote]:
        now, found = self._clock.now(), {}
        names = {name_for(REST_SOURCE, symbol): symbol for symbol in symbols}
        for first in range(0, len(names), AT_ONCE):
            for row in await self._rest.last_trades(list(names)[first : first + AT_ONCE]):
                symbol, price = names.get(str(row.get("ticker"))), _last_price(row.get("lastTrade"), now)
                if symbol and price:
                    found[symbol] = Quote(symbol, now, price, price)
        return found

    async def close(self) -> None:
        await self._rest.close()


def _last_price(trade: object, now: datetime) -> float | None:
    """The price of a last trade; None when it is none, or too old to be today's price."""
    price, at = (trade.get("p"), trade.get("t")) if isinstance(trade, Mapping) else (None, None)
    if not isinstance(price, float | int) or not isinstance(at, int) or not 0 < price < math.inf:
        return None
    return float(price) if abs(micros(now) - at * 1000) <= FRESH // timedelta(microseconds=1) else None


def price_source(name: str, clock: Clock, kraken_url: str, massive: MassiveAccess | None = None) -> PriceSource:
    """`kraken-rest`, `massive` or `ccxt:ID`. Raises `FeedNameError` for another name, `MarketError` without a key."""
    kind, _, rest = name.partition(":")
    if name == KrakenQuotes.name:
        return KrakenQuotes(kraken_url, clock)
    if name == MassiveQuotes.name:
        return MassiveQuotes(massive or MassiveAccess(), clock)
    if kind == "ccxt" and rest:
        return Exchange(rest, clock)
    raise FeedNameError(f"SECOND_SOURCE was {name!r}; use kraken-rest, massive, ccxt:ID (such as ccxt:coinbase) or off")


def _keys(rows: Mapping[str, object]) -> dict[str, Symbol]:
    """The venue's own keys of its pairs; raises `VenueRefused` when there are none."""
    names = {key: row.get("wsname") for key, row in rows.items() if isinstance(row, Mapping)}
    keys = {key: kraken_symbol(name) for key, name in names.items() if isinstance(name, str) and name}
    if not keys:
        raise VenueRefused(f"Kraken's list of pairs names none: {str(rows)[:120]}")
    return keys


def _readable(rows: Mapping[Symbol, Any], clock: Clock) -> dict[Symbol, Quote]:
    """Quotes from rows whose `b` and `a` are lists with the price first; one that is none is left out."""
    now, found = clock.now(), {}
    for symbol, row in rows.items():
        try:
            bid, ask = float(row["b"][0]), float(row["a"][0])
        except (TypeError, ValueError, IndexError, KeyError):
            continue
        if 0 < bid <= ask < math.inf:
            found[symbol] = Quote(symbol, now, bid, ask)
    return found
