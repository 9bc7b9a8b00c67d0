"""An exchange's public trades page by page: each once, whatever its numbers are, and what of them cannot be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from engine.market.errors import MarketError
from engine.market.prints import Prints, joined

QUIET_MS = 3_600_000  # some (Binance) answer for an hour after the instant only: empty does not mean the end
PAGES_MOST = 100_000  # of one answer: an exchange that goes on and on is not believed
FULL_LEAST = 50  # no exchange gives fewer trades at a time
LATE_MS = 60_000  # a first trade so long after the instant asked for may be the first that the exchange gives at all

Rows: TypeAlias = Sequence[Mapping[str, Any]]  # ccxt's
Ask: TypeAlias = Callable[[int | None], Awaitable[Rows]]  # trades from an instant on (ms); None: the newest


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades in order of time. `cut`: instants (ms) with more trades than the exchange gives at a time. `begins`: the
    first instant (ms) of which it gives any, where it gives its newest only and they do not go back far enough."""

    prints: Prints
    cut: tuple[int, ...] = ()
    begins: int | None = None


async def every_trade(ask: Ask, first: int, end: int) -> Trades:
    """The trades in [`first`, `end`) (µs). Raises `MarketError` for an exchange whose pages have no end."""
    parts, cut, before = [prints_of(())], list[int](), Counter[Hashable]()
    cursor, largest, looked = first // 1_000, FULL_LEAST, False
    for _ in range(PAGES_MOST):
        rows = await ask(cursor)
        if rows and not looked:
            looked = True
            if _oldest(rows) > cursor + LATE_MS and (begins := await _begins_late(ask, cursor)):
                return Trades(parts[0], begins=begins)
        parts.append(prints_of(_fresh(rows, before)))
        before = Counter(map(_key, rows))
        newest = max((int(row["timestamp"]) for row in rows), default=0)
        if newest == cursor and len(rows) >= largest:
            cut.append(cursor)
        largest = max(largest, len(rows))
        cursor = newest if newest > cursor else cursor + (1 if newest == cursor else QUIET_MS)
        if cursor * 1_000 >= end:
            whole = joined(parts)
            return Trades(whole.at((whole.time >= first) & (whole.time < end)), tuple(cut))
    raise MarketError(
        f"the exchange gave {PAGES_MOST:,} pages of trades and was not at the end; ask for less at a time"
    )


async def _begins_late(ask: Ask, cursor: int) -> int | None:
    """Where the newest trades begin, when an exchange answers with those whatever it is asked for (ms)."""
    newest, again = await ask(None), await ask(cursor)  # in this order: meanwhile the newest only move on
    if not newest or not again:
        return None
    begins = _oldest(newest)
    return begins if begins > cursor and _oldest(again) >= begins else None


def _oldest(rows: Rows) -> int:
    return min(int(row["timestamp"]) for row in rows)


def _fresh(rows: Rows, before: Counter[Hashable]) -> list[Mapping[str, Any]]:
    """What the page before did not have: a page begins with the instant at which the last one ended."""
    known, fresh = Counter(before), []
    for row in rows:
        key = _key(row)
        if known[key]:
            known[key] -= 1
        else:
            fresh.append(row)
    return fresh


def _key(row: Mapping[str, Any]) -> Hashable:
    """A trade's number as the exchange writes it; without one, all that is known of it."""
    return row.get("id") or (row["timestamp"], row["price"], row["amount"], row.get("side"))


def prints_of(rows: Rows) -> Prints:
    """ccxt's trades; a number that is no integer leaves the trade without one."""
    numbers = [_number(row.get("id")) for row in rows]
    return Prints(
        np.array([int(row["timestamp"]) * 1_000 for row in rows], np.int64),
        np.array(numbers, np.int64),
        np.array([row["price"] for row in rows], np.float64),
        np.array([row["amount"] for row in rows], np.float64),
    )


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isdigit() and len(text) < 19 else -1
