"""The gaps of past history in the gap table: by market and source, replaced as a whole whenever somebody looks again.

A desk's own gaps (`gaps`) are keyed by the desk and wait to be healed; these are keyed by the market, which is no
desk, and say what a source does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from engine.domain import Symbol
from engine.store.database import Connection


class PastGap(NamedTuple):
    """Bars that opened in [`start`, `end`) are not there, because of `cause`."""

    symbol: Symbol
    start: datetime
    end: datetime
    cause: str


def feed_name(source: str, interval: str) -> str:
    """What stands in the column `feed`."""
    return source if interval == "1m" else f"{source} {interval}"


def replace_gaps(
    connection: Connection,
    market: str,
    feed: str,
    symbols: Sequence[Symbol],
    since: datetime,
    until: datetime,
    gaps: Iterable[PastGap],
) -> int:
    """Let `gaps` be all that is known of these symbols in [`since`, `until`), in the running transaction; how many.

    A known gap that reaches beyond the range keeps what lies outside it.
    """
    words = {"market": market, "feed": feed, "symbols": list(symbols), "since": since, "until": until}
    _cut(connection, words)
    columns = list(zip(*gaps, strict=True)) or [(), (), (), ()]
    return connection.execute(
        """
        INSERT INTO gaps (desk_id, feed, symbol, gap_start, gap_end, cause, healed)
        SELECT %s, %s, g.symbol, g.gap_start, g.gap_end, g.cause, false
        FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[])
            AS g(symbol, gap_start, gap_end, cause)
        ON CONFLICT (desk_id, feed, symbol, gap_start) DO UPDATE SET gap_end = excluded.gap_end, cause = excluded.cause
        """,
        (market, feed, *map(list, columns)),
    ).rowcount


def read_past_gaps(connection: Connection, market: str, feed: str, symbol: Symbol) -> list[PastGap]:
    """What one source does not have of one symbol, in order."""
    rows = connection.execute(
        "SELECT symbol, gap_start, gap_end, cause FROM gaps WHERE desk_id = %s AND feed = %s AND symbol = %s"
        " ORDER BY gap_start",
        (market, feed, symbol),
    )
    return [PastGap(*row) for row in rows.fetchall()]


def read_quiet(connection: Connection, market: str, interval: str, symbol: Symbol) -> list[tuple[datetime, datetime]]:
    """The stretches of a symbol, in order, in which its sources had no bar because nothing was traded."""
    rows = connection.execute(
        "SELECT gap_start, gap_end FROM gaps WHERE desk_id = %s AND symbol = %s AND cause = 'no trades'"
        " AND (CASE WHEN %s = '1m' THEN strpos(feed, ' ') = 0 ELSE right(feed, length(%s) + 1) = ' ' || %s END)"
        " ORDER BY gap_start",
        (market, symbol, interval, interval, interval),
    )
    return [(start, end) for start, end in rows.fetchall()]


def _cut(connection: Connection, words: dict[str, object]) -> None:
    place = "desk_id = %(market)s AND feed = %(feed)s AND symbol = ANY(%(symbols)s)"
    connection.execute(  # what reaches beyond the end goes on from there
        f"INSERT INTO gaps (desk_id, feed, symbol, gap_start, gap_end, cause, healed)"
        f" SELECT desk_id, feed, symbol, %(until)s, gap_end, cause, healed FROM gaps"
        f" WHERE {place} AND gap_start < %(until)s AND gap_end > %(until)s ON CONFLICT DO NOTHING".encode(),
        words,
    )
    connection.execute(
        f"DELETE FROM gaps WHERE {place} AND gap_start >= %(since)s AND gap_start < %(until)s".encode(), words
    )
    connection.execute(
        f"UPDATE gaps SET gap_end = %(since)s WHERE {place} AND gap_start < %(since)s AND gap_end > %(since)s".encode(),
        words,
    )
