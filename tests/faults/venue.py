"""A venue at the edge of the socket: Kraken's frames and REST bodies in leaping time, with bad weather."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from engine.clock import Clock
from engine.market.errors import FeedUnreachable
from tests.faults.journal import BROKEN, NAMED, WHOLE, Journal
from tests.faults.truth import MINUTE, PAIRS, Trade, Truth
from tests.faults.weather import Weather, during, told

Facts: TypeAlias = Sequence[tuple[str, int, str]]  # of a frame: symbol, trade, and how it was told
BEAT = 2.0  # seconds between heartbeats
KEYS = {"BTC/USD": "XXBTZUSD", "ETH/USD": "XETHZUSD", "XMR/USD": "XXMRZUSD"}
NAMES = {"BTC/USD": "XBT/USD"}
FAULTS = (
    *("cuts", "refusing", "mute", "shut", "rest_away", "database_away", "lies"),
    *("reordered", "late", "doubled", "garbled", "dropped"),
)
HISTORY = 240  # minutes that REST still has


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Venue:
    """Answers for one life of the desk."""

    def __init__(self, truth: Truth, weather: Weather, clock: Clock, seed: int, journal: Journal) -> None:
        self.truth = truth
        self.journal = journal
        self.weather = weather
        self.clock = clock
        self.dice = random.Random(f"venue {seed} {clock.now()}")
        self.sent = dict.fromkeys(("frames", "reordered", "late", "doubled", "garbled", "dropped", "cuts"), 0)

    # ------------------------------------------------------------ the socket

    def connect(self, _url: str, **_options: object) -> Line:
        """In the place of `websockets.connect`."""
        return Line(self)

    # ------------------------------------------------------------ REST

    async def rest(self, call: str, params: Mapping[str, str]) -> dict[str, Any]:
        """In the place of the HTTP request."""
        await asyncio.sleep(self.dice.uniform(0.05, 0.4))
        if during(self.weather.rest_away, self.clock.now()):
            if self.dice.random() < 0.3:
                return {"error": ["EService:Unavailable"]}
            raise FeedUnreachable(f"Kraken did not answer {call}: connection refused")
        if call == "AssetPairs":
            return {"error": [], "result": dict(map(_asset_pair, PAIRS))}
        asked = params["pair"].split(",")
        symbols = [s for s in PAIRS if KEYS[s] in asked or NAMES.get(s, s).replace("/", "") in asked]
        if call == "Ticker":
            return {"error": [], "result": {KEYS[symbol]: self._ticker(symbol) for symbol in symbols}}
        return {"error": [], "result": self._ohlc(symbols[0])}

    def _ticker(self, symbol: str) -> dict[str, list[str]]:
        now = self.clock.now()
        price = self.last(symbol, now) * (1.05 if told(self.weather.lies, symbol, now) else 1.0)
        return {"b": [f"{price * 0.9999:.5f}", "1", "1"], "a": [f"{price * 1.0001:.5f}", "1", "1"]}

    def last(self, symbol: str, now: datetime) -> float:
        trades = self.truth.trades[symbol]
        low, high = 0, len(trades)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if trades[middle].at <= now else (low, middle)
        return trades[max(0, low - 1)].price

    def _ohlc(self, symbol: str) -> dict[str, Any]:
        running = self.clock.now().replace(second=0, microsecond=0)
        rows = []
        for back in range(HISTORY, 0, -1):
            opened = running - back * MINUTE
            if opened >= self.truth.since:
                one = self.truth.candle(symbol, opened)
                if self.weather.omits_quiet and not one.volume:
                    continue
                prices = [f"{price:.2f}" for price in one.prices]
                rows.append([int(opened.timestamp()), *prices, prices[3], f"{one.volume:.8f}", 1])
        price = f"{self.last(symbol, self.clock.now()):.2f}"
        rows.append([int(running.timestamp()), price, price, price, price, price, "0.1", 1])
        return {KEYS[symbol]: rows, "last": rows[-2][0]}


def _asset_pair(symbol: str) -> tuple[str, dict[str, object]]:
    name = NAMES.get(symbol, symbol)
    terms = {"pair_decimals": 2, "lot_decimals": 8, "ordermin": "0.00005", "costmin": "0.5", "tick_size": "0.01"}
    return KEYS[symbol], {"altname": name.replace("/", ""), "wsname": name, "status": "online", **terms}


class Line:
    """One connection: what `websockets` would give, as far as the feed uses it."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._weather = venue.weather
        self._queue: list[tuple[float, int, str, Facts]] = []
        self._order = itertools.count()
        self._subscribed: set[tuple[str, str]] = set()
        self._news = asyncio.Event()
        self._cut = min((at for at in venue.weather.cuts if at > venue.clock.now()), default=None)

    async def __aenter__(self) -> Line:
        await asyncio.sleep(0.05)
        if during(self._weather.refusing, self._venue.clock.now()):
            raise ConnectionRefusedError("connection refused")
        self._say({"channel": "status", "type": "update", "data": [{"system": "online"}]}, 0.0)
        self._say({"channel": "heartbeat"}, BEAT)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._queue.clear()

    async def recv(self) -> str:
        """The next frame when its time has come."""
        loop = asyncio.get_running_loop()
        while True:
            now = self._venue.clock.now()
            if (self._cut is not None and now >= self._cut) or during(self._weather.refusing, now):
                self._venue.sent["cuts"] += 1
                raise ConnectionResetError("connection reset by peer")
            if self._queue and self._queue[0][0] <= loop.time():
                _, _, text, facts = heapq.heappop(self._queue)
                if text == '{"channel": "heartbeat"}':
                    self._say({"channel": "heartbeat"}, BEAT)
                if not during(self._weather.mute, now):  # what is not heard now is lost
                    self._venue.sent["frames"] += 1
                    for fact in facts:
                        self._venue.journal.told(*fact)
                    return text
                continue
            wait = self._queue[0][0] - loop.time() if self._queue else BEAT
            self._news.clear()
            try:
                async with asyncio.timeout(min(wait, BEAT)):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def send(self, text: str) -> None:
        request = json.loads(text)
        if request["method"] == "ping":
            self._say({"method": "pong", "req_id": request.get("req_id")}, 0.05)
            return
        params = request["params"]
        if request["method"] == "subscribe":
            for symbol in params.get("symbol", [""]):
                self._subscribe(request, params["channel"], symbol)

    def _subscribe(self, request: Mapping[str, Any], channel: str, symbol: str) -> None:
        delay = self._venue.dice.uniform(0.05, 0.3)
        same = {"method": "subscribe", "req_id": request["req_id"]}
        if symbol and told(self._weather.shut, symbol, self._venue.clock.now()):
            error = f"Currency pair not in tradable state {symbol}"
            self._say({**same, "error": error, "success": False, "symbol": symbol}, delay)
            return
        if (channel, symbol) in self._subscribed:
            self._say({**same, "error": "Already subscribed", "success": False, "symbol": symbol}, delay)
            return
        self._subscribed.add((channel, symbol))
        result = {"channel": channel, **({"symbol": symbol} if symbol else {})}
        self._say({**same, "result": result, "success": True}, delay)
        if channel == "trade":
            self._recall(symbol, delay)
            self._stream(symbol, delay)
        elif channel == "ticker":
            self._say(self._snapshot(symbol), delay + 0.01)

    def _snapshot(self, symbol: str) -> dict[str, object]:
        price = self._venue.last(symbol, self._venue.clock.now())
        entry = {"symbol": symbol, "bid": price * 0.9999, "ask": price * 1.0001, "last": price}
        return {"channel": "ticker", "type": "snapshot", "data": [entry]}

    def _recall(self, symbol: str, delay: float) -> None:
        """The last trades before the subscription, by a line that may lose or spoil them like any other frame."""
        dice, live = self._venue.dice, self._venue.clock.now() + timedelta(seconds=delay / 2)
        known = [trade for trade in self._venue.truth.trades[symbol] if trade.at <= live][-50:]
        text = json.dumps({**_trade_frame(*known), "type": "snapshot"})
        weather = self._weather
        if live >= weather.calm_from or dice.random() >= weather.dropped + weather.garbled:
            self._put(text, delay + 0.005, [(symbol, trade.id, NAMED) for trade in known])
        elif dice.random() < 0.5:
            self._put(garbled(dice, text)[0], delay + 0.005)

    def _stream(self, symbol: str, delay: float) -> None:
        """Every trade from the moment of the subscription on, each with a quote."""
        now = self._venue.clock.now()
        live = now + timedelta(seconds=delay / 2)  # the venue subscribed before its answer came
        for trade in self._venue.truth.trades[symbol]:
            if trade.at > live and trade.at < now + timedelta(hours=4):
                self._deliver(trade, (trade.at - now).total_seconds())

    def _deliver(self, trade: Trade, after: float) -> None:
        dice, weather, sent = self._venue.dice, self._weather, self._venue.sent
        whole = [(trade.symbol, trade.id, WHOLE)]
        after += dice.uniform(0.01, 0.25)
        if trade.at >= weather.calm_from:
            self._put(json.dumps(_trade_frame(trade)), after, whole)
            self._put(json.dumps(_quote_frame(trade, False)), after)
            return
        if dice.random() < weather.reordered:
            sent["reordered"] += 1
            after += dice.uniform(0, 1.6)
        elif dice.random() < weather.late:
            sent["late"] += 1
            after += dice.choice((dice.uniform(2, 20), dice.uniform(30, 150)))
        text = json.dumps(_trade_frame(trade))
        if dice.random() < weather.dropped:
            sent["dropped"] += 1
        elif dice.random() < weather.garbled:
            sent["garbled"] += 1
            spoilt, shows = garbled(dice, text)
            self._put(spoilt, after, [(trade.symbol, trade.id, BROKEN)] if shows else ())
        else:
            self._put(text, after, whole)
        if dice.random() < weather.doubled:
            sent["doubled"] += 1
            self._put(text, after + dice.choice((0.0, dice.uniform(0, 3), dice.uniform(60, 90))), whole)
        quoted = (trade.at - self._venue.clock.now()).total_seconds() + 0.02
        self._put(json.dumps(_quote_frame(trade, dice.random() < 0.01)), quoted)

    def _say(self, frame: Mapping[str, object], after: float) -> None:
        self._put(json.dumps(frame), after)

    def _put(self, text: str, after: float, facts: Facts = ()) -> None:
        at = asyncio.get_running_loop().time() + after
        heapq.heappush(self._queue, (at, next(self._order), text, facts))
        self._news.set()


