"""A local Binance: the public spot REST calls as the venue documents them, faults on demand.

In a test: `async with BinanceServer({"BTCUSDT": ("BTC", "USDT")}) as venue:` and give `venue.url` to ccxt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from aiohttp import web

STEPS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}


class BinanceServer:
    """One venue. `klines`: market id → rows as the venue writes them; `trades`: market id → aggregate trades.

    Faults: `faults` (status, body) still to be given, `ended` market ids that no longer trade (their history stays).
    """

    def __init__(self, markets: Mapping[str, tuple[str, str]]) -> None:
        self.markets = dict(markets)
        self.klines: dict[str, list[list[object]]] = {}
        self.trades: dict[str, list[dict[str, object]]] = {}
        self.books: dict[str, dict[str, list[list[str]]]] = {}
        self.tickers: dict[str, tuple[str, str]] = {}
        self.faults: deque[tuple[int, object]] = deque()
        self.ended: set[str] = set()
        self.page = 1_000  # trades at a time, at most
        self.newest_only = False  # as some exchanges are: their trades of now, whatever they are asked for
        self.calls: list[tuple[str, dict[str, str]]] = []

    async def __aenter__(self) -> BinanceServer:
        app = web.Application()
        app.router.add_get("/api/v3/{call}", self._answer)
        app.router.add_get("/api/v3/{call}/24hr", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        call, params = request.match_info["call"], dict(request.query)
        self.calls.append((call, params))
        if self.faults:
            status, body = self.faults.popleft()
            return web.json_response(body, status=status)
        if call == "exchangeInfo":
            return web.json_response({"timezone": "UTC", "symbols": [self._market(name) for name in self.markets]})
        if call == "ticker":
            return web.json_response([self._ticker(name) for name in self.markets])
        if params.get("symbol") not in self.markets:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        give = {"klines": self._klines, "aggTrades": self._trades, "trades": self._trades, "depth": self._depth}
        return web.json_response(give[call](params["symbol"], params))

    def _market(self, name: str) -> dict[str, object]:
        base, quote = self.markets[name]
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        ]
        return {
            "symbol": name,
            "status": "BREAK" if name in self.ended else "TRADING",
            "baseAsset": base,
            "baseAssetPrecision": 8,
            "quoteAsset": quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "icebergAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": filters,
            "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]],
        }

    def _ticker(self, name: str) -> dict[str, object]:
        bid, ask = self.tickers.get(name, ("0.00000000", "0.00000000"))
        return {"symbol": name, "lastPrice": bid, "bidPrice": bid, "askPrice": ask, "volume": "1", "closeTime": 1}

    def _klines(self, name: str, params: Mapping[str, str]) -> Sequence[object]:
        since, end = int(params.get("startTime", "0")), int(params.get("endTime", str(2**62)))
        rows = [row for row in self.klines.get(name, []) if since <= int(str(row[0])) <= end]
        return rows[: min(1_000, int(params.get("limit", "500")))]

    def _trades(self, name: str, params: Mapping[str, str]) -> Sequence[object]:
        since, end = int(params.get("startTime", "0")), int(params.get("endTime", str(2**62)))
        most = min(self.page, int(params.get("limit", "500")))
        if self.newest_only or "startTime" not in params:
            return self.trades.get(name, [])[-most:]
        return [row for row in self.trades.get(name, []) if since <= int(str(row["T"])) <= end][:most]

    def _depth(self, name: str, params: Mapping[str, str]) -> Mapping[str, object]:
        book = self.books.get(name, {"bids": [], "asks": []})
        return {"lastUpdateId": 1, **{side: rows[: int(params.get("limit", "100"))] for side, rows in book.items()}}


def kline(opened_ms: int, price: float, step_ms: int = 60_000, volume: float = 2.0) -> list[object]:
    """One candle as the venue writes it."""
    texts = [f"{price:.8f}", f"{price * 1.01:.8f}", f"{price * 0.99:.8f}", f"{price * 1.002:.8f}", f"{volume:.8f}"]
    return [opened_ms, *texts, opened_ms + step_ms - 1, f"{price * volume:.8f}", 40, "1.0", "2.0", "0"]
