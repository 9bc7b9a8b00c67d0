"""A local Massive: the crypto WebSocket and the REST calls, as the vendor documents them, faults on demand.

In a test: `async with MassiveServer(["BTC-USD"]) as vendor:` and use `vendor.ws_url`, `vendor.rest_url`, `vendor.key`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from engine.clock import SystemClock

KEY = "the-key-of-the-test"
CHANNELS = ("XT", "XQ", "XA", "XAS")
EXCHANGE = 1


def status(kind: str, message: str) -> dict[str, object]:
    return {"ev": "status", "status": kind, "message": message}


def millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class MassiveServer:
    """One vendor. Events go to those who subscribed; one connection per key: a newer one evicts the older.

    Faults: `plan` (channels the key may have), `silent_refusals` (errors name no topic), `unknown` (pairs that are
    refused), `unheard` (topics without an answer), `deaf` (no request gets one), `keyless` (no connection's key is
    taken, but with this status), `closed` (connections end at once), `drop()`, `emit_raw()`, `end_with()`, `freeze()`;
    in REST `limited` and `failing` (how many answers are 429 and 500), `raw` (results as they are given, whatever was
    asked), `forbidden` (a path that begins so is not in the plan), `next_host` (what next_url names),
    `instead` (answers every call).
    """

    def __init__(self, pairs: Sequence[str] = ("BTC-USD", "ETH-USD"), *, page: int = 50_000) -> None:
        self.pairs = tuple(pairs)
        self.prices = {pair: 100.0 + 10 * number for number, pair in enumerate(self.pairs)}
        self.key = KEY
        self.plan = set(CHANNELS)
        self.silent_refusals = self.deaf = self.closed = False
        self.unknown: set[str] = set()
        self.unheard: set[str] = set()
        self.keyless = ""
        self.now = SystemClock().now
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self.bars: dict[str, list[dict[str, float]]] = {}
        self.raw: dict[str, list[Any]] = {}
        self.ended: dict[str, str] = {}
        self.limited = self.failing = 0
        self.retry_after = "0"
        self.forbidden = "/never"
        self.next_host = ""
        self.last_at = 0
        self.instead: Callable[[], web.Response] | None = None
        self.rest_calls: deque[tuple[str, dict[str, str]]] = deque(maxlen=10_000)
        self._page = page
        self._trade_id = 0
        self._sockets: dict[ServerConnection, set[str]] = {}

    async def __aenter__(self) -> MassiveServer:
        self._server: Server = await serve(self._talk, "127.0.0.1", 0, close_timeout=0.2)
        self.ws_url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/crypto"
        app = web.Application()
        app.router.add_get("/v3/reference/tickers", self._tickers)
        app.router.add_get("/v2/aggs/ticker/{name}/range/1/minute/{first}/{last}", self._aggregates)
        app.router.add_get("/v2/snapshot/locale/global/markets/crypto/tickers", self._snapshot)
        app.router.add_get("/v1/last/crypto/{base}/{quote}", self._last_trade)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.rest_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        await self._runner.cleanup()

    @property
    def settings(self) -> dict[str, str]:
        """What sends a desk here."""
        here = {"POLYGON_API_KEY": self.key, "MASSIVE_WS_URL": self.ws_url, "MASSIVE_REST_URL": self.rest_url}
        return {**here, "KRAKEN_REST_URL": "http://127.0.0.1:9"}  # its second source: nobody

    # ------------------------------------------------------------ what the market does

    async def trade_at_its_price(self, pair: str) -> None:
        price = self.prices[pair]
        await self.emit_trades(pair, price, size=50.0)
        await self.emit_quote(pair, price * 0.9999, price * 1.0001)

    async def emit_trades(self, pair: str, *prices: float, size: float = 1.0, **more: Any) -> None:
        """Trades of one pair, in one frame. `more` replaces fields: t, x, i, c."""
        await self.emit([self.trade(pair, price, size, **more) for price in prices])
        self.prices[pair] = prices[-1]

    def trade(self, pair: str, price: object, size: object = 1.0, **more: Any) -> dict[str, Any]:
        self._trade_id += 1
        at = millis(self.now())
        event = {"ev": "XT", "pair": pair, "p": price, "t": at, "s": size, "c": [2], "i": str(self._trade_id)}
        return {**event, "x": EXCHANGE, "r": at + 3, **more}

    async def emit_quote(self, pair: str, bid: float, ask: float, exchange: int = EXCHANGE, **more: Any) -> None:
        at = millis(self.now())
        event = {"ev": "XQ", "pair": pair, "bp": bid, "bs": 1.0, "ap": ask, "as": 1.0, "t": at, "x": exchange, "r": at}
        await self.emit([{**event, **more}])

    async def emit_bar(self, pair: str, start: datetime, o: float, h: float, low: float, c: float, v: float) -> None:
        """A minute's own bar (XA)."""
        at = millis(start)
        event = {"ev": "XA", "pair": pair, "o": o, "h": h, "l": low, "c": c, "v": v, "vw": c, "z": 1, "s": at}
        await self.emit([{**event, "e": at + 60_000}])

    async def emit_second(self, pair: str, price: float, volume: float = 1.0) -> None:
        at = millis(self.now()) // 1000 * 1000
        prices = {"o": price, "h": price, "l": price, "c": price, "v": volume, "vw": price, "z": 1}
        await self.emit([{"ev": "XAS", "pair": pair, **prices, "s": at - 1000, "e": at}])

    async def emit(self, events: Sequence[Mapping[str, Any]]) -> None:
        """One frame for each subscriber, with what it subscribed to."""
        for socket, topics in list(self._sockets.items()):
            wanted = [event for event in events if f"{event['ev']}.{event['pair']}" in topics]
            if wanted:
                await self._send(socket, json.dumps(wanted))

    async def emit_raw(self, text: str) -> None:
        for socket in list(self._sockets):
            await self._send(socket, text)

    async def end_with(self, kind: str, message: str = "") -> None:
        """Tell every connection a status, and close it."""
        for socket in list(self._sockets):
            await self._send(socket, json.dumps([status(kind, message)]))
            await socket.close()

    async def drop(self) -> None:
        """End every connection without a closing handshake's courtesy."""
        for socket in list(self._sockets):
            socket.transport.abort()
        while self._sockets:
            await asyncio.sleep(0.005)

    def freeze(self) -> None:
        """Nothing is read nor answered from now on, pings included; the sockets stay open."""
        for socket in self._sockets:
            socket.transport.pause_reading()

    async def subscribed(self, *topics: str) -> None:
        """Wait until someone has all of `topics`."""
        while not any(set(topics) <= have for have in self._sockets.values()):
            await asyncio.sleep(0.005)

    # ------------------------------------------------------------ the socket

    async def _talk(self, socket: ServerConnection) -> None:
        self.connections += 1
        if self.closed:
            return
        try:
            await self._send(socket, json.dumps([status("connected", "Connected Successfully")]))
            if await self._let_in(socket):
                async for text in socket:
                    await self._request(socket, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self._sockets.pop(socket, None)

    async def _let_in(self, socket: ServerConnection) -> bool:
        request = json.loads(await socket.recv())
        self.requests.append(request)
        if self.deaf:
            await socket.wait_closed()
        right = request == {"action": "auth", "params": self.key}
        if self.keyless or not right:
            await self._send(socket, json.dumps([status(self.keyless or "auth_failed", "authentication failed")]))
            return False
        for older in list(self._sockets):
            message = "Maximum number of websocket connections exceeded."
            await self._send(older, json.dumps([status("max_connections", message)]))
            await older.close()
        self._sockets[socket] = set()
        await self._send(socket, json.dumps([status("auth_success", "authenticated")]))
        return True

    async def _request(self, socket: ServerConnection, request: dict[str, str]) -> None:
        self.requests.append(request)
        if self.deaf:
            return
        for topic in request["params"].split(","):
            channel, _, pair = topic.partition(".")
            if topic in self.unheard:
                continue
            if channel not in self.plan or pair in self.unknown:
                about = "" if self.silent_refusals else f" to subscribe to {topic}"
                await self._send(socket, json.dumps([status("error", f"not authorized{about}")]))
            elif topic not in self._sockets[socket]:  # one that is held already is not answered again
                self._sockets[socket].add(topic)
                await self._send(socket, json.dumps([status("success", f"subscribed to: {topic}")]))

    async def _send(self, socket: ServerConnection, text: str) -> None:
        with suppress(ConnectionClosed):
            await socket.send(text)

    # ------------------------------------------------------------ REST

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.rest_calls.append((request.path, dict(request.query)))
        if self.instead is not None:
            return self.instead()
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.query.get("apiKey")
        if given != self.key:
            error = {"status": "ERROR", "request_id": "r1", "error": f"Unknown API Key: {given}"}
            return web.json_response(error, status=401)
        if request.path.startswith(self.forbidden):
            words = "You are not entitled to this data. Please upgrade your plan."
            return web.json_response({"status": "NOT_AUTHORIZED", "request_id": "r1", "message": words}, status=403)
        if self.limited:
            self.limited -= 1
            body = {"status": "ERROR", "request_id": "r1", "error": "You've exceeded the maximum requests per minute"}
            return web.json_response(body, status=429, headers={"Retry-After": self.retry_after})
        if self.failing:
            self.failing -= 1
            return web.Response(status=502, text="<html>bad gateway</html>")
        return None

    async def _tickers(self, request: web.Request) -> web.Response:
        active = request.query.get("active") == "true"
        names = [pair for pair in self.pairs if (pair in self.ended) != active]
        return self._refusal(request) or self._page_of(request, [self._ticker(pair) for pair in names])

    def _ticker(self, pair: str) -> dict[str, object]:
        base, quote = pair.split("-")
        found = {"ticker": f"X:{base}{quote}", "name": base, "market": "crypto", "locale": "global", "active": True}
        found |= {"base_currency_symbol": base, "currency_symbol": quote}
        return found | ({"active": False, "delisted_utc": self.ended[pair]} if pair in self.ended else {})

    async def _aggregates(self, request: web.Request) -> web.Response:
        name, first, last = (request.match_info[part] for part in ("name", "first", "last"))
        rows = self.bars.get(name)
        rows = self._flat(name) if rows is None else rows
        kept = self.raw.get(name) or [row for row in rows if int(first) <= row["t"] <= int(last)]
        about = {"ticker": name, "adjusted": True, "queryCount": len(kept)}
        return self._refusal(request) or self._page_of(request, kept, about)

    async def _last_trade(self, request: web.Request) -> web.Response:
        pair = "{base}-{quote}".format(**request.match_info)
        last = {"price": self.prices.get(pair), "size": 1.0, "exchange": EXCHANGE, "timestamp": millis(self.now())}
        body = {"status": "success", "symbol": pair, "last": last, "request_id": "r1"}
        return self._refusal(request) or web.json_response(body)

    async def _snapshot(self, request: web.Request) -> web.Response:
        wanted = request.query.get("tickers", "").split(",")
        named = {f"X:{pair.replace('-', '')}": pair for pair in self.pairs}
        trades = {name: {"p": self.prices[named[name]], "t": self.last_at or millis(self.now())} for name in named}
        rows = [{"ticker": name, "lastTrade": trades[name]} for name in wanted if name in named]
        return self._refusal(request) or web.json_response({"status": "OK", "count": len(rows), "tickers": rows})

    def _page_of(
        self, request: web.Request, rows: Sequence[Mapping[str, object]], about: Mapping[str, object] | None = None
    ) -> web.Response:
        """One page; without any row `results` is missing, as the vendor has it."""
        begin = int(request.query.get("cursor", 0))
        size = min(self._page, int(request.query.get("limit", self._page)))
        page = rows[begin : begin + size]
        body: dict[str, object] = {**(about or {}), "status": "OK", "request_id": "r1", "count": len(page)}
        if page:
            body |= {"results": list(page), "resultsCount": len(page)}
        if begin + size < len(rows):
            host = self.next_host or self.rest_url
            body["next_url"] = f"{host}{request.path}?cursor={begin + size}&limit={size}&active={self._active(request)}"
        return web.json_response(body)

    def _active(self, request: web.Request) -> str:
        return request.query.get("active", "")

    def _flat(self, name: str) -> list[dict[str, float]]:
        """The last 720 minutes at today's price, for pairs there are."""
        pair = next((pair for pair in self.pairs if name == f"X:{pair.replace('-', '')}"), None)
        price = self.prices.get(pair or "")
        running = millis(self.now()) // 60_000 * 60_000
        return [row(running - 60_000 * back, price) for back in range(720, -1, -1)] if price else []


def row(t: int, price: float, volume: float = 1.0) -> dict[str, float]:
    """A flat bar as aggregates have it."""
    return {"v": volume, "vw": price, "o": price, "c": price, "h": price, "l": price, "t": t, "n": 3}


def rows_between(first: datetime, minutes: Iterable[int], price: float = 100.0) -> list[dict[str, float]]:
    """Flat bars so many minutes after `first`."""
    return [row(millis(first) + 60_000 * k, price) for k in minutes]
