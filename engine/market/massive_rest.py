"""Massive's REST calls that the desk needs: which pairs there are, minute bars, and a last resort for prices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from engine.clock import Clock
from engine.domain import Quote, Symbol, micros, require_utc
from engine.market.errors import FeedUnreachable
from engine.market.massive_access import KEY_NAMES, MassiveAccess, MassiveRefused
from engine.market.names import split_joined
from engine.market.pace import Pace
from engine.market.symbols import Absent, find, name_for

log = logging.getLogger(__name__)

SOURCE = "massive-rest"
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
AT_ONCE = 6
PAGE = 50_000  # minutes in one answer, at most
TICKERS = 1_000
LIMITED = 12.0  # seconds between calls where the answer does not say: the free plan has five a minute
PATIENCE = 10  # times told to slow down before giving up
ATTEMPTS = 3  # at a server that fails or does not answer
KEY_UNKNOWN, NOT_IN_PLAN, TOO_MANY, SERVER_FAILS = 401, 403, 429, 500

Rows = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Ticker:
    """A pair that Massive has, under the names that it gives it: `pair` is BTC-USD, `name` X:BTCUSD."""

    symbol: Symbol
    pair: str
    name: str
    ended: datetime | None = None


class MassiveRest:
    """A small client; `close` ends its connections, and it opens new ones when asked again.

    The key goes in a header, never in an address, so that no error text and no log line can carry it.
    """

    def __init__(
        self, access: MassiveAccess, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._access = access
        self._url = access.rest_url.rstrip("/")
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._pace = Pace(0.0, sleep=sleep)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def tickers(self, active: bool = True) -> dict[Symbol, Ticker]:
        """Every crypto pair that trades now (or, not `active`, no more), by the desk's symbol."""
        found: dict[Symbol, Ticker] = {}
        params = {"market": "crypto", "active": str(active).lower(), "limit": str(TICKERS), "sort": "ticker"}
        async for page in self._pages("/v3/reference/tickers", params):
            for row in page:
                ticker = _ticker(row)
                if ticker and (ticker.symbol not in found or ticker.pair == name_for("massive", ticker.symbol)):
                    found[ticker.symbol] = ticker  # of an old and a new name that both trade, the new one
        return found

    async def minutes(self, name: str, since: datetime, until: datetime) -> Rows:
        """Minute bars of X:BTCUSD that open in [`since`, `until`), as Massive writes them: `t` is the open in ms."""
        first, last = micros(since) // 1000, micros(until) // 1000 - 1
        path = f"/v2/aggs/ticker/{name}/range/1/minute/{first}/{last}"
        rows: Rows = []
        async for page in self._pages(path, {"adjusted": "true", "sort": "asc", "limit": str(PAGE)}):
            rows += page
        return rows

    async def quote(self, symbol: Symbol) -> Quote:
        """The last trade's price, as bid and ask."""
        base, _, quote = name_for("massive", symbol).partition("-")
        body = await self._get(f"/v1/last/crypto/{base}/{quote}", {})
        try:
            price = float(body["last"]["price"])
        except (KeyError, TypeError, ValueError) as error:
            raise MassiveRefused(f"Massive's last trade of {symbol} has no price: {str(body)[:120]}") from error
        return Quote(symbol, self._clock.now(), price, price)

    async def last_trades(self, names: Sequence[str]) -> Rows:
        """The snapshots of X:BTCUSD and others: each has `ticker` and its `lastTrade` (`p` price, `t` ms)."""
        path = "/v2/snapshot/locale/global/markets/crypto/tickers"
        body = await self._get(path, {"tickers": ",".join(names)})
        rows = body.get("tickers") or []
        if not isinstance(rows, list):
            raise MassiveRefused(f"Massive's snapshots are no list: {str(rows)[:80]}")
        return [row for row in rows if isinstance(row, Mapping)]

    # ------------------------------------------------------------ asking

    async def _pages(self, path: str, params: Mapping[str, str]) -> AsyncIterator[Rows]:
        """Every page's `results` (absent: none). A page's `next_url` is followed on our own address: the key goes
        nowhere else."""
        seen: set[str] = set()
        while True:
            body = await self._get(path, params)
            results = body.get("results") or []
            if not isinstance(results, list):
                raise MassiveRefused(f"Massive's results of {path} are no list: {str(results)[:80]}")
            yield [row if isinstance(row, Mapping) else {} for row in results]  # judged where rows are
            following = str(body.get("next_url") or "")
            if not following:
                return
            if following in seen:
                raise MassiveRefused(f"Massive names the same next page of {path} twice")
            seen.add(following)
            parts = urlsplit(following)
            path, params = parts.path, _query(parts.query)

    async def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        told = failed = 0
        while True:
            async with self._gate:
                await self._pace.turn()
                status, body, pause = await self._fetch(path, params)
            if status == TOO_MANY and told < PATIENCE:
                told += 1
                self._pace.hold(LIMITED if pause is None else pause, LIMITED if pause is None else 0.0)
                log.info("Massive asks to slow down")
            elif status >= SERVER_FAILS and failed < ATTEMPTS - 1:
                failed += 1
                await self._sleep(float(failed))
            else:
                return self._judged(path, status, body)

    def _judged(self, path: str, status: int, body: Mapping[str, Any]) -> dict[str, Any]:
        said = self._access.hide(str(body.get("error") or body.get("message") or body.get("status") or "no reason"))
        if status == KEY_UNKNOWN:
            raise MassiveRefused(f"Massive does not know the key in {KEY_NAMES}: {said}")
        if status == NOT_IN_PLAN:
            raise MassiveRefused(f"the plan of the key in {KEY_NAMES} does not include {path}: {said}")
        if status == TOO_MANY:
            raise MassiveRefused(f"Massive told the desk {PATIENCE} times to slow down; try again later")
        if status >= SERVER_FAILS:
            raise FeedUnreachable(f"Massive answered {path} with HTTP {status} {ATTEMPTS} times: {said}")
        if status >= 300 or body.get("status") in ("ERROR", "NOT_AUTHORIZED"):
            raise MassiveRefused(f"Massive refused {path} (HTTP {status}): {said}")
        return dict(body)

    async def _fetch(self, path: str, params: Mapping[str, str]) -> tuple[int, Mapping[str, Any], float | None]:
        """(HTTP status, body, seconds to wait before the next call; None: it does not say)."""
        if self._session is None:
            headers = {"User-Agent": "nightdesk", "Authorization": f"Bearer {self._access.require_key()}"}
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, headers=headers)
        try:
            async with self._session.get(self._url + path, params=params, allow_redirects=False) as response:
                pause = response.headers.get("Retry-After", "")
                body = await response.json(content_type=None) if response.status < SERVER_FAILS else {}
                if not isinstance(body, Mapping):
                    raise ValueError(f"it sent {str(body)[:80]!r}, no object")
                wait = min(float(pause), 60.0) if pause.isdecimal() else None
                return response.status, body, wait
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = self._access.hide(str(error)) or type(error).__name__
            raise FeedUnreachable(f"Massive did not answer {path} at {self._url}: {reason}") from error


def _ticker(row: Mapping[str, Any]) -> Ticker | None:
    name = str(row.get("ticker") or "")
    base, quote = row.get("base_currency_symbol"), row.get("currency_symbol")
    pair = f"{base}-{quote}" if base and quote else split_joined(name).replace("/", "-")
    found = find("massive", pair)
    return None if isinstance(found, Absent) else Ticker(found, pair, name, _instant(row.get("delisted_utc")))


def _instant(text: object) -> datetime | None:
    try:
        return require_utc(datetime.fromisoformat(str(text)))
    except ValueError:
        return None


def _query(text: str) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(text) if name.lower() != "apikey"}
