"""Minute bars of the past from Massive's REST aggregates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from engine.clock import Clock
from engine.domain import Symbol, instant, micros, require_utc
from engine.market.massive_access import MassiveAccess
from engine.market.massive_rest import SOURCE, MassiveRest
from engine.market.massive_rest import Rows as Results
from engine.market.row_checks import Rows, checked
from engine.market.symbols import find, listing, name_for, names_for
from engine.ports import BarColumns, Fetched, Listing, Piece

DAY_MS = 86_400_000
SPAN = timedelta(days=30)  # 43,200 minutes: one page
_EPOCH = datetime(2010, 1, 1, tzinfo=UTC)
_FIELDS = ("o", "h", "l", "c", "v", "vw", "n")


class MassiveHistory:
    """Implements `History`: a piece is a symbol's bars of at most 30 days."""

    name = "massive"
    at_once = 4

    def __init__(
        self, access: MassiveAccess, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        access.require_key()
        self._clock = clock
        self._rest = MassiveRest(access, clock, sleep=sleep)

    async def prepare(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Listing]:
        """What Massive trades now or has traded: a pair that has ended keeps its history."""
        now = await self._rest.tickers()
        past = await self._rest.tickers(active=False)
        found = {}
        for symbol in symbols:
            known = listing(SOURCE, symbol)
            if symbol in now:
                found[symbol] = replace(known, source_name=now[symbol].name)
            elif symbol in past or known.last is not None:
                ended = past[symbol].ended if symbol in past else known.last
                found[symbol] = replace(known, last=ended)
        return found

    def pieces(self, symbols: Sequence[Symbol], since: datetime, until: datetime) -> Sequence[Piece]:
        """Oldest first, every symbol of a stretch before the next stretch; stretches have the same edges for all."""
        found = []
        for first, last in stretches(require_utc(since), require_utc(until), SPAN):
            for symbol in symbols:
                key = f"massive {symbol} {first:%Y-%m-%dT%H:%M} {last:%Y-%m-%dT%H:%M}"
                found.append(Piece(key, (symbol,), first, last))
        return found

    async def fetch(self, piece: Piece) -> Fetched:
        (symbol,) = piece.symbols
        results = await results_of(self._rest, symbol, piece.since, piece.until)
        return await asyncio.to_thread(as_fetched, symbol, results, piece.since, piece.until, micros(self._clock.now()))

    async def close(self) -> None:
        await self._rest.close()


async def results_of(rest: MassiveRest, symbol: Symbol, since: datetime, until: datetime) -> Results:
    """Aggregates of a symbol under the names that it had in [`since`, `until`); bars of another coin that had one of
    them are left out. A name that the table of coins does not have at that time is tried when the others gave none."""
    at_the_time = dict.fromkeys((name_for(SOURCE, symbol, since), name_for(SOURCE, symbol, until)))
    results: Results = []
    for name in dict.fromkeys((*at_the_time, *names_for(SOURCE, symbol))):
        if name in at_the_time or not results:
            results += _meant(symbol, name, await rest.minutes(name, since, until))
    return results


def _meant(symbol: Symbol, name: str, results: Results) -> Results:
    """The rows of days on which `name` was `symbol`."""
    days = {_whole(row.get("t")) // DAY_MS for row in results}
    kept = {day for day in days if find(SOURCE, name, instant(day * DAY_MS * 1_000)) == symbol}
    return results if kept == days else [row for row in results if _whole(row.get("t")) // DAY_MS in kept]


def stretches(since: datetime, until: datetime, span: timedelta) -> list[tuple[datetime, datetime]]:
    """[since, until) cut at multiples of `span` since 2010, so that other ends do not move the cuts between."""
    found = []
    while since < until:
        end = min(until, since + span - (since - _EPOCH) % span)
        found.append((since, end))
        since = end
    return found


def as_fetched(symbol: Symbol, results: Results, since: datetime, until: datetime, now_us: int) -> Fetched:
    """Results of an aggregates call, checked row by row. What is no number counts as NaN, and is rejected as such."""
    table = np.array([[_number(row.get(name)) for name in _FIELDS] for row in results], float).reshape(-1, len(_FIELDS))
    opened = np.array([_whole(row.get("t")) for row in results], np.int64) * 1_000
    rows = Rows(np.zeros(opened.size, np.int64), opened, table[:, :4], table[:, 4], table[:, 5], table[:, 6])
    return checked((symbol,), rows, micros(since), micros(until), now_us)


def columns_of_results(symbol: Symbol, results: Results, since: datetime, until: datetime, now_us: int) -> BarColumns:
    """The believable bars of an aggregates call; none is an empty set of columns."""
    bars = as_fetched(symbol, results, since, until, now_us).bars
    if bars:
        return bars[0]
    empty = np.empty(0)
    return BarColumns(symbol, timedelta(minutes=1), empty.astype(np.int64), empty, empty, empty, empty, empty)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


def _whole(value: Any) -> int:
    """A time in ms; one that is none counts as 1970, and is rejected as outside what was asked for."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0
