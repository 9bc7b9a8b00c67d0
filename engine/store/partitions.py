"""Monthly partitions of `bars` and `ticks`: the months ahead at start, any other month when a row needs it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias

from engine.clock import SystemClock
from engine.store.database import Connection

Month: TypeAlias = tuple[int, int]

_TABLES = ("bars", "ticks")
_AHEAD = 3
_LOCK = 7105_2027


def month_of(at: datetime) -> Month:
    at = at.astimezone(UTC)
    return at.year, at.month


def following(month: Month) -> Month:
    year, number = month
    return (year + 1, 1) if number == 12 else (year, number + 1)


def ensure_ahead(connection: Connection) -> None:
    """Make the partitions of this month and the next ones, by the wall clock."""
    months = [month_of(SystemClock().now())]
    for _ in range(_AHEAD):
        months.append(following(months[-1]))
    ensure_months(connection, months)


def ensure_months(connection: Connection, months: Iterable[Month]) -> None:
    """Make these months' partitions in the running transaction, unless they are there.

    There is no default partition on purpose: its rows would forbid their month's own partition later.
    """
    wanted = [(table, month) for month in sorted(set(months)) for table in _TABLES]
    missing = [item for item in wanted if not _exists(connection, *item)]
    if missing:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    for table, month in missing:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_name(table, month)} PARTITION OF {table}"
            f" FOR VALUES FROM ('{_first(month)}') TO ('{_first(following(month))}')".encode()
        )


def _exists(connection: Connection, table: str, month: Month) -> bool:
    return connection.execute("SELECT to_regclass(%s) IS NOT NULL", (_name(table, month),)).fetchone() == (True,)


def _name(table: str, month: Month) -> str:
    return f"{table}_{month[0]:04d}_{month[1]:02d}"


def _first(month: Month) -> str:
    return f"{month[0]:04d}-{month[1]:02d}-01 00:00:00+00"
