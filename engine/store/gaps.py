"""The gap table: written with the ledger's rows, read by whoever heals, marked when history has filled them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.domain import Symbol
from engine.gaps import Gap
from engine.store.database import Connection
from engine.store.history_gaps import IS_QUIET, quiet_feed

MINUTE = timedelta(minutes=1)

# A suspicion may fall on the start of a gap that is known already: neither may shorten the other.
_WRITE = """
INSERT INTO gaps (desk_id, feed, symbol, gap_start, gap_end, cause, healed)
VALUES (%(desk)s, %(feed)s, %(symbol)s, %(start)s, %(end)s, %(cause)s, false)
ON CONFLICT (desk_id, feed, symbol, gap_start) DO UPDATE SET healed = false,
    cause = CASE WHEN %(suspected)s THEN gaps.cause ELSE excluded.cause END,
    gap_end = CASE WHEN %(suspected)s THEN greatest(gaps.gap_end, excluded.gap_end) ELSE excluded.gap_end END
"""
# Filled: a bar for every minute, or what a backfill of the market found to be without trades.
_OF_HISTORY = f"q.desk_id = %(market)s AND q.symbol = gaps.symbol AND {IS_QUIET} AND {quiet_feed('q.feed')}"
_FILLED = f"""
((SELECT count(*) FROM bars b WHERE b.market = %(market)s AND b.symbol = gaps.symbol AND b.interval = '1m'
    AND b.time >= gaps.gap_start AND b.time < gaps.gap_end)
    = extract(epoch FROM gaps.gap_end - gaps.gap_start) / 60
OR EXISTS (SELECT 1 FROM gaps q WHERE {_OF_HISTORY} AND q.gap_start < gaps.gap_end AND q.gap_end > gaps.gap_start)
    AND NOT EXISTS (
        SELECT 1 FROM generate_series(gaps.gap_start, gaps.gap_end - interval '1 minute', interval '1 minute') AS m(at)
        WHERE NOT EXISTS (SELECT 1 FROM bars b WHERE b.market = %(market)s AND b.symbol = gaps.symbol
                AND b.interval = '1m' AND b.time = m.at)
            AND NOT EXISTS (SELECT 1 FROM gaps q WHERE {_OF_HISTORY} AND q.gap_start <= m.at AND q.gap_end > m.at)))
"""
_MARK_FILLED = f"""
UPDATE gaps SET healed = true WHERE desk_id = %(desk)s AND symbol = %(symbol)s AND gap_start = %(start)s
    AND gap_end IS NOT NULL AND {_FILLED}
"""
_MARK_HEALED = f"""
UPDATE gaps SET healed = true WHERE desk_id = %(desk)s AND symbol = %(symbol)s AND NOT healed
    AND gap_start >= %(since)s AND gap_end <= %(until)s AND {_FILLED}
"""


class Unhealed(NamedTuple):
    """A gap that has ended and is not filled."""

    symbol: Symbol
    start: datetime
    end: datetime
    cause: str


def write_gaps(connection: Connection, desk_id: str, market: str, gaps: Iterable[Gap]) -> int:
    """Write gaps as they now stand, in the running transaction, after the bars of the same records. How many.

    One that ended and whose every minute has a bar (history delivered them after a restart) is healed already.
    """
    latest = {(gap.feed, gap.symbol, gap.start, gap.suspected): gap for gap in gaps}
    words = [_words(gap) | {"desk": desk_id, "market": market} for gap in latest.values()]
    with connection.cursor() as cursor:
        if words:
            cursor.executemany(_WRITE, words)
        ended = [one for one in words if one["end"] is not None and not one["suspected"]]
        if ended:
            cursor.executemany(_MARK_FILLED, ended)
    return len(words)


def going_on(connection: Connection, desk_id: str) -> list[Gap]:
    """The gaps that have not ended yet."""
    sql = "SELECT feed, symbol, gap_start, cause FROM gaps WHERE desk_id = %s AND gap_end IS NULL ORDER BY gap_start"
    rows = connection.execute(sql, (desk_id,)).fetchall()
    return [Gap(feed, symbol, start, None, cause, start + MINUTE) for feed, symbol, start, cause in rows]


def unhealed(connection: Connection, desk_id: str, most: int = 500) -> list[Unhealed]:
    """Gaps that have ended and wait for history, the newest first: the oldest may be beyond its reach."""
    sql = """
    SELECT symbol, gap_start, gap_end, cause FROM gaps
    WHERE desk_id = %s AND NOT healed AND gap_end IS NOT NULL ORDER BY gap_start DESC LIMIT %s
    """
    return [Unhealed(*row) for row in connection.execute(sql, (desk_id, most)).fetchall()]


def mark_healed(
    connection: Connection, desk_id: str, market: str, symbol: Symbol, since: datetime, until: datetime
) -> int:
    """Mark the gaps of `symbol` within [`since`, `until`] whose every minute has a bar now. How many."""
    words = {"desk": desk_id, "market": market, "symbol": symbol, "since": since, "until": until}
    return connection.execute(_MARK_HEALED.encode(), words).rowcount


def _words(gap: Gap) -> dict[str, object]:
    return {
        "feed": gap.feed,
        "symbol": gap.symbol,
        "start": gap.start,
        "end": gap.end,
        "cause": gap.cause,
        "suspected": gap.suspected,
    }
