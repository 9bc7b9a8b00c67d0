"""Kraken's whole history as bars, from its trades by REST: OHLC there ends after 720 candles, Trades never does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from engine.clock import Clock
from engine.domain import Symbol, instant, micros
from engine.market.kraken_rest import KrakenRest, Pair, VenueBusy, VenueRefused
from engine.market.pace import Pace
from engine.market.prints import Prints, bars_of, joined
from engine.market.spans import spans, written
from engine.market.symbols import absence, listing
from engine.ports import BarColumns, Fetched, Listing, Piece, Rejected

log = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FULL = 1_000  # trades in one answer, at most
GAP = 1.0  # seconds from one request to the next: what the venue allows the public
THIN = 0.05  # of a request: a page of a thin coin spans many days
BUSY_PAUSES = (15.0, 30.0, 60.0, 120.0)  # after the client's own patience has ended


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: every trade after `since_ns` up to `last_ns`; `malformed` rows were none."""

    since_ns: int
    last_ns: int
    prints: Prints
    rows: int
    malformed: tuple[str, ...]


class KrakenTrades:
    """Implements `History`: a piece is one symbol's day, fetched page by page.

    A page of a thin coin spans weeks: the last one is kept, so that the days it covers are not asked for again.
    `refused` says why a symbol is absent from the last `prepare`.
    """

    name = "kraken"
    at_once = 1  # the venue's pace is the limit: more hands would only wait

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        interval: timedelta = MINUTE,
        gap: float = GAP,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.refused: dict[Symbol, str] = {}
        self._rest = KrakenRest(url, clock, sleep=sleep)
        self._clock = clock
        self._interval = interval
        self._pace = Pace(gap, sleep=sleep)
        self._sleep = sleep
        self._pairs: Mapping[Symbol, Pair] = {}
        self._ahead: dict[Symbol, Page] = {}

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """What Kraken lists of `symbols`, also while it does not trade."""
        self._pairs = await self._rest.pairs()
        self.refused = {symbol: absence("kraken", symbol).sentence for symbol in symbols if symbol not in self._pairs}
        return {symbol: self._listing(symbol) for symbol in symbols if symbol in self._pairs}

    def _listing(self, symbol: Symbol) -> Listing:
        known, pair = listing("kraken", symbol), self._pairs[symbol]
        state = "" if pair.state == "online" else f"Kraken lists it as {pair.state}"
        note = "; ".join(part for part in (known.note, state) if part)
        return Listing(symbol, pair.rest_name, known.first, known.last, note)

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """A symbol's days one after the other, up to the last bar that has closed."""
        now, width = micros(self._clock.now()), self._interval // timedelta(microseconds=1)
        end = min(until, instant(now // width * width))
        return [
            Piece(f"kraken {symbol} {written(begin, stop)}", (symbol,), begin, stop)
            for symbol in symbols
            for begin, stop in spans(since, end, DAY)
        ]

    async def costs(self, pieces: Sequence[Piece]) -> Mapping[str, float]:
        """Seconds that each piece (by its key) will take if every day has as many trades as the last one had."""
        counts = await self._rest.trade_counts()
        return {piece.key: self._cost(piece, counts) for piece in pieces}

    def _cost(self, piece: Piece, counts: Mapping[str, int]) -> float:
        pair = self._pairs.get(piece.symbols[0])
        trades = counts.get(pair.key, 0) if pair else 0
        return GAP * max(THIN, trades * ((piece.until - piece.since) / DAY) / FULL)

    async def fetch(self, piece: Piece) -> Fetched:
        (symbol,) = piece.symbols
        if symbol not in self._pairs:
            await self.prepare(piece.symbols)
        if symbol not in self._pairs:
            raise VenueRefused(f"{symbol} is {self.refused[symbol]}")
        pages = await self._pages(symbol, piece)
        first, end = micros(piece.since), micros(piece.until)
        prints = joined([page.prints for page in pages])
        begins = int(prints.time[0]) if prints.time.size else None
        prints = prints.at((prints.time >= first) & (prints.time < end))
        good = np.isfinite(prints.price) & (prints.price > 0) & np.isfinite(prints.quantity) & (prints.quantity >= 0)
        bars = bars_of(symbol, prints.at(good), self._interval)
        malformed = [text for page in pages for text in page.malformed]
        rejected = _rejected(symbol, prints.at(~good), malformed)
        return Fetched((bars,), rejected, note=_note(symbol, bars, prints, begins, end))

    async def close(self) -> None:
        await self._rest.close()

    # ------------------------------------------------------------ pages

    async def _pages(self, symbol: Symbol, piece: Piece) -> list[Page]:
        """Every page that holds trades of the piece. Pages overlap by one instant: trades that share one must not fall
        between two pages."""
        end_ns = micros(piece.until) * 1_000
        since = micros(piece.since) * 1_000 - 1
        page = self._known(symbol, since) or await self._ask(symbol, since)
        pages = [page]
        while page.last_ns < end_ns and page.rows:
            step = page.last_ns if page.last_ns - 1 <= page.since_ns else page.last_ns - 1
            if page.rows < FULL and step == page.last_ns:
                break
            page = await self._ask(symbol, step)
            pages.append(page)
        self._ahead[symbol] = page
        return pages

    def _known(self, symbol: Symbol, since_ns: int) -> Page | None:
        page = self._ahead.get(symbol)
        return page if page and page.since_ns <= since_ns < page.last_ns else None

    async def _ask(self, symbol: Symbol, since_ns: int) -> Page:
        for pause in (*BUSY_PAUSES, None):
            await self._pace.turn()
            try:
                result = await self._rest.trades(self._pairs[symbol].rest_name, since_ns)
            except VenueBusy as error:
                if pause is None:
                    raise
                log.info("%s; asking again in %.0f s", error, pause)
                await self._sleep(pause)
            else:
                return read_page(symbol, since_ns, result)
        raise AssertionError("the last attempt returns or raises")


def read_page(symbol: Symbol, since_ns: int, result: Mapping[str, Any]) -> Page:
    """A Trades result. Raises `VenueRefused` when it is none."""
    rows = next((value for key, value in result.items() if key != "last"), None)
    if not isinstance(rows, list) or not str(result.get("last")).isdigit():
        raise VenueRefused(f"Kraken's trades of {symbol} cannot be read: {str(result)[:120]}")
    numbers, malformed = [], []
    for row in rows:
        try:
            trade = int(row[6]) if len(row) > 6 else -1  # older interfaces did not number trades
            numbers.append((round(float(row[2]) * 1e6), trade, float(row[0]), float(row[1])))
        except (TypeError, ValueError, IndexError, KeyError, OverflowError):
            malformed.append(str(row)[:120])
    table = list(zip(*numbers, strict=True)) if numbers else [()] * 4
    whole = (np.array(column, np.int64) for column in table[:2])
    prints = Prints(*whole, *(np.array(column, np.float64) for column in table[2:]))
    return Page(since_ns, int(result["last"]), prints, len(rows), tuple(malformed))


def _rejected(symbol: Symbol, bad: Prints, malformed: Sequence[str]) -> tuple[Rejected, ...]:
    found = []
    if bad.time.size:
        at, price, quantity = instant(int(bad.time[0])), bad.price[0], bad.quantity[0]
        sentence = f"{symbol} {at:%Y-%m-%d %H:%M:%S} UTC: a trade of {quantity:g} at {price:g} cannot be"
        found.append(Rejected(symbol, "TRADE_IMPOSSIBLE", int(bad.time.size), sentence))
    if malformed:
        found.append(Rejected(symbol, "MALFORMED", len(malformed), f"{symbol}: {malformed[0]} is no trade"))
    return tuple(found)


def _note(symbol: Symbol, bars: BarColumns, prints: Prints, begins: int | None, end: int) -> str:
    """What a reader should know of the piece: trades that the numbers say are missing, or that it came too early."""
    if not bars.time.size and begins is not None and begins >= end:
        return f"the next trade of {symbol} after an empty day came on {instant(begins):%Y-%m-%d %H:%M} UTC"
    numbers = prints.id[prints.id >= 0]
    lost = int(numbers.max() - numbers.min()) + 1 - numbers.size if numbers.size else 0
    return f"missing from Kraken's own answers, by their numbers: {lost} of the trades of {symbol}" if lost > 0 else ""
