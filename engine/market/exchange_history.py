"""Bars of the past from any exchange that ccxt knows: its candles, or bars made of its trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from engine.clock import Clock
from engine.domain import Symbol, instant, micros
from engine.market.exchange import Exchange
from engine.market.exchange_trades import Trades
from engine.market.prints import bars_of
from engine.market.spans import spans, written
from engine.market.symbols import Absent, absence, listing, lives
from engine.ports import BarColumns, Fetched, Listing, Piece, Rejected

PAGE = 1_000  # candles asked for at a time
PIECE = 7_200  # candles in a piece: five days of minutes
_QUOTES = ("USDT", "USDC", "USD", "EUR")


class ExchangeHistory:
    """Implements `History`. `trades`: bars are made of the exchange's trades, with their number and average price.

    `refused` says why a symbol is absent from the last `prepare`.
    """

    at_once = 4  # ccxt itself keeps the exchange's pace

    def __init__(self, exchange: Exchange, clock: Clock, interval: timedelta, *, trades: bool = False) -> None:
        self.name = exchange.name
        self.refused: dict[Symbol, str] = {}
        self._exchange = exchange
        self._clock = clock
        self._interval = interval
        self._trades = trades
        self._carried: Mapping[Symbol, Sequence[str]] = {}

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """What the exchange lists of `symbols` as spot pairs, under any name that the coin ever had."""
        self._carried = await self._exchange.names_ever()
        if not self._trades:
            self._exchange.timeframe(self._seconds)
        self.refused = {symbol: self._why_not(symbol) for symbol in symbols if symbol not in self._carried}
        return {
            symbol: replace(listing(self.name, symbol), source_name=" and ".join(self._carried[symbol]))
            for symbol in symbols
            if symbol in self._carried
        }

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """A stretch of every symbol before the next stretch, up to the last bar that has closed."""
        now, width = micros(self._clock.now()), self._seconds * 1_000_000
        end = min(until, instant(now // width * width))
        kind = "trades of " if self._trades else ""
        return [
            Piece(f"{self.name} {kind}{symbol} {written(begin, stop)}", (symbol,), begin, stop)
            for begin, stop in spans(since, end, self._interval * PIECE)
            for symbol in symbols
        ]

    async def fetch(self, piece: Piece) -> Fetched:
        (symbol,) = piece.symbols
        if self._trades:
            return self._of_trades(symbol, await self._exchange.trades(symbol, piece.since, piece.until))
        if not self._carried:
            self._carried = await self._exchange.names_ever()
        parts, rejected = [np.empty((0, 6))], []
        for name in self._carried.get(symbol, ()):
            table = await self._candles(name, piece)
            mine, others = self._of_coin(name, symbol, table)
            parts.append(table[mine])
            rejected += others
        table = np.concatenate(parts)
        table = table[np.argsort(table[:, 0], kind="stable")]
        return Fetched((self._columns(symbol, table),), tuple(rejected), note=self._note(symbol, table, piece))

    async def close(self) -> None:
        await self._exchange.close()

    def _of_trades(self, symbol: Symbol, found: Trades) -> Fetched:
        """Bars, but for those that lack trades because too many came at one instant."""
        prints, width = found.prints, self._seconds * 1_000_000
        opened = sorted({at * 1_000 // width * width for at in found.cut})
        whole = prints.at(~np.isin(prints.time // width * width, opened))
        fetched = Fetched((bars_of(symbol, whole, self._interval),))
        if not opened:
            return fetched
        sentence = f"{self.name} gives only a part of its trades of {symbol} at {instant(found.cut[0] * 1_000)}"
        return replace(fetched, rejected=(Rejected(symbol, "TRADES_CUT", len(opened), sentence, tuple(opened)),))

    # ------------------------------------------------------------ candles

    @property
    def _seconds(self) -> int:
        return int(self._interval.total_seconds())

    async def _candles(self, name: str, piece: Piece) -> np.ndarray:
        """Page by page. Some exchanges answer with the next candles after `since`, some with a window after it that may
        be empty, and some with the newest they have, whatever was asked."""
        frame, width = self._exchange.timeframe(self._seconds), self._seconds * 1_000_000
        cursor, end = micros(piece.since), micros(piece.until)
        found = []
        while cursor < end:
            limit = min(PAGE, (end - cursor) // width)
            page = await self._exchange.candles(name, frame, cursor, max(1, limit))
            opened = page[:, 0] * 1_000
            fits = (opened >= cursor) & (opened < end)
            found.append(page[fits])
            if fits.any():
                cursor = int(opened[fits].max()) + width
            elif page.size and opened.min() >= end:
                break  # the next candle lies behind the piece
            else:
                cursor += max(1, limit) * width
        return np.concatenate([np.empty((0, 6)), *found])

    def _of_coin(self, name: str, symbol: Symbol, table: np.ndarray) -> tuple[np.ndarray, list[Rejected]]:
        """Which candles of a name are the coin's own. Those of a coin that is known by another name are no loss; those
        from before anything of that name was known are named."""
        mine, rejected = np.zeros(len(table), bool), list[Rejected]()
        if not len(table):
            return mine, rejected
        opened = (table[:, 0] * 1_000).astype(np.int64)
        turns = lives(self.name, name, instant(int(opened.min())), instant(int(opened.max())))
        starts = [*(int(np.searchsorted(opened, micros(at))) for at, _ in turns), len(opened)]
        for (_, meant), begin, end in zip(turns, starts, starts[1:], strict=False):
            if meant == symbol:
                mine[begin:end] = True
            elif isinstance(meant, Absent) and end > begin:
                rejected.append(Rejected(symbol, meant.code, end - begin, f"{self.name}: {meant.sentence}"))
        return mine, rejected

    def _columns(self, symbol: Symbol, table: np.ndarray) -> BarColumns:
        closed = (table[:, 0] * 1_000).astype(np.int64) + self._seconds * 1_000_000
        prices = (np.ascontiguousarray(table[:, k]) for k in range(1, 6))
        return BarColumns(symbol, self._interval, closed, *prices)

    def _note(self, symbol: Symbol, table: np.ndarray, piece: Piece) -> str:
        """Many an exchange keeps candles for a while only, and answers with what it has left."""
        begin = instant(int(table[0, 0]) * 1_000) if len(table) else None
        if begin is not None and begin - piece.since >= PAGE * self._interval:
            return f"{self.name} gave no candles of {symbol} before {begin:%Y-%m-%d %H:%M} UTC"
        if begin is None and self.name == "ccxt:kraken":
            return "Kraken's candles end 720 back; its trades go on: --source kraken"
        return ""

    def _why_not(self, symbol: Symbol) -> str:
        base = symbol.partition("/")[0]
        others = [f"{base}/{quote}" for quote in _QUOTES if f"{base}/{quote}" in self._carried]
        why = absence(self.name, symbol).sentence
        return f"{why}; it has {', '.join(others)}" if others else why
