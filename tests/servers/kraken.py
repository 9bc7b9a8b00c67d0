"""A local Kraken: the public WebSocket v2 and the four REST calls, as the venue documents them, faults on demand.

In a test: `async with KrakenServer(["BTC/USD"]) as venue:` and use `venue.ws_url`, `venue.rest_url`. As a program:
`python -m tests.servers.kraken --pairs 100 --rate 500` prints both addresses as one JSON line and trades away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from engine.clock import SystemClock

RECENT = 50  # trades in a snapshot
V1_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
STATUS = {"system": "online", "api_version": "v2", "version": "2.0.10", "connection_id": 17408390984690501469}


def stamp(at: datetime) -> str:
    """An instant as Kraken writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanoseconds(row: Sequence[object]) -> int:
    """When a trade row of REST was, exactly as its text says."""
    return int(Decimal(str(row[2])) * 10**9)


class KrakenServer:
    """One venue. Data goes only to those who subscribed to it.

    Faults: `refused` (symbol → error), `states` (symbol → what AssetPairs says in place of online), `rate_limited` (so
    many requests are told to slow down), `messages_per_second` (more than so many are told to slow down and forgotten),
    `ack_delay` seconds before each acknowledgement, `deaf` (channels whose requests get no answer), `silent` (no frame
    leaves, sockets stay open), `drop()`, `emit_raw()`, `closed` (connections end at once), `rest_errors` (call →
    envelopes still to be given), `rest_delay` seconds.
    """

    def __init__(self, pairs: Sequence[str] = ("BTC/USD", "ETH/USD"), *, heartbeat: float = 0.2) -> None:
        self.pairs = tuple(pairs)
        self.prices = {pair: 100.0 + 10 * number for number, pair in enumerate(self.pairs)}
        self.refused: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.deaf: set[str] = set()
        self.rest_errors: dict[str, deque[list[str]]] = {}
        self.rest_delay = 0.0
        self.rate_limited = 0
        self.messages_per_second: int | None = None
        self.ack_delay = 0.0
        self._heard: deque[float] = deque()
        self.silent = self.closed = False
        self.candles: dict[str, list[list[object]]] = {}
        self.trades: dict[str, list[list[object]]] = {}
        self.trades_a_day: dict[str, int] = {}
        self.requests: list[dict[str, object]] = []
        self.rest_calls: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.now = SystemClock().now
        self._heartbeat = heartbeat
        self._trade_ids: Counter[str] = Counter()
        self._recent: dict[str, deque[dict[str, object]]] = {}
        self._subscribed: dict[ServerConnection, set[tuple[str, str]]] = {}

    # ------------------------------------------------------------ life

    async def __aenter__(self) -> KrakenServer:
        self._server: Server = await serve(self._talk, "127.0.0.1", 0)
        self.ws_url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v2"
        app = web.Application()
        app.router.add_get("/0/public/{call}", self._rest)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.rest_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/0"
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()
        with suppress(asyncio.CancelledError):
            await self._beating
        self._server.close()
        await self._server.wait_closed()
        await self._runner.cleanup()

    async def drop(self) -> None:
        """End every connection without a closing handshake's courtesy."""
        for socket in list(self._subscribed):
            socket.transport.abort()
        while self._subscribed:
            await asyncio.sleep(0.005)

    @property
    def settings(self) -> dict[str, str]:
        """What sends a desk here."""
        return {"KRAKEN_WS_URL": self.ws_url, "KRAKEN_REST_URL": self.rest_url}

    # ------------------------------------------------------------ what the market does

    async def trade_at_its_price(self, pair: str) -> None:
        price = self.prices[pair]
        await self.emit_trades([{"symbol": pair, "price": price, "qty": 50.0}])
        await self.emit_quote(pair, price * 0.9999, price * 1.0001)

    async def emit_trades(self, trades: Iterable[Mapping[str, object]]) -> None:
        """Send prints: `symbol`, `price`, `qty` and, when given, `timestamp` (text or instant), `trade_id`, `side`."""
        by_symbol: dict[str, list[dict[str, object]]] = {}
        for trade in trades:
            by_symbol.setdefault(str(trade["symbol"]), []).append(self._filled_in(trade))
        for symbol, data in by_symbol.items():
            self._remember(symbol, data[-1]["price"])
            self._recent.setdefault(symbol, deque(maxlen=RECENT)).extend(data)
            await self._publish("trade", symbol, {"channel": "trade", "type": "update", "data": data})

    async def emit_quote(self, symbol: str, bid: float, ask: float, at: datetime | None = None) -> None:
        entry = {"symbol": symbol, "bid": bid, "ask": ask, "bid_qty": 1.0, "ask_qty": 1.0, "last": bid}
        entry["timestamp"] = stamp(at or self.now())
        await self._publish("ticker", symbol, {"channel": "ticker", "type": "update", "data": [entry]})

    async def emit_raw(self, text: str, channel: str | None = None, symbol: str | None = None) -> None:
        """Send any text, to all or to the subscribers of one channel and symbol."""
        for socket, subscribed in list(self._subscribed.items()):
            if channel is None or (channel, symbol) in subscribed:
                await self._send(socket, text)

    async def subscribed(self, channel: str, symbols: Iterable[str]) -> None:
        """Wait until someone subscribed to each of `symbols`."""
        wanted = {(channel, symbol) for symbol in symbols}
        while not any(wanted <= have for have in self._subscribed.values()):
            await asyncio.sleep(0.005)

    def _remember(self, symbol: str, price: object) -> None:
        if isinstance(price, float | int) and price > 0:
            self.prices[symbol] = price

    def _filled_in(self, trade: Mapping[str, object]) -> dict[str, object]:
        self._trade_ids[str(trade["symbol"])] += 1  # the venue counts each pair's trades on its own
        at = trade.get("timestamp") or self.now()
        return {
            "side": "buy",
            "ord_type": "market",
            "trade_id": self._trade_ids[str(trade["symbol"])],
            **trade,
            "timestamp": stamp(at) if isinstance(at, datetime) else at,
        }

    async def _publish(self, channel: str, symbol: str, frame: Mapping[str, object]) -> None:
        await self.emit_raw(json.dumps(frame), channel, symbol)

    # ------------------------------------------------------------ the socket

    async def _talk(self, socket: ServerConnection) -> None:
        self.connections += 1
        if self.closed:
            return
        self._subscribed[socket] = set()
        try:
            await self._send(socket, json.dumps({"channel": "status", "type": "update", "data": [STATUS]}))
            async for text in socket:
                await self._request(socket, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self._subscribed.pop(socket, None)

    async def _request(self, socket: ServerConnection, request: dict[str, object]) -> None:
        self.requests.append(request)
        if request["method"] == "ping":
            await self._answer(socket, request, {"method": "pong"})
            return
        params: Mapping[str, object] = request["params"]  # type: ignore[assignment]
        channel = str(params["channel"])
        if channel in self.deaf:
            return
        if self.rate_limited or self._too_fast():
            self.rate_limited = max(0, self.rate_limited - 1)
            await self._send(socket, json.dumps({"Error": "Exceeded msg rate"}))
        elif channel == "instrument":
            result = {"channel": channel, "snapshot": True, "warnings": ["tick_size is deprecated"]}
            await self._answer(socket, request, {"method": "subscribe", "result": result, "success": True})
            await self._send(socket, json.dumps(self._instruments()))
        else:
            for symbol in params["symbol"]:  # type: ignore[attr-defined]
                await self._one(socket, request, channel, str(symbol))

    def _too_fast(self) -> bool:
        now = asyncio.get_running_loop().time()
        while self._heard and self._heard[0] <= now - 1:
            self._heard.popleft()
        if self.messages_per_second is None or len(self._heard) < self.messages_per_second:
            self._heard.append(now)
            return False
        return True

    async def _one(self, socket: ServerConnection, request: dict[str, object], channel: str, symbol: str) -> None:
        have, key, method = self._subscribed[socket], (channel, symbol), request["method"]
        error = self.refused.get(symbol)
        if symbol not in self.pairs:
            error = f"Currency pair not supported {symbol}"
        elif method == "subscribe" and key in have:
            error = "Already subscribed"
        if error:
            await self._answer(socket, request, {"error": error, "method": method, "success": False, "symbol": symbol})
            return
        (have.add if method == "subscribe" else have.discard)(key)
        params: Mapping[str, object] = request["params"]  # type: ignore[assignment]
        snapshot = bool(params.get("snapshot", channel != "trade"))
        result = {"channel": channel, "symbol": symbol, "snapshot": snapshot}
        await self._answer(socket, request, {"method": method, "result": result, "success": True})
        recent = list(self._recent.get(symbol, ()))
        if channel == "trade" and method == "subscribe" and snapshot and recent:
            await self._send(socket, json.dumps({"channel": "trade", "type": "snapshot", "data": recent}))
        if channel == "ticker" and method == "subscribe":
            price = self.prices[symbol]
            entry = {"symbol": symbol, "bid": price * 0.9999, "ask": price * 1.0001, "last": price}
            await self._send(socket, json.dumps({"channel": "ticker", "type": "snapshot", "data": [entry]}))

    async def _answer(self, socket: ServerConnection, request: Mapping[str, object], body: dict[str, object]) -> None:
        await asyncio.sleep(self.ack_delay)
        times = {"time_in": stamp(self.now()), "time_out": stamp(self.now())}
        number = {"req_id": request["req_id"]} if "req_id" in request else {}
        await self._send(socket, json.dumps({**body, **number, **times}))

    async def _send(self, socket: ServerConnection, text: str) -> None:
        if not self.silent:
            with suppress(ConnectionClosed):
                await socket.send(text)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for socket, subscribed in list(self._subscribed.items()):
                if subscribed:
                    await self._send(socket, '{"channel":"heartbeat"}')

    def _instruments(self) -> dict[str, object]:
        pairs = [
            {
                "symbol": pair,
                "base": pair.split("/")[0],
                "quote": pair.split("/")[1],
                "status": "online",
                "price_precision": 2,
                "qty_precision": 8,
                "price_increment": 0.01,
                "qty_increment": 1e-08,
                "qty_min": 5e-05,
                "cost_min": 0.5,
            }
            for pair in self.pairs
        ]
        return {"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}}

    # ------------------------------------------------------------ REST

    async def _rest(self, request: web.Request) -> web.Response:
        call, params = request.match_info["call"], dict(request.query)
        self.rest_calls.append((call, params))
        await asyncio.sleep(self.rest_delay)
        if self.rest_errors.get(call):
            return web.json_response({"error": self.rest_errors[call].popleft()})
        if call == "Assets":
            return web.json_response({"error": [], "result": self._assets()})
        if call == "AssetPairs":
            return web.json_response({"error": [], "result": dict(map(self._asset_pair, self.pairs))})
        if call == "Ticker" and "," in params.get("pair", ","):
            names = params["pair"].split(",") if "pair" in params else [_rest_names(pair)[0] for pair in self.pairs]
            return web.json_response({"error": [], "result": self._tickers(names)})
        pair = next((pair for pair in self.pairs if params.get("pair") in _rest_names(pair)), None)
        if pair is None:
            return web.json_response({"error": ["EQuery:Unknown asset pair"]})
        return web.json_response({"error": [], "result": self._about(call, pair, params)})

    def _tickers(self, names: Sequence[str]) -> dict[str, object]:
        asked = [pair for pair in self.pairs if set(_rest_names(pair)) & set(names)]
        return {key: row for pair in asked for key, row in self._about("Ticker", pair, {}).items()}

    def _assets(self) -> dict[str, object]:
        codes = sorted({code for pair in self.pairs for code in _rest_names(pair)[2].split("/")})
        terms = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        return {code: {"altname": code, **terms} for code in codes}

    def _asset_pair(self, pair: str) -> tuple[str, dict[str, object]]:
        key, altname, wsname = _rest_names(pair)
        return key, {
            "altname": altname,
            "wsname": wsname,
            "base": wsname.split("/")[0],
            "quote": wsname.split("/")[1],
            "pair_decimals": 2,
            "lot_decimals": 8,
            "ordermin": "0.00005",
            "costmin": "0.5",
            "tick_size": "0.01",
            "status": self.states.get(pair, "online"),
        }

    def _about(self, call: str, pair: str, params: Mapping[str, str]) -> dict[str, object]:
        key, price = _rest_names(pair)[0], self.prices[pair]
        if call == "Ticker":
            sides = {"a": [f"{price * 1.0001}", "1", "1"], "b": [f"{price * 0.9999}", "1", "1"]}
            return {key: {**sides, "c": [f"{price}"], "t": [0, self.trades_a_day.get(pair, 1_000)]}}
        if call == "Trades":
            return self._traded(key, pair, params)
        rows = self.candles.get(pair) or self._flat_candles(price)
        return {key: rows, "last": rows[-2][0]}

    def _traded(self, key: str, pair: str, params: Mapping[str, str]) -> dict[str, object]:
        """At most `count` trades after `since` (ns); `last` is the last one's time, or `since` when there are none."""
        since, count = int(params.get("since", "0")), int(params.get("count", "1000"))
        rows = [row for row in self.trades.get(pair, []) if nanoseconds(row) > since][:count]
        return {key: rows, "last": str(nanoseconds(rows[-1]) if rows else since)}

    def _flat_candles(self, price: float) -> list[list[object]]:
        running = int(self.now().timestamp()) // 60 * 60
        text = f"{price:.2f}"
        return [[running - 60 * back, text, text, text, text, text, "1.00000000", 3] for back in range(720, -1, -1)]


def _rest_names(pair: str) -> tuple[str, str, str]:
    """(result key, altname, wsname) of a v2 symbol, with the old codes where Kraken keeps them."""
    base, quote = pair.split("/")
    base = V1_NAMES.get(base, base)
    key = f"X{base}Z{quote}" if base in V1_NAMES.values() else f"{base}{quote}"
    return key, f"{base}{quote}", f"{base}/{quote}"


async def trade_away(venue: KrakenServer, rate: float, seconds: float, seed: int = 1) -> int:
    """Random walks on all pairs, `rate` prints a second in all, for `seconds`; returns how many were sent."""
    dice = random.Random(seed)
    loop = asyncio.get_running_loop()
    started, sent = loop.time(), 0
    while (elapsed := loop.time() - started) < seconds:
        due = int(elapsed * rate) - sent
        names = dice.choices(venue.pairs, k=due)
        await venue.emit_trades([{"symbol": name, "price": _step(venue, name, dice), "qty": 0.5} for name in names])
        for name in names[::5]:
            await venue.emit_quote(name, venue.prices[name] * 0.9999, venue.prices[name] * 1.0001)
        sent += due
        await asyncio.sleep(0.01)
    return sent


def _step(venue: KrakenServer, name: str, dice: random.Random) -> float:
    price = round(venue.prices[name] * (1 + dice.gauss(0, 0.0003)), 4)
    venue.prices[name] = price
    return price


async def _main(pairs: int, rate: float, seconds: float) -> None:
    names = ["BTC/USD", "ETH/USD", *(f"C{number:02d}/USD" for number in range(2, pairs))][:pairs]
    async with KrakenServer(names, heartbeat=1.0) as venue:
        print(json.dumps({"ws_url": venue.ws_url, "rest_url": venue.rest_url, "pairs": names}), flush=True)
        await trade_away(venue, rate, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A local venue that speaks Kraken's public protocols.")
    parser.add_argument("--pairs", type=int, default=100, help="how many symbols")
    parser.add_argument("--rate", type=float, default=500, help="prints a second, in all")
    parser.add_argument("--seconds", type=float, default=timedelta(days=1).total_seconds(), help="how long")
    asked = parser.parse_args()
    asyncio.run(_main(asked.pairs, asked.rate, asked.seconds))
