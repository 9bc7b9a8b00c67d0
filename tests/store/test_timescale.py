"""Whether TimescaleDB is used, and what is said to it. No server here has it: functions of its names stand in, so that
PostgreSQL itself checks every statement but the two clauses that only the extension knows.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.store.bulk import write_bars
from engine.store.cache import read_cached
from engine.store.database import Connection, Database
from engine.store.migrating import migrate
from engine.store.partitions import is_native
from engine.store.reading import read_bars
from engine.store.tick_rows import write_ticks
from engine.store.timescale import Extension, adopt, look, refusal, statements
from tests.store.coins import MINUTE, NOW, SINCE, coin, roll_again, rows_of
from tests.store.test_tick_rows import _NAMES, _trades

_STAND_INS = """
CREATE FUNCTION by_range(name, interval) RETURNS text LANGUAGE sql AS $$ SELECT $1::text || ' by ' || $2::text $$;
CREATE FUNCTION create_hypertable(regclass, text) RETURNS text LANGUAGE sql AS $$ SELECT $1::text || ' ' || $2 $$;
CREATE FUNCTION time_bucket(interval, timestamptz) RETURNS timestamptz IMMUTABLE LANGUAGE sql
    AS $$ SELECT date_bin($1, $2, '2000-01-01+00'::timestamptz) $$;
CREATE FUNCTION keep_first(float8[], float8, timestamptz) RETURNS float8[] LANGUAGE sql AS $$
    SELECT CASE WHEN $1 IS NULL OR extract(epoch FROM $3) < $1[2] THEN ARRAY[$2, extract(epoch FROM $3)] ELSE $1 END $$;
CREATE FUNCTION keep_last(float8[], float8, timestamptz) RETURNS float8[] LANGUAGE sql AS $$
    SELECT CASE WHEN $1 IS NULL OR extract(epoch FROM $3) > $1[2] THEN ARRAY[$2, extract(epoch FROM $3)] ELSE $1 END $$;
CREATE FUNCTION kept(float8[]) RETURNS float8 LANGUAGE sql AS $$ SELECT $1[1] $$;
CREATE AGGREGATE first(float8, timestamptz) (sfunc = keep_first, stype = float8[], finalfunc = kept);
CREATE AGGREGATE last(float8, timestamptz) (sfunc = keep_last, stype = float8[], finalfunc = kept);
"""


def _with_stand_ins(database: Database) -> None:
    migrate(database)
    with database.connect() as connection:
        connection.execute(_STAND_INS)


def _adopt(connection: Connection, monkeypatch: pytest.MonkeyPatch, licence: str) -> str:
    monkeypatch.setattr("engine.store.timescale.look", lambda _: Extension("2.22.0", "2.22.0", licence))
    return adopt(connection)


@pytest.mark.parametrize(
    ("extension", "empty", "why"),
    [
        (None, True, "is not available"),
        (Extension("2.22.0"), True, "is not in this database"),
        (Extension("2.22.0", "2.17.2", "timescale"), True, "2.17.2 is too old"),
        (Extension("2.22.0", "2.18.0", "timescale"), False, "which stay where they are"),
        (Extension("2.22.0", "2.18.0", "apache"), True, "^$"),
        (Extension("3.0.0-dev", "3.0.0-dev", "timescale"), True, "^$"),
    ],
)
def test_hypertables_need_the_extension_new_enough_and_an_empty_database(
    extension: Extension | None, empty: bool, why: str
) -> None:
    assert re.search(why, refusal(extension, empty))


def test_a_server_without_it_keeps_native_partitions_and_says_why(database: Database) -> None:
    with database.connect() as connection:
        assert look(connection) is None
        assert adopt(connection) == "bars are kept in native partitions: TimescaleDB is not available"


def test_the_apache_edition_has_hypertables_and_plain_views(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_stand_ins(empty)
    with empty.connect() as connection:
        assert "hypertables (TimescaleDB 2.22.0, apache licence)" in _adopt(connection, monkeypatch, "apache")
        assert not is_native(connection, "bars")
        assert not is_native(connection, "ticks")
        assert adopt(connection) == "bars are kept in hypertables"
    assert migrate(empty).applied == ()
    assert not [line for line in statements(aggregates=False) if "timescaledb.continuous" in line or "policy" in line]


def test_bars_and_ticks_are_written_and_read_without_native_partitions(
    empty: Database, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    _with_stand_ins(empty)
    bars = coin()
    with empty.connect() as connection:
        _adopt(connection, monkeypatch, "apache")
        write_bars(connection, "live", "vendor", [bars], now=NOW)
        found = rows_of(connection)
        roll_again(connection)
        assert found == rows_of(connection)
        assert write_ticks(connection, "live", _NAMES, _trades(), "one") == 200
    for _ in range(2):
        for got in (
            read_bars(empty, "live", "BTC/USD", MINUTE, SINCE, NOW),
            read_cached(empty, tmp_path, "live", "BTC/USD", MINUTE, SINCE, NOW),
        ):
            np.testing.assert_array_equal(got.close, bars.close)
        bars = coin(seed=3)
        with empty.connect() as connection:
            write_bars(connection, "live", "vendor", [bars], now=NOW)


def test_what_the_extension_refuses_leaves_native_partitions(
    empty: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Plain PostgreSQL refuses the clause of continuous aggregates: a refusal as real as any."""
    _with_stand_ins(empty)
    with empty.connect() as connection:
        said = _adopt(connection, monkeypatch, "timescale")
        assert "native partitions: TimescaleDB refused: unrecognized parameter namespace" in said
        assert "TimescaleDB refused" in caplog.text
        assert is_native(connection, "bars")
        write_bars(connection, "live", "vendor", [coin()], now=NOW)
        assert connection.execute("SELECT count(*) FROM ohlcv_5m").fetchone() == (120,)


def test_a_continuous_aggregate_says_what_the_longer_bars_say(empty: Database) -> None:
    _with_stand_ins(empty)
    aggregates = [line for line in statements(aggregates=True) if "timescaledb.continuous" in line]
    assert len(aggregates) == 5
    with empty.connect() as connection:
        write_bars(connection, "live", "vendor", [coin(count=3000)], now=NOW)
        for line in aggregates:
            view = re.findall(r"ohlcv_\w+", line)[0]
            body = line.split("AS\n", 1)[1].replace("WITH NO DATA", "ORDER BY time")
            got = connection.execute(body).fetchall()
            want = connection.execute(f"SELECT * FROM {view} ORDER BY time".encode()).fetchall()
            assert len(got) == len(want) > 2
            for one, other in zip(got, want, strict=True):
                assert one[:7] == other[:7]
                assert one[7] == pytest.approx(other[7], rel=1e-12)
                assert (one[8] is None) == (other[8] is None)
                assert one[8] is None or one[8] == pytest.approx(other[8], rel=1e-12)
                assert one[9:] == other[9:]


def test_every_longer_view_has_its_aggregate_and_its_policy() -> None:
    text = "\n".join(statements(aggregates=True))
    for interval, width in (("5m", "5 minutes"), ("15m", "15 minutes"), ("1h", "1 hour"), ("4h", "4 hours")):
        assert f"VIEW ohlcv_{interval} WITH (timescaledb.continuous" in text
        assert f"add_continuous_aggregate_policy('ohlcv_{interval}', start_offset => NULL" in text
        assert f"schedule_interval => INTERVAL '{width}'" in text
    assert "time_bucket(INTERVAL '1 day'" in text
    assert "CREATE VIEW ohlcv_1m AS" in text
