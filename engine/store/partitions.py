"""Partitions: `bars` by month, those ahead at start and any other when a row needs it; `ticks` by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

from engine.clock import SystemClock
from engine.store.database import Connection

Month: TypeAlias = tuple[int, int]

WEB_ROLES = ("anon", "authenticated")  # Supabase serves every table of `public` to the web unless these are kept out
_AHEAD = 3
_DAY = timedelta(days=1)
_LOCK = 7105_2027


def month_of(at: datetime) -> Month:
    at = at.astimezone(UTC)
    return at.year, at.month


def following(month: Month) -> Month:
    year, number = month
    return (year + 1, 1) if number == 12 else (year, number + 1)


def months_between(since: datetime, until: datetime) -> list[Month]:
    """Every month with an instant in [`since`, `until`), oldest first."""
    months = [month_of(since)] if since < until else []
    while months and datetime(*following(months[-1]), 1, tzinfo=UTC) < until:
        months.append(following(months[-1]))
    return months


def ensure_ahead(connection: Connection) -> None:
    """Make the partitions of this month and the next ones, by the wall clock.

    Those of days are made by the trades that need them: most desks keep none here.
    """
    months = [month_of(SystemClock().now())]
    for _ in range(_AHEAD):
        months.append(following(months[-1]))
    ensure_months(connection, months)


def ensure_months(connection: Connection, months: Iterable[Month]) -> None:
    """Make these months' partitions of `bars` in the running transaction, unless they are there.

    There is no default partition on purpose: its rows would forbid their month's own partition later. A hypertable
    makes its chunks itself.
    """
    wanted = [(month_name(month), _first(month), _first(following(month))) for month in sorted(set(months))]
    for name in _ensure(connection, "bars", wanted):
        connection.execute("SELECT watch_bars(%s::regclass)", (name,))


def ensure_days(connection: Connection, days: Iterable[date]) -> None:
    """Make these days' partitions of `ticks` in the running transaction, unless they are there."""
    wanted = [(day_name(day), f"{day} 00:00:00+00", f"{day + _DAY} 00:00:00+00") for day in sorted(set(days))]
    _ensure(connection, "ticks", wanted)


def drop_days(connection: Connection, before: date) -> list[str]:
    """Drop the partitions of `ticks` of days before `before`; their names, oldest first."""
    sql = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ticks'::regclass ORDER BY 1"
    names = [name for (name,) in connection.execute(sql).fetchall() if name < day_name(before)]
    for name in names:
        connection.execute(f"DROP TABLE {name}".encode())
    return names


def month_name(month: Month) -> str:
    """The partition of `bars` of a month."""
    return f"bars_{month[0]:04d}_{month[1]:02d}"


def day_name(day: date) -> str:
    """The partition of `ticks` of a day."""
    return f"ticks_{day:%Y_%m_%d}"


def is_native(connection: Connection, table: str) -> bool:
    """Whether `table` is partitioned by PostgreSQL itself, and not a hypertable."""
    sql = "SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass"
    return connection.execute(sql, (table,)).fetchone() == (True,)


def _ensure(connection: Connection, table: str, wanted: Iterable[tuple[str, str, str]]) -> list[str]:
    """Make the partitions that are missing of (name, from, to); their names."""
    missing = [item for item in wanted if not _exists(connection, item[0])]
    if not missing or not is_native(connection, table):
        return []
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    missing = [item for item in missing if not _exists(connection, item[0])]
    for name, first, end in missing:
        # made apart and attached: `PARTITION OF` would lock out everyone who reads or writes the table
        connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)".encode())
        connection.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')".encode()
        )
    if missing:
        keep_private(connection, [name for name, _, _ in missing])
    return [name for name, _, _ in missing]


def keep_private(connection: Connection, tables: Iterable[str]) -> None:
    """Take these tables from the roles that a hosted database serves to the web."""
    for role in WEB_ROLES:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
            connection.execute(f"REVOKE ALL ON {', '.join(tables)} FROM {role}".encode())


def _exists(connection: Connection, name: str) -> bool:
    # read as a table: `to_regclass` answers from a cache that may not know yet what another writer just made
    sql = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s)"
    return connection.execute(sql, (name,)).fetchone() == (True,)


def _first(month: Month) -> str:
    return f"{month[0]:04d}-{month[1]:02d}-01 00:00:00+00"