def _trade_frame(*trades: Trade) -> dict[str, object]:
    return {"channel": "trade", "type": "update", "data": [_trade_entry(trade) for trade in trades]}


def _trade_entry(trade: Trade) -> dict[str, object]:
    entry = {"symbol": trade.symbol, "side": "buy", "price": trade.price, "qty": trade.quantity, "ord_type": "market"}
    return entry | {"trade_id": trade.id, "timestamp": stamp(trade.at)}


def _quote_frame(trade: Trade, crossed: bool) -> dict[str, object]:
    bid, ask = trade.price * 0.9999, trade.price * 1.0001
    bid, ask = (ask, bid) if crossed else (bid, ask)
    entry = {"symbol": trade.symbol, "bid": bid, "ask": ask, "last": trade.price, "timestamp": stamp(trade.at)}
    return {"channel": "ticker", "type": "update", "data": [entry]}


def garbled(dice: random.Random, text: str) -> tuple[str, bool]:
    """A frame that a broken machine might send: never one that reads as another, possible trade.

    And whether it shows that a trade was in it: not where it has another channel's or another coin's name.
    """
    frame = json.loads(text)
    entry = frame["data"][0]
    how = dice.randrange(7)
    if how == 0:
        return text[: dice.randrange(1, len(text) - 1)], True
    if how == 1:
        return text.replace('"trade"', '"trode"'), False
    if how == 2:
        entry["symbol"] = "NO/PE"
    elif how == 3:
        entry["price"] = dice.choice((-1.0, 0.0, "a lot", None))
    elif how == 4:
        entry["timestamp"] = dice.choice(("yesterday", "2031-01-01T00:00:00Z", 17))
    elif how == 5:
        entry["price"] = entry["price"] * dice.choice((0.01, 3.0, 1000.0))
    else:
        del entry["qty"]
    return json.dumps(frame), how != 2


def pieces(weather: Weather) -> Iterator[str]:
    """The kinds of fault that a run has, for the account of all runs."""
    named = ("cuts", "refusing", "mute", "shut", "rest_away", "database_away", "lies", "omits_quiet")
    yield from (
        name for name in (*named, "reordered", "late", "doubled", "garbled", "dropped") if getattr(weather, name)
    )
    yield from (life.end for life in weather.lives if life.end != "end")
