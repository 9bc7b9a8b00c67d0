"""The database's part: trades and measurements that are too old, statistics, and dead rows made room for new ones."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from engine.clock import monotonic
from engine.maintenance.account import Account
from engine.store.database import Connection, Database
from engine.store.tables import metadata
from engine.store.tick_rows import drop_old_ticks

MEASURED_DAYS = 90  # days of the health check's readings; its alarms are kept for good
_PATIENCE = "5s"  # for a lock: whoever writes goes first
_OURS = """
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
AND pg_has_role(c.relowner, 'MEMBER') AND (c.relname = ANY(%(names)s) OR EXISTS (
    SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
    WHERE i.inhrelid = c.oid AND p.relname = ANY(%(names)s))) ORDER BY 1
"""


def tend(database: Database, desk_id: str, now: datetime, tick_days: int, account: Account) -> None:
    """All of it, over a connection of its own; `now` is desk time, from which days are counted back.

    The tables must be there (`migrate`, which makes the partitions ahead as well). Nothing here is ever locked against
    those who read and write but for the moment in which a partition goes. Raises `DatabaseDown` or `StoreError`.
    """
    began = monotonic()
    with database.connect(autocommit=True) as connection:
        connection.execute(f"SET lock_timeout = '{_PATIENCE}'")
        _remove_old(connection, desk_id, now, tick_days, account)
        account.tables = _vacuum(connection, account)
    account.vacuum = monotonic() - began


def _remove_old(connection: Connection, desk_id: str, now: datetime, tick_days: int, account: Account) -> None:
    try:
        before = _size(connection)
        with connection.transaction():
            gone = drop_old_ticks(connection, now.date(), tick_days)
        account.gone("days of raw trades", len(gone), max(0, before - _size(connection)))
        measured = "DELETE FROM health_metrics WHERE desk_id = %s AND time < %s AND NOT coalesce(alert_sent, false)"
        done = connection.execute(measured, (desk_id, now - timedelta(days=MEASURED_DAYS)))
        account.gone("measurements", done.rowcount)
    except psycopg.errors.LockNotAvailable:
        account.problems.append("Old rows of the database stay for now: another process holds their tables.")


def _vacuum(connection: Connection, account: Account) -> int:
    """Plain VACUUM with statistics, a table at a time; never FULL, which would shut everybody out."""
    done = 0
    names = [name for (name,) in connection.execute(_OURS, {"names": list(metadata.tables)}).fetchall()]
    for name in names:
        try:
            connection.execute(sql.SQL("VACUUM (ANALYZE, SKIP_LOCKED) {}").format(sql.Identifier(name)))
            done += 1
        except psycopg.errors.UndefinedTable:  # a partition that was dropped since it was listed
            continue
        except (psycopg.errors.LockNotAvailable, psycopg.errors.InsufficientPrivilege) as error:
            account.problems.append(f"The table {name} could not be vacuumed ({error.diag.message_primary}).")
    return done


def _size(connection: Connection) -> int:
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0
