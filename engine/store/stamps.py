"""The stamps of months of bars: another one after every change (triggers see to that), and a lock for writers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from engine.domain import Symbol
from engine.store.database import Connection
from engine.store.partitions import Month

_MAKE = """
INSERT INTO bar_stamps (market, symbol, interval, month, stamp)
SELECT %(market)s, symbol, '1m', month, gen_random_uuid()
FROM unnest(%(symbols)s::text[]) AS s(symbol) CROSS JOIN unnest(%(months)s::date[]) AS m(month)
ORDER BY symbol, month ON CONFLICT DO NOTHING
"""
_TAKE = """
SELECT 1 FROM bar_stamps WHERE market = %(market)s AND interval = '1m' AND symbol = ANY(%(symbols)s)
    AND month = ANY(%(months)s) ORDER BY symbol, month FOR UPDATE
"""


def lock_months(connection: Connection, market: str, symbols: Iterable[Symbol], months: Iterable[Month]) -> None:
    """Be the only writer of these symbols' bars in these months until the transaction ends.

    Writers that read before they write (what is there already; the minutes of a longer bar) call it first, once in a
    transaction: then none misses what another writes meanwhile, and none waits for one that waits for it.
    """
    words = {
        "market": market,
        "symbols": sorted(set(symbols)),
        "months": [date(*month, 1) for month in sorted(set(months))],
    }
    connection.execute(_MAKE, words)
    connection.execute(_TAKE, words)
