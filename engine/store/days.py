"""`daily_performance`: one row per closed desk day, added up from the trades that closed in it."""

from __future__ import annotations

from datetime import date

from engine.store.database import Connection

# A trade counts in the day whose end is recorded next after its own, as in the desk's own reckoning.
_ASSIGN = "UPDATE paper_trades SET day = %s WHERE desk_id = %s AND day IS NULL AND exit_time IS NOT NULL"
_ADD_UP = """
UPDATE daily_performance SET (trades_count, wins, losses, net_pnl, fees) = (
    SELECT count(*), count(*) FILTER (WHERE pnl > 0), count(*) FILTER (WHERE pnl <= 0),
        coalesce(sum(pnl ORDER BY trade_id), 0), coalesce(sum(fees ORDER BY trade_id), 0)
    FROM paper_trades WHERE desk_id = %(desk)s AND day = %(day)s),
    ml_accuracy = (
    SELECT avg(correct::int) FROM ml_predictions WHERE desk_id = %(desk)s
        AND NOT coalesce((probabilities ->> 'shadow')::boolean, false) AND settled_at <= closed_at AND settled_at >
        coalesce((SELECT max(before.closed_at) FROM daily_performance AS before
                  WHERE before.desk_id = %(desk)s AND before.date < %(day)s), '-infinity'))
WHERE desk_id = %(desk)s AND date = %(day)s
"""


def add_up_day(connection: Connection, desk_id: str, day: date) -> None:
    """Fill in the row of a day that just closed; everything recorded before its end must have been written."""
    connection.execute(_ASSIGN, (day, desk_id))
    connection.execute(_ADD_UP, {"desk": desk_id, "day": day})
