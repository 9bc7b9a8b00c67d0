"""Bars out of the database as whole columns: one array a column instead of a message a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from engine.domain import Symbol
from engine.store.bar_rows import POSTGRES_EPOCH_US, PRICES, QUALITIES, ROLLED_SOURCE, ROW, decode_array
from engine.store.database import Connection
from engine.store.errors import StoreError

# In the order of the table's key; the arrays keep the order in which rows come.
_SELECT = """
SELECT symbol, {columns} FROM (
    SELECT * FROM bars WHERE market = %(market)s AND symbol = ANY(%(symbols)s) AND interval = %(interval)s
        AND time >= %(since)s AND time < %(until)s ORDER BY symbol, time) AS b
GROUP BY symbol
"""
_COLUMNS = {
    "time": ("time", "i8"),
    **{name: (name, "f8") for name in PRICES},
    "vwap": ("coalesce(vwap, 'NaN')", "f8"),
    "trades": ("coalesce(trades::float8, 'NaN')", "f8"),
    "quality": (f"coalesce(array_position(ARRAY{list(QUALITIES)}, quality), 0)", "i4"),
    "revision": ("revision", "i4"),
    "source": (f"CASE source WHEN '{ROLLED_SOURCE}' THEN 1 WHEN %(source)s THEN 2 ELSE 0 END", "i4"),
}


class Stretch(NamedTuple):
    """Bars of one market and interval ("1m" …) that opened at or after `since` and before `until`."""

    market: str
    interval: str
    since: datetime
    until: datetime


def read_columns(
    connection: Connection, stretch: Stretch, symbols: Sequence[Symbol], names: Sequence[str], source: str = ""
) -> dict[Symbol, dict[str, np.ndarray]]:
    """The columns `names` of each symbol that has bars in the stretch, oldest first; `time` is the open, µs.

    `vwap` and `trades` are float64 with NaN for NULL, `quality` and `source` are codes (`bar_rows`).
    """
    words: dict[str, Any] = {**stretch._asdict(), "symbols": list(symbols), "source": source}
    picked = ", ".join(f"array_agg({_COLUMNS[name][0]})" for name in names)
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_SELECT.format(columns=picked).encode(), words)
        result = cursor.pgresult
        if result is None:
            raise StoreError("the database gave no answer to a reading of bars")
        found = {}
        for row in range(result.ntuples):
            raw = [result.get_value(row, place) or b"" for place in range(len(names) + 1)]
            columns = (decode_array(part, _COLUMNS[name][1]) for name, part in zip(names, raw[1:], strict=True))
            found[raw[0].decode()] = _finished(dict(zip(names, columns, strict=True)))
    return found


def read_rows(
    connection: Connection, stretch: Stretch, symbols: Sequence[Symbol], source: str
) -> Mapping[Symbol, np.ndarray]:
    """The stored bars of every symbol as `ROW`s, oldest first; empty for one that has none."""
    found = read_columns(connection, stretch, symbols, tuple(_COLUMNS), source)
    rows = {symbol: np.zeros(len(found[symbol]["time"]) if symbol in found else 0, ROW) for symbol in symbols}
    for symbol, columns in found.items():
        for name, values in columns.items():
            rows[symbol][name] = values
        rows[symbol]["quality"] -= 1  # PostgreSQL counts from one
        if (rows[symbol]["quality"] < 0).any():
            raise StoreError(
                f"bars of {symbol} have a quality that is none of {', '.join(QUALITIES)}; upgrade the desk"
            )
    return rows


def _finished(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Times from PostgreSQL's epoch to 1970's; all in the order of time, should the planner ever choose another."""
    time = columns["time"]
    time += POSTGRES_EPOCH_US
    if (np.diff(time) <= 0).any():
        order = np.argsort(time)
        return {name: values[order] for name, values in columns.items()}
    return columns
