"""What the store has of coins, under whatever pair: for the sentence when what was asked for is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.domain import Symbol
from engine.store.bars import INTERVALS
from engine.store.database import Database
from engine.store.reading import interval_name, reading

_HELD = """
SELECT symbol, interval, min(time), max(time) FROM bars
WHERE market = %s AND split_part(symbol, '/', 1) = ANY(%s)
GROUP BY symbol, interval
"""
NAMED = 4


@dataclass(frozen=True, slots=True)
class Held:
    """Bars of one pair and interval (`5m`), by the opens of the first and the last."""

    symbol: Symbol
    interval: str
    first: datetime
    last: datetime


def held(database: Database, market: str, step: timedelta, symbols: Sequence[Symbol]) -> list[Held]:
    """The stored pairs of the same coins as `symbols`, those included, by bars of `step`, else the shortest."""
    bases = sorted({symbol.partition("/")[0] for symbol in symbols})
    with reading(database) as connection:
        rows = connection.execute(_HELD.encode(), (market, bases)).fetchall()
    found: dict[Symbol, Held] = {}
    for one in sorted((Held(*row) for row in rows), key=lambda one: _rank(one, step)):
        found.setdefault(one.symbol, one)
    return sorted(found.values(), key=lambda one: one.symbol)


def _rank(one: Held, step: timedelta) -> tuple[bool, timedelta]:
    return INTERVALS[one.interval] != step, INTERVALS[one.interval]


def instead(asked: Sequence[Symbol], step: timedelta, found: Sequence[Held]) -> str:
    """What to do about bars that are not there, by what is: a sentence's end, "" where nothing of these coins is.

    Told are bars of the interval `step` and, at any, of the pairs asked for; those of other pairs and intervals where
    there is nothing else.
    """
    read = interval_name(step)
    told = [one for one in found if one.interval == read or one.symbol in asked] or list(found)
    if not told:
        return ""
    told.sort(key=lambda one: one.symbol not in asked)
    words = [f"{_named(one, read)} from {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" for one in told[:NAMED]]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"stored are {', '.join(words)}{more}{_advice(asked, read, told)}"


def _named(one: Held, read: str) -> str:
    return one.symbol if one.interval == read else f"{one.interval} bars of {one.symbol}"


def _advice(asked: Sequence[Symbol], read: str, told: Sequence[Held]) -> str:
    """Which interval is read where others are stored, and the other pairs of it where those asked for have none."""
    fitting = [one.symbol for one in told if one.interval == read]
    reads = f"; this playbook reads {read}" if len(fitting) < len(told) else ""
    if not fitting or set(asked) & set(fitting):
        return reads
    return f"{reads}: name {f'those of {read}' if reads else 'them'} with --symbols {','.join(fitting[:NAMED])}"
