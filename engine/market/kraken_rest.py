"""Kraken's public REST calls that the feed needs: pairs, one-minute history, and a last resort for prices."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp
import numpy as np

from engine.clock import Clock
from engine.domain import Instrument, Quote, Symbol, micros
from engine.market.bars import MINUTE_US
from engine.market.columns import columns_of, possible
from engine.market.errors import FeedUnreachable, MarketError
from engine.market.names import canonical
from engine.market.symbols import kraken_symbol, names_for
from engine.ports import BarColumns

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=8, connect=4)
AT_ONCE = 4  # requests in flight: the venue allows about one a second per pair, and a few a second in all
VERSION = "/0"  # of the venue's REST interface; an address may be given with it or without
RATE_PAUSES = (2.0, 4.0, 8.0)
_LIMITED = ("Rate limit", "Too many requests", "Throttled")
_LATER = (*_LIMITED, "Temporary lockout", "Unavailable", "Busy")


class VenueRefused(MarketError):
    """Kraken answered with an error in its envelope."""


class VenueBusy(VenueRefused):
    """Kraken wishes to be asked later."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair: its names in REST and in WebSocket v2, whether it trades (`online`) or what keeps it from that, what
    the venue demands, and the key of its part of an answer."""

    rest_name: str
    name: str
    state: str
    instrument: Instrument
    key: str


class KrakenRest:
    """A small client. Use `async with`, or call `close`."""

    def __init__(self, url: str, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._url = url.rstrip("/").removesuffix(VERSION) + VERSION
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> KrakenRest:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client opens new ones when asked again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def pairs(self) -> dict[Symbol, Pair]:
        """Every pair, by canonical symbol."""
        result = await self._get("AssetPairs", {})
        found: dict[Symbol, Pair] = {}
        for key, row in result.items():
            if not isinstance(row, Mapping) or not row.get("wsname") or key.endswith(".d"):  # .d: a dark pool
                continue
            name = canonical(str(row["wsname"]))
            symbol = kraken_symbol(name)
            try:
                terms = _instrument(symbol, row)
            except (TypeError, ValueError) as error:
                log.warning("Kraken's terms for %s cannot be read (%s); it is left out", symbol, error)
                continue
            pair = Pair(str(row.get("altname", key)), name, str(row.get("status")), terms, key)
            found[symbol] = _preferred(found.get(symbol), pair)
        return found

    async def minutes(self, symbol: Symbol, rest_name: str) -> BarColumns:
        """The closed one-minute bars that the venue still has (about 720): the running candle is left out."""
        result = await self._get("OHLC", {"pair": rest_name, "interval": "1"})
        return ohlc_columns(symbol, result, micros(self._clock.now()))

    async def quote(self, symbol: Symbol, rest_name: str) -> Quote:
        """Best bid and ask now."""
        result = await self._get("Ticker", {"pair": rest_name})
        row: Any = next(iter(result.values()), None)
        try:
            return Quote(symbol, self._clock.now(), bid=float(row["b"][0]), ask=float(row["a"][0]))
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise VenueRefused(f"Kraken's ticker for {symbol} has no bid and ask: {str(row)[:120]}") from error

    async def trade_counts(self) -> dict[str, int]:
        """How many trades every pair had in the last 24 hours, by `Pair.key`; one that does not say is absent."""
        rows = await self._get("Ticker", {})
        counts = ((key, row.get("t") if isinstance(row, Mapping) else None) for key, row in rows.items())
        return {key: int(told[1]) for key, told in counts if isinstance(told, list) and len(told) > 1}

    async def trades(self, rest_name: str, since_ns: int) -> dict[str, Any]:
        """At most 1,000 trades after `since_ns` (nanoseconds since the epoch), as the venue writes them, and `last`."""
        return await self._get("Trades", {"pair": rest_name, "since": str(since_ns), "count": "1000"})

    async def _get(self, call: str, params: Mapping[str, str]) -> dict[str, Any]:
        for pause in (*RATE_PAUSES, None):
            async with self._gate:
                body = await self._fetch(call, params)
            errors = [str(error) for error in body.get("error") or () if not str(error).startswith("W")]
            if pause is not None and _any_of(_LIMITED, errors):
                await self._sleep(pause)
                continue
            if _any_of(_LATER, errors):
                raise VenueBusy(f"Kraken wishes to be asked for {call} later: {', '.join(errors)}")
            if errors or not isinstance(body.get("result"), dict):
                why = ", ".join(errors) or "no result"
                raise VenueRefused(f"Kraken refused {call} {dict(params)}: {why}")
            return dict(body["result"])
        raise AssertionError("the last attempt returns or raises")

    async def _fetch(self, call: str, params: Mapping[str, str]) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, headers={"User-Agent": "nightdesk"})
        url = f"{self._url}/public/{call}"
        try:
            async with self._session.get(url, params=params) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise FeedUnreachable(f"Kraken did not answer {call} at {self._url}: {reason}") from error
        if not isinstance(body, dict):
            raise FeedUnreachable(
                f"Kraken answered {call} at {self._url} with {str(body)[:80]!r}, not with its envelope"
            )
        return body


def _any_of(words: Sequence[str], errors: Sequence[str]) -> bool:
    return any(word in error for word in words for error in errors)


def _preferred(one: Pair | None, other: Pair) -> Pair:
    """Of two pairs of one coin, while a venue changes its name: the one that trades, else the newer name's."""
    if one is None:
        return other
    newest = names_for("kraken", other.instrument.symbol)
    order = [name for name in newest if name in (one.name, other.name)]
    return min(
        one, other, key=lambda pair: (pair.state != "online", order.index(pair.name) if pair.name in order else 9)
    )


def _instrument(symbol: Symbol, row: Mapping[str, Any]) -> Instrument:
    return Instrument(
        symbol=symbol,
        price_step=float(row.get("tick_size") or 10.0 ** -int(row.get("pair_decimals", 0))),
        quantity_step=10.0 ** -int(row.get("lot_decimals", 8)),
        min_quantity=float(row.get("ordermin") or 0),
        min_notional=float(row.get("costmin") or 0),
    )


def ohlc_columns(symbol: Symbol, result: Mapping[str, Any], now_us: int) -> BarColumns:
    """An OHLC result as columns. Rows after `last` (the running candle), unclosed or impossible ones are left out."""
    rows = next((value for key, value in result.items() if key != "last" and isinstance(value, list)), [])
    last = int(result.get("last") or 0)
    numbers = [row for row in map(_numbers, rows) if row]
    table = np.array(numbers, float).reshape(len(numbers), 7)
    time = table[:, 0].astype(np.int64) * 1_000_000
    good = (time <= last * 1_000_000) & (time + MINUTE_US <= now_us) & possible(table[:, 1:6])
    if good.sum() < len(rows) - 1:
        log.warning("%s: %d of %d history rows were not usable", symbol, len(rows) - 1 - good.sum(), len(rows))
    return columns_of(symbol, time[good], table[good, 1:6], table[good, 6])


def _numbers(row: Sequence[Any]) -> tuple[float, ...] | None:
    """(time in seconds, open, high, low, close, volume, trades), or None when the row is no such thing."""
    try:
        return (*(float(row[column]) for column in (0, 1, 2, 3, 4, 6)), float(row[7]) if len(row) > 7 else math.nan)
    except (TypeError, ValueError, IndexError, KeyError):
        return None
