"""Maintenance in a real PostgreSQL: old trades and measurements go, bars and alarms stay, statistics are fresh."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from engine.maintenance import Terms, maintain, tables
from engine.maintenance.account import Account
from engine.store.notes import Notes
from engine.store.partitions import day_name, ensure_days, ensure_months, month_of
from tests.maintenance.made import NOW, recorded

MINUTE = timedelta(minutes=1)
METRIC = "SELECT count(*) FROM health_metrics WHERE desk_id = 'd1'"
VACUUMED = "SELECT coalesce(sum(vacuum_count), 0) FROM pg_stat_user_tables WHERE relname = ANY(%s)"
BAR = (
    "INSERT INTO bars (market, symbol, interval, time, open, high, low, close, volume, quality, source, revision) "
    "VALUES ('live', 'BTC/USD', '1m', %s, 1, 1, 1, 1, 1, 'good', 'x', 1)"
)


def one(database, query, *values):
    with database.connect() as connection:
        return connection.execute(query, values).fetchone()[0]


def partitions(database):
    query = "SELECT array_agg(relname::text) FROM pg_class WHERE relname LIKE 'ticks_20%%' AND relkind = 'r'"
    return set(one(database, query) or ())


def stocked(database):
    """Trades of a day long ago and of today, a bar and measurements a year old and of now, an alarm a year old."""
    notes = Notes()
    year_ago = NOW - timedelta(days=365)
    for at, alarm in ((year_ago, False), (year_ago + MINUTE, True), (NOW - MINUTE, False)):
        notes.put_metric(at, "disk", 1.0, alert_sent=alarm)
    with database.connect() as connection:
        ensure_days(connection, [date(2026, 11, 1), NOW.date()])
        ensure_months(connection, [month_of(year_ago)])
        connection.execute(BAR, (year_ago,))
        notes.write(connection, "d1")


def test_old_trades_and_measurements_go_and_bars_and_alarms_stay(database):
    stocked(database)
    account = Account("now")
    tables.tend(database, "d1", NOW, 7, account)
    assert account.problems == []
    assert day_name(date(2026, 11, 1)) not in partitions(database)
    assert day_name(NOW.date()) in partitions(database)
    assert one(database, "SELECT count(*) FROM bars") == 1
    assert one(database, METRIC) == 2
    assert account.removed == {"days of raw trades": 1, "measurements": 1}


def test_every_table_is_vacuumed_and_its_statistics_are_fresh(database):
    stocked(database)
    names = ["health_metrics", "lease", f"bars_{NOW.year - 1}_11"]
    before = one(database, VACUUMED, names)
    account = Account("now")
    tables.tend(database, "d1", NOW, 7, account)
    assert one(database, VACUUMED, names) - before == len(names)
    assert account.tables > 20
    assert account.vacuum > 0


def test_what_another_holds_is_left_for_the_next_time(database, monkeypatch):
    stocked(database)
    monkeypatch.setattr(tables, "_PATIENCE", "50ms")
    account = Account("now")
    with database.connect() as other:
        other.execute("LOCK TABLE ticks IN SHARE MODE")
        tables.tend(database, "d1", NOW, 7, account)
    assert len(account.problems) == 1
    assert "another process holds" in account.problems[0]
    assert day_name(date(2026, 11, 1)) in partitions(database)
    assert account.tables > 20


def test_a_whole_maintenance_reaches_the_database_by_its_address(database, tmp_path):
    recorded(tmp_path).close()
    parts = conninfo_to_dict(database._conninfo)
    url = f"postgresql:///{parts['dbname']}?host={quote(parts['host'], safe='')}&user={parts['user']}"
    account = maintain(Terms(tmp_path, url, NOW, free=lambda _: 10**12), lambda what, share: None)
    assert account.problems == []
    assert account.vacuum > 0
    month = month_of(datetime.now(UTC) + timedelta(days=62))
    assert one(database, "SELECT count(*) FROM pg_class WHERE relname = %s", f"bars_{month[0]}_{month[1]:02}") == 1
    away = maintain(Terms(tmp_path, "postgresql://nobody@127.0.0.1:9/none", NOW + MINUTE, free=lambda _: 10**12), print)
    assert len(away.problems) == 1
    assert away.problems[0].startswith("Database: ")
    assert away.backup
