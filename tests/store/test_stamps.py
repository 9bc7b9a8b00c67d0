"""Months that were there before stamps were, and what a hosted database may call."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from engine.store.bulk import write_bars
from engine.store.cache import read_cached
from engine.store.database import Database
from engine.store.migrating import MIGRATIONS, migrate
from engine.store.partitions import month_of, months_between
from tests.store.coins import MINUTE, NOW, SINCE, coin, roll_again, rows_of, some

_OLD_BARS = """
CREATE TABLE bars_2025_01 PARTITION OF bars FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00');
INSERT INTO bars SELECT 'live', 'BTC/USD', '1m', t, 1, 1, 1, 1, 1, NULL, NULL, 'good', 'feed', 0
FROM generate_series('2025-01-31 22:00+00'::timestamptz, '2025-01-31 23:59+00', '1 minute') AS t
"""


def _as_it_was_at(database: Database, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with database.connect() as connection:
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        with engine.connect() as shared:
            config.attributes["connection"] = shared
            command.upgrade(config, version)
            shared.commit()


def test_months_of_an_older_database_are_stamped_and_watched_from_then_on(empty: Database, tmp_path) -> None:
    _as_it_was_at(empty, "0004")
    with empty.connect() as connection:
        connection.execute(_OLD_BARS)
    assert next(step[:4] for step in migrate(empty).applied) == "0005"

    def closes() -> np.ndarray:
        return read_cached(empty, tmp_path, "live", "BTC/USD", MINUTE, SINCE, NOW).close

    assert closes().tolist() == [1.0] * 120
    with empty.connect() as connection:
        connection.execute("UPDATE bars_2025_01 SET close = 2 WHERE time = '2025-01-31 23:00+00'")
    assert sorted(set(closes().tolist())) == [1.0, 2.0]
    bars = coin(count=600)
    with empty.connect() as connection:
        assert write_bars(connection, "live", "vendor", [some(bars, slice(0, 130))], now=NOW).revised == 120
    assert closes().tolist() == bars.close[:130].tolist()


def test_nobody_else_may_call_what_the_triggers_are_made_of(database: Database) -> None:
    with database.connect() as connection:
        for name in ("stamp_bars()", "stamp_all_bars()", "watch_bars(regclass)"):
            row = connection.execute("SELECT has_function_privilege('public', %s, 'EXECUTE')", (name,)).fetchone()
            assert row == (False,)


def test_a_writer_with_another_search_path_stamps_all_the_same(database: Database) -> None:
    with database.connect() as connection:
        write_bars(connection, "live", "vendor", [coin(count=9)], now=NOW)
    with database.connect() as connection:
        sql = "SELECT stamp FROM public.bar_stamps WHERE interval = '1m'"
        before = connection.execute(sql).fetchall()
        connection.execute("SET search_path = ''")
        connection.execute("UPDATE public.bars SET close = close + 1")
        assert connection.execute(sql).fetchall() != before


def test_a_database_with_its_own_time_zone_keeps_the_same_bars_and_months(empty: Database, tmp_path) -> None:
    with empty.connect() as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET timezone = 'Pacific/Auckland'".encode())
    migrate(empty)
    bars = coin(count=3000)
    with empty.connect() as connection:
        write_bars(connection, "live", "vendor", [bars], now=NOW)
        months = connection.execute("SELECT DISTINCT month::text FROM bar_stamps ORDER BY 1").fetchall()
        assert months == [("2025-01-01",), ("2025-02-01",)]
        found = rows_of(connection)
        roll_again(connection)
        assert found == rows_of(connection)
    for _ in range(2):
        assert read_cached(empty, tmp_path, "live", "BTC/USD", MINUTE, SINCE, NOW).time.tolist() == bars.time.tolist()


def test_months_between_are_those_with_an_instant_in_them() -> None:
    first = datetime(2024, 12, 31, 23, 59, tzinfo=UTC)
    assert months_between(first, first) == []
    assert months_between(first, datetime(2025, 1, 1, tzinfo=UTC)) == [(2024, 12)]
    assert months_between(first, datetime(2025, 2, 1, 0, 1, tzinfo=UTC)) == [(2024, 12), (2025, 1), (2025, 2)]
    assert month_of(first) == (2024, 12)
