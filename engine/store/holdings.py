"""What the store has of coins, under whatever pair: for the sentence when what was asked for is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.domain import Symbol
from engine.store.database import Database
from engine.store.reading import interval_name, reading

_HELD = """
SELECT symbol, min(time), max(time) FROM bars
WHERE market = %s AND interval = %s AND split_part(symbol, '/', 1) = ANY(%s)
GROUP BY symbol ORDER BY symbol
"""
NAMED = 4


@dataclass(frozen=True, slots=True)
class Held:
    """Bars of one pair, by the opens of the first and the last."""

    symbol: Symbol
    first: datetime
    last: datetime


def held(database: Database, market: str, step: timedelta, symbols: Sequence[Symbol]) -> list[Held]:
    """The stored pairs of the same coins as `symbols`, those included."""
    bases = sorted({symbol.partition("/")[0] for symbol in symbols})
    with reading(database) as connection:
        rows = connection.execute(_HELD.encode(), (market, interval_name(step), bases)).fetchall()
    return [Held(*row) for row in rows]


def instead(asked: Sequence[Symbol], found: Sequence[Held]) -> str:
    """What to do about bars that are not there, by what is: a sentence's end, "" where nothing of these coins is."""
    if not found:
        return ""
    told = [f"{one.symbol} from {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" for one in found[:NAMED]]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    names = ",".join(one.symbol for one in found[:NAMED])
    advice = "" if set(asked) & {one.symbol for one in found} else f": name them with --symbols {names}"
    return f"stored are {', '.join(told)}{more}{advice}"
