"""The gaps of past history in the gap table: by market and source, replaced as a whole whenever somebody looks again.

A desk's own gaps (`gaps`) are keyed by the desk and wait to be healed; these are keyed by the market, which is no
desk, and say what a source does not have. Beside them stand the stretches that are *complete*: all that was traded in
them is stored, so that a bar which is absent there had no trades. A thin coin has a hundred thousand such bars, in a
handful of stretches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.domain import Symbol
from engine.store.bars import floor
from engine.store.database import Connection
from engine.store.reading import interval_name

QUIET = "no trades"
COMPLETE = "complete"  # no gap: in such a stretch every absent bar was without trades
IS_QUIET = f"cause IN ('{QUIET}', '{COMPLETE}')"  # in SQL: what is absent in such a stretch was not traded


class PastGap(NamedTuple):
    """Bars that opened in [`start`, `end`) are not there, because of `cause`."""

    symbol: Symbol
    start: datetime
    end: datetime
    cause: str


def feed_name(source: str, interval: str) -> str:
    """What stands in the column `feed`."""
    return source if interval == "1m" else f"{source} {interval}"


def complete_name(feed: str) -> str:
    """What stands in the column `feed` for the complete stretches of `feed`."""
    return f"{COMPLETE}:{feed}"


def quiet_feed(column: str) -> str:
    """SQL: whether a `feed` tells of minutes."""
    return f"strpos({column}, ' ') = 0"


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


def read_quiet(connection: Connection, market: str, step: timedelta, symbol: Symbol) -> list[tuple[datetime, datetime]]:
    """The stretches of a symbol, in order, in which a bar of `step` that is absent is so because nothing was traded.

    Longer bars are built of minutes too: one that lies whole in such a stretch of minutes is quiet.
    """
    rows = connection.execute(
        f"SELECT gap_start, gap_end, {quiet_feed('feed')} FROM gaps WHERE desk_id = %s AND symbol = %s AND {IS_QUIET}"
        f" AND ({quiet_feed('feed')} OR right(feed, length(%s)) = %s) ORDER BY gap_start".encode(),
        (market, symbol, *2 * (f" {interval_name(step)}",)),
    )
    found = [(_ceiling(start, step), floor(end, step)) if minutes else (start, end) for start, end, minutes in rows]
    return [(start, end) for start, end in found if start < end]


def _ceiling(at: datetime, step: timedelta) -> datetime:
    return floor(at + step - timedelta(microseconds=1), step)


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
